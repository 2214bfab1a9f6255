#include "http/conditional.h"

#include <string.h>

#include "chars.h"
#include "entity_tag.h"
#include "http/date.h"

// If-Range compares strongly (RFC 9110 13.1.5): the client glues our bytes to bytes it has.
static bool if_range_holds(const struct http_request *request, const struct http_validators *validators,
                           int64_t now_s) {
  if (!http_request_header(request, "If-Range")) return true;
  const struct http_header *header = http_only_header(request, "If-Range");
  if (!header) return false;

  struct base_span rest = header->value;
  struct http_entity_tag tag;
  if (http_entity_tag_take(&rest, &tag)) {
    return rest.bytes == 0 && !tag.is_weak && validators->etag && base_span_is(tag.opaque, validators->etag);
  }
  // A date is strong only once its second is over (RFC 9110 8.8.2.2).
  int64_t date_s;
  if (!http_date_parse(header->value, now_s, &date_s)) return false;
  return validators->last_modified_s >= 0 && date_s == validators->last_modified_s && date_s < now_s;
}

// Digits, with what does not fit in 64 bits becoming the largest number: such positions are valid, and past any end.
static bool take_position(struct base_span *rest, uint64_t *out) {
  size_t digits = 0;
  uint64_t value = 0;
  for (; digits < rest->bytes && http_char_is(rest->data[digits], HTTP_CHAR_DIGIT); digits++) {
    bool overflows = __builtin_mul_overflow(value, UINT64_C(10), &value) ||
                     __builtin_add_overflow(value, (uint64_t)(rest->data[digits] - '0'), &value);
    if (overflows) value = UINT64_MAX;
  }
  *rest = base_span_slice(*rest, digits, rest->bytes);
  *out = value;
  return digits > 0;
}

enum spec { SPEC_MALFORMED, SPEC_PAST_END, SPEC_WHOLE, SPEC_RANGE };

static enum spec parse_spec(struct base_span text, uint64_t total, struct http_range *out) {
  uint64_t first = 0;
  uint64_t last = UINT64_MAX;
  bool has_first = take_position(&text, &first);
  if (text.bytes == 0 || text.data[0] != '-') return SPEC_MALFORMED;
  text = base_span_slice(text, 1, text.bytes);
  bool has_last = take_position(&text, &last);
  if (text.bytes > 0 || !(has_first || has_last)) return SPEC_MALFORMED;

  if (!has_first) {  // the last `last` bytes
    if (last == 0) return SPEC_PAST_END;
    if (total == 0) return SPEC_WHOLE;  // satisfiable, but no Content-Range can say it
    *out = (struct http_range){last < total ? total - last : 0, total - 1};
    return SPEC_RANGE;
  }
  if (!has_last) last = UINT64_MAX;
  if (last < first) return SPEC_MALFORMED;
  if (first >= total) return SPEC_PAST_END;
  *out = (struct http_range){first, last < total ? last : total - 1};
  return SPEC_RANGE;
}

static bool touches(const struct http_range *a, const struct http_range *b) {
  // last < total <= UINT64_MAX, so the sums can not overflow.
  return a->first <= b->last + 1 && b->first <= a->last + 1;
}

// Adds a range, swallowing every one that it touches; the union stands where the first of them stood.
static void add_range(struct http_range ranges[HTTP_MAX_RANGES], size_t *count, struct http_range added) {
  size_t place = *count;
  size_t i = 0;
  while (i < *count) {
    if (!touches(&ranges[i], &added)) {
      i++;
      continue;
    }
    if (ranges[i].first < added.first) added.first = ranges[i].first;
    if (ranges[i].last > added.last) added.last = ranges[i].last;
    if (i < place) place = i;
    --*count;
    memmove(&ranges[i], &ranges[i + 1], (*count - i) * sizeof *ranges);
    i = 0;  // the larger range may touch what the smaller one did not
  }
  memmove(&ranges[place + 1], &ranges[place], (*count - place) * sizeof *ranges);
  ranges[place] = added;
  ++*count;
}

static bool take_unit(struct base_span *rest) {
  static const char unit[] = "bytes=";
  size_t bytes = sizeof unit - 1;
  if (!base_span_is_nocase(base_span_slice(*rest, 0, bytes), unit)) return false;
  *rest = base_span_slice(*rest, bytes, rest->bytes);
  return true;
}

enum http_range_kind http_range_evaluate(const struct http_request *request, const struct http_validators *validators,
                                         uint64_t total, int64_t now_s, struct http_range ranges[HTTP_MAX_RANGES],
                                         size_t *count) {
  *count = 0;
  if (request->method != HTTP_GET) return HTTP_RANGE_NONE;
  const struct http_header *header = http_only_header(request, "Range");
  if (!header || !if_range_holds(request, validators, now_s)) return HTTP_RANGE_NONE;
  struct base_span rest = header->value;
  if (!take_unit(&rest)) return HTTP_RANGE_NONE;

  size_t specs = 0;
  size_t kept = 0;
  do {
    struct base_span spec = base_span_trim(base_span_cut(&rest, ','));
    if (spec.bytes == 0) continue;  // empty list elements are ignored (RFC 9110 5.6.1.2)
    if (++specs > HTTP_MAX_RANGES) return HTTP_RANGE_NONE;
    struct http_range range;
    switch (parse_spec(spec, total, &range)) {
      case SPEC_RANGE:
        add_range(ranges, &kept, range);
        break;
      case SPEC_PAST_END:
        break;
      default:
        return HTTP_RANGE_NONE;
    }
  } while (rest.data);
  if (specs == 0) return HTTP_RANGE_NONE;
  *count = kept;
  return kept > 0 ? HTTP_RANGE_SOME : HTTP_RANGE_UNSATISFIABLE;
}
