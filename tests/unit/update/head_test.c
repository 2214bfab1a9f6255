// The head of a bundle: how it arrives, who signed it, and what was done to it on the way.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "bundles.h"
#include "wish.h"

static struct bundles bundles;

// Feeds `bytes` in pieces of `step`. *left: what the head did not take.
static enum base_result take(struct base_span bytes, size_t step, const struct update_keys *keys,
                             struct update_manifest *out, bool *is_whole, size_t *left, struct base_fault *fault) {
  struct update_head head;
  enum base_result result = BASE_OK;
  update_head_init(&head);
  *is_whole = false;
  *left = bytes.bytes;
  for (size_t at = 0; at < bytes.bytes && result == BASE_OK && !*is_whole; at += step) {
    // A copy that is exactly as long, so that a sanitizer sees every byte read behind the end.
    const struct base_span piece = base_span_slice(bytes, at, step);
    uint8_t *copy = malloc(piece.bytes);
    assert_non_null(copy);
    memcpy(copy, piece.data, piece.bytes);
    struct base_span rest = base_span_of(copy, piece.bytes);
    result = update_head_take(&head, keys, &rest, out, is_whole, fault);
    if (result == BASE_OK) *left -= piece.bytes - rest.bytes;
    free(copy);
  }
  update_head_finish(&head);
  return result;
}

static enum base_result take_all(const struct base_buffer *bundle, const struct update_keys *keys,
                                 struct base_fault *fault) {
  struct update_manifest manifest;
  bool is_whole;
  size_t left;
  const enum base_result result = take(base_buffer_span(bundle), 64, keys, &manifest, &is_whole, &left, fault);
  assert_int_equal(result == BASE_OK, is_whole);
  return result;
}

static void is_the_same_however_it_is_cut(void **state) {
  (void)state;
  struct base_buffer bundle = make_bundle(&bundles, (struct wish){.floor = "1.1", .signers = "old new"});
  struct update_keys *keys = trust(&bundles, "old");
  const size_t steps[] = {1, 2, 3, 7, 19, 20, 21, 64, 255, 1000, 100000};
  for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
    struct update_manifest manifest;
    bool is_whole;
    size_t left;
    struct base_fault fault = {0};
    if (take(base_buffer_span(&bundle), steps[i], keys, &manifest, &is_whole, &left, &fault) != BASE_OK)
      fail_msg("%zu at a time: %s", steps[i], fault.text);
    assert_true(is_whole);
    assert_int_equal(left, BOOT_BYTES + ROOT_BYTES);
    assert_string_equal(manifest.board, "test-board");
    assert_string_equal(manifest.version, "1.2.0");
    assert_string_equal(manifest.floor, "1.1");
    assert_int_equal(manifest.created_s, CREATED_S);
    assert_int_equal(manifest.parts[UPDATE_BOOT].bytes, BOOT_BYTES);
    assert_int_equal(manifest.parts[UPDATE_ROOT].bytes, ROOT_BYTES);
  }
  update_keys_destroy(&keys);
  base_buffer_finish(&bundle);
}

static void has_equal_bytes_when_it_is_made_twice(void **state) {
  (void)state;
  struct base_buffer one = make_bundle(&bundles, (struct wish){.signers = "old new"});
  struct base_buffer two = make_bundle(&bundles, (struct wish){.signers = "old new"});
  assert_true(base_span_equal(base_buffer_span(&one), base_buffer_span(&two)));
  base_buffer_finish(&one);
  base_buffer_finish(&two);
}

static void is_trusted_by_any_one_of_its_signatures(void **state) {
  (void)state;
  static const struct {
    const char *signers, *trusted;
    enum base_result result;
  } cases[] = {
      {"old", "old", BASE_OK},
      {"old", "old new", BASE_OK},
      {"old new", "old", BASE_OK},
      {"old new", "new", BASE_OK},
      {"new old", "old new", BASE_OK},
      {"old", "new", BASE_FORBIDDEN},
      {"foreign", "new old", BASE_FORBIDDEN},
      {"old new", "foreign", BASE_FORBIDDEN},
      {"foreign old", "old", BASE_OK},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    struct base_fault fault = {0};
    struct base_buffer bundle = make_bundle(&bundles, (struct wish){.signers = cases[i].signers});
    struct update_keys *keys = trust(&bundles, cases[i].trusted);
    if (take_all(&bundle, keys, &fault) != cases[i].result)
      fail_msg("signed by %s, trusted %s: %s", cases[i].signers, cases[i].trusted, fault.text);
    if (cases[i].result != BASE_OK) assert_non_null(strstr(fault.text, "not signed by a key that this box trusts"));
    update_keys_destroy(&keys);
    base_buffer_finish(&bundle);
  }
}

// Old boxes know the old key, the version in between is signed by both and brings the new key, later ones only by it.
static void follows_a_rotation_of_keys(void **state) {
  (void)state;
  struct update_keys *before = trust(&bundles, "old"), *after = trust(&bundles, "new");
  struct base_buffer bridge = make_bundle(&bundles, (struct wish){.version = "2.0", .signers = "old new"});
  struct base_buffer later = make_bundle(&bundles, (struct wish){.version = "2.1", .signers = "new"});
  struct base_buffer stolen = make_bundle(&bundles, (struct wish){.version = "9.0", .signers = "old"});
  assert_int_equal(take_all(&bridge, before, NULL), BASE_OK);
  assert_int_equal(take_all(&later, before, NULL), BASE_FORBIDDEN);
  assert_int_equal(take_all(&later, after, NULL), BASE_OK);
  assert_int_equal(take_all(&bridge, after, NULL), BASE_OK);
  assert_int_equal(take_all(&stolen, after, NULL), BASE_FORBIDDEN);
  base_buffer_finish(&bridge);
  base_buffer_finish(&later);
  base_buffer_finish(&stolen);
  update_keys_destroy(&before);
  update_keys_destroy(&after);
}

static void says_what_each_signature_is_worth(void **state) {
  (void)state;
  struct base_buffer bundle = make_bundle(&bundles, (struct wish){.signers = "old foreign new"});
  struct update_keys *keys = trust(&bundles, "old new");
  struct update_signature signatures[UPDATE_MAX_SIGNATURES];
  struct update_manifest manifest;
  struct update_head head;
  bool is_whole = false;
  bundle.data[head_bytes_of(&bundle) - 1] ^= 1;  // the last signature's last byte
  struct base_span rest = base_buffer_span(&bundle);
  update_head_init(&head);
  assert_int_equal(update_head_look(&head, &rest, &manifest, &is_whole, NULL), BASE_OK);
  assert_true(is_whole);
  assert_int_equal(update_head_signatures(&head, keys, signatures), 3);
  assert_int_equal(signatures[0].worth, UPDATE_SIGNATURE_RIGHT);
  assert_string_equal(signatures[0].key_name, "old.pem");
  assert_int_equal(signatures[1].worth, UPDATE_KEY_UNKNOWN);
  assert_null(signatures[1].key_name);
  assert_int_equal(signatures[2].worth, UPDATE_SIGNATURE_WRONG);
  assert_string_equal(signatures[2].key_name, "new.pem");
  update_head_finish(&head);
  update_keys_destroy(&keys);
  base_buffer_finish(&bundle);
}

// One bit of each byte; all of them take a while.
static void is_refused_when_any_bit_of_it_is_flipped(void **state) {
  (void)state;
  struct base_buffer bundle = make_bundle(&bundles, (struct wish){0});
  struct update_keys *keys = trust(&bundles, "old");
  const size_t bytes = head_bytes_of(&bundle);
  const size_t step = getenv("PIXPOP_LONG") != NULL ? 1 : 9;
  for (size_t bit = 0; bit < 8 * bytes; bit += step) {
    struct base_fault fault = {0};
    struct update_manifest manifest;
    bool is_whole;
    size_t left;
    bundle.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    const enum base_result result =
        take(base_buffer_span(&bundle), SIZE_MAX / 2, keys, &manifest, &is_whole, &left, &fault);
    if (result == BASE_OK) fail_msg("bit %zu of byte %zu of %zu was not missed", bit % 8, bit / 8, bytes);
    assert_true(result == BASE_FORBIDDEN || result == BASE_BAD_INPUT || result == BASE_UNSUPPORTED);
    assert_true(fault.text[0] != '\0');
    bundle.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
  }
  assert_int_equal(take_all(&bundle, keys, NULL), BASE_OK);
  update_keys_destroy(&keys);
  base_buffer_finish(&bundle);
}

static void is_not_whole_when_it_is_cut_anywhere(void **state) {
  (void)state;
  struct base_buffer bundle = make_bundle(&bundles, (struct wish){.signers = "old new"});
  struct update_keys *keys = trust(&bundles, "old");
  for (size_t bytes = 0; bytes < head_bytes_of(&bundle); bytes++) {
    struct update_manifest manifest;
    bool is_whole;
    size_t left;
    assert_int_equal(take(base_span_of(bundle.data, bytes), 50, keys, &manifest, &is_whole, &left, NULL), BASE_OK);
    assert_false(is_whole);
  }
  update_keys_destroy(&keys);
  base_buffer_finish(&bundle);
}

static void is_refused_at_its_first_wrong_byte(void **state) {
  (void)state;
  struct update_keys *keys = trust(&bundles, "old");
  static const struct {
    const char *bytes;
    size_t count;
    enum base_result result;
  } cases[] = {
      {"\x89PNG", 1, BASE_BAD_INPUT},
      {"pxupdat3", 8, BASE_BAD_INPUT},
      {"pxupdate\0\0\0\2", 12, BASE_UNSUPPORTED},
      {"pxupdate\0\0\0\1\0\0\0\0\0\0\0\1", 20, BASE_BAD_INPUT},    // no manifest
      {"pxupdate\0\0\0\1\0\0\x10\1\0\0\0\1", 20, BASE_BAD_INPUT},  // too long a one
      {"pxupdate\0\0\0\1\xff\xff\xff\xff\0\0\0\1", 20, BASE_BAD_INPUT},
      {"pxupdate\0\0\0\1\0\0\0\1\0\0\0\0", 20, BASE_BAD_INPUT},                 // no signature
      {"pxupdate\0\0\0\1\0\0\0\1\0\0\0\5", 20, BASE_BAD_INPUT},                 // too many
      {"pxupdate\0\0\0\1\0\0\0\1\0\0\0\1x12345678\0\0", 31, BASE_BAD_INPUT},    // an empty one
      {"pxupdate\0\0\0\1\0\0\0\1\0\0\0\1x12345678\0\x51", 31, BASE_BAD_INPUT},  // too long a one
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    for (size_t step = 1; step <= cases[i].count; step++) {
      struct update_manifest manifest;
      bool is_whole;
      size_t left;
      const struct base_span bytes = base_span_of(cases[i].bytes, cases[i].count);
      assert_int_equal(take(bytes, step, keys, &manifest, &is_whole, &left, NULL), cases[i].result);
    }
  }
  update_keys_destroy(&keys);
}

static int set_up(void **state) {
  *state = &bundles;
  bundles_begin(&bundles);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(is_the_same_however_it_is_cut),
      cmocka_unit_test(has_equal_bytes_when_it_is_made_twice),
      cmocka_unit_test(is_trusted_by_any_one_of_its_signatures),
      cmocka_unit_test(follows_a_rotation_of_keys),
      cmocka_unit_test(says_what_each_signature_is_worth),
      cmocka_unit_test(is_refused_when_any_bit_of_it_is_flipped),
      cmocka_unit_test(is_not_whole_when_it_is_cut_anywhere),
      cmocka_unit_test(is_refused_at_its_first_wrong_byte),
  };
  return cmocka_run_group_tests(tests, set_up, bundles_end);
}
