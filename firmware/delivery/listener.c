#include "listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/file.h"

struct endpoint {
  const char *text;
  union {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
  } address;
  socklen_t bytes;
};

static in_port_t *port_of(struct endpoint *endpoint) {
  bool is_v4 = endpoint->address.any.sa_family == AF_INET;
  return is_v4 ? &endpoint->address.v4.sin_port : &endpoint->address.v6.sin6_port;
}

static enum base_result parse_endpoint(const char *text, uint16_t port, struct endpoint *out,
                                       struct base_fault *fault) {
  *out = (struct endpoint){.text = text};
  if (inet_pton(AF_INET, text, &out->address.v4.sin_addr) == 1) {
    out->address.v4.sin_family = AF_INET;
    out->bytes = sizeof out->address.v4;
  } else if (inet_pton(AF_INET6, text, &out->address.v6.sin6_addr) == 1) {
    out->address.v6.sin6_family = AF_INET6;
    out->bytes = sizeof out->address.v6;
  } else {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "address", "'%s' is not a numeric IPv4 or IPv6 address", text);
  }
  *port_of(out) = htons(port);
  return BASE_OK;
}

static int set_option(int fd, int level, int option) {
  int on = 1;
  return setsockopt(fd, level, option, &on, sizeof on);
}

// Binds one listener. The first one claims the port alone, so that another server that shares its port too is noticed;
// only then it lets the other loops' listeners in.
static enum base_result open_one(struct endpoint *endpoint, bool is_first, int *out_fd, struct base_fault *fault) {
  unsigned port = ntohs(*port_of(endpoint));
  enum base_result result;
  int fd = socket(endpoint->address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return BASE_FAIL_ERRNO(fault, "socket", "cannot make a socket");
  // TCP_NODELAY is inherited by accepted sockets, which saves a system call for each.
  if (set_option(fd, SOL_SOCKET, SO_REUSEADDR) != 0 || set_option(fd, IPPROTO_TCP, TCP_NODELAY) != 0 ||
      (!is_first && set_option(fd, SOL_SOCKET, SO_REUSEPORT) != 0)) {
    result = BASE_FAIL_ERRNO(fault, "socket", "cannot set options of the socket for %s:%u", endpoint->text, port);
    goto fail;
  }
  if (bind(fd, &endpoint->address.any, endpoint->bytes) != 0) {
    result = errno == EADDRINUSE
                 ? BASE_FAIL(fault, BASE_CONFLICT, "port", "%s:%u is in use already", endpoint->text, port)
                 : BASE_FAIL_ERRNO(fault, "address", "cannot bind %s:%u", endpoint->text, port);
    goto fail;
  }
  if ((is_first && set_option(fd, SOL_SOCKET, SO_REUSEPORT) != 0) || listen(fd, SOMAXCONN) != 0) {
    result = errno == EADDRINUSE
                 ? BASE_FAIL(fault, BASE_CONFLICT, "port", "%s:%u is in use already", endpoint->text, port)
                 : BASE_FAIL_ERRNO(fault, "address", "cannot listen on %s:%u", endpoint->text, port);
    goto fail;
  }
  *out_fd = fd;
  return BASE_OK;

fail:
  base_fd_close(&fd);
  return result;
}

static bool is_same_address(const struct endpoint *a, const struct endpoint *b) {
  if (a->address.any.sa_family != b->address.any.sa_family) return false;
  if (a->address.any.sa_family == AF_INET) {
    return a->address.v4.sin_addr.s_addr == b->address.v4.sin_addr.s_addr;
  }
  return memcmp(&a->address.v6.sin6_addr, &b->address.v6.sin6_addr, sizeof a->address.v6.sin6_addr) == 0;
}

// Whether the inherited socket listens at the endpoint. With port 0 there it decides the port.
static bool is_listening_at(int fd, struct endpoint *endpoint) {
  int is_listening = 0;
  socklen_t bytes = sizeof is_listening;
  if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &bytes) != 0 || !is_listening) return false;
  struct endpoint actual = {.text = endpoint->text};
  bytes = sizeof actual.address;
  if (getsockname(fd, &actual.address.any, &bytes) != 0 || !is_same_address(&actual, endpoint)) return false;
  if (*port_of(endpoint) == 0) *port_of(endpoint) = *port_of(&actual);
  return *port_of(&actual) == *port_of(endpoint);
}

static void take_inherited(struct endpoint *endpoint, const int *inherited, unsigned count, struct listeners *out) {
  for (unsigned i = 0; i < count; i++) {
    int fd = inherited[i];
    if (out->fds && endpoint->text && is_listening_at(fd, endpoint)) {
      out->fds[out->count++] = fd;
    } else {
      base_fd_close(&fd);
    }
  }
}

enum base_result delivery_listeners_open(const char *address, uint16_t *port, unsigned wanted, const int *inherited,
                                         unsigned inherited_count, struct listeners *out, struct base_fault *fault) {
  struct endpoint endpoint;
  enum base_result result = parse_endpoint(address, *port, &endpoint, fault);
  if (result != BASE_OK) endpoint.text = NULL;
  *out = (struct listeners){.fds = calloc((size_t)wanted + inherited_count, sizeof *out->fds)};
  if (!out->fds && result == BASE_OK) result = BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for the listeners");
  take_inherited(&endpoint, inherited, inherited_count, out);
  while (result == BASE_OK && out->count < wanted) {
    result = open_one(&endpoint, out->count == 0, &out->fds[out->count], fault);
    if (result != BASE_OK) break;
    // The others must follow to the port that the kernel chose for the first.
    socklen_t bytes = endpoint.bytes;
    if (out->count++ == 0 && getsockname(out->fds[0], &endpoint.address.any, &bytes) != 0) {
      result = BASE_FAIL_ERRNO(fault, "socket", "cannot read the port of %s", address);
    }
  }
  if (result == BASE_OK) {
    *port = ntohs(*port_of(&endpoint));
    return BASE_OK;
  }
  delivery_listeners_finish(out);
  return result;
}

void delivery_listeners_finish(struct listeners *listeners) {
  for (unsigned i = 0; i < listeners->count; i++) base_fd_close(&listeners->fds[i]);
  free(listeners->fds);
  *listeners = (struct listeners){0};
}
