#include <stdlib.h>

#include "h2_session.h"

static void append(struct h2_stream *list, struct h2_stream *stream) {
  stream->next = list;
  stream->previous = list->previous;
  list->previous->next = stream;
  list->previous = stream;
}

static void take_out(struct h2_stream *stream) {
  stream->previous->next = stream->next;
  stream->next->previous = stream->previous;
}

static void leave_counts(struct h2_session *session, struct h2_stream *stream) {
  if (stream->is_waiting) session->waiting--;
  if (stream->is_sending && !stream->is_cut) session->sending--;
  stream->is_waiting = false;
  stream->is_sending = false;
}

static void destroy(struct h2_stream *stream) {
  take_out(stream);
  if (stream->exchange) delivery_exchange_detach(stream->exchange);
  free(stream);
}

uint64_t delivery_h2_stream_clock_ms(const struct h2_session *session) {
  uint64_t until_ms = session->is_blocked ? session->blocked_ms : session->connection->loop->now_ms;
  return until_ms - session->held_up_ms;
}

struct h2_stream *delivery_h2_stream_create(struct h2_session *session, int32_t id) {
  struct h2_stream *stream = calloc(1, sizeof *stream);
  if (!stream) return NULL;
  stream->id = id;
  append(&session->streams, stream);
  return stream;
}

void delivery_h2_stream_wait(struct h2_session *session, struct h2_stream *stream) {
  stream->is_waiting = true;
  session->waiting++;
}

void delivery_h2_stream_send(struct h2_session *session, struct h2_stream *stream) {
  leave_counts(session, stream);
  delivery_pace_start(&stream->pace, delivery_h2_stream_clock_ms(session), 0);
  stream->is_sending = true;
  if (!stream->is_cut) session->sending++;
}

void delivery_h2_stream_cut(struct h2_session *session, struct h2_stream *stream, uint32_t error_code) {
  leave_counts(session, stream);
  stream->is_cut = true;
  // Only memory can be short, which a session does not survive.
  if (nghttp2_submit_rst_stream(session->nghttp2, NGHTTP2_FLAG_NONE, stream->id, error_code) != 0) {
    (void)nghttp2_session_terminate_session(session->nghttp2, NGHTTP2_INTERNAL_ERROR);
  }
}

void delivery_h2_stream_forget_handler(struct h2_session *session, struct h2_stream *stream) {
  BASE_ASSERT(stream->is_waiting);
  leave_counts(session, stream);
  delivery_exchange_detach(stream->exchange);
  stream->exchange = NULL;
}

void delivery_h2_stream_end(struct h2_session *session, struct h2_stream *stream) {
  leave_counts(session, stream);
  if (!stream->is_in_batch) {
    destroy(stream);
    return;
  }
  take_out(stream);
  append(&session->closed, stream);
}

void delivery_h2_streams_release_batch(struct h2_session *session) {
  while (session->closed.next != &session->closed) destroy(session->closed.next);
  for (struct h2_stream *stream = session->streams.next; stream != &session->streams; stream = stream->next) {
    stream->is_in_batch = false;
  }
}

void delivery_h2_streams_destroy(struct h2_session *session) {
  while (session->closed.next != &session->closed) destroy(session->closed.next);
  while (session->streams.next != &session->streams) destroy(session->streams.next);
}
