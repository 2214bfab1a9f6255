// The [tenant NAME] sections.
#ifndef SETTINGS_TENANT_H
#define SETTINGS_TENANT_H

#include "settings/settings.h"

// A section that is being read.
struct settings_tenant_section {
  const struct settings *settings;
  struct settings_tenant *tenant;
  unsigned seen;  // a bit for each key that was assigned
};

// Adds the tenant to the settings.
enum base_result settings_tenant_begin(struct settings *settings, struct base_span name,
                                       struct settings_tenant_section *out, struct base_fault *fault) BASE_CHECKED;
// Faults never quote a value that may be a key.
enum base_result settings_tenant_set(struct settings_tenant_section *section, struct base_span key,
                                     struct base_span value, struct base_fault *fault) BASE_CHECKED;

#endif
