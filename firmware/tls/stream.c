// One TLS connection. Everything between mbedTLS and the socket passes through here.
//
// With a lane, what mbedTLS sends gathers in the lane and leaves with one system call at the end of each call, and what
// the socket has is read at once and dealt out to mbedTLS, which asks for a head and a body of each record.

#include <errno.h>
#include <mbedtls/net_sockets.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "identity.h"

enum {
  RECORD_BYTES = MBEDTLS_SSL_MAX_CONTENT_LEN,
  RECORD_OVERHEAD_BYTES = 64,  // over the 29 of AES-GCM
  LANE_RECORDS = 2,            // of data by one system call; for a slow client so many are kept meanwhile
  LANE_OUT_BYTES = LANE_RECORDS * (RECORD_BYTES + RECORD_OVERHEAD_BYTES),
};

struct tls_lane {
  size_t out_bytes;
  size_t in_begin, in_end;
  uint8_t out[LANE_OUT_BYTES];
  uint8_t in[RECORD_BYTES + RECORD_OVERHEAD_BYTES];
  uint8_t gathered[RECORD_BYTES];
};

struct tls_stream {
  int fd;  // borrowed
  struct tls_identity *identity;
  struct tls_lane *lane;  // borrowed; NULL: none
  mbedtls_ssl_context ssl;
  size_t writing_bytes;  // of the caller's, in records that the socket did not take whole
  bool has_closed;       // our goodbye is on its way
  bool is_drained;       // the socket was empty when it was read last
  uint8_t *ahead;        // read from the socket, not yet by mbedTLS; NULL: nothing
  size_t ahead_begin, ahead_end;
  uint8_t *unsent;  // records that the socket did not take; NULL: none
  size_t unsent_begin, unsent_end;
};

struct tls_lane *tls_lane_create(void) {
  return calloc(1, sizeof(struct tls_lane));
}

void tls_lane_destroy(struct tls_lane **lane) {
  free(*lane);
  *lane = NULL;
}

static int send_now(const struct tls_stream *stream, const void *data, size_t bytes) {
  ssize_t sent;
  do {
    sent = send(stream->fd, data, bytes, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent >= 0) return (int)sent;
  if (errno == EAGAIN) return MBEDTLS_ERR_SSL_WANT_WRITE;
  return errno == EPIPE || errno == ECONNRESET ? MBEDTLS_ERR_NET_CONN_RESET : MBEDTLS_ERR_NET_SEND_FAILED;
}

static int receive_now(const struct tls_stream *stream, void *out, size_t bytes) {
  ssize_t got;
  do {
    got = recv(stream->fd, out, bytes, 0);
  } while (got < 0 && errno == EINTR);
  if (got >= 0) return (int)got;
  if (errno == EAGAIN) return MBEDTLS_ERR_SSL_WANT_READ;
  return errno == ECONNRESET ? MBEDTLS_ERR_NET_CONN_RESET : MBEDTLS_ERR_NET_RECV_FAILED;
}

// Sends what the socket did not take before. 0 when nothing is left of it.
static int send_unsent(struct tls_stream *stream) {
  while (stream->unsent) {
    int sent = send_now(stream, stream->unsent + stream->unsent_begin, stream->unsent_end - stream->unsent_begin);
    if (sent < 0) return sent;
    stream->unsent_begin += (size_t)sent;
    if (stream->unsent_begin < stream->unsent_end) continue;
    free(stream->unsent);
    stream->unsent = NULL;
  }
  return 0;
}

// Sends what has gathered in the lane; what the socket does not take is kept. *sent_bytes is what it took.
static int send_lane(struct tls_stream *stream, size_t *sent_bytes) {
  struct tls_lane *lane = stream->lane;
  size_t bytes = lane->out_bytes;
  *sent_bytes = 0;
  lane->out_bytes = 0;
  while (*sent_bytes < bytes) {
    int sent = send_now(stream, lane->out + *sent_bytes, bytes - *sent_bytes);
    if (sent == MBEDTLS_ERR_SSL_WANT_WRITE) break;
    if (sent < 0) return sent;
    *sent_bytes += (size_t)sent;
  }
  if (*sent_bytes == bytes) return 0;
  BASE_ASSERT(!stream->unsent);
  stream->unsent_begin = 0;
  stream->unsent_end = bytes - *sent_bytes;
  stream->unsent = malloc(stream->unsent_end);
  if (!stream->unsent) return MBEDTLS_ERR_SSL_ALLOC_FAILED;
  memcpy(stream->unsent, lane->out + *sent_bytes, stream->unsent_end);
  return 0;
}

static int send_bytes(void *self, const unsigned char *data, size_t bytes) {
  struct tls_stream *stream = self;
  struct tls_lane *lane = stream->lane;
  if (!lane) return send_now(stream, data, bytes);
  if (bytes > LANE_OUT_BYTES - lane->out_bytes) {
    size_t sent;
    int code = stream->unsent ? MBEDTLS_ERR_SSL_WANT_WRITE : send_lane(stream, &sent);
    if (code != 0) return code;
  }
  if (stream->unsent) return MBEDTLS_ERR_SSL_WANT_WRITE;
  if (bytes > LANE_OUT_BYTES) bytes = LANE_OUT_BYTES;
  memcpy(lane->out + lane->out_bytes, data, bytes);
  lane->out_bytes += bytes;
  return (int)bytes;
}

static int take_ahead(struct tls_stream *stream, unsigned char *out, size_t bytes) {
  size_t left = stream->ahead_end - stream->ahead_begin;
  if (bytes > left) bytes = left;
  memcpy(out, stream->ahead + stream->ahead_begin, bytes);
  stream->ahead_begin += bytes;
  if (stream->ahead_begin == stream->ahead_end) {
    free(stream->ahead);
    stream->ahead = NULL;
  }
  return (int)bytes;
}

static int receive_bytes(void *self, unsigned char *out, size_t bytes) {
  struct tls_stream *stream = self;
  struct tls_lane *lane = stream->lane;
  if (!lane) return receive_now(stream, out, bytes);
  if (stream->ahead) return take_ahead(stream, out, bytes);
  if (lane->in_begin == lane->in_end) {
    if (stream->is_drained) return MBEDTLS_ERR_SSL_WANT_READ;
    int got = receive_now(stream, lane->in, sizeof lane->in);
    stream->is_drained = got == MBEDTLS_ERR_SSL_WANT_READ || (got > 0 && (size_t)got < sizeof lane->in);
    if (got <= 0) return got;
    lane->in_begin = 0;
    lane->in_end = (size_t)got;
  }
  size_t left = lane->in_end - lane->in_begin;
  if (bytes > left) bytes = left;
  memcpy(out, lane->in + lane->in_begin, bytes);
  lane->in_begin += bytes;
  return (int)bytes;
}

struct tls_stream *tls_stream_create(struct tls_server *server, int fd, struct tls_lane *lane) {
  struct tls_stream *stream = calloc(1, sizeof *stream);
  if (!stream) return NULL;
  stream->fd = fd;
  stream->lane = lane;
  mbedtls_ssl_init(&stream->ssl);
  stream->identity = tls_server_identity(server);
  if (mbedtls_ssl_setup(&stream->ssl, &stream->identity->config) != 0) {
    tls_stream_destroy(&stream);
    return NULL;
  }
  mbedtls_ssl_set_bio(&stream->ssl, stream, send_bytes, receive_bytes, NULL);
  return stream;
}

void tls_stream_destroy(struct tls_stream **stream) {
  struct tls_stream *dead = *stream;
  if (!dead) return;
  *stream = NULL;
  mbedtls_ssl_free(&dead->ssl);
  tls_identity_unref(&dead->identity);
  free(dead->ahead);
  free(dead->unsent);
  free(dead);
}

static enum tls_status status_of(int code, const char *what, struct base_fault *fault) {
  switch (code) {
    case MBEDTLS_ERR_SSL_WANT_READ:
      return TLS_WANT_READ;
    case MBEDTLS_ERR_SSL_WANT_WRITE:
      return TLS_WANT_WRITE;
    case MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY:
      return TLS_END;
    default:
      (void)tls_fail(fault, BASE_IO, "", what, code);
      return TLS_FAILED;
  }
}

// Begins a call on a lane: nothing of another stream is in it, and the socket may have something again.
static void enter_lane(struct tls_stream *stream) {
  struct tls_lane *lane = stream->lane;
  if (!lane) return;
  lane->out_bytes = lane->in_begin = lane->in_end = 0;
  stream->is_drained = false;
}

// Ends a call: sends what gathered, and keeps what was read too much. `code` unless that fails.
static int leave_lane(struct tls_stream *stream, int code) {
  struct tls_lane *lane = stream->lane;
  if (!lane) return code;
  size_t sent;
  int send_code = send_lane(stream, &sent);
  if (send_code != 0 && code >= 0) code = send_code;
  if (lane->in_begin < lane->in_end) {
    BASE_ASSERT(!stream->ahead);
    stream->ahead_begin = 0;
    stream->ahead_end = lane->in_end - lane->in_begin;
    stream->ahead = malloc(stream->ahead_end);
    if (!stream->ahead) return MBEDTLS_ERR_SSL_ALLOC_FAILED;
    memcpy(stream->ahead, lane->in + lane->in_begin, stream->ahead_end);
  }
  return code;
}

enum tls_status tls_stream_handshake(struct tls_stream *stream, struct base_fault *fault) {
  static const char what[] = "the TLS handshake failed";
  int code = send_unsent(stream);
  if (code != 0) return status_of(code, what, fault);
  enter_lane(stream);
  code = leave_lane(stream, mbedtls_ssl_handshake(&stream->ssl));
  if (code != 0) return status_of(code, what, fault);
  return stream->unsent ? TLS_WANT_WRITE : TLS_OK;
}

bool tls_stream_has_greeted(const struct tls_stream *stream) { return stream->ssl.state > MBEDTLS_SSL_CLIENT_HELLO; }

enum tls_status tls_stream_read(struct tls_stream *stream, void *out, size_t capacity, size_t *got,
                                struct base_fault *fault) {
  static const char what[] = "reading from a TLS connection";
  *got = 0;
  enter_lane(stream);
  int code = leave_lane(stream, mbedtls_ssl_read(&stream->ssl, out, capacity));
  if (code > 0) {
    *got = (size_t)code;
    return TLS_OK;
  }
  if (code == MBEDTLS_ERR_SSL_WANT_WRITE && stream->lane) {
    // An alert of mbedTLS's own found the socket full: it would be taken for the caller's next record. Nobody who keeps
    // to the protocol provokes one.
    return status_of(MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE, what, fault);
  }
  // 0: the socket has ended without a close_notify.
  return status_of(code == 0 ? MBEDTLS_ERR_SSL_CONN_EOF : code, what, fault);
}

bool tls_stream_has_pending(const struct tls_stream *stream) {
  return stream->ahead || mbedtls_ssl_check_pending(&stream->ssl) != 0;
}

bool tls_stream_is_drained(const struct tls_stream *stream) {
  return stream->is_drained && !tls_stream_has_pending(stream);
}

enum tls_status tls_stream_write(struct tls_stream *stream, struct base_span bytes, size_t *written,
                                 struct base_fault *fault) {
  *written = 0;
  BASE_ASSERT(!stream->lane && bytes.bytes > 0 && bytes.bytes >= stream->writing_bytes);
  // A record that was not sent whole is sent on; mbedTLS then says the length it is given, so it must be the first one.
  const size_t step = stream->writing_bytes > 0 ? stream->writing_bytes : bytes.bytes;
  int code = mbedtls_ssl_write(&stream->ssl, bytes.data, step);
  if (code > 0) {
    stream->writing_bytes = 0;
    *written = (size_t)code;
    return TLS_OK;
  }
  const enum tls_status status = status_of(code, "writing to a TLS connection", fault);
  if (status == TLS_WANT_WRITE) stream->writing_bytes = step;
  return status;
}

// A place in a list of pieces.
struct cursor {
  const struct iovec *pieces;
  size_t count;
  size_t offset;  // into the first one
};

// The next record's content: a piece's own bytes when they fill it or are the last ones, else gathered in the lane.
static struct base_span next_content(struct cursor *from, size_t limit, struct tls_lane *lane) {
  size_t bytes = 0;
  while (from->count > 0 && bytes < limit) {
    const uint8_t *data = (const uint8_t *)from->pieces->iov_base + from->offset;
    size_t left = from->pieces->iov_len - from->offset;
    size_t step = left < limit - bytes ? left : limit - bytes;
    bool is_alone = bytes == 0 && (step == limit || from->count == 1);
    if (step > 0 && !is_alone) memcpy(lane->gathered + bytes, data, step);
    bytes += step;
    from->offset += step;
    if (step == left) {
      from->pieces++;
      from->count--;
      from->offset = 0;
    }
    if (is_alone) return base_span_of(data, bytes);
  }
  return base_span_of(lane->gathered, bytes);
}

// Encrypts up to LANE_RECORDS records into the lane; ends[i] and content[i] are where record i ends in the lane, and
// how many bytes of the caller's are in it. Returns how many records, or an error of mbedTLS.
static int fill_lane(struct tls_stream *stream, struct cursor *from, size_t ends[LANE_RECORDS],
                     size_t content[LANE_RECORDS]) {
  int records = 0;
  // Less when the client asked for short records (RFC 6066 4).
  const int limit = mbedtls_ssl_get_max_out_record_payload(&stream->ssl);
  if (limit < 0) return limit;
  while (records < LANE_RECORDS) {
    const struct base_span next = next_content(from, (size_t)limit, stream->lane);
    if (next.bytes == 0) break;
    int code = mbedtls_ssl_write(&stream->ssl, next.data, next.bytes);
    if (code < 0) return code;
    BASE_ASSERT((size_t)code == next.bytes);  // the lane has room, and no record is larger
    content[records] = next.bytes;
    ends[records++] = stream->lane->out_bytes;
  }
  return records;
}

enum tls_status tls_stream_write_pieces(struct tls_stream *stream, const struct iovec *pieces, size_t count,
                                        size_t *written, struct base_fault *fault) {
  static const char what[] = "writing to a TLS connection";
  BASE_ASSERT(stream->lane);
  *written = 0;
  int code = send_unsent(stream);
  if (code != 0) return status_of(code, what, fault);
  if (stream->writing_bytes > 0) {
    *written = stream->writing_bytes;
    stream->writing_bytes = 0;
    return TLS_OK;
  }
  enter_lane(stream);
  struct cursor from = {.pieces = pieces, .count = count};
  size_t ends[LANE_RECORDS], content[LANE_RECORDS];
  const int records = fill_lane(stream, &from, ends, content);
  if (records <= 0) {
    return status_of(records == 0 ? MBEDTLS_ERR_SSL_BAD_INPUT_DATA : records, what, fault);
  }
  size_t sent = 0;
  code = send_lane(stream, &sent);
  if (code != 0) return status_of(code, what, fault);
  for (int i = 0; i < records; i++) *(ends[i] <= sent ? written : &stream->writing_bytes) += content[i];
  return *written > 0 ? TLS_OK : TLS_WANT_WRITE;
}

const char *tls_stream_protocol(const struct tls_stream *stream) { return mbedtls_ssl_get_alpn_protocol(&stream->ssl); }

enum tls_status tls_stream_close(struct tls_stream *stream) {
  static const char what[] = "closing a TLS connection";
  int code = send_unsent(stream);
  if (code == 0 && !stream->has_closed) {
    enter_lane(stream);
    code = leave_lane(stream, mbedtls_ssl_close_notify(&stream->ssl));
    stream->has_closed = code == 0;
  }
  if (code != 0) return status_of(code, what, NULL);
  return stream->unsent ? TLS_WANT_WRITE : TLS_OK;
}
