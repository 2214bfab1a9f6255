#include "signer.h"

#include <mbedtls/platform_util.h>

#include "base/clock.h"
#include "base/file.h"
#include "keys.h"

enum { MAX_PEM_BYTES = 16 * 1024 };

// Only blinds the calculation: what comes out does not depend on it (RFC 6979).
static int fill_random(void *self, unsigned char *out, size_t bytes) {
  (void)self;
  base_random_bytes(out, bytes);
  return 0;
}

static enum base_result load(const char *path, mbedtls_pk_context *out, struct base_fault *fault) {
  struct base_buffer pem;
  enum base_result result = base_file_read(path, MAX_PEM_BYTES, &pem, fault);
  if (result != BASE_OK) return result;
  // The library wants the terminator to be counted.
  result = base_buffer_append(&pem, "", 1);
  if (result != BASE_OK)
    result = BASE_FAIL(fault, result, "key", "no memory for a key");
  else if (mbedtls_pk_parse_key(out, pem.data, pem.bytes, NULL, 0) != 0)
    result = BASE_FAIL(fault, BASE_BAD_INPUT, "key", "%.200s is not a private key (PEM, without a passphrase)", path);
  if (pem.data != NULL) mbedtls_platform_zeroize(pem.data, pem.capacity);
  base_buffer_finish(&pem);
  return result;
}

enum base_result update_sign(const char *key_path, const struct integrity_digest *digest, struct base_buffer *out,
                             struct base_fault *fault) {
  mbedtls_pk_context key;
  uint8_t der[MBEDTLS_PK_SIGNATURE_MAX_SIZE], head[UPDATE_KEY_ID_BYTES + 2];
  size_t bytes = 0;
  mbedtls_pk_init(&key);
  enum base_result result = load(key_path, &key, fault);
  if (result == BASE_OK) result = update_key_id(&key, key_path, head, fault);
  if (result == BASE_OK && mbedtls_pk_sign(&key, MBEDTLS_MD_SHA256, digest->bytes, sizeof(digest->bytes), der, &bytes,
                                           fill_random, NULL) != 0)
    result = BASE_FAIL(fault, BASE_INTERNAL, "key", "the key %.200s does not sign", key_path);
  if (result == BASE_OK) {
    BASE_ASSERT(bytes <= UPDATE_MAX_SIGNATURE);
    head[UPDATE_KEY_ID_BYTES] = (uint8_t)(bytes >> 8);
    head[UPDATE_KEY_ID_BYTES + 1] = (uint8_t)bytes;
    result = base_buffer_append(out, head, sizeof(head));
    if (result == BASE_OK) result = base_buffer_append(out, der, bytes);
    if (result != BASE_OK) result = BASE_FAIL(fault, result, "key", "no memory for a signature");
  }
  mbedtls_pk_free(&key);
  return result;
}
