// From bytes to a stored original: hashed while written, inspected and decoded once in the sandbox, then committed.
//
// `console` drives it; different uploads may be used by different threads at once. Memory does not grow with the file.
#ifndef INGEST_INGEST_H
#define INGEST_INGEST_H

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "sandbox/sandbox.h"
#include "store/store.h"
#include "store/upload.h"

struct ingest_config {
  struct store *store;
  struct sandbox *sandbox;
  struct image_limits limits;  // max_file_bytes bounds every upload
  struct image_rules rules;    // what a finding of the inspection leads to
  // Handed the picture of an original that is new to its tenant, once it is committed and before the uploader hears of
  // it, so it must be quick; may be NULL. Borrowed, but nobody else reads it any more: it may be changed and kept.
  void (*decoded)(void *self, const struct integrity_digest *original, struct image *picture);
  void *decoded_self;
  struct base_log *log;
  struct base_metrics *metrics;
};

enum { INGEST_MAX_TAGS = 32, INGEST_MAX_TAG = 64 };  // tags of an original; bytes of one tag

struct ingest;
struct ingest_upload;

// What the uploader says about a file. Name and tags may be empty.
struct ingest_metadata {
  char name[STORE_MAX_NAME + 1];
  char tags[STORE_MAX_TAGS + 1];  // joined by '\n'
  int64_t created_s;              // of an original that comes back from a backup; 0: now
};

enum base_result ingest_create(const struct ingest_config *config, struct ingest **out,
                               struct base_fault *fault) BASE_CHECKED;
void ingest_destroy(struct ingest **ingest);
// Takes the place of config.rules for files whose inspection has not begun.
void ingest_set_rules(struct ingest *ingest, const struct image_rules *rules);

// BASE_TOO_LARGE ("max_file_bytes") for a form that is longer than the most and largest files together.
enum base_result ingest_check_form(const struct ingest *ingest, uint64_t bytes, struct base_fault *fault) BASE_CHECKED;
// `expected_bytes`: UINT64_MAX when unknown. BASE_TOO_LARGE ("max_file_bytes") at once when it is over the limit.
enum base_result ingest_begin(struct ingest *ingest, const char *tenant, uint64_t expected_bytes,
                              struct ingest_upload **out, struct base_fault *fault) BASE_CHECKED;
enum base_result ingest_write(struct ingest_upload *upload, struct base_span bytes,
                              struct base_fault *fault) BASE_CHECKED;
// Inspects, decodes once (a file that can not be decoded whole is BASE_UNPROCESSABLE or BASE_UNSUPPORTED), commits with
// the report. BASE_UNPROCESSABLE ("rule/NAME") when a rule blocks it. Consumes the upload.
enum base_result ingest_commit(struct ingest_upload **upload, const struct ingest_metadata *metadata,
                               struct store_original *out, bool *is_new, struct base_fault *fault) BASE_CHECKED;
void ingest_abort(struct ingest_upload **upload);
// The second half of ingest_commit, for a file that lies in the store already (tus): inspects, decodes, commits.
// Consumes the upload as store_upload_commit does.
enum base_result ingest_adopt(struct ingest *ingest, const char *tenant, struct store_upload **file,
                              const struct ingest_metadata *metadata, struct store_original *out, bool *is_new,
                              struct base_fault *fault) BASE_CHECKED;

// Parses {"name": "...", "tags": ["...", ...]}: UTF-8, no control characters, at most 32 tags of 1..64 bytes; unknown
// members are refused by name.
enum base_result ingest_metadata_parse(struct base_span json, struct ingest_metadata *out,
                                       struct base_fault *fault) BASE_CHECKED;
// Sets the name alone, by the same rules: BASE_BAD_INPUT ("name").
enum base_result ingest_metadata_set_name(struct ingest_metadata *metadata, struct base_span name,
                                          struct base_fault *fault) BASE_CHECKED;

#endif
