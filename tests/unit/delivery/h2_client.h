// A test's HTTP/2 client: nghttp2 on a plain socket, with prior knowledge.
#ifndef TESTS_DELIVERY_H2_CLIENT_H
#define TESTS_DELIVERY_H2_CLIENT_H

#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { H2_CLIENT_STREAMS = 512, H2_CLIENT_TEXT_BYTES = 4096 };

struct h2_client_stream {
  int32_t id;
  int status;
  char head[H2_CLIENT_TEXT_BYTES];  // "name: value\n" lines
  char body[H2_CLIENT_TEXT_BYTES];  // its beginning, terminated
  uint64_t body_bytes;
  uint64_t body_sum;  // FNV-1a
  bool is_closed;
  uint32_t error_code;
};

struct h2_client {
  int fd;
  nghttp2_session *session;
  size_t count;
  struct h2_client_stream streams[H2_CLIENT_STREAMS];
  bool has_goaway;
  uint32_t goaway_code;
  int32_t goaway_last_id;
  unsigned pings_answered;
  bool is_mute;    // nghttp2 must not say anything yet
  bool is_closed;  // by the server
};

// Connects and sends the preface. `window_bytes`: what the server may send on a stream before it is read; 0 for none.
// `manual`: the windows are not opened again by themselves. receive_bytes > 0 makes the socket's buffer that small.
struct h2_client *h2_client_open(uint16_t port, uint32_t window_bytes, bool manual, int receive_bytes);
// Connects and sends nothing.
struct h2_client *h2_client_open_bare(uint16_t port);
// The preface was sent by hand: the client goes on behind it.
void h2_client_skip_preface(struct h2_client *client);
void h2_client_close(struct h2_client **client);
// Sends a request. `fields`: more of them, NULL-terminated pairs, or NULL.
struct h2_client_stream *h2_client_request(struct h2_client *client, const char *method, const char *path,
                                           const char *const *fields);
// The same without END_STREAM: a body would follow.
struct h2_client_stream *h2_client_begin(struct h2_client *client, const char *method, const char *path);
// Sends what nghttp2 has to say.
void h2_client_flush(struct h2_client *client);
// Sends raw bytes behind nghttp2's back; false when the server has closed.
bool h2_client_raw(struct h2_client *client, const void *bytes, size_t count);
// One frame of raw bytes.
bool h2_client_raw_frame(struct h2_client *client, uint8_t type, uint8_t flags, int32_t stream_id, const void *payload,
                         size_t bytes);
// Reads until the stream is closed or the server closes; fails the test when neither happens.
void h2_client_wait(struct h2_client *client, struct h2_client_stream *stream);
// Reads what comes within that time.
void h2_client_rest(struct h2_client *client, int ms);
// Reads until the server closes; fails the test when it does not.
void h2_client_wait_close(struct h2_client *client);
// Reads until the server has acknowledged a ping: everything sent before is dealt with.
void h2_client_settle(struct h2_client *client);
// Waits for a request and fails the test unless it has that status.
struct h2_client_stream *h2_client_get(struct h2_client *client, const char *path, int status);
// The value of a field of the reply in a static buffer, or NULL.
const char *h2_client_field(const struct h2_client_stream *stream, const char *name);
uint64_t h2_client_sum(uint64_t sum, const uint8_t *bytes, size_t count);
#define H2_CLIENT_SUM_START UINT64_C(0xcbf29ce484222325)

#endif
