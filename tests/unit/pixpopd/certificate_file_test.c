#include "certificate_file.h"

#include "base/file.h"
#include "temp_folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct temp_folder folder;
static char path[256], aside[CERTIFICATE_ASIDE_BYTES];
static const char *new_text;
static enum base_result write_result, show_result;
static unsigned shows;

static enum base_result write_new(void *self, struct base_fault *fault) {
  (void)self;
  if (new_text) assert_int_equal(base_file_replace_durably(path, base_span_text(new_text), 0600, NULL), BASE_OK);
  return write_result == BASE_OK ? BASE_OK : BASE_FAIL(fault, write_result, "", "it can not be written");
}

static enum base_result show(void *self, struct base_fault *fault) {
  (void)self;
  shows++;
  return show_result == BASE_OK ? BASE_OK : BASE_FAIL(fault, show_result, "", "it can not be shown");
}

static const struct certificate_change change = {.write = write_new, .show = show};

static int begin(void **state) {
  (void)state;
  temp_folder_make(&folder);
  temp_folder_path(&folder, "delivery.pem", path, sizeof(path));
  new_text = "new";
  write_result = show_result = BASE_OK;
  shows = 0;
  return 0;
}

static int end(void **state) {
  (void)state;
  temp_folder_remove(&folder);
  return 0;
}

static void put(const char *name, const char *text) {
  char to[300];
  assert_int_equal(
      base_file_replace_durably(temp_folder_path(&folder, name, to, sizeof(to)), base_span_text(text), 0640, NULL),
      BASE_OK);
}

static bool has(const char *name, const char *text) {
  char from[300];
  struct base_buffer found;
  const bool is_there =
      base_file_read(temp_folder_path(&folder, name, from, sizeof(from)), 1000, &found, NULL) == BASE_OK;
  const bool is_same = is_there && base_span_is(base_buffer_span(&found), text);
  base_buffer_finish(&found);
  return is_same;
}

static bool is_there(const char *name) {
  char at[300];
  struct stat info;
  return lstat(temp_folder_path(&folder, name, at, sizeof(at)), &info) == 0;
}

static enum base_result run(void) {
  struct base_fault fault = {0};
  const enum base_result result = certificate_file_change(path, &change, NULL, &fault);
  assert_int_equal(fault.result, result);
  return result;
}

// --- replaced ---

static void the_new_one_is_written_and_shown(void **state) {
  (void)state;
  put("delivery.pem", "old");
  assert_int_equal(run(), BASE_OK);
  assert_int_equal(shows, 1);
  assert_true(has("delivery.pem", "new"));
}

static void the_old_one_is_back_when_the_new_one_can_not_be_shown(void **state) {
  (void)state;
  struct stat info;
  put("delivery.pem", "old");
  show_result = BASE_NO_MEMORY;
  assert_int_equal(run(), BASE_NO_MEMORY);
  assert_true(has("delivery.pem", "old"));
  assert_int_equal(stat(path, &info), 0);
  assert_int_equal(info.st_mode & 0777, 0600);
}

static void the_old_one_is_back_when_the_new_one_is_in_place_but_may_not_last(void **state) {
  (void)state;
  put("delivery.pem", "old");
  write_result = BASE_IO;
  assert_int_equal(run(), BASE_IO);
  assert_int_equal(shows, 0);
  assert_true(has("delivery.pem", "old"));
}

static void the_old_one_is_not_touched_when_nothing_was_written(void **state) {
  (void)state;
  struct stat before, after;
  put("delivery.pem", "old");
  assert_int_equal(stat(path, &before), 0);
  new_text = NULL;
  write_result = BASE_IO;
  assert_int_equal(run(), BASE_IO);
  assert_int_equal(stat(path, &after), 0);
  assert_int_equal(before.st_ino, after.st_ino);
  assert_int_equal(before.st_mode, after.st_mode);
}

static void nothing_stays_when_there_was_nothing(void **state) {
  (void)state;
  show_result = BASE_CORRUPT;
  assert_int_equal(run(), BASE_CORRUPT);
  assert_false(is_there("delivery.pem"));
  show_result = BASE_OK;
  assert_int_equal(run(), BASE_OK);
  assert_true(has("delivery.pem", "new"));
}

// --- put aside ---

static void what_was_put_aside_first_is_kept(void **state) {
  (void)state;
  static const char *const names[] = {"delivery.pem.damaged", "delivery.pem.damaged.2", "delivery.pem.damaged.3"};
  static const char *const texts[] = {"one", "two", "three"};
  for (size_t i = 0; i < 3; i++) {
    put("delivery.pem", texts[i]);
    assert_int_equal(certificate_file_put_aside(path, aside, NULL), BASE_OK);
    assert_true(has(strrchr(aside, '/') + 1, texts[i]));
    assert_false(is_there("delivery.pem"));
  }
  for (size_t i = 0; i < 3; i++) assert_true(has(names[i], texts[i]));
  put("delivery.pem", "good");
  certificate_file_forget_aside(path);
  for (size_t i = 0; i < 3; i++) assert_false(is_there(names[i]));
  assert_true(has("delivery.pem", "good"));
}

static void nine_are_kept_and_no_more(void **state) {
  (void)state;
  struct base_fault fault = {0};
  for (int i = 0; i < 9; i++) {
    put("delivery.pem", "damaged");
    assert_int_equal(certificate_file_put_aside(path, aside, NULL), BASE_OK);
  }
  assert_string_equal(strrchr(aside, '/'), "/delivery.pem.damaged.9");
  put("delivery.pem", "one more");
  assert_int_equal(certificate_file_put_aside(path, aside, &fault), BASE_CONFLICT);
  assert_true(has("delivery.pem", "one more"));
}

static void only_what_is_no_file_is_odd(void **state) {
  (void)state;
  assert_false(certificate_file_is_odd(path));
  put("delivery.pem", "");
  assert_false(certificate_file_is_odd(path));
  assert_int_equal(unlink(path), 0);
  assert_int_equal(mkdir(path, 0700), 0);
  assert_true(certificate_file_is_odd(path));
  assert_int_equal(certificate_file_put_aside(path, aside, NULL), BASE_OK);
  assert_int_equal(mkfifo(path, 0600), 0);
  assert_true(certificate_file_is_odd(path));
  assert_int_equal(certificate_file_put_aside(path, aside, NULL), BASE_OK);
  assert_false(certificate_file_is_odd(path));
  certificate_file_forget_aside(path);
  assert_true(is_there("delivery.pem.damaged"));  // the folder
  assert_false(is_there("delivery.pem.damaged.2"));
}

static void what_a_crash_has_left_goes(void **state) {
  (void)state;
  put("delivery.pem", "old");
  put("delivery.pem.tmp", "half of a key");
  certificate_file_clean(path);
  assert_false(is_there("delivery.pem.tmp"));
  assert_true(has("delivery.pem", "old"));
  certificate_file_clean(path);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
  const struct CMUnitTest tests[] = {
      TEST(the_new_one_is_written_and_shown),
      TEST(the_old_one_is_back_when_the_new_one_can_not_be_shown),
      TEST(the_old_one_is_back_when_the_new_one_is_in_place_but_may_not_last),
      TEST(the_old_one_is_not_touched_when_nothing_was_written),
      TEST(nothing_stays_when_there_was_nothing),
      TEST(what_was_put_aside_first_is_kept),
      TEST(nine_are_kept_and_no_more),
      TEST(only_what_is_no_file_is_odd),
      TEST(what_a_crash_has_left_goes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
