#include "body.h"

enum base_result console_body_read_all(const struct console_exchange *exchange, size_t limit_bytes,
                                       struct base_buffer *out, struct base_fault *fault) {
  const struct console_wire *wire = &exchange->wire;
  base_buffer_init(out, limit_bytes);
  if (exchange->body_bytes > limit_bytes) {
    return BASE_FAIL(fault, BASE_TOO_LARGE, "content-length", "this request's body has at most %zu bytes", limit_bytes);
  }
  if (base_buffer_reserve(out, exchange->body_bytes) != BASE_OK) {
    return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for the request's body");
  }
  while (out->bytes < exchange->body_bytes) {
    int got = wire->read(wire->self, out->data + out->bytes, exchange->body_bytes - out->bytes);
    if (got <= 0) return BASE_FAIL(fault, BASE_IO, "", "the request's body broke off within the box");
    out->bytes += (size_t)got;
  }
  return BASE_OK;
}
