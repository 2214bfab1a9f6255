// Every kernel against the double-precision oracle: RGBA8 to RGBA8.

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "resample_oracle.h"
#include "resample_rig.h"

static void check_sizes(struct resample_rig *rig, struct image *source, uint32_t width, uint32_t height) {
  struct resample_job job = resample_job_make(rig->resampler, source, width, height);
  resample_rig_check(rig, &job);
  resample_job_finish(&job);
}

static void one_step_from_oracle_when_sizes_vary(void **state) {
  static const uint32_t SIZES[][4] = {
      {64, 48, 128, 96},   // up, even
      {61, 47, 133, 101},  // up, odd
      {200, 150, 61, 45},  // down
      {97, 89, 97, 89},    // the same
      {1, 1, 1, 1},       {1, 1, 37, 21},     {50, 40, 1, 1},   {1, 300, 1, 77},  {300, 1, 77, 1},
      {1, 9, 40, 33},     {9, 1, 33, 40},     {2, 3, 5, 7},     {700, 33, 40, 9},  // over 16
      {33, 900, 33, 31},  {130, 70, 17, 300}, {5, 400, 300, 5},
  };
  for (size_t i = 0; i < sizeof(SIZES) / sizeof(SIZES[0]); i++) {
    for (int has_alpha = 0; has_alpha < 2; has_alpha++) {
      struct image *source = resample_noise(SIZES[i][0], SIZES[i][1], has_alpha, i);
      check_sizes(*state, source, SIZES[i][2], SIZES[i][3]);
      image_unref(&source);
    }
  }
}

static void one_step_from_oracle_when_noise_is_binary(void **state) {
  struct resample_rig *rig = *state;
  struct image *source = resample_binary_noise(90, 70, 5);
  for (int filter = RESAMPLE_BICUBIC; filter <= RESAMPLE_LANCZOS3; filter++) {
    static const uint32_t SIZES[][2] = {{180, 140}, {131, 219}, {27, 21}, {5, 4}};
    for (size_t i = 0; i < sizeof(SIZES) / sizeof(SIZES[0]); i++) {
      struct resample_job job = resample_job_make(rig->resampler, source, SIZES[i][0], SIZES[i][1]);
      job.filter = (enum resample_filter)filter;
      resample_rig_check(rig, &job);
      resample_job_finish(&job);
    }
  }
  image_unref(&source);
}

// A step off is allowed, but must be rare: an intermediate of whole steps would pass the other tests.
static void steps_off_are_rare_when_noise_is_scaled(void **state) {
  static const double LEAST_DB[2] = {59.0, 80.0};  // opaque: 16-bit intermediate; alpha: float
  static const uint32_t SIZES[][2] = {{301, 233}, {61, 47}};
  struct resample_rig *rig = *state;
  for (size_t i = 0; i < 4; i++) {
    const bool has_alpha = i % 2 != 0;
    struct image *source = resample_noise(160, 120, has_alpha, 17);
    struct resample_job job = resample_job_make(rig->resampler, source, SIZES[i / 2][0], SIZES[i / 2][1]);
    job.filter = RESAMPLE_LANCZOS3;
    struct resample_oracle *oracle = resample_oracle_create(&job);
    enum resample_kernel kernel = RESAMPLE_KERNEL_AUTO;
    while ((kernel = resample_rig_next_kernel(rig->resampler, &job, kernel)) != RESAMPLE_KERNEL_AUTO) {
      resample_rig_run(rig->resampler, &job);
      const double psnr = resample_oracle_psnr(oracle, &job);
      if (!(psnr >= LEAST_DB[has_alpha])) fail_msg("%s: only %.1f dB, case %zu", resample_kernel_name(kernel), psnr, i);
    }
    resample_oracle_destroy(&oracle);
    resample_job_finish(&job);
    image_unref(&source);
  }
}

static void one_step_from_oracle_when_turned(void **state) {
  struct resample_rig *rig = *state;
  for (int has_alpha = 0; has_alpha < 2; has_alpha++) {
    struct image *source = resample_noise(53, 38, has_alpha, 11);
    for (int orientation = IMAGE_UPRIGHT; orientation <= IMAGE_ROTATE_270; orientation++) {
      static const uint32_t SIZES[][2] = {{70, 45}, {21, 14}};
      for (size_t i = 0; i < 2; i++) {
        struct resample_job job = resample_job_make(rig->resampler, source, SIZES[i][0], SIZES[i][1]);
        job.orientation = (enum image_orientation)orientation;
        resample_rig_check(rig, &job);
        resample_job_finish(&job);
      }
    }
    image_unref(&source);
  }
}

static void pixels_only_move_when_turned_at_full_size(void **state) {
  struct resample_rig *rig = *state;
  struct image *source = resample_noise(3, 2, false, 12);
  struct resample_job job = resample_job_make(rig->resampler, source, 2, 3);
  job.orientation = IMAGE_ROTATE_90;
  enum resample_kernel kernel = RESAMPLE_KERNEL_AUTO;
  while ((kernel = resample_rig_next_kernel(rig->resampler, &job, kernel)) != RESAMPLE_KERNEL_AUTO) {
    resample_rig_run(rig->resampler, &job);
    // Clockwise: the stored bottom left corner comes to the top left.
    assert_memory_equal(image_row(job.target, 0), image_row(source, 1), 4);
    assert_memory_equal(image_row(job.target, 0) + 4, image_row(source, 0), 4);
    assert_memory_equal(image_row(job.target, 2) + 4, image_row(source, 0) + 8, 4);
  }
  resample_job_finish(&job);
  image_unref(&source);
}

static void one_step_from_oracle_when_rect_is_fractional(void **state) {
  static const struct image_rect RECTS[] = {{3.25, 5.5, 40.5, 30.125},  {0.75, 0.0, 10.0, 0.5},
                                            {20.4, 30.3, 0.2, 0.2},     {-5.0, -7.5, 30.0, 30.0},
                                            {49.5, 39.5, 100.0, 100.0}, {10.0, 0.0, 1.0, 50.0}};
  struct resample_rig *rig = *state;
  for (int has_alpha = 0; has_alpha < 2; has_alpha++) {
    struct image *source = resample_noise(60, 50, has_alpha, 13);
    for (size_t i = 0; i < sizeof(RECTS) / sizeof(RECTS[0]); i++) {
      struct resample_job job = resample_job_make(rig->resampler, source, 45, 33);
      job.rect = RECTS[i];
      job.orientation = i % 2 ? IMAGE_ROTATE_270 : IMAGE_FLIP_H;
      resample_rig_check(rig, &job);
      resample_job_finish(&job);
    }
    image_unref(&source);
  }
}

static void assert_one_colour(const struct resample_job *job, const uint8_t colour[4]) {
  for (uint32_t p = 0; p < job->width * job->height; p++) {
    assert_memory_equal(image_row(job->target, p / job->width) + p % job->width * 4, colour, 4);
  }
}

static void constants_stay_exact_when_scaled(void **state) {
  static const uint8_t VALUES[] = {0, 1, 2, 127, 254, 255};
  static const uint32_t SIZES[][2] = {{97, 61}, {13, 11}, {41, 31}};
  struct resample_rig *rig = *state;
  for (size_t v = 0; v < sizeof(VALUES); v++) {
    for (size_t i = 0; i < 3 * 2 * 2 * 3; i++) {
      const bool has_alpha = i / 3 % 2 != 0;
      const uint8_t colour[4] = {VALUES[v], VALUES[v], VALUES[v], has_alpha ? 200 : 255};
      struct image *source = resample_picture(41, 31, has_alpha);
      image_fill(source, colour);
      struct resample_job job = resample_job_make(rig->resampler, source, SIZES[i % 3][0], SIZES[i % 3][1]);
      job.is_linear = i / 6 % 2 != 0;
      job.filter = (enum resample_filter)(i / 12);
      enum resample_kernel kernel = RESAMPLE_KERNEL_AUTO;
      while ((kernel = resample_rig_next_kernel(rig->resampler, &job, kernel)) != RESAMPLE_KERNEL_AUTO) {
        resample_rig_run(rig->resampler, &job);
        assert_one_colour(&job, colour);
      }
      resample_job_finish(&job);
      image_unref(&source);
    }
  }
}

static void one_step_from_oracle_when_source_is_an_impulse(void **state) {
  static const uint32_t PLACES[][2] = {{0, 0}, {16, 20}, {32, 40}, {31, 1}, {1, 39}};
  struct resample_rig *rig = *state;
  for (size_t i = 0; i < sizeof(PLACES) / sizeof(PLACES[0]); i++) {
    for (int filter = RESAMPLE_BICUBIC; filter <= RESAMPLE_LANCZOS3; filter++) {
      struct image *source = resample_picture(33, 41, false);
      image_fill(source, (const uint8_t[4]){0, 128, 255, 255});
      memcpy(image_row(source, PLACES[i][1]) + PLACES[i][0] * 4, (const uint8_t[4]){255, 255, 0, 255}, 4);
      struct resample_job job = resample_job_make(rig->resampler, source, 77, 90);
      job.filter = (enum resample_filter)filter;
      resample_rig_check(rig, &job);
      resample_job_finish(&job);
      image_unref(&source);
    }
  }
}

// Every frequency up to the highest, in all directions: wrong phases show as moving rings.
static void one_step_from_oracle_when_source_is_a_zone_plate(void **state) {
  enum { SIDE = 160 };
  static const uint32_t SIDES[] = {320, 233, 107, 40};
  struct resample_rig *rig = *state;
  struct image *source = resample_picture(SIDE, SIDE, false);
  for (uint32_t y = 0; y < SIDE; y++) {
    for (uint32_t x = 0; x < SIDE; x++) {
      const double squared = (x - SIDE / 2.0) * (x - SIDE / 2.0) + (y - SIDE / 2.0) * (y - SIDE / 2.0);
      const uint8_t value = (uint8_t)lround(127.5 + 127.5 * cos(M_PI * squared / SIDE));
      memcpy(image_row(source, y) + x * 4, (const uint8_t[4]){value, (uint8_t)(255 - value), value, 255}, 4);
    }
  }
  for (size_t i = 0; i < sizeof(SIDES) / sizeof(SIDES[0]); i++) {
    for (int filter = RESAMPLE_BICUBIC; filter <= RESAMPLE_LANCZOS3; filter++) {
      struct resample_job job = resample_job_make(rig->resampler, source, SIDES[i], SIDES[(i + 1) % 4]);
      job.filter = (enum resample_filter)filter;
      resample_rig_check(rig, &job);
      resample_job_finish(&job);
    }
  }
  image_unref(&source);
}

static double mean_of(const struct image *image, unsigned channel) {
  double sum = 0.0;
  for (uint32_t y = 0; y < image->height; y++) {
    for (uint32_t x = 0; x < image->width; x++) sum += image_row(image, y)[x * 4 + channel];
  }
  return sum / ((double)image->width * image->height);
}

static void mean_stays_when_scaled(void **state) {
  static const uint32_t SIZES[][2] = {{401, 307}, {200, 150}, {67, 51}, {20, 15}};
  struct resample_rig *rig = *state;
  struct image *source = resample_noise(200, 150, false, 23);
  for (size_t i = 0; i < 4 * 3; i++) {
    struct resample_job job = resample_job_make(rig->resampler, source, SIZES[i % 4][0], SIZES[i % 4][1]);
    job.filter = (enum resample_filter)(i / 4);
    enum resample_kernel kernel = RESAMPLE_KERNEL_AUTO;
    while ((kernel = resample_rig_next_kernel(rig->resampler, &job, kernel)) != RESAMPLE_KERNEL_AUTO) {
      resample_rig_run(rig->resampler, &job);
      for (unsigned c = 0; c < 3; c++) assert_true(fabs(mean_of(job.target, c) - mean_of(source, c)) < 2.0);
    }
    resample_job_finish(&job);
  }
  image_unref(&source);
}

static void transparent_colour_does_not_bleed_when_dirty(void **state) {
  struct resample_rig *rig = *state;
  struct image *source = resample_picture(40, 40, true);
  for (uint32_t i = 0; i < 40 * 40; i++) {
    bool is_red = i % 40 < 20;  // opaque red at the left, transparent green at the right
    const uint8_t pixel[4] = {is_red ? 200 : 0, is_red ? 0 : 255, 0, is_red ? 255 : 0};
    memcpy(image_row(source, i / 40) + i % 40 * 4, pixel, 4);
  }
  for (int is_linear = 0; is_linear < 2; is_linear++) {
    struct resample_job job = resample_job_make(rig->resampler, source, 90, 70);
    job.is_linear = is_linear != 0;
    enum resample_kernel kernel = RESAMPLE_KERNEL_AUTO;
    while ((kernel = resample_rig_next_kernel(rig->resampler, &job, kernel)) != RESAMPLE_KERNEL_AUTO) {
      resample_rig_run(rig->resampler, &job);
      for (uint32_t i = 0; i < job.width * job.height; i++) {
        const uint8_t *pixel = image_row(job.target, i / job.width) + i % job.width * 4;
        assert_int_equal(pixel[1], 0);
        assert_int_equal(pixel[0], pixel[3] > 0 ? 200 : 0);
      }
    }
    resample_job_finish(&job);
  }
  image_unref(&source);
}

static void one_step_from_oracle_when_light_is_linear(void **state) {
  static const uint32_t SIZES[][2] = {{131, 97}, {27, 21}, {5, 90}};
  struct resample_rig *rig = *state;
  for (size_t i = 0; i < 3 * 2 * 3; i++) {
    struct image *source = i / 3 % 2 ? resample_noise(64, 48, true, i) : resample_binary_noise(64, 48, i);
    struct resample_job job = resample_job_make(rig->resampler, source, SIZES[i % 3][0], SIZES[i % 3][1]);
    job.filter = (enum resample_filter)(i / 6);
    job.is_linear = true;
    job.orientation = (enum image_orientation)(1 + i % 8);
    resample_rig_check(rig, &job);
    resample_job_finish(&job);
    image_unref(&source);
  }
}

static void nothing_else_is_touched_when_target_is_larger(void **state) {
  struct resample_rig *rig = *state;
  struct image *source = resample_noise(50, 40, false, 21);
  for (int i = 0; i < 4; i++) {
    struct resample_job job = resample_job_make(rig->resampler, source, 100, 100);
    job.orientation = i % 2 ? IMAGE_ROTATE_90 : IMAGE_UPRIGHT;
    job.width = 33, job.height = 45, job.x = 7, job.y = 11;
    resample_rig_check(rig, &job);
    resample_job_finish(&job);
  }
  image_unref(&source);
}

static void one_step_from_oracle_when_stride_is_padded(void **state) {
  enum { WIDTH = 30, HEIGHT = 20, STRIDE = 30 * 4 + 36 };
  struct image *source = NULL;
  uint8_t *pixels = malloc(STRIDE * HEIGHT);
  struct resample_random random = {31};
  for (uint32_t i = 0; i < STRIDE * HEIGHT; i++) {
    pixels[i] = i % STRIDE % 4 == 3 ? 255 : (uint8_t)resample_random_next(&random, 256);
  }
  assert_int_equal(image_adopt(pixels, STRIDE * HEIGHT, WIDTH, HEIGHT, STRIDE, false, NULL, &source), BASE_OK);
  check_sizes(*state, source, 50, 50);
  image_unref(&source);
}

// Tiles are 32 x 32: sizes around their multiples.
static void one_step_from_oracle_when_at_tile_seams(void **state) {
  static const uint32_t SIDES[] = {31, 32, 33, 63, 64, 65, 95, 97};
  for (size_t i = 0; i < sizeof(SIDES) / sizeof(SIDES[0]); i++) {
    struct image *source = resample_noise(50, 50, i % 2, i);
    check_sizes(*state, source, SIDES[i], SIDES[(i + 3) % 8]);
    image_unref(&source);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(one_step_from_oracle_when_sizes_vary),
      cmocka_unit_test(one_step_from_oracle_when_noise_is_binary),
      cmocka_unit_test(steps_off_are_rare_when_noise_is_scaled),
      cmocka_unit_test(one_step_from_oracle_when_turned),
      cmocka_unit_test(pixels_only_move_when_turned_at_full_size),
      cmocka_unit_test(one_step_from_oracle_when_rect_is_fractional),
      cmocka_unit_test(constants_stay_exact_when_scaled),
      cmocka_unit_test(one_step_from_oracle_when_source_is_an_impulse),
      cmocka_unit_test(one_step_from_oracle_when_source_is_a_zone_plate),
      cmocka_unit_test(mean_stays_when_scaled),
      cmocka_unit_test(transparent_colour_does_not_bleed_when_dirty),
      cmocka_unit_test(one_step_from_oracle_when_light_is_linear),
      cmocka_unit_test(nothing_else_is_touched_when_target_is_larger),
      cmocka_unit_test(one_step_from_oracle_when_stride_is_padded),
      cmocka_unit_test(one_step_from_oracle_when_at_tile_seams),
  };
  return cmocka_run_group_tests(tests, resample_rig_setup, resample_rig_teardown);
}
