// The ledger beside the store: what is entered, when it is durable, what is served and proven of it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "ledger_fixture.h"

enum { BYTES = 3000, MANY = 700 };

static int setup(void **state) {
  static struct fixture fixture;
  fixture_init_in(&fixture, fixture_fast_folder());
  ledger_configure(&fixture, 1);
  ledger_open(&fixture);
  *state = &fixture;
  return 0;
}

static int teardown(void **state) {
  fixture_finish(*state);
  return 0;
}

static void is_off_without_being_asked_for(void **state) {
  (void)state;
  struct fixture fixture;
  fixture_init_in(&fixture, fixture_fast_folder());
  fixture_open(&fixture);
  fixture_put(&fixture, "default", 1, BYTES);
  assert_int_equal(ledger_status(&fixture).state, STORE_LEDGER_OFF);
  struct base_buffer out;
  base_buffer_init(&out, 10000);
  assert_int_equal(store_ledger_checkpoint(fixture.store, &out, NULL), BASE_NOT_FOUND);
  char path[PATH_MAX];
  fixture_path(&fixture, "ledger", path);
  assert_false(fixture_exists(path));
  base_buffer_finish(&out);
  fixture_finish(&fixture);
}

static void keeps_its_key_private_and_its_name_the_keys(void **state) {
  struct fixture *fixture = *state;
  char path[PATH_MAX];
  struct stat info;
  fixture_path(fixture, "ledger/key", path);
  assert_int_equal(stat(path, &info), 0);
  assert_int_equal(info.st_mode & 0777, 0600);
  assert_int_equal(info.st_size, INTEGRITY_SEED_BYTES);
  const struct store_ledger_status status = ledger_status(fixture);
  struct integrity_note_key key;
  assert_int_equal(integrity_note_key_parse(base_span_text(status.vkey), &key, NULL), BASE_OK);
  assert_string_equal(key.name, status.origin);
  assert_int_equal(strlen(status.origin), strlen("pixpop-01234567.local/ledger"));
  assert_int_equal(status.size, 0);
  struct ledger_view view;
  ledger_read(fixture->root, &view);
  assert_int_equal(view.head.size, 0);
  ledger_free(&view);
  fixture_reopen(fixture);
  assert_string_equal(ledger_status(fixture).vkey, status.vkey);
}

// Nobody settles here: what is read are the files at that moment.
static void has_a_put_on_the_disk_before_the_upload_returns(void **state) {
  struct fixture *fixture = *state;
  const struct store_original original = fixture_put(fixture, "default", 1, BYTES);
  struct ledger_view view;
  ledger_read(fixture->root, &view);
  assert_int_equal(view.size, 1);
  assert_int_equal(view.lines[0].entry.kind, INTEGRITY_ENTRY_PUT);
  assert_true(integrity_digest_equal(&view.lines[0].subject.object, &original.id));
  assert_string_equal(view.lines[0].subject.tenant, "default");
  assert_int_equal(view.lines[0].subject.bytes, BYTES);
  ledger_free(&view);
  fixture_put(fixture, "default", 1, BYTES);  // again: nothing new
  assert_int_equal(ledger_status(fixture).size, 1);
  fixture_put(fixture, "other", 1, BYTES);
  assert_int_equal(ledger_status(fixture).size, 2);
}

// A file where the folder of the entries should be.
static void refuses_an_upload_that_it_can_not_enter(void **state) {
  struct fixture *fixture = *state;
  char path[PATH_MAX];
  struct store_original original;
  bool is_new;
  fixture_path(fixture, "ledger/entries", path);
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  assert_int_equal(fclose(file), 0);
  assert_int_not_equal(fixture_upload(fixture->store, "default", 1, BYTES, &original, &is_new), BASE_OK);
  assert_int_equal(fixture_find(fixture, "default", 1, BYTES), BASE_NOT_FOUND);
  assert_int_equal(fixture_count_files(fixture, "originals"), 0);
  assert_int_equal(unlink(path), 0);
  fixture_put(fixture, "default", 2, BYTES);
  fixture_put(fixture, "default", 1, BYTES);
  ledger_expect_match(fixture, "default");
  fixture_reopen(fixture);
  ledger_expect_match(fixture, "default");
}

static void has_a_purge_on_the_disk_before_the_deletion_returns(void **state) {
  struct fixture *fixture = *state;
  const struct store_original original = fixture_put(fixture, "default", 1, BYTES);
  for (unsigned i = 0; i < 3; i++) assert_int_equal(fixture_put_variant(fixture->store, &original, i, 100), BASE_OK);
  struct ledger_view view;
  ledger_read(fixture->root, &view);
  assert_int_equal(view.size, 1);  // derives may come later
  ledger_free(&view);
  assert_int_equal(store_original_delete(fixture->store, "default", &original.id, NULL), BASE_OK);
  ledger_read(fixture->root, &view);
  assert_int_equal(view.size, 8);
  assert_int_equal(ledger_count(&view, INTEGRITY_ENTRY_PUT), 0);
  assert_int_equal(ledger_count(&view, INTEGRITY_ENTRY_DERIVE), 0);
  assert_int_equal(ledger_count(&view, INTEGRITY_ENTRY_PURGE), 4);
  assert_int_equal(view.lines[7].entry.refers, 0);
  ledger_free(&view);
  ledger_expect_match(fixture, "default");
}

static void tells_a_purge_from_an_eviction(void **state) {
  struct fixture *fixture = *state;
  const struct store_original original = fixture_put(fixture, "default", 1, BYTES);
  uint64_t dropped;
  for (unsigned i = 0; i < 4; i++) assert_int_equal(fixture_put_variant(fixture->store, &original, i, 100), BASE_OK);
  const struct cache_key key = fixture_key(1);
  assert_int_equal(store_variant_drop(fixture->store, &key, NULL), BASE_OK);
  char path[PATH_MAX];
  fixture_variant_path(fixture, 2, path);
  fixture_flip_bit(path, -1);
  assert_int_equal(fixture_get_variant(fixture->store, 2, 100), BASE_NOT_FOUND);  // dropped for its damage
  assert_int_equal(store_variants_drop(fixture->store, "default", &original.id, &dropped, NULL), BASE_OK);
  assert_int_equal(dropped, 2);
  assert_int_equal(store_variants_settle(fixture->store, NULL), BASE_OK);
  struct ledger_view view;
  ledger_read(fixture->root, &view);
  size_t evicts = 0;
  for (uint64_t i = 0; i < view.size; i++) evicts += view.lines[i].entry.kind == INTEGRITY_ENTRY_EVICT;
  assert_int_equal(evicts, 1);
  assert_int_equal(ledger_count(&view, INTEGRITY_ENTRY_PURGE), 3);
  assert_int_equal(ledger_count(&view, INTEGRITY_ENTRY_PUT), 1);
  ledger_free(&view);
}

static void says_what_the_tier_evicts_and_replaces(void **state) {
  struct fixture *fixture = *state;
  const struct store_original original = fixture_put(fixture, "default", 1, BYTES);
  for (unsigned i = 0; i < 100; i++) {  // in a budget of 1 MiB
    assert_int_equal(fixture_put_variant(fixture->store, &original, i, 30000), BASE_OK);
  }
  for (unsigned i = 97; i < 100; i++) {  // the same again, and another content under the same key
    assert_int_equal(fixture_put_variant(fixture->store, &original, i, 30000), BASE_OK);
    assert_int_equal(fixture_put_variant(fixture->store, &original, i, 20000), BASE_OK);
  }
  ledger_expect_match(fixture, "default");
  struct ledger_view view;
  ledger_read(fixture->root, &view);
  assert_in_range(ledger_count(&view, INTEGRITY_ENTRY_DERIVE), 20, 40);
  ledger_free(&view);
  fixture_reopen(fixture);
  ledger_expect_match(fixture, "default");
}

// Two recipes with the same bytes: each has its entry, and the right one ends.
static void tells_variants_of_equal_bytes_apart(void **state) {
  struct fixture *fixture = *state;
  const struct store_original original = fixture_put(fixture, "default", 1, BYTES);
  struct store_variant first = fixture_variant(&original, 1, 0), second = fixture_variant(&original, 2, 0);
  second.digest = first.digest;
  first.render_version = second.render_version = 7;
  const struct base_span nothing = {0};
  integrity_digest_of(nothing, &first.digest);
  second.digest = first.digest;
  assert_int_equal(store_variant_put(fixture->store, &first, nothing, NULL), BASE_OK);
  assert_int_equal(store_variant_put(fixture->store, &second, nothing, NULL), BASE_OK);
  assert_int_equal(store_variant_drop(fixture->store, &first.key, NULL), BASE_OK);
  for (int round = 0; round < 2; round++) {
    ledger_expect_match(fixture, "default");
    struct ledger_view view;
    ledger_read(fixture->root, &view);
    assert_true(view.lines[1].is_dead);
    assert_string_equal(view.lines[1].subject.recipe, first.recipe);
    assert_int_equal(view.lines[1].subject.render_version, 7);
    assert_false(view.lines[2].is_dead);
    ledger_free(&view);
    fixture_reopen(fixture);
  }
}

static void enters_settings_once_until_they_change(void **state) {
  struct fixture *fixture = *state;
  const struct integrity_digest one = fixture_id(1, 10), two = fixture_id(2, 10);
  assert_int_equal(store_ledger_note_config(fixture->store, &one, "1.0", NULL), BASE_OK);
  assert_int_equal(store_ledger_note_config(fixture->store, &one, "1.0", NULL), BASE_OK);
  assert_int_equal(ledger_status(fixture).size, 1);
  fixture_reopen(fixture);
  assert_int_equal(store_ledger_note_config(fixture->store, &one, "1.0", NULL), BASE_OK);
  assert_int_equal(ledger_status(fixture).size, 1);
  assert_int_equal(store_ledger_note_config(fixture->store, &one, "1.1", NULL), BASE_OK);
  assert_int_equal(store_ledger_note_config(fixture->store, &two, "1.1", NULL), BASE_OK);
  assert_int_equal(store_ledger_note_config(fixture->store, &one, "1.1", NULL), BASE_OK);
  struct ledger_view view;
  ledger_read(fixture->root, &view);
  assert_int_equal(ledger_count(&view, INTEGRITY_ENTRY_CONFIG), 4);
  assert_string_equal(view.lines[3].subject.version, "1.1");
  ledger_free(&view);
}

// Proofs and tiles.

static void expect_proof(struct fixture *fixture, const char *tenant, const struct integrity_digest *object,
                         enum integrity_entry_kind kind) {
  struct base_buffer text, storage;
  struct integrity_proof proof;
  struct integrity_proven proven;
  struct integrity_note_key key;
  base_buffer_init(&text, INTEGRITY_PROOF_MAX_BYTES);
  base_buffer_init(&storage, INTEGRITY_PROOF_MAX_BYTES);
  assert_int_equal(store_ledger_prove(fixture->store, tenant, object, NULL, &text, NULL), BASE_OK);
  assert_int_equal(integrity_proof_parse(base_buffer_span(&text), &storage, &proof, NULL), BASE_OK);
  assert_int_equal(integrity_note_key_parse(base_span_text(ledger_status(fixture).vkey), &key, NULL), BASE_OK);
  assert_int_equal(integrity_proof_check(&proof, &key, &proven, NULL), BASE_OK);
  assert_int_equal(proven.entry.kind, kind);
  assert_string_equal(proven.subject.tenant, tenant);
  assert_true(integrity_digest_equal(&proven.subject.object, object));
  base_buffer_finish(&text);
  base_buffer_finish(&storage);
}

static enum base_result prove(struct fixture *fixture, const char *tenant, const struct integrity_digest *object) {
  struct base_buffer text;
  base_buffer_init(&text, INTEGRITY_PROOF_MAX_BYTES);
  const enum base_result result = store_ledger_prove(fixture->store, tenant, object, NULL, &text, NULL);
  base_buffer_finish(&text);
  return result;
}

static void proves_what_is_there_at_once_and_nothing_else(void **state) {
  struct fixture *fixture = *state;
  const struct store_original original = fixture_put(fixture, "default", 1, BYTES);
  expect_proof(fixture, "default", &original.id, INTEGRITY_ENTRY_PUT);
  assert_int_equal(fixture_put_variant(fixture->store, &original, 5, 100), BASE_OK);
  const struct store_variant variant = fixture_variant(&original, 5, 100);
  expect_proof(fixture, "default", &variant.digest, INTEGRITY_ENTRY_DERIVE);  // not written yet
  assert_int_equal(prove(fixture, "other", &original.id), BASE_NOT_FOUND);
  assert_int_equal(prove(fixture, "no tenant", &original.id), BASE_BAD_INPUT);
  fixture_reopen(fixture);
  expect_proof(fixture, "default", &variant.digest, INTEGRITY_ENTRY_DERIVE);
  assert_int_equal(store_original_delete(fixture->store, "default", &original.id, NULL), BASE_OK);
  assert_int_equal(prove(fixture, "default", &original.id), BASE_NOT_FOUND);
  assert_int_equal(prove(fixture, "default", &variant.digest), BASE_NOT_FOUND);
}

// It may still be served from RAM. What somebody purged is not spoken of any more, nor what belonged to it.
static void proves_what_was_evicted_and_not_what_was_purged(void **state) {
  struct fixture *fixture = *state;
  const struct store_original original = fixture_put(fixture, "default", 1, BYTES);
  const struct store_variant evicted = fixture_variant(&original, 0, 30000),
                             purged = fixture_variant(&original, 90, 50);
  for (unsigned i = 0; i < 60; i++) {  // in a budget of 1 MiB
    assert_int_equal(fixture_put_variant(fixture->store, &original, i, 30000), BASE_OK);
  }
  assert_int_equal(fixture_put_variant(fixture->store, &original, 90, 50), BASE_OK);
  assert_int_equal(store_variant_drop(fixture->store, &purged.key, NULL), BASE_OK);
  assert_false(store_variant_exists(fixture->store, &evicted.key));
  expect_proof(fixture, "default", &evicted.digest, INTEGRITY_ENTRY_DERIVE);
  assert_int_equal(prove(fixture, "other", &evicted.digest), BASE_NOT_FOUND);
  assert_int_equal(prove(fixture, "default", &purged.digest), BASE_NOT_FOUND);
  assert_int_equal(fixture_put_variant(fixture->store, &original, 0, 30000), BASE_OK);  // there again: the newer one
  expect_proof(fixture, "default", &evicted.digest, INTEGRITY_ENTRY_DERIVE);
  const struct store_variant next = fixture_variant(&original, 1, 30000);
  expect_proof(fixture, "default", &next.digest, INTEGRITY_ENTRY_DERIVE);
  assert_int_equal(store_original_delete(fixture->store, "default", &original.id, NULL), BASE_OK);
  assert_int_equal(prove(fixture, "default", &evicted.digest), BASE_NOT_FOUND);
  assert_int_equal(prove(fixture, "default", &next.digest), BASE_NOT_FOUND);
  assert_int_equal(prove(fixture, "default", &original.id), BASE_NOT_FOUND);
}

static void expect_tiles(struct fixture *fixture) {
  const struct store_ledger_status status = ledger_status(fixture);
  const struct integrity_tile_source source = ledger_tiles(fixture->store);
  struct integrity_digest root, path[INTEGRITY_MERKLE_LEVELS], leaf;
  assert_int_equal(integrity_tiles_root(&source, status.signed_size, status.signed_size, &root, NULL), BASE_OK);
  assert_true(integrity_digest_equal(&root, &status.root));
  size_t nodes;
  for (uint64_t index = status.first; index < status.signed_size; index++) {
    const uint64_t bundle = index / INTEGRITY_TILE_WIDTH;
    const struct integrity_tile tile = {
        .level = INTEGRITY_TILE_ENTRIES,
        .index = bundle,
        .width = integrity_tile_width(INTEGRITY_TILE_ENTRIES, bundle, status.signed_size)};
    struct base_buffer bytes;
    base_buffer_init(&bytes, 1 << 20);
    assert_int_equal(store_ledger_tile(fixture->store, &tile, &bytes, NULL), BASE_OK);
    assert_int_equal(bytes.bytes, tile.width * (2 + INTEGRITY_ENTRY_BYTES));
    const uint8_t *entry = bytes.data + index % INTEGRITY_TILE_WIDTH * (2 + INTEGRITY_ENTRY_BYTES);
    assert_int_equal(entry[0] << 8 | entry[1], INTEGRITY_ENTRY_BYTES);
    integrity_entry_leaf(entry + 2, &leaf);
    assert_int_equal(integrity_tiles_inclusion(&source, index, status.signed_size, path, &nodes, NULL), BASE_OK);
    assert_true(integrity_merkle_is_in(&leaf, index, status.signed_size, path, nodes, &status.root));
    base_buffer_finish(&bytes);
  }
}

static void serves_tiles_that_make_the_signed_root(void **state) {
  struct fixture *fixture = *state;
  const struct store_original original = fixture_put(fixture, "default", 1, BYTES);
  for (unsigned i = 0; i < MANY; i++) assert_int_equal(fixture_put_variant(fixture->store, &original, i, 50), BASE_OK);
  ledger_settle(fixture->store);
  expect_tiles(fixture);
  fixture_reopen(fixture);
  expect_tiles(fixture);
  const uint64_t size = ledger_status(fixture).signed_size;
  assert_in_range(size, MANY, MANY + 10);
  const struct integrity_tile_source source = ledger_tiles(fixture->store);
  struct integrity_digest out[INTEGRITY_TILE_WIDTH];
  struct integrity_tile tile = {.level = 0, .index = 2, .width = (unsigned)(size % INTEGRITY_TILE_WIDTH) + 1};
  assert_int_equal(source.read(source.self, &tile, out, NULL), BASE_NOT_FOUND);
  tile.width = 1;  // partial ones of every width stay
  assert_int_equal(source.read(source.self, &tile, out, NULL), BASE_OK);
  tile.level = 2;
  assert_int_equal(source.read(source.self, &tile, out, NULL), BASE_NOT_FOUND);
}

// A store that had no ledger, and one that was kept without it for a while.
static void enters_what_was_there_before(void **state) {
  struct fixture *fixture = *state;
  const struct store_original gone = fixture_put(fixture, "default", 9, BYTES);
  fixture_close(fixture);
  fixture->config.ledger.is_on = false;
  fixture_open(fixture);
  assert_int_equal(store_original_delete(fixture->store, "default", &gone.id, NULL), BASE_OK);
  for (unsigned seed = 1; seed <= 20; seed++) {
    const struct store_original original = fixture_put(fixture, seed % 2 ? "default" : "other", seed, BYTES);
    assert_int_equal(fixture_put_variant(fixture->store, &original, seed, 70000), BASE_OK);
  }
  fixture_close(fixture);
  fixture->config.ledger.is_on = true;
  ledger_open(fixture);
  ledger_settle(fixture->store);
  struct ledger_view view;
  ledger_read(fixture->root, &view);
  assert_int_equal(ledger_count(&view, INTEGRITY_ENTRY_PUT), 20);
  const struct store_variant variant = fixture_variant(&(struct store_original){.tenant = "other"}, 20, 70000);
  expect_proof(fixture, "other", &variant.digest, INTEGRITY_ENTRY_DERIVE);
  ledger_free(&view);
}

static void begins_anew_when_told_and_keeps_the_old_one(void **state) {
  struct fixture *fixture = *state;
  fixture_put(fixture, "default", 1, BYTES);
  const struct store_ledger_status old = ledger_status(fixture);
  assert_int_equal(store_ledger_renew(&fixture->config, NULL), BASE_CONFLICT);
  fixture_close(fixture);
  assert_int_equal(store_ledger_renew(&fixture->config, NULL), BASE_OK);
  ledger_open(fixture);
  assert_string_not_equal(ledger_status(fixture).vkey, old.vkey);
  ledger_expect_match(fixture, "default");
  assert_int_equal(fixture_count_files(fixture, ".") > 8, 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(is_off_without_being_asked_for),
      cmocka_unit_test_setup_teardown(keeps_its_key_private_and_its_name_the_keys, setup, teardown),
      cmocka_unit_test_setup_teardown(has_a_put_on_the_disk_before_the_upload_returns, setup, teardown),
      cmocka_unit_test_setup_teardown(refuses_an_upload_that_it_can_not_enter, setup, teardown),
      cmocka_unit_test_setup_teardown(has_a_purge_on_the_disk_before_the_deletion_returns, setup, teardown),
      cmocka_unit_test_setup_teardown(tells_a_purge_from_an_eviction, setup, teardown),
      cmocka_unit_test_setup_teardown(says_what_the_tier_evicts_and_replaces, setup, teardown),
      cmocka_unit_test_setup_teardown(tells_variants_of_equal_bytes_apart, setup, teardown),
      cmocka_unit_test_setup_teardown(enters_settings_once_until_they_change, setup, teardown),
      cmocka_unit_test_setup_teardown(proves_what_is_there_at_once_and_nothing_else, setup, teardown),
      cmocka_unit_test_setup_teardown(proves_what_was_evicted_and_not_what_was_purged, setup, teardown),
      cmocka_unit_test_setup_teardown(serves_tiles_that_make_the_signed_root, setup, teardown),
      cmocka_unit_test_setup_teardown(enters_what_was_there_before, setup, teardown),
      cmocka_unit_test_setup_teardown(begins_anew_when_told_and_keeps_the_old_one, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
