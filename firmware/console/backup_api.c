// GET /api/v1/backup: settings and originals as a tar archive, in constant memory, while the box goes on.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "backup.h"
#include "base/checked.h"
#include "base/file.h"
#include "pop/prewarm.h"
#include "store/tenant.h"
#include "system.h"
#include "tar_stream.h"

enum {
  MAX_ORIGINAL_JSON = 16 * 1024,
  MAX_PREWARM_JSON = 64 * 1024,
  MAX_OMITTED = 1000,
  MAX_END_JSON = 64 * 1024,
  STEP_BYTES = 64 * 1024,
};

struct backup {
  struct console_tar tar;
  const struct console *console;
  char tenant[STORE_MAX_TENANT + 1];
  uint8_t *step;
  uint64_t originals;
  size_t omitted_count;
  struct integrity_digest omitted[MAX_OMITTED];
  enum base_result result;
  struct base_fault *fault;
};

static enum base_result add_settings(struct backup *backup) {
  const struct console_settings *settings = backup->console->config.settings;
  struct base_buffer text;
  if (!settings || !settings->read) return BASE_OK;
  base_buffer_init(&text, CONSOLE_MAX_SETTINGS_BYTES);
  struct base_fault fault = {0};
  enum base_result result = settings->read(settings->self, &text, &fault);
  if (result == BASE_OK) {
    result = console_tar_add(&backup->tar, CONSOLE_BACKUP_SETTINGS, base_buffer_span(&text), backup->fault);
  } else if (result == BASE_NOT_FOUND) {
    result = BASE_OK;
  } else {
    (void)BASE_FAIL(backup->fault, result, fault.subject, "%s", fault.text);
  }
  if (text.bytes > 0) explicit_bzero(text.data, text.bytes);  // keys
  base_buffer_finish(&text);
  return result;
}

// A system program that does not answer costs the network's settings, and not the pictures.
static enum base_result add_network(struct backup *backup) {
  const struct console_exchange *exchange = backup->tar.exchange;
  struct base_buffer line;
  struct base_json *json = NULL;
  struct base_fault why = {0};
  if (!backup->console->config.system_socket) return BASE_OK;
  base_buffer_init(&line, UPDATE_AGENT_MAX_LINE * 2);
  enum base_result result = console_system_ask(exchange, "{\"do\":\"network\"}", CONSOLE_SYSTEM_STATUS_MS, &line, &why);
  if (result == BASE_OK) result = base_json_parse(base_buffer_span(&line), &json, &why);
  const char *text = result == BASE_OK ? base_json_as_string(base_json_get(base_json_root(json), "text")) : NULL;
  if (result != BASE_OK) {
    base_log_fault(backup->console->config.log, BASE_LOG_WARN, "console", exchange->request.id, &why);
    result = BASE_OK;
  } else if (text && text[0]) {
    result = console_tar_add(&backup->tar, CONSOLE_BACKUP_NETWORK, base_span_text(text), backup->fault);
  }
  base_json_destroy(&json);
  base_buffer_finish(&line);
  return result;
}

static enum base_result write_recipes(const char (*recipes)[POP_PREWARM_RECIPE_BYTES], size_t count,
                                      struct base_buffer *out) {
  struct base_json_writer json;
  base_json_begin(&json, out);
  base_json_array(&json, NULL);
  for (size_t i = 0; i < count; i++) base_json_string(&json, NULL, recipes[i]);
  base_json_array_end(&json);
  return json.result;
}

static enum base_result add_prewarm(struct backup *backup) {
  struct pop_prewarm *prewarm = backup->console->config.prewarm;
  char recipes[POP_MAX_PREWARM][POP_PREWARM_RECIPE_BYTES], name[ARCHIVE_MAX_NAME + 1];
  const size_t count = prewarm ? pop_prewarm_get(prewarm, backup->tenant, recipes) : 0;
  if (count == 0) return BASE_OK;
  struct base_buffer text;
  base_buffer_init(&text, MAX_PREWARM_JSON);
  snprintf(name, sizeof name, CONSOLE_BACKUP_PREWARM "%s" CONSOLE_BACKUP_JSON, backup->tenant);
  enum base_result result = write_recipes((const char(*)[POP_PREWARM_RECIPE_BYTES])recipes, count, &text);
  if (result == BASE_OK) result = console_tar_add(&backup->tar, name, base_buffer_span(&text), backup->fault);
  base_buffer_finish(&text);
  return result;
}

// --- originals ---

static enum base_result describe(const struct store_original *original, struct base_buffer *out) {
  struct base_json_writer json;
  base_json_begin(&json, out);
  base_json_object(&json, NULL);
  base_json_string(&json, "name", original->name);
  base_json_array(&json, "tags");
  struct base_span rest = base_span_text(original->tags);
  while (rest.bytes > 0) base_json_text(&json, NULL, base_span_cut(&rest, '\n'));
  base_json_array_end(&json);
  base_json_integer(&json, "created_s", original->created_s);
  base_json_integer(&json, "bytes", (int64_t)original->bytes);
  base_json_string(&json, "format", original->format);
  base_json_integer(&json, "width", original->width);
  base_json_integer(&json, "height", original->height);
  base_json_integer(&json, "orientation", original->orientation);
  base_json_object_end(&json);
  return json.result;
}

static enum base_result copy_bytes(struct backup *backup, int fd, uint64_t bytes) {
  enum base_result result = BASE_OK;
  for (uint64_t at = 0; at < bytes && result == BASE_OK;) {
    const size_t step = (size_t)base_min_u64(bytes - at, STEP_BYTES);
    result = base_fd_pread_all(fd, backup->step, step, (off_t)at, backup->fault);
    if (result == BASE_OK) {
      result = archive_writer_write(&backup->tar.writer, base_span_of(backup->step, step), backup->fault);
    }
    at += step;
  }
  return result;
}

static enum base_result add_open(struct backup *backup, const struct store_original *original, int fd) {
  char id[BASE_DIGEST_BASE64URL_CHARS + 1];
  struct archive_entry entry = {.bytes = original->bytes,
                                .modified_s = original->created_s < 0 ? 0 : original->created_s};
  struct base_buffer text;
  base_buffer_init(&text, MAX_ORIGINAL_JSON);
  integrity_digest_text(&original->id, id);
  snprintf(entry.name, sizeof entry.name, CONSOLE_BACKUP_ORIGINALS "%s/%s" CONSOLE_BACKUP_JSON, backup->tenant, id);
  enum base_result result = describe(original, &text);
  if (result == BASE_OK) {
    result =
        archive_writer_file(&backup->tar.writer, entry.name, entry.modified_s, base_buffer_span(&text), backup->fault);
  }
  base_buffer_finish(&text);
  entry.name[strlen(entry.name) - (sizeof CONSOLE_BACKUP_JSON - 1)] = '\0';
  if (result == BASE_OK) result = archive_writer_begin(&backup->tar.writer, &entry, backup->fault);
  return result == BASE_OK ? copy_bytes(backup, fd, original->bytes) : result;
}

static void omit(struct backup *backup, const struct store_original *original, const struct base_fault *fault) {
  base_log_fault(backup->console->config.log, BASE_LOG_WARN, "console", backup->tar.exchange->request.id, fault);
  if (backup->omitted_count < MAX_OMITTED) backup->omitted[backup->omitted_count] = original->id;
  backup->omitted_count++;
}

// One that is damaged, or was deleted meanwhile, does not keep the others out.
static bool add_original(void *argument, const struct store_original *original) {
  struct backup *backup = argument;
  struct base_fault fault = {0};
  int fd;
  const enum base_result result = store_original_open(backup->console->config.store, &original->id, &fd, &fault);
  if (result == BASE_OK) {
    backup->result = add_open(backup, original, fd);
    base_fd_close(&fd);
    backup->originals++;
  } else if (result == BASE_CORRUPT || result == BASE_IO) {
    omit(backup, original, &fault);
  } else if (result != BASE_NOT_FOUND) {
    backup->result = BASE_FAIL(backup->fault, result, fault.subject, "%s", fault.text);
  }
  return backup->result == BASE_OK;
}

static enum base_result add_tenant(struct backup *backup, const char *name) {
  snprintf(backup->tenant, sizeof backup->tenant, "%s", name);
  enum base_result result = add_prewarm(backup);
  if (result != BASE_OK) return result;
  result = store_original_list(backup->console->config.store, backup->tenant, NULL, SIZE_MAX, add_original, backup,
                               backup->fault);
  return result == BASE_OK ? backup->result : result;
}

static enum base_result add_end(struct backup *backup) {
  struct base_buffer text;
  struct base_json_writer json;
  base_buffer_init(&text, MAX_END_JSON);
  base_json_begin(&json, &text);
  base_json_object(&json, NULL);
  base_json_integer(&json, "originals", (int64_t)backup->originals);
  base_json_integer(&json, "omitted_count", (int64_t)backup->omitted_count);
  base_json_array(&json, "omitted");
  for (size_t i = 0; i < backup->omitted_count && i < MAX_OMITTED; i++) {
    char id[BASE_DIGEST_BASE64URL_CHARS + 1];
    integrity_digest_text(&backup->omitted[i], id);
    base_json_string(&json, NULL, id);
  }
  base_json_array_end(&json);
  base_json_object_end(&json);
  enum base_result result = json.result;
  if (result == BASE_OK) {
    result = console_tar_add(&backup->tar, CONSOLE_BACKUP_END, base_buffer_span(&text), backup->fault);
  }
  base_buffer_finish(&text);
  return result;
}

static bool is_among(const char (*names)[STORE_MAX_TENANT + 1], size_t count, const char *name) {
  for (size_t i = 0; i < count; i++) {
    if (strcmp(names[i], name) == 0) return true;
  }
  return false;
}

// Those that the settings do not have any more too: their originals are still here.
static enum base_result add_other_tenants(struct backup *backup, const char (*names)[STORE_MAX_TENANT + 1],
                                          size_t count) {
  char name[STORE_MAX_TENANT + 1] = "";
  enum base_result result = BASE_OK;
  while (result == BASE_OK) {
    result = store_tenant_next(backup->console->config.store, name, name, backup->fault);
    if (result == BASE_OK && !is_among(names, count, name)) result = add_tenant(backup, name);
  }
  return result == BASE_NOT_FOUND ? BASE_OK : result;
}

static enum base_result add_tenants(struct backup *backup) {
  char names[CONSOLE_MAX_TENANTS][STORE_MAX_TENANT + 1] = {"default"};
  const struct console_settings *settings = backup->console->config.settings;
  const size_t count = settings ? settings->tenants(settings->self, names, CONSOLE_MAX_TENANTS) : 1;
  enum base_result result = BASE_OK;
  for (size_t i = 0; i < count && result == BASE_OK; i++) {
    result = add_tenant(backup, names[i]);
  }
  if (result != BASE_OK) return result;
  return add_other_tenants(backup, (const char(*)[STORE_MAX_TENANT + 1]) names, count);
}

static enum base_result add_all(struct backup *backup) {
  enum base_result result =
      console_tar_add_about(&backup->tar, CONSOLE_BACKUP_HEAD, CONSOLE_BACKUP_FORMAT, backup->fault);
  if (result == BASE_OK) result = add_settings(backup);
  if (result == BASE_OK) result = add_network(backup);
  if (result == BASE_OK) result = add_tenants(backup);
  if (result == BASE_OK) result = add_end(backup);
  if (result != BASE_OK) return BASE_FAIL(backup->fault, result, "backup", "the backup could not be completed");
  base_log_write(backup->console->config.log, BASE_LOG_INFO, "console", backup->tar.exchange->request.id,
                 "backup of %llu originals, %zu omitted", (unsigned long long)backup->originals, backup->omitted_count);
  return BASE_OK;
}

enum base_result console_backup_show(struct console_exchange *exchange, struct http_reply *reply,
                                     struct base_fault *fault) {
  struct backup *backup = calloc(1, sizeof *backup);
  uint8_t *step = malloc(STEP_BYTES);
  enum base_result result = BASE_OK;
  if (!backup || !step) {
    result = BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for a backup");
  } else {
    backup->console = exchange->console;
    backup->step = step;
    backup->fault = fault;
    if (console_tar_begin(&backup->tar, exchange, "backup", reply)) result = add_all(backup);
    result = console_tar_end(&backup->tar, result, reply, fault);
  }
  free(step);
  free(backup);
  return result;
}
