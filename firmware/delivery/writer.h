// Writes one reply to a transport that does not wait. Plain sockets get the head and small bodies by one sendmsg, and
// the pages of files and of blobs in an arena by sendfile; TLS gets head and body as full records. Bodies in memory are
// never copied here.
#ifndef DELIVERY_WRITER_H
#define DELIVERY_WRITER_H

#include "http/message.h"
#include "transport.h"

enum writer_state { WRITER_DONE, WRITER_BLOCKED, WRITER_FAILED };

struct writer {
  const uint8_t *head;  // what is left of it; in the loop's scratch until delivery_writer_keep
  size_t head_bytes;
  uint8_t *kept_head;                  // owned copy of a head that could not be sent at once
  const struct http_body_part *parts;  // borrowed from the reply
  size_t part_count;
  size_t part;         // the one being sent
  uint64_t part_sent;  // bytes of it that are gone
};

// `has_body` false (HEAD, 204, 304) sends the head only.
void delivery_writer_init(struct writer *writer, struct base_span head, const struct http_reply *reply, bool has_body);
void delivery_writer_finish(struct writer *writer);
// Sends until all is sent or the socket takes no more, and adds what was sent to *sent_bytes.
// FAILED: the connection is broken, or a file is shorter than promised.
enum writer_state delivery_writer_flush(struct writer *writer, struct transport *transport, uint64_t *sent_bytes);
// Copies what is left of the head out of the scratch. False when memory is short.
bool delivery_writer_keep(struct writer *writer) BASE_CHECKED;

#endif
