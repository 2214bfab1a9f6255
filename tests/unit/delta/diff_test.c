// Block differences: by following a plan the new object must come out, and a plan fetches no block that is at hand.
#include "delta/diff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "objects.h"

enum { BLOCK = INTEGRITY_BLOCK_BYTES };

struct leaves {
  struct integrity_digest *all;
  struct delta_leaves view;
};

static struct leaves leaves_of(const struct object *object) {
  const uint64_t count = integrity_block_count(object->bytes);
  struct leaves leaves = {.all = calloc((size_t)count + 1, sizeof *leaves.all)};
  assert_non_null(leaves.all);
  for (uint64_t i = 0; i < count; i++) {
    integrity_merkle_leaf(base_span_slice(object_span(object), (size_t)i * BLOCK, BLOCK), &leaves.all[i]);
  }
  leaves.view = (struct delta_leaves){leaves.all, object->bytes};
  return leaves;
}

// Makes the plan and the new object by it; returns how many bytes had to be fetched.
static uint64_t follow(const struct object *old, const struct object *new, size_t *missing_runs) {
  struct leaves old_leaves = leaves_of(old), new_leaves = leaves_of(new);
  struct delta_plan plan;
  uint8_t *made = malloc(new->bytes + 1);
  uint64_t at = 0, fetched = 0;
  size_t runs = 0;
  assert_non_null(made);
  assert_int_equal(delta_diff_plan(&old_leaves.view, &new_leaves.view, &plan, NULL), BASE_OK);
  for (size_t i = 0; i < plan.count; i++) {
    const struct delta_run *run = &plan.runs[i];
    assert_true(run->new_offset == at && run->bytes > 0 && run->bytes <= new->bytes - at);
    if (run->is_old) assert_true(run->old_offset <= old->bytes && run->bytes <= old->bytes - run->old_offset);
    memcpy(made + at, run->is_old ? old->data + run->old_offset : new->data + at, (size_t)run->bytes);
    if (!run->is_old) fetched += run->bytes, runs++;
    at += run->bytes;
  }
  assert_true(at == new->bytes &&fetched == plan.missing_bytes &&runs == plan.missing_runs);
  assert_memory_equal(made, new->data, new->bytes);
  if (missing_runs) *missing_runs = runs;
  delta_plan_finish(&plan);
  free(made);
  free(old_leaves.all);
  free(new_leaves.all);
  return fetched;
}

static void nothing_is_fetched_of_equal_objects(void **state) {
  (void)state;
  static const size_t sizes[] = {0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 5 * BLOCK, 5 * BLOCK + 77};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    struct object old = object_of_noise(sizes[i], 11);
    assert_true(follow(&old, &old, NULL) == 0);
    object_free(&old);
  }
}

static void an_edit_in_place_costs_its_blocks(void **state) {
  (void)state;
  struct object old = object_of_noise(9 * BLOCK + 100, 12);
  struct object new = object_splice(&old, 3 * BLOCK - 2, 4, base_span_text("edit"));
  size_t runs;
  assert_true(follow(&old, &new, &runs) == 2 * BLOCK);
  assert_int_equal(runs, 1);  // both sides of the border come in one go
  object_free(&new);
  object_free(&old);
}

static void an_append_costs_the_last_block_and_what_follows(void **state) {
  (void)state;
  struct object old = object_of_noise(4 * BLOCK + 1000, 13);
  struct object new = object_splice(&old, old.bytes, 0, base_span_text("more"));
  assert_true(follow(&old, &new, NULL) == 1004);
  object_free(&new);
  object_free(&old);
}

static void blocks_that_moved_by_whole_blocks_are_found(void **state) {
  (void)state;
  struct object old = object_of_noise(6 * BLOCK + 10, 14);
  struct object block = object_of_noise(BLOCK, 15);
  struct object new = object_splice(&old, BLOCK, 0, object_span(&block));
  assert_true(follow(&old, &new, NULL) == BLOCK);
  object_free(&new);
  object_free(&block);
  object_free(&old);
}

static void an_insert_of_a_byte_costs_everything_behind_it(void **state) {
  (void)state;
  struct object old = object_of_noise(4 * BLOCK, 16);
  struct object new = object_splice(&old, 10, 0, base_span_text("!"));
  assert_true(follow(&old, &new, NULL) == new.bytes);
  object_free(&new);
  object_free(&old);
}

static void equal_blocks_make_one_run_each_way(void **state) {
  (void)state;
  struct object zeros = object_of_noise(7 * BLOCK, 17);
  memset(zeros.data, 0, zeros.bytes);
  struct object fewer = {zeros.data, 3 * BLOCK};
  assert_true(follow(&zeros, &fewer, NULL) == 0);
  assert_true(follow(&fewer, &zeros, NULL) == 0);
  object_free(&zeros);
}

// Leaves from the network may claim that a short block is a whole one.
static void a_leaf_of_another_length_is_not_taken(void **state) {
  (void)state;
  struct object old = object_of_noise(BLOCK + 5, 18);
  struct leaves old_leaves = leaves_of(&old);
  struct integrity_digest lies[2] = {old_leaves.all[1], old_leaves.all[0]};
  const struct delta_leaves new = {lies, BLOCK + 5};
  struct delta_plan plan;
  assert_int_equal(delta_diff_plan(&old_leaves.view, &new, &plan, NULL), BASE_OK);
  assert_true(plan.missing_bytes == BLOCK + 5);
  delta_plan_finish(&plan);
  free(old_leaves.all);
  object_free(&old);
}

static void all_is_fetched_when_there_was_nothing(void **state) {
  (void)state;
  struct object old = object_of_noise(0, 1), new = object_of_noise(3 * BLOCK + 1, 19);
  assert_true(follow(&old, &new, NULL) == new.bytes);
  assert_true(follow(&new, &old, NULL) == 0);
  object_free(&new);
  object_free(&old);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(nothing_is_fetched_of_equal_objects),
      cmocka_unit_test(an_edit_in_place_costs_its_blocks),
      cmocka_unit_test(an_append_costs_the_last_block_and_what_follows),
      cmocka_unit_test(blocks_that_moved_by_whole_blocks_are_found),
      cmocka_unit_test(an_insert_of_a_byte_costs_everything_behind_it),
      cmocka_unit_test(equal_blocks_make_one_run_each_way),
      cmocka_unit_test(a_leaf_of_another_length_is_not_taken),
      cmocka_unit_test(all_is_fetched_when_there_was_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
