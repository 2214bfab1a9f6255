// CivetWeb under the console: starting and stopping it, and its requests as the exchanges that the gate made.

#include <civetweb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate_request.h"
#include "hatch.h"
#include "http/problem.h"
#include "reply_writer.h"
#include "routes.h"
#include "server.h"
#include "stream.h"

enum { ERROR_TEXT_BYTES = 256 };

struct console_server {
  struct console *console;
  struct mg_context *context;
};

static struct console_server *server_of(const struct mg_connection *connection) {
  return mg_get_user_data(mg_get_context(connection));
}

static struct console_exchange *exchange_of(const struct mg_connection *connection) {
  return console_hatch_exchange(mg_get_request_info(connection)->remote_port);
}

static int wire_read(void *self, void *out, size_t bytes) { return mg_read(self, out, bytes); }

static bool wire_write(void *self, struct base_span bytes) {
  return bytes.bytes == 0 || mg_write(self, bytes.data, bytes.bytes) == (int)bytes.bytes;
}

static bool wire_is_gone(void *self) { return atomic_load(&exchange_of(self)->is_gone); }

static void log_request(const struct console_exchange *exchange, const struct http_reply *reply, uint64_t begin_us) {
  const struct console_config *config = &exchange->console->config;
  const struct http_request *request = &exchange->request;
  uint64_t took_us = base_clock_us(config->clock) - begin_us;
  base_histogram_observe_us(exchange->console->request_time, took_us);
  base_log_write(config->log, BASE_LOG_DEBUG, "console", request->id, "%s %.*s %.*s -> %d, %llu us", exchange->client,
                 (int)request->method_text.bytes, (const char *)request->method_text.data, (int)request->path.bytes,
                 (const char *)request->path.data, reply->status, (unsigned long long)took_us);
}

// Writes the reply, unless the handler has. True when all of it is out and the client's connection may live on.
static bool write_reply(struct console_exchange *exchange, struct http_reply *reply) {
  const bool keep_alive = console_stream_keeps_alive(exchange, reply);
  if (exchange->stream != CONSOLE_STREAM_NONE) return exchange->stream == CONSOLE_STREAM_ENDED && keep_alive;
  const int64_t now_s = base_clock_wall_s(exchange->console->config.clock);
  return console_reply_write(reply, exchange->request.method, keep_alive, now_s, &exchange->wire) && keep_alive;
}

static void give_back(struct console_exchange *exchange, bool lives_on) {
  exchange->lives_on = lives_on;
  atomic_store_explicit(&exchange->is_answered, true, memory_order_release);
}

// Takes every request before CivetWeb's own handling of it.
static int on_begin_request(struct mg_connection *connection) {
  struct console_exchange *exchange = exchange_of(connection);
  struct http_reply reply;
  uint64_t begin_us = base_clock_us(exchange->console->config.clock);
  exchange->wire = (struct console_wire){wire_read, wire_write, wire_is_gone, connection};
  console_answer(exchange, &reply);
  const bool lives_on = write_reply(exchange, &reply);
  log_request(exchange, &reply, begin_us);
  http_reply_finish(&reply);
  give_back(exchange, lives_on);
  return 1;  // any positive number: the request has been answered
}

// What CivetWeb refuses by itself. The gate's parser is stricter, so this is between the two of them.
static int on_http_error(struct mg_connection *connection, int status, const char *text) {
  struct console_exchange *exchange = exchange_of(connection);
  struct base_fault fault = {0};
  (void)BASE_FAIL(&fault, BASE_INTERNAL, "", "the request was not understood within the box: %d %s", status,
                  text ? text : "");
  struct http_reply reply;
  base_log_fault(exchange->console->config.log, BASE_LOG_WARN, "console", exchange->request.id, &fault);
  http_problem_reply(&reply, &fault, exchange->request.id);
  exchange->wire = (struct console_wire){wire_read, wire_write, wire_is_gone, connection};
  exchange->may_live_on = false;
  const bool lives_on = write_reply(exchange, &reply);
  http_reply_finish(&reply);
  give_back(exchange, lives_on);
  return 0;  // handled
}

static int on_log_message(const struct mg_connection *connection, const char *message) {
  base_log_write(server_of(connection)->console->config.log, BASE_LOG_WARN, "console", NULL, "server: %s", message);
  return 1;  // not to be logged again by CivetWeb
}

static enum base_result start_civetweb(struct console_server *server, struct base_fault *fault) {
  const struct console_config *config = &server->console->config;
  char threads[16], timeout[16];
  snprintf(threads, sizeof threads, "%u", config->threads);
  snprintf(timeout, sizeof timeout, "%u", config->request_timeout_ms);
  const char *options[] = {"listening_ports", "127.0.0.1:0",  // never listened on: see hatch.h
                           "num_threads", threads, "request_timeout_ms", timeout, "enable_keep_alive", "no",
                           // More than the gate lets through, with what it adds.
                           "max_request_size", "32768",
                           // The strict parser wants the target as it came.
                           "decode_url", "no",
                           // Host is checked by the parser; CivetWeb would compare it with a domain nobody configured.
                           "enable_auth_domain_check", "no", NULL};
  const struct mg_callbacks callbacks = {
      .begin_request = on_begin_request, .http_error = on_http_error, .log_message = on_log_message};
  char text[ERROR_TEXT_BYTES] = "";
  struct mg_error_data error = {.text = text, .text_buffer_size = sizeof text};
  struct mg_init_data init = {.callbacks = &callbacks, .user_data = server, .configuration_options = options};
  server->context = mg_start2(&init, &error);
  if (server->context) return BASE_OK;
  return BASE_FAIL(fault, BASE_IO, "console", "the console's threads can not be started: %s", text);
}

enum base_result console_server_start(struct console *console, struct console_server **out, struct base_fault *fault) {
  *out = NULL;
  struct console_server *server = calloc(1, sizeof *server);
  if (!server) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for the console");
  server->console = console;
  enum base_result result = console_hatch_open(console->config.threads, fault);
  if (result != BASE_OK) {
    free(server);
    return result;
  }
  mg_init_library(MG_FEATURES_DEFAULT);
  result = start_civetweb(server, fault);
  if (result != BASE_OK) {
    console_server_stop(&server);
    return result;
  }
  *out = server;
  return BASE_OK;
}

void console_server_stop(struct console_server **server) {
  struct console_server *stopping = *server;
  if (!stopping) return;
  *server = NULL;
  if (stopping->context) mg_stop(stopping->context);
  mg_exit_library();
  console_hatch_shut();
  free(stopping);
}
