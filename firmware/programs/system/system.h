// What all of pixpop-system shares: what runs, what is being installed, how healthy it is.
#ifndef SYSTEM_SYSTEM_H
#define SYSTEM_SYSTEM_H

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "arguments.h"
#include "base/log.h"
#include "board.h"
#include "slots/grub.h"
#include "update/install.h"

enum system_health { SYSTEM_WAITING, SYSTEM_GOOD, SYSTEM_FAILING, SYSTEM_FAILED };

struct system {
  const struct arguments *arguments;
  struct base_log *log;
  struct board board;
  enum slots_id running;
  struct slots_grub grub;
  struct slots_loader loader;
  uid_t user;  // beside root: who may ask
  gid_t group;
  bool has_user;
  char probe[PATH_MAX];
  atomic_bool is_stopping;

  pthread_mutex_t change;  // held while the slots' state, or a slot, is being changed

  pthread_mutex_t lock;  // of what follows
  bool is_installing;
  struct update_progress progress;
  bool has_progress;  // of an update since the start
  char failure[BASE_FAULT_TEXT_BYTES];
  enum system_health health;
  char health_text[BASE_FAULT_TEXT_BYTES];
};

void system_set_health(struct system *system, enum system_health health, const char *text);
// The lock for changes, at once or BASE_LOCKED.
enum base_result system_begin_change(struct system *system, struct base_fault *fault) BASE_CHECKED;
void system_end_change(struct system *system);

#endif
