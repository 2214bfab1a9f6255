#include "verify_suspects.h"

#include <stdlib.h>

void verify_suspects_init(struct verify_suspects *suspects) {
  *suspects = (struct verify_suspects){0};
  BASE_ASSERT(pthread_mutex_init(&suspects->lock, NULL) == 0);
}

void verify_suspects_finish(struct verify_suspects *suspects) {
  for (struct verify_suspect *one = verify_suspects_take(suspects); one != NULL; one = verify_suspects_take(suspects))
    free(one);
  pthread_mutex_destroy(&suspects->lock);
}

void verify_suspects_add(struct verify_suspects *suspects, const struct verify_suspect *suspect) {
  struct verify_suspect *copy = malloc(sizeof(*copy));
  pthread_mutex_lock(&suspects->lock);
  if (copy != NULL && suspects->count < VERIFY_MAX_SUSPECTS) {
    *copy = *suspect;
    copy->next = suspects->first;
    suspects->first = copy;
    suspects->count++;
    copy = NULL;
  } else {
    suspects->dropped++;
  }
  pthread_mutex_unlock(&suspects->lock);
  free(copy);
}

struct verify_suspect *verify_suspects_take(struct verify_suspects *suspects) {
  pthread_mutex_lock(&suspects->lock);
  struct verify_suspect *first = suspects->first;
  if (first != NULL) {
    suspects->first = first->next;
    suspects->count--;
  }
  pthread_mutex_unlock(&suspects->lock);
  return first;
}
