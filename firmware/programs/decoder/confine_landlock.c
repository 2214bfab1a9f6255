#include <sys/syscall.h>
#include <unistd.h>

#include "confine.h"

// By number and by layout: headers and C libraries are older than the kernels that have it (linux/landlock.h).
enum { CREATE_RULESET = 444, RESTRICT_SELF = 446, CREATE_RULESET_VERSION = 1 };

struct ruleset {
  uint64_t files, network, scoped;
};

// Every right that this kernel knows, handled and granted to nothing. By ABI
// (Documentation/userspace-api/landlock.rst): 1 files, 2 links and renames, 3 truncation, 4 TCP, 5 device ioctls, 6
// abstract sockets and signals.
static struct ruleset everything(long abi, size_t *bytes) {
  const struct ruleset all = {
      .files = abi >= 5   ? 0xffff
               : abi >= 3 ? 0x7fff
               : abi >= 2 ? 0x3fff
                          : 0x1fff,
      .network = abi >= 4 ? 3 : 0,
      .scoped = abi >= 6 ? 3 : 0,
  };
  *bytes = abi >= 6 ? sizeof all : abi >= 4 ? 2 * sizeof all.files : sizeof all.files;
  return all;
}

void confine_landlock(struct sandbox_isolation *out) {
  size_t bytes;
  const long abi = syscall(CREATE_RULESET, NULL, 0, CREATE_RULESET_VERSION);
  if (abi < 1) return;
  const struct ruleset all = everything(abi, &bytes);
  const long ruleset = syscall(CREATE_RULESET, &all, bytes, 0);
  if (ruleset < 0) return;
  if (syscall(RESTRICT_SELF, (int)ruleset, 0) == 0) {
    out->parts |= SANDBOX_LANDLOCK;
    out->landlock_abi = (uint32_t)abi;
  }
  close((int)ruleset);
}
