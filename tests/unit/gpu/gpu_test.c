#include "gpu/gpu.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gpu_test_scale_spirv.h"

enum { WORDS = 1000, GROUPS = (WORDS + 63) / 64 };

struct scale_push {
  uint32_t count, factor;
};

static int setup(void **state) {
  struct base_fault fault = {0};
  struct gpu *gpu = NULL;
  const struct gpu_config config = {.validation = true, .abort_on_validation = true};
  if (gpu_create(&config, &gpu, &fault) != BASE_OK) fail_msg("%s", fault.text);
  *state = gpu;
  return 0;
}

static int teardown(void **state) {
  struct gpu *gpu = *state;
  assert_int_equal(gpu_validation_count(gpu), 0);
  gpu_destroy(&gpu);
  assert_null(gpu);
  return 0;
}

static struct gpu_kernel *make_kernel(struct gpu *gpu, enum gpu_binding input, uint32_t added) {
  const struct gpu_kernel_config config = {.name = "scale",
                                           .spirv = gpu_test_scale_spirv,
                                           .spirv_bytes = sizeof(gpu_test_scale_spirv),
                                           .binding_count = 2,
                                           .bindings = {input, GPU_BINDING_STORAGE},
                                           .push_bytes = sizeof(struct scale_push),
                                           .constant_count = 1,
                                           .constants = {added}};
  struct gpu_kernel *kernel = NULL;
  assert_int_equal(gpu_kernel_create(gpu, &config, &kernel, NULL), BASE_OK);
  return kernel;
}

static struct gpu_buffer *make_buffer(struct gpu *gpu, enum gpu_memory memory) {
  struct gpu_buffer *buffer = NULL;
  assert_int_equal(gpu_buffer_create(gpu, WORDS * 4, memory, &buffer, NULL), BASE_OK);
  assert_int_equal(gpu_buffer_bytes(buffer), WORDS * 4);
  return buffer;
}

static struct gpu_dispatch scale(const struct gpu_kernel *kernel, struct gpu_buffer *from, struct gpu_buffer *to,
                                 uint32_t factor) {
  const struct scale_push push = {WORDS, factor};
  struct gpu_dispatch dispatch = {.kernel = kernel, .buffers = {from, to}, .groups = {GROUPS, 1, 1}};
  memcpy(dispatch.push, &push, sizeof(push));
  return dispatch;
}

struct chain {
  struct gpu *gpu;
  struct gpu_kernel *kernel;
  uint32_t seed;
  bool is_right;
};

// from -> middle -> back, two dispatches with a barrier; several times with other numbers.
static void *run_chain(void *argument) {
  struct chain *chain = argument;
  struct gpu_buffer *from = make_buffer(chain->gpu, GPU_MEMORY_UPLOAD);
  struct gpu_buffer *middle = make_buffer(chain->gpu, GPU_MEMORY_DEVICE);
  struct gpu_buffer *to = make_buffer(chain->gpu, GPU_MEMORY_READBACK);
  chain->is_right = gpu_buffer_map(middle) == NULL;
  for (uint32_t round = 0; round < 5; round++) {
    uint32_t *words = gpu_buffer_map(from);
    for (uint32_t i = 0; i < WORDS; i++) words[i] = i * chain->seed + round;
    struct gpu_dispatch dispatches[2] = {scale(chain->kernel, from, middle, 3), scale(chain->kernel, middle, to, 2)};
    dispatches[1].after_barrier = true;
    if (gpu_run(chain->gpu, dispatches, 2, NULL) != BASE_OK) chain->is_right = false;
    const uint32_t *results = gpu_buffer_map(to);
    for (uint32_t i = 0; i < WORDS; i++) {
      if (results[i] != ((i * chain->seed + round) * 3 + 7) * 2 + 7) chain->is_right = false;
    }
  }
  gpu_buffer_destroy(&from);
  gpu_buffer_destroy(&middle);
  gpu_buffer_destroy(&to);
  return NULL;
}

static void results_are_visible_when_dispatches_depend_on_each_other(void **state) {
  struct chain chain = {.gpu = *state, .kernel = make_kernel(*state, GPU_BINDING_STORAGE, 7), .seed = 11};
  run_chain(&chain);
  assert_true(chain.is_right);
  gpu_kernel_destroy(&chain.kernel);
}

static void results_stay_apart_when_threads_run_at_once(void **state) {
  enum { THREADS = 4 };
  struct gpu_kernel *kernel = make_kernel(*state, GPU_BINDING_STORAGE, 7);
  pthread_t threads[THREADS];
  struct chain chains[THREADS];
  for (uint32_t i = 0; i < THREADS; i++) {
    chains[i] = (struct chain){.gpu = *state, .kernel = kernel, .seed = i + 1};
    assert_int_equal(pthread_create(&threads[i], NULL, run_chain, &chains[i]), 0);
  }
  for (uint32_t i = 0; i < THREADS; i++) {
    pthread_join(threads[i], NULL);
    assert_true(chains[i].is_right);
  }
  gpu_kernel_destroy(&kernel);
}

static void buffer_is_refused_when_over_the_device_limit(void **state) {
  struct gpu *gpu = *state;
  struct base_fault fault = {0};
  struct gpu_buffer *buffer = NULL;
  uint64_t most = gpu_get_info(gpu)->max_storage_bytes;
  assert_int_equal(gpu_buffer_create(gpu, most + 1, GPU_MEMORY_DEVICE, &buffer, &fault), BASE_TOO_LARGE);
  assert_null(buffer);
}

static void device_is_named_when_chosen(void **state) {
  const struct gpu_info *info = gpu_get_info(*state);
  assert_true(strlen(info->name) > 0);
  assert_true(strlen(info->driver) > 0);
  assert_true(strlen(info->reason) > 0);
  assert_true(info->max_storage_bytes >= 1u << 27);
  assert_true(info->max_texels >= 65536);
  assert_true(info->max_shared_bytes >= 16384);
}

static void first_device_comes_when_index_0_or_its_name_is_asked_for(void **state) {
  struct base_buffer list;
  base_buffer_init(&list, 65536);
  assert_int_equal(gpu_list_devices(&list, NULL), BASE_OK);
  assert_true(base_span_starts_with(base_buffer_span(&list), "0: "));
  struct gpu *gpu = NULL;
  assert_int_equal(gpu_create(&(struct gpu_config){.device = "0"}, &gpu, NULL), BASE_OK);
  assert_string_equal(gpu_get_info(gpu)->reason, "asked for by index 0");
  char part[6] = {0};
  memcpy(part, gpu_get_info(gpu)->name, 5);
  gpu_destroy(&gpu);
  assert_int_equal(gpu_create(&(struct gpu_config){.device = part}, &gpu, NULL), BASE_OK);
  gpu_destroy(&gpu);
  base_buffer_finish(&list);
  (void)state;
}

static void devices_are_listed_when_none_fits(void **state) {
  struct base_fault fault = {0};
  struct gpu *gpu = NULL;
  assert_int_equal(gpu_create(&(struct gpu_config){.device = "no such"}, &gpu, &fault), BASE_DEVICE);
  assert_null(gpu);
  assert_non_null(strstr(fault.text, "asked for by name 'no such'"));
  assert_non_null(strstr(fault.text, gpu_get_info(*state)->name));
  base_fault_clear(&fault);
  assert_int_equal(gpu_create(&(struct gpu_config){.device = "99"}, &gpu, &fault), BASE_DEVICE);
  assert_non_null(strstr(fault.text, "99"));
}

// Push constants that the layout does not have: a mistake that every driver survives.
static void messages_are_counted_when_the_layer_complains(void **state) {
  struct gpu *gpu = NULL;
  assert_int_equal(gpu_create(&(struct gpu_config){.validation = true}, &gpu, NULL), BASE_OK);
  assert_int_equal(gpu_validation_count(gpu), 0);
  const struct gpu_kernel_config config = {.name = "wrong",
                                           .spirv = gpu_test_scale_spirv,
                                           .spirv_bytes = sizeof(gpu_test_scale_spirv),
                                           .binding_count = 2,
                                           .push_bytes = 0};
  struct gpu_kernel *kernel = NULL;
  enum base_result result = gpu_kernel_create(gpu, &config, &kernel, NULL);
  assert_true(result == BASE_OK || kernel == NULL);
  assert_true(gpu_validation_count(gpu) > 0);
  gpu_kernel_destroy(&kernel);
  gpu_destroy(&gpu);
  (void)state;
}

static void memory_metric_returns_to_zero_when_buffers_go(void **state) {
  struct base_metrics *metrics = base_metrics_create();
  struct gpu *gpu = NULL;
  assert_int_equal(gpu_create(&(struct gpu_config){.metrics = metrics}, &gpu, NULL), BASE_OK);
  struct base_metric *gauge = base_metrics_gauge(metrics, "pixpop_gpu_memory_bytes", "", "");
  struct gpu_buffer *buffer = make_buffer(gpu, GPU_MEMORY_DEVICE);
  assert_true(base_metric_get(gauge) >= WORDS * 4);
  gpu_buffer_destroy(&buffer);
  assert_int_equal(base_metric_get(gauge), 0);
  gpu_destroy(&gpu);
  base_metrics_destroy(&metrics);
  (void)state;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(results_are_visible_when_dispatches_depend_on_each_other),
      cmocka_unit_test(results_stay_apart_when_threads_run_at_once),
      cmocka_unit_test(buffer_is_refused_when_over_the_device_limit),
      cmocka_unit_test(device_is_named_when_chosen),
      cmocka_unit_test(first_device_comes_when_index_0_or_its_name_is_asked_for),
      cmocka_unit_test(devices_are_listed_when_none_fits),
      cmocka_unit_test(messages_are_counted_when_the_layer_complains),
      cmocka_unit_test(memory_metric_returns_to_zero_when_buffers_go),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
