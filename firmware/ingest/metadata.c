#include <string.h>

#include "base/checked.h"
#include "base/json.h"
#include "base/utf8.h"
#include "ingest/ingest.h"

enum { MAX_SHOWN_MEMBER = 40 };

// UTF-8 without control characters (C0, DEL and C1).
static bool is_display_text(struct base_span text) {
  for (size_t at = 0; at < text.bytes;) {
    size_t bytes = base_utf8_char_bytes(base_span_slice(text, at, text.bytes - at));
    if (bytes == 0) return false;
    if (text.data[at] < 0x20 || text.data[at] == 0x7f) return false;
    if (bytes == 2 && text.data[at] == 0xc2 && text.data[at + 1] < 0xa0) return false;
    at += bytes;
  }
  return true;
}

enum base_result ingest_metadata_set_name(struct ingest_metadata *metadata, struct base_span name,
                                          struct base_fault *fault) {
  if (name.bytes > STORE_MAX_NAME) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "name", "a name has at most %d bytes", STORE_MAX_NAME);
  }
  if (!is_display_text(name) || !base_span_copy(name, metadata->name, sizeof metadata->name)) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "name", "a name is UTF-8 without control characters");
  }
  return BASE_OK;
}

static enum base_result read_name(const struct base_json_value *value, struct ingest_metadata *out,
                                  struct base_fault *fault) {
  const char *name = base_json_as_string(value);
  if (!name) return BASE_FAIL(fault, BASE_BAD_INPUT, "name", "the name in the metadata is a string");
  return ingest_metadata_set_name(out, base_span_text(name), fault);
}

static enum base_result read_tag(const struct base_json_value *value, struct ingest_metadata *out,
                                 struct base_fault *fault) {
  struct base_span tag = base_span_text(base_json_as_string(value));
  if (tag.bytes == 0 || tag.bytes > INGEST_MAX_TAG || !is_display_text(tag)) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "tags", "a tag is a string of 1..%d bytes without control characters",
                     INGEST_MAX_TAG);
  }
  size_t used = strlen(out->tags);
  size_t separator = used > 0 ? 1 : 0;
  if (used + separator + tag.bytes > STORE_MAX_TAGS) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "tags", "all tags together have at most %d bytes", STORE_MAX_TAGS);
  }
  if (separator) out->tags[used] = '\n';
  memcpy(out->tags + used + separator, tag.data, tag.bytes);
  out->tags[used + separator + tag.bytes] = '\0';
  return BASE_OK;
}

static enum base_result read_tags(const struct base_json_value *value, struct ingest_metadata *out,
                                  struct base_fault *fault) {
  size_t count = base_json_length(value);
  if (!base_json_is_array(value) || count > INGEST_MAX_TAGS) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "tags", "the tags are an array of at most %d strings", INGEST_MAX_TAGS);
  }
  for (size_t i = 0; i < count; i++) {
    enum base_result result = read_tag(base_json_at(value, i), out, fault);
    if (result != BASE_OK) return result;
  }
  return BASE_OK;
}

// Cuts the next string off valid JSON, or the next other byte (an empty text). Escapes stay as they are.
static struct base_span next_string(struct base_span *json, uint8_t *byte) {
  size_t end = 1;
  *byte = json->data[0];
  while (*byte == '"' && json->data[end] != '"') end += json->data[end] == '\\' ? 2 : 1;
  struct base_span text = base_span_slice(*json, 1, end - 1);
  size_t taken = *byte == '"' ? end + 1 : 1;
  *json = base_span_slice(*json, taken, json->bytes - taken);
  return text;
}

// `json` is a valid object. Says which of its members is none of ours, or comes twice.
static enum base_result check_members(struct base_span json, struct base_fault *fault) {
  bool seen_name = false, seen_tags = false;
  struct base_span text = {0}, last_text = {0};
  for (int depth = 0; json.bytes > 0; last_text = text) {
    uint8_t byte;
    text = next_string(&json, &byte);
    if (byte == '{' || byte == '[') depth++;
    if (byte == '}' || byte == ']') depth--;
    if (byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n') text = last_text;
    if (byte != ':' || depth != 1) continue;
    bool *seen = base_span_is(last_text, "name") ? &seen_name : base_span_is(last_text, "tags") ? &seen_tags : NULL;
    if (!seen) {
      return BASE_FAIL(fault, BASE_BAD_INPUT, "metadata", "the metadata has no member \"%.*s\", only name and tags",
                       (int)base_min_u64(last_text.bytes, MAX_SHOWN_MEMBER), (const char *)last_text.data);
    }
    if (*seen) return BASE_FAIL(fault, BASE_BAD_INPUT, "metadata", "the metadata repeats a member");
    *seen = true;
  }
  return BASE_OK;
}

enum base_result ingest_metadata_parse(struct base_span json, struct ingest_metadata *out, struct base_fault *fault) {
  memset(out, 0, sizeof *out);
  struct base_json *tree = NULL;
  enum base_result result = base_json_parse(json, &tree, fault);
  if (result != BASE_OK) return result;
  const struct base_json_value *root = base_json_root(tree);
  if (!base_json_is_object(root)) {
    result = BASE_FAIL(fault, BASE_BAD_INPUT, "metadata", "the metadata is a JSON object");
    goto out;
  }
  result = check_members(json, fault);
  const struct base_json_value *name = base_json_get(root, "name");
  const struct base_json_value *tags = base_json_get(root, "tags");
  if (result == BASE_OK && name) result = read_name(name, out, fault);
  if (result == BASE_OK && tags) result = read_tags(tags, out, fault);

out:
  base_json_destroy(&tree);
  return result;
}
