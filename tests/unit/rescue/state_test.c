#include "state.h"

#include "temp_folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct temp_folder folder;
static char bootenv[128], board[128];
static struct state rescue;

static void write_file(const char *path, const char *text) {
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  fputs(text, file);
  assert_int_equal(fclose(file), 0);
}

// An empty boot environment: no copy of the state can be read.
static int make_folder(void **state) {
  (void)state;
  temp_folder_make(&folder);
  temp_folder_path(&folder, "bootenv", bootenv, sizeof bootenv);
  temp_folder_path(&folder, "board", board, sizeof board);
  write_file(bootenv, "");
  return truncate(bootenv, SLOTS_GRUB_BYTES);
}

static int remove_folder(void **state) {
  (void)state;
  close(rescue.grub.fd);
  temp_folder_remove(&folder);
  return 0;
}

static enum base_result load(struct slots_state *out, struct base_fault *fault) {
  return rescue.loader.load(rescue.loader.self, out, fault);
}

static void a_lost_state_is_made_anew_with_the_floor_of_the_image(void **state) {
  (void)state;
  struct slots_state slots;
  write_file(board, "board test\nversion 2.1.0\nfloor 2.0.0\n");
  state_init(&rescue, bootenv, board, true, NULL);
  assert_int_equal(load(&slots, NULL), BASE_OK);
  assert_string_equal(slots.floor, "2.0.0");
  assert_int_equal(state_check_floor(&rescue, NULL), BASE_OK);
}

static void an_image_without_a_board_file_has_no_floor(void **state) {
  (void)state;
  struct slots_state slots;
  state_init(&rescue, bootenv, board, true, NULL);
  assert_int_equal(load(&slots, NULL), BASE_OK);
  assert_string_equal(slots.floor, "");
  assert_int_equal(state_check_floor(&rescue, NULL), BASE_OK);
}

static void a_floor_that_can_not_be_read_is_not_taken_for_none(void **state) {
  (void)state;
  static const char *const texts[] = {
      "board test\nversion 2.1.0\nfloor two\n",
      "board test\nversion 2.1.0\nfloor\n",
      "board test\nversion 2.1.0\nfloor 2.0.0-that-is-much-too-long-for-a-version\n",
      "floor 2.0.0\n",
      "",
  };
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    struct slots_state slots;
    struct base_fault fault = {0};
    write_file(board, texts[i]);
    state_init(&rescue, bootenv, board, true, NULL);
    assert_int_equal(state_check_floor(&rescue, &fault), BASE_CONFLICT);
    assert_non_null(strstr(fault.text, board));
    base_fault_clear(&fault);
    assert_int_equal(load(&slots, &fault), BASE_CONFLICT);
    assert_non_null(strstr(fault.text, "not known"));
    close(rescue.grub.fd);
    // Nothing was stored: with a file that is right again its floor counts.
    write_file(board, "board test\nversion 2.1.0\nfloor 2.0.0\n");
    state_init(&rescue, bootenv, board, false, NULL);
    assert_int_equal(load(&slots, NULL), BASE_CORRUPT);
    close(rescue.grub.fd);
  }
  rescue.grub.fd = -1;
}

static void a_state_that_is_there_is_read_whatever_the_board_file_says(void **state) {
  (void)state;
  struct slots_state slots, stored;
  state_init(&rescue, bootenv, board, true, NULL);
  slots_reset(&stored, SLOTS_GOOD);
  strcpy(stored.floor, "1.5");
  assert_int_equal(rescue.loader.store(rescue.loader.self, &stored, NULL), BASE_OK);
  close(rescue.grub.fd);
  write_file(board, "floor two\n");
  state_init(&rescue, bootenv, board, true, NULL);
  assert_int_equal(load(&slots, NULL), BASE_OK);
  assert_string_equal(slots.floor, "1.5");
  assert_int_equal(state_check_floor(&rescue, NULL), BASE_CONFLICT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_lost_state_is_made_anew_with_the_floor_of_the_image),
      TEST(an_image_without_a_board_file_has_no_floor),
      TEST(a_floor_that_can_not_be_read_is_not_taken_for_none),
      TEST(a_state_that_is_there_is_read_whatever_the_board_file_says),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
