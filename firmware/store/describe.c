#include "describe.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "paths.h"

// Writing: the first error sticks, so that the lines can be listed without a check after each.
struct writer {
  struct base_buffer *meta;
  enum base_result result;
  const char *failed_name;
};

static void add(struct writer *writer, const char *name, struct base_span value) {
  if (writer->result != BASE_OK) return;
  writer->result = store_meta_add(writer->meta, name, value);
  writer->failed_name = name;
}

static void add_text(struct writer *writer, const char *name, const char *text) {
  add(writer, name, base_span_text(text));
}

static void add_number(struct writer *writer, const char *name, uint64_t number) {
  char text[24];
  snprintf(text, sizeof text, "%" PRIu64, number);
  add_text(writer, name, text);
}

static void add_digest(struct writer *writer, const char *name, const struct integrity_digest *digest) {
  char text[BASE_DIGEST_BASE64URL_CHARS + 1];
  integrity_digest_text(digest, text);
  add_text(writer, name, text);
}

static enum base_result written(const struct writer *writer, struct base_fault *fault) {
  if (writer->result == BASE_OK) return BASE_OK;
  return BASE_FAIL(fault, writer->result, writer->failed_name, "the %s can not be kept in a record",
                   writer->failed_name);
}

static uint64_t not_negative(int64_t seconds) { return seconds < 0 ? 0 : (uint64_t)seconds; }

enum base_result store_describe_original(const struct store_original *original, struct base_buffer *meta,
                                         struct base_fault *fault) {
  struct writer writer = {.meta = meta};
  add_digest(&writer, "id", &original->id);
  add_text(&writer, "tenant", original->tenant);
  add_number(&writer, "bytes", original->bytes);
  add_number(&writer, "width", original->width);
  add_number(&writer, "height", original->height);
  add_number(&writer, "orientation", original->orientation);
  add_number(&writer, "bits", original->bits);
  add_number(&writer, "alpha", original->has_alpha);
  add_number(&writer, "icc", original->has_icc);
  add_text(&writer, "format", original->format);
  add_text(&writer, "colour", original->colour);
  add_number(&writer, "created", not_negative(original->created_s));
  add_number(&writer, "alerts", original->alerts);
  add_text(&writer, "name", original->name);
  struct base_span tags = base_span_text(original->tags);
  while (tags.bytes > 0) add(&writer, "tag", base_span_cut(&tags, '\n'));
  return written(&writer, fault);
}

enum base_result store_describe_variant(const struct store_variant *variant, struct base_buffer *meta,
                                        struct base_fault *fault) {
  const struct integrity_digest key = store_digest_of_key(&variant->key);
  struct writer writer = {.meta = meta};
  add_digest(&writer, "key", &key);
  add_text(&writer, "tenant", variant->tenant);
  add_digest(&writer, "original", &variant->original);
  add_text(&writer, "recipe", variant->recipe);
  add_text(&writer, "type", variant->media_type);
  add_number(&writer, "render", variant->render_version);
  add_number(&writer, "width", variant->width);
  add_number(&writer, "height", variant->height);
  add_number(&writer, "created", not_negative(variant->created_s));
  return written(&writer, fault);
}

enum base_result store_describe_level(const struct store_level *level, struct base_buffer *meta,
                                      struct base_fault *fault) {
  const struct integrity_digest key = store_digest_of_key(&level->key);
  struct writer writer = {.meta = meta};
  add_digest(&writer, "key", &key);
  add_digest(&writer, "original", &level->original);
  add_number(&writer, "shrink", level->shrink);
  return written(&writer, fault);
}

enum base_result store_describe_kept(const struct store_kept *kept, struct base_buffer *meta,
                                     struct base_fault *fault) {
  struct writer writer = {.meta = meta};
  add_text(&writer, "upload", kept->name);
  add_number(&writer, "synced", kept->synced);
  add_text(&writer, "boot", kept->boot_id);
  add_number(&writer, "committed", kept->is_committed);
  return written(&writer, fault);
}

enum base_result store_describe_tree(const struct integrity_digest *id, const struct store_tree *tree,
                                     struct base_buffer *meta, struct base_fault *fault) {
  struct writer writer = {.meta = meta};
  add_digest(&writer, "id", id);
  add_number(&writer, "bytes", tree->bytes);
  add_digest(&writer, "root", &tree->root);
  return written(&writer, fault);
}

enum base_result store_describe_progress(const struct store_progress *progress, struct base_buffer *meta,
                                         struct base_fault *fault) {
  struct writer writer = {.meta = meta};
  add_number(&writer, "last-round", not_negative(progress->last_round_s));
  add_number(&writer, "shard", progress->shard);
  return written(&writer, fault);
}

// Reading: likewise, the first line that is missing or wrong sticks.
struct reader {
  struct base_span meta;
  const char *failed_name;
};

static void take_text(struct reader *reader, const char *name, char *out, size_t capacity) {
  struct base_span value;
  if (reader->failed_name) return;
  if (!store_meta_get(reader->meta, name, &value) || !base_span_copy(value, out, capacity)) reader->failed_name = name;
}

static uint64_t take_number(struct reader *reader, const char *name, uint64_t most) {
  struct base_span value;
  uint64_t number = 0;
  if (reader->failed_name) return 0;
  if (!store_meta_get(reader->meta, name, &value) || !base_span_to_u64(value, &number) || number > most) {
    reader->failed_name = name;
  }
  return number;
}

// A line that older records do not have.
static uint64_t take_number_if_there(struct reader *reader, const char *name, uint64_t most) {
  struct base_span value;
  return store_meta_get(reader->meta, name, &value) ? take_number(reader, name, most) : 0;
}

static void take_digest(struct reader *reader, const char *name, struct integrity_digest *out) {
  struct base_span value;
  if (reader->failed_name) return;
  if (!store_meta_get(reader->meta, name, &value) || !integrity_digest_parse(value, out)) reader->failed_name = name;
}

static void take_tenant(struct reader *reader, char out[STORE_MAX_TENANT + 1]) {
  take_text(reader, "tenant", out, STORE_MAX_TENANT + 1);
  if (!reader->failed_name && !store_tenant_is_valid(out)) reader->failed_name = "tenant";
}

static void take_tags(struct reader *reader, char out[STORE_MAX_TAGS + 1]) {
  struct base_span rest = reader->meta, name, value;
  size_t used = 0;
  bool is_first = true;
  out[0] = '\0';
  while (!reader->failed_name && store_meta_next(&rest, &name, &value)) {
    if (!base_span_is(name, "tag")) continue;
    if (!is_first) out[used++] = '\n';
    is_first = false;
    if (!base_span_copy(value, out + used, STORE_MAX_TAGS + 1 - used)) reader->failed_name = "tag";
    used += value.bytes;
  }
}

static enum base_result taken(const struct reader *reader, struct base_fault *fault) {
  if (!reader->failed_name) return BASE_OK;
  return BASE_FAIL(fault, BASE_CORRUPT, reader->failed_name, "the record's %s is missing or wrong",
                   reader->failed_name);
}

enum base_result store_read_original(const struct store_record *record, struct store_original *out,
                                     struct base_fault *fault) {
  if (record->kind != STORE_RECORD_ORIGINAL) return BASE_FAIL(fault, BASE_CORRUPT, "kind", "not an original's record");
  struct reader reader = {.meta = record->meta};
  *out = (struct store_original){0};
  take_digest(&reader, "id", &out->id);
  take_tenant(&reader, out->tenant);
  out->bytes = take_number(&reader, "bytes", INT64_MAX);
  out->width = (uint32_t)take_number(&reader, "width", UINT32_MAX);
  out->height = (uint32_t)take_number(&reader, "height", UINT32_MAX);
  out->orientation = (uint8_t)take_number(&reader, "orientation", UINT8_MAX);
  out->bits = (uint8_t)take_number(&reader, "bits", UINT8_MAX);
  out->has_alpha = take_number(&reader, "alpha", 1) != 0;
  out->has_icc = take_number(&reader, "icc", 1) != 0;
  take_text(&reader, "format", out->format, sizeof out->format);
  take_text(&reader, "colour", out->colour, sizeof out->colour);
  out->created_s = (int64_t)take_number(&reader, "created", INT64_MAX);
  out->alerts = (uint32_t)take_number_if_there(&reader, "alerts", UINT32_MAX);
  take_text(&reader, "name", out->name, sizeof out->name);
  take_tags(&reader, out->tags);
  return taken(&reader, fault);
}

enum base_result store_read_variant(const struct store_record *record, struct store_variant *out,
                                    struct base_fault *fault) {
  if (record->kind != STORE_RECORD_VARIANT) return BASE_FAIL(fault, BASE_CORRUPT, "kind", "not a variant's record");
  struct reader reader = {.meta = record->meta};
  struct integrity_digest key = {{0}};
  *out = (struct store_variant){.digest = record->body_digest, .bytes = record->body_bytes};
  take_digest(&reader, "key", &key);
  memcpy(out->key.bytes, key.bytes, sizeof out->key.bytes);
  take_tenant(&reader, out->tenant);
  take_digest(&reader, "original", &out->original);
  take_text(&reader, "recipe", out->recipe, sizeof out->recipe);
  take_text(&reader, "type", out->media_type, sizeof out->media_type);
  out->render_version = (uint32_t)take_number_if_there(&reader, "render", UINT32_MAX);
  out->width = (uint32_t)take_number(&reader, "width", UINT32_MAX);
  out->height = (uint32_t)take_number(&reader, "height", UINT32_MAX);
  out->created_s = (int64_t)take_number(&reader, "created", INT64_MAX);
  return taken(&reader, fault);
}

enum base_result store_read_level(const struct store_record *record, struct store_level *out,
                                  struct base_fault *fault) {
  if (record->kind != STORE_RECORD_LEVEL) return BASE_FAIL(fault, BASE_CORRUPT, "kind", "not a level's record");
  struct reader reader = {.meta = record->meta};
  struct integrity_digest key = {{0}};
  *out = (struct store_level){.digest = record->body_digest, .bytes = record->body_bytes};
  take_digest(&reader, "key", &key);
  memcpy(out->key.bytes, key.bytes, sizeof out->key.bytes);
  take_digest(&reader, "original", &out->original);
  out->shrink = (unsigned)take_number(&reader, "shrink", STORE_MAX_SHRINK);
  return taken(&reader, fault);
}

enum base_result store_read_kept(const struct store_record *record, struct store_kept *out, struct base_fault *fault) {
  if (record->kind != STORE_RECORD_UPLOAD) return BASE_FAIL(fault, BASE_CORRUPT, "kind", "not an upload's record");
  struct reader reader = {.meta = record->meta};
  *out = (struct store_kept){0};
  take_text(&reader, "upload", out->name, sizeof out->name);
  if (!reader.failed_name && !store_upload_name_is_valid(out->name)) reader.failed_name = "upload";
  out->synced = take_number(&reader, "synced", INT64_MAX);
  take_text(&reader, "boot", out->boot_id, sizeof out->boot_id);
  out->is_committed = take_number(&reader, "committed", 1) != 0;
  return taken(&reader, fault);
}

enum base_result store_read_tree(const struct store_record *record, struct integrity_digest *id, struct store_tree *out,
                                 struct base_fault *fault) {
  if (record->kind != STORE_RECORD_TREE) return BASE_FAIL(fault, BASE_CORRUPT, "kind", "not a tree's record");
  struct reader reader = {.meta = record->meta};
  *out = (struct store_tree){0};
  take_digest(&reader, "id", id);
  out->bytes = take_number(&reader, "bytes", INT64_MAX);
  take_digest(&reader, "root", &out->root);
  return taken(&reader, fault);
}

enum base_result store_read_progress(const struct store_record *record, struct store_progress *out,
                                     struct base_fault *fault) {
  if (record->kind != STORE_RECORD_FINDINGS) return BASE_FAIL(fault, BASE_CORRUPT, "kind", "not a record of findings");
  struct reader reader = {.meta = record->meta};
  *out = (struct store_progress){0};
  out->last_round_s = (int64_t)take_number(&reader, "last-round", INT64_MAX);
  out->shard = (unsigned)take_number(&reader, "shard", STORE_SHARDS - 1);
  return taken(&reader, fault);
}
