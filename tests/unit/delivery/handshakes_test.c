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
  int taken = 1;  // some[DELIVERY_BEGUN_A_SAMPLE] waits already
  for (int i = DELIVERY_BEGUN_A_SAMPLE + 1; i < CROWD && offer(i, HANDSHAKE_NEW, now_us); i++) taken++;
  assert_in_range(taken, LIMIT_US / (10 * MS) - 1, LIMIT_US / (10 * MS) + 1);
  assert_null(delivery_handshakes_excess(&line, now_us));
}

static void the_newest_are_refused_when_turns_get_longer(void **state) {
  (void)state;
  begin();
  enum { MANY = 1000, TAKES_US = 8 * MS, TAKEN = (LIMIT_US + LIMIT_US / 8) / TAKES_US };
  for (int i = 0; i < MANY; i++) assert_true(offer(i, HANDSHAKE_NEW, 0));
  assert_null(delivery_handshakes_excess(&line, 0));  // nothing is known yet
  line.turn_us = TAKES_US;
  int refused = 0;
  struct handshake *newest;
  while ((newest = delivery_handshakes_excess(&line, 0))) {
    assert_ptr_equal(newest, &some[MANY - 1 - refused]);
    delivery_handshakes_leave(&line, newest);
    refused++;
  }
  assert_int_equal(refused, MANY - TAKEN - 1);
  // The time that it has waited already counts.
  assert_null(delivery_handshakes_excess(&line, TAKES_US / 2));
  assert_ptr_equal(delivery_handshakes_excess(&line, TAKES_US), &some[TAKEN]);
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

static void a_measure_is_forgotten_when_nobody_waits(void **state) {
  (void)state;
  static const uint64_t turns_us[] = {DELIVERY_HANDSHAKE_GRACE_US, 2 * (uint64_t)LIMIT_US};
  for (size_t t = 0; t < sizeof turns_us / sizeof *turns_us; t++) {
    uint64_t now_us = 0;
    begin();
    assert_true(offer(0, HANDSHAKE_NEW, 0));
    while (line.turn_us < turns_us[t] / 2) {
      assert_true(offer(1, HANDSHAKE_NEW, now_us));
      now_us += turns_us[t];
      assert_int_equal(next(now_us), 0);
      assert_true(offer(0, HANDSHAKE_NEW, now_us));
      assert_int_equal(next(now_us), 1);
    }
    assert_false(line.turn_us * (CROWD - 1) <= LIMIT_US);  // not all of a crowd would be taken now
    assert_int_equal(next(now_us), 0);
    for (int i = 0; i < CROWD; i++) assert_true(offer(i, HANDSHAKE_NEW, now_us));
    assert_null(delivery_handshakes_excess(&line, now_us));
  }
}

static void long_turns_are_known_before_the_limit_is_over(void **state) {
  (void)state;
  enum { TURN_US = LIMIT_US / 16 };
  begin();
  for (int i = 0; i < 100; i++) assert_true(offer(i, HANDSHAKE_NEW, 0));
  for (int i = 0; i < DELIVERY_BEGUN_A_SLOW_SAMPLE; i++) assert_int_equal(next((uint64_t)(i + 1) * TURN_US), i);
  assert_in_range(line.turn_us, TURN_US, TURN_US + 1);
  assert_ptr_equal(delivery_handshakes_excess(&line, DELIVERY_BEGUN_A_SLOW_SAMPLE * TURN_US), &some[99]);
}

static void a_client_that_says_little_keeps_its_place_at_work(void **state) {
  (void)state;
  enum { LATER = DELIVERY_HANDSHAKES_AT_WORK, BEGIN_US = 7000, HALF_US = DELIVERY_HANDSHAKE_GRACE_US / 2 };
  begin();
  fill(BEGIN_US);
  delivery_handshakes_leave(&line, &some[1]);
  assert_true(offer(1, HANDSHAKE_NEW, BEGIN_US + 1));
  assert_int_equal(next(BEGIN_US + 1), 1);
  delivery_handshakes_await(&line, &some[1], BEGIN_US + 1);
  assert_true(offer(LATER, HANDSHAKE_NEW, BEGIN_US + HALF_US));
  for (int i = 9; i >= 0; i--) {  // one byte each; [1] was begun last
    assert_true(offer(i, HANDSHAKE_KEYS, BEGIN_US + HALF_US));
    assert_int_equal(next(BEGIN_US + HALF_US), i);
    delivery_handshakes_await_rest(&line, &some[i], BEGIN_US + HALF_US);
    assert_int_equal(next(BEGIN_US + HALF_US), -1);
  }
  // It is no longer theirs for it.
  assert_true(delivery_handshakes_due_us(&line) == BEGIN_US + DELIVERY_HANDSHAKE_GRACE_US);
  assert_int_equal(next(BEGIN_US + DELIVERY_HANDSHAKE_GRACE_US), LATER);
  assert_int_equal(line.counts[HANDSHAKE_AWAY], 1);
  assert_int_equal(some[1].lane, HANDSHAKE_AWAY);
  assert_true(offer(5, HANDSHAKE_KEYS, BEGIN_US + DELIVERY_HANDSHAKE_GRACE_US));
  assert_int_equal(next(BEGIN_US + DELIVERY_HANDSHAKE_GRACE_US), 5);
  delivery_handshakes_await_rest(&line, &some[5], BEGIN_US + DELIVERY_HANDSHAKE_GRACE_US);
  assert_int_equal(some[5].lane, HANDSHAKE_NOWHERE);
}

enum { TURN_US = 10 * MS, FIT = LIMIT_US / TURN_US + 1, FIT_IN_EXCESS = (LIMIT_US + LIMIT_US / 8) / TURN_US + 1 };

// Fills the queue with handshakes of one share, and returns how many there are.
static int crowd_in(struct handshake_share *share) {
  int taken = 0;
  begin();
  some[0].share = share;
  assert_true(offer(taken++, HANDSHAKE_NEW, 0));
  line.turn_us = TURN_US;
  for (;; taken++) {
    some[taken].share = share;
    if (!offer(taken, HANDSHAKE_NEW, 0)) break;
  }
  assert_int_equal(taken, FIT);
  return taken;
}

static void one_client_can_not_keep_others_out(void **state) {
  (void)state;
  enum { OTHERS = 1000 };
  struct handshake_share large = {0};
  static struct handshake_share others[OTHERS];
  memset(others, 0, sizeof others);
  int waiting = crowd_in(&large);
  const int first = waiting + 1;
  int newest_large = waiting - 1, refused = 0;
  for (int i = 0; i < OTHERS; i++) {
    some[first + i].share = &others[i];
    if (!offer(first + i, HANDSHAKE_NEW, 0)) {
      refused++;
      continue;
    }
    assert_int_equal(refused, 0);
    struct handshake *excess = delivery_handshakes_excess(&line, 0);
    if (++waiting <= FIT_IN_EXCESS) {
      assert_null(excess);
      continue;
    }
    assert_ptr_equal(excess, &some[newest_large]);  // never one of those with few
    delivery_handshakes_leave(&line, excess);
    newest_large--;
    waiting--;
    assert_null(delivery_handshakes_excess(&line, 0));
  }
  // What a browser opens it keeps, and then it is first come, first served.
  assert_int_equal(large.waiting, DELIVERY_WAITING_MANY - 1);
  assert_int_equal(OTHERS - refused, FIT_IN_EXCESS - large.waiting);
}

static void a_client_that_is_alone_or_not_known_may_fill_the_queue(void **state) {
  (void)state;
  struct handshake_share only = {0};
  const int taken = crowd_in(&only);
  assert_null(delivery_handshakes_excess(&line, 0));
  assert_int_equal(only.waiting, FIT);
  for (int i = 0; i < taken; i++) assert_int_equal(next(0), i);
  assert_int_equal(only.waiting, 0);
  assert_null(only.newest);
  assert_int_equal(crowd_in(NULL), FIT);
  assert_null(delivery_handshakes_excess(&line, 0));
}

static void large_clients_are_refused_in_turn_and_leave_in_any_order(void **state) {
  (void)state;
  enum { SHARES = 5, EACH = 70, ALL = SHARES * EACH };
  struct handshake_share shares[SHARES] = {0}, small = {0};
  begin();
  for (int i = 0; i < ALL; i++) {
    some[i].share = &shares[i % SHARES];
    assert_true(offer(i, HANDSHAKE_NEW, 0));
  }
  some[ALL].share = &small;
  assert_true(offer(ALL, HANDSHAKE_NEW, 0));
  line.turn_us = LIMIT_US;  // two fit
  struct handshake *excess;
  while (small.waiting > 0 && (excess = delivery_handshakes_excess(&line, 0))) {
    for (int k = 0; k < SHARES && excess->share != &small; k++) {
      assert_true(excess->share->waiting * 2 >= shares[k].waiting);
    }
    assert_ptr_equal(excess, excess->share->newest);
    delivery_handshakes_leave(&line, excess);
  }
  for (int k = 0; k < SHARES; k++) assert_int_equal(shares[k].waiting, DELIVERY_WAITING_MANY - 1);
  for (int i = 0; i < ALL; i++) {
    struct handshake *gone = &some[i * 37 % ALL];
    struct handshake_share *share = gone->share;
    delivery_handshakes_leave(&line, gone);
    for (const struct handshake *of = share->newest; of; of = of->older) {
      assert_ptr_equal(of->share, share);
      assert_ptr_not_equal(of, gone);
    }
  }
  assert_int_equal(line.counts[HANDSHAKE_NEW], 0);
  for (int k = 0; k < SHARES; k++) assert_true(shares[k].waiting == 0 && !shares[k].newest);
  for (int size = 0; size < DELIVERY_WAITING_SIZES; size++) assert_null(line.large[size]);
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
      cmocka_unit_test(a_measure_is_forgotten_when_nobody_waits),
      cmocka_unit_test(long_turns_are_known_before_the_limit_is_over),
      cmocka_unit_test(a_client_that_says_little_keeps_its_place_at_work),
      cmocka_unit_test(one_client_can_not_keep_others_out),
      cmocka_unit_test(a_client_that_is_alone_or_not_known_may_fill_the_queue),
      cmocka_unit_test(large_clients_are_refused_in_turn_and_leave_in_any_order),
      cmocka_unit_test(a_crowd_is_served_at_the_peak_rate_and_the_rest_refused_early),
      cmocka_unit_test(clients_that_stop_half_way_cost_their_first_step_only),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
