// Restarts: after any end, and with any index, the store shows what the records say.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/reindex.h"
#include "fixture.h"

enum { ORIGINALS = 12, VARIANTS = 40, BYTES = 3000 };

static void fill(struct fixture *fixture) {
  for (unsigned seed = 0; seed < ORIGINALS; seed++) {
    const struct store_original original = fixture_put(fixture, seed % 3 ? "default" : "other", seed, BYTES);
    for (unsigned i = seed; i < VARIANTS; i += ORIGINALS) {
      assert_int_equal(fixture_put_variant(fixture->store, &original, i, BYTES), BASE_OK);
    }
  }
}

// Everything the store says, as text.
struct tale {
  struct fixture *fixture;
  struct base_buffer text;
};

static bool tell_variant(void *argument, const struct store_variant *v) {
  struct tale *tale = argument;
  char digest[BASE_DIGEST_BASE64URL_CHARS + 1];
  integrity_digest_text(&v->digest, digest);
  assert_int_equal(
      base_buffer_printf(&tale->text, "  %s %s %s %ux%u %lld %s %llu\n", v->tenant, v->recipe, v->media_type, v->width,
                         v->height, (long long)v->created_s, digest, (unsigned long long)v->bytes),
      BASE_OK);
  return true;
}

static bool tell_original(void *argument, const struct store_original *o) {
  struct tale *tale = argument;
  char id[BASE_DIGEST_BASE64URL_CHARS + 1];
  integrity_digest_text(&o->id, id);
  assert_int_equal(
      base_buffer_printf(&tale->text, "%s %s %llu %ux%u %u %u %d%d %s %s %lld %s\n%s\n", id, o->tenant,
                         (unsigned long long)o->bytes, o->width, o->height, o->orientation, o->bits, o->has_alpha,
                         o->has_icc, o->format, o->colour, (long long)o->created_s, o->name, o->tags),
      BASE_OK);
  assert_int_equal(store_variant_list(tale->fixture->store, o->tenant, &o->id, tell_variant, tale, NULL), BASE_OK);
  return true;
}

static char *tell(struct fixture *fixture) {
  struct tale tale = {.fixture = fixture};
  base_buffer_init(&tale.text, 1024 * 1024);
  assert_int_equal(store_original_list(fixture->store, "default", NULL, SIZE_MAX, tell_original, &tale, NULL), BASE_OK);
  assert_int_equal(store_original_list(fixture->store, "other", NULL, SIZE_MAX, tell_original, &tale, NULL), BASE_OK);
  assert_int_equal(base_buffer_append(&tale.text, "", 1), BASE_OK);
  return (char *)tale.text.data;
}

static void remove_file(struct fixture *fixture, const char *name) {
  char path[PATH_MAX];
  fixture_path(fixture, name, path);
  unlink(path);
}

static void write_file(struct fixture *fixture, const char *name, const char *text) {
  char path[PATH_MAX];
  fixture_path(fixture, name, path);
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  assert_true(fputs(text, file) >= 0);
  assert_int_equal(fclose(file), 0);
}

static void finds_everything_when_reopened(void **state) {
  struct fixture *fixture = *state;
  fill(fixture);
  char *before = tell(fixture);
  fixture_reopen(fixture);
  char *after = tell(fixture);
  assert_string_equal(before, after);
  assert_true(strlen(before) > 4000);
  for (unsigned i = 0; i < VARIANTS; i++) assert_int_equal(fixture_get_variant(fixture->store, i, BYTES), BASE_OK);
  struct store_stats stats;
  assert_int_equal(store_get_stats(fixture->store, &stats, NULL), BASE_OK);
  assert_int_equal(stats.originals, ORIGINALS);
  assert_int_equal(stats.original_bytes, ORIGINALS * BYTES);
  assert_int_equal(stats.variants, VARIANTS);
  free(before);
  free(after);
}

static void count_progress(void *argument, uint64_t done) { *(uint64_t *)argument = done; }

static void reindex_tells_the_same_when_the_index_is_deleted(void **state) {
  struct fixture *fixture = *state;
  fill(fixture);
  char *before = tell(fixture);
  fixture_close(fixture);
  remove_file(fixture, "index.sqlite");
  struct store_reindex_report report;
  uint64_t done = 0;
  assert_int_equal(store_reindex(&fixture->config, count_progress, &done, &report, NULL), BASE_OK);
  assert_int_equal(report.originals, ORIGINALS);
  assert_int_equal(report.variants, VARIANTS);
  assert_int_equal(report.damaged + report.unknown + report.orphans, 0);
  assert_int_equal(done, ORIGINALS + VARIANTS);
  fixture_open(fixture);
  char *after = tell(fixture);
  assert_string_equal(before, after);
  free(before);
  free(after);
}

// SQLite's file format: the low byte of the big-endian user version, and the size of a page.
enum { USER_VERSION_AT = 63, PAGE_BYTES = 4096 };

static void overwrite(const char *path, long at, size_t bytes, int value) {
  FILE *file = fopen(path, "r+");
  assert_non_null(file);
  assert_int_equal(fseek(file, at, SEEK_SET), 0);
  while (bytes-- > 0) assert_int_not_equal(fputc(value, file), EOF);
  assert_int_equal(fclose(file), 0);
}

static void rebuilds_when_the_index_is_missing_or_bad(void **state) {
  struct fixture *fixture = *state;
  fill(fixture);
  char *before = tell(fixture);
  for (int i = 0; i < 4; i++) {
    fixture_close(fixture);
    char path[PATH_MAX];
    fixture_path(fixture, "index.sqlite", path);
    if (i == 0) assert_int_equal(unlink(path), 0);
    if (i == 1) write_file(fixture, "index.sqlite", "this is not a database, though it is long enough to look at");
    if (i == 2) overwrite(path, USER_VERSION_AT, 1, 9);
    if (i == 3) overwrite(path, PAGE_BYTES, 8 * PAGE_BYTES, 0xa5);  // nonsense behind a good first page
    fixture_open(fixture);
    char *after = tell(fixture);
    assert_string_equal(before, after);
    free(after);
  }
  free(before);
}

static void forget_rows(struct fixture *fixture) {
  char path[PATH_MAX];
  sqlite3 *db;
  fixture_path(fixture, "index.sqlite", path);
  assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
  assert_int_equal(sqlite3_exec(db, "DELETE FROM originals WHERE tenant = 'other'", NULL, NULL, NULL), SQLITE_OK);
  assert_int_equal(sqlite3_exec(db, "DELETE FROM variants WHERE height % 2 = 0", NULL, NULL, NULL), SQLITE_OK);
  assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

// What a crash can leave: each is put right by the next open.
static void repairs_what_a_crash_leaves_when_opened(void **state) {
  struct fixture *fixture = *state;
  fill(fixture);
  const struct store_original gone = fixture_put(fixture, "other", 500, BYTES);
  assert_int_equal(fixture_put_variant(fixture->store, &gone, 500, BYTES), BASE_OK);
  fixture_close(fixture);
  char path[PATH_MAX];
  // Between rename and sidecar: bytes without a record, that the index does not know.
  fixture_original_path(fixture, &gone.id, ".other.rec", path);
  assert_int_equal(unlink(path), 0);
  // Between sidecar and index: a record the index does not know.
  forget_rows(fixture);
  // An upload and a record on their way.
  write_file(fixture, "tmp/17", "half an upload");
  write_file(fixture, "tmp/17.rec", "pixp");
  fixture_make_unclean(fixture);
  fixture_open(fixture);

  assert_int_equal(fixture_count_files(fixture, "tmp"), 0);
  fixture_original_path(fixture, &gone.id, "", path);
  assert_false(fixture_exists(path));
  assert_int_equal(fixture_find(fixture, "other", 500, BYTES), BASE_NOT_FOUND);
  assert_int_equal(fixture_get_variant(fixture->store, 500, BYTES), BASE_NOT_FOUND);
  for (unsigned seed = 0; seed < ORIGINALS; seed++) {
    assert_int_equal(fixture_find(fixture, seed % 3 ? "default" : "other", seed, BYTES), BASE_OK);
    assert_true(fixture_bytes_match(fixture->store, seed, BYTES));
  }
  for (unsigned i = 0; i < VARIANTS; i++) assert_int_equal(fixture_get_variant(fixture->store, i, BYTES), BASE_OK);
  assert_int_equal(fixture_count_files(fixture, "originals"), 3 * ORIGINALS);
  assert_int_equal(fixture_count_files(fixture, "variants"), VARIANTS);
  assert_int_equal(fixture_counter(fixture, "pixpop_store_orphans_total", ""), 2);
}

// Whoever uploaded it was told that it is here.
static void keeps_an_original_whose_record_is_lost_or_damaged(void **state) {
  struct fixture *fixture = *state;
  const struct store_original lost = fixture_put(fixture, "default", 1, BYTES);
  const struct store_original damaged = fixture_put(fixture, "default", 2, BYTES);
  fixture_close(fixture);
  char path[PATH_MAX];
  fixture_original_path(fixture, &lost.id, ".default.rec", path);
  assert_int_equal(unlink(path), 0);
  fixture_original_path(fixture, &damaged.id, ".default.rec", path);
  fixture_flip_bit(path, 120);
  fixture_make_unclean(fixture);
  for (int round = 0; round < 2; round++) {
    fixture_open(fixture);
    assert_int_equal(fixture_counter(fixture, "pixpop_store_orphans_total", ""), 0);
    for (unsigned seed = 1; seed <= 2; seed++) {
      assert_int_equal(fixture_find(fixture, "default", seed, BYTES), BASE_OK);
      assert_true(fixture_bytes_match(fixture->store, seed, BYTES));
    }
    assert_int_equal(fixture_count_files(fixture, "originals"), 6);
    fixture_close(fixture);
  }
  fixture_open(fixture);
}

static void keeps_and_counts_records_when_they_are_not_readable(void **state) {
  struct fixture *fixture = *state;
  const struct store_original damaged = fixture_put(fixture, "default", 1, BYTES);
  const struct store_original foreign = fixture_put(fixture, "default", 2, BYTES);
  const struct store_original bare = fixture_put(fixture, "default", 3, BYTES);
  const struct store_original good = fixture_put(fixture, "default", 4, BYTES);
  for (unsigned i = 0; i < 3; i++) assert_int_equal(fixture_put_variant(fixture->store, &good, i, BYTES), BASE_OK);
  fixture_close(fixture);
  char path[PATH_MAX], foreign_path[PATH_MAX], damaged_path[PATH_MAX];
  fixture_original_path(fixture, &damaged.id, ".default.rec", damaged_path);
  fixture_flip_bit(damaged_path, 120);
  fixture_original_path(fixture, &foreign.id, ".default.rec", foreign_path);
  fixture_flip_bit(foreign_path, 8);
  fixture_original_path(fixture, &bare.id, "", path);
  assert_int_equal(truncate(path, BYTES - 1), 0);
  fixture_variant_path(fixture, 0, path);
  fixture_flip_bit(path, 100);  // damaged: dropped
  fixture_variant_path(fixture, 1, path);
  fixture_flip_bit(path, 8);  // of another format: left
  struct store_reindex_report report;
  assert_int_equal(store_reindex(&fixture->config, NULL, NULL, &report, NULL), BASE_OK);
  assert_int_equal(report.originals, 1);
  assert_int_equal(report.variants, 1);
  assert_int_equal(report.damaged, 3);
  assert_int_equal(report.unknown, 2);
  assert_int_equal(report.orphans, 0);
  fixture_open(fixture);
  assert_int_equal(fixture_count_files(fixture, "originals"), 12);
  assert_int_equal(fixture_count_files(fixture, "variants"), 2);
  assert_true(fixture_bytes_match(fixture->store, 1, BYTES));
  assert_true(fixture_bytes_match(fixture->store, 2, BYTES));

  // Uploading again heals damage, but does not write over what another firmware has written.
  struct store_original again;
  bool is_new;
  assert_int_equal(fixture_upload(fixture->store, "default", 1, BYTES, &again, &is_new), BASE_OK);
  assert_int_equal(fixture_upload(fixture->store, "default", 3, BYTES, &again, &is_new), BASE_OK);
  assert_true(fixture_bytes_match(fixture->store, 3, BYTES));
  assert_int_equal(fixture_upload(fixture->store, "default", 2, BYTES, &again, &is_new), BASE_CONFLICT);
  assert_true(fixture_exists(foreign_path));
  assert_int_equal(store_reindex(&fixture->config, NULL, NULL, &report, NULL), BASE_CONFLICT);
  fixture_reopen(fixture);
  assert_int_equal(fixture_find(fixture, "default", 1, BYTES), BASE_OK);
  assert_int_equal(fixture_find(fixture, "default", 2, BYTES), BASE_NOT_FOUND);
}

static void forgets_a_deletion_never_when_reopened(void **state) {
  struct fixture *fixture = *state;
  fill(fixture);
  const struct integrity_digest id = fixture_id(1, BYTES);
  assert_int_equal(store_original_delete(fixture->store, "default", &id, NULL), BASE_OK);
  fixture_close(fixture);
  fixture_make_unclean(fixture);
  fixture_open(fixture);
  assert_int_equal(fixture_find(fixture, "default", 1, BYTES), BASE_NOT_FOUND);
  assert_int_equal(fixture_get_variant(fixture->store, 1, BYTES), BASE_NOT_FOUND);
  remove_file(fixture, "index.sqlite");
  fixture_reopen(fixture);
  assert_int_equal(fixture_find(fixture, "default", 1, BYTES), BASE_NOT_FOUND);
}

// A deletion that failed half-way, or damage: the index knows what the record does not say.
static void keeps_what_is_uploaded_again_when_its_record_was_gone(void **state) {
  struct fixture *fixture = *state;
  char path[PATH_MAX];
  struct store_original again;
  bool is_new;
  for (unsigned seed = 0; seed < 2; seed++) {
    const struct store_original original = fixture_put(fixture, "default", seed, BYTES);
    fixture_original_path(fixture, &original.id, ".default.rec", path);
    if (seed == 0) assert_int_equal(unlink(path), 0);
    if (seed == 1) fixture_flip_bit(path, 120);
    assert_int_equal(fixture_upload(fixture->store, "default", seed, BYTES, &again, &is_new), BASE_OK);
    assert_false(is_new);
  }
  fixture_close(fixture);
  fixture_make_unclean(fixture);
  fixture_open(fixture);
  for (unsigned seed = 0; seed < 2; seed++) {
    assert_int_equal(fixture_find(fixture, "default", seed, BYTES), BASE_OK);
    assert_true(fixture_bytes_match(fixture->store, seed, BYTES));
  }
}

static void heals_damaged_bytes_when_uploaded_again(void **state) {
  struct fixture *fixture = *state;
  char path[PATH_MAX];
  const struct store_original original = fixture_put(fixture, "default", 1, BYTES);
  fixture_original_path(fixture, &original.id, "", path);
  fixture_flip_bit(path, 10);
  assert_false(fixture_bytes_match(fixture->store, 1, BYTES));
  (void)fixture_put(fixture, "other", 1, BYTES);
  assert_true(fixture_bytes_match(fixture->store, 1, BYTES));
  fixture_flip_bit(path, 20);
  struct store_original again;
  bool is_new;
  assert_int_equal(fixture_upload(fixture->store, "default", 1, BYTES, &again, &is_new), BASE_OK);
  assert_false(is_new);
  assert_true(fixture_bytes_match(fixture->store, 1, BYTES));
  assert_int_equal(fixture_count_files(fixture, "tmp"), 0);
}

static void opens_when_something_in_tmp_can_not_be_removed(void **state) {
  struct fixture *fixture = *state;
  char path[PATH_MAX];
  fixture_close(fixture);
  fixture_path(fixture, "tmp/0", path);
  assert_int_equal(mkdir(path, 0700), 0);
  fixture_open(fixture);
  (void)fixture_put(fixture, "default", 1, BYTES);
  assert_true(fixture_exists(path));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(finds_everything_when_reopened, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(reindex_tells_the_same_when_the_index_is_deleted, fixture_setup,
                                      fixture_teardown),
      cmocka_unit_test_setup_teardown(rebuilds_when_the_index_is_missing_or_bad, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(repairs_what_a_crash_leaves_when_opened, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(keeps_an_original_whose_record_is_lost_or_damaged, fixture_setup,
                                      fixture_teardown),
      cmocka_unit_test_setup_teardown(keeps_and_counts_records_when_they_are_not_readable, fixture_setup,
                                      fixture_teardown),
      cmocka_unit_test_setup_teardown(forgets_a_deletion_never_when_reopened, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(keeps_what_is_uploaded_again_when_its_record_was_gone, fixture_setup,
                                      fixture_teardown),
      cmocka_unit_test_setup_teardown(heals_damaged_bytes_when_uploaded_again, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(opens_when_something_in_tmp_can_not_be_removed, fixture_setup, fixture_teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
