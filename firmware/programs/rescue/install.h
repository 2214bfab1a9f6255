// An update on its way from the network to a slot: a thread of its own writes to the disk, so that the network goes on
// meanwhile. Between the two is a ring of fixed size.
//
// All functions are for the network's thread.
#ifndef RESCUE_INSTALL_H
#define RESCUE_INSTALL_H

#include "base/json.h"
#include "base/log.h"
#include "state.h"
#include "update/install.h"

enum { INSTALL_RING_BYTES = 1 << 20 };

struct install_config {
  struct state *state;
  const char *keys;  // folder
  const char *board;
  const char *running;  // slot, or NULL
  const char *devices[SLOTS_COUNT][UPDATE_PARTS];
  struct base_log *log;
};

struct install;

enum base_result install_create(const struct install_config *config, struct install **out,
                                struct base_fault *fault) BASE_CHECKED;
// Becomes readable when there is room again, or the end.
int install_wake_fd(const struct install *install);
void install_take_wake(struct install *install);

// Begins with an upload of a bundle. BASE_LOCKED while another one goes on; BASE_CONFLICT for the running slot,
// and while that has not proven healthy;
// BASE_NOT_FOUND and others when there are no keys.
enum base_result install_begin(struct install *install, enum slots_id slot, bool allows_older,
                               struct base_fault *fault) BASE_CHECKED;
// How much of `bytes` found room.
size_t install_put(struct install *install, struct base_span bytes);
// How much would find room now.
size_t install_room(struct install *install);
// The upload is complete, or was cut off.
void install_end(struct install *install, bool is_whole);
// True while an upload is under way or being checked.
bool install_is_busy(struct install *install);
// After the end: the result, with its fault.
enum base_result install_result(struct install *install, struct base_fault *fault);
// Writes the member "install": what goes on, or how the last one ended; null when there was none. Its "number" counts
// them, so that who begins one knows the end of an earlier one from its own.
void install_write(struct install *install, struct base_json_writer *json);

#endif
