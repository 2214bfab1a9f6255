#include "alias.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
  RAM_BUDGET_BYTES = 8 << 20,
  MAX_PART_BYTES = 512,
  CONTAINER_BYTES = 96,  // of the cache itself, for each entry
};

// The parts of a request that its meaning depends on, besides the tenant.
enum part { PATH, QUERY, ACCEPT, PARTS };

struct question {
  struct base_span parts[PARTS];
};

// Ref-counted and immutable.
struct alias {
  atomic_uint refs;
  const struct pop_tenant *tenant;
  struct cache_key variant;
  struct pop_terms terms;
  uint32_t bytes[PARTS];
  uint8_t text[];  // the parts, one after the other
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
  struct base_span accept = base_span_of(NULL, 0);
  for (size_t i = 0; i < request->header_count; i++) {
    const struct http_header *header = &request->headers[i];
    if (header->name.bytes != sizeof "accept" - 1 || !base_span_is_nocase(header->name, "accept")) continue;
    // An empty Accept is not the same as none, and several are joined: both too rare to be worth more.
    if (accept.data || header->value.bytes == 0) return false;
    accept = header->value;
  }
  *out = (struct question){.parts = {[PATH] = request->path, [QUERY] = request->query, [ACCEPT] = accept}};
  for (int i = 0; i < PARTS; i++) {
    if (out->parts[i].bytes > MAX_PART_BYTES) return false;
  }
  return true;
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
  uint64_t hash = aliases->seed ^ (uint64_t)(uintptr_t)tenant;
  for (int i = 0; i < PARTS; i++) hash = mix(hash, question->parts[i]);
  memcpy(key.bytes, &hash, sizeof hash);
  return key;
}

static bool is_same(const struct alias *alias, const struct question *question, const struct pop_tenant *tenant) {
  const uint8_t *at = alias->text;
  if (alias->tenant != tenant) return false;
  for (int i = 0; i < PARTS; i++) {
    if (!base_span_equal(base_span_of(at, alias->bytes[i]), question->parts[i])) return false;
    at += alias->bytes[i];
  }
  return true;
}

static struct alias *create(const struct question *question, size_t *total) {
  *total = sizeof(struct alias);
  for (int i = 0; i < PARTS; i++) *total += question->parts[i].bytes;
  struct alias *alias = malloc(*total);
  if (!alias) return NULL;
  atomic_init(&alias->refs, 1);
  uint8_t *at = alias->text;
  for (int i = 0; i < PARTS; i++) {
    const struct base_span part = question->parts[i];
    alias->bytes[i] = (uint32_t)part.bytes;
    if (part.bytes) memcpy(at, part.data, part.bytes);
    at += part.bytes;
  }
  return alias;
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
  size_t bytes;
  struct alias *alias = create(&question, &bytes);
  if (!alias) return;
  alias->tenant = tenant;
  alias->variant = *key;
  alias->terms = terms;
  const struct cache_key place = key_of(aliases, &question, tenant);
  if (cache_lru_put(aliases->cache, &place, alias, bytes + CONTAINER_BYTES) != BASE_OK) unref(alias);
}
