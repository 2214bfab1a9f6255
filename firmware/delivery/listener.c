#include "listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
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

enum base_result delivery_listeners_open(const char *address, uint16_t *port, int *fds, unsigned count,
                                         struct base_fault *fault) {
  struct endpoint endpoint;
  enum base_result result = parse_endpoint(address, *port, &endpoint, fault);
  unsigned opened = 0;
  for (; result == BASE_OK && opened < count; opened++) {
    result = open_one(&endpoint, opened == 0, &fds[opened], fault);
    if (result != BASE_OK) break;
    // The others must follow to the port that the kernel chose for the first.
    socklen_t bytes = endpoint.bytes;
    if (opened == 0 && getsockname(fds[0], &endpoint.address.any, &bytes) != 0) {
      result = BASE_FAIL_ERRNO(fault, "socket", "cannot read the port of %s", address);
    }
  }
  if (result == BASE_OK) {
    *port = ntohs(*port_of(&endpoint));
    return BASE_OK;
  }
  while (opened > 0) base_fd_close(&fds[--opened]);
  return result;
}
