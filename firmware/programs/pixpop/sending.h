// An update bundle on its way to an appliance, and how far it is.
#ifndef PIXPOP_SENDING_H
#define PIXPOP_SENDING_H

#include "appliance.h"

struct sending {
  // Set by the caller, the rest zero.
  struct appliance *appliance;
  const char *path;  // for people
  int fd;
  uint64_t bytes;

  // What came of it.
  char version[APPLIANCE_MAX_NAME];
  char slot[APPLIANCE_MAX_NAME];
};

// Sends all of it and waits until it is installed; shows a bar on a terminal, else a line a step. An exit status; what
// failed is said.
int sending_by_socket(struct sending *sending);
int sending_by_api(struct sending *sending);

#endif
