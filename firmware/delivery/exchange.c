#include "exchange.h"

#include <stdlib.h>
#include <string.h>

#include "connection.h"
#include "http/problem.h"

// Enough for the requests that are in flight at once on a busy loop.
enum { DELIVERY_FREE_EXCHANGES = 256 };

// A reply is large because of its arrays; only the used front of them moves.
static void move_reply(struct http_reply *to, struct http_reply *from) {
  to->status = from->status;
  to->header_count = from->header_count;
  memcpy(to->headers, from->headers, from->header_count * sizeof from->headers[0]);
  to->text = from->text;
  to->part_count = from->part_count;
  memcpy(to->parts, from->parts, from->part_count * sizeof from->parts[0]);
  to->body_bytes = from->body_bytes;
  to->close = from->close;
  to->lease = from->lease;
  http_reply_init(from, from->status);
}

static void free_exchange(struct exchange *exchange) {
  struct exchange_pool *pool = &exchange->loop->exchanges;
  free(exchange);
  atomic_fetch_sub_explicit(&pool->alive, 1, memory_order_release);
}

static void complete(struct http_sink *sink, struct http_reply *reply) {
  struct exchange *exchange = (struct exchange *)(void *)sink;
  struct loop *loop = exchange->loop;
  BASE_ASSERT(!atomic_exchange_explicit(&exchange->is_completed, true, memory_order_relaxed));
  move_reply(&exchange->reply, reply);
  if (pthread_equal(pthread_self(), loop->thread) && exchange->is_in_handle) {
    exchange->is_answered = true;
    return;
  }
  if (delivery_inbox_post(&loop->inbox, exchange)) return;
  // The loop has ended; nobody else knows this exchange.
  http_reply_finish(&exchange->reply);
  free_exchange(exchange);
}

static bool is_cancelled(struct http_sink *sink) {
  struct exchange *exchange = (struct exchange *)(void *)sink;
  return atomic_load_explicit(&exchange->is_cancelled, memory_order_relaxed);
}

struct exchange *delivery_exchange_create(struct loop *loop, struct connection *connection) {
  struct exchange_pool *pool = &loop->exchanges;
  struct exchange *exchange = pool->free;
  if (exchange) {
    pool->free = exchange->next;
    pool->free_count--;
  } else {
    exchange = malloc(sizeof *exchange);
    if (!exchange) return NULL;
    atomic_fetch_add_explicit(&pool->alive, 1, memory_order_relaxed);
    exchange->sink = (struct http_sink){.complete = complete, .is_cancelled = is_cancelled};
    exchange->loop = loop;
  }
  exchange->connection = connection;
  exchange->stream_id = 0;
  atomic_init(&exchange->is_cancelled, false);
  atomic_init(&exchange->is_completed, false);
  exchange->is_in_handle = false;
  exchange->is_answered = false;
  exchange->is_head = false;
  exchange->is_http10 = false;
  exchange->keep_alive = false;
  exchange->target_bytes = 0;
  exchange->start_us = loop->now_us;
  exchange->writer = (struct writer){0};
  delivery_loop_make_id(loop, exchange->id);
  return exchange;
}

void delivery_exchange_note_request(struct exchange *exchange, const struct http_request *request) {
  exchange->is_head = request->method == HTTP_HEAD;
  exchange->is_http10 = request->version_minor == 0;
  bool has_body = request->is_chunked || request->content_length > 0;
  exchange->keep_alive = request->keep_alive && !has_body;
  size_t bytes = request->target.bytes;
  if (bytes > DELIVERY_LOGGED_TARGET_BYTES) bytes = DELIVERY_LOGGED_TARGET_BYTES;
  memcpy(exchange->target, request->target.data, bytes);
  exchange->target_bytes = (uint8_t)bytes;
}

bool delivery_exchange_dispatch(struct exchange *exchange, struct http_request *request) {
  const struct delivery_config *config = &exchange->loop->shared->config;
  memcpy(request->id, exchange->id, sizeof request->id);
  memcpy(request->client, exchange->connection->address, sizeof request->client);
  request->is_secure = exchange->connection->transport.tls != NULL;
  const struct http_handler *handler = http_route_find(config->routes, config->route_count, request->path);
  if (!handler) {
    struct base_fault fault = {0};
    (void)BASE_FAIL(&fault, BASE_NOT_FOUND, "", "There is nothing at this path");
    http_problem_reply(&exchange->reply, &fault, exchange->id);
    exchange->is_answered = true;
    return true;
  }
  exchange->is_in_handle = true;
  handler->handle(handler->self, request, &exchange->sink);
  exchange->is_in_handle = false;
  return exchange->is_answered;
}

struct exchange *delivery_exchange_succeed(const struct exchange *late) {
  struct exchange *exchange = delivery_exchange_create(late->loop, late->connection);
  if (!exchange) return NULL;
  exchange->stream_id = late->stream_id;
  exchange->is_head = late->is_head;
  exchange->is_http10 = late->is_http10;
  memcpy(exchange->id, late->id, sizeof exchange->id);
  memcpy(exchange->target, late->target, late->target_bytes);
  exchange->target_bytes = late->target_bytes;
  exchange->start_us = late->start_us;
  return exchange;
}

void delivery_exchange_release(struct exchange *exchange) {
  struct exchange_pool *pool = &exchange->loop->exchanges;
  delivery_writer_finish(&exchange->writer);
  if (exchange->is_answered) http_reply_finish(&exchange->reply);
  if (pool->free_count >= DELIVERY_FREE_EXCHANGES) {
    free_exchange(exchange);
    return;
  }
  exchange->next = pool->free;
  pool->free = exchange;
  pool->free_count++;
}

void delivery_exchange_detach(struct exchange *exchange) {
  if (exchange->is_answered) {
    delivery_exchange_release(exchange);
    return;
  }
  exchange->connection = NULL;
  atomic_store_explicit(&exchange->is_cancelled, true, memory_order_relaxed);
}

void delivery_exchange_pool_finish(struct exchange_pool *pool) {
  while (pool->free) {
    struct exchange *exchange = pool->free;
    pool->free = exchange->next;
    free_exchange(exchange);
  }
  BASE_ASSERT(atomic_load_explicit(&pool->alive, memory_order_acquire) == 0);
}
