// The command line of pixpop-system.
#ifndef SYSTEM_ARGUMENTS_H
#define SYSTEM_ARGUMENTS_H

#include <stdbool.h>

#include "base/result.h"

enum { ARGUMENTS_MAX_HEALTH = 4 };

struct arguments {
  bool wants_help, wants_version;
  const char *socket, *user;
  const char *board_file, *slot, *bootenv, *boot_a, *boot_b, *root_a, *root_b, *keys;
  const char *data;
  const char *health[ARGUMENTS_MAX_HEALTH];
  unsigned health_count;
  const char *health_ca, *probe, *network_program, *watchdog, *starting_file, *reboot_program, *poweroff_program;
  unsigned probe_timeout_ms, every_ms, gate_ms, patience_ms, grace_ms;
};

enum base_result arguments_parse(int argc, char **argv, struct arguments *out, struct base_fault *fault) BASE_CHECKED;
void arguments_print_help(void);

#endif
