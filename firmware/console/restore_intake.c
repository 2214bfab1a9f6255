// Receiving a backup at /api/v1/restore: the archive is taken apart as it comes, in constant memory.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backup.h"
#include "base/file.h"
#include "base/json.h"
#include "pop/prewarm.h"
#include "restore.h"

enum {
  MAX_TEXT_FILE = CONSOLE_MAX_SETTINGS_BYTES,  // of what is read whole
  MAX_METADATA_JSON = 16 * 1024,
};

enum file_kind {
  HEAD_FILE,
  SETTINGS_FILE,
  NETWORK_FILE,
  PREWARM_FILE,
  ABOUT_FILE,
  ORIGINAL_FILE,
  END_FILE,
  OTHER_FILE
};

struct restore {
  struct console_intake intake;
  struct console *console;
  char request_id[HTTP_REQUEST_ID_CHARS + 1];
  bool keeps_settings;    // asked for by ?settings=keep
  bool replaces_network;  // asked for by ?network=replace
  char *network;          // its settings, for the end: the address that the archive comes to may change; or NULL
  bool has_begun;         // the report is this one's
  bool has_head, has_end;
  struct archive_reader reader;
  struct console_restore_crew *crew;
  struct base_fault failure;  // of a write

  // The file that is being read.
  enum file_kind kind;
  struct base_buffer text;  // of one that is read whole
  char tenant[STORE_MAX_TENANT + 1];
  struct integrity_digest id;
  struct integrity_hash hash;
  struct ingest_upload *upload;  // NULL: nothing of it is kept
  bool is_present, is_refused;

  // What the file before an original said about it.
  bool has_about;
  struct ingest_metadata about;
  struct integrity_digest about_id;
  char about_tenant[STORE_MAX_TENANT + 1];
};

static struct console_restore_report *lock_report(struct restore *restore) {
  return console_restores_lock(restore->console->restores);
}
static void unlock_report(struct restore *restore) { console_restores_unlock(restore->console->restores); }

static void refuse(struct restore *restore, const struct base_fault *why) {
  restore->is_refused = true;
  console_restore_refuse(restore->console, restore->request_id, restore->tenant, &restore->id,
                         restore->has_about ? restore->about.name : "", why);
}

// --- names ---

// Takes `front` off; false when the text does not begin so.
static bool take_front(struct base_span *text, const char *front) {
  if (!base_span_starts_with(*text, front)) return false;
  *text = base_span_slice(*text, strlen(front), text->bytes);
  return true;
}

static bool take_back(struct base_span *text, const char *back) {
  const size_t bytes = strlen(back);
  if (text->bytes < bytes || !base_span_is(base_span_slice(*text, text->bytes - bytes, bytes), back)) return false;
  text->bytes -= bytes;
  return true;
}

static bool is_tenant(struct base_span text) {
  for (size_t i = 0; i < text.bytes; i++) {
    const char c = (char)text.data[i];
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-')) return false;
  }
  return text.bytes > 0;
}

// "prewarm/TENANT.json", "originals/TENANT/ID.json", "originals/TENANT/ID".
static enum file_kind kind_of(struct restore *restore, const char *name) {
  struct base_span rest = base_span_text(name);
  if (strcmp(name, CONSOLE_BACKUP_HEAD) == 0) return HEAD_FILE;
  if (strcmp(name, CONSOLE_BACKUP_SETTINGS) == 0) return SETTINGS_FILE;
  if (strcmp(name, CONSOLE_BACKUP_NETWORK) == 0) return NETWORK_FILE;
  if (strcmp(name, CONSOLE_BACKUP_END) == 0) return END_FILE;
  if (take_front(&rest, CONSOLE_BACKUP_PREWARM)) {
    if (!take_back(&rest, CONSOLE_BACKUP_JSON) || !is_tenant(rest)) return OTHER_FILE;
    return base_span_copy(rest, restore->tenant, sizeof restore->tenant) ? PREWARM_FILE : OTHER_FILE;
  }
  if (!take_front(&rest, CONSOLE_BACKUP_ORIGINALS)) return OTHER_FILE;
  const struct base_span tenant = base_span_cut(&rest, '/');
  const bool is_about = take_back(&rest, CONSOLE_BACKUP_JSON);
  if (!is_tenant(tenant) || !base_span_copy(tenant, restore->tenant, sizeof restore->tenant) ||
      !integrity_digest_parse(rest, &restore->id)) {
    return OTHER_FILE;
  }
  return is_about ? ABOUT_FILE : ORIGINAL_FILE;
}

// --- originals ---

// Settings that were replaced are those of the originals; their tenants count from the next start on.
static void note_stranger(struct restore *restore) {
  char names[CONSOLE_MAX_TENANTS][STORE_MAX_TENANT + 1] = {"default"};
  const struct console_settings *settings = restore->console->config.settings;
  const size_t count = settings ? settings->tenants(settings->self, names, CONSOLE_MAX_TENANTS) : 1;
  for (size_t i = 0; i < count; i++) {
    if (strcmp(names[i], restore->tenant) == 0) return;
  }
  struct console_restore_report *report = lock_report(restore);
  size_t at = report->settings == RESTORE_SETTINGS_REPLACED ? CONSOLE_RESTORE_MAX_STRANGERS : 0;
  while (at < report->stranger_count && strcmp(report->strangers[at], restore->tenant) != 0) at++;
  if (at == report->stranger_count && at < CONSOLE_RESTORE_MAX_STRANGERS) {
    memcpy(report->strangers[report->stranger_count++], restore->tenant, sizeof restore->tenant);
  }
  unlock_report(restore);
}

// Here, and read whole to see that it is undamaged: then its copy in the archive is only compared with its name. One
// that is damaged here is uploaded again, which mends it.
static bool is_present(struct restore *restore) {
  struct store *store = restore->console->config.store;
  struct store_original original;
  int fd;
  if (store_original_find(store, restore->tenant, &restore->id, &original, NULL) != BASE_OK) return false;
  if (store_original_open(store, &restore->id, &fd, NULL) != BASE_OK) return false;
  base_fd_close(&fd);
  return true;
}

static enum base_result begin_original(struct restore *restore, uint64_t bytes, struct base_fault *fault) {
  struct base_fault why = {0};
  integrity_hash_init(&restore->hash);
  restore->is_refused = false;
  restore->has_about = restore->has_about && integrity_digest_equal(&restore->about_id, &restore->id) &&
                       strcmp(restore->about_tenant, restore->tenant) == 0;
  if (!restore->has_about) memset(&restore->about, 0, sizeof restore->about);
  note_stranger(restore);
  restore->is_present = is_present(restore);
  if (restore->is_present) return BASE_OK;
  const enum base_result result =
      ingest_begin(restore->console->config.ingest, restore->tenant, bytes, &restore->upload, &why);
  if (result == BASE_TOO_LARGE) {
    refuse(restore, &why);
    return BASE_OK;
  }
  return result == BASE_OK ? BASE_OK : BASE_FAIL(fault, result, why.subject, "%s", why.text);
}

static enum base_result end_original(struct restore *restore, struct base_fault *fault) {
  struct integrity_digest digest;
  struct base_fault why = {0};
  integrity_hash_finish(&restore->hash, &digest);
  if (restore->is_refused) return BASE_OK;
  if (!integrity_digest_equal(&digest, &restore->id)) {
    (void)BASE_FAIL(&why, BASE_CHECKSUM, "sha-256", "its bytes in the archive are damaged: they do not fit its id");
    ingest_abort(&restore->upload);
    refuse(restore, &why);
    return BASE_OK;
  }
  if (restore->is_present) {
    lock_report(restore)->present++;
    unlock_report(restore);
    return BASE_OK;
  }
  struct console_restore_job job = {.upload = restore->upload, .metadata = restore->about, .id = restore->id};
  memcpy(job.tenant, restore->tenant, sizeof job.tenant);
  restore->upload = NULL;
  return console_restore_crew_take(restore->crew, &job, fault);
}

// --- files that are read whole ---

static enum base_result read_head(struct restore *restore, const struct base_json_value *root,
                                  struct base_fault *fault) {
  int64_t format;
  if (!base_json_as_integer(base_json_get(root, "format"), &format)) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, CONSOLE_BACKUP_HEAD, "the backup does not say of what format it is");
  }
  if (format != CONSOLE_BACKUP_FORMAT) {
    return BASE_FAIL(fault, BASE_UNSUPPORTED, CONSOLE_BACKUP_HEAD,
                     "the backup is of format %lld, and this box reads format %d: update it first", (long long)format,
                     CONSOLE_BACKUP_FORMAT);
  }
  restore->has_head = true;
  return BASE_OK;
}

// Name and tags, as any uploader says them, by the rules for those.
static enum base_result read_metadata(const struct base_json_value *root, struct ingest_metadata *out,
                                      struct base_fault *fault) {
  struct base_buffer text;
  struct base_json_writer json;
  const struct base_json_value *tags = base_json_get(root, "tags");
  base_buffer_init(&text, MAX_METADATA_JSON);
  base_json_begin(&json, &text);
  base_json_object(&json, NULL);
  const char *name = base_json_as_string(base_json_get(root, "name"));
  base_json_string(&json, "name", name ? name : "");
  base_json_array(&json, "tags");
  for (size_t i = 0; i < base_json_length(tags); i++) {
    base_json_string(&json, NULL, base_json_as_string(base_json_at(tags, i)));
  }
  base_json_array_end(&json);
  base_json_object_end(&json);
  enum base_result result = json.result;
  if (result == BASE_OK) {
    result = ingest_metadata_parse(base_buffer_span(&text), out, fault);
  } else {
    (void)BASE_FAIL(fault, result, "metadata", "what is said about an original is too long");
  }
  base_buffer_finish(&text);
  return result;
}

// What is wrong with it does not cost the original, which follows.
static void read_about(struct restore *restore, const struct base_json_value *root) {
  struct base_fault why = {0};
  struct ingest_metadata about = {.name = ""};
  if (read_metadata(root, &about, &why) != BASE_OK) {
    memset(&about, 0, sizeof about);
    base_log_fault(restore->console->config.log, BASE_LOG_WARN, "console", restore->request_id, &why);
  }
  if (!base_json_as_integer(base_json_get(root, "created_s"), &about.created_s)) about.created_s = 0;
  restore->has_about = true;
  restore->about = about;
  restore->about_id = restore->id;
  memcpy(restore->about_tenant, restore->tenant, sizeof restore->about_tenant);
}

// A list that the box has already is its own business.
static enum base_result read_prewarm(struct restore *restore, const struct base_json_value *root,
                                     struct base_fault *fault) {
  struct pop_prewarm *prewarm = restore->console->config.prewarm;
  struct base_span recipes[POP_MAX_PREWARM];
  char old[POP_MAX_PREWARM][POP_PREWARM_RECIPE_BYTES];
  const size_t count = base_json_length(root);
  if (!prewarm || count == 0 || pop_prewarm_get(prewarm, restore->tenant, old) > 0) return BASE_OK;
  if (count > POP_MAX_PREWARM) return BASE_FAIL(fault, BASE_TOO_LARGE, "prewarm", "the backup's list is too long");
  for (size_t i = 0; i < count; i++) {
    const char *text = base_json_as_string(base_json_at(root, i));
    if (!text) return BASE_FAIL(fault, BASE_BAD_INPUT, "prewarm", "the backup's list has something else than recipes");
    recipes[i] = base_span_text(text);
  }
  const enum base_result result = pop_prewarm_set(prewarm, restore->tenant, recipes, count, fault);
  if (result != BASE_OK) return result;
  lock_report(restore)->prewarm_lists++;
  unlock_report(restore);
  return BASE_OK;
}

static void note_settings(struct restore *restore, enum console_restore_settings what, const char *text) {
  struct console_restore_report *report = lock_report(restore);
  report->settings = what;
  (void)snprintf(report->settings_text, sizeof report->settings_text, "%s", text);
  unlock_report(restore);
}

static void take_settings(struct restore *restore) {
  const struct console_settings *settings = restore->console->config.settings;
  struct base_log *log = restore->console->config.log;
  struct base_fault why = {0};
  if (restore->keeps_settings) {
    note_settings(restore, RESTORE_SETTINGS_KEPT, "as was asked for");
    return;
  }
  enum base_result result = BASE_NOT_FOUND;
  if (settings && settings->replace) result = settings->replace(settings->self, base_buffer_span(&restore->text), &why);
  if (result == BASE_OK) {
    note_settings(restore, RESTORE_SETTINGS_REPLACED, "they count from the next start on");
    base_log_write(log, BASE_LOG_INFO, "console", restore->request_id,
                   "the settings were replaced by those of a backup");
    return;
  }
  if (why.result == BASE_OK) (void)BASE_FAIL(&why, result, "settings", "this box restores no settings");
  note_settings(restore, RESTORE_SETTINGS_KEPT, why.text);
  base_log_fault(log, BASE_LOG_WARN, "console", restore->request_id, &why);
}

static void take_network(struct restore *restore) {
  const struct base_span text = base_buffer_span(&restore->text);
  const char *why = "network=replace puts the backup's back";
  if (restore->replaces_network && text.bytes > 0 && !memchr(text.data, '\0', text.bytes)) {
    free(restore->network);
    restore->network = strndup((const char *)text.data, text.bytes);
    why = restore->network ? "the restore has not come to its end" : "memory is short";
  } else if (restore->replaces_network) {
    why = "those in the backup are no text";
  }
  console_restore_note_network(restore->console, RESTORE_SETTINGS_KEPT, why);
}

static enum base_result read_json(struct restore *restore, struct base_fault *fault) {
  struct base_json *json;
  enum base_result result = base_json_parse(base_buffer_span(&restore->text), &json, fault);
  if (result != BASE_OK) return result;
  const struct base_json_value *root = base_json_root(json);
  switch (restore->kind) {
    case HEAD_FILE:
      result = read_head(restore, root, fault);
      break;
    case PREWARM_FILE:
      result = read_prewarm(restore, root, fault);
      break;
    case ABOUT_FILE:
      read_about(restore, root);
      break;
    default:
      restore->has_end = true;
  }
  base_json_destroy(&json);
  return result;
}

// A list or a description that is wrong is said, and the pictures go on.
static enum base_result end_text(struct restore *restore, struct base_fault *fault) {
  if (restore->kind == SETTINGS_FILE) {
    take_settings(restore);
    return BASE_OK;
  }
  if (restore->kind == NETWORK_FILE) {
    take_network(restore);
    return BASE_OK;
  }
  if (restore->kind == HEAD_FILE) return read_json(restore, fault);
  struct base_fault why = {0};
  if (read_json(restore, &why) == BASE_OK) return BASE_OK;
  base_log_fault(restore->console->config.log, BASE_LOG_WARN, "console", restore->request_id, &why);
  return why.result == BASE_NO_SPACE ? BASE_FAIL(fault, BASE_NO_SPACE, "disk", "%s", why.text) : BASE_OK;
}

// --- the archive ---

static enum base_result on_begin(void *self, const struct archive_entry *entry, struct base_fault *fault) {
  struct restore *restore = self;
  restore->kind = kind_of(restore, entry->name);
  restore->text.bytes = 0;
  if (!restore->has_head && restore->kind != HEAD_FILE) {
    return BASE_FAIL(fault, BASE_UNSUPPORTED, "backup",
                     "this archive is no backup of a box: it does not begin with " CONSOLE_BACKUP_HEAD);
  }
  if (restore->kind == ORIGINAL_FILE) return begin_original(restore, entry->bytes, fault);
  if (restore->kind == OTHER_FILE) {
    lock_report(restore)->unknown_files++;
    unlock_report(restore);
  } else if (entry->bytes > MAX_TEXT_FILE) {
    return BASE_FAIL(fault, BASE_TOO_LARGE, "backup", "%s in the backup has more than %d bytes", entry->name,
                     MAX_TEXT_FILE);
  }
  return BASE_OK;
}

static enum base_result on_data(void *self, struct base_span bytes, struct base_fault *fault) {
  struct restore *restore = self;
  if (restore->kind == OTHER_FILE) return BASE_OK;
  if (restore->kind != ORIGINAL_FILE) {
    const enum base_result result = base_buffer_append(&restore->text, bytes.data, bytes.bytes);
    return result == BASE_OK ? BASE_OK : BASE_FAIL(fault, result, "backup", "no memory for a file of the backup");
  }
  integrity_hash_update(&restore->hash, bytes);
  return restore->upload ? ingest_write(restore->upload, bytes, fault) : BASE_OK;
}

static enum base_result on_end(void *self, struct base_fault *fault) {
  struct restore *restore = self;
  if (restore->kind == OTHER_FILE) return BASE_OK;
  return restore->kind == ORIGINAL_FILE ? end_original(restore, fault) : end_text(restore, fault);
}

// --- the intake ---

// Once, whatever has come to pass.
static enum base_result finish(struct restore *restore, enum base_result result, struct base_fault *fault) {
  struct console *console = restore->console;
  if (!restore->has_begun) return result;
  restore->has_begun = false;
  ingest_abort(&restore->upload);
  const enum base_result ended = console_restore_crew_end(&restore->crew, fault);
  if (result == BASE_OK) result = ended;
  struct console_restore_report *report = lock_report(restore);
  report->is_whole = result == BASE_OK;
  if (result != BASE_OK) report->failure = *fault;
  base_log_write(console->config.log, BASE_LOG_INFO, "console", restore->request_id,
                 "restore %s: %llu originals new, %llu here already, %llu refused",
                 result == BASE_OK ? "complete" : "broken off", (unsigned long long)report->added,
                 (unsigned long long)report->present, (unsigned long long)report->refused);
  unlock_report(restore);
  console_restores_end(console->restores, base_clock_wall_s(console->config.clock));
  return result;
}

static void destroy(struct console_intake **intake) {
  struct restore *restore = (struct restore *)*intake;
  struct base_fault fault = {0};
  *intake = NULL;
  if (!restore) return;
  (void)finish(restore, BASE_FAIL(&fault, BASE_CANCELLED, "backup", "the restore was given up"), &fault);
  if (restore->text.data) explicit_bzero(restore->text.data, restore->text.capacity);  // keys
  base_buffer_finish(&restore->text);
  free(restore->network);
  free(restore);
}

static enum base_result read_options(struct restore *restore, const struct http_request *request,
                                     struct base_fault *fault) {
  if (!request->has_content_length && !request->is_chunked) {
    return BASE_FAIL(fault, BASE_LENGTH_REQUIRED, "content-length", "a backup needs a Content-Length or is chunked");
  }
  struct base_span rest = request->query;
  while (rest.bytes > 0) {
    const struct base_span option = base_span_cut(&rest, '&');
    if (base_span_is(option, "settings=keep")) {
      restore->keeps_settings = true;
    } else if (base_span_is(option, "network=replace")) {
      restore->replaces_network = true;
    } else {
      return BASE_FAIL(fault, BASE_BAD_INPUT, "query",
                       "the options here are settings=keep, which leaves the box's settings as they are, and "
                       "network=replace, which puts the network's back too");
    }
  }
  return BASE_OK;
}

static enum base_result begin(struct restore *restore, const struct console_exchange *exchange,
                              struct base_fault *fault) {
  struct console *console = exchange->console;
  enum base_result result = read_options(restore, &exchange->request, fault);
  if (result == BASE_OK) {
    result = console_restores_begin(console->restores, base_clock_wall_s(console->config.clock), fault);
  }
  if (result != BASE_OK) return result;
  restore->has_begun = true;
  return console_restore_crew_start(console, restore->request_id, &restore->crew, fault);
}

static enum base_result open_restore(struct console_exchange *exchange, struct console_intake **out,
                                     struct base_fault *fault) {
  const struct archive_events events = {on_begin, on_data, on_end, NULL};
  struct restore *restore = calloc(1, sizeof *restore);
  *out = NULL;
  if (!restore) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory to restore a backup");
  restore->intake.kind = &console_restore_intake;
  restore->console = exchange->console;
  memcpy(restore->request_id, exchange->request.id, sizeof restore->request_id);
  base_buffer_init(&restore->text, MAX_TEXT_FILE);
  archive_reader_init(&restore->reader, &events);
  restore->reader.events.self = restore;
  struct console_intake *intake = &restore->intake;
  const enum base_result result = begin(restore, exchange, fault);
  if (result == BASE_OK) {
    *out = intake;
  } else {
    destroy(&intake);
  }
  return result;
}

static enum base_result write_bytes(struct console_intake *intake, struct base_span bytes, struct base_fault *fault) {
  struct restore *restore = (struct restore *)intake;
  lock_report(restore)->bytes += bytes.bytes;
  unlock_report(restore);
  const enum base_result result = archive_reader_push(&restore->reader, bytes, &restore->failure);
  if (result != BASE_OK && fault && fault->result == BASE_OK) *fault = restore->failure;
  return result;
}

static void give_up(struct console_intake *intake) {
  struct base_fault fault = {0};
  (void)finish((struct restore *)intake,
               BASE_FAIL(&fault, BASE_CANCELLED, "backup", "the backup broke off before it had come whole"), &fault);
}

const struct console_intake_kind console_restore_intake = {open_restore, write_bytes, give_up, destroy};

enum base_result console_restore_finish(struct console_intake *intake, struct base_fault *fault) {
  struct restore *restore = (struct restore *)intake;
  enum base_result result = restore->failure.result;
  if (result != BASE_OK) {
    *fault = restore->failure;
  } else {
    result = archive_reader_end(&restore->reader, fault);
  }
  // A tar archive that ends properly may be a part of a backup all the same.
  if (result == BASE_OK && !restore->has_end) {
    result = BASE_FAIL(fault, BASE_BAD_INPUT, "backup", "the backup is not whole: " CONSOLE_BACKUP_END " is missing");
  }
  return finish(restore, result, fault);
}

const char *console_restore_network(const struct console_intake *intake) {
  return ((const struct restore *)intake)->network;
}
