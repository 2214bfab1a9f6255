#include "h2_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATIENCE_MS = 10000, FRAME_HEADER_BYTES = 9, READ_BYTES = 65536 };

uint64_t h2_client_sum(uint64_t sum, const uint8_t *bytes, size_t count) {
  for (size_t i = 0; i < count; i++) sum = (sum ^ bytes[i]) * UINT64_C(0x100000001b3);
  return sum;
}

static struct h2_client_stream *find(struct h2_client *client, int32_t id) {
  for (size_t i = client->count; i > 0; i--) {
    if (client->streams[i - 1].id == id) return &client->streams[i - 1];
  }
  return NULL;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_bytes,
                     const uint8_t *value, size_t value_bytes, uint8_t flags, void *user_data) {
  (void)session;
  (void)flags;
  struct h2_client_stream *stream = find(user_data, frame->hd.stream_id);
  assert_non_null(stream);
  char field[1024];
  (void)snprintf(field, sizeof field, "%.*s: %.*s\n", (int)name_bytes, (const char *)name, (int)value_bytes,
                 (const char *)value);
  if (strncmp(field, ":status: ", 9) == 0) stream->status = atoi(field + 9);
  assert_true(strlen(stream->head) + strlen(field) < sizeof stream->head);
  strcat(stream->head, field);
  return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data, size_t bytes,
                   void *user_data) {
  (void)session;
  (void)flags;
  struct h2_client_stream *stream = find(user_data, id);
  assert_non_null(stream);
  for (size_t i = 0; i < bytes && stream->body_bytes + i < sizeof stream->body - 1; i++) {
    stream->body[stream->body_bytes + i] = (char)data[i];
  }
  stream->body_bytes += bytes;
  stream->body_sum = h2_client_sum(stream->body_sum, data, bytes);
  return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t error_code, void *user_data) {
  (void)session;
  struct h2_client_stream *stream = find(user_data, id);
  if (!stream) return 0;
  stream->is_closed = true;
  stream->error_code = error_code;
  return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user_data) {
  (void)session;
  struct h2_client *client = user_data;
  if (frame->hd.type == NGHTTP2_GOAWAY) {
    client->has_goaway = true;
    client->goaway_code = frame->goaway.error_code;
    client->goaway_last_id = frame->goaway.last_stream_id;
  }
  if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK)) client->pings_answered++;
  return 0;
}

static struct h2_client *open_socket(uint16_t port, int receive_bytes) {
  struct h2_client *client = calloc(1, sizeof *client);
  assert_non_null(client);
  client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_true(client->fd >= 0);
  if (receive_bytes > 0) {
    assert_int_equal(setsockopt(client->fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes), 0);
  }
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  assert_int_equal(connect(client->fd, (struct sockaddr *)&address, sizeof address), 0);
  return client;
}

static void make_session(struct h2_client *client, uint32_t window_bytes, bool manual) {
  nghttp2_session_callbacks *callbacks;
  nghttp2_option *options;
  assert_int_equal(nghttp2_session_callbacks_new(&callbacks), 0);
  assert_int_equal(nghttp2_option_new(&options), 0);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
  if (manual) nghttp2_option_set_no_auto_window_update(options, 1);
  nghttp2_option_set_peer_max_concurrent_streams(options, UINT32_MAX);
  // Tests send what a client should not.
  nghttp2_option_set_max_send_header_block_length(options, 1 << 20);
  nghttp2_option_set_no_http_messaging(options, 1);
  assert_int_equal(nghttp2_session_client_new2(&client->session, callbacks, client, options), 0);
  nghttp2_option_del(options);
  nghttp2_session_callbacks_del(callbacks);
  const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window_bytes}};
  assert_int_equal(nghttp2_submit_settings(client->session, NGHTTP2_FLAG_NONE, settings, 1), 0);
}

struct h2_client *h2_client_open(uint16_t port, uint32_t window_bytes, bool manual, int receive_bytes) {
  struct h2_client *client = open_socket(port, receive_bytes);
  make_session(client, window_bytes, manual);
  h2_client_flush(client);
  return client;
}

struct h2_client *h2_client_open_bare(uint16_t port) {
  struct h2_client *client = open_socket(port, 0);
  make_session(client, 65535, false);
  client->is_mute = true;
  return client;
}

void h2_client_skip_preface(struct h2_client *client) {
  client->is_mute = false;
  const uint8_t *data;
  ssize_t bytes = nghttp2_session_mem_send(client->session, &data);
  assert_true(bytes >= NGHTTP2_CLIENT_MAGIC_LEN);
  size_t rest = (size_t)bytes - NGHTTP2_CLIENT_MAGIC_LEN;
  assert_true(h2_client_raw(client, data + NGHTTP2_CLIENT_MAGIC_LEN, rest));
  h2_client_flush(client);
}

void h2_client_close(struct h2_client **client) {
  nghttp2_session_del((*client)->session);
  close((*client)->fd);
  free(*client);
  *client = NULL;
}

bool h2_client_raw(struct h2_client *client, const void *bytes, size_t count) {
  const char *at = bytes;
  while (count > 0) {
    ssize_t sent = send(client->fd, at, count, MSG_NOSIGNAL);
    if (sent <= 0) return false;
    at += sent;
    count -= (size_t)sent;
  }
  return true;
}

bool h2_client_raw_frame(struct h2_client *client, uint8_t type, uint8_t flags, int32_t stream_id, const void *payload,
                         size_t bytes) {
  uint8_t frame[FRAME_HEADER_BYTES + 16384];
  assert_true(bytes <= 16384);
  const uint8_t header[FRAME_HEADER_BYTES] = {
      (uint8_t)(bytes >> 16),     (uint8_t)(bytes >> 8),     (uint8_t)bytes,    type, flags, (uint8_t)(stream_id >> 24),
      (uint8_t)(stream_id >> 16), (uint8_t)(stream_id >> 8), (uint8_t)stream_id};
  memcpy(frame, header, sizeof header);
  if (bytes > 0) memcpy(frame + sizeof header, payload, bytes);
  return h2_client_raw(client, frame, sizeof header + bytes);
}

void h2_client_flush(struct h2_client *client) {
  while (!client->is_mute) {
    const uint8_t *data;
    ssize_t bytes = nghttp2_session_mem_send(client->session, &data);
    assert_true(bytes >= 0);
    if (bytes == 0) return;
    if (!h2_client_raw(client, data, (size_t)bytes)) return;
  }
}

static nghttp2_nv field(const char *name, const char *value) {
  return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name), strlen(value), 0};
}

static ssize_t never(nghttp2_session *session, int32_t id, uint8_t *buffer, size_t room, uint32_t *flags,
                     nghttp2_data_source *source, void *user_data) {
  (void)session;
  (void)id;
  (void)buffer;
  (void)room;
  (void)flags;
  (void)source;
  (void)user_data;
  return NGHTTP2_ERR_DEFERRED;
}

static struct h2_client_stream *submit(struct h2_client *client, const char *method, const char *path,
                                       const char *const *fields, bool has_body) {
  nghttp2_nv all[128];
  size_t count = 0;
  bool has_authority = false;
  all[count++] = field(":method", method);
  for (const char *const *pair = fields; pair && pair[0]; pair += 2)
    has_authority |= strcmp(pair[0], ":authority") == 0;
  all[count++] = field(":scheme", "http");
  if (!has_authority) all[count++] = field(":authority", "h");
  all[count++] = field(":path", path);
  for (; fields && fields[0]; fields += 2) {
    assert_true(count < sizeof all / sizeof *all);
    if (fields[1]) all[count++] = field(fields[0], fields[1]);
  }
  const nghttp2_data_provider body = {.read_callback = never};
  int32_t id = nghttp2_submit_request(client->session, NULL, all, count, has_body ? &body : NULL, NULL);
  assert_true(id > 0 && client->count < H2_CLIENT_STREAMS);
  struct h2_client_stream *stream = &client->streams[client->count++];
  *stream = (struct h2_client_stream){.id = id, .body_sum = H2_CLIENT_SUM_START};
  h2_client_flush(client);
  return stream;
}

struct h2_client_stream *h2_client_request(struct h2_client *client, const char *method, const char *path,
                                           const char *const *fields) {
  return submit(client, method, path, fields, false);
}

struct h2_client_stream *h2_client_begin(struct h2_client *client, const char *method, const char *path) {
  return submit(client, method, path, NULL, true);
}

// Reads once and answers; false when nothing comes in time.
static bool try_receive(struct h2_client *client, int ms) {
  static uint8_t bytes[READ_BYTES];
  struct pollfd waiting = {.fd = client->fd, .events = POLLIN};
  if (poll(&waiting, 1, ms) != 1) return false;
  ssize_t got = recv(client->fd, bytes, sizeof bytes, 0);
  if (got <= 0) {
    client->is_closed = true;
    return true;
  }
  ssize_t used = nghttp2_session_mem_recv(client->session, bytes, (size_t)got);
  assert_int_equal(used, got);
  h2_client_flush(client);
  return true;
}

static void receive(struct h2_client *client) { assert_true(try_receive(client, PATIENCE_MS)); }

void h2_client_rest(struct h2_client *client, int ms) {
  while (!client->is_closed && try_receive(client, ms)) continue;
}

void h2_client_wait(struct h2_client *client, struct h2_client_stream *stream) {
  while (!stream->is_closed && !client->is_closed) receive(client);
}

void h2_client_wait_close(struct h2_client *client) {
  while (!client->is_closed) receive(client);
}

void h2_client_settle(struct h2_client *client) {
  unsigned before = client->pings_answered;
  assert_int_equal(nghttp2_submit_ping(client->session, NGHTTP2_FLAG_NONE, NULL), 0);
  h2_client_flush(client);
  while (client->pings_answered == before) {
    receive(client);
    assert_false(client->is_closed);
  }
}

struct h2_client_stream *h2_client_get(struct h2_client *client, const char *path, int status) {
  struct h2_client_stream *stream = h2_client_request(client, "GET", path, NULL);
  h2_client_wait(client, stream);
  assert_int_equal(stream->status, status);
  return stream;
}

const char *h2_client_field(const struct h2_client_stream *stream, const char *name) {
  static char value[1024];
  size_t bytes = strlen(name);
  for (const char *line = stream->head; *line; line = strchr(line, '\n') + 1) {
    if (strncmp(line, name, bytes) != 0 || line[bytes] != ':') continue;
    (void)snprintf(value, sizeof value, "%.*s", (int)strcspn(line + bytes + 2, "\n"), line + bytes + 2);
    return value;
  }
  return NULL;
}
