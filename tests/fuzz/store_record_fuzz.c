// The front of a record file, as it may be found on a damaged or hostile disk.
//
// The input is tried as it is, and again with a right head digest, so that the checks behind the digest are reached.
#include <stdlib.h>
#include <string.h>

#include "store/record.h"

enum { META_BYTES_AT = 12, HEAD_DIGEST_AT = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check_read(struct base_span front, uint64_t file_bytes) {
  struct store_record record;
  uint64_t body_offset;
  struct base_fault fault = {0};
  const enum base_result result = store_record_read_head(front, file_bytes, &record, &body_offset, &fault);
  BASE_ASSERT(fault.result == result);
  if (result != BASE_OK) return;

  // What is believed must add up and be written again as it was read.
  BASE_ASSERT(body_offset + record.body_bytes == file_bytes);
  struct base_span rest = record.meta, name, value;
  while (store_meta_next(&rest, &name, &value)) BASE_ASSERT(name.bytes > 0);
  BASE_ASSERT(rest.bytes == 0);
  struct base_buffer again;
  base_buffer_init(&again, STORE_RECORD_HEAD_BYTES + STORE_RECORD_MAX_META);
  BASE_ASSERT(store_record_write_head(&record, &again, NULL) == BASE_OK);
  BASE_ASSERT(base_span_equal(base_buffer_span(&again), base_span_slice(front, 0, (size_t)body_offset)));
  base_buffer_finish(&again);
}

static void repair_digest(uint8_t *front, size_t bytes) {
  const size_t meta_bytes = front[META_BYTES_AT] | (size_t)front[META_BYTES_AT + 1] << 8;
  if (bytes < STORE_RECORD_HEAD_BYTES || meta_bytes > bytes - STORE_RECORD_HEAD_BYTES) return;
  struct integrity_hash hash;
  struct integrity_digest digest;
  integrity_hash_init(&hash);
  integrity_hash_update(&hash, base_span_of(front, HEAD_DIGEST_AT));
  integrity_hash_update(&hash, base_span_of(front + STORE_RECORD_HEAD_BYTES, meta_bytes));
  integrity_hash_finish(&hash, &digest);
  memcpy(front + HEAD_DIGEST_AT, digest.bytes, sizeof digest.bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  check_read(base_span_of(data, bytes), bytes);
  if (bytes < STORE_RECORD_HEAD_BYTES) return 0;
  uint8_t *repaired = malloc(bytes);
  if (!repaired) return 0;
  memcpy(repaired, data, bytes);
  repair_digest(repaired, bytes);
  check_read(base_span_of(repaired, bytes), bytes);
  free(repaired);
  return 0;
}
