#include "slots/report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void assert_written(const struct slots_state *state, enum slots_id id, const char *wanted) {
  struct base_buffer text;
  struct base_json_writer json;
  base_buffer_init(&text, 1024);
  base_json_begin(&json, &text);
  base_json_object(&json, NULL);
  slots_write_choice(state, &json);
  slots_write_slot(state, id, &json);
  base_json_object_end(&json);
  assert_int_equal(json.result, BASE_OK);
  assert_int_equal(text.bytes, strlen(wanted));
  assert_memory_equal(text.data, wanted, text.bytes);
  base_buffer_finish(&text);
}

static void a_slot_and_what_boots_next_are_told(void **unused) {
  (void)unused;
  struct slots_state state;
  slots_reset(&state, SLOTS_BAD);
  state.slots[SLOTS_B] = (struct slots_slot){.mark = SLOTS_GOOD, .tries = 2, .version = "1.2.0"};
  strcpy(state.floor, "1.0");
  assert_written(
      &state, SLOTS_B,
      "{\"next\":\"B\",\"floor\":\"1.0\",\"name\":\"B\",\"mark\":\"good\",\"tries\":2,\"version\":\"1.2.0\"}");
}

static void the_rescue_system_is_next_when_nothing_else_is_or_somebody_asked(void **unused) {
  (void)unused;
  static const char wanted[] =
      "{\"next\":\"rescue\",\"floor\":\"\",\"name\":\"A\",\"mark\":\"%s\",\"tries\":%d,\"version\":\"\"}";
  char text[160];
  struct slots_state state;
  slots_reset(&state, SLOTS_BAD);
  snprintf(text, sizeof text, wanted, "bad", 0);
  assert_written(&state, SLOTS_A, text);
  slots_reset(&state, SLOTS_GOOD);
  state.wants_rescue = true;
  snprintf(text, sizeof text, wanted, "good", SLOTS_TRIES);
  assert_written(&state, SLOTS_A, text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_slot_and_what_boots_next_are_told),
      cmocka_unit_test(the_rescue_system_is_next_when_nothing_else_is_or_somebody_asked),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
