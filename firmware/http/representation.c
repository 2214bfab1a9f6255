#include "http/representation.h"

#include <inttypes.h>
#include <stdio.h>

#include "digest_preference.h"
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

static void set_content_digest_of(struct http_reply *reply, const struct http_request *request,
                                  const struct http_representation *representation, const struct base_span *pieces,
                                  size_t count) {
  uint8_t digest[BASE_DIGEST_BYTES];
  if (!representation->sha256 || !http_digest_is_welcome(request, "Want-Content-Digest")) return;
  representation->sha256(pieces, count, digest);
  set_digest(reply, "Content-Digest", digest);
}

// What 200, 206, 304 and HEAD have in common.
static void set_validators(struct http_reply *reply, const struct http_request *request,
                           const struct http_representation *representation, const char *etag) {
  http_reply_header_span(reply, "ETag", base_span_text(etag));
  if (representation->last_modified_s >= 0) {
    char date[HTTP_DATE_CHARS + 1];
    http_date_format(representation->last_modified_s, date, sizeof date);
    http_reply_header_span(reply, "Last-Modified", base_span_text(date));
  }
  if (http_digest_is_welcome(request, "Want-Repr-Digest")) set_digest(reply, "Repr-Digest", representation->digest);
}

static void set_content(struct http_reply *reply, const char *content_type) {
  http_reply_header_span(reply, "Content-Type", base_span_text(content_type));
  http_reply_header_span(reply, "Accept-Ranges", base_span_text("bytes"));
}

static void reply_whole(struct http_reply *reply, const struct http_request *request,
                        const struct http_representation *representation, const char *etag) {
  const bool has_content = request->method != HTTP_HEAD;
  http_reply_init(reply, 200);
  set_content(reply, representation->media_type);
  set_validators(reply, request, representation, etag);
  if (has_content && http_digest_is_welcome(request, "Want-Content-Digest")) {
    set_digest(reply, "Content-Digest", representation->digest);
  }
  http_reply_add_blob(reply, base_blob_ref(representation->blob), 0, representation->blob->bytes);
  if (!has_content) http_reply_keep_length(reply);
}

static void reply_single(struct http_reply *reply, const struct http_request *request,
                         const struct http_representation *representation, const char *etag,
                         const struct http_range *range) {
  struct base_span content =
      base_span_slice(base_blob_span(representation->blob), (size_t)range->first, range_bytes(range));
  http_reply_init(reply, 206);
  set_content(reply, representation->media_type);
  set_validators(reply, request, representation, etag);
  http_reply_header(reply, "Content-Range", "bytes %" PRIu64 "-%" PRIu64 "/%zu", range->first, range->last,
                    representation->blob->bytes);
  set_content_digest_of(reply, request, representation, &content, 1);
  http_reply_add_blob(reply, base_blob_ref(representation->blob), range->first, content.bytes);
}

// The framing of multipart/byteranges (RFC 9110 14.6): what stands before each range, and the end.
struct frames {
  struct base_buffer text;
  size_t ends[HTTP_MAX_RANGES + 1];
};

static enum base_result write_frames(struct frames *frames, const struct http_representation *representation,
                                     const struct http_range *ranges, size_t count, const char *boundary) {
  enum base_result result = BASE_OK;
  for (size_t i = 0; i < count && result == BASE_OK; i++) {
    result = base_buffer_printf(
        &frames->text, "%s--%s\r\nContent-Type: %s\r\nContent-Range: bytes %" PRIu64 "-%" PRIu64 "/%zu\r\n\r\n",
        i > 0 ? "\r\n" : "", boundary, representation->media_type, ranges[i].first, ranges[i].last,
        representation->blob->bytes);
    frames->ends[i] = frames->text.bytes;
  }
  if (result == BASE_OK) result = base_buffer_printf(&frames->text, "\r\n--%s--\r\n", boundary);
  frames->ends[count] = frames->text.bytes;
  return result;
}

// The representation's bytes are borrowed, not copied: a client that asks and does not read must not cost a copy.
static void add_parts(struct http_reply *reply, const struct http_request *request,
                      const struct http_representation *representation, const struct http_range *ranges, size_t count,
                      struct base_blob *framing, const struct frames *frames) {
  _Static_assert((int)HTTP_MAX_BODY_PARTS >= 2 * (int)HTTP_MAX_RANGES + 1, "each range and what stands around it");
  struct base_span pieces[HTTP_MAX_BODY_PARTS];
  size_t start = 0;
  for (size_t i = 0; i <= count; i++) {
    http_reply_add_blob(reply, base_blob_ref(framing), start, frames->ends[i] - start);
    start = frames->ends[i];
    if (i < count) {
      http_reply_add_blob(reply, base_blob_ref(representation->blob), ranges[i].first, range_bytes(&ranges[i]));
    }
  }
  for (size_t i = 0; i < reply->part_count; i++) {
    const struct http_body_part *part = &reply->parts[i];
    pieces[i] = base_span_slice(base_blob_span(part->blob), (size_t)part->offset, (size_t)part->bytes);
  }
  set_content_digest_of(reply, request, representation, pieces, reply->part_count);
}

static void reply_multipart(struct http_reply *reply, const struct http_request *request,
                            const struct http_representation *representation, const char *etag,
                            const struct http_range *ranges, size_t count) {
  // Nobody can make bytes that hold their own SHA-256, so the digest is a boundary that the content never has.
  char digest[BASE_DIGEST_BASE64URL_CHARS + 1];
  char boundary[sizeof BOUNDARY_PREFIX + BASE_DIGEST_BASE64URL_CHARS];
  char content_type[sizeof "multipart/byteranges; boundary=" + sizeof boundary];
  base_base64url_encode(base_span_of(representation->digest, BASE_DIGEST_BYTES), digest, sizeof digest);
  (void)snprintf(boundary, sizeof boundary, BOUNDARY_PREFIX "%s", digest);
  (void)snprintf(content_type, sizeof content_type, "multipart/byteranges; boundary=%s", boundary);

  struct frames frames;
  struct base_blob *framing = NULL;
  base_buffer_init(&frames.text, (count + 1) * MAX_PART_FRAME_BYTES);
  if (write_frames(&frames, representation, ranges, count, boundary) == BASE_OK) {
    framing = base_blob_from_buffer(&frames.text);
  }
  base_buffer_finish(&frames.text);
  if (!framing) {
    struct base_fault fault = {0};
    (void)BASE_FAIL(&fault, BASE_NO_MEMORY, "", "There is no memory for %zu ranges", count);
    http_problem_reply(reply, &fault, NULL);
    return;
  }
  http_reply_init(reply, 206);
  set_content(reply, content_type);
  set_validators(reply, request, representation, etag);
  add_parts(reply, request, representation, ranges, count, framing, &frames);
  base_blob_unref(&framing);
}

static void reply_not_modified(struct http_reply *reply, const struct http_request *request,
                               const struct http_representation *representation, const char *etag) {
  http_reply_init(reply, 304);
  set_validators(reply, request, representation, etag);
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
    reply_not_modified(reply, request, representation, etag);
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
      reply_whole(reply, request, representation, etag);
      break;
    case HTTP_RANGE_SOME:
      if (count == 1) {
        reply_single(reply, request, representation, etag, &ranges[0]);
      } else {
        reply_multipart(reply, request, representation, etag, ranges, count);
      }
      break;
  }
}
