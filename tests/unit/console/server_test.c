#include "console_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct console_rig rig;
static struct console_answer answer;

enum { THREADS = 8, CONNECTIONS = 48, SLOW_LIMIT = 6, SLOW_WAITING = 4 * THREADS };

static int open_rig(void **state) {
  *state = &rig;
  console_rig_open(&rig,
                   &(struct console_rig_config){
                       .threads = THREADS, .max_connections_per_client = CONNECTIONS, .request_timeout_ms = 1500});
  return 0;
}

static uint64_t now_ms(void) { return base_clock_ms(base_clock_system()); }

static void say(const char *text) {
  int fd = console_rig_connect(&rig);
  console_rig_send(fd, text, strlen(text));
  console_rig_receive(fd, &answer);
}

static void expect_problem(int status) {
  if (answer.status != status) fail_msg("status %d instead of %d: %s", answer.status, status, answer.text);
  assert_string_equal(console_answer_field(&answer, "Content-Type"), "application/problem+json");
  assert_string_equal(console_answer_field(&answer, "Connection"), "close");
}

static void refuses_heads_that_break_the_rules(void **state) {
  (void)state;
  static const struct {
    const char *head;
    int status;
  } table[] = {
      {"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
      {"GET /healthz HTTP/1.1\r\n\r\n", 400},
      {"POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {"POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400},
      {"POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 1x\r\n\r\n", 400},
      {"GET /healthz HTTP/3.0\r\nHost: a\r\n\r\n", 505},
      {"hello\r\n\r\n", 400},
  };
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    say(table[i].head);
    expect_problem(table[i].status);
  }
}

static void knows_which_methods_it_does_not_know(void **state) {
  (void)state;
  say("NONSENSE /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  expect_problem(501);
  say("PATCH /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  expect_problem(405);
  assert_string_equal(console_answer_field(&answer, "Allow"), "GET, HEAD");
}

static void refuses_too_many_fields_and_too_large_heads(void **state) {
  (void)state;
  static char head[64 * 1024];
  size_t bytes = (size_t)snprintf(head, sizeof head, "GET /healthz HTTP/1.1\r\nHost: a\r\n");
  for (int i = 0; i < 70; i++) bytes += (size_t)snprintf(head + bytes, sizeof head - bytes, "X-%d: y\r\n", i);
  snprintf(head + bytes, sizeof head - bytes, "\r\n");
  say(head);
  expect_problem(431);

  bytes = (size_t)snprintf(head, sizeof head, "GET /healthz HTTP/1.1\r\nHost: a\r\nX: ");
  memset(head + bytes, 'x', 20000);
  snprintf(head + bytes + 20000, sizeof head - bytes - 20000, "\r\n\r\n");
  say(head);
  expect_problem(431);
}

static void answers_several_requests_on_one_connection(void **state) {
  (void)state;
  say("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
      "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n"
      "POST /api/v1/session HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n{\"token\":\"x\"}"
      "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  const char *second = strstr(answer.text, "HTTP/1.1 404");
  assert_int_equal(answer.status, 200);
  assert_non_null(second);
  const char *third = strstr(second, "HTTP/1.1 401");
  assert_non_null(third);
  assert_non_null(strstr(third, "HTTP/1.1 200"));
}

static void closes_after_a_body_it_did_not_read(void **state) {
  (void)state;
  say("POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 40\r\n\r\nGET /healthz HTTP/1.1\r\nHost: a\r\n\r\n12345");
  expect_problem(405);
  assert_null(strstr(answer.body, "HTTP/1.1"));
}

static void drops_a_client_that_says_nothing(void **state) {
  (void)state;
  uint64_t before_ms = now_ms();
  say("");
  assert_int_equal(answer.status, 0);
  assert_in_range(now_ms() - before_ms, 1000, 8000);
}

// Opens a request for a variant that waits in the renderer.
static int begin_slow(const char *id, int width) {
  char head[512];
  int bytes =
      snprintf(head, sizeof head,
               "GET /i/%s?w=%d&fm=webp HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer %s\r\n\r\n",
               id, width, rig.token);
  int fd = console_rig_connect(&rig);
  console_rig_send(fd, head, (size_t)bytes);
  return fd;
}

static void wait_until_held(unsigned count) {
  for (int i = 0; i < 500; i++) {
    pthread_mutex_lock(&rig.lock);
    bool is_there = rig.held >= count;
    pthread_mutex_unlock(&rig.lock);
    if (is_there) return;
    usleep(10 * 1000);
  }
  fail_msg("the renders did not begin");
}

static void wait_until_waiting(const char *member) {
  for (int i = 0; i < 500; i++) {
    console_rig_ask_as_owner(&rig, "GET", "/api/v1/status", "", NULL, &answer);
    if (strstr(answer.body, member)) return;
    usleep(10 * 1000);
  }
  fail_msg("no %s in %s", member, answer.body);
}

static void health_answers_at_once_when_renders_are_full(void **state) {
  (void)state;
  char id[BASE_DIGEST_BASE64URL_CHARS + 1];
  int slow[SLOW_LIMIT + SLOW_WAITING];
  console_rig_upload(&rig, "GOOD", &answer, id);
  console_rig_hold_renders(&rig, true);
  for (int i = 0; i < SLOW_LIMIT; i++) slow[i] = begin_slow(id, 10 + i);
  wait_until_held(SLOW_LIMIT);

  uint64_t before_ms = now_ms();
  console_rig_ask(&rig, "GET", "/healthz", "", NULL, &answer);
  assert_string_equal(answer.body, "ok\n");
  assert_in_range(now_ms() - before_ms, 0, 1000);

  for (int i = SLOW_LIMIT; i < SLOW_LIMIT + SLOW_WAITING; i++) slow[i] = begin_slow(id, 10 + i);
  wait_until_waiting("\"requests_waiting\":32");
  console_rig_receive(begin_slow(id, 99), &answer);
  assert_int_equal(answer.status, 503);
  assert_string_not_equal(console_answer_field(&answer, "Retry-After"), "");
  console_rig_ask(&rig, "GET", "/healthz", "", NULL, &answer);
  assert_string_equal(answer.body, "ok\n");

  console_rig_hold_renders(&rig, false);
  for (int i = 0; i < SLOW_LIMIT + SLOW_WAITING; i++) {
    console_rig_receive(slow[i], &answer);
    assert_int_equal(answer.status, 200);
  }
}

static void one_client_can_not_take_all_connections(void **state) {
  (void)state;
  int fds[CONNECTIONS];
  for (int i = 0; i < CONNECTIONS; i++) fds[i] = console_rig_connect(&rig);
  usleep(200 * 1000);
  uint64_t before_ms = now_ms();
  say("GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  assert_int_equal(answer.status, 0);
  assert_in_range(now_ms() - before_ms, 0, 1000);
  for (int i = 0; i < CONNECTIONS; i++) close(fds[i]);
  // The places come back when the threads notice.
  for (int i = 0; i < 100 && answer.status == 0; i++) {
    usleep(50 * 1000);
    say("GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  }
  assert_int_equal(answer.status, 200);
}

static void *release_later(void *argument) {
  (void)argument;
  usleep(300 * 1000);
  console_rig_hold_renders(&rig, false);
  return NULL;
}

static void lets_a_running_request_finish_when_it_stops(void **state) {
  (void)state;
  char id[BASE_DIGEST_BASE64URL_CHARS + 1];
  console_rig_upload(&rig, "GOOD", &answer, id);
  console_rig_hold_renders(&rig, true);
  int fd = begin_slow(id, 20);
  wait_until_held(1);
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, release_later, NULL), 0);
  console_stop(&rig.console);
  assert_null(rig.console);
  console_rig_receive(fd, &answer);
  assert_int_equal(answer.status, 200);
  pthread_join(thread, NULL);
}

// A configuration that starts, for tests that spoil it.
static struct console_config start_config(void) {
  return (struct console_config){.address = "127.0.0.1",
                                 .token_hash_path = rig.token_path,
                                 .threads = 2,
                                 .ingest = rig.ingest,
                                 .store = rig.store,
                                 .pop = rig.pop};
}

static void expect_no_start(const struct console_config *config, enum base_result expected, const char *word) {
  struct console *console;
  char *token;
  struct base_fault fault = {0};
  assert_int_equal(console_start(config, &console, &token, &fault), expected);
  assert_null(console);
  assert_null(token);
  if (!strstr(fault.text, word)) fail_msg("%s", fault.text);
}

static void names_address_and_port_when_the_port_is_in_use(void **state) {
  (void)state;
  struct console_config config = start_config();
  char word[64];
  config.port = rig.port;
  snprintf(word, sizeof word, "127.0.0.1 port %u is in use", rig.port);
  expect_no_start(&config, BASE_CONFLICT, word);
}

static void refuses_plain_http_beyond_the_machine(void **state) {
  (void)state;
  static const char *const addresses[] = {"0.0.0.0", "192.0.2.1", "::"};
  for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
    struct console_config config = start_config();
    config.address = addresses[i];
    expect_no_start(&config, BASE_BAD_INPUT, "loopback");
  }
}

static void refuses_an_address_that_is_a_name(void **state) {
  (void)state;
  struct console_config config = start_config();
  config.address = "localhost";
  expect_no_start(&config, BASE_BAD_INPUT, "numeric");
}

static void keeps_no_token_when_it_can_not_start(void **state) {
  (void)state;
  struct console_config config = start_config();
  char path[160];
  snprintf(path, sizeof path, "%s.new", rig.token_path);
  config.token_hash_path = path;
  config.pem_path = "/nonexistent.pem";
  expect_no_start(&config, BASE_NOT_FOUND, "No such file");
  assert_int_not_equal(access(path, F_OK), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_rig, console_rig_tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(refuses_heads_that_break_the_rules),           TEST(knows_which_methods_it_does_not_know),
      TEST(refuses_too_many_fields_and_too_large_heads),  TEST(answers_several_requests_on_one_connection),
      TEST(closes_after_a_body_it_did_not_read),          TEST(drops_a_client_that_says_nothing),
      TEST(health_answers_at_once_when_renders_are_full), TEST(one_client_can_not_take_all_connections),
      TEST(lets_a_running_request_finish_when_it_stops),  TEST(names_address_and_port_when_the_port_is_in_use),
      TEST(refuses_plain_http_beyond_the_machine),        TEST(refuses_an_address_that_is_a_name),
      TEST(keeps_no_token_when_it_can_not_start),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
