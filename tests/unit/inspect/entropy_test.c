// Image data: windows are measured right whatever pieces they come in, and what does not belong there is found.
#include <math.h>

#include "scan_rig.h"

enum { BYTES = 1 << 20, HOP = 16384, WINDOW = INSPECT_DATA_WINDOW };

static uint8_t data[BYTES];

static double entropy_by_hand(const uint8_t *bytes, size_t count) {
  unsigned counts[256] = {0};
  double sum = 0;
  for (size_t i = 0; i < count; i++) counts[bytes[i]]++;
  for (int i = 0; i < 256; i++) {
    const double p = (double)counts[i] / (double)count;
    if (counts[i]) sum -= p * log2(p);
  }
  return sum;
}

// `pixel_bytes` decides whether it is compressed.
static void measure(struct scan_rig *rig, size_t bytes, size_t piece, enum image_file_format format,
                    uint64_t pixel_bytes) {
  scan_rig_init(rig, data, bytes);
  rig->report.format = (uint8_t)format;
  rig->walk.pixel_bytes = pixel_bytes;
  inspect_entropy_begin(&rig->walk);
  for (size_t at = 0; at < bytes; at += piece) inspect_data(&rig->walk, base_span_slice(rig->walk.file, at, piece));
  inspect_entropy_conclude(&rig->walk);
  assert_null(rig->walk.entropy);
  assert_int_equal(rig->report.data_bytes, bytes);
}

static void windows_are_measured_as_by_hand(void **state) {
  (void)state;
  struct scan_rig rig;
  scan_rig_random(data, BYTES, 1);
  // Less and less varied.
  for (size_t i = 0; i < BYTES; i++) data[i] = (uint8_t)(data[i] >> (i >> 17));
  double lowest = 9, highest = 0, sum = 0;
  unsigned windows = 0;
  for (size_t at = 0; at + WINDOW <= BYTES; at += HOP, windows++) {
    const double entropy = entropy_by_hand(data + at, WINDOW);
    lowest = fmin(lowest, entropy);
    highest = fmax(highest, entropy);
    sum += entropy;
  }
  static const size_t pieces[] = {BYTES, 1, 7, 8192, 16384, 70001};
  for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
    measure(&rig, BYTES, pieces[i], IMAGE_FILE_JPEG, BYTES * 10);
    assert_int_equal(rig.report.entropy_lowest, lround(1000 * lowest));
    assert_int_equal(rig.report.entropy_highest, lround(1000 * highest));
    assert_true(fabs(rig.report.entropy_mean - 1000 * sum / windows) <= 1);
    assert_int_equal(scan_rig_findings(&rig), 0);
  }
}

static void known_distributions_have_their_entropy(void **state) {
  (void)state;
  struct scan_rig rig;
  memset(data, 0, BYTES);
  measure(&rig, BYTES, 4096, IMAGE_FILE_PNG, BYTES * 10);
  assert_int_equal(rig.report.entropy_highest, 0);
  for (size_t i = 0; i < BYTES; i++) data[i] = (uint8_t)(i % 16);
  measure(&rig, BYTES, 4096, IMAGE_FILE_PNG, BYTES * 10);
  assert_int_equal(rig.report.entropy_lowest, 4000);
  assert_int_equal(rig.report.entropy_highest, 4000);
}

static void little_data_is_one_window_or_none(void **state) {
  (void)state;
  struct scan_rig rig;
  for (size_t i = 0; i < BYTES; i++) data[i] = (uint8_t)i;
  measure(&rig, 4095, 100, IMAGE_FILE_JPEG, BYTES);
  assert_int_equal(rig.report.entropy_highest, 0);
  measure(&rig, 5120, 100, IMAGE_FILE_JPEG, BYTES);
  assert_int_equal(rig.report.entropy_highest, 8000);
  // The rest behind the last whole hop is measured, too.
  memset(data, 0, BYTES);
  memset(data + WINDOW, 1, 100);
  measure(&rig, WINDOW + 100, BYTES, IMAGE_FILE_JPEG, BYTES);
  assert_int_equal(rig.report.entropy_lowest, 0);
  assert_true(rig.report.entropy_highest > 0);
}

static void plant_text(size_t at, size_t bytes) {
  static const char words[] = "function go(x) { return document.body.innerHTML + x; } /* plain words in between */\n";
  for (size_t i = 0; i < bytes; i++) data[at + i] = (uint8_t)words[(i * 7 + i / 80) % (sizeof words - 1)];
}

static void text_in_coded_data_is_found_where_it_lies(void **state) {
  (void)state;
  struct scan_rig rig;
  static const enum image_file_format formats[] = {IMAGE_FILE_JPEG, IMAGE_FILE_PNG,  IMAGE_FILE_WEBP,
                                                   IMAGE_FILE_GIF,  IMAGE_FILE_HEIC, IMAGE_FILE_AVIF};
  scan_rig_random(data, BYTES, 9);
  plant_text(300000, 100000);
  for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
    measure(&rig, BYTES, 5000, formats[i], BYTES * 10);
    assert_int_equal(rig.report.rule_counts[IMAGE_RULE_DATA_ENTROPY], 1);
    assert_in_range(rig.report.findings[0].offset, 300000 - HOP, 400000 - WINDOW + HOP);
    assert_int_equal(rig.report.findings[0].bytes, WINDOW);
  }
  // Pixels as they are may well have the values of letters.
  measure(&rig, BYTES, 5000, IMAGE_FILE_BMP, BYTES);
  assert_int_equal(rig.report.rule_counts[IMAGE_RULE_DATA_ENTROPY], 1);
  assert_non_null(strstr(rig.report.findings[0].text, "encrypted"));
  plant_text(0, BYTES);
  measure(&rig, BYTES, 5000, IMAGE_FILE_BMP, BYTES);
  assert_int_equal(scan_rig_findings(&rig), 0);
}

static void encrypted_data_among_plain_pixels_is_found(void **state) {
  (void)state;
  struct scan_rig rig;
  for (size_t i = 0; i < BYTES; i++) data[i] = (uint8_t)(i / 1000 + i % 3);
  measure(&rig, BYTES, 3000, IMAGE_FILE_BMP, BYTES);
  assert_int_equal(scan_rig_findings(&rig), 0);
  scan_rig_random(data + 500000, WINDOW + HOP, 4);
  measure(&rig, BYTES, 3000, IMAGE_FILE_BMP, BYTES);
  assert_int_equal(rig.report.rule_counts[IMAGE_RULE_DATA_ENTROPY], 1);
  assert_in_range(rig.report.findings[0].offset, 500000, 500000 + HOP);
  // What is compressed looks like that everywhere.
  measure(&rig, BYTES, 3000, IMAGE_FILE_TIFF, BYTES * 3);
  assert_int_equal(scan_rig_findings(&rig), 0);
}

static void surplus_depends_on_the_format(void **state) {
  static const struct {
    enum image_file_format format;
    uint64_t pixel_bytes;
    bool is_found;
  } cases[] = {
      {IMAGE_FILE_PNG, BYTES, false},      {IMAGE_FILE_PNG, BYTES * 3 / 4, true}, {IMAGE_FILE_GIF, BYTES / 2, true},
      {IMAGE_FILE_WEBP, BYTES / 2, true},  {IMAGE_FILE_JPEG, BYTES / 2, false},   {IMAGE_FILE_JPEG, BYTES / 4, true},
      {IMAGE_FILE_HEIC, BYTES / 2, false}, {IMAGE_FILE_AVIF, BYTES / 8, true},    {IMAGE_FILE_TIFF, BYTES / 8, false},
      {IMAGE_FILE_PNG, UINT64_MAX, false},
  };
  (void)state;
  struct scan_rig rig;
  scan_rig_random(data, BYTES, 6);
  // Pixels of few values, so that no other check has anything to say.
  for (size_t i = 0; i < BYTES; i++) data[i] &= 0x8F;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    measure(&rig, BYTES, 5000, cases[i].format, cases[i].pixel_bytes);
    if (scan_rig_findings(&rig) != cases[i].is_found) print_message("case %zu\n", i);
    assert_int_equal(scan_rig_findings(&rig), cases[i].is_found);
  }
  // Not what is too small to tell.
  measure(&rig, 60000, 5000, IMAGE_FILE_GIF, 3);
  assert_int_equal(scan_rig_findings(&rig), 0);
  // Text is no image data however small the picture says it is.
  plant_text(0, BYTES);
  measure(&rig, BYTES, 5000, IMAGE_FILE_PNG, BYTES);
  assert_int_equal(rig.report.rule_counts[IMAGE_RULE_DATA_ENTROPY], 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(windows_are_measured_as_by_hand),
      cmocka_unit_test(known_distributions_have_their_entropy),
      cmocka_unit_test(little_data_is_one_window_or_none),
      cmocka_unit_test(text_in_coded_data_is_found_where_it_lies),
      cmocka_unit_test(encrypted_data_among_plain_pixels_is_found),
      cmocka_unit_test(surplus_depends_on_the_format),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
