#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"

enum { MAX_GROUPS = 64, MAX_OUTPUT_BYTES = 256, NO_PROGRAM = 127, POLL_MS = 20 };

// Between fork and exec: only what is safe there with other threads around.
static _Noreturn void become(const struct run *run, const gid_t *groups, int group_count, int out) {
  static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
  static char *const environment[] = {path, NULL};
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  signal(SIGPIPE, SIG_DFL);
  setpgid(0, 0);
  const int null = open("/dev/null", O_RDONLY);
  dup2(null, STDIN_FILENO);
  dup2(out, STDOUT_FILENO);
  dup2(out, STDERR_FILENO);
  if (run->is_other_user && geteuid() == 0 &&
      (setgroups((size_t)group_count, groups) != 0 || setgid(run->group) != 0 || setuid(run->user) != 0))
    _exit(NO_PROGRAM);
  execve(run->words[0], (char *const *)(uintptr_t)run->words, environment);
  _exit(NO_PROGRAM);
}

// Its first line; reads until the end or the deadline.
static bool listen_to(int fd, uint64_t deadline_ms, char line[MAX_OUTPUT_BYTES]) {
  size_t bytes = 0;
  for (;;) {
    char piece[MAX_OUTPUT_BYTES];
    const uint64_t now_ms = base_clock_ms(base_clock_system());
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    if (now_ms >= deadline_ms) return false;
    if (poll(&polled, 1, (int)(deadline_ms - now_ms)) <= 0) continue;
    const ssize_t got = read(fd, piece, sizeof(piece));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    for (ssize_t i = 0; i < got && bytes + 1 < MAX_OUTPUT_BYTES; i++) line[bytes++] = piece[i];
  }
  line[bytes] = '\0';
  line[strcspn(line, "\n")] = '\0';
  return true;
}

static bool wait_for(pid_t child, uint64_t deadline_ms, int *status) {
  for (;;) {
    const pid_t ended = waitpid(child, status, WNOHANG);
    if (ended == child) return true;
    if (base_clock_ms(base_clock_system()) >= deadline_ms) break;
    poll(NULL, 0, POLL_MS);
  }
  kill(-child, SIGKILL);
  kill(child, SIGKILL);
  waitpid(child, status, 0);
  return false;
}

enum base_result run_program(const struct run *run, struct base_fault *fault) {
  const char *name = run->words[0];
  int ends[2], status = 0, group_count = MAX_GROUPS;
  gid_t groups[MAX_GROUPS] = {run->group};
  char line[MAX_OUTPUT_BYTES] = "";
  struct passwd entry, *user = NULL;
  char text[4096];
  if (access(name, X_OK) != 0) return BASE_FAIL(fault, BASE_NOT_FOUND, "program", "there is no program %.200s", name);
  if (!run->is_other_user || getpwuid_r(run->user, &entry, text, sizeof(text), &user) != 0 || user == NULL ||
      getgrouplist(user->pw_name, run->group, groups, &group_count) < 0)
    group_count = 1;
  if (pipe2(ends, O_CLOEXEC) != 0) return BASE_FAIL_ERRNO(fault, "program", "no pipe to %.200s", name);
  const uint64_t deadline_ms = base_clock_ms(base_clock_system()) + run->timeout_ms;
  const pid_t child = fork();
  if (child == 0) become(run, groups, group_count, ends[1]);
  base_fd_close(&ends[1]);
  if (child < 0) {
    base_fd_close(&ends[0]);
    return BASE_FAIL_ERRNO(fault, "program", "cannot start %.200s", name);
  }
  const bool is_silent = listen_to(ends[0], deadline_ms, line);
  base_fd_close(&ends[0]);
  if (!wait_for(child, deadline_ms, &status) || !is_silent)
    return BASE_FAIL(fault, BASE_TIMEOUT, "program", "%.200s did not end in time", name);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return BASE_OK;
  return BASE_FAIL(fault, BASE_BAD_INPUT, "program", "%s%s", line[0] != '\0' ? line : name,
                   line[0] != '\0' ? "" : " failed");
}
