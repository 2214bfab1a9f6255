// Inspection reports: kept in an original's record, found again, and missed where there are none.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>
#include <unistd.h>

#include "store/reindex.h"
#include "fixture.h"
#include "old_record.h"

enum { SEED = 9, BYTES = 2000 };

static const char report[] = "{\"findings\":[{\"rule\":\"gps\"}]}";

static struct store_original put(struct fixture *fixture, const char *tenant, unsigned seed, uint32_t alerts,
                                 struct base_span text) {
  uint8_t data[BYTES];
  fixture_bytes(seed, sizeof data, data);
  struct store_original original = {.alerts = alerts, .name = "with a report"};
  snprintf(original.tenant, sizeof original.tenant, "%s", tenant);
  struct store_upload *upload;
  bool is_new;
  assert_int_equal(store_upload_begin(fixture->store, BYTES, &upload, NULL), BASE_OK);
  assert_int_equal(store_upload_write(upload, base_span_of(data, sizeof data), NULL), BASE_OK);
  assert_int_equal(store_upload_commit(&upload, &original, text, &is_new, NULL), BASE_OK);
  return original;
}

static void expect(struct fixture *fixture, const char *tenant, unsigned seed, uint32_t alerts, struct base_span text) {
  const struct integrity_digest id = fixture_id(seed, BYTES);
  struct store_original found;
  struct base_blob *blob = NULL;
  assert_int_equal(store_original_find(fixture->store, tenant, &id, &found, NULL), BASE_OK);
  assert_int_equal(found.alerts, alerts);
  const enum base_result result = store_original_report(fixture->store, tenant, &id, &blob, NULL);
  if (text.bytes == 0) {
    assert_int_equal(result, BASE_NOT_FOUND);
    assert_null(blob);
    return;
  }
  assert_int_equal(result, BASE_OK);
  assert_true(base_span_equal(base_blob_span(blob), text));
  base_blob_unref(&blob);
}

static void reindex(struct fixture *fixture) {
  struct store_reindex_report counts;
  fixture_close(fixture);
  assert_int_equal(store_reindex(&fixture->config, NULL, NULL, &counts, NULL), BASE_OK);
  assert_int_equal(counts.damaged, 0);
  fixture_open(fixture);
}

static void comes_back_as_it_was_given(void **state) {
  struct fixture *fixture = *state;
  static char largest[STORE_MAX_REPORT];
  memset(largest, ' ', sizeof largest);
  (void)put(fixture, "default", SEED, 3, base_span_text(report));
  (void)put(fixture, "other", SEED, 0, base_span_text("{}"));
  (void)put(fixture, "default", SEED + 1, UINT32_MAX, base_span_of(largest, sizeof largest));
  for (int i = 0; i < 3; i++) {
    if (i == 1) fixture_reopen(fixture);
    if (i == 2) reindex(fixture);
    expect(fixture, "default", SEED, 3, base_span_text(report));
    expect(fixture, "other", SEED, 0, base_span_text("{}"));
    expect(fixture, "default", SEED + 1, UINT32_MAX, base_span_of(largest, sizeof largest));
  }
  struct base_blob *blob = NULL;
  const struct integrity_digest id = fixture_id(SEED, BYTES), unknown = {{0}};
  assert_int_equal(store_original_report(fixture->store, "third", &id, &blob, NULL), BASE_NOT_FOUND);
  assert_int_equal(store_original_report(fixture->store, "default", &unknown, &blob, NULL), BASE_NOT_FOUND);
  assert_int_equal(store_original_report(fixture->store, "../x", &id, &blob, NULL), BASE_BAD_INPUT);
  assert_null(blob);
}

static void stays_when_the_original_comes_again(void **state) {
  struct fixture *fixture = *state;
  (void)put(fixture, "default", SEED, 3, base_span_text(report));
  const struct store_original again = put(fixture, "default", SEED, 7, base_span_text("{\"other\":1}"));
  assert_int_equal(again.alerts, 3);
  expect(fixture, "default", SEED, 3, base_span_text(report));
}

static void is_added_when_the_original_had_none(void **state) {
  struct fixture *fixture = *state;
  (void)put(fixture, "default", SEED, 0, base_span_of(NULL, 0));
  expect(fixture, "default", SEED, 0, base_span_of(NULL, 0));
  const struct store_original again = put(fixture, "default", SEED, 7, base_span_text(report));
  assert_int_equal(again.alerts, 7);
  assert_string_equal(again.name, "with a report");
  expect(fixture, "default", SEED, 7, base_span_text(report));
  reindex(fixture);
  expect(fixture, "default", SEED, 7, base_span_text(report));
}

static void is_not_believed_when_it_is_damaged(void **state) {
  struct fixture *fixture = *state;
  char path[PATH_MAX];
  struct base_blob *blob = NULL;
  const struct store_original original = put(fixture, "default", SEED, 3, base_span_text(report));
  fixture_original_path(fixture, &original.id, ".default.rec", path);
  fixture_flip_bit(path, -2);
  assert_int_equal(store_original_report(fixture->store, "default", &original.id, &blob, NULL), BASE_CORRUPT);
  assert_null(blob);
  assert_true(fixture_bytes_match(fixture->store, SEED, BYTES));
}

// Rewrites an original's record as firmware without reports wrote it: no body, no line of alerts.
static void make_old(struct fixture *fixture, const struct store_original *original) {
  static const char line[] = "alerts: 0\n";
  uint8_t content[STORE_RECORD_HEAD_BYTES + STORE_RECORD_MAX_META];
  char path[PATH_MAX];
  fixture_original_path(fixture, &original->id, ".default.rec", path);
  FILE *file = fopen(path, "r");
  assert_non_null(file);
  const size_t bytes = fread(content, 1, sizeof content, file);
  fclose(file);
  struct store_record record;
  uint64_t body_offset;
  assert_int_equal(store_record_read_head(base_span_of(content, bytes), bytes, &record, &body_offset, NULL), BASE_OK);
  const uint8_t *at = memmem(record.meta.data, record.meta.bytes, line, sizeof line - 1);
  assert_non_null(at);
  struct base_buffer meta;
  base_buffer_init(&meta, sizeof content);
  const size_t before = (size_t)(at - record.meta.data), after = before + sizeof line - 1;
  assert_int_equal(base_buffer_append(&meta, record.meta.data, before), BASE_OK);
  assert_int_equal(base_buffer_append(&meta, record.meta.data + after, record.meta.bytes - after), BASE_OK);
  old_record_write(path, STORE_RECORD_ORIGINAL, base_buffer_span(&meta), base_span_of(NULL, 0));
  base_buffer_finish(&meta);
}

static void is_missing_but_no_damage_when_the_record_is_older(void **state) {
  struct fixture *fixture = *state;
  const struct store_original original = put(fixture, "default", SEED, 0, base_span_text(report));
  make_old(fixture, &original);
  expect(fixture, "default", SEED, 0, base_span_of(NULL, 0));
  reindex(fixture);
  expect(fixture, "default", SEED, 0, base_span_of(NULL, 0));
  assert_true(fixture_bytes_match(fixture->store, SEED, BYTES));
}

// The index of the version before: no column for alerts.
static void is_found_when_the_index_is_older(void **state) {
  struct fixture *fixture = *state;
  (void)put(fixture, "default", SEED, 3, base_span_text(report));
  fixture_close(fixture);
  char path[PATH_MAX];
  sqlite3 *db;
  fixture_path(fixture, "index.sqlite", path);
  assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
  assert_int_equal(
      sqlite3_exec(db, "ALTER TABLE originals DROP COLUMN alerts; PRAGMA user_version = 2", NULL, NULL, NULL),
      SQLITE_OK);
  assert_int_equal(sqlite3_close(db), SQLITE_OK);
  fixture_open(fixture);
  expect(fixture, "default", SEED, 3, base_span_text(report));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(comes_back_as_it_was_given),
      TEST(stays_when_the_original_comes_again),
      TEST(is_added_when_the_original_had_none),
      TEST(is_not_believed_when_it_is_damaged),
      TEST(is_missing_but_no_damage_when_the_record_is_older),
      TEST(is_found_when_the_index_is_older),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
