#include "mirror.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"

enum {
  FORMAT = 1,
  MAX_LINE_BYTES = 256 * 1024,
  MAX_MANIFEST_BYTES = 1 << 30,
  FIRST_SLOTS = 64,
  MAX_ITEMS = 1 << 28,
};
#define MANIFEST "/.pixpop/manifest.json"

// --- tables ---

static size_t hash_id(const struct integrity_digest *id) {
  size_t hash;
  memcpy(&hash, id->bytes, sizeof(hash));
  return hash;
}

static size_t hash_file(const char *file) {
  uint64_t hash = UINT64_C(14695981039346656037);  // FNV-1a
  for (; *file != '\0'; file++) hash = (hash ^ (uint8_t)tolower((unsigned char)*file)) * UINT64_C(1099511628211);
  return (size_t)(hash ^ hash >> 32);
}

static bool is_same_file(const char *a, const char *b) {
  for (; *a != '\0' || *b != '\0'; a++, b++) {
    if (tolower((unsigned char)*a) != tolower((unsigned char)*b)) return false;
  }
  return true;
}

static void put(uint32_t *table, size_t mask, size_t hash, size_t item) {
  size_t at = hash & mask;
  while (table[at] != 0) at = (at + 1) & mask;
  table[at] = (uint32_t)item + 1;
}

static enum base_result rebuild(struct mirror *mirror, struct base_fault *fault) {
  size_t slots = FIRST_SLOTS;
  while (slots < mirror->capacity * 2) slots *= 2;
  uint32_t *by_id = calloc(slots, sizeof(*by_id)), *by_file = calloc(slots, sizeof(*by_file));
  if (by_id == NULL || by_file == NULL) {
    free(by_id);
    free(by_file);
    return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for the mirror");
  }
  for (size_t i = 0; i < mirror->count; i++) {
    put(by_id, slots - 1, hash_id(&mirror->items[i].id), i);
    put(by_file, slots - 1, hash_file(mirror->items[i].file), i);
  }
  free(mirror->by_id);
  free(mirror->by_file);
  mirror->by_id = by_id;
  mirror->by_file = by_file;
  mirror->mask = slots - 1;
  return BASE_OK;
}

struct mirror_item *mirror_find(const struct mirror *mirror, const struct integrity_digest *id) {
  if (mirror->by_id == NULL) return NULL;
  for (size_t at = hash_id(id) & mirror->mask; mirror->by_id[at] != 0; at = (at + 1) & mirror->mask) {
    struct mirror_item *item = &mirror->items[mirror->by_id[at] - 1];
    if (!item->is_dead && integrity_digest_equal(&item->id, id)) return item;
  }
  return NULL;
}

struct mirror_item *mirror_find_file(const struct mirror *mirror, const char *file) {
  if (mirror->by_file == NULL) return NULL;
  for (size_t at = hash_file(file) & mirror->mask; mirror->by_file[at] != 0; at = (at + 1) & mirror->mask) {
    struct mirror_item *item = &mirror->items[mirror->by_file[at] - 1];
    if (!item->is_dead && is_same_file(item->file, file)) return item;
  }
  return NULL;
}

enum base_result mirror_add(struct mirror *mirror, const struct mirror_item *item, struct base_fault *fault) {
  if (mirror->count == mirror->capacity) {
    const size_t capacity = mirror->capacity > 0 ? mirror->capacity * 2 : FIRST_SLOTS;
    struct mirror_item *items = capacity <= MAX_ITEMS ? realloc(mirror->items, capacity * sizeof(*items)) : NULL;
    if (items == NULL) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for the mirror");
    mirror->items = items;
    mirror->capacity = capacity;
    const enum base_result result = rebuild(mirror, fault);
    if (result != BASE_OK) return result;
  }
  mirror->items[mirror->count] = *item;
  put(mirror->by_id, mirror->mask, hash_id(&item->id), mirror->count);
  put(mirror->by_file, mirror->mask, hash_file(item->file), mirror->count);
  mirror->count++;
  return BASE_OK;
}

void mirror_init(struct mirror *mirror) { *mirror = (struct mirror){0}; }

void mirror_finish(struct mirror *mirror) {
  free(mirror->checkpoints);
  free(mirror->items);
  free(mirror->by_id);
  free(mirror->by_file);
  mirror_init(mirror);
}

enum base_result mirror_add_checkpoint(struct mirror *mirror, uint64_t size, struct base_fault *fault) {
  if (mirror->checkpoints == NULL) {
    mirror->checkpoints = calloc(MIRROR_MAX_CHECKPOINTS, sizeof(*mirror->checkpoints));
    if (mirror->checkpoints == NULL) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for the mirror");
  }
  uint64_t *sizes = mirror->checkpoints;
  size_t at = mirror->checkpoint_count;
  while (at > 0 && sizes[at - 1] > size) at--;
  if (at > 0 && sizes[at - 1] == size) return BASE_OK;
  if (mirror->checkpoint_count == MIRROR_MAX_CHECKPOINTS) {
    if (at == 0) return BASE_OK;
    memmove(sizes, sizes + 1, (--mirror->checkpoint_count) * sizeof(*sizes));
    at--;
  }
  memmove(sizes + at + 1, sizes + at, (mirror->checkpoint_count - at) * sizeof(*sizes));
  sizes[at] = size;
  mirror->checkpoint_count++;
  return BASE_OK;
}

// --- names ---

bool mirror_is_file(const char *name) {
  const size_t bytes = strlen(name);
  if (bytes == 0 || bytes > MIRROR_MAX_FILE || name[0] == '.') return false;
  for (size_t i = 0; i < bytes; i++) {
    if ((unsigned char)name[i] < ' ' || name[i] == 0x7f || name[i] == '/') return false;
  }
  return true;
}

// Cut between characters of UTF-8.
static size_t cut(const char *text, size_t bytes, size_t most) {
  if (bytes <= most) return bytes;
  while (most > 0 && ((unsigned char)text[most] & 0xc0) == 0x80) most--;
  return most;
}

void mirror_name_file(const char *name, const char *format, const struct integrity_digest *id, int attempt,
                      char out[MIRROR_MAX_FILE + 1]) {
  enum { SHORT_ID = 8, MAX_STEM = 160, MAX_ENDING = 16, SPARE = 8 };
  char clean[256 + SPARE], id_text[BASE_DIGEST_BASE64URL_CHARS + 1], ending[MAX_ENDING + 2] = "";
  size_t bytes = 0;
  integrity_digest_text(id, id_text);
  for (const char *from = name; *from != '\0' && bytes < sizeof(clean) - 1; from++) {
    const bool is_refused = (unsigned char)*from < ' ' || *from == 0x7f || strchr("/\\<>:\"|?*", *from) != NULL;
    clean[bytes] = is_refused || (bytes == 0 && *from == '.') ? '_' : *from;
    bytes++;
  }
  while (bytes > 0 && (clean[bytes - 1] == ' ' || clean[bytes - 1] == '.')) bytes--;
  clean[bytes] = '\0';
  const char *dot = strrchr(clean, '.');
  if (dot != NULL && strlen(dot) <= MAX_ENDING) {
    snprintf(ending, sizeof(ending), "%s", dot);
    bytes = (size_t)(dot - clean);
  } else if (format[0] != '\0' && strlen(format) < MAX_ENDING && mirror_is_file(format)) {
    snprintf(ending, sizeof(ending), ".%s", strcmp(format, "jpeg") == 0 ? "jpg" : format);
  }
  const int stem = (int)cut(clean, bytes, MAX_STEM);
  const int id_chars = attempt == 0 ? 0 : attempt == 1 ? SHORT_ID : BASE_DIGEST_BASE64URL_CHARS;
  if (stem == 0)
    snprintf(out, MIRROR_MAX_FILE + 1, "%s%s", id_text[0] == '-' ? "_" : "", id_text);
  else
    snprintf(out, MIRROR_MAX_FILE + 1, "%.*s%s%.*s", stem, clean, attempt > 0 ? "~" : "", id_chars, id_text);
  snprintf(out + strlen(out), MIRROR_MAX_FILE + 1 - strlen(out), "%s", ending);
}

// --- reading ---

static enum base_result corrupt(struct base_fault *fault, const char *text) {
  return BASE_FAIL(fault, BASE_CORRUPT, "manifest", "the manifest is damaged: %s", text);
}

static uint64_t number_of(const struct base_json_value *object, const char *key) {
  int64_t value;
  return base_json_as_integer(base_json_get(object, key), &value) && value > 0 ? (uint64_t)value : 0;
}

static bool text_of(const struct base_json_value *object, const char *key, char *out, size_t capacity) {
  const char *text = base_json_as_string(base_json_get(object, key));
  return text != NULL && base_span_copy(base_span_text(text), out, capacity);
}

static bool digest_of(const struct base_json_value *object, const char *key, struct integrity_digest *out) {
  const char *text = base_json_as_string(base_json_get(object, key));
  return text != NULL && integrity_digest_parse(base_span_text(text), out);
}

static enum base_result take_head(struct mirror *mirror, const struct base_json_value *head, struct base_fault *fault) {
  if (number_of(head, "format") != FORMAT)
    return BASE_FAIL(fault, BASE_UNSUPPORTED, "manifest", "the manifest is of a format that this pixpop does not know");
  if (!text_of(head, "url", mirror->url, sizeof(mirror->url))) return corrupt(fault, "it names no box");
  mirror->synced_s = (int64_t)number_of(head, "synced_s");
  mirror->has_ledger = base_json_is_true(base_json_get(head, "ledger"));
  const struct base_json_value *sizes = base_json_get(head, "checkpoints");
  enum base_result result = BASE_OK;
  for (size_t i = 0; i < base_json_length(sizes) && result == BASE_OK; i++) {
    int64_t size;
    if (!base_json_as_integer(base_json_at(sizes, i), &size) || size < 0)
      return corrupt(fault, "a checkpoint is no number");
    result = mirror_add_checkpoint(mirror, (uint64_t)size, fault);
  }
  return result;
}

static enum base_result take_item(struct mirror *mirror, const struct base_json_value *value,
                                  struct base_fault *fault) {
  struct mirror_item item = {0};
  if (!digest_of(value, "id", &item.id) || !text_of(value, "file", item.file, sizeof(item.file)))
    return corrupt(fault, "an original has no id or no file");
  if (!mirror_is_file(item.file)) return corrupt(fault, "the name of a file leads out of the folder");
  if (mirror_find(mirror, &item.id) != NULL || mirror_find_file(mirror, item.file) != NULL)
    return corrupt(fault, "an original or a file is there twice");
  if (!digest_of(value, "root", &item.root)) return corrupt(fault, "an original has no root");
  if (!text_of(value, "name", item.name, sizeof(item.name))) item.name[0] = '\0';
  item.bytes = number_of(value, "bytes");
  item.created_s = (int64_t)number_of(value, "created_s");
  item.changed_us = (int64_t)number_of(value, "changed_us");
  item.is_gone = base_json_is_true(base_json_get(value, "gone"));
  return mirror_add(mirror, &item, fault);
}

static enum base_result take_line(struct mirror *mirror, struct base_buffer *line, bool is_head,
                                  struct base_fault *fault) {
  struct base_json *json = NULL;
  if (is_head && base_buffer_append_text(line, "]}") != BASE_OK) return corrupt(fault, "a line is too long");
  if (base_json_parse(base_buffer_span(line), &json, NULL) != BASE_OK) return corrupt(fault, "a line is no JSON");
  const enum base_result result =
      is_head ? take_head(mirror, base_json_root(json), fault) : take_item(mirror, base_json_root(json), fault);
  base_json_destroy(&json);
  return result;
}

// One line without its end; false after the last one.
static bool next_line(FILE *file, struct base_buffer *line, enum base_result *result) {
  int c;
  line->bytes = 0;
  while ((c = getc_unlocked(file)) != EOF && c != '\n') {
    const uint8_t byte = (uint8_t)c;
    if ((*result = base_buffer_append(line, &byte, 1)) != BASE_OK) return false;
  }
  while (line->bytes > 0 && strchr(", \r", line->data[line->bytes - 1]) != NULL) line->bytes--;
  return c != EOF || line->bytes > 0;
}

static enum base_result read_lines(FILE *file, struct mirror *out, struct base_fault *fault) {
  struct base_buffer line;
  enum base_result result = BASE_OK;
  bool is_head = true, is_over = false;
  base_buffer_init(&line, MAX_LINE_BYTES);
  while (result == BASE_OK && !is_over && next_line(file, &line, &result)) {
    is_over = base_span_is(base_buffer_span(&line), "]}");
    if (!is_over) result = take_line(out, &line, is_head, fault);
    is_head = false;
  }
  base_buffer_finish(&line);
  if (result == BASE_OK && !is_over) return corrupt(fault, "it ends early");
  return result == BASE_OK ? BASE_OK : BASE_FAIL(fault, result, "manifest", "a line of the manifest is too long");
}

enum base_result mirror_read(const char *folder, struct mirror *out, struct base_fault *fault) {
  char path[PATH_MAX];
  mirror_init(out);
  if (snprintf(path, sizeof(path), "%s" MANIFEST, folder) >= (int)sizeof(path))
    return BASE_FAIL(fault, BASE_BAD_INPUT, "folder", "the path is too long");
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a FIFO must not hang it
  FILE *file = fd >= 0 ? fdopen(fd, "r") : NULL;
  if (file == NULL) base_fd_close(&fd);
  if (file == NULL && errno == ENOENT) return BASE_FAIL(fault, BASE_NOT_FOUND, "manifest", "there is no manifest");
  if (file == NULL) return BASE_FAIL_ERRNO(fault, "manifest", "the manifest can not be read");
  const enum base_result result = read_lines(file, out, fault);
  fclose(file);
  return result;
}

// --- writing ---

static enum base_result write_head(const struct mirror *mirror, struct base_buffer *out) {
  struct base_json_writer json;
  base_json_begin(&json, out);
  base_json_object(&json, NULL);
  base_json_integer(&json, "format", FORMAT);
  base_json_string(&json, "url", mirror->url);
  base_json_integer(&json, "synced_s", mirror->synced_s);
  base_json_bool(&json, "ledger", mirror->has_ledger);
  base_json_array(&json, "checkpoints");
  for (size_t i = 0; i < mirror->checkpoint_count; i++) base_json_integer(&json, NULL, (int64_t)mirror->checkpoints[i]);
  base_json_array_end(&json);
  base_json_array(&json, "originals");
  return json.result == BASE_OK ? base_buffer_append_text(out, "\n") : json.result;
}

static enum base_result write_item(const struct mirror_item *item, bool is_first, struct base_buffer *out) {
  struct base_json_writer json;
  char id[BASE_DIGEST_BASE64URL_CHARS + 1], root[BASE_DIGEST_BASE64URL_CHARS + 1];
  if (!is_first && base_buffer_append_text(out, ",\n") != BASE_OK) return BASE_NO_MEMORY;
  integrity_digest_text(&item->id, id);
  integrity_digest_text(&item->root, root);
  base_json_begin(&json, out);
  base_json_object(&json, NULL);
  base_json_string(&json, "id", id);
  base_json_string(&json, "file", item->file);
  base_json_string(&json, "name", item->name);
  base_json_integer(&json, "bytes", (int64_t)item->bytes);
  base_json_string(&json, "root", root);
  base_json_integer(&json, "created_s", item->created_s);
  base_json_integer(&json, "changed_us", item->changed_us);
  base_json_bool(&json, "gone", item->is_gone);
  base_json_object_end(&json);
  return json.result;
}

enum base_result mirror_write(const struct mirror *mirror, const char *folder, struct base_fault *fault) {
  struct base_buffer text;
  char path[PATH_MAX];
  bool is_first = true;
  if (snprintf(path, sizeof(path), "%s" MANIFEST, folder) >= (int)sizeof(path))
    return BASE_FAIL(fault, BASE_BAD_INPUT, "folder", "the path is too long");
  base_buffer_init(&text, MAX_MANIFEST_BYTES);
  enum base_result result = write_head(mirror, &text);
  for (size_t i = 0; i < mirror->count && result == BASE_OK; i++) {
    if (mirror->items[i].is_dead) continue;
    result = write_item(&mirror->items[i], is_first, &text);
    is_first = false;
  }
  if (result == BASE_OK) result = base_buffer_append_text(&text, is_first ? "]}\n" : "\n]}\n");
  if (result == BASE_OK)
    result = base_file_replace_durably(path, base_buffer_span(&text), 0644, fault);
  else
    result = BASE_FAIL(fault, result, "manifest", "no memory for the manifest");
  base_buffer_finish(&text);
  return result;
}
