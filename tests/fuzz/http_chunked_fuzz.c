// Any bytes as a chunked body: the same body and verdict however the bytes are cut, never more than came.
#include "http/chunked.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

struct outcome {
  enum http_chunked_state state;
  size_t body_bytes, used;
  uint64_t hash;  // of the body
};

static struct outcome decode(const uint8_t *data, size_t bytes, size_t step) {
  struct outcome outcome = {.state = HTTP_CHUNKED_MORE, .hash = 14695981039346656037u};
  struct http_chunked chunked = {0};
  for (size_t at = 0; at < bytes && outcome.state == HTTP_CHUNKED_MORE; at += step) {
    const size_t part = bytes - at < step ? bytes - at : step;
    uint8_t *copy = malloc(part);  // its own allocation, so that a read past it is seen
    if (!copy) abort();
    memcpy(copy, data + at, part);
    struct base_span input = base_span_of(copy, part), piece;
    while ((outcome.state = http_chunked_next(&chunked, &input, &piece, NULL)) == HTTP_CHUNKED_DATA) {
      BASE_ASSERT(piece.bytes > 0 && piece.data >= copy && piece.data + piece.bytes <= copy + part);
      for (size_t i = 0; i < piece.bytes; i++) outcome.hash = (outcome.hash ^ piece.data[i]) * 1099511628211u;
      outcome.body_bytes += piece.bytes;
    }
    if (outcome.state != HTTP_CHUNKED_FAILED) outcome.used = at + part - input.bytes;
    BASE_ASSERT(outcome.state != HTTP_CHUNKED_MORE || input.bytes == 0);
    free(copy);
  }
  return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  const struct outcome whole = decode(data, bytes, bytes > 0 ? bytes : 1);
  BASE_ASSERT(whole.body_bytes <= bytes && whole.used <= bytes);
  if (whole.state == HTTP_CHUNKED_DONE) BASE_ASSERT(whole.used >= 5 && memcmp(data + whole.used - 2, "\r\n", 2) == 0);
  for (size_t step = 1; step < 8; step += 3) {
    const struct outcome cut = decode(data, bytes, step);
    BASE_ASSERT(cut.state == whole.state && cut.body_bytes == whole.body_bytes && cut.hash == whole.hash);
    BASE_ASSERT(cut.state == HTTP_CHUNKED_FAILED || cut.used == whole.used);
  }
  return 0;
}
