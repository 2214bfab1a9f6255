// Replays traces against the cache container with each policy and several ways of admission. Prints one JSON object.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cache/lru.h"
#include "trace.h"

enum { REQUESTS = 2000000, SEED = 20180612 };

static const double cache_parts[] = {0.001, 0.01, 0.1};  // of the bytes of all objects

// What stands before the cache.
struct way {
  const char *name;
  enum cache_policy policy;
  unsigned entry_part;  // as in struct cache_config
  bool wants_second;    // an object is kept from its second request on, as far as is remembered
};
static const struct way ways[] = {{"lru", CACHE_POLICY_LRU, 0, false},
                                  {"sieve", CACHE_POLICY_SIEVE, 0, false},
                                  {"s3fifo", CACHE_POLICY_S3FIFO, 0, false},
                                  {"lru-second", CACHE_POLICY_LRU, 0, true},
                                  {"lru-eighth", CACHE_POLICY_LRU, 8, false}};
enum { WAYS = sizeof ways / sizeof ways[0] };

static void *acquire(void *self, void *value) {
  (void)self;
  return value;
}

static void release(void *self, const struct cache_key *key, void *value, uint64_t bytes, bool is_evicted) {
  (void)self, (void)key, (void)value, (void)bytes, (void)is_evicted;
}

static struct cache_lru *make(enum cache_policy policy, uint64_t budget_bytes, unsigned entry_part) {
  struct base_fault fault = {0};
  const struct cache_config config = {
      .budget_bytes = budget_bytes, .policy = policy, .entry_part = entry_part, .release = release, .acquire = acquire};
  struct cache_lru *cache = cache_lru_create(&config, &fault);
  if (!cache) abort();
  return cache;
}

static struct cache_key key_of(uint64_t number) {
  struct cache_key key;
  for (size_t i = 0; i < CACHE_KEY_BYTES; i += 8) {
    uint64_t z = number + (i + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    memcpy(key.bytes + i, &z, 8);
  }
  return key;
}

struct outcome {
  uint64_t hits, hit_bytes, bytes, written;
  double seconds;
};

static double now_s(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

// True when it is the first request that is remembered; then it is remembered from now on.
static bool is_first(struct cache_lru *seen, const struct cache_key *key) {
  static char mark;
  if (cache_lru_get(seen, key)) return false;
  if (cache_lru_put(seen, key, &mark, 1) != BASE_OK) abort();
  return true;
}

static struct outcome replay(const struct trace *trace, const struct cache_key *keys, const struct way *way,
                             uint64_t budget_bytes) {
  static char value;
  struct outcome outcome = {0};
  struct cache_lru *cache = make(way->policy, budget_bytes, way->entry_part);
  struct cache_lru *seen = make(CACHE_POLICY_LRU, trace->object_count / 10, 0);
  const double begin = now_s();
  for (size_t i = 0; i < trace->request_count; i++) {
    const uint32_t object = trace->requests[i];
    outcome.bytes += trace->bytes[object];
    if (cache_lru_get(cache, &keys[object])) {
      outcome.hits++;
      outcome.hit_bytes += trace->bytes[object];
    } else if (!way->wants_second || !is_first(seen, &keys[object])) {
      const enum base_result result = cache_lru_put(cache, &keys[object], &value, trace->bytes[object]);
      if (result == BASE_OK) outcome.written += trace->bytes[object];
    }
  }
  outcome.seconds = now_s() - begin;
  cache_lru_destroy(&cache);
  cache_lru_destroy(&seen);
  return outcome;
}

static void run(const struct trace_shape *shape, bool is_last) {
  struct trace trace;
  trace_make(shape, REQUESTS, SEED, &trace);
  struct cache_key *keys = malloc(trace.object_count * sizeof *keys);
  if (!keys) abort();
  for (size_t i = 0; i < trace.object_count; i++) keys[i] = key_of(i);
  printf("\"%s\": {\"requests\": %zu, \"objects\": %zu, \"one_hit_share\": %.3f, \"mean_bytes\": %.0f, \"sizes\": {",
         shape->name, trace.request_count, trace.object_count, trace.one_hit_share,
         (double)trace.total_bytes / (double)trace.object_count);
  const size_t parts = sizeof cache_parts / sizeof cache_parts[0];
  for (size_t i = 0; i < parts; i++) {
    printf("\"%g\": {", cache_parts[i]);
    for (size_t j = 0; j < WAYS; j++) {
      const uint64_t budget = (uint64_t)((double)trace.total_bytes * cache_parts[i]);
      const struct outcome outcome = replay(&trace, keys, &ways[j], budget);
      printf("\"%s\": {\"request_hits\": %.5f, \"byte_hits\": %.5f, \"written\": %.5f, \"requests_a_second\": %.0f}%s",
             ways[j].name, (double)outcome.hits / (double)trace.request_count,
             (double)outcome.hit_bytes / (double)outcome.bytes, (double)outcome.written / (double)outcome.bytes,
             (double)trace.request_count / outcome.seconds, j + 1 < WAYS ? ", " : "");
    }
    printf("}%s", i + 1 < parts ? ", " : "");
  }
  printf("}}%s\n", is_last ? "" : ",");
  fflush(stdout);
  free(keys);
  trace_free(&trace);
}

int main(void) {
  printf("{");
  for (size_t i = 0; i < trace_shape_count; i++) run(&trace_shapes[i], i + 1 == trace_shape_count);
  printf("}\n");
  return 0;
}
