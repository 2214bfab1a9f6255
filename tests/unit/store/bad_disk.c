#include "bad_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
  const char *part;  // NULL: it is well
  enum bad_call call;
  int error;
  unsigned count;
} failing;
static struct {
  const char *part;  // NULL: nothing is counted
  unsigned count;
} syncs;

int __real_openat(int folder_fd, const char *path, int flags, ...);
ssize_t __real_pread(int fd, void *out, size_t bytes, off_t offset);
ssize_t __real_pwrite(int fd, const void *data, size_t bytes, off_t offset);
int __real_fsync(int fd);
int __real_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __wrap_openat(int folder_fd, const char *path, int flags, ...);
ssize_t __wrap_pread(int fd, void *out, size_t bytes, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *data, size_t bytes, off_t offset);
int __wrap_fsync(int fd);
int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to);

void bad_disk_fail(enum bad_call call, const char *part, int error) {
  pthread_mutex_lock(&lock);
  failing.part = part;
  failing.call = call;
  failing.error = error;
  failing.count = 0;
  pthread_mutex_unlock(&lock);
}

void bad_disk_mend(void) {
  pthread_mutex_lock(&lock);
  failing.part = NULL;
  pthread_mutex_unlock(&lock);
}

unsigned bad_disk_failures(void) {
  pthread_mutex_lock(&lock);
  const unsigned count = failing.count;
  pthread_mutex_unlock(&lock);
  return count;
}

void bad_disk_count_syncs(const char *part) {
  pthread_mutex_lock(&lock);
  syncs.part = part;
  syncs.count = 0;
  pthread_mutex_unlock(&lock);
}

unsigned bad_disk_syncs(void) {
  pthread_mutex_lock(&lock);
  const unsigned count = syncs.count;
  pthread_mutex_unlock(&lock);
  return count;
}

static bool is_of(int fd, const char *part) {
  char link[64], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return false;
  path[length] = '\0';
  return strstr(path, part) != NULL;
}

// The error of the call, 0: it is made. `path` NULL: that of `fd`.
static int error_of(enum bad_call call, const char *path, int fd) {
  int error = 0;
  pthread_mutex_lock(&lock);
  if (failing.part && failing.call == call && (path ? strstr(path, failing.part) != NULL : is_of(fd, failing.part))) {
    error = failing.error;
    failing.count++;
  }
  pthread_mutex_unlock(&lock);
  return error;
}

static bool is_refused(enum bad_call call, const char *path, int fd) {
  const int error = error_of(call, path, fd);
  if (error) errno = error;
  return error != 0;
}

int __wrap_openat(int folder_fd, const char *path, int flags, ...) {
  mode_t mode = 0;
  if (flags & O_CREAT) {
    va_list arguments;
    va_start(arguments, flags);
    mode = va_arg(arguments, mode_t);
    va_end(arguments);
  }
  return is_refused(BAD_OPEN, path, -1) ? -1 : __real_openat(folder_fd, path, flags, mode);
}

ssize_t __wrap_pread(int fd, void *out, size_t bytes, off_t offset) {
  return is_refused(BAD_READ, NULL, fd) ? -1 : __real_pread(fd, out, bytes, offset);
}

ssize_t __wrap_pwrite(int fd, const void *data, size_t bytes, off_t offset) {
  return is_refused(BAD_WRITE, NULL, fd) ? -1 : __real_pwrite(fd, data, bytes, offset);
}

int __wrap_fsync(int fd) {
  pthread_mutex_lock(&lock);
  if (syncs.part && is_of(fd, syncs.part)) syncs.count++;
  pthread_mutex_unlock(&lock);
  return __real_fsync(fd);
}

int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to) {
  return is_refused(BAD_RENAME, to, -1) ? -1 : __real_renameat(from_fd, from, to_fd, to);
}
