// Growth: the ledger stays bounded under churn, what is still true stays provable, and what was signed stays signed.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/file.h"
#include "ledger_fixture.h"

enum {
  BYTES = 1000,
  BODY = 9000,  // about 110 of them fit
  COMPACT = 96 * 1024,
  RENDERS = 3000,
  STEP = 150,
  BUNDLE_BYTES = 100 * 1024,  // of a full bundle, about
};

static int setup(void **state) {
  static struct fixture fixture;
  fixture_init_in(&fixture, fixture_fast_folder());
  ledger_configure(&fixture, 5);
  fixture.config.ledger.compact_bytes = COMPACT;
  ledger_open(&fixture);
  *state = &fixture;
  return 0;
}

static int teardown(void **state) {
  fixture_finish(*state);
  return 0;
}

static void expect_proof(struct store *store, const struct integrity_digest *object) {
  struct base_buffer text, storage;
  struct integrity_proof proof;
  struct integrity_proven proven;
  struct integrity_note_key key;
  struct store_ledger_status status;
  struct base_fault fault = {0};
  store_ledger_get_status(store, &status);
  base_buffer_init(&text, INTEGRITY_PROOF_MAX_BYTES);
  base_buffer_init(&storage, INTEGRITY_PROOF_MAX_BYTES);
  if (store_ledger_prove(store, "default", object, NULL, &text, &fault) != BASE_OK)
    fail_msg("no proof: %s", fault.text);
  assert_int_equal(integrity_proof_parse(base_buffer_span(&text), &storage, &proof, NULL), BASE_OK);
  assert_int_equal(integrity_note_key_parse(base_span_text(status.vkey), &key, NULL), BASE_OK);
  assert_int_equal(integrity_proof_check(&proof, &key, &proven, NULL), BASE_OK);
  assert_true(integrity_digest_equal(&proven.subject.object, object));
  base_buffer_finish(&text);
  base_buffer_finish(&storage);
}

// Signed, and no compaction begun that could still go on.
static void settle_all(struct fixture *fixture) {
  for (uint64_t size = UINT64_MAX; size != ledger_status(fixture).size;) {
    size = ledger_status(fixture).size;
    ledger_settle(fixture->store);
  }
}

// For who reads the files: what is being compacted is let be, and nothing more is begun.
static void stop_compacting(struct fixture *fixture) {
  fixture->config.ledger.compact_bytes = UINT64_MAX / 2;
  fixture_reopen(fixture);
}

static size_t ledger_bytes(const struct fixture *fixture) {
  size_t bytes = 0;
  for (uint64_t bundle = ledger_status(fixture).first / INTEGRITY_TILE_WIDTH;; bundle++) {
    char name[INTEGRITY_TILE_MAX_PATH + 1], path[PATH_MAX];
    integrity_tile_path(&(struct integrity_tile){INTEGRITY_TILE_ENTRIES, bundle, INTEGRITY_TILE_WIDTH}, name);
    snprintf(path, sizeof path, "%s/ledger/%s", fixture->root, name);
    struct base_buffer file;
    if (base_file_read(path, 1 << 24, &file, NULL) != BASE_OK) return bytes;
    bytes += file.bytes;
    base_buffer_finish(&file);
  }
}

static void stays_bounded_and_true_under_churn(void **state) {
  struct fixture *fixture = *state;
  const struct store_original kept = fixture_put(fixture, "default", 1, BYTES);
  const struct store_original gone = fixture_put(fixture, "default", 2, BYTES);
  const struct integrity_digest settings = fixture_id(77, 10);
  assert_int_equal(store_ledger_note_config(fixture->store, &settings, "1.0", NULL), BASE_OK);
  assert_int_equal(fixture_put_variant(fixture->store, &gone, 100000, 100), BASE_OK);
  assert_int_equal(store_original_delete(fixture->store, "default", &gone.id, NULL), BASE_OK);
  size_t most = 0;
  for (unsigned i = 0; i < RENDERS; i++) {
    assert_int_equal(fixture_put_variant(fixture->store, &kept, i, BODY), BASE_OK);
    if (i % STEP != STEP - 1) continue;
    const struct store_ledger_status before = ledger_status(fixture);
    settle_all(fixture);
    assert_true(ledger_continues(fixture->store, before.signed_size, &before.root));
    expect_proof(fixture->store, &kept.id);
    const struct store_variant newest = fixture_variant(&kept, i, BODY);
    expect_proof(fixture->store, &newest.digest);
    const size_t bytes = ledger_bytes(fixture);
    if (bytes > most) most = bytes;
  }
  // While it is being compacted there are the old entries, the new ones, and what came meanwhile.
  while (ledger_status(fixture).compactions < 4) sched_yield();
  settle_all(fixture);
  const struct store_ledger_status status = ledger_status(fixture);
  assert_true(status.first > 0);
  assert_true(status.size > 2 * RENDERS);
  print_message(
      "%.0f MB are written for a million renders with their evictions; of %u renders, the most on the disk "
      "at once was %zu bytes; %llu compactions\n",
      (double)status.appended_bytes / (double)status.derives, RENDERS, most, (unsigned long long)status.compactions);
  // Twice what is true (110 derives and a few others), or the least that is compacted, and two bundles of slack.
  assert_in_range(most, 1, 2 * COMPACT + 2 * BUNDLE_BYTES);
  stop_compacting(fixture);
  ledger_expect_match(fixture, "default");
  const uint64_t first = ledger_status(fixture).first;
  struct ledger_view view;
  ledger_read(fixture->root, &view);
  assert_in_range(ledger_count(&view, INTEGRITY_ENTRY_CONFIG), 1, 1000);
  assert_int_equal(ledger_count(&view, INTEGRITY_ENTRY_PURGE), 1);  // of the original
  ledger_free(&view);
  fixture_reopen(fixture);
  assert_int_equal(ledger_status(fixture).first, first);
  ledger_expect_match(fixture, "default");
  expect_proof(fixture->store, &kept.id);
  assert_true(ledger_continues(fixture->store, status.signed_size, &status.root));
}

static void is_compacted_when_variants_are_purged(void **state) {
  struct fixture *fixture = *state;
  const struct store_original kept = fixture_put(fixture, "default", 1, BYTES);
  const struct store_original gone = fixture_put(fixture, "default", 2, BYTES);
  assert_int_equal(store_original_delete(fixture->store, "default", &gone.id, NULL), BASE_OK);
  uint64_t dropped;
  for (unsigned i = 0; i < RENDERS; i++) {
    assert_int_equal(fixture_put_variant(fixture->store, &kept, i, 100), BASE_OK);
    if (i % STEP != STEP - 1) continue;
    assert_int_equal(store_variants_drop(fixture->store, "default", &kept.id, &dropped, NULL), BASE_OK);
    if (i % (5 * STEP) == STEP - 1) fixture_reopen(fixture);  // what is still true is known from the files too
    settle_all(fixture);
    assert_in_range(ledger_bytes(fixture), 1, 2 * COMPACT + 2 * BUNDLE_BYTES);
  }
  stop_compacting(fixture);
  ledger_expect_match(fixture, "default");
  assert_true(ledger_status(fixture).first > RENDERS);
  struct ledger_view view;
  ledger_read(fixture->root, &view);
  size_t of_gone = 0;
  for (uint64_t i = view.first; i < view.size; i++) {
    const struct ledger_line *line = &view.lines[i - view.first];
    of_gone += line->entry.kind == INTEGRITY_ENTRY_PURGE && !line->is_dead &&
               integrity_digest_equal(&line->subject.object, &gone.id);
  }
  assert_int_equal(of_gone, 1);
  ledger_free(&view);
}

// What the ledger of somebody who looks now and then has come to.

enum { MAX_LOOKS = 64 };

struct looks {
  size_t count;
  struct {
    uint64_t size;
    struct integrity_digest root;
  } looks[MAX_LOOKS];
  uint64_t compactions, first;
  uint64_t least;  // what is older need not be shown
};

static void look(struct fixture *fixture, struct looks *looks) {
  settle_all(fixture);
  const struct store_ledger_status status = ledger_status(fixture);
  const uint64_t more = status.compactions - looks->compactions;
  if (more > 0) looks->least = more == 1 ? looks->first : status.first;
  looks->compactions = status.compactions;
  looks->first = status.first;
  assert_in_range(looks->count, 0, MAX_LOOKS - 1);
  looks->looks[looks->count].size = status.signed_size;
  looks->looks[looks->count++].root = status.root;
}

// From every checkpoint of at least so many entries. Returns how many can be shown of those before the first entry that
// is kept.
static size_t expect_consistent_from(struct fixture *fixture, const struct looks *looks, uint64_t least) {
  size_t shown = 0;
  for (size_t i = 0; i < looks->count; i++) {
    const bool is_shown = ledger_continues(fixture->store, looks->looks[i].size, &looks->looks[i].root);
    const bool is_later = ledger_status(fixture).first > looks->first;  // compacted meanwhile
    if (!is_shown && looks->looks[i].size >= least && !is_later) {
      fail_msg("%llu entries, of at least %llu", (unsigned long long)looks->looks[i].size, (unsigned long long)least);
    }
    shown += is_shown && looks->looks[i].size < ledger_status(fixture).first;
  }
  return shown;
}

static void flip(const char *path, size_t at) { fixture_flip_bit(path, (long)at); }

static void shows_what_was_seen_before_the_last_compaction(void **state) {
  struct fixture *fixture = *state;
  struct looks looks = {0};
  const struct store_original kept = fixture_put(fixture, "default", 1, BYTES);
  for (unsigned i = 0; i < RENDERS && ledger_status(fixture).compactions < 3; i++) {
    assert_int_equal(fixture_put_variant(fixture->store, &kept, i, BODY), BASE_OK);
    if (i % (STEP / 3) != 0) continue;
    look(fixture, &looks);
    (void)expect_consistent_from(fixture, &looks, looks.least);
  }
  assert_in_range(ledger_status(fixture).compactions, 3, 1000);
  look(fixture, &looks);  // the next compaction is far
  const uint64_t least = looks.least;
  size_t shown = expect_consistent_from(fixture, &looks, least);
  assert_true(shown > 0);
  fixture_reopen(fixture);
  assert_int_equal(expect_consistent_from(fixture, &looks, least), shown);
  // Without the file, or with a damaged one, there is as much as if it had never been.
  char path[PATH_MAX];
  struct base_buffer file;
  fixture_path(fixture, "ledger/past", path);
  assert_int_equal(base_file_read(path, 1 << 24, &file, NULL), BASE_OK);
  flip(path, file.bytes - 1);  // while it is used: of the last tile
  (void)expect_consistent_from(fixture, &looks, ledger_status(fixture).first);
  flip(path, file.bytes - 1);
  for (size_t at = 0; at < file.bytes; at += at < 1000 ? 7 : 997) {
    fixture_close(fixture);
    flip(path, at);
    fixture_open(fixture);
    assert_int_equal(ledger_status(fixture).state, STORE_LEDGER_RUNNING);
    assert_int_equal(expect_consistent_from(fixture, &looks, ledger_status(fixture).first), 0);
    flip(path, at);
  }
  fixture_reopen(fixture);
  assert_int_equal(expect_consistent_from(fixture, &looks, least), shown);
  fixture_close(fixture);
  assert_int_equal(truncate(path, (off_t)file.bytes - 1), 0);
  fixture_open(fixture);
  assert_int_equal(expect_consistent_from(fixture, &looks, ledger_status(fixture).first), 0);
  fixture_close(fixture);
  assert_int_equal(unlink(path), 0);
  fixture_open(fixture);
  assert_int_equal(expect_consistent_from(fixture, &looks, ledger_status(fixture).first), 0);
  base_buffer_finish(&file);
  ledger_expect_match(fixture, "default");
}

// Who serves variants that are not in the store any more is told before they can not be proven.

struct listener {
  struct fixture *fixture;
  struct integrity_digest evicted;
  unsigned calls;
  enum base_result before;  // of the first call
};

static enum base_result prove(struct fixture *fixture, const struct integrity_digest *object) {
  struct base_buffer text;
  base_buffer_init(&text, INTEGRITY_PROOF_MAX_BYTES);
  const enum base_result result = store_ledger_prove(fixture->store, "default", object, NULL, &text, NULL);
  base_buffer_finish(&text);
  return result;
}

static void listen(void *self) {
  struct listener *listener = self;
  if (listener->calls++ == 0) listener->before = prove(listener->fixture, &listener->evicted);
}

static void tells_before_what_was_evicted_is_pruned(void **state) {
  struct fixture *fixture = *state;
  const struct store_original kept = fixture_put(fixture, "default", 1, BYTES);
  struct listener listener = {.fixture = fixture, .evicted = fixture_variant(&kept, 0, BODY).digest};
  store_ledger_before_pruning(fixture->store, listen, &listener);
  unsigned count = 0;
  for (; ledger_status(fixture).compactions == 0; count++) {
    assert_int_equal(fixture_put_variant(fixture->store, &kept, count, BODY), BASE_OK);
    if (count % STEP == STEP - 1) settle_all(fixture);
    if (ledger_status(fixture).compactions == 0) continue;
    store_ledger_before_pruning(fixture->store, NULL, NULL);
  }
  assert_int_equal(listener.calls, 1);
  assert_int_equal(listener.before, BASE_OK);
  assert_int_equal(prove(fixture, &listener.evicted), BASE_NOT_FOUND);
  // Renewed by the compaction, and evicted since.
  const struct store_variant renewed = fixture_variant(&kept, count - 1, BODY);
  for (unsigned i = 0; i < 2 * STEP; i++) {
    assert_int_equal(fixture_put_variant(fixture->store, &kept, 100000 + i, BODY), BASE_OK);
  }
  assert_false(store_variant_exists(fixture->store, &renewed.key));
  assert_int_equal(ledger_status(fixture).compactions, 1);
  expect_proof(fixture->store, &renewed.digest);
}

// Proofs, renders, uploads and deletions go on meanwhile.

struct crowd {
  struct fixture *fixture;
  struct integrity_digest kept;
  atomic_bool is_over;
  atomic_uint proofs;
};

static void *prove_on(void *argument) {
  struct crowd *crowd = argument;
  while (!atomic_load(&crowd->is_over)) {
    struct base_buffer text;
    base_buffer_init(&text, INTEGRITY_PROOF_MAX_BYTES);
    if (store_ledger_prove(crowd->fixture->store, "default", &crowd->kept, NULL, &text, NULL) == BASE_OK) {
      atomic_fetch_add(&crowd->proofs, 1);
    } else {
      atomic_store(&crowd->is_over, true);
      atomic_store(&crowd->proofs, 0);
    }
    base_buffer_finish(&text);
  }
  return NULL;
}

static void *upload_on(void *argument) {
  struct crowd *crowd = argument;
  for (unsigned seed = 100; !atomic_load(&crowd->is_over); seed++) {
    struct store_original original;
    bool is_new;
    if (fixture_upload(crowd->fixture->store, "default", seed, BYTES, &original, &is_new) != BASE_OK ||
        fixture_put_variant(crowd->fixture->store, &original, 50000 + seed, 100) != BASE_OK ||
        (seed % 2 && store_original_delete(crowd->fixture->store, "default", &original.id, NULL) != BASE_OK)) {
      atomic_store(&crowd->is_over, true);
      atomic_store(&crowd->proofs, 0);
    }
  }
  return NULL;
}

static void serves_everybody_while_it_is_compacted(void **state) {
  struct fixture *fixture = *state;
  const struct store_original kept = fixture_put(fixture, "default", 1, BYTES);
  struct crowd crowd = {.fixture = fixture, .kept = kept.id};
  pthread_t threads[3];
  assert_int_equal(pthread_create(&threads[0], NULL, prove_on, &crowd), 0);
  assert_int_equal(pthread_create(&threads[1], NULL, prove_on, &crowd), 0);
  assert_int_equal(pthread_create(&threads[2], NULL, upload_on, &crowd), 0);
  for (unsigned i = 0; ledger_status(fixture).compactions < 3 && !atomic_load(&crowd.is_over); i++) {
    assert_int_equal(fixture_put_variant(fixture->store, &kept, i, BODY), BASE_OK);
  }
  atomic_store(&crowd.is_over, true);
  for (size_t i = 0; i < 3; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
  assert_true(atomic_load(&crowd.proofs) > 0);
  stop_compacting(fixture);
  ledger_expect_match(fixture, "default");
  fixture_reopen(fixture);
  ledger_expect_match(fixture, "default");
}

static void is_halted_when_what_was_pruned_is_damaged(void **state) {
  struct fixture *fixture = *state;
  const struct store_original kept = fixture_put(fixture, "default", 1, BYTES);
  for (unsigned i = 0; ledger_status(fixture).compactions == 0; i++) {
    assert_int_equal(fixture_put_variant(fixture->store, &kept, i, BODY), BASE_OK);
    if (i % STEP == 0) ledger_settle(fixture->store);
  }
  fixture_close(fixture);
  char path[PATH_MAX];
  struct base_buffer bytes;
  fixture_path(fixture, "ledger/pruned", path);
  assert_int_equal(base_file_read(path, 1 << 20, &bytes, NULL), BASE_OK);
  for (size_t at = 0; at < bytes.bytes; at += 3) {
    fixture_flip_bit(path, (long)at);
    fixture_open(fixture);
    assert_int_equal(ledger_status(fixture).state, STORE_LEDGER_HALTED);
    fixture_close(fixture);
    fixture_flip_bit(path, (long)at);
    assert_int_equal(truncate(path, (off_t)at), 0);
    fixture_open(fixture);
    assert_int_equal(ledger_status(fixture).state, STORE_LEDGER_HALTED);
    fixture_close(fixture);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes.data, 1, bytes.bytes, file), bytes.bytes);
    assert_int_equal(fclose(file), 0);
  }
  // Well made, but of a longer ledger than the one that was signed.
  struct store_ledger_tree longer;
  struct base_buffer file;
  store_ledger_tree_init(&longer);
  base_buffer_init(&file, 1 << 20);
  const struct integrity_digest leaf = fixture_id(1, 10);
  for (unsigned i = 0; i < 65536; i++) assert_int_equal(store_ledger_tree_add(&longer, &leaf, NULL), BASE_OK);
  assert_int_equal(store_ledger_tree_write_pruned(&longer, longer.size, &file, NULL), BASE_OK);
  FILE *other = fopen(path, "w");
  assert_non_null(other);
  assert_int_equal(fwrite(file.data, 1, file.bytes, other), file.bytes);
  assert_int_equal(fclose(other), 0);
  fixture_open(fixture);
  assert_int_equal(ledger_status(fixture).state, STORE_LEDGER_HALTED);
  fixture_close(fixture);
  store_ledger_tree_finish(&longer);
  base_buffer_finish(&file);
  assert_int_equal(unlink(path), 0);
  fixture_open(fixture);
  assert_int_equal(ledger_status(fixture).state, STORE_LEDGER_HALTED);
  base_buffer_finish(&bytes);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(stays_bounded_and_true_under_churn, setup, teardown),
      cmocka_unit_test_setup_teardown(is_compacted_when_variants_are_purged, setup, teardown),
      cmocka_unit_test_setup_teardown(shows_what_was_seen_before_the_last_compaction, setup, teardown),
      cmocka_unit_test_setup_teardown(tells_before_what_was_evicted_is_pruned, setup, teardown),
      cmocka_unit_test_setup_teardown(serves_everybody_while_it_is_compacted, setup, teardown),
      cmocka_unit_test_setup_teardown(is_halted_when_what_was_pruned_is_damaged, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
