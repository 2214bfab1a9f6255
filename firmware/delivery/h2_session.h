// The inside of an HTTP/2 session: its streams, and what nghttp2 calls back.
//
// A stream is a request on its way to its reply. nghttp2 knows it by its number and holds a pointer to ours. Belongs to
// its loop's thread.
#ifndef DELIVERY_H2_SESSION_H
#define DELIVERY_H2_SESSION_H

#include <nghttp2/nghttp2.h>

#include "connection.h"
#include "h2_budget.h"
#include "h2_output.h"

enum {
  DELIVERY_H2_MAX_STREAMS = 100,
  DELIVERY_H2_MAX_HEADER_LIST_BYTES = HTTP_MAX_HEAD_BYTES,  // as SETTINGS_MAX_HEADER_LIST_SIZE counts them
  // Requests have no bodies here: what a client sends at its own risk is thrown away.
  DELIVERY_H2_WINDOW_BYTES = 16384,
};

struct h2_stream {
  struct h2_stream *next;
  struct h2_stream *previous;
  struct exchange *exchange;  // NULL while the request's head arrives
  int32_t id;
  bool is_waiting;        // a handler owes the reply
  bool is_sending;        // the reply is nghttp2's
  bool is_cut;            // reset by us, so that no time-out counts any more
  bool has_open_request;  // the client may still send a body
  bool is_in_batch;       // the batch or backlog borrows from the reply
  struct pace pace;       // of the reply, on the session's clock for streams
  uint64_t part_sent;     // of the reply's part
  size_t part;
  uint64_t left_bytes;
};

// A request's head while it arrives; there is one at a time (RFC 9113 4.3).
struct h2_head {
  struct h2_stream *stream;
  size_t list_bytes;  // as SETTINGS_MAX_HEADER_LIST_SIZE counts
  bool is_too_large;
  struct base_span method, scheme, authority, path;
  size_t held_count;
  nghttp2_rcbuf *held[2 * (HTTP_MAX_HEADERS + 4)];  // what the spans point into
  struct http_request request;
};

struct h2_session {
  struct connection *connection;
  nghttp2_session *nghttp2;
  struct h2_stream streams;  // sentinel of a circular list, in the order they began
  struct h2_stream closed;   // the same; nghttp2 is done with these, the batch is not
  unsigned waiting;          // streams with is_waiting
  unsigned sending;          // streams with is_sending and not is_cut
  struct h2_head *head;      // NULL: none is arriving
  struct h2_batch *batch;    // being filled; NULL otherwise
  struct h2_backlog *backlog;
  bool is_blocked;        // the socket may take no more, and there is more
  uint64_t head_ms;       // when the head, or the session, began to arrive
  struct pace pace;       // of the socket, while it is blocked
  uint64_t held_up_ms;    // how long it was blocked before: time in which no stream could move
  uint64_t blocked_ms;    // since when it is
  uint64_t last_call_ms;  // when the client was told of the drain
  int32_t request_id;     // the last whole request
  struct h2_budget resets;
  struct h2_budget frames;
  uint32_t credit_bytes;  // sent, and not turned into tokens for frames yet
  bool has_settings;      // the client's preface is complete
  bool was_active;        // a request came since the idle time-out began
  bool is_draining;       // no new requests, once the client knows
  bool has_last_goaway;   // it was told the last one that is answered
  bool is_input_over;     // the client has ended its side
  bool is_deaf;           // it broke off within a head: what follows can not be understood, replies still go out
  bool is_cut_off;        // for a flood
};

// h2_request.c: what arrives.
void delivery_h2_request_callbacks(nghttp2_session_callbacks *callbacks);
// Drops the head that is arriving.
void delivery_h2_head_destroy(struct h2_session *session);

// h2_reply.c: what leaves.
void delivery_h2_reply_callbacks(nghttp2_session_callbacks *callbacks);
// Hands the stream's reply, which is there, to nghttp2.
void delivery_h2_submit(struct h2_session *session, struct h2_stream *stream);
// Answers with the problem in place of a handler.
void delivery_h2_submit_problem(struct h2_session *session, struct h2_stream *stream, const struct base_fault *fault);

// h2_stream.c: the list of streams, and their end.
// The time in which streams could move: it stands while the socket holds all of them up.
uint64_t delivery_h2_stream_clock_ms(const struct h2_session *session);
// NULL when memory is short.
struct h2_stream *delivery_h2_stream_create(struct h2_session *session, int32_t id);
void delivery_h2_stream_wait(struct h2_session *session, struct h2_stream *stream);
void delivery_h2_stream_send(struct h2_session *session, struct h2_stream *stream);
// Resets it, and no time-out counts for it any more.
void delivery_h2_stream_cut(struct h2_session *session, struct h2_stream *stream, uint32_t error_code);
// Gives up a handler that owes its reply: it is cancelled and completes into the void.
void delivery_h2_stream_forget_handler(struct h2_session *session, struct h2_stream *stream);
// Frees it as soon as the batch does not need it. nghttp2 does not know it any more.
void delivery_h2_stream_end(struct h2_session *session, struct h2_stream *stream);
// The batch and the backlog are gone: nothing borrows from a reply.
void delivery_h2_streams_release_batch(struct h2_session *session);
// Frees all of them.
void delivery_h2_streams_destroy(struct h2_session *session);

// h2.c: GOAWAY with the last request that is answered; the session ends with the last reply.
void delivery_h2_last_goaway(struct h2_session *session);
// GOAWAY because of a flood.
void delivery_h2_cut_off(struct h2_session *session, enum delivery_flood what);

#endif
