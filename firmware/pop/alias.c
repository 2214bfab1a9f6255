#include "alias.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "hints.h"

enum {
  RAM_BUDGET_BYTES = 8 << 20,
  MAX_PART_BYTES = 512,
  CONTAINER_BYTES = 96,  // of the cache itself, for each entry
};

// The parts of a request that its meaning depends on, besides the tenant. The first step knows the first two.
enum part { PATH, QUERY, ACCEPT, HINTS, PARTS };

struct question {
  bool is_second;
  uint64_t hash;  // of the parts that are known
  struct base_span parts[PARTS];
  struct pop_hints hints;
};

// Ref-counted and immutable.
struct alias {
  atomic_uint refs;
  bool is_second;
  const struct pop_tenant *tenant;
  struct cache_key variant;  // unused when something is open and this is the first step
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

// --- questions ---

// Eight bytes at a time: multiply by an odd constant (2^64 over the golden ratio) and fold the high half down.
static uint64_t mix(uint64_t hash, struct base_span bytes) {
  static const uint64_t golden = 0x9e3779b97f4a7c15u;
  uint64_t word;
  size_t at = 0;
  hash = (hash ^ bytes.bytes) * golden;
  for (; at + sizeof word <= bytes.bytes; at += sizeof word) {
    memcpy(&word, bytes.data + at, sizeof word);
    hash = (hash ^ word) * golden;
    hash ^= hash >> 32;
  }
  if (at == bytes.bytes) return hash;
  word = 0;
  memcpy(&word, bytes.data + at, bytes.bytes - at);
  hash = (hash ^ word) * golden;
  return hash ^ hash >> 32;
}

static bool read_first(const struct pop_aliases *aliases, const struct http_request *request,
                       const struct pop_tenant *tenant, struct question *out) {
  *out = (struct question){.parts = {[PATH] = request->path, [QUERY] = request->query}};
  if (request->path.bytes > MAX_PART_BYTES || request->query.bytes > MAX_PART_BYTES) return false;
  out->hash = mix(mix(aliases->seed ^ (uint64_t)(uintptr_t)tenant, request->path), request->query);
  return true;
}

static bool read_accept(const struct http_request *request, struct base_span *out) {
  for (size_t i = 0; i < request->header_count; i++) {
    const struct http_header *header = &request->headers[i];
    if (header->name.bytes != sizeof "accept" - 1 || !base_span_is_nocase(header->name, "accept")) continue;
    // An empty Accept is not the same as none, and several are joined: both too rare to be worth more.
    if (out->data || header->value.bytes == 0) return false;
    *out = header->value;
  }
  return out->bytes <= MAX_PART_BYTES;
}

// Adds what matters to the bits of enum pop_open. The question must stay where it is.
static bool read_second(const struct http_request *request, const struct pop_tenant *tenant, unsigned open,
                        struct question *question) {
  question->is_second = true;
  if (open & POP_OPEN_FORMAT && !read_accept(request, &question->parts[ACCEPT])) return false;
  if (open & ~(unsigned)POP_OPEN_FORMAT) {
    pop_hints_read(request, open, tenant, &question->hints);
    question->parts[HINTS] = base_span_of(&question->hints, sizeof question->hints);
  }
  question->hash = mix(mix(question->hash, question->parts[ACCEPT]), question->parts[HINTS]);
  return true;
}

// Only a hash: what is found is compared in full.
static struct cache_key key_of(const struct question *question) {
  struct cache_key key = {{0}};
  memcpy(key.bytes, &question->hash, sizeof question->hash);
  return key;
}

static bool is_same(const struct alias *alias, const struct question *question, const struct pop_tenant *tenant) {
  const uint8_t *at = alias->text;
  if (alias->tenant != tenant || alias->is_second != question->is_second) return false;
  for (int i = 0; i < PARTS; i++) {
    if (!base_span_equal(base_span_of(at, alias->bytes[i]), question->parts[i])) return false;
    at += alias->bytes[i];
  }
  return true;
}

// --- keeping and finding ---

static struct alias *create(const struct question *question, size_t *total) {
  *total = sizeof(struct alias);
  for (int i = 0; i < PARTS; i++) *total += question->parts[i].bytes;
  struct alias *alias = malloc(*total);
  if (!alias) return NULL;
  atomic_init(&alias->refs, 1);
  alias->is_second = question->is_second;
  uint8_t *at = alias->text;
  for (int i = 0; i < PARTS; i++) {
    const struct base_span part = question->parts[i];
    alias->bytes[i] = (uint32_t)part.bytes;
    if (part.bytes) memcpy(at, part.data, part.bytes);
    at += part.bytes;
  }
  return alias;
}

// The alias with a reference for the caller, or NULL.
static struct alias *get(struct pop_aliases *aliases, const struct question *question, const struct pop_tenant *tenant,
                         int64_t now_s) {
  const struct cache_key place = key_of(question);
  struct alias *alias = cache_lru_get(aliases->cache, &place);
  if (!alias) return NULL;
  const bool is_valid = !alias->terms.expires_s || (now_s >= BASE_CLOCK_EARLIEST_S && now_s < alias->terms.expires_s);
  if (is_valid && is_same(alias, question, tenant)) return alias;
  unref(alias);
  return NULL;
}

bool pop_aliases_find(struct pop_aliases *aliases, const struct http_request *request, const struct pop_tenant *tenant,
                      int64_t now_s, struct cache_key *key, struct pop_terms *terms) {
  struct question question;
  if (!read_first(aliases, request, tenant, &question)) return false;
  struct alias *alias = get(aliases, &question, tenant, now_s);
  if (!alias) return false;
  const unsigned open = alias->terms.open;
  if (open) {
    unref(alias);
    if (!read_second(request, tenant, open, &question)) return false;
    alias = get(aliases, &question, tenant, now_s);
    if (!alias) return false;
  }
  *key = alias->variant;
  *terms = alias->terms;
  unref(alias);
  return true;
}

static void keep(struct pop_aliases *aliases, const struct question *question, const struct pop_tenant *tenant,
                 const struct cache_key *key, struct pop_terms terms) {
  size_t bytes;
  const struct cache_key place = key_of(question);
  struct alias *alias = create(question, &bytes);
  if (!alias) return;
  alias->tenant = tenant;
  alias->variant = *key;
  alias->terms = terms;
  if (cache_lru_put(aliases->cache, &place, alias, bytes + CONTAINER_BYTES) != BASE_OK) unref(alias);
}

void pop_aliases_keep(struct pop_aliases *aliases, const struct http_request *request, const struct pop_tenant *tenant,
                      const struct cache_key *key, struct pop_terms terms) {
  struct question question;
  if (!read_first(aliases, request, tenant, &question)) return;
  keep(aliases, &question, tenant, key, terms);
  if (terms.open && read_second(request, tenant, terms.open, &question)) {
    keep(aliases, &question, tenant, key, terms);
  }
}
