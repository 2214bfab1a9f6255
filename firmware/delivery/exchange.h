// One request's way to its reply: the sink a handler holds, and the reply once it is there.
//
// Made by the loop. While a handler owes the reply, the exchange belongs to it and outlives the connection if need be;
// from the reply on it belongs to the loop again.
#ifndef DELIVERY_EXCHANGE_H
#define DELIVERY_EXCHANGE_H

#include "http/message.h"
#include "pace.h"
#include "writer.h"

enum { DELIVERY_LOGGED_TARGET_BYTES = 96 };

struct connection;
struct loop;

struct exchange {
  struct http_sink sink;  // first, so that the sink's address is the exchange's
  struct loop *loop;
  struct exchange *next;  // in the inbox or on the free list
  atomic_bool is_cancelled;
  atomic_bool is_completed;  // by the handler

  // The rest is for the loop's thread.
  struct connection *connection;  // NULL once detached
  int32_t stream_id;              // of HTTP/2; 0 on HTTP/1
  bool is_in_handle;
  bool is_answered;  // `reply` is filled
  bool is_head;
  bool is_http10;
  bool keep_alive;  // the request allows it
  char id[HTTP_REQUEST_ID_CHARS + 1];
  char target[DELIVERY_LOGGED_TARGET_BYTES];
  uint8_t target_bytes;
  uint64_t start_us;
  struct writer writer;
  struct pace pace;  // of the write time-out; HTTP/1
  struct http_reply reply;
};

// Exchanges that are free for the next request, the last used first.
struct exchange_pool {
  struct exchange *free;
  unsigned free_count;
  atomic_uint alive;  // free ones included
};

// For a request on `connection`. NULL when memory is short.
struct exchange *delivery_exchange_create(struct loop *loop, struct connection *connection);
// Remembers what the reply and the log need from the request.
void delivery_exchange_note_request(struct exchange *exchange, const struct http_request *request);
// Hands the request to its handler, or answers with a problem where there is none. Fills request->id. True when the
// reply is there already.
bool delivery_exchange_dispatch(struct exchange *exchange, struct http_request *request) BASE_CHECKED;
// A second exchange for the same request, to answer in place of a handler that is late. NULL when memory is short.
struct exchange *delivery_exchange_succeed(const struct exchange *late);
// Gives an exchange back whose handler has completed, or that never had one; loop's thread only.
void delivery_exchange_release(struct exchange *exchange);
// The connection goes: cancels, or releases when nobody owes a reply.
void delivery_exchange_detach(struct exchange *exchange);
// Frees the free list; asserts that no handler owes a reply any more.
void delivery_exchange_pool_finish(struct exchange_pool *pool);

#endif
