// A record file, as it may be found on a damaged or hostile disk: its front, its trailer and its blocks.
//
// The input is tried as it is, and again with a right head digest, so that the checks behind the digest are reached.
#include <stdlib.h>
#include <string.h>

#include "store/record.h"

enum { FORMAT_AT = 8, META_BYTES_AT = 12, OLD_FORMAT = 1, OLD_HEAD_BYTES = 96 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

// Blocks are believed by a checked trailer only.
static void check_body(const struct store_record *record, struct base_span file, uint64_t body_offset) {
  const struct base_span body = base_span_slice(file, (size_t)body_offset, (size_t)record->body_bytes);
  const struct base_span trailer = base_span_slice(file, (size_t)(body_offset + record->body_bytes), file.bytes);
  BASE_ASSERT(trailer.bytes == record->trailer_bytes);
  if (record->format == OLD_FORMAT || store_record_check_trailer(record, trailer, NULL) != BASE_OK) return;
  bool is_good = true;
  for (size_t at = 0; at < body.bytes; at += INTEGRITY_BLOCK_BYTES) {
    const struct base_span block = base_span_slice(body, at, INTEGRITY_BLOCK_BYTES);
    is_good = is_good && store_record_check_block(trailer, at / INTEGRITY_BLOCK_BYTES, block, NULL) == BASE_OK;
  }
  if (!is_good) return;
  // What was sealed gives the same leaves and root again.
  struct store_record sealed = *record;
  struct base_buffer leaves;
  base_buffer_init(&leaves, SIZE_MAX / 2);
  BASE_ASSERT(store_record_seal(&sealed, body, &leaves, NULL) == BASE_OK);
  BASE_ASSERT(base_span_equal(base_buffer_span(&leaves), trailer));
  BASE_ASSERT(integrity_digest_equal(&sealed.root, &record->root));
  base_buffer_finish(&leaves);
}

static void check_read(struct base_span file) {
  struct store_record record;
  uint64_t body_offset;
  struct base_fault fault = {0};
  const enum base_result result = store_record_read_head(file, file.bytes, &record, &body_offset, &fault);
  BASE_ASSERT(fault.result == result);
  if (result != BASE_OK) return;

  // What is believed must add up and, when it is of today's format, be written again as it was read.
  BASE_ASSERT(body_offset + record.body_bytes + record.trailer_bytes == file.bytes);
  struct base_span rest = record.meta, name, value;
  while (store_meta_next(&rest, &name, &value)) BASE_ASSERT(name.bytes > 0);
  BASE_ASSERT(rest.bytes == 0);
  check_body(&record, file, body_offset);
  if (record.format == OLD_FORMAT) return;
  struct base_buffer again;
  base_buffer_init(&again, STORE_RECORD_HEAD_BYTES + STORE_RECORD_MAX_META);
  BASE_ASSERT(store_record_write_head(&record, &again, NULL) == BASE_OK);
  BASE_ASSERT(base_span_equal(base_buffer_span(&again), base_span_slice(file, 0, (size_t)body_offset)));
  base_buffer_finish(&again);
}

static void repair_digest(uint8_t *file, size_t bytes) {
  const size_t head_bytes = file[FORMAT_AT] == OLD_FORMAT ? OLD_HEAD_BYTES : STORE_RECORD_HEAD_BYTES;
  const size_t digest_at = head_bytes - BASE_DIGEST_BYTES;
  const size_t meta_bytes = file[META_BYTES_AT] | (size_t)file[META_BYTES_AT + 1] << 8;
  if (bytes < head_bytes || meta_bytes > bytes - head_bytes) return;
  const struct base_span covered[] = {base_span_of(file, digest_at), base_span_of(file + head_bytes, meta_bytes)};
  uint8_t digest[BASE_DIGEST_BYTES];
  integrity_digest_pieces(covered, 2, digest);
  memcpy(file + digest_at, digest, sizeof digest);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  check_read(base_span_of(data, bytes));
  if (bytes < OLD_HEAD_BYTES) return 0;
  uint8_t *repaired = malloc(bytes);
  if (!repaired) return 0;
  memcpy(repaired, data, bytes);
  repair_digest(repaired, bytes);
  check_read(base_span_of(repaired, bytes));
  free(repaired);
  return 0;
}
