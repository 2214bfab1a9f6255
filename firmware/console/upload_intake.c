// Receiving an upload to /api/v1/originals: the form is taken apart and its files written as bytes come.

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "text_option.h"
#include "upload.h"

enum { MAX_METADATA_BYTES = 16 * 1024, FIRST_FILES = 4 };

static void destroy(struct console_intake **intake) {
  struct console_upload *upload = (struct console_upload *)*intake;
  *intake = NULL;
  if (!upload) return;
  ingest_multipart_destroy(&upload->form);
  for (size_t i = 0; i < upload->file_count; i++) {
    ingest_abort(&upload->files[i].received);
    free(upload->files[i].name);
  }
  free(upload->files);
  base_buffer_finish(&upload->metadata);
  free(upload);
}

static enum base_result fail_memory(struct base_fault *fault) {
  return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for an upload");
}

static enum base_result add_file(struct console_upload *upload, const char *name, uint64_t expected_bytes,
                                 struct base_fault *fault) {
  if (upload->file_count == upload->file_capacity) {
    const size_t capacity = upload->file_count ? upload->file_count * 2 : FIRST_FILES;  // at most INGEST_MAX_PARTS * 2
    struct console_upload_file *files = realloc(upload->files, capacity * sizeof *files);
    if (!files) return fail_memory(fault);
    upload->files = files;
    upload->file_capacity = capacity;
  }
  struct console_upload_file *file = &upload->files[upload->file_count];
  file->name = strdup(name);
  if (!file->name) return fail_memory(fault);
  upload->file_count++;
  upload->part = CONSOLE_IMAGE_PART;
  return ingest_begin(upload->console->config.ingest, upload->tenant, expected_bytes, &file->received, fault);
}

// --- forms ---

static enum base_result on_part_begin(void *self, const struct ingest_part *part, struct base_fault *fault) {
  struct console_upload *upload = self;
  const struct base_span name = base_span_text(part->name);
  if (base_span_is(name, "image")) return add_file(upload, part->file_name, UINT64_MAX, fault);
  if (!base_span_is(name, "metadata")) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, part->name, "the fields of this form are image and metadata");
  }
  if (upload->has_metadata) return BASE_FAIL(fault, BASE_BAD_INPUT, "metadata", "the metadata comes once");
  upload->part = CONSOLE_METADATA_PART;
  upload->has_metadata = true;
  return BASE_OK;
}

static enum base_result on_part_data(void *self, struct base_span bytes, struct base_fault *fault) {
  struct console_upload *upload = self;
  if (upload->part == CONSOLE_IMAGE_PART) {
    return ingest_write(upload->files[upload->file_count - 1].received, bytes, fault);
  }
  enum base_result result = base_buffer_append(&upload->metadata, bytes.data, bytes.bytes);
  if (result == BASE_OK) return BASE_OK;
  return BASE_FAIL(fault, result, "metadata", "the metadata has at most %d bytes", MAX_METADATA_BYTES);
}

static enum base_result on_part_end(void *self, struct base_fault *fault) {
  struct console_upload *upload = self;
  struct ingest_metadata metadata;
  enum base_result result = BASE_OK;
  if (upload->part == CONSOLE_METADATA_PART) {
    result = ingest_metadata_parse(base_buffer_span(&upload->metadata), &metadata, fault);
  }
  if (result == BASE_OK) upload->part = CONSOLE_NO_PART;
  return result;
}

// How a form's length divides among its files shows only as they come; what could never be kept is refused at once.
static enum base_result check_form_length(const struct console_upload *upload, const struct http_request *request,
                                          struct base_fault *fault) {
  const struct console_config *config = &upload->console->config;
  struct store_stats stats;
  if (request->is_chunked) return BASE_OK;
  enum base_result result = ingest_check_form(config->ingest, request->content_length, fault);
  if (result == BASE_OK) result = store_get_stats(config->store, &stats, fault);
  if (result == BASE_OK && request->content_length > stats.disk_free_bytes) {
    result = BASE_FAIL(fault, BASE_NO_SPACE, "content-length", "the disk has no room for the form");
  }
  return result;
}

static enum base_result begin_form(struct console_upload *upload, const struct http_request *request,
                                   struct base_span content_type, struct base_fault *fault) {
  const struct ingest_multipart_events events = {on_part_begin, on_part_data, on_part_end, upload};
  enum base_result result = check_form_length(upload, request, fault);
  return result == BASE_OK ? ingest_multipart_create(content_type, &events, &upload->form, fault) : result;
}

// --- one picture as the body ---

static enum base_result begin_raw(struct console_upload *upload, const struct http_request *request,
                                  struct base_fault *fault) {
  struct ingest_metadata metadata;
  char name[STORE_MAX_NAME + 1];
  enum base_result result = console_text_option(request->query, "name", name, sizeof name, fault);
  if (result == BASE_OK) result = ingest_metadata_set_name(&metadata, base_span_text(name), fault);
  if (result != BASE_OK) return result;
  return add_file(upload, name, request->is_chunked ? UINT64_MAX : request->content_length, fault);
}

// --- the intake ---

static enum base_result begin(struct console_upload *upload, const struct http_request *request,
                              struct base_fault *fault) {
  if (!request->has_content_length && !request->is_chunked) {
    return BASE_FAIL(fault, BASE_LENGTH_REQUIRED, "content-length", "an upload needs a Content-Length or is chunked");
  }
  const struct http_header *type = http_request_header(request, "Content-Type");
  const struct base_span content_type = type ? type->value : base_span_text("application/octet-stream");
  struct base_span rest = content_type;
  const struct base_span media_type = base_span_trim(base_span_cut(&rest, ';'));
  if (base_span_is_nocase(media_type, "multipart/form-data")) return begin_form(upload, request, content_type, fault);
  if (base_span_is_nocase(media_type, "application/octet-stream") ||
      base_span_is_nocase(base_span_slice(media_type, 0, 6), "image/")) {
    return begin_raw(upload, request, fault);
  }
  return BASE_FAIL(fault, BASE_UNSUPPORTED, "Content-Type",
                   "an upload is multipart/form-data, image/* or application/octet-stream");
}

static enum base_result open_upload(struct console_exchange *exchange, struct console_intake **out,
                                    struct base_fault *fault) {
  *out = NULL;
  struct console_upload *upload = calloc(1, sizeof *upload);
  if (!upload) return fail_memory(fault);
  upload->intake.kind = &console_upload_intake;
  upload->console = exchange->console;
  upload->tenant = exchange->tenant;
  base_buffer_init(&upload->metadata, MAX_METADATA_BYTES);
  struct console_intake *intake = &upload->intake;
  enum base_result result = begin(upload, &exchange->request, fault);
  if (result == BASE_OK) {
    *out = intake;
  } else {
    destroy(&intake);
  }
  return result;
}

static enum base_result write_bytes(struct console_intake *intake, struct base_span bytes, struct base_fault *fault) {
  struct console_upload *upload = (struct console_upload *)intake;
  enum base_result result = upload->form ? ingest_multipart_push(upload->form, bytes, &upload->failure)
                                         : ingest_write(upload->files[0].received, bytes, &upload->failure);
  if (result != BASE_OK && fault && fault->result == BASE_OK) *fault = upload->failure;
  return result;
}

// Nothing of a form or a body without a name can be gone on with.
static void give_up(struct console_intake *intake) { (void)intake; }

const struct console_intake_kind console_upload_intake = {open_upload, write_bytes, give_up, destroy};

enum base_result console_upload_end(struct console_upload *upload, struct base_fault *fault) {
  enum base_result result = upload->failure.result;
  if (result != BASE_OK) {
    *fault = upload->failure;
  } else if (upload->form) {
    result = ingest_multipart_end(upload->form, fault);
    if (result == BASE_OK && upload->file_count == 0) {
      result = BASE_FAIL(fault, BASE_BAD_INPUT, "image", "the form has no field image");
    }
  }
  return result;
}
