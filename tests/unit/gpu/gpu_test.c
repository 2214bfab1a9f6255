#include "gpu/gpu.h"

#include <pthread.h>

#include "gpu_rig.h"

enum { WORDS = 1000 };

static struct gpu_buffer *make_buffer(struct gpu *gpu, enum gpu_memory memory) {
  return gpu_rig_buffer(gpu, WORDS * 4, memory);
}

static struct gpu_dispatch scale(const struct gpu_kernel *kernel, struct gpu_buffer *from, struct gpu_buffer *to,
                                 uint32_t factor) {
  return gpu_rig_scale(kernel, from, to, WORDS, factor);
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
  struct chain chain = {.gpu = *state, .kernel = gpu_rig_kernel(*state, GPU_BINDING_STORAGE, 7), .seed = 11};
  run_chain(&chain);
  assert_true(chain.is_right);
  gpu_kernel_destroy(&chain.kernel);
}

static void results_stay_apart_when_threads_run_at_once(void **state) {
  enum { THREADS = 4 };
  struct gpu_kernel *kernel = gpu_rig_kernel(*state, GPU_BINDING_STORAGE, 7);
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

// Reading what another dispatch of the same run writes, with nothing between them: the driver may run both at once.
static void layer_complains_when_a_barrier_is_missing(void **state) {
  (void)state;
  struct gpu *gpu = NULL;
  assert_int_equal(gpu_create(&(struct gpu_config){.validation = true}, &gpu, NULL), BASE_OK);
  struct gpu_kernel *kernel = gpu_rig_kernel(gpu, GPU_BINDING_STORAGE, 7);
  struct gpu_buffer *from = make_buffer(gpu, GPU_MEMORY_UPLOAD), *to = make_buffer(gpu, GPU_MEMORY_READBACK);
  struct gpu_buffer *middle = make_buffer(gpu, GPU_MEMORY_DEVICE);
  memset(gpu_buffer_map(from), 0, WORDS * 4);
  struct gpu_dispatch dispatches[2] = {scale(kernel, from, middle, 3), scale(kernel, middle, to, 2)};
  dispatches[1].after_barrier = true;
  assert_int_equal(gpu_run(gpu, dispatches, 2, NULL), BASE_OK);
  assert_int_equal(gpu_validation_count(gpu), 0);
  dispatches[1].after_barrier = false;
  assert_int_equal(gpu_run(gpu, dispatches, 2, NULL), BASE_OK);
  assert_true(gpu_validation_count(gpu) > 0);
  gpu_buffer_destroy(&from);
  gpu_buffer_destroy(&middle);
  gpu_buffer_destroy(&to);
  gpu_kernel_destroy(&kernel);
  gpu_destroy(&gpu);
}

// To and fro between two buffers: reads after writes, writes after reads and writes after writes, in one run and in the
// next one, under the layer's eyes.
static void results_add_up_when_a_run_has_as_many_dispatches_as_it_may(void **state) {
  struct gpu *gpu = *state;
  struct gpu_kernel *kernel = gpu_rig_kernel(gpu, GPU_BINDING_STORAGE, 1);
  struct gpu_buffer *buffers[2] = {make_buffer(gpu, GPU_MEMORY_UPLOAD), make_buffer(gpu, GPU_MEMORY_READBACK)};
  struct gpu_dispatch *dispatches = calloc(GPU_MAX_DISPATCHES, sizeof(*dispatches));
  uint32_t *words = gpu_buffer_map(buffers[0]);
  for (uint32_t i = 0; i < WORDS; i++) words[i] = i;
  for (size_t i = 0; i < GPU_MAX_DISPATCHES; i++) {
    dispatches[i] = scale(kernel, buffers[i % 2], buffers[1 - i % 2], 1);
    dispatches[i].after_barrier = i > 0;
  }
  assert_int_equal(gpu_run(gpu, dispatches, GPU_MAX_DISPATCHES, NULL), BASE_OK);
  assert_int_equal(gpu_run(gpu, dispatches, GPU_MAX_DISPATCHES - 1, NULL), BASE_OK);
  const uint32_t *results = gpu_buffer_map(buffers[1]);
  for (uint32_t i = 0; i < WORDS; i++) assert_int_equal(results[i], i + 2 * GPU_MAX_DISPATCHES - 1);
  free(dispatches);
  gpu_buffer_destroy(&buffers[0]);
  gpu_buffer_destroy(&buffers[1]);
  gpu_kernel_destroy(&kernel);
}

static void identity_is_the_same_when_the_device_is(void **state) {
  const char *identity = gpu_get_info(*state)->identity;
  assert_int_equal(strlen(identity), 3 * 9 + 32);
  assert_int_equal(strspn(identity, "0123456789abcdef-"), strlen(identity));
  struct gpu *gpu = NULL;
  assert_int_equal(gpu_create(&(struct gpu_config){0}, &gpu, NULL), BASE_OK);
  assert_string_equal(gpu_get_info(gpu)->identity, identity);
  gpu_destroy(&gpu);
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
      cmocka_unit_test(layer_complains_when_a_barrier_is_missing),
      cmocka_unit_test(results_add_up_when_a_run_has_as_many_dispatches_as_it_may),
      cmocka_unit_test(identity_is_the_same_when_the_device_is),
  };
  return cmocka_run_group_tests(tests, gpu_rig_setup, gpu_rig_teardown);
}
