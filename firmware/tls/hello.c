#include "hello.h"

enum {
  RECORD_HEADER_BYTES = 5,
  HANDSHAKE_RECORD = 22,
  CLIENT_HELLO = 1,
  VERSION_AND_RANDOM_BYTES = 2 + 32,
  SESSION_TICKET = 35,
};

// Takes `bytes` off the front; empty, as is everything after it, when there are not so many.
static struct base_span take(struct base_span *rest, size_t bytes) {
  if (bytes > rest->bytes) {
    *rest = (struct base_span){0};
    return *rest;
  }
  struct base_span taken = base_span_slice(*rest, 0, bytes);
  *rest = base_span_slice(*rest, bytes, rest->bytes - bytes);
  return taken;
}

// An unsigned number of `bytes` bytes; 0 when they are not there.
static size_t take_number(struct base_span *rest, size_t bytes) {
  struct base_span digits = take(rest, bytes);
  size_t number = 0;
  for (size_t i = 0; i < digits.bytes; i++) number = number << 8 | digits.data[i];
  return number;
}

// What its own length, a number of `bytes` bytes, goes before.
static struct base_span take_vector(struct base_span *rest, size_t bytes) {
  size_t length = take_number(rest, bytes);
  return take(rest, length);
}

static struct base_span find_ticket(struct base_span record) {
  struct base_span nothing = {0};
  if (take_number(&record, 1) != CLIENT_HELLO) return nothing;
  struct base_span hello = take_vector(&record, 3);
  (void)take(&hello, VERSION_AND_RANDOM_BYTES);
  (void)take_vector(&hello, 1);  // session id
  (void)take_vector(&hello, 2);  // cipher suites
  (void)take_vector(&hello, 1);  // compression methods
  struct base_span extensions = take_vector(&hello, 2);
  while (extensions.bytes > 0) {
    size_t type = take_number(&extensions, 2);
    struct base_span content = take_vector(&extensions, 2);
    if (type == SESSION_TICKET) return content;
  }
  return nothing;
}

enum tls_hello tls_hello_parse(struct base_span bytes, struct base_span *ticket) {
  *ticket = (struct base_span){0};
  if (bytes.bytes > 0 && bytes.data[0] != HANDSHAKE_RECORD) return TLS_HELLO_WHOLE;
  if (bytes.bytes < RECORD_HEADER_BYTES) return TLS_HELLO_PARTIAL;
  size_t record_bytes = (size_t)bytes.data[3] << 8 | bytes.data[4];
  if (record_bytes > TLS_HELLO_BYTES - RECORD_HEADER_BYTES) return TLS_HELLO_WHOLE;
  if (bytes.bytes - RECORD_HEADER_BYTES < record_bytes) return TLS_HELLO_PARTIAL;
  *ticket = find_ticket(base_span_slice(bytes, RECORD_HEADER_BYTES, record_bytes));
  return TLS_HELLO_WHOLE;
}
