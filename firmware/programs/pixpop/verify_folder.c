#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "terminal.h"
#include "verify_crew.h"
#include "verify_log.h"
#include "verify_places.h"
#include "verify_record.h"
#include "verify_suspects.h"

enum {
  SHARD_CHARS = 2,  // of base64url: the name of a folder below originals/ and variants/
  NAME_BYTES = 96,
  MAX_LOOKS = 6,
  LOOK_AGAIN_MS = 1100,  // evicts and derives are entered once a second
  MAX_NAME_BYTES = 256,
  MAX_RECIPE_BYTES = INTEGRITY_SUBJECT_MAX_RECIPE + 1,
  MAX_TENANT_BYTES = INTEGRITY_SUBJECT_MAX_TENANT + 1,
};

struct shard {
  char name[SHARD_CHARS + 1];
  bool is_of_originals;
};

struct walk {
  const char *store;
  struct verify_report *report;
  struct verify_source source;
  struct verify_log log;
  bool has_log;
  struct verify_ledger *ledger;
  struct verify_suspects suspects;
  struct base_buffer shards;  // struct shard
  atomic_size_t next;         // of them
};

// What one thread works with.
struct worker {
  struct walk *walk;
  struct base_buffer names;  // of a folder, NAME_BYTES each
  struct verify_record record;
  // The original that its sidecars and its leaf file come after.
  struct integrity_digest id, root;
  uint64_t bytes;
  bool is_there, is_whole;
};

static void move(void *self, uint64_t bytes) { verify_report_move(self, bytes); }

// --- the ledger as a source ---

static enum base_result read_checkpoint(void *self, struct base_buffer *out, struct base_fault *fault) {
  const struct walk *walk = self;
  if (base_buffer_append(out, walk->ledger->note.data, walk->ledger->note.bytes) == BASE_OK) return BASE_OK;
  return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for the checkpoint");
}

static enum base_result read_tile(void *self, const struct integrity_tile *tile,
                                  struct integrity_digest out[INTEGRITY_TILE_WIDTH], struct base_fault *fault) {
  return verify_ledger_read_tile(((struct walk *)self)->ledger, tile, out, fault);
}

static void read_vkey(struct walk *walk) {
  char path[PATH_MAX];
  struct base_buffer text;
  snprintf(path, sizeof(path), "%.4000s/ledger/vkey", walk->store);
  if (base_file_read(path, INTEGRITY_VKEY_MAX_CHARS + 1, &text, NULL) == BASE_OK) {
    struct base_span rest = base_buffer_span(&text);
    if (!base_span_copy(base_span_cut(&rest, '\n'), walk->source.vkey, sizeof(walk->source.vkey)))
      walk->source.vkey[0] = '\0';
  }
  base_buffer_finish(&text);
}

// --- objects ---

static void join(const struct walk *walk, const char *path, char out[PATH_MAX]) {
  snprintf(out, PATH_MAX, "%.3800s/%.200s", walk->store, path);
}

// Whether the ledger says what was found; if not, that is looked at again later.
static void prove(struct worker *worker, enum verify_kind kind, const struct verify_suspect *found) {
  struct walk *walk = worker->walk;
  uint64_t index;
  if (!walk->has_log) return;
  struct verify_entry *entry = verify_ledger_find(walk->ledger, found->kind, &found->object, &found->whose, &index);
  if (entry != NULL) atomic_store(&entry->is_found, true);
  if (entry == NULL || index >= walk->log.head.size)
    verify_suspects_add(&walk->suspects, found);
  else if (entry->bytes != found->bytes || !integrity_digest_equal(&entry->root, &found->root))
    verify_report_wrong(walk->report, found->about, "the tree over its blocks is not the one in the ledger");
  else
    verify_report_prove(walk->report, kind, found->bytes);
}

static bool meta_text(const struct verify_record *record, const char *name, char *out, size_t capacity) {
  struct base_span value;
  return store_meta_get(record->head.meta, name, &value) && base_span_copy(value, out, capacity);
}

static bool meta_digest(const struct verify_record *record, const char *name, struct integrity_digest *out) {
  struct base_span value;
  return store_meta_get(record->head.meta, name, &value) && integrity_digest_parse(value, out);
}

// Reads a record of the folder. False: that is in the report, or it has gone meanwhile.
static bool read_record(struct worker *worker, const char *path) {
  char whole[PATH_MAX];
  struct base_fault fault = {0};
  join(worker->walk, path, whole);
  const enum base_result result = verify_record_read(&worker->record, whole, move, worker->walk->report, &fault);
  if (result != BASE_OK && result != BASE_NOT_FOUND) verify_report_fault(worker->walk->report, path, &fault);
  return result == BASE_OK;
}

static void check_bytes(struct worker *worker, const char *path) {
  char whole[PATH_MAX];
  struct stat info;
  struct base_fault fault = {0};
  struct integrity_digest digest;
  struct verify_report *report = worker->walk->report;
  join(worker->walk, path, whole);
  worker->is_there = worker->is_whole = false;
  int fd = open(whole, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0 && errno == ENOENT) return;  // deleted meanwhile
  worker->is_there = true;
  if (fd < 0 || fstat(fd, &info) != 0) {
    verify_report_unchecked(report, path, "it can not be opened: %s", strerror(errno));
  } else if (!S_ISREG(info.st_mode)) {
    verify_report_wrong(report, path, "it is no file");
  } else if (verify_hash_file(&worker->record.hash, fd, 0, (uint64_t)info.st_size, move, report, &fault) != BASE_OK) {
    verify_report_fault(report, path, &fault);
  } else {
    verify_hash_end(&worker->record.hash, &digest, &worker->root);
    worker->bytes = (uint64_t)info.st_size;
    worker->is_whole = integrity_digest_equal(&digest, &worker->id);
    if (!worker->is_whole) verify_report_wrong(report, path, "its bytes have changed: they are not those of its id");
  }
  base_fd_close(&fd);
}

static void check_sidecar(struct worker *worker, const char *path, const char *tenant) {
  struct walk *walk = worker->walk;
  struct verify_suspect found = {.kind = INTEGRITY_ENTRY_PUT};
  struct integrity_digest id;
  char text[BASE_DIGEST_BASE64URL_CHARS + 1], name[MAX_NAME_BYTES], clean[MAX_NAME_BYTES], owner[MAX_TENANT_BYTES],
      whole[PATH_MAX];
  if (!read_record(worker, path)) return;
  if (worker->record.head.kind != STORE_RECORD_ORIGINAL || !meta_digest(&worker->record, "id", &id) ||
      !integrity_digest_equal(&id, &worker->id) || !meta_text(&worker->record, "tenant", owner, sizeof(owner)) ||
      strcmp(owner, tenant) != 0) {
    verify_report_wrong(walk->report, path, "this record belongs to something else");
    return;
  }
  join(walk, path, whole);
  if (!worker->is_there) {
    if (access(whole, F_OK) == 0)
      verify_report_wrong(walk->report, path, "the record of an original whose bytes are missing");
    return;
  }
  if (!meta_text(&worker->record, "name", name, sizeof(name))) name[0] = '\0';
  integrity_digest_text(&worker->id, text);
  snprintf(found.about, sizeof(found.about), "original %s (%s)", text, terminal_clean(name, clean, sizeof(clean)));
  snprintf(found.path, sizeof(found.path), "%s", path);
  found.object = worker->id;
  verify_ledger_whose(tenant, NULL, NULL, &found.whose);
  found.root = worker->root;
  found.bytes = worker->bytes;
  if (worker->is_whole) {
    prove(worker, VERIFY_ORIGINALS, &found);
  } else if (walk->has_log) {  // what is wrong with it has been said
    uint64_t index;
    struct verify_entry *entry = verify_ledger_find(walk->ledger, found.kind, &found.object, &found.whose, &index);
    if (entry != NULL) atomic_store(&entry->is_found, true);
  }
}

static void check_leaves(struct worker *worker, const char *path) {
  struct integrity_digest id, root;
  if (!read_record(worker, path)) return;
  const struct verify_record *record = &worker->record;
  if (record->head.kind != STORE_RECORD_TREE || !meta_digest(record, "id", &id) ||
      !integrity_digest_equal(&id, &worker->id) || !meta_digest(record, "root", &root))
    verify_report_wrong(worker->walk->report, path, "this record belongs to something else");
  else if (worker->is_whole && !integrity_digest_equal(&root, &worker->root))
    verify_report_wrong(worker->walk->report, path, "these are the leaves of other bytes");
}

// originals/<shard>/: the bytes come before the records that are named after them.
static void check_of_original(struct worker *worker, const char *shard, const char *name) {
  struct base_span rest = base_span_text(name);
  const struct base_span first = base_span_cut(&rest, '.');
  struct integrity_digest id;
  char path[VERIFY_PATH_BYTES], tenant[MAX_TENANT_BYTES];
  if (!integrity_digest_parse(first, &id)) return;
  snprintf(path, sizeof(path), "originals/%s/%s", shard, name);
  if (!integrity_digest_equal(&id, &worker->id)) worker->is_there = worker->is_whole = false;
  worker->id = id;
  const struct base_span owner = base_span_cut(&rest, '.');
  if (owner.data == NULL)
    check_bytes(worker, path);
  else if (base_span_is(owner, "tree") && rest.data == NULL)
    check_leaves(worker, path);
  else if (base_span_is(rest, "rec") && base_span_copy(owner, tenant, sizeof(tenant)))
    check_sidecar(worker, path, tenant);
}

static void check_variant(struct worker *worker, const char *path) {
  const struct verify_record *record = &worker->record;
  struct verify_suspect found = {.kind = INTEGRITY_ENTRY_DERIVE};
  struct integrity_digest original;
  char tenant[MAX_TENANT_BYTES], recipe[MAX_RECIPE_BYTES], id[BASE_DIGEST_BASE64URL_CHARS + 1];
  if (!meta_digest(record, "original", &original) || !meta_text(record, "tenant", tenant, sizeof(tenant)) ||
      !meta_text(record, "recipe", recipe, sizeof(recipe))) {
    verify_report_wrong(worker->walk->report, path, "the record does not say what it is");
    return;
  }
  integrity_digest_text(&original, id);
  snprintf(found.about, sizeof(found.about), "variant %s?%s", id, recipe);
  snprintf(found.path, sizeof(found.path), "%s", path);
  found.object = record->digest;
  verify_ledger_whose(tenant, &original, recipe, &found.whose);
  found.root = record->root;
  found.bytes = record->head.body_bytes;
  prove(worker, VERIFY_VARIANTS, &found);
}

// variants/<shard>/: variants and levels. A record that lies under another one's name is found by that.
static void check_of_variants(struct worker *worker, const char *shard, const char *name) {
  struct base_span rest = base_span_text(name);
  struct integrity_digest key, named;
  char path[VERIFY_PATH_BYTES];
  if (!integrity_digest_parse(base_span_cut(&rest, '.'), &named) || !base_span_is(rest, "rec")) return;
  snprintf(path, sizeof(path), "variants/%s/%s", shard, name);
  if (!read_record(worker, path)) return;
  const struct verify_record *record = &worker->record;
  if (!meta_digest(record, "key", &key) || !integrity_digest_equal(&key, &named))
    verify_report_wrong(worker->walk->report, path, "this record belongs to something else");
  else if (record->head.kind == STORE_RECORD_VARIANT)
    check_variant(worker, path);
  else if (record->head.kind == STORE_RECORD_LEVEL)
    verify_report_prove(worker->walk->report, VERIFY_LEVELS, record->head.body_bytes);
  else
    verify_report_wrong(worker->walk->report, path, "a record of this kind does not belong here");
}

// --- the walk ---

static int compare_names(const void *a, const void *b) { return strcmp(a, b); }

static enum base_result list_names(const char *path, struct base_buffer *names) {
  enum base_result result = BASE_OK;
  names->bytes = 0;
  DIR *folder = opendir(path);
  if (folder == NULL) return errno == ENOENT ? BASE_OK : BASE_IO;
  for (const struct dirent *entry = readdir(folder); entry != NULL && result == BASE_OK; entry = readdir(folder)) {
    char name[NAME_BYTES] = {0};
    if (entry->d_name[0] == '.' || strlen(entry->d_name) >= sizeof(name)) continue;
    memcpy(name, entry->d_name, strlen(entry->d_name));
    result = base_buffer_append(names, name, sizeof(name));
  }
  closedir(folder);
  if (names->bytes > 0) qsort(names->data, names->bytes / NAME_BYTES, NAME_BYTES, compare_names);
  return result;
}

static void add_shards(struct walk *walk, const char *folder, bool is_of_originals) {
  char path[PATH_MAX];
  struct base_buffer names;
  base_buffer_init(&names, SIZE_MAX / 2);
  join(walk, folder, path);
  enum base_result result = list_names(path, &names);
  for (size_t at = 0; at < names.bytes && result == BASE_OK; at += NAME_BYTES) {
    struct shard shard = {.is_of_originals = is_of_originals};
    if (!base_span_copy(base_span_text((const char *)names.data + at), shard.name, sizeof(shard.name))) continue;
    result = base_buffer_append(&walk->shards, &shard, sizeof(shard));
  }
  if (result != BASE_OK)
    verify_report_unchecked(walk->report, folder, "the folder can not be read: %s", strerror(errno));
  base_buffer_finish(&names);
}

static void check_shard(struct worker *worker, const struct shard *shard) {
  char folder[VERIFY_PATH_BYTES], path[PATH_MAX];
  snprintf(folder, sizeof(folder), "%s/%s", shard->is_of_originals ? "originals" : "variants", shard->name);
  join(worker->walk, folder, path);
  if (list_names(path, &worker->names) != BASE_OK)
    verify_report_unchecked(worker->walk->report, folder, "the folder can not be read: %s", strerror(errno));
  worker->is_there = worker->is_whole = false;
  for (size_t at = 0; at < worker->names.bytes; at += NAME_BYTES) {
    const char *name = (const char *)worker->names.data + at;
    (shard->is_of_originals ? check_of_original : check_of_variants)(worker, shard->name, name);
  }
}

static void check_shards(void *self) {
  struct walk *walk = self;
  struct worker *worker = calloc(1, sizeof(*worker));
  if (worker == NULL) {
    verify_report_unchecked(walk->report, NULL, "no memory");
    return;
  }
  worker->walk = walk;
  base_buffer_init(&worker->names, SIZE_MAX / 2);
  const struct shard *shards = (const void *)walk->shards.data;
  const size_t count = walk->shards.bytes / sizeof(*shards);
  for (size_t i = atomic_fetch_add(&walk->next, 1); i < count; i = atomic_fetch_add(&walk->next, 1))
    check_shard(worker, &shards[i]);
  base_buffer_finish(&worker->names);
  free(worker);
}

// --- a second look ---

enum life { STOPPED, KILLED, RUNNING };

// Whether somebody has the store open. Taking its lock to find out would be in the way of a pixpopd that starts.
static enum life life_of(const struct walk *walk) {
  char path[PATH_MAX], line[256], place[64];
  struct stat info;
  struct base_buffer mark;
  bool is_running = false;
  join(walk, "lock", path);
  const bool is_open = base_file_read(path, sizeof(line), &mark, NULL) == BASE_OK &&
                       base_span_starts_with(base_buffer_span(&mark), "open");
  base_buffer_finish(&mark);
  FILE *locks = stat(path, &info) == 0 ? fopen("/proc/locks", "re") : NULL;
  if (locks != NULL) {
    snprintf(place, sizeof(place), " %02x:%02x:%" PRIu64 " ", major(info.st_dev), minor(info.st_dev),
             (uint64_t)info.st_ino);
    while (fgets(line, sizeof(line), locks) != NULL) is_running = is_running || strstr(line, place) != NULL;
    (void)fclose(locks);
  }
  return is_running ? RUNNING : is_open ? KILLED : STOPPED;
}

static bool is_on_disk(const struct walk *walk, const char *path) {
  char whole[PATH_MAX];
  join(walk, path, whole);
  return access(whole, F_OK) == 0;
}

// What the ledger has and the walk did not meet. Missing variants are made anew when they are asked for.
static uint64_t find_missing(struct walk *walk) {
  const struct verify_entry *entry;
  uint64_t variants = 0;
  size_t at = 0;
  while ((entry = verify_ledger_next(walk->ledger, &at)) != NULL) {
    if (atomic_load(&entry->is_found)) continue;
    if (entry->kind == INTEGRITY_ENTRY_DERIVE) {
      variants++;
      continue;
    }
    struct verify_suspect missing = {.kind = entry->kind, .is_missing = true, .object = entry->object};
    char id[BASE_DIGEST_BASE64URL_CHARS + 1];
    integrity_digest_text(&entry->object, id);
    missing.whose = entry->whose;
    snprintf(missing.about, sizeof(missing.about), "original %s", id);
    snprintf(missing.path, sizeof(missing.path), "originals/%.2s/%s", id, id);
    verify_suspects_add(&walk->suspects, &missing);
  }
  return variants;
}

// Another look at one by the ledger as it is now. True: it is settled.
static bool settle(struct walk *walk, const struct verify_suspect *suspect) {
  uint64_t index;
  const struct verify_entry *entry =
      verify_ledger_find(walk->ledger, suspect->kind, &suspect->object, &suspect->whose, &index);
  const bool is_signed = entry != NULL && index < walk->log.head.size;
  if (suspect->is_missing) return entry == NULL;
  if (!is_on_disk(walk, suspect->path)) return true;
  if (!is_signed) return false;
  if (entry->bytes != suspect->bytes || !integrity_digest_equal(&entry->root, &suspect->root))
    verify_report_wrong(walk->report, suspect->about, "the tree over its blocks is not the one in the ledger");
  else
    verify_report_prove(walk->report, suspect->kind == INTEGRITY_ENTRY_PUT ? VERIFY_ORIGINALS : VERIFY_VARIANTS,
                        suspect->bytes);
  return true;
}

static void settle_all(struct walk *walk) {
  struct verify_suspects left;
  verify_suspects_init(&left);
  for (struct verify_suspect *one = verify_suspects_take(&walk->suspects); one != NULL;
       one = verify_suspects_take(&walk->suspects)) {
    if (!settle(walk, one)) verify_suspects_add(&left, one);
    free(one);
  }
  for (struct verify_suspect *one = verify_suspects_take(&left); one != NULL; one = verify_suspects_take(&left)) {
    verify_suspects_add(&walk->suspects, one);
    free(one);
  }
  verify_suspects_finish(&left);
}

static bool read_ledger_again(struct walk *walk) {
  struct verify_ledger *newer = calloc(1, sizeof(*newer));
  struct base_fault fault = {0};
  if (newer == NULL || verify_ledger_read(walk->store, newer, &fault) != BASE_OK || newer->damage.result != BASE_OK) {
    if (newer != NULL) verify_ledger_finish(newer);
    free(newer);
    return false;
  }
  verify_ledger_finish(walk->ledger);
  free(walk->ledger);
  walk->ledger = newer;
  return verify_log_look_again(&walk->log);
}

static void report_suspect(struct walk *walk, const struct verify_suspect *suspect, enum life life) {
  uint64_t index;
  const bool has_entry =
      verify_ledger_find(walk->ledger, suspect->kind, &suspect->object, &suspect->whose, &index) != NULL;
  const char *what = suspect->is_missing ? "the ledger has it, and it is not on the disk"
                     : has_entry         ? "its entry is not signed yet"
                                         : "the ledger has no entry for it";
  if (walk->ledger->size < walk->log.head.size)
    verify_report_unchecked(walk->report, suspect->about, "what is left of the ledger does not speak of it");
  else if (life == KILLED)
    verify_report_unchecked(walk->report, suspect->about,
                            "%s. pixpopd was killed or lost its power: it settles that when it starts", what);
  else if (has_entry && !suspect->is_missing)
    verify_report_unchecked(walk->report, suspect->about, "%s", what);
  else
    verify_report_wrong(walk->report, suspect->about, "%s", what);
}

static void settle_suspects(struct walk *walk) {
  const struct timespec pause = {.tv_sec = LOOK_AGAIN_MS / 1000, .tv_nsec = LOOK_AGAIN_MS % 1000 * 1000000L};
  const uint64_t missing_variants = find_missing(walk);
  const enum life life = life_of(walk);
  for (int i = 0; i < MAX_LOOKS && life == RUNNING && walk->suspects.count > 0; i++) {
    nanosleep(&pause, NULL);
    if (!read_ledger_again(walk)) break;
    settle_all(walk);
  }
  if (walk->suspects.dropped > 0)
    verify_report_wrong(walk->report, NULL, "%zu more objects do not fit the ledger", walk->suspects.dropped);
  for (struct verify_suspect *one = verify_suspects_take(&walk->suspects); one != NULL;
       one = verify_suspects_take(&walk->suspects)) {
    report_suspect(walk, one, life);
    free(one);
  }
  if (missing_variants > 0)
    verify_report_say(walk->report, "", "%" PRIu64 " variants in the ledger are not on the disk%s", missing_variants,
                      life == RUNNING ? " (any more)" : ": they are made anew when they are asked for");
}

// --- the whole ---

static void expect(struct walk *walk) {
  const struct verify_entry *entry;
  uint64_t bytes = 0;
  size_t at = 0;
  while ((entry = verify_ledger_next(walk->ledger, &at)) != NULL) bytes += entry->bytes;
  verify_report_expect(walk->report, bytes);
}

// False: there is no ledger to go by.
static bool begin_log(struct walk *walk, const struct options *options) {
  struct base_fault fault = {0};
  if (verify_ledger_read(walk->store, walk->ledger, &fault) != BASE_OK) {
    verify_report_fault(walk->report, NULL, &fault);
    return false;
  }
  read_vkey(walk);
  if (walk->ledger->damage.result != BASE_OK) verify_report_fault(walk->report, NULL, &walk->ledger->damage);
  if (!verify_log_begin(&walk->log, options, &walk->source, walk->report)) return false;
  const struct verify_ledger *ledger = walk->ledger;
  if (ledger->size < walk->log.head.size && ledger->damage.result == BASE_OK)
    verify_report_wrong(walk->report, "ledger", "the entries from %" PRIu64 " on are missing", ledger->size);
  if (ledger->size > walk->log.head.size)
    verify_report_say(walk->report, "", "%" PRIu64 " more are written and not signed yet",
                      ledger->size - walk->log.head.size);
  if (ledger->first > 0) verify_report_say(walk->report, "", "the first %" PRIu64 " have been pruned", ledger->first);
  return true;
}

void verify_folder(const struct options *options, const char *store, struct verify_report *report) {
  struct walk *walk = calloc(1, sizeof(*walk));
  struct verify_ledger *ledger = calloc(1, sizeof(*ledger));
  if (walk == NULL || ledger == NULL) {
    verify_report_unchecked(report, NULL, "no memory");
    free(ledger);
    free(walk);
    return;
  }
  walk->store = store;
  walk->report = report;
  walk->ledger = ledger;
  walk->source = (struct verify_source){
      .read_checkpoint = read_checkpoint, .tiles = {.read = read_tile, .self = walk}, .self = walk};
  verify_suspects_init(&walk->suspects);
  base_buffer_init(&walk->shards, SIZE_MAX / 2);
  atomic_init(&walk->next, 0);
  if (realpath(store, walk->source.place) == NULL) {
    verify_report_unchecked(report, store, "%s", strerror(errno));
  } else {
    walk->has_log = begin_log(walk, options);
    if (walk->has_log) expect(walk);
    add_shards(walk, "originals", true);
    add_shards(walk, "variants", false);
    verify_crew_run(check_shards, walk);
    if (walk->has_log) settle_suspects(walk);
    if (walk->has_log) verify_log_end(&walk->log);
  }
  base_buffer_finish(&walk->shards);
  verify_suspects_finish(&walk->suspects);
  verify_ledger_finish(walk->ledger);
  free(walk->ledger);
  free(walk);
}
