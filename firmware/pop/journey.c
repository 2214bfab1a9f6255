// Steps, each on the thread that the one before left it to:
//
//   begin (caller)     a known URL whose variant is in RAM, or the original's facts and the variant there: reply
//   find_original (io) facts of the original from the store
//   depart             joins the variant's flight or begins one
//   look_up (io)       RAM again, then the disk; else an order to the renderer
//   arrive (render)    keeps the variant on disk and in RAM
//   land               ends the flight and answers everyone who waited
#include "journey.h"

#include <stdio.h>
#include <string.h>

#include "http/problem.h"
#include "reply.h"

enum { MAX_TIMING_BYTES = 256, MAX_STATUS_BYTES = 64 };

// What a flight ended with: a variant or a fault.
struct outcome {
  struct pop_variant *variant;  // borrowed
  struct base_fault fault;
  enum pop_outcome kind;
  bool is_stored;
  char timing[MAX_TIMING_BYTES];
};

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
static void write_cache_status(const struct outcome *outcome, bool has_joined, char out[MAX_STATUS_BYTES]) {
  if (outcome->kind == POP_OUTCOME_RAM) {
    (void)snprintf(out, MAX_STATUS_BYTES, "pixpop; hit");
  } else if (outcome->kind == POP_OUTCOME_DISK) {
    (void)snprintf(out, MAX_STATUS_BYTES, "pixpop; hit; detail=disk");
  } else {
    (void)snprintf(out, MAX_STATUS_BYTES, "pixpop; fwd=miss%s%s", outcome->is_stored ? "; stored" : "",
                   has_joined ? "; collapsed" : "");
  }
}

static void answer_visit(struct pop_visit *visit, const struct outcome *outcome, int64_t now_s) {
  if (outcome->variant && http_sink_is_cancelled(visit->sink)) {  // nothing is hashed for somebody who has hung up
    struct base_fault fault = {0};
    (void)BASE_FAIL(&fault, BASE_CANCELLED, "", "the client went away");
    refuse_visit(visit, &fault);
    return;
  }
  if (!outcome->variant) {
    refuse_visit(visit, &outcome->fault);
    return;
  }
  char status[MAX_STATUS_BYTES];
  struct http_reply reply;
  const bool is_collapsed = visit->has_joined && outcome->kind == POP_OUTCOME_RENDER;
  write_cache_status(outcome, is_collapsed, status);
  base_metric_add(visit->pop->outcomes[is_collapsed ? POP_OUTCOME_COALESCED : outcome->kind], 1);
  pop_variant_reply(outcome->variant, &visit->request, pop_ask_terms(&visit->ask), status, outcome->timing, now_s,
                    &reply);
  http_sink_complete(visit->sink, &reply);
  pop_visit_destroy(&visit);
}

static void land(struct pop_flight *flight, const struct outcome *outcome) {
  struct pop *pop = flight->pop;
  const int64_t now_s = base_clock_wall_s(pop->clock);
  struct pop_visit *visit = pop_flights_end(&pop->flights, &flight);
  while (visit) {
    struct pop_visit *next = visit->next;
    answer_visit(visit, outcome, now_s);
    visit = next;
  }
}

static void land_with_fault(struct pop_flight *flight, const struct base_fault *fault) {
  struct outcome outcome = {.fault = *fault, .kind = POP_OUTCOME_ERROR};
  if (http_status_of(fault->result) >= 500 && fault->result != BASE_BUSY) {
    base_log_fault(flight->pop->log, BASE_LOG_ERROR, "pop", flight->request_id, fault);
  }
  land(flight, &outcome);
}

// --- arriving ---

// BASE_NOT_FOUND when the original was deleted meanwhile; other failures to write only mean that the disk has no copy.
static enum base_result put_on_disk(struct pop_flight *flight, bool *is_stored, struct base_fault *fault) {
  const struct recipe_product *product = &flight->product;
  struct base_fault write_fault = {0};
  char text[RECIPE_TEXT_BYTES];
  struct store_variant record = {
      .key = flight->key,
      .original = flight->original->id,
      .width = product->width,
      .height = product->height,
      .created_s = base_clock_wall_s(flight->pop->clock),
      .digest = product->digest,
      .bytes = product->blob->bytes,
  };
  recipe_text(&flight->recipe, text);
  memcpy(record.tenant, flight->original->tenant, sizeof record.tenant);
  (void)snprintf(record.recipe, sizeof record.recipe, "%s", text);
  (void)snprintf(record.media_type, sizeof record.media_type, "%s", product->media_type);
  const enum base_result result =
      store_variant_put(flight->pop->store, &record, base_blob_span(product->blob), &write_fault);
  *is_stored = result == BASE_OK;
  if (result == BASE_NOT_FOUND) {
    pop_originals_forget(&flight->pop->originals, flight->original->tenant, &flight->original->id);
    return BASE_FAIL(fault, BASE_NOT_FOUND, "id", "the original was deleted");
  }
  if (result != BASE_OK) {
    // A full disk is the store's to complain about, and would fill the log here.
    const enum base_log_level level = result == BASE_NO_SPACE ? BASE_LOG_DEBUG : BASE_LOG_WARN;
    base_log_fault(flight->pop->log, level, "pop", flight->request_id, &write_fault);
  }
  return BASE_OK;
}

static void land_with_product(struct pop_flight *flight) {
  struct pop *pop = flight->pop;
  const struct recipe_product *product = &flight->product;
  struct outcome outcome = {.kind = POP_OUTCOME_RENDER};
  if (put_on_disk(flight, &outcome.is_stored, &outcome.fault) == BASE_OK) {
    outcome.variant =
        pop_variant_create(flight->original, &flight->recipe, product->blob, product->media_type, &product->digest);
    if (!outcome.variant) (void)BASE_FAIL(&outcome.fault, BASE_NO_MEMORY, "", "no memory for a variant");
  }
  if (!outcome.variant) {
    land_with_fault(flight, &outcome.fault);
    return;
  }
  pop_flights_keep(&pop->flights, flight, pop->variants, outcome.variant);
  base_trace_format(&flight->order.trace, outcome.timing, sizeof outcome.timing);
  land(flight, &outcome);
  pop_variant_unref(&outcome.variant);
}

static void arrive(void *self, struct recipe_order *order) {
  (void)order;
  struct pop_flight *flight = self;
  if (flight->product.fault.result == BASE_OK) {
    land_with_product(flight);
  } else {
    const struct base_fault fault = flight->product.fault;
    land_with_fault(flight, &fault);
  }
}

// --- looking up ---

static bool is_cancelled(void *self) {
  struct pop_flight *flight = self;
  return pop_flights_abandon(&flight->pop->flights, flight);
}

static void send_order(struct pop_flight *flight, size_t lookup_span) {
  struct base_fault fault = {0};
  struct recipe_order *order = &flight->order;
  order->original = flight->original->id;
  order->header = flight->original->header;
  order->count = 1;
  order->recipes = &flight->recipe;
  order->products = &flight->product;
  order->request_id = flight->request_id;
  order->is_cancelled = is_cancelled;
  order->done = arrive;
  order->self = flight;
  base_trace_end(&order->trace, lookup_span);
  const struct recipe_renderer *renderer = &flight->pop->renderer;
  const enum base_result result = renderer->submit(renderer->self, order, &fault);
  if (result == BASE_OK) return;  // the flight is the renderer's
  (void)BASE_FAIL(&fault, result, "", "the renderer took no more orders");
  land_with_fault(flight, &fault);
}

static void land_from_cache(struct pop_flight *flight, struct pop_variant *variant, enum pop_outcome kind) {
  const struct outcome outcome = {.variant = variant, .kind = kind};
  land(flight, &outcome);
  pop_variant_unref(&variant);
}

// The variant from disk, moved up into RAM; NULL for a miss.
static struct pop_variant *read_from_disk(struct pop_flight *flight) {
  struct pop *pop = flight->pop;
  struct base_fault fault = {0};
  struct store_variant record;
  struct base_blob *blob = NULL;
  const enum base_result result = store_variant_get(pop->store, &flight->key, &record, &blob, &fault);
  if (result != BASE_OK) {
    if (result != BASE_NOT_FOUND) base_log_fault(pop->log, BASE_LOG_WARN, "pop", flight->request_id, &fault);
    return NULL;
  }
  struct pop_variant *variant =
      pop_variant_create(flight->original, &flight->recipe, blob, record.media_type, &record.digest);
  base_blob_unref(&blob);
  if (variant) pop_flights_keep(&pop->flights, flight, pop->variants, variant);
  return variant;
}

// Runs on the I/O pool.
static void look_up(void *argument) {
  struct pop_flight *flight = argument;
  struct pop *pop = flight->pop;
  struct base_fault fault = {0};
  struct image_layout layout;
  flight->order.trace.clock = pop->clock;
  const size_t span = base_trace_begin(&flight->order.trace, "lookup");
  if (pop_flights_abandon(&pop->flights, flight)) {
    (void)BASE_FAIL(&fault, BASE_CANCELLED, "", "the client went away");
    land_with_fault(flight, &fault);
    return;
  }
  // An earlier flight of this key may have landed between the first look and this one's beginning.
  struct pop_variant *variant = NULL;
  if (cache_lru_contains(pop->variants, &flight->key)) variant = cache_lru_get(pop->variants, &flight->key);
  if (variant) {
    land_from_cache(flight, variant, POP_OUTCOME_RAM);
    return;
  }
  if (recipe_plan(&flight->recipe, &flight->original->header, &layout, &fault) != BASE_OK) {
    land_with_fault(flight, &fault);
    return;
  }
  variant = read_from_disk(flight);
  if (variant) {
    land_from_cache(flight, variant, POP_OUTCOME_DISK);
    return;
  }
  send_order(flight, span);
}

// --- departing ---

static enum base_result target_of(const struct pop *pop, const struct pop_ask *ask, const struct pop_original *original,
                                  struct recipe *recipe, struct cache_key *key, struct base_fault *fault) {
  const struct recipe *wanted = &ask->address.recipe;
  struct integrity_digest digest;
  const enum recipe_format format = wanted->format == RECIPE_FORMAT_AUTO
                                        ? pop_accept_choose(&ask->accept, wanted->lossless, original->header.has_alpha)
                                        : wanted->format;
  const enum base_result result = recipe_pin(wanted, format, &original->header, recipe, fault);
  if (result != BASE_OK) return result;
  recipe_key(recipe, ask->tenant->name, &original->id, pop->renderer.profile, &digest);
  memcpy(key->bytes, digest.bytes, sizeof key->bytes);
  return BASE_OK;
}

// Takes the visit. *begun is a flight that wants to be looked up, or NULL.
static void depart(struct pop_visit *visit, struct pop_original *original, const struct recipe *recipe,
                   const struct cache_key *key, struct pop_flight **begun) {
  if (pop_flights_join(&visit->pop->flights, visit, key, recipe, original, begun) == BASE_OK) return;
  struct base_fault fault = {0};
  (void)BASE_FAIL(&fault, BASE_NO_MEMORY, "", "no memory for a flight");
  refuse_visit(visit, &fault);
}

// Runs on the I/O pool.
static void find_original(void *argument) {
  struct pop_visit *visit = argument;
  struct pop_original *original = NULL;
  struct pop_flight *begun = NULL;
  struct recipe recipe;
  struct cache_key key;
  struct base_fault fault = {0};
  const struct pop_ask *ask = &visit->ask;
  enum base_result result =
      pop_originals_load(&visit->pop->originals, ask->tenant->name, &ask->address.original, &original, &fault);
  if (result == BASE_OK) result = target_of(visit->pop, ask, original, &recipe, &key, &fault);
  if (result == BASE_OK) {
    depart(visit, original, &recipe, &key, &begun);
  } else {
    refuse_visit(visit, &fault);
  }
  pop_original_unref(&original);
  if (begun) look_up(begun);
}

static void fail_busy(struct base_fault *fault) {
  (void)BASE_FAIL(fault, BASE_BUSY, "", "too many requests are waiting; try again in a moment");
}

static void begin_flight(struct pop *pop, struct pop_visit *visit, struct pop_original *original,
                         const struct recipe *recipe, const struct cache_key *key) {
  struct pop_flight *begun;
  struct base_fault fault = {0};
  depart(visit, original, recipe, key, &begun);
  if (!begun || base_pool_submit(pop->io, look_up, begun) == BASE_OK) return;
  fail_busy(&fault);
  land_with_fault(begun, &fault);
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
  struct recipe recipe;
  struct cache_key key;
  struct pop_visit *visit;
  struct pop_original *original = pop_originals_get(&pop->originals, ask->tenant->name, &ask->address.original);
  if (original && target_of(pop, ask, original, &recipe, &key, &fault) != BASE_OK) {
    pop_journey_refuse(pop, sink, &fault, request->id);
    goto out;
  }
  if (original && answer_from_ram(pop, request, sink, &key, pop_ask_terms(ask))) {
    pop_aliases_keep(&pop->aliases, request, ask->tenant, &key, pop_ask_terms(ask));
    goto out;
  }
  visit = pop_visit_create(pop, request, sink, ask);
  if (!visit) {
    (void)BASE_FAIL(&fault, BASE_NO_MEMORY, "", "no memory for a request");
    pop_journey_refuse(pop, sink, &fault, request->id);
  } else if (original) {
    begin_flight(pop, visit, original, &recipe, &key);
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
