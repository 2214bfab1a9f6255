#include "install.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/checked.h"

enum { PIECE_BYTES = 256 * 1024 };

struct install {
  struct install_config config;
  int wake_fd;
  // Of the network's thread.
  bool has_thread;
  pthread_t thread;
  enum slots_id slot;
  bool allows_older;
  uint64_t number;  // of installs that were begun
  char running_version[SLOTS_MAX_VERSION + 1];
  struct update_keys *keys;
  // Under the lock.
  pthread_mutex_t lock;
  pthread_cond_t changed;
  size_t begin, bytes;  // of what is in the ring
  bool is_ended, is_whole, is_over, was_used;
  struct update_progress progress;
  struct base_fault fault;  // how it ended
  uint8_t ring[INSTALL_RING_BYTES];
  uint8_t piece[PIECE_BYTES];  // of the installing thread
};

enum base_result install_create(const struct install_config *config, struct install **out, struct base_fault *fault) {
  struct install *install = calloc(1, sizeof *install);
  if (install == NULL) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for installing");
  install->config = *config;
  install->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (install->wake_fd < 0) {
    free(install);
    return BASE_FAIL_ERRNO(fault, "", "eventfd");
  }
  install->is_over = true;
  pthread_mutex_init(&install->lock, NULL);
  pthread_cond_init(&install->changed, NULL);
  *out = install;
  return BASE_OK;
}

int install_wake_fd(const struct install *install) { return install->wake_fd; }

static void wake(struct install *install) {
  const uint64_t one = 1;
  ssize_t written = write(install->wake_fd, &one, sizeof one);  // full: it is awake already
  (void)written;
}

void install_take_wake(struct install *install) {
  uint64_t count;
  ssize_t got = read(install->wake_fd, &count, sizeof count);
  (void)got;
}

static void note(void *self, const struct update_progress *progress) {
  struct install *install = self;
  pthread_mutex_lock(&install->lock);
  install->progress = *progress;
  pthread_mutex_unlock(&install->lock);
}

// Waits for bytes; 0 at the end.
static size_t take_piece(struct install *install) {
  pthread_mutex_lock(&install->lock);
  while (install->bytes == 0 && !install->is_ended) pthread_cond_wait(&install->changed, &install->lock);
  // Nobody waits for what was cut off.
  size_t taken = install->is_ended && !install->is_whole ? 0 : base_min_u64(install->bytes, PIECE_BYTES);
  const size_t first = base_min_u64(taken, INSTALL_RING_BYTES - install->begin);
  memcpy(install->piece, install->ring + install->begin, first);
  memcpy(install->piece + first, install->ring, taken - first);
  install->begin = (install->begin + taken) % INSTALL_RING_BYTES;
  install->bytes -= taken;
  pthread_mutex_unlock(&install->lock);
  if (taken > 0) wake(install);
  return taken;
}

static enum base_result receive(struct install *install, struct update_install *update, struct base_fault *fault) {
  enum base_result result = BASE_OK;
  for (size_t taken; result == BASE_OK && (taken = take_piece(install)) > 0;) {
    result = update_install_write(update, base_span_of(install->piece, taken), fault);
  }
  if (result != BASE_OK) return result;
  if (!install->is_whole) return BASE_FAIL(fault, BASE_CANCELLED, "", "the upload was cut off");
  return update_install_finish(update, fault);
}

static void *run(void *self) {
  struct install *install = self;
  struct base_fault fault = {0};
  struct update_install *update = NULL;
  const struct update_config config = {
      .loader = &install->config.state->loader,
      .keys = install->keys,
      .board = install->config.board,
      .target = install->slot,
      .is_forced = install->config.running == NULL,
      .allows_older = install->allows_older,
      .floor = install->config.state->floor,
      .running_version = install->running_version[0] != '\0' ? install->running_version : NULL,
      .devices = {install->config.devices[install->slot][UPDATE_BOOT],
                  install->config.devices[install->slot][UPDATE_ROOT]},
      .note = note,
      .self = install,
  };
  enum base_result result = update_install_begin(&config, &update, &fault);
  if (result == BASE_OK) result = receive(install, update, &fault);
  update_install_destroy(&update);
  state_release(install->config.state);
  if (result == BASE_OK) {
    base_log_write(install->config.log, BASE_LOG_INFO, "install", NULL, "slot %s has version %s now",
                   slots_name(install->slot), install->progress.manifest.version);
  } else {
    base_log_fault(install->config.log, BASE_LOG_WARN, "install", NULL, &fault);
  }
  pthread_mutex_lock(&install->lock);
  install->progress.phase = result == BASE_OK ? UPDATE_DONE : UPDATE_FAILED;
  install->fault = fault;
  install->is_over = true;
  pthread_mutex_unlock(&install->lock);
  wake(install);
  return NULL;
}

enum base_result install_begin(struct install *install, enum slots_id slot, bool allows_older,
                               struct base_fault *fault) {
  const char *running = install->config.running;
  if (install_is_busy(install)) return BASE_FAIL(fault, BASE_LOCKED, "install", "another update is being installed");
  if (running != NULL && strcmp(running, slots_name(slot)) == 0)
    return BASE_FAIL(fault, BASE_CONFLICT, "slot", "slot %s runs now and can not be written", running);
  if (install->has_thread) pthread_join(install->thread, NULL);
  install->has_thread = false;
  update_keys_destroy(&install->keys);
  enum base_result result = update_keys_load(install->config.keys, &install->keys, fault);
  if (result == BASE_OK) result = state_check_floor(install->config.state, fault);
  if (result == BASE_OK) result = state_hold(install->config.state, fault);
  if (result != BASE_OK) return result;
  result = state_check_running(install->config.state, running, fault);
  if (result != BASE_OK) {
    state_release(install->config.state);
    return result;
  }
  install->running_version[0] = '\0';
  if (running != NULL) state_version(install->config.state, running, install->running_version);
  install->number++;
  install->slot = slot;
  install->allows_older = allows_older;
  install->begin = install->bytes = 0;
  install->is_ended = install->is_whole = install->is_over = false;
  install->was_used = true;
  install->progress = (struct update_progress){.target = slot};
  base_fault_clear(&install->fault);
  if (pthread_create(&install->thread, NULL, run, install) != 0) {
    install->is_over = true;
    state_release(install->config.state);
    return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no thread for installing");
  }
  install->has_thread = true;
  base_log_write(install->config.log, BASE_LOG_INFO, "install", NULL, "an update for slot %s comes", slots_name(slot));
  return BASE_OK;
}

size_t install_room(struct install *install) {
  pthread_mutex_lock(&install->lock);
  // What is refused has room for everything: nobody reads it.
  const size_t room = install->is_over ? INSTALL_RING_BYTES : INSTALL_RING_BYTES - install->bytes;
  pthread_mutex_unlock(&install->lock);
  return room;
}

size_t install_put(struct install *install, struct base_span bytes) {
  pthread_mutex_lock(&install->lock);
  size_t put = bytes.bytes;
  if (!install->is_over) {
    put = base_min_u64(put, INSTALL_RING_BYTES - install->bytes);
    const size_t end = (install->begin + install->bytes) % INSTALL_RING_BYTES;
    const size_t first = base_min_u64(put, INSTALL_RING_BYTES - end);
    if (put > 0) {
      memcpy(install->ring + end, bytes.data, first);
      memcpy(install->ring, bytes.data + first, put - first);
    }
    install->bytes += put;
    pthread_cond_signal(&install->changed);
  }
  pthread_mutex_unlock(&install->lock);
  return put;
}

void install_end(struct install *install, bool is_whole) {
  pthread_mutex_lock(&install->lock);
  install->is_ended = true;
  install->is_whole = is_whole;
  pthread_cond_signal(&install->changed);
  pthread_mutex_unlock(&install->lock);
}

bool install_is_busy(struct install *install) {
  pthread_mutex_lock(&install->lock);
  const bool is_busy = !install->is_over;
  pthread_mutex_unlock(&install->lock);
  return is_busy;
}

enum base_result install_result(struct install *install, struct base_fault *fault) {
  pthread_mutex_lock(&install->lock);
  if (fault != NULL && fault->result == BASE_OK) *fault = install->fault;
  const enum base_result result = install->fault.result;
  pthread_mutex_unlock(&install->lock);
  return result;
}

void install_write(struct install *install, struct base_json_writer *json) {
  if (!install->was_used) {
    base_json_string(json, "install", NULL);
    return;
  }
  pthread_mutex_lock(&install->lock);
  const struct update_progress progress = install->progress;
  const struct base_fault fault = install->fault;
  pthread_mutex_unlock(&install->lock);
  base_json_object(json, "install");
  base_json_integer(json, "number", (int64_t)install->number);
  base_json_string(json, "slot", slots_name(install->slot));
  base_json_string(json, "phase", update_phase_name(progress.phase));
  base_json_string(json, "version", progress.manifest.version);
  base_json_integer(json, "done", (int64_t)progress.done);
  base_json_integer(json, "total", (int64_t)progress.total);
  base_json_string(json, "failure", fault.text);
  base_json_object_end(json);
}
