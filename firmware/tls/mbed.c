#include "mbed.h"

#include <mbedtls/asn1.h>
#include <mbedtls/error.h>
#include <mbedtls/oid.h>
#include <mbedtls/pem.h>
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

enum base_result tls_result_of(int code, enum base_result otherwise) {
  static const int high[] = {MBEDTLS_ERR_SSL_ALLOC_FAILED,   MBEDTLS_ERR_X509_ALLOC_FAILED,
                             MBEDTLS_ERR_PEM_ALLOC_FAILED,   MBEDTLS_ERR_PK_ALLOC_FAILED,
                             MBEDTLS_ERR_ECP_ALLOC_FAILED,   MBEDTLS_ERR_MD_ALLOC_FAILED,
                             MBEDTLS_ERR_CIPHER_ALLOC_FAILED};
  if (code >= 0) return otherwise;
  const int module = -(-code & 0xff80), cause = -(-code & 0x7f);  // error.h
  if (cause == MBEDTLS_ERR_MPI_ALLOC_FAILED || cause == MBEDTLS_ERR_ASN1_ALLOC_FAILED) return BASE_NO_MEMORY;
  for (size_t i = 0; i < sizeof high / sizeof *high; i++) {
    if (module == high[i]) return BASE_NO_MEMORY;
  }
  return otherwise;
}

enum base_result tls_fail(struct base_fault *fault, enum base_result result, const char *subject, const char *what,
                          int code) {
  char text[ERROR_TEXT_BYTES];
  mbedtls_strerror(code, text, sizeof text);
  return BASE_FAIL(fault, tls_result_of(code, result), subject, "%s: %s", what, text);
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

enum base_result tls_check_chain_bytes(size_t count, size_t der_bytes, const char *subject, struct base_fault *fault) {
  // Lengths of 3 bytes before each one and before all of them, behind the message's head (RFC 5246 7.4.2).
  const size_t bytes = 4 + 3 + 3 * count + der_bytes;
  if (bytes <= MBEDTLS_SSL_OUT_CONTENT_LEN) return BASE_OK;
  return BASE_FAIL(fault, BASE_TOO_LARGE, subject,
                   "the chain has %zu bytes, and at most %d can be shown: take fewer names or certificates", bytes,
                   MBEDTLS_SSL_OUT_CONTENT_LEN);
}

// Extensions that bind who judges a chain, which a server does not.
static int pass_extension(void *self, const mbedtls_x509_crt *certificate, const mbedtls_x509_buf *oid, int is_critical,
                          const unsigned char *begin, const unsigned char *end) {
  static const struct {
    const char *oid;
    size_t bytes;
  } known[] = {
      {MBEDTLS_OID_NAME_CONSTRAINTS, MBEDTLS_OID_SIZE(MBEDTLS_OID_NAME_CONSTRAINTS)},
      {MBEDTLS_OID_CERTIFICATE_POLICIES, MBEDTLS_OID_SIZE(MBEDTLS_OID_CERTIFICATE_POLICIES)},
      {MBEDTLS_OID_POLICY_MAPPINGS, MBEDTLS_OID_SIZE(MBEDTLS_OID_POLICY_MAPPINGS)},
      {MBEDTLS_OID_POLICY_CONSTRAINTS, MBEDTLS_OID_SIZE(MBEDTLS_OID_POLICY_CONSTRAINTS)},
      {MBEDTLS_OID_INIHIBIT_ANYPOLICY, MBEDTLS_OID_SIZE(MBEDTLS_OID_INIHIBIT_ANYPOLICY)},
  };
  (void)self, (void)certificate, (void)is_critical, (void)begin, (void)end;
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    if (oid->len == known[i].bytes && memcmp(oid->p, known[i].oid, oid->len) == 0) return 0;
  }
  return MBEDTLS_ERR_X509_FEATURE_UNAVAILABLE;  // counts when it is critical
}

int tls_certificates_parse(const char *pem, mbedtls_x509_crt *chain) {
  static const char begin_line[] = "-----BEGIN CERTIFICATE-----", end_line[] = "-----END CERTIFICATE-----";
  int code = 0;
  do {
    mbedtls_pem_context block;
    size_t used = 0;
    mbedtls_pem_init(&block);
    code = mbedtls_pem_read_buffer(&block, begin_line, end_line, (const unsigned char *)pem, NULL, 0, &used);
    if (code == 0)
      code = mbedtls_x509_crt_parse_der_with_ext_cb(chain, block.buf, block.buflen, 1, pass_extension, NULL);
    mbedtls_pem_free(&block);
    pem += used;
  } while (code == 0 && strstr(pem, begin_line));
  return code;
}
