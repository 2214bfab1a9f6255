#include "door.h"

#include "base/clock.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

// More than the server's threads and its queue can hold; past it everyone is turned away.
enum { MAX_GUESTS = 1024, EXHAUSTED_PAUSE_US = 50 * 1000 };

struct guest {
  int fd;  // 0: this place is free
  struct in6_addr client;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct guest guests[MAX_GUESTS];
static unsigned limit;
static struct base_metric *refused_metric;

void console_door_open(unsigned max_connections_per_client, struct base_metric *refused) {
  pthread_mutex_lock(&lock);
  memset(guests, 0, sizeof guests);
  limit = max_connections_per_client;
  refused_metric = refused;
  pthread_mutex_unlock(&lock);
}

// An IPv4 client as ::ffff:a.b.c.d; an IPv6 client as its /64, which is what one subscriber has.
static struct in6_addr client_of(const struct sockaddr_storage *address) {
  struct in6_addr client = {0};
  if (address->ss_family == AF_INET6) {
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;
    client = in6->sin6_addr;
    if (!IN6_IS_ADDR_V4MAPPED(&client)) memset(&client.s6_addr[8], 0, 8);
  } else if (address->ss_family == AF_INET) {
    const struct sockaddr_in *in = (const struct sockaddr_in *)address;
    memset(&client.s6_addr[10], 0xff, 2);
    memcpy(&client.s6_addr[12], &in->sin_addr, sizeof in->sin_addr);
  }
  return client;
}

static bool admit(int fd, const struct in6_addr *client) {
  unsigned held = 0;
  struct guest *free_place = NULL;
  pthread_mutex_lock(&lock);
  for (size_t i = 0; i < MAX_GUESTS; i++) {
    if (guests[i].fd == 0) {
      free_place = &guests[i];
    } else if (memcmp(&guests[i].client, client, sizeof *client) == 0) {
      held++;
    }
  }
  bool is_admitted = held < limit && free_place;
  if (is_admitted) *free_place = (struct guest){.fd = fd, .client = *client};
  struct base_metric *metric = refused_metric;
  pthread_mutex_unlock(&lock);
  if (!is_admitted) base_metric_add(metric, 1);
  return is_admitted;
}

int console_door_accept(int listener, struct sockaddr *address, socklen_t *address_bytes) {
  struct sockaddr_storage peer = {0};
  socklen_t peer_bytes = sizeof peer;
  int fd = accept4(listener, (struct sockaddr *)&peer, &peer_bytes, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) {
    // The server would ask again at once, and again.
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) usleep(EXHAUSTED_PAUSE_US);
    return -1;
  }
  struct in6_addr client = client_of(&peer);
  if (!admit(fd, &client)) {
    close(fd);
    errno = ECONNABORTED;
    return -1;
  }
  memcpy(address, &peer, peer_bytes < *address_bytes ? peer_bytes : *address_bytes);
  *address_bytes = peer_bytes;
  return fd;
}

// CivetWeb gives a connection to one thread, which is the one that answers its requests and closes it.
static _Thread_local uint64_t read_deadline_us;  // 0: none
static _Thread_local int connection = -1;        // the last one it waited for

int console_door_close(int fd) {
  pthread_mutex_lock(&lock);
  for (size_t i = 0; fd > 0 && i < MAX_GUESTS; i++) {
    if (guests[i].fd == fd) guests[i].fd = 0;
  }
  pthread_mutex_unlock(&lock);
  if (fd == connection) connection = -1;  // its number may soon be somebody else's
  return close(fd);
}

void console_door_limit_reads(uint32_t ms) {
  read_deadline_us = ms == 0 ? 0 : base_clock_us(base_clock_system()) + 1000ull * ms;
}

bool console_door_is_overdue(void) {
  return read_deadline_us != 0 && base_clock_us(base_clock_system()) >= read_deadline_us;
}

bool console_door_is_client_gone(void) {
  struct pollfd end = {.fd = connection, .events = POLLRDHUP};
  return poll(&end, 1, 0) == 1;
}

int console_door_poll(struct pollfd *fds, nfds_t count, int timeout_ms) {
  if (count == 1) connection = fds->fd;
  if (count == 1 && (fds->events & POLLIN) && console_door_is_overdue()) {
    fds->revents = 0;
    errno = ETIMEDOUT;
    return -1;
  }
  return poll(fds, count, timeout_ms);
}
