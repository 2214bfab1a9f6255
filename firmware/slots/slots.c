#include "slots/slots.h"

#include <stdio.h>
#include <string.h>

static const char *const NAMES[SLOTS_COUNT] = {"A", "B"};
static const char *const MARKS[SLOTS_MARK_COUNT] = {"bad", "untried", "good"};

static bool find_word(const char *const *words, int count, const char *word, int *out) {
  for (*out = 0; *out < count; ++*out) {
    if (strcmp(words[*out], word) == 0) return true;
  }
  return false;
}

const char *slots_name(enum slots_id id) { return NAMES[id]; }

bool slots_parse_name(const char *name, enum slots_id *out) {
  int found;
  if (!find_word(NAMES, SLOTS_COUNT, name, &found)) return false;
  *out = (enum slots_id)found;
  return true;
}

enum slots_id slots_other(enum slots_id id) { return id == SLOTS_A ? SLOTS_B : SLOTS_A; }

const char *slots_mark_name(enum slots_mark mark) { return MARKS[mark]; }

bool slots_parse_mark(const char *name, enum slots_mark *out) {
  int found;
  if (!find_word(MARKS, SLOTS_MARK_COUNT, name, &found)) return false;
  *out = (enum slots_mark)found;
  return true;
}

bool slots_is_bootable(const struct slots_state *state, enum slots_id id) {
  return state->slots[id].mark != SLOTS_BAD && state->slots[id].tries > 0;
}

bool slots_next(const struct slots_state *state, enum slots_id *out) {
  if (state->wants_rescue) return false;
  *out = slots_is_bootable(state, state->first) ? state->first : slots_other(state->first);
  return slots_is_bootable(state, *out);
}

static bool is_version_or_empty(const char *text) { return *text == '\0' || slots_version_is_valid(text); }

bool slots_is_valid(const struct slots_state *state) {
  if (state->sequence < 1 || state->sequence > SLOTS_MAX_SEQUENCE) return false;
  if ((unsigned)state->first >= SLOTS_COUNT || !is_version_or_empty(state->floor)) return false;
  for (size_t i = 0; i < SLOTS_COUNT; i++) {
    const struct slots_slot *slot = &state->slots[i];
    if ((unsigned)slot->mark >= SLOTS_MARK_COUNT || slot->tries > SLOTS_TRIES) return false;
    if (!is_version_or_empty(slot->version)) return false;
  }
  return true;
}

bool slots_is_below_floor(const struct slots_state *state, enum slots_id id) {
  const char *version = state->slots[id].version;
  return *version != '\0' && state->floor[0] != '\0' && slots_version_compare(version, state->floor) < 0;
}

static unsigned full_tries(enum slots_mark mark) { return mark == SLOTS_BAD ? 0 : SLOTS_TRIES; }

static void set_mark(struct slots_slot *slot, enum slots_mark mark) {
  slot->mark = mark;
  slot->tries = full_tries(mark);
}

void slots_reset(struct slots_state *out, enum slots_mark mark) {
  *out = (struct slots_state){.sequence = 1, .first = SLOTS_A};
  for (size_t i = 0; i < SLOTS_COUNT; i++) set_mark(&out->slots[i], mark);
}

static enum base_result load(const struct slots_loader *loader, struct slots_state *out, struct base_fault *fault) {
  return loader->load(loader->self, out, fault);
}

static enum base_result store(const struct slots_loader *loader, struct slots_state *state, struct base_fault *fault) {
  state->sequence++;
  return loader->store(loader->self, state, fault);
}

enum base_result slots_mark_bad(const struct slots_loader *loader, enum slots_id id, bool is_forced,
                                struct base_fault *fault) {
  struct slots_state state;
  enum base_result result = load(loader, &state, fault);
  if (result != BASE_OK) return result;
  enum slots_id other = slots_other(id);
  if (!is_forced && !slots_is_bootable(&state, other)) {
    return BASE_FAIL(fault, BASE_CONFLICT, slots_name(id),
                     "slot %s is the only one that can boot: slot %s is %s with %u tries left", slots_name(id),
                     slots_name(other), slots_mark_name(state.slots[other].mark), state.slots[other].tries);
  }
  set_mark(&state.slots[id], SLOTS_BAD);
  state.slots[id].version[0] = '\0';
  state.first = other;
  return store(loader, &state, fault);
}

enum base_result slots_mark_written(const struct slots_loader *loader, enum slots_id id, const char *version,
                                    struct base_fault *fault) {
  if (!slots_version_is_valid(version)) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "version", "'%.40s' is no version like 1.2.3 or 1.2.3-rc1", version);
  }
  struct slots_state state;
  enum base_result result = load(loader, &state, fault);
  if (result != BASE_OK) return result;
  set_mark(&state.slots[id], SLOTS_UNTRIED);
  snprintf(state.slots[id].version, sizeof(state.slots[id].version), "%s", version);
  state.first = id;
  state.wants_rescue = false;
  return store(loader, &state, fault);
}

static enum base_result conflict_bad(enum slots_id id, struct base_fault *fault) {
  return BASE_FAIL(fault, BASE_CONFLICT, slots_name(id), "slot %s is bad: nothing whole is installed there",
                   slots_name(id));
}

enum base_result slots_mark_good(const struct slots_loader *loader, enum slots_id id, const char *floor,
                                 struct base_fault *fault) {
  if (!is_version_or_empty(floor)) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "floor", "'%.40s' is no version like 1.2.3 or 1.2.3-rc1", floor);
  }
  struct slots_state state;
  enum base_result result = load(loader, &state, fault);
  if (result != BASE_OK) return result;
  if (state.slots[id].mark == SLOTS_BAD) return conflict_bad(id, fault);
  set_mark(&state.slots[id], SLOTS_GOOD);
  if (*floor != '\0' && (state.floor[0] == '\0' || slots_version_compare(floor, state.floor) > 0)) {
    snprintf(state.floor, sizeof(state.floor), "%s", floor);
  }
  // This one may only stand in for a good one, which perhaps had no worse than three short power cuts: that gets one
  // try more. Untried, so that there is no second time.
  struct slots_slot *first = &state.slots[state.first];
  if (state.first != id && first->mark == SLOTS_GOOD && first->tries == 0 &&
      !slots_is_below_floor(&state, state.first)) {
    first->mark = SLOTS_UNTRIED;
    first->tries = 1;
  } else {
    state.first = id;
  }
  return store(loader, &state, fault);
}

enum base_result slots_choose(const struct slots_loader *loader, enum slots_id id, struct base_fault *fault) {
  struct slots_state state;
  enum base_result result = load(loader, &state, fault);
  if (result != BASE_OK) return result;
  if (state.slots[id].mark == SLOTS_BAD) return conflict_bad(id, fault);
  if (slots_is_below_floor(&state, id)) {
    return BASE_FAIL(fault, BASE_CONFLICT, slots_name(id),
                     "slot %s has version %s: that is below %s, the lowest that this box still takes", slots_name(id),
                     state.slots[id].version, state.floor);
  }
  state.slots[id].tries = SLOTS_TRIES;
  state.first = id;
  state.wants_rescue = false;
  return store(loader, &state, fault);
}

enum base_result slots_ask_rescue(const struct slots_loader *loader, bool is_wanted, struct base_fault *fault) {
  struct slots_state state;
  enum base_result result = load(loader, &state, fault);
  if (result != BASE_OK) return result;
  state.wants_rescue = is_wanted;
  return store(loader, &state, fault);
}

enum base_result slots_rearm(const struct slots_loader *loader, struct base_fault *fault) {
  struct slots_state state;
  enum base_result result = load(loader, &state, fault);
  if (result != BASE_OK) return result;
  for (size_t i = 0; i < SLOTS_COUNT; i++) state.slots[i].tries = full_tries(state.slots[i].mark);
  return store(loader, &state, fault);
}
