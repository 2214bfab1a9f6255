#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "ingest/ingest.h"
#include "ingest/multipart.h"
#include "policy.h"

struct ingest {
  struct ingest_config config;
  struct ingest_policy policy;
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
  ingest_policy_init(&ingest->policy, &config->rules, config->log, metrics);
  *out = ingest;
  return BASE_OK;
}

void ingest_destroy(struct ingest **ingest) {
  if (!*ingest) return;
  ingest_policy_finish(&(*ingest)->policy);
  free(*ingest);
  *ingest = NULL;
}

void ingest_set_rules(struct ingest *ingest, const struct image_rules *rules) {
  ingest_policy_set(&ingest->policy, rules);
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

// What a check has found out about a file.
struct findings {
  struct image_header header;
  struct image *picture;      // the caller's
  uint32_t alerts;            // of rules that let it pass
  struct base_buffer report;  // JSON, kept with the original
};

static enum base_result write_report(const struct image_report *report, struct base_buffer *out,
                                     struct base_fault *fault) {
  struct base_json_writer json;
  base_json_begin(&json, out);
  image_report_write(&json, NULL, report);
  if (json.result == BASE_OK) return BASE_OK;
  return BASE_FAIL(fault, json.result, "report", "the report of an inspection could not be written");
}

// Looks at the file without decoding it, and judges what is found.
static enum base_result inspect_picture(struct ingest *ingest, const char *tenant, int fd, struct findings *out,
                                        struct base_fault *fault) {
  struct image_report report;
  enum base_result result = sandbox_report(ingest->config.sandbox, fd, &report, fault);
  if (result == BASE_OK) result = ingest_policy_judge(&ingest->policy, tenant, &report, &out->alerts, fault);
  if (result == BASE_OK) result = write_report(&report, &out->report, fault);
  if (result == BASE_OK) result = sandbox_inspect(ingest->config.sandbox, fd, &out->header, fault);
  if (result == BASE_OK) result = image_header_check(&out->header, &ingest->config.limits, fault);
  return result;
}

// Decodes once at full size too: a header can promise anything, and a picture that is stored must be servable.
static enum base_result check_picture(struct ingest *ingest, const char *tenant, const struct store_upload *file,
                                      struct findings *out, struct base_fault *fault) {
  if (store_upload_bytes(file) == 0) return BASE_FAIL(fault, BASE_UNSUPPORTED, "", "the file is empty");
  int fd;
  enum base_result result = store_upload_open_bytes(file, &fd, fault);
  if (result != BASE_OK) return result;
  uint64_t begin_us = base_clock_us(base_clock_system());
  result = inspect_picture(ingest, tenant, fd, out, fault);
  if (result == BASE_OK) result = sandbox_decode(ingest->config.sandbox, fd, &out->header, &out->picture, fault);
  base_histogram_observe_us(ingest->check_time, base_clock_us(base_clock_system()) - begin_us);
  base_fd_close(&fd);
  return result;
}

static void copy_text(char *out, size_t capacity, const char *text) {
  bool fits = base_span_copy(base_span_text(text), out, capacity);
  BASE_ASSERT(fits);
}

static void describe(const char *tenant, const struct findings *findings, const struct ingest_metadata *metadata,
                     struct store_original *out) {
  const struct image_header *header = &findings->header;
  memset(out, 0, sizeof *out);
  out->width = header->width;
  out->height = header->height;
  out->orientation = (uint8_t)header->orientation;
  out->bits = header->bits;
  out->has_alpha = header->has_alpha;
  out->has_icc = header->has_icc;
  out->alerts = findings->alerts;
  out->created_s = metadata->created_s;
  copy_text(out->tenant, sizeof out->tenant, tenant);
  copy_text(out->format, sizeof out->format, image_file_format_name(header->format));
  copy_text(out->colour, sizeof out->colour, image_colour_name(header->colour));
  copy_text(out->name, sizeof out->name, metadata->name);
  copy_text(out->tags, sizeof out->tags, metadata->tags);
}

// Checks and commits; after a failure of the check the file is still the caller's.
static enum base_result adopt(struct ingest *ingest, const char *tenant, struct store_upload **file,
                              const struct ingest_metadata *metadata, struct store_original *out, bool *is_new,
                              struct base_fault *fault) {
  struct findings findings = {0};
  *is_new = false;
  base_buffer_init(&findings.report, STORE_MAX_REPORT);
  enum base_result result = check_picture(ingest, tenant, *file, &findings, fault);
  if (result == BASE_OK) {
    describe(tenant, &findings, metadata, out);
    result = store_upload_commit(file, out, base_buffer_span(&findings.report), is_new, fault);
  }
  if (result == BASE_OK && *is_new && ingest->config.decoded) {
    ingest->config.decoded(ingest->config.decoded_self, &out->id, findings.picture);
  }
  image_unref(&findings.picture);
  base_buffer_finish(&findings.report);
  base_metric_add(result != BASE_OK ? ingest->refused : *is_new ? ingest->stored : ingest->repeated, 1);
  return result;
}

enum base_result ingest_commit(struct ingest_upload **upload, const struct ingest_metadata *metadata,
                               struct store_original *out, bool *is_new, struct base_fault *fault) {
  struct ingest_upload *ending = *upload;
  *upload = NULL;
  enum base_result result = adopt(ending->ingest, ending->tenant, &ending->file, metadata, out, is_new, fault);
  store_upload_abort(&ending->file);
  free(ending);
  return result;
}

enum base_result ingest_adopt(struct ingest *ingest, const char *tenant, struct store_upload **file,
                              const struct ingest_metadata *metadata, struct store_original *out, bool *is_new,
                              struct base_fault *fault) {
  enum base_result result = adopt(ingest, tenant, file, metadata, out, is_new, fault);
  if (!*file) return result;
  struct base_fault resting = {0};
  if (store_upload_rest(file, &resting) != BASE_OK) {
    base_log_fault(ingest->config.log, BASE_LOG_WARN, "ingest", NULL, &resting);
  }
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
