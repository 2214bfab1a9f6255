// The Vulkan machine's memory and submissions: what is imported, copied, kept and dropped, and what runs together.

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "copy.h"
#include "device.h"
#include "vulkan_rig.h"

static void free_source(struct resample_vulkan *vulkan, struct resample_source **source) {
  resample_vulkan_forget(vulkan, *source);
  vulkan_source_free(source);
}

static void results_are_the_same_when_memory_is_imported_or_staged(void **state) {
  static const uint32_t SIZES[][4] = {{64, 48, 128, 96}, {61, 47, 133, 101}, {200, 150, 61, 45}, {3, 2, 41, 33}};
  struct vulkan_rig *rig = *state;
  struct resample_vulkan *staged = vulkan_rig_machine(rig, 0, false);
  assert_string_equal(resample_vulkan_source_path(staged), "staged");
  assert_string_equal(resample_vulkan_result_path(staged), "staged");
  if (rig->import_alignment > 0 && !gpu_get_info(rig->gpu)->is_discrete) {
    assert_string_equal(resample_vulkan_source_path(rig->vulkan), "imported");
  }
  for (size_t i = 0; i < sizeof(SIZES) / sizeof(SIZES[0]) * VULKAN_KIND_COUNT; i++) {
    const uint32_t *sides = SIZES[i / VULKAN_KIND_COUNT];
    const enum vulkan_kind kind = (enum vulkan_kind)(i % VULKAN_KIND_COUNT);
    struct resample_source *source = vulkan_source(vulkan_source_image(kind, sides[0], sides[1], i));
    struct resample_job one = vulkan_job(source, kind, sides[2], sides[3]);
    struct resample_job other = vulkan_job(source, kind, sides[2], sides[3]);
    one.orientation = other.orientation = (enum image_orientation)(IMAGE_UPRIGHT + i % 8);
    vulkan_run(rig->vulkan, &one, 1);
    resample_vulkan_forget(rig->vulkan, source);
    vulkan_run(staged, &other, 1);
    vulkan_assert_same(one.target, other.target);
    vulkan_assert_right(&one);
    image_unref(&one.target);
    image_unref(&other.target);
    free_source(staged, &source);
  }
  resample_vulkan_destroy(&staged);
}

// Words of the target that also hold samples beside the rectangle, at either end of its rows.
static void neighbours_keep_their_samples_when_words_are_shared(void **state) {
  static const uint32_t PLACES[][4] = {{0, 0, 10, 6}, {4, 2, 6, 4},   {2, 2, 8, 8},
                                       {8, 4, 24, 8}, {6, 0, 27, 13}, {12, 2, 21, 11}};
  struct vulkan_rig *rig = *state;
  for (size_t i = 0; i < sizeof(PLACES) / sizeof(PLACES[0]) * VULKAN_KIND_COUNT; i++) {
    const uint32_t *place = PLACES[i / VULKAN_KIND_COUNT];
    const enum vulkan_kind kind = (enum vulkan_kind)(i % VULKAN_KIND_COUNT);
    struct resample_source *source = vulkan_source(vulkan_source_image(kind, 40, 30, i));
    struct resample_job job = vulkan_job(source, kind, 33, 13);
    struct image *before = vulkan_target_image(kind, 33, 13);
    job.x = place[0], job.y = place[1], job.width = place[2], job.height = place[3];
    vulkan_run(rig->vulkan, &job, 1);
    vulkan_assert_right(&job);
    // What the job may write is put back; then nothing differs.
    for (unsigned p = 0; p < IMAGE_MAX_PLANES; p++) {
      const bool is_yuv = job.target->format == IMAGE_YUV;
      if (is_yuv ? !job.target->planes[p].samples : p > 0) continue;
      const uint32_t block = is_yuv && (p == IMAGE_PLANE_U || p == IMAGE_PLANE_V) ? 2 : 1, bytes = is_yuv ? 1 : 4;
      for (uint32_t y = 0; y < (job.height + block - 1) / block; y++) {
        const uint32_t row = job.y / block + y;
        uint8_t *to = is_yuv ? image_plane_row(&job.target->planes[p], row) : image_row(job.target, row);
        const uint8_t *from = is_yuv ? image_plane_row(&before->planes[p], row) : image_row(before, row);
        const size_t at = (size_t)job.x / block * bytes;
        memcpy(to + at, from + at, (size_t)((job.width + block - 1) / block) * bytes);
      }
    }
    vulkan_assert_same(job.target, before);
    image_unref(&before);
    image_unref(&job.target);
    free_source(rig->vulkan, &source);
  }
}

// Jobs of all kinds, from three sources.
enum { MIXED = 8 };

static void make_mixed(struct resample_source *sources[3], struct resample_job jobs[MIXED]) {
  for (size_t i = 0; i < MIXED; i++) {
    const enum vulkan_kind kind = (enum vulkan_kind)(i % VULKAN_KIND_COUNT);
    struct resample_source *source = sources[kind == VULKAN_RGB ? 0 : kind == VULKAN_PLANES ? 1 : 2];
    jobs[i] = vulkan_job(source, kind, 40 + 31 * (uint32_t)i, 50 + 13 * (uint32_t)i);
    jobs[i].orientation = (enum image_orientation)(IMAGE_UPRIGHT + i);
    jobs[i].filter = (enum resample_filter)(i % 3);
    jobs[i].is_linear = i == 5;
    if (kind != VULKAN_PLANES && i >= 4) jobs[i].kernel = RESAMPLE_KERNEL_TILE;
  }
}

static void batch_is_one_submission_and_equals_one_by_one(void **state) {
  struct vulkan_rig *rig = *state;
  for (int imports = 0; imports < 2; imports++) {
    struct resample_vulkan *vulkan = vulkan_rig_machine(rig, 0, imports);
    struct resample_source *sources[3] = {vulkan_source(vulkan_source_image(VULKAN_RGB, 120, 90, 1)),
                                          vulkan_source(vulkan_source_image(VULKAN_PLANES, 97, 111, 2)),
                                          vulkan_source(vulkan_source_image(VULKAN_RGBA, 60, 75, 3))};
    struct resample_job batch[MIXED], alone[MIXED];
    make_mixed(sources, batch);
    make_mixed(sources, alone);
    assert_int_equal(vulkan_run(vulkan, batch, MIXED), 1);
    for (size_t i = 0; i < MIXED; i++) {
      assert_int_equal(vulkan_run(vulkan, &alone[i], 1), 1);
      vulkan_assert_same(batch[i].target, alone[i].target);
      vulkan_assert_right(&batch[i]);
      image_unref(&batch[i].target);
      image_unref(&alone[i].target);
    }
    for (size_t i = 0; i < 3; i++) free_source(vulkan, &sources[i]);
    resample_vulkan_destroy(&vulkan);
  }
}

static void all_jobs_are_done_when_there_are_more_than_one_submission_takes(void **state) {
  enum { JOBS = GPU_MAX_DISPATCHES / 2 };
  struct vulkan_rig *rig = *state;
  struct resample_source *source = vulkan_source(vulkan_source_image(VULKAN_RGB, 20, 10, 1));
  struct resample_job jobs[JOBS];
  for (uint32_t i = 0; i < JOBS; i++) jobs[i] = vulkan_job(source, VULKAN_RGB, 5 + i % 7, 6);
  const unsigned submissions = vulkan_run(rig->vulkan, jobs, JOBS);
  assert_in_range(submissions, 2, 3);
  for (uint32_t i = 0; i < JOBS; i++) {
    vulkan_assert_right(&jobs[i]);
    image_unref(&jobs[i].target);
  }
  free_source(rig->vulkan, &source);
}

static void works_that_need_bands_go_alone_when_others_fit(void **state) {
  struct vulkan_rig *rig = *state;
  struct resample_vulkan *small = vulkan_rig_machine(rig, 300 << 10, false);
  struct resample_source *little = vulkan_source(vulkan_source_image(VULKAN_RGB, 40, 30, 1));
  struct resample_source *large = vulkan_source(vulkan_source_image(VULKAN_CONVERTED, 300, 200, 2));
  struct resample_job jobs[] = {vulkan_job(little, VULKAN_RGB, 50, 40), vulkan_job(large, VULKAN_CONVERTED, 450, 310),
                                vulkan_job(little, VULKAN_RGB, 20, 60)};
  assert_true(vulkan_run(small, jobs, 3) > 3);
  for (size_t i = 0; i < 3; i++) {
    vulkan_assert_right(&jobs[i]);
    image_unref(&jobs[i].target);
  }
  free_source(small, &little);
  free_source(small, &large);
  resample_vulkan_destroy(&small);
}

static void copy_is_kept_when_source_is_used_again(void **state) {
  struct vulkan_rig *rig = *state;
  for (int imports = 0; imports < 2; imports++) {
    struct resample_vulkan *vulkan = vulkan_rig_machine(rig, 0, imports);
    struct resample_source *source = vulkan_source(vulkan_source_image(VULKAN_PLANES, 120, 90, 1));
    struct resample_job job = vulkan_job(source, VULKAN_PLANES, 50, 40);
    vulkan_run(vulkan, &job, 1);
    const struct resample_copy *copy = source->copy;
    assert_non_null(copy);
    assert_int_equal(copy->is_imported, imports && rig->import_alignment > 0);
    assert_int_equal(copy->users, 0);
    vulkan_run(vulkan, &job, 1);
    assert_ptr_equal(source->copy, copy);
    resample_vulkan_forget(vulkan, source);
    assert_null(source->copy);
    resample_vulkan_forget(vulkan, source);  // nothing, the second time
    vulkan_run(vulkan, &job, 1);
    vulkan_assert_right(&job);
    resample_vulkan_destroy(&vulkan);  // takes the copy along
    image_unref(&job.target);
    vulkan_source_free(&source);
  }
}

static void oldest_copy_is_dropped_when_budget_is_full(void **state) {
  enum { SOURCES = 4, SIDE = 256 };  // 256 KiB each
  static const uint64_t BUDGET = 900 << 10;
  struct vulkan_rig *rig = *state;
  struct resample_vulkan *small = vulkan_rig_machine(rig, BUDGET, false);
  struct resample_source *sources[SOURCES];
  struct resample_job jobs[SOURCES];
  for (size_t i = 0; i < SOURCES; i++) {
    sources[i] = vulkan_source(vulkan_source_image(VULKAN_RGB, SIDE, SIDE, i));
    jobs[i] = vulkan_job(sources[i], VULKAN_RGB, 20, 20);
  }
  vulkan_run(small, &jobs[0], 1);
  vulkan_run(small, &jobs[1], 1);
  vulkan_run(small, &jobs[2], 1);
  vulkan_run(small, &jobs[0], 1);  // 1 is now the one that was not used for longest
  assert_non_null(sources[0]->copy);
  vulkan_run(small, &jobs[3], 1);
  assert_null(sources[1]->copy);
  assert_non_null(sources[0]->copy);
  assert_non_null(sources[3]->copy);
  assert_true(resample_vulkan_bytes(small) <= BUDGET);
  for (size_t i = 0; i < SOURCES; i++) {
    vulkan_run(small, &jobs[i], 1);
    vulkan_assert_right(&jobs[i]);
    assert_true(resample_vulkan_bytes(small) <= BUDGET);
  }
  for (size_t i = 0; i < SOURCES; i++) {
    image_unref(&jobs[i].target);
    free_source(small, &sources[i]);
  }
  resample_vulkan_destroy(&small);
}

static void keep_memory(void *pixels, size_t bytes) {
  (void)pixels;
  (void)bytes;
}

static void rows_may_begin_anywhere_when_pixels_are_adopted(void **state) {
  enum { WIDTH = 37, HEIGHT = 20, MOST_STRIDE = WIDTH * 4 + 12 };
  static _Alignas(IMAGE_PAGE_BYTES) uint8_t pixels[IMAGE_PAGE_BYTES * 2];
  static const uint32_t STRIDES[] = {WIDTH * 4, WIDTH * 4 + 4, WIDTH * 4 + 2, WIDTH * 4 + 7, MOST_STRIDE};
  struct vulkan_rig *rig = *state;
  for (size_t i = 0; i < sizeof(STRIDES) / sizeof(STRIDES[0]) * 2; i++) {
    struct image *image = NULL, *noise = resample_noise(WIDTH, HEIGHT, true, i);
    for (uint32_t y = 0; y < HEIGHT; y++) memcpy(pixels + y * STRIDES[i / 2], image_row(noise, y), WIDTH * 4);
    const size_t bytes = i % 2 ? sizeof(pixels) : STRIDES[i / 2] * HEIGHT;  // whole pages or not
    assert_int_equal(image_adopt(pixels, bytes, WIDTH, HEIGHT, STRIDES[i / 2], true, keep_memory, &image), BASE_OK);
    struct resample_source *source = vulkan_source(image);
    struct resample_job job = vulkan_job(source, VULKAN_RGBA, 50, 31);
    vulkan_run(rig->vulkan, &job, 1);
    vulkan_assert_right(&job);
    job.kernel = RESAMPLE_KERNEL_TILE;
    vulkan_run(rig->vulkan, &job, 1);
    vulkan_assert_right(&job);
    image_unref(&job.target);
    image_unref(&noise);
    free_source(rig->vulkan, &source);
  }
}

// The device goes on with what timed out; nothing it still reads or writes may go away, nor may the target change
// once the caller has it back.
static void target_is_left_alone_when_a_run_timed_out(void **state) {
  enum { MOST_TRIES = 1000 };
  struct vulkan_rig *rig = *state;
  struct resample_source *source = vulkan_source(vulkan_source_image(VULKAN_RGB, 2000, 1500, 1));
  struct resample_job job = vulkan_job(source, VULKAN_RGB, 1500, 1200);
  struct base_fault fault = {0};
  const uint32_t timeout_ms = rig->gpu->timeout_ms;
  rig->gpu->timeout_ms = 1;
  const enum base_result result = vulkan_try(rig->vulkan, &job, 1, &fault);
  rig->gpu->timeout_ms = timeout_ms;
  assert_int_equal(result, BASE_TIMEOUT);
  assert_int_equal(atomic_load(&job.target->refs), 1);
  memset(job.target->pixels, 0x55, job.target->bytes);
  struct resample_job next = vulkan_job(source, VULKAN_RGB, 30, 20);  // refused until the one before is done
  enum base_result next_result = BASE_TIMEOUT;
  for (int i = 0; i < MOST_TRIES && next_result == BASE_TIMEOUT; i++) {
    next_result = vulkan_try(rig->vulkan, &next, 1, NULL);
  }
  assert_int_equal(next_result, BASE_OK);
  for (size_t i = 0; i < job.target->bytes; i++) assert_int_equal(job.target->pixels[i], 0x55);
  vulkan_assert_right(&next);
  image_unref(&next.target);
  image_unref(&job.target);
  free_source(rig->vulkan, &source);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(results_are_the_same_when_memory_is_imported_or_staged),
      cmocka_unit_test(neighbours_keep_their_samples_when_words_are_shared),
      cmocka_unit_test(batch_is_one_submission_and_equals_one_by_one),
      cmocka_unit_test(all_jobs_are_done_when_there_are_more_than_one_submission_takes),
      cmocka_unit_test(works_that_need_bands_go_alone_when_others_fit),
      cmocka_unit_test(copy_is_kept_when_source_is_used_again),
      cmocka_unit_test(oldest_copy_is_dropped_when_budget_is_full),
      cmocka_unit_test(rows_may_begin_anywhere_when_pixels_are_adopted),
      cmocka_unit_test(target_is_left_alone_when_a_run_timed_out),
  };
  return cmocka_run_group_tests(tests, vulkan_rig_setup, vulkan_rig_teardown);
}
