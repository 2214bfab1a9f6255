#include "settings/settings.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "base/file.h"
#include "ini.h"
#include "table.h"

enum { MAX_SHOWN_CHARS = 64, MAX_SHOWN_PATH_CHARS = 48 };

// What is being filled while a file is read.
struct reading {
  struct settings *settings;
  char section[SETTINGS_MAX_TEXT];
  struct settings_tenant *tenant;  // of the current [tenant NAME] section
  bool has_hints;                  // that section has set them
  bool seen[128];                  // rows assigned already
};

void settings_defaults(struct settings *out) {
  memset(out, 0, sizeof(*out));
  for (size_t i = 0; i < settings_row_count; i++) {
    enum base_result result = settings_row_set(&settings_rows[i], base_span_text(settings_rows[i].fallback), out, NULL);
    BASE_ASSERT(result == BASE_OK);
  }
}

static bool is_tenant_name(struct base_span name) {
  if (name.bytes == 0 || name.bytes > SETTINGS_MAX_TENANT_NAME) return false;
  for (size_t i = 0; i < name.bytes; i++) {
    uint8_t c = name.data[i];
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-')) return false;
  }
  return true;
}

static enum base_result begin_tenant(struct reading *reading, struct base_span name, struct base_fault *fault) {
  struct settings *settings = reading->settings;
  if (!is_tenant_name(name))
    return BASE_FAIL(fault, BASE_BAD_INPUT, "tenant", "a tenant's name has 1..%d characters of a-z, 0-9 and '-'",
                     SETTINGS_MAX_TENANT_NAME);
  for (size_t i = 0; i < settings->tenant_count; i++) {
    if (base_span_is(name, settings->tenants[i].name))
      return BASE_FAIL(fault, BASE_BAD_INPUT, "tenant", "the tenant '%s' is there twice", settings->tenants[i].name);
  }
  if (settings->tenant_count == SETTINGS_MAX_TENANTS)
    return BASE_FAIL(fault, BASE_BAD_INPUT, "tenant", "more than %d tenants", SETTINGS_MAX_TENANTS);
  reading->tenant = &settings->tenants[settings->tenant_count++];
  memset(reading->tenant, 0, sizeof(*reading->tenant));
  memcpy(reading->tenant->name, name.data, name.bytes);
  reading->tenant->hints = true;
  reading->has_hints = false;
  return BASE_OK;
}

static enum base_result on_section(void *self, struct base_span name, struct base_fault *fault) {
  struct reading *reading = self;
  reading->tenant = NULL;
  if (base_span_starts_with(name, "tenant "))
    return begin_tenant(reading, base_span_trim(base_span_slice(name, strlen("tenant "), name.bytes)), fault);
  for (size_t i = 0; i < settings_row_count; i++) {
    if (base_span_is(name, settings_rows[i].section) &&
        base_span_copy(name, reading->section, sizeof(reading->section)))
      return BASE_OK;
  }
  return BASE_FAIL(fault, BASE_BAD_INPUT, "section", "there is no section [%.*s]",
                   (int)base_min_u64(name.bytes, MAX_SHOWN_CHARS), name.data);
}

// A host leads to one tenant only.
static const struct settings_tenant *tenant_of_host(const struct settings *settings, struct base_span host) {
  for (size_t i = 0; i < settings->tenant_count; i++) {
    const struct settings_tenant *tenant = &settings->tenants[i];
    for (size_t j = 0; j < tenant->host_count; j++) {
      if (base_span_is_nocase(host, tenant->hosts[j])) return tenant;
    }
  }
  return NULL;
}

static enum base_result set_hosts(const struct settings *settings, struct settings_tenant *tenant,
                                  struct base_span value, struct base_fault *fault) {
  if (tenant->host_count > 0) return BASE_FAIL(fault, BASE_BAD_INPUT, "hosts", "'hosts' is there twice");
  while (value.data != NULL) {
    const struct base_span host = base_span_trim(base_span_cut(&value, ','));
    if (tenant->host_count == SETTINGS_MAX_HOSTS)
      return BASE_FAIL(fault, BASE_BAD_INPUT, "hosts", "more than %d hosts", SETTINGS_MAX_HOSTS);
    const struct settings_tenant *owner = tenant_of_host(settings, host);
    if (owner != NULL)
      return BASE_FAIL(fault, BASE_BAD_INPUT, "hosts", "the tenant '%s' has the host '%.*s' already", owner->name,
                       (int)base_min_u64(host.bytes, MAX_SHOWN_CHARS), host.data);
    if (host.bytes == 0 || !base_span_copy(host, tenant->hosts[tenant->host_count], SETTINGS_MAX_TEXT))
      return BASE_FAIL(fault, BASE_BAD_INPUT, "hosts", "an empty or overlong host name");
    tenant->host_count++;
  }
  return BASE_OK;
}

static enum base_result set_tenant(struct reading *reading, struct base_span key, struct base_span value,
                                   struct base_fault *fault) {
  struct settings_tenant *tenant = reading->tenant;
  if (base_span_is(key, "hosts")) return set_hosts(reading->settings, tenant, value, fault);
  if (base_span_is(key, "hints") && (base_span_is(value, "on") || base_span_is(value, "off"))) {
    if (reading->has_hints) return BASE_FAIL(fault, BASE_BAD_INPUT, "hints", "'hints' is there twice");
    reading->has_hints = true;
    tenant->hints = base_span_is(value, "on");
    return BASE_OK;
  }
  return BASE_FAIL(fault, BASE_BAD_INPUT, "tenant", "a tenant has 'hosts = name, name' and 'hints = on|off'");
}

static enum base_result on_assignment(void *self, struct base_span key, struct base_span value,
                                      struct base_fault *fault) {
  struct reading *reading = self;
  if (reading->tenant != NULL) return set_tenant(reading, key, value, fault);
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
    return BASE_FAIL(fault, BASE_BAD_INPUT, "set", "'%s' is not of the form section.key=value with a known key",
                     assignment);
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
        "# [tenant shop]\n# hosts = img.shop.example, shop.example\n# hints = on\n");
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

const char *settings_needs_restart(const struct settings *running, const struct settings *wanted) {
  for (size_t i = 0; i < settings_row_count; i++) {
    const struct settings_row *row = &settings_rows[i];
    const char *a = (const char *)running + row->offset, *b = (const char *)wanted + row->offset;
    bool is_text = row->type == SETTINGS_TEXT || row->type == SETTINGS_CHOICE || row->type == SETTINGS_LISTEN;
    bool is_same = is_text ? strcmp(a, b) == 0 : memcmp(a, b, row->capacity) == 0;
    if (!is_same && !row->reloads) return row->name;
  }
  return NULL;
}
