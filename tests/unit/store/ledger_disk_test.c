// A disk that fails under a ledger that runs: what somebody waits for goes on or is told why not, and nothing that was
// signed is contradicted.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <sched.h>
#include <unistd.h>

#include "bad_disk.h"
#include "ledger_fixture.h"
#include "ledger_queue.h"

enum {
  BYTES = 800,
  BODY = 60,
  LARGE = 30000,  // some thirty of them fit
  MANY = 300,     // more than a bundle's
  PURGED = 60,
  COMPACT = 100 * 1024,  // less than is filled in, and more than the last bundle and what is true
};

static int setup(void **state) {
  static struct fixture fixture;
  fixture_init_in(&fixture, fixture_fast_folder());
  ledger_configure(&fixture, 11);
  fixture.config.ledger.compact_bytes = UINT64_MAX / 2;
  ledger_open(&fixture);
  *state = &fixture;
  return 0;
}

static int teardown(void **state) {
  bad_disk_mend();
  fixture_finish(*state);
  return 0;
}

// Waits for the writer without entering anything.
static struct store_ledger_status wait_signed(const struct fixture *fixture) {
  struct store_ledger_status status = ledger_status(fixture);
  for (; status.signed_size < status.size; status = ledger_status(fixture)) sched_yield();
  return status;
}

static void put_variants(struct fixture *fixture, const struct store_original *original, unsigned from, unsigned to,
                         size_t bytes) {
  for (unsigned i = from; i < to; i++) {
    assert_int_equal(fixture_put_variant(fixture->store, original, i, bytes), BASE_OK);
  }
}

static enum base_result upload(struct fixture *fixture, unsigned seed, struct base_fault *fault) {
  uint8_t data[BYTES];
  struct store_original original = {.tenant = "default", .width = 1, .height = 1, .format = "jpeg", .colour = "rgb"};
  struct store_upload *upload = NULL;
  bool is_new;
  fixture_bytes(seed, sizeof data, data);
  assert_int_equal(store_upload_begin(fixture->store, sizeof data, &upload, NULL), BASE_OK);
  assert_int_equal(store_upload_write(upload, base_span_of(data, sizeof data), NULL), BASE_OK);
  return store_upload_commit(&upload, &original, base_span_of(NULL, 0), &is_new, fault);
}

static int64_t failures(struct fixture *fixture) {
  return fixture_counter(fixture, "pixpop_store_ledger_failures_total", "");
}

// An old bundle that can not be read any more.

static void expect_verified(const struct fixture *fixture) {
#ifdef PIXPOP_PROGRAM
  char command[512];
  snprintf(command, sizeof command, "%s verify --offline %s --state %s/state.json >/dev/null", PIXPOP_PROGRAM,
           fixture->root, fixture->root);
  assert_int_equal(system(command), 0);
#else
  (void)fixture;
#endif
}

// What is purged and evicted while its derive can not be read: all of it is entered and durable.
static void change_all(struct fixture *fixture, const struct store_original *gone, const struct store_original *kept) {
  const struct cache_key purged = fixture_key(30);
  assert_int_equal(store_variant_drop(fixture->store, &purged, NULL), BASE_OK);
  assert_int_equal(store_variants_settle(fixture->store, NULL), BASE_OK);
  assert_int_equal(store_original_delete(fixture->store, "default", &gone->id, NULL), BASE_OK);
  put_variants(fixture, kept, 20, 25, BODY + 1);        // in the places of others
  put_variants(fixture, kept, 1000, 1000 + 60, LARGE);  // in the place of all of them
  fixture_put(fixture, "default", 3, BYTES);
}

static void goes_on_when_an_old_bundle_can_not_be_read(void **state) {
  struct fixture *fixture = *state;
  const struct store_original gone = fixture_put(fixture, "default", 1, BYTES),
                              kept = fixture_put(fixture, "default", 2, BYTES);
  put_variants(fixture, &gone, 0, 20, BODY);
  put_variants(fixture, &kept, 20, MANY, BODY);
  ledger_settle(fixture->store);
  const struct store_ledger_status before = wait_signed(fixture);
  bad_disk_fail(BAD_READ, "ledger/entries/000", EIO);
  change_all(fixture, &gone, &kept);
  const struct store_ledger_status after = wait_signed(fixture);
  assert_int_equal(after.state, STORE_LEDGER_RUNNING);
  assert_string_equal(after.reason, "");
  assert_int_equal(failures(fixture), 0);
  assert_in_range(bad_disk_failures(), 1, 1000);
  bad_disk_mend();
  const struct cache_key readable = fixture_key(1059);
  assert_int_equal(store_variant_drop(fixture->store, &readable, NULL), BASE_OK);
  ledger_expect_match(fixture, "default");
  struct ledger_view view;
  ledger_read(fixture->root, &view);
  assert_true(ledger_begins_with(&view, before.signed_size, &before.root));
  size_t unknown[INTEGRITY_ENTRY_CONFIG + 1] = {0}, known[INTEGRITY_ENTRY_CONFIG + 1] = {0};
  for (uint64_t i = before.size; i < view.size; i++) {
    const struct ledger_line *line = &view.lines[i];
    if (line->entry.kind != INTEGRITY_ENTRY_EVICT && line->entry.kind != INTEGRITY_ENTRY_PURGE) continue;
    // Only what the lost bundle says is unknown, and an original is named by who deletes it.
    const bool is_lost = line->entry.refers < INTEGRITY_TILE_WIDTH &&
                         view.lines[line->entry.refers].entry.kind == INTEGRITY_ENTRY_DERIVE;
    assert_int_equal(ledger_is_unknown(line), is_lost);
    ++(is_lost ? unknown : known)[line->entry.kind];
  }
  assert_int_equal(unknown[INTEGRITY_ENTRY_PURGE], 20 + 1);
  assert_int_equal(unknown[INTEGRITY_ENTRY_EVICT] + unknown[INTEGRITY_ENTRY_PURGE], INTEGRITY_TILE_WIDTH - 2);
  assert_true(known[INTEGRITY_ENTRY_PURGE] >= 2);
  ledger_free(&view);
  fixture_reopen(fixture);
  ledger_expect_match(fixture, "default");
  fixture_close(fixture);
  expect_verified(fixture);
  fixture_open(fixture);
}

// Compaction.

enum { MOST_SEEN = 16 };

struct seen {
  size_t count;
  struct {
    uint64_t size;
    struct integrity_digest root;
  } heads[MOST_SEEN];
};

static void see(const struct fixture *fixture, struct seen *seen) {
  const struct store_ledger_status status = wait_signed(fixture);
  assert_in_range(seen->count, 0, MOST_SEEN - 1);
  seen->heads[seen->count].size = status.signed_size;
  seen->heads[seen->count++].root = status.root;
}

static void expect_all_shown(const struct fixture *fixture, const struct seen *seen) {
  for (size_t i = 0; i < seen->count; i++) {
    if (!ledger_continues(fixture->store, seen->heads[i].size, &seen->heads[i].root)) {
      fail_msg("the checkpoint of %llu entries can not be shown any more", (unsigned long long)seen->heads[i].size);
    }
  }
}

// Bundles that are mostly past. Variants of these numbers are there.
static void fill(struct fixture *fixture, const struct store_original *original, unsigned from, struct seen *seen) {
  for (unsigned i = 0; i < 4; i++) {
    put_variants(fixture, original, from + 150 * i, from + 150 * (i + 1), BODY);
    for (unsigned j = 5; j < 150; j++) {
      const struct cache_key key = fixture_key(from + 150 * i + j);
      assert_int_equal(store_variant_drop(fixture->store, &key, NULL), BASE_OK);
    }
    assert_int_equal(store_variants_settle(fixture->store, NULL), BASE_OK);
    see(fixture, seen);
  }
}

// The writer tries it again with every batch.
static void wake_writer(struct fixture *fixture) {
  static unsigned seed = 10000;
  fixture_put(fixture, "default", seed++, BYTES);
}

static bool is_hindered(const struct fixture *fixture) {
  const struct store_ledger_status status = ledger_status(fixture);
  assert_int_equal(status.state, STORE_LEDGER_RUNNING);
  return strcmp(status.reason, "its compaction can not go on at present; the log tells why") == 0;
}

static void begin_compacting(struct fixture *fixture) {
  fixture->config.ledger.compact_bytes = COMPACT;
  fixture_reopen(fixture);
  ledger_wait_entered(fixture->store);
}

// It is tried again and again, and everything else goes on meanwhile.
static void expect_hindered(struct fixture *fixture, const struct seen *shown) {
  for (unsigned i = 0; i < 3; i++) {
    const unsigned before = bad_disk_failures();
    wake_writer(fixture);
    while (bad_disk_failures() == before) sched_yield();
    while (!is_hindered(fixture)) sched_yield();
    (void)wait_signed(fixture);
    expect_all_shown(fixture, shown);
  }
}

static void expect_compacted(struct fixture *fixture) {
  bad_disk_mend();
  wake_writer(fixture);
  while (ledger_status(fixture).compactions == 0) sched_yield();
  assert_string_equal(wait_signed(fixture).reason, "");
  assert_int_equal(fixture_gauge(fixture, "pixpop_store_ledger_halted"), 0);
  fixture->config.ledger.compact_bytes = UINT64_MAX / 2;  // for who reads the files
  fixture_reopen(fixture);
  ledger_expect_match(fixture, "default");
}

// After one compaction.
static void expect_nothing_twice(const struct fixture *fixture) {
  struct ledger_view view;
  ledger_read(fixture->root, &view);
  size_t renewed = 0;
  for (uint64_t i = 0; i < view.size - view.first; i++) {
    if (view.lines[i].entry.renews == INTEGRITY_ENTRY_NONE) continue;
    renewed++;
    for (uint64_t j = 0; j < i; j++) {
      if (view.lines[j].entry.renews == view.lines[i].entry.renews) {
        fail_msg("entry %llu was entered twice again", (unsigned long long)view.lines[i].entry.renews);
      }
    }
  }
  assert_true(renewed > 20);
  ledger_free(&view);
}

// A ledger full of one original's entries, which begins to compact itself.
static struct store_original begin_compacting_all(struct fixture *fixture, struct seen *seen) {
  const struct store_original original = fixture_put(fixture, "default", 1, BYTES);
  fill(fixture, &original, 0, seen);
  begin_compacting(fixture);
  return original;
}

static void compacts_on_when_there_are_descriptors_again(void **state) {
  struct fixture *fixture = *state;
  struct seen seen = {0};
  (void)begin_compacting_all(fixture, &seen);
  bad_disk_fail(BAD_OPEN, "ledger/entries/001", EMFILE);
  expect_hindered(fixture, &(struct seen){0});  // for what is asked of that file there is no descriptor either
  assert_int_equal(ledger_status(fixture).compactions, 0);
  expect_compacted(fixture);
  expect_nothing_twice(fixture);
  expect_all_shown(fixture, &seen);
}

// Of a second one, so that what the first left for consistency is at stake too.
static void compacts_on_when_there_is_room_again(void **state) {
  struct fixture *fixture = *state;
  struct seen seen = {0};
  const struct store_original original = begin_compacting_all(fixture, &seen);
  bad_disk_fail(BAD_RENAME, "ledger/pruned", ENOSPC);
  expect_hindered(fixture, &seen);
  expect_compacted(fixture);
  expect_nothing_twice(fixture);
  begin_compacting(fixture);
  bad_disk_fail(BAD_RENAME, "ledger/pruned", ENOSPC);
  for (unsigned round = 1; !is_hindered(fixture); round++) {
    assert_in_range(round, 1, 3);
    fill(fixture, &original, 1000 * round, &seen);
  }
  expect_hindered(fixture, &seen);
  expect_compacted(fixture);
}

static unsigned items_left = UINT32_MAX;  // before memory is short

struct store_ledger_item *__real_store_ledger_item_new(struct store_ledger *ledger, enum integrity_entry_kind kind,
                                                       size_t subject_capacity);
struct store_ledger_item *__wrap_store_ledger_item_new(struct store_ledger *ledger, enum integrity_entry_kind kind,
                                                       size_t subject_capacity);

// The queue's own calls lie in one file with it, and are not wrapped: only compaction's are.
struct store_ledger_item *__wrap_store_ledger_item_new(struct store_ledger *ledger, enum integrity_entry_kind kind,
                                                       size_t subject_capacity) {
  unsigned left = __atomic_load_n(&items_left, __ATOMIC_RELAXED);
  if (left == 0) return NULL;
  if (left != UINT32_MAX) __atomic_store_n(&items_left, left - 1, __ATOMIC_RELAXED);
  return __real_store_ledger_item_new(ledger, kind, subject_capacity);
}

static void compacts_on_when_there_is_memory_again(void **state) {
  struct fixture *fixture = *state;
  struct seen seen = {0};
  (void)begin_compacting_all(fixture, &seen);
  __atomic_store_n(&items_left, 3, __ATOMIC_RELAXED);  // in the midst of a bundle
  wake_writer(fixture);
  while (!is_hindered(fixture)) sched_yield();
  expect_all_shown(fixture, &seen);
  __atomic_store_n(&items_left, UINT32_MAX, __ATOMIC_RELAXED);
  expect_compacted(fixture);
  expect_nothing_twice(fixture);
  expect_all_shown(fixture, &seen);
}

// Compaction enters the older settings once more, behind the newer ones.
static void knows_the_newest_settings_when_older_ones_were_entered_again(void **state) {
  struct fixture *fixture = *state;
  struct seen seen = {0};
  const struct integrity_digest older = fixture_id(901, 10), newer = fixture_id(902, 10);
  const struct store_original original = fixture_put(fixture, "default", 1, BYTES);
  assert_int_equal(store_ledger_note_config(fixture->store, &older, "1.0", NULL), BASE_OK);
  fill(fixture, &original, 0, &seen);
  begin_compacting(fixture);
  bad_disk_fail(BAD_OPEN, "ledger/entries/000", EMFILE);
  wake_writer(fixture);
  while (!is_hindered(fixture)) sched_yield();
  assert_int_equal(store_ledger_note_config(fixture->store, &newer, "1.0", NULL), BASE_OK);
  bad_disk_mend();
  wake_writer(fixture);
  while (ledger_status(fixture).compactions == 0) sched_yield();
  fixture->config.ledger.compact_bytes = UINT64_MAX / 2;
  fixture_reopen(fixture);
  struct ledger_view view;
  ledger_read(fixture->root, &view);
  uint64_t at[2] = {0};
  for (uint64_t i = view.first; i < view.size; i++) {
    const struct ledger_line *line = &view.lines[i - view.first];
    if (line->entry.kind != INTEGRITY_ENTRY_CONFIG) continue;
    at[integrity_digest_equal(&line->subject.object, &newer)] = i;
  }
  ledger_free(&view);
  assert_true(at[0] > at[1] && at[1] > 0);
  const uint64_t size = ledger_status(fixture).size;
  assert_int_equal(store_ledger_note_config(fixture->store, &newer, "1.0", NULL), BASE_OK);
  assert_int_equal(ledger_status(fixture).size, size);
  assert_int_equal(store_ledger_note_config(fixture->store, &older, "1.0", NULL), BASE_OK);
  assert_int_equal(ledger_status(fixture).size, size + 1);
}

// Writing that fails.

static void tells_why_it_can_not_be_written(void **state) {
  struct fixture *fixture = *state;
  static const char at_present[] = "it can not be written at present: ";
  fixture_put(fixture, "default", 1, BYTES);
  (void)wait_signed(fixture);
  bad_disk_fail(BAD_WRITE, "ledger/entries", ENOSPC);
  struct base_fault fault = {0};
  assert_int_equal(upload(fixture, 2, &fault), BASE_NO_SPACE);
  assert_non_null(strstr(fault.text, "the ledger can not be written: "));
  assert_non_null(strstr(fault.text, strerror(ENOSPC)));
  assert_int_equal(fixture_find(fixture, "default", 2, BYTES), BASE_NOT_FOUND);
  struct store_ledger_status status = ledger_status(fixture);
  assert_int_equal(status.state, STORE_LEDGER_RUNNING);
  assert_memory_equal(status.reason, at_present, sizeof at_present - 1);
  assert_non_null(strstr(status.reason, strerror(ENOSPC)));
  assert_in_range(failures(fixture), 1, 1000);
  assert_int_equal(fixture_gauge(fixture, "pixpop_store_ledger_queue"), 2);  // the put, and that it goes again
  bad_disk_mend();
  fixture_put(fixture, "default", 3, BYTES);
  status = wait_signed(fixture);
  assert_string_equal(status.reason, "");
  assert_int_equal(fixture_gauge(fixture, "pixpop_store_ledger_queue"), 0);
  assert_int_equal(fixture_counter(fixture, "pixpop_store_ledger_dropped_total", ""), 0);
  ledger_expect_match(fixture, "default");
}

// Its own entry is not durable yet, so the answer can not be that all is well; but the original was there before.
static void keeps_an_original_whose_second_upload_it_refuses(void **state) {
  struct fixture *fixture = *state;
  fixture_close(fixture);
  fixture->config.ledger.is_on = false;
  fixture_open(fixture);
  const struct store_original original = fixture_put(fixture, "default", 1, BYTES);
  assert_int_equal(fixture_put_variant(fixture->store, &original, 1, BODY), BASE_OK);
  fixture_close(fixture);
  fixture->config.ledger.is_on = true;
  bad_disk_fail(BAD_WRITE, "ledger/entries", EIO);
  ledger_open(fixture);
  for (unsigned i = 0; i < 2; i++) {
    assert_int_equal(upload(fixture, 1, NULL), BASE_IO);
    assert_int_equal(fixture_find(fixture, "default", 1, BYTES), BASE_OK);
    assert_true(fixture_bytes_match(fixture->store, 1, BYTES));
    assert_int_equal(fixture_get_variant(fixture->store, 1, BODY), BASE_OK);
  }
  bad_disk_mend();
  fixture_put(fixture, "default", 1, BYTES);
  ledger_expect_match(fixture, "default");
  struct ledger_view view;
  ledger_read(fixture->root, &view);
  for (uint64_t i = 0; i < view.size; i++) assert_int_not_equal(view.lines[i].entry.kind, INTEGRITY_ENTRY_EVICT);
  assert_int_equal(ledger_count(&view, INTEGRITY_ENTRY_PUT), 1);
  ledger_free(&view);
}

// The queue's bound.

static int64_t dropped(struct fixture *fixture) {
  return fixture_counter(fixture, "pixpop_store_ledger_dropped_total", "");
}

// Of the only variant there is, as its first entry has it.
static struct integrity_digest root_of_derive(struct fixture *fixture) {
  struct ledger_view view;
  struct integrity_digest root = {{0}};
  ledger_read(fixture->root, &view);
  assert_int_equal(ledger_count(&view, INTEGRITY_ENTRY_DERIVE), 1);
  for (uint64_t i = 0; i < view.size; i++) {
    if (view.lines[i].entry.kind == INTEGRITY_ENTRY_DERIVE) root = view.lines[i].subject.root;
  }
  ledger_free(&view);
  return root;
}

// Made anew as often as there is room for it: each time the old one ends and the new one begins.
static void fill_queue(struct fixture *fixture, const struct store_original *original) {
  const struct store_variant variant = fixture_variant(original, 0, BODY);
  const struct integrity_digest root = root_of_derive(fixture);
  const uint64_t most = ledger_status(fixture).signed_size + STORE_LEDGER_MAX_QUEUE - STORE_LEDGER_QUEUE_RESERVE;
  while (ledger_status(fixture).size < most) {
    assert_int_equal(dropped(fixture), 0);
    store_ledger_derive(fixture->store, &variant, &root);
  }
  // The old one could still be ended; what is there now has no entry.
  assert_int_equal(ledger_status(fixture).size, most);
  assert_int_equal(dropped(fixture), 1);
  for (int i = 2; i <= 4; i++) {
    store_ledger_derive(fixture->store, &variant, &root);
    assert_int_equal(dropped(fixture), i);
  }
  assert_int_equal(ledger_status(fixture).size, most);
}

// Up to the last place, with puts of what is not on the disk.
static void fill_reserve(struct fixture *fixture) {
  const struct integrity_digest root = fixture_id(0, BYTES);
  struct store_original original = {.tenant = "default", .bytes = BYTES};
  for (unsigned i = 0; i < STORE_LEDGER_QUEUE_RESERVE; i++) {
    integrity_digest_of(base_span_of(&i, sizeof i), &original.id);
    assert_int_not_equal(store_ledger_enter_put(fixture->store->ledger, &original, &root), INTEGRITY_ENTRY_NONE);
  }
  assert_int_equal(ledger_status(fixture).size - ledger_status(fixture).signed_size, STORE_LEDGER_MAX_QUEUE);
  assert_int_equal(dropped(fixture), 4);
}

static void expect_refused(enum base_result result, const struct base_fault *fault) {
  assert_int_equal(result, BASE_BUSY);
  assert_non_null(strstr(fault->text, "the ledger can not take an entry now: 65536 wait to be written"));
  assert_non_null(strstr(fault->text, strerror(ENOSPC)));
}

// What compaction could not enter is tried again, and not lost.
static void expect_no_renewal(struct fixture *fixture) {
  struct store_ledger *ledger = fixture->store->ledger;
  const int64_t before = dropped(fixture);
  pthread_mutex_lock(&ledger->lock);
  struct store_ledger_item *item = store_ledger_item_new(ledger, INTEGRITY_ENTRY_PUT, 0);
  assert_non_null(item);
  item->renews = 0;
  assert_int_equal(store_ledger_enqueue(ledger, item), INTEGRITY_ENTRY_NONE);
  pthread_mutex_unlock(&ledger->lock);
  assert_int_equal(dropped(fixture), before);
}

static void bounds_what_waits_to_be_written(void **state) {
  struct fixture *fixture = *state;
  const struct integrity_digest settings = fixture_id(901, 10);
  struct base_fault fault = {0};
  const struct store_original original = fixture_put(fixture, "default", 1, BYTES);
  assert_int_equal(fixture_put_variant(fixture->store, &original, 0, BODY), BASE_OK);
  ledger_settle(fixture->store);
  (void)wait_signed(fixture);
  bad_disk_fail(BAD_WRITE, "ledger/entries", ENOSPC);
  // Refused, it waits nevertheless: the next ones come in pairs, and the last pair is parted.
  assert_int_equal(store_ledger_note_config(fixture->store, &settings, "1.0", NULL), BASE_NO_SPACE);
  fill_queue(fixture, &original);
  fill_reserve(fixture);
  expect_no_renewal(fixture);
  const uint64_t size = ledger_status(fixture).size;
  expect_refused(upload(fixture, 2, &fault), &fault);
  assert_int_equal(fixture_find(fixture, "default", 2, BYTES), BASE_NOT_FOUND);
  assert_int_equal(dropped(fixture), 5);
  base_fault_clear(&fault);
  const struct integrity_digest others = fixture_id(902, 10);
  expect_refused(store_ledger_note_config(fixture->store, &others, "1.0", &fault), &fault);
  assert_int_equal(ledger_status(fixture).size, size);
  bad_disk_mend();
  assert_int_equal(store_ledger_note_config(fixture->store, &settings, "1.0", NULL), BASE_OK);  // waits for all of it
  fixture_put(fixture, "default", 3, BYTES);
  assert_int_equal(store_ledger_note_config(fixture->store, &others, "1.0", NULL), BASE_OK);
  assert_int_equal(wait_signed(fixture).size, size + 2);
  assert_int_equal(dropped(fixture), 6);
  fixture_reopen(fixture);
  ledger_expect_match(fixture, "default");
}

// Purges of many.

static void drop_all(struct fixture *fixture) {
  for (unsigned seed = 0; seed < PURGED; seed++) {
    const struct integrity_digest id = fixture_id(seed, BYTES);
    uint64_t dropped;
    assert_int_equal(store_variants_drop(fixture->store, "default", &id, &dropped, NULL), BASE_OK);
    assert_int_equal(dropped, 1);
  }
}

static void put_all(struct fixture *fixture) {
  for (unsigned seed = 0; seed < PURGED; seed++) {
    const struct store_original original = {.tenant = "default", .id = fixture_id(seed, BYTES)};
    assert_int_equal(fixture_put_variant(fixture->store, &original, seed, BODY), BASE_OK);
  }
  ledger_settle(fixture->store);
  (void)wait_signed(fixture);
}

static void waits_once_for_all_that_is_purged(void **state) {
  struct fixture *fixture = *state;
  for (unsigned seed = 0; seed < PURGED; seed++) fixture_put(fixture, "default", seed, BYTES);
  put_all(fixture);
  bad_disk_count_syncs("ledger/entries/000");
  drop_all(fixture);
  assert_int_equal(bad_disk_syncs(), 0);
  assert_int_equal(store_variants_settle(fixture->store, NULL), BASE_OK);
  assert_int_equal(bad_disk_syncs(), 1);
  struct ledger_view view;
  ledger_read(fixture->root, &view);
  assert_int_equal(ledger_count(&view, INTEGRITY_ENTRY_PURGE), PURGED);
  ledger_free(&view);
  put_all(fixture);
  bad_disk_fail(BAD_WRITE, "ledger/entries", EIO);
  drop_all(fixture);
  struct base_fault fault = {0};
  assert_int_equal(store_variants_settle(fixture->store, &fault), BASE_IO);
  assert_non_null(strstr(fault.text, "the ledger can not be written"));
  bad_disk_mend();
  assert_int_equal(store_variants_settle(fixture->store, NULL), BASE_OK);
  ledger_read(fixture->root, &view);
  assert_int_equal(ledger_count(&view, INTEGRITY_ENTRY_PURGE), 2 * PURGED);
  ledger_free(&view);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(goes_on_when_an_old_bundle_can_not_be_read, setup, teardown),
      cmocka_unit_test_setup_teardown(compacts_on_when_there_are_descriptors_again, setup, teardown),
      cmocka_unit_test_setup_teardown(compacts_on_when_there_is_room_again, setup, teardown),
      cmocka_unit_test_setup_teardown(compacts_on_when_there_is_memory_again, setup, teardown),
      cmocka_unit_test_setup_teardown(knows_the_newest_settings_when_older_ones_were_entered_again, setup, teardown),
      cmocka_unit_test_setup_teardown(tells_why_it_can_not_be_written, setup, teardown),
      cmocka_unit_test_setup_teardown(keeps_an_original_whose_second_upload_it_refuses, setup, teardown),
      cmocka_unit_test_setup_teardown(bounds_what_waits_to_be_written, setup, teardown),
      cmocka_unit_test_setup_teardown(waits_once_for_all_that_is_purged, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
