#include "flight.h"

#include <stdlib.h>
#include <string.h>

#include "state.h"

static size_t bucket_of(const struct cache_key *key) {
  uint32_t hash;
  memcpy(&hash, key->bytes, sizeof hash);
  return hash % POP_FLIGHT_BUCKETS;
}

void pop_flights_init(struct pop_flights *flights) {
  memset(flights->buckets, 0, sizeof flights->buckets);
  pthread_mutex_init(&flights->lock, NULL);
}

void pop_flights_finish(struct pop_flights *flights) {
  for (size_t i = 0; i < POP_FLIGHT_BUCKETS; i++) BASE_ASSERT(!flights->buckets[i]);
  pthread_mutex_destroy(&flights->lock);
}

// The functions down to the next blank comment want the lock.

static struct pop_flight *find(struct pop_flights *flights, const struct cache_key *key,
                               const struct pop_waiter *waiter) {
  struct pop_flight *flight = flights->buckets[bucket_of(key)];
  for (; flight; flight = flight->next) {
    if ((flight->is_background && !waiter->is_background) || flight->is_search != waiter->is_search) continue;
    if (memcmp(flight->course.key.bytes, key->bytes, sizeof key->bytes) == 0) return flight;
  }
  return NULL;
}

static void list(struct pop_flights *flights, struct pop_flight *flight) {
  struct pop_flight **bucket = &flights->buckets[bucket_of(&flight->course.key)];
  flight->next = *bucket;
  flight->is_listed = true;
  *bucket = flight;
}

static void unlist(struct pop_flights *flights, struct pop_flight *flight) {
  if (!flight->is_listed) return;
  struct pop_flight **link = &flights->buckets[bucket_of(&flight->course.key)];
  while (*link != flight) link = &(*link)->next;
  *link = flight->next;
  flight->is_listed = false;
}

static void add_waiter(struct pop_flight *flight, struct pop_waiter *waiter) {
  waiter->next = flight->waiters;
  flight->waiters = waiter;
}

// Closes the door behind the last one.
static void abandon(struct pop_flights *flights, struct pop_flight *flight) {
  unlist(flights, flight);
  flight->is_abandoned = true;
}

// Without the lock.

static void destroy(struct pop_flight *flight) {
  pop_original_unref(&flight->course.original);
  free(flight);
}

static struct pop_flight *create(struct pop *pop, const struct pop_course *course, const char *request_id) {
  struct pop_flight *flight = calloc(1, sizeof *flight);
  if (!flight) return NULL;
  flight->pop = pop;
  flight->course = *course;
  flight->course.original = pop_original_ref(course->original);
  memcpy(flight->request_id, request_id, sizeof flight->request_id);
  return flight;
}

enum base_result pop_flights_join(struct pop *pop, const struct pop_course *course, const char *request_id,
                                  struct pop_waiter *waiter, struct pop_flight **begun, bool *has_moved) {
  struct pop_flights *flights = &pop->flights;
  *begun = NULL;
  *has_moved = false;
  // Made before the lock is taken: joining is rarer than beginning.
  struct pop_flight *fresh = create(pop, course, request_id);
  if (!fresh) return BASE_NO_MEMORY;
  fresh->is_background = waiter->is_background;
  fresh->is_search = waiter->is_search;
  pthread_mutex_lock(&flights->lock);
  struct pop_flight *flight = find(flights, &course->key, waiter);
  waiter->has_joined = flight != NULL;
  if (!flight) {
    flight = *begun = fresh;
    list(flights, flight);
  }
  add_waiter(flight, waiter);
  if (!*begun && !waiter->is_background) *has_moved = pop_crowd_share(&pop->crowd, flight, waiter->guest);
  pthread_mutex_unlock(&flights->lock);
  if (!*begun) destroy(fresh);
  return BASE_OK;
}

bool pop_flights_abandon(struct pop_flights *flights, struct pop_flight *flight) {
  struct pop_waiter *asked = NULL;
  for (;;) {
    pthread_mutex_lock(&flights->lock);
    struct pop_waiter *newest = flight->waiters;
    // Nobody came since all were asked: close the door in the same moment.
    if (newest == asked) abandon(flights, flight);
    const bool is_abandoned = flight->is_abandoned;
    pthread_mutex_unlock(&flights->lock);
    if (is_abandoned) return true;
    // Waiters only leave when the flight ends, so the list can be walked without the lock.
    for (struct pop_waiter *waiter = newest; waiter != asked; waiter = waiter->next) {
      if (!waiter->is_gone(waiter)) return false;
    }
    asked = newest;
  }
}

// With the lock.
static enum base_result queue_for(struct pop_waiter *newest, struct pop_flight *flight, struct base_fault *fault) {
  struct pop_crowd *crowd = &flight->pop->crowd;
  enum base_result result = BASE_BUSY;
  for (struct pop_waiter *waiter = newest; waiter; waiter = waiter->next) {
    if (waiter->is_background) continue;  // it joined somebody who is not
    if (result != BASE_OK) {
      result = pop_crowd_queue(crowd, flight, waiter->guest, fault);
    } else {
      (void)pop_crowd_share(crowd, flight, waiter->guest);
    }
  }
  return result;
}

enum base_result pop_flights_queue(struct pop_flights *flights, struct pop_flight *flight, bool closes,
                                   struct base_fault *fault) {
  pthread_mutex_lock(&flights->lock);
  const enum base_result result = queue_for(flight->waiters, flight, fault);
  if (result != BASE_OK && closes) abandon(flights, flight);
  pthread_mutex_unlock(&flights->lock);
  return result;
}

bool pop_flights_abandon_alone(struct pop_flights *flights, struct pop_flight *const *group, size_t count) {
  bool is_alone = true;
  pthread_mutex_lock(&flights->lock);
  for (size_t i = 0; i < count; i++) {
    if (group[i] && group[i]->waiters->next) is_alone = false;
  }
  for (size_t i = 0; is_alone && i < count; i++) {
    if (group[i]) abandon(flights, group[i]);
  }
  pthread_mutex_unlock(&flights->lock);
  return is_alone;
}

bool pop_flights_keep(struct pop_flights *flights, struct pop_flight *flight, struct cache_lru *variants,
                      struct pop_variant *variant) {
  struct pop_variant *kept = pop_variant_ref(variant);
  pthread_mutex_lock(&flights->lock);
  // Under the lock, so that a variant is either put before its original is forgotten (and removed then), or not at all.
  const bool is_forgotten = flight->is_forgotten;
  const bool is_kept =
      !is_forgotten && cache_lru_put(variants, &flight->course.key, kept, pop_variant_bytes(variant)) == BASE_OK;
  pthread_mutex_unlock(&flights->lock);
  if (!is_kept) pop_held_take(&flight->pop->held, kept);
  return !is_forgotten;
}

void pop_flights_forget(struct pop_flights *flights, const char *tenant, const struct integrity_digest *original) {
  pthread_mutex_lock(&flights->lock);
  for (size_t i = 0; i < POP_FLIGHT_BUCKETS; i++) {
    for (struct pop_flight *flight = flights->buckets[i]; flight; flight = flight->next) {
      if (pop_original_is(flight->course.original, tenant, original)) flight->is_forgotten = true;
    }
  }
  pthread_mutex_unlock(&flights->lock);
}

struct pop_waiter *pop_flights_end(struct pop_flights *flights, struct pop_flight **place) {
  struct pop_flight *flight = *place;
  pthread_mutex_lock(&flights->lock);
  unlist(flights, flight);
  struct pop_waiter *waiters = flight->waiters;
  *place = NULL;
  pthread_mutex_unlock(&flights->lock);
  destroy(flight);
  return waiters;
}
