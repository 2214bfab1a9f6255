#include "base/guesses.h"

#include "fake_clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

enum { MOST = 5, EVERY_S = 10 };

static struct fake_clock fake;
static struct base_guesses guesses;

static void begin(unsigned forgiven) {
  fake_clock_init(&fake, 1764000000);
  base_guesses_init(&guesses, &fake.clock, MOST, forgiven, EVERY_S);
}

static bool allow(const char *client) { return base_guesses_allow(&guesses, base_span_text(client)); }

static void count(const char *client, int times) {
  for (int i = 0; i < times; i++) base_guesses_count(&guesses, base_span_text(client));
}

static void a_client_with_too_many_has_to_wait_and_no_other(void **state) {
  (void)state;
  begin(MOST);
  count("guesser", MOST - 1);
  assert_true(allow("guesser"));
  count("guesser", 1);
  assert_false(allow("guesser"));
  assert_true(allow("other"));
  assert_true(allow("guesse"));
}

static void all_are_forgiven_at_once_when_that_is_the_rule(void **state) {
  (void)state;
  begin(MOST);
  count("a", 1);
  fake_clock_advance_s(&fake, EVERY_S - 1);
  count("a", MOST - 1);
  assert_false(allow("a"));
  fake_clock_advance_s(&fake, 1);
  count("a", MOST - 1);
  assert_true(allow("a"));
}

static void one_is_forgiven_each_time_when_that_is_the_rule(void **state) {
  (void)state;
  begin(1);
  count("a", MOST);
  for (int i = 0; i < 3; i++) {
    fake_clock_advance_s(&fake, EVERY_S - 1);
    assert_false(allow("a"));
    fake_clock_advance_s(&fake, 1);
    assert_true(allow("a"));
    count("a", 1);
    assert_false(allow("a"));
  }
  fake_clock_advance_s(&fake, MOST * EVERY_S);
  count("a", MOST - 1);
  assert_true(allow("a"));
  count("a", 1);
  assert_false(allow("a"));
}

static void what_was_long_ago_earns_no_credit(void **state) {
  (void)state;
  begin(1);
  count("a", 1);
  fake_clock_advance_s(&fake, 100 * EVERY_S);
  count("a", MOST);
  assert_false(allow("a"));
}

static void the_right_answer_can_clear_the_slate(void **state) {
  (void)state;
  begin(1);
  count("a", MOST);
  count("b", MOST);
  base_guesses_forget(&guesses, base_span_text("a"));
  base_guesses_forget(&guesses, base_span_text("nobody"));
  assert_true(allow("a"));
  assert_false(allow("b"));
}

static void more_clients_than_rows_push_out_the_oldest(void **state) {
  (void)state;
  begin(1);
  count("first", MOST);
  for (int i = 0; i < BASE_GUESSES_ROWS; i++) {
    char client[32];
    fake_clock_advance_us(&fake, 1);
    snprintf(client, sizeof client, "10.0.%d.%d", i / 250, i % 250);
    count(client, MOST);
    assert_false(allow(client));
  }
  assert_true(allow("first"));
  assert_false(allow("10.0.0.1"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_client_with_too_many_has_to_wait_and_no_other),
      cmocka_unit_test(all_are_forgiven_at_once_when_that_is_the_rule),
      cmocka_unit_test(one_is_forgiven_each_time_when_that_is_the_rule),
      cmocka_unit_test(what_was_long_ago_earns_no_credit),
      cmocka_unit_test(the_right_answer_can_clear_the_slate),
      cmocka_unit_test(more_clients_than_rows_push_out_the_oldest),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
