// The scrubber's parts: scrub.c (thread, times, report), scrub_walk.c (a round), scrub_file.c (one file).
#ifndef STORE_SCRUBBING_H
#define STORE_SCRUBBING_H

#include "inside.h"
#include "store/scrub.h"

struct store_scrub_meters {
  struct base_metric *bytes, *rounds, *variants, *levels, *originals;
};

struct store_scrub {
  struct store *store;
  struct store_scrub_config config;
  struct store_scrub_meters meters;
  pthread_t thread;
  pthread_mutex_t lock;  // of what follows
  pthread_cond_t woken;
  bool is_stopping, is_wanted;
  struct store_scrub_report report;  // but for the damaged originals, which the store knows
  // The thread's own.
  uint8_t *buffer;  // STORE_SCRUB_CHUNK_BYTES, aligned for O_DIRECT
  uint64_t pace_start_us, pace_bytes;
  uint64_t started_us, saved_us;
};

enum { STORE_SCRUB_CHUNK_BYTES = 256 * 1024, STORE_SCRUB_ALIGNMENT = 4096 };

// scrub.c.
// Waits until `wait_us` are over or it is woken; true when the scrubber is to stop. Zero only asks.
bool store_scrub_wait(struct store_scrub *scrub, uint64_t wait_us);
// Counts what was read, and waits as long as the rate asks for. True when the scrubber is to stop.
bool store_scrub_pace(struct store_scrub *scrub, size_t bytes);
// How long to wait when `bytes` were read in `elapsed_us`; 0 for a rate of 0.
uint64_t store_scrub_due_us(uint64_t bytes, uint64_t bytes_per_s, uint64_t elapsed_us);

// scrub_walk.c.
// Walks from the shard where the last round was left. BASE_CANCELLED: it is to stop.
enum base_result store_scrub_round(struct store_scrub *scrub, struct base_fault *fault) BASE_CHECKED;

// scrub_file.c: all of one file, from the disk and not from the page cache where the file system can do that. All of
// them: BASE_CANCELLED when the scrubber is to stop, BASE_NOT_FOUND, BASE_CORRUPT (also when the disk can not read it),
// BASE_UNSUPPORTED (a record of another firmware), and what says nothing about the file.
struct store_scrub_identity {
  dev_t device;
  ino_t inode;
};
// An original by its id. `leaves` are initialised, and finished after BASE_OK.
enum base_result store_scrub_original(struct store_scrub *scrub, const struct integrity_digest *id,
                                      struct store_leaves *leaves, struct store_scrub_identity *identity,
                                      struct base_fault *fault) BASE_CHECKED;
// A record: head, body and trailer. `take` reads the believed metadata.
enum base_result store_scrub_record(struct store_scrub *scrub, const char *path,
                                    enum base_result (*take)(void *argument, const struct store_record *record,
                                                             struct base_fault *fault),
                                    void *argument, struct store_scrub_identity *identity,
                                    struct base_fault *fault) BASE_CHECKED;
// Whether the file that was read still bears that name.
bool store_scrub_is_still(struct store *store, const char *path, const struct store_scrub_identity *identity);

#endif
