// What the streams of this room know of their server: the key and certificate that were current when they began.
#ifndef TLS_IDENTITY_H
#define TLS_IDENTITY_H

#include <mbedtls/ssl.h>
#include <stdatomic.h>

#include "mbed.h"
#include "tls/server.h"

struct tls_tickets;  // the keys of session tickets

// A key with its certificate, ready for use; lives while a stream still uses it.
struct tls_identity {
  atomic_uint refs;
  mbedtls_x509_crt certificate;
  mbedtls_pk_context key;
  mbedtls_ssl_config config;
  struct tls_tickets *tickets;  // shared by all of one certificate
};

// A reference to the current one.
struct tls_identity *tls_server_identity(struct tls_server *server);
void tls_identity_unref(struct tls_identity **identity);

#endif
