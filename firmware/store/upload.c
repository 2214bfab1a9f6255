#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/file.h"
#include "uploading.h"

enum {
  RESERVE_STEP_BYTES = 1024 * 1024,  // what an upload of unknown length reserves at a time
  ROOM_ROUNDS = 8,
  // After that many bytes their write-back begins, and the one before must have ended: a fast client waits for the disk
  // here and not in the last fsync, and has at most two windows of dirty pages (of 500 MB on ext4: 26 MiB instead of
  // all of them, 0.1 s in the commit instead of 0.6 s). Under load that costs 5 to 25 % of the MB/s; windows of 1 MiB
  // cost a third. Slow uploads stay below it by the thousand; for their sum there is the kernel's own limit
  // (vm.dirty_ratio): pwrite waits.
  WRITE_BACK_BYTES = 8 * 1024 * 1024,
  HASH_BUFFER_BYTES = 256 * 1024,
};

// Reservation.

// Sets `more` bytes of the free space aside, so that concurrent uploads do not all count on the same bytes. Returns how
// many are missing; then none are set aside.
static uint64_t try_to_reserve(struct store *store, uint64_t more) {
  const uint64_t missing = store_missing_bytes(store, more);
  if (missing > 0) return missing;
  const uint64_t others = atomic_fetch_add(&store->reserved_bytes, more);
  const uint64_t missing_beside_others = store_missing_bytes(store, others + more);
  if (missing_beside_others > 0) atomic_fetch_sub(&store->reserved_bytes, more);
  return missing_beside_others;
}

// Variants and levels give way: they can be made again.
static enum base_result reserve(struct store_upload *upload, uint64_t more, struct base_fault *fault) {
  struct store *store = upload->store;
  uint64_t missing = try_to_reserve(store, more);
  // Others may take the room that was made.
  for (int round = 0; missing > 0 && round < ROOM_ROUNDS && store_tier_make_room(store, missing); round++) {
    missing = try_to_reserve(store, more);
  }
  if (missing == 0) {
    upload->reserved_bytes += more;
    return BASE_OK;
  }
  base_metric_add(store->meters.no_space, 1);
  return BASE_FAIL(fault, BASE_NO_SPACE, "disk", "the disk has no room for the upload");
}

static void unreserve(struct store_upload *upload, uint64_t bytes) {
  atomic_fetch_sub(&upload->store->reserved_bytes, bytes);
  upload->reserved_bytes -= bytes;
}

// Begin and end.

enum base_result store_upload_create(struct store *store, uint64_t more, struct store_upload **out,
                                     struct base_fault *fault) {
  *out = NULL;
  struct store_upload *upload = calloc(1, sizeof *upload);
  if (!upload) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for an upload");
  upload->store = store;
  const enum base_result result = reserve(upload, more == UINT64_MAX ? 0 : more, fault);
  if (result != BASE_OK) {
    free(upload);
    return result;
  }
  integrity_hash_init(&upload->hash);
  store_leaves_init(&upload->leaves);
  atomic_fetch_add(&store->uploads, 1);
  *out = upload;
  return BASE_OK;
}

void store_upload_free(struct store_upload **upload_pointer) {
  struct store_upload *upload = *upload_pointer;
  *upload_pointer = NULL;
  store_descriptors_drop(upload->store->descriptors, &upload->file);
  unreserve(upload, upload->reserved_bytes);
  atomic_fetch_sub(&upload->store->uploads, 1);
  store_leaves_release(&upload->leaves);
  free(upload);
}

enum base_result store_upload_begin(struct store *store, uint64_t expected_bytes, struct store_upload **out,
                                    struct base_fault *fault) {
  enum base_result result = store_upload_create(store, expected_bytes, out, fault);
  if (result != BASE_OK) return result;
  int fd;
  result = store_temporary_create(store, &(*out)->path, &fd, fault);
  if (result != BASE_OK) {
    store_upload_free(out);
    return result;
  }
  base_fd_close(&fd);  // the pool opens it when there are bytes
  return BASE_OK;
}

// Gives the disk its bytes back at once: the caller may take its time to give up, and others need the room. A kept
// upload goes on from what it has.
static enum base_result fail_upload(struct store_upload *upload, enum base_result result) {
  if (upload->is_kept) return result;
  upload->result = result;
  store_descriptors_drop(upload->store->descriptors, &upload->file);
  store_file_discard(upload->store, upload->path.text);
  unreserve(upload, upload->reserved_bytes);
  return result;
}

static enum base_result check_result(const struct store_upload *upload, struct base_fault *fault) {
  if (upload->result == BASE_OK) return BASE_OK;
  return BASE_FAIL(fault, upload->result, "", "the upload has failed before");
}

void store_upload_abort(struct store_upload **upload_pointer) {
  struct store_upload *upload = *upload_pointer;
  if (!upload) return;
  struct store *store = upload->store;
  char name[sizeof upload->name];
  memcpy(name, upload->name, sizeof name);
  const bool is_kept = upload->is_kept;
  if (!is_kept && upload->result == BASE_OK) store_file_discard(store, upload->path.text);
  store_upload_free(upload_pointer);
  if (!is_kept) return;
  store_kept_discard(store, name);
  store_names_give_back(store->names, name, STORE_NAME_FREE);
}

// Bytes.

enum base_result store_upload_borrow(struct store_upload *upload, int *out_fd, struct base_fault *fault) {
  struct store *store = upload->store;
  const int flags = upload->is_kept ? O_RDWR | O_CREAT : O_RDWR;
  return store_descriptors_borrow(store->descriptors, &upload->file, store->root_fd, upload->path.text, flags, out_fd,
                                  fault);
}

void store_upload_give_back(struct store_upload *upload) {
  store_descriptors_give_back(upload->store->descriptors, &upload->file);
}

void store_upload_shorten(struct store_upload *upload, uint64_t bytes) {
  upload->bytes = bytes;
  upload->write_back_from = base_min_u64(upload->write_back_from, bytes);
  upload->handed_on = base_min_u64(upload->handed_on, bytes);
  if (upload->leaves.bytes > bytes) store_leaves_restart(&upload->leaves);
  if (upload->hashed <= bytes) return;
  integrity_hash_init(&upload->hash);
  upload->hashed = 0;
}

static enum base_result write_at(int fd, struct base_span bytes, uint64_t offset, size_t *written,
                                 struct base_fault *fault) {
  *written = 0;
  while (*written < bytes.bytes) {
    const ssize_t done = pwrite(fd, bytes.data + *written, bytes.bytes - *written, (off_t)(offset + *written));
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return BASE_FAIL_ERRNO(fault, "", "cannot write %zu bytes", bytes.bytes - *written);
    *written += (size_t)done;
  }
  return BASE_OK;
}

// Write-back that failed has lost bytes, nobody knows which: what was synced is what there is.
static enum base_result lose_unsynced(struct store_upload *upload, int fd, struct base_fault *fault) {
  const enum base_result result = BASE_FAIL_ERRNO(fault, upload->path.text, "cannot sync the upload");
  if (upload->is_kept) {
    if (ftruncate(fd, (off_t)upload->synced) != 0) upload->result = result;
    store_upload_shorten(upload, upload->synced);
  }
  return result;
}

static enum base_result hand_on(struct store_upload *upload, int fd, struct base_fault *fault) {
  const off_t from = (off_t)upload->handed_on, bytes = (off_t)(upload->bytes - upload->handed_on);
  if (bytes < WRITE_BACK_BYTES) return BASE_OK;
  // File systems that know no such thing keep to the kernel's own pace.
  int failed = sync_file_range(fd, from, bytes, SYNC_FILE_RANGE_WRITE);
  if (failed == 0 && upload->write_back_from < upload->handed_on) {
    failed = sync_file_range(fd, (off_t)upload->write_back_from, (off_t)(upload->handed_on - upload->write_back_from),
                             SYNC_FILE_RANGE_WAIT_BEFORE);
  }
  if (failed != 0 && (errno == EIO || errno == ENOSPC || errno == EDQUOT)) return lose_unsynced(upload, fd, fault);
  upload->write_back_from = upload->handed_on;
  upload->handed_on = upload->bytes;
  return BASE_OK;
}

// Digest and leaves go over what they have not seen of the bytes at `offset`; who is not as far as that yet will read
// the file.
static void catch_up(struct store_upload *upload, struct base_span bytes, uint64_t offset) {
  const uint64_t end = offset + bytes.bytes;
  if (upload->hashed >= offset && upload->hashed < end) {
    integrity_hash_update(&upload->hash, base_span_slice(bytes, (size_t)(upload->hashed - offset), SIZE_MAX));
    upload->hashed = end;
  }
  const uint64_t leaved = upload->leaves.bytes;
  if (leaved >= offset && leaved < end) {
    store_leaves_add(&upload->leaves, base_span_slice(bytes, (size_t)(leaved - offset), SIZE_MAX));
  }
}

static enum base_result append(struct store_upload *upload, struct base_span bytes, struct base_fault *fault) {
  int fd;
  size_t written;
  enum base_result result = store_upload_borrow(upload, &fd, fault);
  if (result != BASE_OK) return result;
  result = write_at(fd, bytes, upload->bytes, &written, fault);
  catch_up(upload, base_span_of(bytes.data, written), upload->bytes);
  upload->bytes += written;
  unreserve(upload, written);
  if (result == BASE_OK) result = hand_on(upload, fd, fault);
  store_upload_give_back(upload);
  return result;
}

enum base_result store_upload_write(struct store_upload *upload, struct base_span bytes, struct base_fault *fault) {
  enum base_result result = check_result(upload, fault);
  if (result != BASE_OK || bytes.bytes == 0) return result;
  if (upload->is_shared) return BASE_FAIL(fault, BASE_CONFLICT, "upload", "the upload has become an original");
  if (bytes.bytes > upload->reserved_bytes) {
    const uint64_t missing = bytes.bytes - upload->reserved_bytes;
    result = reserve(upload, base_max_u64(missing, RESERVE_STEP_BYTES), fault);
    if (result != BASE_OK) return fail_upload(upload, result);
  }
  result = append(upload, bytes, fault);
  if (result == BASE_OK) return BASE_OK;
  if (result == BASE_NO_SPACE) base_metric_add(upload->store->meters.no_space, 1);
  return fail_upload(upload, result);
}

enum base_result store_upload_open_bytes(const struct store_upload *upload, int *out_fd, struct base_fault *fault) {
  const enum base_result result = check_result(upload, fault);
  if (result != BASE_OK) return result;
  const int fd = openat(upload->store->root_fd, upload->path.text, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return BASE_FAIL_ERRNO(fault, upload->path.text, "cannot open the upload's file");
  *out_fd = fd;
  return BASE_OK;
}

uint64_t store_upload_bytes(const struct store_upload *upload) { return upload->bytes; }

// Commit.

// Reads back what was written before a resumption or a rewinding.
static enum base_result hash_rest(struct store_upload *upload, struct base_fault *fault) {
  uint64_t at = base_min_u64(upload->hashed, upload->leaves.bytes);
  if (at == upload->bytes) return store_leaves_finish(&upload->leaves, fault);
  int fd;
  enum base_result result = store_upload_borrow(upload, &fd, fault);
  if (result != BASE_OK) return result;
  uint8_t *buffer = malloc(HASH_BUFFER_BYTES);
  if (!buffer) result = BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory to read the upload");
  while (result == BASE_OK && at < upload->bytes) {
    const size_t bytes = (size_t)base_min_u64(upload->bytes - at, HASH_BUFFER_BYTES);
    result = base_fd_pread_all(fd, buffer, bytes, (off_t)at, fault);
    if (result == BASE_OK) catch_up(upload, base_span_of(buffer, bytes), at);
    at += bytes;
  }
  free(buffer);
  store_upload_give_back(upload);
  if (result == BASE_OK && upload->leaves.bytes < upload->bytes) {
    result = BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for leaf hashes");
  }
  return result == BASE_OK ? store_leaves_finish(&upload->leaves, fault) : result;
}

static enum base_result sync_bytes(struct store_upload *upload, struct base_fault *fault) {
  if (upload->is_kept) return store_upload_sync(upload, fault);
  int fd;
  enum base_result result = store_upload_borrow(upload, &fd, fault);
  if (result != BASE_OK) return result;
  if (fsync(fd) != 0) result = BASE_FAIL_ERRNO(fault, upload->path.text, "cannot sync the upload");
  store_upload_give_back(upload);
  return result;
}

// A second name for a kept upload's bytes, which becomes the original's: the first one stays until the upload's note
// tells of the original, so that a crash in between leaves an upload that can be committed again. Where there are no
// hard links it is the only name.
static enum base_result choose_source(struct store_upload *upload, struct store_path *source,
                                      struct base_fault *fault) {
  struct store *store = upload->store;
  *source = upload->path;
  if (!upload->is_kept) return BASE_OK;
  struct store_path path;
  int failed;
  do {
    path = store_path_temporary(atomic_fetch_add(&store->next_temporary, 1));
    failed = linkat(store->root_fd, upload->path.text, store->root_fd, path.text, 0);
  } while (failed != 0 && errno == EEXIST);
  if (failed == 0) {
    *source = path;
  } else if (errno != EPERM && errno != EOPNOTSUPP && errno != EMLINK) {
    return BASE_FAIL_ERRNO(fault, upload->path.text, "cannot give the upload a second name");
  }
  return BASE_OK;
}

static enum base_result finish(struct store_upload *upload, struct store_original *original, struct base_span report,
                               bool *is_new, struct base_fault *fault) {
  enum base_result result = check_result(upload, fault);
  if (result != BASE_OK) return result;
  if (!store_tenant_is_valid(original->tenant)) return BASE_FAIL(fault, BASE_BAD_INPUT, "tenant", "no such tenant");
  if (report.bytes > STORE_MAX_REPORT) {
    return BASE_FAIL(fault, BASE_TOO_LARGE, "report", "a report is over %d bytes", STORE_MAX_REPORT);
  }
  struct store_path source;
  result = hash_rest(upload, fault);
  if (result == BASE_OK) result = sync_bytes(upload, fault);
  if (result == BASE_OK) result = choose_source(upload, &source, fault);
  if (result != BASE_OK) return result;

  integrity_hash_finish(&upload->hash, &original->id);
  original->bytes = upload->bytes;
  const int64_t now_s = base_clock_wall_s(upload->store->config.clock);
  if (original->created_s <= 0 || original->created_s > now_s) original->created_s = now_s < 0 ? 0 : now_s;
  result = store_original_adopt(upload->store, source.text, original, &upload->leaves, report, is_new, fault);
  // The second name is still there after a failure, and after a renaming that found the same file in place.
  if (upload->is_kept && strcmp(source.text, upload->path.text) != 0) store_file_discard(upload->store, source.text);
  return result;
}

enum base_result store_upload_commit(struct store_upload **upload_pointer, struct store_original *original,
                                     struct base_span report, bool *is_new, struct base_fault *fault) {
  struct store_upload *upload = *upload_pointer;
  struct store *store = upload->store;
  const uint64_t start_us = base_clock_us(store->config.clock);
  *is_new = false;
  const enum base_result result = finish(upload, original, report, is_new, fault);
  base_metric_add(result != BASE_OK ? store->meters.uploads_failed
                  : *is_new         ? store->meters.uploads_new
                                    : store->meters.uploads_known,
                  1);
  if (result == BASE_OK) {
    base_histogram_observe_us(store->meters.commit_seconds, base_clock_us(store->config.clock) - start_us);
  }
  if (!upload->is_kept) {
    store_upload_abort(upload_pointer);  // what was moved has lost its name in tmp/; numbers are not used twice
    return result;
  }
  char name[sizeof upload->name];
  memcpy(name, upload->name, sizeof name);
  store_upload_free(upload_pointer);
  store_names_give_back(store->names, name, result == BASE_OK ? STORE_NAME_COMMITTED : STORE_NAME_FREE);
  return result;
}
