// The box: every room, built in written order and taken down in reverse.
#ifndef PIXPOPD_BOX_H
#define PIXPOPD_BOX_H

#include "settings/settings.h"
#include "arguments.h"

struct box;

// Builds everything and starts to serve. Prints the addresses, the device and, at the first start, the token to stdout.
enum base_result box_start(const struct settings *settings, struct box **out, struct base_fault *fault) BASE_CHECKED;
// Drains and takes everything down.
void box_stop(struct box **box);
// SIGHUP: takes over what can change while running and logs what needs a restart. On a fault everything stays as it
// was.
void box_reload(struct box *box, const struct arguments *arguments);

#endif
