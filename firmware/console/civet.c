// CivetWeb under the console: starting and stopping it, and its requests as exchanges.

#include <civetweb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "body.h"
#include "door.h"
#include "http/problem.h"
#include "reply_writer.h"
#include "request.h"
#include "routes.h"
#include "server.h"
#include "stream.h"
#include "tls/guard.h"

_Static_assert(HTTP_MAX_HEAD_BYTES * 2 == 32768, "max_request_size follows the parser's limit");

enum { KEEP_ALIVE_MS = 3000, MAX_LISTEN_TEXT = 96, ERROR_TEXT_BYTES = 256 };

struct console_server {
  struct console *console;
  struct mg_context *context;
  uint16_t port;
  pthread_mutex_t lock;
  pthread_cond_t idle;
  unsigned running;  // requests being answered
  bool is_stopping;
  atomic_bool is_cut;  // what still runs is given up
};

static bool enter(struct console_server *server) {
  pthread_mutex_lock(&server->lock);
  server->running++;
  bool is_open = !server->is_stopping;
  pthread_mutex_unlock(&server->lock);
  return is_open;
}

static void leave(struct console_server *server) {
  pthread_mutex_lock(&server->lock);
  if (--server->running == 0) pthread_cond_broadcast(&server->idle);
  pthread_mutex_unlock(&server->lock);
}

static struct console_server *server_of(const struct mg_connection *connection) {
  return mg_get_user_data(mg_get_context(connection));
}

// CivetWeb says the same of a client that is silent, gone, or sends broken chunks; the time tells the first from the
// others.
static int wire_read(void *self, void *out, size_t bytes) {
  const struct console_config *config = &server_of(self)->console->config;
  uint64_t begin_ms = base_clock_ms(base_clock_system());
  int got = mg_read(self, out, bytes);
  if (got > 0) return got;
  bool is_silent = base_clock_ms(base_clock_system()) - begin_ms >= config->request_timeout_ms;
  if (is_silent || console_door_is_overdue()) return CONSOLE_WIRE_SILENT;
  return got == 0 ? 0 : CONSOLE_WIRE_BROKEN;
}

static bool wire_write(void *self, struct base_span bytes) {
  return bytes.bytes == 0 || mg_write(self, bytes.data, bytes.bytes) == (int)bytes.bytes;
}

static void wire_limit_reads(void *self, uint32_t ms) {
  (void)self;  // the thread's only connection
  console_door_limit_reads(ms);
}

static bool wire_is_gone(void *self) { return atomic_load(&server_of(self)->is_cut) || console_door_is_client_gone(); }

static struct console_wire wire_over(struct mg_connection *connection) {
  return (struct console_wire){wire_read, wire_write, wire_limit_reads, wire_is_gone, connection};
}

static enum base_result build_request(const struct mg_request_info *info, char *storage, struct http_request *out,
                                      struct base_fault *fault) {
  // CivetWeb drops what is over its limit without a word, and with it perhaps a field that decides something.
  if (info->num_headers >= MG_MAX_HEADERS || info->num_headers > HTTP_MAX_HEADERS) {
    return BASE_FAIL(fault, BASE_HEADERS_TOO_LARGE, "", "a request has fewer than %d fields", MG_MAX_HEADERS);
  }
  struct console_raw_request raw = {.method = info->request_method,
                                    .path = info->local_uri_raw,
                                    .query = info->query_string,
                                    .version = info->http_version,
                                    .header_count = (size_t)info->num_headers};
  for (size_t i = 0; i < raw.header_count; i++) {
    raw.headers[i].name = info->http_headers[i].name;
    raw.headers[i].value = info->http_headers[i].value;
  }
  return console_request_build(&raw, storage, out, fault);
}

static void log_request(const struct console_exchange *exchange, const struct http_reply *reply, uint64_t begin_us) {
  const struct console_config *config = &exchange->console->config;
  uint64_t took_us = base_clock_us(config->clock) - begin_us;
  base_histogram_observe_us(exchange->console->request_time, took_us);
  base_log_write(config->log, BASE_LOG_DEBUG, "console", exchange->request.id, "%s %.*s %.*s -> %d, %llu us",
                 exchange->client, (int)exchange->request.method_text.bytes,
                 (const char *)exchange->request.method_text.data, (int)exchange->request.path.bytes,
                 (const char *)exchange->request.path.data, reply->status, (unsigned long long)took_us);
}

// Writes the reply, then reads what the client still sends. Returns whether the connection may live on.
static bool finish_exchange(struct console_exchange *exchange, struct http_reply *reply) {
  const struct base_clock *clock = exchange->console->config.clock;
  bool keep_alive = console_stream_keeps_alive(exchange, reply);
  if (exchange->stream != CONSOLE_STREAM_NONE) return exchange->stream == CONSOLE_STREAM_ENDED && keep_alive;
  bool is_written =
      console_reply_write(reply, exchange->request.method, keep_alive, base_clock_wall_s(clock), &exchange->body.wire);
  if (is_written && !keep_alive) (void)console_body_drain(&exchange->body, clock);
  return is_written && keep_alive;
}

static void answer(struct console_server *server, struct mg_connection *connection, bool is_open) {
  const struct mg_request_info *info = mg_get_request_info(connection);
  struct console *console = server->console;
  char storage[HTTP_MAX_HEAD_BYTES];
  struct console_exchange exchange = {.console = console, .is_tls = info->is_ssl != 0};
  struct console_wire wire = wire_over(connection);
  struct base_fault fault = {0};
  struct http_reply reply;
  uint64_t begin_us = base_clock_us(console->config.clock);
  if (!base_span_copy(base_span_text(info->remote_addr), exchange.client, sizeof exchange.client)) {
    exchange.client[0] = '\0';  // such clients share one budget of guesses
  }
  enum base_result result = build_request(info, storage, &exchange.request, &fault);
  if (result == BASE_OK && !is_open) result = BASE_FAIL(&fault, BASE_BUSY, "", "the box is shutting down");
  if (result == BASE_OK) {
    console_body_init(&exchange.body, &exchange.request, &wire);
    exchange.tenant = pop_tenant_name(console->config.pop, exchange.request.host);
    console_answer(&exchange, &reply);
  } else {
    // What follows a head that broke the rules can not be trusted to be its body.
    exchange.body = (struct console_body){.wire = wire, .is_finished = true};
    if (exchange.request.id[0] == '\0') console_request_make_id(exchange.request.id);
    base_log_fault(console->config.log, BASE_LOG_INFO, "console", exchange.request.id, &fault);
    http_problem_reply(&reply, &fault, exchange.request.id);
    reply.close = true;
  }
  if (!finish_exchange(&exchange, &reply)) mg_disable_keep_alive(connection);
  if (result == BASE_OK) log_request(&exchange, &reply, begin_us);
  http_reply_finish(&reply);
}

// Takes every request before CivetWeb's own handling of it.
static int on_begin_request(struct mg_connection *connection) {
  struct console_server *server = server_of(connection);
  bool is_open = enter(server);
  answer(server, connection, is_open);
  leave(server);
  return 1;  // any positive number: the request has been answered
}

// What CivetWeb refuses by itself, before there is a request.
static int on_http_error(struct mg_connection *connection, int status, const char *text) {
  static const struct {
    int status;
    enum base_result result;
  } results[] = {
      {400, BASE_BAD_INPUT}, {411, BASE_LENGTH_REQUIRED}, {413, BASE_HEADERS_TOO_LARGE}, {505, BASE_VERSION}};
  enum base_result result = BASE_INTERNAL;
  for (size_t i = 0; i < sizeof results / sizeof *results; i++) {
    if (results[i].status == status) result = results[i].result;
  }
  struct base_fault fault = {0};
  (void)BASE_FAIL(&fault, result, "", "the request can not be read: %s", text ? text : "");
  char id[HTTP_REQUEST_ID_CHARS + 1];
  console_request_make_id(id);
  struct http_reply reply;
  http_problem_reply(&reply, &fault, id);
  struct console_wire wire = wire_over(connection);
  int64_t now_s = base_clock_wall_s(server_of(connection)->console->config.clock);
  mg_disable_keep_alive(connection);
  bool is_written = console_reply_write(&reply, HTTP_GET, false, now_s, &wire);
  base_log_write(server_of(connection)->console->config.log, BASE_LOG_INFO, "console", id, "%d: %s%s", reply.status,
                 fault.text, is_written ? "" : " (the client has gone)");
  http_reply_finish(&reply);
  return 0;  // handled
}

static int on_log_message(const struct mg_connection *connection, const char *message) {
  base_log_write(server_of(connection)->console->config.log, BASE_LOG_WARN, "console", NULL, "server: %s", message);
  return 1;  // not to be logged again by CivetWeb
}

static enum base_result start_civetweb(struct console_server *server, struct base_fault *fault) {
  const struct console_config *config = &server->console->config;
  char listen_text[MAX_LISTEN_TEXT], threads[16], request_timeout[16], keep_alive[16];
  bool is_ipv6 = strchr(config->address, ':') != NULL;
  snprintf(listen_text, sizeof listen_text, is_ipv6 ? "[%s]:%u%s" : "%s:%u%s", config->address, config->port,
           config->pem_path ? "s" : "");
  snprintf(threads, sizeof threads, "%u", config->threads);
  snprintf(request_timeout, sizeof request_timeout, "%u", config->request_timeout_ms);
  snprintf(keep_alive, sizeof keep_alive, "%d", KEEP_ALIVE_MS);
  const char *options[] = {
      "listening_ports", listen_text, "num_threads", threads, "request_timeout_ms", request_timeout,
      "keep_alive_timeout_ms", keep_alive, "enable_keep_alive", "yes", "tcp_nodelay", "1",
      // Twice what the strict parser takes, so that it is the one to refuse a large head.
      "max_request_size", "32768",
      // The strict parser wants the target as it came.
      "decode_url", "no",
      // Host is checked there too; CivetWeb would compare it with a domain nobody configured.
      "enable_auth_domain_check", "no", config->pem_path ? "ssl_certificate" : NULL, config->pem_path, NULL};
  const struct mg_callbacks callbacks = {
      .begin_request = on_begin_request, .http_error = on_http_error, .log_message = on_log_message};
  char text[ERROR_TEXT_BYTES] = "";
  struct mg_error_data error = {.text = text, .text_buffer_size = sizeof text};
  struct mg_init_data init = {.callbacks = &callbacks, .user_data = server, .configuration_options = options};
  server->context = mg_start2(&init, &error);
  if (!server->context) {
    return BASE_FAIL(fault, BASE_IO, "console", "the console can not listen on %s: %s", listen_text, text);
  }
  struct mg_server_port port;
  if (mg_get_server_ports(server->context, 1, &port) == 1) server->port = (uint16_t)port.port;
  return BASE_OK;
}

enum base_result console_server_start(struct console *console, struct console_server **out, struct base_fault *fault) {
  *out = NULL;
  struct console_server *server = calloc(1, sizeof *server);
  if (!server) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for the console");
  server->console = console;
  pthread_mutex_init(&server->lock, NULL);
  pthread_cond_init(&server->idle, NULL);
  console_door_open(console->config.max_connections_per_client,
                    base_metrics_counter(console->config.metrics, "pixpop_console_refused_connections_total", "",
                                         "Connections over the limit of one client"));
  tls_guard_set_handshake_timeout_ms(console->config.handshake_timeout_ms);
  mg_init_library(MG_FEATURES_TLS);
  enum base_result result = start_civetweb(server, fault);
  if (result != BASE_OK) {
    console_server_stop(&server, 0);
    return result;
  }
  *out = server;
  return BASE_OK;
}

uint16_t console_server_port(const struct console_server *server) { return server->port; }

// Waits until no request runs. CivetWeb itself would cut them off.
static void drain(struct console_server *server, uint32_t drain_ms) {
  struct timespec deadline;
  clock_gettime(CLOCK_REALTIME, &deadline);
  deadline.tv_sec += drain_ms / 1000;
  deadline.tv_nsec += (long)(drain_ms % 1000) * 1000000;
  if (deadline.tv_nsec >= 1000000000) {
    deadline.tv_nsec -= 1000000000;
    deadline.tv_sec++;
  }
  pthread_mutex_lock(&server->lock);
  server->is_stopping = true;
  int code = 0;
  while (server->running > 0 && code == 0) code = pthread_cond_timedwait(&server->idle, &server->lock, &deadline);
  pthread_mutex_unlock(&server->lock);
}

void console_server_stop(struct console_server **server, uint32_t drain_ms) {
  struct console_server *stopping = *server;
  if (!stopping) return;
  *server = NULL;
  if (stopping->context) {
    drain(stopping, drain_ms);
    atomic_store(&stopping->is_cut, true);
    mg_stop(stopping->context);
  }
  mg_exit_library();
  pthread_cond_destroy(&stopping->idle);
  pthread_mutex_destroy(&stopping->lock);
  free(stopping);
}
