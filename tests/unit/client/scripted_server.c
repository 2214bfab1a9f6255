#include "scripted_server.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/file.h"

enum { PATIENCE_S = 10, HOLD_MS = 500, RECEIVED_LIMIT = 64 << 20 };

static bool accept_next(struct scripted_server *server) {
  struct pollfd poll_fd = {.fd = server->listener, .events = POLLIN};
  base_fd_close(&server->connection);
  if (poll(&poll_fd, 1, PATIENCE_S * 1000) != 1) return false;
  server->connection = accept(server->listener, NULL, NULL);
  const struct timeval patience = {.tv_sec = PATIENCE_S};
  const int on = 1;
  return server->connection >= 0 &&
         setsockopt(server->connection, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0 &&
         setsockopt(server->connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0;
}

// Reads up to `bytes`; 0 at the end.
static ssize_t read_some(struct scripted_server *server, size_t bytes, struct base_buffer *into) {
  char chunk[65536];
  const ssize_t got = recv(server->connection, chunk, bytes < sizeof(chunk) ? bytes : sizeof(chunk), 0);
  if (got > 0 && base_buffer_append(into, chunk, (size_t)got) != BASE_OK) return -1;
  return got;
}

static bool read_exactly(struct scripted_server *server, size_t bytes, struct base_buffer *into) {
  while (bytes > 0) {
    const ssize_t got = read_some(server, bytes, into);
    if (got <= 0) return false;
    bytes -= (size_t)got;
  }
  return true;
}

static bool read_request(struct scripted_server *server) {
  const size_t start = server->received.bytes;
  for (;;) {
    if (!read_exactly(server, 1, &server->received)) return false;
    const struct base_span head = base_span_slice(base_buffer_span(&server->received), start, SIZE_MAX);
    if (head.bytes < 4 || memcmp(head.data + head.bytes - 4, "\r\n\r\n", 4) != 0) continue;
    unsigned long long body = 0;
    const char *field = memmem(head.data, head.bytes, "\r\nContent-Length: ", 18);
    if (field != NULL && sscanf(field, "\r\nContent-Length: %llu", &body) != 1) return false;
    return read_exactly(server, (size_t)body, &server->received);
  }
}

static bool send_text(struct scripted_server *server, const struct scripted_step *step) {
  const size_t bytes = step->bytes > 0 ? step->bytes : strlen(step->text);
  const size_t piece = step->kind == SCRIPTED_SEND_BYTEWISE ? 1 : bytes;
  for (size_t at = 0; at < bytes; at += piece) {
    if (send(server->connection, step->text + at, piece, MSG_NOSIGNAL) != (ssize_t)piece) return false;
  }
  return true;
}

// Longer than every client's patience in the tests; then what was sent is drained, for the peer's end comes behind it.
static bool hold(struct scripted_server *server) {
  struct pollfd poll_fd = {.fd = server->connection, .events = POLLRDHUP};
  if (poll(&poll_fd, 1, HOLD_MS) < 0) return false;
  char ignored[65536];
  ssize_t got;
  do {
    got = recv(server->connection, ignored, sizeof(ignored), 0);
  } while (got > 0);
  return got == 0 || errno == ECONNRESET;
}

static bool follow(struct scripted_server *server, const struct scripted_step *step) {
  struct base_buffer ignored;
  bool is_fine = false;
  switch (step->kind) {
    case SCRIPTED_ACCEPT:
      return accept_next(server);
    case SCRIPTED_REQUEST:
      return read_request(server);
    case SCRIPTED_READ:
      base_buffer_init(&ignored, RECEIVED_LIMIT);
      is_fine = read_exactly(server, step->bytes, &ignored);
      base_buffer_finish(&ignored);
      return is_fine;
    case SCRIPTED_SEND:
    case SCRIPTED_SEND_BYTEWISE:
      return send_text(server, step);
    case SCRIPTED_CLOSE:
      base_fd_close(&server->connection);
      return true;
    case SCRIPTED_HOLD:
      return hold(server);
  }
  return false;
}

static void *run(void *argument) {
  struct scripted_server *server = argument;
  while (server->done < server->count && follow(server, &server->steps[server->done])) server->done++;
  base_fd_close(&server->connection);
  base_fd_close(&server->listener);
  return NULL;
}

void scripted_server_start(struct scripted_server *server, const struct scripted_step *steps, size_t count) {
  *server = (struct scripted_server){.connection = -1, .steps = steps, .count = count};
  base_buffer_init(&server->received, RECEIVED_LIMIT);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t bytes = sizeof(address);
  server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  BASE_ASSERT(server->listener >= 0);
  BASE_ASSERT(bind(server->listener, (struct sockaddr *)&address, bytes) == 0);
  BASE_ASSERT(listen(server->listener, 8) == 0);
  BASE_ASSERT(getsockname(server->listener, (struct sockaddr *)&address, &bytes) == 0);
  snprintf(server->url, sizeof(server->url), "http://127.0.0.1:%u", (unsigned)ntohs(address.sin_port));
  BASE_ASSERT(pthread_create(&server->thread, NULL, run, server) == 0);
}

bool scripted_server_stop(struct scripted_server *server) {
  BASE_ASSERT(pthread_join(server->thread, NULL) == 0);
  return server->done == server->count;
}

void scripted_server_finish(struct scripted_server *server) { base_buffer_finish(&server->received); }
