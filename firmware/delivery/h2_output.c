#include "h2_output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void delivery_h2_batch_init(struct h2_batch *batch) {
  batch->count = 0;
  batch->own_bytes = 0;
  batch->total_bytes = 0;
}

bool delivery_h2_batch_has_room(const struct h2_batch *batch) {
  return batch->total_bytes < DELIVERY_H2_BATCH_BYTES &&
         batch->own_bytes + DELIVERY_H2_CHUNK_BYTES <= DELIVERY_H2_OWN_BYTES &&
         batch->count + DELIVERY_H2_FRAME_PIECES <= DELIVERY_H2_PIECES;
}

static void add(struct h2_batch *batch, uint8_t *data, size_t bytes) {
  batch->total_bytes += bytes;
  struct iovec *last = batch->count > 0 ? &batch->pieces[batch->count - 1] : NULL;
  if (last && (uint8_t *)last->iov_base + last->iov_len == data) {
    last->iov_len += bytes;
    return;
  }
  BASE_ASSERT(batch->count < DELIVERY_H2_PIECES);
  batch->pieces[batch->count++] = (struct iovec){.iov_base = data, .iov_len = bytes};
}

// Room for copied bytes; they count once `add` has them.
static uint8_t *take_own(struct h2_batch *batch, size_t bytes) {
  BASE_ASSERT(bytes <= DELIVERY_H2_OWN_BYTES - batch->own_bytes);
  uint8_t *at = batch->own + batch->own_bytes;
  batch->own_bytes += bytes;
  return at;
}

void delivery_h2_batch_copy(struct h2_batch *batch, const void *data, size_t bytes) {
  uint8_t *at = take_own(batch, bytes);
  memcpy(at, data, bytes);
  add(batch, at, bytes);
}

static bool add_file(struct h2_batch *batch, const struct http_body_part *part, uint64_t offset, size_t bytes) {
  uint8_t *at = take_own(batch, bytes);
  for (size_t have = 0; have < bytes;) {
    ssize_t got = pread(part->file->fd, at + have, bytes - have, (off_t)(part->offset + offset + have));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    have += (size_t)got;
  }
  add(batch, at, bytes);
  return true;
}

static bool add_body(struct h2_batch *batch, const struct http_body_part *parts, uint64_t offset, size_t bytes) {
  for (const struct http_body_part *part = parts; bytes > 0; part++) {
    uint64_t left = part->bytes - offset;
    size_t now = left < bytes ? (size_t)left : bytes;
    if (part->blob) {
      add(batch, part->blob->data + part->offset + offset, now);
    } else if (!add_file(batch, part, offset, now)) {
      return false;
    }
    bytes -= now;
    offset = 0;
  }
  return true;
}

bool delivery_h2_batch_frame(struct h2_batch *batch, struct base_span header, const struct http_body_part *parts,
                             uint64_t offset, size_t bytes) {
  size_t count = batch->count;
  size_t own_bytes = batch->own_bytes;
  size_t total_bytes = batch->total_bytes;
  size_t last_bytes = count > 0 ? batch->pieces[count - 1].iov_len : 0;
  delivery_h2_batch_copy(batch, header.data, header.bytes);
  if (add_body(batch, parts, offset, bytes)) return true;
  batch->count = count;
  batch->own_bytes = own_bytes;
  batch->total_bytes = total_bytes;
  if (count > 0) batch->pieces[count - 1].iov_len = last_bytes;
  return false;
}

// Sends pieces from *first on, which moves over what is gone.
static enum transport_status send_pieces(struct iovec *pieces, size_t *first, size_t count, struct transport *transport,
                                         uint64_t *sent_bytes) {
  while (*first < count) {
    size_t sent = 0;
    enum transport_status status = delivery_transport_write(transport, pieces + *first, count - *first, false, &sent);
    if (status != TRANSPORT_OK) return status;
    *sent_bytes += sent;
    while (*first < count && sent >= pieces[*first].iov_len) sent -= pieces[(*first)++].iov_len;
    if (sent == 0) continue;
    pieces[*first].iov_base = (uint8_t *)pieces[*first].iov_base + sent;
    pieces[*first].iov_len -= sent;
  }
  return TRANSPORT_OK;
}

// Pieces from `first` on, with copies of what lies in the batch itself.
static struct h2_backlog *keep(const struct h2_batch *batch, size_t first) {
  size_t count = batch->count - first;
  const uint8_t *own_end = batch->own + batch->own_bytes;
  size_t own_bytes = 0;
  for (size_t i = first; i < batch->count; i++) {
    const uint8_t *at = batch->pieces[i].iov_base;
    if (at >= batch->own && at < own_end) own_bytes += batch->pieces[i].iov_len;
  }
  struct h2_backlog *backlog = malloc(sizeof *backlog + count * sizeof backlog->pieces[0] + own_bytes);
  if (!backlog) return NULL;
  backlog->first = 0;
  backlog->count = count;
  uint8_t *copy = (uint8_t *)(backlog->pieces + count);
  for (size_t i = 0; i < count; i++) {
    struct iovec piece = batch->pieces[first + i];
    const uint8_t *at = piece.iov_base;
    if (at >= batch->own && at < own_end) {
      memcpy(copy, at, piece.iov_len);
      piece.iov_base = copy;
      copy += piece.iov_len;
    }
    backlog->pieces[i] = piece;
  }
  return backlog;
}

enum transport_status delivery_h2_batch_send(struct h2_batch *batch, struct transport *transport, uint64_t *sent_bytes,
                                             struct h2_backlog **out_backlog) {
  size_t first = 0;
  enum transport_status status = send_pieces(batch->pieces, &first, batch->count, transport, sent_bytes);
  *out_backlog = status == TRANSPORT_BLOCKED ? keep(batch, first) : NULL;
  return status;
}

enum transport_status delivery_h2_backlog_send(struct h2_backlog *backlog, struct transport *transport,
                                               uint64_t *sent_bytes) {
  return send_pieces(backlog->pieces, &backlog->first, backlog->count, transport, sent_bytes);
}
