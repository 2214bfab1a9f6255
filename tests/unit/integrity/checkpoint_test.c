// Checkpoints: what is signed, and texts that a signature does not make one.
#include "integrity/checkpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char name[] = "box.example/ledger";

struct box {
  struct integrity_signer signer;
  struct integrity_note_key key;
};

static struct box make_box(void) {
  const uint8_t seed[INTEGRITY_SEED_BYTES] = {3};
  struct box box;
  integrity_signer_init(&box.signer, seed);
  assert_int_equal(integrity_note_key_init(base_span_text(name), box.signer.public_key, &box.key, NULL), BASE_OK);
  return box;
}

static enum base_result open_signed(const char *text, struct integrity_checkpoint *out) {
  const struct box box = make_box();
  struct base_buffer note;
  base_buffer_init(&note, INTEGRITY_NOTE_MAX_BYTES);
  assert_int_equal(integrity_note_sign(base_span_text(text), &box.key, &box.signer, &note, NULL), BASE_OK);
  struct base_fault fault = {0};
  const enum base_result result = integrity_checkpoint_open(base_buffer_span(&note), &box.key, out, &fault);
  assert_int_equal(fault.result, result);
  base_buffer_finish(&note);
  return result;
}

static void what_is_signed_is_what_opens(void **state) {
  (void)state;
  const struct box box = make_box();
  static const uint64_t sizes[] = {0, 1, 20852163, UINT64_MAX};
  for (size_t i = 0; i < 4; i++) {
    struct integrity_checkpoint checkpoint = {.size = sizes[i], .root = {{1, 2, 3}}}, opened;
    snprintf(checkpoint.origin, sizeof checkpoint.origin, "%s", name);
    struct base_buffer note;
    base_buffer_init(&note, INTEGRITY_NOTE_MAX_BYTES);
    assert_int_equal(integrity_checkpoint_sign(&checkpoint, &box.key, &box.signer, &note, NULL), BASE_OK);
    assert_int_equal(integrity_checkpoint_open(base_buffer_span(&note), &box.key, &opened, NULL), BASE_OK);
    assert_string_equal(opened.origin, name);
    assert_int_equal(opened.size, sizes[i]);
    assert_true(integrity_digest_equal(&opened.root, &checkpoint.root));
    base_buffer_finish(&note);
  }
}

static void the_text_is_three_lines(void **state) {
  (void)state;
  const struct box box = make_box();
  struct integrity_checkpoint checkpoint = {.size = 20852163};
  snprintf(checkpoint.origin, sizeof checkpoint.origin, "%s", name);
  struct base_buffer note;
  base_buffer_init(&note, INTEGRITY_NOTE_MAX_BYTES);
  assert_int_equal(integrity_checkpoint_sign(&checkpoint, &box.key, &box.signer, &note, NULL), BASE_OK);
  assert_true(base_span_starts_with(base_buffer_span(&note),
                                    "box.example/ledger\n20852163\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n"
                                    "\xe2\x80\x94 box.example/ledger "));
  base_buffer_finish(&note);
}

#define ROOT "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

static void extension_lines_are_passed_over(void **state) {
  (void)state;
  struct integrity_checkpoint checkpoint;
  assert_int_equal(open_signed("box.example/ledger\n5\n" ROOT "\nmore\nand more\n", &checkpoint), BASE_OK);
  assert_int_equal(checkpoint.size, 5);
}

static void other_texts_are_no_checkpoints_though_signed(void **state) {
  (void)state;
  static const char *const bad[] = {
      "box.example/ledger\n",
      "box.example/ledger\n5\n",
      "box.example/ledger\n\n" ROOT "\n",
      "box.example/ledger\n05\n" ROOT "\n",
      "box.example/ledger\n-5\n" ROOT "\n",
      "box.example/ledger\n18446744073709551616\n" ROOT "\n",
      "box.example/ledger\n5\nAAAA\n",
      "box.example/ledger\n5\n" ROOT "=\n",
      "box.example/ledger\n5\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=\n",
      "box.example/ledger\n5\n" ROOT "\n\nmore\n",
      "box.example/other\n5\n" ROOT "\n",
      "\n5\n" ROOT "\n",
  };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    struct integrity_checkpoint checkpoint;
    assert_int_equal(open_signed(bad[i], &checkpoint), BASE_CORRUPT);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_signed_is_what_opens),
      cmocka_unit_test(the_text_is_three_lines),
      cmocka_unit_test(extension_lines_are_passed_over),
      cmocka_unit_test(other_texts_are_no_checkpoints_though_signed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
