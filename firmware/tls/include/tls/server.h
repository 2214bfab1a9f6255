// The server side of TLS: one certificate for many connections, each read and written without ever waiting.
//
// For event-driven servers. A server may be used by any thread; a stream belongs to one thread at a time. TLS 1.2 only,
// suites with forward secrecy and authenticated encryption, session tickets (RFC 5077) with keys that change by
// themselves.
#ifndef TLS_SERVER_H
#define TLS_SERVER_H

#include <sys/uio.h>

#include "base/span.h"

enum {
  TLS_STREAM_READ_BYTES = 16384,  // the most that one read gives: a record
  TLS_HELLO_BYTES = 16384,        // what of a connection's first bytes is worth looking at
};

struct tls_server;
struct tls_stream;
struct tls_lane;

// `pem_path`: private key and certificate chain. BASE_NOT_FOUND and other faults of the file, BASE_CORRUPT when it
// holds no usable key or certificate, BASE_TOO_LARGE when its chain has over 16 KiB.
enum base_result tls_server_create(const char *pem_path, struct tls_server **out,
                                   struct base_fault *fault) BASE_CHECKED;
// The same with protocols for ALPN (RFC 7301), preferred first; the array ends with NULL, and is borrowed for the
// server's life. A client that offers none of them is refused, one that offers nothing is not.
enum base_result tls_server_create_offering(const char *pem_path, const char *const *protocols, struct tls_server **out,
                                            struct base_fault *fault) BASE_CHECKED;
// Reads the file again. Connections from now on see the new certificate, those that are open keep the old one; session
// tickets end with their certificate. After a failure everything stays as it was.
enum base_result tls_server_reload(struct tls_server *server, struct base_fault *fault) BASE_CHECKED;
// All streams must have been destroyed.
void tls_server_destroy(struct tls_server **server);

// What a client begins with.
enum tls_hello {
  TLS_HELLO_PARTIAL,  // more bytes are to come
  TLS_HELLO_WHOLE,    // the handshake can begin: keys must be made and signed
  TLS_HELLO_RESUMES   // the same, and a session ticket of ours makes it a hundred times cheaper (RFC 5077)
};
// Looks at the first bytes of a connection (TLS_HELLO_BYTES are enough) while they still lie in the socket, so that
// clients can wait for their turn before they have a stream. No promise: what is called whole may be nonsense.
enum tls_hello tls_server_look(struct tls_server *server, struct base_span bytes);

enum tls_status {
  TLS_OK,
  TLS_WANT_READ,   // again when the socket is readable
  TLS_WANT_WRITE,  // again when the socket is writable
  TLS_END,         // the client has ended the stream, in order
  TLS_FAILED,      // the connection is of no use any more; fault says why
};

// What a thread lends its streams for the time of a call: room to exchange several records with the socket at once.
// About 68 KB; every stream on it belongs to the same thread. NULL when memory is short.
struct tls_lane *tls_lane_create(void) BASE_CHECKED;
void tls_lane_destroy(struct tls_lane **lane);  // after its streams

// `fd`: a connected non-blocking socket, borrowed. About 40 KB of memory. NULL when memory is short. `lane`: NULL for
// one record and one system call at a time. With a lane a stream may have read more than it gave: after TLS_OK from
// the handshake or a read, read on until TLS_WANT_READ or tls_stream_is_drained, the socket may keep silent.
struct tls_stream *tls_stream_create(struct tls_server *server, int fd, struct tls_lane *lane) BASE_CHECKED;
void tls_stream_destroy(struct tls_stream **stream);  // does not say goodbye: see tls_stream_close
// Goes on with the handshake; TLS_OK once it is over. The other functions want that first.
enum tls_status tls_stream_handshake(struct tls_stream *stream, struct base_fault *fault) BASE_CHECKED;
// True once the client's first message was read and answered.
bool tls_stream_has_greeted(const struct tls_stream *stream);
// Up to `capacity` bytes; *got > 0 exactly with TLS_OK. TLS_FAILED also for a stream that was cut off without a
// goodbye.
enum tls_status tls_stream_read(struct tls_stream *stream, void *out, size_t capacity, size_t *got,
                                struct base_fault *fault) BASE_CHECKED;
// True when nothing waits within the stream and the socket was found empty: more bytes are a new event.
bool tls_stream_is_drained(const struct tls_stream *stream);
// True while decrypted bytes wait within the stream: the socket does not become readable for them.
bool tls_stream_has_pending(const struct tls_stream *stream);
// Some of `bytes` (not empty), *written > 0 exactly with TLS_OK. After TLS_WANT_WRITE the same bytes must come again,
// others may follow them: a part of them is on its way already.
enum tls_status tls_stream_write(struct tls_stream *stream, struct base_span bytes, size_t *written,
                                 struct base_fault *fault) BASE_CHECKED;
// The same from several pieces (the first one not empty), for streams on a lane: gathered into whole records, and as
// many of those as one system call may move. *written also counts what went before the socket was full.
enum tls_status tls_stream_write_pieces(struct tls_stream *stream, const struct iovec *pieces, size_t count,
                                        size_t *written, struct base_fault *fault) BASE_CHECKED;
// The protocol that ALPN agreed on; NULL when the client offered none. After the handshake.
const char *tls_stream_protocol(const struct tls_stream *stream);
// Says goodbye (close_notify). TLS_WANT_WRITE: the socket does not take it now; calling again says it once all the
// same.
enum tls_status tls_stream_close(struct tls_stream *stream);

#endif
