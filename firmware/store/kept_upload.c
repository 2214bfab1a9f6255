// What only kept uploads do. The order of things is told in kept.c.
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/file.h"
#include "uploading.h"

enum { COPY_BUFFER_BYTES = 256 * 1024 };

// Checked before a name becomes a path.
static enum base_result check_name(const char *name, struct base_fault *fault) {
  if (store_upload_name_is_valid(name)) return BASE_OK;
  return BASE_FAIL(fault, BASE_BAD_INPUT, "upload", "an upload's name is %d characters of base64url",
                   STORE_UPLOAD_NAME_CHARS);
}

static struct store_kept describe(const struct store_upload *upload, uint64_t synced) {
  struct store_kept kept = {.synced = synced};
  memcpy(kept.name, upload->name, sizeof kept.name);
  memcpy(kept.boot_id, upload->store->boot_id, sizeof kept.boot_id);
  return kept;
}

// Writes the record with another offset and the note it has, or with `note` when that is not NULL.
static enum base_result write_record(struct store_upload *upload, uint64_t synced, const struct base_span *note,
                                     struct base_fault *fault) {
  const struct store_kept kept = describe(upload, synced);
  struct store_kept old;
  struct base_buffer old_note;
  base_buffer_init(&old_note, STORE_MAX_NOTE);
  enum base_result result = note ? BASE_OK : store_kept_load(upload->store, upload->name, &old, &old_note, fault);
  if (result == BASE_OK) {
    result = store_kept_save(upload->store, &kept, note ? *note : base_buffer_span(&old_note), fault);
  }
  if (result == BASE_OK) upload->synced = synced;
  base_buffer_finish(&old_note);
  return result;
}

// Begin and end.

static enum base_result create(struct store *store, const char *name, uint64_t more, struct store_upload **out,
                               struct base_fault *fault) {
  enum base_result result = store_upload_create(store, more, out, fault);
  if (result != BASE_OK) return result;
  (*out)->is_kept = true;
  memcpy((*out)->name, name, sizeof(*out)->name);
  (*out)->path = store_path_partial(name);
  return BASE_OK;
}

static enum base_result make_file(struct store_upload *upload, struct base_fault *fault) {
  int fd;
  const enum base_result result = store_upload_borrow(upload, &fd, fault);
  if (result == BASE_OK) store_upload_give_back(upload);
  return result;
}

static enum base_result begin(struct store *store, const char *name, struct base_span note, uint64_t expected_bytes,
                              struct store_upload **out, struct base_fault *fault) {
  struct store_upload *upload;
  uint64_t old_bytes;
  if (store_file_size(store, store_path_partial_record(name).text, &old_bytes)) {
    return BASE_FAIL(fault, BASE_CONFLICT, "upload", "there is such an upload already");
  }
  enum base_result result = create(store, name, expected_bytes, &upload, fault);
  if (result != BASE_OK) return result;
  store_names_forget_hash(store->names, name);  // of a former one
  result = store_file_remove(store, upload->path.text, fault);
  if (result == BASE_OK) result = make_file(upload, fault);
  if (result == BASE_OK) result = write_record(upload, 0, &note, fault);
  if (result != BASE_OK) {
    store_upload_free(&upload);
    store_kept_discard(store, name);
    return result;
  }
  *out = upload;
  return BASE_OK;
}

enum base_result store_upload_begin_kept(struct store *store, const char *name, struct base_span note,
                                         uint64_t expected_bytes, struct store_upload **out, struct base_fault *fault) {
  *out = NULL;
  enum base_result result = check_name(name, fault);
  if (result == BASE_OK) result = store_names_take(store->names, name, NULL, fault);
  if (result != BASE_OK) return result;
  result = begin(store, name, note, expected_bytes, out, fault);
  if (result != BASE_OK) store_names_give_back(store->names, name, STORE_NAME_FREE);
  return result;
}

// Makes the file agree with what is believed of it.
static enum base_result settle_file(struct store_upload *upload, const struct store_kept *kept,
                                    struct base_fault *fault) {
  int fd;
  struct stat info;
  upload->synced = kept->synced;
  upload->bytes = store_kept_bytes(upload->store, kept);
  enum base_result result = store_upload_borrow(upload, &fd, fault);
  if (result != BASE_OK) return result;
  if (fstat(fd, &info) != 0) {
    result = BASE_FAIL_ERRNO(fault, upload->path.text, "cannot examine the upload");
  } else if (info.st_nlink > 1 && (uint64_t)info.st_size > upload->bytes) {
    // The other name may be an original's, which has been synced whole: not ours to cut.
    result = BASE_FAIL(fault, BASE_CONFLICT, "upload", "the upload's file has another name, and more bytes than it");
  } else if ((uint64_t)info.st_size > upload->bytes && ftruncate(fd, (off_t)upload->bytes) != 0) {
    result = BASE_FAIL_ERRNO(fault, upload->path.text, "cannot cut the upload");
  } else {
    upload->is_shared = info.st_nlink > 1;
  }
  store_upload_give_back(upload);
  if (result != BASE_OK || upload->bytes >= kept->synced) return result;
  base_metric_add(upload->store->meters.damaged, 1);
  base_log_write(upload->store->config.log, BASE_LOG_WARN, STORE_ROOM, NULL,
                 "%s: %" PRIu64 " bytes were synced, %" PRIu64 " are there", upload->path.text, kept->synced,
                 upload->bytes);
  return write_record(upload, upload->bytes, NULL, fault);
}

static enum base_result resume(struct store *store, const char *name, uint64_t more_bytes, struct base_buffer *note,
                               struct store_upload **out, struct base_fault *fault) {
  struct store_kept kept;
  struct store_upload *upload;
  enum base_result result = store_kept_load(store, name, &kept, note, fault);
  if (result != BASE_OK) return result;
  if (kept.is_committed) return BASE_FAIL(fault, BASE_CONFLICT, "upload", "the upload has become an original");
  result = create(store, name, more_bytes, &upload, fault);
  if (result != BASE_OK) return result;
  result = settle_file(upload, &kept, fault);
  if (result != BASE_OK) {
    store_upload_free(&upload);
    return result;
  }
  if (store_names_take_hash(store->names, name, &upload->hash, &upload->hashed)) {
    store_upload_shorten(upload, upload->bytes);
  }
  upload->write_back_from = upload->handed_on = upload->bytes;
  *out = upload;
  return BASE_OK;
}

enum base_result store_upload_resume(struct store *store, const char *name, uint64_t more_bytes,
                                     struct base_buffer *note, struct store_upload **out, struct base_fault *fault) {
  *out = NULL;
  enum base_result result = check_name(name, fault);
  if (result == BASE_OK) result = store_names_take(store->names, name, NULL, fault);
  if (result != BASE_OK) return result;
  result = resume(store, name, more_bytes, note, out, fault);
  if (result != BASE_OK) store_names_give_back(store->names, name, STORE_NAME_FREE);
  return result;
}

enum base_result store_upload_rest(struct store_upload **upload_pointer, struct base_fault *fault) {
  struct store_upload *upload = *upload_pointer;
  struct store *store = upload->store;
  char name[sizeof upload->name];
  memcpy(name, upload->name, sizeof name);
  const enum base_result result = store_upload_sync(upload, fault);
  if (result == BASE_OK && upload->hashed > 0) {
    store_names_keep_hash(store->names, name, &upload->hash, upload->hashed);
  }
  store_upload_free(upload_pointer);
  store_names_give_back(store->names, name, STORE_NAME_FREE);
  return result;
}

// Bytes.

static enum base_result sync_data(struct store_upload *upload, struct base_fault *fault) {
  int fd;
  enum base_result result = store_upload_borrow(upload, &fd, fault);
  if (result != BASE_OK) return result;
  if (fsync(fd) != 0) {
    // What could not be written is lost, though the page cache may go on showing it.
    result = BASE_FAIL_ERRNO(fault, upload->path.text, "cannot sync the upload");
    if (ftruncate(fd, (off_t)upload->synced) != 0) upload->result = result;
    store_upload_shorten(upload, upload->synced);
  }
  store_upload_give_back(upload);
  return result;
}

static enum base_result sync_with(struct store_upload *upload, const struct base_span *note, struct base_fault *fault) {
  BASE_ASSERT(upload->is_kept);
  if (upload->result != BASE_OK) return BASE_FAIL(fault, upload->result, "", "the upload has failed before");
  const bool has_new_bytes = upload->bytes != upload->synced;
  if (!has_new_bytes && !note) return BASE_OK;
  const enum base_result result = has_new_bytes ? sync_data(upload, fault) : BASE_OK;
  return result == BASE_OK ? write_record(upload, upload->bytes, note, fault) : result;
}

enum base_result store_upload_sync(struct store_upload *upload, struct base_fault *fault) {
  return sync_with(upload, NULL, fault);
}

enum base_result store_upload_set_note(struct store_upload *upload, struct base_span note, struct base_fault *fault) {
  return sync_with(upload, &note, fault);
}

static enum base_result cut_file(struct store_upload *upload, uint64_t bytes, struct base_fault *fault) {
  int fd;
  if (upload->is_shared) {  // the original keeps the bytes
    store_descriptors_drop(upload->store->descriptors, &upload->file);
    enum base_result result = store_file_remove(upload->store, upload->path.text, fault);
    if (result == BASE_OK) result = make_file(upload, fault);
    if (result == BASE_OK) result = store_folder_sync(upload->store, STORE_PARTIAL, fault);
    if (result == BASE_OK) upload->is_shared = false;
    return result;
  }
  enum base_result result = store_upload_borrow(upload, &fd, fault);
  if (result != BASE_OK) return result;
  if (ftruncate(fd, (off_t)bytes) != 0) result = BASE_FAIL_ERRNO(fault, upload->path.text, "cannot cut the upload");
  store_upload_give_back(upload);
  return result;
}

enum base_result store_upload_rewind(struct store_upload *upload, uint64_t bytes, struct base_fault *fault) {
  if (upload->result != BASE_OK) return BASE_FAIL(fault, upload->result, "", "the upload has failed before");
  if (bytes > upload->bytes) return BASE_FAIL(fault, BASE_BAD_INPUT, "bytes", "the upload is not that long");
  if (bytes == upload->bytes) return BASE_OK;
  if (upload->is_shared && bytes > 0) {
    return BASE_FAIL(fault, BASE_CONFLICT, "upload", "the upload has become an original");
  }
  const bool is_below_record = upload->is_kept && bytes < upload->synced;
  enum base_result result = is_below_record ? write_record(upload, bytes, NULL, fault) : BASE_OK;
  if (result == BASE_OK) result = cut_file(upload, bytes, fault);
  if (result == BASE_OK) store_upload_shorten(upload, bytes);
  return result;
}

static enum base_result copy_from(struct store_upload *upload, int fd, uint64_t bytes, uint8_t *buffer,
                                  struct base_fault *fault) {
  for (uint64_t at = 0; at < bytes;) {
    const size_t step = (size_t)base_min_u64(bytes - at, COPY_BUFFER_BYTES);
    enum base_result result = base_fd_pread_all(fd, buffer, step, (off_t)at, fault);
    if (result == BASE_OK) result = store_upload_write(upload, base_span_of(buffer, step), fault);
    if (result != BASE_OK) return result;
    at += step;
  }
  return BASE_OK;
}

static enum base_result append_one(struct store_upload *upload, const char *name, uint8_t *buffer,
                                   struct base_fault *fault) {
  struct store *store = upload->store;
  struct store_kept kept;
  enum base_result result = store_kept_load(store, name, &kept, NULL, fault);
  if (result != BASE_OK) return result;
  const uint64_t bytes = store_kept_bytes(store, &kept);
  if (bytes == 0) return BASE_OK;
  const struct store_path path = store_path_partial(name);
  int fd = openat(store->root_fd, path.text, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return BASE_FAIL_ERRNO(fault, path.text, "cannot open the upload's file");
  result = copy_from(upload, fd, bytes, buffer, fault);
  base_fd_close(&fd);
  return result;
}

enum base_result store_upload_append(struct store_upload *upload, const char *const *names, size_t count,
                                     struct base_fault *fault) {
  struct store *store = upload->store;
  uint8_t *buffer = malloc(COPY_BUFFER_BYTES);
  if (!buffer) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory to copy an upload");
  enum base_result result = BASE_OK;
  for (size_t i = 0; i < count && result == BASE_OK; i++) {
    result = check_name(names[i], fault);
    if (result == BASE_OK) result = store_names_take(store->names, names[i], NULL, fault);
    if (result != BASE_OK) break;
    result = append_one(upload, names[i], buffer, fault);
    store_names_give_back(store->names, names[i], STORE_NAME_FREE);
  }
  free(buffer);
  return result;
}

// Without opening it.

enum base_result store_upload_peek(struct store *store, const char *name, struct base_buffer *note, uint64_t *bytes,
                                   struct base_fault *fault) {
  struct store_kept kept;
  enum base_result result = check_name(name, fault);
  if (result != BASE_OK) return result;
  const enum store_name_use use = store_names_look(store->names, name);
  result = store_kept_load(store, name, &kept, note, fault);
  if (result != BASE_OK) return result;
  *bytes = 0;
  if (use == STORE_NAME_FREE) *bytes = store_kept_bytes(store, &kept);
  // What is open has been cut to what is believed.
  if (use == STORE_NAME_OPEN && !store_file_size(store, store_path_partial(name).text, bytes)) *bytes = 0;
  return BASE_OK;
}

struct visiting {
  bool (*visit)(void *argument, const char *name);
  void *argument;
  bool is_over;
};

static enum base_result visit_one(void *argument, const char *file_name, struct base_fault *fault) {
  struct visiting *visiting = argument;
  char name[STORE_UPLOAD_NAME_CHARS + 1];
  (void)fault;
  if (visiting->is_over || !store_name_is_partial_record(file_name, name)) return BASE_OK;
  visiting->is_over = !visiting->visit(visiting->argument, name);
  return BASE_OK;
}

enum base_result store_upload_visit(struct store *store, bool (*visit)(void *argument, const char *name),
                                    void *argument, struct base_fault *fault) {
  struct visiting visiting = {.visit = visit, .argument = argument};
  return store_folder_visit(store, STORE_PARTIAL, visit_one, &visiting, fault);
}

static enum base_result annotate(struct store *store, const char *name, struct base_span note, bool is_committed,
                                 struct base_fault *fault) {
  struct store_kept kept;
  enum base_result result = store_kept_load(store, name, &kept, NULL, fault);
  if (result != BASE_OK) return result;
  if (is_committed) {
    kept.is_committed = true;
    kept.synced = 0;
  }
  result = store_kept_save(store, &kept, note, fault);
  if (result == BASE_OK && kept.is_committed) store_file_discard(store, store_path_partial(name).text);
  return result;
}

enum base_result store_upload_annotate(struct store *store, const char *name, struct base_span note,
                                       struct base_fault *fault) {
  enum store_name_use before;
  enum base_result result = check_name(name, fault);
  if (result == BASE_OK) result = store_names_take(store->names, name, &before, fault);
  if (result != BASE_OK) return result;
  result = annotate(store, name, note, before == STORE_NAME_COMMITTED, fault);
  store_names_give_back(store->names, name, result == BASE_OK ? STORE_NAME_FREE : before);
  return result;
}

enum base_result store_upload_remove(struct store *store, const char *name, struct base_fault *fault) {
  enum store_name_use before;
  enum base_result result = check_name(name, fault);
  if (result == BASE_OK) result = store_names_take(store->names, name, &before, fault);
  if (result != BASE_OK) return result;
  result = store_kept_remove(store, name, fault);
  store_names_give_back(store->names, name, result == BASE_OK ? STORE_NAME_FREE : before);
  return result;
}
