#include "session.h"

#include "fake_clock.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct fake_clock fake;
static struct console_sessions *sessions;

static int create(void **state) {
  (void)state;
  fake_clock_init(&fake, 1764000000);
  sessions = console_sessions_create(&fake.clock);
  return sessions ? 0 : -1;
}

static int destroy(void **state) {
  (void)state;
  console_sessions_destroy(&sessions);
  return 0;
}

static bool is_alive(const struct console_session *session) {
  struct console_session found;
  if (!console_sessions_find(sessions, base_span_text(session->id), &found)) return false;
  assert_string_equal(found.csrf_token, session->csrf_token);
  return true;
}

static void finds_a_session_by_its_id(void **state) {
  (void)state;
  struct console_session one, two, none;
  console_sessions_begin(sessions, &one);
  console_sessions_begin(sessions, &two);
  assert_string_not_equal(one.id, two.id);
  assert_string_not_equal(one.id, one.csrf_token);
  assert_true(is_alive(&one));
  assert_true(is_alive(&two));
  assert_false(console_sessions_find(sessions, base_span_text("nobody"), &none));
  assert_false(console_sessions_find(sessions, base_span_text(""), &none));
  assert_false(console_sessions_find(sessions, base_span_text(one.csrf_token), &none));
}

static void forgets_a_session_that_ended(void **state) {
  (void)state;
  struct console_session one, two;
  console_sessions_begin(sessions, &one);
  console_sessions_begin(sessions, &two);
  console_sessions_end(sessions, base_span_text(one.id));
  assert_false(is_alive(&one));
  assert_true(is_alive(&two));
}

static void expires_after_twelve_hours(void **state) {
  (void)state;
  struct console_session session;
  console_sessions_begin(sessions, &session);
  fake_clock_advance_s(&fake, CONSOLE_SESSION_LIFE_S - 1);
  assert_true(is_alive(&session));
  fake_clock_advance_s(&fake, 2);
  assert_false(is_alive(&session));
}

static void gives_up_the_oldest_when_full(void **state) {
  (void)state;
  struct console_session first, second, other;
  console_sessions_begin(sessions, &first);
  fake_clock_advance_s(&fake, 1);
  console_sessions_begin(sessions, &second);
  for (int i = 0; i < CONSOLE_MAX_SESSIONS - 1; i++) {
    fake_clock_advance_s(&fake, 1);
    console_sessions_begin(sessions, &other);
  }
  assert_false(is_alive(&first));
  assert_true(is_alive(&second));
  assert_true(is_alive(&other));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, create, destroy)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(finds_a_session_by_its_id),
      TEST(forgets_a_session_that_ended),
      TEST(expires_after_twelve_hours),
      TEST(gives_up_the_oldest_when_full),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
