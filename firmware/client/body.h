// The framing of a response's body: a known length, chunks, or until the connection ends (RFC 9112 6.3 and 7.1).
//
// A push decoder without a buffer: bytes go in as they come, views of the same bytes come out.
#ifndef CLIENT_BODY_H
#define CLIENT_BODY_H

#include "client/client.h"

enum client_body_state {
  CLIENT_BODY_SIZE,       // in a chunk's size
  CLIENT_BODY_EXTENSION,  // behind it, up to the LF
  CLIENT_BODY_DATA,
  CLIENT_BODY_DATA_CR,  // behind a chunk's data
  CLIENT_BODY_DATA_LF,
  CLIENT_BODY_TRAILER,
  CLIENT_BODY_TO_END,  // until the connection ends
  CLIENT_BODY_DONE,
};

struct client_body {
  enum client_body_state state;
  bool is_chunked;
  uint64_t left;      // bytes of the body or the chunk; the size while it is read
  size_t line_bytes;  // of the chunk line or the trailer line so far
  size_t digits;
  size_t trailer_bytes;
  uint8_t last;  // the byte before, to see CRLF
};

void client_body_none(struct client_body *body);
void client_body_sized(struct client_body *body, uint64_t bytes);
void client_body_chunked(struct client_body *body);
void client_body_to_end(struct client_body *body);

static inline bool client_body_is_done(const struct client_body *body) { return body->state == CLIENT_BODY_DONE; }

// Takes bytes off the front of *input until a piece of the body is found (*out, which may be empty), the body is done
// or the input is used up. BASE_BAD_INPUT for malformed chunks and lines over their limits.
enum base_result client_body_take(struct client_body *body, struct base_span *input, struct base_span *out,
                                  struct base_fault *fault) BASE_CHECKED;

#endif
