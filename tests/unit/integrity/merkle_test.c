// Merkle trees: Certificate Transparency's own reference vectors, a naive tree by the text of RFC 6962, and audit
// paths.
#include "integrity/merkle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"

enum { VECTOR_LEAVES = 8, MOST_LEAVES = 130 };

// The eight inputs and the roots over the first n of them that Certificate Transparency publishes.
static const char *const inputs[VECTOR_LEAVES] = {
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"};
static const char *const roots[VECTOR_LEAVES + 1] = {
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
};

static void expect_hex(const struct integrity_digest *digest, const char *hex) {
  char text[2 * BASE_DIGEST_BYTES + 1];
  base_hex_encode(base_span_of(digest->bytes, sizeof digest->bytes), text, sizeof text);
  assert_string_equal(text, hex);
}

static uint8_t nibble(char digit) { return (uint8_t)(digit <= '9' ? digit - '0' : digit - 'a' + 10); }

static struct base_span unhex(const char *hex, uint8_t out[16]) {
  const size_t bytes = strlen(hex) / 2;
  for (size_t i = 0; i < bytes; i++) out[i] = (uint8_t)(nibble(hex[2 * i]) << 4 | nibble(hex[2 * i + 1]));
  return base_span_of(out, bytes);
}

static void vector_leaves(struct integrity_digest out[VECTOR_LEAVES]) {
  for (size_t i = 0; i < VECTOR_LEAVES; i++) {
    uint8_t bytes[16];
    integrity_merkle_leaf(unhex(inputs[i], bytes), &out[i]);
  }
}

static void roots_are_those_that_certificate_transparency_publishes(void **state) {
  (void)state;
  struct integrity_digest leaves[VECTOR_LEAVES], root;
  struct integrity_merkle tree;
  vector_leaves(leaves);
  integrity_merkle_init(&tree);
  for (size_t count = 0;; count++) {
    integrity_merkle_root(&tree, &root);  // in between too: it changes nothing
    expect_hex(&root, roots[count]);
    if (count == VECTOR_LEAVES) break;
    integrity_merkle_add(&tree, &leaves[count]);
  }
}

static void paths_are_those_that_certificate_transparency_publishes(void **state) {
  (void)state;
  static const struct {
    uint64_t index, count;
    const char *nodes[4];
  } paths[] = {
      {0, 1, {NULL}},
      {0,
       8,
       {"96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4", NULL}},
      {5,
       8,
       {"bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7", NULL}},
      {2, 3, {"fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125", NULL}},
      {1,
       5,
       {"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b", NULL}},
  };
  struct integrity_digest leaves[VECTOR_LEAVES], path[INTEGRITY_MERKLE_LEVELS];
  vector_leaves(leaves);
  for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
    const size_t nodes = integrity_merkle_path(leaves, paths[i].count, paths[i].index, path);
    for (size_t j = 0; j < nodes; j++) expect_hex(&path[j], paths[i].nodes[j]);
    assert_null(paths[i].nodes[nodes]);
  }
}

// RFC 6962 section 2.1, word for word.
static void naive_root(const struct integrity_digest *leaves, size_t count, struct integrity_digest *out) {
  if (count == 0) {
    integrity_digest_of(base_span_of(NULL, 0), out);
    return;
  }
  if (count == 1) {
    *out = leaves[0];
    return;
  }
  size_t k = 1;
  while (2 * k < count) k *= 2;
  uint8_t both[1 + 2 * BASE_DIGEST_BYTES] = {1};
  struct integrity_digest half;
  naive_root(leaves, k, &half);
  memcpy(both + 1, half.bytes, sizeof half.bytes);
  naive_root(leaves + k, count - k, &half);
  memcpy(both + 1 + BASE_DIGEST_BYTES, half.bytes, sizeof half.bytes);
  integrity_digest_of(base_span_of(both, sizeof both), out);
}

static void number_leaf(uint32_t number, struct integrity_digest *out) {
  integrity_merkle_leaf(base_span_of(&number, sizeof number), out);
}

static void root_is_the_naive_one_for_any_number_of_leaves(void **state) {
  (void)state;
  struct integrity_digest leaves[MOST_LEAVES], naive, root;
  struct integrity_merkle tree;
  integrity_merkle_init(&tree);
  for (uint32_t count = 0; count < MOST_LEAVES; count++) {
    naive_root(leaves, count, &naive);
    integrity_merkle_root(&tree, &root);
    assert_memory_equal(&root, &naive, sizeof naive);
    number_leaf(count, &leaves[count]);
    integrity_merkle_add(&tree, &leaves[count]);
  }
}

static void a_leaf_is_in_its_tree_by_its_own_path_only(void **state) {
  (void)state;
  struct integrity_digest leaves[MOST_LEAVES], root, path[INTEGRITY_MERKLE_LEVELS];
  for (uint32_t i = 0; i < MOST_LEAVES; i++) number_leaf(i, &leaves[i]);
  for (uint64_t count = 1; count < MOST_LEAVES; count += count < 20 ? 1 : 7) {
    naive_root(leaves, count, &root);
    for (uint64_t index = 0; index < count; index++) {
      const size_t nodes = integrity_merkle_path(leaves, count, index, path);
      assert_true(integrity_merkle_is_in(&leaves[index], index, count, path, nodes, &root));
      assert_false(integrity_merkle_is_in(&leaves[(index + 1) % MOST_LEAVES], index, count, path, nodes, &root));
      assert_false(integrity_merkle_is_in(&leaves[index], count, count, path, nodes, &root));
      if (nodes > 0) {
        assert_false(integrity_merkle_is_in(&leaves[index], index, count, path, nodes - 1, &root));
        assert_false(integrity_merkle_is_in(&leaves[index], index ^ 1, count, path, nodes, &root));
        path[nodes - 1].bytes[7] ^= 1;
        assert_false(integrity_merkle_is_in(&leaves[index], index, count, path, nodes, &root));
        path[nodes - 1].bytes[7] ^= 1;
      }
      path[nodes] = leaves[0];
      assert_false(integrity_merkle_is_in(&leaves[index], index, count, path, nodes + 1, &root));
    }
  }
}

static void blocks_are_counted_with_the_last_short_one(void **state) {
  (void)state;
  assert_int_equal(integrity_block_count(0), 0);
  assert_int_equal(integrity_block_count(1), 1);
  assert_int_equal(integrity_block_count(INTEGRITY_BLOCK_BYTES), 1);
  assert_int_equal(integrity_block_count(INTEGRITY_BLOCK_BYTES + 1), 2);
  assert_int_equal(integrity_block_count(UINT64_MAX), UINT64_C(1) << 48);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(roots_are_those_that_certificate_transparency_publishes),
      cmocka_unit_test(paths_are_those_that_certificate_transparency_publishes),
      cmocka_unit_test(root_is_the_naive_one_for_any_number_of_leaves),
      cmocka_unit_test(a_leaf_is_in_its_tree_by_its_own_path_only),
      cmocka_unit_test(blocks_are_counted_with_the_last_short_one),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
