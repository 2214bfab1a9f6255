// What all of pixpop-system shares: what runs, what is being changed, how healthy it is.
//
// Threads: the agent's (main) speaks with clients and feeds the watchdog; the health thread looks and judges; one
// thread a change. What they share lies under `lock`; the slots' state is read and written through `loader`, which has
// a lock of its own, so that the agent never sees half of it.
#ifndef SYSTEM_SYSTEM_H
#define SYSTEM_SYSTEM_H

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "arguments.h"
#include "base/log.h"
#include "slots/board.h"
#include "slots/grub.h"
#include "update/install.h"

enum system_health { SYSTEM_WAITING, SYSTEM_GOOD, SYSTEM_FAILING, SYSTEM_FAILED };

struct system {
  const struct arguments *arguments;
  struct base_log *log;
  struct slots_board board;
  enum slots_id running;
  bool is_trial;  // it has not been seen healthy before
  uint64_t started_ms;
  bool has_user;  // --user exists; else only root (and whoever this program runs as) may ask
  uid_t user;
  gid_t group;
  char boot[40];  // the kernel's boot id
  char probe[PATH_MAX];
  atomic_bool is_stopping;
  int stop_fd;  // readable from then on
  // What is odd though all works; the health thread's alone.
  bool is_data_full;
  char odd[BASE_FAULT_TEXT_BYTES];  // about the slot that runs; or empty
  uint64_t opening_since_ms;        // since then its pages say that they are starting; 0: they do not

  pthread_mutex_t slots_lock;
  struct slots_grub grub;
  struct slots_loader bare, loader;  // `loader` is `bare` under slots_lock

  pthread_mutex_t lock;  // of what follows
  bool is_changing;      // one at a time changes the slots or the settings
  bool is_going_down;    // a restart or power-off has been asked for
  bool is_restarting;    // the former
  unsigned workers;      // threads of changes that have not ended
  bool has_update;       // one was begun since the start
  struct update_progress progress;
  char failure[BASE_FAULT_TEXT_BYTES];
  enum system_health health;
  char health_text[BASE_FAULT_TEXT_BYTES];
  bool has_passed;  // the gate, since the start
  bool has_choice;  // somebody chose a slot before the gate was passed
  enum slots_id choice;
  uint64_t answered_ms;                                      // monotonic: when --health was last answered; 0: not yet
  uint64_t starting_bytes, progressed_ms, starting_said_ms;  // of starting.c
};

// Opens --bootenv, reads --board-file, finds the slot and the user.
enum base_result system_init(struct system *system, const struct arguments *arguments, struct base_log *log,
                             struct base_fault *fault) BASE_CHECKED;
void system_finish(struct system *system);
void system_stop(struct system *system);
// Until the system is stopped or `timeout_ms` have passed.
void system_wait(const struct system *system, unsigned timeout_ms);

// BASE_LOCKED while another change is being made, by this program or by another one (flock on --bootenv).
enum base_result system_begin_change(struct system *system, struct base_fault *fault) BASE_CHECKED;
void system_end_change(struct system *system);

void system_set_health(struct system *system, enum system_health health, const char *text);
// Good, with all that is odd.
void system_say_good(struct system *system);
const char *system_health_name(enum system_health health);
// From here on no change is begun.
void system_prepare_to_go_down(struct system *system, bool is_restart);
// And runs --reboot-program or --poweroff-program. Should that fail, changes may be made again.
void system_go_down(struct system *system, bool is_restart);

#endif
