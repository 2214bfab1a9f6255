#include "resume.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "integrity/digest.h"

enum {
  MAX_STATE_BYTES = 64 * 1024,  // the longest path, escaped
  KEEP_DAYS = 30,
};

static const char ending[] = ".json";

// Where the files lie; false when the environment names no place.
static bool state_folder(char out[PATH_MAX]) {
  const char *state = getenv("XDG_STATE_HOME");
  const char *home = getenv("HOME");
  int length = -1;
  if (state != NULL && state[0] == '/')  // others are to be ignored, says the XDG base directory specification
    length = snprintf(out, PATH_MAX, "%s/pixpop/uploads", state);
  else if (home != NULL && home[0] == '/')
    length = snprintf(out, PATH_MAX, "%s/.local/state/pixpop/uploads", home);
  return length > 0 && length < PATH_MAX;
}

enum base_result resume_key_make(const char *box, const char *file, const struct stat *info, struct resume_key *out,
                                 struct base_fault *fault) {
  *out = (struct resume_key){.box = box, .bytes = (uint64_t)info->st_size};
  if (realpath(file, out->file) == NULL) return BASE_FAIL_ERRNO(fault, "file", "cannot find the file");
  snprintf(out->modified, sizeof(out->modified), "%" PRId64 ".%09ld", (int64_t)info->st_mtim.tv_sec,
           info->st_mtim.tv_nsec);
  char folder[PATH_MAX], bytes[32], name[BASE_DIGEST_BASE64URL_CHARS + 1];
  if (!state_folder(folder)) return BASE_OK;
  snprintf(bytes, sizeof(bytes), "%" PRIu64, out->bytes);
  const char *const parts[] = {box, out->file, bytes, out->modified};
  struct integrity_hash hash;
  struct integrity_digest digest;
  integrity_hash_init(&hash);
  for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
    integrity_hash_update(&hash, base_span_of(parts[i], strlen(parts[i]) + 1));
  integrity_hash_finish(&hash, &digest);
  integrity_digest_text(&digest, name);
  const int length = snprintf(out->remembered_in, PATH_MAX, "%s/%s%s", folder, name, ending);
  if (length < 0 || length >= PATH_MAX) out->remembered_in[0] = '\0';
  return BASE_OK;
}

static bool is_text(const struct base_json_value *object, const char *member, const char *expected) {
  const char *text = base_json_as_string(base_json_get(object, member));
  return text != NULL && strcmp(text, expected) == 0;
}

// The state file's content; NULL for what is damaged, missing or none of ours.
static struct base_json *read_state(const char *path) {
  struct base_buffer text;
  struct base_json *json = NULL;
  base_buffer_init(&text, MAX_STATE_BYTES);
  enum base_result result = base_file_read(path, MAX_STATE_BYTES, &text, NULL);
  if (result == BASE_OK) result = base_json_parse(base_buffer_span(&text), &json, NULL);
  base_buffer_finish(&text);
  return result == BASE_OK ? json : NULL;
}

bool resume_find(const struct resume_key *key, char out[RESUME_MAX_PATH]) {
  int64_t bytes = 0;
  if (key->remembered_in[0] == '\0') return false;
  struct base_json *json = read_state(key->remembered_in);
  const struct base_json_value *root = base_json_root(json);
  const char *upload = base_json_as_string(base_json_get(root, "upload"));
  const bool is_it = upload != NULL && upload[0] == '/' && strlen(upload) < RESUME_MAX_PATH &&
                     is_text(root, "box", key->box) && is_text(root, "file", key->file) &&
                     is_text(root, "modified", key->modified) &&
                     base_json_as_integer(base_json_get(root, "bytes"), &bytes) && (uint64_t)bytes == key->bytes;
  if (is_it) strcpy(out, upload);
  base_json_destroy(&json);
  return is_it;
}

static enum base_result write_state(const struct resume_key *key, const char *upload, struct base_buffer *out) {
  struct base_json_writer json;
  base_json_begin(&json, out);
  base_json_object(&json, NULL);
  base_json_string(&json, "box", key->box);
  base_json_string(&json, "file", key->file);
  base_json_integer(&json, "bytes", (int64_t)key->bytes);
  base_json_string(&json, "modified", key->modified);
  base_json_string(&json, "upload", upload);
  base_json_object_end(&json);
  return json.result;
}

// Not base_file_replace_durably: two programs may do this at once.
static enum base_result replace(const char *path, struct base_span content, struct base_fault *fault) {
  char temporary[PATH_MAX];
  uint64_t unique;
  base_random_bytes(&unique, sizeof(unique));
  const int length = snprintf(temporary, sizeof(temporary), "%s.%016" PRIx64, path, unique);
  if (length < 0 || length >= PATH_MAX) return BASE_FAIL(fault, BASE_IO, "state", "the path is too long");
  int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return BASE_FAIL_ERRNO(fault, "state", "cannot make '%.200s'", temporary);
  enum base_result result = base_fd_write_all(fd, content, fault);
  if (result == BASE_OK && fsync(fd) != 0) result = BASE_FAIL_ERRNO(fault, "state", "cannot write '%.200s'", temporary);
  base_fd_close(&fd);
  if (result == BASE_OK && rename(temporary, path) != 0)
    result = BASE_FAIL_ERRNO(fault, "state", "cannot write '%.200s'", path);
  if (result != BASE_OK) unlink(temporary);
  return result;
}

enum base_result resume_remember(const struct resume_key *key, const char *upload, struct base_fault *fault) {
  char folder[PATH_MAX];
  if (key->remembered_in[0] == '\0' || !state_folder(folder))
    return BASE_FAIL(fault, BASE_NOT_FOUND, "state", "neither XDG_STATE_HOME nor HOME is set");
  struct base_buffer text;
  base_buffer_init(&text, MAX_STATE_BYTES);
  enum base_result result = write_state(key, upload, &text);
  if (result != BASE_OK) result = BASE_FAIL(fault, result, "state", "the file's path is too long");
  if (result == BASE_OK) result = base_folder_make(folder, fault);
  if (result == BASE_OK) result = replace(key->remembered_in, base_buffer_span(&text), fault);
  if (result == BASE_OK) result = base_folder_sync(folder, fault);
  base_buffer_finish(&text);
  return result;
}

void resume_forget(const struct resume_key *key, const char *upload) {
  char remembered[RESUME_MAX_PATH];
  if (!resume_find(key, remembered) || strcmp(remembered, upload) != 0) return;
  unlink(key->remembered_in);
}

// Calls `visit` with the path of every file in the folder.
static void visit_files(void (*visit)(const char *path, const void *self), const void *self) {
  char folder[PATH_MAX], path[PATH_MAX];
  DIR *entries = state_folder(folder) ? opendir(folder) : NULL;
  if (entries == NULL) return;
  for (const struct dirent *entry = readdir(entries); entry != NULL; entry = readdir(entries)) {
    const int length = snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
    if (entry->d_name[0] != '.' && length > 0 && length < PATH_MAX) visit(path, self);
  }
  closedir(entries);
}

struct upload_of_box {
  const char *box, *upload;
};

static void forget_if_it_is(const char *path, const void *self) {
  const struct upload_of_box *wanted = self;
  struct base_json *json = read_state(path);
  const struct base_json_value *root = base_json_root(json);
  if (is_text(root, "box", wanted->box) && is_text(root, "upload", wanted->upload)) unlink(path);
  base_json_destroy(&json);
}

void resume_forget_upload(const char *box, const char *upload) {
  const struct upload_of_box wanted = {.box = box, .upload = upload};
  visit_files(forget_if_it_is, &wanted);
}

static void remove_if_old(const char *path, const void *self) {
  const time_t *oldest = self;
  struct stat info;
  if (stat(path, &info) == 0 && S_ISREG(info.st_mode) && info.st_mtim.tv_sec < *oldest) unlink(path);
}

void resume_sweep(void) {
  const time_t oldest = time(NULL) - (time_t)KEEP_DAYS * 24 * 60 * 60;
  visit_files(remove_if_old, &oldest);
}
