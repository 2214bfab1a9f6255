// Threads, events and deadlines: who runs which connection when.

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "gate_parts.h"

// A tag: generation, then one bit for the socket to CivetWeb, then the place. The gate's own descriptors have places
// behind the last.
enum { PLACE_BITS = 24, HATCH_BIT = 1 << PLACE_BITS, PLACE_MASK = HATCH_BIT - 1, GENERATION_SHIFT = 32 };

enum { TICK_MS = 100 };

uint64_t console_gate_tag(const struct gate_connection *connection, bool is_hatch) {
  const uint64_t place = (uint64_t)(connection - connection->gate->places);
  return (uint64_t)connection->generation << GENERATION_SHIFT | (is_hatch ? HATCH_BIT : 0) | place;
}

void console_gate_wake(struct console_gate *gate) {
  const uint64_t one = 1;
  BASE_ASSERT(write(gate->wake_fd, &one, sizeof one) == sizeof one);
}

static void push_run(struct gate_connection *connection) {
  struct console_gate *gate = connection->gate;
  pthread_mutex_lock(&gate->lock);
  connection->next_run = NULL;
  if (gate->last_run) {
    gate->last_run->next_run = connection;
  } else {
    gate->first_run = connection;
  }
  gate->last_run = connection;
  pthread_mutex_unlock(&gate->lock);
  console_gate_wake(gate);
}

static struct gate_connection *pop_run(struct console_gate *gate, bool *has_more) {
  pthread_mutex_lock(&gate->lock);
  struct gate_connection *connection = gate->first_run;
  if (connection) gate->first_run = connection->next_run;
  if (!gate->first_run) gate->last_run = NULL;
  *has_more = gate->first_run != NULL;
  pthread_mutex_unlock(&gate->lock);
  return connection;
}

void console_gate_post(struct gate_connection *connection, unsigned events) {
  pthread_mutex_lock(&connection->lock);
  connection->events |= (uint8_t)events;
  const bool is_mine = connection->is_open && !connection->is_running && !connection->is_queued;
  if (is_mine) connection->is_queued = true;
  pthread_mutex_unlock(&connection->lock);
  if (is_mine) push_run(connection);
}

static void queue_again(struct gate_connection *connection) {
  connection->yields = false;
  pthread_mutex_lock(&connection->lock);
  connection->events |= GATE_EVENT_AGAIN;
  connection->is_running = false;
  connection->is_queued = true;
  pthread_mutex_unlock(&connection->lock);
  push_run(connection);
}

// Runs the connection, whose is_running was set by the caller, until nothing is noted any more. One that would go on at
// once lets others go first.
static void run(struct gate_connection *connection, uint8_t *scratch) {
  for (;;) {
    pthread_mutex_lock(&connection->lock);
    const unsigned events = connection->events;
    connection->events = 0;
    if (events == 0) connection->is_running = false;
    pthread_mutex_unlock(&connection->lock);
    if (events == 0) return;
    connection->scratch = scratch;
    connection->now_ms = base_clock_ms(base_clock_system());
    console_gate_step(connection, events);
    if (connection->state == GATE_FREE) {
      console_gate_leave(connection);
      return;
    }
    if (connection->yields) {
      queue_again(connection);
      return;
    }
  }
}

static unsigned events_of(uint32_t ready, bool is_hatch) {
  if (is_hatch) return GATE_EVENT_HATCH;
  return GATE_EVENT_CLIENT | (ready & EPOLLRDHUP ? GATE_EVENT_GONE : 0) |
         (ready & (EPOLLHUP | EPOLLERR) ? GATE_EVENT_DEAD : 0);
}

static void dispatch(struct console_gate *gate, const struct epoll_event *event, uint8_t *scratch) {
  struct gate_connection *connection = &gate->places[event->data.u64 & PLACE_MASK];
  pthread_mutex_lock(&connection->lock);
  // Whatever is reported late, of a connection that has left, names a generation of the past.
  const bool is_its = connection->is_open && connection->generation == event->data.u64 >> GENERATION_SHIFT;
  if (is_its) connection->events |= (uint8_t)events_of(event->events, event->data.u64 & HATCH_BIT);
  const bool is_mine = is_its && !connection->is_running && !connection->is_queued;
  if (is_mine) connection->is_running = true;
  pthread_mutex_unlock(&connection->lock);
  if (is_mine) run(connection, scratch);
}

// wake_fd is never read: each write wakes one thread, since only changes are watched (EPOLLET). Several writes may
// wake but one thread, so that one wakes another while there is more to run.
static void run_next(struct console_gate *gate, uint8_t *scratch) {
  bool has_more;
  struct gate_connection *connection = pop_run(gate, &has_more);
  if (has_more) console_gate_wake(gate);
  if (!connection) return;
  pthread_mutex_lock(&connection->lock);
  connection->is_queued = false;
  connection->is_running = true;
  pthread_mutex_unlock(&connection->lock);
  run(connection, scratch);
}

void console_gate_set_deadline(struct gate_connection *connection, uint64_t at_ms) {
  const size_t place = (size_t)(connection - connection->gate->places);
  atomic_store_explicit(&connection->gate->deadlines[place], at_ms, memory_order_relaxed);
}

static void rearm(struct console_gate *gate, int fd, size_t number) {
  struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.u64 = number};
  (void)epoll_ctl(gate->epoll_fd, EPOLL_CTL_MOD, fd, &event);
}

// Looks at every deadline, while there is any connection.
static void tick(struct console_gate *gate) {
  uint64_t count;
  if (read(gate->timer_fd, &count, sizeof count) < 0) count = 0;
  const uint64_t now_ms = base_clock_ms(base_clock_system());
  const unsigned places = atomic_load(&gate->place_count);
  for (unsigned i = 0; i < places; i++) {
    const uint64_t at_ms = atomic_load_explicit(&gate->deadlines[i], memory_order_relaxed);
    if (at_ms != 0 && at_ms <= now_ms) console_gate_post(&gate->places[i], GATE_EVENT_TIMEOUT);
  }
  console_gate_resume_accepting(gate);
  pthread_mutex_lock(&gate->lock);
  const bool goes_on = gate->open > 0 || gate->is_accept_paused;
  if (!goes_on) gate->is_ticking = false;
  pthread_mutex_unlock(&gate->lock);
  const struct itimerspec soon = {.it_value = {.tv_nsec = TICK_MS * 1000000L}};
  if (goes_on) (void)timerfd_settime(gate->timer_fd, 0, &soon, NULL);
  rearm(gate, gate->timer_fd, gate->max_connections + 1);
}

// One event at a time: a thread that waits for a disk must not sit on the events of others.
void *console_gate_run(void *argument) {
  struct console_gate *gate = argument;
  uint8_t *scratch = malloc(GATE_SCRATCH_BYTES);
  BASE_ASSERT(scratch);
  while (!atomic_load(&gate->should_exit)) {
    struct epoll_event event;
    const int count = epoll_wait(gate->epoll_fd, &event, 1, -1);
    BASE_ASSERT(count >= 0 || errno == EINTR);
    if (count <= 0) continue;
    const uint64_t own = event.data.u64 & PLACE_MASK;
    if (own < gate->max_connections) {
      dispatch(gate, &event, scratch);
    } else if (own == gate->max_connections) {
      console_gate_accept(gate);
    } else if (own == gate->max_connections + 1) {
      tick(gate);
    } else {
      run_next(gate, scratch);
    }
  }
  free(scratch);
  console_gate_wake(gate);  // the next thread shall exit too
  return NULL;
}
