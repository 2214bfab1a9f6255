// Steps, each on the thread that the one before left it to:
//
//   begin (caller)     a known URL whose variant is in RAM, or the original's facts and the variant there: reply
//   find_original (io) facts of the original from the store
//   depart             joins the variant's flight or begins one
//   look_up (io)       RAM again, then the disk; else an order to the renderer
//   arrive (render)    lands: keeps the variant on disk and in RAM, ends the flight and answers everyone who waited
#include "journey.h"

#include <stdio.h>
#include <stdlib.h>

#include "landing.h"
#include "reply.h"
#include "visit.h"

enum { MAX_STATUS_BYTES = 64 };

void pop_journey_refuse(struct pop *pop, struct http_sink *sink, const struct base_fault *fault,
                        const char *request_id) {
  base_metric_add(pop->outcomes[POP_OUTCOME_ERROR], 1);
  pop_reply_fault(sink, fault, request_id);
}

static void refuse_visit(struct pop_visit *visit, const struct base_fault *fault) {
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
  char status[MAX_STATUS_BYTES];
  struct http_reply reply;
  const bool is_collapsed = waiter->has_joined && landing->kind == POP_OUTCOME_RENDER;
  write_cache_status(landing, is_collapsed, status);
  base_metric_add(visit->pop->outcomes[is_collapsed ? POP_OUTCOME_COALESCED : landing->kind], 1);
  pop_variant_reply(landing->variant, &visit->request, pop_ask_terms(&visit->ask), status, landing->timing,
                    landing->now_s, &reply);
  http_sink_complete(visit->sink, &reply);
  pop_visit_destroy(&visit);
}

// --- the renderer ---

// The order of one flight.
struct errand {
  struct pop_flight *flight;
  struct recipe_order order;
  struct recipe_product product;
};

static void arrive(void *self, struct recipe_order *order) {
  struct errand *errand = self;
  pop_land_with_product(&errand->flight, &errand->product, &order->trace);
  free(errand);
}

static bool is_abandoned(void *self) {
  const struct errand *errand = self;
  return pop_flights_abandon(&errand->flight->pop->flights, errand->flight);
}

static void send_order(struct pop_flight *flight, const struct base_trace *trace) {
  struct base_fault fault = {0};
  const struct recipe_renderer *renderer = &flight->pop->renderer;
  struct errand *errand = calloc(1, sizeof *errand);
  if (!errand) {
    (void)BASE_FAIL(&fault, BASE_NO_MEMORY, "", "no memory for an order");
    pop_land_with_fault(&flight, &fault);
    return;
  }
  errand->flight = flight;
  errand->order = (struct recipe_order){
      .original = flight->course.original->id,
      .header = flight->course.original->header,
      .count = 1,
      .recipes = &flight->course.recipe,
      .products = &errand->product,
      .request_id = flight->request_id,
      .trace = *trace,
      .is_cancelled = is_abandoned,
      .done = arrive,
      .self = errand,
  };
  const enum base_result result = renderer->submit(renderer->self, &errand->order, &fault);
  if (result == BASE_OK) return;  // the errand is the renderer's
  free(errand);
  (void)BASE_FAIL(&fault, result, "", "the renderer took no more orders");
  pop_land_with_fault(&flight, &fault);
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
  if (recipe_plan(&flight->course.recipe, &flight->course.original->header, &layout, &fault) != BASE_OK) {
    pop_land_with_fault(&flight, &fault);
    return;
  }
  if (pop_land_from_caches(&flight)) return;
  base_trace_end(&trace, span);
  send_order(flight, &trace);
}

// --- departing ---

static enum base_result set_course(const struct pop *pop, const struct pop_ask *ask, struct pop_original *original,
                                   struct pop_course *course, struct base_fault *fault) {
  const struct recipe *wanted = &ask->address.recipe;
  const enum recipe_format format = wanted->format == RECIPE_FORMAT_AUTO
                                        ? pop_accept_choose(&ask->accept, wanted->lossless, original->header.has_alpha)
                                        : wanted->format;
  return pop_course_set(original, wanted, format, pop->renderer.profile, course, fault);
}

// Takes the visit. *begun is a flight that wants to be looked up, or NULL.
static void depart(struct pop_visit *visit, const struct pop_course *course, struct pop_flight **begun) {
  visit->waiter.is_gone = is_gone;
  visit->waiter.land = answer_visit;
  if (pop_flights_join(visit->pop, course, visit->request.id, &visit->waiter, begun) == BASE_OK) return;
  struct base_fault fault = {0};
  (void)BASE_FAIL(&fault, BASE_NO_MEMORY, "", "no memory for a flight");
  refuse_visit(visit, &fault);
}

// Runs on the I/O pool.
static void find_original(void *argument) {
  struct pop_visit *visit = argument;
  struct pop_original *original = NULL;
  struct pop_flight *begun = NULL;
  struct pop_course course;
  struct base_fault fault = {0};
  const struct pop_ask *ask = &visit->ask;
  enum base_result result =
      pop_originals_load(&visit->pop->originals, ask->tenant->name, &ask->address.original, &original, &fault);
  if (result == BASE_OK) result = set_course(visit->pop, ask, original, &course, &fault);
  if (result == BASE_OK) {
    depart(visit, &course, &begun);
  } else {
    refuse_visit(visit, &fault);
  }
  pop_original_unref(&original);
  if (begun) look_up(begun);
}

static void fail_busy(struct base_fault *fault) {
  (void)BASE_FAIL(fault, BASE_BUSY, "", "too many requests are waiting; try again in a moment");
}

static void begin_flight(struct pop *pop, struct pop_visit *visit, const struct pop_course *course) {
  struct pop_flight *begun;
  struct base_fault fault = {0};
  depart(visit, course, &begun);
  if (!begun || base_pool_submit(pop->io, look_up, begun) == BASE_OK) return;
  fail_busy(&fault);
  pop_land_with_fault(&begun, &fault);
}

static void begin_search(struct pop *pop, struct pop_visit *visit) {
  struct base_fault fault = {0};
  if (base_pool_submit(pop->io, find_original, visit) == BASE_OK) return;
  fail_busy(&fault);
  refuse_visit(visit, &fault);
}

// True when the variant was in RAM and the reply costs so little that this thread may make it.
static bool answer_from_ram(struct pop *pop, const struct http_request *request, struct http_sink *sink,
                            const struct cache_key *key, struct pop_terms terms) {
  struct http_reply reply;
  struct pop_variant *variant = cache_lru_get(pop->variants, key);
  if (!variant) return false;
  if (!pop_variant_is_quick(variant, request)) {
    pop_variant_unref(&variant);
    return false;
  }
  base_metric_add(pop->outcomes[POP_OUTCOME_RAM], 1);
  pop_variant_reply_from_ram(variant, request, terms, base_clock_wall_s(pop->clock), &reply);
  pop_variant_unref(&variant);
  http_sink_complete(sink, &reply);
  return true;
}

// From RAM when the original's facts and the variant are there; else the request becomes a visit.
static void answer_parsed(struct pop *pop, const struct http_request *request, struct http_sink *sink,
                          const struct pop_ask *ask) {
  struct base_fault fault = {0};
  struct pop_course course;
  struct pop_visit *visit;
  struct pop_original *original = pop_originals_get(&pop->originals, ask->tenant->name, &ask->address.original);
  if (original && set_course(pop, ask, original, &course, &fault) != BASE_OK) {
    pop_journey_refuse(pop, sink, &fault, request->id);
    goto out;
  }
  if (original && answer_from_ram(pop, request, sink, &course.key, pop_ask_terms(ask))) {
    pop_aliases_keep(&pop->aliases, request, ask->tenant, &course.key, pop_ask_terms(ask));
    goto out;
  }
  visit = pop_visit_create(pop, request, sink, ask);
  if (!visit) {
    (void)BASE_FAIL(&fault, BASE_NO_MEMORY, "", "no memory for a request");
    pop_journey_refuse(pop, sink, &fault, request->id);
  } else if (original) {
    begin_flight(pop, visit, &course);
  } else {
    begin_search(pop, visit);
  }
out:
  pop_original_unref(&original);
}

void pop_journey_begin(struct pop *pop, const struct http_request *request, struct http_sink *sink) {
  struct base_fault fault = {0};
  struct pop_ask ask;
  struct cache_key key;
  struct pop_terms terms;
  const struct pop_tenant *tenant = pop_tenants_find(&pop->tenants, request->host);
  if (pop_aliases_find(&pop->aliases, request, tenant, &key, &terms) &&
      answer_from_ram(pop, request, sink, &key, terms)) {
    return;
  }
  if (pop_ask_read(request, tenant, &ask, &fault) != BASE_OK) {
    pop_journey_refuse(pop, sink, &fault, request->id);
    return;
  }
  answer_parsed(pop, request, sink, &ask);
}
