#include "pending.h"

#include <stdlib.h>

#include "inside.h"

enum { LONG_QUEUE = 512 };

struct change {
  struct change *next;
  enum store_change kind;
  struct cache_key key;  // of STORE_CHANGE_USE and STORE_CHANGE_REMOVE
  uint64_t use, file_bytes;
  struct store_level level;        // of STORE_CHANGE_PUT_LEVEL
  struct store_variant variant[];  // one for STORE_CHANGE_PUT
};

struct store_pending {
  pthread_mutex_t lock;        // guards the queue; a leaf
  pthread_mutex_t flush_lock;  // held while a queue is written, so that two queues keep their order
  struct change *first, **end;
  size_t count;
};

struct store_pending *store_pending_create(void) {
  struct store_pending *pending = calloc(1, sizeof *pending);
  if (!pending) return NULL;
  BASE_ASSERT(pthread_mutex_init(&pending->lock, NULL) == 0);
  BASE_ASSERT(pthread_mutex_init(&pending->flush_lock, NULL) == 0);
  pending->end = &pending->first;
  return pending;
}

static void drop_all(struct change *change) {
  while (change) {
    struct change *next = change->next;
    free(change);
    change = next;
  }
}

void store_pending_destroy(struct store_pending **pending_pointer) {
  struct store_pending *pending = *pending_pointer;
  *pending_pointer = NULL;
  if (!pending) return;
  drop_all(pending->first);
  pthread_mutex_destroy(&pending->lock);
  pthread_mutex_destroy(&pending->flush_lock);
  free(pending);
}

// NULL when memory is short: then the index stays behind.
static struct change *change_new(struct store *store, enum store_change kind, uint64_t file_bytes, size_t extra_bytes) {
  struct change *change = malloc(sizeof *change + extra_bytes);
  if (!change) {
    atomic_store(&store->is_index_behind, true);
    return NULL;
  }
  change->next = NULL;
  change->kind = kind;
  change->use = atomic_fetch_add(&store->next_use, 1);
  change->file_bytes = file_bytes;
  return change;
}

static void append(struct store *store, struct change *change) {
  struct store_pending *pending = store->pending;
  pthread_mutex_lock(&pending->lock);
  *pending->end = change;
  pending->end = &change->next;
  pending->count++;
  pthread_mutex_unlock(&pending->lock);
}

void store_pend(struct store *store, enum store_change kind, const struct cache_key *key) {
  struct change *change = change_new(store, kind, 0, 0);
  if (!change) return;
  change->key = *key;
  append(store, change);
}

void store_pend_variant(struct store *store, const struct store_variant *variant, uint64_t file_bytes) {
  struct change *change = change_new(store, STORE_CHANGE_PUT, file_bytes, sizeof *variant);
  if (!change) return;
  change->variant[0] = *variant;
  append(store, change);
}

void store_pend_level(struct store *store, const struct store_level *level, uint64_t file_bytes) {
  struct change *change = change_new(store, STORE_CHANGE_PUT_LEVEL, file_bytes, 0);
  if (!change) return;
  change->level = *level;
  append(store, change);
}

static enum base_result write_change(struct store_index *index, const struct change *change, struct base_fault *fault) {
  switch (change->kind) {
    case STORE_CHANGE_PUT:
      return store_index_variant_put(index, change->variant, change->file_bytes, change->use, fault);
    case STORE_CHANGE_PUT_LEVEL:
      return store_index_level_put(index, &change->level, change->file_bytes, change->use, fault);
    case STORE_CHANGE_USE:
      return store_index_variant_use(index, &change->key, change->use, fault);
    case STORE_CHANGE_REMOVE:
      return store_index_variant_remove(index, &change->key, fault);
  }
  return BASE_FAIL(fault, BASE_INTERNAL, "", "an unknown change");
}

static enum base_result write_all(struct store_index *index, const struct change *first, struct base_fault *fault) {
  enum base_result result = store_index_begin(index, fault);
  if (result != BASE_OK) return result;
  for (const struct change *change = first; change && result == BASE_OK; change = change->next) {
    result = write_change(index, change, fault);
  }
  const enum base_result ended = store_index_end(index, result == BASE_OK, fault);
  return result == BASE_OK ? ended : result;
}

enum base_result store_pend_flush(struct store *store, struct base_fault *fault) {
  struct store_pending *pending = store->pending;
  pthread_mutex_lock(&pending->flush_lock);
  pthread_mutex_lock(&pending->lock);
  struct change *first = pending->first;
  pending->first = NULL;
  pending->end = &pending->first;
  pending->count = 0;
  pthread_mutex_unlock(&pending->lock);

  enum base_result result = BASE_OK;
  if (first) result = write_all(store->index, first, fault);
  if (result != BASE_OK) atomic_store(&store->is_index_behind, true);
  pthread_mutex_unlock(&pending->flush_lock);
  drop_all(first);
  return result;
}

void store_pend_flush_if_long(struct store *store) {
  struct store_pending *pending = store->pending;
  pthread_mutex_lock(&pending->lock);
  const bool is_long = pending->count >= LONG_QUEUE;
  pthread_mutex_unlock(&pending->lock);
  if (!is_long) return;
  struct base_fault fault = {0};
  if (store_pend_flush(store, &fault) != BASE_OK) {
    base_log_fault(store->config.log, BASE_LOG_WARN, STORE_ROOM, NULL, &fault);
  }
}
