#include "store/level.h"

#include <string.h>

#include "describe.h"
#include "tier.h"

struct cache_key store_level_key(const struct integrity_digest *original, unsigned shrink) {
  static const char domain[] = "pixpop level";
  const uint8_t numbers[] = {STORE_LEVEL_VERSION, (uint8_t)shrink};
  const struct base_span pieces[] = {
      base_span_of(domain, sizeof domain),
      base_span_of(numbers, sizeof numbers),
      base_span_of(original->bytes, sizeof original->bytes),
  };
  struct cache_key key;
  integrity_digest_pieces(pieces, sizeof pieces / sizeof pieces[0], key.bytes);
  return key;
}

// The original's lock is held, so the bytes cannot go away in between.
static enum base_result place_if_wanted(struct store *store, const struct store_placement *placement,
                                        struct base_fault *fault) {
  const struct store_path path = store_path_original(&placement->level->original);
  uint64_t bytes;
  if (!store_file_size(store, path.text, &bytes)) {
    return BASE_FAIL(fault, BASE_NOT_FOUND, "original", "the level's original is not there");
  }
  return store_tier_place(store, placement, fault);
}

enum base_result store_level_put(struct store *store, const struct integrity_digest *original, unsigned shrink,
                                 struct base_span body, struct base_fault *fault) {
  BASE_ASSERT(shrink == 2 || shrink == 4 || shrink == STORE_MAX_SHRINK);
  enum base_result result = store_tier_check(store, body, fault);
  if (result != BASE_OK) return result;
  struct store_level level = {.key = store_level_key(original, shrink), .original = *original, .shrink = shrink};
  level.bytes = body.bytes;
  integrity_digest_of(body, &level.digest);
  struct store_placement placement = {.key = level.key, .level = &level};
  struct store_record record = {.kind = STORE_RECORD_LEVEL, .body_bytes = body.bytes, .body_digest = level.digest};
  result = store_tier_write(store, &placement, &record, body, fault);
  if (result != BASE_OK) return result;

  pthread_mutex_t *lock = store_original_lock(store, original);
  pthread_mutex_lock(lock);
  result = place_if_wanted(store, &placement, fault);
  pthread_mutex_unlock(lock);
  if (result == BASE_OK) {
    base_metric_add(store->meters.level_puts, 1);
  } else {
    store_file_discard(store, placement.temporary.text);
  }
  store_tier_bury(store);
  return result;
}

static enum base_result take_level(void *argument, const struct store_record *record, struct base_fault *fault) {
  struct store_level level;
  const struct cache_key *key = argument;
  const enum base_result result = store_read_level(record, &level, fault);
  if (result != BASE_OK) return result;
  if (memcmp(level.key.bytes, key->bytes, sizeof key->bytes) == 0) return BASE_OK;
  return BASE_FAIL(fault, BASE_CORRUPT, "level", "the record is not what its name says");
}

enum base_result store_level_get(struct store *store, const struct integrity_digest *original, unsigned shrink,
                                 struct base_blob **out, struct base_fault *fault) {
  struct cache_key key = store_level_key(original, shrink);
  struct base_fault read_fault = {0};
  const enum base_result result = store_tier_read(store, &key, take_level, &key, out, &read_fault);
  if (result == BASE_OK) {
    base_metric_add(store->meters.level_hits, 1);
    return BASE_OK;
  }
  if (result != BASE_NOT_FOUND) return BASE_FAIL(fault, result, read_fault.subject, "%s", read_fault.text);
  base_metric_add(store->meters.level_misses, 1);
  return BASE_FAIL(fault, BASE_NOT_FOUND, "level", "the level is not kept");
}

bool store_level_exists(struct store *store, const struct integrity_digest *original, unsigned shrink) {
  const struct cache_key key = store_level_key(original, shrink);
  return cache_lru_contains(store->tier, &key);
}

void store_levels_remove(struct store *store, const struct integrity_digest *original) {
  for (unsigned shrink = 2; shrink <= STORE_MAX_SHRINK; shrink *= 2) {
    const struct cache_key key = store_level_key(original, shrink);
    (void)cache_lru_remove(store->tier, &key);
  }
}
