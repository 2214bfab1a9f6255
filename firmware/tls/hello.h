// A client's first message, looked at before anybody spends memory or work on it.
#ifndef TLS_HELLO_H
#define TLS_HELLO_H

#include "tls/server.h"

// Looks at the first bytes of a connection: a ClientHello (RFC 5246 7.4.1.2) in one record. *ticket is its session
// ticket (RFC 5077 3.2), a view into `bytes`, empty when it has none. TLS_HELLO_PARTIAL while more bytes are to come,
// TLS_HELLO_WHOLE otherwise: also for what is no ClientHello, which mbedTLS will refuse.
enum tls_hello tls_hello_parse(struct base_span bytes, struct base_span *ticket);

#endif
