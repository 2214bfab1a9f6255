#include "base/log.h"

#include "base/json.h"
#include "fake_clock.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { WALL_S = 1700000000, CAPTURE_BYTES = 1 << 20 };  // 2023-11-14T22:13:20Z

static struct fake_clock fake;
static struct base_log *log_under_test;
static int fd;
static char captured[CAPTURE_BYTES];

static int open_log(void **state) {
  (void)state;
  fake_clock_init(&fake, WALL_S);
  fd = memfd_create("log", MFD_CLOEXEC);
  if (fd < 0) return -1;
  const struct base_log_config config = {.fd = fd, .level = BASE_LOG_INFO, .clock = &fake.clock};
  log_under_test = base_log_create(&config);
  return log_under_test ? 0 : -1;
}

static int close_log(void **state) {
  (void)state;
  base_log_destroy(&log_under_test);
  close(fd);
  return 0;
}

static const char *capture(void) {
  const ssize_t got = pread(fd, captured, sizeof captured - 1, 0);
  assert_true(got >= 0);
  captured[got] = '\0';
  return captured;
}

static void text_line_has_time_level_room_and_request(void **state) {
  (void)state;
  base_log_write(log_under_test, BASE_LOG_WARN, "http", "r-1", "%d bytes", 5);
  base_log_write(log_under_test, BASE_LOG_ERROR, "gpu", NULL, "lost");
  assert_string_equal(capture(),
                      "2023-11-14T22:13:20Z warn  http [r-1] 5 bytes\n2023-11-14T22:13:20Z error gpu lost\n");
}

static void text_line_stays_one_line_when_the_message_is_hostile(void **state) {
  (void)state;
  base_log_write(log_under_test, BASE_LOG_INFO, "http", "a\nb", "%s", "x\r\n\x1b[2J\xc2\x9b\xff\xc3\xa9");
  assert_string_equal(capture(),
                      "2023-11-14T22:13:20Z info  http [a\\x0ab] x\\x0d\\x0a\\x1b[2J\\x9b\xef\xbf\xbd\xc3\xa9\n");
}

static void json_line_is_escaped_when_the_message_is_hostile(void **state) {
  (void)state;
  base_log_reconfigure(log_under_test, BASE_LOG_INFO, true);
  base_log_write(log_under_test, BASE_LOG_INFO, "http", "r\"1", "%s", "say \"hi\"\n\\ \x01 \xff");
  assert_string_equal(
      capture(),
      "{\"time\":\"2023-11-14T22:13:20Z\",\"level\":\"info\",\"room\":\"http\",\"request_id\":\"r\\\"1\","
      "\"message\":\"say \\\"hi\\\"\\n\\\\ \\u0001 \xef\xbf\xbd\"}\n");
}

static void json_line_stays_whole_when_escaping_makes_it_long(void **state) {
  (void)state;
  char message[3000];
  memset(message, '\x01', sizeof message - 1);
  message[sizeof message - 1] = '\0';
  base_log_reconfigure(log_under_test, BASE_LOG_INFO, true);
  base_log_write(log_under_test, BASE_LOG_INFO, "http", message, "%s", message);
  const struct base_span line = base_span_text(capture());
  assert_true(line.bytes > 1000 && line.bytes < 4096);
  assert_int_equal(line.data[line.bytes - 1], '\n');
  struct base_json *json;
  assert_int_equal(base_json_parse(line, &json, NULL), BASE_OK);
  assert_non_null(base_json_as_string(base_json_get(base_json_root(json), "message")));
  base_json_destroy(&json);
}

static void fault_is_logged_with_its_place(void **state) {
  (void)state;
  struct base_fault fault = {0};
  (void)base_fault_record(&fault, BASE_BAD_INPUT, "pop/native.c", 12, "w", "w is 0");
  base_log_fault(log_under_test, BASE_LOG_INFO, "pop", "r1", &fault);
  base_log_reconfigure(log_under_test, BASE_LOG_INFO, true);
  base_log_fault(log_under_test, BASE_LOG_INFO, "pop", NULL, &fault);
  assert_string_equal(capture(),
                      "2023-11-14T22:13:20Z info  pop [r1] w is 0 (bad-input: w, pop/native.c:12)\n"
                      "{\"time\":\"2023-11-14T22:13:20Z\",\"level\":\"info\",\"room\":\"pop\",\"message\":\"w is 0\","
                      "\"result\":\"bad-input\",\"subject\":\"w\",\"file\":\"pop/native.c\",\"line\":12}\n");
}

static void lines_are_dropped_when_above_the_level(void **state) {
  (void)state;
  base_log_write(log_under_test, BASE_LOG_DEBUG, "http", NULL, "hidden");
  assert_string_equal(capture(), "");
  base_log_reconfigure(log_under_test, BASE_LOG_DEBUG, false);
  base_log_write(log_under_test, BASE_LOG_DEBUG, "http", NULL, "shown");
  assert_non_null(strstr(capture(), "shown"));
  base_log_write(NULL, BASE_LOG_ERROR, "http", NULL, "nowhere");
}

static void errno_is_kept_when_the_log_cannot_be_written(void **state) {
  (void)state;
  const struct base_log_config config = {.fd = -1, .level = BASE_LOG_INFO};
  struct base_log *log = base_log_create(&config);
  assert_non_null(log);
  errno = ENOSPC;
  base_log_write(log, BASE_LOG_ERROR, "store", NULL, "disk full");
  assert_int_equal(errno, ENOSPC);
  base_log_destroy(&log);
}

static void levels_are_parsed_by_name(void **state) {
  (void)state;
  enum base_log_level level = BASE_LOG_ERROR;
  assert_true(base_log_level_parse("debug", &level));
  assert_int_equal(level, BASE_LOG_DEBUG);
  assert_false(base_log_level_parse("loud", &level));
  assert_int_equal(level, BASE_LOG_DEBUG);
}

enum { THREADS = 4, LINES = 200 };

static void *write_lines(void *argument) {
  for (int i = 0; i < LINES; i++) {
    base_log_reconfigure(log_under_test, BASE_LOG_INFO, i % 2 == 0);
    base_log_write(log_under_test, BASE_LOG_INFO, "http", argument, "line %d", i);
  }
  return NULL;
}

static void lines_never_mix_when_threads_write(void **state) {
  (void)state;
  char id[] = "thread";
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&threads[i], NULL, write_lines, id), 0);
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  struct base_span rest = base_span_text(capture());
  unsigned lines = 0;
  while (rest.bytes > 0) {
    const struct base_span line = base_span_cut(&rest, '\n');
    assert_true(base_span_starts_with(line, "2023-11-14T") || base_span_starts_with(line, "{\"time\":\"2023-11-14T"));
    lines++;
  }
  assert_int_equal(lines, THREADS * LINES);
}

// --- the latest lines ---

static void the_tail_is_the_latest_whole_lines(void **state) {
  (void)state;
  enum { KEPT = 200 };
  const struct base_log_config config = {.fd = fd, .level = BASE_LOG_INFO, .clock = &fake.clock, .kept_bytes = KEPT};
  struct base_log *log = base_log_create(&config);
  struct base_buffer tail;
  assert_non_null(log);
  for (int i = 0; i < 50; i++) {
    base_log_write(log, BASE_LOG_INFO, "http", NULL, "line %d", i);
    base_buffer_init(&tail, KEPT + 1);
    assert_int_equal(base_log_tail(log, &tail), BASE_OK);
    assert_true(tail.bytes <= KEPT && tail.bytes > 0);
    assert_int_equal(base_buffer_append(&tail, "", 1), BASE_OK);
    assert_true(base_span_starts_with(base_buffer_span(&tail), "2023-11-14T22:13:20Z info  http line "));
    const char *all = capture();
    assert_string_equal(all + strlen(all) - (tail.bytes - 1), (char *)tail.data);
    base_buffer_finish(&tail);
  }
  base_log_destroy(&log);
  base_buffer_init(&tail, KEPT);
  assert_int_equal(base_log_tail(log_under_test, &tail), BASE_OK);
  assert_int_equal(tail.bytes, 0);
}

// --- floods ---

static unsigned count_lines(const char *text) {
  unsigned lines = 0;
  for (const char *at = capture(); (at = strstr(at, text)) != NULL; at++) lines++;
  return lines;
}

static void one_place_can_not_flood_the_log(void **state) {
  (void)state;
  const struct base_log_config config = {.fd = fd, .level = BASE_LOG_DEBUG, .clock = &fake.clock, .burst = 3};
  struct base_log *log = base_log_create(&config);
  struct base_fault fault = {0}, other = {0};
  assert_non_null(log);
  (void)BASE_FAIL(&fault, BASE_UNAUTHORIZED, "", "flood");
  (void)BASE_FAIL(&other, BASE_UNAUTHORIZED, "", "other");
  for (int i = 0; i < 100; i++) base_log_fault(log, BASE_LOG_INFO, "console", NULL, &fault);
  base_log_fault(log, BASE_LOG_INFO, "console", NULL, &other);
  assert_int_equal(count_lines("flood"), 3);
  assert_int_equal(count_lines("more like the last are left out"), 1);
  assert_int_equal(count_lines("other"), 1);
  for (int i = 0; i < 5; i++) base_log_fault(log, BASE_LOG_DEBUG, "console", NULL, &fault);
  assert_int_equal(count_lines("flood"), 8);
  fake_clock_advance_us(&fake, BASE_LOG_BURST_MS * UINT64_C(1000));
  base_log_fault(log, BASE_LOG_INFO, "console", NULL, &fault);
  assert_int_equal(count_lines("flood"), 9);
  assert_int_equal(count_lines("console 97 more like the next were left out"), 1);
  fake_clock_advance_us(&fake, BASE_LOG_BURST_MS * UINT64_C(1000));
  base_log_fault(log, BASE_LOG_INFO, "console", NULL, &fault);
  assert_int_equal(count_lines("were left out"), 1);
  base_log_destroy(&log);
}

// More places than are watched: those that come often are.
static void many_places_are_told_apart(void **state) {
  (void)state;
  enum { ALL = 500 };
  const struct base_log_config config = {.fd = fd, .level = BASE_LOG_INFO, .clock = &fake.clock, .burst = 1};
  struct base_log *log = base_log_create(&config);
  assert_non_null(log);
  for (int i = 0; i < ALL; i++) {
    const struct base_fault fault = {.result = BASE_IO, .file = "x.c", .line = i, .text = "one"};
    base_log_fault(log, BASE_LOG_WARN, "store", NULL, &fault);
    base_log_fault(log, BASE_LOG_WARN, "store", NULL, &fault);
  }
  assert_int_equal(count_lines("one (io"), ALL);
  base_log_destroy(&log);
}

#define LOGGING(test) cmocka_unit_test_setup_teardown(test, open_log, close_log)

int main(void) {
  const struct CMUnitTest tests[] = {
      LOGGING(text_line_has_time_level_room_and_request),
      LOGGING(text_line_stays_one_line_when_the_message_is_hostile),
      LOGGING(json_line_is_escaped_when_the_message_is_hostile),
      LOGGING(json_line_stays_whole_when_escaping_makes_it_long),
      LOGGING(fault_is_logged_with_its_place),
      LOGGING(lines_are_dropped_when_above_the_level),
      LOGGING(errno_is_kept_when_the_log_cannot_be_written),
      LOGGING(levels_are_parsed_by_name),
      LOGGING(lines_never_mix_when_threads_write),
      LOGGING(the_tail_is_the_latest_whole_lines),
      LOGGING(one_place_can_not_flood_the_log),
      LOGGING(many_places_are_told_apart),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
