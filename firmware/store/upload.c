#include <stdlib.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/file.h"
#include "inside.h"

enum {
  RESERVE_STEP_BYTES = 1024 * 1024,  // what an upload of unknown length reserves at a time
  ROOM_ROUNDS = 8,
};

struct store_upload {
  struct store *store;
  int fd;
  struct store_path path;
  uint64_t bytes;
  uint64_t reserved_bytes;  // still to come, counted in the store's sum
  enum base_result result;  // the first failure: the upload can only be given up
  struct integrity_hash hash;
};

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

enum base_result store_upload_begin(struct store *store, uint64_t expected_bytes, struct store_upload **out,
                                    struct base_fault *fault) {
  struct store_upload *upload = calloc(1, sizeof *upload);
  if (!upload) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for an upload");
  upload->store = store;
  upload->fd = -1;
  enum base_result result = reserve(upload, expected_bytes == UINT64_MAX ? 0 : expected_bytes, fault);
  if (result == BASE_OK) result = store_temporary_create(store, &upload->path, &upload->fd, fault);
  if (result != BASE_OK) {
    unreserve(upload, upload->reserved_bytes);
    free(upload);
    return result;
  }
  integrity_hash_init(&upload->hash);
  atomic_fetch_add(&store->uploads, 1);
  *out = upload;
  return BASE_OK;
}

// Gives the disk its bytes back at once: the caller may take its time to give up, and others need the room.
static enum base_result fail_upload(struct store_upload *upload, enum base_result result) {
  upload->result = result;
  store_file_discard(upload->store, upload->path.text);
  base_fd_close(&upload->fd);
  unreserve(upload, upload->reserved_bytes);
  return result;
}

enum base_result store_upload_write(struct store_upload *upload, struct base_span bytes, struct base_fault *fault) {
  if (upload->result != BASE_OK) return BASE_FAIL(fault, upload->result, "", "the upload has failed before");
  if (bytes.bytes > upload->reserved_bytes) {
    const uint64_t missing = bytes.bytes - upload->reserved_bytes;
    const enum base_result result = reserve(upload, base_max_u64(missing, RESERVE_STEP_BYTES), fault);
    if (result != BASE_OK) return fail_upload(upload, result);
  }
  const enum base_result result = base_fd_write_all(upload->fd, bytes, fault);
  if (result != BASE_OK) {
    if (result == BASE_NO_SPACE) base_metric_add(upload->store->meters.no_space, 1);
    return fail_upload(upload, result);
  }
  integrity_hash_update(&upload->hash, bytes);
  upload->bytes += bytes.bytes;
  unreserve(upload, bytes.bytes);
  return BASE_OK;
}

int store_upload_fd(const struct store_upload *upload) { return upload->fd; }

uint64_t store_upload_bytes(const struct store_upload *upload) { return upload->bytes; }

static enum base_result finish(struct store_upload *upload, struct store_original *original, bool *is_new,
                               struct base_fault *fault) {
  if (upload->result != BASE_OK) return BASE_FAIL(fault, upload->result, "", "the upload has failed before");
  if (!store_tenant_is_valid(original->tenant)) return BASE_FAIL(fault, BASE_BAD_INPUT, "tenant", "no such tenant");
  integrity_hash_finish(&upload->hash, &original->id);
  original->bytes = upload->bytes;
  const int64_t now_s = base_clock_wall_s(upload->store->config.clock);
  original->created_s = now_s < 0 ? 0 : now_s;
  if (fsync(upload->fd) != 0) return BASE_FAIL_ERRNO(fault, upload->path.text, "cannot sync the upload");
  return store_original_adopt(upload->store, upload->path.text, original, is_new, fault);
}

enum base_result store_upload_commit(struct store_upload **upload, struct store_original *original, bool *is_new,
                                     struct base_fault *fault) {
  const struct store *store = (*upload)->store;
  const uint64_t start_us = base_clock_us(store->config.clock);
  *is_new = false;
  const enum base_result result = finish(*upload, original, is_new, fault);
  base_metric_add(result != BASE_OK ? store->meters.uploads_failed
                  : *is_new         ? store->meters.uploads_new
                                    : store->meters.uploads_known,
                  1);
  if (result == BASE_OK) {
    base_histogram_observe_us(store->meters.commit_seconds, base_clock_us(store->config.clock) - start_us);
  }
  store_upload_abort(upload);
  return result;
}

void store_upload_abort(struct store_upload **upload_pointer) {
  struct store_upload *upload = *upload_pointer;
  *upload_pointer = NULL;
  if (!upload) return;
  // After a commit that moved it the name is gone already; numbers are not used twice.
  if (upload->fd >= 0) store_file_discard(upload->store, upload->path.text);
  base_fd_close(&upload->fd);
  unreserve(upload, upload->reserved_bytes);
  atomic_fetch_sub(&upload->store->uploads, 1);
  free(upload);
}
