#include "settings/settings.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "base/file.h"
#include "image/limits.h"
#include "ini.h"
#include "table.h"
#include "tenant.h"

enum { MAX_SHOWN_CHARS = 64, MAX_SHOWN_PATH_CHARS = 48 };

// What is being filled while a file is read.
struct reading {
  struct settings *settings;
  char section[SETTINGS_MAX_TEXT];
  struct settings_tenant_section tenant;  // when it is a [tenant NAME]
  bool seen[128];                         // rows assigned already
};

void settings_defaults(struct settings *out) {
  memset(out, 0, sizeof(*out));
  for (size_t i = 0; i < settings_row_count; i++) {
    enum base_result result = settings_row_set(&settings_rows[i], base_span_text(settings_rows[i].fallback), out, NULL);
    BASE_ASSERT(result == BASE_OK);
  }
}

static enum base_result on_section(void *self, struct base_span name, struct base_fault *fault) {
  struct reading *reading = self;
  reading->tenant = (struct settings_tenant_section){0};
  if (base_span_starts_with(name, "tenant "))
    return settings_tenant_begin(reading->settings,
                                 base_span_trim(base_span_slice(name, strlen("tenant "), name.bytes)), &reading->tenant,
                                 fault);
  for (size_t i = 0; i < settings_row_count; i++) {
    if (base_span_is(name, settings_rows[i].section) &&
        base_span_copy(name, reading->section, sizeof(reading->section)))
      return BASE_OK;
  }
  return BASE_FAIL(fault, BASE_BAD_INPUT, "section", "there is no section [%.*s]",
                   (int)base_min_u64(name.bytes, MAX_SHOWN_CHARS), name.data);
}

static enum base_result on_assignment(void *self, struct base_span key, struct base_span value,
                                      struct base_fault *fault) {
  struct reading *reading = self;
  if (reading->tenant.tenant != NULL) return settings_tenant_set(&reading->tenant, key, value, fault);
  if (reading->section[0] == '\0') return BASE_FAIL(fault, BASE_BAD_INPUT, "", "a key before the first [section]");
  const struct settings_row *row = settings_row_find(base_span_text(reading->section), key);
  if (row == NULL)
    return BASE_FAIL(fault, BASE_BAD_INPUT, "key", "there is no key '%.*s' in [%s]",
                     (int)base_min_u64(key.bytes, MAX_SHOWN_CHARS), key.data, reading->section);
  size_t index = (size_t)(row - settings_rows);
  BASE_ASSERT(index < sizeof(reading->seen));
  if (reading->seen[index]) return BASE_FAIL(fault, BASE_BAD_INPUT, row->key, "%s is there twice", row->name);
  reading->seen[index] = true;
  return settings_row_set(row, value, reading->settings, fault);
}

enum base_result settings_parse(struct base_span text, const char *name, struct settings *out,
                                struct base_fault *fault) {
  settings_defaults(out);
  struct reading reading = {.settings = out};
  struct settings_ini_events events = {on_section, on_assignment, &reading};
  struct base_fault inner = {0};
  unsigned line = 0;
  enum base_result result = settings_ini_parse(text, &events, &line, &inner);
  if (result == BASE_OK) return BASE_OK;
  // The end of a long path says more than its start.
  const size_t name_chars = strlen(name);
  const char *shown = name_chars > MAX_SHOWN_PATH_CHARS ? name + name_chars - MAX_SHOWN_PATH_CHARS : name;
  char place[BASE_FAULT_SUBJECT_BYTES];
  snprintf(place, sizeof(place), "%s:%u", shown, line);
  return BASE_FAIL(fault, result, place, "%s", inner.text);
}

enum base_result settings_load(const char *path, struct settings *out, struct base_fault *fault) {
  struct base_buffer text;
  enum base_result result = base_file_read(path, SETTINGS_MAX_FILE_BYTES, &text, fault);
  if (result == BASE_OK) result = settings_parse(base_buffer_span(&text), path, out, fault);
  base_buffer_finish(&text);
  return result;
}

enum base_result settings_override(struct settings *settings, const char *assignment, struct base_fault *fault) {
  struct base_span value = base_span_text(assignment);
  struct base_span name = base_span_cut(&value, '=');
  struct base_span key = name;
  struct base_span section = base_span_cut(&key, '.');
  const struct settings_row *row = value.data != NULL && key.data != NULL ? settings_row_find(section, key) : NULL;
  if (row == NULL)
    // Without the value, which may be a secret.
    return BASE_FAIL(fault, BASE_BAD_INPUT, "set", "'%.*s' is not of the form section.key=value with a known key",
                     (int)base_min_u64(name.bytes, MAX_SHOWN_CHARS), name.data);
  return settings_row_set(row, value, settings, fault);
}

enum base_result settings_print_reference(struct base_buffer *out) {
  const char *section = "";
  enum base_result result =
      base_buffer_append_text(out,
                              "# pixpop configuration: every key with its default. Lines may be left out.\n"
                              "# Keys marked (reload) take effect on SIGHUP, the others after a restart.\n");
  for (size_t i = 0; i < settings_row_count && result == BASE_OK; i++) {
    const struct settings_row *row = &settings_rows[i];
    if (strcmp(section, row->section) != 0) result = base_buffer_printf(out, "\n[%s]\n", row->section);
    section = row->section;
    if (result == BASE_OK) result = base_buffer_printf(out, "# %s", row->meaning);
    if (result == BASE_OK && (row->type == SETTINGS_NUMBER || row->type == SETTINGS_SIZE))
      result =
          base_buffer_printf(out, " (%llu..%llu)", (unsigned long long)row->minimum, (unsigned long long)row->maximum);
    if (result == BASE_OK && row->choices != NULL) result = base_buffer_printf(out, " (one of: %s)", row->choices);
    if (result == BASE_OK)
      result = base_buffer_printf(out, "%s\n%s = %s\n", row->reloads ? " (reload)" : "", row->key, row->fallback);
  }
  if (result == BASE_OK)
    result = base_buffer_append_text(
        out,
        "\n# A tenant is found by the request's Host; every other host is the tenant 'default'.\n"
        "# hints = off: its URLs depend on no request header but Accept, so all of them are cached for ever (reload)\n"
        "# unsigned = ladder, open or none; ladder = 160,320,...: as in [delivery], for this tenant (reload)\n"
        "# sign_keys = KEY:SALT KEY:SALT ...: up to 4 pairs that sign its URLs, hexadecimal after 'hex:'. New URLs are\n"
        "#   signed with the first one; the others stay valid while keys are rotated (reload)\n"
        "# imgproxy_keys = KEY:SALT ...: the same of /imgproxy/ URLs, in hexadecimal as imgproxy has them (reload)\n"
        "# salt = a text that goes into every cache key; changing it makes all variants anew (reload)\n"
        "# A file with keys should be readable by the box alone.\n"
        "# [tenant shop]\n# hosts = img.shop.example, shop.example\n# hints = on\n# unsigned = none\n"
        "# sign_keys = hex:00112233445566778899aabbccddeeff:shop-1\n");
  return result;
}

enum base_result settings_split_listen(const char *listen, char *address, size_t capacity, uint16_t *port,
                                       struct base_fault *fault) {
  const char *colon = strrchr(listen, ':');
  uint64_t number = 0;
  if (colon == NULL || !base_span_to_u64(base_span_text(colon + 1), &number) || number > 65535)
    return BASE_FAIL(fault, BASE_BAD_INPUT, "listen", "'%s' is not address:port", listen);
  struct base_span host = base_span_of(listen, (size_t)(colon - listen));
  int family = AF_INET;
  if (host.bytes >= 2 && host.data[0] == '[' && host.data[host.bytes - 1] == ']') {
    host = base_span_slice(host, 1, host.bytes - 2);
    family = AF_INET6;
  }
  uint8_t binary[16];
  if (!base_span_copy(host, address, capacity) || inet_pton(family, address, binary) != 1)
    return BASE_FAIL(fault, BASE_BAD_INPUT, "listen", "'%s' is not a numeric IPv4 or [IPv6] address with a port",
                     listen);
  *port = (uint16_t)number;
  return BASE_OK;
}

enum base_result settings_widths_parse(struct base_span text, uint32_t out[SETTINGS_MAX_LADDER], size_t *count,
                                       struct base_fault *fault) {
  *count = 0;
  while (text.data != NULL) {
    const struct base_span word = base_span_trim(base_span_cut(&text, ','));
    uint64_t width;
    if (*count == SETTINGS_MAX_LADDER)
      return BASE_FAIL(fault, BASE_BAD_INPUT, "ladder", "a ladder has at most %d widths", SETTINGS_MAX_LADDER);
    if (!base_span_to_u64(word, &width) || width < 1 || width > IMAGE_MAX_BOX_SIDE ||
        (*count > 0 && width <= out[*count - 1]))
      return BASE_FAIL(fault, BASE_BAD_INPUT, "ladder",
                       "a ladder is ascending widths from 1 to %d, such as 160,320,640", IMAGE_MAX_BOX_SIDE);
    out[(*count)++] = (uint32_t)width;
  }
  return BASE_OK;
}

static bool is_same(const struct settings_row *row, const struct settings *one, const struct settings *other) {
  const char *a = (const char *)one + row->offset, *b = (const char *)other + row->offset;
  const bool is_text = row->type == SETTINGS_TEXT || row->type == SETTINGS_CHOICE || row->type == SETTINGS_LISTEN ||
                       row->type == SETTINGS_WIDTHS || row->type == SETTINGS_URL;
  return is_text ? strcmp(a, b) == 0 : memcmp(a, b, row->capacity) == 0;
}

const char *settings_needs_restart(const struct settings *running, const struct settings *wanted) {
  for (size_t i = 0; i < settings_row_count; i++) {
    const struct settings_row *row = &settings_rows[i];
    if (!row->reloads && !is_same(row, running, wanted)) return row->name;
  }
  return NULL;
}

// What another machine must not be given: where things lie and listen, and what pictures are made with.
static bool is_of_machine(const char *name) {
  static const char *const names[] = {
      "pixpop.data",        "console.listen",      "console.tls",
      "console.claim_file", "delivery.listen",     "decoder.path",
      "decoder.uid",        "delivery.tls_listen", "delivery.tls_certificate",
      "render.device",      "render.resampler",    "decoder.require_isolation",
  };
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    if (strcmp(name, names[i]) == 0) return true;
  }
  return strncmp(name, "system.", 7) == 0;
}

const char *settings_other_machine(const struct settings *own, const struct settings *wanted) {
  for (size_t i = 0; i < settings_row_count; i++) {
    const struct settings_row *row = &settings_rows[i];
    if (is_of_machine(row->name) && !is_same(row, own, wanted)) return row->name;
  }
  return NULL;
}
