#include "reset.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"

extern char **environ;

enum { FED_MS = 15 * 60 * 1000, LOOK_MS = 50, PATH_BYTES = 512 };

// The path of a file in DATA/system. An empty mount point, which takes files too and loses them, has no such folder.
static enum base_result find_place(const char *data, const char *name, char out[PATH_BYTES], struct base_fault *fault) {
  struct stat about;
  int chars = snprintf(out, PATH_BYTES, "%s/system", data);
  if (chars < 0 || (size_t)chars + strlen(name) + 2 > PATH_BYTES)
    return BASE_FAIL(fault, BASE_TOO_LARGE, "data", "the path is too long");
  if (stat(out, &about) < 0) return BASE_FAIL_ERRNO(fault, "", "the data partition is not there");
  snprintf(out + chars, PATH_BYTES - (size_t)chars, "/%s", name);
  return BASE_OK;
}

static enum base_result leave_note(const char *data, struct base_fault *fault) {
  char path[PATH_BYTES];
  const enum base_result result = find_place(data, "factory-reset", path, fault);
  if (result != BASE_OK) return result;
  return base_file_replace_durably(path, base_span_text("asked for in the rescue system\n"), 0600, fault);
}

// The page waits for it, and the watchdog does for a while.
static enum base_result run_program(struct api *api, const char *program, struct base_fault *fault) {
  const uint64_t begin_ms = base_clock_ms(api->clock);
  char *const words[] = {(char *)(uintptr_t)program, NULL};
  pid_t child;
  int status = 0;
  int code = posix_spawn(&child, program, NULL, NULL, words, environ);
  if (code != 0) {
    errno = code;
    return BASE_FAIL_ERRNO(fault, "", "the program that makes the data partition anew can not be run");
  }
  for (pid_t ended = 0; ended != child;) {
    ended = waitpid(child, &status, WNOHANG);
    if (ended < 0 && errno != EINTR) return BASE_FAIL_ERRNO(fault, "", "waitpid");
    const uint64_t now_ms = base_clock_ms(api->clock);
    if (now_ms - begin_ms < FED_MS) base_watchdog_tend(&api->watchdog, now_ms);
    if (ended != child) usleep(LOOK_MS * 1000);
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    return BASE_FAIL(fault, BASE_IO, "", "the data partition could not be made anew");
  return BASE_OK;
}

enum base_result reset_ask(struct api *api, struct base_fault *fault) {
  const char *data = api->arguments->data, *format = api->arguments->format;
  struct base_fault why = {0};
  if (data != NULL && leave_note(data, &why) == BASE_OK) return BASE_OK;
  if (format != NULL) return run_program(api, format, fault);
  if (data == NULL)
    return BASE_FAIL(fault, BASE_UNPROCESSABLE, "data", "nobody told this program where the data partition is");
  return BASE_FAIL(fault, BASE_UNPROCESSABLE, "data", "%s", why.text);
}

enum base_result reset_forget_network(struct api *api, struct base_fault *fault) {
  const char *data = api->arguments->data;
  char path[PATH_BYTES];
  struct base_fault why = {0};
  if (data == NULL) return BASE_FAIL(fault, BASE_CONFLICT, "data", "the data partition is not there");
  if (find_place(data, "network.conf", path, &why) != BASE_OK)
    return BASE_FAIL(fault, BASE_CONFLICT, "data", "%s", why.text);
  if (unlink(path) != 0) {
    if (errno == ENOENT) return BASE_OK;
    return BASE_FAIL(fault, BASE_CONFLICT, "data", "the network settings can not be removed: %s", strerror(errno));
  }
  *strrchr(path, '/') = '\0';
  return base_folder_sync(path, fault);
}
