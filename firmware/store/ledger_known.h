// What the ledger's entries say is there, in memory while a store is opened: to be matched with what is there.
#ifndef STORE_LEDGER_KNOWN_H
#define STORE_LEDGER_KNOWN_H

#include "ledger_inside.h"

struct store_ledger_known_object {
  struct store_ledger_key key;     // of by_key for puts; for derives see store_ledger_key_of_derive
  struct store_ledger_key object;  // of by_object
  uint32_t value;
  bool is_derive;
};

struct store_ledger_known {
  struct base_buffer objects;       // of struct store_ledger_known_object: every put and derive
  struct store_ledger_map current;  // the newest entry that says what the first one said, by the first one's index
};

struct store_ledger_known *store_ledger_known_create(void);
void store_ledger_known_destroy(struct store_ledger_known **known);
// Takes the next entry over: the one behind the ledger's `size`, which grows.
enum base_result store_ledger_known_add(struct store_ledger *ledger, struct store_ledger_known *known,
                                        const struct integrity_entry *entry, const struct integrity_subject *subject,
                                        struct base_fault *fault) BASE_CHECKED;
// All entries were taken over: fills the ledger's maps (derives into by_object only) and keeps the living ones.
enum base_result store_ledger_known_settle(struct store_ledger *ledger, struct store_ledger_known *known,
                                           struct base_fault *fault) BASE_CHECKED;

// Which derive a variant is, without the tier's key, which is not in its subject.
struct store_ledger_key store_ledger_key_of_derive(const struct store_ledger *ledger, const char *tenant,
                                                   const struct integrity_digest *original, const char *recipe,
                                                   const struct integrity_digest *digest);

#endif
