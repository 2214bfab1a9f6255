// The listening socket, and connections as they come and go.

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/file.h"
#include "gate_parts.h"

enum { ACCEPTS_A_TURN = 64, FIRST_TICK_MS = 100, ACCEPT_WARN_MS = 10000 };

static bool is_loopback(const struct sockaddr *address) {
  if (address->sa_family == AF_INET) {
    const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;
    return ntohl(in->sin_addr.s_addr) >> 24 == 127;
  }
  const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;
  return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
}

// From this machine, by the addresses that its own programs use: those get the places that are kept.
static bool is_own(const struct sockaddr_storage *address) {
  static const struct in6_addr mapped = {{{[10] = 0xff, 0xff, 127, 0, 0, 1}}};
  if (address->ss_family == AF_INET)
    return ((const struct sockaddr_in *)address)->sin_addr.s_addr == htonl(INADDR_LOOPBACK);
  if (address->ss_family != AF_INET6) return false;
  const struct in6_addr *numeric = &((const struct sockaddr_in6 *)address)->sin6_addr;
  return IN6_IS_ADDR_LOOPBACK(numeric) || IN6_ARE_ADDR_EQUAL(numeric, &mapped);
}

static int set_option(int fd, int level, int option) {
  const int on = 1;
  return setsockopt(fd, level, option, &on, sizeof on);
}

static enum base_result listen_on(struct console_gate *gate, const struct addrinfo *address, struct base_fault *fault) {
  const struct console_config *config = &gate->console->config;
  int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return BASE_FAIL_ERRNO(fault, "console", "the console needs a socket");
  // Accepted sockets inherit TCP_NODELAY and SO_KEEPALIVE.
  (void)set_option(fd, SOL_SOCKET, SO_REUSEADDR);
  (void)set_option(fd, IPPROTO_TCP, TCP_NODELAY);
  (void)set_option(fd, SOL_SOCKET, SO_KEEPALIVE);
  if (bind(fd, address->ai_addr, address->ai_addrlen) != 0 || listen(fd, SOMAXCONN) != 0) {
    enum base_result result =
        errno == EADDRINUSE
            ? BASE_FAIL(fault, BASE_CONFLICT, "console", "%s port %u is in use", config->address, config->port)
            : BASE_FAIL_ERRNO(fault, "console", "the console can not listen on %s port %u", config->address,
                              config->port);
    close(fd);
    return result;
  }
  struct sockaddr_storage bound;
  socklen_t bytes = sizeof bound;
  if (getsockname(fd, (struct sockaddr *)&bound, &bytes) == 0) {
    gate->port = ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port
                                                   : ((struct sockaddr_in *)&bound)->sin_port);
  }
  gate->listener_fd = fd;
  return BASE_OK;
}

enum base_result console_gate_listen(struct console_gate *gate, struct base_fault *fault) {
  const struct console_config *config = &gate->console->config;
  char port[8];
  (void)snprintf(port, sizeof port, "%u", config->port);
  const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
  struct addrinfo *address = NULL;
  if (getaddrinfo(config->address, port, &hints, &address) != 0) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "address", "%s is no numeric address", config->address);
  }
  enum base_result result =
      !config->pem_path && !is_loopback(address->ai_addr)
          ? BASE_FAIL(fault, BASE_BAD_INPUT, "address", "without TLS the console listens on a loopback address only")
          : listen_on(gate, address, fault);
  freeaddrinfo(address);
  return result;
}

// A place that nobody uses, or NULL when the limit is reached.
static struct gate_connection *take_place(struct console_gate *gate, bool own) {
  const unsigned kept = own ? 0 : (unsigned)base_min_u64(GATE_KEPT_PLACES, gate->max_connections / GATE_KEPT_SHARE);
  pthread_mutex_lock(&gate->lock);
  struct gate_connection *place = gate->free_places;
  const unsigned used = atomic_load(&gate->place_count);
  if (gate->open >= gate->max_connections - kept) {
    place = NULL;
  } else if (place) {
    gate->free_places = place->next_run;
  } else if (used < gate->max_connections) {
    place = &gate->places[used];
    place->gate = gate;
    pthread_mutex_init(&place->lock, NULL);
    atomic_store(&gate->place_count, used + 1);
  }
  if (place) gate->open++;
  const bool begins_ticking = place && !gate->is_ticking;
  if (begins_ticking) gate->is_ticking = true;
  pthread_mutex_unlock(&gate->lock);
  const struct itimerspec soon = {.it_value = {.tv_nsec = FIRST_TICK_MS * 1000000L}};
  if (begins_ticking) (void)timerfd_settime(gate->timer_fd, 0, &soon, NULL);
  return place;
}

static void give_place_back(struct gate_connection *place) {
  struct console_gate *gate = place->gate;
  pthread_mutex_lock(&gate->lock);
  place->next_run = gate->free_places;
  gate->free_places = place;
  gate->open--;
  pthread_cond_broadcast(&gate->changed);
  pthread_mutex_unlock(&gate->lock);
}

void console_gate_leave(struct gate_connection *connection) {
  console_gate_set_deadline(connection, 0);
  console_gate_clients_leave(connection->gate->clients, &connection->client);
  pthread_mutex_lock(&connection->lock);
  connection->generation++;
  connection->events = 0;
  connection->is_open = connection->is_running = false;
  pthread_mutex_unlock(&connection->lock);
  give_place_back(connection);
}

// Makes the connection known to epoll; from then on it belongs to whoever runs it, which is not this thread: it shall
// not wait for a disk while others want to come in.
static void begin(struct gate_connection *connection, int fd, struct gate_client *client,
                  const struct sockaddr_storage *address) {
  struct console_gate *gate = connection->gate;
  connection->fd = fd;
  connection->client = client;
  connection->is_own = is_own(address);
  connection->is_gone = connection->is_dead = connection->is_closing = false;
  connection->armed = EPOLLIN;
  connection->now_ms = base_clock_ms(base_clock_system());
  const void *numeric = address->ss_family == AF_INET6
                            ? (const void *)&((const struct sockaddr_in6 *)address)->sin6_addr
                            : (const void *)&((const struct sockaddr_in *)address)->sin_addr;
  if (!inet_ntop(address->ss_family, numeric, connection->address, sizeof connection->address)) {
    connection->address[0] = '\0';  // such clients share one budget of guesses
  }
  if (gate->tls) connection->tls = tls_stream_create(gate->tls, fd, NULL);
  console_gate_enter(connection, gate->tls ? GATE_HANDSHAKE : GATE_HEAD);
  connection->is_dead = gate->tls && !connection->tls;
  pthread_mutex_lock(&connection->lock);
  connection->events = 0;
  connection->is_open = true;
  struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.u64 = console_gate_tag(connection, false)};
  const bool is_fine = epoll_ctl(gate->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
  if (!is_fine) connection->is_dead = true;
  const bool is_over = connection->is_dead;
  pthread_mutex_unlock(&connection->lock);
  if (is_over) console_gate_post(connection, GATE_EVENT_AGAIN);
}

static void admit(struct console_gate *gate, int fd, const struct sockaddr_storage *address) {
  struct gate_connection *place = NULL;
  struct gate_client *client = console_gate_clients_enter(gate->clients, address);
  if (client) place = take_place(gate, is_own(address));
  base_metric_add(gate->meters.accepted, 1);
  if (!place) {
    base_metric_add(gate->meters.refused[client ? GATE_REFUSED_TOTAL : GATE_REFUSED_CLIENT], 1);
    console_gate_clients_leave(gate->clients, &client);
    close(fd);
    return;
  }
  begin(place, fd, client, address);
}

// The listener stays ready when descriptors or memory are short: without a pause this would spin.
static void pause_accepting(struct console_gate *gate, int error) {
  pthread_mutex_lock(&gate->lock);
  gate->is_accept_paused = true;
  const bool begins_ticking = !gate->is_ticking;
  gate->is_ticking = true;
  const uint64_t now_ms = base_clock_ms(base_clock_system());
  const bool is_news = now_ms >= gate->accept_warn_ms;
  if (is_news) gate->accept_warn_ms = now_ms + ACCEPT_WARN_MS;
  pthread_mutex_unlock(&gate->lock);
  const struct itimerspec soon = {.it_value = {.tv_nsec = FIRST_TICK_MS * 1000000L}};
  if (begins_ticking) (void)timerfd_settime(gate->timer_fd, 0, &soon, NULL);
  if (!is_news) return;
  base_log_write(gate->console->config.log, BASE_LOG_WARN, "console", NULL, "accepting pauses: %s",
                 strerrordesc_np(error));
}

static void arm_listener(struct console_gate *gate) {
  struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.u64 = gate->max_connections};
  (void)epoll_ctl(gate->epoll_fd, EPOLL_CTL_MOD, gate->listener_fd, &event);
}

void console_gate_resume_accepting(struct console_gate *gate) {
  pthread_mutex_lock(&gate->lock);
  const bool was_paused = gate->is_accept_paused;
  gate->is_accept_paused = false;
  pthread_mutex_unlock(&gate->lock);
  if (was_paused) arm_listener(gate);
}

void console_gate_accept(struct console_gate *gate) {
  for (int i = 0; i < ACCEPTS_A_TURN; i++) {
    struct sockaddr_storage address = {0};
    socklen_t bytes = sizeof address;
    int fd = accept4(gate->listener_fd, (struct sockaddr *)&address, &bytes, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      admit(gate, fd, &address);
    } else if (errno == EAGAIN) {
      break;
    } else if (errno != EINTR && errno != ECONNABORTED) {
      pause_accepting(gate, errno);
      return;
    }
  }
  arm_listener(gate);
}
