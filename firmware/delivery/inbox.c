#include "inbox.h"

#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/file.h"
#include "exchange.h"

enum base_result delivery_inbox_init(struct inbox *inbox, struct base_fault *fault) {
  *inbox = (struct inbox){.event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  if (inbox->event_fd < 0) return BASE_FAIL_ERRNO(fault, "eventfd", "cannot make an event descriptor");
  pthread_mutex_init(&inbox->mutex, NULL);
  return BASE_OK;
}

void delivery_inbox_finish(struct inbox *inbox) {
  pthread_mutex_lock(&inbox->mutex);
  BASE_ASSERT(!inbox->first);
  base_fd_close(&inbox->event_fd);
  pthread_mutex_unlock(&inbox->mutex);
  pthread_mutex_destroy(&inbox->mutex);
}

// The counter only overflows after 2^64 - 2 wakes, so a write cannot fail in a way that matters.
static void signal_event(struct inbox *inbox) {
  uint64_t one = 1;
  ssize_t written;
  do {
    written = write(inbox->event_fd, &one, sizeof one);
  } while (written < 0 && errno == EINTR);
}

bool delivery_inbox_post(struct inbox *inbox, struct exchange *exchange) {
  pthread_mutex_lock(&inbox->mutex);
  bool is_open = !inbox->is_closed;
  if (is_open) {
    bool was_empty = !inbox->first;
    exchange->next = NULL;
    if (was_empty) {
      inbox->first = exchange;
    } else {
      inbox->last->next = exchange;
    }
    inbox->last = exchange;
    // Inside the lock: afterwards the loop may be stopped and the descriptor closed by the time this thread runs again.
    if (was_empty) signal_event(inbox);
  }
  pthread_mutex_unlock(&inbox->mutex);
  return is_open;
}

void delivery_inbox_wake(struct inbox *inbox) { signal_event(inbox); }

struct exchange *delivery_inbox_take(struct inbox *inbox) {
  uint64_t count;
  ssize_t got = read(inbox->event_fd, &count, sizeof count);
  (void)got;  // EAGAIN: somebody else's wake was read before
  pthread_mutex_lock(&inbox->mutex);
  struct exchange *taken = inbox->first;
  inbox->first = NULL;
  inbox->last = NULL;
  pthread_mutex_unlock(&inbox->mutex);
  return taken;
}

struct exchange *delivery_inbox_close(struct inbox *inbox) {
  pthread_mutex_lock(&inbox->mutex);
  struct exchange *taken = inbox->first;
  inbox->first = NULL;
  inbox->last = NULL;
  inbox->is_closed = true;
  pthread_mutex_unlock(&inbox->mutex);
  return taken;
}
