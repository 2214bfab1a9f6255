#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "integrity/merkle.h"
#include "sync.h"

enum { SAVE_EVERY_MS = 5000 };

enum base_result sync_path(const struct sync *sync, bool is_inside, const char *file, char out[PATH_MAX],
                           struct base_fault *fault) {
  const int length = snprintf(out, PATH_MAX, "%s/%s%s", sync->folder, is_inside ? ".pixpop/" : "", file);
  if (length > 0 && length < PATH_MAX) return BASE_OK;
  return BASE_FAIL(fault, BASE_BAD_INPUT, "folder", "the folder's path is too long");
}

// A folder in another one; no link is followed.
static int enter(int parent, const char *name, bool may_make) {
  enum { FOLDER_MODE = 0750, OPEN_FOLDER = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC };
  const int fd = openat(parent, name, OPEN_FOLDER);
  if (fd >= 0 || errno != ENOENT || !may_make) return fd;
  if (mkdirat(parent, name, FOLDER_MODE) != 0 && errno != EEXIST) return -1;
  return fsync(parent) == 0 ? openat(parent, name, OPEN_FOLDER) : -1;
}

enum base_result sync_open_inside(const struct sync *sync, const char *folder, bool may_make, int *out_fd,
                                  struct base_fault *fault) {
  char path[SYNC_PATH_BYTES], name[SYNC_PATH_BYTES];
  snprintf(path, sizeof(path), ".pixpop/%s", folder);
  struct base_span rest = base_span_text(path);
  int fd = open(sync->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  while (fd >= 0 && rest.bytes > 0) {
    const struct base_span part = base_span_cut(&rest, '/');
    if (part.bytes == 0 || !base_span_copy(part, name, sizeof(name))) continue;
    int next = enter(fd, name, may_make);
    base_fd_close(&fd);
    fd = next;
  }
  *out_fd = fd;
  if (fd >= 0) return BASE_OK;
  if (errno == ENOTDIR || errno == ELOOP)
    return BASE_FAIL(fault, BASE_CONFLICT, "folder",
                     "'%s' in the mirror, or what it is in, is a link or no folder: it is not used", path);
  return BASE_FAIL_ERRNO(fault, "folder", "cannot open '%s' in '%.120s'", path, sync->folder);
}

void sync_look_at(const struct sync *sync, struct sync_place *place) {
  char path[PATH_MAX];
  place->is_there = sync_path(sync, false, place->file, path, NULL) == BASE_OK && lstat(path, &place->info) == 0;
}

bool sync_is_as_seen(const struct sync *sync, const struct sync_place *place) {
  struct sync_place now;
  snprintf(now.file, sizeof(now.file), "%s", place->file);
  sync_look_at(sync, &now);
  if (!now.is_there || !place->is_there) return now.is_there == place->is_there;
  const struct stat *a = &now.info, *b = &place->info;
  return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_mode == b->st_mode && a->st_size == b->st_size &&
         memcmp(&a->st_mtim, &b->st_mtim, sizeof(a->st_mtim)) == 0 &&
         memcmp(&a->st_ctim, &b->st_ctim, sizeof(a->st_ctim)) == 0;
}

static bool examine(const struct sync *sync, const char *file, struct stat *out) {
  char path[PATH_MAX];
  return sync_path(sync, false, file, path, NULL) == BASE_OK && lstat(path, out) == 0 && S_ISREG(out->st_mode);
}

static int64_t changed_us(const struct stat *info) {
  return (int64_t)info->st_mtim.tv_sec * 1000000 + info->st_mtim.tv_nsec / 1000;
}

bool sync_is_intact(const struct sync *sync, const struct mirror_item *item) {
  struct stat info;
  return examine(sync, item->file, &info) && (uint64_t)info.st_size == item->bytes &&
         changed_us(&info) == item->changed_us;
}

int64_t sync_changed_us(const struct sync *sync, const char *file) {
  struct stat info;
  return examine(sync, file, &info) ? changed_us(&info) : 0;
}

static enum base_result hash_block(struct integrity_hash *hash, struct base_buffer *leaves, struct base_span block) {
  struct integrity_digest leaf;
  integrity_hash_update(hash, block);
  if (leaves == NULL) return BASE_OK;
  integrity_merkle_leaf(block, &leaf);
  return base_buffer_append(leaves, leaf.bytes, sizeof(leaf.bytes));
}

enum base_result sync_hash_file(const struct sync *sync, const char *file, struct integrity_digest *digest,
                                struct base_buffer *leaves, uint64_t *bytes, struct base_fault *fault) {
  char path[PATH_MAX];
  struct integrity_hash hash;
  struct stat info;
  *bytes = 0;
  enum base_result result = sync_path(sync, false, file, path, fault);
  if (result != BASE_OK) return result;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return BASE_FAIL_ERRNO(fault, "file", "cannot open '%.150s'", path);
  uint8_t *block = malloc(INTEGRITY_BLOCK_BYTES);
  if (block == NULL) result = BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory to read a file");
  if (result == BASE_OK && (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)))
    result = BASE_FAIL(fault, BASE_BAD_INPUT, "file", "'%.150s' is no file", path);
  const uint64_t size = result == BASE_OK ? (uint64_t)info.st_size : 0;
  integrity_hash_init(&hash);
  while (result == BASE_OK && *bytes < size) {
    const uint64_t left = size - *bytes;
    const size_t step = left < INTEGRITY_BLOCK_BYTES ? (size_t)left : INTEGRITY_BLOCK_BYTES;
    result = base_fd_pread_all(fd, block, step, (off_t)*bytes, fault);
    if (result == BASE_OK) result = hash_block(&hash, leaves, base_span_of(block, step));
    *bytes += step;
  }
  integrity_hash_finish(&hash, digest);
  free(block);
  base_fd_close(&fd);
  return result;
}

enum base_result sync_save(struct sync *sync, bool is_due, struct base_fault *fault) {
  const uint64_t now_ms = base_clock_ms(base_clock_system());
  if (!is_due && now_ms - sync->saved_ms < SAVE_EVERY_MS) return BASE_OK;
  sync->saved_ms = now_ms;
  // The files first: a manifest that names what a power cut has taken would be believed.
  const enum base_result result = base_folder_sync(sync->folder, fault);
  return result == BASE_OK ? mirror_write(&sync->mirror, sync->folder, fault) : result;
}
