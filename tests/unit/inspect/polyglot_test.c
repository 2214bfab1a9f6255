// Files that are something else as well, and the many that only look like it.
#include "scan_rig.h"

enum { PICTURE = 3000 };  // of random bytes that end where `end` says

static uint8_t file[1 << 20];

static const char *look_at(struct scan_rig *rig, size_t bytes, size_t end) {
  scan_rig_init(rig, file, bytes);
  inspect_polyglot(&rig->walk, end);
  return rig->report.finding_count ? rig->report.findings[0].text : "";
}

static void make_picture(void) {
  scan_rig_random(file, PICTURE, 1);
  memcpy(file, "\xff\xd8\xff\xe0\x00\x10JFIF", 10);
}

static size_t append(const void *bytes, size_t count) {
  make_picture();
  memcpy(file + PICTURE, bytes, count);
  return PICTURE + count;
}

static const uint8_t elf[64] = {0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 62, 0, 1};
static const uint8_t java[64] = {0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, 52, 0, 20};
static const uint8_t mac[64] = {0xcf, 0xfa, 0xed, 0xfe, 7, 0, 0, 1, 3, 0, 0, 0, 2, 0, 0, 0, 16};
// One entry "a", its directory entry and the end record, as zip makes them.
static const uint8_t zip[] = {
    'P', 'K', 3,   4,   10,  0,   0,   0,   0, 0, 0,  0, 0,  0, 0, 0,  0, 0, 0, 0,  0, 0, 0, 0, 0,
    0,   1,   0,   0,   0,   'a', 'P', 'K', 1, 2, 10, 0, 10, 0, 0, 0,  0, 0, 0, 0,  0, 0, 0, 0, 0,
    0,   0,   0,   0,   0,   0,   0,   0,   0, 1, 0,  0, 0,  0, 0, 0,  0, 0, 0, 0,  0, 0, 0, 0, 0,
    0,   0,   'a', 'P', 'K', 5,   6,   0,   0, 0, 0,  1, 0,  1, 0, 47, 0, 0, 0, 31, 0, 0, 0, 0, 0,
};

static void what_follows_a_picture_is_named(void **state) {
  (void)state;
  static uint8_t windows[256] = {'M', 'Z', [60] = 128, [128] = 'P', 'E'};
  static const char rar[] = "Rar!\x1a\x07\x01\x00more", seven[] = "7z\xbc\xaf\x27\x1c\x00\x04more";
  static const char php[] = "<?php echo 1; ?>", html[] = "<!DOCTYPE html><body>", pdf[] = "%PDF-1.7\n";
  static const char script[] = "\n<script>alert(1)</script>", shell[] = "#!/bin/sh\nrm -r /\n",
                    svg[] = "<svg onload=x>";
  const struct {
    const void *bytes;
    size_t count;
    const char *text;
  } cases[] = {
      {elf, sizeof elf, "it is also a program (ELF)"},
      {java, sizeof java, "it is also a Java class"},
      {mac, sizeof mac, "it is also a program (macOS)"},
      {windows, sizeof windows, "it is also a program (Windows)"},
      {zip, sizeof zip, "it is also a ZIP archive"},
      {zip, 40, "it is also a ZIP archive"},
      {rar, sizeof rar, "it is also a RAR archive"},
      {seven, sizeof seven, "it is also a 7z archive"},
      {php, sizeof php, "it is also PHP"},
      {html, sizeof html, "it is also HTML or SVG"},
      {svg, sizeof svg, "it is also HTML or SVG"},
      {script, sizeof script, "it is also HTML with a script"},
      {pdf, sizeof pdf, "it is also a PDF"},
      {shell, sizeof shell, "it is also a shell script"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct scan_rig rig;
    const size_t bytes = append(cases[i].bytes, cases[i].count);
    assert_string_equal(look_at(&rig, bytes, PICTURE), cases[i].text);
    assert_int_equal(rig.report.rule_counts[IMAGE_RULE_POLYGLOT], 1);
    assert_in_range(rig.report.findings[0].offset, PICTURE, bytes);
    // And when every byte of it but the last may be missing, nothing is read that is not there.
    for (size_t cut = 1; cut < cases[i].count; cut++) {
      uint8_t *exact = malloc(bytes - cut);
      memcpy(exact, file, bytes - cut);
      scan_rig_init(&rig, exact, bytes - cut);
      inspect_polyglot(&rig.walk, PICTURE);
      free(exact);
    }
  }
}

static void scripts_programs_and_archives_inside_are_found(void **state) {
  (void)state;
  struct scan_rig rig;
  make_picture();
  memcpy(file + 1000, "<?PHP\nsystem();", 15);
  assert_string_equal(look_at(&rig, PICTURE, PICTURE), "it is also PHP");
  assert_int_equal(rig.report.findings[0].offset, 1000);
  make_picture();
  memcpy(file + 2000, elf, sizeof elf);
  assert_string_equal(look_at(&rig, PICTURE, PICTURE), "it is also a program (ELF)");
  // A comment segment that is the file's last, as the end of a ZIP.
  make_picture();
  memcpy(file + PICTURE - sizeof zip - 2, zip, sizeof zip);
  assert_string_equal(look_at(&rig, PICTURE, PICTURE), "it is also a ZIP archive");
}

static void pdf_counts_in_the_first_kilobyte_and_behind(void **state) {
  (void)state;
  struct scan_rig rig;
  make_picture();
  memcpy(file + 1000, "%PDF-1.4", 8);
  assert_string_equal(look_at(&rig, PICTURE, PICTURE), "it is also a PDF");
  make_picture();
  memcpy(file + 1024, "%PDF-1.4", 8);
  assert_string_equal(look_at(&rig, PICTURE, PICTURE), "");
}

static void documents_inside_are_found(void **state) {
  static const char pdf[] = "%PDF-1.4\n1 0 obj\n<< /Type /Catalog >>",
                    page[] = "<html><body>Welcome, please log in</body>",
                    svg[] = "<svg xmlns='http://www.w3.org/2000/svg'>", shell[] = "#!/bin/sh\nrm -r /\n";
  const struct {
    const void *bytes;
    size_t count;
    const char *text;
  } cases[] = {
      {pdf, sizeof pdf, "it is also a PDF"},       {page, sizeof page, "it is also HTML or SVG"},
      {svg, sizeof svg, "it is also HTML or SVG"}, {shell, sizeof shell, "it is also a shell script"},
      {zip, 40, "it is also a ZIP archive"},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct scan_rig rig;
    make_picture();
    memcpy(file + 2000, cases[i].bytes, cases[i].count);
    assert_string_equal(look_at(&rig, PICTURE, PICTURE), cases[i].text);
    assert_int_equal(rig.report.rule_counts[IMAGE_RULE_POLYGLOT], 1);
    assert_int_equal(rig.report.findings[0].offset, 2000);
  }
  // Four letters among coded data.
  struct scan_rig rig;
  make_picture();
  memcpy(file + 2000, "<svg \x91\x02", 7);
  assert_string_equal(look_at(&rig, PICTURE, PICTURE), "");
}

static void first_bytes_that_are_javascript_are_found(void **state) {
  (void)state;
  struct scan_rig rig;
  memset(file, ' ', 200);
  memcpy(file, "GIF89a/*\x01\x00", 10);
  memcpy(file + 150, "*/=1;alert(1)", 13);
  assert_string_equal(look_at(&rig, 200, 200), "it is also JavaScript");
  memset(file, ' ', 200);
  memcpy(file, "BM/*\x00\x00", 6);
  memcpy(file + 150, "*/=1;alert(1)", 13);
  assert_string_equal(look_at(&rig, 200, 200), "it is also JavaScript");
  memset(file, ' ', 200);
  memcpy(file, "\xff\xd8\xff\xe0/*JFIF", 10);
  memcpy(file + 150, "*/=1;alert(1)", 13);
  assert_string_equal(look_at(&rig, 200, 200), "it is also JavaScript");
  // A real GIF of 320 x 200 with a comment that says so.
  memcpy(file, "GIF89a\x40\x01\xc8\x00", 10);
  assert_string_equal(look_at(&rig, 200, 200), "");
}

static void what_only_looks_like_it_is_left_alone(void **state) {
  (void)state;
#define BYTES_OF(text) \
  { text, sizeof(text) - 1 }
  static const struct {
    const char *bytes;
    size_t count;
  } cases[] = {
      BYTES_OF("PK\3\4random bytes that are no header of an archive"),
      BYTES_OF("PK\5\6\0\0\0\0\1\0\1\0\x2f\0\0\0\x1f\0\0\0\0\0"),
      BYTES_OF("\x7f"
               "ELF and nothing else is a word"),
      BYTES_OF("MZ but no PE header follows this, so that it is no program for sure"),
      BYTES_OF("%PDF without a version"),
      BYTES_OF("\xca\xfe\xba\xbe"
               "coffee is fine"),
      BYTES_OF("<phpinfo> <scripture> <htmlish>"),
      BYTES_OF("\0\0\0\x18"
               "ftypmp42\0\0\0\0mp42isom"),
      BYTES_OF("#!shebang is a name"),
      BYTES_OF("Rar! says the crow"),
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct scan_rig rig;
    const size_t bytes = append(cases[i].bytes, cases[i].count);
    assert_string_equal(look_at(&rig, bytes, PICTURE), "");
  }
}

static void random_data_is_nothing(void **state) {
  (void)state;
  for (uint64_t seed = 100; seed < 132; seed++) {
    struct scan_rig rig;
    scan_rig_random(file, sizeof file, seed);
    if (look_at(&rig, sizeof file, 0)[0] != '\0') fail_msg("seed %d: %s", (int)seed, rig.report.findings[0].text);
  }
}

static void tiny_files_are_read_within_their_bounds(void **state) {
  (void)state;
  for (size_t bytes = 0; bytes < 30; bytes++) {
    struct scan_rig rig;
    uint8_t *exact = malloc(bytes + 1);
    memcpy(exact, "GIF89a/*/*%PDF-1.7<?php PK\5\6\0\0", bytes);
    scan_rig_init(&rig, exact, bytes);
    inspect_polyglot(&rig.walk, 0);
    inspect_polyglot(&rig.walk, UINT64_MAX);
    free(exact);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_follows_a_picture_is_named),
      cmocka_unit_test(scripts_programs_and_archives_inside_are_found),
      cmocka_unit_test(pdf_counts_in_the_first_kilobyte_and_behind),
      cmocka_unit_test(documents_inside_are_found),
      cmocka_unit_test(first_bytes_that_are_javascript_are_found),
      cmocka_unit_test(what_only_looks_like_it_is_left_alone),
      cmocka_unit_test(random_data_is_nothing),
      cmocka_unit_test(tiny_files_are_read_within_their_bounds),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
