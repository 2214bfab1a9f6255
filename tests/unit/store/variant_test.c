// Variants: the disk tier keeps, evicts, and believes nothing that fails its digest.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <unistd.h>

#include "fixture.h"

enum { BYTES = 20000 };

static void comes_back_with_all_it_said_when_put(void **state) {
  struct fixture *fixture = *state;
  const struct store_original original = fixture_put(fixture, "default", 1, 100);
  assert_int_equal(fixture_put_variant(fixture->store, &original, 5, BYTES), BASE_OK);
  const struct store_variant put = fixture_variant(&original, 5, BYTES);
  struct store_variant found;
  struct base_blob *body;
  assert_int_equal(store_variant_get(fixture->store, &put.key, &found, &body, NULL), BASE_OK);
  assert_int_equal(body->bytes, BYTES);
  assert_int_equal(found.bytes, BYTES);
  assert_memory_equal(&found.original, &original.id, sizeof original.id);
  assert_memory_equal(&found.digest, &put.digest, sizeof put.digest);
  assert_string_equal(found.tenant, "default");
  assert_string_equal(found.recipe, "w=5");
  assert_string_equal(found.media_type, "image/webp");
  assert_int_equal(found.width, 10);
  assert_int_equal(found.height, 5);
  assert_int_equal(found.created_s, 1800000000);
  base_blob_unref(&body);
  assert_int_equal(fixture_count_files(fixture, "tmp"), 0);
}

static void is_a_miss_when_never_put(void **state) {
  struct fixture *fixture = *state;
  assert_int_equal(fixture_get_variant(fixture->store, 1, BYTES), BASE_NOT_FOUND);
  assert_int_equal(fixture_counter(fixture, "pixpop_store_variant_gets_total", "result=\"miss\""), 1);
}

static void is_the_new_one_when_put_again(void **state) {
  struct fixture *fixture = *state;
  const struct store_original original = fixture_put(fixture, "default", 1, 100);
  assert_int_equal(fixture_put_variant(fixture->store, &original, 5, BYTES), BASE_OK);
  assert_int_equal(fixture_put_variant(fixture->store, &original, 5, BYTES / 2), BASE_OK);
  assert_int_equal(fixture_get_variant(fixture->store, 5, BYTES / 2), BASE_OK);
  assert_int_equal(fixture_count_files(fixture, "variants"), 1);
}

static void is_a_miss_and_dropped_when_any_part_is_damaged(void **state) {
  struct fixture *fixture = *state;
  const struct store_original original = fixture_put(fixture, "default", 1, 100);
  static const long places[] = {0, 8, 20, 70, 100, 2000, -1};
  for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
    char path[PATH_MAX];
    fixture_variant_path(fixture, (unsigned)i, path);
    assert_int_equal(fixture_put_variant(fixture->store, &original, (unsigned)i, BYTES), BASE_OK);
    fixture_flip_bit(path, places[i]);
    assert_int_equal(fixture_get_variant(fixture->store, (unsigned)i, BYTES), BASE_NOT_FOUND);
    assert_false(fixture_exists(path));
    assert_int_equal(fixture_counter(fixture, "pixpop_store_damaged_total", ""), i + 1);
    assert_int_equal(fixture_put_variant(fixture->store, &original, (unsigned)i, BYTES), BASE_OK);
    assert_int_equal(fixture_get_variant(fixture->store, (unsigned)i, BYTES), BASE_OK);
  }
}

static void is_a_miss_when_torn_or_gone(void **state) {
  struct fixture *fixture = *state;
  const struct store_original original = fixture_put(fixture, "default", 1, 100);
  char path[PATH_MAX];
  for (unsigned number = 0; number < 4; number++) {
    fixture_variant_path(fixture, number, path);
    assert_int_equal(fixture_put_variant(fixture->store, &original, number, BYTES), BASE_OK);
    static const off_t lengths[] = {0, 50, 300, BYTES};
    assert_int_equal(truncate(path, lengths[number]), 0);
    assert_int_equal(fixture_get_variant(fixture->store, number, BYTES), BASE_NOT_FOUND);
    assert_false(fixture_exists(path));
  }
  assert_int_equal(fixture_put_variant(fixture->store, &original, 9, BYTES), BASE_OK);
  fixture_variant_path(fixture, 9, path);
  assert_int_equal(unlink(path), 0);
  assert_int_equal(fixture_get_variant(fixture->store, 9, BYTES), BASE_NOT_FOUND);
  struct store_stats stats;
  assert_int_equal(store_get_stats(fixture->store, &stats, NULL), BASE_OK);
  assert_int_equal(stats.variants, 0);
  assert_int_equal(stats.variant_bytes, 0);
}

static void is_a_miss_when_the_file_is_another_variants(void **state) {
  struct fixture *fixture = *state;
  const struct store_original original = fixture_put(fixture, "default", 1, 100);
  char from[PATH_MAX], to[PATH_MAX];
  assert_int_equal(fixture_put_variant(fixture->store, &original, 1, BYTES), BASE_OK);
  assert_int_equal(fixture_put_variant(fixture->store, &original, 2, BYTES), BASE_OK);
  fixture_variant_path(fixture, 1, from);
  fixture_variant_path(fixture, 2, to);
  assert_int_equal(rename(from, to), 0);
  assert_int_equal(fixture_get_variant(fixture->store, 2, BYTES), BASE_NOT_FOUND);
}

static void removes_the_coldest_files_when_over_the_budget(void **state) {
  struct fixture *fixture = *state;
  const struct store_original original = fixture_put(fixture, "default", 1, 100);
  enum { COUNT = 100 };  // of 20 KB, into 1 MiB
  for (unsigned number = 0; number < COUNT; number++) {
    assert_int_equal(fixture_put_variant(fixture->store, &original, number, BYTES), BASE_OK);
    assert_int_equal(fixture_get_variant(fixture->store, 0, BYTES), BASE_OK);  // kept warm
  }
  struct store_stats stats;
  assert_int_equal(store_get_stats(fixture->store, &stats, NULL), BASE_OK);
  assert_true(stats.variant_bytes <= 1024 * 1024);
  assert_true(stats.variants > 45 && stats.variants < 53);
  assert_int_equal(fixture_count_files(fixture, "variants"), stats.variants);
  assert_int_equal(fixture_counter(fixture, "pixpop_store_variant_evictions_total", ""), COUNT - stats.variants);
  assert_int_equal(fixture_get_variant(fixture->store, 1, BYTES), BASE_NOT_FOUND);
  for (unsigned number = COUNT - 40; number < COUNT; number++) {
    assert_int_equal(fixture_get_variant(fixture->store, number, BYTES), BASE_OK);
  }
}

static void keeps_its_order_when_reopened_with_a_smaller_budget(void **state) {
  struct fixture *fixture = *state;
  const struct store_original original = fixture_put(fixture, "default", 1, 100);
  for (unsigned number = 0; number < 20; number++) {
    assert_int_equal(fixture_put_variant(fixture->store, &original, number, BYTES), BASE_OK);
  }
  assert_int_equal(fixture_get_variant(fixture->store, 3, BYTES), BASE_OK);
  assert_int_equal(fixture_get_variant(fixture->store, 0, BYTES), BASE_OK);
  fixture_reopen(fixture);
  assert_int_equal(fixture_get_variant(fixture->store, 7, BYTES), BASE_OK);
  fixture_close(fixture);
  fixture->config.variant_budget_bytes = 5 * (BYTES + 1000);
  fixture_open(fixture);
  assert_int_equal(fixture_count_files(fixture, "variants"), 5);
  static const unsigned kept[] = {7, 0, 3, 19, 18};
  for (size_t i = 0; i < 5; i++) assert_int_equal(fixture_get_variant(fixture->store, kept[i], BYTES), BASE_OK);
  fixture_close(fixture);
  fixture->config.variant_budget_bytes = BYTES / 2;
  fixture_open(fixture);
  assert_int_equal(fixture_count_files(fixture, "variants"), 0);
}

static void is_refused_when_it_alone_exceeds_the_budget(void **state) {
  struct fixture *fixture = *state;
  const struct store_original original = fixture_put(fixture, "default", 1, 100);
  assert_int_equal(fixture_put_variant(fixture->store, &original, 1, 1024 * 1024 + 1), BASE_TOO_LARGE);
  assert_int_equal(fixture_put_variant(fixture->store, &original, 2, 1024 * 1024), BASE_TOO_LARGE);  // with its head
  assert_int_equal(fixture_count_files(fixture, "variants"), 0);
  assert_int_equal(fixture_count_files(fixture, "tmp"), 0);
}

static void is_not_kept_when_its_original_is_not_there(void **state) {
  struct fixture *fixture = *state;
  struct store_original original = fixture_put(fixture, "default", 1, 100);
  strcpy(original.tenant, "other");
  assert_int_equal(fixture_put_variant(fixture->store, &original, 1, BYTES), BASE_NOT_FOUND);
  strcpy(original.tenant, "default");
  assert_int_equal(fixture_put_variant(fixture->store, &original, 1, BYTES), BASE_OK);
  assert_int_equal(store_original_delete(fixture->store, "default", &original.id, NULL), BASE_OK);
  assert_int_equal(fixture_put_variant(fixture->store, &original, 2, BYTES), BASE_NOT_FOUND);
  assert_int_equal(fixture_count_files(fixture, "variants"), 0);
  assert_int_equal(fixture_count_files(fixture, "tmp"), 0);
}

struct counted {
  size_t count;
  uint64_t heights;
  struct cache_key last;
};

static bool count_visit(void *argument, const struct store_variant *variant) {
  struct counted *counted = argument;
  if (counted->count > 0) assert_true(memcmp(&counted->last, &variant->key, sizeof variant->key) < 0);
  counted->count++;
  counted->heights += variant->height;
  counted->last = variant->key;
  return true;
}

static void goes_with_its_own_original_when_that_is_deleted(void **state) {
  struct fixture *fixture = *state;
  const struct store_original one = fixture_put(fixture, "default", 1, 100);
  const struct store_original two = fixture_put(fixture, "default", 2, 100);
  const struct store_original others = fixture_put(fixture, "other", 1, 100);
  enum { COUNT = 75 };  // more than two batches
  for (unsigned number = 0; number < COUNT; number++) {
    assert_int_equal(fixture_put_variant(fixture->store, &one, number, 100), BASE_OK);
  }
  assert_int_equal(fixture_put_variant(fixture->store, &two, 1000, 100), BASE_OK);
  assert_int_equal(fixture_put_variant(fixture->store, &others, 2000, 100), BASE_OK);
  struct counted counted = {0};
  assert_int_equal(store_variant_list(fixture->store, "default", &one.id, count_visit, &counted, NULL), BASE_OK);
  assert_int_equal(counted.count, COUNT);
  assert_int_equal(counted.heights, COUNT * (COUNT - 1) / 2);

  assert_int_equal(store_original_delete(fixture->store, "default", &one.id, NULL), BASE_OK);
  counted = (struct counted){0};
  assert_int_equal(store_variant_list(fixture->store, "default", &one.id, count_visit, &counted, NULL), BASE_OK);
  assert_int_equal(counted.count, 0);
  assert_int_equal(fixture_count_files(fixture, "variants"), 2);
  assert_int_equal(fixture_get_variant(fixture->store, 0, 100), BASE_NOT_FOUND);
  assert_int_equal(fixture_get_variant(fixture->store, 1000, 100), BASE_OK);
  assert_int_equal(fixture_get_variant(fixture->store, 2000, 100), BASE_OK);
}

static void goes_alone_when_it_is_dropped(void **state) {
  struct fixture *fixture = *state;
  const struct store_original original = fixture_put(fixture, "default", 1, 100);
  for (unsigned number = 0; number < 3; number++) {
    assert_int_equal(fixture_put_variant(fixture->store, &original, number, BYTES), BASE_OK);
  }
  const struct cache_key key = fixture_key(1);
  assert_int_equal(store_variant_drop(fixture->store, &key, NULL), BASE_OK);
  assert_int_equal(store_variant_drop(fixture->store, &key, NULL), BASE_NOT_FOUND);
  assert_int_equal(fixture_count_files(fixture, "variants"), 2);
  assert_int_equal(fixture_counter(fixture, "pixpop_store_variant_drops_total", ""), 1);
  assert_int_equal(fixture_counter(fixture, "pixpop_store_damaged_total", ""), 0);
  fixture_reopen(fixture);
  assert_int_equal(fixture_get_variant(fixture->store, 0, BYTES), BASE_OK);
  assert_int_equal(fixture_get_variant(fixture->store, 1, BYTES), BASE_NOT_FOUND);
  assert_int_equal(fixture_put_variant(fixture->store, &original, 1, BYTES), BASE_OK);
}

static void goes_with_its_like_when_all_of_an_original_are_dropped(void **state) {
  struct fixture *fixture = *state;
  const struct store_original one = fixture_put(fixture, "default", 1, 100);
  const struct store_original two = fixture_put(fixture, "default", 2, 100);
  const struct store_original others = fixture_put(fixture, "other", 1, 100);
  enum { COUNT = 75 };  // more than two batches
  for (unsigned number = 0; number < COUNT; number++) {
    assert_int_equal(fixture_put_variant(fixture->store, &one, number, 100), BASE_OK);
  }
  assert_int_equal(fixture_put_variant(fixture->store, &two, 1000, 100), BASE_OK);
  assert_int_equal(fixture_put_variant(fixture->store, &others, 2000, 100), BASE_OK);
  assert_int_equal(fixture_put_level(fixture->store, &one.id, 2, 100), BASE_OK);
  uint64_t dropped = 99;
  assert_int_equal(store_variants_drop(fixture->store, "default", &one.id, &dropped, NULL), BASE_OK);
  assert_int_equal(dropped, COUNT);
  assert_int_equal(store_variants_drop(fixture->store, "default", &one.id, &dropped, NULL), BASE_OK);
  assert_int_equal(dropped, 0);
  assert_int_equal(store_variants_drop(fixture->store, "No Tenant", &one.id, &dropped, NULL), BASE_BAD_INPUT);
  assert_int_equal(fixture_counter(fixture, "pixpop_store_variant_drops_total", ""), COUNT);
  assert_int_equal(fixture_get_variant(fixture->store, 1000, 100), BASE_OK);
  assert_int_equal(fixture_get_variant(fixture->store, 2000, 100), BASE_OK);
  assert_int_equal(fixture_get_level(fixture->store, &one.id, 2, 100), BASE_OK);
  assert_int_equal(fixture_find(fixture, "default", 1, 100), BASE_OK);
}

static void is_not_kept_when_too_little_would_stay_free(void **state) {
  struct fixture *fixture = *state;
  const struct store_original original = fixture_put(fixture, "default", 1, 100);
  fixture_close(fixture);
  fixture->config.min_free_bytes = UINT64_MAX / 2;
  fixture_open(fixture);
  assert_int_equal(fixture_put_variant(fixture->store, &original, 1, BYTES), BASE_NO_SPACE);
  assert_int_equal(fixture_count_files(fixture, "variants"), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(comes_back_with_all_it_said_when_put, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(is_a_miss_when_never_put, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(is_the_new_one_when_put_again, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(is_a_miss_and_dropped_when_any_part_is_damaged, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(is_a_miss_when_torn_or_gone, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(is_a_miss_when_the_file_is_another_variants, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(removes_the_coldest_files_when_over_the_budget, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(keeps_its_order_when_reopened_with_a_smaller_budget, fixture_setup,
                                      fixture_teardown),
      cmocka_unit_test_setup_teardown(is_refused_when_it_alone_exceeds_the_budget, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(is_not_kept_when_its_original_is_not_there, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(goes_with_its_own_original_when_that_is_deleted, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(goes_alone_when_it_is_dropped, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(goes_with_its_like_when_all_of_an_original_are_dropped, fixture_setup,
                                      fixture_teardown),
      cmocka_unit_test_setup_teardown(is_not_kept_when_too_little_would_stay_free, fixture_setup, fixture_teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
