// Patches that the console makes: the same for everybody who asks at once, and none of what is damaged.
#include "patches.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "delta/patch.h"
#include "delta/rolling.h"
#include "store/upload.h"
#include "temp_folder.h"

enum { BYTES = 300000, THREADS = 4 };

struct rig {
  struct temp_folder folder;
  char root[128];
  struct base_metrics *metrics;
  struct store *store;
  struct console_patches *patches;
  uint8_t *old_bytes, *new_bytes, *other_bytes;
  struct store_original old, new, other;
};

static uint8_t *noise(uint32_t seed) {
  uint8_t *bytes = malloc(BYTES);
  assert_non_null(bytes);
  for (size_t i = 0; i < BYTES; i++) {
    seed ^= seed << 13, seed ^= seed >> 17, seed ^= seed << 5;
    bytes[i] = (uint8_t)(seed >> 8);
  }
  return bytes;
}

static void put(struct rig *rig, const uint8_t *bytes, struct store_original *out) {
  struct store_upload *upload;
  bool is_new;
  *out = (struct store_original){.tenant = "default", .format = "jpeg", .width = 1, .height = 1, .orientation = 1};
  assert_int_equal(store_upload_begin(rig->store, BYTES, &upload, NULL), BASE_OK);
  assert_int_equal(store_upload_write(upload, base_span_of(bytes, BYTES), NULL), BASE_OK);
  assert_int_equal(store_upload_commit(&upload, out, base_span_text("{}"), &is_new, NULL), BASE_OK);
}

static int set_up(void **state) {
  struct rig *rig = calloc(1, sizeof *rig);
  assert_non_null(rig);
  temp_folder_make(&rig->folder);
  temp_folder_path(&rig->folder, "store", rig->root, sizeof rig->root);
  rig->metrics = base_metrics_create();
  const struct store_config config = {.root = rig->root,
                                      .variant_budget_bytes = 1 << 20,
                                      .min_free_bytes = 1 << 20,
                                      .clock = base_clock_system(),
                                      .metrics = rig->metrics};
  assert_int_equal(store_open(&config, &rig->store, NULL), BASE_OK);
  rig->patches = console_patches_create(rig->store);
  assert_non_null(rig->patches);
  rig->old_bytes = noise(1);
  rig->new_bytes = noise(1);
  rig->other_bytes = noise(2);
  memcpy(rig->new_bytes + 200000, "edited", 6);
  put(rig, rig->old_bytes, &rig->old);
  put(rig, rig->new_bytes, &rig->new);
  put(rig, rig->other_bytes, &rig->other);
  *state = rig;
  return 0;
}

static int tear_down(void **state) {
  struct rig *rig = *state;
  console_patches_destroy(&rig->patches);
  store_close(&rig->store);
  base_metrics_destroy(&rig->metrics);
  temp_folder_remove(&rig->folder);
  free(rig->old_bytes);
  free(rig->new_bytes);
  free(rig->other_bytes);
  free(rig);
  return 0;
}

static enum base_result collect(void *self, struct base_span bytes, struct base_fault *fault) {
  (void)fault;
  return base_buffer_append(self, bytes.data, bytes.bytes);
}

static void expect_patch(const struct rig *rig, const struct base_blob *patch) {
  struct base_buffer made;
  const struct delta_sink sink = {.write = collect, .self = &made};
  base_buffer_init(&made, BYTES);
  assert_non_null(patch);
  assert_in_range(patch->bytes, DELTA_PATCH_HEAD_BYTES, 1000);
  assert_int_equal(
      delta_patch_apply(base_span_of(rig->old_bytes, BYTES), &rig->old.id, base_blob_span(patch), BYTES, &sink, NULL),
      BASE_OK);
  assert_memory_equal(made.data, rig->new_bytes, BYTES);
  base_buffer_finish(&made);
}

static void *ask(void *argument) {
  const struct rig *rig = argument;
  struct base_blob *patch = NULL, *none = NULL;
  for (int i = 0; i < 3; i++) {
    base_blob_unref(&patch);
    if (console_patches_make(rig->patches, &rig->old, &rig->new, &patch, NULL) != BASE_OK) return NULL;
    if (console_patches_make(rig->patches, &rig->other, &rig->new, &none, NULL) != BASE_OK || none) return NULL;
  }
  return patch;
}

static void everybody_who_asks_at_once_gets_the_patch(void **state) {
  struct rig *rig = *state;
  pthread_t threads[THREADS];
  for (size_t i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&threads[i], NULL, ask, rig), 0);
  for (size_t i = 0; i < THREADS; i++) {
    void *result;
    assert_int_equal(pthread_join(threads[i], &result), 0);
    struct base_blob *patch = result;
    expect_patch(rig, patch);
    base_blob_unref(&patch);
  }
}

static void a_patch_is_kept_for_the_next_who_asks(void **state) {
  struct rig *rig = *state;
  struct base_blob *first, *second;
  assert_int_equal(console_patches_make(rig->patches, &rig->old, &rig->new, &first, NULL), BASE_OK);
  assert_int_equal(console_patches_make(rig->patches, &rig->old, &rig->new, &second, NULL), BASE_OK);
  assert_ptr_equal(first, second);
  base_blob_unref(&first);
  base_blob_unref(&second);
}

static void no_patch_is_made_of_what_has_nothing_in_common(void **state) {
  struct rig *rig = *state;
  struct base_blob *patch;
  for (int i = 0; i < 2; i++) {
    assert_int_equal(console_patches_make(rig->patches, &rig->other, &rig->new, &patch, NULL), BASE_OK);
    assert_null(patch);
  }
}

static void damage(struct rig *rig, const struct store_original *original) {
  char id[BASE_DIGEST_BASE64URL_CHARS + 1], path[256];
  integrity_digest_text(&original->id, id);
  snprintf(path, sizeof path, "%s/originals/%.2s/%s", rig->root, id, id);
  const int fd = open(path, O_WRONLY);
  assert_true(fd >= 0 && pwrite(fd, "damage", 6, 100000) == 6);
  close(fd);
}

static void nothing_is_made_of_damaged_originals(void **state) {
  struct rig *rig = *state;
  struct base_blob *patch;
  damage(rig, &rig->old);
  assert_int_equal(console_patches_make(rig->patches, &rig->old, &rig->new, &patch, NULL), BASE_CORRUPT);
  assert_null(patch);
  damage(rig, &rig->new);
  assert_int_equal(console_patches_make(rig->patches, &rig->other, &rig->new, &patch, NULL), BASE_CORRUPT);
  assert_null(patch);
  struct base_buffer signature;
  const struct delta_source nothing = {.bytes = 0};
  base_buffer_init(&signature, DELTA_SIGNATURE_MAX_BYTES);
  assert_int_equal(delta_signature_make(&nothing, &signature, NULL), BASE_OK);
  assert_int_equal(console_patches_make_delta(rig->patches, base_buffer_span(&signature), &rig->new, &patch, NULL),
                   BASE_CORRUPT);
  assert_null(patch);
  base_buffer_finish(&signature);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(everybody_who_asks_at_once_gets_the_patch, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_patch_is_kept_for_the_next_who_asks, set_up, tear_down),
      cmocka_unit_test_setup_teardown(no_patch_is_made_of_what_has_nothing_in_common, set_up, tear_down),
      cmocka_unit_test_setup_teardown(nothing_is_made_of_damaged_originals, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
