// Entries of the ledger: the layout byte by byte, subjects as text and back, and what is no entry and no subject.
#include "integrity/entry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "integrity/merkle.h"

static struct integrity_digest digest_of(const char *text) {
  struct integrity_digest digest;
  integrity_digest_of(base_span_text(text), &digest);
  return digest;
}

static const struct integrity_entry sample = {.kind = INTEGRITY_ENTRY_DERIVE,
                                              .time_s = 0x0102030405060708,
                                              .refers = 0x1112131415161718,
                                              .renews = INTEGRITY_ENTRY_NONE,
                                              .commitment = {{0xaa, 0xbb}}};

static void the_layout_is_the_documented_one(void **state) {
  (void)state;
  static const uint8_t wanted[INTEGRITY_ENTRY_BYTES] = {1,    2,    0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08,
                                                        0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0xff, 0xff,
                                                        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xaa, 0xbb};
  uint8_t bytes[INTEGRITY_ENTRY_BYTES];
  integrity_entry_write(&sample, bytes);
  assert_memory_equal(bytes, wanted, sizeof wanted);
  struct integrity_entry entry;
  assert_int_equal(integrity_entry_parse(base_span_of(bytes, sizeof bytes), &entry, NULL), BASE_OK);
  assert_int_equal(entry.kind, sample.kind);
  assert_int_equal(entry.time_s, sample.time_s);
  assert_int_equal(entry.refers, sample.refers);
  assert_int_equal(entry.renews, sample.renews);
  assert_true(integrity_digest_equal(&entry.commitment, &sample.commitment));
}

static void other_lengths_versions_and_kinds_are_refused(void **state) {
  (void)state;
  uint8_t bytes[INTEGRITY_ENTRY_BYTES + 1] = {0};
  struct integrity_entry entry;
  integrity_entry_write(&sample, bytes);
  assert_int_equal(integrity_entry_parse(base_span_of(bytes, sizeof bytes), &entry, NULL), BASE_CORRUPT);
  assert_int_equal(integrity_entry_parse(base_span_of(bytes, 57), &entry, NULL), BASE_CORRUPT);
  assert_int_equal(integrity_entry_parse((struct base_span){0}, &entry, NULL), BASE_CORRUPT);
  for (unsigned value = 0; value < 256; value++) {
    const struct base_span span = base_span_of(bytes, INTEGRITY_ENTRY_BYTES);
    bytes[0] = (uint8_t)value;
    assert_int_equal(integrity_entry_parse(span, &entry, NULL), value == 1 ? BASE_OK : BASE_UNSUPPORTED);
    bytes[0] = 1;
    bytes[1] = (uint8_t)value;
    assert_int_equal(integrity_entry_parse(span, &entry, NULL), value >= 1 && value <= 5 ? BASE_OK : BASE_UNSUPPORTED);
    bytes[1] = 2;
  }
}

static void the_leaf_is_that_of_rfc_6962(void **state) {
  (void)state;
  uint8_t prefixed[1 + INTEGRITY_ENTRY_BYTES] = {0};
  struct integrity_digest leaf, wanted;
  integrity_entry_write(&sample, prefixed + 1);
  integrity_digest_of(base_span_of(prefixed, sizeof prefixed), &wanted);
  integrity_entry_leaf(prefixed + 1, &leaf);
  assert_true(integrity_digest_equal(&leaf, &wanted));
}

static void the_commitment_is_over_salt_and_subject(void **state) {
  (void)state;
  const uint8_t salt[INTEGRITY_SALT_BYTES] = "0123456789abcdef";
  struct integrity_digest commitment;
  const struct integrity_digest wanted = digest_of("0123456789abcdefpixpop\n");
  integrity_commit(salt, base_span_text("pixpop\n"), &commitment);
  assert_true(integrity_digest_equal(&commitment, &wanted));
}

// SHA-256 of nothing, of "abc", in base64url.
#define NOTHING "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"
#define ABC "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0"

static const char *const texts[] = {
    "pixpop put\ntenant default\noriginal " NOTHING "\nbytes 0\nroot " ABC "\n",
    "pixpop derive\ntenant shop-1\noriginal " ABC "\nrecipe w=800,fm=webp\nrender 4294967295\nvariant " NOTHING
    "\nbytes 18446744073709551615\nroot " ABC "\n",
    "pixpop derive\ntenant shop-1\noriginal " ABC "\nrecipe \nrender 0\nvariant " NOTHING "\nbytes 1\nroot " ABC "\n",
    "pixpop evict\ntenant default\nobject " ABC "\n",
    "pixpop purge\ntenant default\nobject " ABC "\n",
    "pixpop config\nsettings " ABC "\nversion 0.6.0\n",
};

static void subjects_are_written_as_they_were_read(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    struct integrity_subject subject;
    struct base_buffer again;
    base_buffer_init(&again, INTEGRITY_SUBJECT_MAX_BYTES);
    assert_int_equal(integrity_subject_parse(base_span_text(texts[i]), &subject, NULL), BASE_OK);
    assert_int_equal(integrity_subject_write(&subject, &again, NULL), BASE_OK);
    assert_true(base_span_is(base_buffer_span(&again), texts[i]));
    base_buffer_finish(&again);
  }
}

static void the_members_hold_what_the_lines_say(void **state) {
  (void)state;
  struct integrity_subject subject;
  const struct integrity_digest nothing = digest_of(""), abc = digest_of("abc");
  assert_int_equal(integrity_subject_parse(base_span_text(texts[1]), &subject, NULL), BASE_OK);
  assert_int_equal(subject.kind, INTEGRITY_ENTRY_DERIVE);
  assert_string_equal(subject.tenant, "shop-1");
  assert_true(integrity_digest_equal(&subject.original, &abc));
  assert_true(integrity_digest_equal(&subject.object, &nothing));
  assert_true(integrity_digest_equal(&subject.root, &abc));
  assert_string_equal(subject.recipe, "w=800,fm=webp");
  assert_int_equal(subject.render_version, UINT32_MAX);
  assert_int_equal(subject.bytes, UINT64_MAX);
  assert_int_equal(integrity_subject_parse(base_span_text(texts[0]), &subject, NULL), BASE_OK);
  assert_true(integrity_digest_equal(&subject.object, &nothing));
  assert_int_equal(integrity_subject_parse(base_span_text(texts[5]), &subject, NULL), BASE_OK);
  assert_string_equal(subject.version, "0.6.0");
  assert_true(integrity_digest_equal(&subject.object, &abc));
}

static void no_part_of_a_subject_is_one(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    for (size_t bytes = 0; bytes < strlen(texts[i]); bytes++) {
      struct integrity_subject subject;
      assert_int_equal(integrity_subject_parse(base_span_of(texts[i], bytes), &subject, NULL), BASE_CORRUPT);
    }
  }
}

static void other_texts_are_refused(void **state) {
  (void)state;
  static const char *const bad[] = {
      "pixpop\n",
      "pixpop level\ntenant default\nobject " ABC "\n",
      "pixpop purge\nobject " ABC "\ntenant default\n",
      "pixpop purge\ntenant default\nobject " ABC "\n\n",
      "pixpop purge\ntenant default\nobject " ABC "\nmore 1\n",
      "pixpop purge\ntenant Default\nobject " ABC "\n",
      "pixpop purge\ntenant \nobject " ABC "\n",
      "pixpop purge\ntenant 0123456789012345678901234567890123\nobject " ABC "\n",
      "pixpop purge\ntenant  default\nobject " ABC "\n",
      "pixpop purge\ntenant default\nobject " ABC "=\n",
      "pixpop purge\r\ntenant default\nobject " ABC "\n",
      "pixpop put\ntenant default\noriginal " NOTHING "\nbytes 01\nroot " ABC "\n",
      "pixpop put\ntenant default\noriginal " NOTHING "\nbytes\nroot " ABC "\n",
      "pixpop put\ntenant default\noriginal " NOTHING "\nbytes 18446744073709551616\nroot " ABC "\n",
      "pixpop derive\ntenant a\noriginal " ABC "\nrecipe\nrender 0\nvariant " ABC "\nbytes 1\nroot " ABC "\n",
      "pixpop derive\ntenant a\noriginal " ABC "\nrecipe \nrender 4294967296\nvariant " ABC "\nbytes 1\nroot " ABC "\n",
      "pixpop config\nsettings " ABC "\nversion \x7f\n",
  };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    struct integrity_subject subject;
    struct base_fault fault = {0};
    assert_int_equal(integrity_subject_parse(base_span_text(bad[i]), &subject, &fault), BASE_CORRUPT);
    assert_int_equal(fault.result, BASE_CORRUPT);
  }
  struct integrity_subject subject;
  assert_int_equal(integrity_subject_parse((struct base_span){0}, &subject, NULL), BASE_CORRUPT);
}

static void what_could_not_be_read_back_is_not_written(void **state) {
  (void)state;
  struct integrity_subject good;
  assert_int_equal(integrity_subject_parse(base_span_text(texts[1]), &good, NULL), BASE_OK);
  struct integrity_subject bad[5] = {good, good, good, good, good};
  bad[0].recipe[3] = '\n';
  bad[1].tenant[0] = '\0';
  bad[2].tenant[1] = '_';
  memset(bad[3].recipe, 'a', sizeof bad[3].recipe);  // without an end
  bad[4].recipe[0] = (char)0xc3;
  for (size_t i = 0; i < 5; i++) {
    struct base_buffer out;
    struct base_fault fault = {0};
    base_buffer_init(&out, INTEGRITY_SUBJECT_MAX_BYTES);
    assert_int_equal(integrity_subject_write(&bad[i], &out, &fault), BASE_BAD_INPUT);
    assert_true(fault.text[0] != '\0');
    base_buffer_finish(&out);
  }
}

static void the_longest_subject_has_room(void **state) {
  (void)state;
  struct integrity_subject subject = {
      .kind = INTEGRITY_ENTRY_DERIVE, .bytes = UINT64_MAX, .render_version = UINT32_MAX};
  memset(subject.tenant, 'a', sizeof subject.tenant - 1);
  memset(subject.recipe, '~', sizeof subject.recipe - 1);
  struct base_buffer out;
  base_buffer_init(&out, INTEGRITY_SUBJECT_MAX_BYTES);
  assert_int_equal(integrity_subject_write(&subject, &out, NULL), BASE_OK);
  struct integrity_subject again;
  assert_int_equal(integrity_subject_parse(base_buffer_span(&out), &again, NULL), BASE_OK);
  assert_memory_equal(&again, &subject, sizeof subject);
  base_buffer_finish(&out);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_layout_is_the_documented_one),
      cmocka_unit_test(other_lengths_versions_and_kinds_are_refused),
      cmocka_unit_test(the_leaf_is_that_of_rfc_6962),
      cmocka_unit_test(the_commitment_is_over_salt_and_subject),
      cmocka_unit_test(subjects_are_written_as_they_were_read),
      cmocka_unit_test(the_members_hold_what_the_lines_say),
      cmocka_unit_test(no_part_of_a_subject_is_one),
      cmocka_unit_test(other_texts_are_refused),
      cmocka_unit_test(what_could_not_be_read_back_is_not_written),
      cmocka_unit_test(the_longest_subject_has_room),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
