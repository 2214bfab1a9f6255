// The command line of pixpopd.
#ifndef PIXPOPD_ARGUMENTS_H
#define PIXPOPD_ARGUMENTS_H

#include "settings/settings.h"

enum { ARGUMENTS_MAX_OVERRIDES = 64 };

enum arguments_action {
  ARGUMENTS_RUN,
  ARGUMENTS_HELP,
  ARGUMENTS_VERSION,
  ARGUMENTS_PRINT_CONFIG,
  ARGUMENTS_CHECK_CONFIG,
  ARGUMENTS_LIST_DEVICES,
  ARGUMENTS_NEW_LEDGER,
};

struct arguments {
  enum arguments_action action;
  const char *config_path;    // NULL: embedded defaults
  const char *starting_path;  // NULL: none
  size_t override_count;
  const char *overrides[ARGUMENTS_MAX_OVERRIDES];  // "section.key=value"
  char data_override[SETTINGS_MAX_TEXT + 16];
  char device_override[SETTINGS_MAX_TEXT + 16];
  char resampler_override[SETTINGS_MAX_TEXT + 32];
};

// BASE_BAD_INPUT for what is not understood.
enum base_result arguments_parse(int argc, char **argv, struct arguments *out, struct base_fault *fault) BASE_CHECKED;
// Defaults, then the file, then the overrides. Used at start and again on SIGHUP.
enum base_result arguments_load_settings(const struct arguments *arguments, struct settings *out,
                                         struct base_fault *fault) BASE_CHECKED;
void arguments_print_help(void);

#endif
