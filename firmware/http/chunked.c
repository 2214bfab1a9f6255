#include "http/chunked.h"

#include "base/checked.h"
#include "base/text.h"
#include "chars.h"

enum place {
  SIZE_FIRST,  // the first digit
  SIZE,        // further digits, or what ends them
  EXTENSION,
  SIZE_LF,
  DATA,
  DATA_CR,
  DATA_LF,
  TRAILER_FIRST,  // at the beginning of a line behind the last chunk
  TRAILER_NAME,
  TRAILER_VALUE,
  TRAILER_LF,  // of a field
  LAST_LF,     // of the empty line
  DONE,
  FAILED,
};

static enum http_chunked_state fail(struct http_chunked *chunked, enum base_result result, const char *why,
                                    struct base_fault *fault) {
  chunked->place = FAILED;
  (void)BASE_FAIL(fault, result, "transfer-encoding", "%s", why);
  return HTTP_CHUNKED_FAILED;
}

static const char *take_size_byte(struct http_chunked *chunked, uint8_t byte) {
  const int digit = base_hex_digit(byte);
  chunked->line_bytes++;
  if (digit >= 0) {
    if (chunked->left >> 59) return "A chunk is larger than any body may be";
    chunked->left = chunked->left << 4 | (uint64_t)digit;
    chunked->place = SIZE;
    return NULL;
  }
  if (chunked->place == SIZE_FIRST) return "A chunk's size is not a hexadecimal number";
  if (byte == ';') {
    chunked->place = EXTENSION;
  } else if (byte == '\r') {
    chunked->place = SIZE_LF;
  } else {
    return "A chunk's size is not a hexadecimal number";
  }
  return NULL;
}

// What extensions mean is nobody's business here; they have no control bytes and an end (RFC 9112 7.1.1).
static const char *take_extension_byte(struct http_chunked *chunked, uint8_t byte) {
  chunked->line_bytes++;
  chunked->extension_bytes++;
  if (byte == '\r') {
    chunked->place = SIZE_LF;
    return NULL;
  }
  return http_char_is(byte, HTTP_CHAR_VALUE) ? NULL : "A chunk's extension has a control byte";
}

static const char *take_lf(struct http_chunked *chunked, uint8_t byte, enum place next) {
  chunked->place = next;
  return byte == '\n' ? NULL : "There is a CR without an LF between chunks";
}

static const char *take_trailer_byte(struct http_chunked *chunked, uint8_t byte) {
  chunked->trailer_bytes++;
  switch (chunked->place) {
    case TRAILER_FIRST:
      if (byte == '\r') {
        chunked->place = LAST_LF;
        return NULL;
      }
      chunked->place = TRAILER_NAME;
      return http_char_is(byte, HTTP_CHAR_TOKEN) ? NULL : "A trailer field's name is not a token";
    case TRAILER_NAME:
      if (byte == ':') chunked->place = TRAILER_VALUE;
      return byte == ':' || http_char_is(byte, HTTP_CHAR_TOKEN) ? NULL : "A trailer field's name is not a token";
    default:
      if (byte == '\r') chunked->place = TRAILER_LF;
      return byte == '\r' || http_char_is(byte, HTTP_CHAR_VALUE) ? NULL : "A trailer field's value has a control byte";
  }
}

// One byte that is no chunk data. NULL, or what is wrong with it.
static const char *take_byte(struct http_chunked *chunked, uint8_t byte) {
  switch (chunked->place) {
    case SIZE_FIRST:
    case SIZE:
      return take_size_byte(chunked, byte);
    case EXTENSION:
      return take_extension_byte(chunked, byte);
    case SIZE_LF:
      chunked->line_bytes = 0;
      return take_lf(chunked, byte, chunked->left > 0 ? DATA : TRAILER_FIRST);
    case DATA_CR:
      chunked->place = DATA_LF;
      return byte == '\r' ? NULL : "A chunk is longer than its size";
    case DATA_LF:
      return take_lf(chunked, byte, SIZE_FIRST);
    case TRAILER_LF:
      return take_lf(chunked, byte, TRAILER_FIRST);
    case LAST_LF:
      return take_lf(chunked, byte, DONE);
    default:
      return take_trailer_byte(chunked, byte);
  }
}

static struct base_span cut(struct base_span *input, size_t bytes) {
  const struct base_span front = base_span_slice(*input, 0, bytes);
  *input = base_span_slice(*input, bytes, input->bytes - bytes);
  return front;
}

static enum http_chunked_state take_data(struct http_chunked *chunked, struct base_span *input, struct base_span *out) {
  *out = cut(input, (size_t)base_min_u64(chunked->left, input->bytes));
  chunked->left -= out->bytes;
  if (chunked->left == 0) chunked->place = DATA_CR;
  return HTTP_CHUNKED_DATA;
}

enum http_chunked_state http_chunked_next(struct http_chunked *chunked, struct base_span *input, struct base_span *out,
                                          struct base_fault *fault) {
  *out = (struct base_span){0};
  if (chunked->place == FAILED) return fail(chunked, BASE_BAD_INPUT, "The chunks broke the rules before", fault);
  while (chunked->place != DONE) {
    if (input->bytes == 0) return HTTP_CHUNKED_MORE;
    if (chunked->place == DATA) return take_data(chunked, input, out);
    const char *why = take_byte(chunked, *cut(input, 1).data);
    if (why) return fail(chunked, BASE_BAD_INPUT, why, fault);
    if (chunked->line_bytes > HTTP_MAX_CHUNK_EXTENSION || chunked->extension_bytes > HTTP_MAX_CHUNK_EXTENSIONS) {
      return fail(chunked, BASE_HEADERS_TOO_LARGE, "A chunk's size and extensions are larger than the limit", fault);
    }
    if (chunked->trailer_bytes > HTTP_MAX_TRAILER_BYTES) {
      return fail(chunked, BASE_HEADERS_TOO_LARGE, "The fields behind the chunks are larger than the limit", fault);
    }
  }
  return HTTP_CHUNKED_DONE;
}
