// TLS by mbedTLS: certificates and client connections. The only room that sees mbedTLS (beside integrity's digests).
#ifndef TLS_TLS_H
#define TLS_TLS_H

#include <stdbool.h>

#include "base/span.h"

enum { TLS_FINGERPRINT_CHARS = 95 };  // SHA-256 as "AB:CD:..."

// Makes an ECDSA P-256 key and a self-signed certificate (from 2019 on, without end, whatever the clock says;
// subjectAltName: `names`, localhost, 127.0.0.1, ::1) and writes both into one PEM file, mode 0600, durably. Does
// nothing when the file exists and can be parsed.
enum base_result tls_identity_ensure(const char *pem_path, const char *const *names, size_t name_count, bool *is_new,
                                     struct base_fault *fault) BASE_CHECKED;
// The PEM as mbedTLS wants it, with its terminator: for a TLS stack that is not this room's. tls_identity_forget wipes
// and finishes it, also after a failure.
enum base_result tls_identity_read(const char *pem_path, struct base_buffer *out,
                                   struct base_fault *fault) BASE_CHECKED;
void tls_identity_forget(struct base_buffer *pem);
// Writes the certificate of the identity alone, without its key, into `certificate_path` (mode 0644), for those who are
// to trust it. Does nothing when the file holds it already.
enum base_result tls_identity_publish(const char *pem_path, const char *certificate_path,
                                      struct base_fault *fault) BASE_CHECKED;
// SHA-256 of the DER certificate in the file.
enum base_result tls_identity_fingerprint(const char *pem_path, char out[TLS_FINGERPRINT_CHARS + 1],
                                          struct base_fault *fault) BASE_CHECKED;

// A blocking client connection over a connected socket (borrowed; time-outs are the socket's SO_RCVTIMEO/SO_SNDTIMEO).
struct tls_client_config {
  const char *server_name;
  const char *ca_file;      // PEM of trusted certificates; NULL: the system's bundle
  const char *fingerprint;  // when given, exactly this certificate is accepted and names and chains do not matter
};
struct tls_client;
// TLS 1.2 at least. BASE_FORBIDDEN when the certificate is not trusted; the fault shows its fingerprint.
enum base_result tls_client_create(int fd, const struct tls_client_config *config, struct tls_client **out,
                                   struct base_fault *fault) BASE_CHECKED;
void tls_client_destroy(struct tls_client **client);  // sends close_notify
// Up to `bytes`; *got is 0 at the end of the stream.
enum base_result tls_client_read(struct tls_client *client, void *out, size_t bytes, size_t *got,
                                 struct base_fault *fault) BASE_CHECKED;
enum base_result tls_client_write(struct tls_client *client, struct base_span bytes,
                                  struct base_fault *fault) BASE_CHECKED;

#endif
