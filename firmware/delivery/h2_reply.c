#include <stdio.h>
#include <string.h>

#include "h2_session.h"
#include "http/problem.h"

enum {
  DELIVERY_H2_OWN_FIELDS = 4,  // :status, date, x-request-id, content-length
  DELIVERY_H2_STATUS_CHARS = 3,
  DELIVERY_H2_NUMBER_CHARS = 24,
  DELIVERY_H2_CREDIT_BYTES = 2048,  // of a body earn the client a frame
};

// nghttp2_nv is not const but nothing is written; nghttp2 copies both, and the name in lower case.
static nghttp2_nv field(const char *name, const void *value, size_t bytes, uint8_t flags) {
  return (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name,
                      .value = (uint8_t *)(uintptr_t)value,
                      .namelen = strlen(name),
                      .valuelen = bytes,
                      .flags = flags};
}

// Values that differ from reply to reply would only push useful ones out of the client's table (RFC 7541 6.2.2).
static uint8_t flags_of(const char *name, size_t bytes) {
  static const struct base_span varied[] = {
#define VARIED(text) {(const uint8_t *)(text), sizeof(text) - 1}
      VARIED("ETag"),          VARIED("Content-Digest"),   VARIED("Repr-Digest"),   VARIED("Last-Modified"),
      VARIED("Link"),          VARIED("Content-Location"), VARIED("Content-Range"), VARIED("Location"),
      VARIED("Server-Timing"), VARIED("Digest"),
#undef VARIED
  };
  for (size_t i = 0; i < sizeof varied / sizeof *varied; i++) {
    if (varied[i].bytes == bytes && memcmp(varied[i].data, name, bytes) == 0) return NGHTTP2_NV_FLAG_NO_INDEX;
  }
  return NGHTTP2_NV_FLAG_NONE;
}

static ssize_t read_body(nghttp2_session *nghttp2, int32_t stream_id, uint8_t *buffer, size_t room,
                         uint32_t *data_flags, nghttp2_data_source *source, void *user_data) {
  (void)nghttp2;
  (void)stream_id;
  (void)buffer;
  (void)user_data;
  const struct h2_stream *stream = source->ptr;
  *data_flags |= NGHTTP2_DATA_FLAG_NO_COPY;
  if (stream->left_bytes > room) return (ssize_t)room;
  *data_flags |= NGHTTP2_DATA_FLAG_EOF;
  return (ssize_t)stream->left_bytes;
}

static void advance(struct h2_stream *stream, uint64_t bytes) {
  const struct http_reply *reply = &stream->exchange->reply;
  stream->left_bytes -= bytes;
  stream->part_sent += bytes;
  while (stream->part < reply->part_count && stream->part_sent >= reply->parts[stream->part].bytes) {
    stream->part_sent -= reply->parts[stream->part++].bytes;
  }
}

static void earn_frames(struct h2_session *session, size_t bytes) {
  session->credit_bytes += (uint32_t)bytes;
  delivery_h2_budget_earn(&session->frames, session->credit_bytes / DELIVERY_H2_CREDIT_BYTES);
  session->credit_bytes %= DELIVERY_H2_CREDIT_BYTES;
}

static int send_data(nghttp2_session *nghttp2, nghttp2_frame *frame, const uint8_t *header, size_t bytes,
                     nghttp2_data_source *source, void *user_data) {
  enum { FRAME_HEADER_BYTES = 9 };
  (void)nghttp2;
  struct h2_session *session = user_data;
  struct h2_stream *stream = source->ptr;
  BASE_ASSERT(frame->data.padlen == 0);  // padding is only added where a callback asks for it
  if (!delivery_h2_batch_has_room(session->batch)) return NGHTTP2_ERR_WOULDBLOCK;
  struct base_span head = base_span_of(header, FRAME_HEADER_BYTES);
  const struct http_body_part *parts = stream->exchange->reply.parts + stream->part;
  if (!delivery_h2_batch_frame(session->batch, head, parts, stream->part_sent, bytes)) {
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  }
  stream->is_in_batch = true;
  if (delivery_pace_move(&stream->pace, bytes)) {
    delivery_pace_start(&stream->pace, delivery_h2_stream_clock_ms(session), 0);
  }
  advance(stream, bytes);
  earn_frames(session, bytes);
  return 0;
}

// A client that goes on sending a body after its reply is told to stop (RFC 9113 8.1).
static int on_frame_send(nghttp2_session *nghttp2, const nghttp2_frame *frame, void *user_data) {
  const struct h2_session *session = user_data;
  if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR) {
    session->connection->has_unread = true;
  }
  bool is_reply = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
  if (!is_reply || !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) return 0;
  const struct h2_stream *stream = nghttp2_session_get_stream_user_data(nghttp2, frame->hd.stream_id);
  if (!stream || !stream->has_open_request) return 0;
  int result = nghttp2_submit_rst_stream(nghttp2, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_NO_ERROR);
  return result == 0 ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

void delivery_h2_submit(struct h2_session *session, struct h2_stream *stream) {
  struct exchange *exchange = stream->exchange;
  struct http_reply *reply = &exchange->reply;
  BASE_ASSERT(exchange->is_answered && reply->status >= 200 && reply->status <= 599);
  if (exchange->is_head) http_reply_keep_length(reply);  // before a client that does not read makes them wait
  nghttp2_nv fields[DELIVERY_H2_OWN_FIELDS + HTTP_MAX_REPLY_HEADERS];
  size_t count = 0;
  char status[DELIVERY_H2_NUMBER_CHARS];
  char length[DELIVERY_H2_NUMBER_CHARS];
  (void)snprintf(status, sizeof status, "%d", reply->status);
  fields[count++] = field(":status", status, DELIVERY_H2_STATUS_CHARS, NGHTTP2_NV_FLAG_NONE);
  fields[count++] = field("date", exchange->loop->date, HTTP_DATE_CHARS, NGHTTP2_NV_FLAG_NONE);
  fields[count++] = field("x-request-id", exchange->id, HTTP_REQUEST_ID_CHARS, NGHTTP2_NV_FLAG_NO_INDEX);
  bool may_have_body = reply->status != 204 && reply->status != 304;
  if (may_have_body) {
    int chars = snprintf(length, sizeof length, "%llu", (unsigned long long)reply->body_bytes);
    fields[count++] = field("content-length", length, (size_t)chars, NGHTTP2_NV_FLAG_NO_INDEX);
  }
  for (size_t i = 0; i < reply->header_count; i++) {
    const char *name = reply->headers[i].name;
    const uint8_t *value = reply->text.data + reply->headers[i].offset;
    fields[count] = field(name, value, reply->headers[i].bytes, NGHTTP2_NV_FLAG_NONE);
    fields[count].flags = flags_of(name, fields[count].namelen);
    count++;
  }
  stream->left_bytes = may_have_body && !exchange->is_head ? reply->body_bytes : 0;
  delivery_h2_stream_send(session, stream);
  const nghttp2_data_provider body = {.source.ptr = stream, .read_callback = read_body};
  int result =
      nghttp2_submit_response(session->nghttp2, stream->id, fields, count, stream->left_bytes > 0 ? &body : NULL);
  if (result != 0) delivery_h2_stream_cut(session, stream, NGHTTP2_INTERNAL_ERROR);
  if (reply->close) session->connection->must_close = true;
}

void delivery_h2_submit_problem(struct h2_session *session, struct h2_stream *stream, const struct base_fault *fault) {
  http_problem_reply(&stream->exchange->reply, fault, stream->exchange->id);
  stream->exchange->is_answered = true;
  delivery_h2_submit(session, stream);
}

void delivery_h2_reply_callbacks(nghttp2_session_callbacks *callbacks) {
  nghttp2_session_callbacks_set_send_data_callback(callbacks, send_data);
  nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_send);
}
