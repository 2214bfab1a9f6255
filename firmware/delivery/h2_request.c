#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "h2_session.h"
#include "http/pseudo.h"

enum {
  DELIVERY_H2_FIELD_OVERHEAD = 32,  // of each field in a header list's size (RFC 9113 6.5.2)
  // So much over the limit a client gets no 431 any more, but a reset.
  DELIVERY_H2_HOPELESS_LIST_BYTES = 16 * DELIVERY_H2_MAX_HEADER_LIST_BYTES,
};

void delivery_h2_head_destroy(struct h2_session *session) {
  struct h2_head *head = session->head;
  if (!head) return;
  for (size_t i = 0; i < head->held_count; i++) nghttp2_rcbuf_decref(head->held[i]);
  free(head);
  session->head = NULL;
}

// Everything but the field array, whose unused entries nobody reads.
static void init_head(struct h2_head *head, struct h2_stream *stream) {
  struct base_span none = base_span_of(NULL, 0);
  head->stream = stream;
  head->list_bytes = 0;
  head->is_too_large = false;
  head->method = head->scheme = head->authority = head->path = none;
  head->held_count = 0;
  struct http_request *request = &head->request;
  request->method = HTTP_OTHER;
  request->target = base_span_text("");
  request->version_minor = 1;
  request->header_count = 0;
  request->content_length = 0;
  request->is_chunked = false;
  request->keep_alive = false;
}

static int on_begin_headers(nghttp2_session *nghttp2, const nghttp2_frame *frame, void *user_data) {
  struct h2_session *session = user_data;
  if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
  struct h2_head *head = malloc(sizeof *head);
  if (!head) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  struct h2_stream *stream = delivery_h2_stream_create(session, frame->hd.stream_id);
  if (!stream || nghttp2_session_set_stream_user_data(nghttp2, frame->hd.stream_id, stream) != 0) {
    if (stream) delivery_h2_stream_end(session, stream);
    free(head);
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  }
  delivery_h2_head_destroy(session);  // of a stream that nghttp2 has given up
  init_head(head, stream);
  head->request.is_secure = session->connection->transport.tls != NULL;
  session->head = head;
  session->head_ms = session->connection->loop->now_ms;
  session->was_active = true;
  return 0;
}

static struct base_span hold(struct h2_head *head, nghttp2_rcbuf *buffer) {
  nghttp2_vec bytes = nghttp2_rcbuf_get_buf(buffer);
  nghttp2_rcbuf_incref(buffer);
  BASE_ASSERT(head->held_count < sizeof head->held / sizeof *head->held);
  head->held[head->held_count++] = buffer;
  return base_span_of(bytes.base, bytes.len);
}

// Where a pseudo-header field belongs; NULL for one that is not asked for. nghttp2 refuses unknown ones and
// repetitions.
static struct base_span *place_of(struct h2_head *head, struct base_span text) {
  if (base_span_is(text, ":method")) return &head->method;
  if (base_span_is(text, ":scheme")) return &head->scheme;
  if (base_span_is(text, ":authority")) return &head->authority;
  if (base_span_is(text, ":path")) return &head->path;
  return NULL;
}

static int give_up_head(struct h2_session *session) {
  delivery_h2_head_destroy(session);
  return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static int on_header(nghttp2_session *nghttp2, const nghttp2_frame *frame, nghttp2_rcbuf *name, nghttp2_rcbuf *value,
                     uint8_t flags, void *user_data) {
  (void)nghttp2;
  (void)flags;
  struct h2_session *session = user_data;
  struct h2_head *head = session->head;
  if (!head || head->stream->id != frame->hd.stream_id) return 0;  // trailers of a body that nobody reads
  nghttp2_vec name_bytes = nghttp2_rcbuf_get_buf(name);
  head->list_bytes += name_bytes.len + nghttp2_rcbuf_get_buf(value).len + DELIVERY_H2_FIELD_OVERHEAD;
  if (head->list_bytes > DELIVERY_H2_HOPELESS_LIST_BYTES) return give_up_head(session);
  bool is_pseudo = name_bytes.len > 0 && name_bytes.base[0] == ':';
  struct base_span *place = is_pseudo ? place_of(head, base_span_of(name_bytes.base, name_bytes.len)) : NULL;
  if (is_pseudo && (!place || place->data)) return 0;
  if (head->list_bytes > DELIVERY_H2_MAX_HEADER_LIST_BYTES) head->is_too_large = true;
  if (!is_pseudo && head->request.header_count == HTTP_MAX_HEADERS) head->is_too_large = true;
  // The method and the path still go into the reply and the log.
  if (head->is_too_large && !is_pseudo) return 0;
  if (is_pseudo) {
    *place = hold(head, value);
  } else {
    struct http_header *header = &head->request.headers[head->request.header_count++];
    header->name = hold(head, name);
    header->value = hold(head, value);
  }
  return 0;
}

// nghttp2 would leave such a field out; a request that breaks a rule is no request (RFC 9113 8.1.1).
static int on_invalid_header(nghttp2_session *nghttp2, const nghttp2_frame *frame, nghttp2_rcbuf *name,
                             nghttp2_rcbuf *value, uint8_t flags, void *user_data) {
  (void)nghttp2;
  (void)frame;
  (void)name;
  (void)value;
  (void)flags;
  return give_up_head(user_data);
}

// What the request is, under the rules of HTTP/1.1. The head may be incomplete when it is too large.
static enum base_result judge(struct h2_head *head, struct base_fault *fault) {
  const struct http_pseudo pseudo = {head->method, head->scheme, head->authority, head->path};
  if (head->is_too_large) {
    return BASE_FAIL(fault, BASE_HEADERS_TOO_LARGE, "headers", "There are more than %d fields or %d bytes of them",
                     HTTP_MAX_HEADERS, DELIVERY_H2_MAX_HEADER_LIST_BYTES);
  }
  return http_pseudo_finish_request(&pseudo, &head->request, fault);
}

static void serve(struct h2_session *session, struct h2_head *head, bool has_open_request) {
  struct h2_stream *stream = head->stream;
  stream->has_open_request = has_open_request;
  stream->exchange = delivery_exchange_create(session->connection->loop, session->connection);
  if (!stream->exchange) {
    delivery_h2_stream_cut(session, stream, NGHTTP2_INTERNAL_ERROR);
    return;
  }
  struct exchange *exchange = stream->exchange;
  exchange->stream_id = session->request_id = stream->id;
  struct base_fault fault = {0};
  enum base_result result = judge(head, &fault);
  if (head->path.data) head->request.target = head->path;
  if (base_span_is(head->method, "HEAD")) head->request.method = HTTP_HEAD;
  delivery_exchange_note_request(exchange, &head->request);
  if (result != BASE_OK) {
    delivery_h2_submit_problem(session, stream, &fault);
  } else if (delivery_exchange_dispatch(exchange, &head->request)) {
    delivery_h2_submit(session, stream);
  } else {
    delivery_h2_stream_wait(session, stream);
  }
}

static int on_frame_recv(nghttp2_session *nghttp2, const nghttp2_frame *frame, void *user_data) {
  struct h2_session *session = user_data;
  bool is_last = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
  switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
    case NGHTTP2_DATA: {
      struct h2_stream *stream = nghttp2_session_get_stream_user_data(nghttp2, frame->hd.stream_id);
      if (stream && session->head && session->head->stream == stream) {
        serve(session, session->head, !is_last);
        delivery_h2_head_destroy(session);
      } else if (stream && is_last) {
        stream->has_open_request = false;
      }
      break;
    }
    case NGHTTP2_SETTINGS:
      session->has_settings = true;
      break;
    case NGHTTP2_PING:
      // Our ping's answer: what the client sent before it knew of the drain is here.
      if ((frame->hd.flags & NGHTTP2_FLAG_ACK) && session->is_draining) delivery_h2_last_goaway(session);
      break;
    default:
      break;
  }
  return 0;
}

// Every frame that is not the beginning of a request costs a token: pings, settings, resets, empty data ...
static int on_begin_frame(nghttp2_session *nghttp2, const nghttp2_frame_hd *header, void *user_data) {
  (void)nghttp2;
  struct h2_session *session = user_data;
  if (header->type == NGHTTP2_HEADERS) return 0;
  if (!delivery_h2_budget_spend(&session->frames, session->connection->loop->now_ms)) {
    delivery_h2_cut_off(session, DELIVERY_FLOOD_FRAMES);
  }
  return 0;
}

static int on_data_chunk(nghttp2_session *nghttp2, uint8_t flags, int32_t stream_id, const uint8_t *data, size_t bytes,
                         void *user_data) {
  (void)flags;
  (void)stream_id;
  (void)data;
  (void)user_data;
  // The stream's own window stays used up: nobody reads a body, but other streams must not suffer.
  return nghttp2_session_consume_connection(nghttp2, bytes) == 0 ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

// A request over the limit of streams costs us its fields and a reset. Clients that have not heard of the limit yet get
// away with some.
static int on_invalid_frame(nghttp2_session *nghttp2, const nghttp2_frame *frame, int error, void *user_data) {
  (void)nghttp2;
  struct h2_session *session = user_data;
  if (frame->hd.type != NGHTTP2_HEADERS || error != NGHTTP2_ERR_REFUSED_STREAM) return 0;
  if (!delivery_h2_budget_spend(&session->resets, session->connection->loop->now_ms)) {
    delivery_h2_cut_off(session, DELIVERY_FLOOD_RESETS);
  }
  return 0;
}

// Also for streams that were reset, by either side: work that was begun for nothing is what such attacks are made of
// (CVE-2023-44487 and its kin).
static int on_stream_close(nghttp2_session *nghttp2, int32_t stream_id, uint32_t error_code, void *user_data) {
  struct h2_session *session = user_data;
  struct h2_stream *stream = nghttp2_session_get_stream_user_data(nghttp2, stream_id);
  if (!stream) return 0;
  if (session->head && session->head->stream == stream) delivery_h2_head_destroy(session);
  bool is_complete = stream->is_sending && stream->left_bytes == 0 && error_code == NGHTTP2_NO_ERROR;
  if (is_complete) {
    delivery_answer_record(stream->exchange);
  } else if (!delivery_h2_budget_spend(&session->resets, session->connection->loop->now_ms)) {
    delivery_h2_cut_off(session, DELIVERY_FLOOD_RESETS);
  }
  delivery_h2_stream_end(session, stream);
  return 0;
}

void delivery_h2_request_callbacks(nghttp2_session_callbacks *callbacks) {
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
  nghttp2_session_callbacks_set_on_header_callback2(callbacks, on_header);
  nghttp2_session_callbacks_set_on_invalid_header_callback2(callbacks, on_invalid_header);
  nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, on_begin_frame);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame_recv);
  nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid_frame);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data_chunk);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
}
