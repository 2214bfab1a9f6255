// A bounded pool of worker threads. Past its queue limit it refuses instead of growing.
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/result.h"

enum { BASE_POOL_MAX_BACKGROUND = 64 };

struct base_pool_config {
  const char *name;    // thread name, at most 15 characters
  unsigned threads;    // at least 1
  size_t queue_limit;  // tasks waiting, not counting those that a free thread takes at once; at least 1
};

struct base_pool;

// NULL with a fault when threads can not be started.
struct base_pool *base_pool_create(const struct base_pool_config *config, struct base_fault *fault);
// Runs what is queued, then joins the threads. No submit may race with it.
void base_pool_destroy(struct base_pool **pool);
// `run(argument)` is called once on a worker. BASE_BUSY when the queue is full (nothing was taken).
enum base_result base_pool_submit(struct base_pool *pool, void (*run)(void *argument), void *argument) BASE_CHECKED;
// The same for a task that is only worth a thread that has nothing else to do: false, and nothing was taken, when there
// is none. Never takes a place in the queue.
bool base_pool_offer(struct base_pool *pool, void (*run)(void *argument), void *argument) BASE_CHECKED;
// The same for a task that nobody waits for: begun when no other task waits, by one thread at a time. False, and
// nothing was taken, when BASE_POOL_MAX_BACKGROUND of them wait.
bool base_pool_submit_background(struct base_pool *pool, void (*run)(void *argument), void *argument) BASE_CHECKED;
// Tasks waiting now, but those of the background; a snapshot for metrics and Retry-After.
size_t base_pool_waiting(struct base_pool *pool);

#endif
