// Upgrades: AVIFs that are made in the background for those who were answered with another format meanwhile.
//
// Every variant that somebody would rather have as AVIF is in one of these states, which are known here for as long as
// a part of RAM's budget lasts, and until the box is started anew:
//
//   unknown   nobody has looked on the disk yet
//   pending   not there: being made, or wished again after a while; what is answered meanwhile lives a minute only
//   final     what was answered stays: the AVIF is no smaller, or the picture can not become one
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

enum { POP_MAX_UPGRADES = 64 };
enum pop_upgrade_state { POP_UPGRADE_UNKNOWN, POP_UPGRADE_PENDING, POP_UPGRADE_FINAL };

struct pop;
struct pop_upgrade;

struct pop_upgrades {
  pthread_mutex_t lock;  // of under_way and count
  struct pop_upgrade *under_way;
  unsigned count;
  struct cache_lru *pending, *finals;  // notes by the AVIF's key; many that are pending can not push out a final one
  atomic_bool is_stopping;
  struct base_metric *replaced, *larger, *failed, *refused;
};

enum base_result pop_upgrades_init(struct pop_upgrades *upgrades, uint64_t ram_budget_bytes,
                                   struct base_metrics *metrics, struct base_fault *fault) BASE_CHECKED;
void pop_upgrades_set_budget(struct pop_upgrades *upgrades, uint64_t ram_budget_bytes);
void pop_upgrades_finish(struct pop_upgrades *upgrades);
// What is still waiting at the renderer is given up when its turn comes.
void pop_upgrades_stop(struct pop_upgrades *upgrades);

enum pop_upgrade_state pop_upgrades_state(struct pop *pop, const struct cache_key *key);
// It was found neither in RAM nor on disk: an unknown one is pending now.
void pop_upgrades_miss(struct pop *pop, const struct cache_key *key);
// Somebody was answered with `answer_bytes` but would rather have `better`: orders it, if it is time to. True while it
// is pending, false when the answer is final.
bool pop_upgrades_want(struct pop *pop, const struct pop_course *better, uint64_t answer_bytes, const char *request_id);
// Those under way for an original will not be kept. With `notes` its final ones are forgotten too (with those of all
// others: they are only found out anew).
void pop_upgrades_forget(struct pop_upgrades *upgrades, const char *tenant, const struct integrity_digest *original,
                         bool forgets_notes);

#endif
