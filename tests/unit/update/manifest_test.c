// The manifest of a bundle: one spelling, and nothing else.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "update/bundle.h"

#define DIGEST "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"
#define IMAGES "boot 33554432 " DIGEST "\nroot 104857600 " DIGEST "\n"

static const char whole[] = "board qemu-x86_64\nversion 1.2.0\nfloor 1.0.0\ncreated 1790000000\n" IMAGES;

// Parses a copy that is exactly as long, so that a sanitizer sees every byte read behind the end.
static enum base_result parse(const char *text, size_t bytes, struct update_manifest *out, struct base_fault *fault) {
  char *copy = malloc(bytes > 0 ? bytes : 1);
  assert_non_null(copy);
  memcpy(copy, text, bytes);
  const enum base_result result = update_manifest_parse(base_span_of(copy, bytes), out, fault);
  free(copy);
  return result;
}

static void is_read_as_it_was_written(void **state) {
  (void)state;
  struct update_manifest manifest;
  struct base_fault fault = {0};
  if (parse(whole, strlen(whole), &manifest, &fault) != BASE_OK) fail_msg("%s", fault.text);
  assert_string_equal(manifest.board, "qemu-x86_64");
  assert_string_equal(manifest.version, "1.2.0");
  assert_string_equal(manifest.floor, "1.0.0");
  assert_int_equal(manifest.created_s, 1790000000);
  assert_int_equal(manifest.parts[UPDATE_BOOT].bytes, 33554432);
  assert_int_equal(manifest.parts[UPDATE_ROOT].bytes, 104857600);
  struct base_buffer text;
  base_buffer_init(&text, UPDATE_MAX_MANIFEST);
  assert_int_equal(update_manifest_write(&manifest, &text, NULL), BASE_OK);
  assert_true(base_span_is(base_buffer_span(&text), whole));
  base_buffer_finish(&text);
}

static void has_no_floor_when_it_is_a_dash(void **state) {
  (void)state;
  static const char text[] = "board b\nversion 2\nfloor -\ncreated 0\n" IMAGES;
  struct update_manifest manifest;
  assert_int_equal(parse(text, strlen(text), &manifest, NULL), BASE_OK);
  assert_string_equal(manifest.floor, "");
}

static void is_refused_when_any_byte_is_missing_at_its_end(void **state) {
  (void)state;
  struct update_manifest manifest;
  for (size_t bytes = 0; bytes < strlen(whole); bytes++) {
    struct base_fault fault = {0};
    assert_int_equal(parse(whole, bytes, &manifest, &fault), BASE_BAD_INPUT);
    assert_int_equal(fault.result, BASE_BAD_INPUT);
  }
}

static void is_refused_when_it_is_spelled_otherwise(void **state) {
  (void)state;
  static const char *const wrong[] = {
      "",
      "\n",
      "board b\nversion 2\nfloor -\ncreated 0\n" IMAGES "\n",
      "board b\nversion 2\nfloor -\ncreated 0\n" IMAGES "more 1\n",
      "board b\nversion 2\nfloor -\ncreated 00\n" IMAGES,
      "board b\nversion 2\nfloor -\ncreated +1\n" IMAGES,
      "board b\nversion 2\nfloor -\ncreated -1\n" IMAGES,
      "board b\nversion 2\nfloor -\ncreated \n" IMAGES,
      "board b\nversion 2\nfloor -\ncreated\n" IMAGES,
      "board b\nversion 2\nfloor -\ncreated 9223372036854775808\n" IMAGES,
      "board b\nversion 2\nfloor -\ncreated 99999999999999999999\n" IMAGES,
      "board b\nversion 2\nfloor \ncreated 0\n" IMAGES,
      "board b\nversion 2\nfloor 3\ncreated 0\n" IMAGES,
      "board b\nversion 2.0\nfloor 2.0.1\ncreated 0\n" IMAGES,
      "board b\nversion 2-rc1\nfloor 2\ncreated 0\n" IMAGES,
      "board b\nversion 02\nfloor -\ncreated 0\n" IMAGES,
      "board b\nversion -\nfloor -\ncreated 0\n" IMAGES,
      "board b\nversion 1.2.3.4\nfloor -\ncreated 0\n" IMAGES,
      "board B\nversion 2\nfloor -\ncreated 0\n" IMAGES,
      "board \nversion 2\nfloor -\ncreated 0\n" IMAGES,
      "board a/b\nversion 2\nfloor -\ncreated 0\n" IMAGES,
      "board ../b\nversion 2\nfloor -\ncreated 0\n" IMAGES,
      "board abcdefghijklmnopqrstuvwxyz0123456\nversion 2\nfloor -\ncreated 0\n" IMAGES,
      "version 2\nboard b\nfloor -\ncreated 0\n" IMAGES,
      "board b\r\nversion 2\r\nfloor -\r\ncreated 0\r\n" IMAGES,
      "board  b\nversion 2\nfloor -\ncreated 0\n" IMAGES,
      " board b\nversion 2\nfloor -\ncreated 0\n" IMAGES,
      "board b \nversion 2\nfloor -\ncreated 0\n" IMAGES,
      "board b\nversion 2\nfloor -\ncreated 0\nroot 5 " DIGEST "\nboot 5 " DIGEST "\n",
      "board b\nversion 2\nfloor -\ncreated 0\nboot 0 " DIGEST "\nroot 5 " DIGEST "\n",
      "board b\nversion 2\nfloor -\ncreated 0\nboot 05 " DIGEST "\nroot 5 " DIGEST "\n",
      "board b\nversion 2\nfloor -\ncreated 0\nboot 5 " DIGEST "=\nroot 5 " DIGEST "\n",
      "board b\nversion 2\nfloor -\ncreated 0\nboot 5 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU\nroot 5 " DIGEST "\n",
      "board b\nversion 2\nfloor -\ncreated 0\nboot 5 47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFV\nroot 5 " DIGEST "\n",
      "board b\nversion 2\nfloor -\ncreated 0\nboot 5 " DIGEST "\nboot 5 " DIGEST "\nroot 5 " DIGEST "\n",
  };
  struct update_manifest manifest;
  for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
    struct base_fault fault = {0};
    if (parse(wrong[i], strlen(wrong[i]), &manifest, &fault) != BASE_BAD_INPUT) fail_msg("was taken:\n%s", wrong[i]);
    assert_true(fault.text[0] != '\0');
  }
}

static void is_refused_when_it_has_a_zero_byte(void **state) {
  (void)state;
  char text[sizeof(whole)];
  struct update_manifest manifest;
  for (size_t i = 0; i < strlen(whole); i++) {
    memcpy(text, whole, sizeof(text));
    text[i] = '\0';
    assert_int_equal(parse(text, strlen(whole), &manifest, NULL), BASE_BAD_INPUT);
  }
}

static void is_refused_when_an_image_is_too_large(void **state) {
  (void)state;
  static const char most[] = "board b\nversion 2\nfloor -\ncreated 0\nboot 5 " DIGEST "\nroot 2147483648 " DIGEST "\n";
  static const char over[] = "board b\nversion 2\nfloor -\ncreated 0\nboot 5 " DIGEST "\nroot 2147483649 " DIGEST "\n";
  struct update_manifest manifest;
  assert_int_equal(parse(most, strlen(most), &manifest, NULL), BASE_OK);
  assert_int_equal(parse(over, strlen(over), &manifest, NULL), BASE_TOO_LARGE);
}

static void is_refused_when_it_is_too_long(void **state) {
  (void)state;
  static char text[UPDATE_MAX_MANIFEST + 1];
  struct update_manifest manifest;
  memset(text, 'a', sizeof(text));
  assert_int_equal(parse(text, sizeof(text), &manifest, NULL), BASE_TOO_LARGE);
}

static void is_not_written_when_it_could_not_be_read(void **state) {
  (void)state;
  struct update_manifest manifest;
  struct base_buffer text;
  assert_int_equal(parse(whole, strlen(whole), &manifest, NULL), BASE_OK);
  base_buffer_init(&text, UPDATE_MAX_MANIFEST);
  manifest.created_s = -1;
  assert_int_equal(update_manifest_write(&manifest, &text, NULL), BASE_BAD_INPUT);
  manifest.created_s = 0;
  memset(manifest.board, 'a', sizeof(manifest.board));  // without an end
  assert_int_equal(update_manifest_write(&manifest, &text, NULL), BASE_BAD_INPUT);
  assert_int_equal(text.bytes, 0);
  base_buffer_finish(&text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(is_read_as_it_was_written),
      cmocka_unit_test(has_no_floor_when_it_is_a_dash),
      cmocka_unit_test(is_refused_when_any_byte_is_missing_at_its_end),
      cmocka_unit_test(is_refused_when_it_is_spelled_otherwise),
      cmocka_unit_test(is_refused_when_it_has_a_zero_byte),
      cmocka_unit_test(is_refused_when_an_image_is_too_large),
      cmocka_unit_test(is_refused_when_it_is_too_long),
      cmocka_unit_test(is_not_written_when_it_could_not_be_read),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
