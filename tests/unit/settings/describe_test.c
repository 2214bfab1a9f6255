// Settings as text for the ledger: every value of every key shows, and no secret does.
#include <stdio.h>

#include "settings_text.h"
#include "table.h"

enum { MOST_BYTES = 1 << 20 };

static char *describe(const struct settings *settings) {
  static char texts[2][64 * 1024];
  static unsigned turn;
  char *text = texts[turn++ % 2];
  struct base_buffer buffer;
  base_buffer_init(&buffer, MOST_BYTES);
  assert_int_equal(settings_describe(settings, &buffer), BASE_OK);
  assert_true(base_span_copy(base_buffer_span(&buffer), text, sizeof texts[0]));
  base_buffer_finish(&buffer);
  return text;
}

static void equal_settings_have_equal_texts(void **state) {
  (void)state;
  static struct settings defaults, parsed;
  settings_defaults(&defaults);
  must_parse("[cache]\nram = 256M\n", &parsed);
  assert_string_equal(describe(&defaults), describe(&parsed));
}

static void every_key_shows(void **state) {
  (void)state;
  static struct settings defaults, changed;
  settings_defaults(&defaults);
  for (size_t i = 0; i < settings_row_count; i++) {
    char *value = (char *)&changed + settings_rows[i].offset;
    changed = defaults;
    *value = (char)(*value ^ 1);  // a switch turns, a number differs, a text has another letter or one at all
    if (strcmp(describe(&defaults), describe(&changed)) == 0) fail_msg("%s does not show", settings_rows[i].name);
  }
}

static void tenants_show_without_their_secrets(void **state) {
  (void)state;
  static struct settings one, other;
  must_parse("[tenant shop]\nhosts = a.test, b.test\nladder = 100,200\nsign_keys = hunter2:pepper\nsalt = ginger\n",
             &one);
  must_parse("[tenant shop]\nhosts = a.test, b.test\nladder = 100,200\nsign_keys = other:salt\nsalt = thyme\n", &other);
  assert_string_equal(describe(&one), describe(&other));
  const char *text = describe(&one);
  static const char *const shown[] = {"[tenant shop]", "host = a.test", "host = b.test", "ladder = 200",
                                      "sign_keys = 1"};
  static const char *const hidden[] = {"hunter2", "pepper", "ginger"};
  for (size_t i = 0; i < 5; i++) assert_non_null(strstr(text, shown[i]));
  for (size_t i = 0; i < 3; i++) assert_null(strstr(text, hidden[i]));
  must_parse("[tenant shop]\nhosts = a.test\nladder = 100,200\nsign_keys = hunter2:pepper\nsalt = ginger\n", &other);
  assert_string_not_equal(describe(&one), describe(&other));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(equal_settings_have_equal_texts),
      cmocka_unit_test(every_key_shows),
      cmocka_unit_test(tenants_show_without_their_secrets),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
