// Prewarming: a list of recipes for each tenant, made for every new original once it is stored, so that nobody waits
// for the first one.
//
// The console shows and changes the lists and tells of new originals, ingest_tus tells of its own. One thread makes one
// original's variants at a time, as orders that wait for all others. Thread-safe.
//
// The lists lie in a file of the data folder. So does what is still to be done: originals that came before an end, and
// a run, are gone through again at the next start; what is on disk already costs a look.
#ifndef POP_PREWARM_H
#define POP_PREWARM_H

#include "pop/batch.h"

enum {
  POP_MAX_PREWARM = POP_MAX_BATCH,  // recipes of one tenant
  POP_PREWARM_RECIPE_BYTES = 256,   // of one as it is written, with its terminator
  POP_PREWARM_QUEUE = 4096,         // new originals that wait; those past it are found in the store later
  POP_PREWARM_TAG_BYTES = 65,       // of a run's tag, with its terminator
};

struct pop_prewarm_config {
  struct pop *pop;
  struct store *store;
  const char *path;  // of the file; made with the first list; copied
  const struct base_clock *clock;
  struct base_log *log;
  struct base_metrics *metrics;
};

struct pop_prewarm;

// A file that can not be read is an error; one that is damaged is complained of, and the lists are empty.
enum base_result pop_prewarm_create(const struct pop_prewarm_config *config, struct pop_prewarm **out,
                                    struct base_fault *fault) BASE_CHECKED;
// Begins the end: nothing more is made, and what is still to be done is kept. NULL is accepted.
void pop_prewarm_stop(struct pop_prewarm *prewarm);
// Gives up what is being made, which takes as long as the renderer needs to see it, and keeps what is still to be done.
void pop_prewarm_destroy(struct pop_prewarm **prewarm);

// Replaces the tenant's list, durably; each recipe is written as pop_batch_parse reads it. BASE_BAD_INPUT, with a
// subject such as "recipes[3].w": one is wrong or repeated; BASE_TOO_LARGE: too many.
enum base_result pop_prewarm_set(struct pop_prewarm *prewarm, const char *tenant, const struct base_span *recipes,
                                 size_t count, struct base_fault *fault) BASE_CHECKED;
// The list as it was set; `out` has room for POP_MAX_PREWARM. The number of recipes.
size_t pop_prewarm_get(struct pop_prewarm *prewarm, const char *tenant, char (*out)[POP_PREWARM_RECIPE_BYTES]);

// An original has become the tenant's. Never waits. NULL is accepted: nothing is prewarmed.
void pop_prewarm_add(struct pop_prewarm *prewarm, const char *tenant, const struct integrity_digest *original);

// Goes through all of the tenant's originals, or those that carry `tag` (empty: all). BASE_CONFLICT while a run is
// under way, whoever's; BASE_BAD_INPUT: the list is empty or the tag is none.
enum base_result pop_prewarm_run(struct pop_prewarm *prewarm, const char *tenant, struct base_span tag,
                                 struct base_fault *fault) BASE_CHECKED;

// The tenant's latest run.
struct pop_prewarm_state {
  uint64_t queued;  // new originals that wait
  bool has_run, is_running;
  char tag[POP_PREWARM_TAG_BYTES];
  uint64_t originals, done;        // to go through; gone through
  uint64_t made, present, failed;  // variants
  int64_t started_s, ended_s;
};
void pop_prewarm_get_state(struct pop_prewarm *prewarm, const char *tenant, struct pop_prewarm_state *out);

#endif
