// What the files of this room share about mbedTLS: a seeded generator, its error codes as faults, fingerprints.
#ifndef TLS_MBED_H
#define TLS_MBED_H

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/x509_crt.h>

#include "tls/tls.h"

// A random generator, seeded from the kernel. Belongs to one thread.
struct tls_random {
  mbedtls_entropy_context entropy;
  mbedtls_ctr_drbg_context generator;
};

enum base_result tls_random_init(struct tls_random *random, struct base_fault *fault) BASE_CHECKED;
void tls_random_finish(struct tls_random *random);  // also after a failed init

// Records "<what>: <mbedTLS's text for code>". BASE_NO_MEMORY when the code says so.
enum base_result tls_fail(struct base_fault *fault, enum base_result result, const char *subject, const char *what,
                          int code);

// SHA-256 of the certificate's DER form as "AB:CD:...".
enum base_result tls_certificate_fingerprint(const mbedtls_x509_crt *certificate, char out[TLS_FINGERPRINT_CHARS + 1],
                                             struct base_fault *fault) BASE_CHECKED;

#endif
