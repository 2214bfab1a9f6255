// Prewarming: new originals, runs, lists that outlive the thread, and a renderer that is busy or says no.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <unistd.h>

#include "base/file.h"
#include "pop/prewarm.h"
#include "rig.h"

static struct rig rig;
static struct pop_prewarm *prewarm;
static char path[256];

static void open_prewarm(void) {
  const struct pop_prewarm_config config = {
      .pop = rig.pop, .store = rig.store, .path = path, .clock = &rig.clock.clock, .metrics = rig.metrics};
  struct base_fault fault = {0};
  if (pop_prewarm_create(&config, &prewarm, &fault) != BASE_OK) fail_msg("prewarm: %s", fault.text);
}

static int setup(void **state) {
  (void)state;
  rig_open(&rig, &(struct rig_config){0});
  temp_folder_path(&rig.folder, "prewarm.json", path, sizeof path);
  open_prewarm();
  return 0;
}

static int teardown(void **state) {
  (void)state;
  pop_prewarm_destroy(&prewarm);
  rig_close(&rig);
  return 0;
}

static enum base_result set_list(const char *const *recipes, struct base_fault *fault) {
  struct base_span spans[POP_MAX_PREWARM + 1];
  size_t count = 0;
  for (; recipes[count]; count++) spans[count] = base_span_text(recipes[count]);
  return pop_prewarm_set(prewarm, "default", spans, count, fault);
}

static int64_t variants(const char *result) {
  static const char help[] = "Variants that were made ahead, were there already, and could not be made";
  char labels[64];
  snprintf(labels, sizeof labels, "result=\"%s\"", result);
  return base_metric_get(base_metrics_counter(rig.metrics, "pixpop_prewarm_variants_total", labels, help));
}

static void wait_for(const char *result, int64_t count) {
  for (int i = 0; variants(result) < count; i++) {
    if (i == 4000) fail_msg("%s: %lld instead of %lld", result, (long long)variants(result), (long long)count);
    usleep(5000);
  }
  assert_int_equal(variants(result), count);
}

static struct pop_prewarm_state wait_for_run(void) {
  struct pop_prewarm_state state;
  for (int i = 0; i < 4000; i++) {
    pop_prewarm_get_state(prewarm, "default", &state);
    if (state.has_run && !state.is_running) return state;
    usleep(5000);
  }
  fail_msg("the run has not ended");
  return state;
}

static void add(const char *content) {
  rig_upload(&rig, "default", content, false);
  pop_prewarm_add(prewarm, "default", &rig.original);
}

static const char *const two[] = {"w=320", "w=640&fm=jpeg", NULL};
static const char *const none[] = {NULL};

static void makes_the_list_for_each_newcomer(void **state) {
  (void)state;
  add("before there is a list");
  assert_int_equal(set_list(two, NULL), BASE_OK);
  add("one");
  add("two");
  wait_for("made", 4);
  pop_prewarm_add(prewarm, "default", &rig.original);
  wait_for("present", 2);
  pop_prewarm_add(prewarm, "nobody", &rig.original);
  assert_int_equal(set_list(none, NULL), BASE_OK);
  add("after the list");
  pop_prewarm_add(NULL, "default", &rig.original);
  pop_prewarm_destroy(&prewarm);
  assert_int_equal(variants("made"), 4);
}

static void keeps_its_lists_when_it_ends(void **state) {
  (void)state;
  char recipes[POP_MAX_PREWARM][POP_PREWARM_RECIPE_BYTES];
  assert_int_equal(set_list(two, NULL), BASE_OK);
  pop_prewarm_destroy(&prewarm);
  open_prewarm();
  assert_int_equal(pop_prewarm_get(prewarm, "default", recipes), 2);
  assert_string_equal(recipes[0], two[0]);
  assert_string_equal(recipes[1], two[1]);
  assert_int_equal(pop_prewarm_get(prewarm, "other", recipes), 0);
}

static void finds_what_it_has_missed_when_it_begins_again(void **state) {
  (void)state;
  fake_clock_advance_s(&rig.clock, 100000);  // the rig's own original is none that came since
  assert_int_equal(set_list(two, NULL), BASE_OK);
  pop_prewarm_destroy(&prewarm);
  rig_upload(&rig, "default", "nobody told it", false);
  open_prewarm();
  wait_for("made", 2);
}

static void gives_up_what_it_makes_when_it_ends_and_makes_it_the_next_time(void **state) {
  (void)state;
  assert_int_equal(set_list(two, NULL), BASE_OK);
  rig_set(&rig, &rig.renderer.is_asked, true);
  rig_set(&rig, &rig.renderer.is_closed, true);
  add("it comes too late");
  rig_wait_for(&rig, &rig.renderer.submitted, 1);
  rig_set(&rig, &rig.renderer.is_closed, false);
  pop_prewarm_destroy(&prewarm);
  const int64_t made = variants("made");
  open_prewarm();
  for (int i = 0; variants("made") + variants("present") < 2 && i < 4000; i++) usleep(5000);
  assert_true(variants("made") >= 2 - made);
}

static void goes_over_all_or_those_with_a_tag_when_told(void **state) {
  (void)state;
  struct base_fault fault = {0};
  assert_int_equal(pop_prewarm_run(prewarm, "default", base_span_text(""), &fault), BASE_BAD_INPUT);
  assert_string_equal(fault.subject, "recipes");
  rig_upload(&rig, "default", "one", false);
  rig_upload(&rig, "default", "two", false);
  fake_clock_advance_s(&rig.clock, 100000);
  assert_int_equal(set_list(two, NULL), BASE_OK);
  assert_int_equal(pop_prewarm_run(prewarm, "default", base_span_text("a\nb"), NULL), BASE_BAD_INPUT);
  assert_int_equal(pop_prewarm_run(prewarm, "default", base_span_text(""), NULL), BASE_OK);
  struct pop_prewarm_state run = wait_for_run();
  struct store_stats stats;
  assert_int_equal(store_get_stats(rig.store, &stats, NULL), BASE_OK);
  assert_int_equal(run.originals, stats.originals);  // the rig has one of its own
  assert_int_equal(run.done, stats.originals);
  assert_int_equal(run.made, 2 * stats.originals);
  assert_int_equal(run.failed, 0);
  assert_int_equal(pop_prewarm_run(prewarm, "default", base_span_text("no such tag"), NULL), BASE_OK);
  run = wait_for_run();
  assert_string_equal(run.tag, "no such tag");
  assert_int_equal(run.originals, 0);
}

static void goes_on_with_a_run_when_it_begins_again(void **state) {
  (void)state;
  rig_upload(&rig, "default", "one", false);
  fake_clock_advance_s(&rig.clock, 100000);
  assert_int_equal(set_list(two, NULL), BASE_OK);
  rig_set(&rig, &rig.renderer.is_closed, true);
  assert_int_equal(pop_prewarm_run(prewarm, "default", base_span_text(""), NULL), BASE_OK);
  assert_int_equal(pop_prewarm_run(prewarm, "default", base_span_text(""), NULL), BASE_CONFLICT);
  rig_wait_for(&rig, &rig.renderer.submitted, 1);
  rig_set(&rig, &rig.renderer.is_closed, false);
  pop_prewarm_destroy(&prewarm);
  open_prewarm();
  const struct pop_prewarm_state run = wait_for_run();
  assert_int_equal(run.done, run.originals);
  assert_true(run.made + run.present == 2 * run.originals);
}

static void tries_again_when_the_renderer_is_busy(void **state) {
  (void)state;
  assert_int_equal(set_list(two, NULL), BASE_OK);
  rig_set(&rig, &rig.renderer.is_busy, true);
  add("one");
  for (int i = 0; rig_batch_variants(&rig, "error") < 2 && i < 4000; i++) usleep(5000);
  assert_int_equal(rig_batch_variants(&rig, "error"), 2);  // refused once
  rig_set(&rig, &rig.renderer.is_busy, false);
  wait_for("made", 2);
  assert_int_equal(variants("failed"), 0);
}

static void keeps_what_is_to_be_made_when_there_is_no_device(void **state) {
  (void)state;
  assert_int_equal(set_list(two, NULL), BASE_OK);
  pthread_mutex_lock(&rig.renderer.lock);
  rig.renderer.fault = BASE_DEVICE;
  pthread_mutex_unlock(&rig.renderer.lock);
  assert_int_equal(pop_prewarm_run(prewarm, "default", base_span_text(""), NULL), BASE_OK);
  for (int i = 0; rig_batch_variants(&rig, "error") < 2 && i < 4000; i++) usleep(5000);
  assert_true(rig_batch_variants(&rig, "error") >= 2);
  add("one");
  pop_prewarm_stop(prewarm);
  add("two");
  pop_prewarm_destroy(&prewarm);
  assert_int_equal(variants("failed"), 0);
  pthread_mutex_lock(&rig.renderer.lock);
  rig.renderer.fault = BASE_OK;
  pthread_mutex_unlock(&rig.renderer.lock);
  open_prewarm();
  const struct pop_prewarm_state run = wait_for_run();
  assert_int_equal(run.originals, 3);  // the rig has one of its own
  assert_int_equal(run.made + run.present, 6);
  assert_int_equal(run.failed, 0);
  assert_int_equal(variants("made"), 6);
}

static void makes_the_others_when_one_can_not_be_followed_or_fails(void **state) {
  (void)state;
  static const char *const odd[] = {"crop=5000,5000,10,10", "w=320", "w=640", NULL};
  rig.renderer.fault = BASE_UNPROCESSABLE;
  rig.renderer.fault_width = 640;
  assert_int_equal(set_list(odd, NULL), BASE_OK);
  add("one");
  wait_for("failed", 2);
  assert_int_equal(variants("made"), 1);
}

static void refuses_lists_that_are_wrong_and_keeps_the_old_one(void **state) {
  (void)state;
  static const char *const wrong[] = {"w=320", "w=0", NULL}, *const twice[] = {"w=320", "w=640", "w=320", NULL};
  char recipes[POP_MAX_PREWARM][POP_PREWARM_RECIPE_BYTES];
  struct base_span many[POP_MAX_PREWARM + 1];
  char longest[POP_PREWARM_RECIPE_BYTES + 1];
  struct base_fault fault = {0};
  assert_int_equal(set_list(two, NULL), BASE_OK);
  assert_int_equal(set_list(wrong, &fault), BASE_BAD_INPUT);
  assert_string_equal(fault.subject, "recipes[1].w");
  base_fault_clear(&fault);
  assert_int_equal(set_list(twice, &fault), BASE_BAD_INPUT);
  assert_string_equal(fault.subject, "recipes[2]");
  for (size_t i = 0; i <= POP_MAX_PREWARM; i++) many[i] = base_span_text("w=1");
  assert_int_equal(pop_prewarm_set(prewarm, "default", many, POP_MAX_PREWARM + 1, NULL), BASE_TOO_LARGE);
  memset(longest, '1', sizeof longest);
  many[0] = base_span_of(longest, sizeof longest);
  assert_int_equal(pop_prewarm_set(prewarm, "default", many, 1, NULL), BASE_BAD_INPUT);
  assert_int_equal(pop_prewarm_get(prewarm, "default", recipes), 2);
}

static void begins_without_lists_when_its_file_is_damaged(void **state) {
  (void)state;
  static const char *const contents[] = {
      "",
      "{",
      "[]",
      "{\"format\":2,\"tenants\":[]}",
      "{\"format\":1}",
      "{\"format\":1,\"tenants\":[{\"tenant\":\"default\",\"since\":1,\"recipes\":[\"w=0\"]}]}",
      "{\"format\":1,\"tenants\":[{\"tenant\":\"default\",\"recipes\":[]}]}",
      "{\"format\":1,\"tenants\":[{\"tenant\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\",\"since\":1,\"recipes\":[]}]}"};
  char recipes[POP_MAX_PREWARM][POP_PREWARM_RECIPE_BYTES];
  for (size_t i = 0; i < sizeof contents / sizeof contents[0]; i++) {
    pop_prewarm_destroy(&prewarm);
    assert_int_equal(base_file_replace_durably(path, base_span_text(contents[i]), 0640, NULL), BASE_OK);
    open_prewarm();
    assert_int_equal(pop_prewarm_get(prewarm, "default", recipes), 0);
    assert_int_equal(set_list(two, NULL), BASE_OK);
  }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(makes_the_list_for_each_newcomer),
      TEST(keeps_its_lists_when_it_ends),
      TEST(finds_what_it_has_missed_when_it_begins_again),
      TEST(gives_up_what_it_makes_when_it_ends_and_makes_it_the_next_time),
      TEST(goes_over_all_or_those_with_a_tag_when_told),
      TEST(goes_on_with_a_run_when_it_begins_again),
      TEST(tries_again_when_the_renderer_is_busy),
      TEST(keeps_what_is_to_be_made_when_there_is_no_device),
      TEST(makes_the_others_when_one_can_not_be_followed_or_fails),
      TEST(refuses_lists_that_are_wrong_and_keeps_the_old_one),
      TEST(begins_without_lists_when_its_file_is_damaged),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
