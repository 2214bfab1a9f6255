#include "clients.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "actions.h"
#include "base/checked.h"
#include "base/file.h"
#include "reply.h"
#include "status.h"

void clients_init(struct clients *clients, struct system *system) {
  clients->system = system;
  for (int i = 0; i < CLIENTS_MAX; i++) clients->all[i].fd = -1;
}

void clients_finish(struct clients *clients) {
  for (int i = 0; i < CLIENTS_MAX; i++) base_fd_close(&clients->all[i].fd);
}

static enum base_result let_in(struct clients *clients, int fd, struct client **out, struct base_fault *fault) {
  const struct system *system = clients->system;
  struct ucred who;
  socklen_t bytes = sizeof(who);
  int used = 0;
  *out = NULL;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &bytes) != 0)
    return BASE_FAIL_ERRNO(fault, "socket", "cannot find out who asks");
  if (who.uid != 0 && who.uid != geteuid() && !(system->has_user && who.uid == system->user))
    return BASE_FAIL(fault, BASE_FORBIDDEN, "user", "user %u may not ask the system program", (unsigned)who.uid);
  for (int i = 0; i < CLIENTS_MAX; i++) {
    if (clients->all[i].fd >= 0)
      used++;
    else
      *out = &clients->all[i];
  }
  if (used < (who.uid == 0 ? CLIENTS_MAX : CLIENTS_MAX - CLIENTS_OF_ROOT)) return BASE_OK;
  return BASE_FAIL(fault, BASE_BUSY, "", "too many ask at once");
}

void clients_add(struct clients *clients, int fd) {
  struct base_fault fault = {0};
  struct client *client;
  const enum base_result result = let_in(clients, fd, &client, &fault);
  if (result != BASE_OK) {
    base_log_write(clients->system->log, BASE_LOG_WARN, "agent", NULL, "refused: %s", fault.text);
    reply_result(fd, result, &fault);
    base_fd_close(&fd);
    return;
  }
  client->fd = fd;
  client->is_over = false;
  client->bytes = 0;
  client->deadline_ms = base_clock_ms(base_clock_system()) + CLIENTS_PATIENCE_MS;
}

static void refuse(struct clients *clients, struct client *client, enum base_result result,
                   const struct base_fault *fault) {
  base_log_write(clients->system->log, BASE_LOG_WARN, "agent", NULL, "refused: %s", fault->text);
  reply_result(client->fd, result, fault);
  shutdown(client->fd, SHUT_WR);
  client->is_over = true;
  client->bytes = 0;
  client->deadline_ms = base_clock_ms(base_clock_system()) + CLIENTS_LINGER_MS;
}

static void answer(struct clients *clients, struct client *client, size_t line_bytes) {
  struct base_fault fault = {0};
  struct request request;
  const struct base_span all = base_span_of(client->in, client->bytes);
  const struct base_span body = base_span_slice(all, line_bytes + 1, all.bytes);
  enum base_result result = request_parse(base_span_slice(all, 0, line_bytes), &request, &fault);
  if (result == BASE_OK && request.what != REQUEST_INSTALL && body.bytes > 0)
    result = BASE_FAIL(&fault, BASE_BAD_INPUT, "", "there are bytes behind the request");
  if (result == BASE_OK && (request.what == REQUEST_STATUS || (request.what == REQUEST_NETWORK && !request.has_text))) {
    if (request.what == REQUEST_STATUS)
      status_send(clients->system, client->fd);
    else
      actions_send_network(clients->system, client->fd);
    base_fd_close(&client->fd);
    return;
  }
  if (result == BASE_OK) result = actions_begin(clients->system, client->fd, &request, body, &fault);
  if (result == BASE_OK)
    client->fd = -1;  // the action's
  else
    refuse(clients, client, result, &fault);
}

static void receive(struct clients *clients, struct client *client) {
  struct base_fault fault = {0};
  const ssize_t got = recv(client->fd, client->in + client->bytes, sizeof(client->in) - client->bytes, MSG_DONTWAIT);
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (got <= 0) {
    base_fd_close(&client->fd);
    return;
  }
  if (client->is_over) return;
  client->bytes += (size_t)got;
  const uint8_t *end = memchr(client->in, '\n', client->bytes);
  if (end != NULL)
    answer(clients, client, (size_t)(end - client->in));
  else if (client->bytes == sizeof(client->in))
    refuse(clients, client,
           BASE_FAIL(&fault, BASE_TOO_LARGE, "", "a request has at most %zu bytes", sizeof(client->in)), &fault);
}

void clients_prepare(const struct clients *clients, struct pollfd *out) {
  for (int i = 0; i < CLIENTS_MAX; i++) out[i] = (struct pollfd){.fd = clients->all[i].fd, .events = POLLIN};
}

void clients_serve(struct clients *clients, const struct pollfd *polled) {
  const uint64_t now_ms = base_clock_ms(base_clock_system());
  for (int i = 0; i < CLIENTS_MAX; i++) {
    struct client *client = &clients->all[i];
    struct base_fault fault = {0};
    if (client->fd < 0 || client->fd != polled[i].fd) continue;
    if (now_ms >= client->deadline_ms && client->is_over)
      base_fd_close(&client->fd);
    else if (polled[i].revents != 0)
      receive(clients, client);
    else if (now_ms >= client->deadline_ms)
      refuse(clients, client, BASE_FAIL(&fault, BASE_SLOW_CLIENT, "", "the request did not come in time"), &fault);
  }
}

unsigned clients_next_ms(const struct clients *clients, unsigned most_ms) {
  const uint64_t now_ms = base_clock_ms(base_clock_system());
  uint64_t least_ms = most_ms;
  for (int i = 0; i < CLIENTS_MAX; i++) {
    const struct client *client = &clients->all[i];
    if (client->fd < 0) continue;
    least_ms = base_min_u64(least_ms, client->deadline_ms > now_ms ? client->deadline_ms - now_ms : 0);
  }
  return (unsigned)least_ms;
}
