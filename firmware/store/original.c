#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "describe.h"
#include "inside.h"
#include "ledger_hooks.h"
#include "tree_file.h"

enum { LIST_BATCH = 32 };

static enum base_result check_tenant(const char *tenant, struct base_fault *fault) {
  if (store_tenant_is_valid(tenant)) return BASE_OK;
  return BASE_FAIL(fault, BASE_BAD_INPUT, "tenant", "a tenant is 1 to %d characters of [a-z0-9-]", STORE_MAX_TENANT);
}

static bool bytes_are_there(struct store *store, const struct store_original *original) {
  const struct store_path path = store_path_original(&original->id);
  uint64_t bytes;
  return store_file_size(store, path.text, &bytes) && bytes == original->bytes;
}

static enum base_result sidecar_read(struct store *store, const char *tenant, const struct integrity_digest *id,
                                     struct store_original *out, uint64_t *report_bytes, struct base_fault *fault) {
  const struct store_path path = store_path_sidecar(id, tenant);
  struct store_record_file file;
  enum base_result result = store_record_open(store, path.text, &file, fault);
  if (result != BASE_OK) return result;
  close(file.fd);
  *report_bytes = file.record.body_bytes;
  result = store_read_original(&file.record, out, fault);
  if (result != BASE_OK) return result;
  if (strcmp(out->tenant, tenant) != 0 || !integrity_digest_equal(&out->id, id)) {
    return BASE_FAIL(fault, BASE_CORRUPT, path.text, "the record is not what its name says");
  }
  if (!bytes_are_there(store, out)) {
    return BASE_FAIL(fault, BASE_CORRUPT, path.text, "the original's bytes are missing or of another length");
  }
  return BASE_OK;
}

enum base_result store_sidecar_read(struct store *store, const char *tenant, const struct integrity_digest *id,
                                    struct store_original *out, struct base_fault *fault) {
  uint64_t report_bytes;
  return sidecar_read(store, tenant, id, out, &report_bytes, fault);
}

// Commit; the original's lock is held.

// Moves the upload to its name, also when bytes are there: theirs may have been damaged since, these were just hashed.
static enum base_result place_bytes(struct store *store, const char *temporary, const struct store_original *original,
                                    const struct store_leaves *leaves, struct base_fault *fault) {
  const struct store_path folder = store_path_shard(STORE_ORIGINALS, &original->id);
  const struct store_path path = store_path_original(&original->id);
  enum base_result result = store_folder_make(store, folder.text, true, fault);
  if (result == BASE_OK) result = store_file_rename(store, temporary, path.text, fault);
  if (result != BASE_OK) return result;
  store_tree_place(store, &original->id, leaves);
  result = store_folder_sync(store, folder.text, fault);
  if (result == BASE_OK) store_findings_clear(store, &original->id, STORE_FINDING_BYTES);
  return result;
}

// A sidecar of another firmware's format must not be written over; a damaged one is healed by this upload.
static enum base_result check_old_sidecar(struct store *store, const struct store_path *path,
                                          struct base_fault *fault) {
  struct store_record_file file;
  const enum base_result result = store_record_open(store, path->text, &file, NULL);
  if (result == BASE_OK) close(file.fd);
  if (result != BASE_UNSUPPORTED) return BASE_OK;
  return BASE_FAIL(fault, BASE_CONFLICT, path->text, "a record of an unknown format is in the way");
}

static enum base_result place_sidecar(struct store *store, const struct store_original *original,
                                      struct base_span report, struct base_fault *fault) {
  const struct store_path folder = store_path_shard(STORE_ORIGINALS, &original->id);
  const struct store_path path = store_path_sidecar(&original->id, original->tenant);
  struct store_record record = {.kind = STORE_RECORD_ORIGINAL};
  struct base_buffer meta;
  struct store_path temporary;
  base_buffer_init(&meta, STORE_RECORD_MAX_META);
  integrity_digest_of(report, &record.body_digest);

  enum base_result result = store_describe_original(original, &meta, fault);
  record.meta = base_buffer_span(&meta);
  if (result == BASE_OK) result = store_record_write(store, &record, report, true, &temporary, NULL, fault);
  base_buffer_finish(&meta);
  if (result != BASE_OK) return result;
  result = store_file_rename(store, temporary.text, path.text, fault);
  if (result != BASE_OK) {
    store_file_discard(store, temporary.text);
    return result;
  }
  result = store_folder_sync(store, folder.text, fault);
  if (result == BASE_OK) store_findings_clear(store, &original->id, STORE_FINDING_RECORD);
  return result;
}

struct sidecar_search {
  const struct integrity_digest *id;
  bool is_found;
};

// Any record of the original counts, also one that cannot be read: it keeps the bytes. Its tree does not.
static enum base_result is_its_record(void *argument, const char *name, struct base_fault *fault) {
  (void)fault;
  struct sidecar_search *search = argument;
  struct integrity_digest id;
  struct base_span rest = base_span_text(name);
  if (store_name_is_tree(name, &id)) return BASE_OK;
  if (!integrity_digest_parse(base_span_cut(&rest, '.'), &id)) return BASE_OK;
  if (rest.data && integrity_digest_equal(&id, search->id)) search->is_found = true;
  return BASE_OK;
}

static enum base_result remove_unused_bytes(struct store *store, const struct integrity_digest *id,
                                            struct base_fault *fault) {
  const struct store_path folder = store_path_shard(STORE_ORIGINALS, id);
  const struct store_path path = store_path_original(id), tree = store_path_tree(id);
  struct sidecar_search search = {.id = id};
  enum base_result result = store_folder_visit(store, folder.text, is_its_record, &search, fault);
  if (result != BASE_OK || search.is_found) return result;
  result = store_file_remove(store, path.text, fault);
  if (result == BASE_OK) result = store_file_remove(store, tree.text, fault);
  if (result == BASE_OK) result = store_folder_sync(store, folder.text, fault);
  if (result == BASE_OK) store_findings_clear(store, id, STORE_FINDING_BYTES | STORE_FINDING_RECORD);
  return result;
}

// Adds to or takes from the totals when the index gets its first or has lost its last row of the original.
static void count_original(struct store *store, const struct store_original *original, bool is_added) {
  uint64_t tenants;
  if (store_index_original_tenants(store->index, &original->id, &tenants, NULL) != BASE_OK) return;
  if (tenants != (is_added ? 1 : 0)) return;
  if (is_added) {
    atomic_fetch_add(&store->originals, 1);
    atomic_fetch_add(&store->original_bytes, original->bytes);
  } else {
    atomic_fetch_sub(&store->originals, 1);
    atomic_fetch_sub(&store->original_bytes, original->bytes);
  }
  base_metric_set(store->meters.originals, (int64_t)atomic_load(&store->originals));
  base_metric_set(store->meters.original_bytes, (int64_t)atomic_load(&store->original_bytes));
}

// Takes back what a failed commit has done, so that a failure leaves nothing.
static void undo_commit(struct store *store, const struct store_original *original) {
  const struct store_path sidecar = store_path_sidecar(&original->id, original->tenant);
  struct base_fault fault = {0};
  enum base_result result = store_file_remove(store, sidecar.text, &fault);
  if (result == BASE_OK) result = remove_unused_bytes(store, &original->id, &fault);
  if (result == BASE_OK) return;
  atomic_store(&store->is_index_behind, true);  // the next open sorts it out
  base_log_fault(store->config.log, BASE_LOG_ERROR, STORE_ROOM, NULL, &fault);
}

static enum base_result adopt_new(struct store *store, const char *temporary, const struct store_original *original,
                                  const struct store_leaves *leaves, struct base_span report,
                                  struct base_fault *fault) {
  const struct store_path sidecar = store_path_sidecar(&original->id, original->tenant);
  uint64_t old_bytes;
  const bool has_old_record = store_file_size(store, sidecar.text, &old_bytes);
  enum base_result result = check_old_sidecar(store, &sidecar, fault);
  if (result != BASE_OK) return result;

  result = place_bytes(store, temporary, original, leaves, fault);
  if (result == BASE_OK) result = place_sidecar(store, original, report, fault);
  if (result == BASE_OK) result = store_index_original_put(store->index, original, fault);
  if (result == BASE_OK) {
    result = store_ledger_put(store, original, &leaves->root, fault);
    if (result == BASE_OK) return BASE_OK;
    store_ledger_take_back(store, original);
    const enum base_result removed = store_index_original_remove(store->index, original->tenant, &original->id, NULL);
    if (removed != BASE_OK) atomic_store(&store->is_index_behind, true);
  }
  if (has_old_record) {
    // Damaged or not, it stands for an upload of the past, whose bytes are not ours to remove.
    atomic_store(&store->is_index_behind, true);
  } else {
    undo_commit(store, original);
  }
  return result;
}

// Head, metadata and report.
static bool is_whole(struct store *store, const struct store_original *known, bool is_report_wanted) {
  const struct store_path path = store_path_sidecar(&known->id, known->tenant);
  struct store_original written;
  struct store_record_file file;
  struct base_blob *report = NULL;
  if (store_record_open(store, path.text, &file, NULL) != BASE_OK) return false;
  enum base_result result = store_read_original(&file.record, &written, NULL);
  if (result == BASE_OK) result = store_record_read_body(&file, path.text, STORE_MAX_REPORT, &report, NULL);
  base_blob_unref(&report);
  base_fd_close(&file.fd);
  return result == BASE_OK && strcmp(written.tenant, known->tenant) == 0 &&
         integrity_digest_equal(&written.id, &known->id) && (!is_report_wanted || file.record.body_bytes > 0);
}

// The index may know what the records do not: a deletion that failed half-way has taken the record, damage may have.
// Without one the next scan would throw away the upload that is about to be acknowledged. A record from before there
// were reports gets this one.
static enum base_result heal_sidecar(struct store *store, struct store_original *known, uint32_t alerts,
                                     struct base_span report, struct base_fault *fault) {
  const struct store_path path = store_path_sidecar(&known->id, known->tenant);
  if (is_whole(store, known, report.bytes > 0)) {
    store_findings_clear(store, &known->id, STORE_FINDING_RECORD);
    return BASE_OK;
  }
  enum base_result result = check_old_sidecar(store, &path, fault);
  known->alerts = alerts;
  if (result == BASE_OK) result = place_sidecar(store, known, report, fault);
  return result == BASE_OK ? store_index_original_put(store->index, known, fault) : result;
}

static enum base_result adopt(struct store *store, const char *temporary, struct store_original *original,
                              const struct store_leaves *leaves, struct base_span report, bool *is_new,
                              struct base_fault *fault) {
  struct store_original known;
  enum base_result result = store_index_original_find(store->index, original->tenant, &original->id, &known, fault);
  if (result == BASE_OK) {
    result = place_bytes(store, temporary, original, leaves, fault);
    if (result == BASE_OK) result = heal_sidecar(store, &known, original->alerts, report, fault);
    if (result == BASE_OK) result = store_ledger_put(store, &known, &leaves->root, fault);
    *original = known;
    return result;
  }
  if (result == BASE_NOT_FOUND) result = adopt_new(store, temporary, original, leaves, report, fault);
  if (result != BASE_OK) return result;
  *is_new = true;
  count_original(store, original, true);
  return BASE_OK;
}

enum base_result store_original_adopt(struct store *store, const char *temporary, struct store_original *original,
                                      const struct store_leaves *leaves, struct base_span report, bool *is_new,
                                      struct base_fault *fault) {
  pthread_mutex_t *lock = store_original_lock(store, &original->id);
  pthread_mutex_lock(lock);
  const enum base_result result = adopt(store, temporary, original, leaves, report, is_new, fault);
  pthread_mutex_unlock(lock);
  return result;
}

enum base_result store_sidecar_mend(struct store *store, const char *tenant, const struct integrity_digest *id,
                                    bool *is_mended, struct base_fault *fault) {
  struct store_original known;
  pthread_mutex_t *lock = store_original_lock(store, id);
  *is_mended = false;
  pthread_mutex_lock(lock);
  enum base_result result = store_index_original_find(store->index, tenant, id, &known, fault);
  const struct store_path path = store_path_sidecar(id, tenant);
  uint64_t bytes;
  if (result == BASE_OK && store_file_size(store, path.text, &bytes) && !is_whole(store, &known, false)) {
    result = check_old_sidecar(store, &path, fault);
    if (result == BASE_OK) result = place_sidecar(store, &known, base_span_of(NULL, 0), fault);
    *is_mended = result == BASE_OK;
  }
  pthread_mutex_unlock(lock);
  return result;
}

enum base_result store_sidecar_restore(struct store *store, const char *tenant, const struct integrity_digest *id,
                                       bool *is_restored, struct base_fault *fault) {
  struct store_original known, written;
  *is_restored = false;
  const enum base_result result = store_index_original_find(store->index, tenant, id, &known, fault);
  if (result != BASE_OK || !bytes_are_there(store, &known)) return result == BASE_NOT_FOUND ? BASE_OK : result;
  const struct store_path path = store_path_sidecar(id, tenant);
  if (store_sidecar_read(store, tenant, id, &written, NULL) == BASE_OK ||
      check_old_sidecar(store, &path, NULL) != BASE_OK) {
    return BASE_OK;
  }
  const enum base_result placed = place_sidecar(store, &known, base_span_of(NULL, 0), fault);
  *is_restored = placed == BASE_OK;
  return placed;
}

// Look-ups.

enum base_result store_original_find(struct store *store, const char *tenant, const struct integrity_digest *id,
                                     struct store_original *out, struct base_fault *fault) {
  enum base_result result = check_tenant(tenant, fault);
  if (result == BASE_OK) result = store_index_original_find(store->index, tenant, id, out, fault);
  if (result == BASE_NOT_FOUND) return BASE_FAIL(fault, result, "id", "there is no such original");
  return result;
}

enum base_result store_original_report(struct store *store, const char *tenant, const struct integrity_digest *id,
                                       struct base_blob **out, struct base_fault *fault) {
  *out = NULL;
  struct store_original original;
  enum base_result result = store_original_find(store, tenant, id, &original, fault);
  if (result != BASE_OK) return result;
  const struct store_path path = store_path_sidecar(id, tenant);
  struct store_record_file file;
  result = store_record_open(store, path.text, &file, fault);
  if (result != BASE_OK) return result;
  if (file.record.kind != STORE_RECORD_ORIGINAL) {
    result = BASE_FAIL(fault, BASE_CORRUPT, path.text, "the record is not what its name says");
  } else if (file.record.body_bytes == 0) {
    result = BASE_FAIL(fault, BASE_NOT_FOUND, "report", "the original was stored without a report");
  } else {
    result = store_record_read_body(&file, path.text, STORE_MAX_REPORT, out, fault);
  }
  base_fd_close(&file.fd);
  return result;
}

// Read in batches, so that no lock is held while visiting. The last one read is kept in front of the next batch.
static enum base_result list(struct store *store, const char *tenant, const char *tag,
                             const struct store_original *after, size_t limit,
                             bool (*visit)(void *argument, const struct store_original *original), void *argument,
                             struct base_fault *fault) {
  enum base_result result = BASE_OK;
  struct store_original *batch = malloc((1 + LIST_BATCH) * sizeof *batch);
  if (!batch) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for a list");
  bool is_wanted = true;
  while (is_wanted && limit > 0) {
    const size_t capacity = limit < LIST_BATCH ? limit : LIST_BATCH;
    size_t count;
    result = store_index_original_page(store->index, tenant, tag, after, batch + 1, capacity, &count, fault);
    if (result != BASE_OK) break;
    for (size_t i = 0; i < count && is_wanted; i++) is_wanted = visit(argument, &batch[1 + i]);
    if (count < capacity) break;
    batch[0] = batch[count];
    after = &batch[0];
    limit -= count;
  }
  free(batch);
  return result;
}

enum base_result store_original_list(struct store *store, const char *tenant, const struct store_original *after,
                                     size_t limit, bool (*visit)(void *argument, const struct store_original *original),
                                     void *argument, struct base_fault *fault) {
  const enum base_result result = check_tenant(tenant, fault);
  return result == BASE_OK ? list(store, tenant, NULL, after, limit, visit, argument, fault) : result;
}

enum base_result store_original_list_tagged(struct store *store, const char *tenant, struct base_span tag,
                                            bool (*visit)(void *argument, const struct store_original *original),
                                            void *argument, struct base_fault *fault) {
  const enum base_result result = check_tenant(tenant, fault);
  if (result != BASE_OK) return result;
  char text[STORE_MAX_TAGS + 1];
  if (tag.bytes == 0 || memchr(tag.data, '\n', tag.bytes) || !base_span_copy(tag, text, sizeof text)) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "tag", "a tag is one line of 1 to %d bytes", STORE_MAX_TAGS);
  }
  return list(store, tenant, text, NULL, SIZE_MAX, visit, argument, fault);
}

// Deletion.

// The original's lock is held. The record goes first and durably: bytes without a record are cleared away at the
// next open, a record without bytes would be damage. The index comes last: on a full disk it has no room to change
// until the bytes are gone, and as long as its row is there a deletion can be tried again.
static enum base_result delete_one(struct store *store, const char *tenant, const struct integrity_digest *id,
                                   struct base_fault *fault) {
  const struct store_path folder = store_path_shard(STORE_ORIGINALS, id);
  const struct store_path sidecar = store_path_sidecar(id, tenant);
  struct store_original original;
  enum base_result result = store_original_find(store, tenant, id, &original, fault);
  if (result != BASE_OK) return result;

  result = store_file_remove(store, sidecar.text, fault);
  if (result == BASE_OK) result = store_folder_sync(store, folder.text, fault);
  if (result == BASE_OK) result = remove_unused_bytes(store, id, fault);
  if (result == BASE_OK) {
    result = store_variants_remove(store, tenant, id, fault);
    store_ledger_purge_original(store, tenant, id);
  }
  if (result == BASE_OK && !bytes_are_there(store, &original)) store_levels_remove(store, id);
  if (result == BASE_OK) result = store_index_original_remove(store->index, tenant, id, fault);
  if (result == BASE_OK) count_original(store, &original, false);
  if (result != BASE_OK) atomic_store(&store->is_index_behind, true);
  return result;
}

enum base_result store_original_delete(struct store *store, const char *tenant, const struct integrity_digest *id,
                                       struct base_fault *fault) {
  enum base_result result = check_tenant(tenant, fault);
  if (result != BASE_OK) return result;
  pthread_mutex_t *lock = store_original_lock(store, id);
  pthread_mutex_lock(lock);
  result = delete_one(store, tenant, id, fault);
  pthread_mutex_unlock(lock);
  store_tier_bury(store);
  if (result != BASE_OK) return result;
  base_metric_add(store->meters.deletes, 1);
  return store_ledger_settle(store, fault);
}
