// One scripted server and one client that visits it.
#ifndef TESTS_CLIENT_VISIT_H
#define TESTS_CLIENT_VISIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "client/client.h"
#include "scripted_server.h"

struct visit {
  struct scripted_server server;
  struct client *client;
  struct client_response response;
  struct base_fault fault;
};

#define VISIT_COUNT(array) (sizeof(array) / sizeof(*(array)))
#define VISIT_BEGIN(visit, steps) visit_begin(visit, steps, VISIT_COUNT(steps), 10000)
#define VISIT_BEGIN_IMPATIENT(visit, steps) visit_begin(visit, steps, VISIT_COUNT(steps), 150)

static inline void visit_begin(struct visit *visit, const struct scripted_step *steps, size_t count,
                               uint32_t io_timeout_ms) {
  memset(visit, 0, sizeof(*visit));
  scripted_server_start(&visit->server, steps, count);
  const struct client_config config = {.base_url = visit->server.url, .io_timeout_ms = io_timeout_ms};
  assert_int_equal(client_create(&config, &visit->client, NULL), BASE_OK);
}

static inline enum base_result visit_send(struct visit *visit, const struct client_request *request) {
  base_fault_clear(&visit->fault);
  client_response_finish(&visit->response);
  return client_send(visit->client, request, &visit->response, &visit->fault);
}

static inline enum base_result visit_ask(struct visit *visit, const char *method) {
  return visit_send(visit, &(struct client_request){.method = method, .path = "/x", .body_fd = -1});
}

static inline void visit_must(struct visit *visit, const char *method, int status, const char *body) {
  if (visit_ask(visit, method) != BASE_OK) fail_msg("%s", visit->fault.text);
  assert_int_equal(visit->response.status, status);
  assert_true(base_span_is(base_buffer_span(&visit->response.body), body));
}

// Closes the client, then waits for the script, all of which must have been followed.
static inline void visit_end(struct visit *visit) {
  client_response_finish(&visit->response);
  client_destroy(&visit->client);
  const bool is_complete = scripted_server_stop(&visit->server);
  const size_t done = visit->server.done;
  scripted_server_finish(&visit->server);
  if (!is_complete) fail_msg("the script stopped at step %zu", done);
}

#endif
