// The record's head: what is written is read, and nothing else is.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "old_record.h"

enum { BODY_BYTES = INTEGRITY_BLOCK_BYTES + 1000, TRAILER_BYTES = 2 * BASE_DIGEST_BYTES };
enum { REST_BYTES = BODY_BYTES + TRAILER_BYTES };  // of a file, behind head and metadata

static void make_meta(struct base_buffer *meta) {
  base_buffer_init(meta, STORE_RECORD_MAX_META);
  assert_int_equal(store_meta_add(meta, "id", base_span_text("abc")), BASE_OK);
  assert_int_equal(store_meta_add(meta, "media-type", base_span_text("image/webp")), BASE_OK);
  assert_int_equal(store_meta_add(meta, "empty", base_span_text("")), BASE_OK);
  assert_int_equal(store_meta_add(meta, "id", base_span_text("second: with colon")), BASE_OK);
}

static void make_head(struct base_buffer *head, enum store_record_kind kind, struct base_span meta) {
  static const uint8_t body[BODY_BYTES];
  struct store_record record = {.kind = kind, .meta = meta};
  struct base_buffer trailer;
  memset(record.body_digest.bytes, 7, sizeof record.body_digest.bytes);
  base_buffer_init(&trailer, SIZE_MAX / 2);
  assert_int_equal(store_record_seal(&record, base_span_of(body, sizeof body), &trailer, NULL), BASE_OK);
  assert_int_equal(trailer.bytes, TRAILER_BYTES);
  base_buffer_finish(&trailer);
  base_buffer_init(head, STORE_RECORD_HEAD_BYTES + STORE_RECORD_MAX_META);
  struct base_fault fault = {0};
  assert_int_equal(store_record_write_head(&record, head, &fault), BASE_OK);
}

static enum base_result read_head(struct base_span bytes, uint64_t file_bytes, struct store_record *out,
                                  uint64_t *body_offset) {
  struct base_fault fault = {0};
  const enum base_result result = store_record_read_head(bytes, file_bytes, out, body_offset, &fault);
  assert_int_equal(fault.result, result);
  return result;
}

static void comes_back_when_written(void **state) {
  (void)state;
  struct base_buffer meta, head;
  make_meta(&meta);
  for (int kind = STORE_RECORD_ORIGINAL; kind <= STORE_RECORD_UPLOAD; kind++) {
    make_head(&head, (enum store_record_kind)kind, base_buffer_span(&meta));
    struct store_record found;
    uint64_t body_offset;
    assert_int_equal(read_head(base_buffer_span(&head), head.bytes + REST_BYTES, &found, &body_offset), BASE_OK);
    assert_int_equal(found.kind, kind);
    assert_int_equal(found.format, 2);
    assert_int_equal(found.body_bytes, BODY_BYTES);
    assert_int_equal(found.trailer_bytes, TRAILER_BYTES);
    assert_int_equal(body_offset, head.bytes);
    assert_int_equal(found.body_digest.bytes[31], 7);
    assert_true(base_span_equal(found.meta, base_buffer_span(&meta)));
    base_buffer_finish(&head);
  }
  base_buffer_finish(&meta);
}

static void is_read_when_more_of_the_file_follows(void **state) {
  (void)state;
  struct base_buffer meta, head;
  make_meta(&meta);
  make_head(&head, STORE_RECORD_VARIANT, base_buffer_span(&meta));
  const size_t head_bytes = head.bytes;
  assert_int_equal(base_buffer_append(&head, "body", 4), BASE_OK);
  struct store_record found;
  uint64_t body_offset;
  assert_int_equal(read_head(base_buffer_span(&head), head_bytes + REST_BYTES, &found, &body_offset), BASE_OK);
  assert_int_equal(body_offset, head_bytes);
  base_buffer_finish(&meta);
  base_buffer_finish(&head);
}

static void is_refused_when_truncated_anywhere(void **state) {
  (void)state;
  struct base_buffer meta, head;
  make_meta(&meta);
  make_head(&head, STORE_RECORD_VARIANT, base_buffer_span(&meta));
  struct store_record found;
  uint64_t body_offset;
  for (size_t bytes = 0; bytes < head.bytes; bytes++) {
    uint8_t *exact = malloc(bytes ? bytes : 1);  // so that a read past the end is seen by the sanitizer
    assert_non_null(exact);
    memcpy(exact, head.data, bytes);
    assert_int_equal(read_head(base_span_of(exact, bytes), bytes, &found, &body_offset), BASE_CORRUPT);
    assert_int_equal(read_head(base_span_of(exact, bytes), head.bytes + REST_BYTES, &found, &body_offset),
                     BASE_CORRUPT);
    free(exact);
  }
  base_buffer_finish(&meta);
  base_buffer_finish(&head);
}

static void is_refused_when_any_bit_is_flipped(void **state) {
  (void)state;
  struct base_buffer meta, head;
  make_meta(&meta);
  make_head(&head, STORE_RECORD_VARIANT, base_buffer_span(&meta));
  struct store_record found;
  uint64_t body_offset;
  for (size_t bit = 0; bit < head.bytes * 8; bit++) {
    head.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    const enum base_result result = read_head(base_buffer_span(&head), head.bytes + REST_BYTES, &found, &body_offset);
    // Bytes 8 and 9 are the format: another one is not damage but not ours.
    assert_int_equal(result, bit / 8 == 8 || bit / 8 == 9 ? BASE_UNSUPPORTED : BASE_CORRUPT);
    head.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
  }
  base_buffer_finish(&meta);
  base_buffer_finish(&head);
}

static void is_refused_when_the_file_has_another_length(void **state) {
  (void)state;
  struct base_buffer meta, head;
  make_meta(&meta);
  make_head(&head, STORE_RECORD_VARIANT, base_buffer_span(&meta));
  struct store_record found;
  uint64_t body_offset;
  const uint64_t right = head.bytes + REST_BYTES;
  const uint64_t wrong[] = {0, head.bytes, right - 1, right + 1, UINT64_MAX};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    assert_int_equal(read_head(base_buffer_span(&head), wrong[i], &found, &body_offset), BASE_CORRUPT);
  }
  base_buffer_finish(&meta);
  base_buffer_finish(&head);
}

// Writes a field and makes the head's digest right again, as another firmware would.
static enum base_result read_patched(size_t at, uint8_t byte) {
  struct base_buffer head;
  make_head(&head, STORE_RECORD_VARIANT, base_span_of(NULL, 0));
  head.data[at] = byte;
  struct integrity_digest digest;
  integrity_digest_of(base_span_of(head.data, 96), &digest);
  memcpy(head.data + 96, digest.bytes, sizeof digest.bytes);
  struct store_record found;
  uint64_t body_offset;
  const enum base_result result = read_head(base_buffer_span(&head), head.bytes + REST_BYTES, &found, &body_offset);
  base_buffer_finish(&head);
  return result;
}

static void is_refused_when_a_field_is_unknown_though_the_digest_is_right(void **state) {
  (void)state;
  assert_int_equal(read_patched(10, STORE_RECORD_VARIANT), BASE_OK);
  assert_int_equal(read_patched(8, 0), BASE_UNSUPPORTED);
  assert_int_equal(read_patched(8, 3), BASE_UNSUPPORTED);
  assert_int_equal(read_patched(10, 0), BASE_UNSUPPORTED);
  assert_int_equal(read_patched(10, STORE_RECORD_FINDINGS + 1), BASE_UNSUPPORTED);
  assert_int_equal(read_patched(24, 1), BASE_CORRUPT);
  assert_int_equal(read_patched(28, 1), BASE_CORRUPT);
  assert_int_equal(read_patched(13, 0x41), BASE_CORRUPT);  // metadata over its limit
  assert_int_equal(read_patched(23, 0x80), BASE_CORRUPT);  // a body of 2^63 bytes
}

static void of_the_old_format_is_read_by_its_own_rules(void **state) {
  (void)state;
  struct base_buffer meta, head;
  make_meta(&meta);
  base_buffer_init(&head, STORE_RECORD_HEAD_BYTES + STORE_RECORD_MAX_META);
  old_record_head(STORE_RECORD_LEVEL, base_buffer_span(&meta), base_span_text("the body"), &head);
  struct store_record found;
  uint64_t body_offset;
  assert_int_equal(read_head(base_buffer_span(&head), head.bytes + 8, &found, &body_offset), BASE_OK);
  assert_int_equal(found.format, 1);
  assert_int_equal(found.kind, STORE_RECORD_LEVEL);
  assert_int_equal(found.body_bytes, 8);
  assert_int_equal(found.trailer_bytes, 0);
  assert_int_equal(body_offset, head.bytes);
  assert_true(base_span_equal(found.meta, base_buffer_span(&meta)));
  assert_int_equal(read_head(base_buffer_span(&head), head.bytes + 8 + 32, &found, &body_offset), BASE_CORRUPT);
  for (size_t bit = 0; bit < head.bytes * 8; bit++) {
    head.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    assert_int_not_equal(read_head(base_buffer_span(&head), head.bytes + 8, &found, &body_offset), BASE_OK);
    head.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
  }
  base_buffer_finish(&meta);
  base_buffer_finish(&head);
}

static void blocks_and_leaves_are_believed_only_as_they_were_sealed(void **state) {
  (void)state;
  static uint8_t body[BODY_BYTES];
  struct store_record record = {.kind = STORE_RECORD_VARIANT};
  struct base_buffer leaves;
  for (size_t i = 0; i < sizeof body; i++) body[i] = (uint8_t)(i * 31);
  base_buffer_init(&leaves, SIZE_MAX / 2);
  assert_int_equal(store_record_seal(&record, base_span_of(body, sizeof body), &leaves, NULL), BASE_OK);
  const struct base_span trailer = base_buffer_span(&leaves), whole = base_span_of(body, sizeof body);
  const struct base_span blocks[] = {base_span_slice(whole, 0, INTEGRITY_BLOCK_BYTES),
                                     base_span_slice(whole, INTEGRITY_BLOCK_BYTES, sizeof body)};
  assert_int_equal(store_record_check_trailer(&record, trailer, NULL), BASE_OK);
  assert_int_equal(store_record_check_trailer(&record, base_span_slice(trailer, 0, 32), NULL), BASE_CORRUPT);
  for (size_t i = 0; i < 2; i++) {
    assert_int_equal(store_record_check_block(trailer, i, blocks[i], NULL), BASE_OK);
    assert_int_equal(store_record_check_block(trailer, i, blocks[1 - i], NULL), BASE_CORRUPT);
    body[i * INTEGRITY_BLOCK_BYTES + 999] ^= 4;
    assert_int_equal(store_record_check_block(trailer, i, blocks[i], NULL), BASE_CORRUPT);
    body[i * INTEGRITY_BLOCK_BYTES + 999] ^= 4;
  }
  for (size_t bit = 0; bit < 8 * leaves.bytes; bit++) {
    leaves.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    assert_int_equal(store_record_check_trailer(&record, trailer, NULL), BASE_CORRUPT);
    leaves.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
  }
  base_buffer_finish(&leaves);
}

static void is_refused_when_the_metadata_is_malformed(void **state) {
  (void)state;
  static const char *const malformed[] = {"id",      "id: a",     "id:a\n",      ": a\n",
                                          "Id: a\n", "id: a\n\n", "id: a\x01\n", "id: a\r\n"};
  for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++) {
    struct base_buffer head;
    make_head(&head, STORE_RECORD_VARIANT, base_span_text(malformed[i]));
    struct store_record found;
    uint64_t body_offset;
    assert_int_equal(read_head(base_buffer_span(&head), head.bytes + REST_BYTES, &found, &body_offset), BASE_CORRUPT);
    base_buffer_finish(&head);
  }
}

static void write_is_refused_when_the_metadata_is_too_long(void **state) {
  (void)state;
  uint8_t *meta = calloc(1, STORE_RECORD_MAX_META + 1);
  assert_non_null(meta);
  struct base_buffer head;
  base_buffer_init(&head, SIZE_MAX);
  const struct store_record record = {.kind = STORE_RECORD_VARIANT,
                                      .meta = base_span_of(meta, STORE_RECORD_MAX_META + 1)};
  assert_int_equal(store_record_write_head(&record, &head, NULL), BASE_TOO_LARGE);
  assert_int_equal(head.bytes, 0);
  free(meta);
}

static void meta_finds_the_first_value_when_names_repeat(void **state) {
  (void)state;
  struct base_buffer meta;
  make_meta(&meta);
  struct base_span value;
  assert_true(store_meta_get(base_buffer_span(&meta), "id", &value));
  assert_true(base_span_is(value, "abc"));
  assert_true(store_meta_get(base_buffer_span(&meta), "empty", &value));
  assert_int_equal(value.bytes, 0);
  assert_false(store_meta_get(base_buffer_span(&meta), "i", &value));
  assert_false(store_meta_get(base_buffer_span(&meta), "absent", &value));
  base_buffer_finish(&meta);
}

static void meta_refuses_when_a_line_would_break(void **state) {
  (void)state;
  struct base_buffer meta;
  base_buffer_init(&meta, 16);
  assert_int_equal(store_meta_add(&meta, "name", base_span_text("a\nb")), BASE_BAD_INPUT);
  assert_int_equal(store_meta_add(&meta, "name", base_span_of("a\0b", 3)), BASE_BAD_INPUT);
  assert_int_equal(store_meta_add(&meta, "name", base_span_text("a\x7f")), BASE_BAD_INPUT);
  assert_int_equal(store_meta_add(&meta, "na me", base_span_text("a")), BASE_BAD_INPUT);
  assert_int_equal(store_meta_add(&meta, "", base_span_text("a")), BASE_BAD_INPUT);
  assert_int_equal(store_meta_add(&meta, "name", base_span_text("0123456789")), BASE_TOO_LARGE);
  assert_int_equal(meta.bytes, 0);
  assert_int_equal(store_meta_add(&meta, "name", base_span_text("süß")), BASE_OK);
  base_buffer_finish(&meta);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(comes_back_when_written),
      cmocka_unit_test(is_read_when_more_of_the_file_follows),
      cmocka_unit_test(is_refused_when_truncated_anywhere),
      cmocka_unit_test(is_refused_when_any_bit_is_flipped),
      cmocka_unit_test(is_refused_when_the_file_has_another_length),
      cmocka_unit_test(is_refused_when_a_field_is_unknown_though_the_digest_is_right),
      cmocka_unit_test(of_the_old_format_is_read_by_its_own_rules),
      cmocka_unit_test(blocks_and_leaves_are_believed_only_as_they_were_sealed),
      cmocka_unit_test(is_refused_when_the_metadata_is_malformed),
      cmocka_unit_test(write_is_refused_when_the_metadata_is_too_long),
      cmocka_unit_test(meta_finds_the_first_value_when_names_repeat),
      cmocka_unit_test(meta_refuses_when_a_line_would_break),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
