#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "ledger_disk.h"
#include "ledger_queue.h"

// Entries that are written together, of one bundle.
struct batch {
  struct store_ledger_item *items[INTEGRITY_TILE_WIDTH];
  size_t count;
  uint64_t first;  // index of the first one
  struct base_buffer bytes;
  struct integrity_digest leaves[INTEGRITY_TILE_WIDTH];
  // The bundle that was read last for a bare entry: what is evicted together was often derived together.
  uint64_t read_bundle;
  unsigned read_count;
  uint64_t blind_bundle;  // could not be read just now
  struct base_buffer read;
  struct store_ledger_record *records;
  uint8_t bare[INTEGRITY_TILE_WIDTH][STORE_LEDGER_BARE_BYTES];  // subjects of bare entries
  bool is_failing;                                              // and has said so
  bool is_blind;                                                // an older bundle can not be read, and that was said
};

// What a bare entry is about: tenant and object of the one that it refers to.

static enum base_result read_subject(struct store_ledger *ledger, struct batch *batch, uint64_t index,
                                     struct base_span *subject, struct base_fault *fault) {
  if (index >= batch->first) {
    const struct store_ledger_item *item = batch->items[index - batch->first];
    *subject = base_span_of(item->subject, item->subject_bytes);
    return BASE_OK;
  }
  const uint64_t bundle = index / INTEGRITY_TILE_WIDTH;
  const unsigned at = (unsigned)(index % INTEGRITY_TILE_WIDTH);
  if (batch->blind_bundle == bundle) return BASE_IO;
  if (batch->read_bundle != bundle || at >= batch->read_count) {
    base_buffer_finish(&batch->read);
    batch->read_count = 0;
    const uint64_t there = ledger->tree.size - bundle * INTEGRITY_TILE_WIDTH;
    const unsigned count = there < INTEGRITY_TILE_WIDTH ? (unsigned)there : INTEGRITY_TILE_WIDTH;
    const enum base_result result =
        store_ledger_read_bundle(ledger, bundle, count, &batch->read, batch->records, fault);
    if (result == BASE_IO) {
      if (!batch->is_blind) base_log_fault(ledger->store->config.log, BASE_LOG_ERROR, STORE_ROOM, NULL, fault);
      batch->is_blind = true;
      batch->blind_bundle = bundle;
    }
    if (result != BASE_OK) return result;
    batch->is_blind = false;
    batch->read_bundle = bundle;
    batch->read_count = count;
  }
  *subject = batch->records[at].subject;
  return BASE_OK;
}

// What the disk can not read any more must not hold up what others wait for: then the entry says what it refers to, and
// not what that was. Shortages pass, and are failures.
static enum base_result find_subject(struct store_ledger *ledger, struct batch *batch, size_t at, struct base_span *out,
                                     struct base_fault *fault) {
  const struct store_ledger_item *item = batch->items[at];
  *out = base_span_of(item->subject, item->subject_bytes);
  if (!item->is_bare) return BASE_OK;
  struct base_span text;
  struct integrity_subject about = {.tenant = INTEGRITY_SUBJECT_UNKNOWN_TENANT};
  enum base_result result = read_subject(ledger, batch, item->refers, &text, fault);
  if (result == BASE_OK) {
    result = integrity_subject_parse(text, &about, fault);
  } else if (result == BASE_IO) {
    result = BASE_OK;
  }
  struct integrity_subject subject = {.kind = item->kind, .object = about.object};
  memcpy(subject.tenant, about.tenant, sizeof subject.tenant);
  struct base_buffer written;
  base_buffer_init(&written, STORE_LEDGER_BARE_BYTES);
  if (result == BASE_OK) result = integrity_subject_write(&subject, &written, fault);
  if (result == BASE_OK) {
    memcpy(batch->bare[at], written.data, written.bytes);
    *out = base_span_of(batch->bare[at], written.bytes);
  }
  base_buffer_finish(&written);
  return result;
}

// Writing.

static enum base_result compose(struct store_ledger *ledger, struct batch *batch, struct base_fault *fault) {
  enum base_result result = BASE_OK;
  for (size_t i = 0; i < batch->count && result == BASE_OK; i++) {
    const struct store_ledger_item *item = batch->items[i];
    struct store_ledger_record record;
    result = find_subject(ledger, batch, i, &record.subject, fault);
    if (result != BASE_OK) break;
    struct integrity_entry entry = {
        .kind = item->kind, .time_s = item->time_s, .refers = item->refers, .renews = item->renews};
    memcpy(record.salt, item->salt, sizeof record.salt);
    integrity_commit(item->salt, record.subject, &entry.commitment);
    integrity_entry_write(&entry, record.entry);
    integrity_entry_leaf(record.entry, &batch->leaves[i]);
    result = store_ledger_record_write(&record, &batch->bytes, fault);
  }
  return result;
}

static enum base_result make_folders(struct store *store, const char *path, struct base_fault *fault) {
  char folder[STORE_PATH_BYTES];
  enum base_result result = BASE_OK;
  for (const char *slash = strchr(path, '/'); slash && result == BASE_OK; slash = strchr(slash + 1, '/')) {
    if (!base_span_copy(base_span_of(path, (size_t)(slash - path)), folder, sizeof folder)) {
      return BASE_FAIL(fault, BASE_INTERNAL, path, "the folder's name is too long");
    }
    result = store_folder_make(store, folder, true, fault);
  }
  return result;
}

static enum base_result open_bundle(struct store_ledger *ledger, const char *path, struct base_fault *fault) {
  if (ledger->fd >= 0) return BASE_OK;
  if (ledger->bundle_bytes == 0) {
    const enum base_result result = make_folders(ledger->store, path, fault);
    if (result != BASE_OK) return result;
  }
  ledger->fd = openat(ledger->store->root_fd, path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
  if (ledger->fd < 0) return BASE_FAIL_ERRNO(fault, path, "cannot open the file");
  // Of an attempt that failed.
  if (ftruncate(ledger->fd, (off_t)ledger->bundle_bytes) == 0) return BASE_OK;
  return BASE_FAIL_ERRNO(fault, path, "cannot cut the file");
}

static enum base_result append(struct store_ledger *ledger, struct base_span bytes, const char *path,
                               struct base_fault *fault) {
  for (size_t at = 0; at < bytes.bytes;) {
    const ssize_t done = pwrite(ledger->fd, bytes.data + at, bytes.bytes - at, (off_t)(ledger->bundle_bytes + at));
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return BASE_FAIL_ERRNO(fault, path, "cannot write %zu bytes", bytes.bytes - at);
    at += (size_t)done;
  }
  if (fsync(ledger->fd) != 0) return BASE_FAIL_ERRNO(fault, path, "cannot sync the file");
  if (ledger->bundle_bytes > 0) return BASE_OK;
  char folder[STORE_PATH_BYTES];
  const char *slash = strrchr(path, '/');
  if (!slash || !base_span_copy(base_span_of(path, (size_t)(slash - path)), folder, sizeof folder)) {
    return BASE_FAIL(fault, BASE_INTERNAL, path, "the file is in no folder");
  }
  return store_folder_sync(ledger->store, folder, fault);
}

static enum base_result write_batch(struct store_ledger *ledger, struct batch *batch, struct base_fault *fault) {
  const struct store_path path = store_ledger_bundle_path(batch->first / INTEGRITY_TILE_WIDTH);
  enum base_result result = compose(ledger, batch, fault);
  if (result == BASE_OK) result = open_bundle(ledger, path.text, fault);
  if (result == BASE_OK) result = append(ledger, base_buffer_span(&batch->bytes), path.text, fault);
  if (result != BASE_OK) base_fd_close(&ledger->fd);  // opened anew, it is cut to what is sure
  return result;
}

// What is durable joins the tree; the lock is held. BASE_NO_MEMORY: tree and disk are not the same any more.
static enum base_result take_over(struct store_ledger *ledger, const struct batch *batch) {
  for (size_t i = 0; i < batch->count; i++) {
    const enum base_result result = store_ledger_tree_add(&ledger->tree, &batch->leaves[i], NULL);
    if (result != BASE_OK) return result;
  }
  ledger->disk_bytes += batch->bytes.bytes;
  ledger->appended_bytes += batch->bytes.bytes;
  ledger->bundle_bytes += batch->bytes.bytes;
  base_metric_add(ledger->meters.appended, (int64_t)batch->bytes.bytes);
  base_metric_set(ledger->meters.bytes, (int64_t)ledger->disk_bytes);
  if (ledger->tree.size % INTEGRITY_TILE_WIDTH == 0) {
    base_fd_close(&ledger->fd);
    ledger->bundle_bytes = 0;
  }
  return BASE_OK;
}

// The lock is held: takes what fits into the bundle from the front of the queue.
static void take_batch(struct store_ledger *ledger, struct batch *batch) {
  batch->first = ledger->tree.size;
  batch->count = 0;
  batch->bytes.bytes = 0;
  const size_t room = (size_t)(INTEGRITY_TILE_WIDTH - batch->first % INTEGRITY_TILE_WIDTH);
  for (struct store_ledger_item *item = ledger->first_item; item && batch->count < room; item = item->next) {
    batch->items[batch->count++] = item;
  }
}

static void leave_queue(struct store_ledger *ledger, const struct batch *batch) {
  ledger->first_item = batch->items[batch->count - 1]->next;
  if (!ledger->first_item) ledger->end_item = &ledger->first_item;
}

// Said once, until it has worked again. The lock is held.
static void note_failure(struct store_ledger *ledger, struct batch *batch, const struct base_fault *fault) {
  if (!batch->is_failing) base_log_fault(ledger->store->config.log, BASE_LOG_ERROR, STORE_ROOM, NULL, fault);
  batch->is_failing = true;
  ledger->failures++;
  ledger->failure = *fault;
  ledger->is_failing = true;
  base_metric_add(ledger->meters.failures, 1);
  ledger->wanted = ledger->wanted_signed = 0;  // who waited is told; others ask again
  pthread_cond_broadcast(&ledger->done);
}

// Writes one batch; the lock is held but for the writing. False: nothing could be written.
static bool write_some(struct store_ledger *ledger, struct batch *batch) {
  struct base_fault fault = {0};
  take_batch(ledger, batch);
  if (batch->count == 0) return true;
  pthread_mutex_unlock(&ledger->lock);
  const enum base_result result = write_batch(ledger, batch, &fault);
  pthread_mutex_lock(&ledger->lock);
  if (result != BASE_OK) {
    note_failure(ledger, batch, &fault);
    return false;
  }
  if (take_over(ledger, batch) != BASE_OK) {
    pthread_mutex_unlock(&ledger->lock);
    store_ledger_halt(ledger, false, "there is no memory for its tree");
    pthread_mutex_lock(&ledger->lock);
    return false;
  }
  leave_queue(ledger, batch);
  base_metric_set(ledger->meters.queue, (int64_t)(ledger->size - ledger->tree.size));
  for (size_t i = 0; i < batch->count; i++) free(batch->items[i]);
  pthread_cond_broadcast(&ledger->done);
  return true;
}

// Signs what is durable; likewise.
static bool sign(struct store_ledger *ledger, struct batch *batch) {
  if (ledger->signed_head.size == ledger->tree.size) return true;
  struct base_fault fault = {0};
  struct base_buffer note;
  struct integrity_checkpoint head;
  base_buffer_init(&note, INTEGRITY_NOTE_MAX_BYTES);
  pthread_mutex_unlock(&ledger->lock);
  const int64_t now_s = base_clock_wall_s(ledger->store->config.clock);
  const enum base_result result = store_ledger_sign(ledger, false, &note, &head, &fault);
  pthread_mutex_lock(&ledger->lock);
  if (result == BASE_OK) {
    if (batch->is_failing) {
      base_log_write(ledger->store->config.log, BASE_LOG_INFO, STORE_ROOM, NULL, "the ledger can be written again");
    }
    batch->is_failing = ledger->is_failing = ledger->is_full = false;
    base_buffer_finish(&ledger->note);
    ledger->note = note;
    ledger->signed_head = head;
    ledger->signed_s = now_s;
    pthread_cond_broadcast(&ledger->done);
    return true;
  }
  base_buffer_finish(&note);
  note_failure(ledger, batch, &fault);
  return false;
}

// Waiting.

static struct timespec in_ms(uint64_t ms) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  at.tv_sec += (time_t)(ms / 1000);
  at.tv_nsec += (long)(ms % 1000) * 1000000;
  if (at.tv_nsec >= 1000000000) {
    at.tv_sec++;
    at.tv_nsec -= 1000000000;
  }
  return at;
}

static bool is_urgent(const struct store_ledger *ledger) {
  return ledger->is_stopping || ledger->state != STORE_LEDGER_RUNNING || ledger->wanted > ledger->tree.size ||
         ledger->wanted_signed > ledger->signed_head.size;
}

static bool has_work(const struct store_ledger *ledger) {
  return ledger->first_item || ledger->signed_head.size < ledger->tree.size || ledger->compaction.is_on;
}

// Until somebody waits for an entry, or the first one in the queue has waited long enough. A compaction that could not
// go on is tried again then too.
static void wait_for_work(struct store_ledger *ledger) {
  while (!is_urgent(ledger) && !has_work(ledger)) pthread_cond_wait(&ledger->wake, &ledger->lock);
  const struct timespec due = in_ms(ledger->store->config.ledger.commit_ms);
  while (!is_urgent(ledger)) {
    if (pthread_cond_timedwait(&ledger->wake, &ledger->lock, &due) == ETIMEDOUT) break;
  }
}

static void work(struct store_ledger *ledger, struct batch *batch) {
  bool is_compacting = false;
  while (ledger->state == STORE_LEDGER_RUNNING) {
    if (!is_compacting) wait_for_work(ledger);
    if (ledger->state != STORE_LEDGER_RUNNING) break;
    bool is_well = true;
    // As many as there were, and no more: with a steady stream of others nothing would ever be signed.
    const uint64_t size = ledger->size;
    while (is_well && ledger->first_item && ledger->tree.size < size) is_well = write_some(ledger, batch);
    if (is_well) is_well = sign(ledger, batch);
    if (ledger->is_stopping && (!is_well || !ledger->first_item)) break;
    pthread_mutex_unlock(&ledger->lock);
    if (is_well) {
      batch->read_count = 0;  // its records make room
      batch->blind_bundle = UINT64_MAX;
      base_buffer_finish(&batch->read);
      is_compacting = store_ledger_compact(ledger, batch->records);
    } else {  // disks take their time to get better
      const struct timespec pause = {.tv_nsec = 100000000};
      nanosleep(&pause, NULL);
    }
    pthread_mutex_lock(&ledger->lock);
  }
}

void *store_ledger_writer(void *argument) {
  struct store_ledger *ledger = argument;
  struct batch *batch = calloc(1, sizeof *batch);
  struct store_ledger_record *records = malloc(INTEGRITY_TILE_WIDTH * sizeof *records);
  if (batch && records) {
    batch->records = records;
    batch->blind_bundle = UINT64_MAX;
    base_buffer_init(&batch->bytes, STORE_LEDGER_MAX_BUNDLE_BYTES);
    base_buffer_init(&batch->read, STORE_LEDGER_MAX_BUNDLE_BYTES);
    pthread_mutex_lock(&ledger->lock);
    work(ledger, batch);
    pthread_mutex_unlock(&ledger->lock);
    base_buffer_finish(&batch->bytes);
    base_buffer_finish(&batch->read);
  } else {
    store_ledger_halt(ledger, false, "there is no memory to write it");
  }
  free(records);
  free(batch);
  return NULL;
}
