#include "http/conditional.h"

#include "entity_tag.h"
#include "http/date.h"

enum comparison { STRONG, WEAK };
enum match { LIST_ABSENT, LIST_MATCHES, LIST_DIFFERS };

// Walks one field's list. False when it is malformed. Entity tags may hold commas, so the list can not be cut at them.
static bool scan_list(struct base_span rest, struct base_span etag, enum comparison comparison, bool *matches) {
  for (rest = base_span_trim(rest); rest.bytes > 0; rest = base_span_trim(rest)) {
    if (rest.data[0] != ',') {
      struct http_entity_tag tag;
      if (!http_entity_tag_take(&rest, &tag)) return false;
      bool is_comparable = comparison == WEAK || !tag.is_weak;
      if (is_comparable && etag.data && base_span_equal(tag.opaque, etag)) *matches = true;
      rest = base_span_trim(rest);
    }
    if (rest.bytes == 0) break;
    if (rest.data[0] != ',') return false;
    rest = base_span_slice(rest, 1, rest.bytes);
  }
  return true;
}

static enum match match_list(const struct http_request *request, const char *name, const char *etag,
                             enum comparison comparison) {
  const struct http_header *only = http_only_header(request, name);
  if (only && base_span_is(only->value, "*")) return LIST_MATCHES;  // there is a representation
  bool is_present = false;
  bool matches = false;
  for (size_t i = 0; i < request->header_count; i++) {
    if (!base_span_is_nocase(request->headers[i].name, name)) continue;
    is_present = true;
    if (!scan_list(request->headers[i].value, base_span_text(etag), comparison, &matches)) return LIST_DIFFERS;
  }
  if (!is_present) return LIST_ABSENT;
  return matches ? LIST_MATCHES : LIST_DIFFERS;
}

static bool find_date(const struct http_request *request, const char *name, int64_t now_s, int64_t *out_s) {
  const struct http_header *header = http_only_header(request, name);
  return header && http_date_parse(header->value, now_s, out_s);
}

enum http_condition http_condition_evaluate(const struct http_request *request,
                                            const struct http_validators *validators, int64_t now_s) {
  // RFC 9110 13.2.1: conditions mean nothing to methods that neither select nor change a representation.
  if (request->method == HTTP_OPTIONS || request->method == HTTP_OTHER) return HTTP_CONDITION_PROCEED;
  bool is_read = request->method == HTTP_GET || request->method == HTTP_HEAD;
  bool has_date = validators->last_modified_s >= 0;
  int64_t date_s;

  enum match if_match = match_list(request, "If-Match", validators->etag, STRONG);
  if (if_match == LIST_DIFFERS) return HTTP_CONDITION_FAILED;
  if (if_match == LIST_ABSENT && has_date && find_date(request, "If-Unmodified-Since", now_s, &date_s)) {
    if (validators->last_modified_s > date_s) return HTTP_CONDITION_FAILED;
  }

  enum match if_none_match = match_list(request, "If-None-Match", validators->etag, WEAK);
  if (if_none_match == LIST_MATCHES) return is_read ? HTTP_CONDITION_NOT_MODIFIED : HTTP_CONDITION_FAILED;
  if (if_none_match == LIST_ABSENT && is_read && has_date && find_date(request, "If-Modified-Since", now_s, &date_s)) {
    if (validators->last_modified_s <= date_s) return HTTP_CONDITION_NOT_MODIFIED;
  }
  return HTTP_CONDITION_PROCEED;
}
