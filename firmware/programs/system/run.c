#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/clock.h"
#include "base/file.h"

enum { MAX_GROUPS = 64, NO_PROGRAM = 127, POLL_MS = 200, PASSWD_BYTES = 4096 };

struct child {
  const struct run *run;
  pid_t pid;
  int process, output;  // descriptors
  char line[RUN_LINE_BYTES];
  size_t bytes;  // of it
};

// Between fork and exec: only what is safe there with other threads around.
static _Noreturn void become(const struct run *run, const gid_t *groups, int group_count, int output) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  signal(SIGPIPE, SIG_DFL);
  signal(SIGHUP, SIG_DFL);
  setpgid(0, 0);
  const int null = open("/dev/null", O_RDONLY);
  dup2(null, STDIN_FILENO);
  dup2(output, STDOUT_FILENO);
  dup2(output, STDERR_FILENO);
  if (run->is_other_user && geteuid() == 0 &&
      (setgroups((size_t)group_count, groups) != 0 || setgid(run->group) != 0 || setuid(run->user) != 0))
    _exit(NO_PROGRAM);
  if (run->is_other_user) prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  execve(run->words[0], (char *const *)(uintptr_t)run->words, environ);
  _exit(NO_PROGRAM);
}

static int find_groups(const struct run *run, gid_t groups[MAX_GROUPS]) {
  struct passwd entry, *user = NULL;
  char text[PASSWD_BYTES];
  int count = MAX_GROUPS;
  groups[0] = run->group;
  if (!run->is_other_user || getpwuid_r(run->user, &entry, text, sizeof(text), &user) != 0 || user == NULL ||
      getgrouplist(user->pw_name, run->group, groups, &count) < 0)
    return 1;
  return count;
}

static enum base_result start(struct child *child, struct base_fault *fault) {
  const char *name = child->run->words[0];
  gid_t groups[MAX_GROUPS];
  int ends[2];
  if (access(name, X_OK) != 0) return BASE_FAIL(fault, BASE_NOT_FOUND, "program", "there is no program %.200s", name);
  const int group_count = find_groups(child->run, groups);
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return BASE_FAIL_ERRNO(fault, "program", "no pipe to %.200s", name);
  child->pid = fork();
  if (child->pid == 0) {
    // The program is not to meet a pipe that does not wait.
    fcntl(ends[1], F_SETFL, O_WRONLY);
    become(child->run, groups, group_count, ends[1]);
  }
  child->output = ends[0];
  base_fd_close(&ends[1]);
  if (child->pid > 0) child->process = pidfd_open(child->pid, 0);
  if (child->pid > 0 && child->process >= 0) return BASE_OK;
  const enum base_result result = BASE_FAIL_ERRNO(fault, "program", "cannot start %.200s", name);
  if (child->pid > 0) {
    kill(child->pid, SIGKILL);
    waitpid(child->pid, NULL, 0);
  }
  return result;
}

// Some of what there is to read now; more than a line's worth is thrown away.
static void take_output(struct child *child) {
  char piece[4096];
  const ssize_t got = child->output >= 0 ? read(child->output, piece, sizeof(piece)) : -1;
  if (got == 0) base_fd_close(&child->output);
  if (got <= 0) return;
  const size_t count = (size_t)base_min_u64((uint64_t)got, sizeof(child->line) - 1 - child->bytes);
  memcpy(child->line + child->bytes, piece, count);
  child->bytes += count;
}

// Until the program itself ends: what it leaves running may keep its output open.
static enum base_result wait_for(struct child *child, struct base_fault *fault) {
  const uint64_t deadline_ms = base_clock_ms(base_clock_system()) + child->run->timeout_ms;
  for (;;) {
    const uint64_t now_ms = base_clock_ms(base_clock_system());
    struct pollfd polled[] = {{.fd = child->process, .events = POLLIN}, {.fd = child->output, .events = POLLIN}};
    if (child->run->is_stopping != NULL && atomic_load(child->run->is_stopping))
      return BASE_FAIL(fault, BASE_CANCELLED, "program", "this program is being stopped");
    if (now_ms >= deadline_ms)
      return BASE_FAIL(fault, BASE_TIMEOUT, "program", "%.200s did not end within %u s", child->run->words[0],
                       child->run->timeout_ms / 1000);
    poll(polled, 2, (int)base_min_u64(deadline_ms - now_ms, POLL_MS));
    take_output(child);
    if (polled[0].revents != 0) return BASE_OK;
  }
}

static void clean_line(struct child *child) {
  child->line[child->bytes] = '\0';
  child->line[strcspn(child->line, "\r\n")] = '\0';
  for (char *c = child->line; *c != '\0'; c++) {
    if ((unsigned char)*c < 0x20 || *c == 0x7f) *c = ' ';
  }
}

enum base_result run_program(const struct run *run, char *line, struct base_fault *fault) {
  struct child child = {.run = run, .process = -1, .output = -1};
  int status = 0;
  if (run->status != NULL) *run->status = -1;
  enum base_result result = start(&child, fault);
  if (result != BASE_OK) {
    base_fd_close(&child.output);
    return result;
  }
  result = wait_for(&child, fault);
  if (result != BASE_OK) {
    kill(-child.pid, SIGKILL);
    kill(child.pid, SIGKILL);
  }
  while (waitpid(child.pid, &status, 0) < 0 && errno == EINTR) continue;
  take_output(&child);
  base_fd_close(&child.output);
  base_fd_close(&child.process);
  clean_line(&child);
  if (line != NULL) strcpy(line, child.line);
  if (result == BASE_OK && run->status != NULL && WIFEXITED(status)) *run->status = WEXITSTATUS(status);
  if (result != BASE_OK || (WIFEXITED(status) && WEXITSTATUS(status) == 0)) return result;
  if (child.line[0] != '\0') return BASE_FAIL(fault, BASE_BAD_INPUT, "program", "%s", child.line);
  return BASE_FAIL(fault, BASE_BAD_INPUT, "program", "%.200s %s %d", run->words[0],
                   WIFSIGNALED(status) ? "was ended by signal" : "failed with status",
                   WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}
