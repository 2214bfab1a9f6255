// What the files of this room share about mbedTLS: a seeded generator, its error codes as faults, names, fingerprints.
#ifndef TLS_MBED_H
#define TLS_MBED_H

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/pk.h>
#include <mbedtls/x509_crt.h>

#include "tls/certificate.h"

struct mbedtls_ssl_config;

// GeneralName tags of subjectAltName (RFC 5280 4.2.1.6).
enum { TLS_TAG_DNS = MBEDTLS_ASN1_CONTEXT_SPECIFIC | 2, TLS_TAG_IP = MBEDTLS_ASN1_CONTEXT_SPECIFIC | 7 };

// A random generator, seeded from the kernel. Locks itself (MBEDTLS_THREADING_C).
struct tls_random {
  mbedtls_entropy_context entropy;
  mbedtls_ctr_drbg_context generator;
};

enum base_result tls_random_init(struct tls_random *random, struct base_fault *fault) BASE_CHECKED;
void tls_random_finish(struct tls_random *random);  // also after a failed init

// BASE_NO_MEMORY when mbedTLS's code says so in one of its two parts.
enum base_result tls_result_of(int code, enum base_result otherwise);
// Records "<what>: <mbedTLS's text for code>". The result is tls_result_of's.
enum base_result tls_fail(struct base_fault *fault, enum base_result result, const char *subject, const char *what,
                          int code);

// SHA-256 of the certificate's DER form as "AB:CD:...".
enum base_result tls_certificate_fingerprint(const mbedtls_x509_crt *certificate, char out[TLS_FINGERPRINT_CHARS + 1],
                                             struct base_fault *fault) BASE_CHECKED;

// BASE_TOO_LARGE for a chain of so many certificates with so many bytes of DER that no handshake can show it: mbedTLS
// sends it in one record.
enum base_result tls_check_chain_bytes(size_t count, size_t der_bytes, const char *subject,
                                       struct base_fault *fault) BASE_CHECKED;

// Appends all certificates of a PEM text; other blocks do not matter. Unlike mbedtls_x509_crt_parse it takes those
// whose critical extensions concern the judges of a chain (name constraints, policies), and fails for one that it does
// not take: MBEDTLS_ERR_X509_FEATURE_UNAVAILABLE for another critical extension. Returns an mbedTLS code.
int tls_certificates_parse(const char *pem, mbedtls_x509_crt *chain) BASE_CHECKED;

// The first key and all certificates of a PEM file; both must be initialised, and are freed by the caller in every
// case. BASE_CORRUPT when one is missing, damaged, or they do not belong together.
enum base_result tls_identity_load(const char *pem_path, mbedtls_x509_crt *certificate, mbedtls_pk_context *key,
                                   struct base_fault *fault) BASE_CHECKED;

// True for those that tls_identity_ensure and tls_identity_renew make. `about` has all but `is_self_made`.
bool tls_identity_is_own(const mbedtls_x509_crt *certificate, const struct tls_about *about);

// mbedtls_ssl_config_defaults for a TCP connection, then TLS 1.2 as the minimum and only suites with forward secrecy
// and AEAD. `endpoint`: MBEDTLS_SSL_IS_SERVER or MBEDTLS_SSL_IS_CLIENT. Returns an mbedTLS code.
int tls_config_defaults(struct mbedtls_ssl_config *config, int endpoint) BASE_CHECKED;

#endif
