// Times the cache container alone: touches with 100,000 entries, and puts that evict one. Prints one JSON object.
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cache/lru.h"

enum { ENTRIES = 100000, PATTERN = 1 << 20, TOUCHES = 2000000, EVICTIONS = 300000, ROUNDS = 7, MOST_THREADS = 2 };

// Values are counted references on the heap, as pop's blobs and render's sources are.
struct value {
  _Alignas(64) atomic_uint refs;
};

static void drop(struct value *value) {
  if (atomic_fetch_sub(&value->refs, 1) == 1) free(value);
}

static void *acquire(void *self, void *value) {
  (void)self;
  atomic_fetch_add(&((struct value *)value)->refs, 1);
  return value;
}

static void release(void *self, const struct cache_key *key, void *value, uint64_t bytes, bool is_evicted) {
  (void)self;
  (void)key;
  (void)bytes;
  (void)is_evicted;
  drop(value);
}

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t mix(uint64_t *state) {  // splitmix64
  uint64_t z = *state += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

static struct cache_key key_of(uint64_t number) {
  struct cache_key key;
  for (size_t i = 0; i < CACHE_KEY_BYTES; i += 8) {
    const uint64_t word = mix(&number);
    memcpy(key.bytes + i, &word, 8);
  }
  return key;
}

static void must_put(struct cache_lru *cache, const struct cache_key *key) {
  struct value *value = aligned_alloc(64, sizeof *value);
  if (!value) abort();
  atomic_init(&value->refs, 1);
  if (cache_lru_put(cache, key, value, 1) != BASE_OK) abort();
}

static struct cache_lru *make_full(bool weighs_heat, const struct cache_key *keys) {
  struct base_fault fault = {0};
  const struct cache_config config = {
      .budget_bytes = ENTRIES, .weighs_heat = weighs_heat, .release = release, .acquire = acquire};
  struct cache_lru *cache = cache_lru_create(&config, &fault);
  if (!cache) abort();
  for (size_t i = 0; i < ENTRIES; i++) must_put(cache, &keys[i]);
  return cache;
}

// The keys to touch, in their order: all alike, or the i-th with a weight of 1/i.
static void make_pattern(bool is_zipf, uint32_t *pattern) {
  uint64_t luck = 42;
  double *sums = malloc(ENTRIES * sizeof *sums);
  if (!sums) abort();
  double sum = 0;
  for (size_t i = 0; i < ENTRIES; i++) sums[i] = sum += is_zipf ? 1.0 / (double)(i + 1) : 1;
  for (size_t i = 0; i < PATTERN; i++) {
    const double at = (double)(mix(&luck) >> 11) * 0x1p-53 * sum;
    size_t low = 0, high = ENTRIES - 1;
    while (low < high) {
      const size_t middle = (low + high) / 2;
      if (sums[middle] < at)
        low = middle + 1;
      else
        high = middle;
    }
    // Weights have nothing to do with the order in which the entries came.
    pattern[i] = (uint32_t)(low * 48271u % ENTRIES);
  }
  free(sums);
}

struct toucher {
  struct cache_lru *cache;
  const struct cache_key *sequence;  // PATTERN keys; a caller has just made its key, so fetching it costs nothing
  size_t start;
  pthread_barrier_t *barrier;
};

static void *touch(void *argument) {
  const struct toucher *toucher = argument;
  pthread_barrier_wait(toucher->barrier);
  for (size_t i = 0; i < TOUCHES; i++) {
    struct value *value = cache_lru_get(toucher->cache, &toucher->sequence[(toucher->start + i) % PATTERN]);
    if (!value) abort();
    drop(value);
  }
  return NULL;
}

static double touches_a_second(struct cache_lru *cache, const struct cache_key *sequence, unsigned threads) {
  pthread_barrier_t barrier;
  pthread_t ids[MOST_THREADS];
  struct toucher touchers[MOST_THREADS];
  pthread_barrier_init(&barrier, NULL, threads + 1);
  for (unsigned i = 0; i < threads; i++) {
    touchers[i] = (struct toucher){cache, sequence, i * PATTERN / 2, &barrier};
    if (pthread_create(&ids[i], NULL, touch, &touchers[i]) != 0) abort();
  }
  pthread_barrier_wait(&barrier);
  const uint64_t begin = now_ns();
  for (unsigned i = 0; i < threads; i++) pthread_join(ids[i], NULL);
  const double seconds = (double)(now_ns() - begin) / 1e9;
  pthread_barrier_destroy(&barrier);
  return (double)threads * TOUCHES / seconds;
}

static int by_number(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void time_touches(const char *name, bool is_zipf, bool weighs_heat, unsigned threads,
                         const struct cache_key *keys) {
  double rates[ROUNDS];
  uint32_t *pattern = malloc(PATTERN * sizeof *pattern);
  struct cache_key *sequence = malloc(PATTERN * sizeof *sequence);
  if (!pattern || !sequence) abort();
  make_pattern(is_zipf, pattern);
  for (size_t i = 0; i < PATTERN; i++) sequence[i] = keys[pattern[i]];
  struct cache_lru *cache = make_full(weighs_heat, keys);
  for (int i = 0; i < ROUNDS; i++) rates[i] = touches_a_second(cache, sequence, threads);
  qsort(rates, ROUNDS, sizeof rates[0], by_number);
  printf("\"%s\": %.0f, ", name, rates[ROUNDS / 2]);
  cache_lru_destroy(&cache);
  free(sequence);
  free(pattern);
}

// Between evictions entries are touched, so that heat is earned and paid.
static void time_evictions(const char *name, bool weighs_heat, const struct cache_key *keys, bool is_last) {
  double *times = malloc(EVICTIONS * sizeof *times);
  uint32_t *pattern = malloc(PATTERN * sizeof *pattern);
  if (!times || !pattern) abort();
  make_pattern(true, pattern);
  struct cache_lru *cache = make_full(weighs_heat, keys);
  for (size_t i = 0; i < EVICTIONS; i++) {
    for (size_t j = 0; j < 3; j++) {
      struct value *value = cache_lru_get(cache, &keys[pattern[(3 * i + j) % PATTERN]]);
      if (value) drop(value);
    }
    const struct cache_key key = key_of(ENTRIES + i);
    struct value *value = aligned_alloc(64, sizeof *value);
    if (!value) abort();
    atomic_init(&value->refs, 1);
    const uint64_t begin = now_ns();
    const enum base_result result = cache_lru_put(cache, &key, value, 1);
    times[i] = (double)(now_ns() - begin) / 1e6;
    if (result != BASE_OK) abort();
  }
  struct cache_stats stats;
  cache_lru_get_stats(cache, &stats);
  if (stats.evictions != EVICTIONS) abort();
  qsort(times, EVICTIONS, sizeof times[0], by_number);
  printf("\"%s\": {\"p50\": %.6f, \"p99\": %.6f, \"max\": %.6f}%s", name, times[EVICTIONS / 2],
         times[EVICTIONS / 100 * 99], times[EVICTIONS - 1], is_last ? "" : ", ");
  cache_lru_destroy(&cache);
  free(pattern);
  free(times);
}

int main(void) {
  struct cache_key *keys = malloc(ENTRIES * sizeof *keys);
  if (!keys) abort();
  for (size_t i = 0; i < ENTRIES; i++) keys[i] = key_of(i);
  printf("{");
  for (unsigned threads = 1; threads <= MOST_THREADS; threads++) {
    char name[32];
    snprintf(name, sizeof name, "uniform-%u", threads);
    time_touches(name, false, false, threads, keys);
    snprintf(name, sizeof name, "zipf-%u", threads);
    time_touches(name, true, false, threads, keys);
    snprintf(name, sizeof name, "zipf-heat-%u", threads);
    time_touches(name, true, true, threads, keys);
  }
  time_evictions("evict", false, keys, false);
  time_evictions("evict-heat", true, keys, true);
  printf("}\n");
  free(keys);
  return 0;
}
