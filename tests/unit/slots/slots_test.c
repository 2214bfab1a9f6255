// Every transition from every state there is, against a loader in memory.
#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "slots/slots.h"

// A loader that keeps one state, or fails as it is told to.
struct memory {
  struct slots_state state;
  enum base_result load_result, store_result;
  int stores;
};

static enum base_result load(void *self, struct slots_state *out, struct base_fault *fault) {
  struct memory *memory = self;
  if (memory->load_result != BASE_OK) return BASE_FAIL(fault, memory->load_result, "memory", "not loaded");
  *out = memory->state;
  return BASE_OK;
}

static enum base_result store(void *self, const struct slots_state *state, struct base_fault *fault) {
  struct memory *memory = self;
  memory->stores++;
  if (!slots_is_valid(state)) return BASE_FAIL(fault, BASE_BAD_INPUT, "memory", "not valid");
  if (memory->store_result != BASE_OK) return BASE_FAIL(fault, memory->store_result, "memory", "not stored");
  memory->state = *state;
  return BASE_OK;
}

static struct slots_loader loader_of(struct memory *memory) {
  return (struct slots_loader){.load = load, .store = store, .self = memory};
}

enum { STATES = 2 * 2 * SLOTS_MARK_COUNT * SLOTS_MARK_COUNT * (SLOTS_TRIES + 1) * (SLOTS_TRIES + 1) };

static unsigned take(unsigned *number, unsigned base) {
  unsigned digit = *number % base;
  *number /= base;
  return digit;
}

// The `number`th of all states.
static struct slots_state state_of(unsigned number) {
  struct slots_state state = {.sequence = 40, .floor = "1.0"};
  state.first = (enum slots_id)take(&number, 2);
  state.wants_rescue = take(&number, 2) == 1;
  for (size_t i = 0; i < SLOTS_COUNT; i++) {
    state.slots[i].mark = (enum slots_mark)take(&number, SLOTS_MARK_COUNT);
    state.slots[i].tries = take(&number, SLOTS_TRIES + 1);
    strcpy(state.slots[i].version, i == 0 ? "1.1.0" : "1.2.0");
  }
  assert_int_equal(number, 0);
  assert_true(slots_is_valid(&state));
  return state;
}

static void assert_same(const struct slots_state *a, const struct slots_state *b) {
  assert_int_equal(a->sequence, b->sequence);
  assert_int_equal(a->first, b->first);
  assert_int_equal(a->wants_rescue, b->wants_rescue);
  assert_string_equal(a->floor, b->floor);
  for (size_t i = 0; i < SLOTS_COUNT; i++) {
    assert_int_equal(a->slots[i].mark, b->slots[i].mark);
    assert_int_equal(a->slots[i].tries, b->slots[i].tries);
    assert_string_equal(a->slots[i].version, b->slots[i].version);
  }
}

// What one state becomes: `act` gives the result, and `expected` is changed to what it should be after a success.
struct step {
  enum slots_id id;
  bool is_forced;
};
typedef enum base_result act(const struct slots_loader *loader, const struct step *step, struct base_fault *fault);
typedef enum base_result expect(struct slots_state *state, const struct step *step);

static void try_everywhere(act *do_it, expect *say) {
  for (unsigned number = 0; number < STATES; number++) {
    for (unsigned kind = 0; kind < 4; kind++) {
      const struct step step = {.id = (enum slots_id)(kind % 2), .is_forced = kind >= 2};
      struct memory memory = {.state = state_of(number)};
      struct slots_loader loader = loader_of(&memory);
      struct slots_state expected = memory.state;
      struct base_fault fault = {0};
      enum base_result wanted = say(&expected, &step);
      if (wanted == BASE_OK) expected.sequence++;
      assert_int_equal(do_it(&loader, &step, &fault), wanted);
      assert_int_equal(fault.result, wanted);
      assert_int_equal(memory.stores, wanted == BASE_OK);
      assert_same(&memory.state, &expected);

      // What the loader says comes out, and nothing has changed.
      struct memory broken = {.state = state_of(number), .load_result = BASE_CORRUPT};
      loader = loader_of(&broken);
      assert_int_equal(do_it(&loader, &step, NULL), BASE_CORRUPT);
      assert_int_equal(broken.stores, 0);
      broken = (struct memory){.state = state_of(number), .store_result = BASE_IO};
      loader = loader_of(&broken);
      assert_int_equal(do_it(&loader, &step, NULL), wanted == BASE_OK ? BASE_IO : wanted);
    }
  }
}

static bool can_boot(const struct slots_state *state, enum slots_id id) {
  return state->slots[id].mark != SLOTS_BAD && state->slots[id].tries > 0;
}

static enum base_result do_bad(const struct slots_loader *loader, const struct step *step, struct base_fault *fault) {
  return slots_mark_bad(loader, step->id, step->is_forced, fault);
}

static enum base_result say_bad(struct slots_state *state, const struct step *step) {
  enum slots_id other = step->id == SLOTS_A ? SLOTS_B : SLOTS_A;
  if (!step->is_forced && !can_boot(state, other)) return BASE_CONFLICT;
  state->slots[step->id] = (struct slots_slot){.mark = SLOTS_BAD};
  state->first = other;
  return BASE_OK;
}

static enum base_result do_written(const struct slots_loader *loader, const struct step *step,
                                   struct base_fault *fault) {
  return slots_mark_written(loader, step->id, "2.0.0-rc1", fault);
}

static enum base_result say_written(struct slots_state *state, const struct step *step) {
  state->slots[step->id] = (struct slots_slot){.mark = SLOTS_UNTRIED, .tries = SLOTS_TRIES, .version = "2.0.0-rc1"};
  state->first = step->id;
  state->wants_rescue = false;
  return BASE_OK;
}

static enum base_result do_good(const struct slots_loader *loader, const struct step *step, struct base_fault *fault) {
  return slots_mark_good(loader, step->id, step->is_forced ? "1.0.1" : "", fault);
}

static enum base_result say_good(struct slots_state *state, const struct step *step) {
  if (state->slots[step->id].mark == SLOTS_BAD) return BASE_CONFLICT;
  state->slots[step->id].mark = SLOTS_GOOD;
  state->slots[step->id].tries = SLOTS_TRIES;
  struct slots_slot *other = &state->slots[slots_other(step->id)];
  if (state->first != step->id && other->mark == SLOTS_GOOD && other->tries == 0) {
    *other = (struct slots_slot){.mark = SLOTS_UNTRIED, .tries = 1};
    strcpy(other->version, step->id == SLOTS_A ? "1.2.0" : "1.1.0");
  } else {
    state->first = step->id;
  }
  if (step->is_forced) strcpy(state->floor, "1.0.1");
  return BASE_OK;
}

static enum base_result do_choose(const struct slots_loader *loader, const struct step *step,
                                  struct base_fault *fault) {
  return slots_choose(loader, step->id, fault);
}

static enum base_result say_choose(struct slots_state *state, const struct step *step) {
  if (state->slots[step->id].mark == SLOTS_BAD) return BASE_CONFLICT;
  state->slots[step->id].tries = SLOTS_TRIES;
  state->first = step->id;
  state->wants_rescue = false;
  return BASE_OK;
}

static enum base_result do_rescue(const struct slots_loader *loader, const struct step *step,
                                  struct base_fault *fault) {
  return slots_ask_rescue(loader, step->is_forced, fault);
}

static enum base_result say_rescue(struct slots_state *state, const struct step *step) {
  state->wants_rescue = step->is_forced;
  return BASE_OK;
}

static enum base_result do_rearm(const struct slots_loader *loader, const struct step *step, struct base_fault *fault) {
  (void)step;
  return slots_rearm(loader, fault);
}

static enum base_result say_rearm(struct slots_state *state, const struct step *step) {
  (void)step;
  for (size_t i = 0; i < SLOTS_COUNT; i++) {
    state->slots[i].tries = state->slots[i].mark == SLOTS_BAD ? 0 : SLOTS_TRIES;
  }
  return BASE_OK;
}

static void transitions_are_right_from_every_state(void **state) {
  (void)state;
  try_everywhere(do_bad, say_bad);
  try_everywhere(do_written, say_written);
  try_everywhere(do_good, say_good);
  try_everywhere(do_choose, say_choose);
  try_everywhere(do_rescue, say_rescue);
  try_everywhere(do_rearm, say_rearm);
}

static void next_is_first_then_other_then_rescue(void **state) {
  (void)state;
  for (unsigned number = 0; number < STATES; number++) {
    struct slots_state one = state_of(number);
    enum slots_id next, other = slots_other(one.first);
    bool is_slot = slots_next(&one, &next);
    assert_int_equal(is_slot, !one.wants_rescue && (can_boot(&one, one.first) || can_boot(&one, other)));
    if (is_slot) assert_int_equal(next, can_boot(&one, one.first) ? one.first : other);
    assert_int_equal(slots_is_bootable(&one, SLOTS_A), can_boot(&one, SLOTS_A));
  }
}

// A bad update: written, three boots that did not come to slots_mark_good, and back to the slot before it.
static void three_failed_boots_lead_back_to_the_old_slot(void **state) {
  (void)state;
  struct memory memory = {0};
  struct slots_loader loader = loader_of(&memory);
  slots_reset(&memory.state, SLOTS_GOOD);
  assert_int_equal(slots_mark_bad(&loader, SLOTS_B, false, NULL), BASE_OK);
  assert_int_equal(slots_mark_written(&loader, SLOTS_B, "1.1.0", NULL), BASE_OK);
  for (int boot = 0; boot < SLOTS_TRIES; boot++) {
    enum slots_id next;
    assert_true(slots_next(&memory.state, &next));
    assert_int_equal(next, SLOTS_B);
    memory.state.slots[SLOTS_B].tries--;  // the boot loader's part
  }
  enum slots_id next;
  assert_true(slots_next(&memory.state, &next));
  assert_int_equal(next, SLOTS_A);
  assert_int_equal(slots_mark_good(&loader, SLOTS_A, "", NULL), BASE_OK);
  assert_int_equal(memory.state.slots[SLOTS_B].tries, 0);
  assert_int_equal(memory.state.first, SLOTS_A);
}

// What the boot loader does, as long as no boot comes to slots_mark_good.
static enum slots_id boot(struct memory *memory) {
  enum slots_id next;
  assert_true(slots_next(&memory->state, &next));
  memory->state.slots[next].tries--;
  return next;
}

// Three short power cuts, then the other slot: the good one that they took gets one more start, and only one.
static void a_good_slot_without_tries_gets_one_more_start(void **state) {
  (void)state;
  for (int works = 0; works < 2; works++) {
    struct memory memory = {0};
    struct slots_loader loader = loader_of(&memory);
    slots_reset(&memory.state, SLOTS_GOOD);
    for (int i = 0; i < SLOTS_TRIES; i++) assert_int_equal(boot(&memory), SLOTS_A);
    assert_int_equal(boot(&memory), SLOTS_B);
    assert_int_equal(slots_mark_good(&loader, SLOTS_B, "", NULL), BASE_OK);
    assert_int_equal(boot(&memory), SLOTS_A);
    if (works) {
      assert_int_equal(slots_mark_good(&loader, SLOTS_A, "", NULL), BASE_OK);
      assert_int_equal(memory.state.first, SLOTS_A);
      assert_int_equal(memory.state.slots[SLOTS_A].mark, SLOTS_GOOD);
      continue;
    }
    for (int i = 0; i < 2; i++) {
      assert_int_equal(boot(&memory), SLOTS_B);
      assert_int_equal(slots_mark_good(&loader, SLOTS_B, "", NULL), BASE_OK);
      assert_int_equal(memory.state.first, SLOTS_B);
    }
  }
}

static void below_the_floor_nothing_is_chosen_or_tried_again(void **state) {
  (void)state;
  struct memory memory = {0};
  struct slots_loader loader = loader_of(&memory);
  struct base_fault fault = {0};
  slots_reset(&memory.state, SLOTS_GOOD);
  strcpy(memory.state.slots[SLOTS_A].version, "1.0.0");
  assert_int_equal(slots_choose(&loader, SLOTS_A, NULL), BASE_OK);
  memory.state.slots[SLOTS_A].tries = 0;
  assert_int_equal(slots_mark_good(&loader, SLOTS_B, "2.0.0", NULL), BASE_OK);
  assert_int_equal(memory.state.first, SLOTS_B);
  assert_int_equal(memory.state.slots[SLOTS_A].tries, 0);
  assert_int_equal(slots_choose(&loader, SLOTS_A, &fault), BASE_CONFLICT);
  assert_string_equal(fault.text,
                      "slot A has version 1.0.0: that is below 2.0.0, the lowest that this box still takes");
  assert_int_equal(slots_choose(&loader, SLOTS_B, NULL), BASE_OK);
  strcpy(memory.state.slots[SLOTS_A].version, "2.0");
  assert_int_equal(slots_choose(&loader, SLOTS_A, NULL), BASE_OK);
}

static void the_floor_rises_and_never_falls(void **state) {
  (void)state;
  static const struct {
    const char *old, *given, *after;
  } ROWS[] = {{"", "", ""},
              {"", "1.0", "1.0"},
              {"1.0", "", "1.0"},
              {"1.0", "0.9.9", "1.0"},
              {"1.0", "1.0.0", "1.0"},
              {"1.0", "1.0-rc1", "1.0"},
              {"1.0-rc1", "1.0", "1.0"},
              {"1.9", "1.10", "1.10"}};
  for (size_t i = 0; i < sizeof(ROWS) / sizeof(*ROWS); i++) {
    struct memory memory = {0};
    struct slots_loader loader = loader_of(&memory);
    slots_reset(&memory.state, SLOTS_GOOD);
    strcpy(memory.state.floor, ROWS[i].old);
    assert_int_equal(slots_mark_good(&loader, SLOTS_A, ROWS[i].given, NULL), BASE_OK);
    assert_string_equal(memory.state.floor, ROWS[i].after);
  }
}

static void words_that_are_no_versions_are_refused(void **state) {
  (void)state;
  struct memory memory = {0};
  struct slots_loader loader = loader_of(&memory);
  slots_reset(&memory.state, SLOTS_GOOD);
  struct base_fault fault = {0};
  assert_int_equal(slots_mark_written(&loader, SLOTS_B, "", &fault), BASE_BAD_INPUT);
  assert_int_equal(slots_mark_written(&loader, SLOTS_B, "1\nA_MARK=good", NULL), BASE_BAD_INPUT);
  assert_int_equal(slots_mark_good(&loader, SLOTS_B, "one", NULL), BASE_BAD_INPUT);
  assert_string_equal(fault.text, "'' is no version like 1.2.3 or 1.2.3-rc1");
  assert_int_equal(memory.stores, 0);
}

static void the_last_sequence_is_refused_and_changes_nothing(void **state) {
  (void)state;
  struct memory memory = {0};
  struct slots_loader loader = loader_of(&memory);
  slots_reset(&memory.state, SLOTS_GOOD);
  memory.state.sequence = SLOTS_MAX_SEQUENCE - 1;
  assert_int_equal(slots_choose(&loader, SLOTS_B, NULL), BASE_OK);
  struct slots_state last = memory.state;
  assert_int_equal(slots_choose(&loader, SLOTS_A, NULL), BASE_BAD_INPUT);
  assert_same(&memory.state, &last);
}

static void a_conflict_says_why(void **state) {
  (void)state;
  struct memory memory = {0};
  struct slots_loader loader = loader_of(&memory);
  slots_reset(&memory.state, SLOTS_BAD);
  memory.state.slots[SLOTS_A] = (struct slots_slot){.mark = SLOTS_GOOD, .tries = 2};
  struct base_fault fault = {0};
  assert_int_equal(slots_mark_bad(&loader, SLOTS_A, false, &fault), BASE_CONFLICT);
  assert_string_equal(fault.text, "slot A is the only one that can boot: slot B is bad with 0 tries left");
  fault = (struct base_fault){0};
  assert_int_equal(slots_choose(&loader, SLOTS_B, &fault), BASE_CONFLICT);
  assert_string_equal(fault.text, "slot B is bad: nothing whole is installed there");
}

static void names_and_marks_are_read_as_written(void **state) {
  (void)state;
  for (int i = 0; i < SLOTS_COUNT; i++) {
    enum slots_id id;
    assert_true(slots_parse_name(slots_name((enum slots_id)i), &id));
    assert_int_equal(id, i);
  }
  for (int i = 0; i < SLOTS_MARK_COUNT; i++) {
    enum slots_mark mark;
    assert_true(slots_parse_mark(slots_mark_name((enum slots_mark)i), &mark));
    assert_int_equal(mark, i);
  }
  enum slots_id id;
  enum slots_mark mark;
  assert_false(slots_parse_name("a", &id));
  assert_false(slots_parse_name("", &id));
  assert_false(slots_parse_name("C", &id));
  assert_false(slots_parse_mark("GOOD", &mark));
}

static void states_out_of_range_are_not_valid(void **state) {
  (void)state;
  const struct slots_state fine = state_of(7);
  struct slots_state one = fine;
  one.sequence = 0;
  assert_false(slots_is_valid(&one));
  one.sequence = (uint64_t)SLOTS_MAX_SEQUENCE + 1;
  assert_false(slots_is_valid(&one));
  one = fine;
  one.slots[SLOTS_B].tries = SLOTS_TRIES + 1;
  assert_false(slots_is_valid(&one));
  one = fine;
  strcpy(one.slots[SLOTS_A].version, "x");
  assert_false(slots_is_valid(&one));
  one = fine;
  strcpy(one.floor, "1.2.3.4");
  assert_false(slots_is_valid(&one));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(transitions_are_right_from_every_state),
      cmocka_unit_test(next_is_first_then_other_then_rescue),
      cmocka_unit_test(three_failed_boots_lead_back_to_the_old_slot),
      cmocka_unit_test(a_good_slot_without_tries_gets_one_more_start),
      cmocka_unit_test(below_the_floor_nothing_is_chosen_or_tried_again),
      cmocka_unit_test(the_floor_rises_and_never_falls),
      cmocka_unit_test(words_that_are_no_versions_are_refused),
      cmocka_unit_test(the_last_sequence_is_refused_and_changes_nothing),
      cmocka_unit_test(a_conflict_says_why),
      cmocka_unit_test(names_and_marks_are_read_as_written),
      cmocka_unit_test(states_out_of_range_are_not_valid),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
