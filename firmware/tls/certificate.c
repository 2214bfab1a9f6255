#include "tls/certificate.h"

#include <mbedtls/oid.h>

#include "bundle.h"
#include "mbed.h"

static enum base_result check_dates(const mbedtls_x509_crt *certificate, int64_t now_s, struct base_fault *fault) {
  char name[TLS_CALL_CHARS + 1], date[TLS_DATE_CHARS + 1], clock[TLS_DATE_CHARS + 1];
  const int64_t begin_s = tls_about_seconds(&certificate->valid_from);
  const int64_t end_s = tls_about_seconds(&certificate->valid_to);
  tls_about_call(certificate, name);
  tls_about_date(now_s < begin_s ? begin_s : end_s, date);
  tls_about_date(now_s, clock);
  if (now_s > end_s) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "certificate",
                     "the certificate of '%s' has ended on %s; the box's clock says %s", name, date, clock);
  }
  if (now_s < begin_s) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "certificate",
                     "the certificate of '%s' does not count before %s, and the box's clock says %s: is it right?",
                     name, date, clock);
  }
  return BASE_OK;
}

// MD5 and SHA-1 can be forged, and clients refuse them; nobody looks at the signature of a root.
static enum base_result check_signature(const mbedtls_x509_crt *certificate, struct base_fault *fault) {
  char name[TLS_CALL_CHARS + 1];
  switch (certificate->sig_md) {
    case MBEDTLS_MD_SHA224:
    case MBEDTLS_MD_SHA256:
    case MBEDTLS_MD_SHA384:
    case MBEDTLS_MD_SHA512:
      return BASE_OK;
    default:
      tls_about_call(certificate, name);
      return BASE_FAIL(fault, BASE_BAD_INPUT, "certificate",
                       "the certificate of '%s' is signed with MD5 or SHA-1, which clients refuse", name);
  }
}

static enum base_result check_own(const mbedtls_x509_crt *certificate, const struct tls_about *about,
                                  struct base_fault *fault) {
  if (about->name_count == 0) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "certificate",
                     "the certificate names no host and no address (subjectAltName), and clients look at nothing else");
  }
  const bool is_for_servers =
      mbedtls_x509_crt_check_extended_key_usage(certificate, MBEDTLS_OID_SERVER_AUTH,
                                                MBEDTLS_OID_SIZE(MBEDTLS_OID_SERVER_AUTH)) == 0 &&
      mbedtls_x509_crt_check_key_usage(certificate, MBEDTLS_X509_KU_DIGITAL_SIGNATURE) == 0;
  if (is_for_servers) return BASE_OK;
  return BASE_FAIL(fault, BASE_BAD_INPUT, "certificate",
                   "the certificate is not for servers: its key usage leaves out TLS web server authentication or "
                   "digital signatures");
}

// Who says what follows the certificate's name.
static enum base_result fail_issuer(const mbedtls_x509_crt *certificate, const char *what, struct base_fault *fault) {
  char name[TLS_CALL_CHARS + 1];
  tls_about_call(certificate, name);
  return BASE_FAIL(fault, BASE_BAD_INPUT, "certificate", "'%s' stands in the chain, but %s", name, what);
}

// `place` in the chain: so many certificates stand before it, all but the first of them issuers themselves.
static enum base_result check_issuer(const mbedtls_x509_crt *certificate, size_t place, struct base_fault *fault) {
  const size_t bits = mbedtls_pk_get_bitlen(&certificate->pk);
  if (!certificate->ca_istrue || mbedtls_x509_crt_check_key_usage(certificate, MBEDTLS_X509_KU_KEY_CERT_SIGN) != 0) {
    return fail_issuer(certificate, "may sign no certificates", fault);
  }
  // mbedTLS counts from 1, 0 is no limit.
  if (certificate->max_pathlen > 0 && (size_t)certificate->max_pathlen < place) {
    return fail_issuer(certificate, "may not sign for so many others below it", fault);
  }
  if (mbedtls_x509_crt_check_extended_key_usage(certificate, MBEDTLS_OID_SERVER_AUTH,
                                                MBEDTLS_OID_SIZE(MBEDTLS_OID_SERVER_AUTH)) != 0) {
    return fail_issuer(certificate, "may sign no certificates of servers", fault);
  }
  if (bits < (mbedtls_pk_can_do(&certificate->pk, MBEDTLS_PK_RSA) ? 2048U : 256U)) {
    return fail_issuer(certificate, "its key is so short that clients refuse it", fault);
  }
  return BASE_OK;
}

static enum base_result check_one(const mbedtls_x509_crt *certificate, size_t place, const struct tls_about *about,
                                  int64_t now_s, struct base_fault *fault) {
  const bool is_root = tls_chain_is_root(certificate);
  enum base_result result = BASE_OK;
  if (place == 0) result = check_own(certificate, about, fault);
  if (place > 0 && !is_root) result = check_issuer(certificate, place, fault);
  if (result == BASE_OK && (place == 0 || !is_root)) result = check_signature(certificate, fault);
  return result == BASE_OK ? check_dates(certificate, now_s, fault) : result;
}

static bool is_good_issuer(void *self, const mbedtls_x509_crt *certificate, size_t place) {
  const int64_t *now_s = self;
  return check_one(certificate, place, NULL, *now_s, NULL) == BASE_OK;
}

static enum base_result check_chain(const struct tls_bundle *bundle, const struct tls_chain *chain,
                                    const struct tls_about *about, int64_t now_s, struct base_fault *fault) {
  enum base_result result = BASE_OK;
  size_t bytes = 0;
  for (size_t i = 0; i < chain->count && result == BASE_OK; i++) {
    const mbedtls_x509_crt *one = &bundle->certificates[chain->order[i]];
    result = check_one(one, i, about, now_s, fault);
    bytes += one->raw.len;
  }
  return result == BASE_OK ? tls_check_chain_bytes(chain->count, bytes, "certificate", fault) : result;
}

static enum base_result append(struct base_buffer *out, struct base_span text, struct base_fault *fault) {
  enum base_result result = base_buffer_append(out, text.data, text.bytes);
  if (result == BASE_OK) result = base_buffer_append(out, "\n", 1);
  if (result == BASE_OK) return BASE_OK;
  return BASE_FAIL(fault, result, "certificate", "key and certificates have at most %d bytes", TLS_MAX_IDENTITY_BYTES);
}

enum base_result tls_identity_check(struct base_span pem, int64_t now_s, struct base_buffer *out,
                                    struct tls_about *about, struct base_fault *fault) {
  struct tls_bundle bundle;
  struct tls_chain chain;
  const struct tls_judge judge = {.is_good_issuer = is_good_issuer, .self = &now_s};
  *about = (struct tls_about){0};
  base_buffer_init(out, TLS_MAX_IDENTITY_BYTES);
  enum base_result result = tls_bundle_read(pem, &bundle, fault);
  if (result == BASE_OK) result = tls_chain_find(&bundle, &judge, &chain, fault);
  if (result == BASE_OK) {
    tls_about_fill(&bundle.certificates[chain.order[0]], (unsigned)chain.count, about);
    result = check_chain(&bundle, &chain, about, now_s, fault);
  }
  // At once, so that growing leaves no copy of the key behind.
  if (result == BASE_OK && base_buffer_reserve(out, TLS_MAX_IDENTITY_BYTES) != BASE_OK) {
    result = BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for a certificate");
  }
  if (result == BASE_OK) result = append(out, bundle.key_text, fault);
  for (size_t i = 0; result == BASE_OK && i < chain.count; i++) {
    result = append(out, bundle.texts[chain.order[i]], fault);
  }
  tls_bundle_finish(&bundle);
  return result;
}

enum base_result tls_identity_describe(const char *pem_path, struct tls_about *out, struct base_fault *fault) {
  mbedtls_x509_crt certificate;
  mbedtls_pk_context key;
  mbedtls_x509_crt_init(&certificate);
  mbedtls_pk_init(&key);
  const enum base_result result = tls_identity_load(pem_path, &certificate, &key, fault);
  if (result == BASE_OK) {
    unsigned count = 0;
    for (const mbedtls_x509_crt *one = &certificate; one; one = one->next) count++;
    tls_about_fill(&certificate, count, out);
  }
  mbedtls_x509_crt_free(&certificate);
  mbedtls_pk_free(&key);
  return result;
}
