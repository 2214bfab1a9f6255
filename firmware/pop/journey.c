// Steps, each on the thread that the one before left it to:
//
//   begin (caller)   a known URL whose variant is in RAM, or the original's facts and the variant there: reply
//   search (io)      the original's facts from the store; a better variant, which may be on disk and for which those
//                    who want it have one flight: reply
//   depart           joins the variant's flight or begins one
//   look_up (io)     RAM again, then the disk; else it waits in its client's line for its turn at the renderer
//   (queue.h) arrive (render)  lands: keeps the variant on disk and in RAM, ends the flight and answers everyone who
//   waited
#include "journey.h"

#include <stdio.h>
#include <stdlib.h>

#include "document.h"
#include "landing.h"
#include "queue.h"
#include "reply.h"
#include "visit.h"

enum { MAX_STATUS_BYTES = 64 };

void pop_journey_refuse(struct pop *pop, struct http_sink *sink, const struct base_fault *fault,
                        const char *request_id) {
  base_metric_add(pop->outcomes[POP_OUTCOME_ERROR], 1);
  pop_reply_fault(sink, fault, request_id);
}

// Before the reply is sent, so that a client that sends its next request at once has room for it.
static void leave_crowd(struct pop_visit *visit) { pop_crowd_leave(&visit->pop->crowd, &visit->guest); }

static void refuse_visit(struct pop_visit *visit, const struct base_fault *fault) {
  leave_crowd(visit);
  pop_journey_refuse(visit->pop, visit->sink, fault, visit->request.id);
  pop_visit_destroy(&visit);
}

// --- landing ---

// RFC 9211: `collapsed` for those who waited for another request's answer.
static void write_cache_status(const struct pop_landing *landing, bool has_joined, char out[MAX_STATUS_BYTES]) {
  if (landing->kind == POP_OUTCOME_RAM) {
    (void)snprintf(out, MAX_STATUS_BYTES, "pixpop; hit");
  } else if (landing->kind == POP_OUTCOME_DISK) {
    (void)snprintf(out, MAX_STATUS_BYTES, "pixpop; hit; detail=disk");
  } else {
    (void)snprintf(out, MAX_STATUS_BYTES, "pixpop; fwd=miss%s%s", landing->is_stored ? "; stored" : "",
                   has_joined ? "; collapsed" : "");
  }
}

static struct pop_visit *visit_of(struct pop_waiter *waiter) { return (struct pop_visit *)waiter; }

static bool is_gone(struct pop_waiter *waiter) { return http_sink_is_cancelled(visit_of(waiter)->sink); }

// True when the client will come back soon, since something better than what it gets is being made.
static bool is_pending(const struct pop_visit *visit, const struct pop_variant *variant) {
  return visit->plan.has_better &&
         pop_upgrades_want(visit->pop, &visit->plan.better, variant->blob->bytes, visit->request.id);
}

// BASE_BUSY when the client reads too slowly for what it has already; then the reply is finished.
static enum base_result lend(struct pop *pop, const struct http_request *request, enum pop_loan loan,
                             struct pop_variant *variant, struct http_reply *reply, struct base_fault *fault) {
  const enum base_result result = pop_sending_lend(&pop->sending, request->client, loan, variant, reply, fault);
  if (result != BASE_OK) http_reply_finish(reply);
  return result;
}

// Fails as lend does.
static enum base_result make_reply(const struct pop_visit *visit, const struct pop_landing *landing, bool is_collapsed,
                                   struct http_reply *out, struct base_fault *fault) {
  struct pop *pop = visit->pop;
  char status[MAX_STATUS_BYTES];
  struct pop_terms terms = visit->plan.terms;
  const enum pop_loan loan = landing->kind == POP_OUTCOME_RAM ? POP_LOAN_HIT : POP_LOAN_NEW;
  write_cache_status(landing, is_collapsed, status);
  terms.is_pending = is_pending(visit, landing->variant);
  pop_variant_reply(landing->variant, &visit->request, terms, status, landing->timing, landing->now_s, out);
  return lend(pop, &visit->request, visit->ask.is_trusted ? POP_LOAN_TRUSTED : loan, landing->variant, out, fault);
}

static void answer_visit(struct pop_waiter *waiter, const struct pop_landing *landing) {
  struct pop_visit *visit = visit_of(waiter);
  if (landing->variant && http_sink_is_cancelled(visit->sink)) {  // nothing is hashed for somebody who has hung up
    struct base_fault fault = {0};
    (void)BASE_FAIL(&fault, BASE_CANCELLED, "", "the client went away");
    refuse_visit(visit, &fault);
    return;
  }
  if (!landing->variant) {
    refuse_visit(visit, &landing->fault);
    return;
  }
  struct http_reply reply;
  struct base_fault fault = {0};
  const bool is_collapsed = waiter->has_joined && landing->kind == POP_OUTCOME_RENDER;
  if (make_reply(visit, landing, is_collapsed, &reply, &fault) != BASE_OK) {
    refuse_visit(visit, &fault);
    return;
  }
  base_metric_add(visit->pop->outcomes[is_collapsed ? POP_OUTCOME_COALESCED : landing->kind], 1);
  leave_crowd(visit);
  http_sink_complete(visit->sink, &reply);
  pop_visit_destroy(&visit);
}

// --- looking up ---

// Runs on the I/O pool.
static void look_up(void *argument) {
  struct pop_flight *flight = argument;
  struct pop *pop = flight->pop;
  struct base_fault fault = {0};
  struct image_layout layout;
  struct base_trace trace = {.clock = pop->clock};
  const size_t span = base_trace_begin(&trace, "lookup");
  if (pop_flights_abandon(&pop->flights, flight)) {
    (void)BASE_FAIL(&fault, BASE_CANCELLED, "", "the client went away");
    pop_land_with_fault(&flight, &fault);
    return;
  }
  if (pop_sending_check(&pop->sending, NULL, &fault) != BASE_OK ||
      recipe_plan(&flight->course.recipe, &flight->course.original->header, &layout, &fault) != BASE_OK) {
    pop_land_with_fault(&flight, &fault);
    return;
  }
  if (pop_land_from_caches(&flight)) return;
  base_trace_end(&trace, span);
  flight->trace = trace;
  pop_queue_add(pop, flight);
}

// --- departing ---

static enum base_result make_plan(const struct pop *pop, const struct pop_ask *ask, struct pop_original *original,
                                  struct pop_plan *out, struct base_fault *fault) {
  return pop_plan_make(ask, original, pop->renderer.profile, pop->makes_avif, out, fault);
}

// Takes the visit, which waits for a flight of `target` (of its plan). *begun is one that wants to be looked up, or
// NULL.
static void board(struct pop_visit *visit, const struct pop_course *target, struct pop_flight **begun) {
  struct pop *pop = visit->pop;
  bool has_moved;
  visit->waiter.is_gone = is_gone;
  visit->waiter.guest = visit->guest;
  const struct pop_course course = *target;  // the visit may be gone before the flight is looked at
  if (pop_flights_join(pop, &course, visit->request.id, &visit->waiter, begun, &has_moved) == BASE_OK) {
    if (has_moved) pop_queue_hand_over(pop);
    return;
  }
  struct base_fault fault = {0};
  (void)BASE_FAIL(&fault, BASE_NO_MEMORY, "", "no memory for a flight");
  refuse_visit(visit, &fault);
}

// For the variant that the plan says.
static void depart(struct pop_visit *visit, struct pop_flight **begun) {
  visit->waiter.is_search = false;
  visit->waiter.land = answer_visit;
  board(visit, &visit->plan.course, begun);
}

// --- searching ---

static bool wants_better(const struct pop_visit *visit) {
  return visit->plan.has_better && pop_upgrades_state(visit->pop, &visit->plan.better.key) != POP_UPGRADE_FINAL;
}

static void land_search(struct pop_waiter *waiter, const struct pop_landing *landing) {
  visit_of(waiter)->plan.has_better = false;  // it is what this is answered with
  answer_visit(waiter, landing);
}

// No cache has the better variant: ends the search. What its visits begin now is looked up when all have departed, so
// that they are together again.
static void depart_all(struct pop_flight *searched) {
  struct pop_flight *all_begun = NULL;
  struct pop_waiter *waiter = pop_flights_end(&searched->pop->flights, &searched);
  while (waiter) {
    struct pop_waiter *next = waiter->next;
    struct pop_flight *begun = NULL;
    depart(visit_of(waiter), &begun);
    if (begun) {
      begun->next_in_line = all_begun;
      all_begun = begun;
    }
    waiter = next;
  }
  while (all_begun) {
    struct pop_flight *next = all_begun->next_in_line;
    all_begun->next_in_line = NULL;
    look_up(all_begun);
    all_begun = next;
  }
}

// Runs on the I/O pool.
static void look_up_better(struct pop_flight *flight) {
  struct pop *pop = flight->pop;
  struct base_fault fault = {0};
  if (pop_flights_abandon(&pop->flights, flight)) {
    (void)BASE_FAIL(&fault, BASE_CANCELLED, "", "the client went away");
    pop_land_with_fault(&flight, &fault);
  } else if (pop_sending_check(&pop->sending, NULL, &fault) != BASE_OK) {
    pop_land_with_fault(&flight, &fault);
  } else if (!pop_land_from_caches(&flight)) {
    pop_upgrades_miss(pop, &flight->course.key);
    depart_all(flight);
  }
}

static void search_better(struct pop_visit *visit) {
  struct pop_flight *begun = NULL;
  visit->waiter.is_search = true;
  visit->waiter.land = land_search;
  board(visit, &visit->plan.better, &begun);
  if (begun) look_up_better(begun);
}

static void answer_with_document(struct pop *pop, const struct http_request *request, struct http_sink *sink,
                                 const struct pop_ask *ask, const struct pop_original *original) {
  struct http_reply reply;
  struct base_fault fault = {0};
  const enum base_result result =
      original
          ? pop_document_info(request, ask, pop->public_url, original, base_clock_wall_s(pop->clock), &reply, &fault)
          : pop_document_redirect(request, &ask->address, pop->public_url, &reply, &fault);
  if (result != BASE_OK) {
    pop_journey_refuse(pop, sink, &fault, request->id);
  } else {
    http_sink_complete(sink, &reply);
  }
}

static enum base_result find_original(struct pop_visit *visit, struct base_fault *fault) {
  struct pop *pop = visit->pop;
  const struct pop_address *address = &visit->ask.address;
  const enum base_result result =
      pop_originals_load(&pop->originals, visit->ask.tenant->name, &address->original, &visit->original, fault);
  if (result != BASE_OK || pop_document_is(address)) return result;
  return make_plan(pop, &visit->ask, visit->original, &visit->plan, fault);
}

// Runs on the I/O pool.
static void search(void *argument) {
  struct pop_visit *visit = argument;
  struct pop_flight *begun = NULL;
  struct base_fault fault = {0};
  if (!visit->original && find_original(visit, &fault) != BASE_OK) {
    refuse_visit(visit, &fault);
    return;
  }
  if (pop_document_is(&visit->ask.address)) {
    leave_crowd(visit);
    answer_with_document(visit->pop, &visit->request, visit->sink, &visit->ask, visit->original);
    pop_visit_destroy(&visit);
    return;
  }
  if (wants_better(visit)) {
    search_better(visit);
    return;
  }
  depart(visit, &begun);
  if (begun) look_up(begun);
}

static void fail_busy(struct base_fault *fault) {
  (void)BASE_FAIL(fault, BASE_BUSY, "", "too many requests are waiting; try again in a moment");
}

static void begin_flight(struct pop *pop, struct pop_visit *visit) {
  struct pop_flight *begun = NULL;
  struct base_fault fault = {0};
  depart(visit, &begun);
  if (!begun || base_pool_submit(pop->io, look_up, begun) == BASE_OK) return;
  fail_busy(&fault);
  pop_land_with_fault(&begun, &fault);
}

static void begin_search(struct pop *pop, struct pop_visit *visit) {
  struct base_fault fault = {0};
  if (base_pool_submit(pop->io, search, visit) == BASE_OK) return;
  fail_busy(&fault);
  refuse_visit(visit, &fault);
}

// True when the answer may be one without the variant's bytes: then it is seen when it is there (lend).
static bool may_need_no_bytes(const struct http_request *request) {
  return request->method == HTTP_HEAD || http_request_header(request, "If-None-Match") ||
         http_request_header(request, "If-Modified-Since");
}

// Whether the client may have a visit of its own now. What it asks for may have to be brought into RAM, unless it is a
// document.
static enum base_result enter(struct pop_visit *visit, struct base_fault *fault) {
  struct pop *pop = visit->pop;
  if (!pop_document_is(&visit->ask.address) && !may_need_no_bytes(&visit->request)) {
    const enum base_result result = pop_sending_check(&pop->sending, visit->request.client, fault);
    if (result != BASE_OK) return result;
  }
  return pop_crowd_enter(&pop->crowd, visit->request.client, &visit->guest, fault);
}

// The request becomes a visit; `plan` is NULL when the original is not known yet.
static void begin_visit(struct pop *pop, const struct http_request *request, struct http_sink *sink,
                        const struct pop_ask *ask, const struct pop_plan *plan, bool is_trusted) {
  struct base_fault fault = {0};
  struct pop_visit *visit = pop_visit_create(pop, request, sink, ask);
  if (!visit) {
    (void)BASE_FAIL(&fault, BASE_NO_MEMORY, "", "no memory for a request");
    pop_journey_refuse(pop, sink, &fault, request->id);
    return;
  }
  if (!is_trusted && enter(visit, &fault) != BASE_OK) {
    refuse_visit(visit, &fault);
    return;
  }
  if (!plan) {
    begin_search(pop, visit);
    return;
  }
  visit->plan = *plan;
  visit->original = pop_original_ref(plan->course.original);
  const bool is_unknown = plan->has_better && pop_upgrades_state(pop, &plan->better.key) == POP_UPGRADE_UNKNOWN;
  if (is_unknown) {
    begin_search(pop, visit);
  } else {
    begin_flight(pop, visit);
  }
}

// --- from RAM ---

// True when the variant was in RAM and the reply costs so little that this thread may make it; which is a refusal when
// the client reads too slowly for what it has already.
static bool answer_from_ram(struct pop *pop, const struct http_request *request, struct http_sink *sink,
                            const struct cache_key *key, struct pop_terms terms, int64_t now_s) {
  struct http_reply reply;
  struct base_fault fault = {0};
  struct pop_variant *variant = cache_lru_get(pop->variants, key);
  if (!variant) return false;
  if (!pop_variant_is_quick(variant, request)) {
    pop_variant_unref(&variant);
    return false;
  }
  pop_variant_reply_from_ram(variant, request, terms, now_s, &reply);
  const enum pop_loan loan = terms.is_private ? POP_LOAN_TRUSTED : POP_LOAN_HIT;
  const enum base_result result = lend(pop, request, loan, variant, &reply, &fault);
  pop_variant_unref(&variant);
  if (result == BASE_OK) {
    base_metric_add(pop->outcomes[POP_OUTCOME_RAM], 1);
    http_sink_complete(sink, &reply);
  } else {
    pop_journey_refuse(pop, sink, &fault, request->id);
  }
  return true;
}

// Orders what is pending again when it is time to.
static bool is_still_pending(struct pop *pop, const struct http_request *request, const struct pop_plan *plan) {
  struct pop_variant *variant = cache_lru_get(pop->variants, &plan->course.key);
  if (!variant) return true;
  const bool is_pending = pop_upgrades_want(pop, &plan->better, variant->blob->bytes, request->id);
  pop_variant_unref(&variant);
  return is_pending;
}

// With the better variant, if it is in RAM, else with the other one, if that is all there is to say now. The plan
// becomes what was answered.
static bool answer_plan_from_ram(struct pop *pop, const struct http_request *request, struct http_sink *sink,
                                 struct pop_plan *plan, int64_t now_s) {
  enum pop_upgrade_state state = POP_UPGRADE_FINAL;
  if (plan->has_better) {
    state = pop_upgrades_state(pop, &plan->better.key);
    if (state != POP_UPGRADE_FINAL && cache_lru_contains(pop->variants, &plan->better.key)) {
      plan->course = plan->better;
      plan->has_better = false;
      state = POP_UPGRADE_FINAL;
    }
  }
  if (state == POP_UPGRADE_UNKNOWN) return false;
  if (state == POP_UPGRADE_PENDING) plan->terms.is_pending = is_still_pending(pop, request, plan);
  return answer_from_ram(pop, request, sink, &plan->course.key, plan->terms, now_s);
}

// From RAM when the original's facts and the variant are there; else the request becomes a visit.
static void answer_parsed(struct pop *pop, const struct http_request *request, struct http_sink *sink,
                          const struct pop_ask *ask, int64_t now_s, bool is_trusted) {
  struct base_fault fault = {0};
  struct pop_plan plan;
  if (pop_document_is_redirect(&ask->address)) {
    answer_with_document(pop, request, sink, ask, NULL);
    return;
  }
  struct pop_original *original = pop_originals_get(&pop->originals, ask->tenant->name, &ask->address.original);
  if (!original) {
    begin_visit(pop, request, sink, ask, NULL, is_trusted);
  } else if (pop_document_is(&ask->address)) {
    answer_with_document(pop, request, sink, ask, original);
  } else if (make_plan(pop, ask, original, &plan, &fault) != BASE_OK) {
    pop_journey_refuse(pop, sink, &fault, request->id);
  } else if (!answer_plan_from_ram(pop, request, sink, &plan, now_s)) {
    begin_visit(pop, request, sink, ask, &plan, is_trusted);
  } else if (!is_trusted && !plan.terms.is_pending && !plan.terms.is_escaped) {
    pop_aliases_keep(&pop->aliases, request, ask->tenant, &plan.course.key, plan.terms);
  }
  pop_original_unref(&original);
}

// --- slow readers ---

// Runs on the I/O pool.
static void settle(void *argument) {
  struct pop *pop = argument;
  atomic_store(&pop->held.is_settling, false);
  pop_held_settle(&pop->held, pop->variants);
}

// What landings bring out of the cache is let go of by the next landing; and here, should none come for long.
static void let_go_of_what_is_read(struct pop *pop) {
  if (!pop_held_is_read(&pop->held, pop_sending_bytes(&pop->sending))) return;
  if (atomic_exchange(&pop->held.is_settling, true)) return;
  if (!base_pool_submit_background(pop->io, settle, pop)) atomic_store(&pop->held.is_settling, false);
}

void pop_journey_begin(struct pop *pop, const struct http_request *request, struct http_sink *sink, bool is_trusted) {
  struct base_fault fault = {0};
  struct pop_ask ask;
  struct cache_key key;
  struct pop_terms terms;
  const int64_t now_s = base_clock_wall_s(pop->clock);
  const struct pop_tenant *tenant = pop_tenants_find(&pop->tenants, request->host);
  let_go_of_what_is_read(pop);
  // Those of trusted ones have no aliases, as these tell nothing of signatures.
  if (!is_trusted && pop_aliases_find(&pop->aliases, request, tenant, now_s, &key, &terms) &&
      answer_from_ram(pop, request, sink, &key, terms, now_s)) {
    return;
  }
  pop_tenants_hold_keys(&pop->tenants);
  tenant = pop_tenants_find(&pop->tenants, request->host);  // again, so that it has its keys
  const enum base_result result = pop_ask_read(request, tenant, is_trusted, pop->clock, &ask, &fault);
  pop_tenants_release_keys(&pop->tenants);
  if (result != BASE_OK) {
    pop_journey_refuse(pop, sink, &fault, request->id);
    return;
  }
  answer_parsed(pop, request, sink, &ask, now_s, is_trusted);
}
