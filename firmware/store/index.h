// The derived SQLite index: one row an original and tenant, one row a variant or level. Thread-safe.
//
// One connection writes and one reads, each under its own lock, so that look-ups do not wait for a commit.
#ifndef STORE_INDEX_H
#define STORE_INDEX_H

#include "store/store.h"

struct store_index;

enum { STORE_MAX_SHRINK = 8 };

struct store_level {
  struct cache_key key;  // store_level_key of the other two
  struct integrity_digest original;
  unsigned shrink;                 // 2, 4, 8
  struct integrity_digest digest;  // of the body
  uint64_t bytes;
};

// Opens or makes it. BASE_CORRUPT: damaged or of another version; remove it and open it again. *is_new says that
// it was just made, so it knows nothing.
enum base_result store_index_open(const char *root, struct store_index **out, bool *is_new,
                                  struct base_fault *fault) BASE_CHECKED;
// The same beside the disk, for one that is full: it is lost when it is closed, and knows nothing at first.
enum base_result store_index_open_in_memory(struct store_index **out, bool *is_new,
                                            struct base_fault *fault) BASE_CHECKED;
void store_index_close(struct store_index **index);
// Removes the files of a closed index.
enum base_result store_index_remove(const char *root, struct base_fault *fault) BASE_CHECKED;
// Reads every page; BASE_CORRUPT when one is damaged.
enum base_result store_index_check(struct store_index *index, struct base_fault *fault) BASE_CHECKED;
// True once any use has met damage.
bool store_index_is_damaged(const struct store_index *index);

// One transaction for many changes by this thread; other writers wait in between. Ends with commit or roll-back.
enum base_result store_index_begin(struct store_index *index, struct base_fault *fault) BASE_CHECKED;
enum base_result store_index_end(struct store_index *index, bool is_commit, struct base_fault *fault) BASE_CHECKED;

// Originals.
enum base_result store_index_original_put(struct store_index *index, const struct store_original *original,
                                          struct base_fault *fault) BASE_CHECKED;
enum base_result store_index_original_remove(struct store_index *index, const char *tenant,
                                             const struct integrity_digest *id, struct base_fault *fault) BASE_CHECKED;
enum base_result store_index_original_find(struct store_index *index, const char *tenant,
                                           const struct integrity_digest *id, struct store_original *out,
                                           struct base_fault *fault) BASE_CHECKED;
// How many tenants have it.
enum base_result store_index_original_tenants(struct store_index *index, const struct integrity_digest *id,
                                              uint64_t *count, struct base_fault *fault) BASE_CHECKED;
// The next tenant that has one, as store_tenant_next.
enum base_result store_index_original_next_tenant(struct store_index *index, const char *after,
                                                  char out[STORE_MAX_TENANT + 1],
                                                  struct base_fault *fault) BASE_CHECKED;
// Fills `out` with those after `after` (NULL: from the newest) that carry `tag` (NULL: whatever they carry).
enum base_result store_index_original_page(struct store_index *index, const char *tenant, const char *tag,
                                           const struct store_original *after, struct store_original *out,
                                           size_t capacity, size_t *count, struct base_fault *fault) BASE_CHECKED;
// Different originals and their bytes.
enum base_result store_index_original_totals(struct store_index *index, uint64_t *count, uint64_t *bytes,
                                             struct base_fault *fault) BASE_CHECKED;
// Calls `visit` for every row with `first` <= id <= `last`, under the reader's lock.
enum base_result store_index_original_range(struct store_index *index, const struct integrity_digest *first,
                                            const struct integrity_digest *last,
                                            enum base_result (*visit)(void *argument, const struct integrity_digest *id,
                                                                      const char *tenant),
                                            void *argument, struct base_fault *fault) BASE_CHECKED;

// Variants, and levels where it says so: they share rows and order.
enum base_result store_index_variant_put(struct store_index *index, const struct store_variant *variant,
                                         uint64_t file_bytes, uint64_t use, struct base_fault *fault) BASE_CHECKED;
enum base_result store_index_level_put(struct store_index *index, const struct store_level *level, uint64_t file_bytes,
                                       uint64_t use, struct base_fault *fault) BASE_CHECKED;
// The same for levels: use and remove.
enum base_result store_index_variant_use(struct store_index *index, const struct cache_key *key, uint64_t use,
                                         struct base_fault *fault) BASE_CHECKED;
enum base_result store_index_variant_remove(struct store_index *index, const struct cache_key *key,
                                            struct base_fault *fault) BASE_CHECKED;
// Not for levels. BASE_NOT_FOUND.
enum base_result store_index_variant_find(struct store_index *index, const struct cache_key *key,
                                          struct store_variant *out, struct base_fault *fault) BASE_CHECKED;
// Fills `out` with those after `after` (NULL: all), in the order of their keys.
enum base_result store_index_variant_page(struct store_index *index, const char *tenant,
                                          const struct integrity_digest *original, const struct cache_key *after,
                                          struct store_variant *out, size_t capacity, size_t *count,
                                          struct base_fault *fault) BASE_CHECKED;
// The same of all tenants and originals.
enum base_result store_index_variant_all(struct store_index *index, const struct cache_key *after,
                                         struct store_variant *out, size_t capacity, size_t *count,
                                         struct base_fault *fault) BASE_CHECKED;
// The visitors below are called for levels too, and under the reader's lock: they must not use the index.
struct store_index_variant_row {
  struct cache_key key;
  uint64_t file_bytes, use;
  bool is_level;
};
typedef enum base_result store_index_variant_visit(void *argument, const struct store_index_variant_row *row);
// Coldest first.
enum base_result store_index_variant_by_use(struct store_index *index, store_index_variant_visit *visit, void *argument,
                                            struct base_fault *fault) BASE_CHECKED;
enum base_result store_index_variant_range(struct store_index *index, const struct integrity_digest *first,
                                           const struct integrity_digest *last, store_index_variant_visit *visit,
                                           void *argument, struct base_fault *fault) BASE_CHECKED;
// Variants whose original is not there for their tenant, levels whose original is not there at all.
enum base_result store_index_variant_homeless(struct store_index *index, store_index_variant_visit *visit,
                                              void *argument, struct base_fault *fault) BASE_CHECKED;

#endif
