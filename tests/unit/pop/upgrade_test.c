// AVIFs in the background: what is answered before, while and after they are made, and when they can not be.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "rig.h"

#define MODERN "Accept: image/avif,image/webp,*/*;q=0.8\r\n"
#define OLDER "Accept: image/webp\r\n"
#define URL "?w=400&dpr=1&q=80"

static int setup(void **state) {
  static struct rig rig;
  rig_open(&rig, &(struct rig_config){.makes_avif = true});
  *state = &rig;
  return 0;
}

static int teardown(void **state) {
  rig_close(*state);
  return 0;
}

static void get(struct rig *rig, const char *fields, const char *type, const char *life, const char *status) {
  struct rig_client client;
  assert_int_equal(rig_get(rig, &client, URL, fields), 200);
  rig_assert_field(&client, "Content-Type", type);
  rig_assert_field(&client, "Cache-Control", life);
  rig_assert_field(&client, "Vary", "Accept");
  if (status) rig_assert_field(&client, "Cache-Status", status);
  rig_client_finish(&client);
}

static void answers_webp_for_a_minute_and_avif_once_it_is_made(void **state) {
  struct rig *rig = *state;
  // The renderer stops before the second order, which is the background's.
  rig_set(rig, &rig->renderer.is_closed, true);
  struct rig_client client;
  rig_send(rig, &client, "GET", URL, MODERN);
  rig_wait_for(rig, &rig->renderer.submitted, 1);
  assert_int_equal(rig_count(rig, &rig->renderer.background), 0);  // nobody waits for an AVIF
  rig_set(rig, &rig->renderer.is_closed, false);
  assert_int_equal(rig_receive(&client), 200);
  rig_assert_field(&client, "Content-Type", "image/webp");
  rig_assert_field(&client, "Cache-Control", "max-age=60");
  rig_client_finish(&client);
  rig_wait_for(rig, &rig->renderer.rendered, 2);
  assert_int_equal(rig_count(rig, &rig->renderer.background), 1);
  get(rig, MODERN, "image/avif", "max-age=3600", "pixpop; hit");
  get(rig, MODERN, "image/avif", "max-age=3600", "pixpop; hit");  // by its alias
  get(rig, OLDER, "image/webp", "max-age=3600", "pixpop; hit");
  assert_int_equal(rig_upgrades(rig, "replaced"), 1);
  assert_int_equal(rig_count(rig, &rig->renderer.submitted), 2);
}

static void orders_it_once_while_it_is_being_made(void **state) {
  struct rig *rig = *state;
  get(rig, OLDER, "image/webp", "max-age=3600", NULL);
  rig_set(rig, &rig->renderer.is_closed, true);
  for (int i = 0; i < 5; i++) get(rig, MODERN, "image/webp", "max-age=60", NULL);
  assert_int_equal(rig_count(rig, &rig->renderer.background), 1);
  rig_set(rig, &rig->renderer.is_closed, false);
  rig_wait_for(rig, &rig->renderer.rendered, 2);
  get(rig, MODERN, "image/avif", "max-age=3600", "pixpop; hit");
  assert_int_equal(rig_count(rig, &rig->renderer.submitted), 2);
}

static void finds_it_on_disk_after_a_restart(void **state) {
  struct rig *rig = *state;
  get(rig, MODERN, "image/webp", "max-age=60", NULL);
  rig_wait_for(rig, &rig->renderer.rendered, 2);
  for (int i = 0; i < 2; i++) {  // before and after the original's facts are in RAM
    rig_restart(rig);
    if (i == 1) get(rig, OLDER, "image/webp", "max-age=3600", "pixpop; hit; detail=disk");
    get(rig, MODERN, "image/avif", "max-age=3600", "pixpop; hit; detail=disk");
    get(rig, MODERN, "image/avif", "max-age=3600", "pixpop; hit");
    assert_int_equal(rig_count(rig, &rig->renderer.submitted), 0);
  }
}

static void stays_with_webp_when_the_avif_is_no_smaller(void **state) {
  struct rig *rig = *state;
  rig_set(rig, &rig->renderer.is_avif_large, true);
  get(rig, MODERN, "image/webp", "max-age=60", NULL);
  rig_wait_for(rig, &rig->renderer.rendered, 2);
  for (int i = 0; i < 3; i++) get(rig, MODERN, "image/webp", "max-age=3600", "pixpop; hit");
  assert_int_equal(rig_upgrades(rig, "larger"), 1);
  assert_int_equal(rig_count(rig, &rig->renderer.submitted), 2);
  fake_clock_advance_s(&rig->clock, 24 * 3600);
  get(rig, MODERN, "image/webp", "max-age=3600", NULL);
  assert_int_equal(rig_count(rig, &rig->renderer.submitted), 2);
}

static void stays_with_webp_when_the_avif_fails(void **state) {
  struct rig *rig = *state;
  get(rig, OLDER, "image/webp", "max-age=3600", NULL);
  rig->renderer.fault = BASE_UNPROCESSABLE;
  get(rig, MODERN, "image/webp", "max-age=60", NULL);
  rig_wait_for(rig, &rig->renderer.rendered, 2);
  for (int i = 0; i < 3; i++) {
    get(rig, MODERN, "image/webp", "max-age=3600", NULL);
    fake_clock_advance_s(&rig->clock, 3600);
  }
  assert_int_equal(rig_upgrades(rig, "failed"), 1);
  assert_int_equal(rig_count(rig, &rig->renderer.submitted), 2);
}

static void tries_again_after_a_minute_when_the_queue_was_full(void **state) {
  struct rig *rig = *state;
  rig_set(rig, &rig->renderer.is_background_busy, true);
  for (int i = 0; i < 3; i++) get(rig, MODERN, "image/webp", "max-age=60", NULL);
  assert_int_equal(rig_upgrades(rig, "refused"), 1);
  rig_set(rig, &rig->renderer.is_background_busy, false);
  get(rig, MODERN, "image/webp", "max-age=60", NULL);
  assert_int_equal(rig_count(rig, &rig->renderer.background), 0);
  fake_clock_advance_s(&rig->clock, 60);
  get(rig, MODERN, "image/webp", "max-age=60", NULL);
  rig_wait_for(rig, &rig->renderer.rendered, 2);
  get(rig, MODERN, "image/avif", "max-age=3600", NULL);
}

static void keeps_nothing_of_an_original_that_was_deleted_meanwhile(void **state) {
  struct rig *rig = *state;
  struct rig_client client;
  struct cache_stats stats;
  get(rig, OLDER, "image/webp", "max-age=3600", NULL);
  rig_set(rig, &rig->renderer.is_closed, true);
  get(rig, MODERN, "image/webp", "max-age=60", NULL);
  rig_wait_for(rig, &rig->renderer.background, 1);
  assert_int_equal(store_original_delete(rig->store, "default", &rig->original, NULL), BASE_OK);
  pop_forget(rig->pop, "default", &rig->original);
  rig_set(rig, &rig->renderer.is_closed, false);
  rig_wait_for(rig, &rig->renderer.rendered, 2);
  pop_get_ram_stats(rig->pop, &stats);
  assert_int_equal(stats.entries, 0);
  assert_int_equal(rig_get(rig, &client, URL, MODERN), 404);
  rig_client_finish(&client);
}

static void gives_up_what_waits_when_the_box_stops(void **state) {
  struct rig *rig = *state;
  get(rig, OLDER, "image/webp", "max-age=3600", NULL);
  rig_set(rig, &rig->renderer.is_closed, true);
  get(rig, MODERN, "image/webp", "max-age=60", NULL);
  pop_drain(rig->pop);
  rig_set(rig, &rig->renderer.is_closed, false);
  rig_wait_for(rig, &rig->renderer.rendered, 2);
  assert_int_equal(rig_upgrades(rig, "refused"), 1);
  assert_int_equal(rig_upgrades(rig, "replaced"), 0);
}

static void makes_none_for_those_who_did_not_ask(void **state) {
  struct rig *rig = *state;
  struct rig_client client;
  static const struct {
    const char *query, *fields;
  } cases[] = {{URL, OLDER},
               {URL, "Accept: */*\r\n"},
               {"?w=400&dpr=1&q=80&fm=webp", MODERN},
               {"?w=400&dpr=1&q=lossless", MODERN},
               {URL, "Accept: image/avif;q=0.5,image/webp\r\n"}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    assert_int_equal(rig_get(rig, &client, cases[i].query, cases[i].fields), 200);
    rig_client_finish(&client);
  }
  assert_int_equal(rig_count(rig, &rig->renderer.background), 0);
  // Who asks for it by name waits for it.
  assert_int_equal(rig_get(rig, &client, "?w=400&dpr=1&q=80&fm=avif", ""), 200);
  rig_assert_field(&client, "Content-Type", "image/avif");
  rig_assert_field(&client, "Cache-Control", "public, immutable, max-age=31536000");
  rig_client_finish(&client);
  assert_int_equal(rig_count(rig, &rig->renderer.background), 0);
  // And then it is there for those who take it.
  get(rig, MODERN, "image/avif", "max-age=3600", "pixpop; hit");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(answers_webp_for_a_minute_and_avif_once_it_is_made, setup, teardown),
      cmocka_unit_test_setup_teardown(orders_it_once_while_it_is_being_made, setup, teardown),
      cmocka_unit_test_setup_teardown(finds_it_on_disk_after_a_restart, setup, teardown),
      cmocka_unit_test_setup_teardown(stays_with_webp_when_the_avif_is_no_smaller, setup, teardown),
      cmocka_unit_test_setup_teardown(stays_with_webp_when_the_avif_fails, setup, teardown),
      cmocka_unit_test_setup_teardown(tries_again_after_a_minute_when_the_queue_was_full, setup, teardown),
      cmocka_unit_test_setup_teardown(keeps_nothing_of_an_original_that_was_deleted_meanwhile, setup, teardown),
      cmocka_unit_test_setup_teardown(gives_up_what_waits_when_the_box_stops, setup, teardown),
      cmocka_unit_test_setup_teardown(makes_none_for_those_who_did_not_ask, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
