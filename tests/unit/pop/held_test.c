// Slow readers: what they still hold and the cache has not counts against the budget of RAM, and what they hold in all
// has a bound, of which each client has its share.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "held.h"
#include "rig.h"

enum { BUDGET_BYTES = 64 * 1024, MOST = 1000, NO_ROOM_BYTES = 4 * 1024 };

static int64_t held_bytes(struct rig *rig) {
  return base_metric_get(base_metrics_gauge(rig->metrics, "pixpop_pop_held_bytes", "", ""));
}

static int64_t sending_bytes(struct rig *rig) {
  pop_measure(rig->pop);
  return base_metric_get(base_metrics_gauge(rig->metrics, "pixpop_pop_sending_bytes", "", ""));
}

static int get(struct rig *rig, struct rig_client *client, unsigned width) {
  char query[64];
  snprintf(query, sizeof query, "?w=%u&dpr=1&fm=webp&q=80", width);
  return rig_get(rig, client, query, "");
}

static void slow_readers_can_not_take_more_than_the_budget_and_the_caches_least(void **state) {
  (void)state;
  static struct rig rig;
  static struct rig_client clients[MOST];
  struct rig_client quick;
  struct cache_stats stats;
  unsigned count = 0;
  rig_open(&rig, &(struct rig_config){.ram_budget_bytes = BUDGET_BYTES, .sending_least_bytes = 1});
  while (count < MOST && get(&rig, &clients[count], count + 1) == 200) {
    count++;
    pop_get_ram_stats(rig.pop, &stats);
    assert_true(stats.bytes <= BUDGET_BYTES);
    if (held_bytes(&rig) > 0 && held_bytes(&rig) < BUDGET_BYTES / 2) {
      // Together no more than the budget, but for the one that has just come.
      assert_true(stats.bytes + (uint64_t)held_bytes(&rig) <= BUDGET_BYTES + 4096);
    }
  }
  assert_in_range(count, 1, MOST - 1);
  assert_int_equal(rig_receive(&clients[count]), 503);
  assert_non_null(http_reply_get_header(&clients[count].reply, "Retry-After").data);
  rig_client_finish(&clients[count]);
  // Nothing new has come after the bound was reached, so they may all be in the cache still.
  assert_in_range(sending_bytes(&rig), BUDGET_BYTES, BUDGET_BYTES + 8192);
  assert_true(stats.bytes + (uint64_t)held_bytes(&rig) <= BUDGET_BYTES + 8192);
  // What is in the cache is served all the same.
  assert_int_equal(get(&rig, &quick, count), 200);
  rig_assert_field(&quick, "Cache-Status", "pixpop; hit");
  rig_client_finish(&quick);
  // They have read it at last.
  for (unsigned i = 0; i < count; i++) rig_client_finish(&clients[i]);
  assert_int_equal(get(&rig, &quick, MOST + 1), 200);
  rig_client_finish(&quick);
  assert_int_equal(held_bytes(&rig), 0);
  assert_int_equal(sending_bytes(&rig), 0);
  for (unsigned i = 0; i < 20; i++) {
    assert_int_equal(get(&rig, &quick, i + 1), 200);
    rig_client_finish(&quick);
  }
  pop_get_ram_stats(rig.pop, &stats);
  assert_true(stats.bytes > BUDGET_BYTES / 4);  // the cache has its budget back
  rig_close(&rig);
}

// A variant is larger than its part of so small a budget.
static void what_ram_never_had_room_for_counts_too(void **state) {
  (void)state;
  static struct rig rig;
  static struct rig_client clients[MOST];
  struct rig_client quick;
  struct cache_stats stats;
  unsigned count = 0;
  rig_open(&rig, &(struct rig_config){.ram_budget_bytes = NO_ROOM_BYTES, .sending_least_bytes = 1});
  while (count < MOST && get(&rig, &clients[count], count + 1) == 200) count++;
  assert_in_range(count, 1, MOST - 1);
  assert_int_equal(rig_receive(&clients[count]), 503);
  rig_client_finish(&clients[count]);
  pop_get_ram_stats(rig.pop, &stats);
  assert_int_equal(stats.entries, 0);
  assert_true(held_bytes(&rig) > NO_ROOM_BYTES);
  for (unsigned i = 0; i < count; i++) rig_client_finish(&clients[i]);
  // From disk it is no different: each of them has read it there by itself.
  rig_restart(&rig);
  count = 0;
  while (count < MOST && get(&rig, &clients[count], 1) == 200) count++;
  assert_in_range(count, 1, MOST - 1);
  rig_assert_field(&clients[0], "Cache-Status", "pixpop; hit; detail=disk");
  for (unsigned i = 0; i <= count; i++) rig_client_finish(&clients[i]);
  assert_int_equal(get(&rig, &quick, 1), 200);
  rig_client_finish(&quick);
  rig_close(&rig);
}

// --- clients ---

enum { CLIENTS_BUDGET_BYTES = 1 << 20, PRODUCT_BYTES = 16 * 1024 };

static const uint8_t slow[16] = {[10] = 0xff, [11] = 0xff, 10, 0, 0, 7};
static const uint8_t neighbour[16] = {[10] = 0xff, [11] = 0xff, 10, 0, 0, 8};

static int get_as(struct rig *rig, struct rig_client *client, const uint8_t whom[16], unsigned width) {
  memcpy(rig->client, whom, sizeof rig->client);
  return get(rig, client, width);
}

static void a_slow_client_is_refused_and_its_neighbour_is_served(void **state) {
  (void)state;
  static struct rig rig;
  static struct rig_client clients[MOST];
  struct rig_client client;
  unsigned count = 0;
  rig_open(&rig, &(struct rig_config){.ram_budget_bytes = CLIENTS_BUDGET_BYTES, .sending_least_bytes = 1});
  rig.renderer.padded_bytes = PRODUCT_BYTES;
  while (count < MOST && get_as(&rig, &clients[count], slow, count + 1) == 200) count++;
  assert_in_range(count, 1, MOST - 1);
  assert_int_equal(rig_receive(&clients[count]), 503);
  rig_assert_body_has(&clients[count], "\"subject\":\"client\"");
  rig_assert_field(&clients[count], "Cache-Control", "no-store");
  assert_non_null(http_reply_get_header(&clients[count].reply, "Retry-After").data);
  rig_client_finish(&clients[count]);
  assert_in_range(sending_bytes(&rig), CLIENTS_BUDGET_BYTES / 2, CLIENTS_BUDGET_BYTES / 2 + PRODUCT_BYTES * 2);
  // Nothing new, but what is small and in RAM.
  assert_int_equal(get_as(&rig, &client, slow, MOST + 1), 503);
  rig_client_finish(&client);
  assert_int_equal(get_as(&rig, &client, slow, count), 200);
  rig_client_finish(&client);
  // What needs no bytes it gets.
  char query[64], etag[128], fields[160];
  snprintf(query, sizeof query, "?w=%u&dpr=1&fm=webp&q=80", count);
  rig_send(&rig, &client, "HEAD", query, "");
  assert_int_equal(rig_receive(&client), 200);
  assert_true(base_span_copy(http_reply_get_header(&client.reply, "ETag"), etag, sizeof etag));
  rig_client_finish(&client);
  snprintf(fields, sizeof fields, "If-None-Match: %s\r\n", etag);
  assert_int_equal(rig_get(&rig, &client, query, fields), 304);
  rig_client_finish(&client);
  // The neighbour has the new, which pushes the other's out of the cache, and what is on disk.
  for (unsigned i = 0; i < 2 * count; i++) {
    assert_int_equal(get_as(&rig, &client, neighbour, MOST + i), 200);
    rig_client_finish(&client);
    assert_int_equal(get_as(&rig, &client, neighbour, i % count + 1), 200);
    rig_client_finish(&client);
  }
  struct cache_stats stats;
  pop_get_ram_stats(rig.pop, &stats);
  assert_true(held_bytes(&rig) > CLIENTS_BUDGET_BYTES / 4);
  assert_true(stats.bytes + (uint64_t)held_bytes(&rig) <= CLIENTS_BUDGET_BYTES + PRODUCT_BYTES * 2);
  assert_in_range(sending_bytes(&rig), CLIENTS_BUDGET_BYTES / 2, CLIENTS_BUDGET_BYTES / 2 + PRODUCT_BYTES * 2);
  for (unsigned i = 0; i < count; i++) rig_client_finish(&clients[i]);
  assert_int_equal(get_as(&rig, &client, slow, MOST + 30), 200);
  rig_client_finish(&client);
  assert_int_equal(sending_bytes(&rig), 0);
  rig_close(&rig);
}

// All pass the first look, as none of them holds anything yet.
static void a_client_that_asks_for_all_at_once_has_no_more_than_its_share(void **state) {
  (void)state;
  enum { BURST = 60, BURST_BUDGET_BYTES = 256 * 1024 };
  static struct rig rig;
  static struct rig_client clients[BURST];
  unsigned served = 0;
  rig_open(&rig, &(struct rig_config){
                     .ram_budget_bytes = BURST_BUDGET_BYTES, .sending_least_bytes = 1, .renders_per_client = BURST});
  rig.renderer.padded_bytes = PRODUCT_BYTES;
  memcpy(rig.client, slow, sizeof rig.client);
  rig_set(&rig, &rig.renderer.is_closed, true);
  for (unsigned i = 0; i < BURST; i++) {
    char query[64];
    snprintf(query, sizeof query, "?w=%u&dpr=1&fm=webp&q=80", i + 1);
    rig_send(&rig, &clients[i], "GET", query, "");
  }
  rig_wait_for(&rig, &rig.renderer.submitted, BURST);
  rig_set(&rig, &rig.renderer.is_closed, false);
  for (unsigned i = 0; i < BURST; i++) {
    const int status = rig_receive(&clients[i]);
    if (status == 200) {
      served++;
    } else {
      assert_int_equal(status, 503);
    }
  }
  assert_in_range(served, 1, BURST - 1);
  assert_true(sending_bytes(&rig) <= BURST_BUDGET_BYTES / 2 + PRODUCT_BYTES * 2);
  for (unsigned i = 0; i < BURST; i++) rig_client_finish(&clients[i]);
  assert_int_equal(sending_bytes(&rig), 0);
  rig_close(&rig);
}

// Whoever is refused something large asks again, when it has been made and is in RAM.
static void address_after_address_that_asks_twice_comes_to_the_bound_only(void **state) {
  (void)state;
  enum { ADDRESSES = 60, LARGE_BYTES = 200 * 1024, LARGE_BUDGET_BYTES = 4 << 20, WHOLE_BYTES = LARGE_BYTES + 8192 };
  static struct rig rig;
  static struct rig_client clients[ADDRESSES];
  unsigned count = 0;
  rig_open(&rig, &(struct rig_config){.ram_budget_bytes = LARGE_BUDGET_BYTES, .sending_least_bytes = 1});
  rig.renderer.padded_bytes = LARGE_BYTES;
  for (unsigned i = 0; i < ADDRESSES; i++) {
    const uint8_t whom[16] = {[10] = 0xff, [11] = 0xff, 10, 1, 0, (uint8_t)i};
    for (int asked = 0; asked < 2; asked++) {
      if (get_as(&rig, &clients[count], whom, i + 1) == 200) {
        count++;
        break;
      }
      rig_client_finish(&clients[count]);
    }
  }
  assert_in_range(count, 1, ADDRESSES - 1);
  assert_in_range(sending_bytes(&rig), LARGE_BUDGET_BYTES, LARGE_BUDGET_BYTES + WHOLE_BYTES);
  for (unsigned i = 0; i < count; i++) rig_client_finish(&clients[i]);
  rig_close(&rig);
}

// --- what has been read ---

// A slow reader comes to its share, and the neighbour pushes all of it out of the cache. Returns how many it holds.
static unsigned hold_all(struct rig *rig, struct rig_client clients[MOST]) {
  unsigned count = 0;
  rig_open(rig, &(struct rig_config){.ram_budget_bytes = CLIENTS_BUDGET_BYTES, .sending_least_bytes = 1});
  rig->renderer.padded_bytes = PRODUCT_BYTES;
  while (count < MOST && get_as(rig, &clients[count], slow, count + 1) == 200) count++;
  rig_client_finish(&clients[count]);
  for (unsigned i = 0; i < 2 * count; i++) {
    struct rig_client client;
    assert_int_equal(get_as(rig, &client, neighbour, MOST + i), 200);
    rig_client_finish(&client);
  }
  pop_measure(rig->pop);
  assert_true(held_bytes(rig) > CLIENTS_BUDGET_BYTES / 4);
  return count;
}

static void what_has_been_read_is_let_go_of_when_only_hits_come(void **state) {
  (void)state;
  static struct rig rig;
  static struct rig_client clients[MOST];
  struct rig_client client;
  const unsigned count = hold_all(&rig, clients);
  for (unsigned i = 0; i < count; i++) rig_client_finish(&clients[i]);
  assert_true(held_bytes(&rig) > CLIENTS_BUDGET_BYTES / 4);  // nobody has come
  for (int i = 0; i < 1000 && held_bytes(&rig) > 0; i++) {
    assert_int_equal(get_as(&rig, &client, neighbour, MOST + 2 * count - 1), 200);
    rig_assert_field(&client, "Cache-Status", "pixpop; hit");
    rig_client_finish(&client);
    nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);  // it is in no hurry
  }
  assert_int_equal(held_bytes(&rig), 0);
  rig_close(&rig);
}

static void what_has_been_read_is_let_go_of_when_metrics_are_read(void **state) {
  (void)state;
  static struct rig rig;
  static struct rig_client clients[MOST];
  const unsigned count = hold_all(&rig, clients);
  for (unsigned i = 0; i < count; i++) rig_client_finish(&clients[i]);
  pop_measure(rig.pop);
  assert_int_equal(held_bytes(&rig), 0);
  rig_close(&rig);
}

static void assert_not_in_ram(const struct rig_client *client) {
  const struct base_span status = http_reply_get_header(&client->reply, "Cache-Status");
  assert_true(status.data && !base_span_is(status, "pixpop; hit"));
}

// Its share is used up, but these need none of it, wherever the variant is.
static void a_client_without_a_share_has_what_needs_no_bytes(void **state) {
  (void)state;
  static struct rig rig;
  static struct rig_client clients[MOST];
  struct rig_client client;
  char etag[128], fields[160];
  const unsigned count = hold_all(&rig, clients);
  const char *query = "?w=1&dpr=1&fm=webp&q=80";
  memcpy(rig.client, slow, sizeof rig.client);
  rig_send(&rig, &client, "HEAD", query, "");
  assert_int_equal(rig_receive(&client), 200);
  assert_not_in_ram(&client);
  assert_true(base_span_copy(http_reply_get_header(&client.reply, "ETag"), etag, sizeof etag));
  rig_client_finish(&client);
  snprintf(fields, sizeof fields, "If-None-Match: %s\r\n", etag);
  for (unsigned i = 0; i < 2 * count; i++) {
    assert_int_equal(get_as(&rig, &client, neighbour, 2 * MOST + i), 200);
    rig_client_finish(&client);
  }
  memcpy(rig.client, slow, sizeof rig.client);
  assert_int_equal(rig_get(&rig, &client, query, fields), 304);
  assert_not_in_ram(&client);
  rig_client_finish(&client);
  // Whoever has another one than that is refused it all the same.
  assert_int_equal(rig_get(&rig, &client, "?w=2&dpr=1&fm=webp&q=80", "If-None-Match: \"other\"\r\n"), 503);
  rig_assert_body_has(&client, "\"subject\":\"client\"");
  rig_client_finish(&client);
  for (unsigned i = 0; i < count; i++) rig_client_finish(&clients[i]);
  rig_close(&rig);
}

// The reply may wait in a connection for long.
static void a_head_keeps_nothing_in_ram(void **state) {
  (void)state;
  enum { HEADS = 100 };
  static struct rig rig;
  static struct rig_client clients[HEADS];
  rig_open(&rig, &(struct rig_config){.ram_budget_bytes = NO_ROOM_BYTES, .sending_least_bytes = 1});
  rig.renderer.padded_bytes = PRODUCT_BYTES;
  for (unsigned i = 0; i < HEADS; i++) {
    char query[64];
    snprintf(query, sizeof query, "?w=%u&dpr=1&fm=webp&q=80", i + 1);
    rig_send(&rig, &clients[i], "HEAD", query, "");
    assert_int_equal(rig_receive(&clients[i]), 200);
    assert_int_equal(clients[i].reply.part_count, 0);
    assert_true(clients[i].reply.body_bytes >= PRODUCT_BYTES);
  }
  for (unsigned i = 0; i < HEADS; i++) rig_client_finish(&clients[i]);
  rig_close(&rig);
}

// --- shares ---

enum { FIRST_BYTES = 1 << 20, SECOND_BYTES = 2 << 20, THIRD_BYTES = 3 << 20 };

// One who changes the budget while another does. The linker puts what is below before the cache (--wrap).
static struct {
  bool is_armed;
  struct pop_held held;
  struct cache_lru *cache;
  pthread_t other;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  bool is_other_done;
  uint64_t given_bytes;  // the last
} race;

static void *set_third(void *argument) {
  pop_held_set_budget(&race.held, race.cache, THIRD_BYTES);
  pthread_mutex_lock(&race.lock);
  race.is_other_done = true;
  pthread_cond_broadcast(&race.changed);
  pthread_mutex_unlock(&race.lock);
  return argument;
}

// Gives the other a while to overtake; that it can not is no fault, however long it takes.
static void let_other_overtake(void) {
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += 1;
  assert_int_equal(pthread_create(&race.other, NULL, set_third, NULL), 0);
  pthread_mutex_lock(&race.lock);
  int error = 0;
  while (!race.is_other_done && error == 0) error = pthread_cond_timedwait(&race.changed, &race.lock, &until);
  pthread_mutex_unlock(&race.lock);
}

void __real_cache_lru_set_budget(struct cache_lru *cache, uint64_t budget_bytes);
void __wrap_cache_lru_set_budget(struct cache_lru *cache, uint64_t budget_bytes);
void __wrap_cache_lru_set_budget(struct cache_lru *cache, uint64_t budget_bytes) {
  const bool is_first = race.is_armed && budget_bytes == SECOND_BYTES;
  if (is_first) let_other_overtake();
  __real_cache_lru_set_budget(cache, budget_bytes);
  pthread_mutex_lock(&race.lock);
  race.given_bytes = budget_bytes;
  pthread_mutex_unlock(&race.lock);
}

static void *acquire(void *self, void *value) {
  (void)self;
  return value;
}

static void release(void *self, const struct cache_key *key, void *value, uint64_t bytes, bool is_evicted) {
  (void)self, (void)key, (void)value, (void)bytes, (void)is_evicted;
}

static void the_cache_has_the_newest_share_when_two_give_one_at_once(void **state) {
  (void)state;
  struct base_metrics *metrics = base_metrics_create();
  const struct cache_config config = {.budget_bytes = FIRST_BYTES, .acquire = acquire, .release = release};
  race.cache = cache_lru_create(&config, NULL);
  assert_non_null(race.cache);
  pop_held_init(&race.held, FIRST_BYTES, metrics);
  race.is_armed = true;
  pop_held_set_budget(&race.held, race.cache, SECOND_BYTES);
  pthread_join(race.other, NULL);
  race.is_armed = false;
  assert_int_equal(race.given_bytes, THIRD_BYTES);
  pop_held_finish(&race.held);
  cache_lru_destroy(&race.cache);
  base_metrics_destroy(&metrics);
}

int main(void) {
  pthread_mutex_init(&race.lock, NULL);
  pthread_cond_init(&race.changed, NULL);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(slow_readers_can_not_take_more_than_the_budget_and_the_caches_least),
      cmocka_unit_test(what_ram_never_had_room_for_counts_too),
      cmocka_unit_test(a_slow_client_is_refused_and_its_neighbour_is_served),
      cmocka_unit_test(a_client_that_asks_for_all_at_once_has_no_more_than_its_share),
      cmocka_unit_test(address_after_address_that_asks_twice_comes_to_the_bound_only),
      cmocka_unit_test(what_has_been_read_is_let_go_of_when_only_hits_come),
      cmocka_unit_test(what_has_been_read_is_let_go_of_when_metrics_are_read),
      cmocka_unit_test(a_client_without_a_share_has_what_needs_no_bytes),
      cmocka_unit_test(a_head_keeps_nothing_in_ram),
      cmocka_unit_test(the_cache_has_the_newest_share_when_two_give_one_at_once),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
