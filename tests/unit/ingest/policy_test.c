// What findings lead to: refusals that say where, alerts that are counted and logged, rules that change while running.
#include "policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct ingest_policy policy;
static struct base_metrics *metrics;
static struct base_log *event_log;
static struct image_report report;
static int log_pipe[2];

static int begin(void **state) {
  (void)state;
  assert_int_equal(pipe(log_pipe), 0);
  const struct base_log_config config = {.fd = log_pipe[1], .level = BASE_LOG_INFO};
  event_log = base_log_create(&config);
  metrics = base_metrics_create();
  ingest_policy_init(&policy, &image_rules_default, event_log, metrics);
  memset(&report, 0, sizeof report);
  return 0;
}

static int finish(void **state) {
  (void)state;
  ingest_policy_finish(&policy);
  base_metrics_destroy(&metrics);
  base_log_destroy(&event_log);
  close(log_pipe[0]);
  close(log_pipe[1]);
  return 0;
}

static int64_t counted(const char *labels) {
  return base_metric_get(base_metrics_counter(metrics, "pixpop_ingest_findings_total", labels, ""));
}

static void file_is_refused_when_a_rule_blocks_it(void **state) {
  (void)state;
  struct base_fault fault = {0};
  uint32_t alerts;
  image_report_find(&report, IMAGE_RULE_GPS, 30, 200, "APP1", "it says where the picture was taken");
  image_report_find(&report, IMAGE_RULE_POLYGLOT, 4711, 22, "IDAT", "it is also a ZIP archive");
  assert_int_equal(ingest_policy_judge(&policy, "default", &report, &alerts, &fault), BASE_UNPROCESSABLE);
  assert_string_equal(fault.subject, "rule/polyglot");
  assert_string_equal(fault.text,
                      "the rule 'polyglot' refuses this file: it is also a ZIP archive (IDAT, at byte 4711)");
  assert_int_equal(counted("rule=\"polyglot\",verdict=\"block\""), 1);
  assert_int_equal(counted("rule=\"gps\",verdict=\"alert\""), 1);
}

static void finding_about_the_whole_file_has_no_place(void **state) {
  (void)state;
  struct base_fault fault = {0};
  uint32_t alerts;
  image_report_find(&report, IMAGE_RULE_RATIO, 0, 0, "", "16000 x 1: one side is far longer");
  assert_int_equal(ingest_policy_judge(&policy, "default", &report, &alerts, &fault), BASE_UNPROCESSABLE);
  assert_string_equal(fault.text, "the rule 'ratio' refuses this file: 16000 x 1: one side is far longer");
}

static void alerts_are_logged_in_one_line(void **state) {
  (void)state;
  uint32_t alerts;
  image_report_find(&report, IMAGE_RULE_GPS, 30, 200, "APP1", "it says where the picture was taken");
  image_report_find(&report, IMAGE_RULE_TRAILING, 900, 10, "", "10 bytes follow the end of the picture");
  image_report_find(&report, IMAGE_RULE_TRAILING, 910, 10, "", "and more");
  image_report_find(&report, IMAGE_RULE_EXIF, 30, 200, "APP1", "not worth an alert");
  assert_int_equal(ingest_policy_judge(&policy, "shop", &report, &alerts, NULL), BASE_OK);
  assert_int_equal(alerts, 3);
  assert_int_equal(report.findings[0].verdict, IMAGE_ALERT);
  char line[1024] = {0};
  assert_true(read(log_pipe[0], line, sizeof line - 1) > 0);
  if (!strstr(line,
              "tenant shop is kept with alerts: trailing (2), gps; 10 bytes follow the end of the picture (at "
              "byte 900)")) {
    fail_msg("%s", line);
  }
  assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
  assert_int_equal(counted("rule=\"trailing\",verdict=\"alert\""), 2);
  assert_int_equal(counted("rule=\"exif\",verdict=\"allow\""), 1);
}

static void line_has_room_for_every_rule(void **state) {
  (void)state;
  struct image_rules rules;
  uint32_t alerts;
  for (int rule = 0; rule < IMAGE_RULE_COUNT; rule++) {
    rules.verdicts[rule] = IMAGE_ALERT;
    image_report_find(&report, (enum image_rule)rule, 0, 0, "", "something");
    report.rule_counts[rule] = UINT32_MAX;
  }
  ingest_policy_set(&policy, &rules);
  assert_int_equal(ingest_policy_judge(&policy, "default", &report, &alerts, NULL), BASE_OK);
  assert_int_equal(alerts, UINT32_MAX);
  char line[2048] = {0};
  assert_true(read(log_pipe[0], line, sizeof line - 1) > 0);
  assert_non_null(strstr(line, "gps (4294967295); something"));
}

static void rules_change_for_what_comes_next(void **state) {
  (void)state;
  struct image_rules rules = image_rules_default;
  struct base_fault fault = {0};
  uint32_t alerts;
  image_report_find(&report, IMAGE_RULE_GPS, 0, 0, "", "it says where the picture was taken");
  assert_int_equal(ingest_policy_judge(&policy, "default", &report, &alerts, &fault), BASE_OK);
  rules.verdicts[IMAGE_RULE_GPS] = IMAGE_BLOCK;
  ingest_policy_set(&policy, &rules);
  assert_int_equal(ingest_policy_judge(&policy, "default", &report, &alerts, &fault), BASE_UNPROCESSABLE);
  assert_string_equal(fault.subject, "rule/gps");
  rules.verdicts[IMAGE_RULE_GPS] = IMAGE_ALLOW;
  ingest_policy_set(&policy, &rules);
  assert_int_equal(ingest_policy_judge(&policy, "default", &report, &alerts, NULL), BASE_OK);
  assert_int_equal(alerts, 0);
}

#define JUDGING(test) cmocka_unit_test_setup_teardown(test, begin, finish)

int main(void) {
  const struct CMUnitTest tests[] = {
      JUDGING(file_is_refused_when_a_rule_blocks_it), JUDGING(finding_about_the_whole_file_has_no_place),
      JUDGING(alerts_are_logged_in_one_line),         JUDGING(line_has_room_for_every_rule),
      JUDGING(rules_change_for_what_comes_next),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
