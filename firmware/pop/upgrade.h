// Upgrades: AVIFs that are made in the background for those who were answered with another format meanwhile.
//
// Every variant that somebody would rather have as AVIF is in one of these states, which are known here for as long as
// a small budget lasts:
//
//   unknown   nobody has looked on the disk yet
//   pending   not there: being made, or wished again after a while; what is answered meanwhile lives a minute only
//   final     what was answered stays: the AVIF is no smaller, or can not be made
//
// and once it is made and smaller, it is an ordinary variant in RAM and on disk, which is found before this is asked.
// Orders go to the renderer's background queue. At most POP_MAX_UPGRADES are under way; no more memory is held by them.
#ifndef POP_UPGRADE_H
#define POP_UPGRADE_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/metrics.h"
#include "cache/lru.h"
#include "course.h"
#include "recipe/order.h"
#include "variant.h"

enum { POP_MAX_UPGRADES = 64 };
enum pop_upgrade_state { POP_UPGRADE_UNKNOWN, POP_UPGRADE_PENDING, POP_UPGRADE_FINAL };

struct pop;
struct pop_upgrade;

struct pop_upgrades {
  pthread_mutex_t lock;  // of what follows, but `notes` and `is_stopping`
  struct pop_upgrade *under_way;
  unsigned count;
  uint64_t generation;      // raised by every forget
  struct cache_lru *notes;  // states by the AVIF's key
  atomic_bool is_stopping;
  struct base_metric *replaced, *larger, *failed, *refused;
};

enum base_result pop_upgrades_init(struct pop_upgrades *upgrades, struct base_metrics *metrics,
                                   struct base_fault *fault) BASE_CHECKED;
void pop_upgrades_finish(struct pop_upgrades *upgrades);
// What is still waiting at the renderer is given up when its turn comes.
void pop_upgrades_stop(struct pop_upgrades *upgrades);

enum pop_upgrade_state pop_upgrades_state(struct pop *pop, const struct cache_key *key);
// For an unknown one: the variant from RAM or disk, which the caller unrefs; or NULL, and then it is pending. Blocks on
// the disk.
struct pop_variant *pop_upgrades_find(struct pop *pop, const struct pop_course *better, const char *request_id);
// Somebody was answered with `answer_bytes` but would rather have `better`: orders it, if it is time to. True while it
// is pending, false when the answer is final.
bool pop_upgrades_want(struct pop *pop, const struct pop_course *better, uint64_t answer_bytes, const char *request_id);
// Those under way for an original will not be kept. With `notes` its final ones are forgotten too (with those of all
// others: they are only found out anew).
void pop_upgrades_forget(struct pop_upgrades *upgrades, const char *tenant, const struct integrity_digest *original,
                         bool forgets_notes);

#endif
