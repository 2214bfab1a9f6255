// The bytes of originals, for those who keep copies of them.
//
// GET /api/v1/originals/{id}/content: the file as it was uploaded, with ranges. Whoever has another original of the box
// may offer it as dictionary (Available-Dictionary, RFC 9842: its SHA-256 is its id) and gets a patch of it where that
// is worth it, which is a representation of its own, with its own ETag and Repr-Digest.
// GET /api/v1/originals/{id}/leaves: the leaf hashes of its 64 KiB blocks (RFC 6962), 32 bytes each: which blocks to
// ask for. POST /api/v1/originals/{id}/delta: for a librsync signature of an older copy a delta of it; 204 when the
// whole is no worse.

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "base/checked.h"
#include "body.h"
#include "delta/patch.h"
#include "delta/rolling.h"
#include "http/date.h"
#include "http/representation.h"
#include "patches.h"
#include "store/tree.h"
#include "stream.h"

#define ORIGINALS "/api/v1/originals/"

enum {
  ORIGINALS_CHARS = sizeof ORIGINALS - 1,
  WHOLE_BYTES = 1024 * 1024,  // smaller ones, and smaller ranges, are read whole before they are sent
  STEP_BYTES = 256 * 1024,
  MAX_ACCEPT_BYTES = 512,
  ETAG_CHARS = BASE_DIGEST_BASE64URL_CHARS + 2,
  MAX_DISPOSITION_BYTES = 32 + 3 * STORE_MAX_NAME,
};

static enum base_result find_original(const struct console_exchange *exchange, struct store_original *out,
                                      struct base_fault *fault) {
  struct integrity_digest id;
  struct base_span path = exchange->request.path;
  path = base_span_slice(path, ORIGINALS_CHARS, path.bytes);
  if (!integrity_digest_parse(base_span_cut(&path, '/'), &id)) {
    return BASE_FAIL(fault, BASE_NOT_FOUND, "id", "there is no original of that id");
  }
  return store_original_find(exchange->console->config.store, exchange->tenant, &id, out, fault);
}

// --- what the replies say ---

static const char *media_type_of(const struct store_original *original) {
  static const struct {
    const char *format, *media_type;
  } types[] = {{"jpeg", "image/jpeg"}, {"png", "image/png"},   {"webp", "image/webp"}, {"avif", "image/avif"},
               {"heic", "image/heic"}, {"tiff", "image/tiff"}, {"gif", "image/gif"},   {"bmp", "image/bmp"}};
  for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
    if (strcmp(original->format, types[i].format) == 0) return types[i].media_type;
  }
  return "application/octet-stream";
}

// RFC 6266 with the extended notation of RFC 8187, so that a browser saves the file under its name.
static void add_disposition(const struct store_original *original, struct http_reply *reply) {
  char text[MAX_DISPOSITION_BYTES + 1] = "attachment; filename*=UTF-8''";
  size_t at = strlen(text);
  if (original->name[0] == '\0') {
    http_reply_header(reply, "Content-Disposition", "attachment");
    return;
  }
  for (const char *from = original->name; *from; from++) {
    const bool is_plain = (*from >= '0' && *from <= '9') || (*from >= 'A' && *from <= 'Z') ||
                          (*from >= 'a' && *from <= 'z') || *from == '-' || *from == '.' || *from == '_';
    at += (size_t)snprintf(text + at, sizeof text - at, is_plain ? "%c" : "%%%02X", (unsigned char)*from);
  }
  http_reply_header(reply, "Content-Disposition", "%s", text);
}

static void add_last_modified(const struct store_original *original, struct http_reply *reply) {
  char date[HTTP_DATE_CHARS + 1];
  if (original->created_s < 0) return;
  http_date_format(original->created_s, date, sizeof date);
  http_reply_header(reply, "Last-Modified", "%s", date);
}

// Bytes that never change, for those who may see them. A page of the box that has fetched an original may use it as the
// dictionary of others.
static void add_caching(struct http_reply *reply) {
  http_reply_header(reply, "Cache-Control", "private, max-age=3600");
  http_reply_header(reply, "Vary", "Accept-Encoding, Available-Dictionary, Authorization, Cookie");
  http_reply_header(reply, "Use-As-Dictionary", "match=\"" ORIGINALS "*/content\"");
}

static void write_etag(const struct store_original *original, char out[ETAG_CHARS + 1]) {
  char id[BASE_DIGEST_BASE64URL_CHARS + 1];
  integrity_digest_text(&original->id, id);
  snprintf(out, ETAG_CHARS + 1, "\"%s\"", id);
}

static void add_digest(struct http_reply *reply, const char *name, const struct integrity_digest *digest) {
  char text[BASE_DIGEST_BASE64_CHARS + 1];
  base_base64_encode(base_span_of(digest->bytes, sizeof digest->bytes), text, sizeof text);
  http_reply_header(reply, name, "sha-256=:%s:", text);
}

static void reply_blob(const struct console_exchange *exchange, struct base_blob *blob, const char *media_type,
                       const struct integrity_digest *digest, int64_t last_modified_s, struct http_reply *reply) {
  const struct http_representation representation = {.blob = blob,
                                                     .media_type = media_type,
                                                     .digest = digest->bytes,
                                                     .last_modified_s = last_modified_s,
                                                     .sha256 = integrity_digest_pieces};
  http_representation_reply(&exchange->request, &representation, base_clock_wall_s(exchange->console->config.clock),
                            reply);
}

// --- with a dictionary ---

static bool accepts(const struct http_request *request, const char *coding) {
  char joined[MAX_ACCEPT_BYTES];
  if (http_request_joined(request, "Accept-Encoding", joined, sizeof joined) != BASE_OK) return false;
  struct base_span rest = base_span_text(joined);
  while (rest.data) {
    struct base_span parameters = base_span_cut(&rest, ',');
    if (!base_span_is_nocase(base_span_trim(base_span_cut(&parameters, ';')), coding)) continue;
    const struct base_span weight = base_span_trim(parameters);
    // "q=0" and its longer spellings.
    if (!base_span_is_nocase(base_span_slice(weight, 0, 2), "q=")) return true;
    for (size_t i = 2; i < weight.bytes; i++) {
      if (weight.data[i] >= '1' && weight.data[i] <= '9') return true;
    }
    return false;
  }
  return false;
}

// The original that the client has and offers, if it is one of the tenant's.
static bool find_dictionary(const struct console_exchange *exchange, struct store_original *out) {
  const struct http_header *field = http_request_header(&exchange->request, "Available-Dictionary");
  struct integrity_digest id;
  size_t bytes;
  if (!field || field->value.bytes < 2 || !accepts(&exchange->request, "dcz")) return false;
  const struct base_span text = field->value;
  const struct base_span inner = base_span_slice(text, 1, text.bytes - 2);
  if (text.data[0] != ':' || text.data[text.bytes - 1] != ':' ||
      !base_base64_decode(inner, id.bytes, sizeof id.bytes, &bytes) || bytes != sizeof id.bytes) {
    return false;
  }
  return store_original_find(exchange->console->config.store, exchange->tenant, &id, out, NULL) == BASE_OK;
}

// Whether the client has the bytes themselves already: then no patch is made for it.
static bool is_current(const struct console_exchange *exchange, const struct store_original *original) {
  char etag[ETAG_CHARS + 1];
  write_etag(original, etag);
  const struct http_validators validators = {.etag = etag, .last_modified_s = original->created_s};
  return http_condition_evaluate(&exchange->request, &validators, base_clock_wall_s(exchange->console->config.clock)) ==
         HTTP_CONDITION_NOT_MODIFIED;
}

// False when the client gets the bytes themselves.
static bool reply_patch(const struct console_exchange *exchange, const struct store_original *original,
                        struct http_reply *reply) {
  struct store_original old;
  struct base_blob *patch;
  struct base_fault fault = {0};
  if (!find_dictionary(exchange, &old) || integrity_digest_equal(&old.id, &original->id)) return false;
  if (is_current(exchange, original)) return false;
  if (console_patches_make(exchange->console->patches, &old, original, &patch, &fault) != BASE_OK) {
    // Whether the new original is damaged shows when it is sent by itself.
    base_log_fault(exchange->console->config.log, BASE_LOG_WARN, "console", exchange->request.id, &fault);
    return false;
  }
  if (!patch) return false;
  struct integrity_digest digest;
  integrity_digest_of(base_blob_span(patch), &digest);
  reply_blob(exchange, patch, media_type_of(original), &digest, original->created_s, reply);
  if (reply->status < 400) {
    http_reply_header(reply, "Content-Encoding", "dcz");
    if (reply->status < 300) add_disposition(original, reply);
    add_caching(reply);
  }
  base_blob_unref(&patch);
  return true;
}

// --- the bytes themselves ---

// What is sent of an original: all of it, or one range.
struct part {
  uint64_t offset, bytes;
  bool is_range;
};

static enum base_result read_part(const struct console_exchange *exchange, const struct store_original *original,
                                  const struct store_tree *tree, const struct part *part, struct base_blob **out,
                                  struct base_fault *fault) {
  *out = base_blob_create((size_t)part->bytes);
  if (!*out) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory to read an original");
  const enum base_result result = store_original_read(exchange->console->config.store, &original->id, tree,
                                                      part->offset, (*out)->data, (*out)->bytes, fault);
  if (result != BASE_OK) base_blob_unref(out);
  return result;
}

static void begin_part(const struct store_original *original, const struct part *part, struct http_reply *reply) {
  char id[BASE_DIGEST_BASE64URL_CHARS + 1];
  integrity_digest_text(&original->id, id);
  http_reply_init(reply, part->is_range ? 206 : 200);
  http_reply_header(reply, "Content-Type", "%s", media_type_of(original));
  http_reply_header(reply, "Accept-Ranges", "bytes");
  http_reply_header(reply, "ETag", "\"%s\"", id);
  add_digest(reply, "Repr-Digest", &original->id);
  add_last_modified(original, reply);
  add_disposition(original, reply);
  add_caching(reply);
  if (!part->is_range) return;
  http_reply_header(reply, "Content-Range", "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, part->offset,
                    part->offset + part->bytes - 1, original->bytes);
}

// Block after block, each verified before it goes out. A damaged one breaks the reply off, so the client sees that it
// has not got everything; one right at the beginning is said properly.
static enum base_result stream_part(struct console_exchange *exchange, const struct store_original *original,
                                    const struct store_tree *tree, const struct part *part, struct http_reply *reply,
                                    struct base_fault *fault) {
  uint8_t *step = malloc(STEP_BYTES);
  uint64_t done = 0;
  bool is_open = false;
  enum base_result result = step ? BASE_OK : BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory to read an original");
  while (result == BASE_OK && done < part->bytes) {
    const size_t bytes = base_min_u64(STEP_BYTES, part->bytes - done);
    result = store_original_read(exchange->console->config.store, &original->id, tree, part->offset + done, step, bytes,
                                 fault);
    if (result != BASE_OK) break;
    if (done == 0) {
      begin_part(original, part, reply);
      if (!part->is_range) add_digest(reply, "Content-Digest", &original->id);
      is_open = console_stream_begin_sized(exchange, reply, part->bytes);
    }
    if (!is_open || !console_stream_write(exchange, base_span_of(step, bytes))) break;
    done += bytes;
  }
  free(step);
  if (exchange->stream == CONSOLE_STREAM_NONE) return result;
  const bool is_whole = done == part->bytes && console_stream_end(exchange);
  reply->close = !is_whole;
  if (result != BASE_OK)
    base_log_fault(exchange->console->config.log, BASE_LOG_WARN, "console", exchange->request.id, fault);
  return BASE_OK;
}

static enum base_result send_part(struct console_exchange *exchange, const struct store_original *original,
                                  const struct part *part, struct http_reply *reply, struct base_fault *fault) {
  struct store_tree tree;
  struct base_blob *blob;
  if (exchange->request.method == HTTP_HEAD) {
    begin_part(original, part, reply);
    reply->body_bytes = part->bytes;
    return BASE_OK;
  }
  enum base_result result = store_original_tree(exchange->console->config.store, &original->id, &tree, fault);
  if (result != BASE_OK) return result;
  if (part->bytes > WHOLE_BYTES) {
    result = stream_part(exchange, original, &tree, part, reply, fault);
  } else {
    result = read_part(exchange, original, &tree, part, &blob, fault);
    if (result == BASE_OK) {
      struct integrity_digest digest;
      integrity_digest_of(base_blob_span(blob), &digest);
      begin_part(original, part, reply);
      add_digest(reply, "Content-Digest", &digest);
      http_reply_add_blob(reply, blob, 0, blob->bytes);
    }
  }
  base_blob_unref(&tree.leaves);
  return result;
}

// Large originals: at most one range, several get the whole (RFC 9110 14.2).
static enum base_result reply_large(struct console_exchange *exchange, const struct store_original *original,
                                    struct http_reply *reply, struct base_fault *fault) {
  const int64_t now_s = base_clock_wall_s(exchange->console->config.clock);
  char etag[ETAG_CHARS + 1];
  struct http_range ranges[HTTP_MAX_RANGES];
  struct part part = {.bytes = original->bytes};
  size_t count;
  write_etag(original, etag);
  const struct http_validators validators = {.etag = etag, .last_modified_s = original->created_s};
  const enum http_condition condition = http_condition_evaluate(&exchange->request, &validators, now_s);
  if (condition == HTTP_CONDITION_FAILED) {
    return BASE_FAIL(fault, BASE_PRECONDITION, "", "the original does not meet the request's conditions");
  }
  if (condition == HTTP_CONDITION_NOT_MODIFIED) {
    http_reply_init(reply, 304);
    http_reply_header(reply, "ETag", "%s", etag);
    add_digest(reply, "Repr-Digest", &original->id);
    add_last_modified(original, reply);
    add_caching(reply);
    return BASE_OK;
  }
  const enum http_range_kind kind =
      http_range_evaluate(&exchange->request, &validators, original->bytes, now_s, ranges, &count);
  if (kind == HTTP_RANGE_UNSATISFIABLE) {
    return BASE_FAIL(fault, BASE_RANGE, "range", "no requested range lies inside the %" PRIu64 " bytes",
                     original->bytes);
  }
  if (kind == HTTP_RANGE_SOME && count == 1) {
    part = (struct part){ranges[0].first, ranges[0].last - ranges[0].first + 1, true};
  }
  return send_part(exchange, original, &part, reply, fault);
}

static enum base_result reply_small(const struct console_exchange *exchange, const struct store_original *original,
                                    struct http_reply *reply, struct base_fault *fault) {
  const struct part whole = {.bytes = original->bytes};
  struct store_tree tree;
  struct base_blob *blob;
  enum base_result result = store_original_tree(exchange->console->config.store, &original->id, &tree, fault);
  if (result != BASE_OK) return result;
  result = read_part(exchange, original, &tree, &whole, &blob, fault);
  if (result == BASE_OK) {
    reply_blob(exchange, blob, media_type_of(original), &original->id, original->created_s, reply);
    if (reply->status < 300) add_disposition(original, reply);
    if (reply->status < 400) add_caching(reply);
    base_blob_unref(&blob);
  }
  base_blob_unref(&tree.leaves);
  return result;
}

enum base_result console_content_show(struct console_exchange *exchange, struct http_reply *reply,
                                      struct base_fault *fault) {
  struct store_original original;
  const enum base_result result = find_original(exchange, &original, fault);
  if (result != BASE_OK) return result;
  if (reply_patch(exchange, &original, reply)) return BASE_OK;
  return original.bytes <= WHOLE_BYTES ? reply_small(exchange, &original, reply, fault)
                                       : reply_large(exchange, &original, reply, fault);
}

// --- for those who make the difference themselves ---

enum base_result console_leaves_show(struct console_exchange *exchange, struct http_reply *reply,
                                     struct base_fault *fault) {
  struct store_original original;
  struct store_tree tree;
  enum base_result result = find_original(exchange, &original, fault);
  if (result == BASE_OK) result = store_original_tree(exchange->console->config.store, &original.id, &tree, fault);
  if (result != BASE_OK) return result;
  struct integrity_digest digest;
  integrity_digest_of(base_blob_span(tree.leaves), &digest);
  reply_blob(exchange, tree.leaves, "application/octet-stream", &digest, original.created_s, reply);
  if (reply->status < 400) {
    http_reply_header(reply, "Cache-Control", "private, max-age=3600");
    http_reply_header(reply, "Vary", "Authorization, Cookie");
  }
  base_blob_unref(&tree.leaves);
  return BASE_OK;
}

// Packed, for whoever takes that, unless it gains nothing.
static void pack_delta(const struct http_request *request, struct base_blob **delta, struct http_reply *reply) {
  struct base_buffer packed;
  http_reply_header(reply, "Vary", "Accept-Encoding");
  if (!accepts(request, "zstd")) return;
  base_buffer_init(&packed, (*delta)->bytes);
  struct base_blob *blob = NULL;
  if (delta_pack(base_blob_span(*delta), &packed, NULL) == BASE_OK) blob = base_blob_from_buffer(&packed);
  base_buffer_finish(&packed);
  if (!blob) return;
  base_blob_unref(delta);
  *delta = blob;
  http_reply_header(reply, "Content-Encoding", "zstd");
}

static enum base_result check_signature_type(const struct http_request *request, struct base_fault *fault) {
  const struct http_header *type = http_request_header(request, "Content-Type");
  if (type && base_span_is_nocase(type->value, "application/octet-stream")) return BASE_OK;
  return BASE_FAIL(fault, BASE_UNSUPPORTED, "Content-Type", "a signature is sent as application/octet-stream");
}

enum base_result console_delta_make(struct console_exchange *exchange, struct http_reply *reply,
                                    struct base_fault *fault) {
  struct store_original original;
  struct base_buffer signature;
  struct base_blob *delta = NULL;
  enum base_result result = check_signature_type(&exchange->request, fault);
  if (result == BASE_OK) result = find_original(exchange, &original, fault);
  if (result != BASE_OK) return result;
  result = console_body_read_all(exchange, DELTA_SIGNATURE_MAX_BYTES, &signature, fault);
  if (result == BASE_OK) {
    result =
        console_patches_make_delta(exchange->console->patches, base_buffer_span(&signature), &original, &delta, fault);
  }
  base_buffer_finish(&signature);
  if (result != BASE_OK) return result;
  http_reply_init(reply, delta ? 200 : 204);
  http_reply_header(reply, "Cache-Control", "no-store");
  if (!delta) return BASE_OK;
  pack_delta(&exchange->request, &delta, reply);
  struct integrity_digest digest;
  integrity_digest_of(base_blob_span(delta), &digest);
  http_reply_header(reply, "Content-Type", "application/octet-stream");
  add_digest(reply, "Content-Digest", &digest);
  http_reply_add_blob(reply, delta, 0, delta->bytes);
  return BASE_OK;
}
