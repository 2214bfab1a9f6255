// A file in the place of the device, and the ioctl of a driver that takes what the test says.
#include "base/watchdog.h"

#include "temp_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/watchdog.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct temp_folder folder;
static char path[128];
static int longest_s, asked;

int __wrap_ioctl(int fd, unsigned long request, int *seconds);

int __wrap_ioctl(int fd, unsigned long request, int *seconds) {
  assert_true(fd >= 0);
  assert_int_equal(request, WDIOC_SETTIMEOUT);
  asked++;
  if (*seconds <= longest_s) return 0;
  errno = EINVAL;
  return -1;
}

static int make_device(void **state) {
  (void)state;
  temp_folder_make(&folder);
  temp_folder_path(&folder, "watchdog", path, sizeof path);
  FILE *file = fopen(path, "w");
  longest_s = 3600;
  asked = 0;
  return file == NULL ? -1 : fclose(file);
}

static int remove_device(void **state) {
  (void)state;
  temp_folder_remove(&folder);
  return 0;
}

static void assert_written(const char *wanted) {
  char text[64] = "";
  FILE *file = fopen(path, "r");
  assert_non_null(file);
  text[fread(text, 1, sizeof text - 1, file)] = '\0';
  fclose(file);
  assert_string_equal(text, wanted);
}

static void a_driver_is_asked_for_shorter_times_until_it_takes_one(void **state) {
  (void)state;
  static const struct {
    int longest_s, wanted_s, given_s, asked;
  } cases[] = {{3600, 300, 300, 1}, {80, 300, 75, 3}, {60, 60, 60, 1}, {37, 60, 30, 2}, {20, 60, 0, 2}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    int given;
    longest_s = cases[i].longest_s;
    asked = 0;
    const int fd = base_watchdog_open(path, cases[i].wanted_s, &given);
    assert_true(fd >= 0);
    assert_int_equal(given, cases[i].given_s);
    assert_int_equal(asked, cases[i].asked);
    close(fd);
  }
}

static void is_fed_when_it_is_due_and_put_to_sleep(void **state) {
  (void)state;
  struct base_watchdog watchdog;
  base_watchdog_init(&watchdog, path, 100, NULL);
  assert_int_equal(base_watchdog_due(&watchdog, 1000), 0);
  base_watchdog_tend(&watchdog, 1000);
  base_watchdog_tend(&watchdog, 1099);
  assert_int_equal(base_watchdog_due(&watchdog, 1099), 1);
  assert_written("f");
  base_watchdog_tend(&watchdog, 1100);
  assert_written("ff");
  assert_int_equal(asked, 1);
  base_watchdog_finish(&watchdog, false);
  base_watchdog_finish(&watchdog, false);
  assert_written("ffV");
}

static void stays_awake_for_a_restart(void **state) {
  (void)state;
  struct base_watchdog watchdog;
  base_watchdog_init(&watchdog, path, 100, NULL);
  base_watchdog_tend(&watchdog, 1000);
  base_watchdog_finish(&watchdog, true);
  assert_written("ff");
}

static void one_that_comes_late_is_fed_then(void **state) {
  (void)state;
  struct base_watchdog watchdog;
  char away[160];
  snprintf(away, sizeof away, "%s.away", path);
  assert_int_equal(rename(path, away), 0);
  base_watchdog_init(&watchdog, path, 100, NULL);
  assert_false(base_watchdog_reach(&watchdog, 1000));
  assert_true(watchdog.has_complained);
  assert_int_equal(rename(away, path), 0);
  assert_false(base_watchdog_reach(&watchdog, 1050));
  base_watchdog_tend(&watchdog, 1100);
  assert_written("f");
  base_watchdog_finish(&watchdog, false);
}

static void none_is_never_opened(void **state) {
  (void)state;
  struct base_watchdog nothing = {0}, empty;
  base_watchdog_init(&empty, "", 100, NULL);
  assert_false(base_watchdog_reach(&nothing, 1000));
  assert_false(base_watchdog_reach(&empty, 1000));
  assert_int_equal(base_watchdog_due(&empty, 1000), BASE_WATCHDOG_EVERY_MS);
  base_watchdog_finish(&nothing, false);
  base_watchdog_finish(&empty, true);
  assert_int_equal(asked, 0);
  assert_true(fcntl(STDIN_FILENO, F_GETFD) >= 0);  // nor is descriptor 0 closed, which all zero could mean
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_device, remove_device)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_driver_is_asked_for_shorter_times_until_it_takes_one),
      TEST(is_fed_when_it_is_due_and_put_to_sleep),
      TEST(stays_awake_for_a_restart),
      TEST(one_that_comes_late_is_fed_then),
      TEST(none_is_never_opened),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
