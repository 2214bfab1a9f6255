#include "image/report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct image_report report;

static int begin(void **state) {
  (void)state;
  memset(&report, 0, sizeof report);
  report.format = IMAGE_FILE_JPEG;
  report.frames = 1;
  report.bits = 8;
  report.width = 4;
  report.height = 3;
  report.file_bytes = 1000;
  return 0;
}

static void names_are_parsed_back(void **state) {
  (void)state;
  for (int i = 0; i < IMAGE_RULE_COUNT; i++) {
    assert_int_equal(image_rule_parse(image_rule_name((enum image_rule)i)), i);
    assert_true(strlen(image_rule_meaning((enum image_rule)i)) > 10);
    assert_true(image_rules_default.verdicts[i] < IMAGE_VERDICT_COUNT);
  }
  assert_int_equal(image_rule_parse("rule"), IMAGE_RULE_COUNT);
  assert_int_equal(image_rule_parse(NULL), IMAGE_RULE_COUNT);
  for (int i = 0; i < IMAGE_VERDICT_COUNT; i++) {
    assert_int_equal(image_verdict_parse(image_verdict_name((enum image_verdict)i)), i);
  }
  assert_int_equal(image_verdict_parse("warn"), IMAGE_VERDICT_COUNT);
}

static void finding_is_kept_as_plain_text(void **state) {
  (void)state;
  image_report_find(&report, IMAGE_RULE_TEXT, 57, 7, "tE\nt", "a text says %s", "\x1b[31m\xff\xc3\xa9");
  assert_int_equal(report.finding_count, 1);
  assert_string_equal(report.findings[0].place, "tE?t");
  assert_string_equal(report.findings[0].text, "a text says ?[31m?\xc3\xa9");
  assert_int_equal(report.findings[0].offset, 57);
  assert_int_equal(image_report_check(&report, NULL), BASE_OK);
}

static void finding_is_cut_at_a_character(void **state) {
  (void)state;
  char text[300] = "x";
  for (size_t i = 1; i + 3 < sizeof text; i += 2) memcpy(text + i, "\xc3\xa9", 3);
  image_report_find(&report, IMAGE_RULE_TEXT, 0, 0, text, "%s", text);
  assert_int_equal(strlen(report.findings[0].text), IMAGE_FINDING_TEXT - 1);
  assert_int_equal(strlen(report.findings[0].place), IMAGE_FINDING_PLACE - 1);
  assert_int_equal(image_report_check(&report, NULL), BASE_OK);
}

static void one_rule_does_not_push_out_another(void **state) {
  (void)state;
  for (int i = 0; i < 1000; i++) image_report_find(&report, IMAGE_RULE_CHECKSUM, 0, 0, "", "wrong");
  image_report_find(&report, IMAGE_RULE_POLYGLOT, 0, 0, "", "it is also a ZIP archive");
  assert_int_equal(report.rule_counts[IMAGE_RULE_CHECKSUM], 1000);
  assert_int_equal(report.findings[report.finding_count - 1].rule, IMAGE_RULE_POLYGLOT);
  for (int rule = 0; rule < IMAGE_RULE_COUNT; rule++) {
    for (int i = 0; i < 10; i++) image_report_find(&report, (enum image_rule)rule, 0, 0, "", "once more");
  }
  assert_int_equal(report.finding_count, IMAGE_MAX_FINDINGS);
  assert_int_equal(image_report_check(&report, NULL), BASE_OK);
}

static void strictest_verdict_wins(void **state) {
  (void)state;
  struct image_rules rules = {{0}};
  enum image_rule rule;
  assert_int_equal(image_report_judge(&report, &rules, &rule), IMAGE_ALLOW);
  image_report_find(&report, IMAGE_RULE_STRUCTURE, 0, 0, "", "a");
  image_report_find(&report, IMAGE_RULE_GPS, 0, 0, "", "b");
  image_report_find(&report, IMAGE_RULE_GPS, 0, 0, "", "c");
  rules.verdicts[IMAGE_RULE_GPS] = IMAGE_ALERT;
  assert_int_equal(image_report_judge(&report, &rules, &rule), IMAGE_ALERT);
  assert_int_equal(rule, IMAGE_RULE_GPS);
  assert_int_equal(image_report_alerts(&report, &rules), 2);
  assert_int_equal(report.findings[0].verdict, IMAGE_ALLOW);
  assert_int_equal(report.findings[1].verdict, IMAGE_ALERT);
  rules.verdicts[IMAGE_RULE_STRUCTURE] = IMAGE_BLOCK;
  assert_int_equal(image_report_judge(&report, &rules, &rule), IMAGE_BLOCK);
  assert_int_equal(rule, IMAGE_RULE_STRUCTURE);
}

static void counted_findings_are_judged_when_they_are_not_kept(void **state) {
  (void)state;
  struct image_rules rules = {{0}};
  enum image_rule rule;
  report.rule_counts[IMAGE_RULE_TEXT] = 1;
  rules.verdicts[IMAGE_RULE_TEXT] = IMAGE_BLOCK;
  assert_int_equal(image_report_judge(&report, &rules, &rule), IMAGE_BLOCK);
  assert_int_equal(rule, IMAGE_RULE_TEXT);
}

static void assert_impossible(const char *what) {
  struct base_fault fault = {0};
  assert_int_equal(image_report_check(&report, &fault), BASE_UNPROCESSABLE);
  if (!strstr(fault.text, what)) fail_msg("'%s' does not say '%s'", fault.text, what);
  begin(NULL);
}

static void report_is_refused_when_a_decoder_made_it_up(void **state) {
  (void)state;
  assert_int_equal(image_report_check(&report, NULL), BASE_OK);
  report.format = IMAGE_FILE_FORMAT_COUNT;
  assert_impossible("numbers");
  report.colour = 200;
  assert_impossible("numbers");
  report.space = IMAGE_SPACE_COUNT;
  assert_impossible("numbers");
  report.space_source = IMAGE_SPACE_SOURCE_COUNT;
  assert_impossible("numbers");
  report.frames = 0;
  assert_impossible("numbers");
  report.exif.orientation = 9;
  assert_impossible("numbers");
  report.entropy_highest = 8001;
  assert_impossible("numbers");
  report.trailing_bytes = 1001;
  assert_impossible("numbers");
  memset(&report.has_alpha, 2, 1);
  assert_impossible("flags");
  memset(&report.icc.is_valid, 0xff, 1);
  assert_impossible("flags");
  memset(report.exif.maker, 'a', sizeof report.exif.maker);
  assert_impossible("texts");
  memcpy(report.icc.description, "\xc0\x80", 3);
  assert_impossible("texts");
  memcpy(report.exif.model, "a\nb", 4);
  assert_impossible("texts");
  report.finding_count = IMAGE_MAX_FINDINGS + 1;
  assert_impossible("findings");
  report.finding_count = 1;
  assert_impossible("findings");  // kept, but not counted
  image_report_find(&report, IMAGE_RULE_TEXT, 0, 0, "", "a");
  report.findings[0].rule = IMAGE_RULE_COUNT;
  assert_impossible("findings");
  image_report_find(&report, IMAGE_RULE_TEXT, 0, 0, "", "a");
  report.findings[0].verdict = IMAGE_VERDICT_COUNT;
  assert_impossible("findings");
  image_report_find(&report, IMAGE_RULE_TEXT, 0, 0, "", "a");
  memset(report.findings[0].text, 'a', sizeof report.findings[0].text);
  assert_impossible("findings");
}

// Whatever a decoder sends: checked without a fault of ours, and what passes can be written.
static void random_bytes_are_refused_or_written(void **state) {
  (void)state;
  uint32_t seed = 12345;
  for (int round = 0; round < 2000; round++) {
    uint8_t *bytes = (uint8_t *)&report;
    if (round % 2) begin(NULL);
    for (size_t i = 0; i < (round % 2 ? 3 : sizeof report); i++) {
      seed = seed * 1664525u + 1013904223u;
      bytes[round % 2 ? seed % sizeof report : i] = (uint8_t)(seed >> 24);
    }
    if (image_report_check(&report, NULL) != BASE_OK) continue;
    struct base_buffer text;
    struct base_json_writer json;
    base_buffer_init(&text, 64 * 1024);
    base_json_begin(&json, &text);
    image_report_write(&json, NULL, &report);
    assert_int_equal(json.result, BASE_OK);
    base_buffer_finish(&text);
  }
}

static struct base_json *written(void) {
  struct base_buffer text;
  struct base_json_writer json;
  struct base_json *parsed = NULL;
  base_buffer_init(&text, 64 * 1024);
  base_json_begin(&json, &text);
  image_report_write(&json, NULL, &report);
  assert_int_equal(json.result, BASE_OK);
  assert_int_equal(base_json_parse(base_buffer_span(&text), &parsed, NULL), BASE_OK);
  base_buffer_finish(&text);
  return parsed;
}

static void json_groups_facts_and_notes_what_is_absent(void **state) {
  (void)state;
  struct base_json *json = written();
  const struct base_json_value *root = base_json_root(json);
  assert_string_equal(base_json_as_string(base_json_get(root, "format")), "jpeg");
  assert_non_null(base_json_get(root, "exif"));
  assert_false(base_json_is_object(base_json_get(root, "exif")));
  assert_false(base_json_is_object(base_json_get(root, "icc")));
  assert_false(base_json_is_object(base_json_get(root, "entropy")));
  assert_true(base_json_is_object(base_json_get(root, "structure")));
  assert_int_equal(base_json_length(base_json_get(root, "findings")), 0);
  base_json_destroy(&json);

  report.exif = (struct image_report_exif){.is_present = true, .is_readable = true, .has_gps = true, .maker = "A\"B"};
  report.icc = (struct image_report_icc){.is_present = true, .version_major = 4, .version_minor = 3, .md5 = {0xab}};
  report.entropy_highest = 7999;
  image_report_find(&report, IMAGE_RULE_GPS, 30, 200, "APP1", "it says where the picture was taken");
  enum image_rule rule;
  image_report_judge(&report, &image_rules_default, &rule);
  json = written();
  root = base_json_root(json);
  const struct base_json_value *exif = base_json_get(root, "exif"), *icc = base_json_get(root, "icc");
  assert_string_equal(base_json_as_string(base_json_get(exif, "maker")), "A\"B");
  assert_true(base_json_is_true(base_json_get(exif, "has_gps")));
  assert_null(base_json_as_string(base_json_get(exif, "taken")));
  assert_string_equal(base_json_as_string(base_json_get(icc, "version")), "4.3");
  assert_string_equal(base_json_as_string(base_json_get(icc, "md5")), "ab000000000000000000000000000000");
  assert_true(base_json_is_object(base_json_get(root, "entropy")));
  const struct base_json_value *finding = base_json_at(base_json_get(root, "findings"), 0);
  assert_string_equal(base_json_as_string(base_json_get(finding, "rule")), "gps");
  assert_string_equal(base_json_as_string(base_json_get(finding, "verdict")), "alert");
  int64_t number;
  assert_true(base_json_as_integer(base_json_get(base_json_get(root, "counts"), "gps"), &number) && number == 1);
  base_json_destroy(&json);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(names_are_parsed_back),
      cmocka_unit_test_setup(finding_is_kept_as_plain_text, begin),
      cmocka_unit_test_setup(finding_is_cut_at_a_character, begin),
      cmocka_unit_test_setup(one_rule_does_not_push_out_another, begin),
      cmocka_unit_test_setup(strictest_verdict_wins, begin),
      cmocka_unit_test_setup(counted_findings_are_judged_when_they_are_not_kept, begin),
      cmocka_unit_test_setup(report_is_refused_when_a_decoder_made_it_up, begin),
      cmocka_unit_test_setup(random_bytes_are_refused_or_written, begin),
      cmocka_unit_test_setup(json_groups_facts_and_notes_what_is_absent, begin),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
