// A request on its way to CivetWeb and the reply on its way back.

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "gate_parts.h"
#include "hatch.h"

enum { RELAY_BYTES = 16 * 1024, RELAYS_A_TURN = 16 };

bool console_gate_hand_over(struct gate_connection *connection) {
  struct console_gate *gate = connection->gate;
  struct gate_request *request = connection->request;
  struct console_exchange *exchange = &request->exchange;
  int fds[2];
  // What was received beyond this request can not stay in the thread's buffer.
  if (!console_gate_keep_input(connection)) return false;
  exchange->may_live_on = request->is_whole && exchange->request.keep_alive && !atomic_load(&gate->is_stopping);
  exchange->body_bytes = exchange->refusal.result == BASE_OK ? request->small_body.bytes : 0;
  if (connection->is_gone) atomic_store(&exchange->is_gone, true);
  if (console_gate_request_forward(request) != BASE_OK) return false;
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0) return false;
  struct epoll_event event = {.events = EPOLLONESHOT, .data.u64 = console_gate_tag(connection, true)};
  if (epoll_ctl(gate->epoll_fd, EPOLL_CTL_ADD, fds[0], &event) != 0 || !console_hatch_offer(fds[1], exchange)) {
    close(fds[0]);
    close(fds[1]);
    return false;
  }
  request->hatch_fd = fds[0];
  request->hatch_armed = 0;
  return true;
}

static void push_request(struct gate_request *request) {
  struct base_buffer *forward = &request->forward;
  while (request->forwarded < forward->bytes) {
    ssize_t sent =
        send(request->hatch_fd, forward->data + request->forwarded, forward->bytes - request->forwarded, MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN) {
      request->hatch_wants |= EPOLLOUT;
      return;
    }
    if (sent < 0 && errno != EINTR) break;  // CivetWeb has ended already: what it said tells
    if (sent > 0) request->forwarded += (size_t)sent;
  }
  console_gate_wipe(forward);
  base_buffer_init(forward, 0);
  request->forwarded = 0;
}

// Sends what is kept for the client. False while it does not take everything; it has a while from each byte it takes.
static bool flush(struct gate_connection *connection) {
  const uint32_t sent_before = connection->out_sent;
  const bool is_blocked = console_gate_flush(connection) == GATE_IO_AGAIN;
  if (!is_blocked) {
    console_gate_set_deadline(connection, 0);
  } else if (!connection->is_out_blocked || connection->out_sent != sent_before) {
    console_gate_set_deadline(connection, connection->now_ms + connection->gate->console->config.request_timeout_ms);
  }
  connection->is_out_blocked = is_blocked;
  return !is_blocked;
}

static void end_reply(struct gate_connection *connection) {
  base_fd_close(&connection->request->hatch_fd);
  console_gate_end_thread(connection);
  connection->request->is_over = true;
}

bool console_gate_relay(struct gate_connection *connection) {
  struct gate_request *request = connection->request;
  if (!request->is_over) push_request(request);
  for (int i = 0; i < RELAYS_A_TURN; i++) {
    if (!flush(connection)) return false;
    if (request->is_over) return true;
    ssize_t got = recv(request->hatch_fd, connection->scratch, RELAY_BYTES, 0);
    if (got > 0) {
      // A client that has left leaves CivetWeb's thread all the same: the rest of the reply is dropped.
      if (!console_gate_send(connection, base_span_of(connection->scratch, (size_t)got))) {
        atomic_store(&request->exchange.is_gone, true);
      }
    } else if (got < 0 && errno == EAGAIN) {
      request->hatch_wants |= EPOLLIN;
      return false;
    } else if (got == 0 || errno != EINTR) {
      end_reply(connection);
    }
  }
  connection->yields = true;
  return false;
}
