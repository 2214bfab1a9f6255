#include "client/client.h"

#include <stdlib.h>
#include <string.h>

#include "connection.h"
#include "exchange.h"
#include "origin.h"
#include "request_head.h"

enum { MAX_REQUEST_HEAD_BYTES = 16384 };

struct client {
  struct client_config config;  // its strings are ours
  struct client_origin origin;
  struct client_connection connection;
  char *ca_file;
  char *fingerprint;
};

enum base_result client_create(const struct client_config *config, struct client **out, struct base_fault *fault) {
  *out = NULL;
  struct client *client = calloc(1, sizeof(*client));
  if (client == NULL) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for the client");
  client->connection = CLIENT_CONNECTION_CLOSED;
  enum base_result result = client_origin_parse(config->base_url, &client->origin, fault);
  if (result != BASE_OK) goto out;
  if (config->ca_file != NULL) client->ca_file = strdup(config->ca_file);
  if (config->fingerprint != NULL) client->fingerprint = strdup(config->fingerprint);
  if ((config->ca_file != NULL && client->ca_file == NULL) ||
      (config->fingerprint != NULL && client->fingerprint == NULL)) {
    result = BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for the client");
    goto out;
  }
  client->config = (struct client_config){
      .ca_file = client->ca_file,
      .fingerprint = client->fingerprint,
      .connect_timeout_ms = config->connect_timeout_ms ? config->connect_timeout_ms : CLIENT_DEFAULT_CONNECT_TIMEOUT_MS,
      .io_timeout_ms = config->io_timeout_ms ? config->io_timeout_ms : CLIENT_DEFAULT_IO_TIMEOUT_MS,
  };
  *out = client;
  client = NULL;
out:
  client_destroy(&client);
  return result;
}

void client_destroy(struct client **client) {
  if (*client == NULL) return;
  client_connection_close(&(*client)->connection);
  free((*client)->ca_file);
  free((*client)->fingerprint);
  free(*client);
  *client = NULL;
}

static void response_init(struct client_response *response) {
  response->status = 0;
  response->header_count = 0;
  base_buffer_init(&response->head, CLIENT_MAX_HEAD_BYTES);
  base_buffer_init(&response->body, CLIENT_MAX_BODY_BYTES);
}

void client_response_finish(struct client_response *response) {
  base_buffer_finish(&response->head);
  base_buffer_finish(&response->body);
  response->header_count = 0;
}

struct base_span client_response_header(const struct client_response *response, const char *name) {
  for (size_t i = 0; i < response->header_count; i++) {
    if (base_span_is_nocase(response->headers[i].name, name)) return response->headers[i].value;
  }
  return base_span_of(NULL, 0);
}

// A URL's path with its query; empty when it has none.
static struct base_span path_of_url(struct base_span url) {
  for (size_t i = 0; i + 3 <= url.bytes; i++) {
    if (memcmp(url.data + i, "://", 3) != 0) continue;
    const struct base_span rest = base_span_slice(url, i + 3, url.bytes);
    const uint8_t *slash = rest.bytes > 0 ? memchr(rest.data, '/', rest.bytes) : NULL;
    return slash != NULL ? base_span_slice(rest, (size_t)(slash - rest.data), rest.bytes) : base_span_of(NULL, 0);
  }
  return base_span_of(NULL, 0);
}

enum base_result client_location_path(const struct client *client, struct base_span location, char *out,
                                      size_t capacity, struct base_fault *fault) {
  const bool is_path = base_span_starts_with(location, "/") && !base_span_starts_with(location, "//");
  const struct base_span path = is_path ? location : path_of_url(location);
  const char *prefix = client->origin.prefix;
  const struct base_span rest = base_span_slice(path, strlen(prefix), path.bytes);
  if (!base_span_starts_with(path, prefix) || !base_span_starts_with(rest, "/"))
    return BASE_FAIL(fault, BASE_BAD_INPUT, "location", "the server named a place that is not below its own address");
  if (!base_span_copy(rest, out, capacity))
    return BASE_FAIL(fault, BASE_BAD_INPUT, "location", "the server named a place with more than %zu characters",
                     capacity - 1);
  return BASE_OK;
}

// One attempt; opens the connection when there is none.
static enum base_result attempt(struct client *client, const struct client_request *request, struct base_span head,
                                struct client_response *response, struct client_exchange_outcome *outcome,
                                struct base_fault *fault) {
  *outcome = (struct client_exchange_outcome){0};
  if (!client_connection_is_open(&client->connection)) {
    const enum base_result result =
        client_connection_open(&client->connection, &client->origin, &client->config, fault);
    if (result != BASE_OK) return result;
  }
  const enum base_result result = client_exchange_run(&client->connection, request, head, response, outcome, fault);
  if (!outcome->can_reuse) client_connection_close(&client->connection);
  return result;
}

enum base_result client_send(struct client *client, const struct client_request *request,
                             struct client_response *response, struct base_fault *fault) {
  response_init(response);
  struct base_buffer head;
  base_buffer_init(&head, MAX_REQUEST_HEAD_BYTES);
  enum base_result result = client_request_head_write(request, &client->origin, &head, fault);
  if (result != BASE_OK) goto out;

  if (client_connection_is_open(&client->connection) && client_connection_is_stale(&client->connection))
    client_connection_close(&client->connection);
  const bool was_kept = client_connection_is_open(&client->connection);
  struct client_exchange_outcome outcome;
  struct base_fault first = {0};
  result = attempt(client, request, base_buffer_span(&head), response, &outcome, was_kept ? &first : fault);
  if (!was_kept) goto out;
  // The server closed a kept connection in the moment it was used again: that says nothing about the request.
  if (result == BASE_IO && !outcome.has_received && !request->is_once)
    result = attempt(client, request, base_buffer_span(&head), response, &outcome, fault);
  else if (result != BASE_OK)
    (void)base_fault_record(fault, first.result, first.file, first.line, first.subject, "%s", first.text);
out:
  base_buffer_finish(&head);
  return result;
}
