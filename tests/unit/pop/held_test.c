// Slow readers: what they still hold after it has left the cache counts against the budget of RAM.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "rig.h"

enum { BUDGET_BYTES = 64 * 1024, MOST = 1000 };

static int64_t held_bytes(struct rig *rig) {
  return base_metric_get(base_metrics_gauge(rig->metrics, "pixpop_pop_held_bytes", "", ""));
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
  rig_open(&rig, &(struct rig_config){.ram_budget_bytes = BUDGET_BYTES});
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
  assert_true(held_bytes(&rig) > BUDGET_BYTES);
  assert_true(held_bytes(&rig) < 2 * BUDGET_BYTES);
  // What is in the cache is served all the same.
  assert_int_equal(get(&rig, &quick, count), 200);
  rig_assert_field(&quick, "Cache-Status", "pixpop; hit");
  rig_client_finish(&quick);
  // They have read it at last.
  for (unsigned i = 0; i < count; i++) rig_client_finish(&clients[i]);
  assert_int_equal(get(&rig, &quick, MOST + 1), 200);
  rig_client_finish(&quick);
  assert_int_equal(held_bytes(&rig), 0);
  for (unsigned i = 0; i < 20; i++) {
    assert_int_equal(get(&rig, &quick, i + 1), 200);
    rig_client_finish(&quick);
  }
  pop_get_ram_stats(rig.pop, &stats);
  assert_true(stats.bytes > BUDGET_BYTES / 4);  // the cache has its budget back
  rig_close(&rig);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(slow_readers_can_not_take_more_than_the_budget_and_the_caches_least),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
