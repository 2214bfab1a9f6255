// A store in a folder of its own, and short ways to fill and question it.
#ifndef TESTS_STORE_FIXTURE_H
#define TESTS_STORE_FIXTURE_H

#include <limits.h>

#include "store/level.h"
#include "store/upload.h"

struct fixture {
  char root[64];
  struct store_config config;
  struct base_clock clock;
  int64_t now_s;  // what the clock says; grows by one with every look
  struct base_metrics *metrics;
  struct store *store;
};

void fixture_init(struct fixture *fixture);
void fixture_init_in(struct fixture *fixture, const char *folder);
// One in memory, where there is one: for tests that are not about the disk and would wait for it a thousand times.
const char *fixture_fast_folder(void);
// Closes the store, and removes the folder with everything in it.
void fixture_finish(struct fixture *fixture);
void fixture_open(struct fixture *fixture);
// cmocka set-up and tear-down of a test: *state becomes an open fixture.
int fixture_setup(void **state);
int fixture_teardown(void **state);
void fixture_close(struct fixture *fixture);
void fixture_reopen(struct fixture *fixture);
// Ends like kill -9: nothing is flushed, and the next open finds an unclean end.
void fixture_make_unclean(struct fixture *fixture);

// Original number `seed`: its bytes are a function of it.
void fixture_bytes(unsigned seed, size_t bytes, uint8_t *out);
struct integrity_digest fixture_id(unsigned seed, size_t bytes);
enum base_result fixture_upload(struct store *store, const char *tenant, unsigned seed, size_t bytes,
                                struct store_original *out, bool *is_new);
// Must succeed; returns what was committed.
struct store_original fixture_put(struct fixture *fixture, const char *tenant, unsigned seed, size_t bytes);
enum base_result fixture_find(struct fixture *fixture, const char *tenant, unsigned seed, size_t bytes);
// True when the stored bytes are those of `seed`.
bool fixture_bytes_match(struct store *store, unsigned seed, size_t bytes);

// Variant number `number` of an original: key and body are functions of it.
struct cache_key fixture_key(unsigned number);
struct store_variant fixture_variant(const struct store_original *original, unsigned number, size_t bytes);
enum base_result fixture_put_variant(struct store *store, const struct store_original *original, unsigned number,
                                     size_t bytes);
// BASE_OK only when the body is right.
enum base_result fixture_get_variant(struct store *store, unsigned number, size_t bytes);

// The level of an original at 1/shrink: its body is a function of both.
enum base_result fixture_put_level(struct store *store, const struct integrity_digest *original, unsigned shrink,
                                   size_t bytes);
// BASE_OK only when the body is right.
enum base_result fixture_get_level(struct store *store, const struct integrity_digest *original, unsigned shrink,
                                   size_t bytes);

// Paths under the root and what is there.
void fixture_path(const struct fixture *fixture, const char *relative, char out[PATH_MAX]);
void fixture_original_path(const struct fixture *fixture, const struct integrity_digest *id, const char *suffix,
                           char out[PATH_MAX]);
void fixture_variant_path(const struct fixture *fixture, unsigned number, char out[PATH_MAX]);
bool fixture_exists(const char *path);
size_t fixture_count_files(const struct fixture *fixture, const char *relative);
void fixture_flip_bit(const char *path, long at);
int64_t fixture_counter(struct fixture *fixture, const char *name, const char *labels);
int64_t fixture_gauge(struct fixture *fixture, const char *name);

#endif
