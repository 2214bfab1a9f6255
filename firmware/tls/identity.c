#include <arpa/inet.h>
#include <errno.h>
#include <mbedtls/asn1write.h>
#include <mbedtls/ecp.h>
#include <mbedtls/oid.h>
#include <mbedtls/pk.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "mbed.h"

enum {
  MAX_PEM_BYTES = 64 * 1024,
  KEY_PEM_BYTES = 1024,
  CERTIFICATE_PEM_BYTES = 8192,
  ALT_NAMES_BYTES = 2048,
  MAX_NAME_CHARS = 253,  // of a host name, RFC 1035
  SERIAL_BYTES = 16,
  VALID_YEARS = 10,
  BACKDATE_S = 24 * 60 * 60,  // so that a client whose clock is behind still accepts a new certificate
};

// GeneralName tags of subjectAltName (RFC 5280 4.2.1.6).
enum { TAG_DNS = MBEDTLS_ASN1_CONTEXT_SPECIFIC | 2, TAG_IP = MBEDTLS_ASN1_CONTEXT_SPECIFIC | 7 };

static const char *const always_named[] = {"localhost", "127.0.0.1", "::1"};

// Writes one GeneralName in front of *p, as mbedTLS's writers do: backwards. Returns its length or an mbedTLS error.
static int write_alt_name(unsigned char **p, unsigned char *start, const char *name) {
  unsigned char address[sizeof(struct in6_addr)];
  const unsigned char *content = (const unsigned char *)name;
  size_t bytes = strlen(name);
  unsigned char tag = TAG_DNS;
  if (inet_pton(AF_INET, name, address) == 1) {
    content = address;
    bytes = sizeof(struct in_addr);
    tag = TAG_IP;
  } else if (inet_pton(AF_INET6, name, address) == 1) {
    content = address;
    bytes = sizeof(struct in6_addr);
    tag = TAG_IP;
  }
  int code = mbedtls_asn1_write_raw_buffer(p, start, content, bytes);
  if (code < 0) return code;
  int head = mbedtls_asn1_write_len(p, start, bytes);
  if (head < 0) return head;
  int tagged = mbedtls_asn1_write_tag(p, start, tag);
  return tagged < 0 ? tagged : code + head + tagged;
}

static int set_alt_names(mbedtls_x509write_cert *certificate, const char *const *names, size_t name_count) {
  unsigned char der[ALT_NAMES_BYTES];
  unsigned char *p = der + sizeof der;
  size_t bytes = 0;
  size_t always_count = sizeof always_named / sizeof *always_named;
  for (size_t i = name_count + always_count; i-- > 0;) {
    int written = write_alt_name(&p, der, i < name_count ? names[i] : always_named[i - name_count]);
    if (written < 0) return written;
    bytes += (size_t)written;
  }
  int head = mbedtls_asn1_write_len(&p, der, bytes);
  if (head < 0) return head;
  int tag = mbedtls_asn1_write_tag(&p, der, MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SEQUENCE);
  if (tag < 0) return tag;
  return mbedtls_x509write_crt_set_extension(certificate, MBEDTLS_OID_SUBJECT_ALT_NAME,
                                             MBEDTLS_OID_SIZE(MBEDTLS_OID_SUBJECT_ALT_NAME), 0, p,
                                             bytes + (size_t)head + (size_t)tag);
}

static int set_validity(mbedtls_x509write_cert *certificate, const struct base_clock *clock) {
  time_t begin_s = (time_t)base_clock_wall_s(clock) - BACKDATE_S;
  struct tm begin;
  if (!gmtime_r(&begin_s, &begin)) return MBEDTLS_ERR_X509_INVALID_DATE;
  struct tm end = begin;
  end.tm_year += VALID_YEARS;
  if (end.tm_mon == 1 && end.tm_mday == 29) end.tm_mday = 28;  // ten years after a leap day there is none
  char not_before[16], not_after[16];
  if (strftime(not_before, sizeof not_before, "%Y%m%d%H%M%S", &begin) == 0) return MBEDTLS_ERR_X509_INVALID_DATE;
  if (strftime(not_after, sizeof not_after, "%Y%m%d%H%M%S", &end) == 0) return MBEDTLS_ERR_X509_INVALID_DATE;
  return mbedtls_x509write_crt_set_validity(certificate, not_before, not_after);
}

static int set_serial(mbedtls_x509write_cert *certificate) {
  unsigned char random[SERIAL_BYTES];
  base_random_bytes(random, sizeof random);
  random[0] &= 0x7f;  // serial numbers are positive (RFC 5280 4.1.2.2)
  random[0] |= 0x40;
  mbedtls_mpi serial;
  mbedtls_mpi_init(&serial);
  int code = mbedtls_mpi_read_binary(&serial, random, sizeof random);
  if (code == 0) code = mbedtls_x509write_crt_set_serial(certificate, &serial);
  mbedtls_mpi_free(&serial);
  return code;
}

// Fills the certificate for `key`, signed by `key`. Returns an mbedTLS code.
static int describe_certificate(mbedtls_x509write_cert *certificate, mbedtls_pk_context *key, const char *const *names,
                                size_t name_count, const struct base_clock *clock) {
  mbedtls_x509write_crt_set_version(certificate, MBEDTLS_X509_CRT_VERSION_3);
  mbedtls_x509write_crt_set_md_alg(certificate, MBEDTLS_MD_SHA256);
  mbedtls_x509write_crt_set_subject_key(certificate, key);
  mbedtls_x509write_crt_set_issuer_key(certificate, key);
  int code = mbedtls_x509write_crt_set_subject_name(certificate, "CN=pixpop,O=pixpop");
  if (code == 0) code = mbedtls_x509write_crt_set_issuer_name(certificate, "CN=pixpop,O=pixpop");
  if (code == 0) code = set_serial(certificate);
  if (code == 0) code = set_validity(certificate, clock);
  if (code == 0) code = set_alt_names(certificate, names, name_count);
  // Its own issuer, and an issuer of nothing else: clients may trust exactly this certificate.
  if (code == 0) code = mbedtls_x509write_crt_set_basic_constraints(certificate, 1, 0);
  if (code == 0) {
    code = mbedtls_x509write_crt_set_key_usage(certificate,
                                               MBEDTLS_X509_KU_DIGITAL_SIGNATURE | MBEDTLS_X509_KU_KEY_CERT_SIGN);
  }
  return code;
}

// Makes key and certificate and appends both as PEM.
static enum base_result make_identity(const char *const *names, size_t name_count, const struct base_clock *clock,
                                      struct base_buffer *pem, struct base_fault *fault) {
  unsigned char key_pem[KEY_PEM_BYTES];
  unsigned char certificate_pem[CERTIFICATE_PEM_BYTES];
  struct tls_random random;
  mbedtls_pk_context key;
  mbedtls_x509write_cert certificate;
  mbedtls_pk_init(&key);
  mbedtls_x509write_crt_init(&certificate);
  enum base_result result = tls_random_init(&random, fault);
  if (result != BASE_OK) goto out;

  int code = mbedtls_pk_setup(&key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY));
  if (code == 0) {
    code =
        mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(key), mbedtls_ctr_drbg_random, &random.generator);
  }
  if (code == 0) code = describe_certificate(&certificate, &key, names, name_count, clock);
  if (code == 0) code = mbedtls_pk_write_key_pem(&key, key_pem, sizeof key_pem);
  if (code == 0) {
    code = mbedtls_x509write_crt_pem(&certificate, certificate_pem, sizeof certificate_pem, mbedtls_ctr_drbg_random,
                                     &random.generator);
  }
  if (code != 0) {
    result = tls_fail(fault, BASE_INTERNAL, "", "the TLS certificate can not be made", code);
    goto out;
  }
  result = base_buffer_append_text(pem, (const char *)key_pem);
  if (result == BASE_OK) result = base_buffer_append_text(pem, (const char *)certificate_pem);
  if (result != BASE_OK) result = BASE_FAIL(fault, result, "", "no memory for the TLS certificate");

out:
  explicit_bzero(key_pem, sizeof key_pem);
  mbedtls_x509write_crt_free(&certificate);
  mbedtls_pk_free(&key);
  tls_random_finish(&random);
  return result;
}

enum base_result tls_identity_read(const char *pem_path, struct base_buffer *out, struct base_fault *fault) {
  enum base_result result = base_file_read(pem_path, MAX_PEM_BYTES, out, fault);
  if (result != BASE_OK) return result;
  result = base_buffer_append(out, "", 1);  // mbedTLS counts the terminator of PEM
  return result == BASE_OK ? BASE_OK : BASE_FAIL(fault, result, "", "the TLS identity %s is too large", pem_path);
}

void tls_identity_forget(struct base_buffer *pem) {
  if (pem->data) explicit_bzero(pem->data, pem->bytes);
  base_buffer_finish(pem);
}

enum base_result tls_identity_load(const char *pem_path, mbedtls_x509_crt *certificate, mbedtls_pk_context *key,
                                   struct base_fault *fault) {
  struct base_buffer pem;
  enum base_result result = tls_identity_read(pem_path, &pem, fault);
  if (result != BASE_OK) goto out;
  int code = mbedtls_pk_parse_key(key, pem.data, pem.bytes, NULL, 0);
  if (code != 0) {
    result = tls_fail(fault, BASE_CORRUPT, pem_path, "the TLS identity holds no usable private key", code);
    goto out;
  }
  code = mbedtls_x509_crt_parse(certificate, pem.data, pem.bytes);
  if (code != 0) {
    result = tls_fail(fault, BASE_CORRUPT, pem_path, "the TLS identity holds no usable certificate", code);
    goto out;
  }
  if (mbedtls_pk_check_pair(&certificate->pk, key) != 0) {
    result = BASE_FAIL(fault, BASE_CORRUPT, pem_path, "key and certificate of the TLS identity do not belong together");
  }

out:
  tls_identity_forget(&pem);
  return result;
}

// The same for those who want its first certificate only.
static enum base_result load_certificate(const char *pem_path, mbedtls_x509_crt *certificate,
                                         struct base_fault *fault) {
  mbedtls_pk_context key;
  mbedtls_pk_init(&key);
  enum base_result result = tls_identity_load(pem_path, certificate, &key, fault);
  mbedtls_pk_free(&key);
  return result;
}

enum base_result tls_identity_ensure(const char *pem_path, const char *const *names, size_t name_count,
                                     const struct base_clock *clock, bool *is_new, struct base_fault *fault) {
  *is_new = false;
  for (size_t i = 0; i < name_count; i++) {
    size_t chars = strlen(names[i]);
    if (chars == 0 || chars > MAX_NAME_CHARS) {
      return BASE_FAIL(fault, BASE_BAD_INPUT, "names", "a certificate's name has 1..%d characters", MAX_NAME_CHARS);
    }
  }
  if (access(pem_path, F_OK) == 0) {
    mbedtls_x509_crt certificate;
    mbedtls_x509_crt_init(&certificate);
    enum base_result result = load_certificate(pem_path, &certificate, fault);
    mbedtls_x509_crt_free(&certificate);
    return result;
  }
  if (errno != ENOENT) return BASE_FAIL_ERRNO(fault, "", "the TLS identity %s can not be reached", pem_path);

  struct base_buffer pem;
  base_buffer_init(&pem, MAX_PEM_BYTES);
  enum base_result result = make_identity(names, name_count, clock, &pem, fault);
  if (result == BASE_OK) result = base_file_replace_durably(pem_path, base_buffer_span(&pem), 0600, fault);
  *is_new = result == BASE_OK;
  if (pem.data) explicit_bzero(pem.data, pem.bytes);
  base_buffer_finish(&pem);
  return result;
}

enum base_result tls_identity_publish(const char *pem_path, const char *certificate_path, struct base_fault *fault) {
  static const char begin[] = "-----BEGIN CERTIFICATE-----";
  struct base_buffer pem, published;
  base_buffer_init(&published, MAX_PEM_BYTES);
  enum base_result result = base_file_read(pem_path, MAX_PEM_BYTES, &pem, fault);
  if (result != BASE_OK) goto out;
  const uint8_t *certificate = pem.data ? memmem(pem.data, pem.bytes, begin, sizeof begin - 1) : NULL;
  if (!certificate) {
    result = BASE_FAIL(fault, BASE_CORRUPT, pem_path, "the TLS identity holds no certificate");
    goto out;
  }
  struct base_span content = base_span_of(certificate, (size_t)(pem.data + pem.bytes - certificate));
  if (base_file_read(certificate_path, MAX_PEM_BYTES, &published, NULL) == BASE_OK &&
      base_span_equal(base_buffer_span(&published), content)) {
    goto out;
  }
  result = base_file_replace_durably(certificate_path, content, 0644, fault);
out:
  if (pem.data) explicit_bzero(pem.data, pem.bytes);
  base_buffer_finish(&pem);
  base_buffer_finish(&published);
  return result;
}

enum base_result tls_identity_fingerprint(const char *pem_path, char out[TLS_FINGERPRINT_CHARS + 1],
                                          struct base_fault *fault) {
  mbedtls_x509_crt certificate;
  mbedtls_x509_crt_init(&certificate);
  enum base_result result = load_certificate(pem_path, &certificate, fault);
  if (result == BASE_OK) result = tls_certificate_fingerprint(&certificate, out, fault);
  mbedtls_x509_crt_free(&certificate);
  return result;
}
