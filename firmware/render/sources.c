#include "sources.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "cache/lru.h"
#include "keeper.h"
#include "load.h"

// A source over this part of the budget would push out too much else.
enum { LARGEST_PART = 4 };

// A load under way. It is listed, and open for more wishes, until it has fulfilled them all.
struct flight {
  struct flight *next;
  struct integrity_digest original;
  unsigned wanted;  // bits; grows while the flight is listed
  unsigned holds;   // whoever began it, and those who wait for it
  bool is_done;
  struct base_fault fault;
  struct resample_source *sources[RENDER_LEVELS];
};

struct render_sources {
  pthread_mutex_t lock;   // guards the flights; taken before the cache's own
  pthread_cond_t landed;  // a flight is done
  struct flight *flights;
  uint64_t resident_bytes;
  struct cache_lru *residents;  // of struct resample_source
  struct base_metric *hits, *misses, *shared, *bytes, *evictions;
};

static void *acquire(void *self, void *value) {
  (void)self;
  return resample_source_ref(value);
}

static void release(void *self, const struct cache_key *key, void *value, uint64_t bytes, bool is_evicted) {
  (void)key;
  (void)bytes;
  struct render_sources *sources = self;
  struct resample_source *source = value;
  if (is_evicted) base_metric_add(sources->evictions, 1);
  resample_source_unref(&source);
}

enum base_result render_sources_create(uint64_t resident_bytes, struct base_metrics *metrics,
                                       struct render_sources **out, struct base_fault *fault) {
  static const char gets[] = "pixpop_render_resident_gets_total", gets_help[] = "Look-ups of resident sources";
  *out = NULL;
  struct render_sources *sources = calloc(1, sizeof *sources);
  if (!sources) return BASE_FAIL(fault, BASE_NO_MEMORY, "render", "no memory for sources");
  const struct cache_config config = {
      .budget_bytes = resident_bytes, .weighs_heat = true, .release = release, .acquire = acquire, .self = sources};
  sources->residents = cache_lru_create(&config, fault);
  if (!sources->residents) {
    free(sources);
    return BASE_NO_MEMORY;
  }
  sources->resident_bytes = resident_bytes;
  sources->hits = base_metrics_counter(metrics, gets, "result=\"hit\"", gets_help);
  sources->misses = base_metrics_counter(metrics, gets, "result=\"miss\"", gets_help);
  sources->shared = base_metrics_counter(metrics, "pixpop_render_shared_loads_total", "",
                                         "Misses that waited for somebody else's load of the same original");
  sources->bytes = base_metrics_gauge(metrics, "pixpop_render_resident_bytes", "", "Bytes of resident sources");
  sources->evictions =
      base_metrics_counter(metrics, "pixpop_render_resident_evictions_total", "", "Resident sources evicted");
  BASE_ASSERT(pthread_mutex_init(&sources->lock, NULL) == 0);
  BASE_ASSERT(pthread_cond_init(&sources->landed, NULL) == 0);
  *out = sources;
  return BASE_OK;
}

void render_sources_destroy(struct render_sources **sources_pointer) {
  struct render_sources *sources = *sources_pointer;
  *sources_pointer = NULL;
  if (!sources) return;
  BASE_ASSERT(!sources->flights);
  cache_lru_destroy(&sources->residents);
  pthread_cond_destroy(&sources->landed);
  pthread_mutex_destroy(&sources->lock);
  free(sources);
}

// Residents.

// The original's digest, told apart by the level.
static struct cache_key key_of(const struct integrity_digest *original, unsigned level) {
  struct cache_key key;
  memcpy(key.bytes, original->bytes, sizeof key.bytes);
  key.bytes[CACHE_KEY_BYTES - 1] ^= (uint8_t)level;
  return key;
}

// Takes what is resident; returns the bits of what is not.
static unsigned take_residents(struct render_sources *sources, const struct integrity_digest *original,
                               struct render_haul *haul) {
  unsigned missing = 0;
  for (unsigned level = 0; level < RENDER_LEVELS; level++) {
    if (!(haul->wanted & 1u << level)) continue;
    const struct cache_key key = key_of(original, level);
    haul->sources[level] = cache_lru_get(sources->residents, &key);
    if (!haul->sources[level]) missing |= 1u << level;
    base_metric_add(haul->sources[level] ? sources->hits : sources->misses, 1);
  }
  return missing;
}

static void make_resident(struct render_sources *sources, const struct integrity_digest *original, unsigned level,
                          struct resample_source *source) {
  const struct cache_key key = key_of(original, level);
  const uint64_t bytes = resample_source_image(source)->bytes;
  if (bytes > sources->resident_bytes / LARGEST_PART) return;
  struct resample_source *kept = resample_source_ref(source);
  if (cache_lru_put(sources->residents, &key, kept, bytes) != BASE_OK) resample_source_unref(&kept);
  struct cache_stats stats;
  cache_lru_get_stats(sources->residents, &stats);
  base_metric_set(sources->bytes, (int64_t)stats.bytes);
}

void render_sources_offer(const struct render *render, const struct integrity_digest *original, struct image *picture) {
  struct resample_source *source;
  // Without memory for it the first variant costs a decode.
  if (resample_source_create(render->resampler, picture, &source, NULL) != BASE_OK) return;
  make_resident(render->sources, original, 0, source);
  resample_source_unref(&source);
}

// Flights; the lock is held where it says nothing else.

static struct flight *find_flight(struct render_sources *sources, const struct integrity_digest *original) {
  struct flight *flight = sources->flights;
  while (flight && !integrity_digest_equal(&flight->original, original)) flight = flight->next;
  return flight;
}

static void unlist(struct render_sources *sources, struct flight *flight) {
  struct flight **link = &sources->flights;
  while (*link != flight) link = &(*link)->next;
  *link = flight->next;
}

// Takes the caller's share of a flight that is done, lets go of it, and gives up the lock.
static enum base_result leave(struct render_sources *sources, struct flight *flight, unsigned wanted,
                              struct render_haul *haul, struct base_fault *fault) {
  // A later wish that failed is not the trouble of those whose sources are there.
  bool has_all = true;
  for (unsigned level = 0; level < RENDER_LEVELS; level++) {
    if (wanted & 1u << level && !flight->sources[level]) has_all = false;
  }
  enum base_result result = BASE_OK;
  if (!has_all) result = BASE_FAIL(fault, flight->fault.result, flight->fault.subject, "%s", flight->fault.text);
  for (unsigned level = 0; level < RENDER_LEVELS && has_all; level++) {
    if (wanted & 1u << level) haul->sources[level] = resample_source_ref(flight->sources[level]);
  }
  const bool is_last = --flight->holds == 0;
  pthread_mutex_unlock(&sources->lock);
  if (!is_last) return result;
  for (unsigned level = 0; level < RENDER_LEVELS; level++) resample_source_unref(&flight->sources[level]);
  free(flight);
  return result;
}

static enum base_result join(struct render_sources *sources, struct flight *flight, unsigned wanted,
                             struct render_haul *haul, struct base_fault *fault) {
  flight->wanted |= wanted;
  flight->holds++;
  base_metric_add(sources->shared, 1);
  while (!flight->is_done) pthread_cond_wait(&sources->landed, &sources->lock);
  return leave(sources, flight, wanted, haul, fault);
}

// What a decode brings beside the wishes: whoever asks for one size of a picture soon asks for others.
static void make_rest_resident(const struct render_load *load, unsigned known) {
  for (unsigned level = 0; level < RENDER_LEVELS; level++) {
    struct image *image = level == 0 ? load->full : load->levels[level - 1];
    struct resample_source *source;
    if (!image || (known & 1u << level)) continue;
    if (resample_source_create(load->render->resampler, image, &source, NULL) != BASE_OK) return;
    make_resident(load->render->sources, &load->order->original, level, source);
    resample_source_unref(&source);
  }
}

// One round of a flight, without the lock: fulfils the wishes of `todo`, after those of `made`.
static enum base_result load_some(struct render_load *load, unsigned todo, unsigned made,
                                  struct resample_source *found[RENDER_LEVELS], struct base_fault *fault) {
  const bool was_decoded = load->full != NULL;
  const enum base_result result = render_load_run(load, todo, found, fault);
  if (result != BASE_OK) return result;
  for (unsigned level = 0; level < RENDER_LEVELS; level++) {
    if (todo & 1u << level) make_resident(load->render->sources, &load->order->original, level, found[level]);
  }
  if (load->full && !was_decoded) make_rest_resident(load, todo | made);
  return BASE_OK;
}

// Loads until nobody has another wish; the lock is given up while it works. The last sources are resident before the
// flight leaves the list, so that whoever comes finds one or the other.
static void fly(struct render_sources *sources, struct flight *flight, struct render_load *load) {
  unsigned made = 0, todo;
  while (flight->fault.result == BASE_OK && (todo = flight->wanted & ~made) != 0) {
    struct resample_source *found[RENDER_LEVELS];
    struct base_fault fault = {0};
    pthread_mutex_unlock(&sources->lock);
    const enum base_result result = load_some(load, todo, made, found, &fault);
    pthread_mutex_lock(&sources->lock);
    for (unsigned level = 0; level < RENDER_LEVELS && result == BASE_OK; level++) {
      if (todo & 1u << level) flight->sources[level] = found[level];
    }
    flight->fault = fault;
    made |= todo;
  }
  unlist(sources, flight);
  flight->is_done = true;
  pthread_cond_broadcast(&sources->landed);
}

// Hands the levels that were made on the way and that the store lacks to the order, whose products come first.
static void save_levels(const struct render *render, struct render_load *load, struct render_haul *haul) {
  bool missing[IMAGE_LEVELS];
  if (!load->levels[0] || !render_keeper_lacks(render, &load->order->original, missing)) return;
  for (unsigned i = 0; i < IMAGE_LEVELS; i++) {
    if (missing[i]) haul->levels[i] = image_ref(load->levels[i]);
  }
}

// Gives up the lock.
static enum base_result get_missing(const struct render *render, struct recipe_order *order, unsigned missing,
                                    struct render_haul *haul, struct base_fault *fault) {
  struct render_sources *sources = render->sources;
  struct flight *flight = find_flight(sources, &order->original);
  if (flight) return join(sources, flight, missing, haul, fault);
  flight = calloc(1, sizeof *flight);
  if (!flight) {
    pthread_mutex_unlock(&sources->lock);
    return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory to load an original");
  }
  *flight = (struct flight){.next = sources->flights, .original = order->original, .wanted = missing, .holds = 1};
  sources->flights = flight;
  struct render_load load = {.render = render, .order = order};
  fly(sources, flight, &load);
  const enum base_result result = leave(sources, flight, missing, haul, fault);
  save_levels(render, &load, haul);
  render_load_finish(&load);
  return result;
}

enum base_result render_sources_get(const struct render *render, struct recipe_order *order, struct render_haul *haul,
                                    struct base_fault *fault) {
  struct render_sources *sources = render->sources;
  pthread_mutex_lock(&sources->lock);
  const unsigned missing = take_residents(sources, &order->original, haul);
  if (!missing) {
    pthread_mutex_unlock(&sources->lock);
    return BASE_OK;
  }
  const enum base_result result = get_missing(render, order, missing, haul, fault);
  if (result != BASE_OK) render_haul_finish(haul);
  return result;
}

void render_haul_finish(struct render_haul *haul) {
  for (unsigned level = 0; level < RENDER_LEVELS; level++) resample_source_unref(&haul->sources[level]);
  for (unsigned i = 0; i < IMAGE_LEVELS; i++) image_unref(&haul->levels[i]);
}
