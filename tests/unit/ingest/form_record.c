#include "form_record.h"

#include <stdlib.h>
#include <string.h>

static enum base_result begin(void *self, const struct ingest_part *part, struct base_fault *fault) {
  (void)fault;
  struct form_record *record = self;
  return base_buffer_printf(&record->text, "[%s|%s|%s]", part->name, part->file_name, part->media_type);
}

static enum base_result data(void *self, struct base_span bytes, struct base_fault *fault) {
  (void)fault;
  struct form_record *record = self;
  if (bytes.bytes == 0) abort();  // an empty event would be noise
  return base_buffer_append(&record->text, bytes.data, bytes.bytes);
}

static enum base_result end(void *self, struct base_fault *fault) {
  (void)fault;
  struct form_record *record = self;
  return base_buffer_append_text(&record->text, ";");
}

void form_record_parse(struct form_record *record, const char *content_type, struct base_span body, size_t piece) {
  enum { MAX_TEXT = 64 << 20 };
  memset(record, 0, sizeof *record);
  base_buffer_init(&record->text, MAX_TEXT);
  const struct ingest_multipart_events events = {begin, data, end, record};
  struct ingest_multipart *multipart = NULL;
  record->result = ingest_multipart_create(base_span_text(content_type), &events, &multipart, &record->fault);
  if (record->result != BASE_OK) return;
  for (size_t at = 0; record->result == BASE_OK && at < body.bytes;) {
    struct base_span bytes = base_span_slice(body, at, piece != 0 ? piece : body.bytes);
    // A copy of exactly these bytes, so that a sanitizer sees a read past them.
    uint8_t *copy = malloc(bytes.bytes);
    if (!copy) abort();
    memcpy(copy, bytes.data, bytes.bytes);
    record->result = ingest_multipart_push(multipart, base_span_of(copy, bytes.bytes), &record->fault);
    free(copy);
    at += bytes.bytes;
  }
  if (record->result == BASE_OK) record->result = ingest_multipart_end(multipart, &record->fault);
  ingest_multipart_destroy(&multipart);
}

void form_record_finish(struct form_record *record) { base_buffer_finish(&record->text); }
