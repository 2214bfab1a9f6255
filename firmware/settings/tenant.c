#include "tenant.h"

#include <string.h>

#include "base/checked.h"

enum { MAX_SHOWN_CHARS = 64 };

static bool is_name_char(uint8_t c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; }

static bool is_tenant_name(struct base_span name) {
  if (name.bytes == 0 || name.bytes > SETTINGS_MAX_TENANT_NAME) return false;
  for (size_t i = 0; i < name.bytes; i++) {
    if (!is_name_char(name.data[i])) return false;
  }
  return true;
}

enum base_result settings_tenant_begin(struct settings *settings, struct base_span name,
                                       struct settings_tenant_section *out, struct base_fault *fault) {
  if (!is_tenant_name(name))
    return BASE_FAIL(fault, BASE_BAD_INPUT, "tenant", "a tenant's name has 1..%d characters of a-z, 0-9 and '-'",
                     SETTINGS_MAX_TENANT_NAME);
  for (size_t i = 0; i < settings->tenant_count; i++) {
    if (base_span_is(name, settings->tenants[i].name))
      return BASE_FAIL(fault, BASE_BAD_INPUT, "tenant", "the tenant '%s' is there twice", settings->tenants[i].name);
  }
  if (settings->tenant_count == SETTINGS_MAX_TENANTS)
    return BASE_FAIL(fault, BASE_BAD_INPUT, "tenant", "more than %d tenants", SETTINGS_MAX_TENANTS);
  struct settings_tenant *tenant = &settings->tenants[settings->tenant_count++];
  memset(tenant, 0, sizeof(*tenant));
  memcpy(tenant->name, name.data, name.bytes);
  tenant->hints = true;
  *out = (struct settings_tenant_section){.settings = settings, .tenant = tenant};
  return BASE_OK;
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

static enum base_result set_hosts(struct settings_tenant_section *section, struct base_span value,
                                  struct base_fault *fault) {
  struct settings_tenant *tenant = section->tenant;
  while (value.data != NULL) {
    const struct base_span host = base_span_trim(base_span_cut(&value, ','));
    if (tenant->host_count == SETTINGS_MAX_HOSTS)
      return BASE_FAIL(fault, BASE_BAD_INPUT, "hosts", "more than %d hosts", SETTINGS_MAX_HOSTS);
    const struct settings_tenant *owner = tenant_of_host(section->settings, host);
    if (owner != NULL)
      return BASE_FAIL(fault, BASE_BAD_INPUT, "hosts", "the tenant '%s' has the host '%.*s' already", owner->name,
                       (int)base_min_u64(host.bytes, MAX_SHOWN_CHARS), host.data);
    if (host.bytes == 0 || !base_span_copy(host, tenant->hosts[tenant->host_count], SETTINGS_MAX_TEXT))
      return BASE_FAIL(fault, BASE_BAD_INPUT, "hosts", "an empty or overlong host name");
    tenant->host_count++;
  }
  return BASE_OK;
}

static enum base_result set_hints(struct settings_tenant_section *section, struct base_span value,
                                  struct base_fault *fault) {
  if (!base_span_is(value, "on") && !base_span_is(value, "off"))
    return BASE_FAIL(fault, BASE_BAD_INPUT, "hints", "a tenant has 'hints = on' or 'hints = off'");
  section->tenant->hints = base_span_is(value, "on");
  return BASE_OK;
}

static enum base_result set_unsigned(struct settings_tenant_section *section, struct base_span value,
                                     struct base_fault *fault) {
  static const char *const policies[] = {"ladder", "open", "none"};
  for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
    if (base_span_is(value, policies[i]) &&
        base_span_copy(value, section->tenant->unsigned_policy, sizeof(section->tenant->unsigned_policy)))
      return BASE_OK;
  }
  return BASE_FAIL(fault, BASE_BAD_INPUT, "unsigned", "'unsigned' must be one of: ladder open none");
}

static enum base_result set_ladder(struct settings_tenant_section *section, struct base_span value,
                                   struct base_fault *fault) {
  return settings_widths_parse(value, section->tenant->ladder, &section->tenant->ladder_count, fault);
}

static enum base_result set_salt(struct settings_tenant_section *section, struct base_span value,
                                 struct base_fault *fault) {
  for (size_t i = 0; i < value.bytes; i++) {
    if (value.data[i] <= ' ' || value.data[i] >= 0x7f)
      return BASE_FAIL(fault, BASE_BAD_INPUT, "salt", "'salt' is visible ASCII without spaces");
  }
  if (value.bytes > 0 && base_span_copy(value, section->tenant->salt, sizeof(section->tenant->salt))) return BASE_OK;
  return BASE_FAIL(fault, BASE_BAD_INPUT, "salt", "'salt' has 1..%d characters", SETTINGS_MAX_SALT);
}

typedef enum base_result parse_pair(struct base_span text, struct recipe_sign_key *out, struct base_fault *fault);

static enum base_result set_pairs(const char *name, struct base_span value, parse_pair *parse,
                                  struct recipe_sign_key out[SETTINGS_MAX_SIGN_KEYS], size_t *count,
                                  struct base_fault *fault) {
  *count = 0;
  while (value.data != NULL) {
    const struct base_span pair = base_span_trim(base_span_cut(&value, ' '));
    if (pair.bytes == 0 && value.data != NULL) continue;  // several spaces
    if (*count == SETTINGS_MAX_SIGN_KEYS)
      return BASE_FAIL(fault, BASE_BAD_INPUT, name, "'%s' has at most %d pairs", name, SETTINGS_MAX_SIGN_KEYS);
    struct base_fault inner = {0};
    if (parse(pair, &out[*count], &inner) != BASE_OK)
      return BASE_FAIL(fault, BASE_BAD_INPUT, name, "'%s', pair %zu: %s", name, *count + 1, inner.text);
    ++*count;
  }
  return BASE_OK;
}

static enum base_result set_sign_keys(struct settings_tenant_section *section, struct base_span value,
                                      struct base_fault *fault) {
  struct settings_tenant *tenant = section->tenant;
  return set_pairs("sign_keys", value, recipe_sign_key_parse, tenant->keys, &tenant->key_count, fault);
}

static enum base_result set_imgproxy_keys(struct settings_tenant_section *section, struct base_span value,
                                          struct base_fault *fault) {
  struct settings_tenant *tenant = section->tenant;
  return set_pairs("imgproxy_keys", value, recipe_sign_key_parse_hex, tenant->imgproxy_keys,
                   &tenant->imgproxy_key_count, fault);
}

static const struct {
  const char *name;
  enum base_result (*set)(struct settings_tenant_section *section, struct base_span value, struct base_fault *fault);
} keys[] = {
    {"hosts", set_hosts},   {"hints", set_hints},         {"unsigned", set_unsigned},
    {"ladder", set_ladder}, {"sign_keys", set_sign_keys}, {"imgproxy_keys", set_imgproxy_keys},
    {"salt", set_salt},
};

enum base_result settings_tenant_set(struct settings_tenant_section *section, struct base_span key,
                                     struct base_span value, struct base_fault *fault) {
  for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
    if (!base_span_is(key, keys[i].name)) continue;
    if (section->seen & 1u << i)
      return BASE_FAIL(fault, BASE_BAD_INPUT, keys[i].name, "'%s' is there twice", keys[i].name);
    section->seen |= 1u << i;
    return keys[i].set(section, value, fault);
  }
  return BASE_FAIL(fault, BASE_BAD_INPUT, "tenant",
                   "a tenant has hosts, hints, unsigned, ladder, sign_keys, imgproxy_keys and salt, but no '%.*s'",
                   (int)base_min_u64(key.bytes, MAX_SHOWN_CHARS), key.data);
}
