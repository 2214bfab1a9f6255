#include "pipeline_cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "gpu/gpu.h"
#include "gpu_test_scale_spirv.h"
#include "temp_folder.h"

static const struct gpu_pipeline_identity IDENTITY = {.vendor = 0x10005, .device = 7, .uuid = {1, 2, 3}};
enum { BLOB_BYTES = 100, FRAME_BYTES = 24 };

// A blob as IDENTITY's driver would make it.
static void make_blob(uint8_t *blob) {
  VkPipelineCacheHeaderVersionOne header = {.headerSize = sizeof(header),
                                            .headerVersion = VK_PIPELINE_CACHE_HEADER_VERSION_ONE,
                                            .vendorID = IDENTITY.vendor,
                                            .deviceID = IDENTITY.device};
  memcpy(header.pipelineCacheUUID, IDENTITY.uuid, sizeof(IDENTITY.uuid));
  memset(blob, 0xab, BLOB_BYTES);
  memcpy(blob, &header, sizeof(header));
}

static void make_file(struct base_buffer *file) {
  uint8_t blob[BLOB_BYTES];
  make_blob(blob);
  base_buffer_init(file, 4096);
  assert_int_equal(gpu_pipeline_file_frame(base_span_of(blob, sizeof(blob)), file), BASE_OK);
}

static void blob_comes_back_when_file_is_whole(void **state) {
  (void)state;
  struct base_buffer file;
  make_file(&file);
  struct base_span blob = {0};
  assert_true(gpu_pipeline_file_open(base_buffer_span(&file), &IDENTITY, &blob));
  uint8_t want[BLOB_BYTES];
  make_blob(want);
  assert_int_equal(blob.bytes, BLOB_BYTES);
  assert_memory_equal(blob.data, want, BLOB_BYTES);
  base_buffer_finish(&file);
}

static void file_is_refused_when_any_bit_is_flipped(void **state) {
  (void)state;
  struct base_buffer file;
  make_file(&file);
  struct base_span blob = {0};
  for (size_t bit = 0; bit < file.bytes * 8; bit++) {
    file.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    assert_false(gpu_pipeline_file_open(base_buffer_span(&file), &IDENTITY, &blob));
    file.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
  }
  base_buffer_finish(&file);
}

static void file_is_refused_when_cut_short_or_long(void **state) {
  (void)state;
  struct base_buffer file;
  make_file(&file);
  struct base_span blob = {0};
  for (size_t bytes = 0; bytes < file.bytes; bytes++) {
    assert_false(gpu_pipeline_file_open(base_span_of(file.data, bytes), &IDENTITY, &blob));
  }
  assert_int_equal(base_buffer_append(&file, "x", 1), BASE_OK);
  assert_false(gpu_pipeline_file_open(base_buffer_span(&file), &IDENTITY, &blob));
  base_buffer_finish(&file);
}

static void blob_is_refused_when_made_by_another_driver(void **state) {
  (void)state;
  uint8_t blob[BLOB_BYTES];
  make_blob(blob);
  struct gpu_pipeline_identity other = IDENTITY;
  assert_true(gpu_pipeline_blob_fits(base_span_of(blob, sizeof(blob)), &other));
  other.uuid[15] = 1;
  assert_false(gpu_pipeline_blob_fits(base_span_of(blob, sizeof(blob)), &other));
  other = IDENTITY, other.vendor++;
  assert_false(gpu_pipeline_blob_fits(base_span_of(blob, sizeof(blob)), &other));
  other = IDENTITY, other.device++;
  assert_false(gpu_pipeline_blob_fits(base_span_of(blob, sizeof(blob)), &other));
  blob[0] = 200;  // a header longer than the blob
  assert_false(gpu_pipeline_blob_fits(base_span_of(blob, sizeof(blob)), &IDENTITY));
}

static void make_kernel_and_close(const char *folder) {
  struct base_fault fault = {0};
  struct gpu *gpu = NULL;
  const struct gpu_config config = {.validation = true, .abort_on_validation = true, .cache_folder = folder};
  if (gpu_create(&config, &gpu, &fault) != BASE_OK) fail_msg("%s", fault.text);
  const struct gpu_kernel_config kernel_config = {.name = "scale",
                                                  .spirv = gpu_test_scale_spirv,
                                                  .spirv_bytes = sizeof(gpu_test_scale_spirv),
                                                  .binding_count = 2,
                                                  .push_bytes = 8};
  struct gpu_kernel *kernel = NULL;
  assert_int_equal(gpu_kernel_create(gpu, &kernel_config, &kernel, NULL), BASE_OK);
  gpu_kernel_destroy(&kernel);
  gpu_destroy(&gpu);
}

static void start_succeeds_when_file_is_new_known_or_damaged(void **state) {
  (void)state;
  struct temp_folder folder;
  temp_folder_make(&folder);
  char path[128];
  temp_folder_path(&folder, "pipelines.bin", path, sizeof(path));
  make_kernel_and_close(folder.path);
  struct base_buffer file;
  assert_int_equal(base_file_read(path, 1 << 20, &file, NULL), BASE_OK);
  assert_true(file.bytes > FRAME_BYTES);
  make_kernel_and_close(folder.path);
  file.data[file.bytes / 2] ^= 1;
  assert_int_equal(base_file_replace_durably(path, base_buffer_span(&file), 0600, NULL), BASE_OK);
  make_kernel_and_close(folder.path);
  base_buffer_finish(&file);
  temp_folder_remove(&folder);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(blob_comes_back_when_file_is_whole),
      cmocka_unit_test(file_is_refused_when_any_bit_is_flipped),
      cmocka_unit_test(file_is_refused_when_cut_short_or_long),
      cmocka_unit_test(blob_is_refused_when_made_by_another_driver),
      cmocka_unit_test(start_succeeds_when_file_is_new_known_or_damaged),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
