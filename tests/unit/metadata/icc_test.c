// ICC profiles of every class, and what is said of broken ones.
#include "metadata/icc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "containers.h"
#include "integrity/md5.h"

static struct metadata_icc read_file(const char *name) {
  struct base_buffer file = container_file(name);
  struct metadata_icc icc;
  metadata_icc_read(base_buffer_span(&file), &icc);
  assert_int_equal(icc.bytes, file.bytes);
  base_buffer_finish(&file);
  return icc;
}

static void every_class_is_read_when_it_is_sound(void **state) {
  static const struct {
    const char *name, *profile_class, *data_space, *connection_space, *description;
    bool has_primaries;
  } cases[] = {
      {"srgb.icc", "mntr", "RGB ", "XYZ ", "sRGB built-in", true},
      {"adobe.icc", "mntr", "RGB ", "XYZ ", "Adobe RGB (1998)", true},
      {"grey.icc", "mntr", "GRAY", "XYZ ", "a grey", false},
      {"cmyk.icc", "prtr", "CMYK", "Lab ", "an ink", false},
      {"scanner.icc", "scnr", "RGB ", "Lab ", "a scanner", false},
      {"space.icc", "spac", "RGB ", "Lab ", "sRGB by a table", false},
      {"link.icc", "link", "RGB ", "CMYK", "a link", false},
      {"abstract.icc", "abst", "Lab ", "Lab ", "an abstract", false},
      {"lab.icc", "abst", "Lab ", "Lab ", "Lab identity built-in", false},
      {"named.icc", "nmcl", "RGB ", "Lab ", "names", false},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct metadata_icc icc = read_file(cases[i].name);
    if (icc.problem[0]) fail_msg("%s: %s", cases[i].name, icc.problem);
    assert_string_equal(icc.profile_class, cases[i].profile_class);
    assert_string_equal(icc.data_space, cases[i].data_space);
    assert_string_equal(icc.connection_space, cases[i].connection_space);
    assert_string_equal(icc.description, cases[i].description);
    assert_int_equal(icc.has_primaries, cases[i].has_primaries);
    assert_true(icc.version_major == 2 || icc.version_major == 4);
  }
}

static void expect_problem(const uint8_t *profile, size_t bytes, const char *text) {
  struct metadata_icc icc;
  uint8_t *copy = malloc(bytes ? bytes : 1);
  assert_non_null(copy);
  if (bytes > 0) memcpy(copy, profile, bytes);
  metadata_icc_read(base_span_of(copy, bytes), &icc);
  free(copy);
  if (!strstr(icc.problem, text)) fail_msg("'%s' does not say '%s'", icc.problem, text);
}

static void problem_is_named_when_a_profile_is_broken(void **state) {
  static const struct {
    size_t at;
    const char *bytes;
    size_t count;
    const char *text;
  } cases[] = {
      {0, "\xff\0\0\0", 4, "it says that it has 4278190080 bytes"},
      {0, "\0\0\0\200", 4, "it says that it has 128 bytes"},
      {0, "\0\0\1\0", 4, "bytes follow its end"},
      {36, "ascp", 4, "no signature"},
      {8, "\7", 1, "its version is 7"},
      {12, "monr", 4, "its class \"monr\" is unknown"},
      {16, "RGBA", 4, "its colour space \"RGBA\" is unknown"},
      {20, "RGB ", 4, "its connection space \"RGB \" is neither"},
      {128, "\0\1\0\0", 4, "it says that it has 65536 tags"},
      {136, "\0\0\0\10", 4, "tag 0 lies outside of it"},
      {140, "\x7f\0\0\0", 4, "tag 0 lies outside of it"},
      {144, "desc", 4, "tag 1 is there twice"},
      {132, "none", 4, "no description"},
      {156, "none", 4, "no white point"},
      {168, "none", 4, "neither a table nor curves"},
  };
  (void)state;
  struct base_buffer file = container_file("adobe.icc");
  uint8_t *profile = malloc(file.bytes);
  assert_non_null(profile);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    memcpy(profile, file.data, file.bytes);
    memcpy(profile + cases[i].at, cases[i].bytes, cases[i].count);
    expect_problem(profile, file.bytes, cases[i].text);
  }
  for (size_t bytes = 0; bytes < file.bytes; bytes++) {
    expect_problem(file.data, bytes, bytes < 132 ? "less than a header" : "it says that it has");
  }
  free(profile);
  base_buffer_finish(&file);
}

static void id_is_the_same_when_what_does_not_count_differs(void **state) {
  (void)state;
  struct base_buffer file = container_file("adobe.icc");
  struct base_span pieces[METADATA_ICC_ID_PIECES], stated;
  uint8_t first[16], second[16];
  assert_true(metadata_icc_id(base_buffer_span(&file), pieces, &stated));
  assert_int_equal(stated.bytes, 0);
  integrity_md5_pieces(pieces, METADATA_ICC_ID_PIECES, first);
  file.data[47] = 1;                  // flags
  file.data[67] = 2;                  // rendering intent
  memcpy(file.data + 84, first, 16);  // the ID itself
  assert_true(metadata_icc_id(base_buffer_span(&file), pieces, &stated));
  integrity_md5_pieces(pieces, METADATA_ICC_ID_PIECES, second);
  assert_memory_equal(first, second, 16);
  assert_true(base_span_equal(stated, base_span_of(first, 16)));
  file.data[200] ^= 1;
  assert_true(metadata_icc_id(base_buffer_span(&file), pieces, &stated));
  integrity_md5_pieces(pieces, METADATA_ICC_ID_PIECES, second);
  assert_memory_not_equal(first, second, 16);
  assert_false(metadata_icc_id(base_span_of(file.data, 127), pieces, &stated));
  base_buffer_finish(&file);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_class_is_read_when_it_is_sound),
      cmocka_unit_test(problem_is_named_when_a_profile_is_broken),
      cmocka_unit_test(id_is_the_same_when_what_does_not_count_differs),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
