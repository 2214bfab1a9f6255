#include "entity_tag.h"

#include "chars.h"

bool http_entity_tag_take(struct base_span *rest, struct http_entity_tag *out) {
  size_t at = 0;
  out->is_weak = base_span_starts_with(*rest, "W/");
  if (out->is_weak) at += 2;
  size_t start = at;
  if (at == rest->bytes || rest->data[at] != '"') return false;
  at++;
  while (at < rest->bytes && http_char_is(rest->data[at], HTTP_CHAR_ENTITY_TAG)) at++;
  if (at == rest->bytes || rest->data[at] != '"') return false;
  at++;
  out->opaque = base_span_slice(*rest, start, at - start);
  *rest = base_span_slice(*rest, at, rest->bytes);
  return true;
}

const struct http_header *http_only_header(const struct http_request *request, const char *name) {
  const struct http_header *found = NULL;
  for (size_t i = 0; i < request->header_count; i++) {
    if (!base_span_is_nocase(request->headers[i].name, name)) continue;
    if (found) return NULL;
    found = &request->headers[i];
  }
  return found;
}
