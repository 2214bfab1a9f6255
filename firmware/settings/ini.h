// The INI grammar: lines into sections and assignments, strictly.
#ifndef SETTINGS_INI_H
#define SETTINGS_INI_H

#include "base/span.h"

struct settings_ini_events {
  enum base_result (*section)(void *self, struct base_span name, struct base_fault *fault);
  enum base_result (*assignment)(void *self, struct base_span key, struct base_span value, struct base_fault *fault);
  void *self;
};

// Calls the events line by line; *line is the number of the line being read, for faults.
enum base_result settings_ini_parse(struct base_span text, const struct settings_ini_events *events, unsigned *line,
                                    struct base_fault *fault) BASE_CHECKED;

#endif
