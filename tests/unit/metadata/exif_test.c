// EXIF blocks made by libexif and by Pillow, and blocks that no camera writes.
#include "metadata/exif.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <libexif/exif-data.h>

#include "containers.h"

static struct base_span span_of(const struct base_buffer *buffer) { return base_buffer_span(buffer); }

static void set_number(ExifData *data, ExifIfd ifd, ExifTag tag, uint16_t value) {
  ExifEntry *entry = exif_entry_new();
  entry->tag = tag;
  exif_content_add_entry(data->ifd[ifd], entry);
  exif_entry_initialize(entry, tag);
  exif_set_short(entry->data, exif_data_get_byte_order(data), value);
  exif_entry_unref(entry);
}

// A block with the orientation as libexif writes it; free it.
static unsigned char *make_block(uint16_t orientation, ExifByteOrder order, unsigned *bytes) {
  unsigned char *block = NULL;
  ExifData *data = exif_data_new();
  exif_data_set_byte_order(data, order);
  exif_data_unset_option(data, EXIF_DATA_OPTION_FOLLOW_SPECIFICATION);
  set_number(data, EXIF_IFD_0, EXIF_TAG_ORIENTATION, orientation);
  exif_data_save_data(data, &block, bytes);
  exif_data_unref(data);
  assert_non_null(block);
  return block;
}

static void orientation_is_read_when_libexif_wrote_it(void **state) {
  (void)state;
  for (uint16_t orientation = 0; orientation <= 9; orientation++) {
    for (int order = 0; order < 2; order++) {
      unsigned bytes;
      unsigned char *block = make_block(orientation, order ? EXIF_BYTE_ORDER_MOTOROLA : EXIF_BYTE_ORDER_INTEL, &bytes);
      const bool is_known = orientation >= 1 && orientation <= 8;
      assert_int_equal(metadata_exif_orientation(base_span_of(block, bytes)), is_known ? orientation : 1);
      assert_int_equal(metadata_exif_orientation(base_span_of(block + 6, bytes - 6)), is_known ? orientation : 1);
      struct metadata_exif exif;
      assert_true(metadata_exif_read(base_span_of(block, bytes), &exif));
      assert_int_equal(exif.orientation, orientation);
      assert_int_equal(exif.bytes, bytes - 6);
      free(block);
    }
  }
}

static void facts_are_read_when_pillow_wrote_them(void **state) {
  (void)state;
  struct metadata_exif exif;
  struct base_buffer block = container_file("plain.exif");
  assert_true(metadata_exif_read(span_of(&block), &exif));
  assert_int_equal(exif.orientation, 6);
  assert_string_equal(exif.maker, "Pixpop");
  assert_string_equal(exif.model, "Test Camera");
  assert_string_equal(exif.software, "make_containers 1.0");
  assert_string_equal(exif.taken, "2024:05:06 07:08:09");
  assert_int_equal(exif.colour_space, 1);
  assert_false(exif.has_place || exif.is_adobe_rgb || exif.has_thumbnail);
  base_buffer_finish(&block);

  block = container_file("gps.exif");
  assert_true(metadata_exif_read(span_of(&block), &exif));
  assert_true(exif.has_place);
  base_buffer_finish(&block);

  block = container_file("adobe.exif");
  assert_true(metadata_exif_read(span_of(&block), &exif));
  assert_true(exif.is_adobe_rgb);
  assert_int_equal(exif.colour_space, 0xffff);
  base_buffer_finish(&block);
}

struct found_text {
  const char *tag, *text;
  struct base_span block;
  bool is_found;
};

static void look(void *argument, const char *tag, struct base_span text) {
  struct found_text *found = argument;
  assert_true(text.data >= found->block.data && text.data + text.bytes <= found->block.data + found->block.bytes);
  if (strcmp(tag, found->tag) == 0 && base_span_starts_with(text, found->text)) found->is_found = true;
}

static void texts_are_visited_where_they_lie(void **state) {
  (void)state;
  struct base_buffer block = container_file("comment.exif");
  struct found_text found = {"ImageDescription", "a comment of the photographer", span_of(&block), false};
  metadata_exif_texts(span_of(&block), look, &found);
  assert_true(found.is_found);
  base_buffer_finish(&block);
}

static void nothing_is_read_when_the_block_is_none(void **state) {
  static const char *const blocks[] = {"",
                                       "Exif\0\0",
                                       "II",
                                       "Exif\0\0II*\0\10\0\0\0",
                                       "MM\0*\377\377\377\377aaaaaaaa",
                                       "this is no block at all, but long enough to be one"};
  static const size_t bytes[] = {0, 6, 2, 14, 16, 50};
  (void)state;
  for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
    struct metadata_exif exif;
    assert_false(metadata_exif_read(base_span_of(blocks[i], bytes[i]), &exif));
    assert_int_equal(metadata_exif_orientation(base_span_of(blocks[i], bytes[i])), METADATA_UPRIGHT);
  }
}

static void block_is_not_read_when_it_is_oversized(void **state) {
  (void)state;
  struct base_buffer block = container_file("plain.exif");
  const size_t bytes = METADATA_MAX_EXIF_BYTES + 7;
  uint8_t *large = calloc(1, bytes);
  assert_non_null(large);
  memcpy(large, block.data, block.bytes);
  struct metadata_exif exif;
  assert_false(metadata_exif_read(base_span_of(large, bytes), &exif));
  assert_int_equal(exif.bytes, METADATA_MAX_EXIF_BYTES + 1);
  assert_true(metadata_exif_read(base_span_of(large, bytes - 1), &exif));
  free(large);
  base_buffer_finish(&block);
}

static void put16(uint8_t *at, unsigned value) {
  at[0] = (uint8_t)value;
  at[1] = (uint8_t)(value >> 8);
}
static void put32(uint8_t *at, uint32_t value) {
  put16(at, value & 0xffff);
  put16(at + 2, value >> 16);
}

// Four thousand entries that all refer to the same stretch.
static void block_is_refused_when_its_entries_share_their_values(void **state) {
  (void)state;
  enum { BYTES = 1 << 20, ENTRIES = 4000, SHARED = 900000 };
  uint8_t *block = calloc(1, BYTES);
  assert_non_null(block);
  memcpy(block, "II*\0\10\0\0\0", 8);
  put16(block + 8, ENTRIES);
  for (unsigned i = 0; i < ENTRIES; i++) {
    uint8_t *entry = block + 10 + (size_t)12 * i;
    put16(entry, 0x010e + i);
    put16(entry + 2, 2);
    put32(entry + 4, SHARED);
    put32(entry + 8, 60000);
  }
  struct metadata_exif exif;
  assert_false(metadata_exif_read(base_span_of(block, BYTES), &exif));
  put16(block + 8, 1);
  put32(block + 14, 100);
  assert_true(metadata_exif_read(base_span_of(block, BYTES), &exif));
  free(block);
}

static void count_bytes(void *argument, const char *tag, struct base_span text) {
  uint64_t *sum = argument;
  (void)tag;
  *sum += text.bytes;
}

static void texts_that_share_their_bytes_are_visited_a_few_times(void **state) {
  enum { ENTRIES = 4000, HEAD = 10 + ENTRIES * 12 + 4 };
  static const uint32_t values[] = {100000, 8 << 20};  // a block that is read, and one that is too large for it
  (void)state;
  for (int i = 0; i < 2; i++) {
    const size_t bytes = HEAD + values[i];
    uint64_t sum = 0;
    uint8_t *block = calloc(1, bytes);
    assert_non_null(block);
    memcpy(block, "II*\0\10\0\0\0", 8);
    put16(block + 8, ENTRIES);
    for (size_t k = 0; k < ENTRIES; k++) {
      uint8_t *at = block + 10 + 12 * k;
      put16(at, 0x9000 + (unsigned)k);
      put16(at + 2, 2);
      put32(at + 4, values[i]);
      put32(at + 8, HEAD);
    }
    metadata_exif_texts(base_span_of(block, bytes), count_bytes, &sum);
    assert_in_range(sum, values[i] < METADATA_MAX_EXIF_TEXTS ? values[i] : METADATA_MAX_EXIF_TEXTS,
                    values[i] < METADATA_MAX_EXIF_TEXTS ? 4 * bytes : METADATA_MAX_EXIF_TEXTS);
    free(block);
  }
}

static void block_is_left_when_its_directories_go_in_circles(void **state) {
  (void)state;
  uint8_t block[64] = "II*\0\10\0\0\0";
  put16(block + 8, 2);
  put16(block + 10, 0x8769);
  put16(block + 12, 4);
  put32(block + 14, 1);
  put32(block + 18, 8);
  put16(block + 22, 0x0112);
  put16(block + 24, 3);
  put32(block + 26, 1);
  put32(block + 30, 3);
  put32(block + 34, 8);
  assert_int_equal(metadata_exif_orientation(base_span_of(block, sizeof block)), 3);
}

// A maker note that libexif knows (Olympus) is not parsed: whoever made it up would be talking to a dozen parsers.
static void maker_note_is_not_given_to_libexif(void **state) {
  (void)state;
  static const uint8_t note[] = "OLYMP\0\1\0\1\0\0\2\4\0\3\0\0\0\1\1\1\1\1\1\1\1";
  uint8_t block[128] = "II*\0\10\0\0\0";
  put16(block + 8, 1);
  put16(block + 10, 0x8769);
  put16(block + 12, 4);
  put32(block + 14, 1);
  put32(block + 18, 26);
  put16(block + 26, 1);
  put16(block + 28, 0x927c);
  put16(block + 30, 7);
  put32(block + 32, sizeof note);
  put32(block + 36, 60);
  memcpy(block + 60, note, sizeof note);
  uint8_t before[sizeof block];
  memcpy(before, block, sizeof block);
  struct metadata_exif exif;
  assert_true(metadata_exif_read(base_span_of(block, sizeof block), &exif));
  assert_memory_equal(before, block, sizeof block);  // what came in is not touched
}

static void time_is_one_when_it_is_written_as_one(void **state) {
  (void)state;
  assert_true(metadata_exif_is_time(base_span_text("2024:05:06 07:08:09")));
  assert_false(metadata_exif_is_time(base_span_text("0000:00:00 00:00:00")));
  assert_false(metadata_exif_is_time(base_span_text("    :  :     :  :  ")));
  assert_false(metadata_exif_is_time(base_span_text("2024-05-06 07:08:09")));
  assert_false(metadata_exif_is_time(base_span_text("2024:05:06 07:08")));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(orientation_is_read_when_libexif_wrote_it),
      cmocka_unit_test(facts_are_read_when_pillow_wrote_them),
      cmocka_unit_test(texts_are_visited_where_they_lie),
      cmocka_unit_test(nothing_is_read_when_the_block_is_none),
      cmocka_unit_test(block_is_not_read_when_it_is_oversized),
      cmocka_unit_test(block_is_refused_when_its_entries_share_their_values),
      cmocka_unit_test(texts_that_share_their_bytes_are_visited_a_few_times),
      cmocka_unit_test(block_is_left_when_its_directories_go_in_circles),
      cmocka_unit_test(maker_note_is_not_given_to_libexif),
      cmocka_unit_test(time_is_one_when_it_is_written_as_one),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
