// What is known of damage: which originals, by whatever found it, and how far the scrubber has got. Kept over restarts
// in <root>/findings.rec (kind findings: its body is one item of 48 bytes an original).
//
// Thread-safe; its lock is a leaf.
#ifndef STORE_FINDINGS_H
#define STORE_FINDINGS_H

#include "store/record.h"
#include "store/store.h"

#define STORE_FINDINGS "findings.rec"

// What of an original is damaged; several may be.
enum store_finding { STORE_FINDING_BYTES = 1, STORE_FINDING_RECORD = 2 };

struct store_found {
  struct integrity_digest id;
  int64_t found_s;
  unsigned what;  // enum store_finding
};

struct store_progress {
  int64_t last_round_s;  // when a round of the scrubber ended; 0: none has
  unsigned shard;        // which the round under way comes to next; 0: none is under way
};

struct store_findings;

// NULL when memory is short.
struct store_findings *store_findings_create(void);
void store_findings_destroy(struct store_findings **findings);
// Of an opened folder. Without a file, or with one that can not be believed, nothing is known.
void store_findings_load(struct store *store);
// Writes what has changed. What can not be written is logged, and tried again with the next change.
void store_findings_save(struct store *store);

// The original is damaged; true when that is news. Written when the last writing is a second old, else with a later
// change or at the end.
bool store_findings_note(struct store *store, const struct integrity_digest *id, enum store_finding what);
// That of it is right (again), or is gone; `what` may be several.
void store_findings_clear(struct store *store, const struct integrity_digest *id, unsigned what);
void store_findings_set_progress(struct store *store, const struct store_progress *progress);

struct store_progress store_findings_progress(struct store *store);
// The first `capacity` of them; returns how many there are.
size_t store_findings_list(struct store *store, struct store_found *out, size_t capacity);

#endif
