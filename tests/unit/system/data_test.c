#include "data.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/pixpop-data-XXXXXX";

static int set_up(void **state) {
  (void)state;
  strcpy(folder + strlen(folder) - 6, "XXXXXX");
  return mkdtemp(folder) != NULL ? 0 : -1;
}

static int tear_down(void **state) {
  (void)state;
  char command[64];
  snprintf(command, sizeof(command), "rm -rf %s", folder);
  return system(command);
}

static unsigned count_files(void) {
  unsigned count = 0;
  DIR *open_folder = opendir(folder);
  assert_non_null(open_folder);
  for (const struct dirent *entry; (entry = readdir(open_folder)) != NULL;)
    count += entry->d_name[0] != '.' || strlen(entry->d_name) > 2;
  closedir(open_folder);
  return count;
}

static void path_of(const char *name, char path[64]) { snprintf(path, 64, "%s/%s", folder, name); }

static void a_check_leaves_nothing(void **state) {
  (void)state;
  assert_int_equal(data_check(folder, NULL), BASE_OK);
  assert_int_equal(count_files(), 0);
}

static void a_missing_folder_fails_the_check(void **state) {
  (void)state;
  struct base_fault fault = {0};
  assert_int_equal(data_check("/nonexistent/folder", &fault), BASE_NOT_FOUND);
  assert_non_null(strstr(fault.text, "data folder"));
}

static void a_full_disk_fails_the_check(void **state) {
  (void)state;
  assert_int_not_equal(data_check("/dev/full", NULL), BASE_OK);
}

static void a_look_at_what_is_there_is_fine(void **state) {
  (void)state;
  assert_int_equal(data_look(folder, NULL), BASE_OK);
  assert_int_equal(data_look("/nonexistent", NULL), BASE_NOT_FOUND);
}

static void a_flag_is_set_once_and_again(void **state) {
  (void)state;
  char path[64];
  path_of("factory-reset", path);
  for (int i = 0; i < 2; i++) {
    assert_int_equal(data_flag(folder, "factory-reset", NULL), BASE_OK);
    assert_int_equal(access(path, F_OK), 0);
  }
  assert_int_equal(count_files(), 1);
}

static void a_flag_takes_the_place_of_a_link_that_leads_nowhere(void **state) {
  (void)state;
  char path[64];
  struct stat info;
  path_of("factory-reset", path);
  assert_int_equal(symlink("nowhere", path), 0);
  assert_int_equal(data_flag(folder, "factory-reset", NULL), BASE_OK);
  assert_int_equal(lstat(path, &info), 0);
  assert_true(S_ISREG(info.st_mode));
  assert_int_equal(count_files(), 1);
}

static void a_draft_gets_its_name_when_it_is_kept(void **state) {
  (void)state;
  char path[PATH_MAX], text[64];
  assert_int_equal(data_read(folder, "network.conf", text, sizeof(text), NULL), BASE_OK);
  assert_string_equal(text, "");
  for (int i = 0; i < 2; i++) {
    assert_int_equal(data_draft(folder, i == 0 ? "first" : "second", path, NULL), BASE_OK);
    assert_int_equal(data_keep_draft(folder, path, "network.conf", NULL), BASE_OK);
    assert_int_equal(data_read(folder, "network.conf", text, sizeof(text), NULL), BASE_OK);
    assert_string_equal(text, i == 0 ? "first" : "second");
  }
  assert_int_equal(count_files(), 1);
}

static void what_is_no_file_is_not_read(void **state) {
  (void)state;
  char path[64], other[64], text[64];
  path_of("other", other);
  assert_int_equal(data_flag(folder, "other", NULL), BASE_OK);
  path_of("network.conf", path);
  assert_int_equal(symlink(other, path), 0);
  assert_int_not_equal(data_read(folder, "network.conf", text, sizeof(text), NULL), BASE_OK);
  unlink(path);
  assert_int_equal(mkfifo(path, 0600), 0);
  assert_int_equal(data_read(folder, "network.conf", text, sizeof(text), NULL), BASE_CORRUPT);
  unlink(path);
  assert_int_equal(mkdir(path, 0700), 0);
  assert_int_equal(data_read(folder, "network.conf", text, sizeof(text), NULL), BASE_CORRUPT);
}

static void what_is_too_long_is_not_read(void **state) {
  (void)state;
  char path[PATH_MAX], text[5];
  assert_int_equal(data_draft(folder, "12345", path, NULL), BASE_OK);
  assert_int_equal(data_keep_draft(folder, path, "network.conf", NULL), BASE_OK);
  assert_int_equal(data_read(folder, "network.conf", text, sizeof(text), NULL), BASE_CORRUPT);
  assert_string_equal(text, "");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(a_check_leaves_nothing, set_up, tear_down),
      cmocka_unit_test(a_missing_folder_fails_the_check),
      cmocka_unit_test(a_full_disk_fails_the_check),
      cmocka_unit_test_setup_teardown(a_look_at_what_is_there_is_fine, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_flag_is_set_once_and_again, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_flag_takes_the_place_of_a_link_that_leads_nowhere, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_draft_gets_its_name_when_it_is_kept, set_up, tear_down),
      cmocka_unit_test_setup_teardown(what_is_no_file_is_not_read, set_up, tear_down),
      cmocka_unit_test_setup_teardown(what_is_too_long_is_not_read, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
