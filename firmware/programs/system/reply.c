#include "reply.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

void reply_begin(struct reply *reply) {
  base_buffer_init(&reply->bytes, REPLY_MAX_BYTES);
  base_json_begin(&reply->json, &reply->bytes);
  base_json_object(&reply->json, NULL);
}

void reply_end(struct reply *reply) {
  base_json_object_end(&reply->json);
  if (reply->json.result == BASE_OK) reply->json.result = base_buffer_append_text(&reply->bytes, "\n");
}

void reply_end_last(struct reply *reply, enum base_result result, const struct base_fault *fault) {
  base_json_string(&reply->json, "result", base_result_name(result));
  if (result != BASE_OK) {
    base_json_string(&reply->json, "text", fault->text[0] != '\0' ? fault->text : base_result_name(result));
    if (fault->subject[0] != '\0') base_json_string(&reply->json, "subject", fault->subject);
  }
  reply_end(reply);
}

void reply_finish(struct reply *reply) { base_buffer_finish(&reply->bytes); }

bool reply_send(const struct reply *reply, int fd, unsigned patience_ms) {
  struct base_span rest = base_buffer_span(&reply->bytes);
  if (reply->json.result != BASE_OK) return false;
  while (rest.bytes > 0) {
    const ssize_t sent = send(fd, rest.data, rest.bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      rest = base_span_slice(rest, (size_t)sent, rest.bytes);
      continue;
    }
    struct pollfd polled = {.fd = fd, .events = POLLOUT};
    if (errno == EINTR) continue;
    if (errno != EAGAIN || patience_ms == 0 || poll(&polled, 1, (int)patience_ms) <= 0) return false;
  }
  return true;
}

void reply_result(int fd, enum base_result result, const struct base_fault *fault) {
  struct reply reply;
  reply_begin(&reply);
  reply_end_last(&reply, result, fault);
  (void)reply_send(&reply, fd, 0);
  reply_finish(&reply);
}
