#include "acceptor.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/file.h"
#include "connection.h"
#include "serve.h"

enum {
  DELIVERY_ACCEPTS_A_TURN = 64,
  DELIVERY_ACCEPT_PAUSE_MS = 100,  // when the process is out of descriptors or memory
  DELIVERY_ACCEPT_WARN_MS = 10000,
};

static bool watch(struct loop *loop, struct acceptor *acceptor) {
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = acceptor};
  return epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, acceptor->fd, &event) == 0 || errno == EEXIST;
}

bool delivery_acceptors_watch(struct loop *loop) {
  for (unsigned i = 0; i < loop->acceptor_count; i++) {
    if (!watch(loop, &loop->acceptors[i])) return false;
  }
  return true;
}

struct acceptor *delivery_acceptor_of_tag(struct loop *loop, void *tag) {
  for (unsigned i = 0; i < loop->acceptor_count; i++) {
    if (tag == &loop->acceptors[i]) return &loop->acceptors[i];
  }
  return NULL;
}

static void to_ipv6(const struct sockaddr_storage *address, uint8_t out[HTTP_CLIENT_BYTES]) {
  static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
  memset(out, 0, HTTP_CLIENT_BYTES);
  if (address->ss_family == AF_INET) {
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;
    memcpy(out, mapped, sizeof mapped);
    memcpy(out + sizeof mapped, &v4->sin_addr, sizeof v4->sin_addr);
  } else if (address->ss_family == AF_INET6) {
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;
    memcpy(out, &v6->sin6_addr, HTTP_CLIENT_BYTES);
  }
}

// A handshake costs far more than a refusal is worth, so over TLS nobody is told why.
static void refuse(struct loop *loop, struct arrival *arrival, enum delivery_refusal reason) {
  base_metric_add(loop->shared->meters.refused[reason], 1);
  // The longest wait makes room, so that silent clients do not keep health checks out.
  if (loop->refused >= DELIVERY_MAX_REFUSED) {
    struct timer *oldest = delivery_timers_first(&loop->timers, DELIVERY_LAST_CALL);
    if (oldest) delivery_serve_refusal((struct connection *)(void *)oldest);
  }
  if (arrival->is_tls || loop->refused >= DELIVERY_MAX_REFUSED) {
    base_fd_close(&arrival->fd);
    return;
  }
  arrival->is_refused = true;
  (void)delivery_connection_open(loop, arrival);
}

static void admit(struct loop *loop, struct arrival *arrival, const struct sockaddr_storage *address) {
  struct shared *shared = loop->shared;
  base_metric_add(shared->meters.connections, 1);
  to_ipv6(address, arrival->address);
  uint32_t before = atomic_fetch_add_explicit(&shared->connections, 1, memory_order_relaxed);
  if (before >= shared->config.max_connections) {
    atomic_fetch_sub_explicit(&shared->connections, 1, memory_order_relaxed);
    refuse(loop, arrival, DELIVERY_REFUSED_TOTAL);
    return;
  }
  arrival->client = shared->clients ? delivery_clients_enter(shared->clients, address) : NULL;
  if (shared->clients && !arrival->client) {
    atomic_fetch_sub_explicit(&shared->connections, 1, memory_order_relaxed);
    refuse(loop, arrival, DELIVERY_REFUSED_CLIENT);
    return;
  }
  (void)delivery_connection_open(loop, arrival);
}

static void pause_accepting(struct loop *loop, int error) {
  if (loop->now_ms >= loop->accept_warn_ms) {
    base_log_write(loop->shared->config.log, BASE_LOG_WARN, "delivery", NULL, "accepting pauses: %s",
                   strerrordesc_np(error));
    loop->accept_warn_ms = loop->now_ms + DELIVERY_ACCEPT_WARN_MS;
  }
  for (unsigned i = 0; i < loop->acceptor_count; i++) {
    epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, loop->acceptors[i].fd, NULL);
  }
  loop->is_accept_paused = true;
  loop->accept_resume_ms = loop->now_ms + DELIVERY_ACCEPT_PAUSE_MS;
}

void delivery_acceptors_resume(struct loop *loop) {
  if (!loop->is_accept_paused || loop->now_ms < loop->accept_resume_ms) return;
  loop->is_accept_paused = !delivery_acceptors_watch(loop);
  loop->accept_resume_ms = loop->now_ms + DELIVERY_ACCEPT_PAUSE_MS;
}

void delivery_acceptor_take(struct loop *loop, struct acceptor *acceptor) {
  for (int i = 0; i < DELIVERY_ACCEPTS_A_TURN; i++) {
    struct sockaddr_storage address = {0};
    socklen_t bytes = sizeof address;
    int fd = accept4(acceptor->fd, (struct sockaddr *)&address, &bytes, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      struct arrival arrival = {.fd = fd, .is_tls = acceptor->is_tls};
      admit(loop, &arrival, &address);
    } else if (errno == EAGAIN) {
      return;
    } else if (errno != EINTR && errno != ECONNABORTED) {
      // The listener stays ready, so anything but a pause would spin.
      pause_accepting(loop, errno);
      return;
    }
  }
}

void delivery_acceptors_finish(struct loop *loop) {
  for (unsigned i = 0; i < loop->acceptor_count; i++) {
    // A duplicate that was handed over would keep it in epoll.
    if (loop->epoll_fd >= 0) epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, loop->acceptors[i].fd, NULL);
    base_fd_close(&loop->acceptors[i].fd);
  }
  free(loop->acceptors);
  loop->acceptors = NULL;
  loop->acceptor_count = 0;
}
