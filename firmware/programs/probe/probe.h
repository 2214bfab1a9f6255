// The two things that pixpop-system wants to know of a running box.
#ifndef PROBE_PROBE_H
#define PROBE_PROBE_H

#include <stdbool.h>

#include "base/result.h"

enum { PROBE_LINE_BYTES = 256 };

// Does `url` answer 200? *is_starting: it does, and says that it is still starting (no fault). `ca`: for https: the
// server's own certificate (PEM), or one that signed it; NULL: the system's.
enum base_result probe_answer(const char *url, const char *ca, bool *is_starting,
                              struct base_fault *fault) BASE_CHECKED;
// Is a picture made smaller as it should be, on the Vulkan device or, without one, on the CPU? `line` says on which.
// BASE_CORRUPT: it has wrong pixels.
enum base_result probe_variant(char line[PROBE_LINE_BYTES], struct base_fault *fault) BASE_CHECKED;

#endif
