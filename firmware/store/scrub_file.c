#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "scrubbing.h"

struct reading {
  struct store_scrub *scrub;
  const char *path;
  int fd;
  bool is_direct;
  uint64_t at, file_bytes;
};

// Direct reads come from the disk itself, and leave the page cache to those who serve from it.
static enum base_result begin(struct reading *reading, struct store_scrub *scrub, const char *path,
                              struct store_scrub_identity *identity, struct base_fault *fault) {
  const int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
  struct stat info;
  *reading = (struct reading){.scrub = scrub, .path = path, .is_direct = true};
  reading->fd = openat(scrub->store->root_fd, path, flags | O_DIRECT);
  if (reading->fd < 0 && errno == EINVAL) {
    reading->is_direct = false;
    reading->fd = openat(scrub->store->root_fd, path, flags);
  }
  if (reading->fd < 0) return BASE_FAIL_ERRNO(fault, path, "cannot open the file");
  enum base_result result = BASE_OK;
  if (fstat(reading->fd, &info) != 0) {
    result = BASE_FAIL_ERRNO(fault, path, "cannot examine the file");
  } else if (!S_ISREG(info.st_mode)) {
    result = BASE_FAIL(fault, BASE_CORRUPT, path, "it is not a regular file");
  } else {
    reading->file_bytes = (uint64_t)info.st_size;
    *identity = (struct store_scrub_identity){info.st_dev, info.st_ino};
  }
  if (result != BASE_OK) base_fd_close(&reading->fd);
  return result;
}

static void end(struct reading *reading) { base_fd_close(&reading->fd); }

// Fills the buffer, but for the file's end: records want their front in one piece, direct reads whole sectors.
static ssize_t fill(struct reading *reading) {
  uint8_t *buffer = reading->scrub->buffer;
  size_t filled = 0;
  while (filled < STORE_SCRUB_CHUNK_BYTES) {
    const ssize_t got =
        pread(reading->fd, buffer + filled, STORE_SCRUB_CHUNK_BYTES - filled, (off_t)(reading->at + filled));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EINVAL && reading->is_direct) {  // opened, but no direct reads of this size
      reading->is_direct = false;
      if (fcntl(reading->fd, F_SETFL, 0) == 0) continue;
    }
    if (got < 0) return -1;
    if (got == 0) break;
    filled += (size_t)got;
    if (reading->is_direct && filled % STORE_SCRUB_ALIGNMENT != 0) break;  // the end
  }
  return (ssize_t)filled;
}

// The next piece, in the scrubber's buffer; empty at the end.
static enum base_result next(struct reading *reading, struct base_span *out, struct base_fault *fault) {
  const ssize_t got = fill(reading);
  if (got < 0 && errno == ENOMEM) return BASE_FAIL_ERRNO(fault, reading->path, "cannot read the file");
  if (got < 0) return BASE_FAIL(fault, BASE_CORRUPT, reading->path, "the disk can not read it: %s", strerror(errno));
  if (!reading->is_direct) (void)posix_fadvise(reading->fd, (off_t)reading->at, (off_t)got, POSIX_FADV_DONTNEED);
  *out = base_span_of(reading->scrub->buffer, (size_t)got);
  reading->at += (uint64_t)got;
  if (!store_scrub_pace(reading->scrub, (size_t)got)) return BASE_OK;
  return BASE_FAIL(fault, BASE_CANCELLED, "", "the scrubber is to stop");
}

static enum base_result read_original(struct reading *reading, const struct integrity_digest *id,
                                      struct store_leaves *leaves, struct base_fault *fault) {
  struct integrity_hash hash;
  struct integrity_digest digest;
  struct base_span piece;
  uint64_t bytes = 0;
  enum base_result result;
  integrity_hash_init(&hash);
  while ((result = next(reading, &piece, fault)) == BASE_OK && piece.bytes > 0) {
    integrity_hash_update(&hash, piece);
    if (leaves->bytes == bytes) store_leaves_add(leaves, piece);
    bytes += piece.bytes;
  }
  integrity_hash_finish(&hash, &digest);
  if (result != BASE_OK) return result;
  if (!integrity_digest_equal(&digest, id)) {
    return BASE_FAIL(fault, BASE_CORRUPT, reading->path,
                     "the original's bytes are not what they were: they fail its digest; uploading it again heals it");
  }
  if (leaves->bytes == bytes) return store_leaves_finish(leaves, fault);
  return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for leaf hashes");
}

enum base_result store_scrub_original(struct store_scrub *scrub, const struct integrity_digest *id,
                                      struct store_leaves *leaves, struct store_scrub_identity *identity,
                                      struct base_fault *fault) {
  const struct store_path path = store_path_original(id);
  struct reading reading;
  enum base_result result = begin(&reading, scrub, path.text, identity, fault);
  if (result != BASE_OK) return result;
  result = read_original(&reading, id, leaves, fault);
  end(&reading);
  return result;
}

// A record on its way by: its leaves are made from the body, and held against root and trailer.
struct passing {
  struct store_record record;
  uint64_t body_offset, seen;
  struct store_leaves leaves;
  struct integrity_hash hash;  // of a body of format 1
  bool is_trailer_wrong;
};

static void pass_body(struct passing *passing, struct base_span body) {
  if (passing->record.format == 1) {
    integrity_hash_update(&passing->hash, body);
  } else {
    store_leaves_add(&passing->leaves, body);
  }
}

// The leaves of the body are complete by now, but for the last block's.
static enum base_result pass_trailer(struct passing *passing, struct base_span trailer, uint64_t offset,
                                     struct base_fault *fault) {
  if (passing->leaves.bytes != passing->record.body_bytes) {
    return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for leaf hashes");
  }
  if (offset == 0) {
    const enum base_result result = store_leaves_finish(&passing->leaves, fault);
    if (result != BASE_OK) return result;
  }
  const struct base_span made = base_span_slice(base_buffer_span(&passing->leaves.list), (size_t)offset, trailer.bytes);
  if (!base_span_equal(made, trailer)) passing->is_trailer_wrong = true;
  return BASE_OK;
}

static enum base_result pass(struct passing *passing, struct base_span piece, struct base_fault *fault) {
  const uint64_t start = passing->seen, body = passing->body_offset, trailer = body + passing->record.body_bytes;
  passing->seen += piece.bytes;
  if (passing->seen > body && start < trailer) {
    const uint64_t from = start > body ? start : body, to = passing->seen < trailer ? passing->seen : trailer;
    pass_body(passing, base_span_slice(piece, (size_t)(from - start), (size_t)(to - from)));
  }
  if (passing->seen <= trailer) return BASE_OK;
  const uint64_t from = start > trailer ? start : trailer;
  return pass_trailer(passing, base_span_slice(piece, (size_t)(from - start), SIZE_MAX), from - trailer, fault);
}

static enum base_result judge(struct passing *passing, const char *path, struct base_fault *fault) {
  struct integrity_digest digest;
  bool is_right;
  if (passing->record.format == 1) {
    integrity_hash_finish(&passing->hash, &digest);
    is_right = integrity_digest_equal(&digest, &passing->record.body_digest);
  } else {
    store_leaves_root(base_buffer_span(&passing->leaves.list), &digest);
    is_right = !passing->is_trailer_wrong && integrity_digest_equal(&digest, &passing->record.root);
  }
  if (is_right) return BASE_OK;
  return BASE_FAIL(fault, BASE_CORRUPT, path, "the record's body is not what its head says");
}

struct record_look {
  enum base_result (*take)(void *argument, const struct store_record *record, struct base_fault *fault);
  void *argument;
};

static enum base_result read_record(struct reading *reading, struct passing *passing, const struct record_look *look,
                                    struct base_fault *fault) {
  struct base_span piece;
  enum base_result result = next(reading, &piece, fault);
  if (result != BASE_OK) return result;
  struct base_fault cause = {0};
  result = store_record_read_head(piece, reading->file_bytes, &passing->record, &passing->body_offset, &cause);
  if (result == BASE_OK) result = look->take(look->argument, &passing->record, &cause);
  if (result != BASE_OK) return BASE_FAIL(fault, result, reading->path, "%s", cause.text);
  while (piece.bytes > 0 && result == BASE_OK) {
    result = pass(passing, piece, fault);
    if (result == BASE_OK) result = next(reading, &piece, fault);
  }
  if (result != BASE_OK) return result;
  if (passing->seen != reading->file_bytes) {
    return BASE_FAIL(fault, BASE_CORRUPT, reading->path, "the record's length is not what its head says");
  }
  return judge(passing, reading->path, fault);
}

enum base_result store_scrub_record(struct store_scrub *scrub, const char *path,
                                    enum base_result (*take)(void *argument, const struct store_record *record,
                                                             struct base_fault *fault),
                                    void *argument, struct store_scrub_identity *identity, struct base_fault *fault) {
  const struct record_look look = {take, argument};
  struct reading reading;
  struct passing passing = {.seen = 0};
  enum base_result result = begin(&reading, scrub, path, identity, fault);
  if (result != BASE_OK) return result;
  store_leaves_init(&passing.leaves);
  integrity_hash_init(&passing.hash);
  result = read_record(&reading, &passing, &look, fault);
  store_leaves_release(&passing.leaves);
  end(&reading);
  return result;
}

bool store_scrub_is_still(struct store *store, const char *path, const struct store_scrub_identity *identity) {
  struct stat info;
  if (fstatat(store->root_fd, path, &info, AT_SYMLINK_NOFOLLOW) != 0) return false;
  return info.st_dev == identity->device && info.st_ino == identity->inode;
}
