#include "console_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct console_rig rig;
static struct console_answer answer;

static int open_rig(void **state) {
  *state = &rig;
  console_rig_open(&rig, &(struct console_rig_config){0});
  return 0;
}

static void expect_problem(int status, const char *type, const char *subject) {
  if (answer.status != status) fail_msg("status %d: %s", answer.status, answer.text);
  assert_string_equal(console_answer_field(&answer, "Content-Type"), "application/problem+json");
  assert_string_equal(console_answer_field(&answer, "Cache-Control"), "no-store");
  assert_string_equal(console_answer_member(&answer, "type"), type);
  if (subject) assert_string_equal(console_answer_member(&answer, "subject"), subject);
}

struct login {
  char cookie[256];
  char csrf[RIG_CSRF_CHARS + 1];
};

static struct login log_in(void) {
  struct login login = {0};
  char body[128];
  snprintf(body, sizeof body, "{\"token\":\"%s\"}", rig.token);
  console_rig_ask(&rig, "POST", "/api/v1/session", "Content-Type: application/json\r\n", body, &answer);
  assert_int_equal(answer.status, 201);
  const char *set_cookie = console_answer_field(&answer, "Set-Cookie");
  assert_non_null(strstr(set_cookie, "HttpOnly"));
  assert_non_null(strstr(set_cookie, "SameSite=Strict"));
  assert_null(strstr(set_cookie, "Secure"));
  snprintf(login.cookie, sizeof login.cookie, "Cookie: other=1; %.*s\r\n", (int)strcspn(set_cookie, ";"), set_cookie);
  snprintf(login.csrf, sizeof login.csrf, "%s", console_answer_member(&answer, "csrf_token"));
  assert_int_equal(strlen(login.csrf), RIG_CSRF_CHARS);
  return login;
}

static void guards_everything_but_health_page_and_login(void **state) {
  (void)state;
  static const struct {
    const char *method, *target;
    int stranger, owner;
  } table[] = {
      {"GET", "/healthz", 200, 200},
      {"GET", "/", 200, 200},
      {"GET", "/assets/page-0a1b2c.js", 200, 200},
      {"GET", "/nothing", 404, 404},
      {"GET", "/api/v1/session", 200, 200},
      {"GET", "/metrics", 401, 200},
      {"GET", "/api/v1/status", 401, 200},
      {"GET", "/api/v1/device", 401, 200},
      {"GET", "/api/v1/originals", 401, 200},
      {"POST", "/api/v1/originals", 401, 411},
      {"GET", "/api/v1/originals/47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU", 401, 404},
      {"DELETE", "/api/v1/originals/47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU", 401, 404},
      {"POST", "/api/v1/originals/47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU/variants", 401, 415},
      {"GET", "/api/v1/originals/47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU/variants", 405, 405},
      {"POST", "/api/v1/originals/47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU", 405, 405},
      {"DELETE", "/api/v1/session", 401, 204},
      {"GET", "/i/47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU", 401, 404},
      {"PUT", "/api/v1/originals", 405, 405},
      {"POST", "/healthz", 405, 405},
  };
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    console_rig_ask(&rig, table[i].method, table[i].target, "", NULL, &answer);
    if (answer.status != table[i].stranger) fail_msg("%s %s: %s", table[i].method, table[i].target, answer.text);
    console_rig_ask_as_owner(&rig, table[i].method, table[i].target, "", NULL, &answer);
    if (answer.status != table[i].owner) fail_msg("owner, %s %s: %s", table[i].method, table[i].target, answer.text);
  }
}

static void the_device_describes_itself(void **state) {
  (void)state;
  console_rig_ask_as_owner(&rig, "GET", "/api/v1/device", "", NULL, &answer);
  assert_int_equal(answer.status, 200);
  assert_string_equal(console_answer_field(&answer, "Content-Type"), "application/json");
  assert_string_equal(console_answer_field(&answer, "Cache-Control"), "no-store");
  assert_string_equal(answer.body, "{\"device\":\"a fake\"}");
}

static void says_what_is_missing(void **state) {
  (void)state;
  console_rig_ask(&rig, "GET", "/api/v1/status", "", NULL, &answer);
  expect_problem(401, "urn:pixpop:problem:unauthorized", NULL);
  assert_non_null(strstr(console_answer_field(&answer, "WWW-Authenticate"), "Bearer"));
  console_rig_ask(&rig, "GET", "/api/v1/status", "Authorization: Basic eDp5\r\n", NULL, &answer);
  expect_problem(401, "urn:pixpop:problem:unauthorized", "Authorization");
  console_rig_ask(&rig, "PUT", "/api/v1/originals", "", NULL, &answer);
  assert_string_equal(console_answer_field(&answer, "Allow"), "GET, HEAD, POST");
}

static void a_session_reads_with_its_cookie_alone(void **state) {
  (void)state;
  struct login login = log_in();
  console_rig_ask(&rig, "GET", "/api/v1/status", login.cookie, NULL, &answer);
  assert_int_equal(answer.status, 200);
  console_rig_ask(&rig, "GET", "/api/v1/session", login.cookie, NULL, &answer);
  assert_non_null(strstr(answer.body, "\"authenticated\":true"));
  assert_string_equal(console_answer_member(&answer, "csrf_token"), login.csrf);
  console_rig_ask(&rig, "GET", "/api/v1/session", "", NULL, &answer);
  assert_non_null(strstr(answer.body, "\"authenticated\":false"));
  assert_string_equal(console_answer_member(&answer, "csrf_token"), "");
}

static void a_session_changes_nothing_without_its_csrf_token(void **state) {
  (void)state;
  struct login login = log_in();
  char fields[1024];
  console_rig_ask(&rig, "POST", "/api/v1/originals", login.cookie, "GOOD", &answer);
  expect_problem(403, "urn:pixpop:problem:forbidden", "X-CSRF-Token");
  snprintf(fields, sizeof fields, "%sX-CSRF-Token: %.42sx\r\n", login.cookie, login.csrf);
  console_rig_ask(&rig, "POST", "/api/v1/originals", fields, "GOOD", &answer);
  expect_problem(403, "urn:pixpop:problem:forbidden", "X-CSRF-Token");
  struct login other = log_in();
  snprintf(fields, sizeof fields, "%sX-CSRF-Token: %s\r\n", login.cookie, other.csrf);
  console_rig_ask(&rig, "POST", "/api/v1/originals", fields, "GOOD", &answer);
  expect_problem(403, "urn:pixpop:problem:forbidden", "X-CSRF-Token");
  snprintf(fields, sizeof fields, "%sX-CSRF-Token: %s\r\n", login.cookie, login.csrf);
  console_rig_ask(&rig, "POST", "/api/v1/originals", fields, "GOOD", &answer);
  assert_int_equal(answer.status, 201);
}

static void a_session_ends_when_it_logs_out(void **state) {
  (void)state;
  struct login login = log_in();
  char fields[1024];
  snprintf(fields, sizeof fields, "%sX-CSRF-Token: %s\r\n", login.cookie, login.csrf);
  console_rig_ask(&rig, "DELETE", "/api/v1/session", fields, NULL, &answer);
  assert_int_equal(answer.status, 204);
  assert_non_null(strstr(console_answer_field(&answer, "Set-Cookie"), "Max-Age=0"));
  console_rig_ask(&rig, "GET", "/api/v1/status", login.cookie, NULL, &answer);
  assert_int_equal(answer.status, 401);
}

static void refuses_log_ins_that_are_wrong(void **state) {
  (void)state;
  static const char json[] = "Content-Type: application/json\r\n";
  char form[64], body[128];
  console_rig_ask(&rig, "POST", "/api/v1/session", json, "{\"token\":\"wrong\"}", &answer);
  expect_problem(401, "urn:pixpop:problem:unauthorized", "token");
  assert_string_equal(console_answer_field(&answer, "Set-Cookie"), "");
  console_rig_ask(&rig, "POST", "/api/v1/session", json, "{\"token\":1}", &answer);
  expect_problem(400, "urn:pixpop:problem:bad-input", "token");
  console_rig_ask(&rig, "POST", "/api/v1/session", json, "token", &answer);
  expect_problem(400, "urn:pixpop:problem:bad-input", NULL);
  snprintf(form, sizeof form, "Content-Type: text/plain\r\n");
  snprintf(body, sizeof body, "{\"token\":\"%s\"}", rig.token);
  console_rig_ask(&rig, "POST", "/api/v1/session", form, body, &answer);
  expect_problem(415, "urn:pixpop:problem:unsupported", "Content-Type");
  static char large[2000];
  memset(large, ' ', sizeof large - 1);
  console_rig_ask(&rig, "POST", "/api/v1/session", json, large, &answer);
  expect_problem(413, "urn:pixpop:problem:too-large", "content-length");
}

static void throttles_a_client_that_guesses(void **state) {
  (void)state;
  int status = 0;
  for (int i = 0; i < 20 && status != 429; i++) {
    console_rig_ask(&rig, "GET", "/api/v1/status", "Authorization: Bearer guess\r\n", NULL, &answer);
    status = answer.status;
  }
  expect_problem(429, "urn:pixpop:problem:too-many-requests", "token");
  assert_string_equal(console_answer_field(&answer, "Retry-After"), "60");
}

static void serves_the_page_with_its_headers(void **state) {
  (void)state;
  console_rig_ask(&rig, "GET", "/", "", NULL, &answer);
  assert_string_equal(answer.body, "<!doctype html><title>pixpop</title>");
  assert_string_equal(console_answer_field(&answer, "Cache-Control"), "no-cache");
  const char *policy = console_answer_field(&answer, "Content-Security-Policy");
  assert_non_null(strstr(policy, "default-src 'self'"));
  assert_non_null(strstr(policy, "frame-ancestors 'none'"));
  assert_string_equal(console_answer_field(&answer, "X-Content-Type-Options"), "nosniff");
  assert_string_equal(console_answer_field(&answer, "Referrer-Policy"), "no-referrer");

  char condition[256];
  snprintf(condition, sizeof condition, "If-None-Match: %s\r\n", console_answer_field(&answer, "ETag"));
  console_rig_ask(&rig, "GET", "/index.html", condition, NULL, &answer);
  assert_int_equal(answer.status, 304);
  console_rig_ask(&rig, "GET", "/assets/page-0a1b2c.js", "", NULL, &answer);
  assert_non_null(strstr(console_answer_field(&answer, "Cache-Control"), "immutable"));
  console_rig_ask(&rig, "HEAD", "/", "", NULL, &answer);
  assert_int_equal(answer.status, 200);
  assert_string_equal(console_answer_field(&answer, "Content-Length"), "36");
  assert_string_equal(answer.body, "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_rig, console_rig_tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(guards_everything_but_health_page_and_login),
      TEST(the_device_describes_itself),
      TEST(says_what_is_missing),
      TEST(a_session_reads_with_its_cookie_alone),
      TEST(a_session_changes_nothing_without_its_csrf_token),
      TEST(a_session_ends_when_it_logs_out),
      TEST(refuses_log_ins_that_are_wrong),
      TEST(throttles_a_client_that_guesses),
      TEST(serves_the_page_with_its_headers),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
