// A mirror: a folder with copies of a box's originals, and in its .pixpop/ what proves them.
//
//   <folder>/<file>                             one file an original
//   <folder>/.pixpop/manifest.json              what is there, as below
//   <folder>/.pixpop/vkey                       the ledger's key at the first sync
//   <folder>/.pixpop/checkpoint                 the newest checkpoint, which continues all before
//   <folder>/.pixpop/proofs/<id>.tlog-proof     proofs of originals; their own checkpoints may be older
//   <folder>/.pixpop/tile/<L>/<N>[.p/<W>]       hash tiles between the checkpoints in the manifest and the newest
//   <folder>/.pixpop/partial/<id>               being fetched
//   <folder>/.pixpop/lock                       held by the sync that runs
//
// The manifest is JSON as a whole, and made of lines that are JSON (but for commas and brackets at their ends), so that
// one of any length can be read: a line about the mirror, one an original, "]}". `sync` writes mirrors, `verify` reads
// them.
#ifndef PIXPOP_MIRROR_H
#define PIXPOP_MIRROR_H

#include "integrity/digest.h"

enum {
  MIRROR_MAX_FILE = 240,  // bytes of a file's name
  MIRROR_MAX_URL = 1024,
  MIRROR_MAX_CHECKPOINTS = 4096,
};

struct mirror_item {
  struct integrity_digest id;
  struct integrity_digest root;  // of its block tree; a hint, its proof knows
  uint64_t bytes;
  int64_t created_s;
  int64_t changed_us;  // of the file, when it was put in its place; 0: not known
  bool is_gone;        // from the box; kept, as nobody asked for it to be deleted
  bool is_dead;        // to be forgotten by mirror_write
  char file[MIRROR_MAX_FILE + 1];
  char name[256];  // on the box
};

struct mirror {
  char url[MIRROR_MAX_URL + 1];
  int64_t synced_s;
  bool has_ledger;
  size_t checkpoint_count;
  uint64_t *checkpoints;  // sizes, ascending; NULL when there are none
  size_t count;
  struct mirror_item *items;
  // Inside.
  size_t capacity;
  uint32_t *by_id, *by_file;  // open addressing: item + 1
  size_t mask;
};

// An empty mirror.
void mirror_init(struct mirror *mirror);
// Reads the manifest. BASE_NOT_FOUND when there is none; BASE_CORRUPT, also for names of files that lead elsewhere.
// Finish it in any case.
enum base_result mirror_read(const char *folder, struct mirror *out, struct base_fault *fault) BASE_CHECKED;
void mirror_finish(struct mirror *mirror);
// Replaces the manifest durably, without what is dead.
enum base_result mirror_write(const struct mirror *mirror, const char *folder, struct base_fault *fault) BASE_CHECKED;

// NULL when there is none. Files are compared without regard to ASCII case, since some disks do that. Items move when
// others are added.
struct mirror_item *mirror_find(const struct mirror *mirror, const struct integrity_digest *id);
struct mirror_item *mirror_find_file(const struct mirror *mirror, const char *file);
// A copy of `item`, whose id and file are new, goes in. BASE_NO_MEMORY.
enum base_result mirror_add(struct mirror *mirror, const struct mirror_item *item,
                            struct base_fault *fault) BASE_CHECKED;
// Adds a size to the checkpoints; the oldest go when there are too many.
enum base_result mirror_add_checkpoint(struct mirror *mirror, uint64_t size, struct base_fault *fault) BASE_CHECKED;

// Whether a name stays in its folder, is not hidden and has no control characters.
bool mirror_is_file(const char *name);
// The name of a file for an original's display name: what some file system refuses is replaced. `attempt` 0 is the
// plain name, 1 has eight characters of the id in it, 2 all of them. `format` is for names without an ending.
void mirror_name_file(const char *name, const char *format, const struct integrity_digest *id, int attempt,
                      char out[MIRROR_MAX_FILE + 1]);

#endif
