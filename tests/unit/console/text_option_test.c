#include "text_option.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void decodes_the_value_once(void **state) {
  (void)state;
  static const char *const table[][2] = {
      {"", ""},
      {"name=", ""},
      {"name", ""},
      {"name=a.jpg", "a.jpg"},
      {"name=a%20b%2Bc+d", "a b+c+d"},
      {"name=%2541", "%41"},
      {"name=%c3%A9", "\xc3\xa9"},
      {"name=a=b", "a=b"},
  };
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    char out[32];
    assert_int_equal(console_text_option(base_span_text(table[i][0]), "name", out, sizeof out, NULL), BASE_OK);
    assert_string_equal(out, table[i][1]);
  }
}

static void refuses_what_it_does_not_know(void **state) {
  (void)state;
  static const char *const table[] = {"title=a", "=a", "name=%", "name=%4", "name=%zz", "name=%00", "name=0123456"};
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    char out[7];
    assert_int_equal(console_text_option(base_span_text(table[i]), "name", out, sizeof out, NULL), BASE_BAD_INPUT);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(decodes_the_value_once),
      cmocka_unit_test(refuses_what_it_does_not_know),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
