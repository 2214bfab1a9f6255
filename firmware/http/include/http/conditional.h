// Conditional requests (RFC 9110 section 13) and ranges (section 14), as pure functions over a representation.
#ifndef HTTP_CONDITIONAL_H
#define HTTP_CONDITIONAL_H

#include "http/message.h"

// What the selected representation looks like.
struct http_validators {
  const char *etag;         // with quotes, strong; NULL when there is none
  int64_t last_modified_s;  // Unix seconds; negative when unknown
};

enum http_condition { HTTP_CONDITION_PROCEED, HTTP_CONDITION_NOT_MODIFIED, HTTP_CONDITION_FAILED };

// Evaluates If-Match, If-Unmodified-Since, If-None-Match, If-Modified-Since in RFC 9110 13.2.2's order.
// Malformed dates are ignored; malformed entity-tag lists never match.
enum http_condition http_condition_evaluate(const struct http_request *request,
                                            const struct http_validators *validators, int64_t now_s);

enum { HTTP_MAX_RANGES = 16 };

struct http_range {
  uint64_t first;
  uint64_t last;  // inclusive, < total
};

enum http_range_kind { HTTP_RANGE_NONE, HTTP_RANGE_SOME, HTTP_RANGE_UNSATISFIABLE };

// Evaluates Range (with If-Range) for a GET of `total` bytes. Overlapping or adjacent ranges are coalesced in the order
// of first appearance; more than HTTP_MAX_RANGES, malformed sets, other units, and other methods give NONE (the whole
// representation), as RFC 9110 14.2 allows. SOME with one range -> 206, several -> multipart/byteranges.
// An If-Range date must equal Last-Modified and be at least a second old.
enum http_range_kind http_range_evaluate(const struct http_request *request, const struct http_validators *validators,
                                         uint64_t total, int64_t now_s, struct http_range ranges[HTTP_MAX_RANGES],
                                         size_t *count);

#endif
