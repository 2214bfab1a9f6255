// Factory reset: the data partition is to be empty at the next start.
#ifndef RESCUE_RESET_H
#define RESCUE_RESET_H

#include "api.h"

// Leaves the note DATA/system/factory-reset for the next start, which may find it more than once. Where that can not be
// done (no --data; damaged, not mounted), runs --format, which makes the partition anew: at most some minutes.
enum base_result reset_ask(struct api *api, struct base_fault *fault) BASE_CHECKED;

#endif
