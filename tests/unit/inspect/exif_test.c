// EXIF blocks against the pictures they come with.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "containers.h"
#include "made_file.h"

static struct made_file file;

static void load(const char *name) {
  struct base_buffer buffer = container_file(name);
  file.bytes = 0;
  put(&file, buffer.data, buffer.bytes);
  base_buffer_finish(&buffer);
}

static void all_orientations_are_read(void **state) {
  (void)state;
  for (unsigned orientation = 1; orientation <= 8; orientation++) {
    char name[32];
    snprintf(name, sizeof name, "orientation%u.jpg", orientation);
    load(name);
    struct image_report report = expect_clean(&file);
    assert_true(report.exif.is_present && report.exif.is_readable && !report.exif.has_gps);
    assert_int_equal(report.exif.orientation, orientation);
    assert_string_equal(report.exif.taken, "2024:05:06 07:08:09");
    assert_string_equal(report.exif.maker, "Pixpop");
    assert_string_equal(report.exif.model, "Test Camera");
  }
}

static void orientation_is_reported_when_it_is_none(void **state) {
  (void)state;
  load("orientation6.jpg");
  uint8_t *entry = memmem(file.data, file.bytes, "\x01\x12\0\3\0\0\0\1\0\6", 10);
  assert_non_null(entry);
  entry[9] = 9;
  struct image_report report = expect_only(&file, IMAGE_RULE_EXIF, "APP1", "orientation 9");
  assert_int_equal(report.exif.orientation, 0);
}

static void place_is_reported_and_not_told(void **state) {
  (void)state;
  load("gps.jpg");
  struct image_report report = expect_only(&file, IMAGE_RULE_GPS, "APP1", "where the picture was taken");
  assert_true(report.exif.has_gps);
}

static void place_is_reported_when_only_xmp_tells_it(void **state) {
  static const char xmp[] =
      "http://ns.adobe.com/xap/1.0/\0<x:xmpmeta><rdf:Description exif:GPSLatitude=\"48,51.4N\"/></x:xmpmeta>";
  (void)state;
  load("orientation1.jpg");
  uint8_t segment[4 + sizeof xmp] = {0xff, 0xe1, 0, 1 + sizeof xmp};
  memcpy(segment + 4, xmp, sizeof xmp - 1);
  splice(&file, 2, 0, segment, 3 + sizeof xmp);
  struct image_report report = expect_only(&file, IMAGE_RULE_GPS, "XMP", "where the picture was taken");
  assert_false(report.exif.has_gps);
}

static void size_is_reported_when_it_is_another(void **state) {
  (void)state;
  load("other_size.jpg");
  expect_only(&file, IMAGE_RULE_EXIF, "APP1", "it says 4000 x 3000, the picture is 64 x 48");
}

static void script_is_found_in_a_caption(void **state) {
  (void)state;
  load("script.jpg");
  expect_finding(&file, IMAGE_RULE_TEXT, "APP1/ImageDescription", "<script");
}

static void block_is_reported_when_it_is_broken(void **state) {
  (void)state;
  load("orientation6.jpg");
  uint8_t *head = memmem(file.data, file.bytes, "MM\0*", 4);
  assert_non_null(head);
  head[3] = '+';
  struct image_report report = expect_only(&file, IMAGE_RULE_EXIF, "APP1", "can not be read");
  assert_true(report.exif.is_present && !report.exif.is_readable);
}

static void block_is_absent_when_there_is_none(void **state) {
  (void)state;
  load("icc_cmyk.jpg");
  struct image_report report;
  assert_int_equal(inspect_bytes(file.data, file.bytes, &report, NULL), BASE_OK);
  assert_false(report.exif.is_present);
  assert_int_equal(report.exif.orientation, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(all_orientations_are_read),          cmocka_unit_test(orientation_is_reported_when_it_is_none),
      cmocka_unit_test(place_is_reported_and_not_told),     cmocka_unit_test(size_is_reported_when_it_is_another),
      cmocka_unit_test(script_is_found_in_a_caption),       cmocka_unit_test(block_is_reported_when_it_is_broken),
      cmocka_unit_test(block_is_absent_when_there_is_none), cmocka_unit_test(place_is_reported_when_only_xmp_tells_it),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
