#include <string.h>

#include "head.h"

static const uint8_t zeroes[2 * ARCHIVE_BLOCK_BYTES];

void archive_writer_init(struct archive_writer *writer, const struct archive_sink *sink) {
  *writer = (struct archive_writer){.sink = *sink};
}

static enum base_result put(struct archive_writer *writer, struct base_span bytes, struct base_fault *fault) {
  return bytes.bytes > 0 ? writer->sink.write(writer->sink.self, bytes, fault) : BASE_OK;
}

enum base_result archive_writer_begin(struct archive_writer *writer, const struct archive_entry *entry,
                                      struct base_fault *fault) {
  uint8_t block[ARCHIVE_BLOCK_BYTES];
  BASE_ASSERT(writer->left == 0);
  enum base_result result = archive_head_write(entry, block, fault);
  if (result == BASE_OK) result = put(writer, base_span_of(block, sizeof block), fault);
  if (result != BASE_OK) return result;
  writer->left = entry->bytes;
  writer->padding = (ARCHIVE_BLOCK_BYTES - entry->bytes % ARCHIVE_BLOCK_BYTES) % ARCHIVE_BLOCK_BYTES;
  return BASE_OK;
}

enum base_result archive_writer_write(struct archive_writer *writer, struct base_span bytes, struct base_fault *fault) {
  BASE_ASSERT(bytes.bytes <= writer->left);
  enum base_result result = put(writer, bytes, fault);
  if (result != BASE_OK) return result;
  writer->left -= bytes.bytes;
  return writer->left == 0 && bytes.bytes > 0 ? put(writer, base_span_of(zeroes, writer->padding), fault) : BASE_OK;
}

enum base_result archive_writer_file(struct archive_writer *writer, const char *name, int64_t modified_s,
                                     struct base_span content, struct base_fault *fault) {
  struct archive_entry entry = {.bytes = content.bytes, .modified_s = modified_s};
  if (!base_span_copy(base_span_text(name), entry.name, sizeof entry.name)) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "archive", "the name of a file is too long for an archive");
  }
  enum base_result result = archive_writer_begin(writer, &entry, fault);
  return result == BASE_OK ? archive_writer_write(writer, content, fault) : result;
}

enum base_result archive_writer_end(struct archive_writer *writer, struct base_fault *fault) {
  BASE_ASSERT(writer->left == 0);
  return put(writer, base_span_of(zeroes, sizeof zeroes), fault);
}
