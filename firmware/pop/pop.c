#include "pop/pop.h"

#include <stdlib.h>

#include "journey.h"
#include "reply.h"
#include "state.h"

enum { DEFAULT_IO_THREADS = 4, DEFAULT_IO_QUEUE = 1024 };
#define DEFAULT_RAM_BUDGET_BYTES (UINT64_C(256) << 20)

static void *acquire_variant(void *self, void *value) {
  (void)self;
  return pop_variant_ref(value);
}

static void release_variant(void *self, const struct cache_key *key, void *value, uint64_t bytes, bool is_evicted) {
  (void)self, (void)key, (void)bytes, (void)is_evicted;
  struct pop_variant *variant = value;
  pop_variant_unref(&variant);
}

static void register_metrics(struct pop *pop, struct base_metrics *metrics) {
  static const char *const labels[POP_OUTCOME_COUNT] = {
      [POP_OUTCOME_RAM] = "result=\"ram\"",       [POP_OUTCOME_DISK] = "result=\"disk\"",
      [POP_OUTCOME_RENDER] = "result=\"render\"", [POP_OUTCOME_COALESCED] = "result=\"coalesced\"",
      [POP_OUTCOME_ERROR] = "result=\"error\"",
  };
  for (int i = 0; i < POP_OUTCOME_COUNT; i++) {
    pop->outcomes[i] = base_metrics_counter(metrics, "pixpop_pop_requests_total", labels[i],
                                            "Requests for variants by where the answer came from");
    pop->batch_outcomes[i] = base_metrics_counter(metrics, "pixpop_pop_batch_variants_total", labels[i],
                                                  "Variants asked for in batches by where they came from");
  }
}

static uint64_t ram_budget(uint64_t bytes) { return bytes ? bytes : DEFAULT_RAM_BUDGET_BYTES; }

enum base_result pop_create(const struct pop_config *config, struct pop **out, struct base_fault *fault) {
  struct pop *pop = calloc(1, sizeof *pop);
  if (!pop) return BASE_FAIL(fault, BASE_NO_MEMORY, "pop", "no memory for the pop");
  pop->store = config->store;
  pop->renderer = config->renderer;
  pop->clock = config->clock;
  pop->log = config->log;
  pop_flights_init(&pop->flights);
  register_metrics(pop, config->metrics);

  enum base_result result = pop_tenants_init(&pop->tenants, config->tenants, config->tenant_count, fault);
  if (result == BASE_OK) result = pop_originals_init(&pop->originals, config->store, fault);
  if (result == BASE_OK) result = pop_aliases_init(&pop->aliases, fault);
  if (result != BASE_OK) goto out;
  const struct cache_config cache = {
      .budget_bytes = ram_budget(config->ram_budget_bytes), .acquire = acquire_variant, .release = release_variant};
  pop->variants = cache_lru_create(&cache, fault);
  if (!pop->variants) {
    result = BASE_FAIL(fault, BASE_NO_MEMORY, "pop", "no memory for the cache");
    goto out;
  }
  const struct base_pool_config pool = {
      .name = "pop-io",
      .threads = config->io_threads ? config->io_threads : DEFAULT_IO_THREADS,
      .queue_limit = config->io_queue_limit ? config->io_queue_limit : DEFAULT_IO_QUEUE,
  };
  pop->io = base_pool_create(&pool, fault);
  if (!pop->io) result = BASE_FAIL(fault, BASE_IO, "pop", "the I/O threads could not be started");
out:
  if (result != BASE_OK) pop_destroy(&pop);
  *out = pop;
  return result;
}

void pop_drain(struct pop *pop) { base_pool_destroy(&pop->io); }

void pop_destroy(struct pop **pointer) {
  struct pop *pop = *pointer;
  *pointer = NULL;
  if (!pop) return;
  base_pool_destroy(&pop->io);
  cache_lru_destroy(&pop->variants);
  pop_aliases_finish(&pop->aliases);
  pop_originals_finish(&pop->originals);
  pop_tenants_finish(&pop->tenants);
  pop_flights_finish(&pop->flights);
  free(pop);
}

static void handle(void *self, const struct http_request *request, struct http_sink *sink) {
  struct pop *pop = self;
  struct base_fault fault = {0};
  if (request->method == HTTP_OPTIONS) {
    pop_reply_options(sink);
    return;
  }
  if (request->method != HTTP_GET && request->method != HTTP_HEAD) {
    (void)BASE_FAIL(&fault, BASE_METHOD, "", "pictures are read with GET, HEAD and OPTIONS only");
    pop_journey_refuse(pop, sink, &fault, request->id);
    return;
  }
  pop_journey_begin(pop, request, sink);
}

struct http_handler pop_handler(struct pop *pop) {
  return (struct http_handler){.handle = handle, .self = pop};
}

const char *pop_tenant_name(struct pop *pop, struct base_span host) {
  return pop_tenants_find(&pop->tenants, host)->name;
}

struct target {
  const char *tenant;
  const struct integrity_digest *original;
};

static bool is_variant_of(void *argument, const struct cache_key *key, const void *value) {
  (void)key;
  const struct target *target = argument;
  const struct pop_variant *variant = value;
  return pop_original_is(variant->original, target->tenant, target->original);
}

void pop_forget(struct pop *pop, const char *tenant, const struct integrity_digest *original) {
  struct target target = {.tenant = tenant, .original = original};
  pop_originals_forget(&pop->originals, tenant, original);
  // Flights first: whatever they keep before they are marked is removed after.
  pop_flights_forget(&pop->flights, tenant, original);
  (void)cache_lru_remove_if(pop->variants, is_variant_of, &target);
}

// The container counts look-ups, of which a request may make two or none; people want to know of requests.
void pop_get_ram_stats(struct pop *pop, struct cache_stats *out) {
  cache_lru_get_stats(pop->variants, out);
  out->hits = (uint64_t)base_metric_get(pop->outcomes[POP_OUTCOME_RAM]);
  out->misses = 0;
  for (size_t i = 0; i < POP_OUTCOME_COUNT; i++) {
    if (i != POP_OUTCOME_RAM && i != POP_OUTCOME_ERROR) out->misses += (uint64_t)base_metric_get(pop->outcomes[i]);
  }
}

enum base_result pop_reconfigure(struct pop *pop, const struct pop_tenant *tenants, size_t tenant_count,
                                 uint64_t ram_budget_bytes, struct base_fault *fault) {
  const enum base_result result = pop_tenants_replace(&pop->tenants, tenants, tenant_count, fault);
  if (result == BASE_OK) cache_lru_set_budget(pop->variants, ram_budget(ram_budget_bytes));
  return result;
}
