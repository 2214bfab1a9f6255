// Classes of bytes in HTTP messages, as one table look-up.
#ifndef HTTP_CHARS_H
#define HTTP_CHARS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

enum http_char_class {
  HTTP_CHAR_TOKEN = 0x01,       // tchar, RFC 9110 5.6.2
  HTTP_CHAR_TARGET = 0x02,      // visible ASCII without '#': what we take in a request target
  HTTP_CHAR_VALUE = 0x04,       // HTAB, SP, VCHAR, obs-text: RFC 9110 5.5
  HTTP_CHAR_HOST = 0x08,        // letters, digits, '-', '.', '_': the registered names that DNS can hold
  HTTP_CHAR_ENTITY_TAG = 0x10,  // etagc, RFC 9110 8.8.3
  HTTP_CHAR_DIGIT = 0x20,
};

extern const uint8_t http_char_classes[256];

static inline bool http_char_is(uint8_t byte, enum http_char_class wanted) {
  return (http_char_classes[byte] & wanted) != 0;
}

static inline bool http_chars_all(struct base_span span, enum http_char_class wanted) {
  for (size_t i = 0; i < span.bytes; i++) {
    if (!http_char_is(span.data[i], wanted)) return false;
  }
  return true;
}

// True for a non-empty token.
static inline bool http_chars_are_token(struct base_span span) {
  return span.bytes > 0 && http_chars_all(span, HTTP_CHAR_TOKEN);
}

#endif
