#include "hatch.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/file.h"

// An offer's port is its place plus one.
struct offer {
  int fd;  // -1: this place is free
  bool is_taken;
  uint64_t number;  // offers are taken in this order
  struct console_exchange *exchange;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct offer *offers;
static unsigned offer_count;
static uint64_t next_number;
static int offered_fd = -1;   // counts what is offered and not taken
static int listener_fd = -1;  // CivetWeb's

enum base_result console_hatch_open(unsigned threads, struct base_fault *fault) {
  struct offer *places = calloc(2 * threads, sizeof *places);
  if (!places) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for the console");
  for (unsigned i = 0; i < 2 * threads; i++) places[i].fd = -1;
  int fd = eventfd(0, EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC);
  if (fd < 0) {
    free(places);
    return BASE_FAIL_ERRNO(fault, "console", "the console needs a descriptor");
  }
  pthread_mutex_lock(&lock);
  BASE_ASSERT(!offers);
  offers = places;
  offer_count = 2 * threads;
  offered_fd = fd;
  listener_fd = -1;
  pthread_mutex_unlock(&lock);
  return BASE_OK;
}

void console_hatch_shut(void) {
  pthread_mutex_lock(&lock);
  for (unsigned i = 0; i < offer_count; i++) base_fd_close(&offers[i].fd);
  free(offers);
  offers = NULL;
  offer_count = 0;
  base_fd_close(&offered_fd);
  pthread_mutex_unlock(&lock);
}

bool console_hatch_offer(int fd, struct console_exchange *exchange) {
  pthread_mutex_lock(&lock);
  struct offer *place = NULL;
  for (unsigned i = 0; i < offer_count && !place; i++) {
    if (offers[i].fd < 0) place = &offers[i];
  }
  if (place) {
    *place = (struct offer){.fd = fd, .number = next_number++, .exchange = exchange};
    const uint64_t one = 1;
    BASE_ASSERT(write(offered_fd, &one, sizeof one) == sizeof one);
  }
  pthread_mutex_unlock(&lock);
  return place != NULL;
}

struct console_exchange *console_hatch_exchange(int port) {
  pthread_mutex_lock(&lock);
  BASE_ASSERT(port >= 1 && (unsigned)port <= offer_count);
  struct console_exchange *exchange = offers[port - 1].exchange;
  pthread_mutex_unlock(&lock);
  return exchange;
}

int console_hatch_listen(int fd, int backlog) {
  (void)backlog;
  pthread_mutex_lock(&lock);
  listener_fd = fd;
  pthread_mutex_unlock(&lock);
  return 0;
}

// With the lock.
static struct offer *oldest_offer(void) {
  struct offer *oldest = NULL;
  for (unsigned i = 0; i < offer_count; i++) {
    struct offer *offer = &offers[i];
    if (offer->fd >= 0 && !offer->is_taken && (!oldest || offer->number < oldest->number)) oldest = offer;
  }
  return oldest;
}

int console_hatch_accept(int listener, struct sockaddr *address, socklen_t *address_bytes) {
  (void)listener;
  uint64_t one;
  int fd = -1;
  pthread_mutex_lock(&lock);
  struct offer *offer = read(offered_fd, &one, sizeof one) == sizeof one ? oldest_offer() : NULL;
  if (offer) {
    offer->is_taken = true;
    fd = offer->fd;
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_port = htons((uint16_t)(offer - offers + 1))};
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    memcpy(address, &from, *address_bytes < sizeof from ? *address_bytes : sizeof from);
    *address_bytes = sizeof from;
  }
  pthread_mutex_unlock(&lock);
  if (fd < 0) errno = EAGAIN;
  return fd;
}

int console_hatch_poll(struct pollfd *fds, nfds_t count, int timeout_ms) {
  pthread_mutex_lock(&lock);
  const bool is_listener = count == 1 && fds->fd == listener_fd;
  struct pollfd offered = {.fd = offered_fd, .events = POLLIN};
  pthread_mutex_unlock(&lock);
  if (!is_listener) return poll(fds, count, timeout_ms);
  const int ready = poll(&offered, 1, timeout_ms);
  fds->revents = offered.revents;
  return ready;
}

int console_hatch_close(int fd) {
  pthread_mutex_lock(&lock);
  // Its number may soon be somebody else's.
  if (fd == listener_fd) listener_fd = -1;
  for (unsigned i = 0; i < offer_count && fd >= 0; i++) {
    if (offers[i].fd == fd) offers[i].fd = -1;
  }
  pthread_mutex_unlock(&lock);
  return close(fd);
}
