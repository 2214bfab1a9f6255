// The ledger's files, as they may be found on a damaged or hostile disk: a bundle of records, or the list of what was
// pruned, as the first byte says.
//
// Each is tried as it is, and again with right checks, so that what lies behind them is reached.
#include <stdlib.h>
#include <string.h>

#include "store/ledger_file.h"

enum { LEAVES = 300 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

// What is believed is written again as it was read.
static void check_records(struct base_span rest) {
  struct store_ledger_record record;
  struct integrity_entry entry;
  struct integrity_subject subject;
  for (;;) {
    const struct base_span before = rest;
    struct base_fault fault = {0};
    const enum base_result result = store_ledger_record_next(&rest, &record, &fault);
    if (result != BASE_OK) {
      BASE_ASSERT(rest.data == before.data && rest.bytes == before.bytes);
      BASE_ASSERT((result == BASE_NOT_FOUND) == (rest.bytes == 0));
      return;
    }
    struct base_buffer again;
    base_buffer_init(&again, STORE_LEDGER_MAX_RECORD_BYTES);
    BASE_ASSERT(store_ledger_record_write(&record, &again, NULL) == BASE_OK);
    BASE_ASSERT(base_span_equal(base_buffer_span(&again), base_span_slice(before, 0, before.bytes - rest.bytes)));
    base_buffer_finish(&again);
    if (store_ledger_record_check(&record, &entry, &subject, NULL) == BASE_OK) {
      BASE_ASSERT(entry.kind == subject.kind);
    }
  }
}

static void check_pruned(struct base_span file) {
  struct store_ledger_tree tree;
  struct base_buffer again;
  store_ledger_tree_init(&tree);
  base_buffer_init(&again, SIZE_MAX / 2);
  if (store_ledger_tree_read_pruned(&tree, file, NULL) == BASE_OK) {
    const uint64_t first = tree.size;
    BASE_ASSERT(store_ledger_tree_write_pruned(&tree, first, &again, NULL) == BASE_OK);
    BASE_ASSERT(base_span_equal(base_buffer_span(&again), file));
    // It can grow on, over the end of a bundle, and be pruned.
    for (unsigned i = 0; i < LEAVES && first < UINT64_MAX - LEAVES; i++) {
      struct integrity_digest leaf;
      integrity_merkle_leaf(base_span_of(&i, sizeof i), &leaf);
      BASE_ASSERT(store_ledger_tree_add(&tree, &leaf, NULL) == BASE_OK);
    }
    store_ledger_tree_prune(&tree, tree.size - tree.size % INTEGRITY_TILE_WIDTH);
    struct integrity_digest root;
    store_ledger_tree_root(&tree, &root);
  }
  base_buffer_finish(&again);
  store_ledger_tree_finish(&tree);
}

static void repair_records(uint8_t *data, size_t bytes) {
  size_t at = 0;
  while (bytes - at >= STORE_LEDGER_RECORD_HEAD_BYTES + STORE_LEDGER_CHECK_BYTES) {
    data[at] &= 0x03;
    const size_t length = STORE_LEDGER_RECORD_HEAD_BYTES + ((size_t)data[at] << 8 | data[at + 1]);
    if (bytes - at < length + STORE_LEDGER_CHECK_BYTES) return;
    struct integrity_digest check;
    integrity_digest_of(base_span_of(data + at, length), &check);
    memcpy(data + at + length, check.bytes, STORE_LEDGER_CHECK_BYTES);
    at += length + STORE_LEDGER_CHECK_BYTES;
  }
}

static void repair_pruned(uint8_t *data, size_t bytes) {
  if (bytes < BASE_DIGEST_BYTES) return;
  struct integrity_digest check;
  integrity_digest_of(base_span_of(data, bytes - sizeof check), &check);
  memcpy(data + bytes - sizeof check, check.bytes, sizeof check);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  if (bytes < 2) return 0;
  const bool is_pruned = data[0] % 2;
  bytes--;
  uint8_t *copy = malloc(bytes);
  if (!copy) return 0;
  memcpy(copy, data + 1, bytes);
  for (int round = 0; round < 2; round++) {
    if (is_pruned) {
      check_pruned(base_span_of(copy, bytes));
      repair_pruned(copy, bytes);
    } else {
      check_records(base_span_of(copy, bytes));
      repair_records(copy, bytes);
    }
  }
  free(copy);
  return 0;
}
