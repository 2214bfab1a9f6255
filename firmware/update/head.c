#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "base/text.h"
#include "keys.h"

enum {
  FORMAT = 1,
  SIGNATURE_HEAD_BYTES = UPDATE_KEY_ID_BYTES + 2,
  MAX_HEAD_BYTES =
      UPDATE_HEAD_BYTES + UPDATE_MAX_MANIFEST + UPDATE_MAX_SIGNATURES * (SIGNATURE_HEAD_BYTES + UPDATE_MAX_SIGNATURE),
};

static const char magic[] = "pxupdate";

struct signature {
  const uint8_t *key_id;
  struct base_span der;
};

static uint32_t be32(const uint8_t *bytes) {
  return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static size_t manifest_bytes_of(const uint8_t *head) { return be32(head + 12); }
static size_t signature_count_of(const uint8_t *head) { return be32(head + 16); }

void update_head_init(struct update_head *head) {
  *head = (struct update_head){.wanted = UPDATE_HEAD_BYTES};
  base_buffer_init(&head->bytes, MAX_HEAD_BYTES);
}

void update_head_finish(struct update_head *head) { base_buffer_finish(&head->bytes); }

// As much of the first bytes as has come: who sends something else hears so at once.
static enum base_result check_start(const struct update_head *head, struct base_fault *fault) {
  const uint8_t *bytes = head->bytes.data;
  const size_t count = head->bytes.bytes;
  if (memcmp(bytes, magic, count < 8 ? count : 8) != 0)
    return BASE_FAIL(fault, BASE_BAD_INPUT, "bundle", "this is not an update bundle of pixpop");
  if (count >= 12 && be32(bytes + 8) != FORMAT)
    return BASE_FAIL(fault, BASE_UNSUPPORTED, "bundle",
                     "this update bundle has the format %u, which this version does not know", be32(bytes + 8));
  if (count < UPDATE_HEAD_BYTES) return BASE_OK;
  if (manifest_bytes_of(bytes) == 0 || manifest_bytes_of(bytes) > UPDATE_MAX_MANIFEST)
    return BASE_FAIL(fault, BASE_BAD_INPUT, "bundle",
                     "the update bundle is damaged: its manifest has %zu bytes, not 1 to %d", manifest_bytes_of(bytes),
                     UPDATE_MAX_MANIFEST);
  if (signature_count_of(bytes) == 0 || signature_count_of(bytes) > UPDATE_MAX_SIGNATURES)
    return BASE_FAIL(fault, BASE_BAD_INPUT, "bundle",
                     "the update bundle is damaged: it has %zu signatures, not 1 to %d", signature_count_of(bytes),
                     UPDATE_MAX_SIGNATURES);
  return BASE_OK;
}

// Moves `wanted` on, by what has come so far.
static enum base_result look_ahead(struct update_head *head, struct base_fault *fault) {
  const uint8_t *bytes = head->bytes.data;
  size_t at = UPDATE_HEAD_BYTES + manifest_bytes_of(bytes);
  for (size_t i = 0; i < signature_count_of(bytes); i++) {
    if (head->bytes.bytes < at + SIGNATURE_HEAD_BYTES) {
      head->wanted = at + SIGNATURE_HEAD_BYTES;
      return BASE_OK;
    }
    const uint8_t *length = bytes + at + UPDATE_KEY_ID_BYTES;
    const size_t der_bytes = (size_t)length[0] << 8 | length[1];
    if (der_bytes == 0 || der_bytes > UPDATE_MAX_SIGNATURE)
      return BASE_FAIL(fault, BASE_BAD_INPUT, "bundle",
                       "the update bundle is damaged: a signature has %zu bytes, not 1 to %d", der_bytes,
                       UPDATE_MAX_SIGNATURE);
    at += SIGNATURE_HEAD_BYTES + der_bytes;
  }
  head->wanted = at;
  return BASE_OK;
}

// The signature at *at of a whole head, and *at behind it.
static struct signature next_signature(const struct update_head *head, size_t *at) {
  const uint8_t *start = head->bytes.data + *at;
  const size_t der_bytes = (size_t)start[UPDATE_KEY_ID_BYTES] << 8 | start[UPDATE_KEY_ID_BYTES + 1];
  *at += SIGNATURE_HEAD_BYTES + der_bytes;
  return (struct signature){start, base_span_of(start + SIGNATURE_HEAD_BYTES, der_bytes)};
}

static enum update_worth worth_of(const struct signature *signature, const struct update_key *key,
                                  const struct integrity_digest *digest) {
  if (key == NULL) return UPDATE_KEY_UNKNOWN;
  // The library counts uses in the key, so it is not constant for it.
  const int result = mbedtls_pk_verify((mbedtls_pk_context *)(uintptr_t)&key->key, MBEDTLS_MD_SHA256, digest->bytes,
                                       sizeof(digest->bytes), signature->der.data, signature->der.bytes);
  return result == 0 ? UPDATE_SIGNATURE_RIGHT : UPDATE_SIGNATURE_WRONG;
}

size_t update_head_signatures(const struct update_head *head, const struct update_keys *keys,
                              struct update_signature out[UPDATE_MAX_SIGNATURES]) {
  BASE_ASSERT(head->bytes.bytes == head->wanted && head->wanted > UPDATE_HEAD_BYTES);
  struct integrity_digest digest;
  const size_t count = signature_count_of(head->bytes.data);
  size_t at = UPDATE_HEAD_BYTES + manifest_bytes_of(head->bytes.data);
  integrity_digest_of(base_span_of(head->bytes.data, at), &digest);
  for (size_t i = 0; i < count; i++) {
    const struct signature signature = next_signature(head, &at);
    const struct update_key *key = keys != NULL ? update_keys_find(keys, signature.key_id) : NULL;
    memcpy(out[i].key_id, signature.key_id, UPDATE_KEY_ID_BYTES);
    out[i].key_name = key != NULL ? key->name : NULL;
    out[i].worth = worth_of(&signature, key, &digest);
  }
  return count;
}

// One right signature by a key that is trusted is enough: that is how keys are rotated.
static enum base_result check_signatures(const struct update_head *head, const struct update_keys *keys,
                                         struct base_fault *fault) {
  struct update_signature signatures[UPDATE_MAX_SIGNATURES];
  char id[2 * UPDATE_KEY_ID_BYTES + 1];
  const struct update_signature *wrong = NULL;
  const size_t count = update_head_signatures(head, keys, signatures);
  for (size_t i = 0; i < count; i++) {
    if (signatures[i].worth == UPDATE_SIGNATURE_RIGHT) return BASE_OK;
    if (signatures[i].worth == UPDATE_SIGNATURE_WRONG && wrong == NULL) wrong = &signatures[i];
  }
  base_hex_encode(base_span_of((wrong != NULL ? wrong : signatures)->key_id, UPDATE_KEY_ID_BYTES), id, sizeof(id));
  if (wrong != NULL)
    return BASE_FAIL(fault, BASE_FORBIDDEN, "signature",
                     "the signature by key %s is wrong: the bundle was changed after it was signed", id);
  return BASE_FAIL(fault, BASE_FORBIDDEN, "signature",
                   "the bundle is not signed by a key that this box trusts (it says: key %s)", id);
}

static enum base_result take(struct update_head *head, struct base_span *in, bool *is_whole, struct base_fault *fault) {
  *is_whole = false;
  while (head->bytes.bytes < head->wanted) {
    if (in->bytes == 0) return BASE_OK;
    const size_t bytes = base_min_u64(head->wanted - head->bytes.bytes, in->bytes);
    enum base_result result = base_buffer_append(&head->bytes, in->data, bytes);
    if (result != BASE_OK) return BASE_FAIL(fault, result, "bundle", "no memory for the head of the update bundle");
    *in = base_span_slice(*in, bytes, in->bytes);
    if (head->wanted == UPDATE_HEAD_BYTES) result = check_start(head, fault);
    if (result == BASE_OK && head->bytes.bytes == head->wanted) result = look_ahead(head, fault);
    if (result != BASE_OK) return result;
  }
  *is_whole = true;
  return BASE_OK;
}

static enum base_result parse(const struct update_head *head, struct update_manifest *out, struct base_fault *fault) {
  const struct base_span text = base_span_of(head->bytes.data + UPDATE_HEAD_BYTES, manifest_bytes_of(head->bytes.data));
  return update_manifest_parse(text, out, fault);
}

enum base_result update_head_take(struct update_head *head, const struct update_keys *keys, struct base_span *in,
                                  struct update_manifest *out, bool *is_whole, struct base_fault *fault) {
  enum base_result result = take(head, in, is_whole, fault);
  if (result != BASE_OK || !*is_whole) return result;
  result = check_signatures(head, keys, fault);
  if (result == BASE_OK) result = parse(head, out, fault);
  *is_whole = result == BASE_OK;
  return result;
}

enum base_result update_head_look(struct update_head *head, struct base_span *in, struct update_manifest *out,
                                  bool *is_whole, struct base_fault *fault) {
  enum base_result result = take(head, in, is_whole, fault);
  if (result != BASE_OK || !*is_whole) return result;
  result = parse(head, out, fault);
  *is_whole = result == BASE_OK;
  return result;
}
