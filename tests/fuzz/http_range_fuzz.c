// Range and conditional fields. The input's first line is the size of the representation, each further line the
// value of one field in the order of FIELDS (an empty line: the field is absent).
#include "http/conditional.h"
#include "http/representation.h"

#include <stddef.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static const char *const FIELDS[] = {"Range",         "If-Range",          "If-Match",
                                     "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"};
enum { FIELD_COUNT = sizeof FIELDS / sizeof *FIELDS, NOW_S = 1700000000, MODIFIED_S = 784111777, BLOB_BYTES = 300 };

static void fake_sha256(const struct base_span *pieces, size_t count, uint8_t out[BASE_DIGEST_BYTES]) {
  size_t bytes = 0;
  for (size_t i = 0; i < count; i++) bytes += pieces[i].bytes;
  memset(out, (int)(bytes & 0xff), BASE_DIGEST_BYTES);
}

// Gives the field a second time when its line has a '\1', since repeated fields have rules of their own.
static void add_field(struct http_request *request, const char *name, struct base_span value) {
  while (value.bytes > 0 && request->header_count < HTTP_MAX_HEADERS) {
    struct base_span one = base_span_trim(base_span_cut(&value, '\1'));
    request->headers[request->header_count++] = (struct http_header){base_span_text(name), one};
  }
}

static void check_ranges(const struct http_request *request, uint64_t total) {
  const struct http_validators validators = {.etag = "\"v\"", .last_modified_s = MODIFIED_S};
  struct http_range ranges[HTTP_MAX_RANGES];
  size_t count;
  enum http_range_kind kind = http_range_evaluate(request, &validators, total, NOW_S, ranges, &count);
  BASE_ASSERT(count <= HTTP_MAX_RANGES && (kind == HTTP_RANGE_SOME) == (count > 0));
  for (size_t i = 0; i < count; i++) {
    BASE_ASSERT(ranges[i].first <= ranges[i].last && ranges[i].last < total);
    for (size_t k = 0; k < i; k++) {  // neither overlapping nor adjacent
      bool is_before = ranges[k].last < ranges[i].first && ranges[i].first - ranges[k].last > 1;
      bool is_after = ranges[i].last < ranges[k].first && ranges[k].first - ranges[i].last > 1;
      BASE_ASSERT(is_before || is_after);
    }
  }
  enum http_condition condition = http_condition_evaluate(request, &validators, NOW_S);
  BASE_ASSERT(condition <= HTTP_CONDITION_FAILED);
}

static void check_reply(const struct http_request *request) {
  uint8_t content[BLOB_BYTES];
  uint8_t digest[BASE_DIGEST_BYTES] = {0};
  memset(content, 'x', sizeof content);
  struct base_blob *blob = base_blob_copy(base_span_of(content, sizeof content));
  if (!blob) return;
  const struct http_representation representation = {
      .blob = blob, .media_type = "image/webp", .digest = digest, .last_modified_s = MODIFIED_S, .sha256 = fake_sha256};
  struct http_reply reply;
  http_representation_reply(request, &representation, NOW_S, &reply);

  uint64_t body_bytes = 0;
  for (size_t i = 0; i < reply.part_count; i++) {
    BASE_ASSERT(reply.parts[i].offset + reply.parts[i].bytes <= reply.parts[i].blob->bytes);
    body_bytes += reply.parts[i].bytes;
  }
  // A HEAD has the length of what it does not bring.
  const bool has_content = request->method == HTTP_GET;
  if (!has_content && reply.status == 200) {
    BASE_ASSERT(reply.part_count == 0);
    body_bytes = reply.body_bytes;
  }
  BASE_ASSERT(body_bytes == reply.body_bytes);
  BASE_ASSERT(reply.status == 200 || reply.status == 206 || reply.status == 304 || reply.status == 412 ||
              reply.status == 416);
  BASE_ASSERT((reply.status == 304) == (body_bytes == 0));
  if (reply.status == 200) BASE_ASSERT(body_bytes == BLOB_BYTES);
  bool has_content_digest = http_reply_get_header(&reply, "Content-Digest").data != NULL;
  BASE_ASSERT(has_content_digest == (reply.status == 206 || (reply.status == 200 && has_content)));
  http_reply_finish(&reply);
  BASE_ASSERT(atomic_load(&blob->refs) == 1);
  base_blob_unref(&blob);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  static struct http_request request;
  struct base_span rest = base_span_of(data, bytes);
  uint64_t total;
  request.header_count = 0;
  if (!base_span_to_u64(base_span_cut(&rest, '\n'), &total)) total = BLOB_BYTES;
  for (size_t i = 0; i < FIELD_COUNT; i++) add_field(&request, FIELDS[i], base_span_cut(&rest, '\n'));

  request.method = HTTP_GET;
  check_ranges(&request, total);
  check_reply(&request);
  request.method = HTTP_HEAD;
  check_ranges(&request, total);
  check_reply(&request);
  return 0;
}
