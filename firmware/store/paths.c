#include "paths.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { SHARD_CHARS = 2, LOW_BITS = 4 };

static const char record_suffix[] = ".rec", tree_suffix[] = ".tree";

bool store_tenant_is_valid(const char *tenant) {
  const size_t length = strnlen(tenant, STORE_MAX_TENANT + 1);
  if (length == 0 || length > STORE_MAX_TENANT) return false;
  return strspn(tenant, "abcdefghijklmnopqrstuvwxyz0123456789-") == length;
}

bool store_upload_name_is_valid(const char *name) {
  const size_t length = strnlen(name, STORE_UPLOAD_NAME_CHARS + 1);
  if (length != STORE_UPLOAD_NAME_CHARS) return false;
  return strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == length;
}

struct integrity_digest store_digest_of_key(const struct cache_key *key) {
  struct integrity_digest digest;
  _Static_assert(sizeof digest.bytes == sizeof key->bytes, "a key is a digest");
  memcpy(digest.bytes, key->bytes, sizeof digest.bytes);
  return digest;
}

static struct store_path path_of(const char *folder, const struct integrity_digest *digest, const char *middle,
                                 const char *suffix) {
  char text[BASE_DIGEST_BASE64URL_CHARS + 1];
  integrity_digest_text(digest, text);
  struct store_path path;
  const int length =
      snprintf(path.text, sizeof path.text, "%s/%.*s/%s%s%s", folder, SHARD_CHARS, text, text, middle, suffix);
  BASE_ASSERT(length > 0 && (size_t)length < sizeof path.text);
  return path;
}

struct store_path store_path_original(const struct integrity_digest *id) {
  return path_of(STORE_ORIGINALS, id, "", "");
}

struct store_path store_path_sidecar(const struct integrity_digest *id, const char *tenant) {
  BASE_ASSERT(store_tenant_is_valid(tenant));
  char middle[STORE_MAX_TENANT + 2];
  snprintf(middle, sizeof middle, ".%s", tenant);
  return path_of(STORE_ORIGINALS, id, middle, record_suffix);
}

struct store_path store_path_tree(const struct integrity_digest *id) {
  return path_of(STORE_ORIGINALS, id, "", tree_suffix);
}

struct store_path store_path_variant(const struct cache_key *key) {
  const struct integrity_digest digest = store_digest_of_key(key);
  return path_of(STORE_VARIANTS, &digest, "", record_suffix);
}

struct store_path store_path_temporary(uint64_t number) {
  struct store_path path;
  snprintf(path.text, sizeof path.text, STORE_TEMPORARY "/%" PRIu64, number);
  return path;
}

struct store_path store_path_partial(const char *name) {
  BASE_ASSERT(store_upload_name_is_valid(name));
  struct store_path path;
  snprintf(path.text, sizeof path.text, STORE_PARTIAL "/%s", name);
  return path;
}

struct store_path store_path_partial_record(const char *name) {
  BASE_ASSERT(store_upload_name_is_valid(name));
  struct store_path path;
  snprintf(path.text, sizeof path.text, STORE_PARTIAL "/%s%s", name, record_suffix);
  return path;
}

struct store_path store_path_shard(const char *folder, const struct integrity_digest *digest) {
  char text[BASE_DIGEST_BASE64URL_CHARS + 1];
  integrity_digest_text(digest, text);
  struct store_path path;
  snprintf(path.text, sizeof path.text, "%s/%.*s", folder, SHARD_CHARS, text);
  return path;
}

struct store_path store_path_shard_number(const char *folder, unsigned shard, struct integrity_digest *first,
                                          struct integrity_digest *last) {
  enum { LOW_MASK = (1 << LOW_BITS) - 1 };
  BASE_ASSERT(shard < STORE_SHARDS);
  memset(first->bytes, 0x00, sizeof first->bytes);
  memset(last->bytes, 0xff, sizeof last->bytes);
  first->bytes[0] = last->bytes[0] = (uint8_t)(shard >> LOW_BITS);
  first->bytes[1] = (uint8_t)((shard & LOW_MASK) << LOW_BITS);
  last->bytes[1] = (uint8_t)(first->bytes[1] | LOW_MASK);
  return store_path_shard(folder, first);
}

unsigned store_shard_of(const struct integrity_digest *digest) {
  return (unsigned)digest->bytes[0] << LOW_BITS | digest->bytes[1] >> LOW_BITS;
}

bool store_name_is_shard(const char *name, unsigned *shard) {
  char text[] = "--AA";  // as much as whole bytes take
  struct integrity_digest start;
  if (strlen(name) != SHARD_CHARS) return false;
  memcpy(text, name, SHARD_CHARS);
  if (!base_base64url_decode(base_span_text(text), start.bytes, 3)) return false;
  *shard = store_shard_of(&start);
  return true;
}

bool store_name_is_original(const char *name, struct integrity_digest *id) {
  return integrity_digest_parse(base_span_text(name), id);
}

static bool cut_suffix(struct base_span *name, const char *suffix) {
  const size_t suffix_bytes = strlen(suffix);
  if (name->bytes < suffix_bytes) return false;
  if (memcmp(name->data + name->bytes - suffix_bytes, suffix, suffix_bytes) != 0) return false;
  name->bytes -= suffix_bytes;
  return true;
}

bool store_name_is_sidecar(const char *name, struct integrity_digest *id, char tenant[STORE_MAX_TENANT + 1]) {
  struct base_span rest = base_span_text(name);
  if (!cut_suffix(&rest, record_suffix)) return false;
  if (!integrity_digest_parse(base_span_cut(&rest, '.'), id)) return false;
  return base_span_copy(rest, tenant, STORE_MAX_TENANT + 1) && store_tenant_is_valid(tenant);
}

bool store_name_is_tree(const char *name, struct integrity_digest *id) {
  struct base_span rest = base_span_text(name);
  return cut_suffix(&rest, tree_suffix) && integrity_digest_parse(rest, id);
}

bool store_name_is_variant(const char *name, struct cache_key *key) {
  struct base_span rest = base_span_text(name);
  struct integrity_digest digest;
  if (!cut_suffix(&rest, record_suffix) || !integrity_digest_parse(rest, &digest)) return false;
  memcpy(key->bytes, digest.bytes, sizeof key->bytes);
  return true;
}

bool store_name_is_partial_record(const char *name, char upload[STORE_UPLOAD_NAME_CHARS + 1]) {
  struct base_span rest = base_span_text(name);
  return cut_suffix(&rest, record_suffix) && base_span_copy(rest, upload, STORE_UPLOAD_NAME_CHARS + 1) &&
         store_upload_name_is_valid(upload);
}
