// Trees of originals: their records, whole and ranged reads, and what damage does to them.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fixture.h"
#include "store/reindex.h"
#include "store/tree.h"

enum { BLOCK = INTEGRITY_BLOCK_BYTES, MOST_BYTES = 5 * BLOCK };

static const size_t sizes[] = {0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 4 * BLOCK + 777};
enum { SIZES = sizeof sizes / sizeof sizes[0] };

// Made from the bytes by the plainest means.
static struct integrity_digest plain_root(unsigned seed, size_t bytes, uint8_t *leaves, size_t *leaf_count) {
  static uint8_t data[MOST_BYTES];
  struct integrity_merkle tree;
  struct integrity_digest root, leaf;
  fixture_bytes(seed, bytes, data);
  integrity_merkle_init(&tree);
  *leaf_count = 0;
  for (size_t at = 0; at < bytes; at += BLOCK) {
    integrity_merkle_leaf(base_span_of(data + at, bytes - at < BLOCK ? bytes - at : BLOCK), &leaf);
    integrity_merkle_add(&tree, &leaf);
    memcpy(leaves + *leaf_count * sizeof leaf.bytes, leaf.bytes, sizeof leaf.bytes);
    ++*leaf_count;
  }
  integrity_merkle_root(&tree, &root);
  return root;
}

static void expect_tree(struct store *store, unsigned seed, size_t bytes) {
  uint8_t leaves[MOST_BYTES / BLOCK * sizeof(struct integrity_digest)];
  size_t leaf_count;
  const struct integrity_digest id = fixture_id(seed, bytes), root = plain_root(seed, bytes, leaves, &leaf_count);
  struct store_tree tree;
  assert_int_equal(store_original_tree(store, &id, &tree, NULL), BASE_OK);
  assert_int_equal(tree.bytes, bytes);
  assert_true(integrity_digest_equal(&tree.root, &root));
  assert_int_equal(tree.leaves->bytes, leaf_count * sizeof root.bytes);
  assert_memory_equal(tree.leaves->data, leaves, tree.leaves->bytes);
  base_blob_unref(&tree.leaves);
}

static void tree_path(const struct fixture *fixture, unsigned seed, size_t bytes, char out[PATH_MAX]) {
  const struct integrity_digest id = fixture_id(seed, bytes);
  fixture_original_path(fixture, &id, ".tree", out);
}

static void is_written_with_the_original_when_that_is_committed(void **state) {
  struct fixture *fixture = *state;
  char path[PATH_MAX];
  for (unsigned i = 0; i < SIZES; i++) {
    fixture_put(fixture, "default", i, sizes[i]);
    tree_path(fixture, i, sizes[i], path);
    assert_true(fixture_exists(path));
    expect_tree(fixture->store, i, sizes[i]);
  }
}

static void is_made_by_a_whole_read_when_it_is_missing(void **state) {
  struct fixture *fixture = *state;
  char path[PATH_MAX];
  for (unsigned i = 0; i < SIZES; i++) {
    fixture_put(fixture, "default", i, sizes[i]);
    tree_path(fixture, i, sizes[i], path);
    assert_int_equal(unlink(path), 0);
    expect_tree(fixture->store, i, sizes[i]);
    assert_true(fixture_exists(path));
    assert_int_equal(unlink(path), 0);
    assert_true(fixture_bytes_match(fixture->store, i, sizes[i]));  // store_original_open
    assert_true(fixture_exists(path));
    expect_tree(fixture->store, i, sizes[i]);
  }
  assert_int_equal(fixture_counter(fixture, "pixpop_store_damaged_total", ""), 0);
}

static void is_made_anew_when_any_byte_of_it_is_damaged(void **state) {
  struct fixture *fixture = *state;
  enum { BYTES = 2 * BLOCK + 5 };
  fixture_put(fixture, "default", 1, BYTES);
  char path[PATH_MAX];
  struct stat info;
  tree_path(fixture, 1, BYTES, path);
  assert_int_equal(stat(path, &info), 0);
  int64_t damaged = 0, unknown = 0;
  for (long at = 0; at < info.st_size; at++) {
    fixture_flip_bit(path, at);
    expect_tree(fixture->store, 1, BYTES);
    const int64_t now = fixture_counter(fixture, "pixpop_store_damaged_total", "");
    if (now == damaged) {  // a format of the future is not written over
      unknown++;
      fixture_flip_bit(path, at);
    }
    damaged = now;
  }
  assert_int_equal(unknown, 2);
  assert_int_equal(damaged, info.st_size - unknown);
  assert_int_equal(truncate(path, info.st_size - 1), 0);
  expect_tree(fixture->store, 1, BYTES);
  assert_int_equal(truncate(path, 0), 0);
  expect_tree(fixture->store, 1, BYTES);
}

static void is_not_believed_when_it_is_another_ones(void **state) {
  struct fixture *fixture = *state;
  fixture_put(fixture, "default", 1, 1000);
  fixture_put(fixture, "default", 2, 1000);
  char one[PATH_MAX], two[PATH_MAX];
  tree_path(fixture, 1, 1000, one);
  tree_path(fixture, 2, 1000, two);
  assert_int_equal(rename(one, two), 0);
  expect_tree(fixture->store, 2, 1000);
  expect_tree(fixture->store, 1, 1000);
  assert_int_equal(fixture_counter(fixture, "pixpop_store_damaged_total", ""), 1);
}

static void goes_with_the_last_tenant_when_that_is_deleted(void **state) {
  struct fixture *fixture = *state;
  const struct store_original original = fixture_put(fixture, "a", 1, 1000);
  fixture_put(fixture, "b", 1, 1000);
  char path[PATH_MAX];
  struct store_tree tree;
  tree_path(fixture, 1, 1000, path);
  assert_int_equal(store_original_delete(fixture->store, "a", &original.id, NULL), BASE_OK);
  assert_true(fixture_exists(path));
  assert_int_equal(store_original_delete(fixture->store, "b", &original.id, NULL), BASE_OK);
  assert_false(fixture_exists(path));
  assert_int_equal(store_original_tree(fixture->store, &original.id, &tree, NULL), BASE_NOT_FOUND);
  assert_int_equal(store_original_read(fixture->store, &original.id, &(struct store_tree){0}, 0, NULL, 0, NULL),
                   BASE_NOT_FOUND);
}

static void is_swept_by_a_scan_when_its_original_is_gone(void **state) {
  struct fixture *fixture = *state;
  const struct store_original stays = fixture_put(fixture, "default", 1, 1000);
  const struct store_original goes = fixture_put(fixture, "default", 2, 1000);
  fixture_close(fixture);
  char path[PATH_MAX], kept[PATH_MAX];
  fixture_original_path(fixture, &goes.id, "", path);
  assert_int_equal(unlink(path), 0);
  fixture_original_path(fixture, &goes.id, ".default.rec", path);
  assert_int_equal(unlink(path), 0);
  fixture_original_path(fixture, &goes.id, ".tree", path);
  fixture_original_path(fixture, &stays.id, ".tree", kept);
  assert_true(fixture_exists(path));
  struct store_reindex_report report;
  assert_int_equal(store_reindex(&fixture->config, NULL, NULL, &report, NULL), BASE_OK);
  assert_int_equal(report.orphans, 1);
  assert_int_equal(report.damaged + report.unknown, 0);
  assert_int_equal(report.originals, 1);
  assert_false(fixture_exists(path));
  assert_true(fixture_exists(kept));
}

// Every sort of range, over every block border.
static void reads_the_bytes_that_were_asked_for(void **state) {
  struct fixture *fixture = *state;
  enum { BYTES = 4 * BLOCK + 777, SEED = 9 };
  static uint8_t right[BYTES], found[BYTES + 1];
  static const uint64_t offsets[] = {0, 1, 100, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 4 * BLOCK, BYTES - 1, BYTES};
  static const size_t lengths[] = {0, 1, 2, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 3 * BLOCK + 5, BYTES};
  const struct store_original original = fixture_put(fixture, "default", SEED, BYTES);
  struct store_tree tree;
  fixture_bytes(SEED, BYTES, right);
  assert_int_equal(store_original_tree(fixture->store, &original.id, &tree, NULL), BASE_OK);
  for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++) {
    for (size_t j = 0; j < sizeof lengths / sizeof lengths[0]; j++) {
      const size_t bytes = lengths[j];
      memset(found, 0, sizeof found);
      const enum base_result result =
          store_original_read(fixture->store, &original.id, &tree, offsets[i], found, bytes, NULL);
      if (offsets[i] + bytes > BYTES) {
        assert_int_equal(result, BASE_BAD_INPUT);
        continue;
      }
      assert_int_equal(result, BASE_OK);
      if (bytes > 0) assert_memory_equal(found, right + offsets[i], bytes);
      assert_int_equal(found[bytes], 0);
    }
  }
  assert_int_equal(store_original_read(fixture->store, &original.id, &tree, UINT64_MAX, found, 2, NULL),
                   BASE_BAD_INPUT);
  base_blob_unref(&tree.leaves);
}

static void reads_fail_where_the_damage_is_and_nowhere_else(void **state) {
  struct fixture *fixture = *state;
  enum { BLOCKS = 4, BYTES = BLOCKS * BLOCK - 100, SEED = 9 };
  static uint8_t found[BYTES];
  const struct store_original original = fixture_put(fixture, "default", SEED, BYTES);
  struct store_tree tree;
  char path[PATH_MAX];
  assert_int_equal(store_original_tree(fixture->store, &original.id, &tree, NULL), BASE_OK);
  fixture_original_path(fixture, &original.id, "", path);
  int64_t damaged = 0;
  for (long damage = 0; damage < BLOCKS; damage++) {
    fixture_flip_bit(path, damage * BLOCK + 70 * damage + 3);
    for (long block = 0; block < BLOCKS; block++) {
      const enum base_result result =
          store_original_read(fixture->store, &original.id, &tree, (uint64_t)block * BLOCK + 10, found, 20, NULL);
      assert_int_equal(result, block == damage ? BASE_CORRUPT : BASE_OK);
      damaged += block == damage;
    }
    assert_int_equal(store_original_read(fixture->store, &original.id, &tree, 0, found, BYTES, NULL), BASE_CORRUPT);
    damaged++;
    fixture_flip_bit(path, damage * BLOCK + 70 * damage + 3);
  }
  assert_int_equal(fixture_counter(fixture, "pixpop_store_damaged_originals_total", ""), damaged);
  assert_int_equal(fixture_gauge(fixture, "pixpop_store_damaged_originals"), 1);
  assert_true(fixture_bytes_match(fixture->store, SEED, BYTES));  // it is right again, as a whole read sees
  assert_int_equal(fixture_gauge(fixture, "pixpop_store_damaged_originals"), 0);

  struct store_tree again;
  assert_int_equal(truncate(path, BYTES - 1), 0);
  assert_int_equal(store_original_read(fixture->store, &original.id, &tree, 0, found, 1, NULL), BASE_CORRUPT);
  assert_int_equal(store_original_tree(fixture->store, &original.id, &again, NULL), BASE_CORRUPT);
  assert_int_equal(truncate(path, BYTES + 1), 0);
  assert_int_equal(store_original_read(fixture->store, &original.id, &tree, 0, found, 1, NULL), BASE_CORRUPT);
  assert_int_equal(unlink(path), 0);
  assert_int_equal(store_original_read(fixture->store, &original.id, &tree, 0, found, 1, NULL), BASE_NOT_FOUND);
  base_blob_unref(&tree.leaves);
}

static void is_not_made_of_damaged_bytes(void **state) {
  struct fixture *fixture = *state;
  const struct store_original original = fixture_put(fixture, "default", 1, 1000);
  char bytes[PATH_MAX], path[PATH_MAX];
  struct store_tree tree;
  int fd;
  fixture_original_path(fixture, &original.id, "", bytes);
  tree_path(fixture, 1, 1000, path);
  assert_int_equal(unlink(path), 0);
  fixture_flip_bit(bytes, 500);
  assert_int_equal(store_original_tree(fixture->store, &original.id, &tree, NULL), BASE_CORRUPT);
  assert_int_equal(store_original_open(fixture->store, &original.id, &fd, NULL), BASE_CORRUPT);
  assert_false(fixture_exists(path));
  fixture_put(fixture, "default", 1, 1000);  // heals it
  assert_int_equal(fixture_gauge(fixture, "pixpop_store_damaged_originals"), 0);
  expect_tree(fixture->store, 1, 1000);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(is_written_with_the_original_when_that_is_committed, fixture_setup,
                                      fixture_teardown),
      cmocka_unit_test_setup_teardown(is_made_by_a_whole_read_when_it_is_missing, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(is_made_anew_when_any_byte_of_it_is_damaged, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(is_not_believed_when_it_is_another_ones, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(goes_with_the_last_tenant_when_that_is_deleted, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(is_swept_by_a_scan_when_its_original_is_gone, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(reads_the_bytes_that_were_asked_for, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(reads_fail_where_the_damage_is_and_nowhere_else, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(is_not_made_of_damaged_bytes, fixture_setup, fixture_teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
