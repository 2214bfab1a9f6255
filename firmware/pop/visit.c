#include "visit.h"

#include <stdlib.h>
#include <string.h>

#include "policy.h"
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

static bool is_kept(const struct http_header *header) {
  static const char *const names[] = {"if-match", "if-none-match", "if-modified-since",   "if-unmodified-since",
                                      "if-range", "range",         "want-content-digest", "want-repr-digest"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (base_span_is_nocase(header->name, names[i])) return true;
  }
  return false;
}

static struct base_span store_span(struct base_span span, uint8_t **at) {
  uint8_t *start = *at;
  if (span.bytes) memcpy(start, span.data, span.bytes);
  *at += span.bytes;
  return base_span_of(start, span.bytes);
}

struct pop_visit *pop_visit_create(struct pop *pop, const struct http_request *request, struct http_sink *sink,
                                   const struct pop_ask *ask) {
  size_t bytes =
      request->path.bytes + request->authority.bytes;  // of spans within one request head: far from overflowing
  for (size_t i = 0; i < request->header_count; i++) {
    if (is_kept(&request->headers[i])) bytes += request->headers[i].name.bytes + request->headers[i].value.bytes;
  }
  struct pop_visit *visit = malloc(sizeof *visit + bytes);
  if (!visit) return NULL;
  *visit = (struct pop_visit){.pop = pop, .sink = sink, .ask = *ask};
  visit->request.method = request->method;
  visit->request.is_secure = request->is_secure;
  memcpy(visit->request.id, request->id, sizeof visit->request.id);
  uint8_t *at = visit->storage;
  visit->request.path = store_span(request->path, &at);
  visit->request.authority = store_span(request->authority, &at);
  for (size_t i = 0; i < request->header_count; i++) {
    if (!is_kept(&request->headers[i])) continue;
    struct http_header *kept = &visit->request.headers[visit->request.header_count++];
    kept->name = store_span(request->headers[i].name, &at);
    kept->value = store_span(request->headers[i].value, &at);
  }
  return visit;
}

void pop_visit_destroy(struct pop_visit **pointer) {
  struct pop_visit *visit = *pointer;
  *pointer = NULL;
  pop_crowd_leave(&visit->pop->crowd, &visit->guest);
  pop_original_unref(&visit->original);
  free(visit);
}
