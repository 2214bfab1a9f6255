// Flights: each variant that is being looked up or rendered, with everyone who waits for it. One key, one flight.
//
// A flight is begun by the first visit for its key and ended exactly once, by whoever has the answer. Visits that come
// in between join it. A flight whose clients are all gone may be abandoned; the next visit begins a new one.
#ifndef POP_FLIGHT_H
#define POP_FLIGHT_H

#include <pthread.h>

#include "cache/lru.h"
#include "recipe/order.h"
#include "visit.h"

enum { POP_FLIGHT_BUCKETS = 1024 };

struct pop_flight {
  struct pop_flight *next;    // in its bucket; this and the four below belong to the table's lock
  struct pop_visit *waiters;  // newest first; a visit's `next` does not change once it is in
  bool is_listed;             // visits can still join
  bool is_forgotten;          // its original was: the result must not be kept
  bool is_abandoned;
  struct pop *pop;
  struct cache_key key;
  struct recipe recipe;  // pinned
  struct pop_original *original;
  char request_id[HTTP_REQUEST_ID_CHARS + 1];  // of the first visit, for logs
  struct recipe_order order;
  struct recipe_product product;
};

struct pop_flights {
  pthread_mutex_t lock;
  struct pop_flight *buckets[POP_FLIGHT_BUCKETS];
};

void pop_flights_init(struct pop_flights *flights);
// Every flight must have ended.
void pop_flights_finish(struct pop_flights *flights);
// Adds the visit to the key's flight, or begins one. *begun is the new flight, which the caller must bring to its end,
// or NULL when the visit joined one. BASE_NO_MEMORY: the visit is still the caller's.
enum base_result pop_flights_join(struct pop_flights *flights, struct pop_visit *visit, const struct cache_key *key,
                                  const struct recipe *pinned, struct pop_original *original,
                                  struct pop_flight **begun) BASE_CHECKED;
// True when every waiter's client is gone: then nobody can join any more.
bool pop_flights_abandon(struct pop_flights *flights, struct pop_flight *flight);
// Puts a variant into RAM under the flight's key, unless the original was forgotten meanwhile.
void pop_flights_keep(struct pop_flights *flights, struct pop_flight *flight, struct cache_lru *variants,
                      struct pop_variant *variant);
// Marks the flights of an original.
void pop_flights_forget(struct pop_flights *flights, const char *tenant, const struct integrity_digest *original);
// Ends the flight: frees it and gives back its waiters, newest first.
struct pop_visit *pop_flights_end(struct pop_flights *flights, struct pop_flight **flight);

#endif
