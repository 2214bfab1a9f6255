#include "flight.h"

#include <stdlib.h>
#include <string.h>

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

static struct pop_flight *find(struct pop_flights *flights, const struct cache_key *key) {
  struct pop_flight *flight = flights->buckets[bucket_of(key)];
  while (flight && memcmp(flight->key.bytes, key->bytes, sizeof key->bytes) != 0) flight = flight->next;
  return flight;
}

static void list(struct pop_flights *flights, struct pop_flight *flight) {
  struct pop_flight **bucket = &flights->buckets[bucket_of(&flight->key)];
  flight->next = *bucket;
  flight->is_listed = true;
  *bucket = flight;
}

static void unlist(struct pop_flights *flights, struct pop_flight *flight) {
  if (!flight->is_listed) return;
  struct pop_flight **link = &flights->buckets[bucket_of(&flight->key)];
  while (*link != flight) link = &(*link)->next;
  *link = flight->next;
  flight->is_listed = false;
}

static void add_waiter(struct pop_flight *flight, struct pop_visit *visit) {
  visit->next = flight->waiters;
  flight->waiters = visit;
}

// Without the lock.

static void destroy(struct pop_flight *flight) {
  base_blob_unref(&flight->product.blob);
  pop_original_unref(&flight->original);
  free(flight);
}

static struct pop_flight *create(struct pop_visit *visit, const struct cache_key *key, const struct recipe *pinned,
                                 struct pop_original *original) {
  struct pop_flight *flight = calloc(1, sizeof *flight);
  if (!flight) return NULL;
  flight->pop = visit->pop;
  flight->key = *key;
  flight->recipe = *pinned;
  flight->original = pop_original_ref(original);
  memcpy(flight->request_id, visit->request.id, sizeof flight->request_id);
  return flight;
}

enum base_result pop_flights_join(struct pop_flights *flights, struct pop_visit *visit, const struct cache_key *key,
                                  const struct recipe *pinned, struct pop_original *original,
                                  struct pop_flight **begun) {
  *begun = NULL;
  // Made before the lock is taken: joining is rarer than beginning.
  struct pop_flight *fresh = create(visit, key, pinned, original);
  if (!fresh) return BASE_NO_MEMORY;
  pthread_mutex_lock(&flights->lock);
  struct pop_flight *flight = find(flights, key);
  visit->has_joined = flight != NULL;
  if (!flight) {
    flight = *begun = fresh;
    list(flights, flight);
  }
  add_waiter(flight, visit);
  pthread_mutex_unlock(&flights->lock);
  if (!*begun) destroy(fresh);
  return BASE_OK;
}

bool pop_flights_abandon(struct pop_flights *flights, struct pop_flight *flight) {
  struct pop_visit *asked = NULL;
  for (;;) {
    pthread_mutex_lock(&flights->lock);
    struct pop_visit *newest = flight->waiters;
    // Nobody came since all were asked: close the door in the same moment.
    if (newest == asked) {
      unlist(flights, flight);
      flight->is_abandoned = true;
    }
    const bool is_abandoned = flight->is_abandoned;
    pthread_mutex_unlock(&flights->lock);
    if (is_abandoned) return true;
    // Waiters only leave when the flight ends, so the list can be walked without the lock.
    for (const struct pop_visit *visit = newest; visit != asked; visit = visit->next) {
      if (!http_sink_is_cancelled(visit->sink)) return false;
    }
    asked = newest;
  }
}

void pop_flights_keep(struct pop_flights *flights, struct pop_flight *flight, struct cache_lru *variants,
                      struct pop_variant *variant) {
  struct pop_variant *kept = pop_variant_ref(variant);
  pthread_mutex_lock(&flights->lock);
  // Under the lock, so that a variant is either put before its original is forgotten (and removed then), or not at all.
  const bool is_kept =
      !flight->is_forgotten && cache_lru_put(variants, &flight->key, kept, pop_variant_bytes(variant)) == BASE_OK;
  pthread_mutex_unlock(&flights->lock);
  if (!is_kept) pop_variant_unref(&kept);
}

void pop_flights_forget(struct pop_flights *flights, const char *tenant, const struct integrity_digest *original) {
  pthread_mutex_lock(&flights->lock);
  for (size_t i = 0; i < POP_FLIGHT_BUCKETS; i++) {
    for (struct pop_flight *flight = flights->buckets[i]; flight; flight = flight->next) {
      if (pop_original_is(flight->original, tenant, original)) flight->is_forgotten = true;
    }
  }
  pthread_mutex_unlock(&flights->lock);
}

struct pop_visit *pop_flights_end(struct pop_flights *flights, struct pop_flight **pointer) {
  struct pop_flight *flight = *pointer;
  *pointer = NULL;
  pthread_mutex_lock(&flights->lock);
  unlist(flights, flight);
  struct pop_visit *waiters = flight->waiters;
  pthread_mutex_unlock(&flights->lock);
  destroy(flight);
  return waiters;
}
