#include "descriptors.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/file.h"

enum { FILE_MODE = 0640 };

struct slot {
  const struct store_file *owner;  // NULL: empty
  int fd;
  bool is_lent;
  uint64_t use;  // the larger, the later
};

struct store_descriptors {
  pthread_mutex_t lock;
  pthread_cond_t given_back;
  uint64_t next_use;
  struct slot slots[STORE_DESCRIPTORS];
};

struct store_descriptors *store_descriptors_create(void) {
  struct store_descriptors *pool = calloc(1, sizeof *pool);
  if (!pool) return NULL;
  BASE_ASSERT(pthread_mutex_init(&pool->lock, NULL) == 0);
  BASE_ASSERT(pthread_cond_init(&pool->given_back, NULL) == 0);
  for (size_t i = 0; i < STORE_DESCRIPTORS; i++) pool->slots[i].fd = -1;
  return pool;
}

void store_descriptors_destroy(struct store_descriptors **pool_pointer) {
  struct store_descriptors *pool = *pool_pointer;
  *pool_pointer = NULL;
  if (!pool) return;
  for (size_t i = 0; i < STORE_DESCRIPTORS; i++) BASE_ASSERT(!pool->slots[i].owner);
  pthread_mutex_destroy(&pool->lock);
  pthread_cond_destroy(&pool->given_back);
  free(pool);
}

// An empty slot, or the one longest unused; NULL when all are lent out.
static struct slot *find_slot(struct store_descriptors *pool) {
  struct slot *best = NULL;
  for (size_t i = 0; i < STORE_DESCRIPTORS; i++) {
    struct slot *slot = &pool->slots[i];
    if (!slot->owner) return slot;
    if (!slot->is_lent && (!best || slot->use < best->use)) best = slot;
  }
  return best;
}

static void release(struct store_descriptors *pool, struct slot *slot, bool is_emptied) {
  pthread_mutex_lock(&pool->lock);
  slot->is_lent = false;
  if (is_emptied) slot->owner = NULL;
  pthread_cond_signal(&pool->given_back);
  pthread_mutex_unlock(&pool->lock);
}

enum base_result store_descriptors_borrow(struct store_descriptors *pool, struct store_file *file, int folder_fd,
                                          const char *path, int flags, int *out_fd, struct base_fault *fault) {
  int evicted = -1;
  pthread_mutex_lock(&pool->lock);
  struct slot *slot = &pool->slots[file->slot];
  if (slot->owner != file) {
    while (!(slot = find_slot(pool))) pthread_cond_wait(&pool->given_back, &pool->lock);
    evicted = slot->fd;
    slot->fd = -1;
    slot->owner = file;
    file->slot = (uint32_t)(slot - pool->slots);
  }
  BASE_ASSERT(!slot->is_lent);
  slot->is_lent = true;
  slot->use = ++pool->next_use;
  pthread_mutex_unlock(&pool->lock);

  // The slot is ours alone now: files are opened and closed without the lock.
  base_fd_close(&evicted);
  if (slot->fd < 0) slot->fd = openat(folder_fd, path, flags | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
  if (slot->fd < 0) {
    const enum base_result result = BASE_FAIL_ERRNO(fault, path, "cannot open the upload's file");
    release(pool, slot, true);
    return result;
  }
  *out_fd = slot->fd;
  return BASE_OK;
}

void store_descriptors_give_back(struct store_descriptors *pool, struct store_file *file) {
  struct slot *slot = &pool->slots[file->slot];
  BASE_ASSERT(slot->owner == file && slot->is_lent);
  release(pool, slot, false);
}

void store_descriptors_drop(struct store_descriptors *pool, struct store_file *file) {
  int fd = -1;
  pthread_mutex_lock(&pool->lock);
  struct slot *slot = &pool->slots[file->slot];
  if (slot->owner == file) {
    BASE_ASSERT(!slot->is_lent);
    fd = slot->fd;
    slot->fd = -1;
    slot->owner = NULL;
    pthread_cond_signal(&pool->given_back);
  }
  pthread_mutex_unlock(&pool->lock);
  base_fd_close(&fd);
}
