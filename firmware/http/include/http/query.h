// Query strings: strict percent-decoding into name/value pairs.
#ifndef HTTP_QUERY_H
#define HTTP_QUERY_H

#include "base/span.h"

enum { HTTP_MAX_QUERY_PAIRS = 32, HTTP_MAX_QUERY_BYTES = 2048 };

struct http_query {
  size_t count;
  struct {
    struct base_span name;
    struct base_span value;
  } pairs[HTTP_MAX_QUERY_PAIRS];
  char storage[HTTP_MAX_QUERY_BYTES];  // decoded bytes; the spans point here
};

// Splits at '&', decodes %XX once ('+' stays '+'). BASE_BAD_INPUT with the pair's name as subject: bad escape, missing
// '=', empty name, a decoded name outside [a-z0-9_-] or a decoded value outside [A-Za-z0-9._,-]; too many pairs or
// bytes. An empty query gives no pairs. Repeats are kept: the grammar refuses them.
enum base_result http_query_parse(struct base_span query, struct http_query *out,
                                  struct base_fault *fault) BASE_CHECKED;

#endif
