// Byte spans (borrowed views), growable buffers and ref-counted immutable blobs.
//
// Everybody uses these. Spans own nothing. A buffer belongs to one thread. Blobs are shared between threads;
// their bytes do not change once a second reference exists.
#ifndef BASE_SPAN_H
#define BASE_SPAN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/result.h"

// A borrowed view of bytes; text is a span of its characters without a terminator.
struct base_span {
  const uint8_t *data;
  size_t bytes;
};

struct base_span base_span_of(const void *data, size_t bytes);
// View of a C string without its terminator; NULL gives an empty span.
struct base_span base_span_text(const char *text);
bool base_span_equal(struct base_span a, struct base_span b);
bool base_span_is(struct base_span span, const char *text);
// ASCII case-insensitive comparison.
bool base_span_is_nocase(struct base_span span, const char *text);
bool base_span_starts_with(struct base_span span, const char *prefix);
// `bytes` from `offset`, clipped to the span's end.
struct base_span base_span_slice(struct base_span span, size_t offset, size_t bytes);
// Cuts everything up to the first `separator` off the front of `*rest` and returns it; the separator is dropped.
// Without a separator the whole rest is returned and `*rest` becomes empty with data == NULL.
struct base_span base_span_cut(struct base_span *rest, char separator);
// Without leading and trailing SP and HTAB (RFC 9110 OWS).
struct base_span base_span_trim(struct base_span span);
// Copies as a terminated string; false when `span` has a NUL byte or does not fit in `capacity`.
bool base_span_copy(struct base_span span, char *out, size_t capacity) BASE_CHECKED;
// Strict decimal: digits only, no sign, no overflow, 1..20 characters.
bool base_span_to_u64(struct base_span span, uint64_t *out) BASE_CHECKED;
// Equal bytes compared in time that depends on the lengths only.
bool base_span_equal_constant_time(struct base_span a, struct base_span b);

// A growable byte buffer with a hard limit. Initialise with base_buffer_init; `data` may be NULL when empty. The memory
// behind `data` is one byte longer than `capacity`, for the terminator that printf writes.
struct base_buffer {
  uint8_t *data;
  size_t bytes;
  size_t capacity;
  size_t limit;
};

void base_buffer_init(struct base_buffer *buffer, size_t limit_bytes);
void base_buffer_finish(struct base_buffer *buffer);
// Makes room for `more` bytes after the end. BASE_TOO_LARGE over the limit, BASE_NO_MEMORY.
enum base_result base_buffer_reserve(struct base_buffer *buffer, size_t more) BASE_CHECKED;
enum base_result base_buffer_append(struct base_buffer *buffer, const void *data, size_t bytes) BASE_CHECKED;
enum base_result base_buffer_append_text(struct base_buffer *buffer, const char *text) BASE_CHECKED;
enum base_result base_buffer_printf(struct base_buffer *buffer, const char *format, ...) BASE_PRINTF(2, 3) BASE_CHECKED;
// Drops `bytes` from the front, moving the rest down.
void base_buffer_consume(struct base_buffer *buffer, size_t bytes);
struct base_span base_buffer_span(const struct base_buffer *buffer);

struct base_arena;

// Shared immutable bytes. Created with one reference and writable until shared; in an arena they never are.
struct base_blob {
  atomic_uint refs;
  int fd;  // of the memory file that holds the bytes from fd_offset on, for sendfile; -1: they are in no file
  size_t bytes;
  uint8_t *data;  // the bytes follow the struct, lie in the arena, or belong to `release`
  void (*release)(void *data, size_t bytes);
  struct base_arena *arena;  // base/arena.h; NULL: in none
  uint64_t fd_offset;
};

// NULL when memory is short.
struct base_blob *base_blob_create(size_t bytes);
struct base_blob *base_blob_copy(struct base_span span);
// Takes the buffer's bytes without copying and leaves it empty. NULL (buffer untouched) when memory is short.
struct base_blob *base_blob_from_buffer(struct base_buffer *buffer);
// Takes bytes that came from another allocator; `release` is called when the last reference goes. NULL (bytes still
// the caller's) when memory is short.
struct base_blob *base_blob_adopt(void *data, size_t bytes, void (*release)(void *data, size_t bytes));
struct base_blob *base_blob_ref(struct base_blob *blob);
// Drops one reference and nulls the pointer; *blob may be NULL.
void base_blob_unref(struct base_blob **blob);
struct base_span base_blob_span(const struct base_blob *blob);

#endif
