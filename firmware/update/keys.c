#include "keys.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <mbedtls/ecp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

enum { MAX_PEM_BYTES = 16 * 1024, MAX_DER_BYTES = 256 };

struct update_keys {
  size_t count;
  struct update_key *keys;  // one block of UPDATE_MAX_KEYS
};

enum base_result update_key_id(const mbedtls_pk_context *key, const char *name, uint8_t out[UPDATE_KEY_ID_BYTES],
                               struct base_fault *fault) {
  uint8_t der[MAX_DER_BYTES];
  struct integrity_digest digest;
  const bool is_curve = mbedtls_pk_get_type(key) == MBEDTLS_PK_ECKEY || mbedtls_pk_get_type(key) == MBEDTLS_PK_ECDSA;
  if (!is_curve || mbedtls_pk_ec(*key)->grp.id != MBEDTLS_ECP_DP_SECP256R1)
    return BASE_FAIL(fault, BASE_BAD_INPUT, "key", "%.200s holds no P-256 key", name);
  // The library writes at the buffer's end.
  const int bytes = mbedtls_pk_write_pubkey_der((mbedtls_pk_context *)(uintptr_t)key, der, sizeof(der));
  if (bytes <= 0) return BASE_FAIL(fault, BASE_INTERNAL, "key", "%.200s can not be written again", name);
  integrity_digest_of(base_span_of(der + sizeof(der) - (size_t)bytes, (size_t)bytes), &digest);
  memcpy(out, digest.bytes, UPDATE_KEY_ID_BYTES);
  return BASE_OK;
}

static enum base_result load_one(const char *folder, const char *name, struct update_key *out,
                                 struct base_fault *fault) {
  char path[PATH_MAX];
  struct base_buffer pem;
  if (strlen(name) > UPDATE_MAX_KEY_NAME || snprintf(path, sizeof(path), "%s/%s", folder, name) >= PATH_MAX)
    return BASE_FAIL(fault, BASE_BAD_INPUT, "key", "the name of the key %.200s is too long", name);
  strcpy(out->name, name);
  enum base_result result = base_file_read(path, MAX_PEM_BYTES, &pem, fault);
  if (result != BASE_OK) return result;
  // The library wants the terminator to be counted.
  result = base_buffer_append(&pem, "", 1);
  if (result != BASE_OK)
    result = BASE_FAIL(fault, result, "key", "no memory for a key");
  else if (mbedtls_pk_parse_public_key(&out->key, pem.data, pem.bytes) != 0)
    result = BASE_FAIL(fault, BASE_BAD_INPUT, "key", "%.200s is not a public key (PEM)", path);
  base_buffer_finish(&pem);
  return result == BASE_OK ? update_key_id(&out->key, path, out->id, fault) : result;
}

static int is_pem(const struct dirent *entry) {
  const size_t length = strlen(entry->d_name);
  return entry->d_name[0] != '.' && length > 4 && strcmp(entry->d_name + length - 4, ".pem") == 0;
}

static int by_bytes(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }

static enum base_result load_all(const char *folder, struct dirent *const *entries, int count, struct update_keys *keys,
                                 struct base_fault *fault) {
  if (count == 0) return BASE_FAIL(fault, BASE_NOT_FOUND, "keys", "there is no key (*.pem) in %.200s", folder);
  if (count > UPDATE_MAX_KEYS)
    return BASE_FAIL(fault, BASE_TOO_LARGE, "keys", "more than %d keys in %.200s", UPDATE_MAX_KEYS, folder);
  for (int i = 0; i < count; i++) {
    mbedtls_pk_init(&keys->keys[i].key);
    keys->count++;
    const enum base_result result = load_one(folder, entries[i]->d_name, &keys->keys[i], fault);
    if (result != BASE_OK) return result;
  }
  return BASE_OK;
}

enum base_result update_keys_load(const char *folder, struct update_keys **out, struct base_fault *fault) {
  struct dirent **entries = NULL;
  *out = NULL;
  const int count = scandir(folder, &entries, is_pem, by_bytes);
  if (count < 0) return BASE_FAIL_ERRNO(fault, "keys", "cannot read the folder of keys %.200s", folder);
  struct update_keys *keys = calloc(1, sizeof(*keys));
  if (keys != NULL) keys->keys = calloc(UPDATE_MAX_KEYS, sizeof(*keys->keys));
  enum base_result result = keys != NULL && keys->keys != NULL
                                ? load_all(folder, entries, count, keys, fault)
                                : BASE_FAIL(fault, BASE_NO_MEMORY, "keys", "no memory for the keys");
  for (int i = 0; i < count; i++) free(entries[i]);
  free(entries);
  if (result == BASE_OK)
    *out = keys;
  else
    update_keys_destroy(&keys);
  return result;
}

void update_keys_destroy(struct update_keys **keys) {
  if (*keys == NULL) return;
  for (size_t i = 0; i < (*keys)->count; i++) mbedtls_pk_free(&(*keys)->keys[i].key);
  free((*keys)->keys);
  free(*keys);
  *keys = NULL;
}

size_t update_keys_count(const struct update_keys *keys) { return keys->count; }

const uint8_t *update_keys_id(const struct update_keys *keys, size_t index) {
  BASE_ASSERT(index < keys->count);
  return keys->keys[index].id;
}

const char *update_keys_name(const struct update_keys *keys, size_t index) {
  BASE_ASSERT(index < keys->count);
  return keys->keys[index].name;
}

const struct update_key *update_keys_find(const struct update_keys *keys, const uint8_t id[UPDATE_KEY_ID_BYTES]) {
  for (size_t i = 0; i < keys->count; i++) {
    if (memcmp(keys->keys[i].id, id, UPDATE_KEY_ID_BYTES) == 0) return &keys->keys[i];
  }
  return NULL;
}
