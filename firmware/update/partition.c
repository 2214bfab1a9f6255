#include "partition.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/file.h"

// So much may wait for the disk: more would make others' small writes wait behind it.
enum { SYNC_EVERY_BYTES = 8 << 20 };

static enum base_result measure(struct update_partition *partition, struct base_fault *fault) {
  struct stat info;
  if (fstat(partition->fd, &info) != 0)
    return BASE_FAIL_ERRNO(fault, "partition", "cannot examine %.200s", partition->path);
  if (S_ISREG(info.st_mode)) {
    partition->capacity = (uint64_t)info.st_size;
    return BASE_OK;
  }
  if (!S_ISBLK(info.st_mode))
    return BASE_FAIL(fault, BASE_UNSUPPORTED, "partition", "%.200s is not a partition", partition->path);
  if (ioctl(partition->fd, BLKGETSIZE64, &partition->capacity) != 0)
    return BASE_FAIL_ERRNO(fault, "partition", "cannot measure %.200s", partition->path);
  return BASE_OK;
}

enum base_result update_partition_open(const char *path, struct update_partition *out, struct base_fault *fault) {
  // O_EXCL: a device that is mounted or mapped is not written to, whatever anybody thinks which slot runs.
  *out = (struct update_partition){.path = path, .fd = open(path, O_WRONLY | O_EXCL | O_CLOEXEC | O_NONBLOCK)};
  if (out->fd < 0) return BASE_FAIL_ERRNO(fault, "partition", "cannot open %.200s", path);
  const enum base_result result = measure(out, fault);
  if (result != BASE_OK) base_fd_close(&out->fd);
  integrity_hash_init(&out->hash);
  return result;
}

static enum base_result sync_all(struct update_partition *partition, struct base_fault *fault) {
  if (fsync(partition->fd) != 0)
    return BASE_FAIL_ERRNO(fault, "partition", "what was written to %.200s does not reach the disk", partition->path);
  // The pages are of no use to anybody, and take those of pictures being served away.
  (void)posix_fadvise(partition->fd, (off_t)partition->synced, (off_t)(partition->written - partition->synced),
                      POSIX_FADV_DONTNEED);
  partition->synced = partition->written;
  return BASE_OK;
}

enum base_result update_partition_write(struct update_partition *partition, struct base_span bytes,
                                        struct base_fault *fault) {
  integrity_hash_update(&partition->hash, bytes);
  while (bytes.bytes > 0) {
    const ssize_t written = pwrite(partition->fd, bytes.data, bytes.bytes, (off_t)partition->written);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return BASE_FAIL_ERRNO(fault, "partition", "cannot write to %.200s", partition->path);
    bytes = base_span_slice(bytes, (size_t)written, bytes.bytes);
    partition->written += (uint64_t)written;
  }
  return partition->written - partition->synced >= SYNC_EVERY_BYTES ? sync_all(partition, fault) : BASE_OK;
}

enum base_result update_partition_end(struct update_partition *partition, struct base_fault *fault) {
  const enum base_result result = sync_all(partition, fault);
  base_fd_close(&partition->fd);
  return result;
}

enum base_result update_partition_reopen(struct update_partition *partition, struct base_fault *fault) {
  // Some file systems know no O_DIRECT; devices do.
  partition->fd = open(partition->path, O_RDONLY | O_CLOEXEC | O_DIRECT);
  if (partition->fd < 0 && errno == EINVAL) partition->fd = open(partition->path, O_RDONLY | O_CLOEXEC);
  if (partition->fd < 0) return BASE_FAIL_ERRNO(fault, "partition", "cannot open %.200s", partition->path);
  (void)posix_fadvise(partition->fd, 0, 0, POSIX_FADV_DONTNEED);
  integrity_hash_init(&partition->hash);
  return BASE_OK;
}

enum base_result update_partition_read(struct update_partition *partition, uint64_t offset, uint64_t total,
                                       uint8_t *block, struct base_fault *fault) {
  const size_t wanted = (size_t)base_min_u64(total - offset, UPDATE_BLOCK_BYTES);
  const size_t asked = base_round_up(wanted, UPDATE_BLOCK_ALIGN);
  size_t have = 0;
  while (have < wanted) {
    const ssize_t got = pread(partition->fd, block + have, asked - have, (off_t)(offset + have));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return BASE_FAIL_ERRNO(fault, "partition", "cannot read %.200s back", partition->path);
    if (got == 0)
      return BASE_FAIL(fault, BASE_CORRUPT, "partition", "%.200s ends before what was written to it", partition->path);
    have += (size_t)got;
  }
  integrity_hash_update(&partition->hash, base_span_of(block, wanted));
  return BASE_OK;
}

void update_partition_close(struct update_partition *partition) { base_fd_close(&partition->fd); }
