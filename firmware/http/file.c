#include "http/message.h"

#include <stdlib.h>
#include <unistd.h>

struct http_file *http_file_create(int fd) {
  BASE_ASSERT(fd >= 0);
  struct http_file *file = malloc(sizeof *file);
  if (!file) return NULL;
  atomic_init(&file->refs, 1);
  file->fd = fd;
  return file;
}

struct http_file *http_file_ref(struct http_file *file) {
  atomic_fetch_add_explicit(&file->refs, 1, memory_order_relaxed);
  return file;
}

void http_file_unref(struct http_file **file) {
  struct http_file *dropped = *file;
  *file = NULL;
  if (!dropped) return;
  if (atomic_fetch_sub_explicit(&dropped->refs, 1, memory_order_acq_rel) > 1) return;
  (void)close(dropped->fd);
  free(dropped);
}
