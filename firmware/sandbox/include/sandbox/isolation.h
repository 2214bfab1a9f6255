// How far a decoder process is cut off from the machine: what it says of itself before it has read anything.
//
// Filled by the program `decoder`, shown by `pixpopd`. Only seccomp is demanded (sandbox_config.require_isolation): the
// rest depends on the kernel, on its settings and on who started the box, and each part stands on its own.
#ifndef SANDBOX_ISOLATION_H
#define SANDBOX_ISOLATION_H

#include <stddef.h>
#include <stdint.h>

#include "base/json.h"

// Bits of sandbox_isolation.parts.
enum sandbox_isolation_part {
  SANDBOX_SECCOMP = 1 << 0,          // only the system calls of its list; any other ends it
  SANDBOX_LANDLOCK = 1 << 1,         // no file and no TCP port by Landlock, which can not be taken off
  SANDBOX_USER_NAMESPACE = 1 << 2,   // a user namespace of its own, in which nobody is mapped
  SANDBOX_NAMESPACES = 1 << 3,       // a network without interfaces, and mounts, IPC and host name of its own
  SANDBOX_EMPTY_ROOT = 1 << 4,       // its root folder is empty and can not be written to
  SANDBOX_OWN_USER = 1 << 5,         // not the user that pixpopd runs as
  SANDBOX_NO_CAPABILITIES = 1 << 6,  // none, and none to be had
};
enum { SANDBOX_ISOLATION_PARTS = 7, SANDBOX_ISOLATION_TEXT_BYTES = 160 };

struct sandbox_isolation {
  uint32_t parts;
  uint32_t landlock_abi;  // 0: none
  uint32_t uid;           // seen from outside
};

// "seccomp, landlock 7, user namespace, ..." for people; terminated.
void sandbox_isolation_text(const struct sandbox_isolation *isolation, char out[SANDBOX_ISOLATION_TEXT_BYTES]);
// One object: {"seccomp": true, "landlock_abi": 7, "user_namespace": true, ...}.
void sandbox_isolation_write(struct base_json_writer *json, const char *key, const struct sandbox_isolation *isolation);

#endif
