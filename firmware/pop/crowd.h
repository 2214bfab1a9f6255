// Who is waiting: how many requests and renders each client has under way, so that none takes the box for itself, and
// the lines in which flights wait for their client's turn at the renderer.
//
// A client is an IPv4 address or an IPv6 /64; those whom the server does not know are one more, without limits. Only
// clients that wait for something are known here. Each has a line, first come, first served; lines take turns. Only one
// thread at a time takes turns, so that the order stays.
#ifndef POP_CROWD_H
#define POP_CROWD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/metrics.h"
#include "base/result.h"

enum {
  POP_CROWD_BUCKETS = 256,
  POP_CLIENT_BYTES = 16,
  POP_WAITING_PER_RENDER = 4,  // flights that one client may have waiting, for each render it may have under way
  POP_MAX_WAITING = 1024,      // of all clients
};

struct pop_flight;

// One client. Everything here is the crowd's.
struct pop_guest {
  struct pop_guest *next;            // in its bucket
  struct pop_guest *next_turn;       // of those that have a line
  uint8_t client[POP_CLIENT_BYTES];  // the part that is looked at; the rest is zero
  unsigned requests, renders, waiting;
  struct pop_flight *first, *last;  // the line
};

struct pop_crowd {
  pthread_mutex_t lock;
  uint64_t seed;          // of the hash, so that nobody outside can choose collisions
  unsigned max_requests;  // of a client, without its flights in line or with the renderer; 0: no limit
  unsigned max_renders;
  struct pop_guest *buckets[POP_CROWD_BUCKETS];
  struct pop_guest nobody;                   // stands for the unknown
  struct pop_guest *turn_first, *turn_last;  // those that have a line, whose turn is next first
  unsigned waiting;                          // flights in all lines
  unsigned orders;                           // with the renderer
  bool is_taking_turns;
  bool has_landed;  // an order, since the last turn was taken
  bool is_closed;
  struct base_metric *waiting_metric;
};

// What is looked at of a client (http_request.client). False for one that the server does not know.
bool pop_crowd_read_client(const uint8_t client[16], uint8_t out[POP_CLIENT_BYTES]);
void pop_crowd_init(struct pop_crowd *crowd, unsigned max_requests, unsigned max_renders, struct base_metrics *metrics);
// Everybody must have left.
void pop_crowd_finish(struct pop_crowd *crowd);
// Begins a request of a client (http_request.client). *out is NULL for an unknown one, which has no limits. BASE_BUSY
// when it waits for too many already, BASE_NO_MEMORY.
enum base_result pop_crowd_enter(struct pop_crowd *crowd, const uint8_t client[16], struct pop_guest **out,
                                 struct base_fault *fault) BASE_CHECKED;
// Ends a request. The guest may be NULL.
void pop_crowd_leave(struct pop_crowd *crowd, struct pop_guest **guest);

// --- lines ---
// A guest must have a request that lasts until the flight ends; NULL is the unknown client.

// Puts a flight at the end of the guest's line. Then it is whoever's who takes its turn. BASE_BUSY when as many wait as
// may, or no more turns come.
enum base_result pop_crowd_queue(struct pop_crowd *crowd, struct pop_flight *flight, struct pop_guest *guest,
                                 struct base_fault *fault) BASE_CHECKED;
// The guest waits for the flight too: if it is in a line and would be served sooner in the guest's, it moves there.
// True when it did. The caller knows that the flight has not ended.
bool pop_crowd_share(struct pop_crowd *crowd, struct pop_flight *flight, struct pop_guest *guest);
// All lines as one list (by next_in_line) in the order of the turns; for those who look through them and either return
// or drop each flight. With `closes` nobody can queue any more.
struct pop_flight *pop_crowd_take_lines(struct pop_crowd *crowd, bool closes);
// Puts a taken flight back at the head of its line, and its line's turn before the others: last taken, first returned.
void pop_crowd_return(struct pop_crowd *crowd, struct pop_flight *flight);
void pop_crowd_drop(struct pop_crowd *crowd, struct pop_flight *flight);

// --- turns ---

enum pop_turn {
  POP_TURN_AGAIN,  // something has landed meanwhile
  POP_TURN_OVER,   // turns have ended; the next landing takes them up again
  POP_TURN_NEVER,  // nothing will land: the flight is the caller's, and was not put back
};

// False when somebody else is taking turns, who sees what has been queued.
bool pop_crowd_begin_turns(struct pop_crowd *crowd);
// The next flight, on its client's account; it counts as an order. NULL when no line can go on: turns have ended.
struct pop_flight *pop_crowd_take_turn(struct pop_crowd *crowd);
// The renderer was busy: the flight is the next again.
enum pop_turn pop_crowd_put_back(struct pop_crowd *crowd, struct pop_flight *flight);
// The order has ended, or never was. The flight has not.
void pop_crowd_end_turn(struct pop_crowd *crowd, struct pop_flight *flight);
// An order that is on nobody's account.
void pop_crowd_begin_order(struct pop_crowd *crowd);
void pop_crowd_end_order(struct pop_crowd *crowd);

#endif
