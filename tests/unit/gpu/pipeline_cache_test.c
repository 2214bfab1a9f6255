#include "pipeline_cache.h"

#include <stddef.h>

#include "base/file.h"
#include "device.h"
#include "gpu_rig.h"
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
  make_blob(blob);
  blob[4]++;  // another version of the header
  assert_false(gpu_pipeline_blob_fits(base_span_of(blob, sizeof(blob)), &IDENTITY));
  assert_false(gpu_pipeline_blob_fits(base_span_of(blob, sizeof(VkPipelineCacheHeaderVersionOne) - 1), &IDENTITY));
}

// Bytes of the blob that the driver was handed at the start; 0: none.
static size_t make_kernel_and_close(const char *folder) {
  struct gpu *gpu = gpu_rig_create((struct gpu_config){.cache_folder = folder});
  size_t taken = gpu->cache_saved_bytes;
  struct gpu_kernel *kernel = gpu_rig_kernel(gpu, GPU_BINDING_STORAGE, 0);
  gpu_kernel_destroy(&kernel);
  gpu_destroy(&gpu);
  return taken;
}

static void put_file(const char *path, struct base_span bytes) {
  assert_int_equal(base_file_replace_durably(path, bytes, 0600, NULL), BASE_OK);
}

// A start with this file in place hands the driver nothing and leaves a good file behind.
static void check_refused(const char *folder, const char *path, struct base_span bytes, size_t good_bytes) {
  put_file(path, bytes);
  assert_int_equal(make_kernel_and_close(folder), 0);
  assert_int_equal(make_kernel_and_close(folder), good_bytes);
}

static void driver_gets_only_its_own_blob_when_files_are_damaged_cut_or_foreign(void **state) {
  (void)state;
  struct temp_folder folder;
  temp_folder_make(&folder);
  char path[128];
  temp_folder_path(&folder, "pipelines.bin", path, sizeof(path));
  assert_int_equal(make_kernel_and_close(folder.path), 0);
  struct base_buffer file;
  assert_int_equal(base_file_read(path, 1 << 20, &file, NULL), BASE_OK);
  assert_true(file.bytes > FRAME_BYTES);
  size_t good_bytes = file.bytes - FRAME_BYTES;
  assert_int_equal(make_kernel_and_close(folder.path), good_bytes);
  file.data[file.bytes / 2] ^= 1;
  check_refused(folder.path, path, base_buffer_span(&file), good_bytes);
  file.data[file.bytes / 2] ^= 1;
  check_refused(folder.path, path, base_span_of(file.data, file.bytes - 1), good_bytes);
  check_refused(folder.path, path, base_span_of(file.data, 0), good_bytes);
  // Whole, but another device's.
  file.data[FRAME_BYTES + offsetof(VkPipelineCacheHeaderVersionOne, deviceID)] ^= 1;
  struct base_buffer foreign;
  base_buffer_init(&foreign, 1 << 20);
  const struct base_span blob = base_span_of(file.data + FRAME_BYTES, good_bytes);
  assert_int_equal(gpu_pipeline_file_frame(blob, &foreign), BASE_OK);
  check_refused(folder.path, path, base_buffer_span(&foreign), good_bytes);
  base_buffer_finish(&foreign);
  base_buffer_finish(&file);
  temp_folder_remove(&folder);
}

static void file_stays_as_it_was_when_the_device_was_lost(void **state) {
  (void)state;
  struct temp_folder folder;
  temp_folder_make(&folder);
  char path[128];
  temp_folder_path(&folder, "pipelines.bin", path, sizeof(path));
  struct gpu *gpu = gpu_rig_create((struct gpu_config){.cache_folder = folder.path});
  struct gpu_kernel *kernel = gpu_rig_kernel(gpu, GPU_BINDING_STORAGE, 0);
  gpu_kernel_destroy(&kernel);
  gpu->is_lost = true;
  gpu_destroy(&gpu);
  struct base_buffer file;
  assert_int_equal(base_file_read(path, 1 << 20, &file, NULL), BASE_NOT_FOUND);
  base_buffer_finish(&file);
  temp_folder_remove(&folder);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(blob_comes_back_when_file_is_whole),
      cmocka_unit_test(file_is_refused_when_any_bit_is_flipped),
      cmocka_unit_test(file_is_refused_when_cut_short_or_long),
      cmocka_unit_test(blob_is_refused_when_made_by_another_driver),
      cmocka_unit_test(driver_gets_only_its_own_blob_when_files_are_damaged_cut_or_foreign),
      cmocka_unit_test(file_stays_as_it_was_when_the_device_was_lost),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
