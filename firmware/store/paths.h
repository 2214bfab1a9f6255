// Names of the store's files, relative to its root, and back.
#ifndef STORE_PATHS_H
#define STORE_PATHS_H

#include "store/upload.h"

enum {
  STORE_PATH_BYTES = 128,  // "originals/ab/<43>.<32>.rec" and a terminator fit well
  STORE_SHARDS = 4096,     // folders: two characters of base64url, the digest's first 12 bits
};

struct store_path {
  char text[STORE_PATH_BYTES];
};

#define STORE_ORIGINALS "originals"
#define STORE_VARIANTS "variants"
#define STORE_TEMPORARY "tmp"
#define STORE_PARTIAL "partial"

// 1..32 characters of [a-z0-9-]; checked before a tenant becomes part of a path.
bool store_tenant_is_valid(const char *tenant);
// STORE_UPLOAD_NAME_CHARS characters of [A-Za-z0-9_-]; likewise for a kept upload's name.
bool store_upload_name_is_valid(const char *name);

struct integrity_digest store_digest_of_key(const struct cache_key *key);

struct store_path store_path_original(const struct integrity_digest *id);
struct store_path store_path_sidecar(const struct integrity_digest *id, const char *tenant);
struct store_path store_path_tree(const struct integrity_digest *id);
struct store_path store_path_variant(const struct cache_key *key);
struct store_path store_path_temporary(uint64_t number);
// Of a kept upload, whose name must be valid.
struct store_path store_path_partial(const char *name);
struct store_path store_path_partial_record(const char *name);
// The folder a digest's files are in; `folder` is STORE_ORIGINALS or STORE_VARIANTS.
struct store_path store_path_shard(const char *folder, const struct integrity_digest *digest);
// The same by number, with the first and last digests it can hold.
struct store_path store_path_shard_number(const char *folder, unsigned shard, struct integrity_digest *first,
                                          struct integrity_digest *last);

// The number of a digest's folder.
unsigned store_shard_of(const struct integrity_digest *digest);
// Back from the last part of store_path_shard to its number.
bool store_name_is_shard(const char *name, unsigned *shard) BASE_CHECKED;
// File names inside a shard folder. False for any other name.
bool store_name_is_original(const char *name, struct integrity_digest *id) BASE_CHECKED;
bool store_name_is_sidecar(const char *name, struct integrity_digest *id,
                           char tenant[STORE_MAX_TENANT + 1]) BASE_CHECKED;
bool store_name_is_tree(const char *name, struct integrity_digest *id) BASE_CHECKED;
bool store_name_is_variant(const char *name, struct cache_key *key) BASE_CHECKED;
// In partial/: an upload's record.
bool store_name_is_partial_record(const char *name, char upload[STORE_UPLOAD_NAME_CHARS + 1]) BASE_CHECKED;

#endif
