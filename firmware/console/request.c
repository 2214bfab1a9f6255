#include "request.h"

#include <string.h>

#include "base/clock.h"
#include "base/text.h"

struct head {
  char *storage;
  size_t bytes;
  bool is_full;
};

static void append(struct head *head, const char *text) {
  size_t bytes = strlen(text);
  if (head->is_full || bytes > HTTP_MAX_HEAD_BYTES - head->bytes) {
    head->is_full = true;
    return;
  }
  memcpy(head->storage + head->bytes, text, bytes);
  head->bytes += bytes;
}

void console_request_make_id(char out[HTTP_REQUEST_ID_CHARS + 1]) {
  uint8_t random[HTTP_REQUEST_ID_CHARS / 2];
  base_random_bytes(random, sizeof random);
  base_hex_encode(base_span_of(random, sizeof random), out, HTTP_REQUEST_ID_CHARS + 1);
}

enum base_result console_request_build(const struct console_raw_request *raw, char *storage, struct http_request *out,
                                       struct base_fault *fault) {
  struct head head = {.storage = storage};
  append(&head, raw->method);
  append(&head, " ");
  append(&head, raw->path);
  if (raw->query) append(&head, "?");
  if (raw->query) append(&head, raw->query);
  append(&head, " HTTP/");
  append(&head, raw->version);
  append(&head, "\r\n");
  for (size_t i = 0; i < raw->header_count; i++) {
    append(&head, raw->headers[i].name);
    append(&head, ":");
    append(&head, raw->headers[i].value);
    append(&head, "\r\n");
  }
  append(&head, "\r\n");
  if (head.is_full) return BASE_FAIL(fault, BASE_HEADERS_TOO_LARGE, "", "the request's head is too large");

  size_t head_bytes;
  switch (http_parse_request(base_span_of(storage, head.bytes), out, &head_bytes, fault)) {
    case HTTP_PARSE_DONE:
      break;
    case HTTP_PARSE_FAILED:
      return fault->result;
    default:
      return BASE_FAIL(fault, BASE_BAD_INPUT, "", "the request's head is incomplete");
  }
  // An empty line hidden in a value would end the head early and turn the rest into a body.
  if (head_bytes != head.bytes) return BASE_FAIL(fault, BASE_BAD_INPUT, "", "the request's head is malformed");
  console_request_make_id(out->id);
  return BASE_OK;
}
