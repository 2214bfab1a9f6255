// Which statement about the colours wins, and which contradict each other.
#include "scan_rig.h"

#include "containers.h"
#include "made_file.h"

static struct scan_rig rig;

static void begin(enum image_colour pixels) {
  static const uint8_t nothing[1];
  scan_rig_init(&rig, nothing, sizeof nothing);
  rig.report.width = rig.report.height = 8;
  rig.report.colour = (uint8_t)pixels;
}

static void says(enum image_colour_space space, enum image_space_source source) {
  inspect_colour_says(&rig.walk, space, source);
}

static void expect(enum image_colour_space space, enum image_space_source source, uint32_t findings) {
  inspect_colour_conclude(&rig.walk);
  assert_int_equal(rig.report.space, space);
  assert_int_equal(rig.report.space_source, source);
  assert_int_equal(rig.report.rule_counts[IMAGE_RULE_COLOUR], findings);
  assert_int_equal(scan_rig_findings(&rig), findings);
}

static void space_is_assumed_when_nobody_says(void **state) {
  (void)state;
  begin(IMAGE_COLOUR_RGB);
  expect(IMAGE_SPACE_SRGB, IMAGE_SPACE_ASSUMED, 0);
  begin(IMAGE_COLOUR_PALETTE);
  expect(IMAGE_SPACE_SRGB, IMAGE_SPACE_ASSUMED, 0);
  begin(IMAGE_COLOUR_GREY);
  expect(IMAGE_SPACE_GREY, IMAGE_SPACE_ASSUMED, 0);
  begin(IMAGE_COLOUR_CMYK);
  expect(IMAGE_SPACE_CMYK, IMAGE_SPACE_ASSUMED, 0);
  begin(IMAGE_COLOUR_RGB);
  rig.report.width = 0;
  expect(IMAGE_SPACE_UNKNOWN, IMAGE_SPACE_ASSUMED, 0);
}

static void strongest_source_wins(void **state) {
  (void)state;
  begin(IMAGE_COLOUR_RGB);
  says(IMAGE_SPACE_ADOBE_RGB, IMAGE_SPACE_FROM_EXIF);
  expect(IMAGE_SPACE_ADOBE_RGB, IMAGE_SPACE_FROM_EXIF, 0);
  begin(IMAGE_COLOUR_RGB);
  says(IMAGE_SPACE_DISPLAY_P3, IMAGE_SPACE_FROM_CICP);
  says(IMAGE_SPACE_DISPLAY_P3, IMAGE_SPACE_FROM_ICC);
  expect(IMAGE_SPACE_DISPLAY_P3, IMAGE_SPACE_FROM_ICC, 0);
}

static void statements_are_reported_when_they_contradict(void **state) {
  (void)state;
  begin(IMAGE_COLOUR_RGB);
  says(IMAGE_SPACE_SRGB, IMAGE_SPACE_FROM_EXIF);
  says(IMAGE_SPACE_ADOBE_RGB, IMAGE_SPACE_FROM_ICC);
  expect(IMAGE_SPACE_ADOBE_RGB, IMAGE_SPACE_FROM_ICC, 1);
  assert_string_equal(rig.report.findings[0].text, "the ICC profile says adobe-rgb, EXIF says srgb");
  begin(IMAGE_COLOUR_RGB);
  says(IMAGE_SPACE_BT2020, IMAGE_SPACE_FROM_CICP);
  says(IMAGE_SPACE_SRGB, IMAGE_SPACE_FROM_ICC);
  says(IMAGE_SPACE_SRGB, IMAGE_SPACE_FROM_CHUNK);
  expect(IMAGE_SPACE_SRGB, IMAGE_SPACE_FROM_ICC, 1);
  begin(IMAGE_COLOUR_RGB);
  says(IMAGE_SPACE_SRGB, IMAGE_SPACE_FROM_CHUNK);
  says(IMAGE_SPACE_ADOBE_RGB, IMAGE_SPACE_FROM_CHUNK);
  expect(IMAGE_SPACE_SRGB, IMAGE_SPACE_FROM_CHUNK, 1);
}

static void profile_is_passed_over_when_the_pixels_are_others(void **state) {
  (void)state;
  begin(IMAGE_COLOUR_RGB);
  says(IMAGE_SPACE_CMYK, IMAGE_SPACE_FROM_ICC);
  says(IMAGE_SPACE_SRGB, IMAGE_SPACE_FROM_EXIF);
  expect(IMAGE_SPACE_SRGB, IMAGE_SPACE_FROM_EXIF, 1);
  begin(IMAGE_COLOUR_CMYK);
  says(IMAGE_SPACE_SRGB, IMAGE_SPACE_FROM_ICC);
  expect(IMAGE_SPACE_CMYK, IMAGE_SPACE_ASSUMED, 1);
  begin(IMAGE_COLOUR_GREY);
  says(IMAGE_SPACE_SRGB, IMAGE_SPACE_FROM_ICC);
  expect(IMAGE_SPACE_GREY, IMAGE_SPACE_ASSUMED, 1);
}

static void grey_pictures_may_say_srgb(void **state) {
  (void)state;
  begin(IMAGE_COLOUR_GREY);
  says(IMAGE_SPACE_GREY, IMAGE_SPACE_FROM_ICC);
  says(IMAGE_SPACE_SRGB, IMAGE_SPACE_FROM_EXIF);
  expect(IMAGE_SPACE_GREY, IMAGE_SPACE_FROM_ICC, 0);
  begin(IMAGE_COLOUR_GREY);
  says(IMAGE_SPACE_SRGB, IMAGE_SPACE_FROM_CHUNK);
  expect(IMAGE_SPACE_SRGB, IMAGE_SPACE_FROM_CHUNK, 0);
}

static void files_are_cross_checked(void **state) {
  static const struct {
    const char *name, *text;  // text empty: no finding
    enum image_colour_space space;
  } cases[] = {{"adobe_rgb.jpg", "", IMAGE_SPACE_ADOBE_RGB},
               {"exif_srgb_icc_adobe.jpg", "EXIF says srgb", IMAGE_SPACE_ADOBE_RGB},
               {"icc_cmyk.jpg", "is for cmyk, the pixels are rgb", IMAGE_SPACE_SRGB},
               {"cmyk.jpg", "", IMAGE_SPACE_CMYK},
               {"grey.jpg", "", IMAGE_SPACE_GREY}};
  static struct made_file file;
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct base_buffer buffer = container_file(cases[i].name);
    file.bytes = 0;
    put(&file, buffer.data, buffer.bytes);
    base_buffer_finish(&buffer);
    struct image_report report =
        cases[i].text[0] ? expect_only(&file, IMAGE_RULE_COLOUR, "", cases[i].text) : expect_clean(&file);
    assert_int_equal(report.space, cases[i].space);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(space_is_assumed_when_nobody_says),
      cmocka_unit_test(strongest_source_wins),
      cmocka_unit_test(statements_are_reported_when_they_contradict),
      cmocka_unit_test(profile_is_passed_over_when_the_pixels_are_others),
      cmocka_unit_test(grey_pictures_may_say_srgb),
      cmocka_unit_test(files_are_cross_checked),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
