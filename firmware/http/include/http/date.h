// HTTP dates (RFC 9110 5.6.7).
#ifndef HTTP_DATE_H
#define HTTP_DATE_H

#include "base/span.h"

enum { HTTP_DATE_CHARS = 29 };

// IMF-fixdate, e.g. "Sun, 06 Nov 1994 08:49:37 GMT"; `out` holds HTTP_DATE_CHARS + 1.
// Times outside the years 1970..9999 give the nearest one inside.
void http_date_format(int64_t unix_s, char *out, size_t capacity);
// Accepts IMF-fixdate, RFC 850 and asctime forms. `now_s` resolves RFC 850's two-digit year: a date that appears
// more than 50 years ahead of it belongs to the past century.
bool http_date_parse(struct base_span text, int64_t now_s, int64_t *out_unix_s) BASE_CHECKED;

#endif
