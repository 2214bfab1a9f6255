// Any bytes as an HTTP/2 client: nothing they say breaks a session, and nothing of it is left behind.
//
// Byte 0: bit 0 puts empty settings between the preface and the bytes, bit 1 reads what the server sends, bit 2 ends
// the client's side, bit 3 drains at the end, bit 4 lets the time-outs pass. Byte 1: how many bytes arrive at once; 0:
// all.
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "h2.h"
#include "serve.h"

enum { BIG_BYTES = 100000, MAX_PARKED = 4096, MAX_BYTES = 1 << 16, PREFACE_BYTES = 24 };

static struct shared shared;
static struct loop loop;
static struct base_blob *big;
static struct http_sink *parked[MAX_PARKED];
static size_t parked_count;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
int LLVMFuzzerInitialize(int *count, char ***arguments);

static void answer(struct http_sink *sink) {
  struct http_reply reply;
  http_reply_init(&reply, 200);
  http_reply_header(&reply, "ETag", "\"%d\"", 1);
  http_reply_add_text(&reply, base_span_text("text"));
  http_reply_add_blob(&reply, base_blob_ref(big), 1, BIG_BYTES - 1);
  http_sink_complete(sink, &reply);
}

static void handle(void *self, const struct http_request *request, struct http_sink *sink) {
  (void)self;
  BASE_ASSERT(request->path.bytes > 0 && (request->path.data[0] == '/' || base_span_is(request->path, "*")));
  BASE_ASSERT(request->host.bytes > 0 && request->header_count <= HTTP_MAX_HEADERS);
  for (size_t i = 0; i < request->header_count; i++) {
    struct base_span value = request->headers[i].value;
    BASE_ASSERT(request->headers[i].name.bytes > 0 && base_span_trim(value).bytes == value.bytes);
    BASE_ASSERT(value.bytes == 0 || (!memchr(value.data, '\n', value.bytes) && !memchr(value.data, 0, value.bytes)));
  }
  bool parks = base_span_starts_with(request->path, "/p") && parked_count < MAX_PARKED;
  if (parks) {
    parked[parked_count++] = sink;
  } else {
    answer(sink);
  }
}

int LLVMFuzzerInitialize(int *count, char ***arguments) {
  (void)count;
  (void)arguments;
  static const struct http_route routes[] = {{"/", {handle, NULL}}, {"*", {handle, NULL}}};
  shared.config = (struct delivery_config){.idle_timeout_ms = 60000,
                                           .head_timeout_ms = 5000,
                                           .reply_timeout_ms = 120000,
                                           .write_timeout_ms = 30000,
                                           .routes = routes,
                                           .route_count = sizeof routes / sizeof *routes,
                                           .clock = base_clock_system()};
  delivery_meters_init(&shared.meters, NULL);
  BASE_ASSERT(delivery_loop_init(&loop, &shared, NULL, 0, NULL) == BASE_OK);
  loop.thread = pthread_self();
  big = base_blob_create(BIG_BYTES);
  BASE_ASSERT(big);
  memset(big->data, 'b', BIG_BYTES);
  return 0;
}

static void take_replies(void) {
  struct exchange *exchange = delivery_inbox_take(&loop.inbox);
  while (exchange) {
    struct exchange *next = exchange->next;
    delivery_serve_reply(exchange);
    exchange = next;
  }
}

static void read_all(int fd) {
  static uint8_t sink[1 << 16];
  while (recv(fd, sink, sizeof sink, MSG_DONTWAIT) > 0) continue;
}

static void feed(struct connection *connection, int fd, const uint8_t *data, size_t bytes, size_t step, bool reads) {
  while (bytes > 0 && loop.open > 0) {
    size_t now = bytes < step ? bytes : step;
    ssize_t sent = send(fd, data, now, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent <= 0) return;
    data += sent;
    bytes -= (size_t)sent;
    loop.now_ms++;
    delivery_serve_events(connection, EPOLLIN | EPOLLOUT);
    if (reads) read_all(fd);
  }
}

static void pass_time(void) {
  for (int i = 0; i < 8 && loop.open > 0; i++) {
    loop.now_ms += 40000;
    struct timer *timer;
    while ((timer = delivery_timers_expired(&loop.timers, loop.now_ms))) {
      delivery_serve_timeout((struct connection *)(void *)timer);
    }
  }
}

static void finish(struct connection *connection) {
  if (loop.open > 0) delivery_connection_close(connection);
  while (parked_count > 0) {
    BASE_ASSERT(http_sink_is_cancelled(parked[parked_count - 1]));
    answer(parked[--parked_count]);
  }
  take_replies();
  BASE_ASSERT(loop.open == 0 && atomic_load(&loop.exchanges.alive) == loop.exchanges.free_count);
  BASE_ASSERT(atomic_load(&big->refs) == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  static const uint8_t beginning[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
  if (bytes < 2 || bytes > MAX_BYTES) return 0;
  uint8_t flags = data[0];
  size_t step = data[1] ? data[1] : MAX_BYTES;
  int fds[2];
  BASE_ASSERT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
  atomic_fetch_add(&shared.connections, 1);
  const struct arrival arrival = {.fd = fds[0]};
  struct connection *connection = delivery_connection_open(&loop, &arrival);
  BASE_ASSERT(connection);
  bool reads = flags & 2;
  feed(connection, fds[1], beginning, flags & 1 ? sizeof beginning - 1 : PREFACE_BYTES, MAX_BYTES, reads);
  feed(connection, fds[1], data + 2, bytes - 2, step, reads);
  if ((flags & 4) && loop.open > 0) {
    (void)shutdown(fds[1], SHUT_WR);
    delivery_serve_events(connection, EPOLLIN | EPOLLRDHUP);
  }
  // Some replies come while the session is there.
  for (int i = 0; i < 4 && parked_count > 0; i++) answer(parked[--parked_count]);
  take_replies();
  if ((flags & 8) && loop.open > 0) delivery_serve_drain(connection);
  if (reads) read_all(fds[1]);
  if (reads && loop.open > 0) delivery_serve_events(connection, EPOLLOUT);
  if (flags & 16) pass_time();
  finish(connection);
  close(fds[1]);
  return 0;
}
