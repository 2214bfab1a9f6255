#include "restart.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// "<process id> p5 p6 t7": the listeners of plain HTTP and TLS. The id keeps a copy of the variable from counting
// elsewhere.
static const char variable[] = "PIXPOP_LISTENERS";

enum { REHEARSAL_POLL_MS = 10, REHEARSAL_POLLS = 1000, LISTENER_CHARS = 12 };

extern char **environ;

enum base_result restart_init(struct restart *restart, char **argv, struct base_fault *fault) {
  restart->words = argv;
  const char *called = argv[0] ? argv[0] : "";
  if (called[0] == '/') {
    if (snprintf(restart->program, PATH_MAX, "%s", called) < PATH_MAX) return BASE_OK;
  } else if (strchr(called, '/')) {
    char here[PATH_MAX];
    if (getcwd(here, sizeof(here)) && snprintf(restart->program, PATH_MAX, "%s/%s", here, called) < PATH_MAX)
      return BASE_OK;
  } else {
    // Found by PATH.
    const ssize_t bytes = readlink("/proc/self/exe", restart->program, PATH_MAX - 1);
    if (bytes > 0) {
      restart->program[bytes] = '\0';
      return BASE_OK;
    }
  }
  return BASE_FAIL(fault, BASE_IO, "", "the place of this program is unknown");
}

// Waits for our own child, at most REHEARSAL_POLLS times REHEARSAL_POLL_MS.
static enum base_result wait_for(pid_t child, int *status, struct base_fault *fault) {
  for (int i = 0; i < REHEARSAL_POLLS; i++) {
    const pid_t ended = waitpid(child, status, WNOHANG);
    if (ended == child) return BASE_OK;
    if (ended < 0 && errno != EINTR) return BASE_FAIL_ERRNO(fault, "restart", "cannot wait for the new program");
    nanosleep(&(struct timespec){.tv_nsec = REHEARSAL_POLL_MS * 1000000L}, NULL);
  }
  kill(child, SIGKILL);
  waitpid(child, status, 0);
  return BASE_FAIL(fault, BASE_TIMEOUT, "restart", "the new program did not check its configuration in time");
}

enum base_result restart_rehearse(const struct restart *restart, struct base_fault *fault) {
  size_t count = 0;
  while (restart->words[count]) count++;
  char **words = calloc(count + 2, sizeof(*words));
  if (!words) return BASE_FAIL(fault, BASE_NO_MEMORY, "restart", "memory is short");
  char check[] = "--check-config";
  memcpy(words, restart->words, count * sizeof(*words));
  words[count] = check;

  posix_spawn_file_actions_t actions;
  pid_t child;
  int status = 0;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  const int error = posix_spawn(&child, restart->program, &actions, NULL, words, environ);
  posix_spawn_file_actions_destroy(&actions);
  free(words);
  if (error != 0)
    return BASE_FAIL(fault, BASE_IO, "restart", "cannot start %s: %s", restart->program, strerrordesc_np(error));
  const enum base_result result = wait_for(child, &status, fault);
  if (result != BASE_OK) return result;
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    return BASE_FAIL(fault, BASE_BAD_INPUT, "restart", "%s does not accept the configuration", restart->program);
  return BASE_OK;
}

static enum base_result inherit(struct base_buffer *text, char letter, const int *fds, unsigned count, bool is_kept) {
  enum base_result result = BASE_OK;
  for (unsigned i = 0; i < count && result == BASE_OK; i++) {
    if (fcntl(fds[i], F_SETFD, is_kept ? 0 : FD_CLOEXEC) != 0) return BASE_IO;
    if (text) result = base_buffer_printf(text, " %c%d", letter, fds[i]);
  }
  return result;
}

void restart_exec(const struct restart *restart, const struct delivery_handover *handover, struct base_fault *fault) {
  struct base_buffer text;
  base_buffer_init(&text, (2 * DELIVERY_MAX_HANDOVER + 2) * LISTENER_CHARS);
  enum base_result result = base_buffer_printf(&text, "%ld", (long)getpid());
  if (result == BASE_OK) result = inherit(&text, 'p', handover->plain, handover->plain_count, true);
  if (result == BASE_OK) result = inherit(&text, 't', handover->tls, handover->tls_count, true);
  if (result == BASE_OK) result = base_buffer_append(&text, "", 1);
  if (result == BASE_OK && setenv(variable, (const char *)text.data, 1) != 0) result = BASE_NO_MEMORY;
  base_buffer_finish(&text);
  if (result != BASE_OK) {
    (void)BASE_FAIL(fault, result, "restart", "the listeners can not be handed over");
  } else {
    execve(restart->program, restart->words, environ);
    (void)BASE_FAIL_ERRNO(fault, "restart", "cannot start %s", restart->program);
  }
  unsetenv(variable);
  (void)inherit(NULL, 'p', handover->plain, handover->plain_count, false);
  (void)inherit(NULL, 't', handover->tls, handover->tls_count, false);
}

static void take_listener(struct base_span word, struct delivery_handover *out) {
  uint64_t fd;
  if (word.bytes < 2 || !base_span_to_u64(base_span_slice(word, 1, word.bytes), &fd)) return;
  if (fd <= STDERR_FILENO || fd > INT_MAX || fcntl((int)fd, F_SETFD, FD_CLOEXEC) != 0) return;
  const bool is_tls = word.data[0] == 't';
  unsigned *count = is_tls ? &out->tls_count : &out->plain_count;
  if (*count < DELIVERY_MAX_HANDOVER) (is_tls ? out->tls : out->plain)[(*count)++] = (int)fd;
}

bool restart_take_handover(struct delivery_handover *out) {
  *out = (struct delivery_handover){0};
  char *value = getenv(variable);
  if (!value) return false;
  struct base_span rest = base_span_text(value);
  uint64_t process;
  if (base_span_to_u64(base_span_cut(&rest, ' '), &process) && process == (uint64_t)getpid()) {
    while (rest.data) take_listener(base_span_cut(&rest, ' '), out);
  }
  unsetenv(variable);
  return out->plain_count + out->tls_count > 0;
}
