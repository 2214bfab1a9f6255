// POST /api/v1/originals: a form with any number of pictures, or one picture as the body, streamed into `ingest`.

#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "body.h"
#include "http/problem.h"
#include "ingest/multipart.h"
#include "text_option.h"

enum {
  READ_BYTES = 64 * 1024,
  MAX_METADATA_BYTES = 16 * 1024,
  MAX_REPLY_JSON = 8 * 1024 * 1024,  // INGEST_MAX_PARTS originals with the longest names and tags, escaped
};

enum part_kind { NO_PART, METADATA_PART, IMAGE_PART };

struct upload {
  struct console_exchange *exchange;
  enum part_kind part;
  struct ingest_metadata metadata;  // of the form; a name in it is meant for every file
  bool has_metadata;
  struct base_buffer metadata_text;
  struct ingest_upload *file;  // being received
  struct ingest_metadata file_metadata;
  struct base_buffer reply_text;  // a JSON list of what was stored
  struct base_json_writer json;
  struct base_buffer stored_ids;  // the same as `"id","id"`, for a failure in the middle
  size_t stored;
};

static void upload_init(struct upload *upload, struct console_exchange *exchange) {
  memset(upload, 0, sizeof *upload);
  upload->exchange = exchange;
  base_buffer_init(&upload->metadata_text, MAX_METADATA_BYTES);
  base_buffer_init(&upload->reply_text, MAX_REPLY_JSON);
  base_buffer_init(&upload->stored_ids, INGEST_MAX_PARTS * (BASE_DIGEST_BASE64URL_CHARS + 3));
  base_json_begin(&upload->json, &upload->reply_text);
  base_json_array(&upload->json, NULL);
}

static void upload_finish(struct upload *upload) {
  ingest_abort(&upload->file);
  base_buffer_finish(&upload->metadata_text);
  base_buffer_finish(&upload->reply_text);
  base_buffer_finish(&upload->stored_ids);
}

static enum base_result begin_file(struct upload *upload, struct base_span name, uint64_t expected_bytes,
                                   struct base_fault *fault) {
  upload->file_metadata = upload->metadata;
  enum base_result result = BASE_OK;
  if (upload->metadata.name[0] == '\0') result = ingest_metadata_set_name(&upload->file_metadata, name, fault);
  if (result != BASE_OK) return result;
  return ingest_begin(upload->exchange->console->config.ingest, upload->exchange->tenant, expected_bytes, &upload->file,
                      fault);
}

static enum base_result end_file(struct upload *upload, struct base_fault *fault) {
  const struct console *console = upload->exchange->console;
  struct store_original original;
  bool is_new;
  enum base_result result = ingest_commit(&upload->file, &upload->file_metadata, &original, &is_new, fault);
  if (result != BASE_OK) return result;
  // It may have been asked for before it came: what is remembered of its absence is stale now.
  if (is_new) pop_forget(console->config.pop, upload->exchange->tenant, &original.id);
  console_original_write(&upload->json, upload->exchange, &original, true);
  char id[BASE_DIGEST_BASE64URL_CHARS + 1];
  integrity_digest_text(&original.id, id);
  base_log_write(console->config.log, BASE_LOG_INFO, "console", upload->exchange->request.id,
                 "original %s %s: %u x %u %s", id, is_new ? "stored" : "was here already", original.width,
                 original.height, original.format);
  result = base_buffer_printf(&upload->stored_ids, "%s\"%s\"", upload->stored > 0 ? "," : "", id);
  upload->stored++;
  return result == BASE_OK ? BASE_OK : BASE_FAIL(fault, result, "", "no memory for the reply");
}

// --- forms ---

static enum base_result on_part_begin(void *self, const struct ingest_part *part, struct base_fault *fault) {
  struct upload *upload = self;
  struct base_span name = base_span_text(part->name);
  if (base_span_is(name, "image")) {
    upload->part = IMAGE_PART;
    memcpy(upload->file_metadata.name, part->file_name, sizeof part->file_name);  // for a problem that comes first
    return begin_file(upload, base_span_text(part->file_name), UINT64_MAX, fault);
  }
  if (!base_span_is(name, "metadata")) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, part->name, "the fields of this form are image and metadata");
  }
  if (upload->has_metadata || upload->stored > 0) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "metadata", "metadata comes once, and before the images");
  }
  upload->part = METADATA_PART;
  upload->has_metadata = true;
  return BASE_OK;
}

static enum base_result on_part_data(void *self, struct base_span bytes, struct base_fault *fault) {
  struct upload *upload = self;
  if (upload->part == IMAGE_PART) return ingest_write(upload->file, bytes, fault);
  enum base_result result = base_buffer_append(&upload->metadata_text, bytes.data, bytes.bytes);
  if (result == BASE_OK) return BASE_OK;
  return BASE_FAIL(fault, result, "metadata", "the metadata has at most %d bytes", MAX_METADATA_BYTES);
}

static enum base_result on_part_end(void *self, struct base_fault *fault) {
  struct upload *upload = self;
  enum base_result result = upload->part == IMAGE_PART ? end_file(upload, fault)
                                                       : ingest_metadata_parse(base_buffer_span(&upload->metadata_text),
                                                                               &upload->metadata, fault);
  if (result == BASE_OK) upload->part = NO_PART;
  return result;
}

// How a form's length divides among its files shows only as they come; what could never be kept is refused at once.
static enum base_result check_form_length(const struct upload *upload, struct base_fault *fault) {
  const struct console *console = upload->exchange->console;
  const struct http_request *request = &upload->exchange->request;
  struct store_stats stats;
  if (request->is_chunked) return BASE_OK;
  enum base_result result = ingest_check_form(console->config.ingest, request->content_length, fault);
  if (result == BASE_OK) result = store_get_stats(console->config.store, &stats, fault);
  if (result == BASE_OK && request->content_length > stats.disk_free_bytes) {
    result = BASE_FAIL(fault, BASE_NO_SPACE, "content-length", "the disk has no room for the form");
  }
  return result;
}

static enum base_result receive_form(struct upload *upload, struct base_span content_type, uint8_t *bytes,
                                     struct base_fault *fault) {
  const struct ingest_multipart_events events = {on_part_begin, on_part_data, on_part_end, upload};
  struct ingest_multipart *form;
  enum base_result result = check_form_length(upload, fault);
  if (result == BASE_OK) result = ingest_multipart_create(content_type, &events, &form, fault);
  if (result != BASE_OK) return result;
  size_t got = 0;
  do {
    result = console_body_read(&upload->exchange->body, bytes, READ_BYTES, &got, fault);
    if (result == BASE_OK) result = ingest_multipart_push(form, base_span_of(bytes, got), fault);
  } while (result == BASE_OK && got > 0);
  if (result == BASE_OK) result = ingest_multipart_end(form, fault);
  ingest_multipart_destroy(&form);
  if (result == BASE_OK && upload->stored == 0) {
    result = BASE_FAIL(fault, BASE_BAD_INPUT, "image", "the form has no field image");
  }
  return result;
}

// --- one picture as the body ---

static enum base_result receive_raw(struct upload *upload, uint8_t *bytes, struct base_fault *fault) {
  const struct http_request *request = &upload->exchange->request;
  char name[STORE_MAX_NAME + 1];
  enum base_result result = console_text_option(request->query, "name", name, sizeof name, fault);
  if (result != BASE_OK) return result;
  uint64_t expected_bytes = request->is_chunked ? UINT64_MAX : request->content_length;
  result = begin_file(upload, base_span_text(name), expected_bytes, fault);
  upload->part = IMAGE_PART;
  size_t got = 0;
  do {
    if (result == BASE_OK) result = console_body_read(&upload->exchange->body, bytes, READ_BYTES, &got, fault);
    if (result == BASE_OK) result = ingest_write(upload->file, base_span_of(bytes, got), fault);
  } while (result == BASE_OK && got > 0);
  return result == BASE_OK ? end_file(upload, fault) : result;
}

static enum base_result receive(struct upload *upload, struct base_fault *fault) {
  const struct http_request *request = &upload->exchange->request;
  if (!request->has_content_length && !request->is_chunked) {
    return BASE_FAIL(fault, BASE_LENGTH_REQUIRED, "content-length", "an upload needs a Content-Length or is chunked");
  }
  const struct http_header *type = http_request_header(request, "Content-Type");
  struct base_span content_type = type ? type->value : base_span_text("application/octet-stream");
  struct base_span rest = content_type;
  struct base_span media_type = base_span_trim(base_span_cut(&rest, ';'));
  bool is_form = base_span_is_nocase(media_type, "multipart/form-data");
  bool is_raw = base_span_is_nocase(media_type, "application/octet-stream") ||
                base_span_is_nocase(base_span_slice(media_type, 0, 6), "image/");
  if (!is_form && !is_raw) {
    return BASE_FAIL(fault, BASE_UNSUPPORTED, "Content-Type",
                     "an upload is multipart/form-data, image/* or application/octet-stream");
  }
  uint8_t *bytes = malloc(READ_BYTES);
  if (!bytes) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for an upload");
  enum base_result result =
      is_form ? receive_form(upload, content_type, bytes, fault) : receive_raw(upload, bytes, fault);
  free(bytes);
  return result;
}

// The problem of a failed upload, with two more members: the file it failed at, and what had been stored before it.
static void reply_failure(const struct upload *upload, const struct base_fault *fault, struct http_reply *reply) {
  http_problem_reply(reply, fault, upload->exchange->request.id);
  if (reply->part_count != 1 || !reply->parts[0].blob) return;
  struct base_span problem = base_blob_span(reply->parts[0].blob);
  struct base_buffer text, extra;
  struct base_json_writer json;
  base_buffer_init(&text, MAX_REPLY_JSON);
  base_buffer_init(&extra, MAX_REPLY_JSON);
  base_json_begin(&json, &extra);
  base_json_object(&json, NULL);
  base_json_string(&json, "file", upload->part == IMAGE_PART ? upload->file_metadata.name : NULL);
  base_json_object_end(&json);
  // Both are objects: one's end and the other's beginning become a comma.
  enum base_result result = json.result;
  if (result == BASE_OK) result = base_buffer_append(&text, problem.data, problem.bytes - 1);
  if (result == BASE_OK) {
    result = base_buffer_printf(&text, ",%.*s,\"stored\":[%.*s]}", (int)(extra.bytes - 2), (const char *)extra.data + 1,
                                (int)upload->stored_ids.bytes, (const char *)upload->stored_ids.data);
  }
  struct base_blob *blob = result == BASE_OK ? base_blob_from_buffer(&text) : NULL;
  if (blob) {
    http_reply_drop_body(reply);
    http_reply_add_blob(reply, blob, 0, blob->bytes);
  }
  base_buffer_finish(&text);
  base_buffer_finish(&extra);
}

enum base_result console_originals_upload(struct console_exchange *exchange, struct http_reply *reply,
                                          struct base_fault *fault) {
  struct upload *upload = malloc(sizeof *upload);
  if (!upload) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for an upload");
  upload_init(upload, exchange);
  enum base_result result = receive(upload, fault);
  if (result == BASE_OK) {
    base_json_array_end(&upload->json);
    result = console_reply_json(reply, 201, &upload->reply_text, upload->json.result, fault);
  }
  if (result != BASE_OK) {
    base_log_fault(exchange->console->config.log, BASE_LOG_WARN, "console", exchange->request.id, fault);
    reply_failure(upload, fault, reply);
  }
  upload_finish(upload);
  free(upload);
  return BASE_OK;
}
