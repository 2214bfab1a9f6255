// Signed notes: keys and a note that Go's tools made, notes of our own, and everything that must not open.
#include "integrity/note.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"

static const char neumann_vkey[] = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
static const char neumann_note[] =
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n"
    "\xe2\x80\x94 PeterNeumann "
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

struct box {
  struct integrity_signer signer;
  struct integrity_note_key key;
};

static struct box box_of(const char *name, uint8_t first) {
  const uint8_t seed[INTEGRITY_SEED_BYTES] = {first};
  struct box box;
  integrity_signer_init(&box.signer, seed);
  assert_int_equal(integrity_note_key_init(base_span_text(name), box.signer.public_key, &box.key, NULL), BASE_OK);
  return box;
}

static enum base_result opens(const char *note, const struct integrity_note_key *key, struct base_fault *fault) {
  struct base_span text;
  return integrity_note_open(base_span_text(note), key, &text, fault);
}

static void a_note_made_by_go_opens(void **state) {
  (void)state;
  struct integrity_note_key key;
  struct base_fault fault = {0};
  struct base_span text;
  assert_int_equal(integrity_note_key_parse(base_span_text(neumann_vkey), &key, &fault), BASE_OK);
  assert_int_equal(integrity_note_open(base_span_text(neumann_note), &key, &text, &fault), BASE_OK);
  assert_int_equal(text.bytes, strstr(neumann_note, "\n\n") + 1 - neumann_note);
  assert_ptr_equal(text.data, neumann_note);
}

static void keys_are_written_as_they_were_read(void **state) {
  (void)state;
  const char *const vkeys[] = {neumann_vkey, "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"};
  for (size_t i = 0; i < 2; i++) {
    struct integrity_note_key key;
    char text[INTEGRITY_VKEY_MAX_CHARS + 1];
    assert_int_equal(integrity_note_key_parse(base_span_text(vkeys[i]), &key, NULL), BASE_OK);
    integrity_note_key_text(&key, text);
    assert_string_equal(text, vkeys[i]);
  }
}

static void wrong_keys_are_refused(void **state) {
  (void)state;
  static const struct {
    const char *vkey;
    enum base_result result;
  } wrong[] = {
      {"", BASE_BAD_INPUT},
      {"PeterNeumann", BASE_BAD_INPUT},
      {"PeterNeumann+c74f20a3", BASE_BAD_INPUT},
      {"PeterNeumann+c74f20a3+", BASE_BAD_INPUT},
      {"PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", BASE_BAD_INPUT},
      {"PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", BASE_BAD_INPUT},
      {"PeterNeumenn+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", BASE_BAD_INPUT},
      {"+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", BASE_BAD_INPUT},
      {"PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TX", BASE_BAD_INPUT},
      {"PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy1w==", BASE_BAD_INPUT},
      {"PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10T", BASE_BAD_INPUT},
      {"PeterNeumann+c74f20a3+AhoaAAAA", BASE_UNSUPPORTED},
      {"Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", BASE_BAD_INPUT},
  };
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    struct integrity_note_key key;
    struct base_fault fault = {0};
    assert_int_equal(integrity_note_key_parse(base_span_text(wrong[i].vkey), &key, &fault), wrong[i].result);
    assert_int_equal(fault.result, wrong[i].result);
  }
}

static void names_without_spaces_and_plus_only(void **state) {
  (void)state;
  char longest[INTEGRITY_NOTE_MAX_NAME + 2];
  memset(longest, 'a', sizeof longest - 1);
  longest[sizeof longest - 1] = '\0';
  const char *const bad[] = {
      "", " ", "a b", "a+b", "a\tb", "a\nb", "a\xc2\xa0z", "a\xe2\x80\x89z", "a\xe3\x80\x80", "\xff", longest};
  const uint8_t public_key[INTEGRITY_PUBLIC_KEY_BYTES] = {1};
  struct integrity_note_key key;
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    assert_int_equal(integrity_note_key_init(base_span_text(bad[i]), public_key, &key, NULL), BASE_BAD_INPUT);
  }
  longest[INTEGRITY_NOTE_MAX_NAME] = '\0';
  const char *const good[] = {"a", "b\xc3\xbcro.example/ledger", longest};
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
    assert_int_equal(integrity_note_key_init(base_span_text(good[i]), public_key, &key, NULL), BASE_OK);
  }
}

static void what_is_signed_opens_and_any_other_bit_does_not(void **state) {
  (void)state;
  const struct box box = box_of("box.example/ledger", 1);
  struct base_buffer note;
  struct base_fault fault = {0};
  base_buffer_init(&note, INTEGRITY_NOTE_MAX_BYTES);
  assert_int_equal(integrity_note_sign(base_span_text("one\n\nthree\n"), &box.key, &box.signer, &note, &fault),
                   BASE_OK);
  struct base_span text;
  assert_int_equal(integrity_note_open(base_buffer_span(&note), &box.key, &text, &fault), BASE_OK);
  assert_true(base_span_is(text, "one\n\nthree\n"));
  for (size_t bit = 0; bit < 8 * note.bytes; bit++) {
    note.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    assert_int_equal(integrity_note_open(base_buffer_span(&note), &box.key, &text, NULL), BASE_CORRUPT);
    note.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
  }
  for (size_t bytes = 0; bytes < note.bytes; bytes++) {
    assert_int_equal(integrity_note_open(base_span_of(note.data, bytes), &box.key, &text, NULL), BASE_CORRUPT);
  }
  base_buffer_finish(&note);
}

static void texts_that_are_no_lines_are_not_signed(void **state) {
  (void)state;
  const struct box box = box_of("box", 1);
  static const char *const bad[] = {"", "no end", "a\tb\n", "\xff\n", "a\r\n"};
  struct base_buffer note;
  base_buffer_init(&note, INTEGRITY_NOTE_MAX_BYTES);
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    assert_int_equal(integrity_note_sign(base_span_text(bad[i]), &box.key, &box.signer, &note, NULL), BASE_BAD_INPUT);
    assert_int_equal(note.bytes, 0);
  }
}

// A signature line by `box` over `text`, after whatever is in `note`.
static void add_signature(struct base_buffer *note, const struct box *box, const char *text) {
  struct base_buffer own;
  base_buffer_init(&own, INTEGRITY_NOTE_MAX_BYTES);
  assert_int_equal(integrity_note_sign(base_span_text(text), &box->key, &box->signer, &own, NULL), BASE_OK);
  const struct base_span line = base_span_slice(base_buffer_span(&own), strlen(text) + 1, own.bytes);
  assert_int_equal(base_buffer_append(note, line.data, line.bytes), BASE_OK);
  base_buffer_finish(&own);
}

static enum base_result opens_signed(const struct box *signers, size_t count, const struct integrity_note_key *key) {
  struct base_buffer note;
  base_buffer_init(&note, INTEGRITY_NOTE_MAX_BYTES);
  assert_int_equal(base_buffer_append_text(&note, "text\n\n"), BASE_OK);
  for (size_t i = 0; i < count; i++) add_signature(&note, &signers[i], "text\n");
  struct base_span text;
  const enum base_result result = integrity_note_open(base_buffer_span(&note), key, &text, NULL);
  base_buffer_finish(&note);
  return result;
}

static void lines_of_others_are_passed_over(void **state) {
  (void)state;
  struct box signers[INTEGRITY_NOTE_MAX_LINES + 1];
  for (size_t i = 0; i < sizeof signers / sizeof signers[0]; i++) signers[i] = box_of("witness", (uint8_t)(10 + i));
  const struct box own = box_of("box", 1), stranger = box_of("stranger", 2);
  signers[INTEGRITY_NOTE_MAX_LINES - 1] = own;
  assert_int_equal(opens_signed(signers, INTEGRITY_NOTE_MAX_LINES, &own.key), BASE_OK);
  assert_int_equal(opens_signed(signers, INTEGRITY_NOTE_MAX_LINES, &stranger.key), BASE_CORRUPT);
  assert_int_equal(opens_signed(signers, INTEGRITY_NOTE_MAX_LINES + 1, &own.key), BASE_CORRUPT);
}

static void one_wrong_line_by_the_key_spoils_the_note(void **state) {
  (void)state;
  const struct box box = box_of("box", 1);
  struct base_buffer note;
  base_buffer_init(&note, INTEGRITY_NOTE_MAX_BYTES);
  assert_int_equal(base_buffer_append_text(&note, "text\n\n"), BASE_OK);
  add_signature(&note, &box, "text\n");
  struct base_span text;
  assert_int_equal(integrity_note_open(base_buffer_span(&note), &box.key, &text, NULL), BASE_OK);
  add_signature(&note, &box, "other text\n");
  assert_int_equal(integrity_note_open(base_buffer_span(&note), &box.key, &text, NULL), BASE_CORRUPT);
  base_buffer_finish(&note);
}

static void malformed_lines_are_no_notes(void **state) {
  (void)state;
  static const char *const lines[] = {"- box AAAAAAAA",
                                      "\xe2\x80\x94 box",
                                      "\xe2\x80\x94 box ",
                                      "\xe2\x80\x94  AAAAAAAA",
                                      "\xe2\x80\x94 box AAAAAA==",
                                      "\xe2\x80\x94 box AAAAAAA",
                                      "\xe2\x80\x94 b+x AAAAAAAA",
                                      "\xe2\x80\x94 box AAAAAAAA "};
  const struct box box = box_of("box", 1);
  for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
    struct base_buffer note;
    struct base_span text;
    base_buffer_init(&note, INTEGRITY_NOTE_MAX_BYTES);
    assert_int_equal(base_buffer_printf(&note, "text\n\n%s\n", lines[i]), BASE_OK);
    add_signature(&note, &box, "text\n");
    assert_int_equal(integrity_note_open(base_buffer_span(&note), &box.key, &text, NULL), BASE_CORRUPT);
    base_buffer_finish(&note);
  }
  assert_int_equal(opens("", &box.key, NULL), BASE_CORRUPT);
  assert_int_equal(opens("\n\n", &box.key, NULL), BASE_CORRUPT);
  assert_int_equal(opens("text\n\n", &box.key, NULL), BASE_CORRUPT);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_note_made_by_go_opens),
      cmocka_unit_test(keys_are_written_as_they_were_read),
      cmocka_unit_test(wrong_keys_are_refused),
      cmocka_unit_test(names_without_spaces_and_plus_only),
      cmocka_unit_test(what_is_signed_opens_and_any_other_bit_does_not),
      cmocka_unit_test(texts_that_are_no_lines_are_not_signed),
      cmocka_unit_test(lines_of_others_are_passed_over),
      cmocka_unit_test(one_wrong_line_by_the_key_spoils_the_note),
      cmocka_unit_test(malformed_lines_are_no_notes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
