#include "crash_disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_FILES = 4096, MOST_FOLDERS = 256, MOST_NAMES = 128, NAME_BYTES = 112, MOST_BYTES = 1 << 20 };

// A file by an id of its own, since inode numbers come again.
struct file {
  ino_t inode;  // 0: that number belongs to another file by now
  bool is_synced;
  uint8_t *data;  // at the last fsync
  size_t bytes;
};

struct name {
  char text[NAME_BYTES];
  unsigned file;  // 0: a folder
};

struct folder {
  char path[PATH_MAX];  // relative to the root; "" is the root
  struct name names[MOST_NAMES];
  size_t count;
};

// One step at a time, whichever thread takes it.
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct crash_plan plan;
static bool is_on;
static unsigned step;
static struct file files[MOST_FILES];
static unsigned file_count = 1;
static struct folder folders[MOST_FOLDERS];
static size_t folder_count;

int __real_openat(int folder_fd, const char *path, int flags, ...);
ssize_t __real_pwrite(int fd, const void *data, size_t bytes, off_t offset);
int __real_ftruncate(int fd, off_t bytes);
int __real_fsync(int fd);
int __real_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __real_linkat(int from_fd, const char *from, int to_fd, const char *to, int flags);
int __real_unlinkat(int folder_fd, const char *path, int flags);
int __wrap_openat(int folder_fd, const char *path, int flags, ...);
ssize_t __wrap_pwrite(int fd, const void *data, size_t bytes, off_t offset);
int __wrap_ftruncate(int fd, off_t bytes);
int __wrap_fsync(int fd);
int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __wrap_linkat(int from_fd, const char *from, int to_fd, const char *to, int flags);
int __wrap_unlinkat(int folder_fd, const char *path, int flags);

// A test that lost its way must not look like one that passed.
static void must(bool is_true, const char *what) {
  if (is_true) return;
  fprintf(stderr, "crash disk: %s: %s\n", what, strerror(errno));
  _exit(1);
}

static void path_of(const char *root, const char *folder, const char *name, char out[PATH_MAX]) {
  const int length =
      snprintf(out, PATH_MAX, "%s%s%s%s%s", root, folder[0] ? "/" : "", folder, name[0] ? "/" : "", name);
  must(length < PATH_MAX, "path");
}

static unsigned file_of(ino_t inode) {
  for (unsigned i = 1; i < file_count; i++) {
    if (files[i].inode == inode) return i;
  }
  return 0;
}

static unsigned file_new(ino_t inode) {
  const unsigned old = file_of(inode);
  if (old) files[old].inode = 0;
  must(file_count < MOST_FILES, "too many files");
  files[file_count].inode = inode;
  return file_count++;
}

static uint8_t *read_bytes(const char *path, size_t *bytes) {
  uint8_t *data = malloc(MOST_BYTES);
  must(data != NULL, "memory");
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  must(fd >= 0, path);
  const ssize_t got = pread(fd, data, MOST_BYTES, 0);
  must(got >= 0 && got < MOST_BYTES, path);
  close(fd);
  *bytes = (size_t)got;
  return data;
}

static void note_content(unsigned file, const char *path) {
  free(files[file].data);
  files[file].data = read_bytes(path, &files[file].bytes);
  files[file].is_synced = true;
}

static struct folder *folder_of(const char *path) {
  for (size_t i = 0; i < folder_count; i++) {
    if (strcmp(folders[i].path, path) == 0) return &folders[i];
  }
  return NULL;
}

// What is in a folder now. Files without an id (the index's) are left out.
static void list(const char *path, struct folder *out) {
  char full[PATH_MAX];
  path_of(plan.root, path, "", full);
  snprintf(out->path, sizeof out->path, "%s", path);
  out->count = 0;
  DIR *listing = opendir(full);
  if (!listing) return;
  const struct dirent *item;
  while ((item = readdir(listing))) {
    struct stat info;
    if (strcmp(item->d_name, ".") == 0 || strcmp(item->d_name, "..") == 0) continue;
    must(fstatat(dirfd(listing), item->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0, item->d_name);
    const unsigned file = S_ISDIR(info.st_mode) ? 0 : file_of(info.st_ino);
    if (!S_ISDIR(info.st_mode) && !file) continue;
    const size_t bytes = strlen(item->d_name) + 1;
    must(out->count < MOST_NAMES && bytes <= NAME_BYTES, "too many names");
    struct name *name = &out->names[out->count++];
    memcpy(name->text, item->d_name, bytes);
    name->file = file;
  }
  closedir(listing);
}

static void note_folder(const char *path) {
  struct folder *folder = folder_of(path);
  if (!folder) {
    must(folder_count < MOST_FOLDERS, "too many folders");
    folder = &folders[folder_count++];
  }
  list(path, folder);
}

// The relative path of something under the root; false when it lies elsewhere.
static bool relative_of(int fd, char out[PATH_MAX]) {
  char link[64], full[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t length = readlink(link, full, sizeof full - 1);
  if (length < 0) return false;
  full[length] = '\0';
  const size_t root_length = strlen(plan.root);
  if (strncmp(full, plan.root, root_length) != 0) return false;
  if (full[root_length] != '\0' && full[root_length] != '/') return false;
  snprintf(out, PATH_MAX, "%s", full + root_length + (full[root_length] == '/'));
  return true;
}

// After the power cut.

static unsigned chance(const char *about, unsigned among) {
  if (plan.kind == CRASH_NOTHING) return 0;
  if (plan.kind == CRASH_ALL) return 1;
  uint32_t sum = plan.seed * 2654435761u + 1;
  for (const char *at = about; *at; at++) sum = (sum ^ (unsigned char)*at) * 16777619u;
  return (sum >> 16) % among;
}

static bool find_now(unsigned file, const char *folder, char out[PATH_MAX]) {
  struct folder *now = malloc(sizeof *now);
  must(now != NULL, "memory");
  list(folder, now);
  bool is_found = false;
  for (size_t i = 0; i < now->count && !is_found; i++) {
    char path[PATH_MAX];
    path_of(folder, "", now->names[i].text, path);
    const char *inside = path[0] == '/' ? path + 1 : path;
    if (now->names[i].file == file && file) {
      path_of(plan.root, folder, now->names[i].text, out);
      is_found = true;
    } else if (!now->names[i].file) {
      is_found = find_now(file, inside, out);
    }
  }
  free(now);
  return is_found;
}

static void write_file(const char *path, const uint8_t *data, size_t bytes) {
  const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  must(fd >= 0 && write(fd, data, bytes) == (ssize_t)bytes && close(fd) == 0, path);
}

// What of a file survives: as it was synced, or as it is, or of its size but not all of its bytes.
static void leave_file(unsigned file, const char *about, const char *path) {
  char now_path[PATH_MAX];
  const struct file *synced = &files[file];
  const unsigned fate = chance(about, 4);
  if (fate == 0 || !find_now(file, "", now_path)) {
    write_file(path, synced->data, synced->is_synced ? synced->bytes : 0);
    return;
  }
  size_t bytes;
  uint8_t *data = read_bytes(now_path, &bytes);
  // What was synced and is still the same is on the disk, whatever happens to the rest.
  size_t sure = 0;
  while (synced->is_synced && sure < synced->bytes && sure < bytes && synced->data[sure] == data[sure]) sure++;
  if (fate == 2) memset(data + sure, 0, bytes - sure);
  if (fate == 3) memset(data + sure + (bytes - sure) / 2, 0, (bytes - sure) - (bytes - sure) / 2);
  write_file(path, data, bytes);
  free(data);
}

static const struct name *name_of(const struct folder *folder, const char *text) {
  for (size_t i = 0; folder && i < folder->count; i++) {
    if (strcmp(folder->names[i].text, text) == 0) return &folder->names[i];
  }
  return NULL;
}

static void leave_folder(const char *folder);

// The name as it was synced or as it is now; both may be that there is none.
static void leave_name(const char *folder, const char *text, const struct name *synced, const struct name *now) {
  char about[PATH_MAX], path[PATH_MAX];
  path_of(folder, "", text, about);
  const struct name *left = chance(about, 2) ? now : synced;
  if (!left) return;
  path_of(plan.after, folder, text, path);
  if (left->file) {
    leave_file(left->file, about + (about[0] == '/'), path);
    return;
  }
  must(mkdir(path, 0700) == 0, path);
  leave_folder(about[0] == '/' ? about + 1 : about);
}

static void leave_folder(const char *path) {
  const struct folder *synced = folder_of(path);
  struct folder *now = malloc(sizeof *now);
  must(now != NULL, "memory");
  list(path, now);
  for (size_t i = 0; synced && i < synced->count; i++) {
    leave_name(path, synced->names[i].text, &synced->names[i], name_of(now, synced->names[i].text));
  }
  for (size_t i = 0; i < now->count; i++) {
    if (!name_of(synced, now->names[i].text)) leave_name(path, now->names[i].text, NULL, &now->names[i]);
  }
  free(now);
}

static void take_step(void) {
  if (!is_on || ++step < plan.step) return;
  is_on = false;
  if (plan.kind != CRASH_KILL) leave_folder("");
  _exit(CRASHED);
}

static void note_all(const char *path) {
  char full[PATH_MAX], inside[PATH_MAX];
  path_of(plan.root, path, "", full);
  DIR *listing = opendir(full);
  must(listing != NULL, full);
  const struct dirent *item;
  while ((item = readdir(listing))) {
    struct stat info;
    if (item->d_name[0] == '.' || strncmp(item->d_name, "index.", 6) == 0) continue;
    path_of(full, "", item->d_name, inside);
    must(stat(inside, &info) == 0, inside);
    if (!S_ISDIR(info.st_mode)) note_content(file_new(info.st_ino), inside);
    path_of(path, "", item->d_name, inside);
    if (S_ISDIR(info.st_mode)) note_all(inside[0] == '/' ? inside + 1 : inside);
  }
  closedir(listing);
  note_folder(path);
}

void crash_disk_begin(const struct crash_plan *given) {
  plan = *given;
  note_all("");
  is_on = true;
}

// The calls.

int __wrap_openat(int folder_fd, const char *path, int flags, ...) {
  mode_t mode = 0;
  if (flags & O_CREAT) {
    va_list arguments;
    va_start(arguments, flags);
    mode = va_arg(arguments, mode_t);
    va_end(arguments);
  }
  struct stat info;
  char relative[PATH_MAX];
  if (!(flags & O_CREAT)) return __real_openat(folder_fd, path, flags, mode);
  pthread_mutex_lock(&lock);
  take_step();
  const bool is_new = fstatat(folder_fd, path, &info, AT_SYMLINK_NOFOLLOW) != 0;
  const int fd = __real_openat(folder_fd, path, flags, mode);
  if (fd >= 0 && is_new && is_on && relative_of(fd, relative)) {
    must(fstat(fd, &info) == 0, path);
    file_new(info.st_ino);
  }
  pthread_mutex_unlock(&lock);
  return fd;
}

ssize_t __wrap_pwrite(int fd, const void *data, size_t bytes, off_t offset) {
  pthread_mutex_lock(&lock);
  take_step();
  const ssize_t done = __real_pwrite(fd, data, bytes, offset);
  pthread_mutex_unlock(&lock);
  return done;
}

int __wrap_ftruncate(int fd, off_t bytes) {
  pthread_mutex_lock(&lock);
  take_step();
  const int done = __real_ftruncate(fd, bytes);
  pthread_mutex_unlock(&lock);
  return done;
}

static void note_synced(int fd) {
  char relative[PATH_MAX], full[PATH_MAX];
  struct stat info;
  if (!relative_of(fd, relative)) return;
  must(fstat(fd, &info) == 0, relative);
  if (S_ISDIR(info.st_mode)) {
    note_folder(relative);
  } else if (file_of(info.st_ino)) {
    snprintf(full, sizeof full, "/proc/self/fd/%d", fd);
    note_content(file_of(info.st_ino), full);
  }
}

// The real disk is not asked: it has nothing to lose.
int __wrap_fsync(int fd) {
  pthread_mutex_lock(&lock);
  take_step();
  if (is_on) note_synced(fd);
  pthread_mutex_unlock(&lock);
  return 0;
}

int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to) {
  pthread_mutex_lock(&lock);
  take_step();
  const int done = __real_renameat(from_fd, from, to_fd, to);
  pthread_mutex_unlock(&lock);
  return done;
}

int __wrap_linkat(int from_fd, const char *from, int to_fd, const char *to, int flags) {
  pthread_mutex_lock(&lock);
  take_step();
  const int done = __real_linkat(from_fd, from, to_fd, to, flags);
  pthread_mutex_unlock(&lock);
  return done;
}

int __wrap_unlinkat(int folder_fd, const char *path, int flags) {
  pthread_mutex_lock(&lock);
  take_step();
  const int done = __real_unlinkat(folder_fd, path, flags);
  pthread_mutex_unlock(&lock);
  return done;
}
