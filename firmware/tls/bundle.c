#include "bundle.h"

#include <mbedtls/error.h>
#include <mbedtls/oid.h>
#include <mbedtls/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mbed.h"

enum { MAX_LABEL_CHARS = 40 };

static const char begin_mark[] = "-----BEGIN ", end_mark[] = "-----END ", dashes[] = "-----";

#define ACCEPTED_KEYS "accepted are EC P-256, EC P-384 and RSA of 2048 to 4096 bits"

// "-----BEGIN LABEL----- ... -----END LABEL-----".
struct block {
  struct base_span label, text;
};

static struct base_span find(struct base_span text, const char *what) {
  const uint8_t *at = text.bytes > 0 ? memmem(text.data, text.bytes, what, strlen(what)) : NULL;
  return at ? base_span_slice(text, (size_t)(at - text.data), SIZE_MAX) : (struct base_span){0};
}

// As PowerShell's ">" saves text: every other byte is 0.
static bool is_utf16(struct base_span pem) {
  static const char begin[] = "B\0E\0G\0I\0N";
  return pem.bytes > 0 && memmem(pem.data, pem.bytes, begin, sizeof begin - 1);
}

// PEM is text: whatever holds other bytes is a file of another kind, and saying so helps more than "nothing found".
static enum base_result check_text(struct base_span pem, struct base_fault *fault) {
  if (pem.bytes > TLS_MAX_IDENTITY_BYTES) {
    return BASE_FAIL(fault, BASE_TOO_LARGE, "certificate", "key and certificates have at most %d bytes",
                     TLS_MAX_IDENTITY_BYTES);
  }
  if (is_utf16(pem)) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "certificate", "the text is saved as UTF-16: save it as UTF-8");
  }
  for (size_t i = 0; i < pem.bytes; i++) {
    const uint8_t c = pem.data[i];
    if (c >= ' ' || c == '\n' || c == '\r' || c == '\t') continue;
    return BASE_FAIL(
        fault, BASE_BAD_INPUT, "certificate",
        "this is not PEM but binary: make PEM of a .pfx or .p12 with 'openssl pkcs12 -in FILE -nodes' (add -legacy if "
        "that fails), of a .p7b with 'openssl pkcs7 -inform der -print_certs -in FILE', of a certificate with 'openssl "
        "x509 -inform der -in FILE'");
  }
  return BASE_OK;
}

static bool is_label(struct base_span name) {
  for (size_t i = 0; i < name.bytes; i++) {
    const uint8_t c = name.data[i];
    if (c != ' ' && (c < '0' || c > '9') && (c < 'A' || c > 'Z')) return false;
  }
  return name.bytes > 0;
}

// Cuts the next block off; its label is empty when there is none.
static enum base_result next_block(struct base_span *rest, struct block *out, struct base_fault *fault) {
  *out = (struct block){0};
  const struct base_span begin = find(*rest, begin_mark);
  if (begin.bytes == 0) return BASE_OK;
  const struct base_span after = base_span_slice(begin, sizeof begin_mark - 1, SIZE_MAX);
  const struct base_span label_end = find(base_span_slice(after, 0, MAX_LABEL_CHARS + sizeof dashes), dashes);
  char end_line[sizeof end_mark + MAX_LABEL_CHARS + sizeof dashes], label[MAX_LABEL_CHARS + 1];
  const struct base_span name = base_span_slice(after, 0, label_end.bytes ? (size_t)(label_end.data - after.data) : 0);
  if (!is_label(name) || !base_span_copy(name, label, sizeof label)) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "certificate", "a line with -----BEGIN is damaged");
  }
  (void)stpcpy(stpcpy(stpcpy(end_line, end_mark), label), dashes);
  const struct base_span end = find(after, end_line);
  if (end.bytes == 0) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "certificate", "'%s' has no end: the text is not whole", label);
  }
  out->label = name;
  out->text = base_span_slice(begin, 0, (size_t)(end.data - begin.data) + strlen(end_line));
  *rest = base_span_slice(end, strlen(end_line), SIZE_MAX);
  return BASE_OK;
}

// As it stands in other files, of YAML for instance.
static bool is_indented(struct base_span text) { return find(text, "\n ").bytes > 0 || find(text, "\n\t").bytes > 0; }

// Said of what mbedTLS does not know, which is no damage.
static bool is_unknown_kind(int code) {
  return code == MBEDTLS_ERR_PK_UNKNOWN_PK_ALG || code == MBEDTLS_ERR_PK_UNKNOWN_NAMED_CURVE ||
         code == MBEDTLS_ERR_PK_FEATURE_UNAVAILABLE ||
         code == MBEDTLS_ERR_X509_UNKNOWN_SIG_ALG + MBEDTLS_ERR_OID_NOT_FOUND;
}

static enum base_result fail_locked(struct base_fault *fault) {
  return BASE_FAIL(fault, BASE_BAD_INPUT, "key",
                   "the private key is locked with a passphrase; take it off with 'openssl pkey -in locked.key -out "
                   "open.key', and give the open one");
}

static enum base_result parse_key(const char *text, size_t bytes, mbedtls_pk_context *out, struct base_fault *fault) {
  const int code = mbedtls_pk_parse_key(out, (const unsigned char *)text, bytes, NULL, 0);
  if (code == 0) return BASE_OK;
  if (code == MBEDTLS_ERR_PK_PASSWORD_REQUIRED) return fail_locked(fault);
  if (is_unknown_kind(code)) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "key",
                     "the private key is of a kind that is not known here; " ACCEPTED_KEYS);
  }
  return tls_fail(fault, BASE_BAD_INPUT, "key", "the private key is damaged", code);
}

static enum base_result add_key(struct tls_bundle *bundle, const struct block *block, const char *text, size_t bytes,
                                struct base_fault *fault) {
  if (!bundle->has_key) {
    const enum base_result result = parse_key(text, bytes, &bundle->key, fault);
    bundle->has_key = result == BASE_OK;
    bundle->key_text = block->text;
    return result;
  }
  mbedtls_pk_context again;
  mbedtls_pk_init(&again);
  enum base_result result = parse_key(text, bytes, &again, fault);
  const int code = result == BASE_OK ? mbedtls_pk_check_pair(&bundle->key, &again) : 0;
  mbedtls_pk_free(&again);
  if (code == 0) return result;  // files that people join often have it twice
  return BASE_FAIL(fault, tls_result_of(code, BASE_BAD_INPUT), "key",
                   "there are several private keys: leave the certificate's own");
}

static bool has_certificate(const struct tls_bundle *bundle, const mbedtls_x509_buf *raw) {
  for (size_t i = 0; i < bundle->count; i++) {
    const mbedtls_x509_buf *known = &bundle->certificates[i].raw;
    if (known->len == raw->len && memcmp(known->p, raw->p, raw->len) == 0) return true;
  }
  return false;
}

static enum base_result add_certificate(struct tls_bundle *bundle, const struct block *block, const char *text,
                                        struct base_fault *fault) {
  mbedtls_x509_crt one;
  mbedtls_x509_crt_init(&one);
  const int code = tls_certificates_parse(text, &one);
  enum base_result result = BASE_OK;
  if (is_unknown_kind(code)) {
    result = BASE_FAIL(
        fault, BASE_BAD_INPUT, "certificate",
        "certificate %zu of the text has a key or a signature of a kind that is not known here; " ACCEPTED_KEYS,
        bundle->count + 1);
  } else if (code == MBEDTLS_ERR_X509_FEATURE_UNAVAILABLE) {
    result =
        BASE_FAIL(fault, BASE_BAD_INPUT, "certificate",
                  "certificate %zu of the text has a critical extension that is not for servers, as precertificates "
                  "have: clients refuse it",
                  bundle->count + 1);
  } else if (code != 0) {
    char what[64];
    (void)snprintf(what, sizeof what, "certificate %zu of the text can not be used", bundle->count + 1);
    result = tls_fail(fault, BASE_BAD_INPUT, "certificate", what, code);
  } else if (has_certificate(bundle, &one.raw)) {
    // As keys.
  } else if (bundle->count == TLS_MAX_CHAIN) {
    result = BASE_FAIL(fault, BASE_TOO_LARGE, "certificate",
                       "there are more than %d certificates: leave the chain of one", TLS_MAX_CHAIN);
  } else {
    bundle->certificates[bundle->count] = one;
    bundle->texts[bundle->count++] = block->text;
    return BASE_OK;
  }
  mbedtls_x509_crt_free(&one);
  return result;
}

// Numbers instead of the curve's name (RFC 5480 2.1.1 forbids them): what they begin with is found nowhere else.
static bool has_explicit_curve(const struct block *block, const char *text) {
  static const char prime_field[] = "\x06\x07\x2a\x86\x48\xce\x3d\x01\x01";
  char begin_line[sizeof begin_mark + MAX_LABEL_CHARS + sizeof dashes];
  char end_line[sizeof end_mark + MAX_LABEL_CHARS + sizeof dashes], label[MAX_LABEL_CHARS + 1];
  size_t used;
  if (!base_span_copy(block->label, label, sizeof label)) return false;
  (void)stpcpy(stpcpy(stpcpy(begin_line, begin_mark), label), dashes);
  (void)stpcpy(stpcpy(stpcpy(end_line, end_mark), label), dashes);
  mbedtls_pem_context pem;
  mbedtls_pem_init(&pem);
  const int code = mbedtls_pem_read_buffer(&pem, begin_line, end_line, (const unsigned char *)text, NULL, 0, &used);
  const bool is_there = code == 0 && find(base_span_of(pem.buf, pem.buflen), prime_field).bytes > 0;
  mbedtls_pem_free(&pem);
  return is_there;
}

static enum base_result add_text(struct tls_bundle *bundle, const struct block *block, const char *text,
                                 struct base_fault *fault) {
  if (has_explicit_curve(block, text)) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "certificate",
                     "'%.*s' describes its curve and does not name it, which clients refuse: make key and certificate "
                     "again, without 'explicit'",
                     (int)block->label.bytes, (const char *)block->label.data);
  }
  if (base_span_is(block->label, "CERTIFICATE")) return add_certificate(bundle, block, text, fault);
  return add_key(bundle, block, text, block->text.bytes + 1, fault);
}

static enum base_result add_block(struct tls_bundle *bundle, const struct block *block, struct base_fault *fault) {
  static const char *const keys[] = {"PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY"};
  const bool is_certificate = base_span_is(block->label, "CERTIFICATE");
  bool is_key = false;
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) is_key |= base_span_is(block->label, keys[i]);
  if (base_span_is(block->label, "ENCRYPTED PRIVATE KEY")) return fail_locked(fault);
  if (base_span_is(block->label, "EC PARAMETERS") || base_span_is(block->label, "DH PARAMETERS")) return BASE_OK;
  if (base_span_is(block->label, "PKCS7")) {
    return BASE_FAIL(
        fault, BASE_BAD_INPUT, "certificate",
        "'PKCS7' (.p7b) holds certificates in another form: take them out with 'openssl pkcs7 -print_certs "
        "-in FILE'");
  }
  if (is_indented(block->text)) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "certificate", "'%.*s' is indented: take off what stands before its lines",
                     (int)block->label.bytes, (const char *)block->label.data);
  }
  if (!is_certificate && !is_key) {
    return BASE_FAIL(
        fault, BASE_BAD_INPUT, "certificate",
        "'%.*s' does not belong here: wanted are one private key, its certificate and those of the issuers",
        (int)block->label.bytes, (const char *)block->label.data);
  }
  // mbedTLS wants a terminator, and counts it.
  char *text = malloc(block->text.bytes + 1);
  if (!text) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for a certificate");
  memcpy(text, block->text.data, block->text.bytes);
  text[block->text.bytes] = '\0';
  const enum base_result result = add_text(bundle, block, text, fault);
  explicit_bzero(text, block->text.bytes);
  free(text);
  return result;
}

static enum base_result check_key(const mbedtls_pk_context *key, struct base_fault *fault) {
  const size_t bits = mbedtls_pk_get_bitlen(key);
  if (mbedtls_pk_get_type(key) == MBEDTLS_PK_RSA) {
    if (bits >= 2048 && bits <= 4096) return BASE_OK;
    return BASE_FAIL(fault, BASE_BAD_INPUT, "key", "the private key is RSA of %zu bits; " ACCEPTED_KEYS, bits);
  }
  const bool is_ec = mbedtls_pk_get_type(key) == MBEDTLS_PK_ECKEY;
  const mbedtls_ecp_group_id curve = is_ec ? mbedtls_pk_ec(*key)->grp.id : MBEDTLS_ECP_DP_NONE;
  if (curve == MBEDTLS_ECP_DP_SECP256R1 || curve == MBEDTLS_ECP_DP_SECP384R1) return BASE_OK;
  const mbedtls_ecp_curve_info *info = is_ec ? mbedtls_ecp_curve_info_from_grp_id(curve) : NULL;
  return BASE_FAIL(fault, BASE_BAD_INPUT, "key", "the private key is %s; " ACCEPTED_KEYS,
                   info ? info->name : mbedtls_pk_get_name(key));
}

enum base_result tls_bundle_read(struct base_span pem, struct tls_bundle *out, struct base_fault *fault) {
  *out = (struct tls_bundle){0};
  mbedtls_pk_init(&out->key);
  enum base_result result = check_text(pem, fault);
  for (struct block block; result == BASE_OK;) {
    result = next_block(&pem, &block, fault);
    if (result != BASE_OK || block.label.bytes == 0) break;
    result = add_block(out, &block, fault);
  }
  if (result != BASE_OK) return result;
  if (!out->has_key && out->count == 0) {
    return BASE_FAIL(
        fault, BASE_BAD_INPUT, "certificate",
        "there is neither a private key nor a certificate in it: PEM is wanted, which begins with -----BEGIN");
  }
  if (!out->has_key) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "key", "the private key is missing (privkey.pem): give it along");
  }
  if (out->count == 0) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "certificate", "the certificate is missing (fullchain.pem): give it along");
  }
  return check_key(&out->key, fault);
}

void tls_bundle_finish(struct tls_bundle *bundle) {
  for (size_t i = 0; i < bundle->count; i++) mbedtls_x509_crt_free(&bundle->certificates[i]);
  mbedtls_pk_free(&bundle->key);
  *bundle = (struct tls_bundle){0};
}
