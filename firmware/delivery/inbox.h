// Where replies that are completed on other threads wait for the loop: a mutex-protected queue and an eventfd.
//
// Any thread posts; the loop takes everything at once.
#ifndef DELIVERY_INBOX_H
#define DELIVERY_INBOX_H

#include <pthread.h>
#include <stdbool.h>

#include "base/result.h"

struct exchange;

struct inbox {
  pthread_mutex_t mutex;
  struct exchange *first;  // linked by `next`
  struct exchange *last;
  int event_fd;  // readable when there is something to take, or after delivery_inbox_wake
  bool is_closed;
};

enum base_result delivery_inbox_init(struct inbox *inbox, struct base_fault *fault) BASE_CHECKED;
// Waits for a thread that is still inside delivery_inbox_post.
void delivery_inbox_finish(struct inbox *inbox);
// False when the inbox is closed: the exchange stays the caller's.
bool delivery_inbox_post(struct inbox *inbox, struct exchange *exchange) BASE_CHECKED;
// Wakes the loop without posting.
void delivery_inbox_wake(struct inbox *inbox);
// Everything posted so far in order, linked by `next`; NULL when there is nothing. Resets the event.
struct exchange *delivery_inbox_take(struct inbox *inbox);
// Refuses further posts and returns what was waiting.
struct exchange *delivery_inbox_close(struct inbox *inbox);

#endif
