// Rolling deltas: the new object must come out, and signatures and deltas of any kind may come in.
#include "delta/rolling.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "objects.h"

enum { MIB = 1024 * 1024, LIMIT = 64 * MIB };

static void sign(struct object *old, struct base_buffer *out) {
  const struct delta_source source = object_source(old);
  base_buffer_init(out, DELTA_SIGNATURE_MAX_BYTES);
  assert_int_equal(delta_signature_make(&source, out, NULL), BASE_OK);
  assert_int_equal(out->bytes, delta_signature_bytes(old->bytes));
}

static void make(struct base_span signature, struct object *new, struct base_buffer *out) {
  const struct delta_source source = object_source(new);
  base_buffer_init(out, LIMIT);
  assert_int_equal(delta_rolling_make(signature, &source, out, NULL), BASE_OK);
}

static enum base_result apply(struct object *old, struct base_span delta, uint64_t new_bytes, struct base_buffer *out) {
  const struct delta_source source = object_source(old);
  const struct delta_sink sink = object_sink(out);
  base_buffer_init(out, LIMIT);
  return delta_rolling_apply(&source, delta, new_bytes, &sink, NULL);
}

// Returns what went over the wire, both ways.
static size_t round_trip(struct object *old, struct object *new) {
  struct base_buffer signature, delta, out;
  sign(old, &signature);
  make(base_buffer_span(&signature), new, &delta);
  assert_int_equal(apply(old, base_buffer_span(&delta), new->bytes, &out), BASE_OK);
  assert_int_equal(out.bytes, new->bytes);
  if (new->bytes > 0) assert_memory_equal(out.data, new->data, new->bytes);
  const size_t bytes = signature.bytes + delta.bytes;
  base_buffer_finish(&out);
  base_buffer_finish(&delta);
  base_buffer_finish(&signature);
  return bytes;
}

static void shifted_blocks_are_found(void **state) {
  (void)state;
  static const size_t sizes[] = {5000, 100000, 3 * MIB + 5};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    struct object old = object_of_noise(sizes[i], 41);
    struct object new = object_splice(&old, sizes[i] / 3, 0, base_span_text("inserted bytes"));
    assert_in_range(round_trip(&old, &new), 1, sizes[i] / 3);
    object_free(&new);
    object_free(&old);
  }
}

static void objects_of_every_small_size_come_out(void **state) {
  (void)state;
  for (size_t bytes = 0; bytes < 600; bytes += 7) {
    struct object old = object_of_noise(bytes, 42), new = object_of_noise(599 - bytes, 43);
    round_trip(&old, &old);
    round_trip(&old, &new);
    object_free(&new);
    object_free(&old);
  }
}

static void signatures_stay_below_their_limit(void **state) {
  (void)state;
  static const uint64_t sizes[] = {0, 1, 127, 128, 129, 1 << 20, 100 << 20, UINT64_C(4) << 30};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
    assert_in_range(delta_signature_bytes(sizes[i]), DELTA_SIGNATURE_HEAD_BYTES, DELTA_SIGNATURE_MAX_BYTES);
}

static void a_delta_that_is_not_worth_it_leaves_the_buffer_as_it_was(void **state) {
  (void)state;
  struct object old = object_of_noise(100000, 44), new = object_of_noise(100000, 45);
  struct base_buffer signature, delta;
  const struct delta_source source = object_source(&new);
  sign(&old, &signature);
  base_buffer_init(&delta, 80000);
  assert_int_equal(base_buffer_append_text(&delta, "kept"), BASE_OK);
  assert_int_equal(delta_rolling_make(base_buffer_span(&signature), &source, &delta, NULL), BASE_TOO_LARGE);
  assert_true(base_span_is(base_buffer_span(&delta), "kept"));
  base_buffer_finish(&delta);
  base_buffer_finish(&signature);
  object_free(&new);
  object_free(&old);
}

static void put_be32(uint8_t *at, uint32_t value) {
  for (int i = 0; i < 4; i++) at[i] = (uint8_t)(value >> 8 * (3 - i));
}

static void expect_refused(struct base_span signature) {
  struct object new = object_of_noise(10000, 46);
  const struct delta_source source = object_source(&new);
  struct base_buffer delta;
  struct base_fault fault = {0};
  base_buffer_init(&delta, LIMIT);
  assert_int_equal(delta_rolling_make(signature, &source, &delta, &fault), BASE_BAD_INPUT);
  assert_string_equal(fault.subject, "signature");
  base_buffer_finish(&delta);
  object_free(&new);
}

static void signatures_of_unusual_sizes_are_refused(void **state) {
  (void)state;
  struct object old = object_of_noise(10000, 47);
  struct base_buffer signature;
  sign(&old, &signature);
  const struct base_span whole = base_buffer_span(&signature);
  for (size_t bytes = 0; bytes < whole.bytes; bytes++) {
    if (bytes >= DELTA_SIGNATURE_HEAD_BYTES && (bytes - DELTA_SIGNATURE_HEAD_BYTES) % DELTA_SIGNATURE_ROW_BYTES == 0)
      continue;
    expect_refused(base_span_of(whole.data, bytes));
  }
  static const uint32_t blocks[] = {0, 1, 127, (16 << 20) + 1, UINT32_MAX, 0x80000000};
  static const uint32_t sums[] = {0, 3, 33, UINT32_MAX, 0x80000000};
  uint8_t *copy = malloc(whole.bytes);
  assert_non_null(copy);
  for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
    memcpy(copy, whole.data, whole.bytes);
    put_be32(copy + 4, blocks[i]);
    expect_refused(base_span_of(copy, whole.bytes));
  }
  for (size_t i = 0; i < sizeof sums / sizeof *sums; i++) {
    memcpy(copy, whole.data, whole.bytes);
    put_be32(copy + 8, sums[i]);
    expect_refused(base_span_of(copy, whole.bytes));
  }
  memcpy(copy, whole.data, whole.bytes);
  copy[3] = 0x37;  // BLAKE2 with the old rolling sum
  expect_refused(base_span_of(copy, whole.bytes));
  free(copy);
  base_buffer_finish(&signature);
  object_free(&old);
}

static void a_signature_with_too_many_rows_is_refused(void **state) {
  (void)state;
  const size_t bytes = DELTA_SIGNATURE_MAX_BYTES + DELTA_SIGNATURE_ROW_BYTES;
  struct object rows = object_of_noise(bytes, 48);
  put_be32(rows.data, 0x72730147);
  put_be32(rows.data + 4, 2048);
  put_be32(rows.data + 8, 4);
  expect_refused(object_span(&rows));
  object_free(&rows);
}

// Each row with the rolling sum of zeros would be compared at each of a picture's many zeros.
static void a_signature_that_makes_the_box_compare_for_hours_is_refused(void **state) {
  (void)state;
  struct object rows = object_of_noise(DELTA_SIGNATURE_MAX_BYTES, 49);
  put_be32(rows.data, 0x72730147);
  put_be32(rows.data + 4, 128);
  put_be32(rows.data + 8, 4);
  for (size_t at = DELTA_SIGNATURE_HEAD_BYTES; at < rows.bytes; at += DELTA_SIGNATURE_ROW_BYTES)
    put_be32(rows.data + at, 0x01020304);
  expect_refused(object_span(&rows));
  object_free(&rows);
}

struct impatient {
  struct object *object;
  unsigned reads;
  uint64_t bytes;
};

static enum base_result read_thrice(void *self, uint64_t offset, uint8_t *out, size_t bytes, struct base_fault *fault) {
  struct impatient *impatient = self;
  if (++impatient->reads > 3) return BASE_FAIL(fault, BASE_TOO_LARGE, "", "it takes too long");
  impatient->bytes += bytes;
  return object_read(impatient->object, offset, out, bytes, fault);
}

// One row is enough: at every byte of a run the rolling sum fits, and the whole block is hashed in vain.
static void the_source_can_end_what_would_take_for_ever(void **state) {
  (void)state;
  struct object zeros = object_of_noise(8 * MIB, 55);
  memset(zeros.data, 0, zeros.bytes);
  uint8_t signature[DELTA_SIGNATURE_HEAD_BYTES + DELTA_SIGNATURE_ROW_BYTES] = {0};
  put_be32(signature, 0x72730147);
  put_be32(signature + 4, MIB);
  put_be32(signature + 8, 4);
  put_be32(signature + 16, 0x55555555);
  struct impatient impatient = {.object = &zeros};
  const struct delta_source source = {.bytes = zeros.bytes, .read = read_thrice, .self = &impatient};
  struct base_buffer delta;
  base_buffer_init(&delta, LIMIT);
  assert_int_equal(delta_rolling_make(base_span_of(signature, sizeof signature), &source, &delta, NULL),
                   BASE_TOO_LARGE);
  assert_int_equal(impatient.reads, 4);
  assert_in_range(impatient.bytes, 1, 3 * 64);  // 64 MiB of hashing at most between two reads
  base_buffer_finish(&delta);
  object_free(&zeros);
}

static void the_signature_of_many_equal_blocks_is_fine(void **state) {
  (void)state;
  struct object zeros = object_of_noise(2 * MIB, 50);
  memset(zeros.data, 0, zeros.bytes);
  struct object new = object_splice(&zeros, 1000, 0, base_span_text("x"));
  assert_in_range(round_trip(&zeros, &new), 1, 20000);
  object_free(&new);
  object_free(&zeros);
}

static void a_delta_that_makes_too_much_stops(void **state) {
  (void)state;
  struct object old = object_of_noise(1000, 51);
  struct base_buffer out;
  // Copies the thousand bytes again and again: opcode 0x4a is a copy with 16 bits of place and of length.
  uint8_t bomb[4 + 1000 * 5 + 1] = {0x72, 0x73, 0x02, 0x36};
  for (size_t i = 0; i < 1000; i++) memcpy(bomb + 4 + i * 5, (const uint8_t[]){0x4a, 0, 0, 1000 >> 8, 1000 & 255}, 5);
  assert_int_equal(apply(&old, base_span_of(bomb, sizeof bomb), 1000000, &out), BASE_OK);
  assert_int_equal(out.bytes, 1000000);
  base_buffer_finish(&out);
  assert_int_equal(apply(&old, base_span_of(bomb, sizeof bomb), 5000, &out), BASE_CORRUPT);
  assert_true(out.bytes <= 5000);
  base_buffer_finish(&out);
  assert_int_equal(apply(&old, base_span_of(bomb, sizeof bomb), 1000001, &out), BASE_CORRUPT);
  base_buffer_finish(&out);
  object_free(&old);
}

static void a_copy_from_beyond_the_old_object_is_refused(void **state) {
  (void)state;
  static const uint8_t deltas[][10] = {
      {0x72, 0x73, 0x02, 0x36, 0x4a, 0x03, 0xe0, 0x00, 0x40, 0x00},  // 64 bytes at 992 of 1000
      {0x72, 0x73, 0x02, 0x36, 0x4a, 0xff, 0xff, 0x00, 0x40, 0x00},
      {0x72, 0x73, 0x02, 0x36, 0x4a, 0x00, 0x00, 0x00, 0x00, 0x00},  // none at all
  };
  struct object old = object_of_noise(1000, 52);
  for (size_t i = 0; i < 3; i++) {
    struct base_buffer out;
    assert_int_equal(apply(&old, base_span_of(deltas[i], sizeof deltas[i]), 64, &out), BASE_CORRUPT);
    base_buffer_finish(&out);
  }
  object_free(&old);
}

static void truncations_and_flipped_bits_are_survived(void **state) {
  (void)state;
  struct object old = object_of_noise(20000, 53), more = object_of_noise(300, 54);
  struct object new = object_splice(&old, 10000, 5, object_span(&more));
  struct base_buffer signature, delta, out;
  sign(&old, &signature);
  make(base_buffer_span(&signature), &new, &delta);
  for (size_t bytes = 0; bytes < delta.bytes; bytes++) {
    assert_int_equal(apply(&old, base_span_of(delta.data, bytes), new.bytes, &out), BASE_CORRUPT);
    base_buffer_finish(&out);
  }
  for (size_t bit = 0; bit < delta.bytes * 8; bit++) {
    delta.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    if (apply(&old, base_buffer_span(&delta), new.bytes, &out) == BASE_OK) assert_int_equal(out.bytes, new.bytes);
    assert_true(out.bytes <= new.bytes);
    base_buffer_finish(&out);
    delta.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
  }
  base_buffer_finish(&delta);
  base_buffer_finish(&signature);
  object_free(&new);
  object_free(&more);
  object_free(&old);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(shifted_blocks_are_found),
      cmocka_unit_test(objects_of_every_small_size_come_out),
      cmocka_unit_test(signatures_stay_below_their_limit),
      cmocka_unit_test(a_delta_that_is_not_worth_it_leaves_the_buffer_as_it_was),
      cmocka_unit_test(signatures_of_unusual_sizes_are_refused),
      cmocka_unit_test(a_signature_with_too_many_rows_is_refused),
      cmocka_unit_test(a_signature_that_makes_the_box_compare_for_hours_is_refused),
      cmocka_unit_test(the_source_can_end_what_would_take_for_ever),
      cmocka_unit_test(the_signature_of_many_equal_blocks_is_fine),
      cmocka_unit_test(a_delta_that_makes_too_much_stops),
      cmocka_unit_test(a_copy_from_beyond_the_old_object_is_refused),
      cmocka_unit_test(truncations_and_flipped_bits_are_survived),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
