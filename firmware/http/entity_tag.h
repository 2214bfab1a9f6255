// Entity tags (RFC 9110 section 8.8.3) and the dates of conditional fields.
#ifndef HTTP_ENTITY_TAG_H
#define HTTP_ENTITY_TAG_H

#include "http/message.h"

struct http_entity_tag {
  bool is_weak;
  struct base_span opaque;  // with its quotes
};

// Takes one entity tag off the front of `*rest`.
bool http_entity_tag_take(struct base_span *rest, struct http_entity_tag *out) BASE_CHECKED;

// The only field of that name; NULL when it is absent or repeated. For fields that are no lists: a repeated one has no
// defined meaning and is ignored.
const struct http_header *http_only_header(const struct http_request *request, const char *name);

#endif
