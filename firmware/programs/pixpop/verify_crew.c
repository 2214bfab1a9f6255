#include "verify_crew.h"

#include <pthread.h>
#include <unistd.h>

enum { MAX_THREADS = 16 };

struct crew {
  void (*work)(void *self);
  void *self;
};

static void *thread_main(void *argument) {
  const struct crew *crew = argument;
  crew->work(crew->self);
  return NULL;
}

void verify_crew_run(void (*work)(void *self), void *self) {
  struct crew crew = {work, self};
  pthread_t threads[MAX_THREADS];
  const long processors = sysconf(_SC_NPROCESSORS_ONLN);
  int count = 0;
  // Fewer threads than that do the same work.
  while (count + 1 < processors && count + 1 < MAX_THREADS &&
         pthread_create(&threads[count], NULL, thread_main, &crew) == 0)
    count++;
  work(self);
  for (int i = 0; i < count; i++) pthread_join(threads[i], NULL);
}
