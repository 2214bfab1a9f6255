// AVIFs in the background: what is answered before, while and after they are made, and when they can not be.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "rig.h"
#include "state.h"

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

static void tries_again_later_when_what_failed_may_pass(void **state) {
  struct rig *rig = *state;
  static const enum base_result passing[] = {BASE_NO_MEMORY, BASE_DEVICE,  BASE_TIMEOUT,
                                             BASE_IO,        BASE_CORRUPT, BASE_INTERNAL};
  enum { COUNT = sizeof passing / sizeof passing[0] };
  get(rig, OLDER, "image/webp", "max-age=3600", NULL);
  for (unsigned i = 0; i < COUNT; i++) {
    rig->renderer.fault = passing[i];
    for (int repeat = 0; repeat < 3; repeat++) {  // not at once
      get(rig, MODERN, "image/webp", "max-age=60", NULL);
      rig_wait_for(rig, &rig->renderer.rendered, 2 + i);
    }
    assert_int_equal(rig_upgrades(rig, "failed"), 1 + i);
    assert_int_equal(rig_count(rig, &rig->renderer.background), 1 + i);
    fake_clock_advance_s(&rig->clock, 15 * 60);
  }
  rig->renderer.fault = BASE_OK;
  get(rig, MODERN, "image/webp", "max-age=60", NULL);
  rig_wait_for(rig, &rig->renderer.rendered, 2 + COUNT);
  get(rig, MODERN, "image/avif", "max-age=3600", NULL);
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

// --- notes ---

enum { MANY = 10000 };

// One of many variants that somebody would rather have as AVIF.
static struct pop_course course_of(const struct pop_course *model, uint32_t number) {
  struct pop_course course = *model;
  uint8_t bytes[sizeof number];
  struct integrity_digest digest;
  memcpy(bytes, &number, sizeof bytes);
  integrity_digest_of(base_span_of(bytes, sizeof bytes), &digest);
  memcpy(course.key.bytes, digest.bytes, sizeof course.key.bytes);
  return course;
}

static int setup_large(void **state) {
  static struct rig rig;
  rig_open(&rig, &(struct rig_config){.makes_avif = true, .ram_budget_bytes = 64 << 20});
  *state = &rig;
  return 0;
}

static void remembers_as_many_final_ones_as_ram_has_room_for(void **state) {
  struct rig *rig = *state;
  get(rig, OLDER, "image/webp", "max-age=3600", NULL);  // so that the original's facts are there
  struct pop_original *original = pop_originals_get(&rig->pop->originals, "default", &rig->original);
  assert_non_null(original);
  struct recipe recipe;
  struct pop_course model;
  assert_int_equal(pop_batch_parse(0, base_span_text(&URL[1]), &recipe, NULL), BASE_OK);
  assert_int_equal(pop_course_set(original, &recipe, RECIPE_FORMAT_AVIF, pop_chart(rig->pop, "default"), &model, NULL),
                   BASE_OK);
  for (uint32_t i = 0; i < MANY; i++) {
    const struct pop_course course = course_of(&model, i);
    assert_true(pop_upgrades_want(rig->pop, &course, 1, "0123456789abcdef"));  // of a byte: every AVIF is larger
    rig_wait_for(rig, &rig->renderer.rendered, 2 + i);
  }
  assert_int_equal(rig_upgrades(rig, "larger"), MANY);
  // Twice as many that are pending do not push them out.
  rig_set(rig, &rig->renderer.is_background_busy, true);
  for (uint32_t i = 0; i < 2 * MANY; i++) {
    const struct pop_course course = course_of(&model, MANY + i);
    assert_true(pop_upgrades_want(rig->pop, &course, 1, "0123456789abcdef"));
  }
  for (uint32_t i = 0; i < MANY; i++) {
    const struct pop_course course = course_of(&model, i);
    assert_int_equal(pop_upgrades_state(rig->pop, &course.key), POP_UPGRADE_FINAL);
  }
  // But those of an original that is purged are found out anew.
  uint64_t dropped;
  assert_int_equal(pop_purge(rig->pop, "default", &rig->original, NULL, &dropped, NULL), BASE_OK);
  const struct pop_course first = course_of(&model, 0), last = course_of(&model, 3 * MANY - 1);
  assert_int_equal(pop_upgrades_state(rig->pop, &first.key), POP_UPGRADE_UNKNOWN);
  assert_int_equal(pop_upgrades_state(rig->pop, &last.key), POP_UPGRADE_UNKNOWN);
  pop_original_unref(&original);
}

// --- many who come at once ---

enum { CROWD = 4 };

// The disk. The linker puts what is below before the store's (--wrap): while it is closed, the first read waits.
static struct {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  unsigned reads;
  bool is_closed;
} disk = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

enum base_result __real_store_variant_get(struct store *store, const struct cache_key *key, struct store_variant *out,
                                          struct base_blob **body, struct base_fault *fault);
enum base_result __wrap_store_variant_get(struct store *store, const struct cache_key *key, struct store_variant *out,
                                          struct base_blob **body, struct base_fault *fault);
enum base_result __wrap_store_variant_get(struct store *store, const struct cache_key *key, struct store_variant *out,
                                          struct base_blob **body, struct base_fault *fault) {
  pthread_mutex_lock(&disk.lock);
  const bool is_first = disk.reads++ == 0;
  pthread_cond_broadcast(&disk.changed);
  while (is_first && disk.is_closed) pthread_cond_wait(&disk.changed, &disk.lock);
  pthread_mutex_unlock(&disk.lock);
  return __real_store_variant_get(store, key, out, body, fault);
}

static void set_disk_closed(bool is_closed) {
  pthread_mutex_lock(&disk.lock);
  disk.is_closed = is_closed;
  if (is_closed) disk.reads = 0;
  pthread_cond_broadcast(&disk.changed);
  pthread_mutex_unlock(&disk.lock);
}

static unsigned count_reads(void) {
  pthread_mutex_lock(&disk.lock);
  const unsigned reads = disk.reads;
  pthread_mutex_unlock(&disk.lock);
  return reads;
}

// All of them come while the first one's read goes on: one I/O thread has that, and the other one has dealt with the
// rest once it answers somebody who came after them.
static void send_crowd_to_closed_disk(struct rig *rig, struct rig_client clients[CROWD]) {
  struct rig_client last;
  char target[1024];
  set_disk_closed(true);
  for (int i = 0; i < CROWD; i++) {
    rig_send(rig, &clients[i], "GET", URL, MODERN);
    pthread_mutex_lock(&disk.lock);
    while (disk.reads == 0) pthread_cond_wait(&disk.changed, &disk.lock);
    pthread_mutex_unlock(&disk.lock);
  }
  snprintf(target, sizeof target, "/i/%c%s" URL, rig->id[0] == 'A' ? 'B' : 'A', rig->id + 1);
  rig_send_path(rig, &last, "GET", target, "");
  assert_int_equal(rig_receive(&last), 404);
  rig_client_finish(&last);
}

static void reads_it_from_disk_once_for_all_who_come_together(void **state) {
  struct rig *rig = *state;
  struct rig_client clients[CROWD];
  get(rig, MODERN, "image/webp", "max-age=60", NULL);
  rig_wait_for(rig, &rig->renderer.rendered, 2);
  rig_restart(rig);
  send_crowd_to_closed_disk(rig, clients);
  const unsigned reads = count_reads();
  set_disk_closed(false);
  for (int i = 0; i < CROWD; i++) {
    assert_int_equal(rig_receive(&clients[i]), 200);
    rig_assert_field(&clients[i], "Content-Type", "image/avif");
    rig_assert_field(&clients[i], "Cache-Control", "max-age=3600");
    rig_assert_field(&clients[i], "Cache-Status", "pixpop; hit; detail=disk");
    rig_client_finish(&clients[i]);
  }
  assert_int_equal(reads, 1);
  assert_int_equal(count_reads(), 1);
  assert_int_equal(rig_count(rig, &rig->renderer.submitted), 0);
}

static void makes_the_other_once_for_all_who_found_none_together(void **state) {
  struct rig *rig = *state;
  struct rig_client clients[CROWD];
  rig_set(rig, &rig->renderer.is_closed, true);
  send_crowd_to_closed_disk(rig, clients);
  const unsigned reads = count_reads();
  set_disk_closed(false);
  rig_wait_for(rig, &rig->renderer.submitted, 1);
  rig_set(rig, &rig->renderer.is_closed, false);
  for (int i = 0; i < CROWD; i++) {
    assert_int_equal(rig_receive(&clients[i]), 200);
    rig_assert_field(&clients[i], "Content-Type", "image/webp");
    rig_assert_field(&clients[i], "Cache-Control", "max-age=60");
    rig_client_finish(&clients[i]);
  }
  assert_int_equal(reads, 1);
  rig_wait_for(rig, &rig->renderer.rendered, 2);
  assert_int_equal(rig_count(rig, &rig->renderer.submitted), 2);
  assert_int_equal(rig_count(rig, &rig->renderer.background), 1);
}

// A variant is larger than its part of so small a budget: nothing is found in RAM.
static void reads_the_other_once_for_all_who_found_none_together(void **state) {
  (void)state;
  static struct rig rig;
  struct rig_client clients[CROWD];
  rig_open(&rig, &(struct rig_config){.makes_avif = true, .ram_budget_bytes = 4 * 1024});
  get(&rig, OLDER, "image/webp", "max-age=3600", NULL);
  rig_restart(&rig);
  send_crowd_to_closed_disk(&rig, clients);
  set_disk_closed(false);
  for (int i = 0; i < CROWD; i++) {
    assert_int_equal(rig_receive(&clients[i]), 200);
    rig_assert_field(&clients[i], "Content-Type", "image/webp");
    rig_assert_field(&clients[i], "Cache-Status", "pixpop; hit; detail=disk");
    rig_client_finish(&clients[i]);
  }
  assert_int_equal(count_reads(), 2);
  rig_close(&rig);
}

// An AVIF is larger than its part of so small a budget: each reader holds its own.
static void reads_none_for_slow_readers_when_they_hold_all_memory(void **state) {
  (void)state;
  enum { MOST = 1000 };
  static struct rig rig;
  static struct rig_client clients[MOST];
  unsigned count = 0;
  rig_open(&rig, &(struct rig_config){.makes_avif = true, .ram_budget_bytes = 4 * 1024, .sending_least_bytes = 1});
  get(&rig, MODERN, "image/webp", "max-age=60", NULL);
  rig_wait_for(&rig, &rig.renderer.rendered, 2);
  while (count < MOST && rig_get(&rig, &clients[count], URL, MODERN) == 200) {
    rig_assert_field(&clients[count++], "Content-Type", "image/avif");
  }
  assert_in_range(count, 1, MOST - 1);
  assert_int_equal(rig_receive(&clients[count]), 503);
  for (unsigned i = 0; i <= count; i++) rig_client_finish(&clients[i]);
  get(&rig, MODERN, "image/avif", "max-age=3600", "pixpop; hit; detail=disk");
  rig_close(&rig);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(answers_webp_for_a_minute_and_avif_once_it_is_made, setup, teardown),
      cmocka_unit_test_setup_teardown(orders_it_once_while_it_is_being_made, setup, teardown),
      cmocka_unit_test_setup_teardown(finds_it_on_disk_after_a_restart, setup, teardown),
      cmocka_unit_test_setup_teardown(stays_with_webp_when_the_avif_is_no_smaller, setup, teardown),
      cmocka_unit_test_setup_teardown(stays_with_webp_when_the_avif_fails, setup, teardown),
      cmocka_unit_test_setup_teardown(tries_again_later_when_what_failed_may_pass, setup, teardown),
      cmocka_unit_test_setup_teardown(tries_again_after_a_minute_when_the_queue_was_full, setup, teardown),
      cmocka_unit_test_setup_teardown(keeps_nothing_of_an_original_that_was_deleted_meanwhile, setup, teardown),
      cmocka_unit_test_setup_teardown(gives_up_what_waits_when_the_box_stops, setup, teardown),
      cmocka_unit_test_setup_teardown(makes_none_for_those_who_did_not_ask, setup, teardown),
      cmocka_unit_test_setup_teardown(remembers_as_many_final_ones_as_ram_has_room_for, setup_large, teardown),
      cmocka_unit_test_setup_teardown(reads_it_from_disk_once_for_all_who_come_together, setup, teardown),
      cmocka_unit_test_setup_teardown(makes_the_other_once_for_all_who_found_none_together, setup, teardown),
      cmocka_unit_test(reads_the_other_once_for_all_who_found_none_together),
      cmocka_unit_test(reads_none_for_slow_readers_when_they_hold_all_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
