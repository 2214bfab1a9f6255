#include "gate.h"

#include "data.h"
#include "temp_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct slots_state kept;
static enum base_result load_result, store_result;
static unsigned stores;

static enum base_result load(void *self, struct slots_state *out, struct base_fault *fault) {
  (void)self;
  if (load_result != BASE_OK) return BASE_FAIL(fault, load_result, "", "the memory cannot be read");
  *out = kept;
  return BASE_OK;
}

static enum base_result store(void *self, const struct slots_state *state, struct base_fault *fault) {
  (void)self;
  if (store_result != BASE_OK) return BASE_FAIL(fault, store_result, "", "the memory cannot be written");
  assert_true(slots_is_valid(state));
  kept = *state;
  load_result = BASE_OK;
  stores++;
  return BASE_OK;
}

static struct system boxes;
static int bootenv = -1;  // only to be locked
static struct temp_folder folder;
static const struct arguments arguments = {
    .data = folder.path, .gate_ms = 1, .reboot_program = "/bin/true", .poweroff_program = "/bin/true"};

// Slot A runs, of version 2.0; both slots have this mark.
static struct system *begin(enum slots_mark a, enum slots_mark b) {
  struct system *system = &boxes;
  *system = (struct system){.arguments = &arguments,
                            .running = SLOTS_A,
                            .is_trial = a == SLOTS_UNTRIED,
                            .board = {.name = "test", .version = "2.0"},
                            .grub = {.fd = bootenv},
                            .loader = {.load = load, .store = store, .self = system}};
  pthread_mutex_init(&system->lock, NULL);
  slots_reset(&kept, SLOTS_BAD);
  kept.slots[SLOTS_A] = (struct slots_slot){.mark = a, .tries = a == SLOTS_BAD ? 0 : SLOTS_TRIES, .version = "2.0"};
  kept.slots[SLOTS_B] = (struct slots_slot){.mark = b, .tries = b == SLOTS_BAD ? 0 : SLOTS_TRIES, .version = "1.0"};
  load_result = store_result = BASE_OK;
  stores = 0;
  return system;
}

static bool pass(struct system *system) {
  struct base_fault fault = {0};
  const bool is_passed = gate_pass(system, &fault);
  assert_int_equal(is_passed, fault.text[0] == '\0');
  assert_int_equal(system->has_passed, is_passed);
  assert_false(system->is_changing && is_passed);
  return is_passed;
}

static void a_slot_on_trial_becomes_good(void **state) {
  (void)state;
  struct system *system = begin(SLOTS_UNTRIED, SLOTS_GOOD);
  strcpy(system->board.floor, "1.5");
  kept.slots[SLOTS_A].tries = 2;
  assert_true(pass(system));
  assert_int_equal(kept.slots[SLOTS_A].mark, SLOTS_GOOD);
  assert_int_equal(kept.slots[SLOTS_A].tries, SLOTS_TRIES);
  assert_string_equal(kept.floor, "1.5");
  assert_int_equal(system->health, SYSTEM_GOOD);
}

static void expect_hint(const char *wanted) {
  char hint[8];
  assert_int_equal(data_read(folder.path, SLOTS_HEALTHY_FILE, hint, sizeof(hint), NULL), BASE_OK);
  assert_string_equal(hint, wanted);
}

static void the_slot_that_is_healthy_is_noted_for_the_rescue_system(void **state) {
  (void)state;
  char path[128];
  struct stat first, second;
  temp_folder_path(&folder, SLOTS_HEALTHY_FILE, path, sizeof(path));
  (void)unlink(path);
  assert_true(pass(begin(SLOTS_UNTRIED, SLOTS_GOOD)));
  expect_hint("A\n");
  assert_int_equal(stat(path, &first), 0);
  assert_true(pass(begin(SLOTS_GOOD, SLOTS_GOOD)));
  assert_int_equal(stat(path, &second), 0);
  assert_int_equal(first.st_ino, second.st_ino);  // not written again
  struct system *system = begin(SLOTS_GOOD, SLOTS_GOOD);
  system->running = SLOTS_B;
  assert_true(pass(system));
  expect_hint("B\n");
}

static unsigned drafts(void) {
  unsigned count = 0;
  DIR *entries = opendir(folder.path);
  assert_non_null(entries);
  for (const struct dirent *entry; (entry = readdir(entries)) != NULL;) {
    if (strncmp(entry->d_name, ".draft", strlen(".draft")) == 0) count++;
  }
  closedir(entries);
  return count;
}

static void a_note_that_can_not_be_written_keeps_no_slot_from_being_good(void **state) {
  (void)state;
  char path[128], inside[128];
  temp_folder_path(&folder, SLOTS_HEALTHY_FILE, path, sizeof(path));
  temp_folder_path(&folder, SLOTS_HEALTHY_FILE "/file", inside, sizeof(inside));
  (void)unlink(path);
  assert_int_equal(mkdir(path, 0700), 0);
  assert_int_equal(mkdir(inside, 0700), 0);
  assert_true(pass(begin(SLOTS_UNTRIED, SLOTS_GOOD)));
  assert_int_equal(kept.slots[SLOTS_A].mark, SLOTS_GOOD);
  assert_int_equal(rmdir(inside) + rmdir(path), 0);
  assert_int_equal(drafts(), 0);
}

// The program was started again, and meanwhile an update waits for its first start.
static void what_waits_in_the_other_slot_stays_first(void **state) {
  (void)state;
  struct system *system = begin(SLOTS_GOOD, SLOTS_UNTRIED);
  kept.first = SLOTS_B;
  assert_true(pass(system));
  assert_int_equal(stores, 0);
  assert_int_equal(kept.first, SLOTS_B);
}

// The boot loader could not start the other slot.
static void a_slot_that_stood_in_becomes_the_first(void **state) {
  (void)state;
  struct system *system = begin(SLOTS_GOOD, SLOTS_UNTRIED);
  kept.first = SLOTS_B;
  kept.slots[SLOTS_B].tries = 1;
  kept.slots[SLOTS_A].tries = 2;
  assert_true(pass(system));
  assert_int_equal(kept.first, SLOTS_A);
  assert_int_equal(kept.slots[SLOTS_B].mark, SLOTS_UNTRIED);
}

static void a_good_slot_that_did_not_start_is_named_and_tried_once_more(void **state) {
  (void)state;
  struct system *system = begin(SLOTS_GOOD, SLOTS_GOOD);
  kept.first = SLOTS_B;
  kept.slots[SLOTS_B].tries = 0;
  kept.slots[SLOTS_A].tries = 2;
  assert_true(pass(system));
  assert_int_equal(kept.first, SLOTS_B);
  assert_int_equal(kept.slots[SLOTS_B].tries, 1);
  assert_string_equal(
      system->health_text,
      "slot B (version 1.0) did not start, and slot A runs in its place; the next restart tries it once more");
  system->is_data_full = true;
  system_say_good(system);
  assert_non_null(strstr(system->health_text, "the data partition is full; slot B"));
}

static void a_version_below_the_floor_is_named(void **state) {
  (void)state;
  struct system *system = begin(SLOTS_GOOD, SLOTS_BAD);
  kept.slots[SLOTS_A].tries = 2;
  strcpy(kept.floor, "2.1");
  assert_true(pass(system));
  assert_string_equal(system->health_text, "version 2.0 is below 2.1, the lowest that this box still takes");
}

// Chosen while it was still allowed: the gate does not stay shut over it.
static void a_choice_that_the_new_floor_excludes_is_dropped(void **state) {
  (void)state;
  struct system *system = begin(SLOTS_UNTRIED, SLOTS_GOOD);
  strcpy(system->board.floor, "1.5");
  system->has_choice = true;
  system->choice = SLOTS_B;
  assert_true(pass(system));
  assert_int_equal(kept.first, SLOTS_A);
  assert_string_equal(kept.floor, "1.5");
}

static void a_choice_is_kept(void **state) {
  (void)state;
  struct system *system = begin(SLOTS_UNTRIED, SLOTS_GOOD);
  system->has_choice = true;
  system->choice = SLOTS_B;
  assert_true(pass(system));
  assert_int_equal(kept.slots[SLOTS_A].mark, SLOTS_GOOD);
  assert_int_equal(kept.first, SLOTS_B);
}

static void a_good_slot_raises_the_floor_it_brings(void **state) {
  (void)state;
  struct system *system = begin(SLOTS_GOOD, SLOTS_BAD);
  strcpy(system->board.floor, "1.5");
  assert_true(pass(system));
  assert_string_equal(kept.floor, "1.5");
  system->has_passed = false;
  assert_true(pass(system));
  assert_int_equal(stores, 1);
}

static void damaged_memory_is_made_anew(void **state) {
  (void)state;
  struct system *system = begin(SLOTS_GOOD, SLOTS_GOOD);
  load_result = BASE_CORRUPT;
  assert_true(pass(system));
  assert_int_equal(kept.slots[SLOTS_A].mark, SLOTS_GOOD);
  assert_string_equal(kept.slots[SLOTS_A].version, "2.0");
  assert_int_equal(kept.slots[SLOTS_B].mark, SLOTS_BAD);
}

static void memory_that_fails_keeps_the_gate_shut(void **state) {
  (void)state;
  struct system *system = begin(SLOTS_UNTRIED, SLOTS_GOOD);
  store_result = BASE_IO;
  assert_false(pass(system));
  store_result = BASE_OK;
  load_result = BASE_IO;
  assert_false(pass(system));
  load_result = BASE_OK;
  kept.slots[SLOTS_A] = (struct slots_slot){.mark = SLOTS_BAD};
  assert_false(pass(system));
}

static void a_change_under_way_keeps_the_gate_shut(void **state) {
  (void)state;
  struct system *system = begin(SLOTS_UNTRIED, SLOTS_GOOD);
  assert_int_equal(system_begin_change(system, NULL), BASE_OK);
  assert_false(pass(system));
  assert_true(system->is_changing);
  system_end_change(system);
  assert_true(pass(system));
}

static void another_program_that_changes_the_slots_is_waited_for(void **state) {
  (void)state;
  struct system *system = begin(SLOTS_UNTRIED, SLOTS_GOOD);
  struct gate gate = {0};
  struct base_fault fault = {0};
  char path[64];
  snprintf(path, sizeof(path), "/proc/self/fd/%d", bootenv);
  const int other = open(path, O_RDWR);
  assert_int_equal(flock(other, LOCK_EX), 0);
  assert_false(pass(system));
  assert_int_equal(system_begin_change(system, &fault), BASE_LOCKED);
  assert_non_null(strstr(fault.text, "another program changes the slots"));
  gate_judge(system, &gate, "it does not answer");
  assert_false(gate.is_over);
  assert_int_equal(stores, 0);
  close(other);
  assert_int_equal(system_begin_change(system, NULL), BASE_OK);
  const int second = open(path, O_RDWR);
  assert_int_equal(flock(second, LOCK_EX | LOCK_NB), -1);
  system_end_change(system);
  assert_int_equal(flock(second, LOCK_EX | LOCK_NB), 0);
  close(second);
  assert_true(pass(system));
}

static void nothing_is_judged_before_its_time(void **state) {
  (void)state;
  struct system *system = begin(SLOTS_UNTRIED, SLOTS_GOOD);
  struct gate gate = {0};
  system->started_ms = base_clock_ms(base_clock_system()) + 100000;
  gate_judge(system, &gate, "it does not answer");
  assert_false(gate.is_over);
  assert_int_equal(stores, 0);
}

// Also when the first answer has come, and the looks at it have not been enough yet.
static void a_long_start_does_not_count(void **state) {
  (void)state;
  struct system *system = begin(SLOTS_UNTRIED, SLOTS_GOOD);
  struct gate gate = {0};
  system->progressed_ms = base_clock_ms(base_clock_system()) + 100000;
  gate_judge(system, &gate, "it does not answer");
  system->answered_ms = system->progressed_ms;
  gate_judge(system, &gate, "1 of 3 looks were good");
  assert_false(gate.is_over);
  assert_int_equal(stores, 0);
}

static void a_slot_on_trial_gives_way(void **state) {
  (void)state;
  struct system *system = begin(SLOTS_UNTRIED, SLOTS_GOOD);
  struct gate gate = {0};
  gate_judge(system, &gate, "it does not answer");
  assert_true(gate.is_over);
  assert_int_equal(kept.slots[SLOTS_A].mark, SLOTS_BAD);
  assert_int_equal(kept.first, SLOTS_B);
  assert_true(system->is_going_down && system->is_restarting);
  assert_int_equal(system->health, SYSTEM_FAILED);
}

static void a_slot_on_trial_stays_when_it_is_the_last(void **state) {
  (void)state;
  struct system *system = begin(SLOTS_UNTRIED, SLOTS_BAD);
  struct gate gate = {0};
  gate_judge(system, &gate, "it does not answer");
  assert_true(gate.is_over);
  assert_int_equal(stores, 0);
  assert_false(system->is_going_down);
  assert_non_null(strstr(system->health_text, "it does not answer; slot A is the only one that can boot"));
  gate_judge(system, &gate, "1 of 3 looks were good");
  assert_non_null(strstr(system->health_text, "1 of 3 looks were good; slot A is the only one that can boot"));
}

static void a_slot_on_trial_waits_for_a_change_under_way(void **state) {
  (void)state;
  struct system *system = begin(SLOTS_UNTRIED, SLOTS_GOOD);
  struct gate gate = {0};
  system->is_changing = true;
  gate_judge(system, &gate, "it does not answer");
  assert_false(gate.is_over);
  system->is_changing = false;
  gate_judge(system, &gate, "it does not answer");
  assert_true(gate.is_over);
}

static void a_good_slot_is_only_reported(void **state) {
  (void)state;
  struct system *system = begin(SLOTS_GOOD, SLOTS_GOOD);
  struct gate gate = {0};
  gate_judge(system, &gate, "it does not answer");
  assert_int_equal(system->health, SYSTEM_FAILED);
  assert_int_equal(stores, 0);
  assert_false(system->is_going_down);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_slot_on_trial_becomes_good),
      cmocka_unit_test(the_slot_that_is_healthy_is_noted_for_the_rescue_system),
      cmocka_unit_test(a_note_that_can_not_be_written_keeps_no_slot_from_being_good),
      cmocka_unit_test(what_waits_in_the_other_slot_stays_first),
      cmocka_unit_test(a_slot_that_stood_in_becomes_the_first),
      cmocka_unit_test(a_good_slot_that_did_not_start_is_named_and_tried_once_more),
      cmocka_unit_test(a_version_below_the_floor_is_named),
      cmocka_unit_test(a_choice_that_the_new_floor_excludes_is_dropped),
      cmocka_unit_test(a_choice_is_kept),
      cmocka_unit_test(a_good_slot_raises_the_floor_it_brings),
      cmocka_unit_test(damaged_memory_is_made_anew),
      cmocka_unit_test(memory_that_fails_keeps_the_gate_shut),
      cmocka_unit_test(a_change_under_way_keeps_the_gate_shut),
      cmocka_unit_test(another_program_that_changes_the_slots_is_waited_for),
      cmocka_unit_test(nothing_is_judged_before_its_time),
      cmocka_unit_test(a_long_start_does_not_count),
      cmocka_unit_test(a_slot_on_trial_gives_way),
      cmocka_unit_test(a_slot_on_trial_stays_when_it_is_the_last),
      cmocka_unit_test(a_slot_on_trial_waits_for_a_change_under_way),
      cmocka_unit_test(a_good_slot_is_only_reported),
  };
  bootenv = memfd_create("bootenv", MFD_CLOEXEC);
  temp_folder_make(&folder);
  const int failures = cmocka_run_group_tests(tests, NULL, NULL);
  temp_folder_remove(&folder);
  return failures;
}
