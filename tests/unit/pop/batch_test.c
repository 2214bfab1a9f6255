// Batches: one order for what is missing, shared with the GETs of the same moment.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rig.h"

enum { STORM_THREADS = 6, STORM_ROUNDS = 60 };

static int setup(void **state) {
  static struct rig rig;
  rig_open(&rig, &(struct rig_config){0});
  *state = &rig;
  return 0;
}

static int teardown(void **state) {
  rig_close(*state);
  return 0;
}

static const char *const five[] = {"w=320", "w=640", "w=960", "w=1280", "w=1920", NULL};

static void begin(struct rig *rig, struct rig_batch *batch, const char *const *recipes) {
  struct base_fault fault = {0};
  if (rig_batch_begin(rig, batch, recipes, &fault) != BASE_OK) fail_msg("batch: %s", fault.text);
}

static void assert_item(struct rig_batch *batch, size_t index, enum pop_source source) {
  const struct pop_batch_item *item = rig_batch_item(batch, index);
  assert_non_null(item);
  if (item->fault.result != BASE_OK) fail_msg("item %zu: %s", index, item->fault.text);
  assert_string_equal(pop_source_name(item->source), pop_source_name(source));
}

static void assert_fault(struct rig_batch *batch, size_t index, enum base_result result) {
  const struct pop_batch_item *item = rig_batch_item(batch, index);
  assert_non_null(item);
  assert_string_equal(base_result_name(item->fault.result), base_result_name(result));
}

static void get(struct rig *rig, const char *query, int status, const char *cache_status) {
  struct rig_client client;
  assert_int_equal(rig_get(rig, &client, query, ""), status);
  rig_assert_field(&client, "Cache-Status", cache_status);
  rig_client_finish(&client);
}

#define VARIANT(width) "?dpr=1&fm=webp&q=80&w=" #width

static void makes_all_in_one_order_and_keeps_them_as_a_get_does(void **state) {
  struct rig *rig = *state;
  struct rig_batch batch;
  struct rig_client client;
  begin(rig, &batch, five);
  rig_batch_finish(&batch, 5);
  for (size_t i = 0; i < 5; i++) assert_item(&batch, i, POP_MADE);
  assert_int_equal(rig_count(rig, &rig->renderer.submitted), 1);
  assert_int_equal(rig_batch_variants(rig, "render"), 5);

  const struct pop_batch_item *item = rig_batch_item(&batch, 1);
  char text[RECIPE_TEXT_BYTES], tag[BASE_DIGEST_BASE64URL_CHARS + 1], digest[BASE_DIGEST_BASE64URL_CHARS + 1];
  recipe_text(&item->recipe, text);
  assert_string_equal(text, "dpr=1&fm=webp&q=80&w=640");
  assert_int_equal(item->width, 640);
  assert_int_equal(rig_get(rig, &client, VARIANT(640), ""), 200);
  rig_assert_field(&client, "Cache-Status", "pixpop; hit");
  rig_assert_body_has(&client, "a picture made by dpr=1&fm=webp&q=80&w=640");
  assert_int_equal(client.reply.body_bytes, item->bytes);
  struct integrity_digest body;
  integrity_digest_of(base_blob_span(client.reply.parts[0].blob), &body);
  integrity_digest_text(&body, tag);
  integrity_digest_text(&item->digest, digest);
  assert_string_equal(tag, digest);
  rig_client_finish(&client);

  rig_restart(rig);
  get(rig, VARIANT(1920), 200, "pixpop; hit; detail=disk");
}

static void orders_nothing_when_everything_is_in_ram(void **state) {
  struct rig *rig = *state;
  struct rig_batch first, second;
  begin(rig, &first, five);
  rig_batch_finish(&first, 5);
  begin(rig, &second, five);
  assert_int_equal(second.completions, 1);  // before the call returned
  rig_batch_finish(&second, 5);
  for (size_t i = 0; i < 5; i++) assert_item(&second, i, POP_FROM_RAM);
  assert_int_equal(rig_batch_item(&second, 2)->width, 960);
  assert_int_equal(rig_count(rig, &rig->renderer.submitted), 1);
}

static void makes_only_what_neither_ram_nor_disk_has(void **state) {
  struct rig *rig = *state;
  struct rig_batch batch;
  get(rig, VARIANT(320), 200, "pixpop; fwd=miss; stored");
  rig_restart(rig);
  get(rig, VARIANT(640), 200, "pixpop; fwd=miss; stored");
  const unsigned before = rig_count(rig, &rig->renderer.products);
  begin(rig, &batch, five);
  rig_batch_finish(&batch, 5);
  assert_item(&batch, 0, POP_FROM_DISK);
  assert_item(&batch, 1, POP_FROM_RAM);
  for (size_t i = 2; i < 5; i++) assert_item(&batch, i, POP_MADE);
  assert_int_equal(rig_batch_item(&batch, 0)->width, 320);
  assert_int_equal(rig_count(rig, &rig->renderer.products) - before, 3);
}

static void tells_of_one_failure_and_makes_the_rest(void **state) {
  struct rig *rig = *state;
  struct rig_batch batch;
  rig->renderer.fault = BASE_UNPROCESSABLE;
  rig->renderer.fault_width = 960;
  begin(rig, &batch, five);
  rig_batch_finish(&batch, 5);
  for (size_t i = 0; i < 5; i++) {
    if (i != 2) assert_item(&batch, i, POP_MADE);
  }
  assert_fault(&batch, 2, BASE_UNPROCESSABLE);
  assert_int_equal(rig_batch_variants(rig, "error"), 1);
  rig->renderer.fault = BASE_OK;
  get(rig, VARIANT(960), 200, "pixpop; fwd=miss; stored");
  get(rig, VARIANT(320), 200, "pixpop; hit");
}

static void makes_repeats_once_and_tells_of_each(void **state) {
  struct rig *rig = *state;
  struct rig_batch batch;
  static const char *const recipes[] = {"w=400", "w=500", "w=400&fm=auto", "q=80&fm=webp&dpr=1&w=400", "w=500", NULL};
  begin(rig, &batch, recipes);
  rig_batch_finish(&batch, 5);
  for (size_t i = 0; i < 5; i++) assert_item(&batch, i, POP_MADE);
  assert_int_equal(rig_count(rig, &rig->renderer.products), 2);
  assert_memory_equal(&rig_batch_item(&batch, 0)->digest, &rig_batch_item(&batch, 3)->digest, BASE_DIGEST_BYTES);
  assert_int_equal(rig_batch_item(&batch, 4)->width, 500);
}

static void tells_of_the_first_while_the_others_are_being_made(void **state) {
  struct rig *rig = *state;
  struct rig_batch batch;
  rig_set(rig, &rig->renderer.is_closed_midway, true);
  begin(rig, &batch, five);
  rig_batch_wait(&batch, 1);
  rig_wait_for(rig, &rig->renderer.midway, 1);
  assert_int_equal(batch.count, 1);
  assert_int_equal(batch.completions, 0);
  get(rig, VARIANT(320), 200, "pixpop; hit");
  rig_set(rig, &rig->renderer.is_closed_midway, false);
  rig_batch_finish(&batch, 5);
}

static void a_get_waits_for_the_batch_that_makes_its_variant(void **state) {
  struct rig *rig = *state;
  struct rig_batch batch;
  struct rig_client client;
  rig_set(rig, &rig->renderer.is_closed, true);
  begin(rig, &batch, five);
  rig_send(rig, &client, "GET", VARIANT(640), "");
  assert_false(rig_has_reply(&client));
  rig_set(rig, &rig->renderer.is_closed, false);
  assert_int_equal(rig_receive(&client), 200);
  rig_assert_field(&client, "Cache-Status", "pixpop; fwd=miss; stored; collapsed");
  rig_client_finish(&client);
  rig_batch_finish(&batch, 5);
  assert_int_equal(rig_count(rig, &rig->renderer.submitted), 1);
  assert_int_equal(rig_requests(rig, "coalesced"), 1);
}

// Its order may wait for as long as others come.
static void a_get_does_not_wait_for_a_batch_in_the_background(void **state) {
  struct rig *rig = *state;
  struct rig_batch batch;
  struct rig_client clients[2];
  rig->is_unhurried = true;
  rig_set(rig, &rig->renderer.is_closed, true);
  begin(rig, &batch, five);
  for (int i = 0; i < 2; i++) rig_send(rig, &clients[i], "GET", VARIANT(640), "");
  rig_wait_for(rig, &rig->renderer.submitted, 2);
  assert_int_equal(rig_count(rig, &rig->renderer.background), 1);
  rig_set(rig, &rig->renderer.is_closed, false);
  for (int i = 0; i < 2; i++) {
    assert_int_equal(rig_receive(&clients[i]), 200);
    rig_client_finish(&clients[i]);
  }
  rig_batch_finish(&batch, 5);
  for (size_t i = 0; i < 5; i++) assert_item(&batch, i, POP_MADE);
  // The two GETs shared a flight of their own.
  assert_int_equal(rig_count(rig, &rig->renderer.submitted), 2);
  assert_int_equal(rig_requests(rig, "render"), 1);
  assert_int_equal(rig_requests(rig, "coalesced"), 1);
}

static void a_batch_in_the_background_waits_for_a_get(void **state) {
  struct rig *rig = *state;
  struct rig_batch batch;
  struct rig_client client;
  static const char *const one[] = {"w=640", NULL};
  rig->is_unhurried = true;
  rig_set(rig, &rig->renderer.is_closed, true);
  rig_send(rig, &client, "GET", VARIANT(640), "");
  rig_wait_for(rig, &rig->renderer.submitted, 1);
  begin(rig, &batch, one);
  rig_set(rig, &rig->renderer.is_closed, false);
  rig_batch_finish(&batch, 1);
  assert_int_equal(rig_receive(&client), 200);
  rig_client_finish(&client);
  assert_int_equal(rig_count(rig, &rig->renderer.submitted), 1);
}

static void a_batch_waits_for_the_get_that_makes_one_of_its_variants(void **state) {
  struct rig *rig = *state;
  struct rig_batch batch;
  struct rig_client client;
  rig_set(rig, &rig->renderer.is_closed, true);
  rig_send(rig, &client, "GET", VARIANT(640), "");
  rig_wait_for(rig, &rig->renderer.submitted, 1);
  begin(rig, &batch, five);
  rig_set(rig, &rig->renderer.is_closed, false);
  rig_batch_finish(&batch, 5);
  assert_int_equal(rig_receive(&client), 200);
  rig_client_finish(&client);
  for (size_t i = 0; i < 5; i++) assert_item(&batch, i, POP_MADE);
  rig_wait_for(rig, &rig->renderer.rendered, 2);
  assert_int_equal(rig_count(rig, &rig->renderer.submitted), 2);
  assert_int_equal(rig_count(rig, &rig->renderer.products), 5);
  assert_int_equal(rig_batch_variants(rig, "coalesced"), 1);
}

static void two_batches_share_what_both_want(void **state) {
  struct rig *rig = *state;
  struct rig_batch first, second;
  static const char *const wider[] = {"w=960", "w=1280", "w=1920", "w=2560", NULL};
  rig_set(rig, &rig->renderer.is_closed, true);
  begin(rig, &first, five);
  begin(rig, &second, wider);
  rig_set(rig, &rig->renderer.is_closed, false);
  rig_batch_finish(&first, 5);
  rig_batch_finish(&second, 4);
  assert_int_equal(rig_count(rig, &rig->renderer.products), 6);
}

// The batch's own wish keeps an order going although no GET waits for it.
static void is_not_abandoned_while_its_client_is_there(void **state) {
  struct rig *rig = *state;
  struct rig_batch batch;
  struct rig_client client;
  rig_set(rig, &rig->renderer.is_closed, true);
  begin(rig, &batch, five);
  rig_send(rig, &client, "GET", VARIANT(640), "");
  atomic_store(&client.is_gone, true);
  rig_set(rig, &rig->renderer.is_closed, false);
  rig_batch_finish(&batch, 5);
  for (size_t i = 0; i < 5; i++) assert_item(&batch, i, POP_MADE);
  (void)rig_receive(&client);
  rig_client_finish(&client);
}

static void is_given_up_when_its_client_is_gone_and_starts_anew_for_the_next(void **state) {
  struct rig *rig = *state;
  struct rig_batch batch;
  struct rig_client client;
  struct rig_batch ahead;
  static const char *const one[] = {"w=10", NULL};
  rig_set(rig, &rig->renderer.is_asked, true);
  rig_set(rig, &rig->renderer.is_closed, true);
  begin(rig, &ahead, one);  // keeps the renderer busy, so that the next order is asked only when it is let go
  begin(rig, &batch, five);
  atomic_store(&batch.is_gone, true);
  rig_set(rig, &rig->renderer.is_closed, false);
  rig_batch_finish(&ahead, 1);
  rig_batch_finish(&batch, 5);
  for (size_t i = 0; i < 5; i++) assert_fault(&batch, i, BASE_CANCELLED);
  assert_int_equal(rig_count(rig, &rig->renderer.cancelled), 1);
  assert_int_equal(rig_get(rig, &client, VARIANT(640), ""), 200);
  rig_assert_field(&client, "Cache-Status", "pixpop; fwd=miss; stored");
  rig_client_finish(&client);
}

static void goes_on_without_its_client_when_a_get_has_joined(void **state) {
  struct rig *rig = *state;
  struct rig_batch batch;
  struct rig_client client;
  rig_set(rig, &rig->renderer.is_closed, true);
  begin(rig, &batch, five);
  // The original's facts are in RAM: it joins inside handle().
  rig_send(rig, &client, "GET", VARIANT(1920), "");
  atomic_store(&batch.is_gone, true);
  rig_set(rig, &rig->renderer.is_closed, false);
  assert_int_equal(rig_receive(&client), 200);
  rig_client_finish(&client);
  rig_batch_finish(&batch, 5);
  assert_item(&batch, 4, POP_MADE);
}

static void the_rest_is_given_up_when_its_client_leaves_midway(void **state) {
  struct rig *rig = *state;
  struct rig_batch batch;
  rig_set(rig, &rig->renderer.is_closed_midway, true);
  begin(rig, &batch, five);
  rig_wait_for(rig, &rig->renderer.midway, 1);
  atomic_store(&batch.is_gone, true);
  rig_set(rig, &rig->renderer.is_closed_midway, false);
  rig_batch_finish(&batch, 5);
  assert_item(&batch, 0, POP_MADE);
  for (size_t i = 1; i < 5; i++) assert_fault(&batch, i, BASE_CANCELLED);
  get(rig, VARIANT(320), 200, "pixpop; hit");
}

static void says_busy_of_what_is_missing_when_the_renderer_is(void **state) {
  struct rig *rig = *state;
  struct rig_batch batch;
  get(rig, VARIANT(640), 200, "pixpop; fwd=miss; stored");
  rig_set(rig, &rig->renderer.is_busy, true);
  begin(rig, &batch, five);
  rig_batch_finish(&batch, 5);
  assert_item(&batch, 1, POP_FROM_RAM);
  assert_fault(&batch, 0, BASE_BUSY);
  assert_fault(&batch, 4, BASE_BUSY);
  rig_set(rig, &rig->renderer.is_busy, false);
  begin(rig, &batch, five);
  rig_batch_finish(&batch, 5);
  for (size_t i = 0; i < 5; i++) assert_item(&batch, i, i == 1 ? POP_FROM_RAM : POP_MADE);
}

static void keeps_nothing_when_the_original_is_deleted_meanwhile(void **state) {
  struct rig *rig = *state;
  struct rig_batch batch;
  struct cache_stats stats;
  rig_set(rig, &rig->renderer.is_closed_midway, true);
  begin(rig, &batch, five);
  rig_wait_for(rig, &rig->renderer.midway, 1);
  assert_int_equal(store_original_delete(rig->store, "default", &rig->original, NULL), BASE_OK);
  pop_forget(rig->pop, "default", &rig->original);
  rig_set(rig, &rig->renderer.is_closed_midway, false);
  rig_batch_finish(&batch, 5);
  for (size_t i = 1; i < 5; i++) assert_fault(&batch, i, BASE_NOT_FOUND);
  pop_get_ram_stats(rig->pop, &stats);
  assert_int_equal(stats.entries, 0);
  get(rig, VARIANT(320), 404, NULL);
  get(rig, VARIANT(640), 404, NULL);
}

static void refuse(struct rig *rig, const char *const *recipes, enum base_result result, const char *subject) {
  struct rig_batch batch;
  struct base_fault fault = {0};
  assert_string_equal(base_result_name(rig_batch_begin(rig, &batch, recipes, &fault)), base_result_name(result));
  assert_string_equal(fault.subject, subject);
  assert_int_equal(batch.count + batch.completions, 0);
}

static void refuses_a_bad_recipe_by_its_place_before_anything_is_made(void **state) {
  struct rig *rig = *state;
  refuse(rig, (const char *const[]){"w=400", "w=0", NULL}, BASE_BAD_INPUT, "recipes[1].w");
  refuse(rig, (const char *const[]){"w=400", "w=500&zoom=2", NULL}, BASE_BAD_INPUT, "recipes[1].zoom");
  refuse(rig, (const char *const[]){"fm=gif&w=400", NULL}, BASE_BAD_INPUT, "recipes[0].fm");
  // These are only found out beside the original.
  refuse(rig, (const char *const[]){"w=400", "w=500", "crop=5000,0,10,10", NULL}, BASE_BAD_INPUT, "recipes[2].crop");
  struct rig_batch batch;
  struct base_fault fault = {0};
  static const char *const huge[] = {"w=400", "w=8192&h=8192&fit=fill&dpr=4", NULL};
  assert_int_equal(rig_batch_begin(rig, &batch, huge, &fault), BASE_UNPROCESSABLE);
  assert_non_null(strstr(fault.subject, "recipes[1]"));
  assert_int_equal(rig_count(rig, &rig->renderer.submitting), 0);
}

static void knows_no_original_that_the_tenant_does_not_have(void **state) {
  struct rig *rig = *state;
  rig_upload(rig, "museum", "another original", false);
  refuse(rig, five, BASE_NOT_FOUND, "id");
}

struct storm_member {
  struct rig *rig;
  unsigned number, failures;
  pthread_t thread;
};

static void storm_with_batch(struct storm_member *member, unsigned round) {
  char texts[4][16];
  const char *recipes[5] = {NULL};
  struct rig_batch batch;
  for (unsigned i = 0; i < 4; i++) {
    snprintf(texts[i], sizeof texts[i], "w=%u", 1 + (round + member->number * 3 + i * 2) % 12);
    recipes[i] = texts[i];
  }
  begin(member->rig, &batch, recipes);
  if (round % 5 == member->number) atomic_store(&batch.is_gone, true);
  rig_batch_finish(&batch, 4);
  for (size_t i = 0; i < 4; i++) {
    const enum base_result result = rig_batch_item(&batch, i)->fault.result;
    if (result != BASE_OK && result != BASE_CANCELLED) member->failures++;
    if (result == BASE_CANCELLED && !atomic_load(&batch.is_gone)) member->failures++;
  }
}

static void *storm(void *argument) {
  struct storm_member *member = argument;
  for (unsigned round = 0; round < STORM_ROUNDS; round++) {
    char query[64];
    struct rig_client client;
    if (member->number % 2) {
      storm_with_batch(member, round);
    } else {
      snprintf(query, sizeof query, "?fm=webp&w=%u", 1 + (round + member->number) % 12);
      if (rig_get(member->rig, &client, query, "") != 200) member->failures++;
      rig_client_finish(&client);
    }
    if (round % 16 == 0) pop_forget(member->rig->pop, "default", &member->rig->original);
  }
  return NULL;
}

static void answers_everyone_when_batches_gets_and_forgets_come_at_random(void **state) {
  struct rig *rig = *state;
  struct storm_member members[STORM_THREADS];
  rig_set(rig, &rig->renderer.is_parallel, true);
  for (unsigned i = 0; i < STORM_THREADS; i++) {
    members[i] = (struct storm_member){.rig = rig, .number = i};
    assert_int_equal(pthread_create(&members[i].thread, NULL, storm, &members[i]), 0);
  }
  for (unsigned i = 0; i < STORM_THREADS; i++) {
    pthread_join(members[i].thread, NULL);
    assert_int_equal(members[i].failures, 0);
  }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(makes_all_in_one_order_and_keeps_them_as_a_get_does),
      TEST(orders_nothing_when_everything_is_in_ram),
      TEST(makes_only_what_neither_ram_nor_disk_has),
      TEST(tells_of_one_failure_and_makes_the_rest),
      TEST(makes_repeats_once_and_tells_of_each),
      TEST(tells_of_the_first_while_the_others_are_being_made),
      TEST(a_get_waits_for_the_batch_that_makes_its_variant),
      TEST(a_get_does_not_wait_for_a_batch_in_the_background),
      TEST(a_batch_in_the_background_waits_for_a_get),
      TEST(a_batch_waits_for_the_get_that_makes_one_of_its_variants),
      TEST(two_batches_share_what_both_want),
      TEST(is_not_abandoned_while_its_client_is_there),
      TEST(is_given_up_when_its_client_is_gone_and_starts_anew_for_the_next),
      TEST(goes_on_without_its_client_when_a_get_has_joined),
      TEST(the_rest_is_given_up_when_its_client_leaves_midway),
      TEST(says_busy_of_what_is_missing_when_the_renderer_is),
      TEST(keeps_nothing_when_the_original_is_deleted_meanwhile),
      TEST(refuses_a_bad_recipe_by_its_place_before_anything_is_made),
      TEST(knows_no_original_that_the_tenant_does_not_have),
      TEST(answers_everyone_when_batches_gets_and_forgets_come_at_random),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
