// ICC profiles as parts of pictures: facts, spaces, classes, IDs, deflate streams.
#include "scan_rig.h"

#include <zlib.h>

#include "containers.h"

static struct scan_rig rig;

// The rig with the profile in it; finish the buffer after use.
static struct base_buffer inspect_file_of(const char *name) {
  struct base_buffer file = container_file(name);
  scan_rig_init(&rig, file.data, file.bytes);
  inspect_profile(&rig.walk, base_buffer_span(&file), 0, "colr");
  return file;
}

static void spaces_are_told_apart(void **state) {
  static const struct {
    const char *name;
    enum image_colour_space space;
  } cases[] = {{"srgb.icc", IMAGE_SPACE_SRGB},
               {"adobe.icc", IMAGE_SPACE_ADOBE_RGB},
               {"display.icc", IMAGE_SPACE_DISPLAY_P3},
               {"prophoto.icc", IMAGE_SPACE_PROPHOTO},
               {"rec.icc", IMAGE_SPACE_BT2020},
               {"grey.icc", IMAGE_SPACE_GREY},
               {"cmyk.icc", IMAGE_SPACE_CMYK},
               {"space.icc", IMAGE_SPACE_SRGB},  // by its description: it has no primaries
               {"scanner.icc", IMAGE_SPACE_OTHER_RGB}};
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct base_buffer file = inspect_file_of(cases[i].name);
    assert_int_equal(scan_rig_findings(&rig), 0);
    assert_true(rig.report.icc.is_present && rig.report.icc.is_valid);
    assert_int_equal(rig.report.icc.bytes, file.bytes);
    assert_int_equal(rig.walk.colour_said[IMAGE_SPACE_FROM_ICC], cases[i].space);
    base_buffer_finish(&file);
  }
}

static void space_is_another_when_the_primaries_are(void **state) {
  (void)state;
  struct base_buffer file = container_file("srgb.icc");
  uint8_t *red = memmem(file.data + 132, file.bytes - 132, "XYZ \0\0\0\0\0\0\x6f", 11);
  assert_non_null(red);
  red[10] = 0x60;
  scan_rig_init(&rig, file.data, file.bytes);
  inspect_profile(&rig.walk, base_buffer_span(&file), 0, "colr");
  assert_int_equal(rig.walk.colour_said[IMAGE_SPACE_FROM_ICC], IMAGE_SPACE_OTHER_RGB);
  base_buffer_finish(&file);
}

static void profile_is_reported_when_it_is_none_of_a_picture(void **state) {
  static const char *const names[] = {"link.icc", "abstract.icc", "named.icc"};
  (void)state;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    struct base_buffer file = inspect_file_of(names[i]);
    assert_int_equal(rig.report.rule_counts[IMAGE_RULE_PROFILE], 1);
    assert_non_null(strstr(rig.report.findings[0].text, "none of a picture"));
    assert_false(rig.report.icc.is_valid);
    assert_int_equal(rig.walk.colour_said[IMAGE_SPACE_FROM_ICC], IMAGE_SPACE_UNKNOWN);
    base_buffer_finish(&file);
  }
}

static void profile_is_reported_when_it_is_damaged(void **state) {
  (void)state;
  struct base_buffer file = container_file("adobe.icc");
  memcpy(file.data + 36, "none", 4);
  scan_rig_init(&rig, file.data, file.bytes);
  inspect_profile(&rig.walk, base_buffer_span(&file), 0, "colr");
  assert_int_equal(rig.report.rule_counts[IMAGE_RULE_PROFILE], 1);
  assert_non_null(strstr(rig.report.findings[0].text, "acsp"));
  assert_true(rig.report.icc.is_present && !rig.report.icc.is_valid);
  base_buffer_finish(&file);
}

static void id_is_checked_when_the_header_states_one(void **state) {
  (void)state;
  struct base_buffer file = inspect_file_of("adobe.icc");
  assert_int_equal(rig.report.checksums, 0);
  memcpy(file.data + 84, rig.report.icc.md5, 16);
  scan_rig_init(&rig, file.data, file.bytes);
  inspect_profile(&rig.walk, base_buffer_span(&file), 0, "colr");
  assert_int_equal(rig.report.checksums, 1);
  assert_int_equal(scan_rig_findings(&rig), 0);
  file.data[84] ^= 1;
  scan_rig_init(&rig, file.data, file.bytes);
  inspect_profile(&rig.walk, base_buffer_span(&file), 0, "colr");
  assert_int_equal(rig.report.bad_checksums, 1);
  assert_int_equal(rig.report.rule_counts[IMAGE_RULE_CHECKSUM], 1);
  base_buffer_finish(&file);
}

static void first_profile_is_kept_when_there_are_two(void **state) {
  (void)state;
  struct base_buffer file = inspect_file_of("adobe.icc"), other = container_file("display.icc");
  inspect_profile(&rig.walk, base_buffer_span(&other), 0, "colr");
  assert_string_equal(rig.report.icc.description, "Adobe RGB (1998)");
  assert_int_equal(rig.report.rule_counts[IMAGE_RULE_COLOUR], 1);
  base_buffer_finish(&file);
  base_buffer_finish(&other);
}

// Deflates `bytes` bytes of `data` and inspects that.
static void inspect_deflated(const void *data, size_t bytes, size_t missing) {
  static uint8_t stream[1 << 20];
  uLongf length = sizeof stream;
  assert_int_equal(compress(stream, &length, data, bytes), Z_OK);
  scan_rig_init(&rig, stream, length - missing);
  inspect_profile_deflated(&rig.walk, base_span_of(stream, length - missing), "iCCP");
}

static void deflated_profile_is_read_and_bounded(void **state) {
  (void)state;
  struct base_buffer file = container_file("adobe.icc");
  inspect_deflated(file.data, file.bytes, 0);
  assert_int_equal(scan_rig_findings(&rig), 0);
  assert_string_equal(rig.report.icc.description, "Adobe RGB (1998)");
  inspect_deflated(file.data, file.bytes, 5);
  assert_int_equal(rig.report.rule_counts[IMAGE_RULE_PROFILE], 1);
  base_buffer_finish(&file);

  const size_t bomb = (size_t)64 << 20;
  uint8_t *zeros = calloc(1, bomb);
  assert_non_null(zeros);
  inspect_deflated(zeros, bomb, 0);
  assert_int_equal(rig.report.rule_counts[IMAGE_RULE_CHUNK_SIZE], 1);
  inspect_deflated(zeros, INSPECT_MAX_PROFILE + 1, 0);
  assert_int_equal(rig.report.rule_counts[IMAGE_RULE_CHUNK_SIZE], 1);
  inspect_deflated(zeros, INSPECT_MAX_PROFILE, 0);
  assert_int_equal(rig.report.rule_counts[IMAGE_RULE_CHUNK_SIZE], 0);
  assert_int_equal(rig.report.rule_counts[IMAGE_RULE_PROFILE], 1);
  free(zeros);
  inspect_deflated("", 0, 0);
  assert_int_equal(rig.report.rule_counts[IMAGE_RULE_PROFILE], 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(spaces_are_told_apart),
      cmocka_unit_test(space_is_another_when_the_primaries_are),
      cmocka_unit_test(profile_is_reported_when_it_is_none_of_a_picture),
      cmocka_unit_test(profile_is_reported_when_it_is_damaged),
      cmocka_unit_test(id_is_checked_when_the_header_states_one),
      cmocka_unit_test(first_profile_is_kept_when_there_are_two),
      cmocka_unit_test(deflated_profile_is_read_and_bounded),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
