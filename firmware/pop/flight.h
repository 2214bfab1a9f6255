// Flights: each variant that is being looked up or rendered, with everyone who waits for it. One key, one flight; but
// what was begun in the background may wait for long, so those who are in a hurry have a flight of their own.
//
// A flight is begun by the first waiter for its key and ended exactly once, by whoever has the answer. Waiters that
// come in between join it. A flight whose clients are all gone may be abandoned; the next waiter begins a new one.
#ifndef POP_FLIGHT_H
#define POP_FLIGHT_H

#include <pthread.h>

#include "base/trace.h"
#include "course.h"
#include "http/message.h"
#include "variant.h"
#include "waiter.h"

enum { POP_FLIGHT_BUCKETS = 1024 };

struct pop_flight {
  struct pop_flight *next;     // in its bucket; this and the four below belong to the table's lock
  struct pop_waiter *waiters;  // newest first
  bool is_listed;              // waiters can still join
  bool is_forgotten;           // its original was: the result must not be kept
  bool is_abandoned;
  bool is_background;  // begun by a waiter in no hurry; the others do not join
  bool is_search;      // begun by a waiter that wants nothing made; only such join, and it ends after the caches
  struct pop *pop;
  struct pop_course course;
  char request_id[HTTP_REQUEST_ID_CHARS + 1];  // of whoever began it, for logs
  struct base_trace trace;                     // until the renderer has the order
  size_t wait_span;                            // in it
  struct pop_flight *next_in_line;             // this and the two below belong to the crowd's lock, once it is queued
  struct pop_guest *account;                   // whose line it waits in, and who then pays for its render
  bool is_in_line;
};

struct pop_flights {
  pthread_mutex_t lock;
  struct pop_flight *buckets[POP_FLIGHT_BUCKETS];
};

void pop_flights_init(struct pop_flights *flights);
// Every flight must have ended.
void pop_flights_finish(struct pop_flights *flights);
// Adds the waiter to the flight of this course, or begins one. *begun is the new flight, which the caller must bring to
// its end, or NULL when the waiter joined one. *has_moved: that one waits in the waiter's line now, and may have its
// turn (pop_queue_hand_over). BASE_NO_MEMORY: the waiter is still the caller's.
enum base_result pop_flights_join(struct pop *pop, const struct pop_course *course, const char *request_id,
                                  struct pop_waiter *waiter, struct pop_flight **begun, bool *has_moved) BASE_CHECKED;
// True when every waiter's client is gone: then nobody can join any more.
bool pop_flights_abandon(struct pop_flights *flights, struct pop_flight *flight);
// Puts the flight into the line of the waiter where it is served soonest; then it is not the caller's any more.
// BASE_BUSY when none has room; with `closes` nobody can join then.
enum base_result pop_flights_queue(struct pop_flights *flights, struct pop_flight *flight, bool closes,
                                   struct base_fault *fault) BASE_CHECKED;
// True when nobody has joined any of these flights: then nobody can any more. Asks no client. Places of the group are
// NULL once their flight has ended, which may happen meanwhile.
bool pop_flights_abandon_alone(struct pop_flights *flights, struct pop_flight *const *group, size_t count);
// Puts a variant into RAM under the flight's key; what RAM does not take is held while it is being sent. False when the
// original was forgotten meanwhile: then it must not be kept anywhere.
bool pop_flights_keep(struct pop_flights *flights, struct pop_flight *flight, struct cache_lru *variants,
                      struct pop_variant *variant);
// Marks the flights of an original.
void pop_flights_forget(struct pop_flights *flights, const char *tenant, const struct integrity_digest *original);
// Ends the flight: frees it, nulls *place under the table's lock and gives back its waiters, newest first.
struct pop_waiter *pop_flights_end(struct pop_flights *flights, struct pop_flight **place);

#endif
