// Any bytes, in pieces of the size that the first byte says: the reader refuses them, or gives files with safe names
// that, written again, read as the same files.
#include "archive/tar.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

enum { OUT_LIMIT_BYTES = 1 << 24 };

// What was read, written as an archive again.
struct copy {
  struct archive_writer writer;
  struct base_buffer out;
  uint64_t left;
  bool is_open;
};

static enum base_result put(void *self, struct base_span bytes, struct base_fault *fault) {
  struct copy *copy = self;
  (void)fault;
  return base_buffer_append(&copy->out, bytes.data, bytes.bytes);
}

static enum base_result on_begin(void *self, const struct archive_entry *entry, struct base_fault *fault) {
  struct copy *copy = self;
  BASE_ASSERT(!copy->is_open && archive_name_is_valid(entry->name) && entry->bytes <= ARCHIVE_MAX_FILE_BYTES);
  copy->left = entry->bytes;
  copy->is_open = true;
  return archive_writer_begin(&copy->writer, entry, fault);
}

static enum base_result on_data(void *self, struct base_span bytes, struct base_fault *fault) {
  struct copy *copy = self;
  BASE_ASSERT(copy->is_open && bytes.bytes > 0 && bytes.bytes <= copy->left);
  copy->left -= bytes.bytes;
  return archive_writer_write(&copy->writer, bytes, fault);
}

static enum base_result on_end(void *self, struct base_fault *fault) {
  struct copy *copy = self;
  (void)fault;
  BASE_ASSERT(copy->is_open && copy->left == 0);
  copy->is_open = false;
  return BASE_OK;
}

static enum base_result read_all(struct base_span bytes, size_t step, struct copy *copy) {
  const struct archive_events events = {on_begin, on_data, on_end, copy};
  const struct archive_sink sink = {put, copy};
  struct archive_reader reader;
  base_buffer_init(&copy->out, OUT_LIMIT_BYTES);
  archive_reader_init(&reader, &events);
  archive_writer_init(&copy->writer, &sink);
  enum base_result result = BASE_OK;
  for (size_t at = 0; at < bytes.bytes && result == BASE_OK; at += step) {
    result = archive_reader_push(&reader, base_span_slice(bytes, at, step), NULL);
  }
  return result == BASE_OK ? archive_reader_end(&reader, NULL) : result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  struct copy first = {.left = 0}, second = {.left = 0};
  if (bytes == 0) return 0;
  const size_t step = (size_t)data[0] * 8 + 1;
  const enum base_result result = read_all(base_span_of(data + 1, bytes - 1), step, &first);
  if (result == BASE_OK) {
    BASE_ASSERT(archive_writer_end(&first.writer, NULL) == BASE_OK);
    BASE_ASSERT(read_all(base_buffer_span(&first.out), 4096, &second) == BASE_OK);
    BASE_ASSERT(archive_writer_end(&second.writer, NULL) == BASE_OK);
    BASE_ASSERT(first.out.bytes == second.out.bytes && memcmp(first.out.data, second.out.data, first.out.bytes) == 0);
  }
  base_buffer_finish(&first.out);
  base_buffer_finish(&second.out);
  return 0;
}
