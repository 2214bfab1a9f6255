// Sessions of tus over a real store in a temporary folder, with a fake sandbox and a clock that the test moves.
#ifndef TESTS_TUS_RIG_H
#define TESTS_TUS_RIG_H

#include "fake_clock.h"
#include "ingest/tus.h"
#include "temp_folder.h"

enum { TUS_RIG_MAX_FILE_BYTES = 100000, TUS_RIG_EXPIRE_S = 1000, TUS_RIG_NOW_S = 1700000000 };

struct tus_rig {
  struct temp_folder folder;
  char root[128];
  struct fake_clock clock;
  struct base_metrics *metrics;
  struct store *store;
  struct sandbox *sandbox;
  struct ingest *ingest;
  struct ingest_tus *tus;
  uint32_t max_sessions, max_sessions_per_tenant;  // of the next open; 0: the default
  const char *boot_id;                             // of the next open
  atomic_uint stored;                              // originals that were told of
};

void tus_rig_make(struct tus_rig *rig);
void tus_rig_remove(struct tus_rig *rig);
// Between make and remove: the box is started and stopped, by a clean end.
void tus_rig_open(struct tus_rig *rig);
void tus_rig_close(struct tus_rig *rig);
// Runs `work` in a process of its own, with the box open, and kills that without a word. The rig must be closed.
void tus_rig_crash(struct tus_rig *rig, void (*work)(struct tus_rig *rig, void *argument), void *argument);

// Files below the store's root in `folder`, but for "." and "..".
int tus_rig_files(const struct tus_rig *rig, const char *folder);

#endif
