#include <stdio.h>
#include <string.h>

#include "box.h"
#include "box_parts.h"

_Static_assert((int)SETTINGS_MAX_SIGN_KEYS == (int)POP_MAX_SIGN_KEYS, "a tenant's keys fit");
_Static_assert((int)SETTINGS_MAX_LADDER == (int)POP_MAX_LADDER, "a tenant's ladder fits");
_Static_assert((int)SETTINGS_MAX_HOSTS <= (int)POP_MAX_HOSTS, "a tenant's hosts fit");
_Static_assert((int)BOX_MAX_TENANTS <= (int)POP_MAX_TENANTS, "all tenants fit");

static enum pop_unsigned unsigned_of(const char *text) {
  if (strcmp(text, "open") == 0) return POP_UNSIGNED_OPEN;
  return strcmp(text, "none") == 0 ? POP_UNSIGNED_NONE : POP_UNSIGNED_LADDER;
}

static void fill_tenant(const struct settings *settings, const struct settings_tenant *from, struct pop_tenant *out) {
  memset(out, 0, sizeof(*out));
  snprintf(out->name, sizeof(out->name), "%s", from->name);
  snprintf(out->salt, sizeof(out->salt), "%s", from->salt);
  out->hints_off = !from->hints;
  out->host_count = from->host_count;
  for (size_t i = 0; i < from->host_count; i++) snprintf(out->hosts[i], sizeof(out->hosts[i]), "%s", from->hosts[i]);
  out->unsigned_policy = unsigned_of(from->unsigned_policy[0] ? from->unsigned_policy : settings->delivery_unsigned);
  out->key_count = from->key_count;
  memcpy(out->keys, from->keys, sizeof(out->keys));
  out->imgproxy_key_count = from->imgproxy_key_count;
  memcpy(out->imgproxy_keys, from->imgproxy_keys, sizeof(out->imgproxy_keys));
  out->ladder_count = from->ladder_count;
  memcpy(out->ladder, from->ladder, sizeof(out->ladder));
  if (out->ladder_count > 0) return;
  const enum base_result result =
      settings_widths_parse(base_span_text(settings->delivery_ladder), out->ladder, &out->ladder_count, NULL);
  BASE_ASSERT(result == BASE_OK);  // it was checked when the settings were read
}

size_t box_fill_tenants(const struct settings *settings, struct pop_tenant *out) {
  static const struct settings_tenant fallback = {.name = "default", .hints = true};
  bool has_default = false;
  size_t count = 0;
  for (; count < settings->tenant_count; count++) {
    fill_tenant(settings, &settings->tenants[count], &out[count]);
    if (strcmp(out[count].name, fallback.name) == 0) has_default = true;
  }
  if (!has_default) fill_tenant(settings, &fallback, &out[count++]);
  return count;
}

enum cache_policy box_cache_policy_of(const struct settings *settings) {
  if (strcmp(settings->cache_policy, "sieve") == 0) return CACHE_POLICY_SIEVE;
  return strcmp(settings->cache_policy, "s3fifo") == 0 ? CACHE_POLICY_S3FIFO : CACHE_POLICY_LRU;
}
