#include "base/file.h"

#include "temp_folder.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { LIMIT = 1 << 20 };

static struct temp_folder folder;
static char path[PATH_MAX];
static char temporary[PATH_MAX + 8];

static int make_folder(void **state) {
  (void)state;
  temp_folder_make(&folder);
  temp_folder_path(&folder, "file", path, sizeof path);
  snprintf(temporary, sizeof temporary, "%s.tmp", path);
  return 0;
}

static int remove_folder(void **state) {
  (void)state;
  temp_folder_remove(&folder);
  return 0;
}

static void replace(const char *content) {
  assert_int_equal(base_file_replace_durably(path, base_span_text(content), 0600, NULL), BASE_OK);
}

static void assert_content(const char *content) {
  struct base_buffer buffer;
  assert_int_equal(base_file_read(path, LIMIT, &buffer, NULL), BASE_OK);
  assert_true(base_span_is(base_buffer_span(&buffer), content));
  base_buffer_finish(&buffer);
}

static void new_content_is_there_when_replaced(void **state) {
  (void)state;
  replace("old, and longer");
  replace("new");
  assert_content("new");
  assert_int_equal(access(temporary, F_OK), -1);
  replace("");
  assert_content("");
}

static void mode_is_exact_when_the_umask_is_not(void **state) {
  (void)state;
  const mode_t before = umask(0077);
  const enum base_result result = base_file_replace_durably(path, base_span_text("x"), 0640, NULL);
  umask(before);
  assert_int_equal(result, BASE_OK);
  struct stat info;
  assert_int_equal(stat(path, &info), 0);
  assert_int_equal(info.st_mode & 07777, 0640);
}

static void leftovers_are_replaced_when_a_crash_left_them(void **state) {
  (void)state;
  assert_int_equal(symlink("/dev/null", temporary), 0);
  replace("content");
  assert_content("content");
}

static void old_content_stays_when_the_disk_refuses_half_way(void **state) {
  (void)state;
  replace("old");
  static char big[64 * 1024];
  memset(big, 'n', sizeof big);
  struct rlimit before;
  assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
  const struct rlimit small = {.rlim_cur = 4096, .rlim_max = before.rlim_max};
  signal(SIGXFSZ, SIG_IGN);
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
  struct base_fault fault = {0};
  const enum base_result result = base_file_replace_durably(path, base_span_of(big, sizeof big), 0600, &fault);
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
  assert_int_equal(result, BASE_IO);
  assert_int_equal(fault.result, BASE_IO);
  assert_content("old");
  assert_int_equal(access(temporary, F_OK), -1);
}

static void old_content_stays_when_the_temporary_name_is_taken(void **state) {
  (void)state;
  replace("old");
  assert_int_equal(mkdir(temporary, 0700), 0);
  assert_int_not_equal(base_file_replace_durably(path, base_span_text("new"), 0600, NULL), BASE_OK);
  assert_content("old");
}

static void replace_fails_when_the_folder_is_missing(void **state) {
  (void)state;
  char missing[PATH_MAX];
  temp_folder_path(&folder, "none/file", missing, sizeof missing);
  struct base_fault fault = {0};
  assert_int_equal(base_file_replace_durably(missing, base_span_text("x"), 0600, &fault), BASE_NOT_FOUND);
  assert_non_null(strstr(fault.text, "cannot create the file"));
}

static void read_obeys_its_limit(void **state) {
  (void)state;
  replace("12345");
  struct base_buffer buffer;
  assert_int_equal(base_file_read(path, 5, &buffer, NULL), BASE_OK);
  assert_int_equal(buffer.bytes, 5);
  base_buffer_finish(&buffer);
  assert_int_equal(base_file_read(path, 4, &buffer, NULL), BASE_TOO_LARGE);
  assert_int_equal(buffer.bytes, 0);
}

// Its size is what says how much is read at once, and files of the kernel have none.
static void read_takes_what_has_no_size(void **state) {
  (void)state;
  struct base_buffer buffer;
  struct stat info;
  assert_int_equal(stat("/proc/self/smaps", &info), 0);
  assert_int_equal(info.st_size, 0);
  assert_int_equal(base_file_read("/proc/self/smaps", 16 << 20, &buffer, NULL), BASE_OK);
  assert_true(buffer.bytes > 1000);
  assert_non_null(memmem(buffer.data, buffer.bytes, "[stack]", 7));
  base_buffer_finish(&buffer);
  assert_int_equal(base_file_read("/proc/self/smaps", 100, &buffer, NULL), BASE_TOO_LARGE);
  assert_int_equal(buffer.bytes, 0);
}

static void read_refuses_what_is_not_a_file(void **state) {
  (void)state;
  struct base_buffer buffer;
  assert_int_equal(base_file_read(path, LIMIT, &buffer, NULL), BASE_NOT_FOUND);
  assert_int_equal(base_file_read(folder.path, LIMIT, &buffer, NULL), BASE_BAD_INPUT);
  assert_int_equal(mkfifo(path, 0600), 0);
  assert_int_equal(base_file_read(path, LIMIT, &buffer, NULL), BASE_BAD_INPUT);  // and does not hang
}

static void pread_says_corrupt_when_the_file_ends_early(void **state) {
  (void)state;
  replace("0123456789");
  int fd = open(path, O_RDONLY);
  char out[8];
  assert_int_equal(base_fd_pread_all(fd, out, 4, 6, NULL), BASE_OK);
  assert_memory_equal(out, "6789", 4);
  struct base_fault fault = {0};
  assert_int_equal(base_fd_pread_all(fd, out, 5, 6, &fault), BASE_CORRUPT);
  assert_string_equal(fault.text, "the file ends 1 bytes early");
  base_fd_close(&fd);
  assert_int_equal(fd, -1);
  base_fd_close(&fd);
}

static void folders_are_made_with_their_parents(void **state) {
  (void)state;
  char deep[PATH_MAX];
  temp_folder_path(&folder, "a//b/c/", deep, sizeof deep);
  assert_int_equal(base_folder_make(deep, NULL), BASE_OK);
  assert_int_equal(base_folder_make(deep, NULL), BASE_OK);  // there already
  struct stat info;
  assert_int_equal(stat(deep, &info), 0);
  assert_true(S_ISDIR(info.st_mode));
  assert_int_equal(info.st_mode & 0027, 0);
}

static void folder_is_refused_when_a_file_is_in_the_way(void **state) {
  (void)state;
  replace("a file");
  assert_int_equal(base_folder_make(path, NULL), BASE_IO);
  char below[PATH_MAX];
  temp_folder_path(&folder, "file/below", below, sizeof below);
  assert_int_equal(base_folder_make(below, NULL), BASE_IO);
  char long_name[NAME_MAX + 2];
  memset(long_name, 'n', sizeof long_name - 1);
  long_name[sizeof long_name - 1] = '\0';
  assert_int_equal(base_folder_make(long_name, NULL), BASE_BAD_INPUT);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void) {
  const struct CMUnitTest tests[] = {
      IN_FOLDER(new_content_is_there_when_replaced),
      IN_FOLDER(mode_is_exact_when_the_umask_is_not),
      IN_FOLDER(leftovers_are_replaced_when_a_crash_left_them),
      IN_FOLDER(old_content_stays_when_the_disk_refuses_half_way),
      IN_FOLDER(old_content_stays_when_the_temporary_name_is_taken),
      IN_FOLDER(replace_fails_when_the_folder_is_missing),
      IN_FOLDER(read_obeys_its_limit),
      IN_FOLDER(read_takes_what_has_no_size),
      IN_FOLDER(read_refuses_what_is_not_a_file),
      IN_FOLDER(pread_says_corrupt_when_the_file_ends_early),
      IN_FOLDER(folders_are_made_with_their_parents),
      IN_FOLDER(folder_is_refused_when_a_file_is_in_the_way),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
