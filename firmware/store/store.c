#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"
#include "descriptors.h"
#include "findings.h"
#include "kept.h"
#include "ledger_hooks.h"
#include "names.h"
#include "store/ledger.h"
#include "tier.h"

enum { LOCK_MODE = 0640 };

static const char lock_name[] = "lock";
static const char unclean_mark[] = "open\n", clean_mark[] = "shut\n";
_Static_assert(sizeof unclean_mark == sizeof clean_mark, "a mark is written over the other");

static void register_level_meters(struct store_meters *m, struct base_metrics *metrics) {
  static const char gets[] = "pixpop_store_level_gets_total", gets_help[] = "Look-ups of levels in the disk tier.";
  m->level_hits = base_metrics_counter(metrics, gets, "result=\"hit\"", gets_help);
  m->level_misses = base_metrics_counter(metrics, gets, "result=\"miss\"", gets_help);
  m->level_puts = base_metrics_counter(metrics, "pixpop_store_level_puts_total", "", "Levels kept.");
  m->level_evictions =
      base_metrics_counter(metrics, "pixpop_store_level_evictions_total", "", "Levels evicted for lack of room.");
}

static void register_meters(struct store *store) {
  struct base_metrics *metrics = store->config.metrics;
  struct store_meters *m = &store->meters;
  m->originals = base_metrics_gauge(metrics, "pixpop_store_originals", "", "Originals kept.");
  m->original_bytes = base_metrics_gauge(metrics, "pixpop_store_original_bytes", "", "Bytes of originals.");
  m->variants = base_metrics_gauge(metrics, "pixpop_store_variants", "", "Variants in the disk tier.");
  m->variant_bytes =
      base_metrics_gauge(metrics, "pixpop_store_variant_bytes", "", "Bytes of the variants in the disk tier.");
  m->levels = base_metrics_gauge(metrics, "pixpop_store_levels", "", "Levels in the disk tier.");
  m->level_bytes = base_metrics_gauge(metrics, "pixpop_store_level_bytes", "", "Bytes of the levels in the disk tier.");

  static const char uploads[] = "pixpop_store_uploads_total", uploads_help[] = "Uploads committed, by outcome.";
  m->uploads_new = base_metrics_counter(metrics, uploads, "result=\"new\"", uploads_help);
  m->uploads_known = base_metrics_counter(metrics, uploads, "result=\"known\"", uploads_help);
  m->uploads_failed = base_metrics_counter(metrics, uploads, "result=\"failed\"", uploads_help);
  m->deletes = base_metrics_counter(metrics, "pixpop_store_deletes_total", "", "Originals deleted.");

  static const char gets[] = "pixpop_store_variant_gets_total", gets_help[] = "Look-ups in the disk tier.";
  m->variant_hits = base_metrics_counter(metrics, gets, "result=\"hit\"", gets_help);
  m->variant_misses = base_metrics_counter(metrics, gets, "result=\"miss\"", gets_help);
  m->variant_puts = base_metrics_counter(metrics, "pixpop_store_variant_puts_total", "", "Variants kept.");
  m->variant_evictions =
      base_metrics_counter(metrics, "pixpop_store_variant_evictions_total", "", "Variants evicted for lack of room.");
  m->variant_drops = base_metrics_counter(metrics, "pixpop_store_variant_drops_total", "", "Variants purged.");
  register_level_meters(m, metrics);

  m->kept = base_metrics_gauge(metrics, "pixpop_store_kept_uploads", "", "Uploads that may be resumed.");
  m->damaged = base_metrics_counter(metrics, "pixpop_store_damaged_total", "", "Records that failed their checks.");
  m->damaged_originals = base_metrics_counter(metrics, "pixpop_store_damaged_originals_total", "",
                                              "Uses of originals whose bytes fail their digest.");
  m->known_damaged = base_metrics_gauge(metrics, "pixpop_store_damaged_originals", "",
                                        "Originals known to be damaged now: upload them again.");
  m->unknown = base_metrics_counter(metrics, "pixpop_store_unknown_total", "", "Records of an unknown format.");
  m->orphans = base_metrics_counter(metrics, "pixpop_store_orphans_total", "", "Half-made objects removed.");
  m->no_space = base_metrics_counter(metrics, "pixpop_store_no_space_total", "", "Writes refused by a full disk.");
  m->commit_seconds = base_metrics_histogram(metrics, "pixpop_store_commit_seconds", "", "Time to commit an upload.");
}

// Over what is there, so that it needs no room: a store must open and close on a full disk.
static bool write_mark(struct store *store, const char *mark) {
  const ssize_t bytes = (ssize_t)strlen(mark);
  return pwrite(store->lock_fd, mark, (size_t)bytes, 0) == bytes && ftruncate(store->lock_fd, bytes) == 0 &&
         fsync(store->lock_fd) == 0;
}

// The lock file: held by flock, so a killed process cannot leave it locked; its content says how the last use ended.
static enum base_result take_lock(struct store *store, bool *is_unclean, struct base_fault *fault) {
  store->lock_fd = openat(store->root_fd, lock_name, O_RDWR | O_CREAT | O_CLOEXEC, LOCK_MODE);
  if (store->lock_fd < 0) return BASE_FAIL_ERRNO(fault, lock_name, "cannot open the lock file");
  if (flock(store->lock_fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return BASE_FAIL_ERRNO(fault, lock_name, "cannot lock the store");
    return BASE_FAIL(fault, BASE_CONFLICT, store->config.root, "the store is open already");
  }
  char mark[sizeof clean_mark] = "";
  const ssize_t bytes = pread(store->lock_fd, mark, sizeof mark, 0);
  if (bytes < 0) return BASE_FAIL_ERRNO(fault, lock_name, "cannot examine the lock file");
  *is_unclean = bytes > 0 && !base_span_is(base_span_of(mark, (size_t)bytes), clean_mark);
  if (*is_unclean) return BASE_OK;
  if (!write_mark(store, unclean_mark)) return BASE_FAIL_ERRNO(fault, lock_name, "cannot write the lock file");
  return store_folder_sync(store, ".", fault);
}

static void mark_clean(struct store *store) {
  if (write_mark(store, clean_mark)) return;
  base_log_write(store->config.log, BASE_LOG_WARN, STORE_ROOM, NULL, "cannot mark the store as closed: %s",
                 strerror(errno));
}

static enum base_result remove_temporary(void *argument, const char *name, struct base_fault *fault) {
  struct store *store = argument;
  char path[sizeof STORE_TEMPORARY + NAME_MAX + 1];
  snprintf(path, sizeof path, STORE_TEMPORARY "/%s", name);
  (void)fault;
  struct base_fault removal = {0};
  // Whatever it is, it is in nobody's way, and no reason to keep the store closed.
  if (store_file_remove(store, path, &removal) != BASE_OK) {
    base_log_fault(store->config.log, BASE_LOG_WARN, STORE_ROOM, NULL, &removal);
  }
  return BASE_OK;
}

static enum base_result make_folders(struct store *store, struct base_fault *fault) {
  enum base_result result = store_folder_make(store, STORE_ORIGINALS, true, fault);
  if (result == BASE_OK) result = store_folder_make(store, STORE_VARIANTS, true, fault);
  if (result == BASE_OK) result = store_folder_make(store, STORE_PARTIAL, true, fault);
  if (result == BASE_OK) result = store_folder_make(store, STORE_TEMPORARY, true, fault);
  // A folder in it may have been made just before a kill.
  if (result == BASE_OK) result = store_folder_sync(store, STORE_ORIGINALS, fault);
  if (result == BASE_OK) result = store_folder_visit(store, STORE_TEMPORARY, remove_temporary, store, fault);
  if (result == BASE_OK) result = store_kept_clear(store, fault);
  return result;
}

static void init_locks(struct store *store) {
  for (size_t i = 0; i < STORE_LOCKS; i++) {
    BASE_ASSERT(pthread_mutex_init(&store->original_locks[i], NULL) == 0);
    BASE_ASSERT(pthread_mutex_init(&store->variant_locks[i], NULL) == 0);
  }
  BASE_ASSERT(pthread_mutex_init(&store->doomed_lock, NULL) == 0);
}

static void destroy(struct store **store_pointer) {
  struct store *store = *store_pointer;
  *store_pointer = NULL;
  store_index_close(&store->index);
  store_tier_destroy(store);
  store_pending_destroy(&store->pending);
  store_names_destroy(&store->names);
  store_descriptors_destroy(&store->descriptors);
  store_findings_destroy(&store->findings);
  base_fd_close(&store->lock_fd);  // unlocks
  base_fd_close(&store->root_fd);
  for (size_t i = 0; i < STORE_LOCKS; i++) {
    pthread_mutex_destroy(&store->original_locks[i]);
    pthread_mutex_destroy(&store->variant_locks[i]);
  }
  pthread_mutex_destroy(&store->doomed_lock);
  free(store->root);
  free(store);
}

static struct store *allocate(const struct store_config *config) {
  struct store *store = calloc(1, sizeof *store);
  char *root = strdup(config->root);
  struct store_pending *pending = store_pending_create();
  struct store_names *names = store_names_create();
  struct store_descriptors *descriptors = store_descriptors_create();
  struct store_findings *findings = store_findings_create();
  if (!store || !root || !pending || !names || !descriptors || !findings) {
    free(store);
    free(root);
    store_pending_destroy(&pending);
    store_names_destroy(&names);
    store_descriptors_destroy(&descriptors);
    store_findings_destroy(&findings);
    return NULL;
  }
  store->config = *config;
  store->config.root = store->root = root;
  if (!store->config.clock) store->config.clock = base_clock_system();
  // One that is no such thing is no help.
  if (!config->boot_id || !base_span_copy(base_span_text(config->boot_id), store->boot_id, sizeof store->boot_id)) {
    store->boot_id[0] = '\0';
  }
  store->config.boot_id = store->boot_id;
  store->pending = pending;
  store->names = names;
  store->descriptors = descriptors;
  store->findings = findings;
  store->root_fd = store->lock_fd = -1;
  atomic_init(&store->next_use, 1);
  init_locks(store);
  register_meters(store);
  return store;
}

// Opens the folder and takes its lock; nothing is read yet.
static enum base_result enter(const struct store_config *config, struct store **out, bool *is_unclean,
                              struct base_fault *fault) {
  enum base_result result = base_folder_make(config->root, fault);
  if (result != BASE_OK) return result;
  struct store *store = allocate(config);
  if (!store) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for the store");
  store->root_fd = open(config->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (store->root_fd < 0) {
    result = BASE_FAIL_ERRNO(fault, config->root, "cannot open the store's folder");
  } else {
    result = take_lock(store, is_unclean, fault);
  }
  if (result == BASE_OK) result = make_folders(store, fault);
  if (result != BASE_OK) {
    destroy(&store);
    return result;
  }
  store_findings_load(store);
  *out = store;
  return BASE_OK;
}

struct bring_up {
  bool is_scan_wanted;
  void (*progress)(void *argument, uint64_t done);
  void *argument;
  struct store_reindex_report report;
};

static enum base_result scan_records(struct store *store, struct bring_up *how, struct base_fault *fault) {
  const uint64_t start_ms = base_clock_ms(store->config.clock);
  const enum base_result result = store_scan(store, how->progress, how->argument, &how->report, fault);
  if (result != BASE_OK) return result;
  const struct store_reindex_report *report = &how->report;
  base_log_write(store->config.log, BASE_LOG_INFO, STORE_ROOM, NULL,
                 "index brought up to date from the records in %" PRIu64 " ms: %" PRIu64 " originals, %" PRIu64
                 " variants, %" PRIu64 " levels, %" PRIu64 " damaged, %" PRIu64 " of unknown format, %" PRIu64
                 " orphans removed",
                 base_clock_ms(store->config.clock) - start_ms, report->originals, report->variants, report->levels,
                 report->damaged, report->unknown, report->orphans);
  return BASE_OK;
}

static enum base_result load(struct store *store, struct bring_up *how, struct base_fault *fault) {
  bool is_new = false;
  enum base_result result = store->is_index_in_memory
                                ? store_index_open_in_memory(&store->index, &is_new, fault)
                                : store_index_open(store->config.root, &store->index, &is_new, fault);
  if (result == BASE_OK && how->is_scan_wanted) result = store_index_check(store->index, fault);
  if (result == BASE_OK && (how->is_scan_wanted || is_new)) result = scan_records(store, how, fault);
  uint64_t originals = 0, bytes = 0;
  if (result == BASE_OK) result = store_index_original_totals(store->index, &originals, &bytes, fault);
  if (result != BASE_OK) return result;
  atomic_store(&store->originals, originals);
  atomic_store(&store->original_bytes, bytes);
  base_metric_set(store->meters.originals, (int64_t)originals);
  base_metric_set(store->meters.original_bytes, (int64_t)bytes);
  result = store_tier_create(store, fault);
  if (result == BASE_OK) result = store_tier_load(store, fault);
  return result;
}

// An index that is damaged or not ours costs one rebuild, wherever it shows.
static enum base_result load_or_rebuild(struct store *store, struct bring_up *how, struct base_fault *fault) {
  struct base_fault first = {0};
  enum base_result result = load(store, how, &first);
  if (result == BASE_OK) return BASE_OK;
  if (result != BASE_CORRUPT) return BASE_FAIL(fault, result, first.subject, "%s", first.text);
  base_log_fault(store->config.log, BASE_LOG_WARN, STORE_ROOM, NULL, &first);
  base_log_write(store->config.log, BASE_LOG_WARN, STORE_ROOM, NULL, "the index is rebuilt from the records");
  store_index_close(&store->index);
  store_tier_destroy(store);
  result = store_index_remove(store->config.root, fault);
  how->is_scan_wanted = true;
  return result == BASE_OK ? load(store, how, fault) : result;
}

// What lies on a full disk shall be served all the same, and deleting must be possible. The index on the disk, which
// has no room to be opened or brought up to date, stays as it is; the next open looks at the records again.
static enum base_result load_beside_full_disk(struct store *store, struct bring_up *how, struct base_fault *fault) {
  base_log_write(store->config.log, BASE_LOG_WARN, STORE_ROOM, NULL,
                 "the disk is full: the index is made from the records and kept in memory; delete something and start "
                 "again");
  store_index_close(&store->index);
  store_tier_destroy(store);
  store->is_index_in_memory = true;
  atomic_store(&store->is_index_behind, true);
  return load(store, how, fault);
}

static enum base_result load_anyhow(struct store *store, struct bring_up *how, struct base_fault *fault) {
  struct base_fault first = {0};
  const enum base_result result = load_or_rebuild(store, how, &first);
  if (result == BASE_OK) return BASE_OK;
  if (result == BASE_NO_SPACE) return load_beside_full_disk(store, how, fault);
  return BASE_FAIL(fault, result, first.subject, "%s", first.text);
}

enum base_result store_open(const struct store_config *config, struct store **out, struct base_fault *fault) {
  struct store *store;
  struct bring_up how = {.progress = config->progress, .argument = config->progress_self};
  enum base_result result = enter(config, &store, &how.is_scan_wanted, fault);
  if (result != BASE_OK) return result;
  result = load_anyhow(store, &how, fault);
  if (result == BASE_OK) result = store_ledger_open(store, fault);
  if (result != BASE_OK) {
    destroy(&store);
    return result;
  }
  *out = store;
  return BASE_OK;
}

void store_close(struct store **store_pointer) {
  struct store *store = *store_pointer;
  if (!store) return;
  BASE_ASSERT(atomic_load(&store->uploads) == 0);
  store_tier_bury(store);
  store_ledger_close(store);
  store_findings_save(store);
  struct base_fault fault = {0};
  if (store_pend_flush(store, &fault) != BASE_OK) {
    base_log_fault(store->config.log, BASE_LOG_WARN, STORE_ROOM, NULL, &fault);
  }
  const bool is_clean = !atomic_load(&store->is_index_behind) && !store_index_is_damaged(store->index);
  store_index_close(&store->index);
  if (is_clean) mark_clean(store);
  destroy(store_pointer);
}

enum base_result store_get_stats(struct store *store, struct store_stats *out, struct base_fault *fault) {
  (void)fault;
  struct store_tier_counts tier;
  store_tier_count(store, &tier);
  *out = (struct store_stats){
      .originals = atomic_load(&store->originals),
      .original_bytes = atomic_load(&store->original_bytes),
      .variants = tier.variants,
      .variant_bytes = tier.variant_bytes,
      .levels = tier.levels,
      .level_bytes = tier.level_bytes,
      .variant_budget_bytes = store->config.variant_budget_bytes,
      .disk_free_bytes = store_free_bytes(store),
  };
  return BASE_OK;
}

enum base_result store_reindex(const struct store_config *config, void (*progress)(void *argument, uint64_t done),
                               void *argument, struct store_reindex_report *out, struct base_fault *fault) {
  struct store *store;
  struct bring_up how = {.progress = progress, .argument = argument};
  bool is_unclean;
  enum base_result result = enter(config, &store, &is_unclean, fault);
  if (result != BASE_OK) return result;
  how.is_scan_wanted = true;
  result = store_index_remove(store->config.root, fault);
  if (result == BASE_OK) result = load(store, &how, fault);
  if (result != BASE_OK) {
    destroy(&store);
    return result;
  }
  *out = how.report;
  store_close(&store);
  return BASE_OK;
}

// The old one keeps its files, its key too: what it said can still be checked.
static enum base_result put_ledger_aside(struct store *store, struct base_fault *fault) {
  struct store_path path;
  const int64_t now_s = base_clock_wall_s(store->config.clock);
  snprintf(path.text, sizeof path.text, "ledger.%" PRId64, now_s);
  if (faccessat(store->root_fd, "ledger", F_OK, AT_SYMLINK_NOFOLLOW) != 0) {
    return errno == ENOENT ? BASE_OK : BASE_FAIL_ERRNO(fault, "ledger", "cannot examine the ledger");
  }
  const enum base_result result = store_file_rename(store, "ledger", path.text, fault);
  return result == BASE_OK ? store_folder_sync(store, ".", fault) : result;
}

enum base_result store_ledger_renew(const struct store_config *config, struct base_fault *fault) {
  struct store *store;
  bool is_unclean = false;
  enum base_result result = enter(config, &store, &is_unclean, fault);
  if (result != BASE_OK) return result;
  result = put_ledger_aside(store, fault);
  if (!is_unclean) mark_clean(store);
  destroy(&store);
  return result;
}
