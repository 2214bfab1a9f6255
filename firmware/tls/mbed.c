#include "mbed.h"

#include <mbedtls/error.h>
#include <mbedtls/sha256.h>
#include <mbedtls/ssl.h>
#include <stdio.h>
#include <string.h>

enum { ERROR_TEXT_BYTES = 128 };

enum base_result tls_random_init(struct tls_random *random, struct base_fault *fault) {
  static const unsigned char purpose[] = "pixpop tls";
  mbedtls_entropy_init(&random->entropy);
  mbedtls_ctr_drbg_init(&random->generator);
  int code = mbedtls_ctr_drbg_seed(&random->generator, mbedtls_entropy_func, &random->entropy, purpose, sizeof purpose);
  if (code != 0) return tls_fail(fault, BASE_IO, "", "the random generator can not be seeded", code);
  return BASE_OK;
}

void tls_random_finish(struct tls_random *random) {
  mbedtls_ctr_drbg_free(&random->generator);
  mbedtls_entropy_free(&random->entropy);
}

enum base_result tls_fail(struct base_fault *fault, enum base_result result, const char *subject, const char *what,
                          int code) {
  char text[ERROR_TEXT_BYTES];
  mbedtls_strerror(code, text, sizeof text);
  if (code == MBEDTLS_ERR_SSL_ALLOC_FAILED || code == MBEDTLS_ERR_X509_ALLOC_FAILED) result = BASE_NO_MEMORY;
  return BASE_FAIL(fault, result, subject, "%s: %s", what, text);
}

enum base_result tls_certificate_fingerprint(const mbedtls_x509_crt *certificate, char out[TLS_FINGERPRINT_CHARS + 1],
                                             struct base_fault *fault) {
  unsigned char digest[32];
  int code = mbedtls_sha256_ret(certificate->raw.p, certificate->raw.len, digest, 0);
  if (code != 0) return tls_fail(fault, BASE_INTERNAL, "", "SHA-256 of a certificate", code);
  for (size_t i = 0; i < sizeof digest; i++) {
    snprintf(out + 3 * i, 4, i + 1 < sizeof digest ? "%02X:" : "%02X", digest[i]);
  }
  return BASE_OK;
}
