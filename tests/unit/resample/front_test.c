// The front on the machine's own device: modes, what is measured and remembered, and losses that are real to the room.

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "calibration.h"
#include "resample_rig.h"
#include "temp_folder.h"

enum { THREADS = 4, RUNS = 6, PATIENCE_MS = 60000, MAX_FILE_BYTES = 1 << 16, MAX_PATH = 256 };

static struct base_log *quiet_log;

static int set_up(void **state) {
  (void)state;
  const struct base_log_config config = {.fd = 2, .level = BASE_LOG_ERROR};
  quiet_log = base_log_create(&config);
  return quiet_log ? 0 : -1;
}

static int tear_down(void **state) {
  (void)state;
  base_log_destroy(&quiet_log);
  return 0;
}

static struct resample_config config_of(enum resample_mode mode) {
  return (struct resample_config){
      .mode = mode, .gpu = {.validation = true, .abort_on_validation = true, .log = quiet_log}, .log = quiet_log};
}

static struct resample_info info_of(struct resampler *resampler) {
  struct resample_info info;
  resample_get_info(resampler, &info);
  return info;
}

// --- modes ---

static void no_device_is_opened_when_the_mode_is_cpu(void **state) {
  (void)state;
  struct resample_config config = config_of(RESAMPLE_MODE_CPU);
  config.gpu.device = "no such device";  // not looked at
  struct resampler *resampler = resample_rig_create(&config);
  const struct resample_info info = info_of(resampler);
  assert_false(info.has_device);
  assert_int_equal(info.case_count, 0);
  assert_string_equal(info.source_path, "host memory");
  struct image *image = resample_noise(40, 30, false, 1);
  struct resample_job job = resample_job_make(resampler, image, 20, 15);
  job.kernel = RESAMPLE_KERNEL_AUTO;
  assert_int_equal(resample_choice(resampler, &job), RESAMPLE_KERNEL_CPU);
  job.kernel = RESAMPLE_KERNEL_TILE;
  assert_int_equal(resample_choice(resampler, &job), RESAMPLE_KERNEL_CPU);
  resample_rig_run(resampler, &job);
  resample_job_finish(&job);
  image_unref(&image);
  resample_destroy(&resampler);
}

static void a_device_is_missed_when_it_was_named(void **state) {
  (void)state;
  for (int mode = RESAMPLE_MODE_AUTO; mode <= RESAMPLE_MODE_VULKAN; mode++) {
    struct resample_config config = config_of((enum resample_mode)mode);
    struct resampler *resampler;
    struct base_fault fault = {0};
    config.gpu.device = "no such device";
    assert_int_equal(resample_create(&config, &resampler, &fault), BASE_DEVICE);
    assert_null(resampler);
    assert_true(fault.text[0] != '\0');
  }
}

static void auto_goes_on_with_the_cpu_when_there_is_no_device(void **state) {
  (void)state;
  assert_int_equal(setenv("VK_ICD_FILENAMES", "/nonexistent.json", 1), 0);
  assert_int_equal(setenv("VK_DRIVER_FILES", "/nonexistent.json", 1), 0);
  struct resample_config config = config_of(RESAMPLE_MODE_VULKAN);
  struct resampler *resampler;
  struct base_fault fault = {0};
  config.gpu.validation = false;
  assert_int_equal(resample_create(&config, &resampler, &fault), BASE_DEVICE);
  config.mode = RESAMPLE_MODE_AUTO;
  resampler = resample_rig_create(&config);
  unsetenv("VK_ICD_FILENAMES");
  unsetenv("VK_DRIVER_FILES");
  const struct resample_info info = info_of(resampler);
  assert_false(info.has_device);
  assert_false(info.is_lost);
  assert_non_null(strstr(info.reason, "no Vulkan device"));
  resample_destroy(&resampler);
}

static void vulkan_kernels_run_when_the_mode_is_vulkan(void **state) {
  (void)state;
  const struct resample_config config = config_of(RESAMPLE_MODE_VULKAN);
  struct resampler *resampler = resample_rig_create(&config);
  const struct resample_info info = info_of(resampler);
  assert_true(info.has_device);
  assert_true(info.device.name[0] != '\0');
  assert_true(info.case_count > 0);
  for (size_t i = 0; i < info.case_count; i++) {
    assert_true(info.cases[i].choice == RESAMPLE_KERNEL_TWO_PASS || info.cases[i].choice == RESAMPLE_KERNEL_TILE);
  }
  assert_true(info.cases[0].microseconds[RESAMPLE_KERNEL_TWO_PASS] > 0);
  resample_destroy(&resampler);
}

static void auto_keeps_a_software_device_only_where_it_is_faster(void **state) {
  (void)state;
  const struct resample_config config = config_of(RESAMPLE_MODE_AUTO);
  struct resampler *resampler = resample_rig_create(&config);
  const struct resample_info info = info_of(resampler);
  bool wins = false;
  for (size_t i = 0; i < info.case_count; i++) wins |= info.cases[i].choice != RESAMPLE_KERNEL_CPU;
  assert_true(info.case_count > 0);
  assert_int_equal(info.has_device, wins);
  if (!wins) assert_non_null(strstr(info.reason, " is slower: "));
  struct image *image = resample_noise(40, 30, true, 1);
  struct resample_job job = resample_job_make(resampler, image, 20, 15);
  job.kernel = RESAMPLE_KERNEL_AUTO;
  resample_rig_run(resampler, &job);
  resample_job_finish(&job);
  image_unref(&image);
  resample_destroy(&resampler);
}

// --- choices ---

static struct resample_calibration measured(bool cpu_competes) {
  const struct gpu_info device = {.is_software = true};
  struct resample_calibration calibration;
  resample_calibration_init(&calibration, cpu_competes, &device);
  for (size_t i = 0; i < resample_case_kind_count; i++) {
    calibration.cases[i].microseconds[RESAMPLE_KERNEL_TWO_PASS] = 100 + i;
    calibration.cases[i].microseconds[RESAMPLE_KERNEL_TILE] = i % 2 ? 0 : 50;
    calibration.cases[i].microseconds[RESAMPLE_KERNEL_CPU] = i < 2 ? 10 : 1000;
  }
  resample_calibration_decide(&calibration);
  return calibration;
}

static void the_fastest_competitor_is_chosen(void **state) {
  (void)state;
  const struct resample_calibration all = measured(true), vulkan = measured(false);
  assert_int_equal(all.cases[0].choice, RESAMPLE_KERNEL_CPU);
  assert_int_equal(vulkan.cases[0].choice, RESAMPLE_KERNEL_TILE);
  assert_int_equal(vulkan.cases[1].choice, RESAMPLE_KERNEL_TWO_PASS);  // the tile kernel was not measured
  assert_int_equal(all.cases[2].choice, RESAMPLE_KERNEL_TILE);
  assert_false(resample_calibration_is_cpu_only(&all));
}

static enum resample_kernel choice_for(const struct resample_calibration *calibration, struct image *from,
                                       struct image *to, size_t count) {
  struct resample_source source = {.image = from};
  const struct resample_job job = {.source = &source,
                                   .rect = {0, 0, from->width, from->height},
                                   .orientation = IMAGE_UPRIGHT,
                                   .width = to->width,
                                   .height = to->height,
                                   .target = to};
  struct resample_work work;
  assert_int_equal(resample_work_init(&work, &job, NULL), BASE_OK);
  return resample_calibration_choice(calibration, &work, count);
}

// Every case gets a choice of its own in turn; only jobs like it may see it.
static void a_job_is_treated_like_the_nearest_case(void **state) {
  (void)state;
  static const struct {
    bool is_yuv, has_alpha;
    uint32_t from, to;
    size_t count, expected;
  } JOBS[] = {
      {false, false, 100, 250, 1, 0}, {false, false, 100, 120, 5, 0}, {false, false, 100, 99, 1, 0},
      {false, false, 300, 40, 1, 1},  {false, true, 100, 200, 1, 2},  {false, true, 200, 50, 1, 3},
      {true, false, 50, 100, 1, 4},   {true, false, 250, 100, 1, 5},  {true, false, 250, 100, 2, 5},
      {true, false, 250, 100, 3, 6},
  };
  for (size_t i = 0; i < sizeof(JOBS) / sizeof(JOBS[0]); i++) {
    struct resample_calibration calibration = measured(true);
    for (size_t k = 0; k < resample_case_kind_count; k++) calibration.cases[k].choice = RESAMPLE_KERNEL_CPU;
    calibration.cases[JOBS[i].expected].choice = RESAMPLE_KERNEL_TWO_PASS;
    const struct image_yuv yuv = {.width = JOBS[i].from, .height = JOBS[i].from, .chroma_x = 2, .chroma_y = 2};
    const struct image_yuv to_yuv = {.width = JOBS[i].to, .height = JOBS[i].to, .chroma_x = 2, .chroma_y = 2};
    struct image *from =
        JOBS[i].is_yuv ? resample_picture_yuv(&yuv) : resample_picture(JOBS[i].from, JOBS[i].from, JOBS[i].has_alpha);
    struct image *to =
        JOBS[i].is_yuv ? resample_picture_yuv(&to_yuv) : resample_picture(JOBS[i].to, JOBS[i].to, JOBS[i].has_alpha);
    if (choice_for(&calibration, from, to, JOBS[i].count) != RESAMPLE_KERNEL_TWO_PASS) fail_msg("job %zu", i);
    image_unref(&from);
    image_unref(&to);
  }
}

// --- the file ---

static const struct gpu_info DEVICE = {
    .name = "Fake", .driver = "fake 1.2", .identity = "10de-2504-001", .is_software = true};

static bool loads(const char *folder, bool cpu_competes, const struct gpu_info *device,
                  struct resample_calibration *out) {
  resample_calibration_init(out, cpu_competes, device);
  return resample_calibration_load(out, folder, device);
}

static void times_are_remembered_for_the_same_device_and_driver(void **state) {
  (void)state;
  struct temp_folder folder;
  struct resample_calibration saved = measured(true), loaded;
  temp_folder_make(&folder);
  assert_false(loads(folder.path, true, &DEVICE, &loaded));
  assert_int_equal(resample_calibration_save(&saved, folder.path, &DEVICE, NULL), BASE_OK);
  assert_true(loads(folder.path, true, &DEVICE, &loaded));
  assert_true(loaded.is_remembered);
  for (size_t i = 0; i < resample_case_kind_count; i++) {
    assert_int_equal(loaded.cases[i].choice, saved.cases[i].choice);
    assert_memory_equal(loaded.cases[i].microseconds, saved.cases[i].microseconds, sizeof(saved.cases[i].microseconds));
  }
  assert_false(loads(folder.path, false, &DEVICE, &loaded));  // the kernels that compete are others
  struct gpu_info other = DEVICE;
  strcpy(other.driver, "fake 1.3");
  assert_false(loads(folder.path, true, &other, &loaded));
  other = DEVICE;
  strcpy(other.identity, "10de-2504-002");
  assert_false(loads(folder.path, true, &other, &loaded));
  strcpy(other.identity, "../10de");  // never a path
  assert_false(loads(folder.path, true, &other, &loaded));
  assert_int_equal(resample_calibration_save(&saved, folder.path, &other, NULL), BASE_BAD_INPUT);
  assert_false(loaded.is_remembered || loaded.has_times);
  temp_folder_remove(&folder);
}

// Cut short, or with a value that cannot be.
static void times_are_measured_again_when_the_file_is_damaged(void **state) {
  (void)state;
  struct temp_folder folder;
  struct resample_calibration saved = measured(true), loaded;
  struct base_buffer text;
  char path[MAX_PATH];
  temp_folder_make(&folder);
  temp_folder_path(&folder, "calibration-10de-2504-001.json", path, sizeof(path));
  assert_int_equal(resample_calibration_save(&saved, folder.path, &DEVICE, NULL), BASE_OK);
  assert_int_equal(base_file_read(path, MAX_FILE_BYTES, &text, NULL), BASE_OK);
  static const char *const CHANGES[][2] = {{"\"format\":1", "\"format\":9"},
                                           {"\"kernels_version\":", "\"kernels_version\":1"},
                                           {"\"cpu\":10", "\"cpu\":-1"},
                                           {"\"two-pass\":100", "\"two-pass\":1e9"},
                                           {"\"two-pass\":100", "\"two-pass\":\"x"},
                                           {"2x up, RGBA", "9x up, RGBA"},
                                           {"[", "{"}};
  for (size_t i = 0; i < sizeof(CHANGES) / sizeof(CHANGES[0]); i++) {
    struct base_span whole = base_buffer_span(&text);
    const char *place = memmem(whole.data, whole.bytes, CHANGES[i][0], strlen(CHANGES[i][0]));
    assert_non_null(place);
    char changed[MAX_FILE_BYTES];
    const size_t before = (size_t)(place - (const char *)whole.data), skipped = before + strlen(CHANGES[i][0]);
    const int bytes = snprintf(changed, sizeof(changed), "%.*s%s%.*s", (int)before, (const char *)whole.data,
                               CHANGES[i][1], (int)(whole.bytes - skipped), place + strlen(CHANGES[i][0]));
    assert_int_equal(base_file_replace_durably(path, base_span_of(changed, (size_t)bytes), 0600, NULL), BASE_OK);
    if (loads(folder.path, true, &DEVICE, &loaded)) fail_msg("taken: %s", CHANGES[i][1]);
    assert_memory_equal(loaded.cases[0].microseconds, ((uint64_t[RESAMPLE_KERNEL_COUNT]){0}),
                        sizeof(loaded.cases[0].microseconds));
  }
  for (size_t cut = 0; cut < text.bytes; cut += 7) {
    assert_int_equal(base_file_replace_durably(path, base_span_of(text.data, cut), 0600, NULL), BASE_OK);
    assert_false(loads(folder.path, true, &DEVICE, &loaded));
  }
  base_buffer_finish(&text);
  temp_folder_remove(&folder);
}

static void second_start_measures_nothing_when_the_first_is_remembered(void **state) {
  (void)state;
  struct temp_folder folder;
  temp_folder_make(&folder);
  for (int mode = RESAMPLE_MODE_VULKAN; mode >= RESAMPLE_MODE_AUTO; mode--) {
    struct resample_config config = config_of((enum resample_mode)mode);
    config.calibration_folder = folder.path;
    struct resampler *first = resample_rig_create(&config), *second = resample_rig_create(&config);
    const struct resample_info measured_info = info_of(first), remembered = info_of(second);
    assert_false(measured_info.is_calibration_remembered);
    assert_true(remembered.is_calibration_remembered);
    assert_int_equal(remembered.has_device, measured_info.has_device);
    assert_string_equal(remembered.reason, measured_info.reason);
    assert_int_equal(remembered.case_count, measured_info.case_count);
    for (size_t i = 0; i < remembered.case_count; i++) {
      assert_int_equal(remembered.cases[i].choice, measured_info.cases[i].choice);
    }
    resample_destroy(&first);
    resample_destroy(&second);
  }
  temp_folder_remove(&folder);
}

// --- losses ---

struct worker {
  struct resampler *resampler;
  struct image *shared, *expected;
  struct resample_source *source;
  unsigned failures;
};

static unsigned largest_step(const struct image *a, const struct image *b) {
  unsigned largest = 0;
  for (uint32_t y = 0; y < a->height; y++) {
    for (uint32_t x = 0; x < a->width * 4; x++) {
      const unsigned step = (unsigned)abs(image_row(a, y)[x] - image_row(b, y)[x]);
      if (step > largest) largest = step;
    }
  }
  return largest;
}

static enum base_result run_once(struct resampler *resampler, struct resample_source *source, struct image *target) {
  const struct image *image = resample_source_image(source);
  const struct resample_job job = {.source = source,
                                   .rect = {0, 0, image->width, image->height},
                                   .orientation = IMAGE_UPRIGHT,
                                   .width = target->width,
                                   .height = target->height,
                                   .target = target};
  return resample_run(resampler, &job, 1, NULL);
}

static void *run_many(void *self) {
  struct worker *worker = self;
  for (size_t i = 0; i < RUNS; i++) {
    struct resample_source *own = NULL;
    struct image *target = NULL;
    if (resample_source_create(worker->resampler, worker->shared, &own, NULL) != BASE_OK ||
        image_create(worker->expected->width, worker->expected->height, true, &target) != BASE_OK) {
      abort();
    }
    if (run_once(worker->resampler, i % 2 ? own : worker->source, target) != BASE_OK ||
        largest_step(target, worker->expected) > 1) {
      worker->failures++;
    }
    image_unref(&target);
    resample_source_unref(&own);
  }
  return NULL;
}

static void every_picture_is_right_when_the_device_is_lost_under_threads(void **state) {
  (void)state;
  struct resample_config config = config_of(RESAMPLE_MODE_VULKAN);
  config.gpu.lose_after = 3;
  struct resampler *resampler = resample_rig_create(&config);
  config = config_of(RESAMPLE_MODE_CPU);
  struct resampler *cpu = resample_rig_create(&config);
  struct worker workers[THREADS];
  struct image *image = resample_noise(90, 70, true, 3), *expected = resample_picture(51, 33, true);
  struct resample_source *source = NULL, *cpu_source = NULL;
  assert_int_equal(resample_source_create(resampler, image, &source, NULL), BASE_OK);
  assert_int_equal(resample_source_create(cpu, image, &cpu_source, NULL), BASE_OK);
  assert_int_equal(run_once(cpu, cpu_source, expected), BASE_OK);
  pthread_t threads[THREADS];
  for (size_t i = 0; i < THREADS; i++) {
    workers[i] = (struct worker){resampler, image, expected, source, 0};
    assert_int_equal(pthread_create(&threads[i], NULL, run_many, &workers[i]), 0);
  }
  for (size_t i = 0; i < THREADS; i++) {
    pthread_join(threads[i], NULL);
    assert_int_equal(workers[i].failures, 0);
  }
  assert_true(info_of(resampler).losses >= 1);
  for (unsigned ms = 0; info_of(resampler).recoveries == 0 && ms < PATIENCE_MS; ms++) usleep(1000);
  assert_true(info_of(resampler).recoveries >= 1);
  resample_source_unref(&source);
  resample_source_unref(&cpu_source);
  image_unref(&image);
  image_unref(&expected);
  resample_destroy(&cpu);
  resample_destroy(&resampler);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(no_device_is_opened_when_the_mode_is_cpu),
      cmocka_unit_test(a_device_is_missed_when_it_was_named),
      cmocka_unit_test(auto_goes_on_with_the_cpu_when_there_is_no_device),
      cmocka_unit_test(vulkan_kernels_run_when_the_mode_is_vulkan),
      cmocka_unit_test(auto_keeps_a_software_device_only_where_it_is_faster),
      cmocka_unit_test(the_fastest_competitor_is_chosen),
      cmocka_unit_test(a_job_is_treated_like_the_nearest_case),
      cmocka_unit_test(times_are_remembered_for_the_same_device_and_driver),
      cmocka_unit_test(times_are_measured_again_when_the_file_is_damaged),
      cmocka_unit_test(second_start_measures_nothing_when_the_first_is_remembered),
      cmocka_unit_test(every_picture_is_right_when_the_device_is_lost_under_threads),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
