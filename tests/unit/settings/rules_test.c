// The keys of [rules] against the rules that they are for.
#include "settings_text.h"

#include "image/report.h"
#include "table.h"

static struct settings settings;

static void every_rule_has_a_key_in_its_order(void **state) {
  (void)state;
  assert_int_equal(SETTINGS_RULES, IMAGE_RULE_COUNT);
  settings_defaults(&settings);
  for (int i = 0; i < IMAGE_RULE_COUNT; i++) {
    const enum image_rule rule = (enum image_rule)i;
    const struct settings_row *row = settings_row_find(base_span_text("rules"), base_span_text(image_rule_name(rule)));
    if (row == NULL) fail_msg("there is no key for the rule %s", image_rule_name(rule));
    assert_int_equal(row->offset, offsetof(struct settings, rules) + (size_t)i * SETTINGS_MAX_RULE);
    assert_string_equal(row->fallback, image_verdict_name(image_rules_default.verdicts[i]));
    assert_string_equal(settings.rules[i], row->fallback);
    assert_non_null(strstr(row->meaning, image_rule_meaning(rule)));
    assert_true(row->reloads);
  }
}

static void verdict_is_one_of_three(void **state) {
  (void)state;
  must_parse("[rules]\ngps = block\npolyglot = allow\n", &settings);
  assert_string_equal(settings.rules[IMAGE_RULE_GPS], "block");
  assert_string_equal(settings.rules[IMAGE_RULE_POLYGLOT], "allow");
  assert_string_equal(settings.rules[IMAGE_RULE_TEXT], "block");
  must_refuse("[rules]\ngps = warn\n", "box.ini:2", "rules.gps must be one of: allow alert block");
  must_refuse("[rules]\nplace = allow\n", "box.ini:2", "there is no key 'place' in [rules]");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_rule_has_a_key_in_its_order),
      cmocka_unit_test(verdict_is_one_of_three),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
