#include "upgrade.h"

#include <stdlib.h>
#include <string.h>

#include "landing.h"
#include "state.h"

enum {
  FINALS_PART = 16,  // of RAM's budget; on top of it, and used only as notes come
  PENDING_PART = 64,
  MIN_NOTES_BYTES = 1 << 20,
  NOTE_BYTES = 128,      // with the container's share
  RETRY_S = 60,          // after a full queue
  PATIENCE_S = 15 * 60,  // after a failure; and then an order that was accepted may be wished again, but not made twice
};

struct pop_upgrade {
  struct pop_upgrade *next;  // this and the next are under the lock
  bool is_forgotten;
  struct pop *pop;
  struct pop_course course;
  uint64_t answer_bytes;
  char request_id[HTTP_REQUEST_ID_CHARS + 1];
  struct recipe_order order;
  struct recipe_product product;
};

// --- notes ---

// A note is a number in the place of a pointer: of one that is pending the second from which on it may be wished again,
// and one more, so that it is never 0; of a final one FINAL_NOTE.
enum { FINAL_NOTE = 1 };

static uintptr_t now_s(const struct pop *pop) { return (uintptr_t)(base_clock_us(pop->clock) / 1000000); }

static void *acquire_note(void *self, void *value) {
  (void)self;
  return value;
}

static void release_note(void *self, const struct cache_key *key, void *value, uint64_t bytes, bool is_evicted) {
  (void)self, (void)key, (void)value, (void)bytes, (void)is_evicted;
}

// 0: none.
static uintptr_t read_note(struct cache_lru *notes, const struct cache_key *key) {
  return (uintptr_t)cache_lru_get(notes, key);
}

// One that can not be kept is found out anew.
static void write_note(struct cache_lru *notes, const struct cache_key *key, uintptr_t note) {
  if (cache_lru_put(notes, key, (void *)note, NOTE_BYTES) != BASE_OK) return;
}

static void write_pending(struct pop *pop, const struct cache_key *key, unsigned after_s) {
  write_note(pop->upgrades.pending, key, now_s(pop) + after_s + 1);
}

// In this order, so that whoever reads the pending ones first never finds it unknown.
static void write_final(struct pop_upgrades *upgrades, const struct cache_key *key) {
  write_note(upgrades->finals, key, FINAL_NOTE);
  (void)cache_lru_remove(upgrades->pending, key);
}

static bool is_due(const struct pop *pop, uintptr_t note) { return note <= now_s(pop) + 1; }

enum pop_upgrade_state pop_upgrades_state(struct pop *pop, const struct cache_key *key) {
  const uintptr_t note = read_note(pop->upgrades.pending, key);  // first, as it becomes final before it is taken away
  if (read_note(pop->upgrades.finals, key)) return POP_UPGRADE_FINAL;
  return note ? POP_UPGRADE_PENDING : POP_UPGRADE_UNKNOWN;
}

void pop_upgrades_miss(struct pop *pop, const struct cache_key *key) {
  // Due at once: whoever is answered with something else now wishes it.
  if (pop_upgrades_state(pop, key) == POP_UPGRADE_UNKNOWN) write_note(pop->upgrades.pending, key, 1);
}

// --- lifetime ---

static uint64_t notes_budget(uint64_t ram_budget_bytes, unsigned part) {
  const uint64_t bytes = ram_budget_bytes / part;
  return bytes > MIN_NOTES_BYTES ? bytes : MIN_NOTES_BYTES;
}

static struct cache_lru *create_notes(uint64_t budget_bytes, struct base_fault *fault) {
  const struct cache_config config = {.budget_bytes = budget_bytes, .release = release_note, .acquire = acquire_note};
  return cache_lru_create(&config, fault);
}

enum base_result pop_upgrades_init(struct pop_upgrades *upgrades, uint64_t ram_budget_bytes,
                                   struct base_metrics *metrics, struct base_fault *fault) {
  static const char name[] = "pixpop_pop_upgrades_total";
  static const char help[] = "AVIFs that were made in the background, and what became of them";
  *upgrades = (struct pop_upgrades){.count = 0};
  upgrades->replaced = base_metrics_counter(metrics, name, "result=\"replaced\"", help);
  upgrades->larger = base_metrics_counter(metrics, name, "result=\"larger\"", help);
  upgrades->failed = base_metrics_counter(metrics, name, "result=\"failed\"", help);
  upgrades->refused = base_metrics_counter(metrics, name, "result=\"refused\"", help);
  upgrades->pending = create_notes(notes_budget(ram_budget_bytes, PENDING_PART), fault);
  if (upgrades->pending) upgrades->finals = create_notes(notes_budget(ram_budget_bytes, FINALS_PART), fault);
  if (!upgrades->finals) {
    cache_lru_destroy(&upgrades->pending);
    return BASE_FAIL(fault, BASE_NO_MEMORY, "upgrades", "no memory for the upgrades");
  }
  pthread_mutex_init(&upgrades->lock, NULL);
  return BASE_OK;
}

void pop_upgrades_set_budget(struct pop_upgrades *upgrades, uint64_t ram_budget_bytes) {
  cache_lru_set_budget(upgrades->pending, notes_budget(ram_budget_bytes, PENDING_PART));
  cache_lru_set_budget(upgrades->finals, notes_budget(ram_budget_bytes, FINALS_PART));
}

void pop_upgrades_finish(struct pop_upgrades *upgrades) {
  if (!upgrades->finals) return;
  BASE_ASSERT(!upgrades->under_way);
  cache_lru_destroy(&upgrades->pending);
  cache_lru_destroy(&upgrades->finals);
  pthread_mutex_destroy(&upgrades->lock);
}

void pop_upgrades_stop(struct pop_upgrades *upgrades) { atomic_store(&upgrades->is_stopping, true); }

// Lists it, unless the same is under way or there are too many.
static bool list(struct pop_upgrades *upgrades, struct pop_upgrade *upgrade) {
  pthread_mutex_lock(&upgrades->lock);
  const struct pop_upgrade *same = upgrades->under_way;
  while (same && memcmp(&same->course.key, &upgrade->course.key, sizeof same->course.key) != 0) same = same->next;
  const bool is_listed = !same && upgrades->count < POP_MAX_UPGRADES;
  if (is_listed) {
    upgrade->next = upgrades->under_way;
    upgrades->under_way = upgrade;
    upgrades->count++;
  }
  pthread_mutex_unlock(&upgrades->lock);
  return is_listed;
}

static void unlist(struct pop_upgrades *upgrades, struct pop_upgrade *upgrade) {
  pthread_mutex_lock(&upgrades->lock);
  struct pop_upgrade **link = &upgrades->under_way;
  while (*link != upgrade) link = &(*link)->next;
  *link = upgrade->next;
  upgrades->count--;
  pthread_mutex_unlock(&upgrades->lock);
}

static void destroy(struct pop_upgrade *upgrade) {
  pop_original_unref(&upgrade->course.original);
  base_blob_unref(&upgrade->product.blob);
  free(upgrade);
}

static bool is_forgotten(struct pop_upgrade *upgrade) {
  pthread_mutex_lock(&upgrade->pop->upgrades.lock);
  const bool forgotten = upgrade->is_forgotten;
  pthread_mutex_unlock(&upgrade->pop->upgrades.lock);
  return forgotten;
}

static bool is_any(void *argument, const struct cache_key *key, const void *value) {
  (void)argument, (void)key, (void)value;
  return true;
}

void pop_upgrades_forget(struct pop_upgrades *upgrades, const char *tenant, const struct integrity_digest *original,
                         bool forgets_notes) {
  pthread_mutex_lock(&upgrades->lock);
  for (struct pop_upgrade *upgrade = upgrades->under_way; upgrade; upgrade = upgrade->next) {
    if (pop_original_is(upgrade->course.original, tenant, original)) upgrade->is_forgotten = true;
  }
  pthread_mutex_unlock(&upgrades->lock);
  if (!forgets_notes) return;
  (void)cache_lru_remove_if(upgrades->pending, is_any, NULL);
  (void)cache_lru_remove_if(upgrades->finals, is_any, NULL);
}

// --- keeping ---

// True when RAM or disk has it now.
static bool keep(struct pop_upgrade *upgrade) {
  struct pop *pop = upgrade->pop;
  const struct pop_course *course = &upgrade->course;
  struct base_fault ignored = {0};
  bool is_stored;
  if (pop_land_on_disk(pop, course, upgrade->request_id, &upgrade->product, &is_stored, &ignored) != BASE_OK) {
    return false;
  }
  upgrade->product.blob = base_arena_move_in(pop->arena, upgrade->product.blob);
  struct pop_variant *variant = pop_variant_create(course->original, &course->recipe, &upgrade->product);
  base_blob_unref(&upgrade->product.blob);  // the variant's alone, so that nobody seems to be sent it
  pthread_mutex_lock(&pop->upgrades.lock);
  const bool was_forgotten = upgrade->is_forgotten;
  const bool is_kept = variant && !was_forgotten &&
                       cache_lru_put(pop->variants, &course->key, variant, pop_variant_bytes(variant)) == BASE_OK;
  pthread_mutex_unlock(&pop->upgrades.lock);
  if (variant && !is_kept) pop_held_take(&pop->held, variant);
  pop_held_settle(&pop->held, pop->variants);
  if (was_forgotten && is_stored) {
    pop_land_off_disk(pop, course, upgrade->request_id);
    return false;
  }
  return is_stored || is_kept;
}

// Faults of the picture itself, which another attempt would have too; all others pass.
static bool is_lasting(enum base_result result) {
  return result == BASE_BAD_INPUT || result == BASE_UNPROCESSABLE || result == BASE_UNSUPPORTED;
}

static void settle(struct pop_upgrade *upgrade) {
  struct pop *pop = upgrade->pop;
  struct pop_upgrades *upgrades = &pop->upgrades;
  const struct recipe_product *product = &upgrade->product;
  const struct cache_key *key = &upgrade->course.key;
  const enum base_result result = product->fault.result;
  if (result == BASE_CANCELLED || result == BASE_BUSY) {
    base_metric_add(upgrades->refused, 1);
    write_pending(pop, key, RETRY_S);
  } else if (result != BASE_OK) {
    base_metric_add(upgrades->failed, 1);
    base_log_fault(pop->log, BASE_LOG_WARN, "pop", upgrade->request_id, &product->fault);
    if (is_lasting(result)) {
      write_final(upgrades, key);
    } else {
      write_pending(pop, key, PATIENCE_S);
    }
  } else if (product->blob->bytes >= upgrade->answer_bytes) {
    base_metric_add(upgrades->larger, 1);
    write_final(upgrades, key);
  } else if (keep(upgrade)) {
    base_metric_add(upgrades->replaced, 1);
    (void)cache_lru_remove(upgrades->pending, key);
  } else {
    base_metric_add(upgrades->failed, 1);
    write_pending(pop, key, PATIENCE_S);
  }
}

// --- the order ---

static void arrive(void *self, struct recipe_order *order) {
  (void)order;
  struct pop_upgrade *upgrade = self;
  struct pop_upgrades *upgrades = &upgrade->pop->upgrades;
  if (!is_forgotten(upgrade)) settle(upgrade);
  unlist(upgrades, upgrade);
  destroy(upgrade);
}

static bool is_idle(void *self) {
  struct pop_upgrade *upgrade = self;
  struct pop *pop = upgrade->pop;
  return atomic_load(&pop->upgrades.is_stopping) || is_forgotten(upgrade) ||
         cache_lru_contains(pop->variants, &upgrade->course.key);
}

static struct pop_upgrade *create(struct pop *pop, const struct pop_course *course, uint64_t answer_bytes,
                                  const char *request_id) {
  struct pop_upgrade *upgrade = calloc(1, sizeof *upgrade);
  if (!upgrade) return NULL;
  upgrade->pop = pop;
  upgrade->course = *course;
  upgrade->course.original = pop_original_ref(course->original);
  upgrade->answer_bytes = answer_bytes;
  memcpy(upgrade->request_id, request_id, sizeof upgrade->request_id);
  upgrade->order = (struct recipe_order){
      .original = course->original->id,
      .header = course->original->header,
      .count = 1,
      .recipes = &upgrade->course.recipe,
      .products = &upgrade->product,
      .request_id = upgrade->request_id,
      .trace = {.clock = pop->clock},
      .is_background = true,
      .is_cancelled = is_idle,
      .done = arrive,
      .self = upgrade,
  };
  return upgrade;
}

static void begin(struct pop *pop, const struct pop_course *course, uint64_t answer_bytes, const char *request_id) {
  struct base_fault fault = {0};
  const struct recipe_renderer *renderer = &pop->renderer;
  struct pop_upgrade *upgrade = create(pop, course, answer_bytes, request_id);
  if (!upgrade) return;
  if (!list(&pop->upgrades, upgrade)) {
    destroy(upgrade);
    return;
  }
  write_pending(pop, &course->key, PATIENCE_S);
  if (renderer->submit(renderer->self, &upgrade->order, &fault) == BASE_OK) return;  // it is the renderer's
  base_metric_add(pop->upgrades.refused, 1);
  write_pending(pop, &course->key, RETRY_S);
  unlist(&pop->upgrades, upgrade);
  destroy(upgrade);
}

bool pop_upgrades_want(struct pop *pop, const struct pop_course *better, uint64_t answer_bytes,
                       const char *request_id) {
  const uintptr_t note = read_note(pop->upgrades.pending, &better->key);  // first, as above
  if (read_note(pop->upgrades.finals, &better->key)) return false;
  if (note && !is_due(pop, note)) return true;
  if (cache_lru_contains(pop->variants, &better->key)) return true;  // it has come meanwhile
  write_pending(pop, &better->key, RETRY_S);  // also for those who come while it is being ordered
  begin(pop, better, answer_bytes, request_id);
  return true;
}
