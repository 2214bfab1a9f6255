#include "crowd.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "flight.h"

enum { NETWORK_BYTES = 8 };

void pop_crowd_init(struct pop_crowd *crowd, unsigned max_requests, unsigned max_renders,
                    struct base_metrics *metrics) {
  *crowd = (struct pop_crowd){.max_requests = max_requests, .max_renders = max_renders};
  base_random_bytes(&crowd->seed, sizeof crowd->seed);
  pthread_mutex_init(&crowd->lock, NULL);
  crowd->waiting_metric =
      base_metrics_gauge(metrics, "pixpop_pop_waiting", "", "Variants that wait for their client's turn to be made");
}

void pop_crowd_finish(struct pop_crowd *crowd) {
  for (size_t i = 0; i < POP_CROWD_BUCKETS; i++) BASE_ASSERT(!crowd->buckets[i]);
  BASE_ASSERT(!crowd->waiting && !crowd->orders);
  pthread_mutex_destroy(&crowd->lock);
}

// --- coming and going ---

bool pop_crowd_read_client(const uint8_t client[16], uint8_t out[POP_CLIENT_BYTES]) {
  static const uint8_t nobody[POP_CLIENT_BYTES], ipv4[12] = {[10] = 0xff, [11] = 0xff};
  const bool is_ipv4 = memcmp(client, ipv4, sizeof ipv4) == 0;
  memset(out, 0, POP_CLIENT_BYTES);
  memcpy(out, client, is_ipv4 ? POP_CLIENT_BYTES : NETWORK_BYTES);
  return memcmp(client, nobody, POP_CLIENT_BYTES) != 0;
}

static struct pop_guest **bucket_of(struct pop_crowd *crowd, const uint8_t client[POP_CLIENT_BYTES]) {
  uint64_t halves[2];
  memcpy(halves, client, sizeof halves);
  const uint64_t hash = ((halves[0] ^ crowd->seed) * 0x9e3779b97f4a7c15u ^ halves[1]) * 0x9e3779b97f4a7c15u;
  return &crowd->buckets[(hash >> 32) % POP_CROWD_BUCKETS];
}

static struct pop_guest *find(struct pop_guest *guest, const uint8_t client[POP_CLIENT_BYTES]) {
  while (guest && memcmp(guest->client, client, POP_CLIENT_BYTES) != 0) guest = guest->next;
  return guest;
}

static enum base_result enter(struct pop_crowd *crowd, const uint8_t client[POP_CLIENT_BYTES], struct pop_guest **out) {
  struct pop_guest **bucket = bucket_of(crowd, client);
  struct pop_guest *guest = find(*bucket, client);
  // Each flight in line or with the renderer has at least one of the requests.
  if (guest && crowd->max_requests && guest->requests - guest->waiting - guest->renders >= crowd->max_requests) {
    return BASE_BUSY;
  }
  if (!guest) {
    guest = calloc(1, sizeof *guest);
    if (!guest) return BASE_NO_MEMORY;
    memcpy(guest->client, client, POP_CLIENT_BYTES);
    guest->next = *bucket;
    *bucket = guest;
  }
  guest->requests++;
  *out = guest;
  return BASE_OK;
}

enum base_result pop_crowd_enter(struct pop_crowd *crowd, const uint8_t client[16], struct pop_guest **out,
                                 struct base_fault *fault) {
  uint8_t known[POP_CLIENT_BYTES];
  *out = NULL;
  if (!pop_crowd_read_client(client, known)) return BASE_OK;
  pthread_mutex_lock(&crowd->lock);
  const enum base_result result = enter(crowd, known, out);
  pthread_mutex_unlock(&crowd->lock);
  if (result == BASE_NO_MEMORY) return BASE_FAIL(fault, result, "", "no memory for a request");
  if (result == BASE_BUSY) {
    return BASE_FAIL(fault, result, "client", "this client waits for %u pictures already; try again in a moment",
                     crowd->max_requests);
  }
  return result;
}

void pop_crowd_leave(struct pop_crowd *crowd, struct pop_guest **pointer) {
  struct pop_guest *guest = *pointer;
  *pointer = NULL;
  if (!guest) return;
  pthread_mutex_lock(&crowd->lock);
  const bool is_last = --guest->requests == 0;
  if (is_last) {
    BASE_ASSERT(!guest->waiting && !guest->renders);
    struct pop_guest **link = bucket_of(crowd, guest->client);
    while (*link != guest) link = &(*link)->next;
    *link = guest->next;
  }
  pthread_mutex_unlock(&crowd->lock);
  if (is_last) free(guest);
}

// --- lines, with the lock ---

static struct pop_guest *account_of(struct pop_crowd *crowd, struct pop_guest *guest) {
  return guest ? guest : &crowd->nobody;
}

static bool is_limited(const struct pop_crowd *crowd, const struct pop_guest *guest) {
  return guest != &crowd->nobody && crowd->max_renders;
}

static bool may_render(const struct pop_crowd *crowd, const struct pop_guest *guest) {
  return !is_limited(crowd, guest) || guest->renders < crowd->max_renders;
}

// Renders and flights in line are one sum here, since what is about to leave the line is still in it.
static bool has_room(const struct pop_crowd *crowd, const struct pop_guest *guest) {
  return !is_limited(crowd, guest) ||
         (uint64_t)guest->renders + guest->waiting < (uint64_t)crowd->max_renders * (1 + POP_WAITING_PER_RENDER);
}

static void count_waiting(struct pop_crowd *crowd, struct pop_guest *guest, int change) {
  guest->waiting += (unsigned)change;
  crowd->waiting += (unsigned)change;
  base_metric_set(crowd->waiting_metric, crowd->waiting);
}

static void push_turn_last(struct pop_crowd *crowd, struct pop_guest *guest) {
  guest->next_turn = NULL;
  if (crowd->turn_last) {
    crowd->turn_last->next_turn = guest;
  } else {
    crowd->turn_first = guest;
  }
  crowd->turn_last = guest;
}

static void push_turn_first(struct pop_crowd *crowd, struct pop_guest *guest) {
  guest->next_turn = crowd->turn_first;
  crowd->turn_first = guest;
  if (!crowd->turn_last) crowd->turn_last = guest;
}

static void remove_turn(struct pop_crowd *crowd, struct pop_guest *guest) {
  struct pop_guest *before = NULL;
  for (struct pop_guest *at = crowd->turn_first; at != guest; at = at->next_turn) before = at;
  if (before) {
    before->next_turn = guest->next_turn;
  } else {
    crowd->turn_first = guest->next_turn;
  }
  if (crowd->turn_last == guest) crowd->turn_last = before;
  guest->next_turn = NULL;
}

static void push_last(struct pop_crowd *crowd, struct pop_guest *guest, struct pop_flight *flight) {
  flight->account = guest;
  flight->is_in_line = true;
  flight->next_in_line = NULL;
  if (guest->last) {
    guest->last->next_in_line = flight;
  } else {
    guest->first = flight;
    push_turn_last(crowd, guest);
  }
  guest->last = flight;
}

// The guest is the next, too.
static void push_first(struct pop_crowd *crowd, struct pop_flight *flight) {
  struct pop_guest *guest = flight->account;
  if (guest->first) {
    remove_turn(crowd, guest);
  } else {
    guest->last = flight;
  }
  flight->is_in_line = true;
  flight->next_in_line = guest->first;
  guest->first = flight;
  push_turn_first(crowd, guest);
}

static void remove_from_line(struct pop_crowd *crowd, struct pop_flight *flight) {
  struct pop_guest *guest = flight->account;
  struct pop_flight *before = NULL;
  for (struct pop_flight *at = guest->first; at != flight; at = at->next_in_line) before = at;
  if (before) {
    before->next_in_line = flight->next_in_line;
  } else {
    guest->first = flight->next_in_line;
  }
  if (guest->last == flight) guest->last = before;
  flight->next_in_line = NULL;
  flight->is_in_line = false;
  if (!guest->first) remove_turn(crowd, guest);
}

static unsigned count_before(const struct pop_flight *flight) {
  unsigned count = 0;
  for (const struct pop_flight *at = flight->account->first; at != flight; at = at->next_in_line) count++;
  return count;
}

// What goes before a flight that has `before` others before it in the guest's line.
static unsigned cost(const struct pop_crowd *crowd, const struct pop_guest *guest, unsigned before) {
  return before + (is_limited(crowd, guest) ? guest->renders : 0);
}

// --- lines ---

enum base_result pop_crowd_queue(struct pop_crowd *crowd, struct pop_flight *flight, struct pop_guest *guest,
                                 struct base_fault *fault) {
  struct pop_guest *account = account_of(crowd, guest);
  pthread_mutex_lock(&crowd->lock);
  const bool is_closed = crowd->is_closed, is_full = crowd->waiting >= POP_MAX_WAITING;
  const bool is_client_full = !has_room(crowd, account);
  if (!is_closed && !is_full && !is_client_full) {
    push_last(crowd, account, flight);
    count_waiting(crowd, account, 1);
  }
  pthread_mutex_unlock(&crowd->lock);
  if (is_closed) return BASE_FAIL(fault, BASE_BUSY, "", "the box is being stopped; try again in a moment");
  if (is_client_full) {
    return BASE_FAIL(fault, BASE_BUSY, "client", "as many pictures as one client may have wait for being made; %s",
                     "try again in a moment");
  }
  if (is_full) return BASE_FAIL(fault, BASE_BUSY, "", "too many pictures wait for being made; try again in a moment");
  return BASE_OK;
}

bool pop_crowd_share(struct pop_crowd *crowd, struct pop_flight *flight, struct pop_guest *guest) {
  struct pop_guest *account = account_of(crowd, guest);
  pthread_mutex_lock(&crowd->lock);
  bool moves = flight->is_in_line && flight->account != account && has_room(crowd, account);
  if (moves) {
    moves = cost(crowd, account, account->waiting) < cost(crowd, flight->account, count_before(flight));
  }
  if (moves) {
    struct pop_guest *before = flight->account;
    remove_from_line(crowd, flight);
    count_waiting(crowd, before, -1);
    push_last(crowd, account, flight);
    count_waiting(crowd, account, 1);
  }
  pthread_mutex_unlock(&crowd->lock);
  return moves;
}

struct pop_flight *pop_crowd_take_lines(struct pop_crowd *crowd, bool closes) {
  struct pop_flight *first = NULL, **end = &first;
  pthread_mutex_lock(&crowd->lock);
  if (closes) crowd->is_closed = true;
  while (crowd->turn_first) {
    struct pop_guest *guest = crowd->turn_first;
    remove_turn(crowd, guest);
    *end = guest->first;
    for (struct pop_flight *at = guest->first; at; at = at->next_in_line) at->is_in_line = false;
    end = &guest->last->next_in_line;
    guest->first = guest->last = NULL;
  }
  pthread_mutex_unlock(&crowd->lock);
  return first;
}

void pop_crowd_return(struct pop_crowd *crowd, struct pop_flight *flight) {
  pthread_mutex_lock(&crowd->lock);
  push_first(crowd, flight);
  pthread_mutex_unlock(&crowd->lock);
}

void pop_crowd_drop(struct pop_crowd *crowd, struct pop_flight *flight) {
  pthread_mutex_lock(&crowd->lock);
  count_waiting(crowd, flight->account, -1);
  pthread_mutex_unlock(&crowd->lock);
}

// --- turns ---

bool pop_crowd_begin_turns(struct pop_crowd *crowd) {
  pthread_mutex_lock(&crowd->lock);
  const bool begins = !crowd->is_taking_turns;
  crowd->is_taking_turns = true;
  pthread_mutex_unlock(&crowd->lock);
  return begins;
}

struct pop_flight *pop_crowd_take_turn(struct pop_crowd *crowd) {
  struct pop_flight *flight = NULL;
  pthread_mutex_lock(&crowd->lock);
  crowd->has_landed = false;
  // Who can not go on keeps its place before those who can.
  struct pop_guest *guest = crowd->turn_first;
  while (guest && !may_render(crowd, guest)) guest = guest->next_turn;
  if (guest) {
    flight = guest->first;
    remove_from_line(crowd, flight);
    count_waiting(crowd, guest, -1);
    guest->renders++;
    crowd->orders++;
    if (guest->first) {
      remove_turn(crowd, guest);
      push_turn_last(crowd, guest);
    }
  }
  crowd->is_taking_turns = flight != NULL;
  pthread_mutex_unlock(&crowd->lock);
  return flight;
}

enum pop_turn pop_crowd_put_back(struct pop_crowd *crowd, struct pop_flight *flight) {
  enum pop_turn turn = POP_TURN_OVER;
  pthread_mutex_lock(&crowd->lock);
  flight->account->renders--;
  crowd->orders--;
  if (crowd->is_closed || (!crowd->orders && !crowd->has_landed)) {
    turn = POP_TURN_NEVER;
  } else {
    push_first(crowd, flight);
    count_waiting(crowd, flight->account, 1);
    if (crowd->has_landed) turn = POP_TURN_AGAIN;
    crowd->is_taking_turns = turn == POP_TURN_AGAIN;
  }
  pthread_mutex_unlock(&crowd->lock);
  return turn;
}

void pop_crowd_end_turn(struct pop_crowd *crowd, struct pop_flight *flight) {
  pthread_mutex_lock(&crowd->lock);
  flight->account->renders--;
  crowd->orders--;
  crowd->has_landed = true;
  pthread_mutex_unlock(&crowd->lock);
}

void pop_crowd_begin_order(struct pop_crowd *crowd) {
  pthread_mutex_lock(&crowd->lock);
  crowd->orders++;
  pthread_mutex_unlock(&crowd->lock);
}

void pop_crowd_end_order(struct pop_crowd *crowd) {
  pthread_mutex_lock(&crowd->lock);
  crowd->orders--;
  crowd->has_landed = true;
  pthread_mutex_unlock(&crowd->lock);
}
