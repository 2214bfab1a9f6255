// Factory reset: the data partition is to be empty at the next start.
#ifndef RESCUE_RESET_H
#define RESCUE_RESET_H

#include "base/result.h"

// Leaves the note DATA/system/factory-reset for the next start, which may find it more than once. Where that can not be
// done (`data` NULL, damaged, not mounted), runs `format` (or NULL), which makes the partition anew: at most some
// minutes.
enum base_result reset_ask(const char *data, const char *format, struct base_fault *fault) BASE_CHECKED;

#endif
