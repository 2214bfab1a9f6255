// The two system slots, A and B: which one boots next, how often it may still try, and which one is known to be good.
//
// A slot is a boot partition (kernel, initramfs, parameters) and a root partition (squashfs with its hash tree). The
// boot loader tries `first`, then the other one: it picks the first that is not bad and has tries left, takes one try
// away and boots it; when there is none it starts the rescue system. A slot that has proven itself healthy gets its
// tries back (slots_mark_good), so a good slot too is given up after SLOTS_TRIES boots in a row that did not come that
// far.
//
// The state lives where the boot loader can read and write it, behind `struct slots_loader`: slots/grub.h today.
// Not thread-safe: one process changes it (the `system` program, or the rescue system).
#ifndef SLOTS_SLOTS_H
#define SLOTS_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/result.h"

enum { SLOTS_TRIES = 3, SLOTS_MAX_VERSION = 31, SLOTS_MAX_SEQUENCE = 999999999 };

// In the system's folder of the data partition: "A" or "B", the slot that was healthy last. Only a hint, for the day on
// which the boot loader's memory is lost.
#define SLOTS_HEALTHY_FILE "healthy"

enum slots_id { SLOTS_A, SLOTS_B, SLOTS_COUNT };

enum slots_mark {
  SLOTS_BAD,      // empty, being written or given up by somebody: never booted
  SLOTS_UNTRIED,  // written whole, not yet seen healthy
  SLOTS_GOOD,
  SLOTS_MARK_COUNT
};

struct slots_slot {
  enum slots_mark mark;
  unsigned tries;                       // 0..SLOTS_TRIES that are left
  char version[SLOTS_MAX_VERSION + 1];  // what was installed; empty: unknown
};

struct slots_state {
  uint64_t sequence;    // 1..SLOTS_MAX_SEQUENCE; grows with every change that is stored
  enum slots_id first;  // is tried before the other one
  struct slots_slot slots[SLOTS_COUNT];
  bool wants_rescue;                  // the next boot, and only that, is the rescue system's
  char floor[SLOTS_MAX_VERSION + 1];  // no bundle of a lower version is installed; empty: none
};

// A boot loader's memory. `load` reads the newest whole copy; BASE_CORRUPT when there is none. `store` is durable when
// it returns, and whatever happens on the way `load` (and the boot loader) finds either the old state or the new one.
struct slots_loader {
  enum base_result (*load)(void *self, struct slots_state *out, struct base_fault *fault);
  enum base_result (*store)(void *self, const struct slots_state *state, struct base_fault *fault);
  void *self;
};

const char *slots_name(enum slots_id id);  // "A", "B"
bool slots_parse_name(const char *name, enum slots_id *out) BASE_CHECKED;
enum slots_id slots_other(enum slots_id id);
const char *slots_mark_name(enum slots_mark mark);  // "bad", "untried", "good"
bool slots_parse_mark(const char *name, enum slots_mark *out) BASE_CHECKED;
// Not bad, and with tries left.
bool slots_is_bootable(const struct slots_state *state, enum slots_id id);
// The one that the boot loader would pick now; false: the rescue system.
bool slots_next(const struct slots_state *state, enum slots_id *out);
// Its version is known and below the floor.
bool slots_is_below_floor(const struct slots_state *state, enum slots_id id);
// Marks, tries, versions, floor and sequence are what they may be.
bool slots_is_valid(const struct slots_state *state);

// A state that boots A, and B after it: for a new disk, and when no copy can be read (`mark` of both). Only in memory:
// store it with the loader's `store`.
void slots_reset(struct slots_state *out, enum slots_mark mark);

// Each reads the state, changes it and stores it (sequence + 1). BASE_CORRUPT: no copy can be read (the rescue system
// may then store a slots_reset); BASE_IO, and what else the loader says.
// Before the first byte of a slot is written: it is bad, and the other one first, until slots_mark_written. The other
// one must be bootable (BASE_CONFLICT), unless `is_forced` (rescue).
enum base_result slots_mark_bad(const struct slots_loader *loader, enum slots_id id, bool is_forced,
                                struct base_fault *fault) BASE_CHECKED;
// All of it is on the disk and was read back: untried, all tries, first, and no rescue asked for. BASE_BAD_INPUT for a
// version that is none.
enum base_result slots_mark_written(const struct slots_loader *loader, enum slots_id id, const char *version,
                                    struct base_fault *fault) BASE_CHECKED;
// The running slot is healthy: good, all tries, first; but one that was good, should have started and has no tries left
// stays the first, untried and with one try, for the next boot. `floor` (may be empty) is raised to, never lowered.
// BASE_BAD_INPUT for a floor that is no version; BASE_CONFLICT when the slot is bad: somebody writes it.
enum base_result slots_mark_good(const struct slots_loader *loader, enum slots_id id, const char *floor,
                                 struct base_fault *fault) BASE_CHECKED;
// Somebody's choice for the next boot: first, all tries again, and no rescue asked for. BASE_CONFLICT when it is bad or
// below the floor.
enum base_result slots_choose(const struct slots_loader *loader, enum slots_id id,
                              struct base_fault *fault) BASE_CHECKED;
// The next boot is the rescue system's, once; or, when not `is_wanted`, no longer.
enum base_result slots_ask_rescue(const struct slots_loader *loader, bool is_wanted,
                                  struct base_fault *fault) BASE_CHECKED;
// All tries again for every slot that is not bad (rescue, after ten idle minutes: power cycles must not drain both).
enum base_result slots_rearm(const struct slots_loader *loader, struct base_fault *fault) BASE_CHECKED;

// Versions: "1.2.3", 1 to 3 numbers of at most 5 digits, without leading zeros, then perhaps "-" and 1 to 12 of
// [a-z0-9.] (before the release). <0, 0, >0 by the numbers ("1.2" is "1.2.0"), then the release after what is before
// it, then by text. Both must be valid.
bool slots_version_is_valid(const char *version);
int slots_version_compare(const char *a, const char *b);

#endif
