#include "pop/pop.h"

#include <stdlib.h>

#include "journey.h"
#include "queue.h"
#include "reply.h"
#include "state.h"

enum {
  DEFAULT_IO_THREADS = 4,
  DEFAULT_IO_QUEUE = 1024,
  DEFAULT_RENDERS_PER_CLIENT = 32,
  CLIENT_SHARE = 4,  // one client may fill this part of the I/O queue, but
  MIN_CLIENT_REQUESTS = 64,
  ARENA_BUDGETS = 2,   // address space for gaps, and for what is being sent after it left the cache
  RAM_ENTRY_PART = 8,  // a variant larger than this part of RAM would cost too many others
};
#define DEFAULT_RAM_BUDGET_BYTES (UINT64_C(256) << 20)

static void *acquire_variant(void *self, void *value) {
  (void)self;
  return pop_variant_ref(value);
}

static void release_variant(void *self, const struct cache_key *key, void *value, uint64_t bytes, bool is_evicted) {
  (void)key, (void)bytes, (void)is_evicted;
  struct pop *pop = self;
  pop_held_take(&pop->held, value);
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

static unsigned requests_per_client(size_t io_queue) {
  const size_t share = io_queue / CLIENT_SHARE;
  return share < MIN_CLIENT_REQUESTS ? MIN_CLIENT_REQUESTS : (unsigned)share;
}

enum base_result pop_create(const struct pop_config *config, struct pop **out, struct base_fault *fault) {
  uint64_t seeds[POP_SENDING_ROWS];
  struct pop *pop = calloc(1, sizeof *pop);
  if (!pop) return BASE_FAIL(fault, BASE_NO_MEMORY, "pop", "no memory for the pop");
  pop->store = config->store;
  pop->renderer = config->renderer;
  pop->clock = config->clock;
  pop->log = config->log;
  pop->makes_avif = config->makes_avif;
  atomic_init(&pop->public_url, config->public_url);
  const size_t io_queue = config->io_queue_limit ? config->io_queue_limit : DEFAULT_IO_QUEUE;
  pop_flights_init(&pop->flights);
  pop_held_init(&pop->held, ram_budget(config->ram_budget_bytes), config->metrics);
  base_random_bytes(seeds, sizeof seeds);
  pop_sending_init(&pop->sending, ram_budget(config->ram_budget_bytes), config->sending_least_bytes, seeds,
                   config->metrics);
  pop_crowd_init(&pop->crowd, requests_per_client(io_queue),
                 config->renders_per_client ? config->renders_per_client : DEFAULT_RENDERS_PER_CLIENT, config->metrics);
  register_metrics(pop, config->metrics);
  pop_ledger_register(pop, config->metrics);
  pop->mended = base_metrics_counter(config->metrics, "pixpop_pop_mended_total", "",
                                     "Variants that were damaged on the disk and put there anew");

  enum base_result result = pop_tenants_init(&pop->tenants, config->tenants, config->tenant_count, fault);
  if (result == BASE_OK) result = pop_originals_init(&pop->originals, config->store, fault);
  if (result == BASE_OK) result = pop_aliases_init(&pop->aliases, fault);
  if (result == BASE_OK) {
    result = pop_upgrades_init(&pop->upgrades, ram_budget(config->ram_budget_bytes), config->metrics, fault);
  }
  if (result != BASE_OK) goto out;
  const struct cache_config cache = {.budget_bytes = ram_budget(config->ram_budget_bytes),
                                     .policy = config->ram_policy,
                                     .entry_part = RAM_ENTRY_PART,
                                     .acquire = acquire_variant,
                                     .release = release_variant,
                                     .self = pop};
  pop->variants = cache_lru_create(&cache, fault);
  if (!pop->variants) {
    result = BASE_FAIL(fault, BASE_NO_MEMORY, "pop", "no memory for the cache");
    goto out;
  }
  const struct base_arena_config arena = {.capacity_bytes = ARENA_BUDGETS * cache.budget_bytes};
  struct base_fault no_arena = {0};
  if (base_arena_create(&arena, &pop->arena, &no_arena) != BASE_OK) {
    base_log_fault(pop->log, BASE_LOG_WARN, "pop", NULL, &no_arena);
  }
  const struct base_pool_config pool = {
      .name = "pop-io",
      .threads = config->io_threads ? config->io_threads : DEFAULT_IO_THREADS,
      .queue_limit = io_queue,
  };
  pop->io = base_pool_create(&pool, fault);
  if (!pop->io) result = BASE_FAIL(fault, BASE_IO, "pop", "the I/O threads could not be started");
  if (result == BASE_OK) pop_ledger_follow(pop);
out:
  if (result != BASE_OK) pop_destroy(&pop);
  *out = pop;
  return result;
}

void pop_drain(struct pop *pop) {
  pop_upgrades_stop(&pop->upgrades);
  base_pool_destroy(&pop->io);
  pop_queue_close(pop);
}

void pop_destroy(struct pop **pointer) {
  struct pop *pop = *pointer;
  *pointer = NULL;
  if (!pop) return;
  pop_ledger_unfollow(pop);
  base_pool_destroy(&pop->io);
  pop_queue_close(pop);
  cache_lru_destroy(&pop->variants);
  pop_held_finish(&pop->held);
  pop_sending_finish(&pop->sending);
  base_arena_destroy(&pop->arena);
  pop_upgrades_finish(&pop->upgrades);
  pop_aliases_finish(&pop->aliases);
  pop_originals_finish(&pop->originals);
  pop_tenants_finish(&pop->tenants);
  pop_flights_finish(&pop->flights);
  pop_crowd_finish(&pop->crowd);
  free(pop);
}

static void answer(struct pop *pop, const struct http_request *request, struct http_sink *sink, bool is_trusted) {
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
  pop_journey_begin(pop, request, sink, is_trusted);
}

static void handle(void *self, const struct http_request *request, struct http_sink *sink) {
  answer(self, request, sink, false);
}

static void handle_trusted(void *self, const struct http_request *request, struct http_sink *sink) {
  answer(self, request, sink, true);
}

struct http_handler pop_handler(struct pop *pop) {
  return (struct http_handler){.handle = handle, .self = pop};
}

struct http_handler pop_trusted_handler(struct pop *pop) {
  return (struct http_handler){.handle = handle_trusted, .self = pop};
}

const char *pop_tenant_name(struct pop *pop, struct base_span host) {
  return pop_tenants_find(&pop->tenants, host)->name;
}

struct pop_chart pop_chart(struct pop *pop, const char *tenant) {
  const struct pop_tenant *found = pop_tenants_find_name(&pop->tenants, tenant);
  return (struct pop_chart){.salt = found ? found->salt : "", .profile = pop->renderer.profile};
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

void pop_set_public_url(struct pop *pop, const char *url) { atomic_store(&pop->public_url, url); }

void pop_measure(struct pop *pop) {
  pop_sending_measure(&pop->sending);
  pop_held_settle(&pop->held, pop->variants);
}

enum base_result pop_reconfigure(struct pop *pop, const struct pop_tenant *tenants, size_t tenant_count,
                                 uint64_t ram_budget_bytes, struct base_fault *fault) {
  const enum base_result result = pop_tenants_replace(&pop->tenants, tenants, tenant_count, fault);
  if (result != BASE_OK) return result;
  pop_sending_set_budget(&pop->sending, ram_budget(ram_budget_bytes));
  pop_held_set_budget(&pop->held, pop->variants, ram_budget(ram_budget_bytes));
  pop_upgrades_set_budget(&pop->upgrades, ram_budget(ram_budget_bytes));
  return BASE_OK;
}
