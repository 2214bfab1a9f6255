#include "http/message.h"

#include <string.h>

static bool is_match(const char *pattern, struct base_span path) {
  size_t bytes = strlen(pattern);
  bool is_prefix = bytes > 0 && pattern[bytes - 1] == '/';
  return is_prefix ? base_span_starts_with(path, pattern) : base_span_is(path, pattern);
}

const struct http_handler *http_route_find(const struct http_route *routes, size_t count, struct base_span path) {
  for (size_t i = 0; i < count; i++) {
    if (is_match(routes[i].path, path)) return &routes[i].handler;
  }
  return NULL;
}
