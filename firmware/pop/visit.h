// One request on its way through the room: what must outlive handle().
#ifndef POP_VISIT_H
#define POP_VISIT_H

#include "crowd.h"
#include "http/message.h"
#include "plan.h"
#include "pop/pop.h"
#include "waiter.h"

// Tenant, address and preferences of a GET or HEAD, and whether it is allowed: fails as pop_address_read and
// pop_policy_check do. Those whom `is_trusted` says that they are known are not checked.
enum base_result pop_ask_read(const struct http_request *request, const struct pop_tenant *tenant, bool is_trusted,
                              const struct base_clock *clock, struct pop_ask *out,
                              struct base_fault *fault) BASE_CHECKED;

struct pop_visit {
  struct pop_waiter waiter;  // filled in by the journey
  struct pop *pop;
  struct http_sink *sink;
  struct pop_ask ask;
  struct pop_original *original;  // once it is known, and then `plan`
  struct pop_plan plan;
  struct pop_guest *guest;      // the client, or NULL when it is not limited
  struct http_request request;  // what http_representation_reply and documents look at, with bytes in `storage`
  uint8_t storage[];
};

// Copies what answering later needs. NULL when memory is short.
struct pop_visit *pop_visit_create(struct pop *pop, const struct http_request *request, struct http_sink *sink,
                                   const struct pop_ask *ask);
void pop_visit_destroy(struct pop_visit **visit);

#endif
