#include "sink.h"

#include <pthread.h>

struct waiting_sink {
  struct http_sink sink;  // first: the handler's pointer is ours
  pthread_mutex_t lock;
  pthread_cond_t completed;
  bool is_complete;
  struct http_reply *reply;
};

static void complete(struct http_sink *sink, struct http_reply *reply) {
  struct waiting_sink *waiting = (struct waiting_sink *)sink;
  pthread_mutex_lock(&waiting->lock);
  BASE_ASSERT(!waiting->is_complete);
  *waiting->reply = *reply;
  http_reply_init(reply, 0);
  waiting->is_complete = true;
  // Signalled under the lock: the waiter can not take `waiting` down before this thread has let go of it.
  pthread_cond_signal(&waiting->completed);
  pthread_mutex_unlock(&waiting->lock);
}

// A client that has closed its side may only have said that it sends no more; the gate drops the reply of one that has
// left.
static bool is_cancelled(struct http_sink *sink) {
  (void)sink;
  return false;
}

void console_sink_wait(const struct http_handler *handler, const struct http_request *request,
                       struct http_reply *reply) {
  struct waiting_sink waiting = {.sink = {complete, is_cancelled},
                                 .lock = PTHREAD_MUTEX_INITIALIZER,
                                 .completed = PTHREAD_COND_INITIALIZER,
                                 .reply = reply};
  handler->handle(handler->self, request, &waiting.sink);
  pthread_mutex_lock(&waiting.lock);
  while (!waiting.is_complete) pthread_cond_wait(&waiting.completed, &waiting.lock);
  pthread_mutex_unlock(&waiting.lock);
  pthread_cond_destroy(&waiting.completed);
  pthread_mutex_destroy(&waiting.lock);
}
