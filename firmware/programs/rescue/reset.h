// Factory reset: the data partition is to be empty at the next start; or only the network settings are forgotten.
#ifndef RESCUE_RESET_H
#define RESCUE_RESET_H

#include "api.h"

// Leaves the note DATA/system/factory-reset for the next start, which may find it more than once. Where that can not be
// done (no --data; damaged, not mounted), runs --format, which makes the partition anew: at most some minutes.
enum base_result reset_ask(struct api *api, struct base_fault *fault) BASE_CHECKED;
// Removes DATA/system/network.conf, durably; one that is not there is fine. BASE_CONFLICT where there is no data
// partition (no --data; not mounted) or it can not be written.
enum base_result reset_forget_network(struct api *api, struct base_fault *fault) BASE_CHECKED;

#endif
