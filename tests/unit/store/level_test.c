// Levels: in the disk tier with the variants, of no tenant, gone with the original's bytes.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sys/mount.h>
#include <unistd.h>

#include "store/reindex.h"
#include "base/file.h"
#include "fixture.h"
#include "store/record.h"

enum { BYTES = 20000 };

static struct store_stats stats_of(struct fixture *fixture) {
  struct store_stats stats;
  assert_int_equal(store_get_stats(fixture->store, &stats, NULL), BASE_OK);
  return stats;
}

// The only record in variants/.
static void find_record(struct fixture *fixture, char out[PATH_MAX]) {
  char folder[PATH_MAX], command[PATH_MAX + 32];
  fixture_path(fixture, "variants", folder);
  snprintf(command, sizeof command, "find %s -name '*.rec'", folder);
  FILE *names = popen(command, "r");
  assert_non_null(names);
  assert_non_null(fgets(out, PATH_MAX, names));
  out[strcspn(out, "\n")] = '\0';
  assert_int_equal(pclose(names), 0);
}

static void comes_back_for_its_original_and_shrink_alone(void **state) {
  struct fixture *fixture = *state;
  const struct store_original one = fixture_put(fixture, "default", 1, 100);
  const struct store_original two = fixture_put(fixture, "default", 2, 100);
  assert_false(store_level_exists(fixture->store, &one.id, 4));
  assert_int_equal(fixture_get_level(fixture->store, &one.id, 4, BYTES), BASE_NOT_FOUND);
  assert_int_equal(fixture_put_level(fixture->store, &one.id, 4, BYTES), BASE_OK);
  assert_int_equal(fixture_get_level(fixture->store, &one.id, 4, BYTES), BASE_OK);
  assert_true(store_level_exists(fixture->store, &one.id, 4));
  assert_int_equal(fixture_get_level(fixture->store, &one.id, 2, BYTES), BASE_NOT_FOUND);
  assert_int_equal(fixture_get_level(fixture->store, &two.id, 4, BYTES), BASE_NOT_FOUND);
  assert_int_equal(fixture_counter(fixture, "pixpop_store_level_gets_total", "result=\"hit\""), 1);
  assert_int_equal(fixture_counter(fixture, "pixpop_store_level_gets_total", "result=\"miss\""), 3);
  assert_int_equal(fixture_counter(fixture, "pixpop_store_variant_gets_total", "result=\"miss\""), 0);
  assert_int_equal(fixture_count_files(fixture, "tmp"), 0);
}

static bool never(void *argument, const struct store_variant *variant) {
  (void)argument;
  (void)variant;
  fail_msg("a level was listed as a variant");
  return false;
}

static void is_counted_apart_and_listed_nowhere(void **state) {
  struct fixture *fixture = *state;
  const struct store_original original = fixture_put(fixture, "default", 1, 100);
  assert_int_equal(fixture_put_level(fixture->store, &original.id, 2, BYTES), BASE_OK);
  assert_int_equal(fixture_put_level(fixture->store, &original.id, 4, BYTES / 4), BASE_OK);
  assert_int_equal(store_variant_list(fixture->store, "default", &original.id, never, NULL, NULL), BASE_OK);
  assert_int_equal(fixture_put_level(fixture->store, &original.id, 2, BYTES), BASE_OK);  // again: still two
  const struct store_stats stats = stats_of(fixture);
  assert_int_equal(stats.levels, 2);
  assert_true(stats.level_bytes > BYTES * 5 / 4 && stats.level_bytes < BYTES * 5 / 4 + 1000);
  assert_int_equal(stats.variants, 0);
  assert_int_equal(stats.variant_bytes, 0);
  fixture_reopen(fixture);
  const struct store_stats again = stats_of(fixture);
  assert_memory_equal(&again, &stats, offsetof(struct store_stats, variant_budget_bytes));
  assert_int_equal(fixture_get_level(fixture->store, &original.id, 4, BYTES / 4), BASE_OK);
}

static void is_a_miss_and_dropped_when_any_part_is_damaged(void **state) {
  struct fixture *fixture = *state;
  const struct store_original original = fixture_put(fixture, "default", 1, 100);
  static const long places[] = {0, 8, 20, 70, 100, 2000, -1};
  for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
    char path[PATH_MAX];
    assert_int_equal(fixture_put_level(fixture->store, &original.id, 8, BYTES), BASE_OK);
    find_record(fixture, path);
    fixture_flip_bit(path, places[i]);
    assert_int_equal(fixture_get_level(fixture->store, &original.id, 8, BYTES), BASE_NOT_FOUND);
    assert_false(fixture_exists(path));
    assert_int_equal(stats_of(fixture).levels, 0);
    assert_int_equal(stats_of(fixture).level_bytes, 0);
    assert_int_equal(fixture_counter(fixture, "pixpop_store_damaged_total", ""), i + 1);
  }
  char path[PATH_MAX];
  assert_int_equal(fixture_put_level(fixture->store, &original.id, 8, BYTES), BASE_OK);
  find_record(fixture, path);
  assert_int_equal(truncate(path, BYTES), 0);
  assert_int_equal(fixture_get_level(fixture->store, &original.id, 8, BYTES), BASE_NOT_FOUND);
}

static void shares_the_budget_with_variants_when_that_is_full(void **state) {
  struct fixture *fixture = *state;
  const struct store_original original = fixture_put(fixture, "default", 1, 100);
  assert_int_equal(fixture_put_level(fixture->store, &original.id, 2, BYTES), BASE_OK);
  assert_int_equal(fixture_put_level(fixture->store, &original.id, 4, BYTES), BASE_OK);
  enum { COUNT = 100 };  // of 20 KB, into 1 MiB
  for (unsigned number = 0; number < COUNT; number++) {
    assert_int_equal(fixture_put_variant(fixture->store, &original, number, BYTES), BASE_OK);
    assert_int_equal(fixture_get_level(fixture->store, &original.id, 4, BYTES), BASE_OK);  // kept warm
  }
  const struct store_stats stats = stats_of(fixture);
  assert_true(stats.variant_bytes + stats.level_bytes <= 1024 * 1024);
  assert_int_equal(stats.levels, 1);
  assert_int_equal(fixture_get_level(fixture->store, &original.id, 2, BYTES), BASE_NOT_FOUND);
  assert_int_equal(fixture_counter(fixture, "pixpop_store_level_evictions_total", ""), 1);
  assert_int_equal(fixture_count_files(fixture, "variants"), stats.variants + stats.levels);
  assert_int_equal(fixture_put_level(fixture->store, &original.id, 8, 1024 * 1024 + 1), BASE_TOO_LARGE);

  fixture_close(fixture);
  fixture->config.variant_budget_bytes = 2 * (BYTES + 1000);
  fixture_open(fixture);
  assert_int_equal(stats_of(fixture).levels, 1);
  assert_int_equal(stats_of(fixture).variants, 1);
  fixture_close(fixture);
  fixture->config.variant_budget_bytes = BYTES / 2;
  fixture_open(fixture);
  assert_int_equal(stats_of(fixture).levels, 0);
  assert_int_equal(stats_of(fixture).level_bytes, 0);
  assert_int_equal(fixture_count_files(fixture, "variants"), 0);
}

static void goes_when_the_last_tenant_deletes_the_original(void **state) {
  struct fixture *fixture = *state;
  const struct store_original mine = fixture_put(fixture, "default", 1, 100);
  (void)fixture_put(fixture, "other", 1, 100);
  for (unsigned shrink = 2; shrink <= 8; shrink *= 2) {
    assert_int_equal(fixture_put_level(fixture->store, &mine.id, shrink, BYTES), BASE_OK);
  }
  assert_int_equal(store_original_delete(fixture->store, "default", &mine.id, NULL), BASE_OK);
  assert_int_equal(fixture_get_level(fixture->store, &mine.id, 8, BYTES), BASE_OK);
  assert_int_equal(store_original_delete(fixture->store, "other", &mine.id, NULL), BASE_OK);
  for (unsigned shrink = 2; shrink <= 8; shrink *= 2) {
    assert_int_equal(fixture_get_level(fixture->store, &mine.id, shrink, BYTES), BASE_NOT_FOUND);
  }
  assert_int_equal(fixture_count_files(fixture, "variants"), 0);
  assert_int_equal(fixture_put_level(fixture->store, &mine.id, 2, BYTES), BASE_NOT_FOUND);
  assert_int_equal(fixture_count_files(fixture, "tmp"), 0);
  assert_int_equal(stats_of(fixture).levels, 0);
}

static void remove_index(struct fixture *fixture) {
  char path[PATH_MAX];
  fixture_path(fixture, "index.sqlite", path);
  assert_int_equal(unlink(path), 0);
}

static void is_found_again_when_the_index_is_rebuilt(void **state) {
  struct fixture *fixture = *state;
  const struct store_original original = fixture_put(fixture, "default", 1, 100);
  const struct store_original gone = fixture_put(fixture, "default", 2, 100);
  assert_int_equal(fixture_put_level(fixture->store, &original.id, 2, BYTES), BASE_OK);
  assert_int_equal(fixture_put_level(fixture->store, &original.id, 4, BYTES), BASE_OK);
  assert_int_equal(fixture_put_variant(fixture->store, &original, 1, BYTES), BASE_OK);
  assert_int_equal(fixture_put_level(fixture->store, &gone.id, 2, BYTES), BASE_OK);
  fixture_close(fixture);
  char path[PATH_MAX];
  fixture_original_path(fixture, &gone.id, ".default.rec", path);
  assert_int_equal(unlink(path), 0);
  remove_index(fixture);
  struct store_reindex_report report;
  assert_int_equal(store_reindex(&fixture->config, NULL, NULL, &report, NULL), BASE_OK);
  assert_int_equal(report.originals, 1);
  assert_int_equal(report.variants, 1);
  assert_int_equal(report.levels, 2);
  assert_int_equal(report.orphans, 2);  // bytes and level of the one without a record
  assert_int_equal(report.damaged + report.unknown, 0);
  fixture_open(fixture);
  assert_int_equal(fixture_get_level(fixture->store, &original.id, 2, BYTES), BASE_OK);
  assert_int_equal(fixture_get_level(fixture->store, &original.id, 4, BYTES), BASE_OK);
  assert_int_equal(fixture_get_level(fixture->store, &gone.id, 2, BYTES), BASE_NOT_FOUND);
  assert_int_equal(stats_of(fixture).levels, 2);
  assert_int_equal(fixture_count_files(fixture, "variants"), 3);
}

static void is_dropped_when_its_name_is_not_its_own(void **state) {
  struct fixture *fixture = *state;
  const struct store_original original = fixture_put(fixture, "default", 1, 100);
  assert_int_equal(fixture_put_level(fixture->store, &original.id, 2, BYTES), BASE_OK);
  char level_path[PATH_MAX], variant_path[PATH_MAX];
  find_record(fixture, level_path);
  assert_int_equal(fixture_put_variant(fixture->store, &original, 1, BYTES), BASE_OK);
  fixture_variant_path(fixture, 1, variant_path);
  assert_int_equal(rename(level_path, variant_path), 0);
  assert_int_equal(fixture_get_variant(fixture->store, 1, BYTES), BASE_NOT_FOUND);
  assert_int_equal(fixture_get_level(fixture->store, &original.id, 2, BYTES), BASE_NOT_FOUND);
  assert_int_equal(fixture_put_level(fixture->store, &original.id, 2, BYTES), BASE_OK);
  assert_int_equal(rename(level_path, variant_path), 0);
  fixture_close(fixture);
  remove_index(fixture);
  fixture_open(fixture);
  assert_int_equal(stats_of(fixture).levels, 0);
  assert_false(fixture_exists(variant_path));
}

// Originals of earlier firmware say "shrink" in their records.
static void reads_an_originals_record_with_a_line_it_does_not_know(void **state) {
  struct fixture *fixture = *state;
  const struct store_original original = fixture_put(fixture, "default", 1, 100);
  char path[PATH_MAX];
  fixture_original_path(fixture, &original.id, ".default.rec", path);
  struct base_buffer file, meta, rewritten;
  assert_int_equal(base_file_read(path, 1 << 20, &file, NULL), BASE_OK);
  struct store_record record;
  uint64_t body_offset;
  assert_int_equal(store_record_read_head(base_buffer_span(&file), file.bytes, &record, &body_offset, NULL), BASE_OK);
  base_buffer_init(&meta, STORE_RECORD_MAX_META);
  base_buffer_init(&rewritten, 1 << 20);
  assert_int_equal(base_buffer_append(&meta, record.meta.data, record.meta.bytes), BASE_OK);
  assert_int_equal(store_meta_add(&meta, "shrink", base_span_text("1")), BASE_OK);
  record.meta = base_buffer_span(&meta);
  assert_int_equal(store_record_write_head(&record, &rewritten, NULL), BASE_OK);
  fixture_close(fixture);
  FILE *out = fopen(path, "w");
  assert_non_null(out);
  assert_int_equal(fwrite(rewritten.data, 1, rewritten.bytes, out), rewritten.bytes);
  assert_int_equal(fclose(out), 0);
  remove_index(fixture);
  fixture_open(fixture);
  struct store_original found;
  assert_int_equal(store_original_find(fixture->store, "default", &original.id, &found, NULL), BASE_OK);
  assert_memory_equal(&found, &original, sizeof found);
  base_buffer_finish(&file);
  base_buffer_finish(&meta);
  base_buffer_finish(&rewritten);
}

// A real disk that really fills up: a small tmpfs, where mounting is allowed.
static void gives_way_when_an_upload_needs_the_room(void **state) {
  enum { MIB = 1024 * 1024, DISK_MIB = 16, HEADROOM = 2 * MIB };
  struct fixture *fixture = *state;
  fixture_close(fixture);
  if (mount("tmpfs", fixture->root, "tmpfs", 0, "size=16m") != 0) skip();
  fixture->config.min_free_bytes = HEADROOM;
  fixture->config.variant_budget_bytes = 1024ull * MIB;
  fixture_open(fixture);
  const struct store_original first = fixture_put(fixture, "default", 1, 100);
  assert_int_equal(fixture_put_variant(fixture->store, &first, 1, MIB), BASE_OK);
  for (unsigned shrink = 2; shrink <= 8; shrink *= 2) {
    assert_int_equal(fixture_put_level(fixture->store, &first.id, shrink, 4 * MIB - 4096), BASE_OK);
  }
  assert_int_equal(fixture_get_variant(fixture->store, 1, MIB), BASE_OK);  // the warmest

  struct store_original original;
  bool is_new;
  const int64_t evictions = fixture_counter(fixture, "pixpop_store_level_evictions_total", "");
  assert_int_equal(fixture_upload(fixture->store, "default", 3, DISK_MIB * MIB, &original, &is_new), BASE_NO_SPACE);
  assert_int_equal(fixture_counter(fixture, "pixpop_store_level_evictions_total", ""), evictions);
  assert_int_equal(fixture_upload(fixture->store, "default", 5, 6 * MIB, &original, &is_new), BASE_OK);
  assert_true(fixture_bytes_match(fixture->store, 5, 6 * MIB));
  assert_int_equal(fixture_get_level(fixture->store, &first.id, 2, 4 * MIB - 4096), BASE_NOT_FOUND);
  assert_int_equal(fixture_get_variant(fixture->store, 1, MIB), BASE_OK);
  assert_true(stats_of(fixture).disk_free_bytes >= HEADROOM);

  // What comes new into the tier takes the place of the coldest, too.
  for (unsigned number = 2; number < 20; number++) {
    assert_int_equal(fixture_put_variant(fixture->store, &first, number, MIB), BASE_OK);
    assert_int_equal(fixture_get_variant(fixture->store, 1, MIB), BASE_OK);
  }
  assert_int_equal(stats_of(fixture).levels, 0);
  assert_int_equal(fixture_get_variant(fixture->store, 2, MIB), BASE_NOT_FOUND);
  assert_int_equal(fixture_count_files(fixture, "variants"), stats_of(fixture).variants);
  assert_true(stats_of(fixture).disk_free_bytes >= HEADROOM);
  fixture_close(fixture);
  assert_int_equal(umount(fixture->root), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(comes_back_for_its_original_and_shrink_alone, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(is_counted_apart_and_listed_nowhere, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(is_a_miss_and_dropped_when_any_part_is_damaged, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(shares_the_budget_with_variants_when_that_is_full, fixture_setup,
                                      fixture_teardown),
      cmocka_unit_test_setup_teardown(gives_way_when_an_upload_needs_the_room, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(goes_when_the_last_tenant_deletes_the_original, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(is_found_again_when_the_index_is_rebuilt, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(is_dropped_when_its_name_is_not_its_own, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(reads_an_originals_record_with_a_line_it_does_not_know, fixture_setup,
                                      fixture_teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
