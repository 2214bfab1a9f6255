// One decoder process and the socket to it. Used by one thread at a time.
#ifndef SANDBOX_WORKER_H
#define SANDBOX_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/result.h"
#include "sandbox/protocol.h"

struct worker {
  pid_t pid;       // 0: none
  int socket;      // -1: none
  uint32_t asked;  // requests so far
  bool can_raise;  // a hard limit of processor time may be raised again, which needs a privilege
  // Processor time and clock at the end of its last answer.
  uint64_t rest_cpu_ns, rest_begin_ms;
  uint64_t cpu_limit_s;  // soft limit of its processor time; 0: none yet
};

enum worker_outcome {
  WORKER_ANSWERED,
  WORKER_CRASHED,    // ended before it answered: a signal of its own making, or exit
  WORKER_TIMED_OUT,  // no answer in time though it computed, or all its processor time used
  WORKER_STARVED,  // no answer in time, and hardly any processor time got: the machine is overloaded, or it was stopped
  WORKER_FORBIDDEN,  // ended by seccomp: it called what it may not
  WORKER_KILLED,     // SIGKILL that was not ours: the kernel was out of memory, or somebody did it
  WORKER_NONSENSE,   // an answer that breaks the protocol, or a socket closed by a process that lives
};

// How workers are started; strings are borrowed.
struct worker_plan {
  const char *path;
  uint64_t memory_bytes;  // as sandbox_config has them
  uint32_t uid;
  uint32_t timeout_ms;   // for each answer
  uint32_t cpu_seconds;  // for each answer, of all its threads together
};

// Starts the program and waits until it says that it is ready and how far it is cut off. BASE_IO, BASE_NOT_FOUND; the
// worker then holds nothing.
enum base_result sandbox_worker_start(struct worker *worker, const struct worker_plan *plan,
                                      struct sandbox_isolation *out, struct base_fault *fault) BASE_CHECKED;
// Kills the process, reaps it and closes the socket; safe on a worker that holds nothing.
void sandbox_worker_end(struct worker *worker);
// False when the process went away while nobody was asking.
bool sandbox_worker_is_alive(const struct worker *worker);
// False when it has computed while nobody was asking: an honest one sleeps. What is held against it grows with the time
// since its last answer, so that the housekeeping of a sanitizer is not.
bool sandbox_worker_is_at_rest(const struct worker *worker);
// Sends the request with `count` borrowed descriptors and waits for a sound reply, which has sandbox_reply_bytes of the
// operation. After anything but WORKER_ANSWERED the worker is of no more use.
enum worker_outcome sandbox_worker_ask(struct worker *worker, const struct worker_plan *plan,
                                       const struct sandbox_request *request, const int *descriptors, size_t count,
                                       struct sandbox_reply *reply) BASE_CHECKED;

#endif
