// What the files of `pixpop sync` share: one run over a box and a mirror.
#ifndef PIXPOP_SYNC_H
#define PIXPOP_SYNC_H

#include <limits.h>
#include <sys/stat.h>

#include "delta/choose.h"
#include "integrity/checkpoint.h"
#include "mirror.h"
#include "progress.h"
#include "remote.h"

enum { SYNC_PATH_BYTES = 256, SYNC_FORMAT_CHARS = 16 };

// An original on the box.
struct sync_original {
  struct integrity_digest id;
  uint64_t bytes;
  int64_t created_s;
  char name[256];
  char format[SYNC_FORMAT_CHARS];
  bool is_here;  // the mirror has it
};

struct sync_tile;

// What the ledger is known to say; see sync_ledger.c.
struct sync_ledger {
  bool is_on;      // there is one to go by
  bool is_needed;  // the mirror or --vkey knows one: nothing is fetched without its word
  struct integrity_note_key key;
  bool has_last;  // a checkpoint of an earlier run
  struct integrity_checkpoint last;
  // The newest that came in this run, by itself or with a proof; an empty note: none yet.
  struct integrity_checkpoint newest;
  struct base_buffer newest_note;
  // Tiles that came in this run: they go to the disk when all they say has been found right.
  struct sync_tile *tiles;
  size_t tile_count, tile_capacity;
  // Those that proofs came with, to be compared with the newest at the end.
  struct integrity_checkpoint *seen;
  size_t seen_count, seen_capacity;
};

struct sync {
  const struct options *options;
  const char *folder;
  int lock_fd, partial_fd;  // of .pixpop/lock and .pixpop/partial
  struct remote remote;
  struct mirror mirror;
  size_t old_count;  // of the mirror's items before anything was fetched
  struct sync_ledger ledger;
  struct progress progress;
  // In the order in which they came to the box.
  struct sync_original *originals;
  size_t count, capacity;
  // What was done.
  uint64_t total_bytes, done_bytes;         // of the objects to fetch
  uint64_t sent_bytes, received_bytes;      // heads and bodies
  size_t ways[DELTA_WAYS];                  // originals fetched so
  size_t kept, adopted, deleted, failures;  // originals
  size_t unproven;                          // that the ledger did not prove
  uint64_t fetched_bytes;                   // of the objects fetched
  uint64_t saved_ms;                        // when the manifest was last written
};

// --- asking the box (sync_box.c) ---

// One request whose connection may break: tried again a few times while nothing of its body has been received. A
// status that is not 2xx is a fault with the box's own words: BASE_NOT_FOUND for 404, BASE_CONFLICT for 409, ... Finish
// the response always.
enum base_result sync_ask(struct sync *sync, struct client_request *request, struct client_response *response,
                          struct base_fault *fault) BASE_CHECKED;
// GET of a small thing.
enum base_result sync_get(struct sync *sync, const char *path, struct client_response *response,
                          struct base_fault *fault) BASE_CHECKED;
// Whether trying again may help.
bool sync_is_passing(enum base_result result);
// All originals of the tenant, the oldest first. BASE_UNPROCESSABLE: the list does not go on as one does, or is too
// long.
enum base_result sync_list(struct sync *sync, struct base_fault *fault) BASE_CHECKED;

// --- the ledger (sync_ledger.c) ---

// Finds out whether the box has a ledger, whose key it is, and that its newest checkpoint continues the mirror's.
// BASE_CORRUPT: it does not, or it is another one. BASE_CONFLICT: the box has none, or has halted it, and it is needed.
enum base_result sync_ledger_begin(struct sync *sync, bool may_write, struct base_fault *fault) BASE_CHECKED;
// Fetches, checks and keeps the proof of an original; *root is what its blocks' tree must have. BASE_CORRUPT when the
// proof is not one for it, BASE_NOT_FOUND when the ledger does not know it.
enum base_result sync_ledger_prove(struct sync *sync, const struct integrity_digest *id, uint64_t bytes,
                                   struct integrity_digest *root, struct base_fault *fault) BASE_CHECKED;
bool sync_ledger_has_proof(const struct sync *sync, const struct integrity_digest *id);
void sync_ledger_forget(const struct sync *sync, const struct integrity_digest *id);
void sync_ledger_finish(struct sync *sync);
// Compares what was seen with the newest checkpoint of this run, and keeps that with the tiles that show it.
enum base_result sync_ledger_end(struct sync *sync, struct base_fault *fault) BASE_CHECKED;

// --- files of the mirror (sync_files.c) ---

// "<folder>/<file>" or "<folder>/.pixpop/<file>". BASE_BAD_INPUT when that is too long.
enum base_result sync_path(const struct sync *sync, bool is_inside, const char *file, char out[PATH_MAX],
                           struct base_fault *fault) BASE_CHECKED;
// Opens a folder inside .pixpop ("" is that itself), which no link may lead to. BASE_NOT_FOUND, unless it may be made.
enum base_result sync_open_inside(const struct sync *sync, const char *folder, bool may_make, int *out_fd,
                                  struct base_fault *fault) BASE_CHECKED;
// Where an original is to go, and what was there when that was chosen.
struct sync_place {
  char file[MIRROR_MAX_FILE + 1];
  bool is_there;
  struct stat info;  // when something is
};
// Looks what is there.
void sync_look_at(const struct sync *sync, struct sync_place *place);
// Whether that is still there, or still nothing.
bool sync_is_as_seen(const struct sync *sync, const struct sync_place *place);
// Whether the item's file is as it was put there, as far as its size and time tell.
bool sync_is_intact(const struct sync *sync, const struct mirror_item *item);
// Reads all of a file: its digest, and its leaves when `leaves` is not NULL. BASE_NOT_FOUND; the size is in *bytes.
enum base_result sync_hash_file(const struct sync *sync, const char *file, struct integrity_digest *digest,
                                struct base_buffer *leaves, uint64_t *bytes, struct base_fault *fault) BASE_CHECKED;
// The time of a file in microseconds (JSON numbers hold no nanoseconds), 0 when there is none.
int64_t sync_changed_us(const struct sync *sync, const char *file);
// Writes the manifest now, or when the last time was long ago.
enum base_result sync_save(struct sync *sync, bool is_due, struct base_fault *fault) BASE_CHECKED;

// --- one original (sync_fetch.c) ---

struct sync_fetched {
  enum delta_way way;
  uint64_t wire_bytes;  // received and sent for it, with heads
  bool is_taken;        // the place is not as it was any more: the file is whole and waits in .pixpop/partial
};
// Fetches it, the cheapest way that an old file of the mirror allows, and puts it in its place once it is whole and
// right. `base` is the name of that file, or NULL; it may be the place's. `root` NULL: the ledger says nothing.
// BASE_CONFLICT with out->is_taken: what others put into the place meanwhile was left alone.
enum base_result sync_fetch(struct sync *sync, const struct sync_original *original, const char *base,
                            const struct sync_place *place, const struct integrity_digest *root,
                            struct integrity_digest *out_root, struct sync_fetched *out,
                            struct base_fault *fault) BASE_CHECKED;

#endif
