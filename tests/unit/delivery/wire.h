// A test's client: a plain socket to 127.0.0.1 and replies read from it.
#ifndef TESTS_DELIVERY_WIRE_H
#define TESTS_DELIVERY_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WIRE_BUFFER_BYTES = 65536 };

struct wire {
  int fd;
  size_t bytes;  // received and not taken yet
  char buffer[WIRE_BUFFER_BYTES];
};

struct wire_reply {
  int status;
  char head[8192];  // with the empty line; terminated
  char body[32768];
  size_t body_bytes;
};

// Reads give up after some seconds, so that no test hangs.
void wire_open(struct wire *wire, uint16_t port);
// `from` is another loopback address, e.g. "127.0.0.2"; receive_bytes > 0 makes the receive buffer that small.
void wire_open_from(struct wire *wire, uint16_t port, const char *from, int receive_bytes);
void wire_close(struct wire *wire);
void wire_send(struct wire *wire, const char *text);
// Sends what the socket takes although the server may have closed.
bool wire_try_send(struct wire *wire, const char *text);
// Reads a whole reply; fails the test when none comes. `has_body` false: for HEAD.
void wire_read(struct wire *wire, struct wire_reply *reply, bool has_body);
// Reads so many bytes and forgets them; fails the test when they do not come.
void wire_skip(struct wire *wire, size_t bytes);
// Sends a GET and reads its reply.
void wire_get(struct wire *wire, const char *path, struct wire_reply *reply);
// The value of a reply field in a static buffer, or NULL.
const char *wire_field(const struct wire_reply *reply, const char *name);
// True when the server closes without another byte (an orderly end or a reset).
bool wire_is_closed_by_server(struct wire *wire);
// True when the server keeps quiet and open for that long.
bool wire_is_quiet(struct wire *wire, int ms);

#endif
