#include "original.h"

#include <stdlib.h>
#include <string.h>

enum {
  RAM_BUDGET_BYTES = 8 << 20,
  ENTRY_BYTES = sizeof(struct pop_original) + 64,  // with the container's share
};

// A tenant's name is at most as long as a key, so each tenant permutes the ids. An id is only a claim, and one that
// was made to meet another tenant's key is caught by pop_original_is.
_Static_assert((int)STORE_MAX_TENANT <= (int)CACHE_KEY_BYTES, "a tenant's name must fit into a key");
static struct cache_key key_of(const char *tenant, const struct integrity_digest *id) {
  struct cache_key key;
  memcpy(key.bytes, id->bytes, sizeof key.bytes);
  for (size_t i = 0; tenant[i] != '\0'; i++) key.bytes[i] ^= (uint8_t)tenant[i];
  return key;
}

struct pop_original *pop_original_ref(struct pop_original *original) {
  atomic_fetch_add_explicit(&original->refs, 1, memory_order_relaxed);
  return original;
}

void pop_original_unref(struct pop_original **pointer) {
  struct pop_original *original = *pointer;
  *pointer = NULL;
  if (original && atomic_fetch_sub_explicit(&original->refs, 1, memory_order_acq_rel) == 1) free(original);
}

bool pop_original_is(const struct pop_original *original, const char *tenant, const struct integrity_digest *id) {
  return memcmp(original->id.bytes, id->bytes, sizeof id->bytes) == 0 && strcmp(original->tenant, tenant) == 0;
}

static void *acquire(void *self, void *value) {
  (void)self;
  return pop_original_ref(value);
}

static void release(void *self, const struct cache_key *key, void *value, uint64_t bytes, bool is_evicted) {
  (void)self, (void)key, (void)bytes, (void)is_evicted;
  struct pop_original *original = value;
  pop_original_unref(&original);
}

enum base_result pop_originals_init(struct pop_originals *originals, struct store *store, struct base_fault *fault) {
  const struct cache_config config = {.budget_bytes = RAM_BUDGET_BYTES, .release = release, .acquire = acquire};
  originals->store = store;
  originals->generation = 0;
  originals->cache = cache_lru_create(&config, fault);
  if (!originals->cache) return BASE_FAIL(fault, BASE_NO_MEMORY, "originals", "no memory for the originals' facts");
  pthread_mutex_init(&originals->lock, NULL);
  return BASE_OK;
}

void pop_originals_finish(struct pop_originals *originals) {
  if (!originals->cache) return;
  cache_lru_destroy(&originals->cache);
  pthread_mutex_destroy(&originals->lock);
}

struct pop_original *pop_originals_get(struct pop_originals *originals, const char *tenant,
                                       const struct integrity_digest *id) {
  const struct cache_key key = key_of(tenant, id);
  struct pop_original *original = cache_lru_get(originals->cache, &key);
  if (original && !pop_original_is(original, tenant, id)) pop_original_unref(&original);
  return original;
}

static bool parse_colour(const char *name, enum image_colour *out) {
  static const enum image_colour colours[] = {IMAGE_COLOUR_GREY, IMAGE_COLOUR_RGB, IMAGE_COLOUR_CMYK,
                                              IMAGE_COLOUR_PALETTE};
  for (size_t i = 0; i < sizeof colours / sizeof colours[0]; i++) {
    if (strcmp(name, image_colour_name(colours[i])) != 0) continue;
    *out = colours[i];
    return true;
  }
  return false;
}

// The store keeps plain numbers and words; they are checked again before arithmetic trusts them.
static enum base_result read_header(const struct store_original *stored, struct image_header *out,
                                    struct base_fault *fault) {
  *out = (struct image_header){
      .format = image_file_format_parse(stored->format),
      .width = stored->width,
      .height = stored->height,
      .orientation = (enum image_orientation)stored->orientation,
      .bits = stored->bits,
      .has_alpha = stored->has_alpha,
      .has_icc = stored->has_icc,
  };
  const bool has_orientation = stored->orientation >= IMAGE_UPRIGHT && stored->orientation <= IMAGE_ROTATE_270;
  if (out->format == IMAGE_FILE_UNKNOWN || out->width == 0 || out->height == 0 || !has_orientation ||
      !parse_colour(stored->colour, &out->colour)) {
    return BASE_FAIL(fault, BASE_CORRUPT, "original", "the record of the original holds impossible facts");
  }
  return BASE_OK;
}

static uint64_t read_generation(struct pop_originals *originals) {
  pthread_mutex_lock(&originals->lock);
  const uint64_t generation = originals->generation;
  pthread_mutex_unlock(&originals->lock);
  return generation;
}

// Keeps what was read, unless something was forgotten since: it may have been this one.
static void keep(struct pop_originals *originals, struct pop_original *original, uint64_t generation) {
  const struct cache_key key = key_of(original->tenant, &original->id);
  pthread_mutex_lock(&originals->lock);
  if (originals->generation == generation) {
    struct pop_original *kept = pop_original_ref(original);
    if (cache_lru_put(originals->cache, &key, kept, ENTRY_BYTES) != BASE_OK) pop_original_unref(&kept);
  }
  pthread_mutex_unlock(&originals->lock);
}

enum base_result pop_originals_load(struct pop_originals *originals, const char *tenant,
                                    const struct integrity_digest *id, struct pop_original **out,
                                    struct base_fault *fault) {
  struct store_original stored;
  struct image_header header;
  const uint64_t generation = read_generation(originals);
  enum base_result result = store_original_find(originals->store, tenant, id, &stored, fault);
  if (result == BASE_OK) result = read_header(&stored, &header, fault);
  if (result != BASE_OK) return result;

  struct pop_original *original = calloc(1, sizeof *original);
  if (!original) return BASE_FAIL(fault, BASE_NO_MEMORY, "original", "no memory for an original's facts");
  atomic_init(&original->refs, 1);
  memcpy(original->tenant, stored.tenant, sizeof original->tenant);
  original->id = *id;
  original->header = header;
  original->created_s = stored.created_s;
  keep(originals, original, generation);
  *out = original;
  return BASE_OK;
}

void pop_originals_forget(struct pop_originals *originals, const char *tenant, const struct integrity_digest *id) {
  const struct cache_key key = key_of(tenant, id);
  pthread_mutex_lock(&originals->lock);
  originals->generation++;
  pthread_mutex_unlock(&originals->lock);
  (void)cache_lru_remove(originals->cache, &key);
}
