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
  pid_t pid;   // 0: none
  int socket;  // -1: none
};

enum worker_outcome {
  WORKER_ANSWERED,
  WORKER_CRASHED,    // the socket closed before an answer
  WORKER_TIMED_OUT,  // no answer in time
  WORKER_NONSENSE,   // an answer that breaks the protocol
};

// Starts `path` and waits until it says that it is ready. BASE_IO, BASE_NOT_FOUND; the worker then holds nothing.
enum base_result sandbox_worker_start(struct worker *worker, const char *path, uint64_t memory_bytes,
                                      uint32_t timeout_ms, struct base_fault *fault) BASE_CHECKED;
// Kills the process, reaps it and closes the socket; safe on a worker that holds nothing.
void sandbox_worker_end(struct worker *worker);
// False when the process went away while nobody was asking.
bool sandbox_worker_is_alive(const struct worker *worker);
// Sends the request with `count` borrowed descriptors and waits for a sound reply. After anything but
// WORKER_ANSWERED the worker is of no more use.
enum worker_outcome sandbox_worker_ask(struct worker *worker, const struct sandbox_request *request,
                                       const int *descriptors, size_t count, uint32_t timeout_ms,
                                       struct sandbox_reply *reply) BASE_CHECKED;

#endif
