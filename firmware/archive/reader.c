#include <string.h>

#include "base/checked.h"
#include "head.h"

enum { END_ZEROES = 2 };

void archive_reader_init(struct archive_reader *reader, const struct archive_events *events) {
  *reader = (struct archive_reader){.events = *events};
}

static bool is_zero(const uint8_t block[ARCHIVE_BLOCK_BYTES]) {
  for (int i = 0; i < ARCHIVE_BLOCK_BYTES; i++) {
    if (block[i] != 0) return false;
  }
  return true;
}

static enum base_result end_file(struct archive_reader *reader, struct base_fault *fault) {
  return reader->events.end(reader->events.self, fault);
}

static enum base_result take_block(struct archive_reader *reader, struct base_fault *fault) {
  struct archive_entry entry;
  bool is_folder;
  if (is_zero(reader->block)) {
    if (reader->zeroes < END_ZEROES) reader->zeroes++;
    return BASE_OK;  // after the end too: `tar` fills its last record with zeroes
  }
  if (reader->zeroes > 0)
    return BASE_FAIL(fault, BASE_BAD_INPUT, "archive", "there are bytes behind the archive's end");
  enum base_result result = archive_head_read(reader->block, &entry, &is_folder, fault);
  if (result != BASE_OK || is_folder) return result;
  result = reader->events.begin(reader->events.self, &entry, fault);
  if (result != BASE_OK) return result;
  reader->left = entry.bytes;
  reader->padding = (size_t)((ARCHIVE_BLOCK_BYTES - entry.bytes % ARCHIVE_BLOCK_BYTES) % ARCHIVE_BLOCK_BYTES);
  return entry.bytes == 0 ? end_file(reader, fault) : BASE_OK;
}

static struct base_span cut(struct base_span *bytes, uint64_t most) {
  const struct base_span front = base_span_slice(*bytes, 0, (size_t)base_min_u64(most, bytes->bytes));
  *bytes = base_span_slice(*bytes, front.bytes, bytes->bytes - front.bytes);
  return front;
}

static enum base_result take_data(struct archive_reader *reader, struct base_span *bytes, struct base_fault *fault) {
  const struct base_span piece = cut(bytes, reader->left);
  enum base_result result = reader->events.data(reader->events.self, piece, fault);
  reader->left -= piece.bytes;
  return result == BASE_OK && reader->left == 0 ? end_file(reader, fault) : result;
}

enum base_result archive_reader_push(struct archive_reader *reader, struct base_span bytes, struct base_fault *fault) {
  enum base_result result = BASE_OK;
  while (bytes.bytes > 0 && result == BASE_OK) {
    if (reader->left > 0) {
      result = take_data(reader, &bytes, fault);
    } else if (reader->padding > 0) {
      reader->padding -= cut(&bytes, reader->padding).bytes;
    } else {
      const struct base_span piece = cut(&bytes, ARCHIVE_BLOCK_BYTES - reader->block_bytes);
      memcpy(reader->block + reader->block_bytes, piece.data, piece.bytes);
      reader->block_bytes += piece.bytes;
      if (reader->block_bytes < ARCHIVE_BLOCK_BYTES) break;
      reader->block_bytes = 0;
      result = take_block(reader, fault);
    }
  }
  return result;
}

enum base_result archive_reader_end(const struct archive_reader *reader, struct base_fault *fault) {
  if (reader->zeroes >= END_ZEROES && reader->block_bytes == 0) return BASE_OK;
  return BASE_FAIL(fault, BASE_BAD_INPUT, "archive", "the archive is cut off");
}
