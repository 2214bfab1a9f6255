#include "sync.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "command.h"
#include "complain.h"
#include "integrity/merkle.h"
#include "terminal.h"

enum { NAME_ATTEMPTS = 3 };

static const char page[] =
    "pixpop sync - keep a folder with copies of a box's originals\n"
    "\n"
    "Usage: pixpop [OPTIONS] sync [URL] DIR [--delete] [--dry-run] [--vkey KEY] [--no-ledger]\n"
    "\n"
    "Fetches every original of the token's tenant that DIR does not have, with the proof that the box's ledger gives of\n"
    "it. Where DIR has an older picture of the same name, only what changed goes over the wire. A file is replaced only\n"
    "when the new one is whole and has the digest and the block tree that were signed. Broken connections and restarts\n"
    "of the box are waited out; after Ctrl-C or a crash the next run goes on where this one was.\n"
    "\n"
    "Files are named as on the box; where two have one name, the later one gets some characters of its id too. What was\n"
    "changed in DIR by others is fetched again while the box has it, and is neither deleted nor replaced by another\n"
    "original; files that sync did not make are left alone. DIR/.pixpop holds the\n"
    "manifest, the ledger's key and the proofs: pixpop verify --offline DIR checks all of it without the box.\n"
    "\n"
    "  URL                      a box's console (--console)\n"
    "      --delete             remove copies of originals that the box does not have any more\n"
    "      --dry-run            say what would be done, and do nothing\n"
    "      --vkey KEY           the ledger's key, as the console's page shows it. Without it the key of the first run is\n"
    "                           believed and remembered in DIR; another one stops the next run\n"
    "      --no-ledger          go on although DIR or --vkey knows a ledger and the box says that it has none, or has\n"
    "                           halted it: what comes then is checked by its id alone\n"
    "      --quiet              say nothing but what fails\n"
    "      --json               print one JSON object a fetched original: id, file, bytes, way, wire_bytes\n"
    "\n"
    "Examples:\n"
    "  pixpop --token-file token sync https://box.example:8443 pictures\n"
    "  pixpop --token-file token sync --delete pictures && pixpop verify --offline pictures\n"
    "\n"
    "Exit status: 0 DIR has all that the box has, 1 something is missing or wrong, 2 wrong usage\n";

static void complain(struct sync *sync, const char *about, const struct base_fault *fault) {
  progress_erase(&sync->progress);
  (void)complain_fault(about, fault);
  sync->failures++;
}

// --- what is said ---

static void say_fetched(struct sync *sync, const struct sync_original *original, const char *file,
                        const struct sync_fetched *fetched) {
  char clean[MIRROR_MAX_FILE + 1], size[TERMINAL_SIZE_CHARS], wire[TERMINAL_SIZE_CHARS];
  if (sync->options->quiet) return;
  progress_erase(&sync->progress);
  if (!sync->options->json) {
    printf("%-7s  %9s  %9s  %s\n", delta_way_name(fetched->way), terminal_size(original->bytes, size),
           terminal_size(fetched->wire_bytes, wire), terminal_clean(file, clean, sizeof(clean)));
    return;
  }
  struct base_buffer line;
  struct base_json_writer json;
  char id[BASE_DIGEST_BASE64URL_CHARS + 1];
  integrity_digest_text(&original->id, id);
  base_buffer_init(&line, 8192);
  base_json_begin(&json, &line);
  base_json_object(&json, NULL);
  base_json_string(&json, "id", id);
  base_json_string(&json, "file", file);
  base_json_integer(&json, "bytes", (int64_t)original->bytes);
  base_json_string(&json, "way", delta_way_name(fetched->way));
  base_json_integer(&json, "wire_bytes", (int64_t)fetched->wire_bytes);
  base_json_object_end(&json);
  if (json.result == BASE_OK) printf("%.*s\n", (int)line.bytes, line.data);
  base_buffer_finish(&line);
}

static void sum_up(const struct sync *sync) {
  char all[TERMINAL_SIZE_CHARS], wire[TERMINAL_SIZE_CHARS];
  size_t fetched = 0;
  for (int way = 0; way < DELTA_WAYS; way++) fetched += sync->ways[way];
  if (sync->options->quiet || sync->options->dry_run) return;
  if (sync->count == 0 && sync->failures > 0) return;  // nothing is known of the box
  if (fetched > 0)
    fprintf(stderr, "%zu fetched (%zu whole, %zu by what changed)", fetched, sync->ways[DELTA_FULL],
            fetched - sync->ways[DELTA_FULL]);
  else
    fputs(sync->failures > 0 ? "nothing fetched" : "nothing new", stderr);
  const size_t here = sync->kept + sync->adopted;
  if (here > 0 || sync->failures == 0) fprintf(stderr, ", %zu %s here", here, here == 1 ? "was" : "were");
  if (sync->deleted > 0) fprintf(stderr, ", %zu deleted", sync->deleted);
  if (sync->failures > 0) fprintf(stderr, ", %zu failed", sync->failures);
  fprintf(stderr, "; %s over the wire", terminal_size(sync->sent_bytes + sync->received_bytes, wire));
  if (fetched > 0) fprintf(stderr, " for %s", terminal_size(sync->fetched_bytes, all));
  fputc('\n', stderr);
  if (sync->unproven > 0)
    fprintf(stderr, "%zu %s no proof of the ledger\n", sync->unproven, sync->unproven == 1 ? "has" : "have");
}

// --- what is here ---

// Whether the file of an item, which does not look as it did, has its bytes nevertheless.
static bool is_same(struct sync *sync, struct mirror_item *item) {
  struct integrity_digest digest;
  uint64_t bytes;
  if (sync_hash_file(sync, item->file, &digest, NULL, &bytes, NULL) != BASE_OK) return false;
  if (!integrity_digest_equal(&digest, &item->id)) return false;
  item->changed_us = sync_changed_us(sync, item->file);
  return true;
}

// Whether the file of an item may go: it is still what was put there, or is not there at all.
static bool may_go(struct sync *sync, struct mirror_item *item) {
  char path[PATH_MAX];
  struct stat info;
  if (sync_path(sync, false, item->file, path, NULL) != BASE_OK) return false;
  return (lstat(path, &info) != 0 && errno == ENOENT) || sync_is_intact(sync, item) || is_same(sync, item);
}

static void look(struct sync *sync, struct sync_original *original) {
  struct mirror_item *item = mirror_find(&sync->mirror, &original->id);
  original->is_here = item != NULL && (sync_is_intact(sync, item) || is_same(sync, item));
  if (item != NULL) item->is_gone = false;
  if (original->is_here)
    sync->kept++;
  else
    sync->total_bytes += original->bytes;
}

// Items that are not on the box any more, and the others, as the list has it.
static void look_at_all(struct sync *sync) {
  for (size_t i = 0; i < sync->mirror.count; i++) sync->mirror.items[i].is_gone = true;
  for (size_t i = 0; i < sync->count; i++) look(sync, &sync->originals[i]);
  sync->old_count = sync->mirror.count;
}

// An older picture of the same name; one that is gone from the box before one that is not, the latest of them.
static const struct mirror_item *find_base(const struct sync *sync, const struct sync_original *original) {
  const struct mirror_item *best = NULL;
  if (original->name[0] == '\0') return NULL;
  for (size_t i = 0; i < sync->old_count; i++) {
    const struct mirror_item *item = &sync->mirror.items[i];
    if (item->is_dead || strcmp(item->name, original->name) != 0 || !sync_is_intact(sync, item)) continue;
    const bool is_later = best == NULL || item->created_s > best->created_s;
    if (is_later) best = item;
  }
  return best;
}

// --- one original ---

struct target {
  struct sync_place place;
  char base[MIRROR_MAX_FILE + 1];  // empty: none
  bool is_adopted;                 // the file is there already, with the right bytes
  bool replaces;                   // a file whose original is gone
};

static bool is_free(struct sync *sync, const struct sync_original *original, struct target *target) {
  struct mirror_item *owner = mirror_find_file(&sync->mirror, target->place.file);
  struct integrity_digest digest;
  uint64_t bytes;
  sync_look_at(sync, &target->place);
  target->replaces = owner != NULL && owner->is_gone && sync->options->remove && may_go(sync, owner);
  if (owner != NULL) return target->replaces;
  if (!target->place.is_there) return true;
  target->is_adopted = sync_hash_file(sync, target->place.file, &digest, NULL, &bytes, NULL) == BASE_OK &&
                       integrity_digest_equal(&digest, &original->id);
  return target->is_adopted;
}

static enum base_result choose_target(struct sync *sync, const struct sync_original *original, struct target *out,
                                      struct base_fault *fault) {
  const struct mirror_item *item = mirror_find(&sync->mirror, &original->id);
  const struct mirror_item *base = item != NULL ? item : find_base(sync, original);
  *out = (struct target){0};
  if (base != NULL) snprintf(out->base, sizeof(out->base), "%s", base->file);
  if (item != NULL) {
    snprintf(out->place.file, sizeof(out->place.file), "%s", item->file);
    sync_look_at(sync, &out->place);
    return BASE_OK;
  }
  for (int i = 0; i < NAME_ATTEMPTS; i++) {
    mirror_name_file(original->name, original->format, &original->id, i, out->place.file);
    if (is_free(sync, original, out)) return BASE_OK;
  }
  return BASE_FAIL(fault, BASE_CONFLICT, "file", "the folder has other files of every name it could get");
}

static void forget(struct sync *sync, struct mirror_item *item) {
  item->is_dead = true;
  sync_ledger_forget(sync, &item->id);
}

// The file's original is not the one it was.
static void retire(struct sync *sync, const char *file) {
  struct mirror_item *item = mirror_find_file(&sync->mirror, file);
  if (item == NULL) return;
  forget(sync, item);
  sync->deleted++;
}

static enum base_result record(struct sync *sync, const struct sync_original *original, const struct target *target,
                               const struct integrity_digest *root, struct base_fault *fault) {
  struct mirror_item *known = mirror_find(&sync->mirror, &original->id);
  struct mirror_item item = {.id = original->id,
                             .root = *root,
                             .bytes = original->bytes,
                             .created_s = original->created_s,
                             .changed_us = sync_changed_us(sync, target->place.file)};
  memcpy(item.file, target->place.file, sizeof(item.file));
  memcpy(item.name, original->name, sizeof(item.name));
  if (known == NULL && target->replaces) retire(sync, target->place.file);
  if (known == NULL) return mirror_add(&sync->mirror, &item, fault);
  *known = item;
  return BASE_OK;
}

// BASE_NOT_FOUND: the original is not on the box any more.
static enum base_result prove(struct sync *sync, const struct sync_original *original, struct integrity_digest *root,
                              bool *is_proven, struct base_fault *fault) {
  char id[BASE_DIGEST_BASE64URL_CHARS + 1], path[SYNC_PATH_BYTES];
  struct base_fault found = {0};
  *is_proven = false;
  if (!sync->ledger.is_on) return BASE_OK;
  enum base_result result = sync_ledger_prove(sync, &original->id, original->bytes, root, &found);
  *is_proven = result == BASE_OK;
  if (result == BASE_CONFLICT && sync->ledger.is_needed)
    return BASE_FAIL(fault, BASE_UNAUTHORIZED, "ledger", "the box has halted its ledger: %s (--no-ledger goes on)",
                     found.text);
  if (result == BASE_CONFLICT) {  // it was halted meanwhile
    sync->unproven++;
    return BASE_OK;
  }
  if (result != BASE_NOT_FOUND)
    return result == BASE_OK ? BASE_OK : BASE_FAIL(fault, result, found.subject, "%s", found.text);
  struct client_response response = {0};
  integrity_digest_text(&original->id, id);
  snprintf(path, sizeof(path), "/api/v1/originals/%s", id);
  result = sync_get(sync, path, &response, fault);
  client_response_finish(&response);
  if (result != BASE_OK) return result;
  return BASE_FAIL(fault, BASE_CORRUPT, "", "the box has it, and its ledger has no entry for it: it is not fetched");
}

// Computes the root of a file that is here already. A proof that speaks of another tree is not kept.
static enum base_result check_file(struct sync *sync, const struct sync_original *original, const char *file,
                                   const struct integrity_digest *proven_root, struct integrity_digest *root,
                                   struct base_fault *fault) {
  struct integrity_digest digest;
  struct base_buffer leaves;
  struct integrity_merkle tree;
  uint64_t bytes;
  base_buffer_init(&leaves, SIZE_MAX / 2);
  enum base_result result = sync_hash_file(sync, file, &digest, &leaves, &bytes, fault);
  integrity_merkle_init(&tree);
  const struct integrity_digest *hashes = (const void *)leaves.data;
  for (size_t i = 0; i < leaves.bytes / sizeof(*hashes); i++) integrity_merkle_add(&tree, &hashes[i]);
  integrity_merkle_root(&tree, root);
  base_buffer_finish(&leaves);
  if (result == BASE_OK && !integrity_digest_equal(&digest, &original->id))
    result = BASE_FAIL(fault, BASE_CONFLICT, "file", "the file changes while it is read");
  if (result == BASE_OK && proven_root != NULL && !integrity_digest_equal(root, proven_root))
    result = BASE_FAIL(fault, BASE_CORRUPT, "ledger", "the tree over its blocks is not the one in the ledger");
  if (result != BASE_OK) sync_ledger_forget(sync, &original->id);
  return result;
}

// Where another file has got the name meanwhile, what came gets the next name that is free.
static enum base_result fetch_into(struct sync *sync, const struct sync_original *original, struct target *target,
                                   const struct integrity_digest *proven_root, struct integrity_digest *root,
                                   struct sync_fetched *out, struct base_fault *fault) {
  const bool is_named = mirror_find(&sync->mirror, &original->id) != NULL;
  for (int i = 0;; i++) {
    struct sync_fetched fetched;
    struct base_fault found = {0};
    enum base_result result = sync_fetch(sync, original, target->base[0] != '\0' ? target->base : NULL, &target->place,
                                         proven_root, root, &fetched, &found);
    if (i == 0) *out = fetched;
    if (i > 0) out->wire_bytes += fetched.wire_bytes;
    if (result == BASE_OK) return BASE_OK;
    if (!fetched.is_taken || is_named || i + 1 == NAME_ATTEMPTS)
      return BASE_FAIL(fault, result, found.subject, "%s", found.text);
    result = choose_target(sync, original, target, fault);
    if (result != BASE_OK || target->is_adopted) return result;
  }
}

static enum base_result fetch_one(struct sync *sync, const struct sync_original *original, struct base_fault *fault) {
  struct target target;
  struct integrity_digest root = {{0}}, proven_root;
  struct sync_fetched fetched = {0};
  bool is_proven;
  enum base_result result = choose_target(sync, original, &target, fault);
  if (result == BASE_OK) result = prove(sync, original, &proven_root, &is_proven, fault);
  if (result != BASE_OK) return result;
  const struct integrity_digest *proven = is_proven ? &proven_root : NULL;
  if (!target.is_adopted) result = fetch_into(sync, original, &target, proven, &root, &fetched, fault);
  if (result != BASE_OK) return result;
  if (target.is_adopted) {
    result = check_file(sync, original, target.place.file, proven, &root, fault);
    if (result != BASE_OK) return result;
    sync->adopted++;
    sync->done_bytes += original->bytes;
    return record(sync, original, &target, &root, fault);
  }
  sync->ways[fetched.way]++;
  sync->fetched_bytes += original->bytes;
  say_fetched(sync, original, target.place.file, &fetched);
  result = record(sync, original, &target, &root, fault);
  return result == BASE_OK ? sync_save(sync, false, fault) : result;
}

// Of one that is here and came when the ledger could not prove it.
static enum base_result prove_late(struct sync *sync, const struct sync_original *original, struct base_fault *fault) {
  struct integrity_digest proven_root, root;
  bool is_proven;
  if (!sync->ledger.is_on || sync_ledger_has_proof(sync, &original->id)) return BASE_OK;
  enum base_result result = prove(sync, original, &proven_root, &is_proven, fault);
  struct mirror_item *item = mirror_find(&sync->mirror, &original->id);
  if (result != BASE_OK || !is_proven || item == NULL) return result;
  result = check_file(sync, original, item->file, &proven_root, &root, fault);
  if (result == BASE_OK) item->root = root;
  return result;
}

// --- all of them ---

static void name_of(const struct sync_original *original, char out[300]) {
  char id[BASE_DIGEST_BASE64URL_CHARS + 1];
  integrity_digest_text(&original->id, id);
  snprintf(out, 300, "%s", original->name[0] != '\0' ? original->name : id);
}

static bool is_box_there(struct sync *sync) {
  struct client_response response = {0};
  const bool is_there = sync_get(sync, "/healthz", &response, NULL) == BASE_OK;
  client_response_finish(&response);
  return is_there;
}

// False when the rest would fare no better.
static bool fetch_all(struct sync *sync) {
  for (size_t i = 0; i < sync->count; i++) {
    const struct sync_original *original = &sync->originals[i];
    struct base_fault fault = {0};
    char name[300];
    name_of(original, name);
    const enum base_result result =
        original->is_here ? prove_late(sync, original, &fault) : fetch_one(sync, original, &fault);
    if (result == BASE_OK || result == BASE_NOT_FOUND) continue;  // deleted on the box since the list was made
    complain(sync, name, &fault);
    if (result == BASE_NO_SPACE || result == BASE_UNAUTHORIZED || result == BASE_FORBIDDEN) return false;
    if (sync_is_passing(result) && !is_box_there(sync)) return false;
  }
  return true;
}

static void delete_gone(struct sync *sync) {
  for (size_t i = 0; i < sync->mirror.count; i++) {
    struct mirror_item *item = &sync->mirror.items[i];
    char path[PATH_MAX];
    if (!item->is_gone || item->is_dead) continue;
    if (!may_go(sync, item)) {
      char clean[MIRROR_MAX_FILE + 1];
      progress_erase(&sync->progress);
      fprintf(stderr, "pixpop: %s was changed since it was fetched: it stays, and is no part of the mirror any more\n",
              terminal_clean(item->file, clean, sizeof(clean)));
      forget(sync, item);
      continue;
    }
    if (sync_path(sync, false, item->file, path, NULL) == BASE_OK) (void)unlink(path);
    retire(sync, item->file);
  }
}

// Nothing of what is there is wanted, now that all is fetched.
static void clear_partial(const struct sync *sync) {
  struct integrity_digest id;
  int fd;
  if (sync_open_inside(sync, "partial", false, &fd, NULL) != BASE_OK) return;
  DIR *folder = fdopendir(fd);
  if (folder == NULL) {
    base_fd_close(&fd);
    return;
  }
  for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
    if (integrity_digest_parse(base_span_text(entry->d_name), &id)) (void)unlinkat(dirfd(folder), entry->d_name, 0);
  }
  closedir(folder);
}

static void say_plan(struct sync *sync) {
  char clean[MIRROR_MAX_FILE + 1], size[TERMINAL_SIZE_CHARS];
  for (size_t i = 0; i < sync->count; i++) {
    struct target target;
    if (sync->originals[i].is_here || choose_target(sync, &sync->originals[i], &target, NULL) != BASE_OK) continue;
    printf("%-7s  %9s  %s\n", target.is_adopted ? "take" : "fetch", terminal_size(sync->originals[i].bytes, size),
           terminal_clean(target.place.file, clean, sizeof(clean)));
  }
  for (size_t i = 0; i < sync->mirror.count; i++) {
    struct mirror_item *item = &sync->mirror.items[i];
    if (item->is_gone)
      printf("%-7s  %9s  %s\n", sync->options->remove && may_go(sync, item) ? "delete" : "keep",
             terminal_size(item->bytes, size), terminal_clean(item->file, clean, sizeof(clean)));
  }
}

static enum base_result work(struct sync *sync, struct base_fault *fault) {
  enum base_result result = sync_ledger_begin(sync, !sync->options->dry_run, fault);
  if (result == BASE_OK) result = sync_list(sync, fault);
  if (result != BASE_OK) return result;
  look_at_all(sync);
  if (sync->options->dry_run) return say_plan(sync), BASE_OK;
  progress_begin(&sync->progress, "sync");
  const bool is_through = fetch_all(sync);
  progress_erase(&sync->progress);
  if (is_through) result = sync_ledger_end(sync, fault);
  if (is_through && result == BASE_OK && sync->failures == 0) {
    if (sync->options->remove) delete_gone(sync);
    clear_partial(sync);
    sync->mirror.synced_s = base_clock_wall_s(base_clock_system());
  }
  sync->mirror.has_ledger = sync->mirror.has_ledger || sync->ledger.is_on;
  snprintf(sync->mirror.url, sizeof(sync->mirror.url), "%s", sync->options->console_url);
  const enum base_result saved = sync_save(sync, true, fault);
  return result == BASE_OK ? saved : result;
}

// --- the folder ---

// Tiles come later, but are not to be the first to find that they have no place.
static enum base_result make_folders(struct sync *sync, struct base_fault *fault) {
  static const char *const names[] = {"proofs", "tile"};
  enum base_result result = base_folder_make(sync->folder, fault);
  for (size_t i = 0; i < sizeof(names) / sizeof(*names) && result == BASE_OK; i++) {
    int fd;
    result = sync_open_inside(sync, names[i], true, &fd, fault);
    base_fd_close(&fd);
  }
  return result == BASE_OK ? sync_open_inside(sync, "partial", true, &sync->partial_fd, fault) : result;
}

static enum base_result take_lock(struct sync *sync, struct base_fault *fault) {
  char path[PATH_MAX];
  const enum base_result result = sync_path(sync, true, "lock", path, fault);
  if (result != BASE_OK) return result;
  sync->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0644);
  if (sync->lock_fd < 0) return BASE_FAIL_ERRNO(fault, "folder", "cannot write to '%.150s'", sync->folder);
  if (flock(sync->lock_fd, LOCK_EX | LOCK_NB) == 0) return BASE_OK;
  return BASE_FAIL(fault, BASE_LOCKED, "folder", "another sync of this folder is running");
}

static enum base_result open_folder(struct sync *sync, struct base_fault *fault) {
  enum base_result result = BASE_OK;
  struct base_fault missing = {0};
  if (!sync->options->dry_run) {
    result = make_folders(sync, fault);
    if (result == BASE_OK) result = take_lock(sync, fault);
    if (result != BASE_OK) return result;
  }
  result = mirror_read(sync->folder, &sync->mirror, &missing);
  if (result == BASE_OK || result == BASE_NOT_FOUND) return BASE_OK;
  return BASE_FAIL(fault, result, missing.subject, "%s", missing.text);
}

static int run(const struct options *options) {
  struct options own = *options;
  struct sync *sync = calloc(1, sizeof(*sync));
  struct base_fault fault = {0};
  if (sync == NULL) return fputs("pixpop: no memory\n", stderr), EXIT_FAILED;
  if (options->word_count == 2) own.console_url = options->words[0];
  sync->options = &own;
  sync->folder = options->words[options->word_count - 1];
  sync->lock_fd = sync->partial_fd = -1;
  enum base_result result = remote_open_console(&own, &sync->remote, &fault);
  const bool is_usage = result == BASE_BAD_INPUT;
  if (result == BASE_OK) result = open_folder(sync, &fault);
  if (result == BASE_OK) result = work(sync, &fault);
  if (result != BASE_OK) complain(sync, NULL, &fault);
  const int status = is_usage ? EXIT_USAGE : sync->failures + sync->unproven > 0 ? EXIT_FAILED : EXIT_FINE;
  if (!is_usage) sum_up(sync);
  remote_close(&sync->remote);
  mirror_finish(&sync->mirror);
  base_fd_close(&sync->partial_fd);
  base_fd_close(&sync->lock_fd);
  sync_ledger_finish(sync);
  free(sync->originals);
  free(sync);
  return status;
}

const struct command command_sync = {"sync", "keep a folder with copies of a box's originals", page, "DIR", 1, 2, run};
