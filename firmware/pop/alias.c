#include "alias.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
  RAM_BUDGET_BYTES = 8 << 20,
  MAX_TARGET_BYTES = 512,
  MAX_ACCEPT_BYTES = 512,
  CONTAINER_BYTES = 96,  // of the cache itself, for each entry
};

// Ref-counted and immutable.
struct alias {
  atomic_uint refs;
  const struct pop_tenant *tenant;
  struct cache_key variant;
  struct pop_terms terms;
  uint32_t target_bytes, accept_bytes;
  uint8_t text[];  // target, then Accept
};

// The parts of a request that its meaning depends on.
struct question {
  struct base_span target, accept;
};

static void *acquire(void *self, void *value) {
  (void)self;
  atomic_fetch_add_explicit(&((struct alias *)value)->refs, 1, memory_order_relaxed);
  return value;
}

static void unref(struct alias *alias) {
  if (atomic_fetch_sub_explicit(&alias->refs, 1, memory_order_acq_rel) == 1) free(alias);
}

static void release(void *self, const struct cache_key *key, void *value, uint64_t bytes, bool is_evicted) {
  (void)self, (void)key, (void)bytes, (void)is_evicted;
  unref(value);
}

enum base_result pop_aliases_init(struct pop_aliases *aliases, struct base_fault *fault) {
  const struct cache_config config = {.budget_bytes = RAM_BUDGET_BYTES, .release = release, .acquire = acquire};
  base_random_bytes(&aliases->seed, sizeof aliases->seed);
  aliases->cache = cache_lru_create(&config, fault);
  return aliases->cache ? BASE_OK : BASE_FAIL(fault, BASE_NO_MEMORY, "aliases", "no memory for the aliases");
}

void pop_aliases_finish(struct pop_aliases *aliases) { cache_lru_destroy(&aliases->cache); }

static bool read_question(const struct http_request *request, struct question *out) {
  out->target = request->target;
  out->accept = base_span_of(NULL, 0);
  for (size_t i = 0; i < request->header_count; i++) {
    const struct http_header *header = &request->headers[i];
    if (header->name.bytes != sizeof "accept" - 1 || !base_span_is_nocase(header->name, "accept")) continue;
    if (out->accept.data) return false;
    out->accept = header->value;
  }
  // An empty Accept is not the same as none, but too rare to be worth a flag.
  const bool is_plain = !out->accept.data || out->accept.bytes > 0;
  return is_plain && out->target.bytes <= MAX_TARGET_BYTES && out->accept.bytes <= MAX_ACCEPT_BYTES;
}

// Eight bytes at a time: multiply by an odd constant (2^64 over the golden ratio) and fold the high half down.
static uint64_t mix(uint64_t hash, struct base_span bytes) {
  static const uint64_t golden = 0x9e3779b97f4a7c15u;
  hash = (hash ^ bytes.bytes) * golden;
  for (size_t at = 0; at < bytes.bytes; at += sizeof(uint64_t)) {
    uint64_t word = 0;
    const size_t left = bytes.bytes - at;
    memcpy(&word, bytes.data + at, left < sizeof word ? left : sizeof word);
    hash = (hash ^ word) * golden;
    hash ^= hash >> 32;
  }
  return hash;
}

// Only a hash: what is found is compared in full.
static struct cache_key key_of(const struct pop_aliases *aliases, const struct question *question,
                               const struct pop_tenant *tenant) {
  struct cache_key key = {{0}};
  uint64_t hash = mix(mix(aliases->seed ^ (uint64_t)(uintptr_t)tenant, question->target), question->accept);
  memcpy(key.bytes, &hash, sizeof hash);
  return key;
}

static bool is_same(const struct alias *alias, const struct question *question, const struct pop_tenant *tenant) {
  return alias->tenant == tenant && base_span_equal(base_span_of(alias->text, alias->target_bytes), question->target) &&
         base_span_equal(base_span_of(alias->text + alias->target_bytes, alias->accept_bytes), question->accept);
}

bool pop_aliases_find(struct pop_aliases *aliases, const struct http_request *request, const struct pop_tenant *tenant,
                      struct cache_key *key, struct pop_terms *terms) {
  struct question question;
  if (!read_question(request, &question)) return false;
  const struct cache_key place = key_of(aliases, &question, tenant);
  struct alias *alias = cache_lru_get(aliases->cache, &place);
  if (!alias) return false;
  const bool is_found = is_same(alias, &question, tenant);
  if (is_found) {
    *key = alias->variant;
    *terms = alias->terms;
  }
  unref(alias);
  return is_found;
}

void pop_aliases_keep(struct pop_aliases *aliases, const struct http_request *request, const struct pop_tenant *tenant,
                      const struct cache_key *key, struct pop_terms terms) {
  struct question question;
  if (!read_question(request, &question)) return;
  const size_t bytes = sizeof(struct alias) + question.target.bytes + question.accept.bytes;
  struct alias *alias = malloc(bytes);
  if (!alias) return;
  atomic_init(&alias->refs, 1);
  alias->tenant = tenant;
  alias->variant = *key;
  alias->terms = terms;
  alias->target_bytes = (uint32_t)question.target.bytes;
  alias->accept_bytes = (uint32_t)question.accept.bytes;
  memcpy(alias->text, question.target.data, question.target.bytes);
  if (question.accept.bytes) {
    memcpy(alias->text + question.target.bytes, question.accept.data, question.accept.bytes);
  }
  const struct cache_key place = key_of(aliases, &question, tenant);
  if (cache_lru_put(aliases->cache, &place, alias, bytes + CONTAINER_BYTES) != BASE_OK) unref(alias);
}
