#include "installing.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { READ_BYTES = 256 << 10, SILENCE_MS = 60000, POLL_MS = 200, PROGRESS_EVERY_MS = 200, LINGER_MS = 2000 };

struct installing {
  struct system *system;
  int fd;
  struct update_install *install;
  uint8_t *bytes;  // READ_BYTES
  uint64_t told_ms;
  enum update_phase told_phase;
};

static void tell(struct installing *installing, const struct update_progress *progress) {
  struct reply reply;
  const uint64_t now_ms = base_clock_ms(base_clock_system());
  const bool is_new = installing->told_ms == 0 || installing->told_phase != progress->phase;
  if (!is_new && now_ms - installing->told_ms < PROGRESS_EVERY_MS) return;
  if (progress->phase == UPDATE_DONE || progress->phase == UPDATE_FAILED) return;
  installing->told_ms = now_ms;
  installing->told_phase = progress->phase;
  reply_begin(&reply);
  base_json_string(&reply.json, "phase", update_phase_name(progress->phase));
  base_json_integer(&reply.json, "done", (int64_t)progress->done);
  base_json_integer(&reply.json, "total", (int64_t)progress->total);
  reply_end(&reply);
  // A line that does not fit is lost; never a part of it: a Unix socket takes so little whole or not at all.
  (void)reply_send(&reply, installing->fd, 0);
  reply_finish(&reply);
}

static void note(void *self, const struct update_progress *progress) {
  struct installing *installing = self;
  pthread_mutex_lock(&installing->system->lock);
  installing->system->has_update = true;
  installing->system->progress = *progress;
  pthread_mutex_unlock(&installing->system->lock);
  tell(installing, progress);
}

static enum base_result check_stop(const struct installing *installing, struct base_fault *fault) {
  if (!atomic_load(&installing->system->is_stopping)) return BASE_OK;
  return BASE_FAIL(fault, BASE_CANCELLED, "system", "the system program is being stopped");
}

// Some bytes; none at the end of the stream.
static enum base_result receive(const struct installing *installing, size_t *got, struct base_fault *fault) {
  struct pollfd polled = {.fd = installing->fd, .events = POLLIN};
  for (unsigned silent_ms = 0; silent_ms < SILENCE_MS; silent_ms += POLL_MS) {
    const enum base_result result = check_stop(installing, fault);
    if (result != BASE_OK) return result;
    if (poll(&polled, 1, POLL_MS) <= 0) continue;
    const ssize_t bytes = recv(installing->fd, installing->bytes, READ_BYTES, MSG_DONTWAIT);
    if (bytes < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (bytes < 0) return BASE_FAIL_ERRNO(fault, "socket", "cannot read the update bundle");
    return *got = (size_t)bytes, BASE_OK;
  }
  return BASE_FAIL(fault, BASE_TIMEOUT, "socket", "no more of the update bundle came for %d s", SILENCE_MS / 1000);
}

static enum base_result stream(const struct installing *installing, struct base_span body, struct base_fault *fault) {
  enum base_result result = update_install_write(installing->install, body, fault);
  while (result == BASE_OK) {
    size_t got = 0;
    result = receive(installing, &got, fault);
    if (result != BASE_OK) return result;
    if (got == 0) return update_install_end(installing->install, fault);
    result = update_install_write(installing->install, base_span_of(installing->bytes, got), fault);
  }
  return result;
}

static enum base_result install(struct installing *installing, const struct update_config *config,
                                struct base_span body, struct base_fault *fault) {
  bool is_done = false;
  enum base_result result = update_install_begin(config, &installing->install, fault);
  if (result == BASE_OK) result = stream(installing, body, fault);
  while (result == BASE_OK && !is_done) {
    result = check_stop(installing, fault);
    if (result == BASE_OK) result = update_install_check(installing->install, &is_done, fault);
  }
  return result;
}

static enum base_result check_health(struct system *system, struct base_fault *fault) {
  pthread_mutex_lock(&system->lock);
  const bool has_passed = system->has_passed;
  char text[BASE_FAULT_TEXT_BYTES];
  strcpy(text, system->health_text);
  pthread_mutex_unlock(&system->lock);
  if (has_passed) return BASE_OK;
  return BASE_FAIL(fault, BASE_CONFLICT, "health",
                   "what runs has not passed its health check yet (%.200s): the other slot may be the last that works",
                   text);
}

// What the status says of how it ended, however far it came.
static void remember(struct system *system, enum base_result result, const struct base_fault *fault) {
  pthread_mutex_lock(&system->lock);
  if (result != BASE_OK) {
    system->progress.phase = UPDATE_FAILED;
    system->has_update = true;
  }
  snprintf(system->failure, sizeof(system->failure), "%s", result == BASE_OK ? "" : fault->text);
  pthread_mutex_unlock(&system->lock);
}

enum base_result installing_run(struct system *system, int fd, bool allows_older, struct base_span body,
                                struct reply *reply, struct base_fault *fault) {
  const struct arguments *arguments = system->arguments;
  const enum slots_id target = slots_other(system->running);
  struct installing installing = {.system = system, .fd = fd};
  struct update_keys *keys = NULL;
  enum base_result result = check_health(system, fault);
  if (result != BASE_OK) return result;
  installing.bytes = malloc(READ_BYTES);
  if (installing.bytes == NULL) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory to install an update");
  result = update_keys_load(arguments->keys, &keys, fault);
  const struct update_config config = {
      .loader = &system->loader,
      .keys = keys,
      .board = system->board.name,
      .target = target,
      .allows_older = allows_older,
      .running_version = system->board.version,
      .devices = {[UPDATE_BOOT] = target == SLOTS_A ? arguments->boot_a : arguments->boot_b,
                  [UPDATE_ROOT] = target == SLOTS_A ? arguments->root_a : arguments->root_b},
      .note = note,
      .self = &installing};
  if (result == BASE_OK) result = install(&installing, &config, body, fault);
  update_install_destroy(&installing.install);
  update_keys_destroy(&keys);
  free(installing.bytes);
  remember(system, result, fault);
  if (result == BASE_OK) {
    base_json_string(&reply->json, "version", system->progress.manifest.version);
    base_json_string(&reply->json, "slot", slots_name(target));
  }
  return result;
}

void installing_linger(const struct system *system, int fd) {
  const uint64_t deadline_ms = base_clock_ms(base_clock_system()) + LINGER_MS;
  uint8_t waste[16384];
  shutdown(fd, SHUT_WR);
  while (!atomic_load(&system->is_stopping) && base_clock_ms(base_clock_system()) < deadline_ms) {
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    if (poll(&polled, 1, POLL_MS) <= 0) continue;
    const ssize_t got = recv(fd, waste, sizeof(waste), MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN)) return;
  }
}
