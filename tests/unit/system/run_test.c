#include "run.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"

enum { LONG_MS = 60000 };

static enum base_result run_shell(const char *script, unsigned timeout_ms, const atomic_bool *is_stopping, char *line,
                                  struct base_fault *fault) {
  const char *const words[] = {"/bin/sh", "-c", script, NULL};
  const struct run run = {.words = words, .timeout_ms = timeout_ms, .is_stopping = is_stopping};
  return run_program(&run, line, fault);
}

static void the_first_line_is_told(void **state) {
  (void)state;
  char line[RUN_LINE_BYTES];
  assert_int_equal(run_shell("printf 'one\\033\\ntwo\\n'", LONG_MS, NULL, line, NULL), BASE_OK);
  assert_string_equal(line, "one ");
  assert_int_equal(run_shell("exit 0", LONG_MS, NULL, line, NULL), BASE_OK);
  assert_string_equal(line, "");
}

static void a_failure_says_why(void **state) {
  (void)state;
  static const struct {
    const char *script, *text;
  } cases[] = {{"echo it is broken >&2; exit 1", "it is broken"},
               {"exit 2", "/bin/sh failed with status 2"},
               {"kill -9 $$", "/bin/sh was ended by signal 9"}};
  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    struct base_fault fault = {0};
    assert_int_equal(run_shell(cases[i].script, LONG_MS, NULL, NULL, &fault), BASE_BAD_INPUT);
    assert_string_equal(fault.text, cases[i].text);
  }
}

static void the_exit_status_is_told(void **state) {
  (void)state;
  int status = 7;
  const char *words[] = {"/bin/sh", "-c", "exit 3", NULL};
  const struct run run = {.words = words, .timeout_ms = LONG_MS, .status = &status};
  assert_int_equal(run_program(&run, NULL, NULL), BASE_BAD_INPUT);
  assert_int_equal(status, 3);
  words[2] = "kill -9 $$";
  assert_int_equal(run_program(&run, NULL, NULL), BASE_BAD_INPUT);
  assert_int_equal(status, -1);
  words[2] = "exit 0";
  assert_int_equal(run_program(&run, NULL, NULL), BASE_OK);
  assert_int_equal(status, 0);
}

static void a_missing_program_is_not_found(void **state) {
  (void)state;
  const char *const words[] = {"/nonexistent/program", NULL};
  const struct run run = {.words = words, .timeout_ms = LONG_MS};
  assert_int_equal(run_program(&run, NULL, NULL), BASE_NOT_FOUND);
}

static void too_much_output_keeps_nobody(void **state) {
  (void)state;
  char line[RUN_LINE_BYTES];
  assert_int_equal(run_shell("head -c 300000 /dev/zero | tr '\\0' x", LONG_MS, NULL, line, NULL), BASE_OK);
  assert_int_equal(strlen(line), RUN_LINE_BYTES - 1);
}

static void endless_output_ends_with_the_time(void **state) {
  (void)state;
  assert_int_equal(run_shell("yes", 200, NULL, NULL, NULL), BASE_TIMEOUT);
}

// Its children go with it.
static void who_takes_too_long_is_killed(void **state) {
  (void)state;
  char path[] = "/tmp/pixpop-run-XXXXXX", script[128], text[32] = "";
  const int fd = mkstemp(path);
  assert_true(fd >= 0);
  snprintf(script, sizeof(script), "sleep 1000 & echo $! >%s; wait", path);
  assert_int_equal(run_shell(script, 500, NULL, NULL, NULL), BASE_TIMEOUT);
  assert_true(pread(fd, text, sizeof(text) - 1, 0) > 0);
  const pid_t sleeper = (pid_t)atoi(text);
  assert_true(sleeper > 1);
  // It is somebody else's to reap; until then it is still there, dead.
  for (int i = 0; i < 1000 && kill(sleeper, 0) == 0; i++) {
    char stat[256] = "";
    snprintf(script, sizeof(script), "/proc/%d/stat", sleeper);
    FILE *file = fopen(script, "r");
    if (file == NULL) break;
    const bool is_read = fgets(stat, sizeof(stat), file) != NULL;
    fclose(file);
    if (!is_read || strstr(stat, ") Z") != NULL) break;
    assert_true(i < 999);
    usleep(10000);
  }
  close(fd);
  unlink(path);
}

// What it leaves running keeps its output open; that is no reason to wait.
static void a_background_program_is_not_waited_for(void **state) {
  (void)state;
  char line[RUN_LINE_BYTES];
  const uint64_t start_ms = base_clock_ms(base_clock_system());
  assert_int_equal(run_shell("sleep 20 & echo started", LONG_MS, NULL, line, NULL), BASE_OK);
  assert_string_equal(line, "started");
  assert_true(base_clock_ms(base_clock_system()) - start_ms < 15000);
}

static void a_stop_ends_it(void **state) {
  (void)state;
  atomic_bool is_stopping = true;
  assert_int_equal(run_shell("sleep 1000", LONG_MS, &is_stopping, NULL, NULL), BASE_CANCELLED);
}

static void another_user_has_no_way_back(void **state) {
  (void)state;
  char line[RUN_LINE_BYTES];
  const char *const words[] = {"/bin/sh", "-c", "echo $(id -u) $(id -g) $(id -G) $(grep NoNewPrivs /proc/self/status)",
                               NULL};
  const struct run run = {.words = words, .is_other_user = true, .user = 65534, .group = 65534, .timeout_ms = LONG_MS};
  assert_int_equal(run_program(&run, line, NULL), BASE_OK);
  if (geteuid() == 0)
    assert_string_equal(line, "65534 65534 65534 NoNewPrivs: 1");
  else
    assert_non_null(strstr(line, "NoNewPrivs: 1"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_first_line_is_told),
      cmocka_unit_test(a_failure_says_why),
      cmocka_unit_test(the_exit_status_is_told),
      cmocka_unit_test(a_missing_program_is_not_found),
      cmocka_unit_test(too_much_output_keeps_nobody),
      cmocka_unit_test(endless_output_ends_with_the_time),
      cmocka_unit_test(who_takes_too_long_is_killed),
      cmocka_unit_test(a_background_program_is_not_waited_for),
      cmocka_unit_test(a_stop_ends_it),
      cmocka_unit_test(another_user_has_no_way_back),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
