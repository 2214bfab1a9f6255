#include "confine.h"

#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "sandbox/protocol.h"

enum {
  // The standard three, the socket, two descriptors of a request, and a little room for the C library.
  MAX_OPEN_FILES = 16,
  // Threads of a decoder; only where they are counted apart from pixpopd's, which is in a user namespace.
  MAX_THREADS = 64,
  // Of free memory that a worker holds on to.
  KEPT_BYTES = 64 << 20,
};

static bool limit(int resource, rlim_t value) {
  struct rlimit both = {.rlim_cur = value, .rlim_max = value};
  return setrlimit((__rlimit_resource_t)resource, &both) == 0;
}

static bool set_limits(uint64_t memory_bytes, bool has_user_namespace) {
  if (!limit(RLIMIT_CORE, 0) || !limit(RLIMIT_NOFILE, MAX_OPEN_FILES)) return false;
  if (has_user_namespace && !limit(RLIMIT_NPROC, MAX_THREADS)) return false;
#ifndef DECODER_IS_SANITIZED
  if (!limit(RLIMIT_FSIZE, 0) || !limit(RLIMIT_MSGQUEUE, 0) || !limit(RLIMIT_MEMLOCK, 0)) return false;
#endif
  return memory_bytes == 0 || limit(RLIMIT_AS, memory_bytes);
}

// What a decoder prints goes nowhere: it could write lines into pixpopd's log. Sanitizers have to be heard.
static bool fall_silent(void) {
#ifdef DECODER_IS_SANITIZED
  return true;
#else
  return dup2(STDOUT_FILENO, STDERR_FILENO) == STDERR_FILENO;
#endif
}

// More arenas would have the C library look for the number of processors and the kernel's settings in files. And what a
// codec takes and gives back stays with the worker for the next picture: pages are dear when each is a fault.
static void settle_heap(void) {
  mallopt(M_ARENA_MAX, 1);
  mallopt(M_MMAP_THRESHOLD, KEPT_BYTES / 2);
  mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
}

bool confine(uint64_t memory_bytes, uint32_t uid, struct sandbox_isolation *out, const char **failed) {
  *out = (struct sandbox_isolation){0};
  *failed = "descriptors";
  if (close_range(SANDBOX_SOCKET_FD + 1, ~0u, 0) != 0 || !fall_silent()) return false;
  settle_heap();
  *failed = "no_new_privs";
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return false;
  *failed = "user";
  if (!confine_spaces(uid, out)) return false;
  // After the change of user, which resets both. It ends with the thread that started it; nobody may look into it or
  // take a core of it: it holds other people's pictures.
  *failed = "process";
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || prctl(PR_SET_DUMPABLE, 0) != 0) return false;
  *failed = "limits";
  if (!set_limits(memory_bytes, (out->parts & SANDBOX_USER_NAMESPACE) != 0)) return false;
  confine_landlock(out);
  return true;
}
