#include "gate.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/file.h"
#include "gate_parts.h"

enum {
  MIN_AUTOMATIC_THREADS = 4,
  MAX_AUTOMATIC_THREADS = 16,
  MIN_THREADS = 2,           // one of them is always kept from the intakes (gate_turns.c)
  SPARE_DESCRIPTORS = 256,   // for the rest of the program: files, decoders, devices
  LEAST_SHARE = 8,           // of all descriptors, that is left for connections in any case: 1/8
  DESCRIPTORS_A_THREAD = 2,  // of CivetWeb: both ends of a socket pair
};

// How many descriptors the process may open, after trying to get as many as are wanted.
static rlim_t raise_descriptor_limit(rlim_t wanted) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return wanted;
  if (limit.rlim_cur >= wanted) return limit.rlim_cur;
  const struct rlimit raised = {.rlim_cur = base_min_u64(wanted, limit.rlim_max), .rlim_max = limit.rlim_max};
  return setrlimit(RLIMIT_NOFILE, &raised) == 0 ? raised.rlim_cur : limit.rlim_cur;
}

// Clients must not be able to take the descriptors that storing their pictures needs.
static uint32_t fit_connections(const struct console_config *config) {
  const uint32_t wanted = config->max_connections;
  const rlim_t others = SPARE_DESCRIPTORS + (rlim_t)config->threads * DESCRIPTORS_A_THREAD + config->other_descriptors;
  const rlim_t limit = raise_descriptor_limit(wanted + others);
  if (limit >= wanted + others) return wanted;
  const rlim_t left = limit > others ? limit - others : 0;
  const uint32_t fitting = (uint32_t)base_min_u64(wanted, base_max_u64(left, base_max_u64(limit / LEAST_SHARE, 1)));
  base_log_write(config->log, BASE_LOG_WARN, "console", NULL,
                 "at most %u connections instead of %u: the process may open %llu descriptors only", fitting, wanted,
                 (unsigned long long)limit);
  return fitting;
}

static unsigned choose_threads(const struct console_config *config) {
  if (config->gate_threads != 0) return (unsigned)base_max_u64(config->gate_threads, MIN_THREADS);
  const long cores = sysconf(_SC_NPROCESSORS_ONLN);
  if (cores < MIN_AUTOMATIC_THREADS) return MIN_AUTOMATIC_THREADS;
  return cores > MAX_AUTOMATIC_THREADS ? MAX_AUTOMATIC_THREADS : (unsigned)cores;
}

static bool watch(struct console_gate *gate, int fd, uint32_t events, uint64_t tag) {
  struct epoll_event event = {.events = events, .data.u64 = tag};
  return fd >= 0 && epoll_ctl(gate->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

// The gate's own descriptors carry the tags behind the last place (see gate_run.c).
static enum base_result open_descriptors(struct console_gate *gate, struct base_fault *fault) {
  gate->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  gate->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  gate->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  if (gate->epoll_fd < 0 || !watch(gate, gate->listener_fd, EPOLLIN | EPOLLONESHOT, gate->max_connections) ||
      !watch(gate, gate->timer_fd, EPOLLIN | EPOLLONESHOT, gate->max_connections + 1) ||
      !watch(gate, gate->wake_fd, EPOLLIN | EPOLLET, gate->max_connections + 2)) {
    return BASE_FAIL_ERRNO(fault, "console", "the console can not wait for connections");
  }
  return BASE_OK;
}

static enum base_result allocate(struct console_gate *gate, struct base_fault *fault) {
  const struct console_config *config = &gate->console->config;
  // Zeroed memory of this size costs nothing until a place is used.
  gate->places = calloc(gate->max_connections, sizeof *gate->places);
  gate->deadlines = calloc(gate->max_connections, sizeof *gate->deadlines);
  gate->clients = console_gate_clients_create(config->max_connections_per_client, gate->max_connections);
  if (gate->places && gate->deadlines && gate->clients) return BASE_OK;
  return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for %u connections", gate->max_connections);
}

enum base_result console_gate_start(struct console_gate *gate, struct base_fault *fault) {
  // Signals belong to the program's own thread.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  enum base_result result = BASE_OK;
  for (unsigned i = 0; i < gate->thread_count && result == BASE_OK; i++) {
    if (pthread_create(&gate->threads[i], NULL, console_gate_run, gate) != 0) {
      result = BASE_FAIL(fault, BASE_NO_MEMORY, "", "the console's threads can not be started");
      break;
    }
    char name[sizeof "gate-4294967295"];
    (void)snprintf(name, sizeof name, "gate-%u", i);
    pthread_setname_np(gate->threads[i], name);
    gate->running_threads++;
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return result;
}

enum base_result console_gate_open(struct console *console, struct console_gate **out, struct base_fault *fault) {
  *out = NULL;
  struct console_gate *gate = calloc(1, sizeof *gate);
  if (!gate) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for the console");
  pthread_condattr_t monotonic;
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_cond_init(&gate->changed, &monotonic);
  pthread_condattr_destroy(&monotonic);
  pthread_mutex_init(&gate->lock, NULL);
  gate->console = console;
  gate->epoll_fd = gate->listener_fd = gate->wake_fd = gate->timer_fd = -1;
  gate->thread_count = choose_threads(&console->config);
  gate->max_connections = fit_connections(&console->config);
  console_gate_meters_init(&gate->meters, console->config.metrics);

  enum base_result result = console_gate_listen(gate, fault);
  if (result == BASE_OK && console->config.pem_path) {
    result = tls_server_create(console->config.pem_path, &gate->tls, fault);
  }
  if (result == BASE_OK) result = allocate(gate, fault);
  if (result == BASE_OK) result = open_descriptors(gate, fault);
  if (result != BASE_OK) {
    console_gate_stop(&gate);
    return result;
  }
  *out = gate;
  return BASE_OK;
}

enum base_result console_gate_reload_certificate(struct console_gate *gate, struct base_fault *fault) {
  return gate->tls ? tls_server_reload(gate->tls, fault) : BASE_OK;
}

uint16_t console_gate_port(const struct console_gate *gate) { return gate->port; }

bool console_gate_is_stopping(const struct console_gate *gate) { return atomic_load(&gate->is_stopping); }

void console_gate_get_stats(const struct console_gate *gate, struct console_gate_stats *out) {
  struct console_gate *locked = (struct console_gate *)(uintptr_t)gate;  // for its lock only
  pthread_mutex_lock(&locked->lock);
  out->connections = gate->open;
  pthread_mutex_unlock(&locked->lock);
  out->uploads = atomic_load(&locked->uploads);
  out->waiting = atomic_load(&locked->waiting);
}

static struct timespec deadline_in(uint32_t ms) {
  struct timespec deadline;
  clock_gettime(CLOCK_MONOTONIC, &deadline);
  deadline.tv_sec += ms / 1000;
  deadline.tv_nsec += (long)(ms % 1000) * 1000000;
  if (deadline.tv_nsec >= 1000000000) {
    deadline.tv_nsec -= 1000000000;
    deadline.tv_sec++;
  }
  return deadline;
}

static void cut_all(struct console_gate *gate) {
  atomic_store(&gate->is_cut, true);
  const unsigned places = atomic_load(&gate->place_count);
  for (unsigned i = 0; i < places; i++) console_gate_post(&gate->places[i], GATE_EVENT_CUT);
}

void console_gate_drain(struct console_gate *gate, uint32_t drain_ms) {
  const struct timespec deadline = deadline_in(drain_ms);
  int code = 0;
  atomic_store(&gate->is_stopping, true);
  pthread_mutex_lock(&gate->lock);
  while (gate->active > 0 && code == 0) code = pthread_cond_timedwait(&gate->changed, &gate->lock, &deadline);
  pthread_mutex_unlock(&gate->lock);
  cut_all(gate);
}

// Until nobody is there. Who comes meanwhile is cut off too.
static void close_connections(struct console_gate *gate) {
  enum { LOOK_MS = 50 };
  atomic_store(&gate->is_stopping, true);
  pthread_mutex_lock(&gate->lock);
  while (gate->open > 0 && gate->running_threads > 0) {
    pthread_mutex_unlock(&gate->lock);
    cut_all(gate);
    const struct timespec deadline = deadline_in(LOOK_MS);
    pthread_mutex_lock(&gate->lock);
    if (gate->open > 0) (void)pthread_cond_timedwait(&gate->changed, &gate->lock, &deadline);
  }
  pthread_mutex_unlock(&gate->lock);
}

void console_gate_stop(struct console_gate **gate) {
  struct console_gate *stopping = *gate;
  if (!stopping) return;
  *gate = NULL;
  if (stopping->running_threads > 0) {
    if (epoll_ctl(stopping->epoll_fd, EPOLL_CTL_DEL, stopping->listener_fd, NULL) == 0) close_connections(stopping);
    atomic_store(&stopping->should_exit, true);
    console_gate_wake(stopping);
  }
  for (unsigned i = 0; i < stopping->running_threads; i++) pthread_join(stopping->threads[i], NULL);
  const unsigned places = atomic_load(&stopping->place_count);
  for (unsigned i = 0; i < places; i++) pthread_mutex_destroy(&stopping->places[i].lock);
  base_fd_close(&stopping->listener_fd);
  base_fd_close(&stopping->timer_fd);
  base_fd_close(&stopping->wake_fd);
  base_fd_close(&stopping->epoll_fd);
  tls_server_destroy(&stopping->tls);
  console_gate_clients_destroy(&stopping->clients);
  free(stopping->deadlines);
  free(stopping->places);
  pthread_cond_destroy(&stopping->changed);
  pthread_mutex_destroy(&stopping->lock);
  free(stopping);
}
