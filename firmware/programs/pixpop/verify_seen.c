#include "verify_seen.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"

enum { MAX_STATE_BYTES = BASE_JSON_MAX_BYTES, STATE_MODE = 0600 };

void verify_seen_path(const char *state_option, char out[PATH_MAX]) {
  const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
  int length = -1;
  if (state_option != NULL)
    length = snprintf(out, PATH_MAX, "%s", state_option);
  else if (state != NULL && state[0] == '/')  // others are to be ignored, says the XDG base directory specification
    length = snprintf(out, PATH_MAX, "%s/pixpop/ledgers.json", state);
  else if (home != NULL && home[0] == '/')
    length = snprintf(out, PATH_MAX, "%s/.local/state/pixpop/ledgers.json", home);
  if (length <= 0 || length >= PATH_MAX) out[0] = '\0';
}

// *out is NULL when there is no file yet.
static enum base_result read_state(const char *path, struct base_json **out, struct base_fault *fault) {
  struct base_buffer text;
  struct base_fault cause = {0};
  *out = NULL;
  enum base_result result = base_file_read(path, MAX_STATE_BYTES, &text, &cause);
  if (result == BASE_OK) {
    result = base_json_parse(base_buffer_span(&text), out, NULL);
    if (result == BASE_OK && !base_json_is_array(base_json_get(base_json_root(*out), "ledgers"))) result = BASE_CORRUPT;
    if (result != BASE_OK) {
      base_json_destroy(out);
      result = BASE_FAIL(fault, BASE_IO, "state",
                         "the state file '%.200s' is damaged or none of ours; move it away to begin anew", path);
    }
  } else if (result == BASE_NOT_FOUND) {
    result = BASE_OK;
  } else {
    result = BASE_FAIL(fault, result, "state", "the state file '%.150s': %.120s", path, cause.text);
  }
  base_buffer_finish(&text);
  return result;
}

static bool copy_text(const struct base_json_value *object, const char *key, char *out, size_t capacity) {
  const char *text = base_json_as_string(base_json_get(object, key));
  return text != NULL && base_span_copy(base_span_text(text), out, capacity);
}

static bool read_ledger(const struct base_json_value *object, struct verify_seen *out) {
  int64_t size = 0;
  const char *root = base_json_as_string(base_json_get(object, "root"));
  *out = (struct verify_seen){0};
  if (!copy_text(object, "origin", out->origin, sizeof(out->origin)) ||
      !copy_text(object, "vkey", out->vkey, sizeof(out->vkey)) || root == NULL ||
      !integrity_digest_parse(base_span_text(root), &out->root) ||
      !base_json_as_integer(base_json_get(object, "size"), &size) || size < 0 ||
      !base_json_as_integer(base_json_get(object, "seen_s"), &out->seen_s))
    return false;
  out->size = (uint64_t)size;
  return true;
}

static enum base_result find_ledger(const struct base_json *json, const char *path, const char *origin,
                                    struct verify_seen *out, struct base_fault *fault) {
  const struct base_json_value *ledgers = base_json_get(base_json_root(json), "ledgers");
  for (size_t i = 0; i < base_json_length(ledgers); i++) {
    if (!read_ledger(base_json_at(ledgers, i), out))
      return BASE_FAIL(fault, BASE_IO, "state", "the state file '%.200s' is damaged; move it away to begin anew", path);
    if (strcmp(out->origin, origin) == 0) return BASE_OK;
  }
  *out = (struct verify_seen){0};
  return BASE_OK;
}

enum base_result verify_seen_find(const char *path, const char *origin, struct verify_seen *out,
                                  struct base_fault *fault) {
  struct base_json *json = NULL;
  *out = (struct verify_seen){0};
  if (path[0] == '\0') return BASE_OK;
  enum base_result result = read_state(path, &json, fault);
  if (result == BASE_OK) result = find_ledger(json, path, origin, out, fault);
  base_json_destroy(&json);
  return result;
}

enum base_result verify_seen_find_place(const char *path, const char *place, struct verify_seen *out,
                                        struct base_fault *fault) {
  struct base_json *json = NULL;
  *out = (struct verify_seen){0};
  if (path[0] == '\0') return BASE_OK;
  enum base_result result = read_state(path, &json, fault);
  const struct base_json_value *places = base_json_get(base_json_root(json), "places");
  for (size_t i = 0; result == BASE_OK && i < base_json_length(places); i++) {
    const struct base_json_value *one = base_json_at(places, i);
    const char *name = base_json_as_string(base_json_get(one, "place"));
    const char *origin = base_json_as_string(base_json_get(one, "origin"));
    if (name == NULL || origin == NULL || strcmp(name, place) != 0) continue;
    result = find_ledger(json, path, origin, out, fault);
    break;
  }
  base_json_destroy(&json);
  return result;
}

static void write_ledger(struct base_json_writer *json, const struct verify_seen *seen) {
  char root[BASE_DIGEST_BASE64URL_CHARS + 1];
  integrity_digest_text(&seen->root, root);
  base_json_object(json, NULL);
  base_json_string(json, "origin", seen->origin);
  base_json_string(json, "vkey", seen->vkey);
  base_json_integer(json, "size", (int64_t)seen->size);
  base_json_string(json, "root", root);
  base_json_integer(json, "seen_s", seen->seen_s);
  base_json_object_end(json);
}

static void write_place(struct base_json_writer *json, const char *place, const char *origin) {
  base_json_object(json, NULL);
  base_json_string(json, "place", place);
  base_json_string(json, "origin", origin);
  base_json_object_end(json);
}

// The old state with one ledger and one place renewed.
static enum base_result write_state(const struct base_json *old, const char *place, const struct verify_seen *seen,
                                    struct base_buffer *out) {
  const struct base_json_value *root = base_json_root(old);
  const struct base_json_value *ledgers = base_json_get(root, "ledgers"), *places = base_json_get(root, "places");
  struct verify_seen newest = *seen, other;
  struct base_json_writer json;
  base_json_begin(&json, out);
  base_json_object(&json, NULL);
  base_json_array(&json, "ledgers");
  for (size_t i = 0; i < base_json_length(ledgers); i++) {
    if (!read_ledger(base_json_at(ledgers, i), &other)) continue;
    if (strcmp(other.origin, seen->origin) != 0)
      write_ledger(&json, &other);
    else if (strcmp(other.vkey, seen->vkey) == 0 && other.size > newest.size)
      newest = other;
  }
  write_ledger(&json, &newest);
  base_json_array_end(&json);
  base_json_array(&json, "places");
  for (size_t i = 0; i < base_json_length(places); i++) {
    const struct base_json_value *one = base_json_at(places, i);
    const char *name = base_json_as_string(base_json_get(one, "place"));
    const char *origin = base_json_as_string(base_json_get(one, "origin"));
    if (name != NULL && origin != NULL && strcmp(name, place) != 0) write_place(&json, name, origin);
  }
  write_place(&json, place, seen->origin);
  base_json_array_end(&json);
  base_json_object_end(&json);
  return json.result;
}

static enum base_result take_lock(const char *path, int *out, struct base_fault *fault) {
  char name[PATH_MAX];
  const int length = snprintf(name, sizeof(name), "%s.lock", path);
  if (length < 0 || length >= PATH_MAX) return BASE_FAIL(fault, BASE_BAD_INPUT, "state", "the path is too long");
  *out = open(name, O_RDWR | O_CREAT | O_CLOEXEC, STATE_MODE);
  if (*out < 0 || flock(*out, LOCK_EX) != 0) return BASE_FAIL_ERRNO(fault, "state", "cannot lock '%.200s'", name);
  return BASE_OK;
}

static enum base_result make_folder_of(const char *path, struct base_fault *fault) {
  char folder[PATH_MAX];
  const char *slash = strrchr(path, '/');
  if (slash == NULL || slash == path) return BASE_OK;
  if (!base_span_copy(base_span_of(path, (size_t)(slash - path)), folder, sizeof(folder)))
    return BASE_FAIL(fault, BASE_BAD_INPUT, "state", "the path is too long");
  return base_folder_make(folder, fault);
}

enum base_result verify_seen_remember(const char *path, const char *place, const struct verify_seen *seen,
                                      struct base_fault *fault) {
  struct base_json *old = NULL;
  struct base_buffer text;
  int lock = -1;
  if (path[0] == '\0')
    return BASE_FAIL(fault, BASE_NOT_FOUND, "state", "neither --state, XDG_STATE_HOME nor HOME says where");
  base_buffer_init(&text, MAX_STATE_BYTES);
  enum base_result result = make_folder_of(path, fault);
  if (result == BASE_OK) result = take_lock(path, &lock, fault);
  if (result == BASE_OK) result = read_state(path, &old, fault);
  if (result == BASE_OK) {
    result = write_state(old, place, seen, &text);
    if (result != BASE_OK) result = BASE_FAIL(fault, result, "state", "the state file would be too large");
  }
  if (result == BASE_OK) result = base_file_replace_durably(path, base_buffer_span(&text), STATE_MODE, fault);
  base_fd_close(&lock);
  base_json_destroy(&old);
  base_buffer_finish(&text);
  return result;
}
