// What makes a start longer than the patience for it, and what does not.
#include "starting.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { STARTED_MS = 5000 };

static char folder[] = "/tmp/pixpop-starting-XXXXXX", path[64], other[64];
static struct arguments arguments = {.starting_file = path};
static struct system boxes;

static int make_folder(void **state) {
  (void)state;
  if (!mkdtemp(folder)) return -1;
  snprintf(path, sizeof(path), "%s/starting", folder);
  snprintf(other, sizeof(other), "%s/other", folder);
  return 0;
}

static int remove_folder(void **state) {
  (void)state;
  return rmdir(folder);
}

static int begin(void **state) {
  (void)state;
  boxes = (struct system){.arguments = &arguments, .started_ms = STARTED_MS, .has_user = true, .user = getuid()};
  return pthread_mutex_init(&boxes.lock, NULL);
}

static int end(void **state) {
  (void)state;
  (void)unlink(path);
  (void)unlink(other);
  return pthread_mutex_destroy(&boxes.lock);
}

static void lengthen(const char *file, off_t bytes) {
  const int fd = open(file, O_WRONLY | O_CREAT, 0600);
  assert_true(fd >= 0);
  assert_int_equal(ftruncate(fd, bytes), 0);
  close(fd);
}

static void counts_from_the_start_without_a_file(void **state) {
  (void)state;
  assert_int_equal(starting_since(&boxes, 9000), STARTED_MS);
  lengthen(path, 0);
  assert_int_equal(starting_since(&boxes, 9000), STARTED_MS);
}

static void counts_from_the_last_step(void **state) {
  (void)state;
  lengthen(path, 1);
  assert_int_equal(starting_since(&boxes, 9000), 9000);
  assert_int_equal(starting_since(&boxes, 12000), 9000);
  lengthen(path, 700);
  assert_int_equal(starting_since(&boxes, 200000), 200000);
  assert_int_equal(starting_since(&boxes, 500000), 200000);
}

// pixpopd dies in the middle and is started again: only what it has not done before counts.
static void the_same_steps_again_are_none(void **state) {
  (void)state;
  lengthen(path, 50);
  assert_int_equal(starting_since(&boxes, 9000), 9000);
  (void)unlink(path);
  for (off_t bytes = 0; bytes <= 50; bytes += 10) {
    lengthen(path, bytes);
    assert_int_equal(starting_since(&boxes, 20000 + (uint64_t)bytes), 9000);
  }
  lengthen(path, 51);
  assert_int_equal(starting_since(&boxes, 30000), 30000);
}

static void an_answer_ends_the_start(void **state) {
  (void)state;
  lengthen(path, 50);
  assert_int_equal(starting_since(&boxes, 9000), 9000);
  boxes.answered_ms = 10000;
  lengthen(path, 60);
  assert_int_equal(starting_since(&boxes, 11000), 9000);  // what the gate measures from
}

static void no_start_takes_for_ever(void **state) {
  (void)state;
  const uint64_t last_ms = STARTED_MS + STARTING_MAX_MS - 1;
  lengthen(path, 1);
  assert_int_equal(starting_since(&boxes, last_ms), last_ms);
  lengthen(path, 2);
  assert_int_equal(starting_since(&boxes, last_ms + 1), last_ms);
}

static void only_a_file_of_pixpopd_counts(void **state) {
  (void)state;
  lengthen(other, 100);
  assert_int_equal(symlink(other, path), 0);
  assert_int_equal(starting_since(&boxes, 9000), STARTED_MS);
  (void)unlink(path);
  lengthen(path, 100);
  boxes.user = getuid() + 1;
  assert_int_equal(starting_since(&boxes, 9000), STARTED_MS);
  boxes.user = getuid();
  boxes.has_user = false;
  assert_int_equal(starting_since(&boxes, 9000), STARTED_MS);
  boxes.has_user = true;
  assert_int_equal(starting_since(&boxes, 9000), 9000);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(counts_from_the_start_without_a_file, begin, end),
      cmocka_unit_test_setup_teardown(counts_from_the_last_step, begin, end),
      cmocka_unit_test_setup_teardown(the_same_steps_again_are_none, begin, end),
      cmocka_unit_test_setup_teardown(an_answer_ends_the_start, begin, end),
      cmocka_unit_test_setup_teardown(no_start_takes_for_ever, begin, end),
      cmocka_unit_test_setup_teardown(only_a_file_of_pixpopd_counts, begin, end),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
