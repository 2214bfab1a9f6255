// A guard around the server side of mbedTLS: bounded handshakes, TLS 1.2 only, one key shared safely by threads.
//
// CivetWeb's mbedTLS backend retries an unfinished handshake in a tight loop and accepts every protocol version. Its
// source is compiled with these functions in place of mbedTLS's own (see console/civet_hooks.h); each has the signature
// and the return values of the function whose name it carries. Thread-safe.
#ifndef TLS_GUARD_H
#define TLS_GUARD_H

#include <stdint.h>

struct mbedtls_pk_context;
struct mbedtls_ssl_config;
struct mbedtls_ssl_context;
struct mbedtls_x509_crt;

enum { TLS_GUARD_HANDSHAKE_TIMEOUT_MS = 3000 };

// For the handshakes that begin from now on, in the whole process; 0 restores the default.
void tls_guard_set_handshake_timeout_ms(uint32_t timeout_ms);

// mbedtls_ssl_handshake, waiting for the socket in poll(2) until the handshake is over or its deadline has passed:
// a silent client costs no CPU and gets MBEDTLS_ERR_SSL_TIMEOUT. The socket is non-blocking, and is what was given to
// mbedtls_ssl_set_bio as a pointer to its descriptor.
int tls_guard_handshake(struct mbedtls_ssl_context *ssl);
// mbedtls_ssl_config_defaults, then TLS 1.2 as the minimum and only suites with forward secrecy and AEAD.
int tls_guard_config_defaults(struct mbedtls_ssl_config *config, int endpoint, int transport, int preset);
// mbedtls_ssl_conf_own_cert after one signature has been made with the key. mbedTLS builds a key's table of multiples
// during its first signature, without a lock; made here, while one thread knows the key, the table is only read later.
int tls_guard_own_cert(struct mbedtls_ssl_config *config, struct mbedtls_x509_crt *certificate,
                       struct mbedtls_pk_context *key);

#endif
