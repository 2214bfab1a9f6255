// Every file of the ledger, cut off anywhere or with any bit turned: it is halted, or what nobody was told of is made
// anew. Never is anything signed that is not what was signed before.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <unistd.h>

#include "base/file.h"
#include "ledger_fixture.h"

enum { BYTES = 400, FILES = 4, MANY = 600 };

// Each position costs an open: what a sanitizer looks for is in any of them.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { STRIDE = 29 };
#else
enum { STRIDE = 7 };
#endif

static size_t stride(void) { return getenv("PIXPOP_LONG") ? 1 : STRIDE; }

static const char *const names[FILES] = {"key", "vkey", "checkpoint", "entries/000"};
enum { KEY, VKEY, CHECKPOINT, ENTRIES };

static struct saved {
  struct base_buffer files[FILES];
  size_t signed_bytes;  // of the entries' file: what the checkpoint covers
  struct integrity_checkpoint head;
} saved;

static struct fixture fixture;

static struct base_buffer load(const char *name) {
  char relative[64], path[PATH_MAX];
  struct base_buffer bytes;
  snprintf(relative, sizeof relative, "ledger/%s", name);
  fixture_path(&fixture, relative, path);
  assert_int_equal(base_file_read(path, 1 << 24, &bytes, NULL), BASE_OK);
  return bytes;
}

static void write_file(const char *path, struct base_span bytes) {
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  assert_int_equal(fwrite(bytes.data, 1, bytes.bytes, file), bytes.bytes);
  assert_int_equal(fclose(file), 0);
}

static void place(const char *name, struct base_span bytes) {
  char relative[64], path[PATH_MAX];
  snprintf(relative, sizeof relative, "ledger/%s", name);
  fixture_path(&fixture, relative, path);
  write_file(path, bytes);
}

static void lose(const char *name) {
  char relative[64], path[PATH_MAX];
  snprintf(relative, sizeof relative, "ledger/%s", name);
  fixture_path(&fixture, relative, path);
  assert_int_equal(unlink(path), 0);
}

static void restore(void) {
  for (size_t i = 0; i < FILES; i++) place(names[i], base_buffer_span(&saved.files[i]));
}

// A few objects, and a checkpoint that is older than the last entries, as a kill leaves it.
static int setup(void **state) {
  (void)state;
  fixture_init_in(&fixture, fixture_fast_folder());
  ledger_configure(&fixture, 2);
  ledger_open(&fixture);
  const struct store_original original = fixture_put(&fixture, "default", 1, BYTES);
  assert_int_equal(fixture_put_variant(fixture.store, &original, 1, 100), BASE_OK);
  const struct cache_key key = fixture_key(1);
  assert_int_equal(store_variant_drop(fixture.store, &key, NULL), BASE_OK);
  fixture_close(&fixture);
  const struct base_buffer older = load("checkpoint"), entries = load("entries/000");
  saved.signed_bytes = entries.bytes;
  ledger_open(&fixture);
  fixture_put(&fixture, "default", 2, BYTES);
  assert_int_equal(fixture_put_variant(fixture.store, &original, 2, 100), BASE_OK);
  fixture_close(&fixture);
  for (size_t i = 0; i < FILES; i++) saved.files[i] = load(names[i]);
  base_buffer_finish(&saved.files[CHECKPOINT]);
  saved.files[CHECKPOINT] = older;
  struct base_buffer unused = entries;
  base_buffer_finish(&unused);
  restore();
  struct ledger_view view;
  ledger_read(fixture.root, &view);
  assert_int_equal(view.head.size, 3);
  assert_int_equal(view.size, 5);
  saved.head = view.head;
  ledger_free(&view);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  for (size_t i = 0; i < FILES; i++) base_buffer_finish(&saved.files[i]);
  fixture_finish(&fixture);
  return 0;
}

// The log on the disk still begins with what had been signed.
static void expect_same_beginning(void) {
  struct ledger_view view;
  ledger_read(fixture.root, &view);
  assert_true(ledger_begins_with(&view, saved.head.size, &saved.head.root));
  ledger_free(&view);
}

static bool is_there(const char *name, const struct base_buffer *expected) {
  struct base_buffer now = load(name);
  const bool is_same = base_span_equal(base_buffer_span(&now), base_buffer_span(expected));
  base_buffer_finish(&now);
  return is_same;
}

// Opens with file `which` holding `bytes`, and looks what has come of it.
static void try_with(size_t which, const struct base_buffer *bytes, bool must_halt) {
  place(names[which], base_buffer_span(bytes));
  fixture_open(&fixture);
  const struct store_ledger_status status = ledger_status(&fixture);
  if (status.state == STORE_LEDGER_HALTED) {
    const struct integrity_digest id = fixture_id(1, BYTES);
    struct base_buffer text;
    base_buffer_init(&text, INTEGRITY_PROOF_MAX_BYTES);
    assert_non_null(strstr(status.reason, "--new-ledger"));
    assert_int_equal(store_ledger_prove(fixture.store, "default", &id, NULL, &text, NULL), BASE_CONFLICT);
    assert_true(fixture_bytes_match(fixture.store, 1, BYTES));
    base_buffer_finish(&text);
    fixture_close(&fixture);
    for (size_t i = 0; i < FILES; i++) {
      if (i != VKEY) assert_true(is_there(names[i], i == which ? bytes : &saved.files[i]));
    }
  } else {
    if (must_halt) fail_msg("%s is damaged, and nobody minds", names[which]);
    ledger_expect_match(&fixture, "default");
    fixture_close(&fixture);
    expect_same_beginning();
  }
  restore();
}

static bool must_halt(size_t which, size_t at) {
  return which == KEY || which == CHECKPOINT || (which == ENTRIES && at < saved.signed_bytes);
}

static void is_halted_or_whole_when_a_file_is_cut_off_anywhere(void **state) {
  (void)state;
  for (size_t which = 0; which < FILES; which++) {
    for (size_t at = 0; at < saved.files[which].bytes; at += at < 8 ? 1 : stride()) {
      struct base_buffer shorter = saved.files[which];
      shorter.bytes = at;
      try_with(which, &shorter, must_halt(which, at));
    }
  }
}

static void is_halted_or_whole_when_any_bit_turns(void **state) {
  (void)state;
  for (size_t which = 0; which < FILES; which++) {
    struct base_buffer *file = &saved.files[which];
    for (size_t at = 0; at < file->bytes; at += stride()) {
      struct base_buffer changed = *file;
      changed.data = malloc(file->bytes);
      assert_non_null(changed.data);
      memcpy(changed.data, file->data, file->bytes);
      changed.data[at] ^= (uint8_t)(1u << at % 8);
      try_with(which, &changed, must_halt(which, at));
      free(changed.data);
    }
  }
}

static void is_halted_when_a_file_is_missing(void **state) {
  (void)state;
  for (size_t which = 0; which < FILES; which++) {
    lose(names[which]);
    fixture_open(&fixture);
    assert_int_equal(ledger_status(&fixture).state, which == VKEY ? STORE_LEDGER_RUNNING : STORE_LEDGER_HALTED);
    fixture_close(&fixture);
    char relative[64], path[PATH_MAX];
    snprintf(relative, sizeof relative, "ledger/%s", names[which]);
    fixture_path(&fixture, relative, path);
    assert_int_equal(fixture_exists(path), which == VKEY);  // nothing is made up in its place
    restore();
  }
}

// Whoever has seen its checkpoint must not be shown another log of the same key.
static void is_halted_when_several_files_are_missing(void **state) {
  (void)state;
  for (unsigned left = 0; left < 1u << FILES; left++) {
    // Nothing, or the key alone: a first start that did not get any further.
    const bool may_begin = left == 0 || left == 1u << KEY;
    if (may_begin || __builtin_popcount(left) > FILES - 2) continue;
    for (size_t i = 0; i < FILES; i++) {
      if (!(left >> i & 1)) lose(names[i]);
    }
    fixture_open(&fixture);
    if (ledger_status(&fixture).state != STORE_LEDGER_HALTED) fail_msg("begun anew with the files %x", left);
    fixture_close(&fixture);
    restore();
  }
}

static void is_halted_by_damage_before_entries_that_are_not_signed_yet(void **state) {
  (void)state;
  struct base_buffer *entries = &saved.files[ENTRIES];
  struct base_span rest = base_span_of(entries->data + saved.signed_bytes, entries->bytes - saved.signed_bytes);
  struct store_ledger_record record;
  assert_int_equal(store_ledger_record_next(&rest, &record, NULL), BASE_OK);
  const size_t last = entries->bytes - rest.bytes;
  for (size_t at = saved.signed_bytes; at < entries->bytes; at += 9) {
    entries->data[at] ^= 0x10;
    struct base_buffer changed = *entries;
    changed.data = malloc(entries->bytes);
    assert_non_null(changed.data);
    memcpy(changed.data, entries->data, entries->bytes);
    entries->data[at] ^= 0x10;
    try_with(ENTRIES, &changed, at < last);
    free(changed.data);
  }
}

static void takes_another_ledgers_files_for_damage(void **state) {
  (void)state;
  struct fixture other;
  fixture_init_in(&other, fixture_fast_folder());
  ledger_configure(&other, 3);
  ledger_open(&other);
  fixture_put(&other, "default", 1, BYTES);
  fixture_close(&other);
  for (size_t which = 0; which < FILES; which++) {
    char relative[64], path[PATH_MAX];
    struct base_buffer bytes;
    snprintf(relative, sizeof relative, "ledger/%s", names[which]);
    fixture_path(&other, relative, path);
    assert_int_equal(base_file_read(path, 1 << 24, &bytes, NULL), BASE_OK);
    try_with(which, &bytes, which != VKEY);
    base_buffer_finish(&bytes);
  }
  fixture_finish(&other);
}

// By somebody who knows the format and has no key: each record is whole and says what its commitment says. Entry number
// `wrong` has another time.
static struct base_buffer forge(const struct base_buffer *bundle, uint64_t wrong) {
  struct base_span rest = base_buffer_span(bundle);
  struct store_ledger_record record;
  struct base_buffer forged;
  base_buffer_init(&forged, 1 << 20);
  for (uint64_t i = 0; store_ledger_record_next(&rest, &record, NULL) == BASE_OK; i++) {
    struct integrity_entry entry;
    assert_int_equal(integrity_entry_parse(base_span_of(record.entry, sizeof record.entry), &entry, NULL), BASE_OK);
    if (i == wrong) entry.time_s++;
    integrity_entry_write(&entry, record.entry);
    assert_int_equal(store_ledger_record_write(&record, &forged, NULL), BASE_OK);
  }
  return forged;
}

static void is_halted_by_entries_that_are_well_made_but_others(void **state) {
  (void)state;
  for (uint64_t wrong = 0; wrong < saved.head.size; wrong++) {
    struct base_buffer forged = forge(&saved.files[ENTRIES], wrong);
    try_with(ENTRIES, &forged, true);
    base_buffer_finish(&forged);
  }
}

// The last record, behind the checkpoint, with another version of its entry; all else of it is right.
static void is_halted_by_an_entry_of_newer_firmware_that_is_not_signed_yet(void **state) {
  (void)state;
  struct base_span rest = base_buffer_span(&saved.files[ENTRIES]);
  struct store_ledger_record record;
  struct base_buffer newer;
  base_buffer_init(&newer, 1 << 20);
  while (store_ledger_record_next(&rest, &record, NULL) == BASE_OK) {
    if (rest.bytes == 0) record.entry[0]++;
    assert_int_equal(store_ledger_record_write(&record, &newer, NULL), BASE_OK);
  }
  place(names[ENTRIES], base_buffer_span(&newer));
  fixture_open(&fixture);
  const struct store_ledger_status status = ledger_status(&fixture);
  assert_int_equal(status.state, STORE_LEDGER_HALTED);
  assert_non_null(strstr(status.reason, "newer firmware"));
  assert_null(strstr(status.reason, "--new-ledger"));  // nothing is lost: the newer firmware reads it
  fixture_close(&fixture);
  assert_true(is_there(names[ENTRIES], &newer));
  base_buffer_finish(&newer);
  restore();
}

static void works_on_while_it_is_halted_and_catches_up_in_a_new_one(void **state) {
  (void)state;
  lose("checkpoint");
  fixture_open(&fixture);
  const struct store_ledger_status halted = ledger_status(&fixture);
  const struct store_original original = fixture_put(&fixture, "default", 3, BYTES);
  assert_int_equal(fixture_put_variant(fixture.store, &original, 3, 100), BASE_OK);
  const struct integrity_digest id = fixture_id(1, BYTES);
  assert_int_equal(store_original_delete(fixture.store, "default", &id, NULL), BASE_OK);
  assert_int_equal(store_ledger_note_config(fixture.store, &id, "1.0", NULL), BASE_OK);
  assert_int_equal(ledger_status(&fixture).size, halted.size);
  fixture_close(&fixture);
  assert_int_equal(store_ledger_renew(&fixture.config, NULL), BASE_OK);
  ledger_open(&fixture);
  assert_int_equal(ledger_status(&fixture).state, STORE_LEDGER_RUNNING);
  assert_string_not_equal(ledger_status(&fixture).vkey, halted.vkey);
  ledger_expect_match(&fixture, "default");
  fixture_close(&fixture);
}

// Several bundles.

static void fill_many(struct fixture *many) {
  fixture_init_in(many, fixture_fast_folder());
  ledger_configure(many, 4);
  ledger_open(many);
  const struct store_original original = fixture_put(many, "default", 1, BYTES);
  for (unsigned i = 0; i < MANY; i++) assert_int_equal(fixture_put_variant(many->store, &original, i, 50), BASE_OK);
  fixture_close(many);
}

static void minds_the_limits_between_bundles(void **state) {
  (void)state;
  struct fixture many;
  fill_many(&many);
  char path[PATH_MAX], aside[PATH_MAX + 8];
  for (unsigned bundle = 0; bundle < 3; bundle++) {
    char relative[64];
    snprintf(relative, sizeof relative, "ledger/entries/%03u", bundle);
    fixture_path(&many, relative, path);
    snprintf(aside, sizeof aside, "%s.aside", path);
    struct base_buffer bytes;
    assert_int_equal(base_file_read(path, 1 << 24, &bytes, NULL), BASE_OK);
    struct base_span rest = base_buffer_span(&bytes);
    struct store_ledger_record record;
    size_t first = 0, last = 0;
    while (store_ledger_record_next(&rest, &record, NULL) == BASE_OK) {
      if (first == 0) first = bytes.bytes - rest.bytes;
      if (rest.bytes > 0) last = bytes.bytes - rest.bytes;
    }
    const size_t lengths[] = {0, 1, first - 1, first, first + 1, last - 1, last, last + 1, bytes.bytes - 1};
    assert_int_equal(rename(path, aside), 0);
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
      FILE *file = fopen(path, "w");
      assert_non_null(file);
      assert_int_equal(fwrite(bytes.data, 1, lengths[i], file), lengths[i]);
      assert_int_equal(fclose(file), 0);
      fixture_open(&many);
      assert_int_equal(ledger_status(&many).state, STORE_LEDGER_HALTED);
      fixture_close(&many);
    }
    assert_int_equal(unlink(path), 0);
    fixture_open(&many);
    assert_int_equal(ledger_status(&many).state, STORE_LEDGER_HALTED);
    fixture_close(&many);
    assert_int_equal(rename(aside, path), 0);
    base_buffer_finish(&bytes);
  }
  ledger_open(&many);
  ledger_expect_match(&many, "default");
  fixture_finish(&many);
}

// Behind the checkpoint, a crash may leave pages unwritten before others: what follows them was told to nobody. Zeros
// where no page was left out are damage.
static void cuts_at_a_hole_of_zeros_behind_its_checkpoint(void **state) {
  (void)state;
  enum { PAGE = 4096, UNSIGNED = 60 };
  struct fixture holed;
  struct base_buffer older, bytes;
  char checkpoint[PATH_MAX], entries[PATH_MAX];
  fixture_init_in(&holed, fixture_fast_folder());
  ledger_configure(&holed, 9);
  ledger_open(&holed);
  fixture_path(&holed, "ledger/checkpoint", checkpoint);
  fixture_path(&holed, "ledger/entries/000", entries);
  const struct store_original original = fixture_put(&holed, "default", 1, BYTES);
  fixture_close(&holed);
  assert_int_equal(base_file_read(checkpoint, 1 << 20, &older, NULL), BASE_OK);
  ledger_open(&holed);
  const struct store_ledger_status signed_first = ledger_status(&holed);
  for (unsigned i = 0; i < UNSIGNED; i++) {
    assert_int_equal(fixture_put_variant(holed.store, &original, i, 50), BASE_OK);
  }
  fixture_close(&holed);
  assert_int_equal(base_file_read(entries, 1 << 20, &bytes, NULL), BASE_OK);
  assert_true(bytes.bytes > 3 * PAGE);
  static const struct {
    size_t from, count;
    bool is_damage;
  } holes[] = {{PAGE, PAGE, false}, {2 * PAGE, PAGE, false}, {PAGE, 2 * PAGE, false}, {PAGE + 300, 900, true}};
  for (size_t i = 0; i < sizeof holes / sizeof holes[0]; i++) {
    struct base_buffer holey;
    base_buffer_init(&holey, 1 << 20);
    assert_int_equal(base_buffer_append(&holey, bytes.data, bytes.bytes), BASE_OK);
    memset(holey.data + holes[i].from, 0, holes[i].count);
    write_file(checkpoint, base_buffer_span(&older));
    write_file(entries, base_buffer_span(&holey));
    fixture_open(&holed);
    assert_int_equal(ledger_status(&holed).state, holes[i].is_damage ? STORE_LEDGER_HALTED : STORE_LEDGER_RUNNING);
    if (!holes[i].is_damage) {
      ledger_expect_match(&holed, "default");
      assert_true(ledger_continues(holed.store, signed_first.signed_size, &signed_first.root));
    }
    fixture_close(&holed);
    base_buffer_finish(&holey);
  }
  base_buffer_finish(&older);
  base_buffer_finish(&bytes);
  fixture_finish(&holed);
}

static void expect_halted_by_tile(struct fixture *many, uint64_t bundle) {
  struct base_buffer out;
  base_buffer_init(&out, 1 << 20);
  struct integrity_tile tile = {.level = 0, .index = 1 - bundle, .width = INTEGRITY_TILE_WIDTH};
  assert_int_equal(store_ledger_tile(many->store, &tile, &out, NULL), BASE_OK);
  tile.index = bundle;
  assert_int_equal(store_ledger_tile(many->store, &tile, &out, NULL), BASE_CORRUPT);
  assert_int_equal(ledger_status(many).state, STORE_LEDGER_HALTED);
  assert_int_equal(fixture_gauge(many, "pixpop_store_ledger_halted"), 1);
  const uint64_t size = ledger_status(many).size;
  fixture_put(many, "default", 2 + (unsigned)bundle, BYTES);
  assert_int_equal(ledger_status(many).size, size);
  base_buffer_finish(&out);
}

static void is_halted_by_damage_that_shows_while_it_runs(void **state) {
  (void)state;
  struct fixture many;
  fill_many(&many);
  char path[PATH_MAX];
  fixture_path(&many, "ledger/entries/001", path);
  ledger_open(&many);
  fixture_flip_bit(path, 20000);
  expect_halted_by_tile(&many, 1);
  fixture_close(&many);
  fixture_flip_bit(path, 20000);
  ledger_open(&many);
  struct base_buffer bundle;
  fixture_path(&many, "ledger/entries/000", path);
  assert_int_equal(base_file_read(path, 1 << 24, &bundle, NULL), BASE_OK);
  struct base_buffer forged = forge(&bundle, 7);
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  assert_int_equal(fwrite(forged.data, 1, forged.bytes, file), forged.bytes);
  assert_int_equal(fclose(file), 0);
  expect_halted_by_tile(&many, 0);
  base_buffer_finish(&bundle);
  base_buffer_finish(&forged);
  fixture_finish(&many);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(is_halted_or_whole_when_a_file_is_cut_off_anywhere, setup, teardown),
      cmocka_unit_test_setup_teardown(is_halted_or_whole_when_any_bit_turns, setup, teardown),
      cmocka_unit_test_setup_teardown(is_halted_when_a_file_is_missing, setup, teardown),
      cmocka_unit_test_setup_teardown(is_halted_when_several_files_are_missing, setup, teardown),
      cmocka_unit_test_setup_teardown(is_halted_by_damage_before_entries_that_are_not_signed_yet, setup, teardown),
      cmocka_unit_test_setup_teardown(takes_another_ledgers_files_for_damage, setup, teardown),
      cmocka_unit_test_setup_teardown(is_halted_by_entries_that_are_well_made_but_others, setup, teardown),
      cmocka_unit_test_setup_teardown(works_on_while_it_is_halted_and_catches_up_in_a_new_one, setup, teardown),
      cmocka_unit_test_setup_teardown(is_halted_by_an_entry_of_newer_firmware_that_is_not_signed_yet, setup, teardown),
      cmocka_unit_test(cuts_at_a_hole_of_zeros_behind_its_checkpoint),
      cmocka_unit_test(minds_the_limits_between_bundles),
      cmocka_unit_test(is_halted_by_damage_that_shows_while_it_runs),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
