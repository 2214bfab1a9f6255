// One request on its way through the room: what must outlive handle().
#ifndef POP_VISIT_H
#define POP_VISIT_H

#include "accept.h"
#include "http/message.h"
#include "pop/native.h"
#include "pop/pop.h"
#include "variant.h"
#include "waiter.h"

// What a request asks for.
struct pop_ask {
  const struct pop_tenant *tenant;
  struct pop_address address;
  struct pop_accept accept;  // read only when the URL leaves the format open
};

// Tenant, address and preferences of a GET or HEAD.
enum base_result pop_ask_read(const struct http_request *request, const struct pop_tenant *tenant, struct pop_ask *out,
                              struct base_fault *fault) BASE_CHECKED;
struct pop_terms pop_ask_terms(const struct pop_ask *ask);

struct pop_visit {
  struct pop_waiter waiter;  // filled in by the journey
  struct pop *pop;
  struct http_sink *sink;
  struct pop_ask ask;
  struct http_request request;  // method, id and the conditional and range fields, with bytes in `storage`
  uint8_t storage[];
};

// Copies what answering later needs. NULL when memory is short.
struct pop_visit *pop_visit_create(struct pop *pop, const struct http_request *request, struct http_sink *sink,
                                   const struct pop_ask *ask);
void pop_visit_destroy(struct pop_visit **visit);

#endif
