#include <arpa/inet.h>
#include <errno.h>
#include <mbedtls/asn1write.h>
#include <mbedtls/ecp.h>
#include <mbedtls/oid.h>
#include <mbedtls/pk.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "mbed.h"
#include "tls/certificate.h"

enum {
  MAX_PEM_BYTES = TLS_MAX_IDENTITY_BYTES,
  KEY_PEM_BYTES = 1024,
  CERTIFICATE_PEM_BYTES = 8192,
  ALT_NAMES_BYTES = 2048,
  SERIAL_BYTES = 16,
};

// Whatever the clock says: at a box's first start it may be years off. From July 2019 on Apple wants certificates to
// end within 825 days (support.apple.com/HT210176); the other date is RFC 5280's for those that never end (4.1.2.5).
static const char valid_from[] = "20190101000000", valid_to[] = "99991231235959";

static const char *const always_named[] = {"localhost", "127.0.0.1", "::1"};

// What certificates of the box's own have beside it; those of older releases have other dates.
#define OWN_NAME "CN=pixpop,O=pixpop"
enum { OWN_MAX_PATH = 0, OWN_KEY_USAGE = MBEDTLS_X509_KU_DIGITAL_SIGNATURE | MBEDTLS_X509_KU_KEY_CERT_SIGN };

// Writes one GeneralName in front of *p, as mbedTLS's writers do: backwards. Returns its length or an mbedTLS error.
static int write_alt_name(unsigned char **p, unsigned char *start, const char *name) {
  unsigned char address[sizeof(struct in6_addr)];
  const unsigned char *content = (const unsigned char *)name;
  size_t bytes = strlen(name);
  unsigned char tag = TLS_TAG_DNS;
  if (inet_pton(AF_INET, name, address) == 1) {
    content = address;
    bytes = sizeof(struct in_addr);
    tag = TLS_TAG_IP;
  } else if (inet_pton(AF_INET6, name, address) == 1) {
    content = address;
    bytes = sizeof(struct in6_addr);
    tag = TLS_TAG_IP;
  }
  int code = mbedtls_asn1_write_raw_buffer(p, start, content, bytes);
  if (code < 0) return code;
  int head = mbedtls_asn1_write_len(p, start, bytes);
  if (head < 0) return head;
  int tagged = mbedtls_asn1_write_tag(p, start, tag);
  return tagged < 0 ? tagged : code + head + tagged;
}

static bool is_among(const char *const *names, size_t count, const char *name) {
  for (size_t i = 0; i < count; i++) {
    if (strcmp(names[i], name) == 0) return true;
  }
  return false;
}

static int set_alt_names(mbedtls_x509write_cert *certificate, const char *const *names, size_t name_count) {
  unsigned char der[ALT_NAMES_BYTES];
  unsigned char *p = der + sizeof der;
  size_t bytes = 0;
  size_t always_count = sizeof always_named / sizeof *always_named;
  for (size_t i = name_count + always_count; i-- > 0;) {
    if (i >= name_count && is_among(names, name_count, always_named[i - name_count])) continue;
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
                                size_t name_count) {
  mbedtls_x509write_crt_set_version(certificate, MBEDTLS_X509_CRT_VERSION_3);
  mbedtls_x509write_crt_set_md_alg(certificate, MBEDTLS_MD_SHA256);
  mbedtls_x509write_crt_set_subject_key(certificate, key);
  mbedtls_x509write_crt_set_issuer_key(certificate, key);
  int code = mbedtls_x509write_crt_set_subject_name(certificate, OWN_NAME);
  if (code == 0) code = mbedtls_x509write_crt_set_issuer_name(certificate, OWN_NAME);
  if (code == 0) code = set_serial(certificate);
  if (code == 0) code = mbedtls_x509write_crt_set_validity(certificate, valid_from, valid_to);
  if (code == 0) code = set_alt_names(certificate, names, name_count);
  // Its own issuer, and an issuer of nothing else: clients may trust exactly this certificate.
  if (code == 0) code = mbedtls_x509write_crt_set_basic_constraints(certificate, 1, OWN_MAX_PATH);
  if (code == 0) code = mbedtls_x509write_crt_set_key_usage(certificate, OWN_KEY_USAGE);
  return code;
}

static bool is_named(const struct tls_about *about, const char *name) {
  for (size_t i = 0; i < about->name_count; i++) {
    if (strcmp(about->names[i], name) == 0) return true;
  }
  return false;
}

// As describe_certificate makes them: an operator's own may have the same name.
bool tls_identity_is_own(const mbedtls_x509_crt *certificate, const struct tls_about *about) {
  char name[sizeof OWN_NAME + 1];  // mbedTLS writes a space behind the comma
  const bool is_ours = about->is_self_signed && strcmp(about->key, "EC P-256") == 0 && certificate->ca_istrue &&
                       certificate->max_pathlen == OWN_MAX_PATH + 1 &&  // mbedTLS counts from 1, 0 is no limit
                       certificate->key_usage == OWN_KEY_USAGE;
  if (!is_ours || mbedtls_x509_dn_gets(name, sizeof name, &certificate->subject) < 0) return false;
  if (strcmp(name, "CN=pixpop, O=pixpop") != 0) return false;
  for (size_t i = 0; i < sizeof always_named / sizeof *always_named; i++) {
    if (!is_named(about, always_named[i])) return false;
  }
  return true;
}

// Makes key and certificate and appends both as PEM.
static enum base_result make_identity(const char *const *names, size_t name_count, struct base_buffer *pem,
                                      struct base_fault *fault) {
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
  if (code == 0) code = describe_certificate(&certificate, &key, names, name_count);
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
  enum base_result result = base_file_read(pem_path, MAX_PEM_BYTES + 1, out, fault);
  if (result != BASE_OK) return result;
  if (out->bytes > MAX_PEM_BYTES) {
    return BASE_FAIL(fault, BASE_TOO_LARGE, pem_path, "the TLS identity is over %d bytes", MAX_PEM_BYTES);
  }
  result = base_buffer_append(out, "", 1);  // mbedTLS counts the terminator of PEM
  return result == BASE_OK ? BASE_OK : BASE_FAIL(fault, result, pem_path, "no memory for the TLS identity");
}

void tls_identity_forget(struct base_buffer *pem) {
  if (pem->data) explicit_bzero(pem->data, pem->bytes);
  base_buffer_finish(pem);
}

static enum base_result parse(const char *pem_path, const struct base_buffer *pem, mbedtls_x509_crt *certificate,
                              mbedtls_pk_context *key, struct base_fault *fault) {
  int code = mbedtls_pk_parse_key(key, pem->data, pem->bytes, NULL, 0);
  if (code != 0) return tls_fail(fault, BASE_CORRUPT, pem_path, "the TLS identity holds no usable private key", code);
  code = tls_certificates_parse((const char *)pem->data, certificate);
  if (code != 0) return tls_fail(fault, BASE_CORRUPT, pem_path, "the TLS identity holds no usable certificate", code);
  code = mbedtls_pk_check_pair(&certificate->pk, key);
  if (code == 0) return BASE_OK;
  return BASE_FAIL(fault, tls_result_of(code, BASE_CORRUPT), pem_path,
                   "key and certificate of the TLS identity do not belong together");
}

static bool is_memory_short(void) {
  struct base_buffer room;
  base_buffer_init(&room, MAX_PEM_BYTES);
  const bool is_short = base_buffer_reserve(&room, MAX_PEM_BYTES) != BASE_OK;
  base_buffer_finish(&room);
  return is_short;
}

enum base_result tls_identity_load(const char *pem_path, mbedtls_x509_crt *certificate, mbedtls_pk_context *key,
                                   struct base_fault *fault) {
  struct base_buffer pem;
  enum base_result result = tls_identity_read(pem_path, &pem, fault);
  if (result == BASE_OK) result = parse(pem_path, &pem, certificate, key, NULL);
  if (result == BASE_CORRUPT) {
    // mbedTLS hides lack of memory behind some of its codes for damage: damage is what is there twice, with memory.
    mbedtls_x509_crt_free(certificate);
    mbedtls_pk_free(key);
    result = is_memory_short() ? BASE_NO_MEMORY : parse(pem_path, &pem, certificate, key, fault);
  }
  if (result == BASE_NO_MEMORY) result = BASE_FAIL(fault, result, pem_path, "no memory for the TLS identity");
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

static enum base_result check_names(const char *const *names, size_t name_count, struct base_fault *fault) {
  for (size_t i = 0; i < name_count; i++) {
    size_t chars = strlen(names[i]);
    if (chars == 0 || chars > TLS_NAME_CHARS) {
      return BASE_FAIL(fault, BASE_BAD_INPUT, "names", "a certificate's name has 1..%d characters", TLS_NAME_CHARS);
    }
  }
  return BASE_OK;
}

enum base_result tls_identity_renew(const char *pem_path, const char *const *names, size_t name_count,
                                    struct base_fault *fault) {
  struct base_buffer pem;
  enum base_result result = check_names(names, name_count, fault);
  if (result != BASE_OK) return result;
  base_buffer_init(&pem, MAX_PEM_BYTES);
  // At once, so that growing leaves no copy of the key behind.
  if (base_buffer_reserve(&pem, KEY_PEM_BYTES + CERTIFICATE_PEM_BYTES) != BASE_OK) {
    return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for the TLS certificate");
  }
  result = make_identity(names, name_count, &pem, fault);
  if (result == BASE_OK) result = base_file_replace_durably(pem_path, base_buffer_span(&pem), 0600, fault);
  tls_identity_forget(&pem);
  return result;
}

enum base_result tls_identity_ensure(const char *pem_path, const char *const *names, size_t name_count, bool *is_new,
                                     struct base_fault *fault) {
  *is_new = false;
  enum base_result result = check_names(names, name_count, fault);
  if (result != BASE_OK) return result;
  if (access(pem_path, F_OK) == 0) {
    mbedtls_x509_crt certificate;
    mbedtls_x509_crt_init(&certificate);
    result = load_certificate(pem_path, &certificate, fault);
    mbedtls_x509_crt_free(&certificate);
    return result;
  }
  if (errno != ENOENT) return BASE_FAIL_ERRNO(fault, "", "the TLS identity %s can not be reached", pem_path);
  result = tls_identity_renew(pem_path, names, name_count, fault);
  *is_new = result == BASE_OK;
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
  tls_identity_forget(&pem);
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
