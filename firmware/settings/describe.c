#include <inttypes.h>

#include "settings/settings.h"
#include "table.h"

static enum base_result describe_row(const struct settings_row *row, const struct settings *settings,
                                     struct base_buffer *out) {
  const void *value = (const char *)settings + row->offset;
  switch (row->type) {
    case SETTINGS_NUMBER:
    case SETTINGS_SIZE:
      return base_buffer_printf(out, "%s = %" PRIu64 "\n", row->name, *(const uint64_t *)value);
    case SETTINGS_SWITCH:
      return base_buffer_printf(out, "%s = %s\n", row->name, *(const bool *)value ? "on" : "off");
    case SETTINGS_TEXT:
    case SETTINGS_CHOICE:
    case SETTINGS_LISTEN:
    case SETTINGS_WIDTHS:
    case SETTINGS_URL:
      break;
  }
  return base_buffer_printf(out, "%s = %s\n", row->name, (const char *)value);
}

static enum base_result describe_tenant(const struct settings_tenant *tenant, struct base_buffer *out) {
  enum base_result result = base_buffer_printf(
      out, "[tenant %s]\nhints = %s\nunsigned = %s\nsign_keys = %zu\nimgproxy_keys = %zu\n", tenant->name,
      tenant->hints ? "on" : "off", tenant->unsigned_policy, tenant->key_count, tenant->imgproxy_key_count);
  for (size_t i = 0; i < tenant->host_count && result == BASE_OK; i++) {
    result = base_buffer_printf(out, "host = %s\n", tenant->hosts[i]);
  }
  for (size_t i = 0; i < tenant->ladder_count && result == BASE_OK; i++) {
    result = base_buffer_printf(out, "ladder = %" PRIu32 "\n", tenant->ladder[i]);
  }
  return result;
}

enum base_result settings_describe(const struct settings *settings, struct base_buffer *out) {
  enum base_result result = BASE_OK;
  for (size_t i = 0; i < settings_row_count && result == BASE_OK; i++) {
    result = describe_row(&settings_rows[i], settings, out);
  }
  for (size_t i = 0; i < settings->tenant_count && result == BASE_OK; i++) {
    result = describe_tenant(&settings->tenants[i], out);
  }
  return result;
}
