#include "wire.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATIENCE_MS = 10000 };

void wire_open_from(struct wire *wire, uint16_t port, const char *from, int receive_bytes) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  *wire = (struct wire){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  assert_true(wire->fd >= 0);
  if (receive_bytes > 0) {
    assert_int_equal(setsockopt(wire->fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes), 0);
  }
  assert_int_equal(inet_pton(AF_INET, from, &address.sin_addr), 1);
  assert_int_equal(bind(wire->fd, (struct sockaddr *)&address, sizeof address), 0);
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  assert_int_equal(connect(wire->fd, (struct sockaddr *)&address, sizeof address), 0);
}

void wire_open(struct wire *wire, uint16_t port) { wire_open_from(wire, port, "127.0.0.1", 0); }

void wire_close(struct wire *wire) {
  close(wire->fd);
  wire->fd = -1;
}

bool wire_try_send(struct wire *wire, const char *text) {
  size_t bytes = strlen(text);
  return send(wire->fd, text, bytes, MSG_NOSIGNAL) == (ssize_t)bytes;
}

void wire_send(struct wire *wire, const char *text) { assert_true(wire_try_send(wire, text)); }

static bool wait_readable(struct wire *wire, int ms) {
  struct pollfd waiting = {.fd = wire->fd, .events = POLLIN};
  return poll(&waiting, 1, ms) == 1;
}

// More bytes into the buffer; fails the test when none come.
static void receive(struct wire *wire) {
  assert_true(wire->bytes < WIRE_BUFFER_BYTES);
  assert_true(wait_readable(wire, PATIENCE_MS));
  ssize_t got = recv(wire->fd, wire->buffer + wire->bytes, WIRE_BUFFER_BYTES - wire->bytes, 0);
  assert_true(got > 0);
  wire->bytes += (size_t)got;
}

static void take(struct wire *wire, void *out, size_t bytes) {
  memcpy(out, wire->buffer, bytes);
  wire->bytes -= bytes;
  memmove(wire->buffer, wire->buffer + bytes, wire->bytes);
}

void wire_read(struct wire *wire, struct wire_reply *reply, bool has_body) {
  const char *end;
  while (!(end = memmem(wire->buffer, wire->bytes, "\r\n\r\n", 4))) receive(wire);
  size_t head_bytes = (size_t)(end - wire->buffer) + 4;
  assert_true(head_bytes < sizeof reply->head);
  take(wire, reply->head, head_bytes);
  reply->head[head_bytes] = '\0';
  assert_int_equal(sscanf(reply->head, "HTTP/1.1 %3d ", &reply->status), 1);

  const char *length = wire_field(reply, "Content-Length");
  reply->body_bytes = has_body && length ? strtoul(length, NULL, 10) : 0;
  assert_true(reply->body_bytes < sizeof reply->body);
  while (wire->bytes < reply->body_bytes) receive(wire);
  take(wire, reply->body, reply->body_bytes);
  reply->body[reply->body_bytes] = '\0';
}

void wire_skip(struct wire *wire, size_t bytes) {
  static char skipped[WIRE_BUFFER_BYTES];
  while (bytes > 0) {
    if (wire->bytes == 0) receive(wire);
    const size_t step = wire->bytes < bytes ? wire->bytes : bytes;
    take(wire, skipped, step);
    bytes -= step;
  }
}

void wire_get(struct wire *wire, const char *path, struct wire_reply *reply) {
  char request[512];
  (void)snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", path);
  wire_send(wire, request);
  wire_read(wire, reply, true);
}

const char *wire_field(const struct wire_reply *reply, const char *name) {
  static char value[512];
  size_t bytes = strlen(name);
  for (const char *line = strstr(reply->head, "\r\n"); line && line[2] != '\r'; line = strstr(line + 2, "\r\n")) {
    if (strncasecmp(line + 2, name, bytes) != 0 || line[2 + bytes] != ':') continue;
    size_t value_bytes = strcspn(line + bytes + 4, "\r");
    (void)snprintf(value, sizeof value, "%.*s", (int)value_bytes, line + bytes + 4);
    return value;
  }
  return NULL;
}

bool wire_is_closed_by_server(struct wire *wire) {
  char byte;
  return wire->bytes == 0 && wait_readable(wire, PATIENCE_MS) && recv(wire->fd, &byte, 1, 0) <= 0;
}

bool wire_is_quiet(struct wire *wire, int ms) { return wire->bytes == 0 && !wait_readable(wire, ms); }
