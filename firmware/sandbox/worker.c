#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "reply.h"

// How long a process may take to be ready, and to end once its socket is closed; far longer than it takes.
enum { START_MS = 30000, END_MS = 5000 };

enum {
  NS_PER_MS = 1000000,
  // A worker that got less than this part of the time it had was not served by the machine: what it was asked is not to
  // blame.
  LEAST_CPU_PART = 10,
  // What an idle worker may use: on the way from its answer to its sleep, and of each further time.
  REST_CPU_MS = 10,
  REST_CPU_PART = 100,
  // Between the soft limit of processor time, which tells its reason, and the hard one, which nothing withstands.
  HARD_LIMIT_SPARE_S = 1,
};

// A hard limit that nobody reaches (272 years); its nanoseconds still fit the kernel's 64 bits.
#define FAR_LIMIT_S ((rlim_t)1 << 33)

// The child sees /dev/null, our standard error and its socket, nothing else.
static int plan_descriptors(posix_spawn_file_actions_t *actions, int socket) {
  // The socket first: it may itself be one of the standard three.
  int error = posix_spawn_file_actions_adddup2(actions, socket, SANDBOX_SOCKET_FD);
  if (!error) error = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  if (!error) error = posix_spawn_file_actions_addopen(actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  if (!error) error = posix_spawn_file_actions_addclosefrom_np(actions, SANDBOX_SOCKET_FD + 1);
  return error;
}

// Default signals, none blocked, and a process group of its own, so that Ctrl-C at a terminal reaches us first.
static int plan_signals(posix_spawnattr_t *attributes) {
  sigset_t all, none;
  sigfillset(&all);
  sigemptyset(&none);
  int error = posix_spawnattr_setsigdefault(attributes, &all);
  if (!error) error = posix_spawnattr_setsigmask(attributes, &none);
  if (!error) error = posix_spawnattr_setpgroup(attributes, 0);
  if (!error) {
    error =
        posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
  }
  return error;
}

// 0 or an errno. The environment is empty: a decoder has nothing to be told that way.
static int spawn(const struct worker_plan *plan, int socket, pid_t *pid) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  char program[] = "decoder";
  char memory[24], uid[12];
  char *arguments[] = {program, memory, uid, NULL};
  char *environment[] = {NULL};
  snprintf(memory, sizeof memory, "%" PRIu64, plan->memory_bytes);
  snprintf(uid, sizeof uid, "%" PRIu32, plan->uid);
  int error = posix_spawn_file_actions_init(&actions);
  if (error) return error;
  error = posix_spawnattr_init(&attributes);
  if (error) goto out;
  error = plan_descriptors(&actions, socket);
  if (!error) error = plan_signals(&attributes);
  if (!error) error = posix_spawn(pid, plan->path, &actions, &attributes, arguments, environment);
  posix_spawnattr_destroy(&attributes);
out:
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

// Processor time of all its threads so far; 0 when it can not be told.
static uint64_t cpu_ns_of(const struct worker *worker) {
  clockid_t clock;
  struct timespec used;
  if (clock_getcpuclockid(worker->pid, &clock) != 0 || clock_gettime(clock, &used) != 0) return 0;
  return (uint64_t)used.tv_sec * 1000 * NS_PER_MS + (uint64_t)used.tv_nsec;
}

static enum worker_outcome wait_until_readable(int socket, uint32_t timeout_ms) {
  const struct base_clock *clock = base_clock_system();
  uint64_t start_ms = base_clock_ms(clock);
  for (;;) {
    uint64_t elapsed_ms = base_clock_ms(clock) - start_ms;
    if (elapsed_ms > timeout_ms) return WORKER_TIMED_OUT;
    struct pollfd poll_fd = {.fd = socket, .events = POLLIN};
    int ready = poll(&poll_fd, 1, (int)(timeout_ms - elapsed_ms));
    if (ready > 0) return WORKER_ANSWERED;
    if (ready == 0) return WORKER_TIMED_OUT;
    if (errno != EINTR) return WORKER_CRASHED;
  }
}

static bool has_used_all(const struct worker *worker, const struct rusage *usage) {
  const uint64_t used_s = (uint64_t)usage->ru_utime.tv_sec + (uint64_t)usage->ru_stime.tv_sec;
  const uint64_t used_us = (uint64_t)usage->ru_utime.tv_usec + (uint64_t)usage->ru_stime.tv_usec;
  return worker->cpu_limit_s > 0 && used_s + used_us / 1000000 >= worker->cpu_limit_s;
}

// Why a process whose socket has closed ended; it is reaped. Its socket closes a moment before its end is known.
static enum worker_outcome learn_end(struct worker *worker) {
  int status, process = pidfd_open(worker->pid, 0);
  struct pollfd poll_fd = {.fd = process, .events = POLLIN};
  struct rusage usage;
  const bool has_ended = process >= 0 && poll(&poll_fd, 1, END_MS) == 1;
  base_fd_close(&process);
  if (!has_ended || wait4(worker->pid, &status, WNOHANG, &usage) != worker->pid) return WORKER_NONSENSE;
  worker->pid = 0;
  if (!WIFSIGNALED(status)) return WORKER_CRASHED;
  switch (WTERMSIG(status)) {
    case SIGSYS:
      return WORKER_FORBIDDEN;
    case SIGKILL:
      // The hard limit kills too, where SIGXCPU was withstood.
      return has_used_all(worker, &usage) ? WORKER_TIMED_OUT : WORKER_KILLED;
    case SIGXCPU:
      return WORKER_TIMED_OUT;
    default:
      return WORKER_CRASHED;
  }
}

static enum worker_outcome receive(struct worker *worker, enum sandbox_operation operation, uint32_t timeout_ms,
                                   struct sandbox_reply *reply) {
  enum worker_outcome outcome = wait_until_readable(worker->socket, timeout_ms);
  if (outcome == WORKER_CRASHED) return learn_end(worker);
  if (outcome != WORKER_ANSWERED) return outcome;
  // MSG_TRUNC: the true length, also of a message that is too long. Descriptors sent to us are dropped by the kernel.
  ssize_t bytes = recv(worker->socket, reply, sandbox_reply_bytes(operation), MSG_DONTWAIT | MSG_TRUNC);
  if (bytes <= 0) return learn_end(worker);
  return sandbox_reply_is_sound(reply, (size_t)bytes, operation) ? WORKER_ANSWERED : WORKER_NONSENSE;
}

// A worker that has another user must still be ours to end: kill and the limits need capabilities then.
static enum base_result check_grip(const struct worker *worker, const struct worker_plan *plan,
                                   struct base_fault *fault) {
  if (kill(worker->pid, 0) == 0) return BASE_OK;
  return BASE_FAIL(fault, BASE_IO, "decoder.uid", "a decoder that runs as user %u can not be ended by this process",
                   plan->uid);
}

// Whether a hard limit that was lowered can be raised again (CAP_SYS_RESOURCE, not that of a user namespace). Tried on
// one that is never reached.
static void learn_privilege(struct worker *worker) {
  const struct rlimit low = {.rlim_cur = FAR_LIMIT_S - 1, .rlim_max = FAR_LIMIT_S - 1};
  const struct rlimit high = {.rlim_cur = FAR_LIMIT_S, .rlim_max = FAR_LIMIT_S};
  worker->can_raise =
      prlimit(worker->pid, RLIMIT_CPU, &low, NULL) == 0 && prlimit(worker->pid, RLIMIT_CPU, &high, NULL) == 0;
}

static void begin_rest(struct worker *worker) {
  worker->rest_cpu_ns = cpu_ns_of(worker);
  worker->rest_begin_ms = base_clock_ms(base_clock_system());
}

static enum base_result await_ready(struct worker *worker, const struct worker_plan *plan,
                                    struct sandbox_isolation *out, struct base_fault *fault) {
  struct sandbox_reply reply;
  enum worker_outcome outcome = receive(worker, SANDBOX_READY, START_MS, &reply);
  if (outcome != WORKER_ANSWERED) {
    return BASE_FAIL(fault, BASE_IO, "decoder", "%s does not act like a decoder of this version", plan->path);
  }
  if (reply.result != BASE_OK) {
    return BASE_FAIL(fault, BASE_IO, "decoder", "%s can not give up its rights: %s", plan->path, reply.text);
  }
  *out = reply.isolation;
  learn_privilege(worker);
  begin_rest(worker);
  return check_grip(worker, plan, fault);
}

enum base_result sandbox_worker_start(struct worker *worker, const struct worker_plan *plan,
                                      struct sandbox_isolation *out, struct base_fault *fault) {
  int pair[2];
  *worker = (struct worker){.socket = -1};
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
    return BASE_FAIL_ERRNO(fault, "decoder", "no socket for a decoder");
  }
  int error = spawn(plan, pair[1], &worker->pid);
  base_fd_close(&pair[1]);
  if (error) {
    worker->pid = 0;
    base_fd_close(&pair[0]);
    errno = error;
    return BASE_FAIL_ERRNO(fault, "decoder", "%s can not be started", plan->path);
  }
  worker->socket = pair[0];
  enum base_result result = await_ready(worker, plan, out, fault);
  if (result != BASE_OK) sandbox_worker_end(worker);
  return result;
}

void sandbox_worker_end(struct worker *worker) {
  base_fd_close(&worker->socket);
  if (worker->pid <= 0) return;
  kill(worker->pid, SIGKILL);
  while (waitpid(worker->pid, NULL, 0) < 0 && errno == EINTR) continue;
  worker->pid = 0;
}

bool sandbox_worker_is_alive(const struct worker *worker) {
  struct pollfd poll_fd = {.fd = worker->socket, .events = POLLIN};
  // An idle worker has nothing to say: neither words nor silence for ever.
  return poll(&poll_fd, 1, 0) == 0;
}

bool sandbox_worker_is_at_rest(const struct worker *worker) {
  const uint64_t now_ns = cpu_ns_of(worker), rested_ms = base_clock_ms(base_clock_system()) - worker->rest_begin_ms;
  return now_ns <= worker->rest_cpu_ns + (REST_CPU_MS + rested_ms / REST_CPU_PART) * NS_PER_MS;
}

// Processor time for one more answer, on top of what it has used. A worker can not raise it: the call is not on its
// list. The soft limit's signal can be blocked, though not ignored (confine_calls.c); the hard limit is final, but set
// only where we may raise it the next time. Without that privilege, and without any limit where the worker has another
// user than we have, the time-out and the look at idle workers are what ends it.
static void allow_cpu(struct worker *worker, uint64_t used_ns, uint32_t seconds) {
  worker->cpu_limit_s = used_ns / NS_PER_MS / 1000 + seconds;
  struct rlimit limit = {.rlim_cur = worker->cpu_limit_s, .rlim_max = FAR_LIMIT_S};
  if (worker->can_raise) {
    limit.rlim_max = worker->cpu_limit_s + HARD_LIMIT_SPARE_S;
  } else if (prlimit(worker->pid, RLIMIT_CPU, NULL, &limit) == 0) {
    limit.rlim_cur = worker->cpu_limit_s;
  }
  prlimit(worker->pid, RLIMIT_CPU, &limit, NULL);
}

// Of one that has not answered in time.
static enum worker_outcome judge_silence(const struct worker *worker, uint64_t start_cpu_ns, uint32_t timeout_ms) {
  const uint64_t used_ms = (cpu_ns_of(worker) - start_cpu_ns) / NS_PER_MS;
  return used_ms < timeout_ms / LEAST_CPU_PART ? WORKER_STARVED : WORKER_TIMED_OUT;
}

enum worker_outcome sandbox_worker_ask(struct worker *worker, const struct worker_plan *plan,
                                       const struct sandbox_request *request, const int *descriptors, size_t count,
                                       struct sandbox_reply *reply) {
  BASE_ASSERT(count >= 1 && count <= SANDBOX_MAX_DESCRIPTORS);
  struct sandbox_request copy = *request;
  struct iovec part = {.iov_base = &copy, .iov_len = sizeof copy};
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(SANDBOX_MAX_DESCRIPTORS * sizeof(int))];
  } control = {0};
  struct msghdr message = {.msg_iov = &part,
                           .msg_iovlen = 1,
                           .msg_control = control.bytes,
                           .msg_controllen = CMSG_SPACE(count * sizeof(int))};
  struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(count * sizeof(int));
  memcpy(CMSG_DATA(rights), descriptors, count * sizeof(int));
  worker->asked++;
  const uint64_t start_cpu_ns = cpu_ns_of(worker);
  allow_cpu(worker, start_cpu_ns, plan->cpu_seconds);
  // The socket is empty, so a request never blocks.
  ssize_t sent = sendmsg(worker->socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent != (ssize_t)sizeof copy) return learn_end(worker);
  const enum worker_outcome outcome =
      receive(worker, (enum sandbox_operation)request->operation, plan->timeout_ms, reply);
  if (outcome == WORKER_ANSWERED) begin_rest(worker);
  // A limit of processor time that was reached ends the process: then its socket has closed, and no time has run out.
  return outcome == WORKER_TIMED_OUT && worker->pid > 0 ? judge_silence(worker, start_cpu_ns, plan->timeout_ms)
                                                        : outcome;
}
