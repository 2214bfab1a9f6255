// The slots as the rescue program sees and changes them. May be used by the network's thread and the installing one.
#ifndef RESCUE_STATE_H
#define RESCUE_STATE_H

#include <pthread.h>

#include "base/json.h"
#include "base/log.h"
#include "slots/grub.h"

struct state {
  const char *bootenv, *data;
  bool is_alone;
  struct base_log *log;
  char floor[SLOTS_MAX_VERSION + 1];        // of the image that this program came with; empty: none
  char floor_fault[BASE_FAULT_TEXT_BYTES];  // why that is not known; empty: it is
  struct slots_grub grub;                   // not open yet: -1
  struct slots_loader disk;                 // not locked
  pthread_mutex_t lock;
  struct slots_loader loader;  // the same, one at a time: what everybody uses
};

// Opens the boot environment (a path that lives as long); while that can not be done each use tries again. When no copy
// of the state can be read a new one is stored, in which both slots may be tried, first the one that was healthy last
// (SLOTS_HEALTHY_FILE in the folder "system" of `data`, a path as well; NULL: nobody knows); but not beside a system
// that runs (`is_alone` false). `board_file` (slots/board.h) has the image's own floor: what was remembered may be
// lost. It need not exist; but without a floor that can be read no new state is stored.
void state_init(struct state *state, const char *bootenv, const char *board_file, const char *data, bool is_alone,
                struct base_log *log);
// Around each change, and for all of an install: on a system that runs, its own agent changes the slots too (flock).
// BASE_LOCKED when it does just now. Not nested.
enum base_result state_hold(struct state *state, struct base_fault *fault) BASE_CHECKED;
void state_release(struct state *state);
// BASE_CONFLICT when a slot ("A" or "B"; NULL: none) runs that has not passed its health check since it was started:
// the other one may be the last that works, and what is chosen now would be undone. Under state_hold.
enum base_result state_check_running(struct state *state, const char *running, struct base_fault *fault) BASE_CHECKED;
// BASE_CONFLICT when the image's own floor cannot be read: nothing may be installed then.
enum base_result state_check_floor(const struct state *state, struct base_fault *fault) BASE_CHECKED;
// The version of a slot ("A" or "B"; `out` has SLOTS_MAX_VERSION + 1); empty when it is not known.
void state_version(struct state *state, const char *name, char *out);
// Writes the members "slots", "next", "floor"; or "slots_fault" when the state can not be read. `running`: "A", "B" or
// NULL.
void state_write(struct state *state, const char *running, struct base_json_writer *json);

#endif
