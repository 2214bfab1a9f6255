// Parsing configuration text in tests.
#ifndef TESTS_SETTINGS_TEXT_H
#define TESTS_SETTINGS_TEXT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "settings/settings.h"

static inline void must_parse(const char *text, struct settings *out) {
  struct base_fault fault = {0};
  if (settings_parse(base_span_text(text), "box.ini", out, &fault) != BASE_OK)
    fail_msg("%s: %s", fault.subject, fault.text);
}

// Refused, in the line given as "box.ini:N", with `why` somewhere in the text.
static inline void must_refuse(const char *text, const char *place, const char *why) {
  static struct settings settings;
  struct base_fault fault = {0};
  assert_int_equal(settings_parse(base_span_text(text), "box.ini", &settings, &fault), BASE_BAD_INPUT);
  assert_int_equal(fault.result, BASE_BAD_INPUT);
  assert_string_equal(fault.subject, place);
  if (strstr(fault.text, why) == NULL) fail_msg("'%s' does not say '%s'", fault.text, why);
}

#endif
