#include "keeper.h"

#include <stdlib.h>

#include "codec/level.h"
#include "store/level.h"

enum { WAITING_MOST = 32 };
static const uint64_t WAITING_BYTES_MOST = 64 << 20;
// No level is larger: half the sides of the largest picture, barely packed.
static const size_t LEVEL_BYTES_MOST = (size_t)512 << 20;

struct render_keeper {
  struct render *render;
  struct base_pool *pool;
  atomic_uint_fast64_t waiting_bytes;
  struct base_metric *kept, *failed;
};

struct task {
  struct render_keeper *keeper;
  struct integrity_digest original;
  struct image *levels[IMAGE_LEVELS];
  uint64_t bytes;
};

enum base_result render_keeper_create(struct render *render, struct base_metrics *metrics, struct render_keeper **out,
                                      struct base_fault *fault) {
  static const char name[] = "pixpop_render_levels_total";
  static const char help[] = "Levels that were left in the store, and those that could not be";
  const struct base_pool_config config = {.name = "levels", .threads = 1, .queue_limit = WAITING_MOST};
  *out = NULL;
  struct render_keeper *keeper = calloc(1, sizeof *keeper);
  if (!keeper) return BASE_FAIL(fault, BASE_NO_MEMORY, "render", "no memory for the keeper of levels");
  keeper->render = render;
  keeper->kept = base_metrics_counter(metrics, name, "result=\"ok\"", help);
  keeper->failed = base_metrics_counter(metrics, name, "result=\"fault\"", help);
  keeper->pool = base_pool_create(&config, fault);
  if (!keeper->pool) {
    free(keeper);
    return BASE_FAIL(fault, BASE_IO, "render", "the keeper of levels could not be started");
  }
  *out = keeper;
  return BASE_OK;
}

void render_keeper_destroy(struct render_keeper **keeper_pointer) {
  struct render_keeper *keeper = *keeper_pointer;
  *keeper_pointer = NULL;
  if (!keeper) return;
  base_pool_destroy(&keeper->pool);
  free(keeper);
}

bool render_keeper_lacks(const struct render *render, const struct integrity_digest *original,
                         bool missing[IMAGE_LEVELS]) {
  bool is_any = false;
  for (unsigned i = 0; i < IMAGE_LEVELS; i++) {
    missing[i] = !store_level_exists(render->store, original, image_level_shrink(i));
    is_any |= missing[i];
  }
  return is_any;
}

// A level that is not kept costs a decode later, nothing else. That there is no room, or that the original has been
// deleted meanwhile, is the way of the world.
static bool is_ordinary(enum base_result result) {
  return result == BASE_NO_SPACE || result == BASE_TOO_LARGE || result == BASE_NOT_FOUND;
}

static void keep_one(struct render_keeper *keeper, const struct integrity_digest *original, unsigned shrink,
                     const struct image *level) {
  struct base_fault fault = {0};
  struct base_buffer bytes;
  base_buffer_init(&bytes, LEVEL_BYTES_MOST);
  enum base_result result = codec_level_encode(level, &bytes, &fault);
  if (result == BASE_OK) {
    result = store_level_put(keeper->render->store, original, shrink, base_buffer_span(&bytes), &fault);
  }
  base_buffer_finish(&bytes);
  base_metric_add(result == BASE_OK ? keeper->kept : keeper->failed, 1);
  if (result == BASE_OK) return;
  base_log_fault(keeper->render->log, is_ordinary(result) ? BASE_LOG_DEBUG : BASE_LOG_WARN, RENDER_ROOM, NULL, &fault);
}

static void keep_all(struct render_keeper *keeper, const struct integrity_digest *original,
                     struct image *levels[IMAGE_LEVELS]) {
  for (unsigned i = 0; i < IMAGE_LEVELS; i++) {
    if (!levels[i]) continue;
    const unsigned shrink = image_level_shrink(i);
    // Somebody else may have been quicker.
    if (!store_level_exists(keeper->render->store, original, shrink)) keep_one(keeper, original, shrink, levels[i]);
    image_unref(&levels[i]);
  }
}

static void run(void *argument) {
  struct task *task = argument;
  keep_all(task->keeper, &task->original, task->levels);
  atomic_fetch_sub(&task->keeper->waiting_bytes, task->bytes);
  free(task);
}

static bool queue(struct render_keeper *keeper, const struct integrity_digest *original,
                  struct image *levels[IMAGE_LEVELS]) {
  struct task *task = malloc(sizeof *task);
  if (!task) return false;
  *task = (struct task){.keeper = keeper, .original = *original};
  for (unsigned i = 0; i < IMAGE_LEVELS; i++) {
    task->levels[i] = levels[i];
    if (levels[i]) task->bytes += levels[i]->bytes;
  }
  const uint64_t before = atomic_fetch_add(&keeper->waiting_bytes, task->bytes);
  if (before + task->bytes <= WAITING_BYTES_MOST && base_pool_submit(keeper->pool, run, task) == BASE_OK) return true;
  atomic_fetch_sub(&keeper->waiting_bytes, task->bytes);
  free(task);
  return false;
}

void render_keeper_keep(struct render_keeper *keeper, const struct integrity_digest *original,
                        struct image *levels[IMAGE_LEVELS]) {
  if (!queue(keeper, original, levels)) keep_all(keeper, original, levels);
}
