#include "h2.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "h2_session.h"

enum {
  DELIVERY_H2_READS_A_TURN = 16,  // of one connection, before others get theirs
  DELIVERY_H2_BATCHES_A_TURN = 8,
  // A page of a hundred pictures may be left three times at once; then thirty pictures a second.
  DELIVERY_H2_RESET_BURST = 300,
  DELIVERY_H2_RESETS_A_SECOND = 30,
  DELIVERY_H2_FRAME_BURST = 2000,
  DELIVERY_H2_FRAMES_A_SECOND = 500,
};

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

bool delivery_h2_is_preface(struct base_span received, bool *is_whole) {
  size_t whole = sizeof preface - 1;
  size_t bytes = received.bytes < whole ? received.bytes : whole;
  *is_whole = received.bytes >= whole;
  return bytes > 0 && memcmp(received.data, preface, bytes) == 0;
}

void delivery_h2_last_goaway(struct h2_session *session) {
  if (session->has_last_goaway) return;
  session->has_last_goaway = true;
  int32_t last = session->is_deaf ? session->request_id : nghttp2_session_get_last_proc_stream_id(session->nghttp2);
  (void)nghttp2_submit_goaway(session->nghttp2, NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR, NULL, 0);
}

void delivery_h2_cut_off(struct h2_session *session, enum delivery_flood what) {
  if (session->is_cut_off) return;
  session->is_cut_off = true;
  base_metric_add(session->connection->loop->shared->meters.floods[what], 1);
  (void)nghttp2_session_terminate_session(session->nghttp2, NGHTTP2_ENHANCE_YOUR_CALM);
}

// Nobody reads the replies any more that are still being made.
static void cancel_waiting(struct h2_session *session) {
  for (struct h2_stream *stream = session->streams.next; stream != &session->streams; stream = stream->next) {
    if (!stream->is_waiting) continue;
    delivery_h2_stream_forget_handler(session, stream);
    delivery_h2_stream_cut(session, stream, NGHTTP2_CANCEL);
  }
}

static void hear_end(struct h2_session *session) {
  session->is_input_over = true;
  cancel_waiting(session);
}

static void feed(struct h2_session *session, const uint8_t *bytes, size_t count) {
  ssize_t used = nghttp2_session_mem_recv(session->nghttp2, bytes, count);
  if (used >= 0) return;
  if (used == NGHTTP2_ERR_FLOODED) delivery_h2_cut_off(session, DELIVERY_FLOOD_FRAMES);
  (void)nghttp2_session_terminate_session(session->nghttp2, NGHTTP2_PROTOCOL_ERROR);
  hear_end(session);
}

// False when the connection is broken.
static bool receive(struct h2_session *session) {
  struct connection *connection = session->connection;
  struct loop *loop = connection->loop;
  size_t got = 0;
  bool is_drained = false;
  switch (delivery_transport_read(&connection->transport, loop->input, sizeof loop->input, &got, &is_drained)) {
    case TRANSPORT_OK:
      // Only a FIN has announced itself already; anything else is a new edge.
      if (is_drained && !connection->is_peer_closed) connection->is_readable = false;
      feed(session, loop->input, got);
      return true;
    case TRANSPORT_BLOCKED:
      connection->is_readable = false;
      return true;
    case TRANSPORT_END:
      connection->is_readable = false;
      hear_end(session);
      return true;
    case TRANSPORT_FAILED:
      break;
  }
  return false;
}

// Frames that nghttp2 has ready, until the batch is full.
static bool fill(struct h2_session *session, struct h2_batch *batch) {
  delivery_h2_batch_init(batch);
  session->batch = batch;
  ssize_t bytes = 1;
  while (bytes > 0 && delivery_h2_batch_has_room(batch)) {
    const uint8_t *data = NULL;
    bytes = nghttp2_session_mem_send(session->nghttp2, &data);
    if (bytes > 0) delivery_h2_batch_copy(batch, data, (size_t)bytes);
  }
  session->batch = NULL;
  return bytes >= 0;
}

enum flush {
  FLUSH_DONE,     // there is nothing to send for now
  FLUSH_BLOCKED,  // the socket takes no more
  FLUSH_MORE,     // but others should have their turn
  FLUSH_FAILED
};

static void start_pace(struct h2_session *session) {
  struct connection *connection = session->connection;
  delivery_pace_start(&session->pace, connection->loop->now_ms,
                      session->is_blocked ? delivery_transport_queued_bytes(&connection->transport) : 0);
}

// Counts what was sent and turns the outcome of a send into ours; DONE: all of it went.
static enum flush note_sent(struct h2_session *session, enum transport_status status, uint64_t sent_bytes) {
  struct loop *loop = session->connection->loop;
  loop->counts.sent_bytes += sent_bytes;
  if (delivery_pace_move(&session->pace, sent_bytes)) start_pace(session);
  if (status == TRANSPORT_BLOCKED) return session->backlog ? FLUSH_BLOCKED : FLUSH_FAILED;
  if (status != TRANSPORT_OK) return FLUSH_FAILED;
  free(session->backlog);
  session->backlog = NULL;
  delivery_h2_streams_release_batch(session);
  return FLUSH_DONE;
}

static enum flush send_ready(struct h2_session *session) {
  struct transport *transport = &session->connection->transport;
  if (session->backlog) {
    uint64_t sent_bytes = 0;
    enum transport_status status = delivery_h2_backlog_send(session->backlog, transport, &sent_bytes);
    enum flush result = note_sent(session, status, sent_bytes);
    if (result != FLUSH_DONE) return result;
  }
  struct h2_batch batch;
  for (int i = 0; i < DELIVERY_H2_BATCHES_A_TURN; i++) {
    if (!fill(session, &batch)) return FLUSH_FAILED;
    if (batch.count == 0) return FLUSH_DONE;
    uint64_t sent_bytes = 0;
    enum transport_status status = delivery_h2_batch_send(&batch, transport, &sent_bytes, &session->backlog);
    enum flush result = note_sent(session, status, sent_bytes);
    if (result != FLUSH_DONE) return result;
  }
  return FLUSH_MORE;
}

static enum flush flush(struct h2_session *session) {
  uint64_t now_ms = session->connection->loop->now_ms;
  bool was_blocked = session->is_blocked;
  enum flush result = send_ready(session);
  session->is_blocked = result == FLUSH_BLOCKED || result == FLUSH_MORE;
  if (session->is_blocked && !was_blocked) {
    session->blocked_ms = now_ms;
    start_pace(session);
  } else if (was_blocked && !session->is_blocked) {
    session->held_up_ms += now_ms - session->blocked_ms;
  }
  return result;
}

// What the connection waits for, as a state whose time-out it has; several at once are told apart by `from_ms`.
struct concern {
  enum delivery_state state;
  uint64_t deadline_ms;
};

static void consider(const struct h2_session *session, enum delivery_state state, uint64_t from_ms,
                     struct concern *earliest) {
  uint64_t deadline_ms = from_ms + session->connection->loop->timers.timeout_ms[state];
  if (deadline_ms < earliest->deadline_ms) *earliest = (struct concern){state, deadline_ms};
}

// Since when a stream has not moved enough, as if the socket had never held it up.
static uint64_t stalled_from_ms(const struct h2_session *session, const struct h2_stream *stream) {
  return stream->pace.from_ms + session->held_up_ms;
}

static bool is_head_arriving(const struct h2_session *session) { return session->head || !session->has_settings; }

// The client was told of the drain and has not said yet that it knows.
static bool is_last_call(const struct h2_session *session) { return session->is_draining && !session->has_last_goaway; }

// Sets the timer no later than anything the session waits for. A timer that is too early is corrected when it fires, so
// that no event walks over the streams.
static void watch(struct h2_session *session) {
  struct connection *connection = session->connection;
  uint64_t now_ms = connection->loop->now_ms;
  struct concern earliest = {.state = DELIVERY_IDLE, .deadline_ms = UINT64_MAX};
  if (is_head_arriving(session)) consider(session, DELIVERY_HEAD, now_ms, &earliest);
  if (session->waiting > 0) consider(session, DELIVERY_REPLY, now_ms, &earliest);
  if (session->sending > 0 || session->is_blocked) consider(session, DELIVERY_WRITE, now_ms, &earliest);
  if (is_last_call(session)) consider(session, DELIVERY_LAST_CALL, now_ms, &earliest);
  if (earliest.state == DELIVERY_IDLE) {
    if (connection->state != DELIVERY_IDLE || session->was_active) delivery_connection_enter(connection, DELIVERY_IDLE);
    session->was_active = false;
    return;
  }
  bool is_watched = connection->state != DELIVERY_IDLE && connection->timer.deadline_ms <= earliest.deadline_ms;
  if (!is_watched) delivery_connection_enter(connection, earliest.state);
}

// Sets the timer to the earliest deadline there really is.
static void watch_exactly(struct h2_session *session) {
  struct connection *connection = session->connection;
  struct concern earliest = {.state = DELIVERY_IDLE, .deadline_ms = UINT64_MAX};
  if (is_head_arriving(session)) consider(session, DELIVERY_HEAD, session->head_ms, &earliest);
  if (session->is_blocked) consider(session, DELIVERY_WRITE, session->pace.from_ms, &earliest);
  if (is_last_call(session)) consider(session, DELIVERY_LAST_CALL, session->last_call_ms, &earliest);
  for (const struct h2_stream *stream = session->streams.next; stream != &session->streams; stream = stream->next) {
    if (stream->is_waiting) consider(session, DELIVERY_REPLY, stream->exchange->start_us / 1000, &earliest);
    if (stream->is_sending && !session->is_blocked) {
      consider(session, DELIVERY_WRITE, stalled_from_ms(session, stream), &earliest);
    }
  }
  if (earliest.state == DELIVERY_IDLE) {
    watch(session);
    return;
  }
  uint64_t soonest_ms = connection->loop->now_ms + 1;
  if (earliest.deadline_ms < soonest_ms) earliest.deadline_ms = soonest_ms;
  connection->state = (uint8_t)earliest.state;
  delivery_timer_start_at(&connection->loop->timers, &connection->timer, earliest.state, earliest.deadline_ms);
}

// The session is over: nothing is left to say, or nobody to say it to.
static void end(struct h2_session *session) {
  struct connection *connection = session->connection;
  delivery_h2_finish(connection);
  delivery_connection_end(connection);
}

// True when there is something to send for it.
static bool say_last_goaway_if_due(struct h2_session *session) {
  if (!session->connection->must_close || session->has_last_goaway) return false;
  delivery_h2_last_goaway(session);
  return true;
}

static bool is_over(struct h2_session *session) {
  if (session->is_input_over) return true;  // and all is sent
  // What is left is closed windows, which the client can not open any more.
  if (session->is_deaf) return session->waiting == 0;
  return nghttp2_session_want_read(session->nghttp2) == 0 && nghttp2_session_want_write(session->nghttp2) == 0;
}

// Sends and receives until nothing more goes, or others should have their turn. Nothing is read while the socket takes
// no more, so a client that does not read cannot make us gather. False when the connection is gone.
static bool run(struct h2_session *session) {
  struct connection *connection = session->connection;
  for (int reads = 0;; reads++) {
    enum flush flushed = flush(session);
    if (flushed == FLUSH_DONE && say_last_goaway_if_due(session)) flushed = flush(session);
    if (flushed == FLUSH_FAILED) {
      delivery_connection_abort(connection);
      return false;
    }
    if (flushed == FLUSH_BLOCKED) break;
    if (flushed == FLUSH_DONE && is_over(session)) {
      end(session);
      return false;
    }
    bool is_turn_over = flushed == FLUSH_MORE || reads == DELIVERY_H2_READS_A_TURN;
    if (is_turn_over) delivery_connection_rearm(connection);
    if (is_turn_over || !connection->is_readable || session->is_deaf) break;
    if (!receive(session)) {
      delivery_connection_close(connection);
      return false;
    }
  }
  watch(session);
  return true;
}

void delivery_h2_events(struct connection *connection, uint32_t events) {
  if (events & (EPOLLERR | EPOLLHUP)) {
    delivery_connection_close(connection);
    return;
  }
  if (events & (EPOLLIN | EPOLLRDHUP)) connection->is_readable = true;
  if (events & EPOLLRDHUP) connection->is_peer_closed = true;
  if (connection->h2->is_deaf && connection->is_peer_closed) hear_end(connection->h2);
  (void)run(connection->h2);
}

void delivery_h2_reply(struct exchange *exchange) {
  struct h2_session *session = exchange->connection->h2;
  struct h2_stream *stream = nghttp2_session_get_stream_user_data(session->nghttp2, exchange->stream_id);
  BASE_ASSERT(stream && stream->exchange == exchange && stream->is_waiting);
  exchange->is_answered = true;
  delivery_h2_submit(session, stream);
  (void)run(session);
}

// The handler keeps the late exchange and completes it into the void; the client's answer needs one of its own.
static void give_up_on_handler(struct h2_session *session, struct h2_stream *stream) {
  struct base_fault fault = {0};
  (void)BASE_FAIL(&fault, BASE_TIMEOUT, "", "The reply was not ready in time");
  struct exchange *successor = delivery_exchange_succeed(stream->exchange);
  delivery_h2_stream_forget_handler(session, stream);
  stream->exchange = successor;
  if (successor) {
    delivery_h2_submit_problem(session, stream, &fault);
  } else {
    delivery_h2_stream_cut(session, stream, NGHTTP2_INTERNAL_ERROR);
  }
}

static bool is_late(const struct h2_session *session, enum delivery_state state, uint64_t from_ms) {
  struct loop *loop = session->connection->loop;
  bool is = from_ms + loop->timers.timeout_ms[state] <= loop->now_ms;
  if (is) loop->counts.timeouts[state]++;
  return is;
}

static void expire_streams(struct h2_session *session) {
  for (struct h2_stream *stream = session->streams.next; stream != &session->streams; stream = stream->next) {
    if (stream->is_waiting && is_late(session, DELIVERY_REPLY, stream->exchange->start_us / 1000)) {
      give_up_on_handler(session, stream);
    } else if (stream->is_sending && !session->is_blocked &&
               is_late(session, DELIVERY_WRITE, stalled_from_ms(session, stream))) {
      // The client leaves the stream's window closed.
      delivery_h2_stream_cut(session, stream, NGHTTP2_CANCEL);
    }
  }
}

// True unless the socket is late: the write time-out is over, and the client has taken too little.
static bool is_pace_kept(struct h2_session *session) {
  struct connection *connection = session->connection;
  struct loop *loop = connection->loop;
  if (session->pace.from_ms + loop->timers.timeout_ms[DELIVERY_WRITE] > loop->now_ms) return true;
  if (!delivery_pace_is_kept(&session->pace, delivery_transport_queued_bytes(&connection->transport))) {
    loop->counts.timeouts[DELIVERY_WRITE]++;
    return false;
  }
  start_pace(session);
  return true;
}

// Half a head leaves the shared tables undefined, so there is no answering this request alone, nor any after it. The
// ones before it get their replies.
static void stop_listening(struct h2_session *session) {
  delivery_h2_head_destroy(session);
  session->has_settings = true;
  session->is_deaf = true;
  session->connection->has_unread = true;
  delivery_h2_last_goaway(session);
}

void delivery_h2_timeout(struct connection *connection) {
  struct h2_session *session = connection->h2;
  bool is_idle = connection->state == DELIVERY_IDLE;
  if (!is_idle && session->is_blocked && !is_pace_kept(session)) {
    delivery_connection_abort(connection);
    return;
  }
  if (is_idle) {
    connection->loop->counts.timeouts[DELIVERY_IDLE]++;
    (void)nghttp2_session_terminate_session(session->nghttp2, NGHTTP2_NO_ERROR);
  } else if (is_head_arriving(session) && is_late(session, DELIVERY_HEAD, session->head_ms)) {
    stop_listening(session);
  } else {
    expire_streams(session);
    if (is_last_call(session) && is_late(session, DELIVERY_LAST_CALL, session->last_call_ms)) {
      delivery_h2_last_goaway(session);
    }
  }
  if (run(session)) watch_exactly(session);
}

// RFC 9113 6.8: the client hears of it first, and of the last request once everything it sent before has arrived.
static void begin_draining(struct h2_session *session) {
  session->is_draining = true;
  session->last_call_ms = session->connection->loop->now_ms;
  if (session->has_last_goaway) return;
  (void)nghttp2_submit_shutdown_notice(session->nghttp2);
  (void)nghttp2_submit_ping(session->nghttp2, NGHTTP2_FLAG_NONE, NULL);
}

void delivery_h2_drain(struct connection *connection) {
  struct h2_session *session = connection->h2;
  if (session->is_draining) return;
  begin_draining(session);
  (void)run(session);
}

static nghttp2_session *create_nghttp2(struct h2_session *session) {
  nghttp2_session *nghttp2 = NULL;
  nghttp2_session_callbacks *callbacks = NULL;
  nghttp2_option *options = NULL;
  if (nghttp2_session_callbacks_new(&callbacks) != 0 || nghttp2_option_new(&options) != 0) goto out;
  delivery_h2_request_callbacks(callbacks);
  delivery_h2_reply_callbacks(callbacks);
  nghttp2_option_set_no_auto_window_update(options, 1);
  nghttp2_option_set_no_closed_streams(options, 1);
  if (nghttp2_session_server_new2(&nghttp2, callbacks, session, options) != 0) nghttp2 = NULL;

out:
  nghttp2_option_del(options);
  nghttp2_session_callbacks_del(callbacks);
  return nghttp2;
}

static bool submit_settings(nghttp2_session *nghttp2) {
  const nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, DELIVERY_H2_MAX_STREAMS},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, DELIVERY_H2_WINDOW_BYTES},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, DELIVERY_H2_MAX_HEADER_LIST_BYTES},
      // The Priority field (RFC 9218) in place of trees of dependencies.
      {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
  };
  size_t count = sizeof settings / sizeof *settings;
  return nghttp2_submit_settings(nghttp2, NGHTTP2_FLAG_NONE, settings, count) == 0;
}

bool delivery_h2_begin(struct connection *connection, struct base_span received) {
  uint64_t now_ms = connection->loop->now_ms;
  struct h2_session *session = calloc(1, sizeof *session);
  if (!session) return false;
  session->connection = connection;
  session->streams.next = session->streams.previous = &session->streams;
  session->closed.next = session->closed.previous = &session->closed;
  session->head_ms = now_ms;
  delivery_h2_budget_init(&session->resets, DELIVERY_H2_RESET_BURST, DELIVERY_H2_RESETS_A_SECOND, now_ms);
  delivery_h2_budget_init(&session->frames, DELIVERY_H2_FRAME_BURST, DELIVERY_H2_FRAMES_A_SECOND, now_ms);
  session->nghttp2 = create_nghttp2(session);
  if (!session->nghttp2 || !submit_settings(session->nghttp2)) {
    nghttp2_session_del(session->nghttp2);
    free(session);
    return false;
  }
  connection->h2 = session;
  delivery_connection_enter(connection, DELIVERY_HEAD);
  if (received.bytes > 0) feed(session, received.data, received.bytes);
  if (connection->loop->is_draining) begin_draining(session);
  (void)run(session);
  return true;
}

void delivery_h2_finish(struct connection *connection) {
  struct h2_session *session = connection->h2;
  if (!session) return;
  connection->h2 = NULL;
  delivery_h2_head_destroy(session);
  delivery_h2_streams_destroy(session);
  nghttp2_session_del(session->nghttp2);
  free(session->backlog);
  free(session);
}
