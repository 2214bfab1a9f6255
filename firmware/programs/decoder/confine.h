// Giving up what a decoder does not need, before the first byte of a picture is read.
//
// Each step stands on its own and says whether it was taken: kernels, containers and settings differ. Nothing can be
// loaded or looked up lazily from here on: an open fails.
#ifndef DECODER_CONFINE_H
#define DECODER_CONFINE_H

#include <stdbool.h>
#include <stdint.h>

#include "sandbox/isolation.h"

// Descriptors, user, namespaces, capabilities, limits, Landlock. `memory_bytes`: address space limit, 0 for none.
// `uid`: the user (and group) to become when started by root. False when something that every machine can give up could
// not be: `*failed` names it, errno says why.
bool confine(uint64_t memory_bytes, uint32_t uid, struct sandbox_isolation *out, const char **failed);
// confine_calls.c: system calls; the last step, since it takes away what the others need.
void confine_calls(struct sandbox_isolation *out);

// Steps of confine; each adds the parts it reached. confine_spaces.c: root's namespaces, while it is root; the change
// of user (false: root could not be given up); namespaces by way of a user namespace; all capabilities.
bool confine_spaces(uint32_t uid, struct sandbox_isolation *out);
void confine_landlock(struct sandbox_isolation *out);  // confine_landlock.c

#endif
