#include "base/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

void base_json_begin(struct base_json_writer *writer, struct base_buffer *out) {
  *writer = (struct base_json_writer){.out = out, .result = BASE_OK};
}

static void put(struct base_json_writer *writer, const void *data, size_t bytes) {
  if (writer->result == BASE_OK) writer->result = base_buffer_append(writer->out, data, bytes);
}

static void put_text(struct base_json_writer *writer, const char *text) { put(writer, text, strlen(text)); }

// Writes the character of `bytes` bytes at `at`; 0 bytes stand for one byte that is not UTF-8.
static void put_char(struct base_json_writer *writer, const uint8_t *at, size_t bytes) {
  if (bytes == 0) {
    put_text(writer, BASE_UTF8_REPLACEMENT);
  } else if (*at == '"' || *at == '\\') {
    const uint8_t escaped[2] = {'\\', *at};
    put(writer, escaped, sizeof escaped);
  } else if (*at == '\n') {
    put_text(writer, "\\n");
  } else if (*at < 0x20 || *at == 0x7f) {
    char escaped[8];
    snprintf(escaped, sizeof escaped, "\\u%04x", *at);
    put_text(writer, escaped);
  } else {
    put(writer, at, bytes);
  }
}

static bool is_plain(uint8_t c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\'; }

static void put_quoted(struct base_json_writer *writer, struct base_span text) {
  put(writer, "\"", 1);
  while (text.bytes > 0 && writer->result == BASE_OK) {
    size_t plain = 0;
    while (plain < text.bytes && is_plain(text.data[plain])) plain++;
    put(writer, text.data, plain);
    text = base_span_slice(text, plain, text.bytes);
    if (text.bytes == 0) break;
    const size_t bytes = base_utf8_char_bytes(text);
    put_char(writer, text.data, bytes);
    text = base_span_slice(text, bytes ? bytes : 1, text.bytes);
  }
  put(writer, "\"", 1);
}

// What stands before every value: the comma and the key.
static void begin_value(struct base_json_writer *writer, const char *key) {
  if (writer->needs_comma) put(writer, ",", 1);
  writer->needs_comma = true;
  if (!key) return;
  put_quoted(writer, base_span_text(key));
  put(writer, ":", 1);
}

void base_json_object(struct base_json_writer *writer, const char *key) {
  begin_value(writer, key);
  put(writer, "{", 1);
  writer->needs_comma = false;
}

void base_json_object_end(struct base_json_writer *writer) {
  put(writer, "}", 1);
  writer->needs_comma = true;
}

void base_json_array(struct base_json_writer *writer, const char *key) {
  begin_value(writer, key);
  put(writer, "[", 1);
  writer->needs_comma = false;
}

void base_json_array_end(struct base_json_writer *writer) {
  put(writer, "]", 1);
  writer->needs_comma = true;
}

void base_json_text(struct base_json_writer *writer, const char *key, struct base_span text) {
  begin_value(writer, key);
  put_quoted(writer, text);
}

void base_json_string(struct base_json_writer *writer, const char *key, const char *text) {
  begin_value(writer, key);
  if (text) {
    put_quoted(writer, base_span_text(text));
  } else {
    put_text(writer, "null");
  }
}

void base_json_integer(struct base_json_writer *writer, const char *key, int64_t value) {
  char digits[24];
  snprintf(digits, sizeof digits, "%" PRId64, value);
  begin_value(writer, key);
  put_text(writer, digits);
}

void base_json_number(struct base_json_writer *writer, const char *key, double value) {
  char digits[32] = "null";  // JSON has no infinities
  if (isfinite(value)) {
    // The short form when it reads back as the same number; the decimal point relies on the "C" locale.
    snprintf(digits, sizeof digits, "%.15g", value);
    if (strtod(digits, NULL) != value) snprintf(digits, sizeof digits, "%.17g", value);
  }
  begin_value(writer, key);
  put_text(writer, digits);
}

void base_json_bool(struct base_json_writer *writer, const char *key, bool value) {
  begin_value(writer, key);
  put_text(writer, value ? "true" : "false");
}

void base_json_raw(struct base_json_writer *writer, const char *key, struct base_span json) {
  begin_value(writer, key);
  put(writer, json.data, json.bytes);
}
