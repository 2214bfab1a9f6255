// What the ledger's own files share.
//
// Two threads: the writer, which alone touches the bundles' ends, signs, compacts and prunes; and after an open the
// matcher, as long as it finds objects without entries. `lock` is a leaf: it is held for memory only, never while the
// disk is read or written.
//
// An entry gets its index when it is queued, in the order of the queue. Indices in maps, bits and redirections are
// counted from `base`.
#ifndef STORE_LEDGER_INSIDE_H
#define STORE_LEDGER_INSIDE_H

#include "inside.h"
#include "ledger_hooks.h"
#include "ledger_map.h"
#include "store/ledger.h"
#include "store/ledger_file.h"

#define STORE_LEDGER_FOLDER "ledger"

enum {
  STORE_LEDGER_BARE_BYTES = 160,  // "pixpop evict", tenant and object, with room to spare
  // Entries that may wait to be written: some 30 MB. The last ones are for what somebody waits for; what the next open
  // finds by itself is not entered any more then.
  STORE_LEDGER_MAX_QUEUE = 65536,
  STORE_LEDGER_QUEUE_RESERVE = 4096,
};

// An entry that is not written yet.
struct store_ledger_item {
  struct store_ledger_item *next;
  enum integrity_entry_kind kind;
  uint64_t time_s, refers, renews;
  uint8_t salt[INTEGRITY_SALT_BYTES];
  bool is_bare;  // it has none, and is given that of the entry it refers to when it is written
  size_t subject_bytes;
  uint8_t subject[];
};

struct store_ledger_config_seen {
  bool is_there;
  uint64_t said_first;  // index, of what was read at open
  struct integrity_digest settings;
  char version[INTEGRITY_SUBJECT_MAX_VERSION + 1];
};

// The entries before `cut` are gone through, bundle by bundle.
struct store_ledger_compaction {
  bool is_on, is_hindered;
  uint64_t next, cut;
  uint64_t from;              // from here on the leaves of what goes are kept
  struct base_buffer leaves;  // of [from, next)
  uint64_t last;              // all that was entered again lies before; known when `next` has come to `cut`
  uint32_t *redirect;         // from the old entry to the new one, plus one
};

struct store_ledger_meters {
  struct base_metric *entries[INTEGRITY_ENTRY_CONFIG + 1];
  struct base_metric *bytes, *appended, *compactions, *halted, *failures, *queue, *dropped;
};

struct store_ledger {
  struct store *store;
  struct integrity_signer signer;
  struct integrity_note_key key;
  uint8_t secret[INTEGRITY_SALT_BYTES];  // of the maps' keys; another one in every process
  struct store_ledger_meters meters;

  pthread_mutex_t lock;
  pthread_cond_t wake;  // of the writer
  pthread_cond_t done;  // something became durable, was signed, failed or halted
  enum store_ledger_state state;
  char reason[256];
  struct store_ledger_item *first_item, **end_item;  // the queue
  uint64_t size;                                     // with the queue
  uint64_t wanted, wanted_signed;                    // somebody waits for the entries before
  uint64_t failures;                                 // of writing
  struct base_fault failure;                         // the last one
  bool is_failing;                                   // and has not worked since
  bool is_full;                                      // the queue, and that was said
  bool is_bounded;                                   // the queue: from the time on that it is written
  bool is_stopping;

  struct store_ledger_tree tree;  // of what is durable
  uint64_t first;                 // entries before have been pruned
  uint64_t leaves_first;          // the leaves of [leaves_first, first) are in a file; see ledger_past.h
  struct base_buffer note;        // the newest checkpoint
  struct integrity_checkpoint signed_head;
  int64_t signed_s;

  uint64_t base;
  struct store_ledger_map by_key;     // puts by tenant and id, derives by the tier's key
  struct store_ledger_map by_object;  // both by tenant and digest
  uint8_t *dead;                      // a bit an entry: it has ended, or been entered again
  uint8_t *purged;                    // a bit an entry: it has ended by somebody's order
  size_t dead_capacity;               // bytes, of both
  uint64_t dead_count;
  struct store_ledger_config_seen config;
  uint64_t disk_bytes, derives, appended_bytes, compactions;
  uint64_t leaves_bytes;  // of disk_bytes

  pthread_mutex_t listener_lock;  // held while it is told; taken before `lock`
  void (*listener)(void *self);
  void *listener_self;

  // The writer's own.
  struct store_ledger_compaction compaction;
  int fd;                 // of the bundle that is written to
  uint64_t bundle_bytes;  // of it, as far as they are durable
  pthread_t writer, matcher;
  bool has_writer, has_matcher;
  atomic_bool is_matching_ended;
};

// ledger_load.c. What is wrong with the files halts it.
struct store_ledger_known;  // what the objects are matched with
enum base_result store_ledger_load(struct store_ledger *ledger, struct store_ledger_known **out,
                                   struct base_fault *fault) BASE_CHECKED;

// ledger_match.c. Nobody else uses the store yet; takes and frees `known`. *is_missing: objects have no entries.
enum base_result store_ledger_match(struct store_ledger *ledger, struct store_ledger_known **known, bool *is_missing,
                                    struct base_fault *fault) BASE_CHECKED;
void *store_ledger_matcher(void *argument);

// ledger_writer.c.
void *store_ledger_writer(void *argument);

// ledger_compact.c: the writer's. Enters the next bundle's entries again, begins or ends a compaction. `records` is
// room for a bundle's. False: there is nothing to go on with at once, or something that may pass was in the way.
bool store_ledger_compact(struct store_ledger *ledger, struct store_ledger_record records[INTEGRITY_TILE_WIDTH]);

#endif
