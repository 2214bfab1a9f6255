#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_CHUNK_BYTES = 16 * 1024 };

void base_fd_close(int *fd) {
  if (*fd < 0) return;
  const int kept = errno;  // a clean-up path must not hide the failure that led to it
  close(*fd);
  errno = kept;
  *fd = -1;
}

// True when there are more bytes than the buffer may hold.
static bool has_more(int fd) {
  uint8_t byte;
  ssize_t got;
  while ((got = read(fd, &byte, 1)) < 0 && errno == EINTR) continue;
  return got > 0;
}

// Straight into the buffer, which has the file's size from the start: what it reads may be a key, and neither growing
// nor a block of its own leaves a copy of that behind.
static enum base_result read_to_end(int fd, size_t expected, const char *path, struct base_buffer *out,
                                    struct base_fault *fault) {
  size_t more = expected < out->limit ? expected + 1 : out->limit;  // the one more finds the end
  for (;;) {
    if (out->bytes == out->limit) {
      if (!has_more(fd)) return BASE_OK;
      return BASE_FAIL(fault, BASE_TOO_LARGE, path, "the file is over %zu bytes", out->limit);
    }
    if (base_buffer_reserve(out, more) != BASE_OK)
      return BASE_FAIL(fault, BASE_NO_MEMORY, path, "no memory for the file");
    const ssize_t got = read(fd, out->data + out->bytes, out->capacity - out->bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return BASE_FAIL_ERRNO(fault, path, "cannot read the file");
    if (got == 0) return BASE_OK;
    out->bytes += (size_t)got;
    const size_t room = out->limit - out->bytes;
    more = out->bytes < out->capacity ? 0 : room < READ_CHUNK_BYTES ? room : READ_CHUNK_BYTES;
  }
}

enum base_result base_file_read(const char *path, size_t limit_bytes, struct base_buffer *out,
                                struct base_fault *fault) {
  base_buffer_init(out, limit_bytes);
  // O_NONBLOCK: opening a FIFO by mistake must not hang; regular files do not care.
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return BASE_FAIL_ERRNO(fault, path, "cannot open the file");

  enum base_result result;
  struct stat info;
  if (fstat(fd, &info) != 0) {
    result = BASE_FAIL_ERRNO(fault, path, "cannot examine the file");
  } else if (!S_ISREG(info.st_mode)) {
    result = BASE_FAIL(fault, BASE_BAD_INPUT, path, "not a regular file");
  } else {
    result = read_to_end(fd, (size_t)info.st_size, path, out, fault);
  }
  base_fd_close(&fd);
  if (result != BASE_OK) {
    if (out->bytes > 0) explicit_bzero(out->data, out->bytes);
    base_buffer_finish(out);
  }
  return result;
}

enum base_result base_fd_write_all(int fd, struct base_span content, struct base_fault *fault) {
  while (content.bytes > 0) {
    const ssize_t written = write(fd, content.data, content.bytes);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return BASE_FAIL_ERRNO(fault, "", "cannot write %zu bytes", content.bytes);
    content.data += written;
    content.bytes -= (size_t)written;
  }
  return BASE_OK;
}

enum base_result base_fd_pread_all(int fd, void *out, size_t bytes, off_t offset, struct base_fault *fault) {
  uint8_t *at = out;
  while (bytes > 0) {
    const ssize_t got = pread(fd, at, bytes, offset);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return BASE_FAIL_ERRNO(fault, "", "cannot read %zu bytes", bytes);
    if (got == 0) return BASE_FAIL(fault, BASE_CORRUPT, "", "the file ends %zu bytes early", bytes);
    at += got;
    offset += got;
    bytes -= (size_t)got;
  }
  return BASE_OK;
}

static enum base_result write_and_sync(int fd, const char *path, struct base_span content, mode_t mode,
                                       struct base_fault *fault) {
  // The umask must not decide who may read what the caller asked for.
  if (fchmod(fd, mode) != 0) return BASE_FAIL_ERRNO(fault, path, "cannot set the mode");
  const enum base_result result = base_fd_write_all(fd, content, fault);
  if (result != BASE_OK) return result;
  if (fsync(fd) != 0) return BASE_FAIL_ERRNO(fault, path, "cannot sync the file");
  return BASE_OK;
}

// The folder of `path` into `out`, which holds at least strlen(path) + 2 bytes.
static void folder_of(const char *path, char *out) {
  const char *slash = strrchr(path, '/');
  if (!slash) {
    memcpy(out, ".", 2);
    return;
  }
  const size_t bytes = slash == path ? 1 : (size_t)(slash - path);
  memcpy(out, path, bytes);
  out[bytes] = '\0';
}

enum base_result base_file_replace_durably(const char *path, struct base_span content, mode_t mode,
                                           struct base_fault *fault) {
  char temporary[PATH_MAX];
  char folder[PATH_MAX];
  const int length = snprintf(temporary, sizeof temporary, "%s.tmp", path);
  if (length < 0 || (size_t)length >= sizeof temporary) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, path, "the path is too long");
  }
  folder_of(path, folder);
  // Left behind by a crash; opened anew so that neither its mode nor a link of that name can matter.
  if (unlink(temporary) != 0 && errno != ENOENT) return BASE_FAIL_ERRNO(fault, temporary, "cannot remove");
  int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
  if (fd < 0) return BASE_FAIL_ERRNO(fault, temporary, "cannot create the file");

  enum base_result result = write_and_sync(fd, temporary, content, mode, fault);
  base_fd_close(&fd);
  if (result == BASE_OK && rename(temporary, path) != 0) {
    result = BASE_FAIL_ERRNO(fault, path, "cannot rename into place");
  }
  if (result != BASE_OK) {
    unlink(temporary);
    return result;
  }
  return base_folder_sync(folder, fault);
}

enum base_result base_folder_sync(const char *path, struct base_fault *fault) {
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return BASE_FAIL_ERRNO(fault, path, "cannot open the folder");
  enum base_result result = BASE_OK;
  if (fsync(fd) != 0) result = BASE_FAIL_ERRNO(fault, path, "cannot sync the folder");
  base_fd_close(&fd);
  return result;
}

// Makes `name` in the folder `parent`, durably: a synced file is lost with a folder that was not.
static enum base_result make_one_folder(int parent, const char *name, const char *path, struct base_fault *fault) {
  enum { FOLDER_MODE = 0750 };
  if (mkdirat(parent, name, FOLDER_MODE) != 0) {
    return errno == EEXIST ? BASE_OK : BASE_FAIL_ERRNO(fault, path, "cannot make the folder %s", name);
  }
  int fd = openat(parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);  // `parent` is O_PATH, which cannot sync
  if (fd < 0) return BASE_FAIL_ERRNO(fault, path, "cannot open the folder above %s", name);
  enum base_result result = BASE_OK;
  if (fsync(fd) != 0) result = BASE_FAIL_ERRNO(fault, path, "cannot sync the folder above %s", name);
  base_fd_close(&fd);
  return result;
}

enum base_result base_folder_make(const char *path, struct base_fault *fault) {
  enum { OPEN_FOLDER = O_PATH | O_DIRECTORY | O_CLOEXEC };
  char name[NAME_MAX + 1];
  enum base_result result = BASE_OK;
  struct base_span rest = base_span_text(path);
  int folder = open(path[0] == '/' ? "/" : ".", OPEN_FOLDER);
  if (folder < 0) return BASE_FAIL_ERRNO(fault, path, "cannot open the start of the path");

  while (result == BASE_OK && rest.bytes > 0) {
    const struct base_span part = base_span_cut(&rest, '/');
    if (part.bytes == 0) continue;
    if (!base_span_copy(part, name, sizeof name)) {
      result = BASE_FAIL(fault, BASE_BAD_INPUT, path, "a folder name is over %d bytes", NAME_MAX);
      break;
    }
    int next = openat(folder, name, OPEN_FOLDER);
    if (next < 0 && errno == ENOENT) {
      result = make_one_folder(folder, name, path, fault);
      if (result != BASE_OK) break;
      next = openat(folder, name, OPEN_FOLDER);
    }
    if (next < 0) result = BASE_FAIL_ERRNO(fault, path, "cannot open the folder %s", name);
    base_fd_close(&folder);
    folder = next;
  }
  base_fd_close(&folder);
  return result;
}
