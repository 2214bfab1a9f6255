#include "http/representation.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/checked.h"
#include "http/date.h"
#include "http/problem.h"

enum {
  ETAG_CHARS = BASE_DIGEST_BASE64URL_CHARS + 2,
  MAX_PART_FRAME_BYTES = 512,  // one part's boundary and fields, or the final boundary
};
#define BOUNDARY_PREFIX "pixpop-"

static size_t range_bytes(const struct http_range *range) { return (size_t)(range->last - range->first + 1); }

static void set_digest(struct http_reply *reply, const char *name, const uint8_t digest[BASE_DIGEST_BYTES]) {
  char text[BASE_DIGEST_BASE64_CHARS + 1];
  base_base64_encode(base_span_of(digest, BASE_DIGEST_BYTES), text, sizeof text);
  http_reply_header(reply, name, "sha-256=:%s:", text);
}

static void set_content_digest_of(struct http_reply *reply, const struct http_representation *representation,
                                  struct base_span content) {
  if (!representation->sha256) return;
  uint8_t digest[BASE_DIGEST_BYTES];
  representation->sha256(content, digest);
  set_digest(reply, "Content-Digest", digest);
}

// What 200, 206, 304 and HEAD have in common.
static void set_validators(struct http_reply *reply, const struct http_representation *representation,
                           const char *etag) {
  http_reply_header_span(reply, "ETag", base_span_text(etag));
  if (representation->last_modified_s >= 0) {
    char date[HTTP_DATE_CHARS + 1];
    http_date_format(representation->last_modified_s, date, sizeof date);
    http_reply_header_span(reply, "Last-Modified", base_span_text(date));
  }
  set_digest(reply, "Repr-Digest", representation->digest);
}

static void set_content(struct http_reply *reply, const char *content_type) {
  http_reply_header_span(reply, "Content-Type", base_span_text(content_type));
  http_reply_header_span(reply, "Accept-Ranges", base_span_text("bytes"));
}

static void reply_whole(struct http_reply *reply, const struct http_representation *representation, const char *etag,
                        bool is_head) {
  http_reply_init(reply, 200);
  set_content(reply, representation->media_type);
  set_validators(reply, representation, etag);
  if (!is_head) set_digest(reply, "Content-Digest", representation->digest);
  http_reply_add_blob(reply, base_blob_ref(representation->blob), 0, representation->blob->bytes);
}

static void reply_single(struct http_reply *reply, const struct http_representation *representation, const char *etag,
                         const struct http_range *range) {
  struct base_span content =
      base_span_slice(base_blob_span(representation->blob), (size_t)range->first, range_bytes(range));
  http_reply_init(reply, 206);
  set_content(reply, representation->media_type);
  set_validators(reply, representation, etag);
  http_reply_header(reply, "Content-Range", "bytes %" PRIu64 "-%" PRIu64 "/%zu", range->first, range->last,
                    representation->blob->bytes);
  set_content_digest_of(reply, representation, content);
  http_reply_add_blob(reply, base_blob_ref(representation->blob), range->first, content.bytes);
}

// Writes multipart/byteranges (RFC 9110 14.6) into `body`, which is empty and finished by the caller.
static enum base_result write_multipart(struct base_buffer *body, const struct http_representation *representation,
                                        const struct http_range *ranges, size_t count, const char *boundary) {
  struct base_span whole = base_blob_span(representation->blob);
  size_t bytes = (count + 1) * MAX_PART_FRAME_BYTES;
  for (size_t i = 0; i < count; i++) {
    if (!base_add_size(bytes, range_bytes(&ranges[i]), &bytes)) return BASE_TOO_LARGE;
  }
  base_buffer_init(body, bytes);
  enum base_result result = base_buffer_reserve(body, bytes);
  for (size_t i = 0; i < count && result == BASE_OK; i++) {
    struct base_span content = base_span_slice(whole, (size_t)ranges[i].first, range_bytes(&ranges[i]));
    result =
        base_buffer_printf(body, "--%s\r\nContent-Type: %s\r\nContent-Range: bytes %" PRIu64 "-%" PRIu64 "/%zu\r\n\r\n",
                           boundary, representation->media_type, ranges[i].first, ranges[i].last, whole.bytes);
    if (result == BASE_OK) result = base_buffer_append(body, content.data, content.bytes);
    if (result == BASE_OK) result = base_buffer_append_text(body, "\r\n");
  }
  return result == BASE_OK ? base_buffer_printf(body, "--%s--\r\n", boundary) : result;
}

static void reply_multipart(struct http_reply *reply, const struct http_representation *representation,
                            const char *etag, const struct http_range *ranges, size_t count) {
  // Nobody can make bytes that hold their own SHA-256, so the digest is a boundary that the content never has.
  char digest[BASE_DIGEST_BASE64URL_CHARS + 1];
  char boundary[sizeof BOUNDARY_PREFIX + BASE_DIGEST_BASE64URL_CHARS];
  char content_type[sizeof "multipart/byteranges; boundary=" + sizeof boundary];
  base_base64url_encode(base_span_of(representation->digest, BASE_DIGEST_BYTES), digest, sizeof digest);
  (void)snprintf(boundary, sizeof boundary, BOUNDARY_PREFIX "%s", digest);
  (void)snprintf(content_type, sizeof content_type, "multipart/byteranges; boundary=%s", boundary);

  struct base_buffer body = {0};
  struct base_blob *blob = NULL;
  if (write_multipart(&body, representation, ranges, count, boundary) == BASE_OK) blob = base_blob_from_buffer(&body);
  base_buffer_finish(&body);
  if (!blob) {
    struct base_fault fault = {0};
    (void)BASE_FAIL(&fault, BASE_NO_MEMORY, "", "There is no memory for %zu ranges", count);
    http_problem_reply(reply, &fault, NULL);
    return;
  }
  http_reply_init(reply, 206);
  set_content(reply, content_type);
  set_validators(reply, representation, etag);
  set_content_digest_of(reply, representation, base_blob_span(blob));
  http_reply_add_blob(reply, blob, 0, blob->bytes);
}

static void reply_not_modified(struct http_reply *reply, const struct http_representation *representation,
                               const char *etag) {
  http_reply_init(reply, 304);
  set_validators(reply, representation, etag);
}

static void reply_failed(struct http_reply *reply, const struct http_request *request) {
  struct base_fault fault = {0};
  (void)BASE_FAIL(&fault, BASE_PRECONDITION, "", "The representation does not meet the request's conditions");
  http_problem_reply(reply, &fault, request->id);
}

static void reply_unsatisfiable(struct http_reply *reply, const struct http_request *request, size_t total) {
  struct base_fault fault = {0};
  (void)BASE_FAIL(&fault, BASE_RANGE, "range", "No requested range lies inside the %zu bytes", total);
  http_problem_reply(reply, &fault, request->id);
  http_reply_header(reply, "Content-Range", "bytes */%zu", total);
}

void http_representation_reply(const struct http_request *request, const struct http_representation *representation,
                               int64_t now_s, struct http_reply *reply) {
  char digest[BASE_DIGEST_BASE64URL_CHARS + 1];
  char etag[ETAG_CHARS + 1];
  base_base64url_encode(base_span_of(representation->digest, BASE_DIGEST_BYTES), digest, sizeof digest);
  (void)snprintf(etag, sizeof etag, "\"%s\"", digest);
  struct http_validators validators = {.etag = etag, .last_modified_s = representation->last_modified_s};

  enum http_condition condition = http_condition_evaluate(request, &validators, now_s);
  if (condition == HTTP_CONDITION_FAILED) {
    reply_failed(reply, request);
    return;
  }
  if (condition == HTTP_CONDITION_NOT_MODIFIED) {
    reply_not_modified(reply, representation, etag);
    return;
  }

  struct http_range ranges[HTTP_MAX_RANGES];
  size_t count;
  size_t total = representation->blob->bytes;
  switch (http_range_evaluate(request, &validators, total, now_s, ranges, &count)) {
    case HTTP_RANGE_UNSATISFIABLE:
      reply_unsatisfiable(reply, request, total);
      break;
    case HTTP_RANGE_NONE:
      reply_whole(reply, representation, etag, request->method == HTTP_HEAD);
      break;
    case HTTP_RANGE_SOME:
      if (count == 1) {
        reply_single(reply, representation, etag, &ranges[0]);
      } else {
        reply_multipart(reply, representation, etag, ranges, count);
      }
      break;
  }
}
