#include "visit.h"

#include <stdlib.h>

#include "policy.h"
#include "request.h"
#include "state.h"

enum base_result pop_ask_read(const struct http_request *request, const struct pop_tenant *tenant, bool is_trusted,
                              const struct base_clock *clock, struct pop_ask *out, struct base_fault *fault) {
  enum base_result result = pop_address_read(request->path, request->query, &out->address, fault);
  if (result == BASE_OK && !is_trusted) {
    result =
        pop_policy_check(tenant, request, &out->address, base_clock_wall_s(clock), base_clock_is_trusted(clock), fault);
  }
  if (result != BASE_OK) return result;
  out->tenant = tenant;
  out->is_trusted = is_trusted;
  out->open = pop_hints_open(&out->address, tenant);
  out->accept = (struct pop_accept){0};
  if (out->open & POP_OPEN_FORMAT) pop_accept_read(request, &out->accept);
  pop_hints_read(request, out->open, tenant, &out->hints);
  return BASE_OK;
}

struct pop_visit *pop_visit_create(struct pop *pop, const struct http_request *request, struct http_sink *sink,
                                   const struct pop_ask *ask) {
  struct pop_visit *visit = malloc(sizeof *visit + pop_request_bytes(request));
  if (!visit) return NULL;
  *visit = (struct pop_visit){.pop = pop, .sink = sink, .ask = *ask};
  pop_request_copy(request, &visit->request, visit->storage);
  return visit;
}

void pop_visit_destroy(struct pop_visit **pointer) {
  struct pop_visit *visit = *pointer;
  *pointer = NULL;
  pop_crowd_leave(&visit->pop->crowd, &visit->guest);
  pop_original_unref(&visit->original);
  free(visit);
}
