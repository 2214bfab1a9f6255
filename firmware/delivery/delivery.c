#include "delivery/delivery.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/checked.h"
#include "listener.h"
#include "loop.h"

enum {
  DELIVERY_MAX_LOOPS = 256,
  DELIVERY_DEFAULT_CONNECTIONS = 8192,
  DELIVERY_DEFAULT_HANDSHAKE_TIMEOUT_MS = 5000,
  DELIVERY_DEFAULT_HEAD_TIMEOUT_MS = 5000,
  DELIVERY_DEFAULT_IDLE_TIMEOUT_MS = 60000,
  DELIVERY_DEFAULT_WRITE_TIMEOUT_MS = 30000,
  DELIVERY_DEFAULT_REPLY_TIMEOUT_MS = 120000,
  DELIVERY_SPARE_DESCRIPTORS = 256,  // for the rest of the program: files, the console, decoders
};

struct delivery {
  struct shared shared;
  uint16_t port, tls_port;
  unsigned loop_count;     // initialised ones
  unsigned running_count;  // of them with a thread
  pthread_t threads[DELIVERY_MAX_LOOPS];
  struct loop *loops[DELIVERY_MAX_LOOPS];  // each of its own, so that two threads never share a cache line
};

static unsigned default_loops(void) {
  long cores = sysconf(_SC_NPROCESSORS_ONLN);
  return cores > 0 ? (unsigned)cores : 1;
}

static uint32_t value_or(uint32_t value, uint32_t fallback) { return value > 0 ? value : fallback; }

static void fill_config(struct delivery_config *config) {
  if (!config->address) config->address = "127.0.0.1";
  if (!config->tls_address) config->tls_address = config->address;
  if (!config->clock) config->clock = base_clock_system();
  config->loops = value_or(config->loops, default_loops());
  if (config->loops > DELIVERY_MAX_LOOPS) config->loops = DELIVERY_MAX_LOOPS;
  config->max_connections = value_or(config->max_connections, DELIVERY_DEFAULT_CONNECTIONS);
  config->handshake_timeout_ms = value_or(config->handshake_timeout_ms, DELIVERY_DEFAULT_HANDSHAKE_TIMEOUT_MS);
  config->head_timeout_ms = value_or(config->head_timeout_ms, DELIVERY_DEFAULT_HEAD_TIMEOUT_MS);
  config->idle_timeout_ms = value_or(config->idle_timeout_ms, DELIVERY_DEFAULT_IDLE_TIMEOUT_MS);
  config->write_timeout_ms = value_or(config->write_timeout_ms, DELIVERY_DEFAULT_WRITE_TIMEOUT_MS);
  config->reply_timeout_ms = value_or(config->reply_timeout_ms, DELIVERY_DEFAULT_REPLY_TIMEOUT_MS);
}

// How many descriptors the process may open, after trying to get as many as are wanted.
static rlim_t raise_descriptor_limit(rlim_t wanted) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return wanted;
  if (limit.rlim_cur >= wanted) return limit.rlim_cur;
  struct rlimit raised = {.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max, .rlim_max = limit.rlim_max};
  return setrlimit(RLIMIT_NOFILE, &raised) == 0 ? raised.rlim_cur : limit.rlim_cur;
}

// Clients must not be able to take the descriptors that making their pictures needs.
static void fit_descriptors(struct delivery_config *config) {
  rlim_t spare = DELIVERY_SPARE_DESCRIPTORS + (rlim_t)config->loops * DELIVERY_MAX_REFUSED;
  rlim_t limit = raise_descriptor_limit(config->max_connections + spare);
  if (limit >= config->max_connections + spare) return;
  uint32_t wanted = config->max_connections;
  config->max_connections = (uint32_t)(limit > 2 * spare ? limit - spare : limit / 2);
  if (config->max_connections == 0) config->max_connections = 1;
  if (config->max_connections > wanted) config->max_connections = wanted;
  base_log_write(config->log, BASE_LOG_WARN, "delivery", NULL,
                 "at most %u connections instead of %u: the process may open %llu descriptors only",
                 config->max_connections, wanted, (unsigned long long)limit);
}

// Loop `index` of `count` with its share of the listeners, which it takes also on failure.
static enum base_result add_loop(struct delivery *delivery, unsigned index, unsigned count, struct listeners *plain,
                                 struct listeners *tls, struct base_fault *fault) {
  struct loop *loop = aligned_alloc(64, base_round_up(sizeof *loop, 64));
  struct acceptor *acceptors = calloc((size_t)plain->count / count + tls->count / count + 2, sizeof *acceptors);
  if (!loop || !acceptors) {
    free(loop);
    free(acceptors);
    return BASE_FAIL(fault, BASE_NO_MEMORY, "loops", "no memory for another loop");
  }
  unsigned taken = 0;
  for (unsigned i = index; i < plain->count; i += count) {
    acceptors[taken++] = (struct acceptor){.fd = plain->fds[i]};
    plain->fds[i] = -1;
  }
  for (unsigned i = index; i < tls->count; i += count) {
    acceptors[taken++] = (struct acceptor){.fd = tls->fds[i], .is_tls = true};
    tls->fds[i] = -1;
  }
  enum base_result result = delivery_loop_init(loop, &delivery->shared, acceptors, taken, fault);
  if (result != BASE_OK) {
    free(loop);
    return result;
  }
  loop->index = index;
  delivery->loops[delivery->loop_count++] = loop;
  return BASE_OK;
}

static enum base_result start_threads(struct delivery *delivery, struct base_fault *fault) {
  // Signals belong to the program's own thread. SIGPIPE stays blocked because sendfile has no MSG_NOSIGNAL.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  enum base_result result = BASE_OK;
  while (result == BASE_OK && delivery->running_count < delivery->loop_count) {
    unsigned i = delivery->running_count;
    int error = pthread_create(&delivery->threads[i], NULL, delivery_loop_run, delivery->loops[i]);
    if (error != 0) {
      result = BASE_FAIL(fault, BASE_NO_MEMORY, "loops", "cannot start thread %u of %u", i + 1, delivery->loop_count);
      break;
    }
    char name[sizeof "delivery-4294967295"];  // the kernel takes 15 characters: DELIVERY_MAX_LOOPS keeps to them
    (void)snprintf(name, sizeof name, "delivery-%u", i);
    pthread_setname_np(delivery->threads[i], name);
    delivery->running_count++;
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return result;
}

static enum base_result open_listeners(struct delivery *delivery, struct listeners *plain, struct listeners *tls,
                                       struct base_fault *fault) {
  static const struct delivery_handover nothing;
  const struct delivery_config *config = &delivery->shared.config;
  const struct delivery_handover *inherited = config->handover ? config->handover : &nothing;
  enum base_result result = delivery_listeners_open(config->address, &delivery->port, config->loops, inherited->plain,
                                                    inherited->plain_count, plain, fault);
  if (result == BASE_OK && delivery->shared.tls) {
    return delivery_listeners_open(config->tls_address, &delivery->tls_port, config->loops, inherited->tls,
                                   inherited->tls_count, tls, fault);
  }
  for (unsigned i = 0; i < inherited->tls_count; i++) close(inherited->tls[i]);
  return result;
}

static enum base_result open_loops(struct delivery *delivery, struct base_fault *fault) {
  struct listeners plain = {0}, tls = {0};
  enum base_result result = open_listeners(delivery, &plain, &tls, fault);
  delivery->shared.config.handover = NULL;
  for (unsigned i = 0; i < delivery->shared.config.loops && result == BASE_OK; i++) {
    result = add_loop(delivery, i, delivery->shared.config.loops, &plain, &tls, fault);
  }
  delivery_listeners_finish(&plain);
  delivery_listeners_finish(&tls);
  return result;
}

static enum base_result open_tls(struct delivery *delivery, struct base_fault *fault) {
  static const char *const with_h2[] = {"h2", "http/1.1", NULL};
  const struct delivery_config *config = &delivery->shared.config;
  if (!config->pem_path) return BASE_OK;
  return tls_server_create_offering(config->pem_path, config->http2_off ? with_h2 + 1 : with_h2, &delivery->shared.tls,
                                    fault);
}

static void close_handover(const struct delivery_handover *handover) {
  if (!handover) return;
  for (unsigned i = 0; i < handover->plain_count; i++) close(handover->plain[i]);
  for (unsigned i = 0; i < handover->tls_count; i++) close(handover->tls[i]);
}

enum base_result delivery_start(const struct delivery_config *config, struct delivery **out, struct base_fault *fault) {
  struct delivery *delivery = calloc(1, sizeof *delivery);
  if (!delivery) {
    close_handover(config->handover);
    return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for the delivery server");
  }
  struct shared *shared = &delivery->shared;
  shared->config = *config;
  fill_config(&shared->config);
  fit_descriptors(&shared->config);
  delivery->port = config->port;
  delivery->tls_port = config->tls_port;
  delivery_meters_init(&shared->meters, config->metrics);
  enum base_result result = BASE_OK;
  if (config->max_connections_per_client > 0) {
    shared->clients = delivery_clients_create(config->max_connections_per_client, shared->config.max_connections,
                                              shared->config.loops);
    if (!shared->clients) result = BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory to count clients");
  }
  if (result == BASE_OK) result = open_tls(delivery, fault);
  if (result == BASE_OK) {
    result = open_loops(delivery, fault);
  } else {
    close_handover(config->handover);
  }
  if (result == BASE_OK) result = start_threads(delivery, fault);
  if (result != BASE_OK) {
    delivery_stop(delivery, 0);
    delivery_destroy(&delivery);
    return result;
  }
  base_log_write(shared->config.log, BASE_LOG_INFO, "delivery", NULL, "listening on %s port %u with %u loops",
                 shared->config.address, (unsigned)delivery->port, delivery->loop_count);
  if (shared->tls) {
    base_log_write(shared->config.log, BASE_LOG_INFO, "delivery", NULL, "listening on %s port %u with TLS",
                   shared->config.tls_address, (unsigned)delivery->tls_port);
  }
  *out = delivery;
  return BASE_OK;
}

uint16_t delivery_port(const struct delivery *delivery) { return delivery->port; }

uint16_t delivery_tls_port(const struct delivery *delivery) { return delivery->shared.tls ? delivery->tls_port : 0; }

enum base_result delivery_reload_certificate(struct delivery *delivery, struct base_fault *fault) {
  return delivery->shared.tls ? tls_server_reload(delivery->shared.tls, fault) : BASE_OK;
}

enum base_result delivery_hand_over(struct delivery *delivery, struct delivery_handover *out,
                                    struct base_fault *fault) {
  *out = (struct delivery_handover){0};
  for (unsigned i = 0; i < delivery->loop_count; i++) {
    const struct loop *loop = delivery->loops[i];
    for (unsigned k = 0; k < loop->acceptor_count; k++) {
      const struct acceptor *acceptor = &loop->acceptors[k];
      unsigned *count = acceptor->is_tls ? &out->tls_count : &out->plain_count;
      int *fds = acceptor->is_tls ? out->tls : out->plain;
      BASE_ASSERT(*count < DELIVERY_MAX_HANDOVER);  // there are at most as many as loops, now or before
      fds[*count] = fcntl(acceptor->fd, F_DUPFD_CLOEXEC, 0);
      if (fds[*count] < 0) {
        enum base_result result = BASE_FAIL_ERRNO(fault, "socket", "cannot duplicate a listener");
        close_handover(out);
        *out = (struct delivery_handover){0};
        return result;
      }
      (*count)++;
    }
  }
  return BASE_OK;
}

void delivery_stop(struct delivery *delivery, uint32_t drain_ms) {
  for (unsigned i = 0; i < delivery->running_count; i++) delivery_loop_stop(delivery->loops[i], drain_ms);
  for (unsigned i = 0; i < delivery->running_count; i++) pthread_join(delivery->threads[i], NULL);
  delivery->running_count = 0;
}

void delivery_destroy(struct delivery **delivery) {
  if (!*delivery) return;
  BASE_ASSERT((*delivery)->running_count == 0);
  for (unsigned i = 0; i < (*delivery)->loop_count; i++) {
    delivery_loop_finish((*delivery)->loops[i]);
    free((*delivery)->loops[i]);
  }
  tls_server_destroy(&(*delivery)->shared.tls);
  delivery_clients_destroy(&(*delivery)->shared.clients);
  free(*delivery);
  *delivery = NULL;
}
