// The Vulkan machine's life: it is opened, by the caller or in a thread; runs enter and leave it; once one of them
// finds it lost, nobody enters any more, and the thread takes it down and makes it anew: at once after a long life,
// else after a pause that doubles.
//
// Part of the room's front. What opens the machine has it for itself until resample_recovery_publish; the rest is
// thread-safe after resample_recovery_init.
#ifndef RESAMPLE_RECOVERY_H
#define RESAMPLE_RECOVERY_H

#include <pthread.h>
#include <stdatomic.h>

#include "vulkan.h"

enum resample_device_state {
  RESAMPLE_DEVICE_NONE,     // not wanted, or closed for good
  RESAMPLE_DEVICE_OPENING,  // nobody but who opens it may look at the machine
  RESAMPLE_DEVICE_OPEN,
  RESAMPLE_DEVICE_LOST,  // the thread works on it
};

struct resample_recovery {
  struct gpu_config gpu_config;
  char *device_name, *cache_folder;  // of gpu_config; owned
  uint32_t lose_after;               // counted from when a machine is ready
  uint64_t budget_bytes;
  bool is_cold;
  const struct base_clock *clock;
  struct base_log *log;
  struct base_metrics *metrics;
  struct base_metric *loss_count, *recovery_count, *path;
  struct gpu_info info;  // of the device opened first; another one is not taken in its place

  pthread_mutex_t mutex;   // guards what follows
  pthread_cond_t changed;  // on the monotonic clock
  enum resample_device_state state;
  struct gpu *gpu;
  struct resample_vulkan *vulkan;
  unsigned users;                // runs in the machine
  unsigned generation;           // counts machines
  uint64_t opened_ms, trial_ms;  // on `clock`
  uint64_t pause_ms;             // before the trial that is due; 0: at once
  uint64_t losses, recoveries;
  const char *source_path, *result_path;  // static; of the last machine
  void (*open)(void *self);               // the thread's first work; NULL: none
  void *open_self;
  pthread_t thread;
  bool has_thread;
  atomic_bool is_stopping;  // set under the mutex; nobody will use what is still being opened
};

// Waits to be opened unless the mode is CPU. The strings of config->gpu are copied.
enum base_result resample_recovery_init(struct resample_recovery *recovery, const struct resample_config *config,
                                        struct base_fault *fault) BASE_CHECKED;
// Opens the device; `info` is known afterwards.
enum base_result resample_recovery_open(struct resample_recovery *recovery, struct base_fault *fault) BASE_CHECKED;
// Builds the machine on the open device.
enum base_result resample_recovery_build(struct resample_recovery *recovery, struct base_fault *fault) BASE_CHECKED;
// Lets runs into the machine. `outcome` is what it came to so far, as that of resample_recovery_leave.
void resample_recovery_publish(struct resample_recovery *recovery, enum base_result outcome,
                               const struct base_fault *why);
// Closes the device for good, in place of resample_recovery_publish.
void resample_recovery_close(struct resample_recovery *recovery);
// From here on a thread looks after the machine. `open` (NULL: that is done) is called in it first and ends in
// resample_recovery_publish or _close. Nothing when there is no device.
enum base_result resample_recovery_start(struct resample_recovery *recovery, void (*open)(void *self), void *self,
                                         struct base_fault *fault) BASE_CHECKED;
// Nobody waits for a machine any more: one that is being opened is given up, a lost one is not made anew.
void resample_recovery_stop(struct resample_recovery *recovery);
// Nobody may be in the machine.
void resample_recovery_finish(struct resample_recovery *recovery);

// Waits while the machine is being opened. False: it was given up.
bool resample_recovery_await_opening(struct resample_recovery *recovery);
// Joins the runs in the machine, which stays until all have left; NULL when there is none now.
struct resample_vulkan *resample_recovery_enter(struct resample_recovery *recovery, unsigned *out_generation);
// `outcome` is what the run came to: after BASE_DEVICE and BASE_TIMEOUT the machine is lost for everybody; `why` is
// logged then.
void resample_recovery_leave(struct resample_recovery *recovery, enum base_result outcome,
                             const struct base_fault *why);
// Waits for the machine after that of `generation` when it is to come at once. False: do without it.
bool resample_recovery_await(struct resample_recovery *recovery, unsigned generation);
// Gives up the device's copy of a source that nobody uses any more.
void resample_recovery_forget(struct resample_recovery *recovery, struct resample_source *source);
// Fills what the machine's life has to say.
void resample_recovery_get_info(struct resample_recovery *recovery, struct resample_info *out);

#endif
