// What a connection does next: the gate's states and the ways between them.

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/checked.h"
#include "gate_parts.h"
#include "http/parser.h"

enum {
  HEAD_MS = 10000,   // for a whole head
  IDLE_MS = 15000,   // between requests
  LINGER_MS = 5000,  // after a reply, for a client that still sends
  LINGER_READS = 16,
};

static uint64_t head_ms(const struct console_gate *gate) {
  return base_min_u64(HEAD_MS, gate->console->config.request_timeout_ms);
}

// 0: what is waited for has no end, or one of its own.
static uint64_t patience_ms(const struct gate_connection *connection, enum gate_state state) {
  switch (state) {
    case GATE_HANDSHAKE:
      return connection->gate->console->config.handshake_timeout_ms;
    case GATE_HEAD:
      return connection->state == GATE_CLEAR ? IDLE_MS : head_ms(connection->gate);
    case GATE_LINGER:
      return LINGER_MS;
    default:
      return 0;
  }
}

static void count_state(struct gate_connection *connection, int amount) {
  struct console_gate *gate = connection->gate;
  base_metric_add(gate->meters.states[connection->state], amount);
  const bool is_upload = connection->state == GATE_BODY && connection->request->kind;
  if (is_upload) base_metric_add(gate->meters.uploads, amount);
  if (is_upload) atomic_fetch_add(&gate->uploads, (unsigned)amount);
  if (connection->state == GATE_READY) atomic_fetch_add(&gate->waiting, (unsigned)amount);
}

void console_gate_enter(struct gate_connection *connection, enum gate_state state) {
  const uint64_t patience = patience_ms(connection, state);
  if (connection->state != GATE_FREE) count_state(connection, -1);
  connection->state = (uint8_t)state;
  if (state != GATE_FREE) count_state(connection, 1);
  connection->has_head_begun = false;
  console_gate_set_deadline(connection, patience > 0 ? connection->now_ms + patience : 0);
}

static void count_active(struct console_gate *gate, int amount) {
  pthread_mutex_lock(&gate->lock);
  gate->active += (unsigned)amount;
  pthread_cond_broadcast(&gate->changed);
  pthread_mutex_unlock(&gate->lock);
}

static void end_request(struct gate_connection *connection) {
  if (!connection->request) return;
  console_gate_request_destroy(&connection->request);
  count_active(connection->gate, -1);
}

// The client is not there any more, or shall not be.
static bool part(struct gate_connection *connection) {
  console_gate_leave_queues(connection);
  console_gate_close_wire(connection);
  connection->is_dead = true;
  console_gate_enter(connection, GATE_PART);
  return true;
}

// --- heads ---

static bool begin_request(struct gate_connection *connection, struct base_span head, const struct base_fault *fault) {
  connection->request = console_gate_request_create(connection, head, fault);
  connection->input = base_span_slice(connection->input, head.bytes, connection->input.bytes - head.bytes);
  if (!connection->request) return part(connection);
  count_active(connection->gate, 1);
  const struct gate_request *request = connection->request;
  const bool is_refused = request->exchange.refusal.result != BASE_OK;
  const bool has_body = request->kind || !request->is_whole;
  console_gate_enter(connection, has_body && !is_refused ? GATE_BODY : GATE_READY);
  return true;
}

// True when the state has changed.
static bool parse_head(struct gate_connection *connection) {
  struct http_request parsed;
  struct base_fault fault = {0};
  size_t head_bytes;
  switch (http_parse_request(connection->input, &parsed, &head_bytes, &fault)) {
    case HTTP_PARSE_DONE:
      return begin_request(connection, base_span_slice(connection->input, 0, head_bytes), NULL);
    case HTTP_PARSE_FAILED:
      return begin_request(connection, (struct base_span){0}, &fault);
    default:
      break;
  }
  if (!connection->has_head_begun && connection->input.bytes > 0) {
    connection->has_head_begun = true;
    console_gate_set_deadline(connection, connection->now_ms + head_ms(connection->gate));
  }
  return false;
}

static bool receive_head(struct gate_connection *connection) {
  struct base_span *input = &connection->input;
  if (connection->is_dead) return part(connection);
  const bool is_pipelined = input->bytes > 0 && !connection->has_head_begun;
  console_gate_open_input(connection);
  if (is_pipelined && parse_head(connection)) return true;
  for (;;) {
    // The parser knows what to say of a head before it is this long.
    BASE_ASSERT(input->bytes < HTTP_MAX_HEAD_BYTES);
    if (input->bytes > 0) memmove(connection->scratch, input->data, input->bytes);
    input->data = connection->scratch;
    const size_t capacity = HTTP_MAX_HEAD_BYTES - input->bytes;
    size_t got;
    const enum gate_io io = console_gate_read(connection, connection->scratch + input->bytes, capacity, &got);
    if (io == GATE_IO_AGAIN) return false;
    if (io != GATE_IO_OK) return part(connection);
    input->bytes += got;
    if (parse_head(connection)) return true;
  }
}

// --- answers ---

static bool await_thread(struct gate_connection *connection) {
  struct gate_request *request = connection->request;
  // An upload that has come whole is stored, whether or not anybody waits for the reply.
  const bool is_upload = request->exchange.intake && request->is_whole && !atomic_load(&connection->gate->is_cut);
  if (connection->is_dead && !is_upload) return part(connection);
  struct base_fault fault = {0};
  switch (console_gate_take_thread(connection)) {
    case GATE_PLACE_LATER:
      return false;
    case GATE_PLACE_TAKEN:
      if (!console_gate_hand_over(connection)) return part(connection);
      console_gate_enter(connection, GATE_ANSWER);
      return true;
    default:
      break;
  }
  base_metric_add(connection->gate->meters.refused[GATE_REFUSED_QUEUE], 1);
  if (request->exchange.refusal.result != BASE_OK) return part(connection);
  (void)BASE_FAIL(&fault, BASE_BUSY, "", "too many uploads and renders are going on; try again soon");
  console_gate_refuse(request, &fault);
  return true;
}

static bool relay(struct gate_connection *connection) {
  if (!console_gate_relay(connection)) return false;
  const struct gate_request *request = connection->request;
  const bool is_answered = atomic_load_explicit(&request->exchange.is_answered, memory_order_acquire);
  connection->is_closing = connection->is_dead || !is_answered || !request->exchange.lives_on;
  if (connection->is_closing) console_gate_end_output(connection);
  console_gate_enter(connection, GATE_CLEAR);
  return true;
}

static bool clear(struct gate_connection *connection) {
  if (!console_gate_drop_intake(connection, false)) return false;
  end_request(connection);
  if (connection->is_dead) return part(connection);
  console_gate_enter(connection, connection->is_closing ? GATE_LINGER : GATE_HEAD);
  return true;
}

// A client that still sends would have its connection reset, and might never see the reply (RFC 9112 9.6).
static bool linger(struct gate_connection *connection) {
  if (connection->is_dead) return part(connection);
  for (int i = 0; i < LINGER_READS; i++) {
    ssize_t got = recv(connection->fd, connection->scratch, GATE_SCRATCH_BYTES, 0);
    if (got < 0 && errno == EAGAIN) {
      connection->wants |= EPOLLIN;
      return false;
    }
    if (got == 0 || (got < 0 && errno != EINTR)) return part(connection);
  }
  connection->yields = true;
  return false;
}

static bool leave(struct gate_connection *connection) {
  struct gate_request *request = connection->request;
  if (request && !console_gate_drop_intake(connection, !request->is_whole)) return false;
  console_gate_leave_queues(connection);
  end_request(connection);
  console_gate_enter(connection, GATE_FREE);
  return false;
}

static bool shake_hands(struct gate_connection *connection) {
  if (connection->is_dead) return part(connection);
  switch (console_gate_handshake(connection)) {
    case GATE_IO_AGAIN:
      return false;
    case GATE_IO_OK:
      console_gate_enter(connection, GATE_HEAD);
      return true;
    default:
      return part(connection);
  }
}

// Goes on as far as it can from here. True when there is another state to go on from.
static bool advance(struct gate_connection *connection) {
  switch (connection->state) {
    case GATE_HANDSHAKE:
      return shake_hands(connection);
    case GATE_HEAD:
      return receive_head(connection);
    case GATE_BODY:
      return connection->is_dead ? part(connection) : console_gate_receive(connection);
    case GATE_READY:
      return await_thread(connection);
    case GATE_ANSWER:
      return relay(connection);
    case GATE_CLEAR:
      return clear(connection);
    case GATE_LINGER:
      return linger(connection);
    case GATE_PART:
      return leave(connection);
    default:
      return false;
  }
}

static void time_out(struct gate_connection *connection) {
  struct gate_meters *meters = &connection->gate->meters;
  const size_t place = (size_t)(connection - connection->gate->places);
  const uint64_t at_ms = atomic_load_explicit(&connection->gate->deadlines[place], memory_order_relaxed);
  if (at_ms == 0 || connection->now_ms < at_ms) return;
  console_gate_set_deadline(connection, 0);
  switch (connection->state) {
    case GATE_HANDSHAKE:
      base_metric_add(meters->timeouts[GATE_TIMEOUT_HANDSHAKE], 1);
      break;
    case GATE_HEAD:
      base_metric_add(meters->timeouts[connection->has_head_begun ? GATE_TIMEOUT_HEAD : GATE_TIMEOUT_IDLE], 1);
      break;
    case GATE_BODY:
      console_gate_judge_pace(connection);
      return;
    case GATE_ANSWER:
      base_metric_add(meters->timeouts[GATE_TIMEOUT_REPLY], 1);
      break;
    default:
      break;
  }
  connection->is_dead = true;
}

// From here on a request is with others, who want to know that its client has left.
static bool is_with_others(const struct gate_connection *connection) {
  return connection->state == GATE_READY || connection->state == GATE_ANSWER || connection->state == GATE_CLEAR;
}

static void note(struct gate_connection *connection, unsigned events) {
  struct gate_request *request = connection->request;
  if (events & GATE_EVENT_CLIENT) connection->armed = 0;
  if (events & GATE_EVENT_HATCH && request) request->hatch_armed = 0;
  if (events & (GATE_EVENT_GONE | GATE_EVENT_DEAD)) connection->is_gone = true;
  // In the other states reading tells, after what came before.
  if (events & GATE_EVENT_DEAD && is_with_others(connection)) connection->is_dead = true;
  if (atomic_load(&connection->gate->is_cut)) connection->is_dead = connection->is_gone = true;
  if (events & GATE_EVENT_TIMEOUT) time_out(connection);
  if (request && (connection->is_gone || connection->is_dead)) atomic_store(&request->exchange.is_gone, true);
  connection->wants = 0;
  if (request) request->hatch_wants = 0;
}

static void arm(const struct gate_connection *connection, int fd, uint32_t wants, uint32_t *armed, bool is_hatch) {
  if (fd < 0 || wants == 0 || wants == *armed) return;
  struct epoll_event event = {.events = wants | EPOLLONESHOT, .data.u64 = console_gate_tag(connection, is_hatch)};
  BASE_ASSERT(epoll_ctl(connection->gate->epoll_fd, EPOLL_CTL_MOD, fd, &event) == 0);
  *armed = wants;
}

void console_gate_step(struct gate_connection *connection, unsigned events) {
  note(connection, events);
  for (;;) {
    while (advance(connection)) continue;
    if (console_gate_keep_input(connection)) break;
    connection->input = (struct base_span){0};
    connection->is_dead = true;
  }
  if (connection->state == GATE_FREE) return;
  struct gate_request *request = connection->request;
  if (is_with_others(connection) && !connection->is_gone) connection->wants |= EPOLLRDHUP;
  arm(connection, connection->fd, connection->wants, &connection->armed, false);
  if (request) arm(connection, request->hatch_fd, request->hatch_wants, &request->hatch_armed, true);
}
