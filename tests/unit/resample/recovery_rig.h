// A fake machine in place of Vulkan, and a resampler on it. What is linked with this has no device.
#ifndef RECOVERY_RIG_H
#define RECOVERY_RIG_H

#include <pthread.h>

#include "fake_clock.h"
#include "vulkan.h"

enum {
  RECOVERY_SIDE = 16,
  RECOVERY_DEVICE_GREY = 77,
  RECOVERY_SOURCE_GREY = 200,
  RECOVERY_PATIENCE_MS = 10000,
  RECOVERY_THREADS = 4,
};

// What the fake does next; guarded by the mutex where threads are involved.
extern struct recovery_fake {
  pthread_mutex_t mutex;
  unsigned gpus_made, machines_made, runs;
  enum base_result open_result;  // of gpu_create
  enum base_result run_result;   // of every run
  unsigned fails_once_every;     // run: BASE_DEVICE, and the machine is lost; 0: never
  bool is_stranger;              // the next device is another one
  bool is_destroy_stuck;
  bool is_create_stuck;
  bool is_run_stuck;
  bool is_software;
} recovery_fake;

void recovery_set_result(enum base_result *place, enum base_result result);
void recovery_set_flag(bool *place, bool value);
unsigned recovery_count_of(const unsigned *place);

struct recovery_rig {
  struct fake_clock clock;
  int log_ends[2];  // a pipe; lines that nobody reads are dropped when it is full
  struct base_log *log;
  struct base_metrics *metrics;
  struct resampler *resampler;
  struct resample_source *source;
};

// A hardware GPU in the mode AUTO, as the tests' state.
int recovery_set_up(void **state);
int recovery_tear_down(void **state);
struct image *recovery_picture(uint8_t grey);
struct resample_source *recovery_make_source(struct resampler *resampler);
// The whole picture at its own size.
struct resample_job recovery_job(struct resample_source *source, struct image *target);
// The grey that a run makes of the source: the device's or the CPU's.
uint8_t recovery_run_from(struct recovery_rig *rig, struct resample_source *source);
uint8_t recovery_run(struct recovery_rig *rig);
struct resample_info recovery_info_of(struct recovery_rig *rig);
void recovery_wait_until_open(struct recovery_rig *rig);
// Reads the log until a line has the text.
void recovery_wait_for_log(struct recovery_rig *rig, const char *text);
// The thread had every chance to try again, but must not have.
void recovery_check_count_stays(const unsigned *place, unsigned count);
void recovery_lose_device(struct recovery_rig *rig);

#endif
