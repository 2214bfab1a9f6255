#include "confine.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "sandbox/protocol.h"

// The standard three, the socket, two descriptors of a request, and a little room for the C library.
enum { MAX_OPEN_FILES = 16 };

static bool limit(int resource, rlim_t value) {
  struct rlimit both = {.rlim_cur = value, .rlim_max = value};
  return setrlimit((__rlimit_resource_t)resource, &both) == 0;
}

bool confine(uint64_t memory_bytes) {
  if (close_range(SANDBOX_SOCKET_FD + 1, ~0u, 0) != 0) return false;
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return false;
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return false;
  // Nobody may look into it or take a core of it: it holds other people's pictures.
  if (prctl(PR_SET_DUMPABLE, 0) != 0) return false;
  if (!limit(RLIMIT_CORE, 0) || !limit(RLIMIT_NOFILE, MAX_OPEN_FILES)) return false;
  return memory_bytes == 0 || limit(RLIMIT_AS, memory_bytes);
}
