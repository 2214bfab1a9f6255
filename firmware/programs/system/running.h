// The slot that runs.
#ifndef SYSTEM_RUNNING_H
#define SYSTEM_RUNNING_H

#include "slots/slots.h"

// The slot of a name, or, for NULL, of the kernel's arguments.
enum base_result running_find(const char *name, enum slots_id *out, struct base_fault *fault) BASE_CHECKED;

#endif
