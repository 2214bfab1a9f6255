// The multipart parser against bytes from outside. The first byte says how the body is split; whatever it says, the
// events must be those of the body pushed whole.
#include <stdlib.h>
#include <string.h>

#include "ingest/multipart.h"

enum { MAX_EVENTS = 1 << 22 };

static enum base_result on_begin(void *self, const struct ingest_part *part, struct base_fault *fault) {
  (void)fault;
  return base_buffer_printf(self, "[%s|%s|%s]", part->name, part->file_name, part->media_type);
}

static enum base_result on_data(void *self, struct base_span bytes, struct base_fault *fault) {
  (void)fault;
  if (bytes.bytes == 0) abort();
  return base_buffer_append(self, bytes.data, bytes.bytes);
}

static enum base_result on_end(void *self, struct base_fault *fault) {
  (void)fault;
  return base_buffer_append_text(self, "\nend\n");
}

static enum base_result parse(struct base_span body, size_t piece, struct base_buffer *events) {
  base_buffer_init(events, MAX_EVENTS);
  const struct ingest_multipart_events callbacks = {on_begin, on_data, on_end, events};
  struct ingest_multipart *multipart;
  struct base_span type = base_span_text("multipart/form-data; boundary=XX");
  if (ingest_multipart_create(type, &callbacks, &multipart, NULL) != BASE_OK) abort();
  enum base_result result = BASE_OK;
  for (size_t at = 0; result == BASE_OK && at < body.bytes; at += piece) {
    result = ingest_multipart_push(multipart, base_span_slice(body, at, piece), NULL);
  }
  if (result == BASE_OK) result = ingest_multipart_end(multipart, NULL);
  ingest_multipart_destroy(&multipart);
  return result;
}

static void fuzz_content_type(struct base_span type) {
  struct base_buffer events;
  base_buffer_init(&events, MAX_EVENTS);
  const struct ingest_multipart_events callbacks = {on_begin, on_data, on_end, &events};
  struct ingest_multipart *multipart = NULL;
  if (ingest_multipart_create(type, &callbacks, &multipart, NULL) == BASE_OK) ingest_multipart_destroy(&multipart);
  if (multipart) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  if (bytes < 1) return 0;
  struct base_span body = base_span_of(data + 1, bytes - 1);
  if (data[0] == 0) fuzz_content_type(body);
  struct base_buffer whole, split;
  enum base_result whole_result = parse(body, body.bytes + 1, &whole);
  enum base_result split_result = parse(body, (size_t)data[0] % 64 + 1, &split);
  // When it fails, how much data had been told before may differ by what the last push still held.
  if (whole_result != split_result) abort();
  if (whole_result == BASE_OK && !base_span_equal(base_buffer_span(&whole), base_buffer_span(&split))) abort();
  base_buffer_finish(&whole);
  base_buffer_finish(&split);
  return 0;
}
