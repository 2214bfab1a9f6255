#include "visit.h"

#include <stdlib.h>
#include <string.h>

enum base_result pop_ask_read(const struct http_request *request, const struct pop_tenant *tenant, struct pop_ask *out,
                              struct base_fault *fault) {
  const enum base_result result = pop_native_parse(request->path, request->query, &out->address, fault);
  if (result != BASE_OK) return result;
  out->tenant = tenant;
  out->accept = (struct pop_accept){0};
  if (out->address.recipe.format == RECIPE_FORMAT_AUTO) pop_accept_read(request, &out->accept);
  return BASE_OK;
}

struct pop_terms pop_ask_terms(const struct pop_ask *ask) {
  return (struct pop_terms){
      .is_pinned = ask->tenant->hints_off || recipe_is_pinned(&ask->address.recipe),
      .varies = ask->address.recipe.format == RECIPE_FORMAT_AUTO,
  };
}

// The fields that http_representation_reply looks at.
static bool is_kept(const struct http_header *header) {
  static const char *const names[] = {"if-match", "if-none-match", "if-modified-since", "if-unmodified-since",
                                      "if-range", "range"};
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
  size_t bytes = 0;  // of spans within one request head: far from overflowing
  for (size_t i = 0; i < request->header_count; i++) {
    if (is_kept(&request->headers[i])) bytes += request->headers[i].name.bytes + request->headers[i].value.bytes;
  }
  struct pop_visit *visit = malloc(sizeof *visit + bytes);
  if (!visit) return NULL;
  *visit = (struct pop_visit){.pop = pop, .sink = sink, .ask = *ask, .request = {.method = request->method}};
  memcpy(visit->request.id, request->id, sizeof visit->request.id);
  uint8_t *at = visit->storage;
  for (size_t i = 0; i < request->header_count; i++) {
    if (!is_kept(&request->headers[i])) continue;
    struct http_header *kept = &visit->request.headers[visit->request.header_count++];
    kept->name = store_span(request->headers[i].name, &at);
    kept->value = store_span(request->headers[i].value, &at);
  }
  return visit;
}

void pop_visit_destroy(struct pop_visit **visit) {
  free(*visit);
  *visit = NULL;
}
