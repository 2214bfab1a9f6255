// Tiles: their names, the widths that the specification's example has, and roots and proofs computed from tiles against
// the same over all leaves, with Certificate Transparency's published proofs in between.
#include "integrity/tiles.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"

enum { MOST_ENTRIES = 70000, SMALL = 140, STORED_LEVELS = 3 };

// Hashes of every tile level of a log of MOST_ENTRIES entries; `size` is how long the log is taken to be.
static struct integrity_digest *levels[STORED_LEVELS];
static uint64_t size;
static unsigned reads;

static enum base_result read_tile(void *self, const struct integrity_tile *tile,
                                  struct integrity_digest out[INTEGRITY_TILE_WIDTH], struct base_fault *fault) {
  (void)self, (void)fault;
  reads++;
  assert_in_range(tile->level, 0, STORED_LEVELS - 1);
  assert_true(tile->width > 0);
  assert_int_equal(tile->width, integrity_tile_width(tile->level, tile->index, size));
  memcpy(out, levels[tile->level] + tile->index * INTEGRITY_TILE_WIDTH, tile->width * sizeof *out);
  return BASE_OK;
}

static enum base_result fail_to_read(void *self, const struct integrity_tile *tile,
                                     struct integrity_digest out[INTEGRITY_TILE_WIDTH], struct base_fault *fault) {
  (void)self, (void)tile, (void)out;
  return BASE_FAIL(fault, BASE_IO, "tile", "gone");
}

static const struct integrity_tile_source source = {read_tile, NULL};

static void root_of(const struct integrity_digest *leaves, uint64_t count, struct integrity_digest *out) {
  struct integrity_merkle tree;
  integrity_merkle_init(&tree);
  for (uint64_t i = 0; i < count; i++) integrity_merkle_add(&tree, &leaves[i]);
  integrity_merkle_root(&tree, out);
}

static int make_levels(void **state) {
  (void)state;
  uint64_t count = MOST_ENTRIES;
  for (size_t level = 0; level < STORED_LEVELS; level++, count /= INTEGRITY_TILE_WIDTH) {
    levels[level] = malloc((count + 1) * sizeof *levels[level]);
    if (!levels[level]) return -1;
    for (uint64_t i = 0; i < count; i++) {
      if (level == 0) {
        integrity_merkle_leaf(base_span_of(&i, sizeof i), &levels[0][i]);
      } else {
        root_of(levels[level - 1] + i * INTEGRITY_TILE_WIDTH, INTEGRITY_TILE_WIDTH, &levels[level][i]);
      }
    }
  }
  return 0;
}

static int free_levels(void **state) {
  (void)state;
  for (size_t level = 0; level < STORED_LEVELS; level++) free(levels[level]);
  return 0;
}

static const struct {
  struct integrity_tile tile;
  const char *path;
} names[] = {
    {{0, 0, 256}, "0/000"},
    {{0, 1234067, 256}, "0/x001/x234/067"},
    {{7, 999, 1}, "7/999.p/1"},
    {{1, 1000, 255}, "1/x001/000.p/255"},
    {{INTEGRITY_TILE_ENTRIES, 0, 12}, "entries/000.p/12"},
    {{INTEGRITY_TILE_ENTRIES, 1000000, 256}, "entries/x001/x000/000"},
    {{0, UINT64_MAX, 17}, "0/x018/x446/x744/x073/x709/x551/615.p/17"},
};

static void names_are_those_of_the_specification(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    char path[INTEGRITY_TILE_MAX_PATH + 1];
    struct integrity_tile tile;
    integrity_tile_path(&names[i].tile, path);
    assert_string_equal(path, names[i].path);
    assert_true(integrity_tile_parse(base_span_text(path), &tile));
    assert_int_equal(tile.level, names[i].tile.level);
    assert_int_equal(tile.index, names[i].tile.index);
    assert_int_equal(tile.width, names[i].tile.width);
  }
}

static void other_spellings_are_no_names(void **state) {
  (void)state;
  static const char *const bad[] = {
      "",
      "0",
      "0/",
      "/000",
      "0/00",
      "0/0000",
      "0/x000/000",
      "0/000/",
      "0/000.p",
      "0/000.p/",
      "0/000.p/0",
      "0/000.p/01",
      "0/000.p/256",
      "0/000.p/999",
      "0/000.p/1/",
      "00/000",
      "8/000",
      "63/000",
      "-1/000",
      "entry/000",
      "entries",
      "entries/",
      "0/x001",
      "0/x001/",
      "0/001/000",
      "0/x001/x000",
      "0/x1/000",
      "0/x0a1/000",
      "0//000",
      "0/ 000",
      "0/000 ",
      "0/000.p/+1",
      "0/X001/000",
      "0/000.P/1",
      "0/000.p/1a",
      "0/x018/x446/x744/x073/x709/x551/616",
      "0/x001/x000/x000/x000/x000/x000/x000/000",
  };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    struct integrity_tile tile;
    if (integrity_tile_parse(base_span_text(bad[i]), &tile)) fail_msg("%s is taken for a tile", bad[i]);
  }
  struct integrity_tile tile;
  assert_false(integrity_tile_parse(base_span_of("0/000\0", 6), &tile));
}

// 70,000 entries are the example of tlog-tiles.
static void widths_are_those_of_the_specification(void **state) {
  (void)state;
  assert_int_equal(integrity_tile_width(0, 272, 70000), 256);
  assert_int_equal(integrity_tile_width(0, 273, 70000), 112);
  assert_int_equal(integrity_tile_width(0, 274, 70000), 0);
  assert_int_equal(integrity_tile_width(INTEGRITY_TILE_ENTRIES, 273, 70000), 112);
  assert_int_equal(integrity_tile_width(1, 0, 70000), 256);
  assert_int_equal(integrity_tile_width(1, 1, 70000), 17);
  assert_int_equal(integrity_tile_width(2, 0, 70000), 1);
  assert_int_equal(integrity_tile_width(3, 0, 70000), 0);
  assert_int_equal(integrity_tile_width(0, 1, 256), 0);
  assert_int_equal(integrity_tile_width(1, 0, 256), 1);
  assert_int_equal(integrity_tile_width(0, 0, 0), 0);
  assert_int_equal(integrity_tile_width(7, 0, UINT64_MAX), 255);
}

static const uint64_t large[] = {255, 256, 257, 511, 512, 513, 65535, 65536, 65537, 65792, 69999, 70000};

static void expect_root(uint64_t of, uint64_t tree_size) {
  struct integrity_digest wanted, root;
  size = tree_size;
  root_of(levels[0], of, &wanted);
  assert_int_equal(integrity_tiles_root(&source, of, tree_size, &root, NULL), BASE_OK);
  assert_true(integrity_digest_equal(&root, &wanted));
}

static void roots_are_those_over_all_leaves(void **state) {
  (void)state;
  for (uint64_t count = 0; count <= 600; count++) expect_root(count, count);
  for (size_t i = 0; i < sizeof large / sizeof large[0]; i++) {
    expect_root(large[i], large[i]);
    expect_root(large[i], MOST_ENTRIES);
  }
}

static void expect_inclusion(uint64_t index, uint64_t count) {
  struct integrity_digest path[INTEGRITY_MERKLE_LEVELS], root;
  size_t nodes;
  size = count;
  assert_int_equal(integrity_tiles_inclusion(&source, index, count, path, &nodes, NULL), BASE_OK);
  root_of(levels[0], count, &root);
  assert_true(integrity_merkle_is_in(&levels[0][index], index, count, path, nodes, &root));
}

static void paths_are_those_over_all_leaves(void **state) {
  (void)state;
  for (uint64_t count = 1; count <= SMALL; count++) {
    size = count;
    for (uint64_t index = 0; index < count; index++) {
      struct integrity_digest path[INTEGRITY_MERKLE_LEVELS], wanted[INTEGRITY_MERKLE_LEVELS];
      size_t nodes;
      assert_int_equal(integrity_tiles_inclusion(&source, index, count, path, &nodes, NULL), BASE_OK);
      assert_int_equal(nodes, integrity_merkle_path(levels[0], count, index, wanted));
      assert_memory_equal(path, wanted, nodes * sizeof *path);
    }
  }
  for (size_t i = 0; i < sizeof large / sizeof large[0]; i++) {
    const uint64_t count = large[i];
    const uint64_t indexes[] = {0, 1, 127, 254, count / 3, count / 2, count - 2, count - 1};
    for (size_t k = 0; k < 8; k++) expect_inclusion(indexes[k], count);
  }
}

static void a_path_reads_few_tiles(void **state) {
  (void)state;
  struct integrity_digest path[INTEGRITY_MERKLE_LEVELS];
  size_t nodes;
  size = MOST_ENTRIES;
  reads = 0;
  assert_int_equal(integrity_tiles_inclusion(&source, 12345, size, path, &nodes, NULL), BASE_OK);
  assert_in_range(reads, 3, 8);
}

// Both proofs and any one wrong bit in what they are made of.
static void expect_consistency(uint64_t old_size, uint64_t count) {
  struct integrity_digest path[2 * INTEGRITY_MERKLE_LEVELS], old_root, root;
  size_t nodes;
  size = count;
  assert_int_equal(integrity_tiles_consistency(&source, old_size, count, path, &nodes, NULL), BASE_OK);
  root_of(levels[0], old_size, &old_root);
  root_of(levels[0], count, &root);
  assert_true(integrity_merkle_is_consistent(old_size, &old_root, count, &root, path, nodes));
  for (size_t i = 0; i < nodes; i++) {
    path[i].bytes[i % BASE_DIGEST_BYTES] ^= 4;
    assert_false(integrity_merkle_is_consistent(old_size, &old_root, count, &root, path, nodes));
    path[i].bytes[i % BASE_DIGEST_BYTES] ^= 4;
  }
  old_root.bytes[9] ^= 1;
  assert_false(integrity_merkle_is_consistent(old_size, &old_root, count, &root, path, nodes));
  old_root.bytes[9] ^= 1;
  root.bytes[31] ^= 128;
  // Every log begins with the empty one.
  const bool is_bound = old_size > 0 || count == 0;
  assert_int_equal(integrity_merkle_is_consistent(old_size, &old_root, count, &root, path, nodes), !is_bound);
  root.bytes[31] ^= 128;
  assert_false(integrity_merkle_is_consistent(old_size, &old_root, count, &root, path, nodes + 1));
  if (nodes > 0) {
    assert_false(integrity_merkle_is_consistent(old_size, &old_root, count, &root, path, nodes - 1));
    assert_false(integrity_merkle_is_consistent(old_size, &old_root, count, &root, path + 1, nodes - 1));
  }
}

static void consistency_is_proven_and_nothing_else(void **state) {
  (void)state;
  for (uint64_t count = 0; count <= SMALL; count++) {
    for (uint64_t old_size = 0; old_size <= count; old_size++) expect_consistency(old_size, count);
  }
  for (size_t i = 0; i < sizeof large / sizeof large[0]; i++) {
    for (size_t k = 0; k <= i; k++) expect_consistency(large[k], large[i]);
  }
}

static void a_shorter_log_is_not_consistent(void **state) {
  (void)state;
  struct integrity_digest old_root, root;
  root_of(levels[0], 5, &old_root);
  root_of(levels[0], 4, &root);
  assert_false(integrity_merkle_is_consistent(5, &old_root, 4, &root, NULL, 0));
  assert_false(integrity_merkle_is_consistent(5, &old_root, 5, &root, NULL, 0));
  assert_false(integrity_merkle_is_consistent(0, &old_root, 4, &root, NULL, 0));
}

static const struct {
  uint64_t old_size, size;
  const char *old_root, *root, *path[4];
} published[] = {
    {1,
     8,
     "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
     "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
     {"96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
      "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
      "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"}},
    {6,
     8,
     "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
     "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
     {"0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
      "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
      "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"}},
    {2,
     5,
     "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
     "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
     {"5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
      "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"}},
};

static void unhex(const char *hex, struct integrity_digest *out) {
  assert_true(base_hex_decode(base_span_text(hex), out->bytes, sizeof out->bytes));
}

static void proofs_that_certificate_transparency_publishes_are_accepted(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof published / sizeof published[0]; i++) {
    struct integrity_digest old_root, root, path[4];
    size_t nodes = 0;
    unhex(published[i].old_root, &old_root);
    unhex(published[i].root, &root);
    while (published[i].path[nodes]) {
      unhex(published[i].path[nodes], &path[nodes]);
      nodes++;
    }
    assert_true(
        integrity_merkle_is_consistent(published[i].old_size, &old_root, published[i].size, &root, path, nodes));
  }
}

static void a_tile_that_can_not_be_read_is_said(void **state) {
  (void)state;
  const struct integrity_tile_source broken = {fail_to_read, NULL};
  struct integrity_digest path[2 * INTEGRITY_MERKLE_LEVELS];
  struct base_fault fault = {0};
  size_t nodes;
  assert_int_equal(integrity_tiles_root(&broken, 5, 5, path, &fault), BASE_IO);
  assert_string_equal(fault.text, "gone");
  assert_int_equal(integrity_tiles_inclusion(&broken, 1, 5, path, &nodes, NULL), BASE_IO);
  assert_int_equal(integrity_tiles_consistency(&broken, 1, 5, path, &nodes, NULL), BASE_IO);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(names_are_those_of_the_specification),
      cmocka_unit_test(other_spellings_are_no_names),
      cmocka_unit_test(widths_are_those_of_the_specification),
      cmocka_unit_test(roots_are_those_over_all_leaves),
      cmocka_unit_test(paths_are_those_over_all_leaves),
      cmocka_unit_test(a_path_reads_few_tiles),
      cmocka_unit_test(consistency_is_proven_and_nothing_else),
      cmocka_unit_test(a_shorter_log_is_not_consistent),
      cmocka_unit_test(proofs_that_certificate_transparency_publishes_are_accepted),
      cmocka_unit_test(a_tile_that_can_not_be_read_is_said),
  };
  return cmocka_run_group_tests(tests, make_levels, free_levels);
}
