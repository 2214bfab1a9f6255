#include "writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <unistd.h>

enum {
  // Of a file that has to be encrypted, at a time: what a record holds.
  DELIVERY_FILE_CHUNK_BYTES = 16384,
  // Fewer bytes are copied faster than their pages are handled.
  DELIVERY_MIN_PAGES_BYTES = 16384,
};
// What one sendfile may move: the kernel stops at 2 GiB anyway.
#define DELIVERY_SENDFILE_BYTES (UINT64_C(1) << 30)

void delivery_writer_init(struct writer *writer, struct base_span head, const struct http_reply *reply, bool has_body) {
  *writer = (struct writer){
      .head = head.data,
      .head_bytes = head.bytes,
      .parts = reply->parts,
      .part_count = has_body ? reply->part_count : 0,
  };
}

void delivery_writer_finish(struct writer *writer) {
  free(writer->kept_head);
  writer->kept_head = NULL;
}

bool delivery_writer_keep(struct writer *writer) {
  if (writer->head_bytes == 0 || writer->kept_head) return true;
  writer->kept_head = malloc(writer->head_bytes);
  if (!writer->kept_head) return false;
  memcpy(writer->kept_head, writer->head, writer->head_bytes);
  writer->head = writer->kept_head;
  return true;
}

// Moves over `sent` bytes of the head and the parts after it.
static void advance(struct writer *writer, uint64_t sent) {
  size_t of_head = (size_t)(sent < writer->head_bytes ? sent : writer->head_bytes);
  writer->head += of_head;
  writer->head_bytes -= of_head;
  sent -= of_head;
  while (writer->part < writer->part_count) {
    uint64_t left = writer->parts[writer->part].bytes - writer->part_sent;
    if (sent < left) {
      writer->part_sent += sent;
      return;
    }
    sent -= left;
    writer->part++;
    writer->part_sent = 0;
  }
}

// A file, or a blob in an arena: goes out as pages. Only plain sockets can take them.
static bool goes_as_pages(const struct http_body_part *part, int raw_fd) {
  if (raw_fd < 0) return false;
  return !part->blob || (part->blob->fd >= 0 && part->bytes >= DELIVERY_MIN_PAGES_BYTES);
}

static struct iovec piece_of(const uint8_t *data, size_t bytes) {
  // Nobody writes through the pieces; the cast over an integer keeps -Wcast-qual for real mistakes.
  return (struct iovec){.iov_base = (void *)(uintptr_t)data, .iov_len = bytes};
}

static enum transport_status read_chunk(const struct http_body_part *part, uint64_t skip,
                                        uint8_t chunk[DELIVERY_FILE_CHUNK_BYTES], size_t *bytes) {
  uint64_t left = part->bytes - skip;
  ssize_t got;
  do {
    got = pread(part->file->fd, chunk, left < DELIVERY_FILE_CHUNK_BYTES ? (size_t)left : DELIVERY_FILE_CHUNK_BYTES,
                (off_t)(part->offset + skip));
  } while (got < 0 && errno == EINTR);
  if (got <= 0) return TRANSPORT_FAILED;
  *bytes = (size_t)got;
  return TRANSPORT_OK;
}

// The head and what follows it in memory, up to what goes as pages. A file that must be encrypted ends the pieces with
// its next bytes; when they come again after BLOCKED they are read again.
static enum transport_status send_memory(const struct writer *writer, struct transport *transport, size_t *sent) {
  struct iovec pieces[1 + HTTP_MAX_BODY_PARTS];
  uint8_t chunk[DELIVERY_FILE_CHUNK_BYTES];
  const int raw_fd = delivery_transport_raw_fd(transport);
  size_t count = 0;
  size_t part = writer->part;
  uint64_t skip = writer->part_sent;
  bool has_chunk = false;
  if (writer->head_bytes > 0) pieces[count++] = piece_of(writer->head, writer->head_bytes);
  for (; part < writer->part_count && !has_chunk && !goes_as_pages(&writer->parts[part], raw_fd); part++, skip = 0) {
    const struct http_body_part *one = &writer->parts[part];
    size_t bytes = (size_t)(one->bytes - skip);
    has_chunk = !one->blob;
    if (has_chunk && read_chunk(one, skip, chunk, &bytes) != TRANSPORT_OK) return TRANSPORT_FAILED;
    pieces[count++] = piece_of(has_chunk ? chunk : one->blob->data + one->offset + skip, bytes);
  }
  return delivery_transport_write(transport, pieces, count, part < writer->part_count, sent);
}

static enum transport_status send_pages(const struct writer *writer, int raw_fd, size_t *sent) {
  const struct http_body_part *part = &writer->parts[writer->part];
  uint64_t begin = part->offset + writer->part_sent;
  uint64_t left = part->bytes - writer->part_sent;
  if (part->blob) begin += part->blob->fd_offset;
  if (left > DELIVERY_SENDFILE_BYTES) left = DELIVERY_SENDFILE_BYTES;
  off_t offset = (off_t)begin;
  ssize_t bytes;
  do {
    bytes = sendfile(raw_fd, part->blob ? part->blob->fd : part->file->fd, &offset, (size_t)left);
  } while (bytes < 0 && errno == EINTR);
  if (bytes < 0 && errno == EAGAIN) return TRANSPORT_BLOCKED;
  if (bytes <= 0) return TRANSPORT_FAILED;  // 0: the file ended early
  *sent = (size_t)bytes;
  return TRANSPORT_OK;
}

enum writer_state delivery_writer_flush(struct writer *writer, struct transport *transport, uint64_t *sent_bytes) {
  const int raw_fd = delivery_transport_raw_fd(transport);
  // Empty parts would look like a file that ended early.
  advance(writer, 0);
  while (writer->head_bytes > 0 || writer->part < writer->part_count) {
    size_t sent = 0;
    bool is_memory = writer->head_bytes > 0 || !goes_as_pages(&writer->parts[writer->part], raw_fd);
    enum transport_status status =
        is_memory ? send_memory(writer, transport, &sent) : send_pages(writer, raw_fd, &sent);
    // With TLS some may have gone before the rest was blocked.
    *sent_bytes += sent;
    advance(writer, sent);
    if (status == TRANSPORT_BLOCKED) return WRITER_BLOCKED;
    if (status != TRANSPORT_OK) return WRITER_FAILED;
  }
  return WRITER_DONE;
}
