#include "writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

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

// The head and the blob parts up to the next file part.
static ssize_t send_memory(const struct writer *writer, int fd) {
  struct iovec pieces[1 + HTTP_MAX_BODY_PARTS];
  size_t count = 0;
  if (writer->head_bytes > 0) {
    // sendmsg does not write through iov_base; the cast over an integer keeps -Wcast-qual for real mistakes.
    pieces[count++] = (struct iovec){.iov_base = (void *)(uintptr_t)writer->head, .iov_len = writer->head_bytes};
  }
  size_t part = writer->part;
  uint64_t skip = writer->part_sent;
  for (; part < writer->part_count && writer->parts[part].blob; part++) {
    const struct http_body_part *blob_part = &writer->parts[part];
    pieces[count++] = (struct iovec){.iov_base = blob_part->blob->data + blob_part->offset + skip,
                                     .iov_len = (size_t)(blob_part->bytes - skip)};
    skip = 0;
  }
  struct msghdr message = {.msg_iov = pieces, .msg_iovlen = count};
  return sendmsg(fd, &message, MSG_NOSIGNAL | (part < writer->part_count ? MSG_MORE : 0));
}

static ssize_t send_file(const struct writer *writer, int fd) {
  const struct http_body_part *part = &writer->parts[writer->part];
  off_t offset = (off_t)(part->offset + writer->part_sent);
  uint64_t left = part->bytes - writer->part_sent;
  if (left > DELIVERY_SENDFILE_BYTES) left = DELIVERY_SENDFILE_BYTES;
  return sendfile(fd, part->file->fd, &offset, (size_t)left);
}

enum writer_state delivery_writer_flush(struct writer *writer, int fd, uint64_t *sent_bytes) {
  // Empty parts would look like a file that ended early.
  advance(writer, 0);
  while (writer->head_bytes > 0 || writer->part < writer->part_count) {
    bool is_memory = writer->head_bytes > 0 || writer->parts[writer->part].blob;
    ssize_t sent = is_memory ? send_memory(writer, fd) : send_file(writer, fd);
    if (sent > 0) {
      *sent_bytes += (uint64_t)sent;
      advance(writer, (uint64_t)sent);
    } else if (sent < 0 && errno == EINTR) {
      continue;
    } else if (sent < 0 && errno == EAGAIN) {
      return WRITER_BLOCKED;
    } else {
      return WRITER_FAILED;
    }
  }
  return WRITER_DONE;
}
