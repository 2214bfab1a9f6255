// What one HTTP/2 session is about to send: frames of its own, and bodies from where they lie.
//
// A batch is filled on the stack, and only what the socket did not take at once moves to the heap. Belongs to its
// loop's thread.
#ifndef DELIVERY_H2_OUTPUT_H
#define DELIVERY_H2_OUTPUT_H

#include "http/message.h"
#include "transport.h"

enum {
  DELIVERY_H2_CHUNK_BYTES = 16384 + 64,                 // the largest piece that must fit: a frame of ours
  DELIVERY_H2_OWN_BYTES = 2 * DELIVERY_H2_CHUNK_BYTES,  // copied bytes in a batch: heads, control frames, files
  DELIVERY_H2_BATCH_BYTES = 256 * 1024,                 // enough to keep a socket busy
  DELIVERY_H2_FRAME_PIECES = 2 * HTTP_MAX_BODY_PARTS,   // of one DATA frame at most
  DELIVERY_H2_PIECES = 64 + DELIVERY_H2_FRAME_PIECES,
};

struct h2_batch {
  size_t count;
  size_t own_bytes;
  size_t total_bytes;
  struct iovec pieces[DELIVERY_H2_PIECES];
  uint8_t own[DELIVERY_H2_OWN_BYTES];
};

// The rest of a batch that waits for the socket.
struct h2_backlog {
  size_t first;
  size_t count;
  struct iovec pieces[];  // what they copied lies behind the last one
};

void delivery_h2_batch_init(struct h2_batch *batch);
// True while one more frame is sure to fit.
bool delivery_h2_batch_has_room(const struct h2_batch *batch);
// Adds a copy of at most DELIVERY_H2_CHUNK_BYTES.
void delivery_h2_batch_copy(struct h2_batch *batch, const void *data, size_t bytes);
// Adds a DATA frame: a copy of its header, and `bytes` of a body, `offset` bytes after the beginning of parts[0].
// Memory is borrowed until the batch is sent, files are read. False, and nothing added, when a file is shorter than
// promised.
bool delivery_h2_batch_frame(struct h2_batch *batch, struct base_span header, const struct http_body_part *parts,
                             uint64_t offset, size_t bytes) BASE_CHECKED;
// Sends all of it, or as much as goes; *sent_bytes grows by what went. BLOCKED: *out_backlog is the rest, to be freed
// by free(); NULL there means that memory is short.
enum transport_status delivery_h2_batch_send(struct h2_batch *batch, struct transport *transport, uint64_t *sent_bytes,
                                             struct h2_backlog **out_backlog) BASE_CHECKED;
// OK: all of it is gone.
enum transport_status delivery_h2_backlog_send(struct h2_backlog *backlog, struct transport *transport,
                                               uint64_t *sent_bytes) BASE_CHECKED;

#endif
