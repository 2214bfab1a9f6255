#include "patches.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "base/checked.h"
#include "delta/choose.h"
#include "delta/patch.h"
#include "delta/rolling.h"
#include "store/tree.h"

enum {
  WAIT_S = 10,                       // for others; then the whole original is no worse
  WORK_S = 10,                       // on one rolling delta, whose signature may be made to take for ever
  MAX_KEPT_BYTES = 4 * 1024 * 1024,  // of the last patch; a larger one until it is asked for once more
};

struct console_patches {
  struct store *store;
  pthread_mutex_t one_at_a_time;
  atomic_bool is_stopping;
  // The last patch; no blob: it was not worth it.
  bool has_last;
  struct integrity_digest old, new;
  struct base_blob *last;
};

struct console_patches *console_patches_create(struct store *store) {
  struct console_patches *patches = calloc(1, sizeof *patches);
  if (!patches) return NULL;
  patches->store = store;
  pthread_mutex_init(&patches->one_at_a_time, NULL);
  return patches;
}

void console_patches_destroy(struct console_patches **patches) {
  struct console_patches *gone = *patches;
  if (!gone) return;
  *patches = NULL;
  base_blob_unref(&gone->last);
  pthread_mutex_destroy(&gone->one_at_a_time);
  free(gone);
}

void console_patches_stop(struct console_patches *patches) { atomic_store(&patches->is_stopping, true); }

static struct timespec in_s(time_t seconds) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  at.tv_sec += seconds;
  return at;
}

static bool take_turn(struct console_patches *patches) {
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);  // ThreadSanitizer does not know pthread_mutex_clocklock
  until.tv_sec += WAIT_S;
  return pthread_mutex_timedlock(&patches->one_at_a_time, &until) == 0;
}

static enum base_result read_whole(struct store *store, const struct integrity_digest *id, struct base_blob **out,
                                   struct base_fault *fault) {
  struct store_tree tree;
  *out = NULL;
  enum base_result result = store_original_tree(store, id, &tree, fault);
  if (result != BASE_OK) return result;
  *out = base_blob_create((size_t)tree.bytes);
  if (*out) {
    result = store_original_read(store, id, &tree, 0, (*out)->data, (*out)->bytes, fault);
  } else {
    result = BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory to read an original");
  }
  base_blob_unref(&tree.leaves);
  if (result != BASE_OK) base_blob_unref(out);
  return result;
}

// What was appended to the buffer as a blob; none when it was not worth it.
static enum base_result blob_of(enum base_result result, struct base_buffer *made, struct base_blob **out,
                                struct base_fault *fault) {
  if (result == BASE_TOO_LARGE) {
    base_fault_clear(fault);
    return BASE_OK;
  }
  if (result != BASE_OK) return result;
  *out = base_blob_from_buffer(made);
  return *out ? BASE_OK : BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for a patch");
}

static enum base_result make_patch(struct console_patches *patches, const struct store_original *old,
                                   const struct store_original *new, struct base_blob **out, struct base_fault *fault) {
  struct base_blob *old_bytes = NULL, *new_bytes = NULL;
  struct base_buffer made;
  base_buffer_init(&made, (size_t)delta_worth_bytes(new->bytes));
  enum base_result result = read_whole(patches->store, &old->id, &old_bytes, fault);
  if (result == BASE_OK) result = read_whole(patches->store, &new->id, &new_bytes, fault);
  if (result == BASE_OK) {
    result = blob_of(delta_patch_make(base_blob_span(old_bytes), &old->id, base_blob_span(new_bytes), &made, fault),
                     &made, out, fault);
  }
  base_blob_unref(&old_bytes);
  base_blob_unref(&new_bytes);
  base_buffer_finish(&made);
  return result;
}

static bool is_last(const struct console_patches *patches, const struct store_original *old,
                    const struct store_original *new) {
  return patches->has_last && integrity_digest_equal(&patches->old, &old->id) &&
         integrity_digest_equal(&patches->new, &new->id);
}

static void keep(struct console_patches *patches, const struct store_original *old, const struct store_original *new,
                 struct base_blob *patch) {
  patches->has_last = true;
  patches->old = old->id;
  patches->new = new->id;
  base_blob_unref(&patches->last);
  if (patch) patches->last = base_blob_ref(patch);
}

static void forget(struct console_patches *patches) {
  base_blob_unref(&patches->last);
  patches->has_last = false;
}

enum base_result console_patches_make(struct console_patches *patches, const struct store_original *old,
                                      const struct store_original *new, struct base_blob **out,
                                      struct base_fault *fault) {
  *out = NULL;
  if (!delta_patch_is_possible(old->bytes, new->bytes) || !take_turn(patches)) return BASE_OK;
  enum base_result result = BASE_OK;
  if (is_last(patches, old, new)) {
    *out = patches->last ? base_blob_ref(patches->last) : NULL;
    if (*out && (*out)->bytes > MAX_KEPT_BYTES) forget(patches);
  } else {
    result = make_patch(patches, old, new, out, fault);
    if (result == BASE_OK) keep(patches, old, new, *out);
  }
  pthread_mutex_unlock(&patches->one_at_a_time);
  return result;
}

// An original that is read in its order, a piece at a time, until it takes too long.
struct reading {
  struct console_patches *patches;
  struct timespec until;
  struct store *store;
  const struct integrity_digest *id;
  struct store_tree tree;
};

static enum base_result read_piece(void *self, uint64_t offset, uint8_t *out, size_t bytes, struct base_fault *fault) {
  const struct reading *reading = self;
  const struct timespec now = in_s(0);
  if (atomic_load(&reading->patches->is_stopping) || now.tv_sec > reading->until.tv_sec) {
    return BASE_FAIL(fault, BASE_TOO_LARGE, "signature", "the delta takes longer than the whole");
  }
  return store_original_read(reading->store, reading->id, &reading->tree, offset, out, bytes, fault);
}

enum base_result console_patches_make_delta(struct console_patches *patches, struct base_span signature,
                                            const struct store_original *new, struct base_blob **out,
                                            struct base_fault *fault) {
  struct reading reading = {.patches = patches, .store = patches->store, .id = &new->id};
  struct base_buffer made;
  const uint64_t worth = delta_worth_bytes(new->bytes);
  *out = NULL;
  enum base_result result = store_original_tree(patches->store, &new->id, &reading.tree, fault);
  if (result != BASE_OK) return result;
  const struct delta_source source = {.bytes = reading.tree.bytes, .read = read_piece, .self = &reading};
  base_buffer_init(&made, (size_t)base_min_u64(worth - base_min_u64(worth, signature.bytes), DELTA_ROLLING_MAX_BYTES));
  if (take_turn(patches)) {
    reading.until = in_s(WORK_S);
    result = blob_of(delta_rolling_make(signature, &source, &made, fault), &made, out, fault);
    pthread_mutex_unlock(&patches->one_at_a_time);
  }
  base_buffer_finish(&made);
  base_blob_unref(&reading.tree.leaves);
  return result;
}
