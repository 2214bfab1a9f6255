#include "state.h"

#include "temp_folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
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
  state_init(&rescue, bootenv, board, NULL, true, NULL);
  assert_int_equal(load(&slots, NULL), BASE_OK);
  assert_string_equal(slots.floor, "2.0.0");
  assert_int_equal(state_check_floor(&rescue, NULL), BASE_OK);
}

static enum slots_id first_with(const char *hint) {
  char path[128];
  struct slots_state slots;
  assert_int_equal(truncate(bootenv, 0) + truncate(bootenv, SLOTS_GRUB_BYTES), 0);
  if (hint) write_file(temp_folder_path(&folder, "system/" SLOTS_HEALTHY_FILE, path, sizeof path), hint);
  state_init(&rescue, bootenv, board, folder.path, true, NULL);
  assert_int_equal(load(&slots, NULL), BASE_OK);
  for (int slot = 0; slot < SLOTS_COUNT; slot++) assert_int_equal(slots.slots[slot].mark, SLOTS_UNTRIED);
  close(rescue.grub.fd);
  rescue.grub.fd = -1;
  return slots.first;
}

static void the_slot_that_was_healthy_last_is_tried_first_when_the_state_is_lost(void **state) {
  (void)state;
  char path[128];
  assert_int_equal(mkdir(temp_folder_path(&folder, "system", path, sizeof path), 0755), 0);
  assert_int_equal(first_with(NULL), SLOTS_A);
  assert_int_equal(first_with("B\n"), SLOTS_B);
  assert_int_equal(first_with("A\n"), SLOTS_A);
  assert_int_equal(first_with("B"), SLOTS_B);
  static const char *const damaged[] = {"", "\n", "C\n", "BB\n", "B much longer than a hint may be\n"};
  for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) assert_int_equal(first_with(damaged[i]), SLOTS_A);
}

static void an_image_without_a_board_file_has_no_floor(void **state) {
  (void)state;
  struct slots_state slots;
  state_init(&rescue, bootenv, board, NULL, true, NULL);
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
    state_init(&rescue, bootenv, board, NULL, true, NULL);
    assert_int_equal(state_check_floor(&rescue, &fault), BASE_CONFLICT);
    assert_non_null(strstr(fault.text, board));
    base_fault_clear(&fault);
    assert_int_equal(load(&slots, &fault), BASE_CONFLICT);
    assert_non_null(strstr(fault.text, "not known"));
    close(rescue.grub.fd);
    // Nothing was stored: with a file that is right again its floor counts.
    write_file(board, "board test\nversion 2.1.0\nfloor 2.0.0\n");
    state_init(&rescue, bootenv, board, NULL, false, NULL);
    assert_int_equal(load(&slots, NULL), BASE_CORRUPT);
    close(rescue.grub.fd);
  }
  rescue.grub.fd = -1;
}

static void a_state_that_is_there_is_read_whatever_the_board_file_says(void **state) {
  (void)state;
  struct slots_state slots, stored;
  state_init(&rescue, bootenv, board, NULL, true, NULL);
  slots_reset(&stored, SLOTS_GOOD);
  strcpy(stored.floor, "1.5");
  assert_int_equal(rescue.loader.store(rescue.loader.self, &stored, NULL), BASE_OK);
  close(rescue.grub.fd);
  write_file(board, "floor two\n");
  state_init(&rescue, bootenv, board, NULL, true, NULL);
  assert_int_equal(load(&slots, NULL), BASE_OK);
  assert_string_equal(slots.floor, "1.5");
  assert_int_equal(state_check_floor(&rescue, NULL), BASE_CONFLICT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_lost_state_is_made_anew_with_the_floor_of_the_image),
      TEST(the_slot_that_was_healthy_last_is_tried_first_when_the_state_is_lost),
      TEST(an_image_without_a_board_file_has_no_floor),
      TEST(a_floor_that_can_not_be_read_is_not_taken_for_none),
      TEST(a_state_that_is_there_is_read_whatever_the_board_file_says),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
