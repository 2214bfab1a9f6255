// Any bytes from a server, cut into pieces in any way: refused, or parsed to the same status and the same body however
// they were cut.
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "body.h"
#include "head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

enum { MAX_INPUT_BYTES = 1 << 17 };

struct outcome {
  enum base_result result;
  bool has_head, is_done;
  int status;
  size_t header_count;
  uint64_t body_sum, body_bytes;
  size_t used_bytes;  // once done
};

static void begin_body(const struct client_head *head, struct client_body *body) {
  if (head->is_chunked)
    client_body_chunked(body);
  else if (head->has_length)
    client_body_sized(body, head->length);
  else
    client_body_to_end(body);
}

static void add(struct outcome *outcome, struct base_span piece) {
  for (size_t i = 0; i < piece.bytes; i++) outcome->body_sum = outcome->body_sum * 31 + piece.data[i];
  outcome->body_bytes += piece.bytes;
}

static void check_headers(const struct client_response *response) {
  const uint8_t *start = response->head.data, *end = start + response->head.bytes;
  for (size_t i = 0; i < response->header_count; i++) {
    const struct base_span name = response->headers[i].name, value = response->headers[i].value;
    BASE_ASSERT(name.bytes > 0 && name.data >= start && name.data + name.bytes <= end);
    BASE_ASSERT(value.data >= start && value.data + value.bytes <= end);
    BASE_ASSERT(value.bytes == 0 || memchr(value.data, '\n', value.bytes) == NULL);
  }
}

// `piece_bytes` at a time, as reads from a socket would give them.
static struct outcome run(const uint8_t *data, size_t bytes, size_t piece_bytes) {
  struct outcome outcome = {.result = BASE_OK};
  struct client_response response = {0};
  struct client_head head;
  struct client_body body;
  size_t searched = 0, at = 0;
  base_buffer_init(&response.head, CLIENT_MAX_HEAD_BYTES);
  for (size_t seen = 0; seen < bytes && outcome.result == BASE_OK && !outcome.is_done;) {
    seen = bytes - seen > piece_bytes ? seen + piece_bytes : bytes;
    if (!outcome.has_head) {
      size_t head_bytes;
      outcome.result = client_head_find(base_span_of(data, seen), &searched, &head_bytes, NULL);
      if (outcome.result != BASE_OK || head_bytes == 0) continue;
      BASE_ASSERT(head_bytes <= seen && head_bytes <= CLIENT_MAX_HEAD_BYTES);
      BASE_ASSERT(base_buffer_append(&response.head, data, head_bytes) == BASE_OK);
      outcome.result = client_head_parse(&response, &head, NULL);
      if (outcome.result != BASE_OK) continue;
      check_headers(&response);
      outcome.has_head = true;
      outcome.status = response.status;
      outcome.header_count = response.header_count;
      begin_body(&head, &body);
      at = head_bytes;
    }
    struct base_span input = base_span_of(data + at, seen - at);
    while (outcome.result == BASE_OK && input.bytes > 0 && !client_body_is_done(&body)) {
      struct base_span piece;
      outcome.result = client_body_take(&body, &input, &piece, NULL);
      if (outcome.result == BASE_OK) add(&outcome, piece);
    }
    at = seen - input.bytes;
    outcome.is_done = client_body_is_done(&body);
    if (outcome.is_done) outcome.used_bytes = at;
  }
  client_response_finish(&response);
  return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  if (bytes < 2 || bytes > MAX_INPUT_BYTES) return 0;
  const size_t piece_bytes = (size_t)data[0] + 1;
  const struct outcome whole = run(data + 1, bytes - 1, SIZE_MAX);
  const struct outcome cut = run(data + 1, bytes - 1, piece_bytes);
  BASE_ASSERT(whole.result == cut.result);
  BASE_ASSERT(whole.has_head == cut.has_head && whole.is_done == cut.is_done);
  BASE_ASSERT(whole.status == cut.status && whole.header_count == cut.header_count);
  BASE_ASSERT(whole.body_bytes == cut.body_bytes && whole.body_sum == cut.body_sum);
  BASE_ASSERT(whole.used_bytes == cut.used_bytes);
  return 0;
}
