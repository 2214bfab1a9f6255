#include "http/message.h"

#include <stdio.h>
#include <string.h>

enum {
  MAX_REPLY_TEXT_BYTES = 64 * 1024,
  FIRST_VALUE_BYTES = 128,  // most values fit, so most are printed once
};

void http_reply_init(struct http_reply *reply, int status) {
  reply->status = status;
  reply->header_count = 0;
  base_buffer_init(&reply->text, MAX_REPLY_TEXT_BYTES);
  reply->part_count = 0;
  reply->body_bytes = 0;
  reply->close = false;
  reply->lease.end = NULL;
}

void http_reply_finish(struct http_reply *reply) {
  http_reply_drop_body(reply);
  base_buffer_finish(&reply->text);
  reply->header_count = 0;
}

// The field's value stands at the end of `text` and has `bytes`; makes it one.
static void commit_header(struct http_reply *reply, const char *name, size_t bytes) {
  const uint8_t *value = reply->text.data + reply->text.bytes;
  for (size_t i = 0; i < bytes; i++) BASE_ASSERT(value[i] != '\r' && value[i] != '\n' && value[i] != '\0');
  reply->headers[reply->header_count].name = name;
  reply->headers[reply->header_count].offset = (uint32_t)reply->text.bytes;
  reply->headers[reply->header_count].bytes = (uint32_t)bytes;
  reply->header_count++;
  reply->text.bytes += bytes;
}

void http_reply_header(struct http_reply *reply, const char *name, const char *format, ...) {
  size_t room = FIRST_VALUE_BYTES;
  while (reply->header_count < HTTP_MAX_REPLY_HEADERS && base_buffer_reserve(&reply->text, room) == BASE_OK) {
    va_list arguments;
    va_start(arguments, format);
    int printed = vsnprintf((char *)reply->text.data + reply->text.bytes, room, format, arguments);
    va_end(arguments);
    BASE_ASSERT(printed >= 0);
    if ((size_t)printed < room) {
      commit_header(reply, name, (size_t)printed);
      return;
    }
    room = (size_t)printed + 1;
  }
  reply->status = 500;
}

void http_reply_header_span(struct http_reply *reply, const char *name, struct base_span value) {
  bool is_full = reply->header_count == HTTP_MAX_REPLY_HEADERS;
  // One byte more than needed, so that even an empty value has an address.
  if (is_full || value.bytes >= MAX_REPLY_TEXT_BYTES || base_buffer_reserve(&reply->text, value.bytes + 1) != BASE_OK) {
    reply->status = 500;
    return;
  }
  if (value.bytes > 0) memcpy(reply->text.data + reply->text.bytes, value.data, value.bytes);
  commit_header(reply, name, value.bytes);
}

// Field names are few and short: a walk is faster than anything clever. header_count when absent.
static size_t find_header(const struct http_reply *reply, const char *name) {
  size_t i = 0;
  while (i < reply->header_count && !base_span_is_nocase(base_span_text(reply->headers[i].name), name)) i++;
  return i;
}

struct base_span http_reply_get_header(const struct http_reply *reply, const char *name) {
  size_t i = find_header(reply, name);
  if (i == reply->header_count) return base_span_of(NULL, 0);
  return base_span_of(reply->text.data + reply->headers[i].offset, reply->headers[i].bytes);
}

void http_reply_remove_header(struct http_reply *reply, const char *name) {
  size_t i;
  while ((i = find_header(reply, name)) < reply->header_count) {
    reply->header_count--;
    memmove(&reply->headers[i], &reply->headers[i + 1], (reply->header_count - i) * sizeof reply->headers[0]);
  }
}

static void add_part(struct http_reply *reply, struct http_body_part part) {
  BASE_ASSERT(reply->part_count < HTTP_MAX_BODY_PARTS);
  BASE_ASSERT(part.bytes <= UINT64_MAX - reply->body_bytes);
  reply->parts[reply->part_count++] = part;
  reply->body_bytes += part.bytes;
}

void http_reply_add_blob(struct http_reply *reply, struct base_blob *blob, uint64_t offset, uint64_t bytes) {
  BASE_ASSERT(offset <= blob->bytes && bytes <= blob->bytes - offset);
  if (bytes == 0) {  // servers never see an empty part
    base_blob_unref(&blob);
    return;
  }
  add_part(reply, (struct http_body_part){.blob = blob, .offset = offset, .bytes = bytes});
}

void http_reply_add_file(struct http_reply *reply, struct http_file *file, uint64_t offset, uint64_t bytes) {
  if (bytes == 0) {
    http_file_unref(&file);
    return;
  }
  add_part(reply, (struct http_body_part){.file = file, .offset = offset, .bytes = bytes});
}

void http_reply_add_text(struct http_reply *reply, struct base_span text) {
  struct base_blob *blob = base_blob_copy(text);
  if (!blob) {
    reply->status = 500;
    return;
  }
  http_reply_add_blob(reply, blob, 0, text.bytes);
}

void http_reply_drop_body(struct http_reply *reply) {
  for (size_t i = 0; i < reply->part_count; i++) {
    base_blob_unref(&reply->parts[i].blob);
    http_file_unref(&reply->parts[i].file);
  }
  reply->part_count = 0;
  reply->body_bytes = 0;
  if (reply->lease.end) reply->lease.end(&reply->lease);
  reply->lease.end = NULL;
}

void http_reply_keep_length(struct http_reply *reply) {
  const uint64_t bytes = reply->body_bytes;
  http_reply_drop_body(reply);
  reply->body_bytes = bytes;
}
