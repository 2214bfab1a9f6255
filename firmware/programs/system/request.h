// A request line of the agent (update/agent.h).
#ifndef SYSTEM_REQUEST_H
#define SYSTEM_REQUEST_H

#include "base/span.h"
#include "slots/slots.h"
#include "update/agent.h"

enum request_do {
  REQUEST_STATUS,
  REQUEST_INSTALL,
  REQUEST_CHOOSE,
  REQUEST_REBOOT,
  REQUEST_POWEROFF,
  REQUEST_RESCUE,
  REQUEST_FACTORY_RESET,
  REQUEST_NETWORK,
  REQUEST_COUNT
};

struct request {
  enum request_do what;
  bool allows_older;
  enum slots_id slot;
  bool has_text;
  char text[UPDATE_AGENT_MAX_LINE];
};

// `line` without its '\n'. BASE_BAD_INPUT for all that is not exactly one of the requests: unknown, missing, repeated
// or wrong members too, and a network text with control characters other than '\n' and tabs.
enum base_result request_parse(struct base_span line, struct request *out, struct base_fault *fault) BASE_CHECKED;
const char *request_name(enum request_do what);

#endif
