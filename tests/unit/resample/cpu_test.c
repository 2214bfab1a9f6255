// The CPU machine by itself, both of its filters, against the oracle.

#include "cpu.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cpu_filter.h"
#include "cpu_pixels.h"
#include "resample_oracle.h"

enum { MARK = 0x5a, SWEEP_JOBS = 220, MOST_SIDE = 70 };

static uint64_t random_state = 20260303;

static uint32_t random_below(uint32_t limit) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return (uint32_t)((random_state >> 32) % limit);
}

static void fill_noise(struct image *image) {
  for (size_t i = 0; i < image->bytes; i++) image->pixels[i] = (uint8_t)random_below(256);
  if (image->format != IMAGE_RGBA8) return;
  for (uint32_t y = 0; y < image->height; y++) {
    for (uint32_t x = 0; x < image->width; x++) {
      const uint32_t kind = image->has_alpha ? random_below(4) : 1;
      if (kind < 2) image_row(image, y)[x * 4 + 3] = kind ? 255 : 0;
    }
  }
}

static struct image *rgba(uint32_t width, uint32_t height, bool has_alpha) {
  struct image *image = NULL;
  assert_int_equal(image_create(width, height, has_alpha, &image), BASE_OK);
  fill_noise(image);
  return image;
}

static struct image *planes(struct image_yuv yuv) {
  struct image *image = NULL;
  assert_int_equal(image_create_yuv(&yuv, &image), BASE_OK);
  fill_noise(image);
  return image;
}

// A job with the source that only it needs.
struct bench {
  struct resample_source source;
  struct resample_job job;
};

// The whole source; change what the test is about.
static void lay(struct bench *bench, struct image *source, struct image *target) {
  *bench = (struct bench){.source = {.image = source}};
  bench->job = (struct resample_job){.source = &bench->source,
                                     .rect = {0, 0, source->width, source->height},
                                     .orientation = IMAGE_UPRIGHT,
                                     .width = target->width,
                                     .height = target->height,
                                     .target = target};
  memset(target->pixels, MARK, target->bytes);
}

static void clear(struct bench *bench) {
  image_unref(&bench->source.image);
  image_unref(&bench->job.target);
}

static void run(const struct resample_job *job) {
  struct resample_work work;
  struct base_fault fault = {0};
  if (resample_work_init(&work, job, &fault) != BASE_OK || resample_cpu_run(&work, &fault) != BASE_OK) {
    fail_msg("%s", fault.text);
  }
}

// Runs every part with the plain filter.
static void run_plain(const struct resample_job *job) {
  struct resample_work work;
  struct resample_rows rows;
  assert_int_equal(resample_work_init(&work, job, NULL), BASE_OK);
  for (size_t i = 0; i < work.part_count; i++) {
    assert_int_equal(resample_rows_init(&rows, &work, &work.parts[i], job->target, NULL), BASE_OK);
    assert_int_equal(resample_plain_run(&rows, NULL), BASE_OK);
    resample_rows_finish(&rows);
  }
}

static void judge(const struct resample_job *job, const char *filter) {
  struct resample_oracle *oracle = resample_oracle_create(job);
  const struct resample_difference worst = resample_oracle_compare(oracle, job);
  const struct image *source = job->source->image;
  if (worst.steps > 1) {
    fail_msg(
        "%s: %d steps off in channel %u at (%u, %u): %f became %u; %ux%u (format %d) %g,%g %gx%g -> %ux%u at %u,%u "
        "(format %d) filter %d orientation %d linear %d",
        filter, worst.steps, worst.channel, worst.x, worst.y, worst.expected, worst.found, source->width,
        source->height, (int)source->format, job->rect.x, job->rect.y, job->rect.width, job->rect.height, job->width,
        job->height, job->x, job->y, (int)job->target->format, (int)job->filter, (int)job->orientation, job->is_linear);
  }
  resample_oracle_destroy(&oracle);
}

static bool is_marked(const uint8_t *bytes, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (bytes[i] != MARK) return false;
  }
  return true;
}

// Samples outside the job's rectangle have kept the mark.
static void assert_rest_is_untouched(const uint8_t *samples, size_t stride, uint32_t width, uint32_t height,
                                     uint32_t left, uint32_t top, uint32_t right, uint32_t bottom, size_t bytes) {
  for (uint32_t y = 0; y < height; y++) {
    const uint8_t *row = samples + y * stride;
    const bool is_inside = y >= top && y < bottom;
    assert_true(is_marked(row, (is_inside ? left : width) * bytes));
    if (is_inside) assert_true(is_marked(row + right * bytes, (width - right) * bytes));
  }
}

static void judge_rest(const struct resample_job *job) {
  const struct image *target = job->target;
  if (target->format == IMAGE_RGBA8) {
    assert_rest_is_untouched(target->pixels, target->stride_bytes, target->width, target->height, job->x, job->y,
                             job->x + job->width, job->y + job->height, 4);
    return;
  }
  for (unsigned i = 0; i < IMAGE_MAX_PLANES; i++) {
    const struct image_plane *plane = &target->planes[i];
    const bool is_chroma = i == IMAGE_PLANE_U || i == IMAGE_PLANE_V;
    const uint32_t block_x = is_chroma ? target->yuv.chroma_x : 1, block_y = is_chroma ? target->yuv.chroma_y : 1;
    if (!plane->samples) continue;
    assert_rest_is_untouched(plane->samples, plane->stride_bytes, plane->width, plane->height, job->x / block_x,
                             job->y / block_y, (job->x + job->width + block_x - 1) / block_x,
                             (job->y + job->height + block_y - 1) / block_y, 1);
  }
}

static void check(const struct resample_job *job) {
  run(job);
  judge(job, "machine");
  judge_rest(job);
  if (job->source->image->format != job->target->format) return;
  run_plain(job);
  judge(job, "plain");
}

// --- random jobs ---

static uint32_t random_side(void) { return 1 + random_below(1 + random_below(MOST_SIDE)); }

static struct image *random_source(bool is_planar) {
  static const uint8_t blocks[][2] = {{1, 1}, {2, 1}, {1, 2}, {2, 2}, {4, 1}};
  const uint32_t width = random_side(), height = random_side();
  if (!is_planar) return rgba(width, height, random_below(2));
  const uint8_t *block = blocks[random_below(5)];
  return planes((struct image_yuv){.width = width,
                                   .height = height,
                                   .range = random_below(2) ? IMAGE_RANGE_FULL : IMAGE_RANGE_LIMITED,
                                   .chroma_x = block[0],
                                   .chroma_y = block[1],
                                   .is_grey = random_below(4) == 0,
                                   .has_alpha = random_below(4) == 0});
}

// With a margin around the job's place.
static struct image *random_target(const struct image *source, bool is_planar, uint32_t width, uint32_t height) {
  const bool has_alpha = source->has_alpha || random_below(3) == 0;
  if (!is_planar) return rgba(width, height, has_alpha);
  return planes((struct image_yuv){.width = width,
                                   .height = height,
                                   .range = random_below(2) ? IMAGE_RANGE_FULL : IMAGE_RANGE_LIMITED,
                                   .chroma_x = (uint8_t)(1 + random_below(2)),
                                   .chroma_y = (uint8_t)(1 + random_below(2)),
                                   .has_alpha = has_alpha});
}

static void random_job(struct bench *bench, bool from_planes, bool to_planes) {
  struct image *source = random_source(from_planes);
  const uint32_t width = random_side(), height = random_side();
  const uint32_t x = 2 * random_below(3), y = 2 * random_below(3);
  lay(bench, source, random_target(source, to_planes, x + width + random_below(4), y + height + random_below(4)));
  struct resample_job *job = &bench->job;
  job->x = x, job->y = y, job->width = width, job->height = height;
  job->filter = (enum resample_filter)random_below(3);
  job->orientation = (enum image_orientation)(1 + random_below(8));
  job->is_linear = !from_planes && random_below(3) == 0;
  if (random_below(2)) {
    job->rect.x = source->width * (random_below(900) / 1000.0);
    job->rect.y = source->height * (random_below(900) / 1000.0);
    job->rect.width = (source->width - job->rect.x) * (1 + random_below(1000)) / 1000.0;
    job->rect.height = (source->height - job->rect.y) * (1 + random_below(1000)) / 1000.0;
  }
}

static void sweep(bool from_planes, bool to_planes) {
  for (int i = 0; i < SWEEP_JOBS; i++) {
    struct bench bench;
    random_job(&bench, from_planes, to_planes);
    check(&bench.job);
    clear(&bench);
  }
}

static void one_step_from_oracle_when_rgba_is_random(void **state) {
  (void)state;
  sweep(false, false);
}

static void one_step_from_oracle_when_planes_are_random(void **state) {
  (void)state;
  sweep(true, true);
}

static void one_step_from_oracle_when_rgba_becomes_planes(void **state) {
  (void)state;
  sweep(false, true);
}

// --- shapes that random sizes seldom hit ---

static void one_step_from_oracle_when_picture_is_wide_and_turned(void **state) {
  (void)state;
  for (int orientation = IMAGE_UPRIGHT; orientation <= IMAGE_ROTATE_270; orientation++) {
    for (int kind = 0; kind < 3; kind++) {
      const bool swaps = orientation >= IMAGE_TRANSPOSE, is_up = orientation % 2;
      const uint32_t along = is_up ? 1900 : 701, across = is_up ? 41 : 27;
      const uint32_t width = swaps ? across : along, height = swaps ? along : across;
      const struct image_yuv from = {.width = 1203, .height = 35, .chroma_x = 2, .chroma_y = 2};
      const struct image_yuv to = {.width = width, .height = height, .chroma_x = 2, .chroma_y = 2};
      struct bench bench;
      if (kind == 2) {
        lay(&bench, planes(from), planes(to));
      } else {
        lay(&bench, rgba(from.width, from.height, kind), rgba(width, height, kind));
      }
      bench.job.orientation = (enum image_orientation)orientation;
      check(&bench.job);
      clear(&bench);
    }
  }
}

static void one_step_from_oracle_when_sides_are_one_or_factors_large(void **state) {
  static const uint32_t sizes[][4] = {{1, 1, 50, 40},    {1, 9, 30, 1},    {9, 1, 1, 30},   {20000, 3, 2, 1},
                                      {3, 20000, 1, 2},  {2, 3, 3000, 2},  {64, 64, 1, 1},  {5000, 16, 7, 90},
                                      {16, 5000, 90, 7}, {1, 65000, 1, 1}, {65000, 1, 3, 5}};
  (void)state;
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    for (int filter = RESAMPLE_BICUBIC; filter <= RESAMPLE_LANCZOS3; filter++) {
      struct bench bench;
      lay(&bench, rgba(sizes[i][0], sizes[i][1], i % 2), rgba(sizes[i][2], sizes[i][3], i % 2));
      bench.job.filter = (enum resample_filter)filter;
      check(&bench.job);
      clear(&bench);
    }
  }
}

// zimg works in ranges of columns where its rows do not fit into the cache.
static void ranges_of_columns_join_whatever_the_orientation(void **state) {
  enum { WIDTH = 75, HEIGHT = 37 };
  static const uint32_t edges[] = {0, 32, 33, 64, WIDTH};
  static float samples[RESAMPLE_CPU_CHANNELS][WIDTH];
  float *const lines[] = {samples[0], samples[1], samples[2], samples[3]};
  const float *const finished[] = {samples[0], samples[1], samples[2], samples[3]};
  (void)state;
  for (int orientation = IMAGE_UPRIGHT; orientation <= IMAGE_ROTATE_270; orientation++) {
    const bool swaps = orientation >= IMAGE_TRANSPOSE;
    const struct image_yuv from = {.width = WIDTH, .height = HEIGHT, .chroma_x = 1, .chroma_y = 1, .is_grey = true};
    const struct image_yuv to = {
        .width = swaps ? HEIGHT : WIDTH, .height = swaps ? WIDTH : HEIGHT, .chroma_x = 1, .chroma_y = 1};
    for (int is_planar = 0; is_planar < 2; is_planar++) {
      struct bench bench;
      struct resample_work work;
      struct resample_rows rows;
      lay(&bench, is_planar ? planes(from) : rgba(WIDTH, HEIGHT, true),
          is_planar ? planes(to) : rgba(to.width, to.height, true));
      bench.job.orientation = (enum image_orientation)orientation;
      run(&bench.job);  // fills the grey picture's chroma
      assert_int_equal(resample_work_init(&work, &bench.job, NULL), BASE_OK);
      assert_int_equal(resample_rows_init(&rows, &work, &work.parts[0], bench.job.target, NULL), BASE_OK);
      memset(rows.target, MARK, rows.target_stride_bytes * work.parts[0].target_height);
      for (size_t i = 0; i + 1 < sizeof edges / sizeof edges[0]; i++) {
        for (uint32_t y = 0; y < HEIGHT; y++) {
          resample_rows_read(&rows, y, edges[i], edges[i + 1], lines);
          resample_rows_write(&rows, y, edges[i], edges[i + 1], finished);
        }
      }
      resample_rows_finish(&rows);
      judge(&bench.job, "ranges");
      clear(&bench);
    }
  }
}

static void mitchell_softens_when_size_stays(void **state) {
  (void)state;
  struct bench bench;
  lay(&bench, rgba(40, 30, false), rgba(40, 30, false));
  bench.job.filter = RESAMPLE_MITCHELL;
  check(&bench.job);
  run(&bench.job);
  assert_memory_not_equal(bench.job.target->pixels, bench.source.image->pixels, 160);
  clear(&bench);
}

static void samples_stay_when_size_stays(void **state) {
  (void)state;
  struct bench bench;
  lay(&bench, rgba(40, 30, false), rgba(40, 30, false));
  run(&bench.job);
  for (uint32_t y = 0; y < 30; y++) {
    assert_memory_equal(image_row(bench.job.target, y), image_row(bench.source.image, y), 160);
  }
  clear(&bench);
}

static void colours_stay_when_they_are_constant(void **state) {
  static const uint8_t values[] = {0, 1, 2, 127, 254, 255};
  (void)state;
  for (int i = 0; i < 6 * 3 * 4; i++) {
    const uint8_t value = values[i % 6], colour[4] = {value, (uint8_t)(255 - value), 3, i / 18 % 2 ? 200 : 255};
    struct bench bench;
    lay(&bench, rgba(37, 23, i / 18 % 2), rgba(61, 11, i / 18 % 2));
    image_fill(bench.source.image, colour);
    bench.job.filter = (enum resample_filter)(i / 6 % 3);
    bench.job.is_linear = i / 36;
    run(&bench.job);
    for (uint32_t y = 0; y < 11; y++) {
      for (uint32_t x = 0; x < 61; x++) assert_memory_equal(image_row(bench.job.target, y) + x * 4, colour, 4);
    }
    clear(&bench);
  }
}

// So much source belongs to one output that rings of rows would not fit into the limit.
static void plain_filter_takes_over_when_zimg_wants_too_much_memory(void **state) {
  (void)state;
  const struct image_yuv from = {.width = 30000, .height = 700, .chroma_x = 1, .chroma_y = 1, .is_grey = true};
  const struct image_yuv to = {.width = 4, .height = 3, .chroma_x = 1, .chroma_y = 1};
  struct bench bench;
  struct resample_work work;
  struct resample_rows rows;
  bool is_done = true;
  lay(&bench, planes(from), planes(to));
  memset(bench.source.image->pixels, 93, bench.source.image->bytes);
  assert_int_equal(resample_work_init(&work, &bench.job, NULL), BASE_OK);
  assert_int_equal(resample_rows_init(&rows, &work, &work.parts[0], bench.job.target, NULL), BASE_OK);
  assert_int_equal(resample_zimg_run(&rows, &is_done, NULL), BASE_OK);
  assert_false(is_done);
  resample_rows_finish(&rows);
  run(&bench.job);
  for (uint32_t y = 0; y < 3; y++) {
    for (uint32_t x = 0; x < 4; x++) {
      assert_int_equal(image_plane_row(&bench.job.target->planes[IMAGE_PLANE_Y], y)[x], 93);
      assert_int_equal(image_plane_row(&bench.job.target->planes[IMAGE_PLANE_U], y)[x], 128);
    }
  }
  clear(&bench);
}

static void zimg_is_used_when_sizes_are_usual(void **state) {
  static const uint32_t sizes[][4] = {{40, 30, 80, 60}, {40, 30, 13, 10}, {40, 30, 40, 30}, {400, 300, 20, 15}};
  (void)state;
  for (size_t i = 0; i < 4; i++) {
    struct bench bench;
    struct resample_work work;
    struct resample_rows rows;
    bool is_done = false;
    lay(&bench, rgba(sizes[i][0], sizes[i][1], true), rgba(sizes[i][2], sizes[i][3], true));
    assert_int_equal(resample_work_init(&work, &bench.job, NULL), BASE_OK);
    assert_true(resample_zimg_takes(&work.parts[0]));
    assert_int_equal(resample_rows_init(&rows, &work, &work.parts[0], bench.job.target, NULL), BASE_OK);
    assert_int_equal(resample_zimg_run(&rows, &is_done, NULL), BASE_OK);
    assert_true(is_done);
    resample_rows_finish(&rows);
    clear(&bench);
  }
}

static void *run_again_and_again(void *argument) {
  for (int i = 0; i < 10; i++) run(argument);
  return NULL;
}

static void results_are_equal_when_threads_run_together(void **state) {
  enum { THREADS = 4 };
  (void)state;
  struct bench first, others[THREADS];
  pthread_t threads[THREADS];
  lay(&first, rgba(301, 203, true), rgba(140, 99, true));
  run(&first.job);
  for (int i = 0; i < THREADS; i++) {
    lay(&others[i], image_ref(first.source.image), rgba(140, 99, true));
    assert_int_equal(pthread_create(&threads[i], NULL, run_again_and_again, &others[i].job), 0);
  }
  for (int i = 0; i < THREADS; i++) {
    assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_memory_equal(others[i].job.target->pixels, first.job.target->pixels, first.job.target->bytes);
    clear(&others[i]);
  }
  clear(&first);
}

// --- between bytes and floats ---

static void samples_are_rounded_and_clamped_when_packed(void **state) {
  const float samples[12] = {-3.0f, 0.0f,   0.49f,  0.51f,  1.0f,     99.4f,
                             99.6f, 254.6f, 255.0f, 255.9f, 70000.0f, -70000.0f};
  const uint8_t steps[12] = {0, 0, 0, 1, 1, 99, 100, 255, 255, 255, 255, 0};
  const uint8_t limited[12] = {13, 16, 16, 16, 17, 101, 102, 235, 235, 236, 255, 0};
  uint8_t out[48];
  (void)state;
  resample_pack_plane(samples, 12, 1.0f, 0.0f, out);
  assert_memory_equal(out, steps, 12);
  resample_pack_plane(samples, 12, 219.0f / 255.0f, 16.0f, out);
  assert_memory_equal(out, limited, 12);
  resample_pack_rgb(samples, samples, samples, 12, out);
  for (int i = 0; i < 12; i++) {
    const uint8_t pixel[4] = {steps[i], steps[i], steps[i], 255};
    assert_memory_equal(out + i * 4, pixel, 4);
  }
}

static void colour_is_divided_by_alpha_before_it_is_clamped(void **state) {
  const float colour[6] = {10.0f, 300.0f, 5.0f, -5.0f, 60.0f, 1.0f},
              alpha[6] = {51.0f, 300.0f, 0.4f, -5.0f, 30.0f, 0.6f};
  const uint8_t wanted[6][4] = {{50, 50, 50, 51},    {255, 255, 255, 255}, {0}, {0},
                                {255, 255, 255, 30}, {255, 255, 255, 1}};
  const float *const in[4] = {colour, colour, colour, alpha};
  uint8_t out[24];
  (void)state;
  resample_pack_rgba(in, 6, out);
  assert_memory_equal(out, wanted, 24);
}

static void steps_come_back_when_light_is_packed(void **state) {
  struct resample_light light;
  uint8_t pixels[1024], back[1024];
  float lines[4][256];
  float *const out[4] = {lines[0], lines[1], lines[2], lines[3]};
  const float *const in[4] = {lines[0], lines[1], lines[2], lines[3]};
  (void)state;
  resample_light_init(&light);
  for (int i = 0; i < 1024; i++) pixels[i] = i % 4 == 3 ? (uint8_t)(255 - i / 16) : (uint8_t)(i / 4 * (1 + i % 4));
  resample_unpack_light(&light, pixels, 256, 4, out);
  resample_pack_light(&light, in, 256, 4, back);
  assert_memory_equal(back, pixels, sizeof pixels);
  for (int step = 1; step < 256; step++) {
    const double edge = (step - 0.5) / 255.0;
    const double linear = edge <= 0.04045 ? edge / 12.92 : pow((edge + 0.055) / 1.055, 2.4);
    lines[0][0] = (float)(linear * (1.0 - 1e-6));
    lines[0][1] = (float)(linear * (1.0 + 1e-6));
    resample_pack_light(&light, in, 2, 3, back);
    assert_int_equal(back[0], step - 1);
    assert_int_equal(back[4], step);
  }
}

static void samples_change_places_when_transposed(void **state) {
  static uint8_t source[16][160], target[40][80];
  const uint8_t *rows[16];
  (void)state;
  for (int i = 0; i < 16 * 160; i++) source[i / 160][i % 160] = (uint8_t)random_below(256);
  for (size_t bytes = 1; bytes <= 4; bytes += 3) {
    for (size_t count = 1; count <= 40; count += 3) {
      for (size_t row_count = 1; row_count <= 16; row_count++) {
        const bool is_backward = row_count % 2;
        for (size_t r = 0; r < row_count; r++) rows[r] = source[r];
        memset(target, MARK, sizeof target);
        resample_transpose(rows, row_count, count, bytes, is_backward ? target[count - 1] : target[0],
                           is_backward ? -80 : 80);
        for (size_t i = 0; i < count; i++) {
          const uint8_t *to = target[is_backward ? count - 1 - i : i];
          for (size_t r = 0; r < row_count; r++) assert_memory_equal(to + r * bytes, source[r] + i * bytes, bytes);
          assert_true(is_marked(to + row_count * bytes, 80 - row_count * bytes));
        }
      }
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(one_step_from_oracle_when_rgba_is_random),
      cmocka_unit_test(one_step_from_oracle_when_planes_are_random),
      cmocka_unit_test(one_step_from_oracle_when_rgba_becomes_planes),
      cmocka_unit_test(one_step_from_oracle_when_picture_is_wide_and_turned),
      cmocka_unit_test(one_step_from_oracle_when_sides_are_one_or_factors_large),
      cmocka_unit_test(ranges_of_columns_join_whatever_the_orientation),
      cmocka_unit_test(mitchell_softens_when_size_stays),
      cmocka_unit_test(samples_stay_when_size_stays),
      cmocka_unit_test(colours_stay_when_they_are_constant),
      cmocka_unit_test(plain_filter_takes_over_when_zimg_wants_too_much_memory),
      cmocka_unit_test(zimg_is_used_when_sizes_are_usual),
      cmocka_unit_test(results_are_equal_when_threads_run_together),
      cmocka_unit_test(samples_are_rounded_and_clamped_when_packed),
      cmocka_unit_test(colour_is_divided_by_alpha_before_it_is_clamped),
      cmocka_unit_test(steps_come_back_when_light_is_packed),
      cmocka_unit_test(samples_change_places_when_transposed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
