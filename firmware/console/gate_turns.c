// Who may do what now: calls of intakes, which may wait for the disk, and threads of CivetWeb. First come, first
// served.

#include "gate_parts.h"
#include "routes.h"

// Requests without an upload behind them that wait for a thread; one more gets 503. Uploads that have come whole wait
// as long as it takes: they would only come again.
enum { QUICK_WAITING_A_THREAD = 16, SLOW_WAITING_A_THREAD = 4 };

static void append(struct gate_queue *queue, struct gate_connection *connection) {
  connection->link = (struct gate_link){.previous = queue->last};
  if (queue->last) {
    queue->last->link.next = connection;
  } else {
    queue->first = connection;
  }
  queue->last = connection;
  queue->count++;
  connection->queue = queue;
}

static void take_out(struct gate_connection *connection) {
  struct gate_queue *queue = connection->queue;
  const struct gate_link *link = &connection->link;
  if (link->previous) {
    link->previous->link.next = link->next;
  } else {
    queue->first = link->next;
  }
  if (link->next) {
    link->next->link.previous = link->previous;
  } else {
    queue->last = link->previous;
  }
  queue->count--;
  connection->queue = NULL;
}

// All but one of the gate's threads may be within intakes, so that one is left for everybody else.
static bool has_free_turn(const struct console_gate *gate) { return gate->turns + 1 < gate->thread_count; }

bool console_gate_take_turn(struct gate_connection *connection) {
  struct console_gate *gate = connection->gate;
  pthread_mutex_lock(&gate->lock);
  if (!connection->has_turn && !connection->queue) {
    if (has_free_turn(gate) && !gate->turn_queue.first) {
      gate->turns++;
      connection->has_turn = true;
    } else {
      append(&gate->turn_queue, connection);
    }
  }
  const bool has_turn = connection->has_turn;
  pthread_mutex_unlock(&gate->lock);
  return has_turn;
}

// With the lock. The one that may go on next, or NULL.
static struct gate_connection *grant_turn(struct console_gate *gate) {
  struct gate_connection *next = gate->turn_queue.first;
  if (!next || !has_free_turn(gate)) return NULL;
  take_out(next);
  gate->turns++;
  next->has_turn = true;
  return next;
}

void console_gate_end_turn(struct gate_connection *connection) {
  struct console_gate *gate = connection->gate;
  pthread_mutex_lock(&gate->lock);
  if (connection->has_turn) gate->turns--;
  connection->has_turn = false;
  struct gate_connection *next = grant_turn(gate);
  pthread_mutex_unlock(&gate->lock);
  if (next) console_gate_post(next, GATE_EVENT_AGAIN);
}

bool console_gate_is_turn_wanted(struct console_gate *gate) {
  pthread_mutex_lock(&gate->lock);
  const bool is_wanted = gate->turn_queue.first != NULL;
  pthread_mutex_unlock(&gate->lock);
  return is_wanted;
}

static bool is_slow(const struct gate_connection *connection) {
  const struct console_exchange *exchange = &connection->request->exchange;
  return exchange->refusal.result == BASE_OK && console_route_is_slow(exchange->route);
}

// Slow requests may hold most of CivetWeb's threads, never all: /healthz and log-ins must find one.
static unsigned slow_limit(const struct console_gate *gate) {
  const unsigned threads = gate->console->config.threads;
  const unsigned limit = threads - threads / 4;
  return limit == threads && limit > 1 ? limit - 1 : limit;
}

static bool has_free_thread(const struct console_gate *gate, bool slow) {
  return gate->handed_over < gate->console->config.threads && (!slow || gate->handed_over_slow < slow_limit(gate));
}

static void take_thread(struct gate_connection *connection, bool slow) {
  connection->gate->handed_over++;
  if (slow) connection->gate->handed_over_slow++;
  connection->has_thread = true;
  connection->has_slow_thread = slow;
}

enum gate_place console_gate_take_thread(struct gate_connection *connection) {
  struct console_gate *gate = connection->gate;
  const bool slow = is_slow(connection);
  struct gate_queue *queue = slow ? &gate->slow_queue : &gate->quick_queue;
  const unsigned threads = gate->console->config.threads;
  unsigned limit = threads * (slow ? SLOW_WAITING_A_THREAD : QUICK_WAITING_A_THREAD);
  if (connection->is_own && !slow) limit += GATE_KEPT_PLACES;
  enum gate_place place = GATE_PLACE_LATER;
  pthread_mutex_lock(&gate->lock);
  if (connection->has_thread) {
    place = GATE_PLACE_TAKEN;
  } else if (!connection->queue) {
    if (has_free_thread(gate, slow) && !queue->first) {
      take_thread(connection, slow);
      place = GATE_PLACE_TAKEN;
    } else if (queue->count < limit || connection->request->exchange.intake) {
      append(queue, connection);
    } else {
      place = GATE_PLACE_NONE;
    }
  }
  pthread_mutex_unlock(&gate->lock);
  return place;
}

// With the lock. Quick ones first.
static struct gate_connection *grant_thread(struct console_gate *gate) {
  for (int slow = 0; slow < 2; slow++) {
    struct gate_queue *queue = slow ? &gate->slow_queue : &gate->quick_queue;
    struct gate_connection *next = queue->first;
    if (!next || !has_free_thread(gate, slow)) continue;
    take_out(next);
    take_thread(next, slow);
    return next;
  }
  return NULL;
}

void console_gate_end_thread(struct gate_connection *connection) {
  struct console_gate *gate = connection->gate;
  pthread_mutex_lock(&gate->lock);
  if (connection->has_thread) gate->handed_over--;
  if (connection->has_slow_thread) gate->handed_over_slow--;
  connection->has_thread = connection->has_slow_thread = false;
  struct gate_connection *next = grant_thread(gate);
  pthread_mutex_unlock(&gate->lock);
  if (next) console_gate_post(next, GATE_EVENT_AGAIN);
}

void console_gate_leave_queues(struct gate_connection *connection) {
  pthread_mutex_lock(&connection->gate->lock);
  if (connection->queue) take_out(connection);
  pthread_mutex_unlock(&connection->gate->lock);
  if (connection->has_turn) console_gate_end_turn(connection);
  if (connection->has_thread) console_gate_end_thread(connection);
}
