// The thread and its work: new originals first, then what the store holds since the last end, then a run.
#include "pop/prewarm.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "prewarm_list.h"

#define ROOM "pop"

enum {
  SETTLED_AFTER_S = 60,  // a commit reaches the queue sooner than that
  SAVE_EVERY_S = 60,     // how far back the next start looks, when nothing is waiting
  TRIES = 6,             // at what a busy renderer refuses
  MOST_PAUSE_S = 8,
};

struct newcomer {
  const struct pop_prewarm_list *list;
  struct integrity_digest original;
};

struct pop_prewarm {
  struct pop_prewarm_config config;
  char *path;
  struct base_metric *made, *present, *failed, *queued;
  pthread_t thread;
  pthread_mutex_t lock;  // of all below
  pthread_cond_t changed;
  struct pop_prewarm_lists lists;
  struct newcomer queue[POP_PREWARM_QUEUE];  // a ring
  size_t first, count;
  struct pop_prewarm_state run;  // the latest, of lists.run_tenant
  int64_t saved_s;
  atomic_bool is_stopping;
};

// --- lists ---

// With the lock. A failure to write is the caller's to tell, or the next time's to repeat.
static enum base_result save(struct pop_prewarm *prewarm, struct base_fault *fault) {
  prewarm->saved_s = base_clock_wall_s(prewarm->config.clock);
  return pop_prewarm_lists_write(&prewarm->lists, prewarm->path, fault);
}

static void save_or_complain(struct pop_prewarm *prewarm) {
  struct base_fault fault = {0};
  if (save(prewarm, &fault) != BASE_OK) base_log_fault(prewarm->config.log, BASE_LOG_WARN, ROOM, NULL, &fault);
}

// With the lock: nothing waits, so whatever came until a moment ago has been seen.
static void settle(struct pop_prewarm *prewarm) {
  const int64_t now_s = base_clock_wall_s(prewarm->config.clock);
  for (size_t i = 0; i < prewarm->lists.count; i++) {
    struct pop_prewarm_list *list = prewarm->lists.items[i];
    if (!list->catches_up && list->since_s < now_s - SETTLED_AFTER_S) list->since_s = now_s - SETTLED_AFTER_S;
  }
}

enum base_result pop_prewarm_set(struct pop_prewarm *prewarm, const char *tenant, const struct base_span *recipes,
                                 size_t count, struct base_fault *fault) {
  struct pop_prewarm_recipe *parsed;
  struct pop_prewarm_list *list;
  enum base_result result = pop_prewarm_parse(recipes, count, &parsed, fault);
  if (result != BASE_OK) return result;
  pthread_mutex_lock(&prewarm->lock);
  result = pop_prewarm_lists_get(&prewarm->lists, tenant, &list, fault);
  if (result == BASE_OK) {
    const struct pop_prewarm_list old = *list;
    if (old.count == 0) list->since_s = base_clock_wall_s(prewarm->config.clock);
    list->count = count;
    list->recipes = parsed;
    parsed = old.recipes;
    result = save(prewarm, fault);
    if (result != BASE_OK) {
      parsed = list->recipes;
      *list = old;
    }
  }
  pthread_mutex_unlock(&prewarm->lock);
  free(parsed);
  return result;
}

size_t pop_prewarm_get(struct pop_prewarm *prewarm, const char *tenant, char (*out)[POP_PREWARM_RECIPE_BYTES]) {
  pthread_mutex_lock(&prewarm->lock);
  const struct pop_prewarm_list *list = pop_prewarm_lists_find(&prewarm->lists, tenant);
  const size_t count = list ? list->count : 0;
  for (size_t i = 0; i < count; i++) memcpy(out[i], list->recipes[i].text, sizeof out[i]);
  pthread_mutex_unlock(&prewarm->lock);
  return count;
}

// --- what is to be done ---

void pop_prewarm_add(struct pop_prewarm *prewarm, const char *tenant, const struct integrity_digest *original) {
  if (!prewarm) return;
  pthread_mutex_lock(&prewarm->lock);
  struct pop_prewarm_list *list = pop_prewarm_lists_find(&prewarm->lists, tenant);
  if (list && list->count > 0) {
    if (prewarm->count < POP_PREWARM_QUEUE) {
      prewarm->queue[(prewarm->first + prewarm->count++) % POP_PREWARM_QUEUE] = (struct newcomer){list, *original};
      base_metric_set(prewarm->queued, (int64_t)prewarm->count);
    } else {
      list->catches_up = true;
    }
    pthread_cond_signal(&prewarm->changed);
  }
  pthread_mutex_unlock(&prewarm->lock);
}

// With the lock.
static void begin_run(struct pop_prewarm *prewarm) {
  prewarm->run = (struct pop_prewarm_state){
      .has_run = true, .is_running = true, .started_s = base_clock_wall_s(prewarm->config.clock)};
  memcpy(prewarm->run.tag, prewarm->lists.run_tag, sizeof prewarm->run.tag);
}

enum base_result pop_prewarm_run(struct pop_prewarm *prewarm, const char *tenant, struct base_span tag,
                                 struct base_fault *fault) {
  char text[POP_PREWARM_TAG_BYTES];
  if (!base_span_copy(tag, text, sizeof text) || strchr(text, '\n')) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "tag", "a tag is a line of at most %d bytes", POP_PREWARM_TAG_BYTES - 1);
  }
  enum base_result result = BASE_OK;
  pthread_mutex_lock(&prewarm->lock);
  struct pop_prewarm_lists *lists = &prewarm->lists;
  const struct pop_prewarm_list *list = pop_prewarm_lists_find(lists, tenant);
  if (!list || list->count == 0) {
    result = BASE_FAIL(fault, BASE_BAD_INPUT, "recipes", "the prewarm list is empty: there is nothing to make");
  } else if (lists->has_run) {
    result = BASE_FAIL(fault, BASE_CONFLICT, "run", "a prewarm run is under way; it must end before another begins");
  } else {
    lists->has_run = true;
    memcpy(lists->run_tenant, list->tenant, sizeof lists->run_tenant);
    memcpy(lists->run_tag, text, sizeof lists->run_tag);
    result = save(prewarm, fault);
    if (result == BASE_OK) begin_run(prewarm);
    if (result != BASE_OK) lists->has_run = false;
    pthread_cond_signal(&prewarm->changed);
  }
  pthread_mutex_unlock(&prewarm->lock);
  return result;
}

void pop_prewarm_get_state(struct pop_prewarm *prewarm, const char *tenant, struct pop_prewarm_state *out) {
  pthread_mutex_lock(&prewarm->lock);
  const bool is_its_own = strcmp(prewarm->lists.run_tenant, tenant) == 0;
  *out = is_its_own ? prewarm->run : (struct pop_prewarm_state){0};
  out->queued = 0;
  for (size_t i = 0; i < prewarm->count; i++) {
    const struct newcomer *newcomer = &prewarm->queue[(prewarm->first + i) % POP_PREWARM_QUEUE];
    if (strcmp(newcomer->list->tenant, tenant) == 0) out->queued++;
  }
  pthread_mutex_unlock(&prewarm->lock);
}

// --- making the variants of one original; the thread's ---

struct making {
  struct pop_prewarm *prewarm;
  pthread_mutex_t lock;
  pthread_cond_t ended;
  bool is_done;
  bool has_no_device;  // it was not to be opened: all ends soon, and the next start has one
  size_t made, present, failed, busy;
};

static bool is_stopping(void *self) { return atomic_load(&((struct making *)self)->prewarm->is_stopping); }

static void take_item(void *self, const struct pop_batch_item *item) {
  struct making *making = self;
  pthread_mutex_lock(&making->lock);
  const enum base_result result = item->fault.result;
  if (result == BASE_BUSY || result == BASE_DEVICE || result == BASE_CANCELLED) {
    making->busy++;
    making->has_no_device |= result == BASE_DEVICE;
  } else if (result != BASE_OK) {
    making->failed++;
  } else {
    *(item->source == POP_MADE ? &making->made : &making->present) += 1;
  }
  pthread_mutex_unlock(&making->lock);
}

static void take_end(void *self) {
  struct making *making = self;
  pthread_mutex_lock(&making->lock);
  making->is_done = true;
  pthread_cond_signal(&making->ended);  // under the lock: the waiter can not go away before this thread has let go
  pthread_mutex_unlock(&making->lock);
}

static enum base_result make_batch(struct making *making, const char *tenant, const struct integrity_digest *original,
                                   const struct recipe *recipes, size_t count, struct base_fault *fault) {
  const struct pop_batch batch = {.tenant = tenant,
                                  .original = *original,
                                  .recipes = recipes,
                                  .count = count,
                                  .request_id = "prewarm---------",
                                  .is_background = true,
                                  .is_cancelled = is_stopping,
                                  .ready = take_item,
                                  .done = take_end,
                                  .self = making};
  _Static_assert(sizeof "prewarm---------" == HTTP_REQUEST_ID_CHARS + 1, "as long as a request's id");
  making->is_done = false;
  const enum base_result result = pop_batch_run(making->prewarm->config.pop, &batch, fault);
  if (result != BASE_OK) return result;
  pthread_mutex_lock(&making->lock);
  while (!making->is_done) pthread_cond_wait(&making->ended, &making->lock);
  pthread_mutex_unlock(&making->lock);
  return BASE_OK;
}

// A recipe that this original can not follow, such as a crop beyond its edge, does not keep it from the others.
static void make_each(struct making *making, const char *tenant, const struct integrity_digest *original,
                      const struct recipe *recipes, size_t count) {
  for (size_t i = 0; i < count && !is_stopping(making); i++) {
    struct base_fault fault = {0};
    const enum base_result result = make_batch(making, tenant, original, &recipes[i], 1, &fault);
    if (result == BASE_NOT_FOUND) return;
    if (result != BASE_OK) making->failed++;
  }
}

static void make_once(struct making *making, const char *tenant, const struct integrity_digest *original,
                      const struct recipe *recipes, size_t count) {
  struct base_fault fault = {0};
  making->made = making->present = making->failed = making->busy = 0;
  making->has_no_device = false;
  const enum base_result result = make_batch(making, tenant, original, recipes, count, &fault);
  if (result == BASE_OK || result == BASE_NOT_FOUND) return;  // not found: deleted meanwhile
  if (result == BASE_BAD_INPUT || result == BASE_UNPROCESSABLE) {
    make_each(making, tenant, original, recipes, count);
    return;
  }
  making->failed = count;
  base_log_fault(making->prewarm->config.log, BASE_LOG_WARN, ROOM, NULL, &fault);
}

// Waits unless it is time to stop.
static void pause_s(struct pop_prewarm *prewarm, unsigned seconds) {
  struct timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_sec += seconds;
  pthread_mutex_lock(&prewarm->lock);
  int waited = 0;
  while (waited == 0 && !atomic_load(&prewarm->is_stopping)) {
    waited = pthread_cond_timedwait(&prewarm->changed, &prewarm->lock, &until);
  }
  pthread_mutex_unlock(&prewarm->lock);
}

// A copy, as the list may change while its variants are made.
static size_t copy_recipes(struct pop_prewarm *prewarm, const struct pop_prewarm_list *list, struct recipe *out) {
  pthread_mutex_lock(&prewarm->lock);
  const size_t count = list->count;
  for (size_t i = 0; i < count; i++) out[i] = list->recipes[i].recipe;
  pthread_mutex_unlock(&prewarm->lock);
  return count;
}

static void make_original(struct pop_prewarm *prewarm, const struct pop_prewarm_list *list,
                          const struct integrity_digest *original, bool is_run) {
  struct recipe recipes[POP_MAX_PREWARM];
  const size_t count = copy_recipes(prewarm, list, recipes);
  if (count == 0) return;
  struct making making = {.prewarm = prewarm};
  pthread_mutex_init(&making.lock, NULL);
  pthread_cond_init(&making.ended, NULL);
  make_once(&making, list->tenant, original, recipes, count);
  unsigned pause = 1;
  for (int i = 1; (i < TRIES || making.has_no_device) && making.busy > 0 && !is_stopping(&making); i++) {
    pause_s(prewarm, pause);
    if (pause < MOST_PAUSE_S) pause *= 2;
    const size_t made_before = making.made;
    make_once(&making, list->tenant, original, recipes, count);
    // What an earlier try made is there now.
    making.made += made_before;
    making.present -= making.present < made_before ? making.present : made_before;
  }
  if (!is_stopping(&making)) making.failed += making.busy;
  pthread_cond_destroy(&making.ended);
  pthread_mutex_destroy(&making.lock);
  base_metric_add(prewarm->made, (int64_t)making.made);
  base_metric_add(prewarm->present, (int64_t)making.present);
  base_metric_add(prewarm->failed, (int64_t)making.failed);
  if (!is_run) return;
  pthread_mutex_lock(&prewarm->lock);
  prewarm->run.made += making.made;
  prewarm->run.present += making.present;
  prewarm->run.failed += making.failed;
  prewarm->run.done++;
  pthread_mutex_unlock(&prewarm->lock);
}

// --- the thread ---

static void make_newcomers(struct pop_prewarm *prewarm) {
  while (!atomic_load(&prewarm->is_stopping)) {
    pthread_mutex_lock(&prewarm->lock);
    const bool is_one = prewarm->count > 0;
    const struct newcomer newcomer = prewarm->queue[prewarm->first];
    pthread_mutex_unlock(&prewarm->lock);
    if (!is_one) return;
    make_original(prewarm, newcomer.list, &newcomer.original, false);
    if (atomic_load(&prewarm->is_stopping)) return;  // it may have been given up: the next start finds it
    pthread_mutex_lock(&prewarm->lock);
    prewarm->first = (prewarm->first + 1) % POP_PREWARM_QUEUE;
    prewarm->count--;
    base_metric_set(prewarm->queued, (int64_t)prewarm->count);
    pthread_mutex_unlock(&prewarm->lock);
  }
}

struct walk {
  struct pop_prewarm *prewarm;
  const struct pop_prewarm_list *list;
  int64_t since_s;
  bool is_run;
};

static bool count_one(void *argument, const struct store_original *original) {
  struct pop_prewarm *prewarm = argument;
  (void)original;
  pthread_mutex_lock(&prewarm->lock);
  prewarm->run.originals++;
  pthread_mutex_unlock(&prewarm->lock);
  return !atomic_load(&prewarm->is_stopping);
}

static bool walk_over(void *argument, const struct store_original *original) {
  const struct walk *walk = argument;
  if (original->created_s < walk->since_s) return false;
  make_newcomers(walk->prewarm);
  if (atomic_load(&walk->prewarm->is_stopping)) return false;
  make_original(walk->prewarm, walk->list, &original->id, walk->is_run);
  return !atomic_load(&walk->prewarm->is_stopping);
}

static enum base_result visit_run(struct pop_prewarm *prewarm, const char *tenant, const char *tag,
                                  bool (*visit)(void *argument, const struct store_original *original), void *argument,
                                  struct base_fault *fault) {
  struct store *store = prewarm->config.store;
  if (tag[0] == '\0') return store_original_list(store, tenant, NULL, SIZE_MAX, visit, argument, fault);
  return store_original_list_tagged(store, tenant, base_span_text(tag), visit, argument, fault);
}

static void run(struct pop_prewarm *prewarm) {
  char tenant[STORE_MAX_TENANT + 1], tag[POP_PREWARM_TAG_BYTES];
  struct walk walk = {.prewarm = prewarm, .since_s = INT64_MIN, .is_run = true};
  struct base_fault fault = {0};
  pthread_mutex_lock(&prewarm->lock);
  memcpy(tenant, prewarm->lists.run_tenant, sizeof tenant);
  memcpy(tag, prewarm->lists.run_tag, sizeof tag);
  walk.list = pop_prewarm_lists_find(&prewarm->lists, tenant);
  pthread_mutex_unlock(&prewarm->lock);
  enum base_result result = BASE_OK;
  if (walk.list) result = visit_run(prewarm, tenant, tag, count_one, prewarm, &fault);
  if (walk.list && result == BASE_OK) result = visit_run(prewarm, tenant, tag, walk_over, &walk, &fault);
  if (result != BASE_OK) base_log_fault(prewarm->config.log, BASE_LOG_ERROR, ROOM, NULL, &fault);
  if (atomic_load(&prewarm->is_stopping)) return;  // the next start begins it again
  pthread_mutex_lock(&prewarm->lock);
  prewarm->run.is_running = prewarm->lists.has_run = false;
  prewarm->run.ended_s = base_clock_wall_s(prewarm->config.clock);
  const struct pop_prewarm_state state = prewarm->run;
  save_or_complain(prewarm);
  pthread_mutex_unlock(&prewarm->lock);
  base_log_write(prewarm->config.log, BASE_LOG_INFO, ROOM, NULL,
                 "prewarm run of %s ended: %" PRIu64 " originals, %" PRIu64 " variants made, %" PRIu64
                 " were there, %" PRIu64 " failed",
                 tenant, state.done, state.made, state.present, state.failed);
}

static void catch_up(struct pop_prewarm *prewarm, struct pop_prewarm_list *list, int64_t since_s) {
  struct walk walk = {.prewarm = prewarm, .list = list, .since_s = since_s};
  struct base_fault fault = {0};
  const enum base_result result =
      store_original_list(prewarm->config.store, list->tenant, NULL, SIZE_MAX, walk_over, &walk, &fault);
  if (result != BASE_OK) base_log_fault(prewarm->config.log, BASE_LOG_WARN, ROOM, NULL, &fault);
  if (!atomic_load(&prewarm->is_stopping)) return;
  pthread_mutex_lock(&prewarm->lock);
  list->catches_up = true;
  pthread_mutex_unlock(&prewarm->lock);
}

// With the lock.
static struct pop_prewarm_list *one_behind(struct pop_prewarm *prewarm) {
  for (size_t i = 0; i < prewarm->lists.count; i++) {
    if (prewarm->lists.items[i]->catches_up) return prewarm->lists.items[i];
  }
  return NULL;
}

// With the lock, which is given up for the work.
static void work_once(struct pop_prewarm *prewarm) {
  struct pop_prewarm_list *behind = one_behind(prewarm);
  const int64_t since_s = behind ? behind->since_s : 0;
  const bool has_newcomers = prewarm->count > 0;
  if (!has_newcomers && behind) behind->catches_up = false;  // before it looks: what overflows now is for the next time
  pthread_mutex_unlock(&prewarm->lock);
  if (has_newcomers) {
    make_newcomers(prewarm);
  } else if (behind) {
    catch_up(prewarm, behind, since_s);
  } else {
    run(prewarm);
  }
  pthread_mutex_lock(&prewarm->lock);
}

static void *work(void *argument) {
  struct pop_prewarm *prewarm = argument;
  pthread_mutex_lock(&prewarm->lock);
  while (!atomic_load(&prewarm->is_stopping)) {
    if (prewarm->count > 0 || prewarm->lists.has_run || one_behind(prewarm)) {
      work_once(prewarm);
      if (atomic_load(&prewarm->is_stopping) || prewarm->count > 0) continue;
      settle(prewarm);
      const int64_t now_s = base_clock_wall_s(prewarm->config.clock);
      if (now_s - prewarm->saved_s >= SAVE_EVERY_S) save_or_complain(prewarm);
      continue;
    }
    pthread_cond_wait(&prewarm->changed, &prewarm->lock);
  }
  pthread_mutex_unlock(&prewarm->lock);
  return NULL;
}

// --- lifetime ---

static void register_meters(struct pop_prewarm *prewarm) {
  static const char name[] = "pixpop_prewarm_variants_total";
  static const char help[] = "Variants that were made ahead, were there already, and could not be made";
  struct base_metrics *metrics = prewarm->config.metrics;
  prewarm->made = base_metrics_counter(metrics, name, "result=\"made\"", help);
  prewarm->present = base_metrics_counter(metrics, name, "result=\"present\"", help);
  prewarm->failed = base_metrics_counter(metrics, name, "result=\"failed\"", help);
  prewarm->queued = base_metrics_gauge(metrics, "pixpop_prewarm_queued", "", "New originals that wait for prewarming");
}

static void prewarm_free(struct pop_prewarm *prewarm) {
  pop_prewarm_lists_finish(&prewarm->lists);
  pthread_cond_destroy(&prewarm->changed);
  pthread_mutex_destroy(&prewarm->lock);
  free(prewarm->path);
  free(prewarm);
}

static struct pop_prewarm *allocate(const struct pop_prewarm_config *config) {
  struct pop_prewarm *prewarm = calloc(1, sizeof *prewarm);
  char *path = strdup(config->path);
  if (!prewarm || !path) {
    free(prewarm);
    free(path);
    return NULL;
  }
  pthread_condattr_t monotonic;
  prewarm->config = *config;
  prewarm->path = path;
  atomic_init(&prewarm->is_stopping, false);
  pthread_mutex_init(&prewarm->lock, NULL);
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_cond_init(&prewarm->changed, &monotonic);
  pthread_condattr_destroy(&monotonic);
  register_meters(prewarm);
  return prewarm;
}

enum base_result pop_prewarm_create(const struct pop_prewarm_config *config, struct pop_prewarm **out,
                                    struct base_fault *fault) {
  *out = NULL;
  struct pop_prewarm *prewarm = allocate(config);
  if (!prewarm) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for prewarming");
  struct base_fault cause = {0};
  const enum base_result result = pop_prewarm_lists_read(&prewarm->lists, prewarm->path, &cause);
  if (result != BASE_OK && result != BASE_CORRUPT) {
    prewarm_free(prewarm);
    return BASE_FAIL(fault, result, cause.subject, "%s", cause.text);
  }
  if (result == BASE_CORRUPT) base_log_fault(config->log, BASE_LOG_ERROR, ROOM, NULL, &cause);
  if (prewarm->lists.has_run) begin_run(prewarm);
  prewarm->saved_s = base_clock_wall_s(config->clock);
  if (pthread_create(&prewarm->thread, NULL, work, prewarm) != 0) {
    prewarm_free(prewarm);
    return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no thread for prewarming");
  }
  *out = prewarm;
  return BASE_OK;
}

void pop_prewarm_stop(struct pop_prewarm *prewarm) {
  if (!prewarm) return;
  pthread_mutex_lock(&prewarm->lock);
  atomic_store(&prewarm->is_stopping, true);
  pthread_cond_signal(&prewarm->changed);
  pthread_mutex_unlock(&prewarm->lock);
}

void pop_prewarm_destroy(struct pop_prewarm **pointer) {
  struct pop_prewarm *prewarm = *pointer;
  if (!prewarm) return;
  *pointer = NULL;
  pop_prewarm_stop(prewarm);
  pthread_join(prewarm->thread, NULL);
  // Only what nobody has missed moves the mark; a box that never had a list gets no file.
  if (prewarm->count == 0) settle(prewarm);
  if (prewarm->lists.count > 0) save_or_complain(prewarm);
  prewarm_free(prewarm);
}
