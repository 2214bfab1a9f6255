#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "integrity/proof.h"
#include "integrity/tiles.h"
#include "sync.h"
#include "terminal.h"

// More checkpoints than MAX_SEEN are compared in parts. RENEW_ABOVE: proofs get the newest in place of so many.
enum { MAX_SEEN = 256, RENEW_ABOVE = 256, FIRST_SEEN = 8, FIRST_TILES = 8, MAX_TILES = 65536 };

static void warn(struct sync *sync, const char *text) {
  progress_erase(&sync->progress);
  fprintf(stderr, "pixpop: %s\n", text);
}

static void name_proof(const struct integrity_digest *id, char out[SYNC_PATH_BYTES]) {
  char text[BASE_DIGEST_BASE64URL_CHARS + 1];
  integrity_digest_text(id, text);
  snprintf(out, SYNC_PATH_BYTES, "proofs/%s.tlog-proof", text);
}

static enum base_result read_inside(const struct sync *sync, const char *name, size_t limit, struct base_buffer *out,
                                    struct base_fault *fault) {
  char path[PATH_MAX];
  base_buffer_init(out, limit);
  const enum base_result result = sync_path(sync, true, name, path, fault);
  return result == BASE_OK ? base_file_read(path, limit, out, fault) : result;
}

// The folders above it are made.
static enum base_result write_inside(const struct sync *sync, const char *name, struct base_span content,
                                     struct base_fault *fault) {
  char path[PATH_MAX], folder[SYNC_PATH_BYTES];
  const char *slash = strrchr(name, '/');
  int fd;
  enum base_result result = sync_path(sync, true, name, path, fault);
  if (result != BASE_OK) return result;
  snprintf(folder, sizeof(folder), "%.*s", slash != NULL ? (int)(slash - name) : 0, name);
  result = sync_open_inside(sync, folder, true, &fd, fault);
  base_fd_close(&fd);
  return result == BASE_OK ? base_file_replace_durably(path, content, 0644, fault) : result;
}

// --- tiles: those on the disk first, the others from the box ---

static bool read_tile_file(const struct sync *sync, const struct integrity_tile *tile, size_t bytes,
                           struct integrity_digest *out) {
  char name[INTEGRITY_TILE_MAX_PATH + 1], path[SYNC_PATH_BYTES];
  struct base_buffer content;
  integrity_tile_path(tile, name);
  snprintf(path, sizeof(path), "tile/%s", name);
  const bool is_there = read_inside(sync, path, INTEGRITY_TILE_BYTES, &content, NULL) == BASE_OK &&
                        content.bytes == tile->width * sizeof(*out);
  if (is_there) memcpy(out, content.data, bytes);
  base_buffer_finish(&content);
  return is_there;
}

static bool is_narrower(const char *name, uint32_t width) {
  uint64_t number;
  return name[0] != '0' && base_span_to_u64(base_span_text(name), &number) && number < width;
}

// Narrower ones of the same tile are of no use any more.
static void drop_partial_tiles(const struct sync *sync, const struct integrity_tile *tile) {
  struct integrity_tile partial = *tile;
  char name[INTEGRITY_TILE_MAX_PATH + 1], file[SYNC_PATH_BYTES], path[PATH_MAX];
  partial.width = 1;
  integrity_tile_path(&partial, name);
  *strrchr(name, '/') = '\0';
  snprintf(file, sizeof(file), "tile/%s", name);
  if (sync_path(sync, true, file, path, NULL) != BASE_OK) return;
  int fd;
  if (sync_open_inside(sync, file, false, &fd, NULL) != BASE_OK) return;
  DIR *folder = fdopendir(fd);
  if (folder == NULL) {
    base_fd_close(&fd);
    return;
  }
  for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
    if (is_narrower(entry->d_name, tile->width)) (void)unlinkat(dirfd(folder), entry->d_name, 0);
  }
  closedir(folder);
  if (tile->width == INTEGRITY_TILE_WIDTH) (void)rmdir(path);
}

// A tile that came in this run.
struct sync_tile {
  struct integrity_tile tile;
  struct integrity_digest hashes[INTEGRITY_TILE_WIDTH];
};

static bool find_tile(const struct sync_ledger *ledger, const struct integrity_tile *tile,
                      struct integrity_digest *out) {
  for (size_t i = 0; i < ledger->tile_count; i++) {
    const struct sync_tile *known = &ledger->tiles[i];
    if (known->tile.level != tile->level || known->tile.index != tile->index || known->tile.width < tile->width)
      continue;
    memcpy(out, known->hashes, tile->width * sizeof(*out));
    return true;
  }
  return false;
}

static void add_tile(struct sync_ledger *ledger, const struct integrity_tile *tile, struct base_span content) {
  if (ledger->tile_count == ledger->tile_capacity) {
    const size_t capacity = ledger->tile_capacity > 0 ? ledger->tile_capacity * 2 : FIRST_TILES;
    struct sync_tile *tiles = capacity <= MAX_TILES ? realloc(ledger->tiles, capacity * sizeof(*tiles)) : NULL;
    if (tiles == NULL) return;  // then it is fetched again
    ledger->tiles = tiles;
    ledger->tile_capacity = capacity;
  }
  struct sync_tile *added = &ledger->tiles[ledger->tile_count++];
  added->tile = *tile;
  memcpy(added->hashes, content.data, content.bytes);
}

static enum base_result fetch_tile(struct sync *sync, const struct integrity_tile *tile, size_t bytes,
                                   struct integrity_digest *out, struct base_fault *fault) {
  char name[INTEGRITY_TILE_MAX_PATH + 1], path[SYNC_PATH_BYTES];
  struct client_response response = {0};
  integrity_tile_path(tile, name);
  snprintf(path, sizeof(path), "/ledger/tile/%s", name);
  enum base_result result = sync_get(sync, path, &response, fault);
  if (result == BASE_OK && response.body.bytes != tile->width * sizeof(*out))
    result = BASE_FAIL(fault, BASE_CORRUPT, "ledger", "tile %s of the ledger has a wrong size", name);
  if (result == BASE_OK) {
    memcpy(out, response.body.data, bytes);
    add_tile(&sync->ledger, tile, base_buffer_span(&response.body));
  }
  client_response_finish(&response);
  return result;
}

// A tile that is asked for as a part may be full by now, here or on the box.
static enum base_result read_tile(void *self, const struct integrity_tile *tile,
                                  struct integrity_digest out[INTEGRITY_TILE_WIDTH], struct base_fault *fault) {
  struct sync *sync = self;
  const size_t bytes = tile->width * sizeof(*out);
  struct integrity_tile full = *tile;
  struct base_fault found = {0};
  full.width = INTEGRITY_TILE_WIDTH;
  if (find_tile(&sync->ledger, tile, out) || read_tile_file(sync, tile, bytes, out) ||
      read_tile_file(sync, &full, bytes, out))
    return BASE_OK;
  enum base_result result = fetch_tile(sync, tile, bytes, out, &found);
  if (result == BASE_NOT_FOUND && tile->width < INTEGRITY_TILE_WIDTH) {
    base_fault_clear(&found);
    result = fetch_tile(sync, &full, bytes, out, &found);
  }
  return result == BASE_OK ? BASE_OK : BASE_FAIL(fault, result, found.subject, "%s", found.text);
}

// Whether the ledger of `late` begins with that of `early`. BASE_NOT_FOUND: what shows it has been pruned.
static enum base_result check_continues(struct sync *sync, const struct integrity_checkpoint *early,
                                        const struct integrity_checkpoint *late, struct base_fault *fault) {
  struct integrity_digest path[2 * INTEGRITY_MERKLE_LEVELS];
  const struct integrity_tile_source source = {.read = read_tile, .self = sync};
  size_t nodes = 0;
  if (early->size > late->size)
    return BASE_FAIL(fault, BASE_CORRUPT, "ledger",
                     "the box's ledger has %" PRIu64 " %s and had %" PRIu64 " before: some are gone", late->size,
                     late->size == 1 ? "entry" : "entries", early->size);
  enum base_result result = BASE_OK;
  if (early->size > 0 && early->size < late->size)
    result = integrity_tiles_consistency(&source, early->size, late->size, path, &nodes, fault);
  if (result != BASE_OK || early->size == 0) return result;
  if (integrity_merkle_is_consistent(early->size, &early->root, late->size, &late->root, path, nodes)) return BASE_OK;
  return BASE_FAIL(fault, BASE_CORRUPT, "ledger",
                   "the box's ledger of %" PRIu64 " entries does not continue the one of %" PRIu64
                   " that it signed before: its history was changed",
                   late->size, early->size);
}

// --- the key ---

// Nothing of the mirror is to go because of a --vkey that was mistyped or is of another box.
static enum base_result refuse_key(const struct sync *sync, const char *offered, const char *pinned,
                                   struct base_fault *fault) {
  if (sync->options->vkey != NULL)
    return BASE_FAIL(fault, BASE_CORRUPT, "ledger",
                     "the box signs as %.90s, and not as --vkey %.90s. Compare --vkey with the console's page: unless "
                     "it has the same, --vkey is wrong",
                     offered, pinned);
  return BASE_FAIL(fault, BASE_CORRUPT, "ledger",
                   "the box signs as %.90s, the mirror's key is %.90s. After pixpopd --new-ledger, remove vkey, "
                   "checkpoint, proofs and tile from the mirror's .pixpop folder",
                   offered, pinned);
}

// --vkey, else the mirror's, else what the box says, which is believed once.
static enum base_result choose_key(struct sync *sync, const char *offered, bool may_write, struct base_fault *fault) {
  struct base_buffer kept;
  char text[INTEGRITY_VKEY_MAX_CHARS + 1] = "";
  const bool is_kept = read_inside(sync, "vkey", INTEGRITY_VKEY_MAX_CHARS + 2, &kept, NULL) == BASE_OK;
  struct base_span rest = base_buffer_span(&kept);
  const struct base_span line = base_span_cut(&rest, '\n');
  enum base_result result = BASE_OK;
  if (is_kept && !base_span_copy(line, text, sizeof(text)))
    result = BASE_FAIL(fault, BASE_CORRUPT, "ledger", "the mirror's vkey is damaged");
  base_buffer_finish(&kept);
  if (result != BASE_OK) return result;
  const char *pinned = sync->options->vkey != NULL ? sync->options->vkey : text[0] != '\0' ? text : offered;
  if (strcmp(pinned, offered) != 0) return refuse_key(sync, offered, pinned, fault);
  if (text[0] != '\0' && strcmp(pinned, text) != 0)
    return BASE_FAIL(fault, BASE_CORRUPT, "ledger",
                     "the mirror is of another ledger, %.90s. After pixpopd --new-ledger, remove vkey, checkpoint, "
                     "proofs and tile from the mirror's .pixpop folder",
                     text);
  result = integrity_note_key_parse(base_span_text(pinned), &sync->ledger.key, fault);
  if (result != BASE_OK || text[0] != '\0' || !may_write) return result;
  if (sync->options->vkey == NULL && !sync->options->quiet)
    fprintf(stderr, "pixpop: the ledger's key %s is believed from now on; --vkey pins another\n", pinned);
  snprintf(text, sizeof(text), "%s", pinned);
  text[strlen(text) + 1] = '\0';
  text[strlen(text)] = '\n';
  return write_inside(sync, "vkey", base_span_text(text), fault);
}

// --- checkpoints ---

static enum base_result take_newest(struct sync_ledger *ledger, const struct integrity_checkpoint *checkpoint,
                                    struct base_span note, struct base_fault *fault) {
  if (ledger->newest_note.bytes > 0 && checkpoint->size <= ledger->newest.size) return BASE_OK;
  base_buffer_finish(&ledger->newest_note);
  base_buffer_init(&ledger->newest_note, INTEGRITY_NOTE_MAX_BYTES);
  ledger->newest = *checkpoint;
  const enum base_result result = base_buffer_append(&ledger->newest_note, note.data, note.bytes);
  return result == BASE_OK ? BASE_OK : BASE_FAIL(fault, result, "", "no memory for a checkpoint");
}

static enum base_result fetch_checkpoint(struct sync *sync, struct base_fault *fault) {
  struct client_response response = {0};
  struct integrity_checkpoint checkpoint;
  enum base_result result = sync_get(sync, "/ledger/checkpoint", &response, fault);
  const struct base_span note = base_buffer_span(&response.body);
  if (result == BASE_OK) result = integrity_checkpoint_open(note, &sync->ledger.key, &checkpoint, fault);
  if (result == BASE_OK) result = take_newest(&sync->ledger, &checkpoint, note, fault);
  client_response_finish(&response);
  return result;
}

static enum base_result read_last(struct sync *sync, struct base_fault *fault) {
  struct base_buffer note;
  struct base_fault missing = {0};
  enum base_result result = read_inside(sync, "checkpoint", INTEGRITY_NOTE_MAX_BYTES, &note, &missing);
  sync->ledger.has_last = result == BASE_OK;
  if (result == BASE_OK)
    result = integrity_checkpoint_open(base_buffer_span(&note), &sync->ledger.key, &sync->ledger.last, fault);
  else if (result == BASE_NOT_FOUND)
    result = BASE_OK;
  else
    result = BASE_FAIL(fault, result, missing.subject, "%s", missing.text);
  base_buffer_finish(&note);
  return result;
}

// What can not be shown any more, since the box has pruned it, is said and borne.
static enum base_result continue_from(struct sync *sync, const struct integrity_checkpoint *early,
                                      const struct integrity_checkpoint *late, struct base_fault *fault) {
  struct base_fault found = {0};
  const enum base_result result = check_continues(sync, early, late, &found);
  if (result == BASE_NOT_FOUND) {
    char text[256];
    snprintf(text, sizeof(text),
             "whether the ledger continues the one that ended at %" PRIu64
             " before can not be shown: the box has pruned what shows it. What it says now is taken",
             early->size);
    warn(sync, text);
    return BASE_OK;
  }
  return result == BASE_OK ? BASE_OK : BASE_FAIL(fault, result, found.subject, "%s", found.text);
}

// What the mirror knows already is compared with what came, before anything else is done.
static enum base_result compare_with_last(struct sync *sync, bool may_write, struct base_fault *fault) {
  const enum base_result result = read_last(sync, fault);
  sync->ledger.is_on = true;
  if (result != BASE_OK || !sync->ledger.has_last || !may_write) return result;
  return continue_from(sync, &sync->ledger.last, &sync->ledger.newest, fault);
}

static enum base_result begin_with(struct sync *sync, const struct base_json_value *ledger, bool may_write,
                                   struct base_fault *fault) {
  const char *state = base_json_as_string(base_json_get(ledger, "state"));
  const char *vkey = base_json_as_string(base_json_get(ledger, "vkey"));
  if (state == NULL || strcmp(state, "running") != 0 || vkey == NULL || vkey[0] == '\0') {
    const bool is_halted = state != NULL && strcmp(state, "halted") == 0;
    if (sync->ledger.is_needed)
      return BASE_FAIL(fault, BASE_CONFLICT, "ledger",
                       "the box %s, and %s. Nothing is fetched; --no-ledger takes what comes by its id alone",
                       is_halted ? "has halted its ledger (its page says why)" : "says that it keeps no ledger",
                       sync->options->vkey != NULL ? "--vkey wants one" : "the mirror knows one");
    if (sync->mirror.has_ledger || sync->options->vkey != NULL || is_halted)
      warn(sync, is_halted ? "the box has halted its ledger (its page says why): what is fetched now is checked by its "
                             "id alone"
                           : "the box keeps no ledger any more: what is fetched now is checked by its id alone");
    return BASE_OK;
  }
  struct base_fault found = {0};
  enum base_result result = choose_key(sync, vkey, may_write, fault);
  if (result != BASE_OK) return result;
  result = fetch_checkpoint(sync, &found);
  if (result == BASE_OK) return compare_with_last(sync, may_write, fault);
  result =
      result == BASE_NOT_FOUND ? read_last(sync, fault) : BASE_FAIL(fault, result, found.subject, "%s", found.text);
  if (result == BASE_OK && sync->ledger.has_last)
    result = BASE_FAIL(fault, BASE_CORRUPT, "ledger", "the box shows no checkpoint any more: %s", found.text);
  sync->ledger.is_on = true;  // nothing has been signed yet
  return result;
}

// Whether the checkpoint is signed with the key that the mirror knows: then nothing needs to be asked about it.
static bool is_as_known(struct sync *sync) {
  char text[INTEGRITY_VKEY_MAX_CHARS + 1];
  struct base_buffer kept;
  bool is_known = read_inside(sync, "vkey", INTEGRITY_VKEY_MAX_CHARS + 2, &kept, NULL) == BASE_OK;
  struct base_span rest = base_buffer_span(&kept);
  is_known = is_known && base_span_copy(base_span_cut(&rest, '\n'), text, sizeof(text)) &&
             (sync->options->vkey == NULL || strcmp(sync->options->vkey, text) == 0) &&
             integrity_note_key_parse(base_span_text(text), &sync->ledger.key, NULL) == BASE_OK;
  base_buffer_finish(&kept);
  return is_known && fetch_checkpoint(sync, NULL) == BASE_OK;
}

static bool is_needed(const struct sync *sync) {
  char path[PATH_MAX];
  if (sync->options->no_ledger) return false;
  if (sync->options->vkey != NULL || sync->mirror.has_ledger) return true;
  return sync_path(sync, true, "vkey", path, NULL) == BASE_OK && access(path, F_OK) == 0;
}

enum base_result sync_ledger_begin(struct sync *sync, bool may_write, struct base_fault *fault) {
  struct client_response response = {0};
  struct base_json *json = NULL;
  sync->ledger.is_needed = is_needed(sync);
  if (is_as_known(sync)) return compare_with_last(sync, may_write, fault);
  enum base_result result = sync_get(sync, "/api/v1/status", &response, fault);
  if (result == BASE_OK) result = base_json_parse(base_buffer_span(&response.body), &json, fault);
  if (result == BASE_OK) result = begin_with(sync, base_json_get(base_json_root(json), "ledger"), may_write, fault);
  base_json_destroy(&json);
  client_response_finish(&response);
  return result;
}

// --- proofs ---

// Those that were seen belong to the history of `now`, and are not needed any more.
static enum base_result compare_seen(struct sync *sync, const struct integrity_checkpoint *now,
                                     struct base_fault *fault) {
  struct sync_ledger *ledger = &sync->ledger;
  enum base_result result = BASE_OK;
  for (size_t i = 0; i < ledger->seen_count && result == BASE_OK; i++) {
    result = check_continues(sync, &ledger->seen[i], now, fault);
    if (result == BASE_OK) result = mirror_add_checkpoint(&sync->mirror, ledger->seen[i].size, fault);
  }
  if (result == BASE_OK) ledger->seen_count = 0;
  return result;
}

static enum base_result remember(struct sync *sync, const struct integrity_checkpoint *checkpoint,
                                 struct base_fault *fault) {
  struct sync_ledger *ledger = &sync->ledger;
  for (size_t i = ledger->seen_count; i-- > 0;) {
    const struct integrity_checkpoint *seen = &ledger->seen[i];
    if (seen->size == checkpoint->size && integrity_digest_equal(&seen->root, &checkpoint->root)) return BASE_OK;
    if (seen->size == checkpoint->size)
      return BASE_FAIL(fault, BASE_CORRUPT, "ledger", "the box has signed two different ledgers of %" PRIu64 " %s",
                       seen->size, seen->size == 1 ? "entry" : "entries");
  }
  if (ledger->seen_count == MAX_SEEN) {
    const enum base_result result = compare_seen(sync, &ledger->newest, fault);
    if (result != BASE_OK) return result;
  }
  if (ledger->seen_count == ledger->seen_capacity) {
    const size_t capacity = ledger->seen_capacity > 0 ? ledger->seen_capacity * 2 : FIRST_SEEN;
    struct integrity_checkpoint *seen = realloc(ledger->seen, capacity * sizeof(*seen));
    if (seen == NULL) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for a checkpoint");
    ledger->seen = seen;
    ledger->seen_capacity = capacity;
  }
  ledger->seen[ledger->seen_count++] = *checkpoint;
  return BASE_OK;
}

static enum base_result check_proof(struct sync *sync, struct base_span text, const struct integrity_digest *id,
                                    uint64_t bytes, struct integrity_digest *root, struct base_fault *fault) {
  struct base_buffer storage;
  struct integrity_proof proof;
  struct integrity_proven proven;
  base_buffer_init(&storage, INTEGRITY_PROOF_MAX_BYTES);
  enum base_result result = integrity_proof_parse(text, &storage, &proof, fault);
  if (result == BASE_OK) result = integrity_proof_check(&proof, &sync->ledger.key, &proven, fault);
  if (result == BASE_OK) result = take_newest(&sync->ledger, &proven.checkpoint, proof.checkpoint, fault);
  base_buffer_finish(&storage);
  if (result != BASE_OK) return result;
  if (proven.subject.kind != INTEGRITY_ENTRY_PUT || !integrity_digest_equal(&proven.subject.object, id) ||
      proven.subject.bytes != bytes)
    return BASE_FAIL(fault, BASE_CORRUPT, "ledger", "the proof that the box sent is one of something else");
  *root = proven.subject.root;
  return remember(sync, &proven.checkpoint, fault);
}

enum base_result sync_ledger_prove(struct sync *sync, const struct integrity_digest *id, uint64_t bytes,
                                   struct integrity_digest *root, struct base_fault *fault) {
  char text[BASE_DIGEST_BASE64URL_CHARS + 1], path[SYNC_PATH_BYTES], name[SYNC_PATH_BYTES];
  struct client_response response = {0};
  integrity_digest_text(id, text);
  snprintf(path, sizeof(path), "/ledger/proof/%s", text);
  enum base_result result = sync_get(sync, path, &response, fault);
  if (result == BASE_OK) result = check_proof(sync, base_buffer_span(&response.body), id, bytes, root, fault);
  if (result == BASE_OK) {
    name_proof(id, name);
    result = write_inside(sync, name, base_buffer_span(&response.body), fault);
  }
  client_response_finish(&response);
  return result;
}

bool sync_ledger_has_proof(const struct sync *sync, const struct integrity_digest *id) {
  char name[SYNC_PATH_BYTES], path[PATH_MAX];
  name_proof(id, name);
  return sync_path(sync, true, name, path, NULL) == BASE_OK && access(path, F_OK) == 0;
}

void sync_ledger_forget(const struct sync *sync, const struct integrity_digest *id) {
  char name[SYNC_PATH_BYTES], path[PATH_MAX];
  name_proof(id, name);
  if (sync_path(sync, true, name, path, NULL) == BASE_OK) (void)unlink(path);
}

// --- the end ---

// Fetches the tiles that an offline verifier needs from each former size on; those that are pruned are missing there.
static void keep_tiles(struct sync *sync, const struct integrity_checkpoint *now) {
  struct integrity_digest path[2 * INTEGRITY_MERKLE_LEVELS];
  const struct integrity_tile_source source = {.read = read_tile, .self = sync};
  for (size_t i = 0; i < sync->mirror.checkpoint_count; i++) {
    const uint64_t size = sync->mirror.checkpoints[i];
    size_t nodes;
    if (size > 0 && size < now->size &&
        integrity_tiles_consistency(&source, size, now->size, path, &nodes, NULL) == BASE_IO)
      return;
  }
}

static enum base_result write_tiles(struct sync *sync, struct base_fault *fault) {
  enum base_result result = BASE_OK;
  for (size_t i = 0; i < sync->ledger.tile_count && result == BASE_OK; i++) {
    const struct sync_tile *known = &sync->ledger.tiles[i];
    char name[INTEGRITY_TILE_MAX_PATH + 1], path[SYNC_PATH_BYTES];
    integrity_tile_path(&known->tile, name);
    snprintf(path, sizeof(path), "tile/%s", name);
    result = write_inside(sync, path, base_span_of(known->hashes, known->tile.width * sizeof(*known->hashes)), fault);
    if (result == BASE_OK) drop_partial_tiles(sync, &known->tile);
  }
  return result;
}

// Makes the proof of an object one for the newest checkpoint, by the tiles. *size is that of the one it has now, 0:
// there is no proof.
static enum base_result renew_proof(struct sync *sync, const struct integrity_digest *id,
                                    const struct integrity_checkpoint *now, struct base_span note, uint64_t *size,
                                    struct base_fault *fault) {
  const struct integrity_tile_source source = {.read = read_tile, .self = sync};
  char name[SYNC_PATH_BYTES];
  struct base_buffer text, storage, made;
  struct integrity_proof proof;
  struct integrity_proven proven;
  enum base_result result = BASE_OK;
  name_proof(id, name);
  base_buffer_init(&storage, INTEGRITY_PROOF_MAX_BYTES);
  base_buffer_init(&made, INTEGRITY_PROOF_MAX_BYTES);
  *size = 0;
  if (read_inside(sync, name, INTEGRITY_PROOF_MAX_BYTES, &text, NULL) == BASE_OK &&
      integrity_proof_parse(base_buffer_span(&text), &storage, &proof, NULL) == BASE_OK &&
      integrity_proof_check(&proof, &sync->ledger.key, &proven, NULL) == BASE_OK) {
    *size = proven.checkpoint.size;
    proof.checkpoint = note;
    // Without the tiles, which may be pruned, it stays as it is.
    if (*size < now->size &&
        integrity_tiles_inclusion(&source, proof.index, now->size, proof.path, &proof.nodes, NULL) == BASE_OK &&
        integrity_proof_check(&proof, &sync->ledger.key, &proven, NULL) == BASE_OK) {
      result = integrity_proof_write(&proof, &made, fault);
      if (result == BASE_OK) result = write_inside(sync, name, base_buffer_span(&made), fault);
      if (result == BASE_OK) *size = now->size;
    }
  }
  base_buffer_finish(&text);
  base_buffer_finish(&storage);
  base_buffer_finish(&made);
  return result;
}

// All proofs; of the checkpoints before, only those are kept that a proof still names.
static enum base_result renew_proofs(struct sync *sync, const struct integrity_checkpoint *now, struct base_span note,
                                     struct base_fault *fault) {
  struct mirror *mirror = &sync->mirror;
  struct base_buffer sizes;
  enum base_result result = BASE_OK;
  base_buffer_init(&sizes, SIZE_MAX / 2);
  for (size_t i = 0; i < mirror->count && result == BASE_OK; i++) {
    uint64_t size;
    if (mirror->items[i].is_dead) continue;
    result = renew_proof(sync, &mirror->items[i].id, now, note, &size, fault);
    if (result == BASE_OK && size > 0 && size < now->size) result = base_buffer_append(&sizes, &size, sizeof(size));
  }
  const uint64_t *kept = (const void *)sizes.data;
  if (result == BASE_OK) mirror->checkpoint_count = 0;
  for (size_t i = 0; i < sizes.bytes / sizeof(*kept) && result == BASE_OK; i++)
    result = mirror_add_checkpoint(mirror, kept[i], fault);
  base_buffer_finish(&sizes);
  return result;
}

static enum base_result settle(struct sync *sync, const struct integrity_checkpoint *now, struct base_span note,
                               struct base_fault *fault) {
  struct sync_ledger *ledger = &sync->ledger;
  const struct integrity_tile_source source = {.read = read_tile, .self = sync};
  struct integrity_digest root;
  enum base_result result = BASE_OK;
  if (ledger->has_last) result = continue_from(sync, &ledger->last, now, fault);
  if (result == BASE_OK) result = compare_seen(sync, now, fault);
  if (result == BASE_OK && now->size > 0) result = integrity_tiles_root(&source, now->size, now->size, &root, fault);
  if (result == BASE_OK && now->size > 0 && !integrity_digest_equal(&root, &now->root))
    result = BASE_FAIL(fault, BASE_CORRUPT, "ledger", "the ledger's tiles are not those of its checkpoint");
  if (result == BASE_OK && sync->mirror.checkpoint_count > RENEW_ABOVE) result = renew_proofs(sync, now, note, fault);
  if (result == BASE_OK) result = mirror_add_checkpoint(&sync->mirror, now->size, fault);
  if (result != BASE_OK) return result;
  if (!ledger->has_last || ledger->last.size != now->size) keep_tiles(sync, now);
  result = write_tiles(sync, fault);
  return result == BASE_OK ? write_inside(sync, "checkpoint", note, fault) : result;
}

enum base_result sync_ledger_end(struct sync *sync, struct base_fault *fault) {
  const struct sync_ledger *ledger = &sync->ledger;
  if (!ledger->is_on || ledger->newest_note.bytes == 0) return BASE_OK;
  return settle(sync, &ledger->newest, base_buffer_span(&ledger->newest_note), fault);
}

void sync_ledger_finish(struct sync *sync) {
  free(sync->ledger.seen);
  free(sync->ledger.tiles);
  base_buffer_finish(&sync->ledger.newest_note);
}
