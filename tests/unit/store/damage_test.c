// Damage: whatever bit of a stored file flips, whatever length it gets, nothing but what was written is ever read.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/reindex.h"
#include "base/file.h"
#include "fixture.h"
#include "old_record.h"

enum { SMALL = 300, SEVERAL_BLOCKS = 2 * INTEGRITY_BLOCK_BYTES + 5000 };

static int setup_in_memory(void **state) {
  static struct fixture fixture;
  fixture_init_in(&fixture, fixture_fast_folder());
  fixture_open(&fixture);
  *state = &fixture;
  return 0;
}

static size_t file_bytes(const char *path) {
  struct stat info;
  assert_int_equal(stat(path, &info), 0);
  return (size_t)info.st_size;
}

static void write_file(const char *path, struct base_span bytes) {
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  assert_int_equal(fwrite(bytes.data, 1, bytes.bytes, file), bytes.bytes);
  assert_int_equal(fclose(file), 0);
}

// The damaged file is a miss, gone and counted; made anew it is there again.
static void expect_dropped(struct fixture *fixture, const struct store_original *original, size_t bytes) {
  char path[PATH_MAX];
  fixture_variant_path(fixture, 1, path);
  const int64_t before = fixture_counter(fixture, "pixpop_store_damaged_total", "");
  assert_int_equal(fixture_get_variant(fixture->store, 1, bytes), BASE_NOT_FOUND);
  assert_false(fixture_exists(path));
  assert_int_equal(fixture_counter(fixture, "pixpop_store_damaged_total", ""), before + 1);
  assert_int_equal(fixture_put_variant(fixture->store, original, 1, bytes), BASE_OK);
}

static void is_never_read_when_any_bit_of_a_record_is_flipped(void **state) {
  struct fixture *fixture = *state;
  const struct store_original original = fixture_put(fixture, "default", 1, 100);
  char path[PATH_MAX];
  fixture_variant_path(fixture, 1, path);
  assert_int_equal(fixture_put_variant(fixture->store, &original, 1, SMALL), BASE_OK);
  const size_t bytes = file_bytes(path);
  assert_true(bytes > STORE_RECORD_HEAD_BYTES + SMALL + BASE_DIGEST_BYTES);
  for (size_t bit = 0; bit < 8 * bytes; bit++) {
    struct base_buffer file;
    assert_int_equal(base_file_read(path, bytes, &file, NULL), BASE_OK);
    file.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    write_file(path, base_buffer_span(&file));
    base_buffer_finish(&file);
    expect_dropped(fixture, &original, SMALL);
  }
  assert_int_equal(fixture_get_variant(fixture->store, 1, SMALL), BASE_OK);
}

static void is_never_read_when_a_record_has_any_other_length(void **state) {
  struct fixture *fixture = *state;
  const struct store_original original = fixture_put(fixture, "default", 1, 100);
  char path[PATH_MAX];
  fixture_variant_path(fixture, 1, path);
  assert_int_equal(fixture_put_variant(fixture->store, &original, 1, SMALL), BASE_OK);
  const size_t bytes = file_bytes(path);
  for (size_t length = 0; length <= bytes + 40; length++) {
    if (length == bytes) continue;
    assert_int_equal(truncate(path, (off_t)length), 0);
    expect_dropped(fixture, &original, SMALL);
  }
  assert_int_equal(fixture_get_variant(fixture->store, 1, SMALL), BASE_OK);
}

static void is_never_read_when_any_block_or_leaf_of_a_long_record_is_damaged(void **state) {
  struct fixture *fixture = *state;
  const struct store_original original = fixture_put(fixture, "default", 1, 100);
  char path[PATH_MAX];
  fixture_variant_path(fixture, 1, path);
  assert_int_equal(fixture_put_variant(fixture->store, &original, 1, SEVERAL_BLOCKS), BASE_OK);
  assert_int_equal(fixture_get_variant(fixture->store, 1, SEVERAL_BLOCKS), BASE_OK);
  const long bytes = (long)file_bytes(path), trailer = 3 * BASE_DIGEST_BYTES;
  const long body = bytes - trailer - SEVERAL_BLOCKS;
  for (long block = 0; block < 3; block++) {
    const long begin = body + block * INTEGRITY_BLOCK_BYTES;
    const long end = block == 2 ? bytes - trailer : begin + INTEGRITY_BLOCK_BYTES;
    const long places[] = {begin, begin + 2500, end - 1, bytes - trailer + block * BASE_DIGEST_BYTES,
                           bytes - trailer + (block + 1) * BASE_DIGEST_BYTES - 1};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
      fixture_flip_bit(path, places[i]);
      expect_dropped(fixture, &original, SEVERAL_BLOCKS);
    }
  }
  // Blocks and leaves may change places together: each block fits its leaf, the leaves do not fit their root.
  struct base_buffer file;
  assert_int_equal(base_file_read(path, (size_t)bytes, &file, NULL), BASE_OK);
  uint8_t *one = malloc(INTEGRITY_BLOCK_BYTES), leaf[BASE_DIGEST_BYTES];
  assert_non_null(one);
  uint8_t *first = file.data + body, *leaves = file.data + bytes - trailer;
  memcpy(one, first, INTEGRITY_BLOCK_BYTES);
  memcpy(first, first + INTEGRITY_BLOCK_BYTES, INTEGRITY_BLOCK_BYTES);
  memcpy(first + INTEGRITY_BLOCK_BYTES, one, INTEGRITY_BLOCK_BYTES);
  memcpy(leaf, leaves, sizeof leaf);
  memcpy(leaves, leaves + sizeof leaf, sizeof leaf);
  memcpy(leaves + sizeof leaf, leaf, sizeof leaf);
  write_file(path, base_buffer_span(&file));
  free(one);
  base_buffer_finish(&file);
  expect_dropped(fixture, &original, SEVERAL_BLOCKS);
}

static void is_found_by_a_scan_as_it_was_when_the_index_is_lost(void **state) {
  struct fixture *fixture = *state;
  static const size_t sizes[] = {0, 1, SMALL, INTEGRITY_BLOCK_BYTES, INTEGRITY_BLOCK_BYTES + 1, SEVERAL_BLOCKS};
  enum { COUNT = sizeof sizes / sizeof sizes[0] };
  const struct store_original original = fixture_put(fixture, "default", 1, 100);
  for (unsigned i = 0; i < COUNT; i++) {
    assert_int_equal(fixture_put_variant(fixture->store, &original, i, sizes[i]), BASE_OK);
  }
  assert_int_equal(fixture_put_level(fixture->store, &original.id, 4, SEVERAL_BLOCKS), BASE_OK);
  struct store_stats before, after;
  assert_int_equal(store_get_stats(fixture->store, &before, NULL), BASE_OK);
  fixture_close(fixture);
  struct store_reindex_report report;
  assert_int_equal(store_reindex(&fixture->config, NULL, NULL, &report, NULL), BASE_OK);
  assert_int_equal(report.variants, COUNT);
  assert_int_equal(report.levels, 1);
  assert_int_equal(report.damaged + report.unknown + report.orphans, 0);
  fixture_open(fixture);
  assert_int_equal(store_get_stats(fixture->store, &after, NULL), BASE_OK);
  assert_int_equal(after.variant_bytes, before.variant_bytes);
  assert_int_equal(after.level_bytes, before.level_bytes);
  for (unsigned i = 0; i < COUNT; i++) {
    assert_int_equal(fixture_get_variant(fixture->store, i, sizes[i]), BASE_OK);
  }
  assert_int_equal(fixture_get_level(fixture->store, &original.id, 4, SEVERAL_BLOCKS), BASE_OK);
}

static void records_of_the_old_format_are_read_and_checked(void **state) {
  struct fixture *fixture = *state;
  const struct store_original original = fixture_put(fixture, "default", 1, 100);
  char path[PATH_MAX];
  fixture_original_path(fixture, &original.id, ".default.rec", path);
  old_record_convert(path);
  fixture_variant_path(fixture, 1, path);
  assert_int_equal(fixture_put_variant(fixture->store, &original, 1, SMALL), BASE_OK);
  old_record_convert(path);
  assert_int_equal(fixture_get_variant(fixture->store, 1, SMALL), BASE_OK);
  fixture_close(fixture);
  struct store_reindex_report report;
  assert_int_equal(store_reindex(&fixture->config, NULL, NULL, &report, NULL), BASE_OK);
  assert_int_equal(report.originals, 1);
  assert_int_equal(report.variants, 1);
  assert_int_equal(report.damaged + report.unknown, 0);
  fixture_open(fixture);
  assert_int_equal(fixture_find(fixture, "default", 1, 100), BASE_OK);
  assert_int_equal(fixture_get_variant(fixture->store, 1, SMALL), BASE_OK);
  const long bytes = (long)file_bytes(path);
  for (long at = 0; at < bytes; at++) {
    fixture_flip_bit(path, at);
    expect_dropped(fixture, &original, SMALL);
    old_record_convert(path);
  }
  assert_int_equal(fixture_get_variant(fixture->store, 1, SMALL), BASE_OK);
}

static void an_original_is_not_opened_when_any_of_it_is_damaged(void **state) {
  struct fixture *fixture = *state;
  enum { BYTES = INTEGRITY_BLOCK_BYTES + 300 };
  const struct store_original original = fixture_put(fixture, "default", 1, BYTES);
  char path[PATH_MAX];
  fixture_original_path(fixture, &original.id, "", path);
  static const long places[] = {0, 1000, INTEGRITY_BLOCK_BYTES - 1, INTEGRITY_BLOCK_BYTES, BYTES - 1};
  int fd;
  for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
    struct base_fault fault = {0};
    fixture_flip_bit(path, places[i]);
    assert_int_equal(store_original_open(fixture->store, &original.id, &fd, &fault), BASE_CORRUPT);
    assert_string_equal(fault.subject, "original");
    assert_int_equal(fixture_counter(fixture, "pixpop_store_damaged_originals_total", ""), i + 1);
    fixture_flip_bit(path, places[i]);
    assert_true(fixture_bytes_match(fixture->store, 1, BYTES));
  }
  assert_int_equal(truncate(path, BYTES - 1), 0);
  assert_int_equal(store_original_open(fixture->store, &original.id, &fd, NULL), BASE_CORRUPT);
  assert_int_equal(truncate(path, BYTES + 1), 0);
  assert_int_equal(store_original_open(fixture->store, &original.id, &fd, NULL), BASE_CORRUPT);
  assert_int_equal(unlink(path), 0);
  assert_int_equal(store_original_open(fixture->store, &original.id, &fd, NULL), BASE_NOT_FOUND);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_in_memory, fixture_teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(is_never_read_when_any_bit_of_a_record_is_flipped),
      TEST(is_never_read_when_a_record_has_any_other_length),
      TEST(is_never_read_when_any_block_or_leaf_of_a_long_record_is_damaged),
      TEST(is_found_by_a_scan_as_it_was_when_the_index_is_lost),
      TEST(records_of_the_old_format_are_read_and_checked),
      TEST(an_original_is_not_opened_when_any_of_it_is_damaged),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
