// Purging variants, and the documents that are no variants.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "pop/native.h"
#include "rig.h"

#define MODERN "Accept: image/avif,image/webp,*/*;q=0.8\r\n"

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

static void get(struct rig *rig, const char *query, const char *status) {
  struct rig_client client;
  assert_int_equal(rig_get(rig, &client, query, MODERN), 200);
  rig_assert_field(&client, "Cache-Status", status);
  rig_client_finish(&client);
}

static uint64_t purge(struct rig *rig, const char *options) {
  struct recipe recipe;
  uint64_t dropped = 99;
  struct base_fault fault = {0};
  if (options) assert_int_equal(pop_native_parse_options(base_span_text(options), &recipe, NULL), BASE_OK);
  if (pop_purge(rig->pop, "default", &rig->original, options ? &recipe : NULL, &dropped, &fault) != BASE_OK) {
    fail_msg("purge: %s", fault.text);
  }
  return dropped;
}

static void makes_all_variants_anew_after_a_purge(void **state) {
  struct rig *rig = *state;
  static const char *const queries[] = {"?w=300&fm=webp", "?w=400&fm=jpeg", "?w=500&fm=png"};
  for (int round = 0; round < 2; round++) {
    for (int i = 0; i < 3; i++) get(rig, queries[i], "pixpop; fwd=miss; stored");
    for (int i = 0; i < 3; i++) get(rig, queries[i], "pixpop; hit");
    assert_int_equal(purge(rig, NULL), 3);
  }
  assert_int_equal(purge(rig, NULL), 0);
}

static void drops_one_recipe_however_it_is_written(void **state) {
  struct rig *rig = *state;
  static const char *const spellings[] = {"w=300&fm=webp", "dpr=1&fm=webp&q=80&w=300", "w=150&dpr=2&fm=webp"};
  get(rig, "?w=400&fm=webp", "pixpop; fwd=miss; stored");
  for (int i = 0; i < 3; i++) {
    get(rig, "?w=300&fm=webp", "pixpop; fwd=miss; stored");
    assert_int_equal(purge(rig, spellings[i]), 1);
    assert_int_equal(purge(rig, spellings[i]), 0);
    get(rig, "?w=400&fm=webp", "pixpop; hit");
  }
}

static void drops_every_format_when_the_recipe_leaves_it_open(void **state) {
  struct rig *rig = *state;
  for (int round = 0; round < 2; round++) {
    get(rig, "?w=300&dpr=1&q=80", "pixpop; fwd=miss; stored");
    rig_wait_for(rig, &rig->renderer.rendered, 2 * (unsigned)round + 2);  // with the AVIF
    get(rig, "?w=300&dpr=1&q=80", "pixpop; hit");
    assert_int_equal(purge(rig, "w=300"), 2);
  }
  assert_int_equal(rig_upgrades(rig, "replaced"), 2);
}

static void get_as(struct rig *rig, const char *query, const char *fields, const char *status) {
  struct rig_client client;
  assert_int_equal(rig_get(rig, &client, query, fields), 200);
  rig_assert_field(&client, "Cache-Status", status);
  rig_client_finish(&client);
}

// The original's own file may be the answer for one, not for another; so the keys are not the same.
static void drops_what_clients_get_who_take_the_own_file_and_who_do_not(void **state) {
  struct rig *rig = *state;
  for (unsigned round = 0; round < 2; round++) {
    get_as(rig, "?dpr=1&q=80", MODERN, "pixpop; fwd=miss; stored");
    rig_wait_for(rig, &rig->renderer.rendered, 4 * round + 2);  // with the AVIF
    get_as(rig, "?dpr=1&q=80", "Accept: image/webp\r\n", "pixpop; fwd=miss; stored");
    get_as(rig, "?dpr=1&q=80", "Accept: image/avif, image/webp\r\n", "pixpop; hit");
    rig_wait_for(rig, &rig->renderer.rendered, 4 * round + 4);
    get_as(rig, "?dpr=1&q=80", "Accept: image/avif, image/webp\r\n", "pixpop; hit");
    assert_int_equal(purge(rig, "dpr=1&q=80"), 4);
  }
}

static void drops_what_hints_made_of_what_is_open(void **state) {
  struct rig *rig = *state;
  static const struct {
    const char *query, *fields;
  } cases[] = {{"?w=300&fm=webp", ""},
               {"?w=300&fm=webp", "DPR: 1.5\r\n"},
               {"?w=300&fm=webp", "DPR: 3\r\nSave-Data: on\r\n"},
               {"?w=300&fm=webp", "ECT: 3g\r\n"},
               {"?fm=webp", "Width: 500\r\n"},
               {"?fm=webp", "Viewport-Width: 400\r\nDPR: 2\r\nSave-Data: on\r\n"},
               {"?fm=webp&pad=10,10,10,10", "Viewport-Width: 400\r\nDPR: 2\r\n"}};
  enum { COUNT = sizeof cases / sizeof cases[0] };
  for (int round = 0; round < 2; round++) {
    get_as(rig, "?w=301&fm=webp", "DPR: 1\r\n", round ? "pixpop; hit" : "pixpop; fwd=miss; stored");
    for (size_t i = 0; i < COUNT; i++) get_as(rig, cases[i].query, cases[i].fields, "pixpop; fwd=miss; stored");
    assert_int_equal(purge(rig, "w=300&fm=webp"), 4);
    assert_int_equal(purge(rig, "fm=webp"), 2);
    assert_int_equal(purge(rig, "fm=webp&pad=10,10,10,10"), 1);
  }
  // Nothing is open here.
  get_as(rig, "?w=300&fm=webp", "DPR: 2\r\n", "pixpop; fwd=miss; stored");
  assert_int_equal(purge(rig, "w=300&fm=webp&dpr=1&q=80"), 0);
  assert_int_equal(purge(rig, "w=300&fm=webp&dpr=2"), 1);
}

static void nothing_that_was_under_way_comes_back_from_the_disk(void **state) {
  struct rig *rig = *state;
  static const char *const options[] = {NULL, "w=300&fm=webp"};
  for (unsigned i = 0; i < 2; i++) {
    struct rig_client client;
    rig_set(rig, &rig->renderer.is_closed, true);
    rig_send(rig, &client, "GET", "?w=300&fm=webp", "");
    rig_wait_for(rig, &rig->renderer.submitted, 2 * i + 1);
    assert_int_equal(purge(rig, options[i]), 0);
    rig_set(rig, &rig->renderer.is_closed, false);
    assert_int_equal(rig_receive(&client), 200);
    rig_assert_field(&client, "Cache-Status", "pixpop; fwd=miss");
    rig_client_finish(&client);
    get(rig, "?w=300&fm=webp", "pixpop; fwd=miss; stored");
    assert_int_equal(purge(rig, NULL), 1);
  }
}

static void forgets_that_an_avif_was_no_smaller(void **state) {
  struct rig *rig = *state;
  rig_set(rig, &rig->renderer.is_avif_large, true);
  get(rig, "?w=300&dpr=1&q=80", "pixpop; fwd=miss; stored");
  rig_wait_for(rig, &rig->renderer.rendered, 2);
  get(rig, "?w=300&dpr=1&q=80", "pixpop; hit");
  assert_int_equal(purge(rig, NULL), 1);
  rig_set(rig, &rig->renderer.is_avif_large, false);
  get(rig, "?w=300&dpr=1&q=80", "pixpop; fwd=miss; stored");
  rig_wait_for(rig, &rig->renderer.rendered, 4);
  assert_int_equal(rig_upgrades(rig, "replaced"), 1);
}

static void says_so_when_there_is_no_such_original_or_recipe(void **state) {
  struct rig *rig = *state;
  uint64_t dropped;
  struct recipe recipe;
  const struct integrity_digest nobody = {{1}};
  assert_int_equal(pop_purge(rig->pop, "default", &nobody, NULL, &dropped, NULL), BASE_NOT_FOUND);
  assert_int_equal(pop_purge(rig->pop, "museum", &rig->original, NULL, &dropped, NULL), BASE_NOT_FOUND);
  assert_int_equal(pop_native_parse_options(base_span_text("crop=5000,0,1,1&fm=webp"), &recipe, NULL), BASE_OK);
  assert_int_equal(pop_purge(rig->pop, "default", &rig->original, &recipe, &dropped, NULL), BASE_BAD_INPUT);
}

// --- documents ---

static void get_info(struct rig *rig, struct rig_client *client, const char *fields, int status) {
  char target[128];
  snprintf(target, sizeof target, "/iiif/3/%s/info.json", rig->id);
  rig_send_path(rig, client, "GET", target, fields);
  assert_int_equal(rig_receive(client), status);
}

static void info_json_follows_conditions_and_ranges(void **state) {
  struct rig *rig = *state;
  struct rig_client client;
  char field[160], expected[160];
  for (int i = 0; i < 2; i++) {  // the original's facts from the store, then from RAM
    get_info(rig, &client, "Host: pictures.example:8080\r\n", 200);
    rig_assert_field(&client, "Content-Type",
                     "application/ld+json;profile=\"http://iiif.io/api/image/3/context.json\"");
    rig_assert_field(&client, "Access-Control-Allow-Origin", "*");
    rig_assert_field(&client, "Cache-Control", "max-age=3600");
    snprintf(expected, sizeof expected, "\"http://pictures.example:8080/iiif/3/%s\"", rig->id);
    rig_assert_body_has(&client, expected);
    if (i == 0) rig_client_finish(&client);
  }
  const struct base_span etag = http_reply_get_header(&client.reply, "ETag");
  snprintf(field, sizeof field, "Host: pictures.example:8080\r\nIf-None-Match: %.*s\r\n", (int)etag.bytes,
           (const char *)etag.data);
  rig_client_finish(&client);
  get_info(rig, &client, field, 304);
  rig_client_finish(&client);
  get_info(rig, &client, "Range: bytes=0-0\r\n", 206);
  rig_assert_body_has(&client, "{");
  rig_client_finish(&client);
  assert_int_equal(rig_count(rig, &rig->renderer.submitted), 0);
}

static void a_base_uri_leads_to_info_json(void **state) {
  (void)state;
  static struct rig rig;
  struct rig_client client;
  char target[128], location[160];
  rig_open(&rig, &(struct rig_config){.public_url = "https://cdn.example"});
  snprintf(target, sizeof target, "/iiif/3/%s", rig.id);
  snprintf(location, sizeof location, "https://cdn.example/iiif/3/%s/info.json", rig.id);
  rig_send_path(&rig, &client, "GET", target, "");
  assert_int_equal(rig_receive(&client), 303);
  rig_assert_field(&client, "Location", location);
  rig_client_finish(&client);
  rig_close(&rig);
}

static void pictures_of_other_grammars_share_the_native_variant(void **state) {
  struct rig *rig = *state;
  struct rig_client client;
  char target[128];
  get(rig, "?w=300&fm=jpeg&dpr=1&q=80", "pixpop; fwd=miss; stored");
  snprintf(target, sizeof target, "/iiif/3/%s/full/300,/0/default.jpg", rig->id);
  rig_send_path(rig, &client, "GET", target, "DPR: 3\r\nSave-Data: on\r\n");
  assert_int_equal(rig_receive(&client), 200);
  rig_assert_field(&client, "Cache-Status", "pixpop; hit");
  rig_assert_field(&client, "Cache-Control", "public, immutable, max-age=31536000");
  rig_assert_field(&client, "Vary", NULL);
  rig_client_finish(&client);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(makes_all_variants_anew_after_a_purge, setup, teardown),
      cmocka_unit_test_setup_teardown(drops_one_recipe_however_it_is_written, setup, teardown),
      cmocka_unit_test_setup_teardown(drops_every_format_when_the_recipe_leaves_it_open, setup, teardown),
      cmocka_unit_test_setup_teardown(drops_what_clients_get_who_take_the_own_file_and_who_do_not, setup, teardown),
      cmocka_unit_test_setup_teardown(drops_what_hints_made_of_what_is_open, setup, teardown),
      cmocka_unit_test_setup_teardown(nothing_that_was_under_way_comes_back_from_the_disk, setup, teardown),
      cmocka_unit_test_setup_teardown(forgets_that_an_avif_was_no_smaller, setup, teardown),
      cmocka_unit_test_setup_teardown(says_so_when_there_is_no_such_original_or_recipe, setup, teardown),
      cmocka_unit_test_setup_teardown(info_json_follows_conditions_and_ranges, setup, teardown),
      cmocka_unit_test(a_base_uri_leads_to_info_json),
      cmocka_unit_test_setup_teardown(pictures_of_other_grammars_share_the_native_variant, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
