// The index of a full disk, which is in memory: one thread writes while others look, and nobody is turned away.
#include "index.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { ROWS = 2000, ROWS_PER_TRANSACTION = 100, READERS = 2, PAGE = 50 };

static struct store_index *store_index;
static atomic_bool is_over;

static struct store_original original_of(unsigned number) {
  struct store_original original = {.tenant = "default", .bytes = number, .width = 1, .height = 1, .created_s = number};
  memcpy(original.id.bytes, &number, sizeof number);
  memcpy(original.format, "jpeg", 5);
  memcpy(original.colour, "rgb", 4);
  return original;
}

static int set_up(void **state) {
  (void)state;
  bool is_new = false;
  atomic_store(&is_over, false);
  if (store_index_open_in_memory(&store_index, &is_new, NULL) != BASE_OK) return -1;
  return is_new ? 0 : -1;
}

static int tear_down(void **state) {
  (void)state;
  store_index_close(&store_index);
  return 0;
}

static void *look(void *argument) {
  static _Thread_local struct store_original page[PAGE];
  unsigned *failures = argument;
  while (!atomic_load(&is_over)) {
    size_t count = 0;
    uint64_t originals, bytes;
    struct store_original one;
    const struct store_original first = original_of(0);
    if (store_index_original_page(store_index, "default", NULL, NULL, page, PAGE, &count, NULL) != BASE_OK) ++*failures;
    if (store_index_original_totals(store_index, &originals, &bytes, NULL) != BASE_OK) ++*failures;
    if (store_index_original_find(store_index, "default", &first.id, &one, NULL) != BASE_OK) ++*failures;
    for (size_t i = 1; i < count; i++) {
      if (page[i].created_s >= page[i - 1].created_s) ++*failures;
    }
  }
  return NULL;
}

static void put(unsigned number) {
  const struct store_original original = original_of(number);
  assert_int_equal(store_index_original_put(store_index, &original, NULL), BASE_OK);
}

static void readers_and_the_writer_do_not_hinder_each_other(void **state) {
  (void)state;
  unsigned failures[READERS] = {0};
  pthread_t readers[READERS];
  put(0);
  for (int i = 0; i < READERS; i++) assert_int_equal(pthread_create(&readers[i], NULL, look, &failures[i]), 0);
  for (unsigned number = 1; number < ROWS;) {
    assert_int_equal(store_index_begin(store_index, NULL), BASE_OK);
    for (int i = 0; i < ROWS_PER_TRANSACTION && number < ROWS; i++) put(number++);
    assert_int_equal(store_index_end(store_index, true, NULL), BASE_OK);
  }
  for (unsigned number = ROWS / 2; number < ROWS; number++) {
    const struct store_original original = original_of(number);
    assert_int_equal(store_index_original_remove(store_index, "default", &original.id, NULL), BASE_OK);
  }
  atomic_store(&is_over, true);
  for (int i = 0; i < READERS; i++) {
    pthread_join(readers[i], NULL);
    assert_int_equal(failures[i], 0);
  }
  uint64_t originals, bytes;
  assert_int_equal(store_index_original_totals(store_index, &originals, &bytes, NULL), BASE_OK);
  assert_int_equal(originals, ROWS / 2);
  assert_int_equal(store_index_check(store_index, NULL), BASE_OK);
}

static void two_in_one_process_know_nothing_of_each_other(void **state) {
  (void)state;
  struct store_index *other;
  bool is_new = false;
  put(1);
  assert_int_equal(store_index_open_in_memory(&other, &is_new, NULL), BASE_OK);
  assert_true(is_new);
  struct store_original found;
  const struct store_original original = original_of(1);
  assert_int_equal(store_index_original_find(other, "default", &original.id, &found, NULL), BASE_NOT_FOUND);
  store_index_close(&other);
  assert_int_equal(store_index_original_find(store_index, "default", &original.id, &found, NULL), BASE_OK);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(readers_and_the_writer_do_not_hinder_each_other, set_up, tear_down),
      cmocka_unit_test_setup_teardown(two_in_one_process_know_nothing_of_each_other, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
