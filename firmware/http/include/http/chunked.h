// Decoding of chunked bodies (RFC 9112 7.1), as strict as the request parser.
//
// For a server that reads a body as it comes. Keeps a few numbers, no bytes. One decoder belongs to one body.
#ifndef HTTP_CHUNKED_H
#define HTTP_CHUNKED_H

#include "base/span.h"

enum {
  HTTP_MAX_CHUNK_EXTENSION = 256,         // bytes of one chunk's size and what stands behind it
  HTTP_MAX_CHUNK_EXTENSIONS = 16 * 1024,  // of all chunks of a body together
  HTTP_MAX_TRAILER_BYTES = 8 * 1024,      // fields behind the last chunk; they are checked and dropped
};

enum http_chunked_state {
  HTTP_CHUNKED_MORE,    // all input was used
  HTTP_CHUNKED_DATA,    // *out is a piece of the body
  HTTP_CHUNKED_DONE,    // the body has ended; what is left of the input belongs to the next request
  HTTP_CHUNKED_FAILED,  // fault says why (BASE_BAD_INPUT, BASE_HEADERS_TOO_LARGE): where the body ends is not known
};

// Zero-initialise it.
struct http_chunked {
  uint64_t left;  // of the chunk being read; its size while the digits come
  uint32_t line_bytes, extension_bytes, trailer_bytes;
  uint8_t place;  // enum in chunked.c
};

// Takes bytes off the front of *input. Call again while it returns DATA; *out (in the input, never empty) is good until
// the input's bytes go. DONE and FAILED stay.
//
// Refused: a size that is no hexadecimal number below 2^63, white space before or after it, bare CR or LF, control
// bytes in extensions, anything but CRLF behind a chunk's bytes, trailer lines that are no fields.
enum http_chunked_state http_chunked_next(struct http_chunked *chunked, struct base_span *input, struct base_span *out,
                                          struct base_fault *fault) BASE_CHECKED;

#endif
