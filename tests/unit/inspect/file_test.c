#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "made_file.h"

enum { MAX_FILE_BYTES = 32 << 20 };

struct read_file {
  char name[256];
  uint8_t *data;
  size_t bytes;
};

// Calls `visit` for every file of a folder whose name ends so; returns how many there were.
static unsigned visit_files(const char *folder, const char *ending, void (*visit)(const struct read_file *file)) {
  unsigned count = 0;
  DIR *entries = opendir(folder);
  if (!entries) return 0;
  for (const struct dirent *entry; (entry = readdir(entries));) {
    struct read_file file = {0};
    char path[1024];
    size_t length = strlen(entry->d_name);
    if (entry->d_name[0] == '.' || length < strlen(ending)) continue;
    if (strcmp(entry->d_name + length - strlen(ending), ending) != 0) continue;
    snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
    snprintf(file.name, sizeof file.name, "%s", entry->d_name);
    FILE *stream = fopen(path, "rb");
    file.data = malloc(MAX_FILE_BYTES);
    assert_true(stream && file.data);
    file.bytes = fread(file.data, 1, MAX_FILE_BYTES, stream);
    assert_true(file.bytes < MAX_FILE_BYTES);
    fclose(stream);
    visit(&file);
    free(file.data);
    count++;
  }
  closedir(entries);
  return count;
}

// --- which format ---

static void check_seed_format(const struct read_file *file) {
  static const struct {
    const char *ending;
    enum image_file_format format;
  } endings[] = {{".jpg", IMAGE_FILE_JPEG},  {".png", IMAGE_FILE_PNG},   {".webp", IMAGE_FILE_WEBP},
                 {".gif", IMAGE_FILE_GIF},   {".bmp", IMAGE_FILE_BMP},   {".tif", IMAGE_FILE_TIFF},
                 {".heic", IMAGE_FILE_HEIC}, {".avif", IMAGE_FILE_AVIF}, {".psd", IMAGE_FILE_PSD},
                 {".ppm", IMAGE_FILE_PNM},   {".pgm", IMAGE_FILE_PNM},   {".tga", IMAGE_FILE_TGA}};
  enum image_file_format format = IMAGE_FILE_UNKNOWN;
  struct image_report report;
  const char *dot = strrchr(file->name, '.');
  for (size_t i = 0; dot && i < sizeof endings / sizeof *endings; i++) {
    if (strcmp(dot, endings[i].ending) == 0) format = endings[i].format;
  }
  enum base_result result = inspect_bytes(file->data, file->bytes, &report, NULL);
  if (result != (format ? BASE_OK : BASE_UNSUPPORTED) || report.format != format) print_message("%s\n", file->name);
  assert_int_equal(result, format ? BASE_OK : BASE_UNSUPPORTED);
  assert_int_equal(report.format, format);
  if (format) assert_true(report.width > 0 && report.height > 0 && report.parts > 0 && report.data_bytes > 0);
}

static void format_follows_from_the_content(void **state) {
  (void)state;
  assert_true(visit_files(SEEDS_FOLDER, "", check_seed_format) > 40);
}

static void other_content_is_named(void **state) {
  static const struct {
    const char *bytes;
    size_t count;
    const char *name;
  } cases[] = {
#define CONTENT(bytes, name) {(bytes), sizeof(bytes) - 1, (name)}
      CONTENT("%PDF-1.7\n", "a PDF"),
      CONTENT("PK\3\4\24\0\0\0", "ZIP"),
      CONTENT("\x7F"
              "ELF\2\1\1",
              "ELF"),
      CONTENT("MZ\x90\0\3\0\0\0", "Windows"),
      CONTENT("\x1F\x8B\x08\0", "gzip"),
      CONTENT("\xEF\xBB\xBF <!DocType HTML><html>", "HTML"),
      CONTENT("<?php echo 1;", "PHP"),
      CONTENT("<?xml version=\"1.0\"?><svg xmlns=\"\">", "SVG"),
      CONTENT("<?xml version=\"1.0\"?><a/>", "XML"),
      CONTENT("\0\0\0\x18"
              "ftypmp42\0\0\0\0mp42isom",
              "MP4"),
      CONTENT("{\"a\": 1}", "JSON"),
      CONTENT("a note\n", "text"),
      CONTENT("\xFF\x0A\0\0", "JPEG XL"),
      CONTENT("", "empty"),
      CONTENT("RIFF\4\0\0\0AVI LIST", "AVI"),
      CONTENT("\x88PNG\r\n\x1A\n", "damaged"),
      CONTENT("\x03\x9C\x01\x77\x02", "none of JPEG"),
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct image_report report;
    struct base_fault fault = {0};
    assert_int_equal(inspect_bytes(cases[i].bytes, cases[i].count, &report, &fault), BASE_UNSUPPORTED);
    if (!strstr(fault.text, cases[i].name)) print_message("%s: %s\n", cases[i].name, fault.text);
    assert_non_null(strstr(fault.text, cases[i].name));
    assert_string_equal(fault.subject, "format");
  }
}

// --- damaged files: asan and ubsan watch ---

// Every place of a small file, and some of a larger one.
static size_t step_of(const struct read_file *file) { return 1 + file->bytes / 800; }

static void inspect_every_prefix(const struct read_file *file) {
  struct image_report report;
  for (size_t bytes = 0; bytes < file->bytes; bytes += step_of(file)) {
    enum base_result result = inspect_bytes(file->data, bytes, &report, NULL);
    assert_true(result == BASE_OK || result == BASE_UNSUPPORTED);
  }
}

static void every_prefix_gives_a_report(void **state) {
  (void)state;
  visit_files(SEEDS_FOLDER, "", inspect_every_prefix);
}

// A picture that is cut in its last byte but one is known to be damaged; where nothing of it needs that byte, its end
// is.
static void expect_cut_file_is_damaged(const struct read_file *file) {
  struct image_report whole, cut;
  assert_int_equal(inspect_bytes(file->data, file->bytes, &whole, NULL), BASE_OK);
  assert_int_equal(inspect_bytes(file->data, file->bytes - 1, &cut, NULL), BASE_OK);
  if (whole.trailing_bytes > 0) return;
  bool is_found = cut.rule_counts[IMAGE_RULE_STRUCTURE] > whole.rule_counts[IMAGE_RULE_STRUCTURE];
  if (!is_found) print_message("%s\n", file->name);
  assert_true(is_found);
}

static void cut_files_are_damaged(void **state) {
  (void)state;
  visit_files(SEEDS_FOLDER, ".jpg", expect_cut_file_is_damaged);
  visit_files(SEEDS_FOLDER, ".png", expect_cut_file_is_damaged);
  visit_files(SEEDS_FOLDER, ".webp", expect_cut_file_is_damaged);
  visit_files(SEEDS_FOLDER, ".gif", expect_cut_file_is_damaged);
}

static void inspect_every_byte_changed(const struct read_file *file) {
  struct image_report report;
  for (size_t at = 0; at < file->bytes; at += step_of(file)) {
    file->data[at] ^= 0xFF;
    enum base_result result = inspect_bytes(file->data, file->bytes, &report, NULL);
    assert_true(result == BASE_OK || result == BASE_UNSUPPORTED);
    file->data[at] ^= 0xFF;
  }
}

static void every_changed_byte_gives_a_report(void **state) {
  (void)state;
  visit_files(SEEDS_FOLDER, "", inspect_every_byte_changed);
}

static void many_parts_end_the_walk(void **state) {
  enum { BLOCKS = 1000001 };
  static const char block[] = "\x21\xFE\0";
  (void)state;
  size_t bytes = 19 + (size_t)BLOCKS * 3;
  uint8_t *data = calloc(1, bytes);
  struct image_report report;
  assert_non_null(data);
  memcpy(data, "GIF89a\x08\0\x04\0\x80\0\0", 13);
  for (size_t i = 0; i < BLOCKS; i++) memcpy(data + 19 + 3 * i, block, 3);
  assert_int_equal(inspect_bytes(data, bytes, &report, NULL), BASE_OK);
  assert_int_equal(report.parts, 1000000);
  assert_true(report.rule_counts[IMAGE_RULE_STRUCTURE] >= 1);
  free(data);
}

// --- good files ---

static void expect_clean_photograph(const struct read_file *file) {
  struct image_report report;
  assert_int_equal(inspect_bytes(file->data, file->bytes, &report, NULL), BASE_OK);
  if (count_findings(&report) != 0) print_message("%s\n", file->name), print_findings(&report);
  assert_int_equal(count_findings(&report), 0);
  assert_int_equal(report.format, IMAGE_FILE_JPEG);
  assert_true(report.width > 1000 && report.height > 1000);
  assert_true(report.data_bytes > file->bytes / 100 * 95 && report.entropy_mean > 7000);
}

static void photographs_are_clean(void **state) {
  (void)state;
  assert_true(visit_files("/usr/share/backgrounds", ".jpg", expect_clean_photograph) > 10);
}

// PngSuite's own README: x is a broken file, everything else is good.
static void check_suite_file(const struct read_file *file) {
  struct image_report report;
  enum base_result result = inspect_bytes(file->data, file->bytes, &report, NULL);
  bool is_good = result == BASE_OK && count_findings(&report) == 0;
  if (is_good == (file->name[0] == 'x')) {
    print_message("%s\n", file->name);
    if (result == BASE_OK) print_findings(&report);
  }
  assert_int_equal(is_good, file->name[0] != 'x');
}

static void png_suite_is_told_apart(void **state) {
  (void)state;
  if (visit_files(PNG_SUITE_FOLDER, ".png", check_suite_file) == 0) {
    print_message("no PngSuite in %s: run tools/setup\n", PNG_SUITE_FOLDER);
    skip();
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(format_follows_from_the_content),
      cmocka_unit_test(other_content_is_named),
      cmocka_unit_test(every_prefix_gives_a_report),
      cmocka_unit_test(cut_files_are_damaged),
      cmocka_unit_test(every_changed_byte_gives_a_report),
      cmocka_unit_test(many_parts_end_the_walk),
      cmocka_unit_test(photographs_are_clean),
      cmocka_unit_test(png_suite_is_told_apart),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
