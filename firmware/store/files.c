#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/file.h"
#include "inside.h"

enum { FOLDER_MODE = 0750, FILE_MODE = 0640, OPEN_FOLDER = O_RDONLY | O_DIRECTORY | O_CLOEXEC };

enum base_result store_folder_sync(struct store *store, const char *path, struct base_fault *fault) {
  int fd = openat(store->root_fd, path, OPEN_FOLDER);
  if (fd < 0) return BASE_FAIL_ERRNO(fault, path, "cannot open the folder");
  enum base_result result = BASE_OK;
  if (fsync(fd) != 0) result = BASE_FAIL_ERRNO(fault, path, "cannot sync the folder");
  base_fd_close(&fd);
  return result;
}

enum base_result store_folder_make(struct store *store, const char *path, bool is_durable, struct base_fault *fault) {
  if (mkdirat(store->root_fd, path, FOLDER_MODE) != 0) {
    return errno == EEXIST ? BASE_OK : BASE_FAIL_ERRNO(fault, path, "cannot make the folder");
  }
  if (!is_durable) return BASE_OK;
  char parent[STORE_PATH_BYTES] = ".";
  const char *slash = strrchr(path, '/');
  if (slash && !base_span_copy(base_span_of(path, (size_t)(slash - path)), parent, sizeof parent)) {
    return BASE_FAIL(fault, BASE_INTERNAL, path, "the folder's name is too long");
  }
  return store_folder_sync(store, parent, fault);
}

static bool is_dot(const char *name) { return strcmp(name, ".") == 0 || strcmp(name, "..") == 0; }

enum base_result store_folder_visit(struct store *store, const char *path,
                                    enum base_result (*visit)(void *argument, const char *name,
                                                              struct base_fault *fault),
                                    void *argument, struct base_fault *fault) {
  int fd = openat(store->root_fd, path, OPEN_FOLDER);
  if (fd < 0 && errno == ENOENT) return BASE_OK;
  if (fd < 0) return BASE_FAIL_ERRNO(fault, path, "cannot open the folder");
  DIR *folder = fdopendir(fd);
  if (!folder) {
    const enum base_result result = BASE_FAIL_ERRNO(fault, path, "cannot read the folder");
    base_fd_close(&fd);
    return result;
  }
  enum base_result result = BASE_OK;
  while (result == BASE_OK) {
    errno = 0;
    const struct dirent *item = readdir(folder);
    if (!item) {
      if (errno != 0) result = BASE_FAIL_ERRNO(fault, path, "cannot read the folder");
      break;
    }
    if (!is_dot(item->d_name)) result = visit(argument, item->d_name, fault);
  }
  closedir(folder);
  return result;
}

enum base_result store_temporary_create(struct store *store, struct store_path *path, int *out_fd,
                                        struct base_fault *fault) {
  int fd;
  do {  // a name may be taken by what could not be removed when the store was opened
    *path = store_path_temporary(atomic_fetch_add(&store->next_temporary, 1));
    fd = openat(store->root_fd, path->text, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, FILE_MODE);
  } while (fd < 0 && errno == EEXIST);
  if (fd < 0) return BASE_FAIL_ERRNO(fault, path->text, "cannot create the file");
  *out_fd = fd;
  return BASE_OK;
}

static enum base_result write_pieces(struct store *store, const struct base_span *pieces, size_t count, bool is_durable,
                                     struct store_path *path, struct base_fault *fault) {
  int fd = -1;
  enum base_result result = store_temporary_create(store, path, &fd, fault);
  if (result != BASE_OK) return result;
  for (size_t i = 0; i < count && result == BASE_OK; i++) result = base_fd_write_all(fd, pieces[i], fault);
  if (result == BASE_OK && is_durable && fsync(fd) != 0) {
    result = BASE_FAIL_ERRNO(fault, path->text, "cannot sync the file");
  }
  base_fd_close(&fd);
  if (result != BASE_OK) store_file_discard(store, path->text);
  return result;
}

enum base_result store_record_write(struct store *store, struct store_record *record, struct base_span body,
                                    bool is_durable, struct store_path *path, uint64_t *file_bytes,
                                    struct base_fault *fault) {
  struct base_buffer head, trailer;
  base_buffer_init(&head, STORE_RECORD_HEAD_BYTES + STORE_RECORD_MAX_META);
  base_buffer_init(&trailer, SIZE_MAX / 2);
  enum base_result result = store_record_seal(record, body, &trailer, fault);
  if (result == BASE_OK) result = store_record_write_head(record, &head, fault);
  if (result == BASE_OK) {
    const struct base_span pieces[] = {base_buffer_span(&head), body, base_buffer_span(&trailer)};
    if (file_bytes) *file_bytes = head.bytes + body.bytes + trailer.bytes;
    result = write_pieces(store, pieces, sizeof pieces / sizeof pieces[0], is_durable, path, fault);
  }
  base_buffer_finish(&head);
  base_buffer_finish(&trailer);
  return result;
}

enum base_result store_file_rename(struct store *store, const char *from, const char *to, struct base_fault *fault) {
  if (renameat(store->root_fd, from, store->root_fd, to) == 0) return BASE_OK;
  return BASE_FAIL_ERRNO(fault, to, "cannot rename into place");
}

enum base_result store_file_remove(struct store *store, const char *path, struct base_fault *fault) {
  if (unlinkat(store->root_fd, path, 0) == 0 || errno == ENOENT) return BASE_OK;
  return BASE_FAIL_ERRNO(fault, path, "cannot remove the file");
}

void store_file_discard(struct store *store, const char *path) { unlinkat(store->root_fd, path, 0); }

bool store_file_size(struct store *store, const char *path, uint64_t *bytes) {
  struct stat info;
  if (fstatat(store->root_fd, path, &info, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(info.st_mode)) return false;
  *bytes = (uint64_t)info.st_size;
  return true;
}

uint64_t store_free_bytes(struct store *store) {
  struct statvfs info;
  if (fstatvfs(store->root_fd, &info) != 0) return 0;
  return (uint64_t)info.f_bavail * info.f_frsize;
}

uint64_t store_missing_bytes(struct store *store, uint64_t more) {
  const uint64_t free_bytes = store_free_bytes(store);
  uint64_t wanted;
  if (__builtin_add_overflow(store->config.min_free_bytes, more, &wanted)) wanted = UINT64_MAX;
  return wanted > free_bytes ? wanted - free_bytes : 0;
}

enum base_result store_record_open(struct store *store, const char *path, struct store_record_file *file,
                                   struct base_fault *fault) {
  file->fd = openat(store->root_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (file->fd < 0) return BASE_FAIL_ERRNO(fault, path, "cannot open the record");
  enum base_result result;
  struct stat info;
  if (fstat(file->fd, &info) != 0) {
    result = BASE_FAIL_ERRNO(fault, path, "cannot examine the record");
  } else if (!S_ISREG(info.st_mode)) {
    result = BASE_FAIL(fault, BASE_CORRUPT, path, "the record is not a regular file");
  } else {
    file->file_bytes = (uint64_t)info.st_size;
    const size_t front_bytes = file->file_bytes < sizeof file->front ? (size_t)file->file_bytes : sizeof file->front;
    result = base_fd_pread_all(file->fd, file->front, front_bytes, 0, fault);
    if (result == BASE_OK) {
      result = store_record_read_head(base_span_of(file->front, front_bytes), file->file_bytes, &file->record,
                                      &file->body_offset, fault);
    }
  }
  if (result != BASE_OK) base_fd_close(&file->fd);
  return result;
}

// Of format 1.
static enum base_result read_whole(const struct store_record_file *file, const char *path, struct base_blob *body,
                                   struct base_fault *fault) {
  struct integrity_digest digest;
  const enum base_result result = base_fd_pread_all(file->fd, body->data, body->bytes, (off_t)file->body_offset, fault);
  if (result != BASE_OK) return result;
  integrity_digest_of(base_blob_span(body), &digest);
  if (integrity_digest_equal(&digest, &file->record.body_digest)) return BASE_OK;
  return BASE_FAIL(fault, BASE_CORRUPT, path, "the body fails its digest");
}

// A block is hashed while it is still in the processor's cache; the first bad one ends it.
static enum base_result read_blocks(const struct store_record_file *file, struct base_span trailer,
                                    struct base_blob *body, struct base_fault *fault) {
  enum base_result result = BASE_OK;
  for (size_t at = 0; at < body->bytes && result == BASE_OK; at += INTEGRITY_BLOCK_BYTES) {
    const size_t rest = body->bytes - at;
    const size_t bytes = rest < INTEGRITY_BLOCK_BYTES ? rest : INTEGRITY_BLOCK_BYTES;
    result = base_fd_pread_all(file->fd, body->data + at, bytes, (off_t)(file->body_offset + at), fault);
    if (result != BASE_OK) break;
    result = store_record_check_block(trailer, at / INTEGRITY_BLOCK_BYTES, base_span_of(body->data + at, bytes), fault);
  }
  return result;
}

static enum base_result read_by_leaves(const struct store_record_file *file, struct base_blob *body,
                                       struct base_fault *fault) {
  uint8_t few[8 * BASE_DIGEST_BYTES];  // for most variants
  const size_t bytes = file->record.trailer_bytes;
  uint8_t *leaves = bytes <= sizeof few ? few : malloc(bytes);
  if (!leaves) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for a record's trailer");
  const struct base_span trailer = base_span_of(leaves, bytes);
  const off_t at = (off_t)(file->body_offset + file->record.body_bytes);
  enum base_result result = base_fd_pread_all(file->fd, leaves, bytes, at, fault);
  if (result == BASE_OK) result = store_record_check_trailer(&file->record, trailer, fault);
  if (result == BASE_OK) result = read_blocks(file, trailer, body, fault);
  if (leaves != few) free(leaves);
  return result;
}

enum base_result store_record_read_body(const struct store_record_file *file, const char *path, uint64_t limit,
                                        struct base_blob **out, struct base_fault *fault) {
  const uint64_t body_bytes = file->record.body_bytes;
  if (body_bytes > limit) return BASE_FAIL(fault, BASE_CORRUPT, path, "the body is too large");
  struct base_blob *body = base_blob_create((size_t)body_bytes);
  if (!body) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for a record's body");
  struct base_fault cause = {0};
  const enum base_result result =
      file->record.format == 1 ? read_whole(file, path, body, &cause) : read_by_leaves(file, body, &cause);
  if (result != BASE_OK) {
    base_blob_unref(&body);
    return BASE_FAIL(fault, result, path, "%s", cause.text);
  }
  *out = body;
  return BASE_OK;
}
