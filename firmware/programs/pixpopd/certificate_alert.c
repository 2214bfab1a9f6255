#include "certificate_alert.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { DAY_S = 24 * 60 * 60 };

bool certificate_alert_host(const char *public_url, char out[TLS_NAME_CHARS + 1]) {
  const char *begin = public_url ? strstr(public_url, "://") : NULL;
  if (!begin) return false;
  begin += strlen("://");
  const bool is_v6 = *begin == '[';
  if (is_v6) begin++;
  const size_t chars = strcspn(begin, is_v6 ? "]" : ":/");
  return chars > 0 && base_span_copy(base_span_of(begin, chars), out, TLS_NAME_CHARS + 1);
}

bool certificate_alert_is_due(const struct tls_about *about, int64_t now_s, bool again, int64_t *told_day,
                              char out[TLS_ENDING_CHARS + 1]) {
  if (!tls_about_is_ending(about, now_s, out)) return false;
  if (!again && *told_day == now_s / DAY_S) return false;
  *told_day = now_s / DAY_S;
  return true;
}

// Of a certificate with more names than are kept nothing is known.
static bool misses(const struct tls_about *about, const char *public_url, char host[TLS_NAME_CHARS + 1]) {
  return about->more_names == 0 && certificate_alert_host(public_url, host) && !tls_about_covers(about, host);
}

static void warn(struct console_certificate_state *state, const char *text) {
  (void)snprintf(state->warnings[state->warning_count++], CONSOLE_WARNING_BYTES, "%s", text);
}

void certificate_alert_fill(struct console_certificate_state *state, const char *public_url, int64_t now_s) {
  static const char secure[] = "https://";
  const struct tls_about *about = &state->about;
  char text[CONSOLE_WARNING_BYTES], host[TLS_NAME_CHARS + 1];
  state->warning_count = 0;
  state->advice[0] = '\0';
  if (tls_about_is_ending(about, now_s, text)) warn(state, text);
  if (state->source == CONSOLE_CERTIFICATE_MADE) return;
  // With another URL visitors see the certificate of a proxy, or none.
  const bool is_seen = public_url && strncasecmp(public_url, secure, strlen(secure)) == 0;
  if (is_seen && misses(about, public_url, host)) {
    (void)snprintf(text, sizeof(text), "it is not for %s, the host of delivery.public_url", host);
    warn(state, text);
  }
  if (about->chain_count > 1 || about->is_self_signed) return;
  // Where all clients know the issuer there is nothing to mend.
  (void)snprintf(state->advice, sizeof(state->advice),
                 "it came without the certificates of its issuer (%.200s): clients that do not know that one refuse it",
                 about->issuer);
}

bool certificate_alert_is_outdated(const struct tls_about *about, const char *public_url, int64_t now_s) {
  char text[TLS_ENDING_CHARS + 1], host[TLS_NAME_CHARS + 1];
  return tls_about_is_ending(about, now_s, text) || misses(about, public_url, host);
}
