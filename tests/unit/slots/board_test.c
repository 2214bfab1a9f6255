#include "slots/board.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static enum base_result read_text(const char *text, struct slots_board *out, struct base_fault *fault) {
  char path[] = "/tmp/pixpop-board-XXXXXX";
  const int fd = mkstemp(path);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, text, strlen(text)), strlen(text));
  close(fd);
  const enum base_result result = slots_board_read(path, out, fault);
  unlink(path);
  return result;
}

static void a_board_file_is_read(void **state) {
  (void)state;
  struct slots_board board;
  assert_int_equal(read_text("board qemu-x86_64\nversion 1.2.0-rc1\nfloor 1.0\nbuilt today\n", &board, NULL), BASE_OK);
  assert_string_equal(board.name, "qemu-x86_64");
  assert_string_equal(board.version, "1.2.0-rc1");
  assert_string_equal(board.floor, "1.0");
}

static void a_board_without_a_floor_has_none(void **state) {
  (void)state;
  struct slots_board board;
  assert_int_equal(read_text("version 1\nboard a\nfloor -\n", &board, NULL), BASE_OK);
  assert_string_equal(board.floor, "");
  assert_int_equal(read_text("version 1\nboard a", &board, NULL), BASE_OK);
  assert_string_equal(board.floor, "");
}

static void what_does_not_say_it_all_is_refused(void **state) {
  (void)state;
  static const char *const texts[] = {
      "",
      "board a\n",
      "version 1.0\n",
      "board a\nversion one\n",
      "board a\nversion 1.0\nfloor high\n",
      "board\nversion 1.0\n",
      "board a\nversion 1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0\n",
      "board 12345678901234567890123456789012\nversion 1.0\n",
      "board a\nversion 1.0\nfloor\n",
      "board a\nversion 1.0\nfloor \n",
      "board a\nversion 1.0\nfloor 1.0\nfloor -\n",
      "board a\nversion 1.0\nboard b\n",
  };
  for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
    struct slots_board board;
    struct base_fault fault = {0};
    assert_int_equal(read_text(texts[i], &board, &fault), BASE_BAD_INPUT);
    assert_non_null(strstr(fault.text, "what board and version"));
  }
}

static void a_missing_file_is_not_found(void **state) {
  (void)state;
  struct slots_board board;
  assert_int_equal(slots_board_read("/nonexistent/board", &board, NULL), BASE_NOT_FOUND);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_board_file_is_read),
      cmocka_unit_test(a_board_without_a_floor_has_none),
      cmocka_unit_test(what_does_not_say_it_all_is_refused),
      cmocka_unit_test(a_missing_file_is_not_found),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
