// The sessions that there are, in memory: whose they are, until when, and who works on them now.
#ifndef INGEST_TUS_TABLE_H
#define INGEST_TUS_TABLE_H

#include "ingest/tus.h"

// What is known without a look at the disk.
struct ingest_tus_entry {
  char id[INGEST_TUS_ID_CHARS + 1];
  char tenant[STORE_MAX_TENANT + 1];
  enum ingest_tus_state state;
  bool is_locked;
  int64_t expires_s;
  uint64_t offset;  // durable
  uint32_t locks;   // so often it was locked: whether somebody worked on it between two looks
  // Checks that failed for the box's own reasons, and when the next one may be tried.
  uint32_t attempts;
  int64_t next_check_s;
  // The note could not be written down that says STORED or REFUSED: the entry is right, the note is not.
  bool is_untold;
  struct integrity_digest original;  // of an untold stored one
};

struct ingest_tus_table;

// Who has locked a session, as far as it may give way. The table's alone.
struct ingest_tus_holder {
  uint64_t since_us;  // it waits for its client
  bool is_yielding;
};

// NULL when memory is short. `per_tenant` 0: no limit. `count` (may be NULL) follows the number of entries.
struct ingest_tus_table *ingest_tus_table_create(uint32_t max_entries, uint32_t per_tenant, struct base_metric *count);
void ingest_tus_table_destroy(struct ingest_tus_table **table);

// Copies the entry. BASE_BUSY ("max_sessions") when there are too many; BASE_NO_MEMORY.
enum base_result ingest_tus_table_add(struct ingest_tus_table *table, const struct ingest_tus_entry *entry,
                                      struct base_fault *fault) BASE_CHECKED;
// Finds the tenant's session, whether locked or not. BASE_NOT_FOUND; BASE_GONE when it has expired and is not in use.
enum base_result ingest_tus_table_find(struct ingest_tus_table *table, const char *tenant, struct base_span id,
                                       int64_t now_s, struct ingest_tus_entry *out,
                                       struct base_fault *fault) BASE_CHECKED;
// The same, and locks it: BASE_LOCKED when it is, with a text that says whether it is being checked.
enum base_result ingest_tus_table_lock(struct ingest_tus_table *table, const char *tenant, struct base_span id,
                                       int64_t now_s, struct ingest_tus_entry *out,
                                       struct base_fault *fault) BASE_CHECKED;
// A chunk that waits for its client may give way: between _wait and _go_on the holder of the lock touches nothing.
// _go_on is false when it has given way meanwhile. _yield takes over the lock of one that has waited since `since_us`
// or longer, with all that it holds, until _yielded; NULL when there is none.
void ingest_tus_table_wait(struct ingest_tus_table *table, const char *id, struct ingest_tus_holder *holder,
                           uint64_t now_us);
bool ingest_tus_table_go_on(struct ingest_tus_table *table, const char *id,
                            const struct ingest_tus_holder *holder) BASE_CHECKED;
struct ingest_tus_holder *ingest_tus_table_yield(struct ingest_tus_table *table, const char *tenant,
                                                 struct base_span id, uint64_t since_us);
void ingest_tus_table_yielded(struct ingest_tus_table *table, struct ingest_tus_holder *holder);
// Notes how far the session is, without letting go of it.
void ingest_tus_table_note(struct ingest_tus_table *table, const struct ingest_tus_session *session);
// Of the holder of the lock: notes it and lets go.
void ingest_tus_table_unlock(struct ingest_tus_table *table, const struct ingest_tus_session *session);
// Of the holder of the lock: the session is no more.
void ingest_tus_table_remove(struct ingest_tus_table *table, const char *id);
// Of the holder of the lock: keeps the outcome that its note does not tell of, or (_told) forgets it. _problem is why
// an untold one was refused.
void ingest_tus_table_untold(struct ingest_tus_table *table, const struct ingest_tus_session *session);
void ingest_tus_table_told(struct ingest_tus_table *table, const char *id);
void ingest_tus_table_problem(struct ingest_tus_table *table, const char *id, struct base_fault *out);
// Of the holder of the lock: its check has failed for once. The next one waits: 1 s, then twice as long each time, an
// hour at most; with its expiry, which checks do not put off, that bounds them.
void ingest_tus_table_put_off(struct ingest_tus_table *table, const char *id, int64_t now_s);
// Locks it, whosesoever it is, if it has expired, is untold, or is in CHECKING and not put off; false when not, when it
// is in use or not there.
bool ingest_tus_table_take(struct ingest_tus_table *table, const char *id, int64_t now_s,
                           struct ingest_tus_entry *out) BASE_CHECKED;
// Lets go of it as it was.
void ingest_tus_table_release(struct ingest_tus_table *table, const char *id);
// The longest finished of the table (of the tenant, when it is not NULL), locked, to make room; false when there is
// none.
bool ingest_tus_table_take_finished(struct ingest_tus_table *table, const char *tenant,
                                    struct ingest_tus_entry *out) BASE_CHECKED;
// Whether another entry would be refused; for the tenant's own limit *is_tenant is true.
bool ingest_tus_table_is_full(struct ingest_tus_table *table, const char *tenant, bool *is_tenant);
// Brings forward when it expires, if it is not in use.
void ingest_tus_table_hasten(struct ingest_tus_table *table, const char *id, int64_t expires_s);
// The ids of the tenant's sessions (of all, when NULL), unfinished ones first: `*count` of them in memory that the
// caller frees.
enum base_result ingest_tus_table_ids(struct ingest_tus_table *table, const char *tenant,
                                      char (**out)[INGEST_TUS_ID_CHARS + 1], size_t *count,
                                      struct base_fault *fault) BASE_CHECKED;

#endif
