// Public keys as the head's check sees them.
#ifndef UPDATE_KEYS_H
#define UPDATE_KEYS_H

#include <mbedtls/pk.h>

#include "update/bundle.h"

struct update_key {
  mbedtls_pk_context key;
  uint8_t id[UPDATE_KEY_ID_BYTES];
  char name[UPDATE_MAX_KEY_NAME + 1];  // of its file
};

// A P-256 key's id: the first bytes of SHA-256 of its SubjectPublicKeyInfo. BASE_BAD_INPUT for another kind of key.
enum base_result update_key_id(const mbedtls_pk_context *key, const char *name, uint8_t out[UPDATE_KEY_ID_BYTES],
                               struct base_fault *fault) BASE_CHECKED;
// The key of that id; NULL: none.
const struct update_key *update_keys_find(const struct update_keys *keys, const uint8_t id[UPDATE_KEY_ID_BYTES]);

#endif
