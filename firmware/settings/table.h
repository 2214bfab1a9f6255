// The table of settings: one row a key, with its type, place, default, range and meaning.
#ifndef SETTINGS_TABLE_H
#define SETTINGS_TABLE_H

#include <stddef.h>

#include "settings/settings.h"

enum settings_type {
  SETTINGS_TEXT,
  SETTINGS_NUMBER,
  SETTINGS_SIZE,
  SETTINGS_SWITCH,
  SETTINGS_CHOICE,
  SETTINGS_LISTEN,
  SETTINGS_WIDTHS,  // a text: "160,320,480"
  SETTINGS_URL,     // a text that may name the machine: "https://{host_name}.example"
};

struct settings_row {
  const char *section;
  const char *key;
  const char *name;  // "section.key"
  enum settings_type type;
  size_t offset;
  size_t capacity;            // of texts
  const char *fallback;       // the default, as it would be written in the file
  uint64_t minimum, maximum;  // of numbers; of texts only the least bytes, 0 or 1
  const char *choices;        // for SETTINGS_CHOICE: "text json"
  bool reloads;               // takes effect on SIGHUP
  const char *meaning;
};

extern const struct settings_row settings_rows[];
extern const size_t settings_row_count;

// NULL when there is no such key.
const struct settings_row *settings_row_find(struct base_span section, struct base_span key);
// Parses `value` into its place.
enum base_result settings_row_set(const struct settings_row *row, struct base_span value, struct settings *settings,
                                  struct base_fault *fault) BASE_CHECKED;

#endif
