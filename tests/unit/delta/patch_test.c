// Patches: what comes out must be the new object or nothing, and zstd itself must be able to read them.
#include "delta/patch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <zstd.h>

#include "objects.h"

enum { MIB = 1024 * 1024, LIMIT = 64 * MIB };

static void make(const struct object *old, const struct object *new, struct base_buffer *patch) {
  const struct integrity_digest digest = object_digest(old);
  base_buffer_init(patch, LIMIT);
  assert_int_equal(delta_patch_make(object_span(old), &digest, object_span(new), patch, NULL), BASE_OK);
}

static enum base_result apply(const struct object *old, struct base_span patch, uint64_t new_bytes,
                              struct base_buffer *out) {
  const struct integrity_digest digest = object_digest(old);
  const struct delta_sink sink = object_sink(out);
  base_buffer_init(out, LIMIT);
  return delta_patch_apply(object_span(old), &digest, patch, new_bytes, &sink, NULL);
}

// Both ways; returns the size of the patch.
static size_t round_trip(const struct object *old, const struct object *new) {
  struct base_buffer patch, out;
  make(old, new, &patch);
  assert_int_equal(apply(old, base_buffer_span(&patch), new->bytes, &out), BASE_OK);
  assert_int_equal(out.bytes, new->bytes);
  assert_memory_equal(out.data, new->data, new->bytes);
  const size_t bytes = patch.bytes;
  base_buffer_finish(&out);
  base_buffer_finish(&patch);
  return bytes;
}

static void edits_cost_little_wherever_they_are(void **state) {
  (void)state;
  static const size_t sizes[] = {1000, 70000, 3 * MIB + 5, 12 * MIB};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    struct object old = object_of_noise(sizes[i], 21);
    struct object insert = object_splice(&old, sizes[i] / 3, 0, base_span_text("inserted bytes"));
    struct object append = object_splice(&old, sizes[i], 0, base_span_text("appended bytes"));
    struct object cut = object_splice(&old, sizes[i] / 2, 100, base_span_text(""));
    // Twelve MiB of noise are beyond what short matches find: long ones do.
    assert_in_range(round_trip(&old, &insert), DELTA_PATCH_HEAD_BYTES, sizes[i] / 100 + 200);
    assert_in_range(round_trip(&old, &append), DELTA_PATCH_HEAD_BYTES, sizes[i] / 100 + 200);
    assert_in_range(round_trip(&old, &cut), DELTA_PATCH_HEAD_BYTES, sizes[i] / 100 + 200);
    object_free(&insert);
    object_free(&append);
    object_free(&cut);
    object_free(&old);
  }
}

static void the_end_of_a_large_dictionary_is_in_reach_of_the_end_of_the_object(void **state) {
  (void)state;
  struct object old = object_of_noise(24 * MIB, 22), front = object_of_noise(4 * MIB, 23);
  struct object new = object_splice(&old, 0, 4 * MIB, object_span(&front));
  assert_in_range(round_trip(&old, &new), 4 * MIB, 4 * MIB + 64 * 1024);
  object_free(&new);
  object_free(&front);
  object_free(&old);
}

// RFC 9842 section 5: the head, then a frame that any reader of Zstandard takes with the old object as raw dictionary.
static void the_format_is_that_of_the_rfc(void **state) {
  (void)state;
  static const uint8_t head[8] = {0x5e, 0x2a, 0x4d, 0x18, 0x20, 0x00, 0x00, 0x00};
  struct object old = object_of_noise(9 * MIB, 24);
  struct object new = object_splice(&old, 5000, 3, base_span_text("abcdef"));
  const struct integrity_digest digest = object_digest(&old);
  struct base_buffer patch;
  make(&old, &new, &patch);
  assert_memory_equal(patch.data, head, sizeof head);
  assert_memory_equal(patch.data + sizeof head, digest.bytes, sizeof digest.bytes);
  ZSTD_DCtx *context = ZSTD_createDCtx();
  uint8_t *made = malloc(new.bytes);
  assert_false(ZSTD_isError(ZSTD_DCtx_refPrefix(context, old.data, old.bytes)));
  // The whole of it: the head is a skippable frame.
  ZSTD_inBuffer in = {patch.data, patch.bytes, 0};
  ZSTD_outBuffer out = {made, new.bytes, 0};
  in.pos = DELTA_PATCH_HEAD_BYTES;
  assert_int_equal(ZSTD_decompressStream(context, &out, &in), 0);
  assert_true(in.pos == patch.bytes && out.pos == new.bytes);
  assert_memory_equal(made, new.data, new.bytes);
  assert_true(ZSTD_getFrameContentSize(patch.data + DELTA_PATCH_HEAD_BYTES, patch.bytes - DELTA_PATCH_HEAD_BYTES) ==
              new.bytes);
  free(made);
  ZSTD_freeDCtx(context);
  base_buffer_finish(&patch);
  object_free(&new);
  object_free(&old);
}

static void a_patch_that_is_not_worth_it_leaves_the_buffer_as_it_was(void **state) {
  (void)state;
  struct object old = object_of_noise(100000, 25), new = object_of_noise(100000, 26);
  const struct integrity_digest digest = object_digest(&old);
  struct base_buffer patch;
  base_buffer_init(&patch, 80000);
  assert_int_equal(base_buffer_append_text(&patch, "kept"), BASE_OK);
  assert_int_equal(delta_patch_make(object_span(&old), &digest, object_span(&new), &patch, NULL), BASE_TOO_LARGE);
  assert_true(base_span_is(base_buffer_span(&patch), "kept"));
  base_buffer_finish(&patch);
  object_free(&new);
  object_free(&old);
}

static void sizes_without_a_patch_are_refused(void **state) {
  (void)state;
  assert_false(delta_patch_is_possible(0, 1));
  assert_false(delta_patch_is_possible(1, 0));
  assert_true(delta_patch_is_possible(1, 8 * MIB));
  assert_false(delta_patch_is_possible(1, 8 * MIB + 1));
  assert_true(delta_patch_is_possible(16 * MIB, 20 * MIB));
  assert_false(delta_patch_is_possible(16 * MIB, 20 * MIB + 1));
  assert_true(delta_patch_is_possible(DELTA_PATCH_MAX_OBJECT_BYTES, DELTA_PATCH_MAX_OBJECT_BYTES));
  assert_false(delta_patch_is_possible(DELTA_PATCH_MAX_OBJECT_BYTES + 1, 1));
  assert_false(delta_patch_is_possible(DELTA_PATCH_MAX_OBJECT_BYTES, DELTA_PATCH_MAX_OBJECT_BYTES + 1));
}

static void a_patch_of_another_dictionary_is_refused(void **state) {
  (void)state;
  struct object old = object_of_noise(50000, 27), other = object_of_noise(50000, 28);
  struct object new = object_splice(&old, 100, 0, base_span_text("x"));
  struct base_buffer patch, out;
  make(&old, &new, &patch);
  assert_int_equal(apply(&other, base_buffer_span(&patch), new.bytes, &out), BASE_CORRUPT);
  assert_int_equal(out.bytes, 0);
  base_buffer_finish(&out);
  base_buffer_finish(&patch);
  object_free(&new);
  object_free(&other);
  object_free(&old);
}

// A frame of a gigabyte of zeros in a few kilobytes, behind the right head.
static void a_bomb_stops_at_the_size_of_the_object(void **state) {
  (void)state;
  struct object old = object_of_noise(1000, 29), zeros = object_of_noise(8 * MIB, 30);
  memset(zeros.data, 0, zeros.bytes);
  struct base_buffer patch, out;
  make(&old, &zeros, &patch);
  assert_true(patch.bytes < 4000);
  assert_int_equal(apply(&old, base_buffer_span(&patch), 100000, &out), BASE_CORRUPT);
  assert_true(out.bytes <= 100000);
  base_buffer_finish(&out);
  // Two of them behind each other.
  const struct base_span frame = base_span_slice(base_buffer_span(&patch), DELTA_PATCH_HEAD_BYTES, patch.bytes);
  struct object twice = object_splice(&(struct object){patch.data, patch.bytes}, patch.bytes, 0, frame);
  assert_int_equal(apply(&old, object_span(&twice), zeros.bytes, &out), BASE_CORRUPT);
  assert_true(out.bytes <= zeros.bytes);
  base_buffer_finish(&out);
  object_free(&twice);
  base_buffer_finish(&patch);
  object_free(&zeros);
  object_free(&old);
}

// A frame may ask its reader for a window of gigabytes.
static void a_window_beyond_what_the_rfc_grants_is_refused(void **state) {
  (void)state;
  struct object old = object_of_noise(1000, 31);
  const struct integrity_digest digest = object_digest(&old);
  struct base_buffer patch, out;
  uint8_t frame[64];
  ZSTD_CCtx *context = ZSTD_createCCtx();
  assert_false(ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, 27)));
  ZSTD_inBuffer in = {"hello", 5, 0};
  ZSTD_outBuffer packed = {frame, sizeof frame, 0};
  assert_false(ZSTD_isError(ZSTD_compressStream2(context, &packed, &in, ZSTD_e_flush)));  // before it knows the size
  assert_int_equal(ZSTD_compressStream2(context, &packed, &in, ZSTD_e_end), 0);
  ZSTD_freeCCtx(context);
  make(&old, &old, &patch);
  patch.bytes = DELTA_PATCH_HEAD_BYTES;
  assert_int_equal(base_buffer_append(&patch, frame, packed.pos), BASE_OK);
  const struct delta_sink sink = object_sink(&out);
  struct base_fault fault = {0};
  base_buffer_init(&out, LIMIT);
  assert_int_equal(delta_patch_apply(object_span(&old), &digest, base_buffer_span(&patch), 5, &sink, &fault),
                   BASE_CORRUPT);
  assert_non_null(strstr(fault.text, "memory"));
  base_buffer_finish(&out);
  base_buffer_finish(&patch);
  object_free(&old);
}

static void every_truncation_is_refused(void **state) {
  (void)state;
  struct object old = object_of_noise(20000, 32), more = object_of_noise(300, 33);
  struct object new = object_splice(&old, 10000, 5, object_span(&more));
  struct base_buffer patch, out;
  make(&old, &new, &patch);
  for (size_t bytes = 0; bytes < patch.bytes; bytes++) {
    assert_int_equal(apply(&old, base_span_of(patch.data, bytes), new.bytes, &out), BASE_CORRUPT);
    base_buffer_finish(&out);
  }
  base_buffer_finish(&patch);
  object_free(&new);
  object_free(&more);
  object_free(&old);
}

static void flipped_bits_never_make_more_than_the_object(void **state) {
  (void)state;
  struct object old = object_of_noise(20000, 34), more = object_of_noise(300, 35);
  struct object new = object_splice(&old, 10000, 5, object_span(&more));
  struct base_buffer patch, out;
  make(&old, &new, &patch);
  for (size_t bit = 0; bit < patch.bytes * 8; bit++) {
    patch.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    // The content's own digest finds what is still a patch.
    if (apply(&old, base_buffer_span(&patch), new.bytes, &out) == BASE_OK) assert_int_equal(out.bytes, new.bytes);
    assert_true(out.bytes <= new.bytes);
    base_buffer_finish(&out);
    patch.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
  }
  base_buffer_finish(&patch);
  object_free(&new);
  object_free(&more);
  object_free(&old);
}

static void what_is_packed_comes_out_whole_or_not_at_all(void **state) {
  (void)state;
  struct object zeros = object_of_noise(3 * MIB, 36), more = object_of_noise(5000, 37);
  memset(zeros.data, 0, zeros.bytes);
  struct object bytes = object_splice(&zeros, 100000, 0, object_span(&more));
  struct base_buffer packed, out;
  base_buffer_init(&packed, LIMIT);
  assert_int_equal(delta_pack(object_span(&bytes), &packed, NULL), BASE_OK);
  assert_in_range(packed.bytes, 5000, 6000);
  for (int i = 0; i < 2; i++) {  // into room for all of it, and for one byte less
    base_buffer_init(&out, bytes.bytes - (size_t)i);
    assert_int_equal(delta_unpack(base_buffer_span(&packed), &out, NULL), i == 0 ? BASE_OK : BASE_CORRUPT);
    if (i == 0) assert_true(base_span_equal(base_buffer_span(&out), object_span(&bytes)));
    base_buffer_finish(&out);
  }
  for (size_t cut = 0; cut < packed.bytes; cut += 7) {
    base_buffer_init(&out, LIMIT);
    assert_int_equal(delta_unpack(base_span_of(packed.data, cut), &out, NULL), BASE_CORRUPT);
    base_buffer_finish(&out);
  }
  base_buffer_finish(&packed);
  object_free(&bytes);
  object_free(&more);
  object_free(&zeros);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(edits_cost_little_wherever_they_are),
      cmocka_unit_test(the_end_of_a_large_dictionary_is_in_reach_of_the_end_of_the_object),
      cmocka_unit_test(the_format_is_that_of_the_rfc),
      cmocka_unit_test(a_patch_that_is_not_worth_it_leaves_the_buffer_as_it_was),
      cmocka_unit_test(sizes_without_a_patch_are_refused),
      cmocka_unit_test(a_patch_of_another_dictionary_is_refused),
      cmocka_unit_test(a_bomb_stops_at_the_size_of_the_object),
      cmocka_unit_test(a_window_beyond_what_the_rfc_grants_is_refused),
      cmocka_unit_test(every_truncation_is_refused),
      cmocka_unit_test(what_is_packed_comes_out_whole_or_not_at_all),
      cmocka_unit_test(flipped_bits_never_make_more_than_the_object),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
