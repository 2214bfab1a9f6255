#include "store/record.h"

#include <string.h>

enum {
  FORMAT = 1,
  FORMAT_AT = 8,
  KIND_AT = 10,
  META_BYTES_AT = 12,
  BODY_BYTES_AT = 16,
  TRAILER_BYTES_AT = 24,
  RESERVED_AT = 28,
  BODY_DIGEST_AT = 32,
  HEAD_DIGEST_AT = 64,
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

static void digest_head(const uint8_t *head, struct base_span meta, struct integrity_digest *out) {
  struct integrity_hash hash;
  integrity_hash_init(&hash);
  integrity_hash_update(&hash, base_span_of(head, HEAD_DIGEST_AT));
  integrity_hash_update(&hash, meta);
  integrity_hash_finish(&hash, out);
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
  memcpy(head + BODY_DIGEST_AT, record->body_digest.bytes, sizeof record->body_digest.bytes);
  struct integrity_digest digest;
  digest_head(head, record->meta, &digest);
  memcpy(head + HEAD_DIGEST_AT, digest.bytes, sizeof digest.bytes);

  enum base_result result = base_buffer_append(out, head, sizeof head);
  if (result == BASE_OK) result = base_buffer_append(out, record->meta.data, record->meta.bytes);
  if (result != BASE_OK) return BASE_FAIL(fault, result, "", "cannot hold a record's head");
  return BASE_OK;
}

static bool is_known_kind(uint64_t kind) { return kind >= STORE_RECORD_ORIGINAL && kind <= STORE_RECORD_UPLOAD; }

static bool is_good_meta(struct base_span meta) {
  struct base_span name, value;
  while (store_meta_next(&meta, &name, &value)) continue;
  return meta.bytes == 0;
}

static bool sizes_agree(size_t front_bytes, uint64_t body_bytes, uint64_t file_bytes) {
  return file_bytes >= front_bytes && file_bytes - front_bytes == body_bytes;
}

enum base_result store_record_read_head(struct base_span bytes, uint64_t file_bytes, struct store_record *out,
                                        uint64_t *body_offset, struct base_fault *fault) {
  const uint8_t *head = bytes.data;
  if (bytes.bytes < STORE_RECORD_HEAD_BYTES) return BASE_FAIL(fault, BASE_CORRUPT, "", "shorter than a record's head");
  if (memcmp(head, magic, sizeof magic) != 0) return BASE_FAIL(fault, BASE_CORRUPT, "", "not a record");
  const unsigned format = (unsigned)load_little(head + FORMAT_AT, 2);
  if (format != FORMAT) return BASE_FAIL(fault, BASE_UNSUPPORTED, "format", "record format %u is unknown", format);

  const size_t meta_bytes = (size_t)load_little(head + META_BYTES_AT, 4);
  if (meta_bytes > STORE_RECORD_MAX_META || meta_bytes > bytes.bytes - STORE_RECORD_HEAD_BYTES) {
    return BASE_FAIL(fault, BASE_CORRUPT, "metadata", "the record's metadata does not fit");
  }
  const struct base_span meta = base_span_slice(bytes, STORE_RECORD_HEAD_BYTES, meta_bytes);
  struct integrity_digest digest;
  digest_head(head, meta, &digest);
  if (memcmp(digest.bytes, head + HEAD_DIGEST_AT, sizeof digest.bytes) != 0) {
    return BASE_FAIL(fault, BASE_CORRUPT, "head", "the record's head fails its digest");
  }

  const uint64_t kind = load_little(head + KIND_AT, 2);
  if (!is_known_kind(kind))
    return BASE_FAIL(fault, BASE_UNSUPPORTED, "kind", "record kind %u is unknown", (unsigned)kind);
  if (load_little(head + TRAILER_BYTES_AT, 4) != 0 || load_little(head + RESERVED_AT, 4) != 0) {
    return BASE_FAIL(fault, BASE_CORRUPT, "head", "a reserved field of the record is not 0");
  }
  const uint64_t body_bytes = load_little(head + BODY_BYTES_AT, 8);
  if (!sizes_agree(STORE_RECORD_HEAD_BYTES + meta_bytes, body_bytes, file_bytes)) {
    return BASE_FAIL(fault, BASE_CORRUPT, "", "the record's length is not what its head says");
  }
  if (!is_good_meta(meta)) return BASE_FAIL(fault, BASE_CORRUPT, "metadata", "the record's metadata breaks its form");

  out->kind = (enum store_record_kind)kind;
  out->body_bytes = body_bytes;
  memcpy(out->body_digest.bytes, head + BODY_DIGEST_AT, sizeof out->body_digest.bytes);
  out->meta = meta;
  *body_offset = STORE_RECORD_HEAD_BYTES + meta_bytes;
  return BASE_OK;
}
