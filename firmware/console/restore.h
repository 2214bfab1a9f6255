// Restoring a backup: what is known of the latest one, and the crew that ingests its originals while more of the
// archive comes. The report is asked for from any thread; the rest belongs to one request, of which there is one at a
// time.
#ifndef CONSOLE_RESTORE_H
#define CONSOLE_RESTORE_H

#include "archive/tar.h"
#include "intake.h"

enum {
  CONSOLE_RESTORE_MAX_REFUSALS = 100,  // that a report names
  CONSOLE_RESTORE_MAX_STRANGERS = 16,
  CONSOLE_RESTORE_CREW = 2,   // originals that are checked at once: uploads want decoders too
  CONSOLE_RESTORE_QUEUE = 2,  // and that wait for it, each a file in the store's tmp/
};

struct console_restore_refusal {
  char tenant[STORE_MAX_TENANT + 1];
  char id[BASE_DIGEST_BASE64URL_CHARS + 1];
  char name[STORE_MAX_NAME + 1];
  char reason[BASE_FAULT_TEXT_BYTES];
};

enum console_restore_settings { RESTORE_SETTINGS_NONE, RESTORE_SETTINGS_REPLACED, RESTORE_SETTINGS_KEPT };

struct console_restore_report {
  bool is_running, is_whole;  // is_whole: the archive has come to its end
  int64_t started_s, ended_s;
  uint64_t bytes;                    // of the archive, so far
  uint64_t added, present, refused;  // originals
  uint64_t prewarm_lists;            // that were set
  uint64_t unknown_files;            // of the archive, passed over
  enum console_restore_settings settings;
  char settings_text[BASE_FAULT_TEXT_BYTES];  // why they are kept, or from when on they count
  enum console_restore_settings network;      // likewise, once all of the rest is here
  char network_text[BASE_FAULT_TEXT_BYTES];
  size_t refusal_count;
  struct console_restore_refusal refusals[CONSOLE_RESTORE_MAX_REFUSALS];
  // Tenants of restored originals that the settings do not have: nothing of theirs is delivered.
  size_t stranger_count;
  char strangers[CONSOLE_RESTORE_MAX_STRANGERS][STORE_MAX_TENANT + 1];
  struct base_fault failure;  // what ended it before its end
};

// The latest restore of a console.
struct console_restores;
struct console_restores *console_restores_create(void);
void console_restores_destroy(struct console_restores **restores);
// BASE_LOCKED while one is under way.
enum base_result console_restores_begin(struct console_restores *restores, int64_t now_s,
                                        struct base_fault *fault) BASE_CHECKED;
void console_restores_end(struct console_restores *restores, int64_t now_s);
// False when there has been none.
bool console_restores_get(struct console_restores *restores, struct console_restore_report *out) BASE_CHECKED;
// To change the report: between these two.
struct console_restore_report *console_restores_lock(struct console_restores *restores);
void console_restores_unlock(struct console_restores *restores);

// An original whose bytes have come whole and have the digest of its name.
struct console_restore_job {
  struct ingest_upload *upload;
  struct ingest_metadata metadata;
  struct integrity_digest id;
  char tenant[STORE_MAX_TENANT + 1];
};

struct console_restore_crew;
// `request_id` is for the log; borrowed.
enum base_result console_restore_crew_start(struct console *console, const char *request_id,
                                            struct console_restore_crew **out, struct base_fault *fault) BASE_CHECKED;
// Hands a job over, whatever is returned; waits while enough others are. What ends the restore (a full disk) comes back
// here, once one of the crew has met it.
enum base_result console_restore_crew_take(struct console_restore_crew *crew, struct console_restore_job *job,
                                           struct base_fault *fault) BASE_CHECKED;
// Waits until all is done. The same failure.
enum base_result console_restore_crew_end(struct console_restore_crew **crew, struct base_fault *fault);
// An original that is not taken, with the reason.
void console_restore_refuse(struct console *console, const char *request_id, const char *tenant,
                            const struct integrity_digest *id, const char *name, const struct base_fault *fault);

// The intake's part: the body has come whole, or broke off.
enum base_result console_restore_finish(struct console_intake *intake, struct base_fault *fault) BASE_CHECKED;
// The network's settings that are to be put back now; NULL: none, or nobody asked for it. The intake's.
const char *console_restore_network(const struct console_intake *intake);
void console_restore_note_network(struct console *console, enum console_restore_settings what, const char *text);

#endif
