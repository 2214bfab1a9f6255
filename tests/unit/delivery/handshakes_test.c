#include "handshakes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LIMIT_US = 4000000, CROWD = 4000, MS = 1000 };

static struct handshakes line;
static struct handshake some[CROWD];

static void begin(void) {
  memset(some, 0, sizeof some);
  delivery_handshakes_init(&line, LIMIT_US);
}

static bool offer(int i, enum handshake_lane lane, uint64_t now_us) {
  return delivery_handshakes_offer(&line, &some[i], lane, now_us);
}

static int next(uint64_t now_us) {
  struct handshake *handshake = delivery_handshakes_next(&line, now_us);
  return handshake ? (int)(handshake - some) : -1;
}

static void nothing_is_due_when_nobody_waits(void **state) {
  (void)state;
  begin();
  assert_int_equal(next(0), -1);
  assert_true(delivery_handshakes_due_us(&line) == UINT64_MAX);
  assert_null(delivery_handshakes_excess(&line, 0));
}

static void the_first_is_served_first_and_ended_before_another_begins(void **state) {
  (void)state;
  begin();
  for (int i = 0; i < 4; i++) assert_true(offer(i, HANDSHAKE_NEW, 0));
  assert_int_equal(next(0), 0);
  delivery_handshakes_await(&line, &some[0], 0);
  assert_int_equal(next(1), 1);
  delivery_handshakes_await(&line, &some[1], 1);
  assert_true(offer(1, HANDSHAKE_KEYS, 2));
  assert_true(offer(0, HANDSHAKE_KEYS, 3));
  assert_int_equal(next(4), 1);
  assert_int_equal(next(4), 0);
  assert_int_equal(next(4), 2);
  assert_int_equal(next(4), 3);
  assert_int_equal(next(4), -1);
}

static void one_that_waits_keeps_its_place_when_more_arrives(void **state) {
  (void)state;
  begin();
  assert_true(offer(0, HANDSHAKE_NEW, 0));
  assert_true(offer(1, HANDSHAKE_NEW, 0));
  assert_true(offer(0, HANDSHAKE_NEW, 1));
  assert_true(offer(0, HANDSHAKE_KEYS, 1));
  assert_int_equal(next(2), 0);
  assert_int_equal(next(2), 1);
  assert_int_equal(next(2), -1);
}

static void those_that_go_leave_no_gap(void **state) {
  (void)state;
  static const enum handshake_lane lanes[] = {HANDSHAKE_NEW, HANDSHAKE_KEYS, HANDSHAKE_RESUMED};
  for (size_t l = 0; l < sizeof lanes / sizeof *lanes; l++) {
    begin();
    for (int i = 0; i < 5; i++) assert_true(offer(i, lanes[l], 0));
    static const int gone[] = {0, 2, 4, 2};
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++) delivery_handshakes_leave(&line, &some[gone[i]]);
    assert_int_equal(next(0), 1);
    assert_int_equal(next(0), 3);
    assert_int_equal(next(0), -1);
  }
}

// So many as may be at work have begun; their clients are silent.
static void fill(uint64_t now_us) {
  for (int i = 0; i < DELIVERY_HANDSHAKES_AT_WORK; i++) {
    assert_true(offer(i, HANDSHAKE_NEW, now_us));
    assert_int_equal(next(now_us), i);
    delivery_handshakes_await(&line, &some[i], now_us);
  }
}

static void silent_clients_hold_no_place_for_longer_than_the_grace(void **state) {
  (void)state;
  enum { LATER = DELIVERY_HANDSHAKES_AT_WORK, BEGIN_US = 7000 };
  begin();
  fill(BEGIN_US);
  assert_true(offer(LATER, HANDSHAKE_NEW, BEGIN_US));
  assert_true(offer(LATER + 1, HANDSHAKE_NEW, BEGIN_US));
  assert_int_equal(next(BEGIN_US + DELIVERY_HANDSHAKE_GRACE_US - 1), -1);
  assert_true(delivery_handshakes_due_us(&line) == BEGIN_US + DELIVERY_HANDSHAKE_GRACE_US);
  assert_int_equal(next(BEGIN_US + DELIVERY_HANDSHAKE_GRACE_US), LATER);
  assert_true(delivery_handshakes_due_us(&line) == 0);
  // They are not forgotten: what they have to say comes first.
  assert_true(offer(5, HANDSHAKE_KEYS, BEGIN_US + DELIVERY_HANDSHAKE_GRACE_US));
  assert_int_equal(next(BEGIN_US + DELIVERY_HANDSHAKE_GRACE_US), 5);
  assert_int_equal(next(BEGIN_US + DELIVERY_HANDSHAKE_GRACE_US), LATER + 1);
}

static void a_client_that_answers_or_goes_makes_room_at_once(void **state) {
  (void)state;
  enum { LATER = DELIVERY_HANDSHAKES_AT_WORK };
  begin();
  fill(0);
  assert_true(offer(LATER, HANDSHAKE_NEW, 1));
  assert_int_equal(next(1), -1);
  assert_true(offer(3, HANDSHAKE_KEYS, 1));
  assert_int_equal(next(1), 3);
  assert_int_equal(next(1), LATER);
  delivery_handshakes_await(&line, &some[LATER], 1);
  assert_true(offer(LATER + 1, HANDSHAKE_NEW, 1));
  assert_int_equal(next(1), -1);
  delivery_handshakes_leave(&line, &some[9]);
  assert_int_equal(next(1), LATER + 1);
}

static void resumed_sessions_and_others_both_get_their_share(void **state) {
  (void)state;
  begin();
  int resumed = 0, begun = 0;
  for (int i = 0; i < 1000; i++) assert_true(offer(i, i % 2 ? HANDSHAKE_RESUMED : HANDSHAKE_NEW, 0));
  for (int i = 0; i < 100; i++) {
    const int taken = next(0);
    assert_true(taken >= 0);
    resumed += taken % 2;
    begun += 1 - taken % 2;
  }
  assert_int_equal(resumed, 100 * DELIVERY_RESUMED_IN_A_ROW / (DELIVERY_RESUMED_IN_A_ROW + 1));
  assert_int_equal(begun, 100 / (DELIVERY_RESUMED_IN_A_ROW + 1));
}

static void resumed_sessions_need_no_place_and_are_never_refused(void **state) {
  (void)state;
  begin();
  fill(0);
  line.turn_us = LIMIT_US;
  for (int i = DELIVERY_HANDSHAKES_AT_WORK; i < CROWD; i++) assert_true(offer(i, HANDSHAKE_RESUMED, 1));
  for (int i = DELIVERY_HANDSHAKES_AT_WORK; i < CROWD; i++) assert_int_equal(next(1), i);
}

// Begins as many as a measure takes, each `turn_us` after the one before, with one more always waiting.
static void measure(uint64_t *now_us, uint64_t turn_us) {
  for (int i = 0; i < DELIVERY_BEGUN_A_SAMPLE; i++) {
    assert_true(offer((i + 1) % CROWD, HANDSHAKE_NEW, *now_us));
    *now_us += turn_us;
    assert_int_equal(next(*now_us), i % CROWD);
  }
}

static void a_client_is_refused_when_the_wait_would_be_too_long(void **state) {
  (void)state;
  uint64_t now_us = 0;
  begin();
  assert_true(offer(0, HANDSHAKE_NEW, 0));
  measure(&now_us, 10 * MS);
  assert_in_range(line.turn_us, 10 * MS, 10 * MS + 1);
  delivery_handshakes_leave(&line, &some[DELIVERY_BEGUN_A_SAMPLE]);
  int taken = 0;
  while (taken < CROWD && offer(taken, HANDSHAKE_NEW, now_us)) taken++;
  assert_in_range(taken, LIMIT_US / (10 * MS) - 1, LIMIT_US / (10 * MS) + 1);
  assert_null(delivery_handshakes_excess(&line, now_us));
}

static void the_newest_are_refused_when_turns_get_longer(void **state) {
  (void)state;
  begin();
  enum { MANY = 1000, TURN_US = 8 * MS, FIT = (LIMIT_US + LIMIT_US / 8) / TURN_US };
  for (int i = 0; i < MANY; i++) assert_true(offer(i, HANDSHAKE_NEW, 0));
  assert_null(delivery_handshakes_excess(&line, 0));  // nothing is known yet
  line.turn_us = TURN_US;
  int refused = 0;
  struct handshake *newest;
  while ((newest = delivery_handshakes_excess(&line, 0))) {
    assert_ptr_equal(newest, &some[MANY - 1 - refused]);
    delivery_handshakes_leave(&line, newest);
    refused++;
  }
  assert_int_equal(refused, MANY - FIT - 1);
  // The time that it has waited already counts.
  assert_null(delivery_handshakes_excess(&line, TURN_US / 2));
  assert_ptr_equal(delivery_handshakes_excess(&line, TURN_US), &some[FIT]);
  assert_int_equal(next(0), 0);
}

static void time_in_which_nobody_waits_is_not_measured(void **state) {
  (void)state;
  begin();
  for (int i = 0; i < 4 * DELIVERY_BEGUN_A_SAMPLE; i++) {
    const uint64_t now_us = (uint64_t)i * 1000 * MS;
    assert_true(offer(i, HANDSHAKE_NEW, now_us));
    assert_int_equal(next(now_us), i);
  }
  assert_true(line.turn_us == 0);
}

// A loop with a processor of its own, and clients that are `round_trip_us` away; every `silent_every`-th never answers.
struct crowd {
  uint64_t now_us;
  uint64_t answer_us[CROWD];  // when its rest arrives; 0: nothing is on the way
  uint64_t last_end_us, last_refusal_us;
  int ended, refused, begun;
};
enum { HELLO_US = 900, KEYS_US = 1100 };

static void arrive(struct crowd *crowd) {
  for (int i = 0; i < CROWD; i++) {
    if (crowd->answer_us[i] == 0 || crowd->answer_us[i] > crowd->now_us) continue;
    crowd->answer_us[i] = 0;
    assert_true(offer(i, HANDSHAKE_KEYS, crowd->now_us));
  }
}

static void play(struct crowd *crowd, uint64_t round_trip_us, int silent_every) {
  static bool has_begun[CROWD];
  memset(has_begun, 0, sizeof has_begun);
  *crowd = (struct crowd){0};
  begin();
  for (int i = 0; i < CROWD; i++) assert_true(offer(i, HANDSHAKE_NEW, 0));
  while (crowd->now_us < 3 * (uint64_t)LIMIT_US) {
    arrive(crowd);
    const int i = next(crowd->now_us);
    if (i < 0) {
      crowd->now_us += MS;
    } else if (has_begun[i]) {
      crowd->last_end_us = crowd->now_us += KEYS_US;
      crowd->ended++;
    } else {
      crowd->now_us += HELLO_US;
      has_begun[i] = true;
      crowd->begun++;
      delivery_handshakes_await(&line, &some[i], crowd->now_us);
      if (silent_every == 0 || i % silent_every != 0) crowd->answer_us[i] = crowd->now_us + round_trip_us;
    }
    struct handshake *newest;
    while ((newest = delivery_handshakes_excess(&line, crowd->now_us))) {
      delivery_handshakes_leave(&line, newest);
      crowd->last_refusal_us = crowd->now_us;
      crowd->refused++;
    }
  }
}

static void a_crowd_is_served_at_the_peak_rate_and_the_rest_refused_early(void **state) {
  (void)state;
  static struct crowd crowd;
  static const uint64_t round_trips_us[] = {0, 200, 5 * MS, 30 * MS, 100 * MS};
  for (size_t i = 0; i < sizeof round_trips_us / sizeof *round_trips_us; i++) {
    play(&crowd, round_trips_us[i], 0);
    assert_int_equal(crowd.ended + crowd.refused, CROWD);
    assert_int_equal(crowd.ended, crowd.begun);  // no work was in vain
    const uint64_t busy_us = (uint64_t)crowd.ended * (HELLO_US + KEYS_US);
    assert_true(busy_us * 100 >= 95 * (crowd.last_end_us - round_trips_us[i]));
    assert_in_range(crowd.last_end_us - round_trips_us[i], LIMIT_US / 10 * 8, LIMIT_US / 10 * 12);
    assert_true(crowd.last_refusal_us <= LIMIT_US / 2);
  }
}

static void clients_that_stop_half_way_cost_their_first_step_only(void **state) {
  (void)state;
  static struct crowd crowd;
  play(&crowd, 5 * MS, 2);
  assert_int_equal(crowd.ended, crowd.begun / 2);
  const uint64_t busy_us = (uint64_t)crowd.begun * HELLO_US + (uint64_t)crowd.ended * KEYS_US;
  assert_true(busy_us * 100 >= 90 * crowd.last_end_us);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(nothing_is_due_when_nobody_waits),
      cmocka_unit_test(the_first_is_served_first_and_ended_before_another_begins),
      cmocka_unit_test(one_that_waits_keeps_its_place_when_more_arrives),
      cmocka_unit_test(those_that_go_leave_no_gap),
      cmocka_unit_test(silent_clients_hold_no_place_for_longer_than_the_grace),
      cmocka_unit_test(a_client_that_answers_or_goes_makes_room_at_once),
      cmocka_unit_test(resumed_sessions_and_others_both_get_their_share),
      cmocka_unit_test(resumed_sessions_need_no_place_and_are_never_refused),
      cmocka_unit_test(a_client_is_refused_when_the_wait_would_be_too_long),
      cmocka_unit_test(the_newest_are_refused_when_turns_get_longer),
      cmocka_unit_test(time_in_which_nobody_waits_is_not_measured),
      cmocka_unit_test(a_crowd_is_served_at_the_peak_rate_and_the_rest_refused_early),
      cmocka_unit_test(clients_that_stop_half_way_cost_their_first_step_only),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
