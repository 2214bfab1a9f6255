// The ledger of a data folder, read from its files alone: every entry with what it is about, and the tree over them.
//
// pixpopd may be writing meanwhile. Once read, any thread may look things up.
#ifndef PIXPOP_VERIFY_LEDGER_H
#define PIXPOP_VERIFY_LEDGER_H

#include <stdatomic.h>

#include "integrity/note.h"
#include "store/ledger_file.h"

// A put or derive says that the object is there, until an evict or purge refers to it.
struct verify_entry {
  enum integrity_entry_kind kind;
  bool is_ended;
  atomic_bool is_found;  // by the walk
  uint64_t bytes;
  struct integrity_digest object, root;
  struct integrity_digest whose;  // verify_ledger_whose
  struct integrity_digest original;
};

struct verify_ledger {
  struct base_buffer note;  // the newest checkpoint, read before the rest
  uint64_t first;           // entries before have been pruned
  uint64_t size;            // `first` and those that could be read
  struct store_ledger_tree tree;
  struct base_buffer leaves;   // struct integrity_digest, from `first` on
  struct base_buffer entries;  // struct verify_entry, from `first` on
  struct base_buffer order;    // uint64_t: puts and derives, as positions in `entries`, in the order they are found in
  struct base_fault damage;    // why reading stopped; BASE_OK: it did not
};

// Reads <store>/ledger. Damage of the bundles is no failure: see `damage`. BASE_NOT_FOUND: there is no ledger;
// BASE_CORRUPT: the list of what was pruned is damaged; BASE_IO and others. Finish it always.
enum base_result verify_ledger_read(const char *store, struct verify_ledger *out,
                                    struct base_fault *fault) BASE_CHECKED;
void verify_ledger_finish(struct verify_ledger *ledger);

// For struct integrity_tile_source; `self` is the ledger. BASE_NOT_FOUND.
enum base_result verify_ledger_read_tile(void *self, const struct integrity_tile *tile,
                                         struct integrity_digest out[INTEGRITY_TILE_WIDTH],
                                         struct base_fault *fault) BASE_CHECKED;

// Whose an object is: of a put the tenant; of a derive also the original and the recipe.
void verify_ledger_whose(const char *tenant, const struct integrity_digest *original, const char *recipe,
                         struct integrity_digest *out);
// The newest put or derive that says so, unless it has ended; NULL: none. *index is its place in the log.
struct verify_entry *verify_ledger_find(const struct verify_ledger *ledger, enum integrity_entry_kind kind,
                                        const struct integrity_digest *object, const struct integrity_digest *whose,
                                        uint64_t *index);
// All that is to be there, one after the other: the next one from *at on, which is counted up; NULL: none is left.
struct verify_entry *verify_ledger_next(const struct verify_ledger *ledger, size_t *at);

#endif
