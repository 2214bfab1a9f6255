// The command line of pixpop-rescue.
#ifndef RESCUE_ARGUMENTS_H
#define RESCUE_ARGUMENTS_H

#include <stdint.h>

#include "lwip/ip_addr.h"
#include "network.h"
#include "slots/slots.h"
#include "update/bundle.h"

enum arguments_action { ARGUMENTS_RUN, ARGUMENTS_HELP, ARGUMENTS_VERSION };

struct arguments {
  enum arguments_action action;
  const char *host_name, *board, *keys, *bootenv, *state, *identity, *data, *format, *log, *running;
  const char *board_file;  // may not exist
  const char *watchdog;    // NULL: none
  bool is_after_failure;   // nobody asked for this system
  const char *devices[SLOTS_COUNT][UPDATE_PARTS];
  const char *interfaces[NETWORK_MAX_PORTS + 1];  // ends with NULL
  bool is_fixed;
  ip4_addr_t address, mask, gateway;
  uint64_t rearm_s;
};

enum base_result arguments_parse(int argc, char **argv, struct arguments *out, struct base_fault *fault) BASE_CHECKED;
void arguments_print_help(void);

#endif
