#include "body.h"

void client_body_none(struct client_body *body) { *body = (struct client_body){.state = CLIENT_BODY_DONE}; }

void client_body_sized(struct client_body *body, uint64_t bytes) {
  *body = (struct client_body){.state = bytes > 0 ? CLIENT_BODY_DATA : CLIENT_BODY_DONE, .left = bytes};
}

void client_body_chunked(struct client_body *body) {
  *body = (struct client_body){.state = CLIENT_BODY_SIZE, .is_chunked = true};
}

void client_body_to_end(struct client_body *body) { *body = (struct client_body){.state = CLIENT_BODY_TO_END}; }

static enum base_result refuse(struct base_fault *fault, const char *why) {
  return BASE_FAIL(fault, BASE_BAD_INPUT, "chunk", "the server's response is not HTTP/1.1: %s", why);
}

static int hex_value(uint8_t c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

static enum base_result end_size_line(struct client_body *body, struct base_fault *fault) {
  if (body->last != '\r') return refuse(fault, "a chunk's size line does not end in CRLF");
  body->state = body->left > 0 ? CLIENT_BODY_DATA : CLIENT_BODY_TRAILER;
  body->line_bytes = body->digits = 0;
  return BASE_OK;
}

static enum base_result take_size(struct client_body *body, uint8_t c, struct base_fault *fault) {
  enum { MAX_DIGITS = 15 };  // below 2^60: sums of it never overflow
  const int value = hex_value(c);
  if (value >= 0) {
    if (++body->digits > MAX_DIGITS) return refuse(fault, "a chunk's size has too many digits");
    body->left = body->left * 16 + (unsigned)value;
    return BASE_OK;
  }
  if (body->digits == 0) return refuse(fault, "a chunk begins without its size");
  if (c != '\r' && c != ';' && c != ' ' && c != '\t') return refuse(fault, "a chunk's size is not a hex number");
  body->state = CLIENT_BODY_EXTENSION;
  return BASE_OK;
}

static enum base_result take_extension(struct client_body *body, uint8_t c, struct base_fault *fault) {
  if (c == '\n') return end_size_line(body, fault);
  const bool is_control = (c < ' ' && c != '\t' && c != '\r') || c == 0x7f;
  if (is_control || body->last == '\r') return refuse(fault, "a chunk extension has a control byte");
  return BASE_OK;
}

// Trailer fields are not used; their lines are only counted and held to CRLF.
static enum base_result take_trailer(struct client_body *body, uint8_t c, struct base_fault *fault) {
  if (++body->trailer_bytes > CLIENT_MAX_TRAILER_BYTES) return refuse(fault, "the trailer section is too large");
  if (c != '\n') {
    if (body->last == '\r' && body->line_bytes > 0) return refuse(fault, "a trailer line has a bare CR");
    body->line_bytes++;
    return BASE_OK;
  }
  if (body->last != '\r' || body->line_bytes == 0) return refuse(fault, "a trailer line does not end in CRLF");
  if (body->line_bytes == 1) body->state = CLIENT_BODY_DONE;
  body->line_bytes = 0;
  return BASE_OK;
}

static enum base_result take_byte(struct client_body *body, uint8_t c, struct base_fault *fault) {
  switch (body->state) {
    case CLIENT_BODY_SIZE:
    case CLIENT_BODY_EXTENSION:
      if (++body->line_bytes > CLIENT_MAX_CHUNK_LINE_BYTES) return refuse(fault, "a chunk's size line is too long");
      return body->state == CLIENT_BODY_SIZE ? take_size(body, c, fault) : take_extension(body, c, fault);
    case CLIENT_BODY_DATA_CR:
      if (c != '\r') return refuse(fault, "a chunk is longer than its size");
      body->state = CLIENT_BODY_DATA_LF;
      return BASE_OK;
    case CLIENT_BODY_DATA_LF:
      if (c != '\n') return refuse(fault, "a chunk is longer than its size");
      body->state = CLIENT_BODY_SIZE;
      return BASE_OK;
    case CLIENT_BODY_TRAILER:
      return take_trailer(body, c, fault);
    case CLIENT_BODY_DATA:
    case CLIENT_BODY_TO_END:
    case CLIENT_BODY_DONE:
      break;
  }
  return BASE_FAIL(fault, BASE_INTERNAL, "body", "a byte outside the framing");
}

enum base_result client_body_take(struct client_body *body, struct base_span *input, struct base_span *out,
                                  struct base_fault *fault) {
  *out = base_span_of(NULL, 0);
  while (input->bytes > 0 && body->state != CLIENT_BODY_DONE) {
    if (body->state == CLIENT_BODY_TO_END) {
      *out = *input;
      *input = base_span_slice(*input, input->bytes, 0);
      return BASE_OK;
    }
    if (body->state == CLIENT_BODY_DATA) {
      const size_t bytes = body->left < input->bytes ? (size_t)body->left : input->bytes;
      *out = base_span_slice(*input, 0, bytes);
      *input = base_span_slice(*input, bytes, input->bytes);
      body->left -= bytes;
      if (body->left == 0) body->state = body->is_chunked ? CLIENT_BODY_DATA_CR : CLIENT_BODY_DONE;
      return BASE_OK;
    }
    const uint8_t c = input->data[0];
    const enum base_result result = take_byte(body, c, fault);
    if (result != BASE_OK) return result;
    body->last = c;
    *input = base_span_slice(*input, 1, input->bytes);
  }
  return BASE_OK;
}
