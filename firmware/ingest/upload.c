#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "ingest/ingest.h"
#include "ingest/multipart.h"

struct ingest {
  struct ingest_config config;
  struct base_metric *stored, *repeated, *refused, *aborted, *bytes;
  struct base_histogram *check_time;
};

struct ingest_upload {
  struct ingest *ingest;
  char tenant[STORE_MAX_TENANT + 1];
  struct store_upload *file;
};

enum base_result ingest_create(const struct ingest_config *config, struct ingest **out, struct base_fault *fault) {
  *out = NULL;
  struct ingest *ingest = calloc(1, sizeof *ingest);
  if (!ingest) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for uploads");
  static const char uploads[] = "pixpop_ingest_uploads_total";
  static const char uploads_help[] = "Uploads by how they ended";
  struct base_metrics *metrics = config->metrics;
  ingest->config = *config;
  ingest->stored = base_metrics_counter(metrics, uploads, "result=\"stored\"", uploads_help);
  ingest->repeated = base_metrics_counter(metrics, uploads, "result=\"repeated\"", uploads_help);
  ingest->refused = base_metrics_counter(metrics, uploads, "result=\"refused\"", uploads_help);
  ingest->aborted = base_metrics_counter(metrics, uploads, "result=\"aborted\"", uploads_help);
  ingest->bytes = base_metrics_counter(metrics, "pixpop_ingest_received_bytes_total", "", "Bytes of uploads received");
  ingest->check_time =
      base_metrics_histogram(metrics, "pixpop_ingest_check_seconds", "", "Time to inspect and decode an upload");
  *out = ingest;
  return BASE_OK;
}

void ingest_destroy(struct ingest **ingest) {
  free(*ingest);
  *ingest = NULL;
}

static enum base_result check_size(const struct ingest *ingest, uint64_t bytes, struct base_fault *fault) {
  uint64_t limit = ingest->config.limits.max_file_bytes;
  if (bytes <= limit) return BASE_OK;
  return BASE_FAIL(fault, BASE_TOO_LARGE, "max_file_bytes", "a file may have at most %" PRIu64 " bytes", limit);
}

enum base_result ingest_check_form(const struct ingest *ingest, uint64_t bytes, struct base_fault *fault) {
  uint64_t limit = ingest->config.limits.max_file_bytes;
  if (bytes / INGEST_MAX_PARTS <= limit + INGEST_MAX_PART_HEAD) return BASE_OK;
  return BASE_FAIL(fault, BASE_TOO_LARGE, "max_file_bytes", "a form has at most %d files of at most %" PRIu64 " bytes",
                   INGEST_MAX_PARTS, limit);
}

enum base_result ingest_begin(struct ingest *ingest, const char *tenant, uint64_t expected_bytes,
                              struct ingest_upload **out, struct base_fault *fault) {
  *out = NULL;
  enum base_result result = expected_bytes == UINT64_MAX ? BASE_OK : check_size(ingest, expected_bytes, fault);
  if (result != BASE_OK) {
    base_metric_add(ingest->refused, 1);
    return result;
  }
  struct ingest_upload *upload = calloc(1, sizeof *upload);
  if (!upload) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for an upload");
  upload->ingest = ingest;
  if (!base_span_copy(base_span_text(tenant), upload->tenant, sizeof upload->tenant)) {
    result = BASE_FAIL(fault, BASE_INTERNAL, "tenant", "a tenant's name is too long");
  } else {
    result = store_upload_begin(ingest->config.store, expected_bytes, &upload->file, fault);
  }
  if (result != BASE_OK) {
    free(upload);
    return result;
  }
  *out = upload;
  return BASE_OK;
}

enum base_result ingest_write(struct ingest_upload *upload, struct base_span bytes, struct base_fault *fault) {
  struct ingest *ingest = upload->ingest;
  uint64_t so_far = store_upload_bytes(upload->file);
  enum base_result result = check_size(ingest, so_far + bytes.bytes, fault);  // both are far below 2^63
  if (result == BASE_OK) result = store_upload_write(upload->file, bytes, fault);
  if (result == BASE_OK) base_metric_add(ingest->bytes, (int64_t)bytes.bytes);
  return result;
}

// Decodes once at full size: a header can promise anything, and a picture that is stored must be servable. The picture
// is the caller's.
static enum base_result check_picture(const struct ingest_upload *upload, struct image_header *header,
                                      struct image **picture, struct base_fault *fault) {
  struct ingest *ingest = upload->ingest;
  int fd = store_upload_fd(upload->file);
  uint64_t begin_us = base_clock_us(base_clock_system());
  enum base_result result = sandbox_inspect(ingest->config.sandbox, fd, header, fault);
  if (result == BASE_OK) result = image_header_check(header, &ingest->config.limits, fault);
  if (result == BASE_OK) result = sandbox_decode(ingest->config.sandbox, fd, header, picture, fault);
  base_histogram_observe_us(ingest->check_time, base_clock_us(base_clock_system()) - begin_us);
  return result;
}

static void copy_text(char *out, size_t capacity, const char *text) {
  bool fits = base_span_copy(base_span_text(text), out, capacity);
  BASE_ASSERT(fits);
}

static void describe(const struct ingest_upload *upload, const struct image_header *header,
                     const struct ingest_metadata *metadata, struct store_original *out) {
  memset(out, 0, sizeof *out);
  out->width = header->width;
  out->height = header->height;
  out->orientation = (uint8_t)header->orientation;
  out->bits = header->bits;
  out->has_alpha = header->has_alpha;
  out->has_icc = header->has_icc;
  copy_text(out->tenant, sizeof out->tenant, upload->tenant);
  copy_text(out->format, sizeof out->format, image_file_format_name(header->format));
  copy_text(out->colour, sizeof out->colour, image_colour_name(header->colour));
  copy_text(out->name, sizeof out->name, metadata->name);
  copy_text(out->tags, sizeof out->tags, metadata->tags);
}

enum base_result ingest_commit(struct ingest_upload **upload, const struct ingest_metadata *metadata,
                               struct store_original *out, bool *is_new, struct base_fault *fault) {
  struct ingest_upload *ending = *upload;
  struct ingest *ingest = ending->ingest;
  *upload = NULL;
  *is_new = false;
  struct image_header header;
  struct image *picture = NULL;
  enum base_result result = BASE_OK;
  if (store_upload_bytes(ending->file) == 0) {
    result = BASE_FAIL(fault, BASE_UNSUPPORTED, "", "the file is empty");
  }
  if (result == BASE_OK) result = check_picture(ending, &header, &picture, fault);
  if (result == BASE_OK) {
    describe(ending, &header, metadata, out);
    result = store_upload_commit(&ending->file, out, is_new, fault);
  } else {
    store_upload_abort(&ending->file);
  }
  if (result == BASE_OK && *is_new && ingest->config.decoded) {
    ingest->config.decoded(ingest->config.decoded_self, &out->id, picture);
  }
  image_unref(&picture);
  base_metric_add(result != BASE_OK ? ingest->refused : *is_new ? ingest->stored : ingest->repeated, 1);
  free(ending);
  return result;
}

void ingest_abort(struct ingest_upload **upload) {
  struct ingest_upload *ending = *upload;
  if (!ending) return;
  *upload = NULL;
  base_metric_add(ending->ingest->aborted, 1);
  store_upload_abort(&ending->file);
  free(ending);
}
