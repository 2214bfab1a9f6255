// The slots as the rescue program sees and changes them. May be used by the network's thread and the installing one.
#ifndef RESCUE_STATE_H
#define RESCUE_STATE_H

#include <pthread.h>

#include "base/json.h"
#include "base/log.h"
#include "slots/grub.h"

struct state {
  struct slots_grub grub;
  struct slots_loader disk;  // not locked
  pthread_mutex_t lock;
  struct slots_loader loader;  // the same, one at a time: what everybody uses
};

// Opens the boot environment. When no copy of the state can be read a new one is stored, in which both slots may be
// tried.
enum base_result state_open(struct state *state, const char *bootenv, struct base_log *log,
                            struct base_fault *fault) BASE_CHECKED;
// Writes the members "slots", "next", "floor"; or "slots_fault" when the state can not be read. `running`: "A", "B" or
// NULL.
void state_write(struct state *state, const char *running, struct base_json_writer *json);

#endif
