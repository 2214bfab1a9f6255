#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
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
