// Reading a ledger's files without the store, and what they must say of it.
#ifndef TESTS_STORE_LEDGER_FIXTURE_H
#define TESTS_STORE_LEDGER_FIXTURE_H

#include "fixture.h"
#include "store/ledger.h"
#include "store/ledger_file.h"

struct ledger_line {
  struct integrity_entry entry;
  struct integrity_subject subject;
  bool is_dead;  // ended, or said again later
};

// A ledger as its files are.
struct ledger_view {
  struct integrity_note_key key;
  struct integrity_checkpoint head;
  uint64_t first, size;
  struct ledger_line *lines;       // [first, size)
  struct integrity_digest *roots;  // of the first `first`, first + 1 .. size entries
  struct store_ledger_tree tree;
};

// Switches the ledger on; nothing is written before somebody waits for it, and random bytes are a function of `seed`.
void ledger_configure(struct fixture *fixture, unsigned seed);
// Opens the store and waits until what had no entry has one.
void ledger_open(struct fixture *fixture);
void ledger_wait_entered(struct store *store);
// Everything so far is durable and signed when it returns.
void ledger_settle(struct store *store);
struct store_ledger_status ledger_status(const struct fixture *fixture);

// Reads the files under `root` and checks everything they say by themselves: signature, root, commitments, references.
void ledger_read(const char *root, struct ledger_view *out);
void ledger_free(struct ledger_view *view);
// How many lines of that kind there are, living ones only.
size_t ledger_count(const struct ledger_view *view, enum integrity_entry_kind kind);
// Whether the log begins with one of that size and root; one that was pruned is not asked.
bool ledger_begins_with(const struct ledger_view *view, uint64_t size, const struct integrity_digest *root);
// Whether the line says what ended by its number alone.
bool ledger_is_unknown(const struct ledger_line *line);
// The tiles that a store serves.
struct integrity_tile_source ledger_tiles(struct store *store);
// Whether they show that the newest checkpoint continues an older one; false: what is needed for that has been pruned.
bool ledger_continues(struct store *store, uint64_t old_size, const struct integrity_digest *old_root);
// Settles, and checks the files against what the store has of the tenant: nothing is missing, nothing is made up.
void ledger_expect_match(struct fixture *fixture, const char *tenant);

#endif
