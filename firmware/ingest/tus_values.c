#include "tus_values.h"

#include <string.h>

static enum base_result fail_metadata(struct base_fault *fault) {
  return BASE_FAIL(fault, BASE_BAD_INPUT, "Upload-Metadata",
                   "Upload-Metadata is pairs of a key and a base64 value, with commas between them and no key twice");
}

// Visible ASCII that needs no escape in JSON.
static bool is_plain(struct base_span text) {
  for (size_t i = 0; i < text.bytes; i++) {
    uint8_t c = text.data[i];
    if (c <= ' ' || c >= 0x7f || c == '"' || c == '\\') return false;
  }
  return text.bytes > 0;
}

static struct base_span cut_pair(struct base_span *rest, struct base_span *value) {
  *value = base_span_trim(base_span_cut(rest, ','));
  struct base_span key = base_span_cut(value, ' ');
  *value = base_span_trim(*value);
  return key;
}

static bool is_repeated(struct base_span rest, struct base_span key) {
  struct base_span value;
  while (rest.data) {
    if (base_span_equal(cut_pair(&rest, &value), key)) return true;
  }
  return false;
}

// Browsers send names only, other clients whole paths.
static struct base_span last_path_component(struct base_span path) {
  size_t begin = 0;
  for (size_t i = 0; i < path.bytes; i++) {
    if (path.data[i] == '/' || path.data[i] == '\\') begin = i + 1;
  }
  return base_span_slice(path, begin, path.bytes - begin);
}

// As text with commas, written down as the JSON that forms send.
static enum base_result write_tags(struct base_span tags, struct base_buffer *json) {
  struct base_json_writer writer;
  base_json_begin(&writer, json);
  base_json_array(&writer, NULL);
  while (tags.data && writer.result == BASE_OK) {
    struct base_span tag = base_span_trim(base_span_cut(&tags, ','));
    if (tag.bytes > 0) base_json_text(&writer, NULL, tag);
  }
  base_json_array_end(&writer);
  return writer.result;
}

// One array and nothing behind it: it becomes a member of an object.
static enum base_result check_array(struct base_span tags, struct base_fault *fault) {
  struct base_json *json;
  enum base_result result = base_json_parse(tags, &json, fault);
  if (result != BASE_OK) return result;
  if (!base_json_is_array(base_json_root(json))) result = BASE_FAIL(fault, BASE_BAD_INPUT, "tags", "tags is an array");
  base_json_destroy(&json);
  return result;
}

static enum base_result read_tags(struct base_span tags, struct ingest_metadata *out, struct base_fault *fault) {
  struct ingest_metadata metadata;
  struct base_buffer list, json;
  base_buffer_init(&list, 8 * INGEST_TUS_MAX_METADATA);
  base_buffer_init(&json, 8 * INGEST_TUS_MAX_METADATA);
  enum base_result result = BASE_OK;
  if (!base_span_starts_with(tags, "[")) {
    result = write_tags(tags, &list);
    tags = base_buffer_span(&list);
  } else {
    result = check_array(tags, fault);
    if (result != BASE_OK) goto out;
  }
  if (result == BASE_OK) {
    result = base_buffer_printf(&json, "{\"tags\":%.*s}", (int)tags.bytes, (const char *)tags.data);
  }
  if (result != BASE_OK) {
    result = BASE_FAIL(fault, result, "", "no memory for tags");
  } else {
    result = ingest_metadata_parse(base_buffer_span(&json), &metadata, fault);
  }
  if (result == BASE_OK) memcpy(out->tags, metadata.tags, sizeof out->tags);
out:
  base_buffer_finish(&list);
  base_buffer_finish(&json);
  return result;
}

static enum base_result take_pair(struct base_span key, struct base_span value, bool *has_name,
                                  struct ingest_metadata *out, struct base_fault *fault) {
  if (base_span_is(key, "name") || (base_span_is(key, "filename") && !*has_name)) {
    *has_name = base_span_is(key, "name");
    return ingest_metadata_set_name(out, last_path_component(value), fault);
  }
  return base_span_is(key, "tags") ? read_tags(value, out, fault) : BASE_OK;
}

enum base_result ingest_tus_metadata_parse(struct base_span text, struct ingest_metadata *out,
                                           struct base_fault *fault) {
  memset(out, 0, sizeof *out);
  if (text.bytes > INGEST_TUS_MAX_METADATA) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "Upload-Metadata", "Upload-Metadata has at most %d bytes",
                     INGEST_TUS_MAX_METADATA);
  }
  bool has_name = false;
  struct base_span rest = text;
  while (rest.bytes > 0) {
    uint8_t decoded[INGEST_TUS_MAX_METADATA];
    size_t bytes;
    struct base_span value;
    const struct base_span key = cut_pair(&rest, &value);
    const bool is_pair = is_plain(key) && base_base64_decode(value, decoded, sizeof decoded, &bytes);
    // A comma at the end would begin a pair without a key.
    if (!is_pair || is_repeated(rest, key) || (rest.data && rest.bytes == 0)) return fail_metadata(fault);
    enum base_result result = take_pair(key, base_span_of(decoded, bytes), &has_name, out, fault);
    if (result != BASE_OK) return result;
  }
  return BASE_OK;
}

bool ingest_tus_is_id(struct base_span text) {
  uint8_t bytes[BASE_DIGEST_BYTES];
  return base_base64url_decode(text, bytes, sizeof bytes);
}

// The id at the end of a part's URL, absolute or relative.
static bool take_part(struct base_span url, struct ingest_tus_concat *out) {
  if (out->count == INGEST_TUS_MAX_PARTS) return false;
  struct base_span id = last_path_component(url);
  if (!ingest_tus_is_id(id)) return false;
  return base_span_copy(id, out->parts[out->count++], sizeof out->parts[0]);
}

enum base_result ingest_tus_concat_parse(struct base_span value, struct ingest_tus_concat *out,
                                         struct base_fault *fault) {
  out->count = 0;
  out->kind = !value.data ? INGEST_TUS_WHOLE : base_span_is(value, "partial") ? INGEST_TUS_PARTIAL : INGEST_TUS_FINAL;
  if (out->kind != INGEST_TUS_FINAL) return BASE_OK;
  struct base_span rest = value;
  bool is_fine = value.bytes <= INGEST_TUS_MAX_CONCAT && base_span_is(base_span_cut(&rest, ';'), "final");
  while (rest.data && is_fine) {
    struct base_span url = base_span_cut(&rest, ' ');
    if (url.bytes > 0) is_fine = is_plain(url) && take_part(url, out);
  }
  if (is_fine && out->count > 0) return BASE_OK;
  return BASE_FAIL(fault, BASE_BAD_INPUT, "Upload-Concat",
                   "Upload-Concat is \"partial\", or \"final;\" and 1..%d URLs of partial uploads in at most %d bytes",
                   INGEST_TUS_MAX_PARTS, INGEST_TUS_MAX_CONCAT);
}

enum base_result ingest_tus_checksum_begin(struct base_span value, struct ingest_tus_checksum *out,
                                           struct base_fault *fault) {
  memset(out, 0, sizeof *out);
  if (!value.data) return BASE_OK;
  const struct base_span algorithm = base_span_cut(&value, ' ');
  const bool is_sha256 = base_span_is(algorithm, "sha256");
  if (!is_sha256 && !base_span_is(algorithm, "sha1")) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "Upload-Checksum", "the checksums here are " INGEST_TUS_CHECKSUMS);
  }
  const size_t length = is_sha256 ? BASE_DIGEST_BYTES : INTEGRITY_SHA1_BYTES;
  size_t bytes;
  if (!base_base64_decode(base_span_trim(value), out->expected, length, &bytes) || bytes != length) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "Upload-Checksum",
                     "Upload-Checksum is an algorithm, a space and its digest in base64");
  }
  out->bytes = length;
  if (is_sha256) {
    integrity_hash_init(&out->sha256);
  } else {
    integrity_sha1_init(&out->sha1);
  }
  return BASE_OK;
}

void ingest_tus_checksum_update(struct ingest_tus_checksum *checksum, struct base_span bytes) {
  if (checksum->bytes == BASE_DIGEST_BYTES) {
    integrity_hash_update(&checksum->sha256, bytes);
  } else if (checksum->bytes == INTEGRITY_SHA1_BYTES) {
    integrity_sha1_update(&checksum->sha1, bytes);
  }
}

bool ingest_tus_checksum_is_met(struct ingest_tus_checksum *checksum) {
  struct integrity_digest actual;
  if (checksum->bytes == BASE_DIGEST_BYTES) {
    integrity_hash_finish(&checksum->sha256, &actual);
  } else if (checksum->bytes == INTEGRITY_SHA1_BYTES) {
    integrity_sha1_finish(&checksum->sha1, actual.bytes);
  }
  return memcmp(actual.bytes, checksum->expected, checksum->bytes) == 0;
}
