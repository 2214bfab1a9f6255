#include "timers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const uint32_t timeout_ms[DELIVERY_STATES] = {[DELIVERY_IDLE] = 100,
                                                     [DELIVERY_HEAD] = 10,
                                                     [DELIVERY_REPLY] = 1000,
                                                     [DELIVERY_WRITE] = 50,
                                                     [DELIVERY_LINGER] = 20};

static void nothing_expires_when_nothing_runs(void **state) {
  (void)state;
  struct timers timers;
  delivery_timers_init(&timers, timeout_ms);
  assert_null(delivery_timers_expired(&timers, UINT64_MAX));
  assert_true(delivery_timers_next_ms(&timers) == UINT64_MAX);
}

static void timers_expire_in_the_order_of_their_starts(void **state) {
  (void)state;
  struct timers timers;
  struct timer first = {0};
  struct timer second = {0};
  delivery_timers_init(&timers, timeout_ms);
  delivery_timer_start(&timers, &first, DELIVERY_IDLE, 1000);
  delivery_timer_start(&timers, &second, DELIVERY_IDLE, 1001);
  assert_true(delivery_timers_next_ms(&timers) == 1100);
  assert_null(delivery_timers_expired(&timers, 1099));
  assert_ptr_equal(delivery_timers_expired(&timers, 1101), &first);
  delivery_timer_stop(&first);
  assert_null(delivery_timers_expired(&timers, 1100));
  assert_ptr_equal(delivery_timers_expired(&timers, 1101), &second);
}

static void a_restarted_timer_moves_to_the_new_state(void **state) {
  (void)state;
  struct timers timers;
  struct timer timer = {0};
  delivery_timers_init(&timers, timeout_ms);
  delivery_timer_start(&timers, &timer, DELIVERY_IDLE, 0);
  delivery_timer_start(&timers, &timer, DELIVERY_HEAD, 5);
  assert_null(delivery_timers_first(&timers, DELIVERY_IDLE));
  assert_ptr_equal(delivery_timers_first(&timers, DELIVERY_HEAD), &timer);
  assert_true(delivery_timers_next_ms(&timers) == 15);
}

static void a_deadline_of_its_own_keeps_the_order(void **state) {
  (void)state;
  struct timers timers;
  struct timer started[3] = {0};
  struct timer placed = {0};
  delivery_timers_init(&timers, timeout_ms);
  for (uint64_t i = 0; i < 3; i++) delivery_timer_start(&timers, &started[i], DELIVERY_IDLE, 1000 + 10 * i);
  const struct {
    uint64_t deadline_ms;
    size_t before;  // how many expire before it
  } places[] = {{1050, 0}, {1105, 1}, {1115, 2}, {1120, 3}, {1130, 3}};
  for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
    delivery_timer_start_at(&timers, &placed, DELIVERY_IDLE, places[i].deadline_ms);
    const struct timer *timer = delivery_timers_first(&timers, DELIVERY_IDLE);
    for (size_t k = 0; k < places[i].before; k++, timer = timer->next) assert_ptr_equal(timer, &started[k]);
    assert_ptr_equal(timer, &placed);
  }
}

static void stopping_twice_does_nothing(void **state) {
  (void)state;
  struct timers timers;
  struct timer timer = {0};
  delivery_timers_init(&timers, timeout_ms);
  delivery_timer_stop(&timer);
  delivery_timer_start(&timers, &timer, DELIVERY_WRITE, 0);
  delivery_timer_stop(&timer);
  delivery_timer_stop(&timer);
  assert_null(delivery_timers_expired(&timers, UINT64_MAX));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(nothing_expires_when_nothing_runs),
      cmocka_unit_test(timers_expire_in_the_order_of_their_starts),
      cmocka_unit_test(a_restarted_timer_moves_to_the_new_state),
      cmocka_unit_test(a_deadline_of_its_own_keeps_the_order),
      cmocka_unit_test(stopping_twice_does_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
