// What people are told of delivery's certificate, and when.
//
// For certificate.c. No state; any thread.
#ifndef PIXPOPD_CERTIFICATE_ALERT_H
#define PIXPOPD_CERTIFICATE_ALERT_H

#include "console/console.h"

// The host of a public URL, "https://images.example:8443", in lower or upper case as it is there. False: none, or one
// that no certificate can name. `public_url` may be NULL.
bool certificate_alert_host(const char *public_url, char out[TLS_NAME_CHARS + 1]);

// What the log is to say of its end at `now_s`; false for nothing, also when it was said on that day (UTC) already and
// not `again`. `told_day` is the caller's memory of that, 0 at first.
bool certificate_alert_is_due(const struct tls_about *about, int64_t now_s, bool again, int64_t *told_day,
                              char out[TLS_ENDING_CHARS + 1]);

// Fills in warnings, which stand until the operator has ended what they are about, and advice, which is for whoever
// brings the certificate.
void certificate_alert_fill(struct console_certificate_state *state, const char *public_url, int64_t now_s);

// True when the box's own certificate does not do any more: it ends, or does not name the public URL's host.
bool certificate_alert_is_outdated(const struct tls_about *about, const char *public_url, int64_t now_s);

#endif
