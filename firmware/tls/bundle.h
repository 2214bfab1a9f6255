// Key and certificates out of a PEM text as people have it, and the chain that they form.
#ifndef TLS_BUNDLE_H
#define TLS_BUNDLE_H

#include <mbedtls/pk.h>
#include <mbedtls/x509_crt.h>

#include "tls/certificate.h"

struct tls_bundle {
  bool has_key;
  mbedtls_pk_context key;
  struct base_span key_text;  // its block within the text, as the next
  size_t count;               // certificates, each one once
  mbedtls_x509_crt certificates[TLS_MAX_CHAIN];
  struct base_span texts[TLS_MAX_CHAIN];
};

// Reads the one key and all certificates. `out` is initialised by it; finish it in every case. Borrows from `pem`.
enum base_result tls_bundle_read(struct base_span pem, struct tls_bundle *out, struct base_fault *fault) BASE_CHECKED;
void tls_bundle_finish(struct tls_bundle *bundle);

// Indices of certificates: the key's own first, each signed by the next.
struct tls_chain {
  size_t count;
  size_t order[TLS_MAX_CHAIN];
};
// Whether clients take an issuer at that place of a chain: 1 is the one behind the key's own.
struct tls_judge {
  bool (*is_good_issuer)(void *self, const mbedtls_x509_crt *issuer, size_t place);
  void *self;
};
// The longest chain, one whose issuers are all good if there is any. BASE_BAD_INPUT when the key has no certificate
// here, or one certificate has no place in any chain.
enum base_result tls_chain_find(struct tls_bundle *bundle, const struct tls_judge *judge, struct tls_chain *out,
                                struct base_fault *fault) BASE_CHECKED;
// True when the certificate is its own issuer.
bool tls_chain_is_root(const mbedtls_x509_crt *certificate);

// --- what certificates say ---

enum { TLS_DATE_CHARS = 20 };  // "2026-11-23 19:00 UTC"

void tls_about_fill(const mbedtls_x509_crt *certificate, unsigned chain_count, struct tls_about *out);
// The name of its owner for messages, cut to fit: its common name or, without one, its first host name.
enum { TLS_CALL_CHARS = 100 };
void tls_about_call(const mbedtls_x509_crt *certificate, char out[TLS_CALL_CHARS + 1]);
int64_t tls_about_seconds(const mbedtls_x509_time *time);
void tls_about_date(int64_t seconds, char out[TLS_DATE_CHARS + 1]);

#endif
