#include <arpa/inet.h>
#include <inttypes.h>
#include <mbedtls/oid.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/utf8.h"
#include "bundle.h"
#include "mbed.h"

_Static_assert(TLS_NAME_CHARS <= TLS_DN_CHARS, "a name fits where a distinguished name does");

enum { DN_TEXT_BYTES = 1024, DAY_S = 24 * 60 * 60 };

// As mbedtls_x509_dn_gets, which leaves out everything beyond ASCII.
static void write_dn(const mbedtls_x509_name *name, char out[TLS_DN_CHARS + 1]) {
  char text[DN_TEXT_BYTES];
  size_t chars = 0;
  for (const mbedtls_x509_name *one = name; one && chars < sizeof text; one = one->next) {
    const char *kind = NULL;
    if (!one->oid.p) continue;
    if (mbedtls_oid_get_attr_short_name(&one->oid, &kind) != 0) kind = "?";
    const int length = snprintf(text + chars, sizeof text - chars, "%s%s=%.*s", chars > 0 ? ", " : "", kind,
                                (int)one->val.len, (const char *)one->val.p);
    if (length > 0) chars += (size_t)length;
  }
  base_utf8_copy_plain(base_span_of(text, chars < sizeof text ? chars : sizeof text - 1), out, TLS_DN_CHARS + 1);
}

static void write_key(const mbedtls_pk_context *key, char out[TLS_KEY_CHARS + 1]) {
  const unsigned bits = (unsigned)mbedtls_pk_get_bitlen(key);
  const bool is_ec = mbedtls_pk_can_do(key, MBEDTLS_PK_ECKEY);
  (void)snprintf(out, TLS_KEY_CHARS + 1, is_ec ? "EC P-%u" : "RSA %u", bits);
}

// False for names of other kinds, which say nothing to a client of ours.
static bool write_name(const mbedtls_x509_buf *name, char out[TLS_NAME_CHARS + 1]) {
  if (name->tag == TLS_TAG_DNS) {
    base_utf8_copy_plain(base_span_of(name->p, name->len), out, TLS_NAME_CHARS + 1);
    return name->len > 0;
  }
  const bool is_v4 = name->len == sizeof(struct in_addr);
  if (name->tag != TLS_TAG_IP || (!is_v4 && name->len != sizeof(struct in6_addr))) return false;
  return inet_ntop(is_v4 ? AF_INET : AF_INET6, name->p, out, TLS_NAME_CHARS + 1) != NULL;
}

static void write_names(const mbedtls_x509_crt *certificate, struct tls_about *out) {
  char name[TLS_NAME_CHARS + 1];
  for (const mbedtls_x509_sequence *one = &certificate->subject_alt_names; one; one = one->next) {
    if (!write_name(&one->buf, name)) continue;
    if (out->name_count == TLS_MAX_NAMES) {
      out->more_names++;
    } else {
      out->is_address[out->name_count] = one->buf.tag == TLS_TAG_IP;
      memcpy(out->names[out->name_count++], name, sizeof name);
    }
  }
}

int64_t tls_about_seconds(const mbedtls_x509_time *time) {
  struct tm parts = {.tm_year = time->year - 1900,
                     .tm_mon = time->mon - 1,
                     .tm_mday = time->day,
                     .tm_hour = time->hour,
                     .tm_min = time->min,
                     .tm_sec = time->sec};
  return (int64_t)timegm(&parts);
}

void tls_about_date(int64_t seconds, char out[TLS_DATE_CHARS + 1]) {
  const time_t time = (time_t)seconds;
  struct tm parts;
  if (!gmtime_r(&time, &parts) || strftime(out, TLS_DATE_CHARS + 1, "%Y-%m-%d %H:%M UTC", &parts) == 0) {
    (void)snprintf(out, TLS_DATE_CHARS + 1, "an unknown day");
  }
}

void tls_about_fill(const mbedtls_x509_crt *certificate, unsigned chain_count, struct tls_about *out) {
  *out = (struct tls_about){.chain_count = chain_count};
  write_dn(&certificate->subject, out->subject);
  write_dn(&certificate->issuer, out->issuer);
  write_key(&certificate->pk, out->key);
  write_names(certificate, out);
  out->not_before_s = tls_about_seconds(&certificate->valid_from);
  out->not_after_s = tls_about_seconds(&certificate->valid_to);
  if (tls_certificate_fingerprint(certificate, out->fingerprint, NULL) != BASE_OK) out->fingerprint[0] = '\0';
  out->is_self_signed = tls_chain_is_root(certificate);
  out->is_self_made = tls_identity_is_own(certificate, out);
}

void tls_about_call(const mbedtls_x509_crt *certificate, char out[TLS_CALL_CHARS + 1]) {
  char text[TLS_DN_CHARS + 1];
  write_dn(&certificate->subject, text);
  for (const mbedtls_x509_sequence *one = &certificate->subject_alt_names; one; one = one->next) {
    if (write_name(&one->buf, text)) break;
  }
  struct base_span name = base_span_text(text);
  for (const mbedtls_x509_name *one = &certificate->subject; one; one = one->next) {
    if (!one->oid.p || MBEDTLS_OID_CMP(MBEDTLS_OID_AT_CN, &one->oid) != 0) continue;
    name = base_span_of(one->val.p, one->val.len);
  }
  base_utf8_copy_plain(name, out, TLS_CALL_CHARS + 1);
}

// --- questions ---

// An address in its binary form.
struct address {
  int family;  // AF_UNSPEC: it is none
  unsigned char bytes[sizeof(struct in6_addr)];
};

static struct address read_address(const char *text) {
  struct address out = {.family = AF_INET};
  if (inet_pton(AF_INET, text, out.bytes) == 1) return out;
  out.family = inet_pton(AF_INET6, text, out.bytes) == 1 ? AF_INET6 : AF_UNSPEC;
  return out;
}

static bool is_same_address(const char *name, const struct address *host) {
  const struct address address = read_address(name);
  return address.family == host->family && memcmp(address.bytes, host->bytes, sizeof address.bytes) == 0;
}

static bool is_same_host(const char *name, const char *host) {
  if (strncmp(name, "*.", 2) == 0) {
    const char *dot = strchr(host, '.');
    return dot && dot > host && strcasecmp(name + 1, dot) == 0;
  }
  return strcasecmp(name, host) == 0;
}

bool tls_about_covers(const struct tls_about *about, const char *host) {
  const struct address address = read_address(host);
  const bool is_address = address.family != AF_UNSPEC;
  for (size_t i = 0; i < about->name_count; i++) {
    if (about->is_address[i] != is_address) continue;
    if (is_address ? is_same_address(about->names[i], &address) : is_same_host(about->names[i], host)) return true;
  }
  return false;
}

// How long before its end people are told: those that live for days are renewed in their last days.
static int64_t warning_s(const struct tls_about *about) {
  const int64_t quarter_s = (about->not_after_s - about->not_before_s) / 4;
  const int64_t most_s = (int64_t)TLS_ENDING_DAYS * DAY_S;
  return quarter_s < most_s ? quarter_s : most_s;
}

bool tls_about_is_ending(const struct tls_about *about, int64_t now_s, char out[TLS_ENDING_CHARS + 1]) {
  char date[TLS_DATE_CHARS + 1], clock[TLS_DATE_CHARS + 1];
  out[0] = '\0';
  tls_about_date(about->not_after_s, date);
  if (now_s > about->not_after_s) {
    (void)snprintf(out, TLS_ENDING_CHARS + 1, "it has ended on %s: visitors are turned away by their browsers", date);
  } else if (now_s < about->not_before_s) {
    tls_about_date(about->not_before_s, date);
    tls_about_date(now_s, clock);
    (void)snprintf(out, TLS_ENDING_CHARS + 1, "it does not count before %s, and the box's clock says %s", date, clock);
  } else if (about->not_after_s - now_s < warning_s(about)) {
    const int64_t days = (about->not_after_s - now_s) / DAY_S;
    (void)snprintf(out, TLS_ENDING_CHARS + 1, "it ends on %s, in %" PRId64 " %s", date, days,
                   days == 1 ? "day" : "days");
  }
  return out[0] != '\0';
}
