#include "data.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"

enum { CHECK_BYTES = 4096, MAX_PATH_CHARS = PATH_MAX - 64 };

static enum base_result name_new(const char *folder, const char *what, char path[PATH_MAX], struct base_fault *fault) {
  uint64_t random;
  base_random_bytes(&random, sizeof(random));
  if (strlen(folder) > MAX_PATH_CHARS) return BASE_FAIL(fault, BASE_BAD_INPUT, "data", "--data is too long");
  snprintf(path, PATH_MAX, "%s/.%s-%016" PRIx64, folder, what, random);
  return BASE_OK;
}

static enum base_result join(const char *folder, const char *name, char path[PATH_MAX], struct base_fault *fault) {
  if (strlen(folder) > MAX_PATH_CHARS) return BASE_FAIL(fault, BASE_BAD_INPUT, "data", "--data is too long");
  snprintf(path, PATH_MAX, "%s/%.60s", folder, name);
  return BASE_OK;
}

static enum base_result write_new(const char *path, struct base_span content, mode_t mode, struct base_fault *fault) {
  int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
  if (fd < 0) return BASE_FAIL_ERRNO(fault, "data", "cannot make a file in the data folder");
  enum base_result result = base_fd_write_all(fd, content, fault);
  if (result == BASE_OK && (fchmod(fd, mode) != 0 || fsync(fd) != 0))
    result = BASE_FAIL_ERRNO(fault, "data", "what is written to the data folder does not reach the disk");
  base_fd_close(&fd);
  if (result != BASE_OK) unlink(path);
  return result;
}

static enum base_result check_open(int fd, struct base_fault *fault) {
  uint8_t written[CHECK_BYTES], read[CHECK_BYTES];
  base_random_bytes(written, sizeof(written));
  enum base_result result = base_fd_write_all(fd, base_span_of(written, sizeof(written)), fault);
  if (result == BASE_OK && fsync(fd) != 0)
    result = BASE_FAIL_ERRNO(fault, "data", "what is written to the data folder does not reach the disk");
  // From the disk, not from memory, where the kernel plays along.
  (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  if (result == BASE_OK) result = base_fd_pread_all(fd, read, sizeof(read), 0, fault);
  if (result != BASE_OK || memcmp(written, read, sizeof(read)) == 0) return result;
  return BASE_FAIL(fault, BASE_CORRUPT, "data", "the data folder does not give back what was written to it");
}

enum base_result data_check(const char *folder, struct base_fault *fault) {
  char path[PATH_MAX];
  enum base_result result = name_new(folder, "check", path, fault);
  if (result != BASE_OK) return result;
  int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return BASE_FAIL_ERRNO(fault, "data", "cannot make a file in the data folder");
  unlink(path);
  result = check_open(fd, fault);
  base_fd_close(&fd);
  return result;
}

enum base_result data_look(const char *folder, struct base_fault *fault) {
  struct statvfs info;
  if (statvfs(folder, &info) != 0) return BASE_FAIL_ERRNO(fault, "data", "cannot look at the data folder");
  if ((info.f_flag & ST_RDONLY) != 0)
    return BASE_FAIL(fault, BASE_IO, "data",
                     "the data partition has become read-only, as after an error of the disk: a restart checks it");
  if (info.f_blocks > 0 && info.f_bavail == 0)
    return BASE_FAIL(fault, BASE_NO_SPACE, "data", "the data partition is full");
  return BASE_OK;
}

enum base_result data_flag(const char *folder, const char *name, struct base_fault *fault) {
  char path[PATH_MAX];
  struct stat info;
  enum base_result result = join(folder, name, path, fault);
  if (result != BASE_OK) return result;
  // Whatever else has that name is not what the next start looks for.
  const bool is_there = lstat(path, &info) == 0;
  if (is_there && S_ISREG(info.st_mode)) return base_folder_sync(folder, fault);
  if (is_there && !S_ISDIR(info.st_mode)) unlink(path);
  result = write_new(path, base_span_text(""), 0644, fault);
  return result == BASE_OK ? base_folder_sync(folder, fault) : result;
}

enum base_result data_read(const char *folder, const char *name, char *out, size_t capacity, struct base_fault *fault) {
  char path[PATH_MAX];
  struct stat info;
  enum base_result result = join(folder, name, path, fault);
  out[0] = '\0';
  if (result != BASE_OK) return result;
  int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
  if (fd < 0) return errno == ENOENT ? BASE_OK : BASE_FAIL_ERRNO(fault, name, "cannot open %.100s", name);
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) || info.st_size >= (off_t)capacity)
    result = BASE_FAIL(fault, BASE_CORRUPT, name, "%.100s is no file of ours", name);
  else
    result = base_fd_pread_all(fd, out, (size_t)info.st_size, 0, fault);
  out[result == BASE_OK ? info.st_size : 0] = '\0';
  base_fd_close(&fd);
  return result;
}

enum base_result data_draft(const char *folder, const char *text, char path[PATH_MAX], struct base_fault *fault) {
  const enum base_result result = name_new(folder, "draft", path, fault);
  return result == BASE_OK ? write_new(path, base_span_text(text), 0644, fault) : result;
}

enum base_result data_keep_draft(const char *folder, const char *path, const char *name, struct base_fault *fault) {
  char final[PATH_MAX];
  const enum base_result result = join(folder, name, final, fault);
  if (result != BASE_OK) return result;
  if (rename(path, final) != 0) return BASE_FAIL_ERRNO(fault, name, "cannot keep %.100s", name);
  return base_folder_sync(folder, fault);
}
