#include "loop.h"

#include <errno.h>
#include <stdlib.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/file.h"
#include "base/text.h"
#include "connection.h"
#include "greeting.h"
#include "serve.h"

enum {
  DELIVERY_EVENTS_A_TURN = 256,
  DELIVERY_LINGER_MS = 2000,
  DELIVERY_LAST_CALL_MS = 1000,
  DELIVERY_DRAIN_MS = 400,
  DELIVERY_MAX_OUTPUT_HEAD = 1 << 17,  // far over what a reply can hold
};

static void update_time(struct loop *loop) {
  const struct base_clock *clock = loop->shared->config.clock;
  loop->now_us = base_clock_us(clock);
  loop->now_ms = loop->now_us / 1000;
  int64_t wall_s = base_clock_wall_s(clock);
  if (wall_s == loop->date_s) return;
  loop->date_s = wall_s;
  http_date_format(wall_s, loop->date, sizeof loop->date);
}

static bool watch_inbox(struct loop *loop) {
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = &loop->inbox};
  return epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->inbox.event_fd, &event) == 0;
}

enum base_result delivery_loop_init(struct loop *loop, struct shared *shared, struct acceptor *acceptors,
                                    unsigned acceptor_count, struct base_fault *fault) {
  const struct delivery_config *config = &shared->config;
  const uint32_t timeout_ms[DELIVERY_STATES] = {
      [DELIVERY_HANDSHAKE] = config->handshake_timeout_ms,
      [DELIVERY_QUEUE] = config->handshake_timeout_ms,
      [DELIVERY_IDLE] = config->idle_timeout_ms,
      [DELIVERY_HEAD] = config->head_timeout_ms,
      [DELIVERY_REPLY] = config->reply_timeout_ms,
      [DELIVERY_WRITE] = config->write_timeout_ms,
      [DELIVERY_LINGER] = DELIVERY_LINGER_MS,
      [DELIVERY_LAST_CALL] = DELIVERY_LAST_CALL_MS,
      [DELIVERY_DRAIN] = DELIVERY_DRAIN_MS,
  };
  memset(loop, 0, offsetof(struct loop, input));
  loop->shared = shared;
  loop->acceptors = acceptors;
  loop->acceptor_count = acceptor_count;
  loop->epoll_fd = -1;
  loop->inbox.event_fd = -1;
  loop->date_s = -1;
  base_random_bytes(&loop->id_state, sizeof loop->id_state);
  delivery_timers_init(&loop->timers, timeout_ms);
  // The measure is no promise: a fifth of the time is left for turns that take longer than the last ones did.
  delivery_handshakes_init(&loop->handshakes, (uint64_t)config->handshake_timeout_ms * 1000 / 5 * 4);
  base_buffer_init(&loop->output, DELIVERY_MAX_OUTPUT_HEAD);
  update_time(loop);

  enum base_result result = delivery_inbox_init(&loop->inbox, fault);
  if (result != BASE_OK) {
    delivery_acceptors_finish(loop);
    return result;
  }
  if (shared->tls && !(loop->lane = tls_lane_create())) {
    result = BASE_FAIL(fault, BASE_NO_MEMORY, "loops", "no memory for another loop");
  }
  loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  if (result == BASE_OK && (loop->epoll_fd < 0 || !watch_inbox(loop) || !delivery_acceptors_watch(loop))) {
    result = BASE_FAIL_ERRNO(fault, "epoll", "cannot set up epoll");
  }
  if (result != BASE_OK) delivery_loop_finish(loop);
  return result;
}

void delivery_loop_finish(struct loop *loop) {
  delivery_inbox_finish(&loop->inbox);
  delivery_exchange_pool_finish(&loop->exchanges);
  base_buffer_finish(&loop->output);
  tls_lane_destroy(&loop->lane);
  delivery_acceptors_finish(loop);
  base_fd_close(&loop->epoll_fd);
}

// splitmix64 (Steele, Lea, Flood 2014) from a random start: distinct, and not to be counted by outsiders at a glance.
void delivery_loop_make_id(struct loop *loop, char out[HTTP_REQUEST_ID_CHARS + 1]) {
  uint64_t id = loop->id_state += 0x9e3779b97f4a7c15U;
  id = (id ^ (id >> 30)) * 0xbf58476d1ce4e5b9U;
  id = (id ^ (id >> 27)) * 0x94d049bb133111ebU;
  id ^= id >> 31;
  base_hex_encode(base_span_of(&id, sizeof id), out, HTTP_REQUEST_ID_CHARS + 1);
}

static void take_replies(struct loop *loop) {
  struct exchange *exchange = delivery_inbox_take(&loop->inbox);
  while (exchange) {
    struct exchange *next = exchange->next;
    delivery_serve_reply(exchange);
    exchange = next;
  }
}

static void expire(struct loop *loop) {
  struct timer *timer;
  while ((timer = delivery_timers_expired(&loop->timers, loop->now_ms))) {
    delivery_serve_timeout((struct connection *)(void *)timer);
  }
}

static void close_all(struct loop *loop, enum delivery_state state) {
  struct timer *timer;
  while ((timer = delivery_timers_first(&loop->timers, state))) {
    delivery_connection_close((struct connection *)(void *)timer);
  }
}

// Tells every connection of a state. Some close, and some move to the end of a list, so a flag keeps the walk finite.
static void drain_state(struct loop *loop, enum delivery_state state) {
  struct timer *next;
  const struct timer *end = &loop->timers.lists[state];
  for (struct timer *timer = end->next; timer != end; timer = next) {
    next = timer->next;
    struct connection *connection = (struct connection *)(void *)timer;
    if (connection->is_drain_told) continue;
    connection->is_drain_told = true;
    delivery_serve_drain(connection);
  }
}

static void begin_draining(struct loop *loop) {
  loop->is_draining = true;
  loop->drain_end_ms = loop->now_ms + loop->drain_ms;
  loop->is_accept_paused = false;
  delivery_acceptors_finish(loop);
  for (int state = 0; state < DELIVERY_STATES; state++) drain_state(loop, (enum delivery_state)state);
}

static int wait_ms(const struct loop *loop) {
  uint64_t next_ms = delivery_timers_next_ms(&loop->timers);
  if (loop->is_accept_paused && loop->accept_resume_ms < next_ms) next_ms = loop->accept_resume_ms;
  if (loop->is_draining && loop->drain_end_ms < next_ms) next_ms = loop->drain_end_ms;
  uint64_t left_ms = UINT64_MAX;
  if (next_ms != UINT64_MAX) left_ms = next_ms > loop->now_ms ? next_ms - loop->now_ms : 0;
  const uint64_t handshake_ms = delivery_greeting_wait_ms(loop);
  if (handshake_ms < left_ms) left_ms = handshake_ms;
  if (left_ms == UINT64_MAX) return -1;
  return left_ms < INT32_MAX ? (int)left_ms : INT32_MAX;
}

// Events of connections come first and each touches its own connection only. What may close other connections (replies,
// time-outs, the drain, handshakes) waits until no event of this turn can name one of them any more.
static void turn(struct loop *loop) {
  struct epoll_event events[DELIVERY_EVENTS_A_TURN];
  int count = epoll_wait(loop->epoll_fd, events, DELIVERY_EVENTS_A_TURN, wait_ms(loop));
  BASE_ASSERT(count >= 0 || errno == EINTR);
  update_time(loop);
  bool has_replies = false;
  bool has_clients = false;
  struct acceptor *acceptor;
  for (int i = 0; i < count; i++) {
    void *tag = events[i].data.ptr;
    if (tag == &loop->inbox) {
      has_replies = true;
    } else if (delivery_acceptor_of_tag(loop, tag)) {
      has_clients = true;
    } else {
      delivery_serve_events(tag, events[i].events);
    }
  }
  if (has_replies) take_replies(loop);
  expire(loop);
  if (!loop->is_draining && atomic_load_explicit(&loop->should_stop, memory_order_acquire)) begin_draining(loop);
  for (int i = 0; has_clients && i < count; i++) {
    acceptor = delivery_acceptor_of_tag(loop, events[i].data.ptr);
    if (acceptor) delivery_acceptor_take(loop, acceptor);
  }
  delivery_acceptors_resume(loop);
  delivery_greeting_turn(loop);
  delivery_meters_flush(&loop->shared->meters, &loop->counts);
}

void *delivery_loop_run(void *argument) {
  struct loop *loop = argument;
  loop->thread = pthread_self();
  while (!loop->is_draining || (loop->open > 0 && loop->now_ms < loop->drain_end_ms)) turn(loop);

  for (int state = 0; state < DELIVERY_STATES; state++) close_all(loop, (enum delivery_state)state);
  struct exchange *exchange = delivery_inbox_close(&loop->inbox);
  while (exchange) {
    struct exchange *next = exchange->next;
    delivery_serve_reply(exchange);
    exchange = next;
  }
  delivery_meters_flush(&loop->shared->meters, &loop->counts);
  return NULL;
}

void delivery_loop_stop(struct loop *loop, uint32_t drain_ms) {
  loop->drain_ms = drain_ms;
  atomic_store_explicit(&loop->should_stop, true, memory_order_release);
  delivery_inbox_wake(&loop->inbox);
}
