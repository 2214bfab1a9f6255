#include "delta/diff.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"

// Old blocks by the first bytes of their leaves; open addressing, at most half full. The hashes of old blocks are made
// here of bytes at hand, so nobody on the network can make them collide.
struct table {
  uint32_t *slots;  // block + 1; 0: free
  size_t mask;
};

static size_t home_of(const struct table *table, const struct integrity_digest *leaf) {
  uint64_t hash;
  memcpy(&hash, leaf->bytes, sizeof hash);
  return (size_t)hash & table->mask;
}

static uint64_t block_bytes(uint64_t object_bytes, uint64_t block) {
  return base_min_u64(INTEGRITY_BLOCK_BYTES, object_bytes - block * INTEGRITY_BLOCK_BYTES);
}

static enum base_result table_init(struct table *table, const struct delta_leaves *old, struct base_fault *fault) {
  const uint64_t count = integrity_block_count(old->bytes);
  size_t slots = 2;
  while (slots < count * 2) slots *= 2;
  table->mask = slots - 1;
  table->slots = calloc(slots, sizeof *table->slots);
  if (!table->slots) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory to compare blocks");
  for (uint64_t block = 0; block < count; block++) {
    size_t at = home_of(table, &old->leaves[block]);
    bool is_known = false;
    for (; !is_known && table->slots[at]; at = (at + 1) & table->mask) {
      is_known = integrity_digest_equal(&old->leaves[table->slots[at] - 1], &old->leaves[block]);
    }
    if (!is_known) table->slots[at] = (uint32_t)block + 1;
  }
  return BASE_OK;
}

static bool is_at(const struct delta_leaves *old, uint64_t block, const struct integrity_digest *leaf, uint64_t bytes) {
  return block < integrity_block_count(old->bytes) && block_bytes(old->bytes, block) == bytes &&
         integrity_digest_equal(&old->leaves[block], leaf);
}

// `wanted` is tried first, so that blocks which follow each other in both make one run.
static bool find(const struct table *table, const struct delta_leaves *old, const struct integrity_digest *leaf,
                 uint64_t bytes, uint64_t wanted, uint64_t *out) {
  *out = wanted;
  if (is_at(old, wanted, leaf, bytes)) return true;
  for (size_t at = home_of(table, leaf); table->slots[at]; at = (at + 1) & table->mask) {
    *out = table->slots[at] - 1;
    if (is_at(old, *out, leaf, bytes)) return true;
  }
  return false;
}

static bool joins(const struct delta_run *last, const struct delta_run *run) {
  if (last->is_old != run->is_old) return false;
  return !run->is_old || last->old_offset + last->bytes == run->old_offset;
}

static void add_run(struct delta_plan *plan, const struct delta_run *run) {
  if (!run->is_old) plan->missing_bytes += run->bytes;
  struct delta_run *last = plan->count > 0 ? &plan->runs[plan->count - 1] : NULL;
  if (last && joins(last, run)) {
    last->bytes += run->bytes;
    return;
  }
  if (!run->is_old) plan->missing_runs++;
  plan->runs[plan->count++] = *run;
}

enum base_result delta_diff_plan(const struct delta_leaves *old, const struct delta_leaves *new, struct delta_plan *out,
                                 struct base_fault *fault) {
  const uint64_t count = integrity_block_count(new->bytes);
  struct table table;
  size_t bytes;
  *out = (struct delta_plan){0};
  if (count >= UINT32_MAX || integrity_block_count(old->bytes) >= UINT32_MAX ||
      !base_mul_size((size_t)count, sizeof *out->runs, &bytes)) {
    return BASE_FAIL(fault, BASE_TOO_LARGE, "", "the object is too large to be compared by blocks");
  }
  enum base_result result = table_init(&table, old, fault);
  if (result != BASE_OK) return result;
  out->runs = malloc(bytes + 1);
  if (!out->runs) result = BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory to compare blocks");
  uint64_t next = 0;
  for (uint64_t block = 0; block < count && result == BASE_OK; block++) {
    uint64_t found;
    struct delta_run run = {.new_offset = block * INTEGRITY_BLOCK_BYTES, .bytes = block_bytes(new->bytes, block)};
    run.is_old = find(&table, old, &new->leaves[block], run.bytes, next, &found);
    if (run.is_old) {
      run.old_offset = found * INTEGRITY_BLOCK_BYTES;
      next = found + 1;
    } else {
      next++;  // an edit in place leaves the blocks behind it where they were
    }
    add_run(out, &run);
  }
  free(table.slots);
  return result;
}

void delta_plan_finish(struct delta_plan *plan) {
  free(plan->runs);
  *plan = (struct delta_plan){0};
}
