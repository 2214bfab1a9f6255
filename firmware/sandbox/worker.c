#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "reply.h"

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
static int spawn(const char *path, uint64_t memory_bytes, int socket, pid_t *pid) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  char program[] = "decoder";
  char memory[24];
  char *arguments[] = {program, memory, NULL};
  char *environment[] = {NULL};
  snprintf(memory, sizeof memory, "%" PRIu64, memory_bytes);
  int error = posix_spawn_file_actions_init(&actions);
  if (error) return error;
  error = posix_spawnattr_init(&attributes);
  if (error) goto out;
  error = plan_descriptors(&actions, socket);
  if (!error) error = plan_signals(&attributes);
  if (!error) error = posix_spawn(pid, path, &actions, &attributes, arguments, environment);
  posix_spawnattr_destroy(&attributes);
out:
  posix_spawn_file_actions_destroy(&actions);
  return error;
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

static enum worker_outcome receive(const struct worker *worker, enum sandbox_operation operation, uint32_t timeout_ms,
                                   struct sandbox_reply *reply) {
  enum worker_outcome outcome = wait_until_readable(worker->socket, timeout_ms);
  if (outcome != WORKER_ANSWERED) return outcome;
  // MSG_TRUNC: the true length, also of a message that is too long. Descriptors sent to us are dropped by the kernel.
  ssize_t bytes = recv(worker->socket, reply, sizeof *reply, MSG_DONTWAIT | MSG_TRUNC);
  if (bytes <= 0) return WORKER_CRASHED;
  return sandbox_reply_is_sound(reply, (size_t)bytes, operation) ? WORKER_ANSWERED : WORKER_NONSENSE;
}

enum base_result sandbox_worker_start(struct worker *worker, const char *path, uint64_t memory_bytes,
                                      uint32_t timeout_ms, struct base_fault *fault) {
  int pair[2];
  struct sandbox_reply reply;
  *worker = (struct worker){.socket = -1};
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
    return BASE_FAIL_ERRNO(fault, "decoder", "no socket for a decoder");
  }
  int error = spawn(path, memory_bytes, pair[1], &worker->pid);
  base_fd_close(&pair[1]);
  if (error) {
    worker->pid = 0;
    base_fd_close(&pair[0]);
    errno = error;
    return BASE_FAIL_ERRNO(fault, "decoder", "%s can not be started", path);
  }
  worker->socket = pair[0];
  enum worker_outcome outcome = receive(worker, SANDBOX_READY, timeout_ms, &reply);
  if (outcome == WORKER_ANSWERED && reply.result == BASE_OK) return BASE_OK;
  sandbox_worker_end(worker);
  return BASE_FAIL(fault, BASE_IO, "decoder", "%s does not act like a decoder of this version", path);
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

enum worker_outcome sandbox_worker_ask(struct worker *worker, const struct sandbox_request *request,
                                       const int *descriptors, size_t count, uint32_t timeout_ms,
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
  // The socket is empty, so a request never blocks.
  ssize_t sent = sendmsg(worker->socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent != (ssize_t)sizeof copy) return WORKER_CRASHED;
  return receive(worker, (enum sandbox_operation)request->operation, timeout_ms, reply);
}
