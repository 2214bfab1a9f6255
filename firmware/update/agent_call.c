#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "update/agent.h"

enum { CONNECT_TIMEOUT_S = 5, WRITE_TIMEOUT_MS = 60000, READ_BYTES = 2048 };

struct update_call {
  int fd;
  struct base_buffer in;
  size_t line_bytes;  // of `in`: the line that was given out, with its '\n'
};

enum base_result update_result_of(const char *name) {
  for (int result = 0; result < BASE_RESULT_COUNT; result++) {
    if (strcmp(name, base_result_name((enum base_result)result)) == 0) return (enum base_result)result;
  }
  return BASE_INTERNAL;
}

static enum base_result connect_to(const char *path, int *out, struct base_fault *fault) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof(address.sun_path))
    return BASE_FAIL(fault, BASE_BAD_INPUT, "socket", "the socket's path is longer than %zu characters",
                     sizeof(address.sun_path) - 1);
  strcpy(address.sun_path, path);
  *out = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (*out < 0) return BASE_FAIL_ERRNO(fault, "socket", "no socket to speak with the system program");
  // Of connect(2) when too many wait to be accepted; what is sent later does not wait there.
  const struct timeval patience = {.tv_sec = CONNECT_TIMEOUT_S};
  (void)setsockopt(*out, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  if (connect(*out, (const struct sockaddr *)&address, sizeof(address)) == 0) return BASE_OK;
  if (errno == ENOENT || errno == ECONNREFUSED || errno == ENOTDIR)
    return BASE_FAIL(fault, BASE_NOT_FOUND, "socket", "nobody listens at %.200s: this is no appliance of pixpop", path);
  if (errno == EAGAIN) return BASE_FAIL(fault, BASE_TIMEOUT, "socket", "the system program accepts nobody");
  if (errno == EACCES || errno == EPERM)
    return BASE_FAIL(fault, BASE_FORBIDDEN, "socket", "this user may not ask the system program at %.200s", path);
  return BASE_FAIL_ERRNO(fault, "socket", "cannot reach the system program at %.200s", path);
}

enum base_result update_call_begin(const char *socket_path, const char *line, struct update_call **out,
                                   struct base_fault *fault) {
  *out = NULL;
  if (strlen(line) + 1 > UPDATE_AGENT_MAX_LINE)
    return BASE_FAIL(fault, BASE_TOO_LARGE, "line", "the request has more than %d bytes", UPDATE_AGENT_MAX_LINE - 1);
  struct update_call *call = calloc(1, sizeof(*call));
  if (call == NULL) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for a call");
  call->fd = -1;
  base_buffer_init(&call->in, UPDATE_AGENT_MAX_LINE + READ_BYTES);
  enum base_result result = connect_to(socket_path, &call->fd, fault);
  if (result == BASE_OK) result = update_call_write(call, base_span_text(line), fault);
  if (result == BASE_OK) result = update_call_write(call, base_span_text("\n"), fault);
  // Who is not let in is told so without being asked what it wants.
  if (result == BASE_OK || result == BASE_CANCELLED) {
    base_fault_clear(fault);
    *out = call;
    return BASE_OK;
  }
  update_call_destroy(&call);
  return result;
}

void update_call_destroy(struct update_call **call) {
  if (*call == NULL) return;
  base_fd_close(&(*call)->fd);
  base_buffer_finish(&(*call)->in);
  free(*call);
  *call = NULL;
}

// BASE_TIMEOUT after `timeout_ms`; 0 asks without waiting.
static enum base_result wait_for(int fd, short events, unsigned timeout_ms, struct base_fault *fault) {
  const uint64_t start_ms = base_clock_ms(base_clock_system());
  struct pollfd polled = {.fd = fd, .events = events};
  for (;;) {
    const uint64_t spent_ms = base_clock_ms(base_clock_system()) - start_ms;
    const int count = poll(&polled, 1, spent_ms < timeout_ms ? (int)(timeout_ms - spent_ms) : 0);
    if (count > 0) return BASE_OK;
    if (count < 0 && errno != EINTR) return BASE_FAIL_ERRNO(fault, "socket", "cannot wait for the system program");
    if (count == 0 && base_clock_ms(base_clock_system()) - start_ms >= timeout_ms)
      return BASE_FAIL(fault, BASE_TIMEOUT, "socket", "the system program is silent");
  }
}

enum base_result update_call_write(struct update_call *call, struct base_span bytes, struct base_fault *fault) {
  while (bytes.bytes > 0) {
    const ssize_t sent = send(call->fd, bytes.data, bytes.bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      bytes = base_span_slice(bytes, (size_t)sent, bytes.bytes);
    } else if (errno == EPIPE || errno == ECONNRESET) {
      return BASE_FAIL(fault, BASE_CANCELLED, "socket", "the system program takes no more");
    } else if (errno == EAGAIN) {
      const enum base_result result = wait_for(call->fd, POLLOUT, WRITE_TIMEOUT_MS, fault);
      if (result != BASE_OK) return result;
    } else if (errno != EINTR) {
      return BASE_FAIL_ERRNO(fault, "socket", "cannot send to the system program");
    }
  }
  return BASE_OK;
}

enum base_result update_call_end_body(struct update_call *call, struct base_fault *fault) {
  if (shutdown(call->fd, SHUT_WR) == 0 || errno == ENOTCONN) return BASE_OK;
  return BASE_FAIL_ERRNO(fault, "socket", "cannot end what is sent to the system program");
}

// More of the answer. BASE_IO at its end.
static enum base_result receive(struct update_call *call, unsigned timeout_ms, struct base_fault *fault) {
  uint8_t bytes[READ_BYTES];
  enum base_result result = wait_for(call->fd, POLLIN, timeout_ms, fault);
  if (result != BASE_OK) return result;
  const ssize_t got = recv(call->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
  if (got > 0) {
    result = base_buffer_append(&call->in, bytes, (size_t)got);
    return result == BASE_OK ? BASE_OK : BASE_FAIL(fault, result, "socket", "the system program's answer is too long");
  }
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return BASE_OK;
  return BASE_FAIL(fault, BASE_IO, "socket", "the system program ended without an answer");
}

// What the last line says of how it ended.
static enum base_result judge(const struct base_json_value *root, bool *is_last, struct base_fault *fault) {
  const char *name = base_json_as_string(base_json_get(root, "result"));
  const char *text = base_json_as_string(base_json_get(root, "text"));
  const char *subject = base_json_as_string(base_json_get(root, "subject"));
  *is_last = name != NULL;
  if (name == NULL || strcmp(name, base_result_name(BASE_OK)) == 0) return BASE_OK;
  return BASE_FAIL(fault, update_result_of(name), subject != NULL ? subject : "", "%s", text != NULL ? text : name);
}

enum base_result update_call_read(struct update_call *call, unsigned timeout_ms, struct base_json **line, bool *is_last,
                                  struct base_fault *fault) {
  const uint8_t *end;
  *line = NULL;
  *is_last = false;
  base_buffer_consume(&call->in, call->line_bytes);
  call->line_bytes = 0;
  while ((end = call->in.bytes > 0 ? memchr(call->in.data, '\n', call->in.bytes) : NULL) == NULL) {
    const enum base_result result = receive(call, timeout_ms, fault);
    if (result != BASE_OK) return result;
  }
  call->line_bytes = (size_t)(end - call->in.data) + 1;
  const enum base_result result = base_json_parse(update_call_line(call), line, fault);
  return result == BASE_OK ? judge(base_json_root(*line), is_last, fault) : result;
}

struct base_span update_call_line(const struct update_call *call) {
  return base_span_of(call->in.data, call->line_bytes > 0 ? call->line_bytes - 1 : 0);
}
