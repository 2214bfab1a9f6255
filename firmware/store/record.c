#include "store/record.h"

#include <string.h>

enum {
  FORMAT = 2,
  OLD_FORMAT = 1,
  FORMAT_AT = 8,
  KIND_AT = 10,
  META_BYTES_AT = 12,
  BODY_BYTES_AT = 16,
  TRAILER_BYTES_AT = 24,
  RESERVED_AT = 28,
  BODY_DIGEST_AT = 32,
  ROOT_AT = 64,
  HEAD_DIGEST_AT = 96,
  OLD_HEAD_DIGEST_AT = 64,
};

static const uint8_t magic[8] = {'p', 'i', 'x', 'p', 'o', 'p', 0x1a, 0x0a};

static void store_little(uint8_t *at, uint64_t value, size_t bytes) {
  for (size_t i = 0; i < bytes; i++) at[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t load_little(const uint8_t *at, size_t bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < bytes; i++) value |= (uint64_t)at[i] << (8 * i);
  return value;
}

// `covered_bytes` of the head are in front of the digest itself.
static void digest_head(const uint8_t *head, size_t covered_bytes, struct base_span meta,
                        struct integrity_digest *out) {
  struct integrity_hash hash;
  integrity_hash_init(&hash);
  integrity_hash_update(&hash, base_span_of(head, covered_bytes));
  integrity_hash_update(&hash, meta);
  integrity_hash_finish(&hash, out);
}

// BASE_CORRUPT when the leaves would not fit the field.
static enum base_result trailer_bytes_of(uint64_t body_bytes, size_t *out, struct base_fault *fault) {
  const uint64_t leaves = integrity_block_count(body_bytes);
  if (leaves > UINT32_MAX / sizeof(struct integrity_digest)) {
    return BASE_FAIL(fault, BASE_CORRUPT, "body", "a record's body can not be so large");
  }
  *out = (size_t)leaves * sizeof(struct integrity_digest);
  return BASE_OK;
}

enum base_result store_record_seal(struct store_record *record, struct base_span body, struct base_buffer *trailer,
                                   struct base_fault *fault) {
  struct integrity_merkle tree;
  struct integrity_digest leaf;
  integrity_merkle_init(&tree);
  enum base_result result = trailer_bytes_of(body.bytes, &record->trailer_bytes, fault);
  if (result == BASE_OK) result = base_buffer_reserve(trailer, record->trailer_bytes);
  for (size_t at = 0; at < body.bytes && result == BASE_OK; at += INTEGRITY_BLOCK_BYTES) {
    integrity_merkle_leaf(base_span_slice(body, at, INTEGRITY_BLOCK_BYTES), &leaf);
    integrity_merkle_add(&tree, &leaf);
    result = base_buffer_append(trailer, leaf.bytes, sizeof leaf.bytes);
  }
  if (result != BASE_OK) return BASE_FAIL(fault, result, "", "no memory for a record's trailer");
  record->body_bytes = body.bytes;
  integrity_merkle_root(&tree, &record->root);
  return BASE_OK;
}

enum base_result store_record_write_head(const struct store_record *record, struct base_buffer *out,
                                         struct base_fault *fault) {
  if (record->meta.bytes > STORE_RECORD_MAX_META) {
    return BASE_FAIL(fault, BASE_TOO_LARGE, "metadata", "a record's metadata is over %d bytes", STORE_RECORD_MAX_META);
  }
  uint8_t head[STORE_RECORD_HEAD_BYTES] = {0};
  memcpy(head, magic, sizeof magic);
  store_little(head + FORMAT_AT, FORMAT, 2);
  store_little(head + KIND_AT, (uint64_t)record->kind, 2);
  store_little(head + META_BYTES_AT, record->meta.bytes, 4);
  store_little(head + BODY_BYTES_AT, record->body_bytes, 8);
  store_little(head + TRAILER_BYTES_AT, record->trailer_bytes, 4);
  memcpy(head + BODY_DIGEST_AT, record->body_digest.bytes, sizeof record->body_digest.bytes);
  memcpy(head + ROOT_AT, record->root.bytes, sizeof record->root.bytes);
  struct integrity_digest digest;
  digest_head(head, HEAD_DIGEST_AT, record->meta, &digest);
  memcpy(head + HEAD_DIGEST_AT, digest.bytes, sizeof digest.bytes);

  enum base_result result = base_buffer_append(out, head, sizeof head);
  if (result == BASE_OK) result = base_buffer_append(out, record->meta.data, record->meta.bytes);
  if (result != BASE_OK) return BASE_FAIL(fault, result, "", "cannot hold a record's head");
  return BASE_OK;
}

static bool is_known_kind(uint64_t kind) { return kind >= STORE_RECORD_ORIGINAL && kind <= STORE_RECORD_FINDINGS; }

static bool is_good_meta(struct base_span meta) {
  struct base_span name, value;
  while (store_meta_next(&meta, &name, &value)) continue;
  return meta.bytes == 0;
}

static bool sizes_agree(uint64_t front_bytes, uint64_t body_bytes, uint64_t trailer_bytes, uint64_t file_bytes) {
  return file_bytes >= front_bytes && file_bytes - front_bytes >= trailer_bytes &&
         file_bytes - front_bytes - trailer_bytes == body_bytes;
}

// The metadata, once head and metadata are what their digest says.
static enum base_result believe_front(struct base_span bytes, size_t head_bytes, size_t digest_at,
                                      struct base_span *out_meta, struct base_fault *fault) {
  if (bytes.bytes < head_bytes) return BASE_FAIL(fault, BASE_CORRUPT, "", "shorter than a record's head");
  const size_t meta_bytes = (size_t)load_little(bytes.data + META_BYTES_AT, 4);
  if (meta_bytes > STORE_RECORD_MAX_META || meta_bytes > bytes.bytes - head_bytes) {
    return BASE_FAIL(fault, BASE_CORRUPT, "metadata", "the record's metadata does not fit");
  }
  const struct base_span meta = base_span_slice(bytes, head_bytes, meta_bytes);
  struct integrity_digest digest;
  digest_head(bytes.data, digest_at, meta, &digest);
  if (memcmp(digest.bytes, bytes.data + digest_at, sizeof digest.bytes) != 0) {
    return BASE_FAIL(fault, BASE_CORRUPT, "head", "the record's head fails its digest");
  }
  *out_meta = meta;
  return BASE_OK;
}

// What the fields of a believed head say, but for its metadata.
static enum base_result read_fields(const uint8_t *head, struct store_record *out, struct base_fault *fault) {
  const uint64_t kind = load_little(head + KIND_AT, 2);
  if (!is_known_kind(kind))
    return BASE_FAIL(fault, BASE_UNSUPPORTED, "kind", "record kind %u is unknown", (unsigned)kind);
  if (load_little(head + RESERVED_AT, 4) != 0) {
    return BASE_FAIL(fault, BASE_CORRUPT, "head", "a reserved field of the record is not 0");
  }
  out->kind = (enum store_record_kind)kind;
  out->body_bytes = load_little(head + BODY_BYTES_AT, 8);
  out->trailer_bytes = 0;
  memcpy(out->body_digest.bytes, head + BODY_DIGEST_AT, sizeof out->body_digest.bytes);
  memset(&out->root, 0, sizeof out->root);
  if (out->format != OLD_FORMAT) {
    memcpy(out->root.bytes, head + ROOT_AT, sizeof out->root.bytes);
    const enum base_result result = trailer_bytes_of(out->body_bytes, &out->trailer_bytes, fault);
    if (result != BASE_OK) return result;
  }
  if (load_little(head + TRAILER_BYTES_AT, 4) == out->trailer_bytes) return BASE_OK;
  return BASE_FAIL(fault, BASE_CORRUPT, "trailer", "the record's trailer has another length than its body asks for");
}

enum base_result store_record_read_head(struct base_span bytes, uint64_t file_bytes, struct store_record *out,
                                        uint64_t *body_offset, struct base_fault *fault) {
  if (bytes.bytes < STORE_RECORD_OLD_HEAD_BYTES) {
    return BASE_FAIL(fault, BASE_CORRUPT, "", "shorter than a record's head");
  }
  if (memcmp(bytes.data, magic, sizeof magic) != 0) return BASE_FAIL(fault, BASE_CORRUPT, "", "not a record");
  out->format = (unsigned)load_little(bytes.data + FORMAT_AT, 2);
  if (out->format != FORMAT && out->format != OLD_FORMAT) {
    return BASE_FAIL(fault, BASE_UNSUPPORTED, "format", "record format %u is unknown", out->format);
  }
  const bool is_old = out->format == OLD_FORMAT;
  const size_t head_bytes = is_old ? STORE_RECORD_OLD_HEAD_BYTES : STORE_RECORD_HEAD_BYTES;
  enum base_result result =
      believe_front(bytes, head_bytes, is_old ? OLD_HEAD_DIGEST_AT : HEAD_DIGEST_AT, &out->meta, fault);
  if (result == BASE_OK) result = read_fields(bytes.data, out, fault);
  if (result != BASE_OK) return result;
  if (!sizes_agree(head_bytes + out->meta.bytes, out->body_bytes, out->trailer_bytes, file_bytes)) {
    return BASE_FAIL(fault, BASE_CORRUPT, "", "the record's length is not what its head says");
  }
  if (!is_good_meta(out->meta)) {
    return BASE_FAIL(fault, BASE_CORRUPT, "metadata", "the record's metadata breaks its form");
  }
  *body_offset = head_bytes + out->meta.bytes;
  return BASE_OK;
}

static struct integrity_digest leaf_at(struct base_span trailer, uint64_t index) {
  struct integrity_digest leaf;
  memcpy(leaf.bytes, trailer.data + index * sizeof leaf.bytes, sizeof leaf.bytes);
  return leaf;
}

enum base_result store_record_check_trailer(const struct store_record *record, struct base_span trailer,
                                            struct base_fault *fault) {
  struct integrity_merkle tree;
  struct integrity_digest root;
  integrity_merkle_init(&tree);
  for (uint64_t i = 0; i < trailer.bytes / sizeof root.bytes; i++) {
    const struct integrity_digest leaf = leaf_at(trailer, i);
    integrity_merkle_add(&tree, &leaf);
  }
  integrity_merkle_root(&tree, &root);
  if (trailer.bytes == record->trailer_bytes && integrity_digest_equal(&root, &record->root)) return BASE_OK;
  return BASE_FAIL(fault, BASE_CORRUPT, "trailer", "the leaves of the record's trailer fail their root");
}

enum base_result store_record_check_block(struct base_span trailer, uint64_t index, struct base_span block,
                                          struct base_fault *fault) {
  const struct integrity_digest expected = leaf_at(trailer, index);
  struct integrity_digest leaf;
  integrity_merkle_leaf(block, &leaf);
  if (integrity_digest_equal(&leaf, &expected)) return BASE_OK;
  return BASE_FAIL(fault, BASE_CORRUPT, "body", "block %llu of the record's body fails its leaf",
                   (unsigned long long)index);
}
