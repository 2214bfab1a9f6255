// The system below pixpopd on a box that is an appliance (slots, updates, restarts), as `update` and `slots` reach it:
// through the console's API, or on the box itself through the system program's socket.
#ifndef PIXPOP_APPLIANCE_H
#define PIXPOP_APPLIANCE_H

#include "base/json.h"
#include "remote.h"

enum { APPLIANCE_MAX_NAME = 64 };

struct appliance {
  const struct options *options;
  const char *socket;  // NULL: through the API
  struct remote remote;
  struct client_response response;  // of the API's last answer
  struct base_json *json;           // the last answer
  struct base_buffer text;          // of it, as it came
};

enum appliance_order { APPLIANCE_CHOOSE_A, APPLIANCE_CHOOSE_B, APPLIANCE_RESCUE, APPLIANCE_REBOOT };

// What matters of a status.
struct appliance_state {
  char running[APPLIANCE_MAX_NAME];  // slot
  char version[APPLIANCE_MAX_NAME];  // that runs
  char next[APPLIANCE_MAX_NAME];     // slot, or "rescue"
  char boot[APPLIANCE_MAX_NAME];     // another one after each boot; empty: the box does not say
  char health[APPLIANCE_MAX_NAME];
};

// Without --console and with somebody who answers at the socket: that; else the console. An exit status; close always.
int appliance_open(const struct options *options, struct appliance *out);
void appliance_close(struct appliance *appliance);

// Asks for the status and leaves it in `json` and `text`. Says nothing when it fails.
enum base_result appliance_ask(struct appliance *appliance, struct base_fault *fault) BASE_CHECKED;
void appliance_get_state(const struct appliance *appliance, struct appliance_state *out);
// A slot's member ("version", "mark") in the last status; "-" when it is not there. Borrowed.
const char *appliance_slot_text(const struct appliance *appliance, const char *slot, const char *key);
// Gives an order; says what failed.
int appliance_tell(struct appliance *appliance, enum appliance_order order);
// Says what the last answer or `fault` complains of. EXIT_FAILED or EXIT_USAGE.
int appliance_complain(const struct appliance *appliance, const char *about, const struct base_fault *fault);

// Restarts the box and, when it is another one than this machine, waits until it is back and healthy.
int appliance_restart(struct appliance *appliance);

#endif
