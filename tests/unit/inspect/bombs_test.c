// Pictures that cost more than they are worth, and large ones that are fair.
#include "scan_rig.h"

struct facts {
  uint32_t width, height, channels, frames;
  uint64_t data_bytes;
};

static void judge(struct scan_rig *rig, struct facts facts) {
  scan_rig_init(rig, "", 0);
  rig->report.width = facts.width;
  rig->report.height = facts.height;
  rig->report.frames = facts.frames;
  rig->report.data_bytes = facts.data_bytes;
  rig->walk.pixel_bytes = (uint64_t)facts.width * facts.height * facts.channels * facts.frames;
  inspect_bombs(&rig->walk);
}

static void assert_only(struct facts facts, enum image_rule rule) {
  struct scan_rig rig;
  judge(&rig, facts);
  assert_int_equal(rig.report.rule_counts[rule], 1);
  assert_int_equal(scan_rig_findings(&rig), 1);
}

static void fair_pictures_pass(void **state) {
  (void)state;
  static const struct facts fair[] = {
      {4000, 3000, 3, 1, 5000000},   // a photograph
      {4000, 3000, 3, 1, 35000},     // a blank page as PNG
      {4000, 3000, 4, 1, 200},       // as WebP
      {8000, 7500, 3, 1, 200000},    // a blank scan of 60 megapixels
      {1, 2000, 3, 1, 100},          // a gradient of a style sheet
      {16384, 100, 3, 1, 100000},    // a film strip
      {1280, 720, 4, 2000, 300000},  // a screen that hardly changes, recorded
      {1, 1, 3, 1, 10},
      {0, 0, 0, 1, 0},  // a walk that found no size
  };
  for (size_t i = 0; i < sizeof fair / sizeof *fair; i++) {
    struct scan_rig rig;
    judge(&rig, fair[i]);
    if (scan_rig_findings(&rig)) fail_msg("%zu: %s", i, rig.report.findings[0].text);
  }
}

static void each_bomb_is_one_finding(void **state) {
  (void)state;
  assert_only((struct facts){16385, 1000, 3, 1, 1000000}, IMAGE_RULE_SIZE);
  assert_only((struct facts){10001, 10000, 3, 1, 1500000}, IMAGE_RULE_SIZE);
  assert_only((struct facts){16384, 15, 3, 1, 100}, IMAGE_RULE_RATIO);
  assert_only((struct facts){10000, 10000, 3, 1, 100000}, IMAGE_RULE_EXPANSION);
  assert_only((struct facts){9000, 9000, 3, 1, 0}, IMAGE_RULE_EXPANSION);
  assert_only((struct facts){100, 100, 3, 4097, 100000}, IMAGE_RULE_FRAMES);
}

static void sides_that_overflow_are_no_trouble(void **state) {
  (void)state;
  struct scan_rig rig;
  judge(&rig, (struct facts){UINT32_MAX, UINT32_MAX, 1, 1, 1});
  assert_int_equal(rig.report.rule_counts[IMAGE_RULE_SIZE], 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(fair_pictures_pass),
      cmocka_unit_test(each_bomb_is_one_finding),
      cmocka_unit_test(sides_that_overflow_are_no_trouble),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
