// The scrubber: what it verifies, drops, mends and reports, and what of that stays over restarts.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fixture.h"
#include "store/scrub.h"
#include "store/tree.h"

enum { BLOCK = INTEGRITY_BLOCK_BYTES, LARGE = 5 * BLOCK + 99, SMALL = 1000, MOST_DROPPED = 64, PATIENCE = 60 * 1000 };

struct dropped {
  pthread_mutex_t lock;
  size_t count;
  struct store_variant list[MOST_DROPPED];
};

static void on_dropped(void *self, const struct store_variant *variant) {
  struct dropped *dropped = self;
  pthread_mutex_lock(&dropped->lock);
  if (dropped->count < MOST_DROPPED) dropped->list[dropped->count++] = *variant;
  pthread_mutex_unlock(&dropped->lock);
}

static struct dropped dropped = {.lock = PTHREAD_MUTEX_INITIALIZER};

// Rests for a day between rounds, so that each is asked for.
static struct store_scrub *start(struct fixture *fixture) {
  const struct store_scrub_config config = {
      .rest_s = 86400, .settle_s = 86400, .on_dropped = on_dropped, .self = &dropped};
  struct store_scrub *scrub;
  dropped.count = 0;
  assert_int_equal(store_scrub_start(fixture->store, &config, &scrub, NULL), BASE_OK);
  return scrub;
}

static struct store_scrub_report wait_for(struct store_scrub *scrub, uint64_t rounds) {
  static struct store_scrub_report report;
  for (int i = 0; i < PATIENCE; i++) {
    store_scrub_get_report(scrub, &report);
    if (report.rounds >= rounds && !report.is_walking) return report;
    usleep(1000);
  }
  fail_msg("the round does not end");
  return report;
}

static struct store_scrub_report walk(struct store_scrub *scrub) {
  static struct store_scrub_report before;
  store_scrub_get_report(scrub, &before);
  store_scrub_run(scrub);
  return wait_for(scrub, before.rounds + 1);
}

static struct store_scrub_report walk_once(struct fixture *fixture) {
  struct store_scrub *scrub = start(fixture);
  const struct store_scrub_report report = walk(scrub);
  store_scrub_stop(&scrub);
  assert_null(scrub);
  return report;
}

static uint64_t file_bytes(const char *path) {
  struct stat info;
  assert_int_equal(stat(path, &info), 0);
  return (uint64_t)info.st_size;
}

static int setup(void **state) {
  if (fixture_setup(state) != 0) return -1;
  struct fixture *fixture = *state;
  fixture->config.variant_budget_bytes = 64 * 1024 * 1024;
  fixture_reopen(fixture);
  return 0;
}

// Where there may be no direct reads.
static int setup_in_memory(void **state) {
  static struct fixture fixture;
  fixture_init_in(&fixture, fixture_fast_folder());
  fixture.config.variant_budget_bytes = 64 * 1024 * 1024;
  fixture_open(&fixture);
  *state = &fixture;
  return 0;
}

static int64_t found(struct fixture *fixture, const char *labels) {
  return fixture_counter(fixture, "pixpop_scrub_found_total", labels);
}

static void finds_nothing_and_reads_everything_when_all_is_well(void **state) {
  struct fixture *fixture = *state;
  const struct store_original large = fixture_put(fixture, "default", 1, LARGE);
  fixture_put(fixture, "default", 2, 0);
  fixture_put(fixture, "other", 1, LARGE);
  for (unsigned i = 0; i < 5; i++) assert_int_equal(fixture_put_variant(fixture->store, &large, i, SMALL), BASE_OK);
  assert_int_equal(fixture_put_variant(fixture->store, &large, 5, LARGE), BASE_OK);
  assert_int_equal(fixture_put_variant(fixture->store, &large, 6, 0), BASE_OK);
  assert_int_equal(fixture_put_level(fixture->store, &large.id, 2, LARGE), BASE_OK);
  char path[PATH_MAX];
  uint64_t bytes = LARGE;
  static const char *const sidecars[] = {".default.rec", ".other.rec"};
  for (size_t i = 0; i < 2; i++) {
    fixture_original_path(fixture, &large.id, sidecars[i], path);
    bytes += file_bytes(path);
  }
  const struct integrity_digest empty = fixture_id(2, 0);
  fixture_original_path(fixture, &empty, ".default.rec", path);
  bytes += file_bytes(path);
  for (unsigned i = 0; i < 7; i++) {
    fixture_variant_path(fixture, i, path);
    bytes += file_bytes(path);
  }
  struct store_scrub *scrub = start(fixture);
  for (uint64_t round = 1; round <= 2; round++) {
    const struct store_scrub_report report = walk(scrub);
    assert_int_equal(report.rounds, round);
    assert_int_equal(report.round_objects, 10);
    assert_int_equal(report.total_objects, 10);
    assert_true(report.round_bytes > bytes + LARGE);  // and the level
    assert_true(report.round_bytes < bytes + LARGE + 4096);
    assert_int_equal(report.verified_bytes, round * report.round_bytes);
    assert_int_equal(report.damaged_variants + report.damaged_levels + report.damaged_originals, 0);
    assert_int_equal(report.damaged_count, 0);
    assert_true(report.last_round_s > 1700000000);
  }
  store_scrub_stop(&scrub);
  assert_int_equal(dropped.count, 0);
  assert_int_equal(fixture_counter(fixture, "pixpop_scrub_rounds_total", ""), 2);
  for (unsigned i = 0; i < 5; i++) assert_int_equal(fixture_get_variant(fixture->store, i, SMALL), BASE_OK);
}

// A bit of every field, of metadata, of each block and of each leaf; cut and lengthened; gone.
static void drops_a_variant_wherever_it_is_damaged(void **state) {
  struct fixture *fixture = *state;
  const struct store_original original = fixture_put(fixture, "default", 1, SMALL);
  static const long places[] = {0,   12,  16,    24,     28,         32,         64,         96,
                                127, 130, 200,   600,    999,        -1,         -32,        -64,
                                -65, -99, -1000, -BLOCK, -2 * BLOCK, -3 * BLOCK, -4 * BLOCK, -5 * BLOCK};
  enum { PLACES = sizeof places / sizeof places[0], SHORT = PLACES, LONG, EMPTY, GONE, ALL, STAY = 4 };
  for (unsigned i = 0; i < ALL + STAY; i++) {
    assert_int_equal(fixture_put_variant(fixture->store, &original, i, LARGE), BASE_OK);
  }
  char path[PATH_MAX];
  fixture_variant_path(fixture, 0, path);
  const long bytes = (long)file_bytes(path);
  for (unsigned i = 0; i < PLACES; i++) {
    fixture_variant_path(fixture, i, path);
    fixture_flip_bit(path, places[i] < 0 ? bytes + places[i] : places[i]);
  }
  fixture_variant_path(fixture, SHORT, path);
  assert_int_equal(truncate(path, bytes - 1), 0);
  fixture_variant_path(fixture, LONG, path);
  assert_int_equal(truncate(path, bytes + 32), 0);
  fixture_variant_path(fixture, EMPTY, path);
  assert_int_equal(truncate(path, 0), 0);
  fixture_variant_path(fixture, GONE, path);
  assert_int_equal(unlink(path), 0);

  const struct store_scrub_report report = walk_once(fixture);
  assert_int_equal(report.damaged_variants, ALL);
  assert_int_equal(report.damaged_levels + report.damaged_originals, 0);
  assert_int_equal(dropped.count, ALL);
  bool seen[ALL] = {false};
  for (size_t i = 0; i < dropped.count; i++) {
    unsigned number = 0;
    struct cache_key key;
    do {
      key = fixture_key(number);
    } while (memcmp(key.bytes, dropped.list[i].key.bytes, sizeof key.bytes) != 0 && ++number < ALL);
    assert_true(number < ALL);
    assert_false(seen[number]);
    seen[number] = true;
    const struct store_variant expected = fixture_variant(&original, number, LARGE);
    assert_string_equal(dropped.list[i].recipe, expected.recipe);
    assert_string_equal(dropped.list[i].tenant, "default");
    assert_true(integrity_digest_equal(&dropped.list[i].original, &original.id));
  }
  for (unsigned i = 0; i < ALL; i++) {
    const struct cache_key key = fixture_key(i);
    assert_false(store_variant_exists(fixture->store, &key));
    fixture_variant_path(fixture, i, path);
    assert_false(fixture_exists(path));
  }
  for (unsigned i = ALL; i < ALL + STAY; i++) {
    assert_int_equal(fixture_get_variant(fixture->store, i, LARGE), BASE_OK);
  }
  assert_int_equal(found(fixture, "kind=\"variant\""), ALL);
  assert_int_equal(fixture_counter(fixture, "pixpop_store_damaged_total", ""), ALL);
}

static void leaves_a_record_of_another_firmware_alone(void **state) {
  struct fixture *fixture = *state;
  const struct store_original original = fixture_put(fixture, "default", 1, SMALL);
  assert_int_equal(fixture_put_variant(fixture->store, &original, 1, SMALL), BASE_OK);
  char path[PATH_MAX];
  fixture_variant_path(fixture, 1, path);
  fixture_flip_bit(path, 8);
  const struct store_scrub_report report = walk_once(fixture);
  assert_int_equal(report.damaged_variants + report.damaged_levels + report.damaged_originals, 0);
  assert_true(fixture_exists(path));
}

static void drops_a_damaged_level_and_tells_nobody_to_make_it(void **state) {
  struct fixture *fixture = *state;
  const struct store_original original = fixture_put(fixture, "default", 1, SMALL);
  // One damaged where it says what it is, one behind.
  assert_int_equal(fixture_put_level(fixture->store, &original.id, 2, LARGE), BASE_OK);
  assert_int_equal(fixture_put_level(fixture->store, &original.id, 4, LARGE), BASE_OK);
  fixture_reopen(fixture);  // the index knows them
  char folder[PATH_MAX], command[2 * PATH_MAX];
  fixture_path(fixture, "variants", folder);
  snprintf(command, sizeof command,
           "set -- $(find %s -name '*.rec'); printf x | dd of=$1 bs=1 seek=40 conv=notrunc status=none; "
           "printf xx | dd of=$2 bs=1 seek=70000 conv=notrunc status=none",
           folder);
  assert_int_equal(system(command), 0);
  const struct store_scrub_report report = walk_once(fixture);
  assert_int_equal(report.damaged_levels, 2);
  assert_int_equal(report.damaged_variants + report.damaged_originals, 0);
  assert_int_equal(dropped.count, 0);
  assert_int_equal(fixture_count_files(fixture, "variants"), 0);
  assert_int_equal(found(fixture, "kind=\"level\""), 2);
  assert_int_equal(fixture_get_level(fixture->store, &original.id, 2, LARGE), BASE_NOT_FOUND);
}

static void reports_damaged_originals_until_they_are_healed(void **state) {
  struct fixture *fixture = *state;
  char path[PATH_MAX];
  for (unsigned i = 0; i < 6; i++) fixture_put(fixture, "default", i, LARGE);
  for (unsigned i = 0; i < 5; i++) {  // 5 stays whole
    const struct integrity_digest id = fixture_id(i, LARGE);
    fixture_original_path(fixture, &id, "", path);
    if (i == 0) fixture_flip_bit(path, 0);
    if (i == 1) fixture_flip_bit(path, LARGE - 1);
    if (i == 2) assert_int_equal(truncate(path, LARGE - 1), 0);
    if (i == 3) assert_int_equal(truncate(path, LARGE + 1), 0);
    if (i == 4) assert_int_equal(unlink(path), 0);
  }
  struct store_scrub *scrub = start(fixture);
  for (int round = 0; round < 2; round++) {
    const struct store_scrub_report report = walk(scrub);
    assert_int_equal(report.damaged_originals, 5);  // told once
    assert_int_equal(report.damaged_count, 5);
    for (unsigned i = 0; i < 5; i++) {
      const struct integrity_digest id = fixture_id(i, LARGE);
      size_t at = 0;
      while (at < 5 && !integrity_digest_equal(&report.damaged[at].id, &id)) at++;
      assert_true(at < 5);
      assert_true(report.damaged[at].found_s > 1700000000);
    }
  }
  assert_int_equal(found(fixture, "kind=\"original\""), 5);
  assert_int_equal(fixture_gauge(fixture, "pixpop_store_damaged_originals"), 5);
  assert_int_equal(dropped.count, 0);
  for (unsigned i = 0; i < 6; i++) assert_int_equal(fixture_bytes_match(fixture->store, i, LARGE), i == 5);

  fixture_put(fixture, "default", 0, LARGE);
  fixture_put(fixture, "default", 4, LARGE);
  const struct integrity_digest deleted = fixture_id(1, LARGE), mended = fixture_id(2, LARGE);
  assert_int_equal(store_original_delete(fixture->store, "default", &deleted, NULL), BASE_OK);
  fixture_original_path(fixture, &mended, "", path);  // by somebody with a backup
  uint8_t *bytes = malloc(LARGE);
  assert_non_null(bytes);
  fixture_bytes(2, LARGE, bytes);
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  assert_int_equal(fwrite(bytes, 1, LARGE, file), LARGE);
  assert_int_equal(fclose(file), 0);
  free(bytes);
  assert_int_equal(fixture_gauge(fixture, "pixpop_store_damaged_originals"), 2);
  const struct store_scrub_report report = walk(scrub);
  assert_int_equal(report.damaged_count, 1);
  const struct integrity_digest left = fixture_id(3, LARGE);
  assert_true(integrity_digest_equal(&report.damaged[0].id, &left));
  store_scrub_stop(&scrub);
}

static void mends_records_of_originals_from_the_index_and_trees_from_the_bytes(void **state) {
  struct fixture *fixture = *state;
  const struct store_original original = fixture_put(fixture, "default", 1, LARGE);
  const struct store_original lost = fixture_put(fixture, "default", 2, LARGE);
  const struct store_original bare = fixture_put(fixture, "default", 3, LARGE);
  char path[PATH_MAX], tree[PATH_MAX], missing[PATH_MAX];
  fixture_original_path(fixture, &original.id, ".default.rec", path);
  fixture_flip_bit(path, 150);
  fixture_original_path(fixture, &original.id, ".tree", tree);
  fixture_flip_bit(tree, -3 + (long)file_bytes(tree));
  fixture_original_path(fixture, &lost.id, ".default.rec", path);
  assert_int_equal(unlink(path), 0);
  fixture_original_path(fixture, &bare.id, ".tree", missing);
  assert_int_equal(unlink(missing), 0);
  const struct store_scrub_report report = walk_once(fixture);
  assert_int_equal(report.damaged_count, 1);  // a record that is gone is not made up
  assert_true(integrity_digest_equal(&report.damaged[0].id, &lost.id));
  assert_int_equal(fixture_counter(fixture, "pixpop_store_damaged_total", ""), 2);  // record and tree
  assert_true(fixture_exists(missing));
  const int64_t damaged = fixture_counter(fixture, "pixpop_store_damaged_total", "");
  struct store_tree found_tree;
  assert_int_equal(store_original_tree(fixture->store, &original.id, &found_tree, NULL), BASE_OK);
  base_blob_unref(&found_tree.leaves);
  assert_int_equal(fixture_counter(fixture, "pixpop_store_damaged_total", ""), damaged);

  fixture_put(fixture, "default", 2, LARGE);
  assert_int_equal(fixture_gauge(fixture, "pixpop_store_damaged_originals"), 0);
  fixture_close(fixture);
  fixture_path(fixture, "index.sqlite", path);
  assert_int_equal(unlink(path), 0);
  fixture_open(fixture);  // the records are the truth, and whole
  struct store_original read;
  assert_int_equal(store_original_find(fixture->store, "default", &original.id, &read, NULL), BASE_OK);
  assert_string_equal(read.name, original.name);
  assert_string_equal(read.tags, original.tags);
  assert_int_equal(read.created_s, original.created_s);
  assert_int_equal(fixture_find(fixture, "default", 2, LARGE), BASE_OK);
}

static void keeps_what_it_knows_over_restarts_however_they_come(void **state) {
  struct fixture *fixture = *state;
  const struct store_original original = fixture_put(fixture, "default", 1, SMALL);
  char path[PATH_MAX];
  fixture_original_path(fixture, &original.id, "", path);
  fixture_flip_bit(path, 5);
  const struct store_scrub_report first = walk_once(fixture);
  assert_int_equal(first.damaged_count, 1);
  for (int i = 0; i < 3; i++) {
    if (i == 1) {
      fixture_close(fixture);
      fixture_make_unclean(fixture);
      fixture_open(fixture);
    } else {
      fixture_reopen(fixture);
    }
    assert_int_equal(fixture_gauge(fixture, "pixpop_store_damaged_originals"), 1);
    struct store_scrub *scrub = start(fixture);
    static struct store_scrub_report report;
    store_scrub_get_report(scrub, &report);
    store_scrub_stop(&scrub);
    assert_int_equal(report.rounds, 0);
    assert_int_equal(report.last_round_s, first.last_round_s);
    assert_int_equal(report.damaged_count, 1);
    assert_int_equal(report.damaged[0].found_s, first.damaged[0].found_s);
    assert_true(integrity_digest_equal(&report.damaged[0].id, &original.id));
  }
  fixture_close(fixture);  // what is known of damage is no reason not to open
  fixture_path(fixture, "findings.rec", path);
  fixture_flip_bit(path, 100);
  fixture_open(fixture);
  assert_int_equal(fixture_gauge(fixture, "pixpop_store_damaged_originals"), 0);
  assert_int_equal(walk_once(fixture).damaged_count, 1);
}

static void knows_what_a_read_has_found(void **state) {
  struct fixture *fixture = *state;
  const struct store_original original = fixture_put(fixture, "default", 1, SMALL);
  char path[PATH_MAX];
  int fd;
  fixture_original_path(fixture, &original.id, "", path);
  fixture_flip_bit(path, 5);
  assert_int_equal(store_original_open(fixture->store, &original.id, &fd, NULL), BASE_CORRUPT);
  fixture_reopen(fixture);
  const struct store_scrub_report report = walk_once(fixture);
  assert_int_equal(report.damaged_count, 1);
  assert_int_equal(report.damaged_originals, 0);  // it was known
}

// Stopped in the middle, which its rate leaves time for.
static void goes_on_where_it_was_stopped(void **state) {
  struct fixture *fixture = *state;
  enum { COUNT = 12 };
  for (unsigned i = 0; i < COUNT; i++) fixture_put(fixture, "default", i, LARGE);
  const struct store_scrub_config slow = {.bytes_per_s = 2 * 1024 * 1024, .rest_s = 86400};
  struct store_scrub *scrub;
  static struct store_scrub_report report;
  assert_int_equal(store_scrub_start(fixture->store, &slow, &scrub, NULL), BASE_OK);
  do {
    usleep(1000);
    store_scrub_get_report(scrub, &report);
  } while (report.round_objects < 3);
  assert_true(report.is_walking);
  store_scrub_stop(&scrub);
  fixture_reopen(fixture);

  const struct store_scrub_config fast = {.rest_s = 86400};
  assert_int_equal(store_scrub_start(fixture->store, &fast, &scrub, NULL), BASE_OK);
  report = wait_for(scrub, 1);
  assert_in_range(report.round_objects, 1, COUNT - 1);
  report = walk(scrub);
  assert_int_equal(report.round_objects, COUNT);
  store_scrub_stop(&scrub);
}

struct writers {
  struct store *store;
  atomic_bool is_over;
  struct store_original original;
};

static void *write_and_delete(void *argument) {
  struct writers *writers = argument;
  for (unsigned i = 0; !atomic_load(&writers->is_over); i++) {
    struct store_original original;
    bool is_new;
    if (fixture_upload(writers->store, "default", 10 + i % 4, LARGE, &original, &is_new) != BASE_OK) abort();
    if (fixture_put_variant(writers->store, &writers->original, i % 8, SMALL + i) != BASE_OK) abort();
    const struct cache_key key = fixture_key(i % 5);
    if (i % 3 == 0) (void)!store_variant_drop(writers->store, &key, NULL);
    if (i % 2 && store_original_delete(writers->store, "default", &original.id, NULL) != BASE_OK) abort();
  }
  return NULL;
}

static void finds_no_damage_in_what_changes_under_it(void **state) {
  struct fixture *fixture = *state;
  struct writers writers = {.store = fixture->store, .original = fixture_put(fixture, "default", 1, SMALL)};
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, write_and_delete, &writers), 0);
  struct store_scrub *scrub = start(fixture);
  static struct store_scrub_report report;
  for (int i = 0; i < 8; i++) report = walk(scrub);
  atomic_store(&writers.is_over, true);
  assert_int_equal(pthread_join(thread, NULL), 0);
  store_scrub_stop(&scrub);
  assert_int_equal(report.damaged_originals + report.damaged_variants + report.damaged_levels, 0);
  assert_int_equal(report.damaged_count, 0);
  assert_int_equal(dropped.count, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(finds_nothing_and_reads_everything_when_all_is_well, setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(finds_nothing_and_reads_everything_when_all_is_well, setup_in_memory,
                                      fixture_teardown),
      cmocka_unit_test_setup_teardown(drops_a_variant_wherever_it_is_damaged, setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(leaves_a_record_of_another_firmware_alone, setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(drops_a_damaged_level_and_tells_nobody_to_make_it, setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(reports_damaged_originals_until_they_are_healed, setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(mends_records_of_originals_from_the_index_and_trees_from_the_bytes, setup,
                                      fixture_teardown),
      cmocka_unit_test_setup_teardown(keeps_what_it_knows_over_restarts_however_they_come, setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(knows_what_a_read_has_found, setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(goes_on_where_it_was_stopped, setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(finds_no_damage_in_what_changes_under_it, setup, fixture_teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
