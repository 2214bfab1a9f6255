// Variants that were dropped from the disk because they were damaged: back from RAM, rendered anew, or left alone.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "pop/mend.h"
#include "rig.h"

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

static bool take(void *argument, const struct store_variant *variant) {
  *(struct store_variant *)argument = *variant;
  return false;
}

// Makes the one variant there is and drops it from the disk, as the scrubber does with a damaged one.
static struct store_variant make_and_drop(struct rig *rig) {
  struct rig_client client;
  struct store_variant variant = {.bytes = 0};
  assert_int_equal(rig_get(rig, &client, "?w=400&fm=webp&dpr=1&q=80", ""), 200);
  rig_client_finish(&client);
  assert_int_equal(store_variant_list(rig->store, "default", &rig->original, take, &variant, NULL), BASE_OK);
  assert_true(variant.bytes > 0);
  assert_int_equal(store_variant_drop(rig->store, &variant.key, NULL), BASE_OK);
  assert_false(store_variant_exists(rig->store, &variant.key));
  return variant;
}

static int64_t mended(struct rig *rig) {
  return base_metric_get(base_metrics_counter(rig->metrics, "pixpop_pop_mended_total", "", ""));
}

static void what_is_in_ram_goes_back_to_the_disk(void **state) {
  struct rig *rig = *state;
  const struct store_variant variant = make_and_drop(rig);
  const unsigned submitted = rig_count(rig, &rig->renderer.submitted);
  pop_mend(rig->pop, &variant);
  assert_true(store_variant_exists(rig->store, &variant.key));
  assert_int_equal(rig_count(rig, &rig->renderer.submitted), submitted);
  assert_int_equal(mended(rig), 1);
  struct store_variant again;
  struct base_blob *body = NULL;
  assert_int_equal(store_variant_get(rig->store, &variant.key, &again, &body, NULL), BASE_OK);
  assert_int_equal(again.render_version, RECIPE_RENDER_VERSION);
  assert_true(integrity_digest_equal(&again.digest, &variant.digest));
  base_blob_unref(&body);
}

static void what_is_not_in_ram_is_rendered_in_the_background(void **state) {
  struct rig *rig = *state;
  const struct store_variant variant = make_and_drop(rig);
  rig_restart(rig);
  const unsigned rendered = rig_count(rig, &rig->renderer.rendered);
  pop_mend(rig->pop, &variant);
  rig_wait_for(rig, &rig->renderer.rendered, rendered + 1);
  assert_int_equal(rig_count(rig, &rig->renderer.background), 1);
  rig_restart(rig);  // ends what is still on its way
  assert_true(store_variant_exists(rig->store, &variant.key));
}

static void what_nobody_would_ask_for_is_left_alone(void **state) {
  struct rig *rig = *state;
  const struct store_variant variant = make_and_drop(rig);
  rig_restart(rig);
  const unsigned submitted = rig_count(rig, &rig->renderer.submitted);
  struct store_variant others[4] = {variant, variant, variant, variant};
  others[0].key.bytes[0] ^= 1;  // of another renderer
  snprintf(others[1].recipe, sizeof others[1].recipe, "w=0");
  snprintf(others[2].tenant, sizeof others[2].tenant, "gone");
  others[3].original.bytes[0] ^= 1;
  for (size_t i = 0; i < 4; i++) pop_mend(rig->pop, &others[i]);
  assert_int_equal(rig_count(rig, &rig->renderer.submitted), submitted);
  assert_int_equal(mended(rig), 0);
}

static void no_more_are_ordered_than_the_box_has_room_for(void **state) {
  struct rig *rig = *state;
  struct store_variant variants[12];
  for (uint32_t i = 0; i < 12; i++) {
    char query[64];
    struct rig_client client;
    snprintf(query, sizeof query, "?w=%u&fm=webp&dpr=1&q=80", 100 + i);
    assert_int_equal(rig_get(rig, &client, query, ""), 200);
    rig_client_finish(&client);
    assert_int_equal(store_variant_list(rig->store, "default", &rig->original, take, &variants[i], NULL), BASE_OK);
    assert_int_equal(store_variant_drop(rig->store, &variants[i].key, NULL), BASE_OK);
  }
  rig_restart(rig);
  rig_set(rig, &rig->renderer.is_closed, true);
  const unsigned submitted = rig_count(rig, &rig->renderer.submitted);
  const unsigned rendered = rig_count(rig, &rig->renderer.rendered);
  for (size_t i = 0; i < 12; i++) pop_mend(rig->pop, &variants[i]);
  assert_int_equal(rig_count(rig, &rig->renderer.submitted), submitted + 8);
  rig_set(rig, &rig->renderer.is_closed, false);
  rig_wait_for(rig, &rig->renderer.rendered, rendered + 8);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(what_is_in_ram_goes_back_to_the_disk, setup, teardown),
      cmocka_unit_test_setup_teardown(what_is_not_in_ram_is_rendered_in_the_background, setup, teardown),
      cmocka_unit_test_setup_teardown(what_nobody_would_ask_for_is_left_alone, setup, teardown),
      cmocka_unit_test_setup_teardown(no_more_are_ordered_than_the_box_has_room_for, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
