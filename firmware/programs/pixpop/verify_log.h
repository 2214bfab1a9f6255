// The ledger as a verifier sees it: whose key it trusts, the checkpoint it goes by, and whether every other checkpoint
// it comes across belongs to the same history.
#ifndef PIXPOP_VERIFY_LOG_H
#define PIXPOP_VERIFY_LOG_H

#include <limits.h>

#include "integrity/proof.h"
#include "integrity/tiles.h"
#include "options.h"
#include "verify_report.h"
#include "verify_seen.h"

// Where a ledger is read from: a box, its data folder, a mirror.
struct verify_source {
  // Names the place over runs: a URL, an absolute path.
  char place[PATH_MAX];
  // The key it gives as its own; empty: none. Believed only when there is nothing better.
  char vkey[INTEGRITY_VKEY_MAX_CHARS + 1];
  enum base_result (*read_checkpoint)(void *self, struct base_buffer *out, struct base_fault *fault);
  struct integrity_tile_source tiles;  // BASE_NOT_FOUND: not there (any more)
  // A copy: it may be older than what was seen of the ledger elsewhere, and have only some of its tiles.
  bool is_copy;
  void *self;  // of read_checkpoint
};

struct verify_log {
  struct verify_source *source;
  struct verify_report *report;
  struct integrity_note_key key;
  struct integrity_checkpoint head;      // the newest one that was admitted
  struct integrity_checkpoint admitted;  // the last one that was looked at
  char state_path[PATH_MAX];
  bool is_key_new;  // it is the source's own, and was never seen before
  bool is_sound;    // nothing speaks against remembering `head`
};

// Reads the checkpoint, chooses the key (--vkey, the one remembered, the source's own), checks signature, tree and
// history, and says so in the report. False: there is no ledger to go by.
bool verify_log_begin(struct verify_log *log, const struct options *options, struct verify_source *source,
                      struct verify_report *report) BASE_CHECKED;
// Reads the checkpoint once more: the source may have gone on. False: the report says why.
bool verify_log_look_again(struct verify_log *log) BASE_CHECKED;
// Whether a checkpoint (signed by the key) belongs to the log's history; if not, the report says so. A newer one
// becomes the head.
bool verify_log_admit(struct verify_log *log, const struct integrity_checkpoint *checkpoint) BASE_CHECKED;
// Remembers the head for the next run.
void verify_log_end(struct verify_log *log);

// Checks a proof for the object with that digest: of a put for an original, of a derive for a variant; then its
// checkpoint as verify_log_admit. The fault is of the proof alone. What bytes and root are said to be is in *out.
bool verify_log_prove(struct verify_log *log, struct base_span text, enum verify_kind kind,
                      const struct integrity_digest *object, const char *about,
                      struct integrity_subject *out) BASE_CHECKED;

#endif
