// What the console may know of the settings, and replace, for backups and support bundles.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "box_parts.h"

enum { SETTINGS_MODE = 0600 };  // keys

_Static_assert((int)BOX_MAX_TENANTS <= (int)CONSOLE_MAX_TENANTS, "all tenants fit into a backup");

// As they are now in the running settings, which SIGHUP may change meanwhile.
static size_t list_tenants(void *self, char (*out)[STORE_MAX_TENANT + 1], size_t capacity) {
  struct box *box = self;
  bool has_default = false;
  size_t count = 0;
  pthread_mutex_lock(&box->settings_lock);
  for (size_t i = 0; i < box->settings.tenant_count && count < capacity; i++) {
    const char *name = box->settings.tenants[i].name;
    if (strcmp(name, "default") == 0) has_default = true;
    snprintf(out[count++], STORE_MAX_TENANT + 1, "%s", name);
  }
  pthread_mutex_unlock(&box->settings_lock);
  if (!has_default && count < capacity) snprintf(out[count++], STORE_MAX_TENANT + 1, "default");
  return count;
}

static enum base_result append_file(const char *path, struct base_buffer *out, struct base_fault *fault) {
  struct base_buffer text;
  enum base_result result = base_file_read(path, CONSOLE_MAX_SETTINGS_BYTES, &text, fault);
  if (result != BASE_OK) return result;
  result = base_buffer_append(out, text.data, text.bytes);
  if (text.bytes > 0) explicit_bzero(text.data, text.bytes);  // keys
  base_buffer_finish(&text);
  return result == BASE_OK ? BASE_OK : BASE_FAIL(fault, result, "settings", "no memory for the configuration");
}

static enum base_result read_file(void *self, struct base_buffer *out, struct base_fault *fault) {
  const struct box *box = self;
  if (!box->config_path) return BASE_FAIL(fault, BASE_NOT_FOUND, "settings", "there is no configuration file");
  return append_file(box->config_path, out, fault);
}

static enum base_result check_replaceable(const struct box *box, struct base_fault *fault) {
  if (box->settings.system_settings_file[0]) return BASE_OK;
  return BASE_FAIL(fault, BASE_NOT_FOUND, "settings",
                   "this box keeps its settings: system.settings_file names no file for others");
}

// An empty file is as good as none: an appliance passes it over.
static enum base_result read_next(void *self, struct base_buffer *out, struct base_fault *fault) {
  const struct box *box = self;
  const size_t before = out->bytes;
  struct base_fault missing = {0};
  enum base_result result = check_replaceable(box, fault);
  if (result != BASE_OK) return result;
  result = append_file(box->settings.system_settings_file, out, &missing);
  if (result != BASE_OK && result != BASE_NOT_FOUND)
    return BASE_FAIL(fault, result, missing.subject, "%s", missing.text);
  if (out->bytes > before || !box->config_path) return BASE_OK;
  return append_file(box->config_path, out, fault);
}

// Those in the file now, whatever was overridden when the box was started.
static enum base_result load_own(const struct box *box, struct settings *out, struct base_fault *fault) {
  if (box->config_path) return settings_load(box->config_path, out, fault);
  settings_defaults(out);
  return BASE_OK;
}

static enum base_result check_wanted(const struct box *box, struct base_span text, struct settings *own,
                                     struct settings *wanted, struct base_fault *fault) {
  enum base_result result = settings_parse(text, "settings.conf", wanted, fault);
  if (result == BASE_OK) result = load_own(box, own, fault);
  if (result != BASE_OK) return result;
  const char *key = settings_other_machine(own, wanted);
  if (!key) return BASE_OK;
  return BASE_FAIL(fault, BASE_CONFLICT, key,
                   "%s is not as on this box: the settings are those of another machine; take over by hand what is "
                   "wanted of them",
                   key);
}

static enum base_result replace_file(void *self, struct base_span text, struct base_fault *fault) {
  struct box *box = self;
  enum base_result result = check_replaceable(box, fault);
  if (result != BASE_OK) return result;
  struct settings *both = calloc(2, sizeof *both);
  if (!both) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "memory is short");
  pthread_mutex_lock(&box->settings_lock);
  result = check_wanted(box, text, &both[0], &both[1], fault);
  if (result == BASE_OK) {
    result = base_file_replace_durably(box->settings.system_settings_file, text, SETTINGS_MODE, fault);
  }
  pthread_mutex_unlock(&box->settings_lock);
  explicit_bzero(both, 2 * sizeof *both);  // they have keys
  free(both);
  return result;
}

static enum base_result describe(void *self, struct base_buffer *out, struct base_fault *fault) {
  struct box *box = self;
  pthread_mutex_lock(&box->settings_lock);
  const enum base_result result = settings_describe(&box->settings, out);
  pthread_mutex_unlock(&box->settings_lock);
  return result == BASE_OK ? BASE_OK : BASE_FAIL(fault, result, "settings", "no memory for the settings");
}

void box_set_console_settings(struct box *box) {
  box->console_settings = (struct console_settings){.read = read_file,
                                                    .replace = replace_file,
                                                    .read_next = read_next,
                                                    .describe = describe,
                                                    .tenants = list_tenants,
                                                    .self = box};
}
