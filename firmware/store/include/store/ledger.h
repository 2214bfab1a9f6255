// The ledger: an append-only, signed, hash-chained log of what the store put, derived, evicted and purged
// (integrity/entry.h), kept beside the objects and written inside their own commits.
//
// `pop` and `console` serve it; the store's own operations write it. Thread-safe.
//
// Layout under <root>/ledger/ (formats: store/ledger_file.h):
//   key                    the seed of its Ed25519 key, mode 0600, made at first start
//   vkey                   the verifier key that belongs to it, as text; made after the first checkpoint
//   checkpoint             the newest signed checkpoint
//   entries/x000/001       bundles of 256 entries with salts and subjects (private form), appended to and fsynced
//   past                   the leaves of what the last compaction pruned (at most 2,097,152 of them)
//   pruned                 how many entries at the front have been pruned, and the hashes of their tree that are needed
// Tiles are computed: of level 0 from the bundles, above from hashes in memory (0.13 bytes an entry).
// Put, purge and config entries are durable before their operation returns (waiters share an fsync). Derive and evict
// entries are written once a second. A checkpoint is signed after each write. An evict or purge whose derive the disk
// can not read any more has the unknown subject (integrity/entry.h): its number alone says what ended.
//
// While the disk can not be written, entries wait and are tried again; who waits for one is told why it failed. At most
// 65,536 wait, the last 4,096 places being for what somebody waits for: then puts and config entries are BASE_BUSY, and
// what becomes of variants is dropped until the next open finds it on the disk.
//
// At open the tree is computed anew and compared with the newest checkpoint. Entries behind it are taken over when
// whole, a torn tail is cut: nothing whole may follow it, but for pages that a crash left unwritten. A key with a vkey
// and no checkpoint is no first start: that halts too. Anything else that does not fit (a root, a signature, a missing
// bundle) halts the ledger: the store works on, nothing is appended, nothing is signed, and the state says what is
// wrong and how to begin a new log (store_ledger_renew). After open the objects on disk and the ledger are compared:
// what a crash kept from it is entered then.
//
// Compaction: when more than half of the entries that are kept are derives that have ended (evicted or purged) and what
// says so, and the log is larger than `compact_bytes`, everything that is still true (puts and derives of objects that
// are there, purges of originals, config changes) is entered again with `renews`, a checkpoint is signed over it, and
// the entries before go (tlog-tiles' pruning). So the log holds at most about twice what is still true, or
// compact_bytes. The hashes of what went stay until the next compaction: who saw a checkpoint since the last but one
// can be shown that the newest is consistent with it. The order at the end: `pruned` is replaced, which decides (and is
// tried again when it fails), the listener is told, `past` is replaced, the bundles go.
#ifndef STORE_LEDGER_H
#define STORE_LEDGER_H

#include "integrity/proof.h"
#include "integrity/tiles.h"
#include "store/store.h"

enum store_ledger_state { STORE_LEDGER_OFF, STORE_LEDGER_RUNNING, STORE_LEDGER_HALTED };

struct store_ledger_status {
  enum store_ledger_state state;
  char reason[256];  // why it is halted, and what to do; while it runs, why it can not be written at present
  char origin[INTEGRITY_NOTE_MAX_NAME + 1];
  char vkey[INTEGRITY_VKEY_MAX_CHARS + 1];
  uint64_t size;                     // entries, signed or not yet
  uint64_t signed_size;              // of the newest checkpoint
  uint64_t first;                    // entries before this one have been pruned
  int64_t signed_s;                  // when the newest checkpoint was signed
  struct integrity_digest root;      // of the newest checkpoint
  uint64_t disk_bytes;               // what the ledger takes
  bool is_entering;                  // after an open: objects without entries are being looked for
  uint64_t derives, appended_bytes;  // since the start: their quotient is the growth a render
  uint64_t compactions;
};
void store_ledger_get_status(struct store *store, struct store_ledger_status *out);

// Appends the newest checkpoint (a signed note), of a halted ledger too. BASE_NOT_FOUND: off, or there is none that can
// be believed.
enum base_result store_ledger_checkpoint(struct store *store, struct base_buffer *out,
                                         struct base_fault *fault) BASE_CHECKED;
// Appends a tile's hashes, or for INTEGRITY_TILE_ENTRIES an entry bundle: big-endian u16 lengths and entries. A tile is
// served when the newest checkpoint's tree has at least its width. BASE_NOT_FOUND; also when it has been pruned: hashes
// one compaction later than entries.
// BASE_CONFLICT when the ledger is halted.
enum base_result store_ledger_tile(struct store *store, const struct integrity_tile *tile, struct base_buffer *out,
                                   struct base_fault *fault) BASE_CHECKED;
// Which entry about an object is meant: originals that differ may give the same variant, and so may recipes; one that
// is passed through has its original's own bytes.
struct store_ledger_wish {
  struct integrity_digest original;  // the entry is about a variant of this one, or (without recipe) about itself
  const char *recipe;                // canonical; NULL: any
};
// Appends the proof (tlog-proof@v1) of the newest living entry about the tenant's object with this digest that fits
// `wish`; NULL: its put if it is an original, else any derive. Signs a checkpoint first when the newest does not cover
// the entry. Of a variant that was only evicted, its derive is proven as long as that has not been pruned, its original
// is there and the store stays open: it may still be served from elsewhere.
// BASE_NOT_FOUND; BASE_CONFLICT when the ledger is halted.
enum base_result store_ledger_prove(struct store *store, const char *tenant, const struct integrity_digest *object,
                                    const struct store_ledger_wish *wish, struct base_buffer *out,
                                    struct base_fault *fault) BASE_CHECKED;
// Enters that the settings are these now, unless the newest config entry says so already. `settings_digest` is of their
// text without secrets. After a failure of writing the entry waits on; BASE_BUSY: there was no place for it.
enum base_result store_ledger_note_config(struct store *store, const struct integrity_digest *settings_digest,
                                          const char *firmware_version, struct base_fault *fault) BASE_CHECKED;

// Before entries go, `listener` is called on a thread of the ledger: afterwards no variant that is not in the
// store can be proven, so who has such a copy should drop it. NULL ends that, and waits for a call that is under way.
void store_ledger_before_pruning(struct store *store, void (*listener)(void *self), void *self);

// Of a closed store: puts the old log aside (ledger.<Unix seconds>); the next open begins a new one with a new key and
// origin, and enters every object on disk. BASE_CONFLICT when the store is open.
enum base_result store_ledger_renew(const struct store_config *config, struct base_fault *fault) BASE_CHECKED;

#endif
