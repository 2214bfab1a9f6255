#include "console/console.h"

#include <stdlib.h>
#include <unistd.h>

#include "assets.h"
#include "auth.h"
#include "gate.h"
#include "patches.h"
#include "restore.h"
#include "server.h"
#include "session.h"

enum {
  DEFAULT_THREADS = 64,
  DEFAULT_CONNECTIONS = 12000,
  DEFAULT_CONNECTIONS_PER_CLIENT = 64,
  DEFAULT_HANDSHAKE_TIMEOUT_MS = 3000,
  DEFAULT_REQUEST_TIMEOUT_MS = 30000,
  MIN_THREADS = 2,  // one for slow requests, one for the others
  MAX_THREADS = 512,
  MAX_GATE_THREADS = 64,
  DRAIN_MS = 10000,
};

static void apply_defaults(struct console_config *config) {
  if (!config->address) config->address = "127.0.0.1";
  if (config->threads == 0) config->threads = DEFAULT_THREADS;
  if (config->max_connections == 0) config->max_connections = DEFAULT_CONNECTIONS;
  if (config->max_connections_per_client == 0) config->max_connections_per_client = DEFAULT_CONNECTIONS_PER_CLIENT;
  if (config->handshake_timeout_ms == 0) config->handshake_timeout_ms = DEFAULT_HANDSHAKE_TIMEOUT_MS;
  if (config->request_timeout_ms == 0) config->request_timeout_ms = DEFAULT_REQUEST_TIMEOUT_MS;
  if (!config->clock) config->clock = base_clock_system();
}

static enum base_result check_config(const struct console_config *config, struct base_fault *fault) {
  if (config->threads < MIN_THREADS || config->threads > MAX_THREADS) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "threads", "the console has %d..%d threads", MIN_THREADS, MAX_THREADS);
  }
  if (config->gate_threads > MAX_GATE_THREADS) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "gate_threads", "the console's gate has at most %d threads",
                     MAX_GATE_THREADS);
  }
  return BASE_OK;
}

static enum base_result create_parts(struct console *console, char **new_token, struct base_fault *fault) {
  const struct console_config *config = &console->config;
  console->request_time = base_metrics_histogram(config->metrics, "pixpop_console_request_seconds", "",
                                                 "Time to answer a request at the console");
  console->sessions = console_sessions_create(config->clock);
  console->assets = console_assets_create(config->assets, config->asset_count, base_clock_wall_s(config->clock));
  console->patches = console_patches_create(config->store);
  console->restores = console_restores_create();
  if (!console->sessions || !console->assets || !console->patches || !console->restores) {
    return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for the console");
  }
  enum base_result result =
      console_auth_open(config->token_hash_path, config->claim_path, config->clock, &console->auth, new_token, fault);
  if (result == BASE_OK) result = console_gate_open(console, &console->gate, fault);
  if (result == BASE_OK) result = console_server_start(console, &console->server, fault);
  if (result == BASE_OK) result = console_gate_start(console->gate, fault);
  return result;
}

enum base_result console_start(const struct console_config *config, struct console **out, char **new_token,
                               struct base_fault *fault) {
  *out = NULL;
  *new_token = NULL;
  struct console *console = calloc(1, sizeof *console);
  if (!console) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for the console");
  console->config = *config;
  apply_defaults(&console->config);
  console->started_us = base_clock_us(console->config.clock);
  console_set_delivery_url(console, config->delivery_url ? config->delivery_url : "");
  enum base_result result = check_config(&console->config, fault);
  if (result == BASE_OK) result = create_parts(console, new_token, fault);
  if (result != BASE_OK) {
    console_stop(&console);
    // A token nobody has seen would lock everybody out: the next start makes another.
    if (*new_token) (void)unlink(config->token_hash_path);
    free(*new_token);
    *new_token = NULL;
    return result;
  }
  *out = console;
  return BASE_OK;
}

bool console_is_claimed(const struct console *console) { return console_auth_is_claimed(console->auth); }

void console_set_delivery_url(struct console *console, const char *url) { atomic_store(&console->delivery_url, url); }

uint16_t console_port(const struct console *console) { return console_gate_port(console->gate); }

enum base_result console_reload_certificate(struct console *console, struct base_fault *fault) {
  return console_gate_reload_certificate(console->gate, fault);
}

void console_stop(struct console **console) {
  struct console *stopping = *console;
  if (!stopping) return;
  *console = NULL;
  if (stopping->patches) console_patches_stop(stopping->patches);
  if (stopping->gate) console_gate_drain(stopping->gate, DRAIN_MS);
  console_server_stop(&stopping->server);
  console_gate_stop(&stopping->gate);
  console_auth_close(&stopping->auth);
  console_sessions_destroy(&stopping->sessions);
  console_assets_destroy(&stopping->assets);
  console_patches_destroy(&stopping->patches);
  console_restores_destroy(&stopping->restores);
  free(stopping);
}
