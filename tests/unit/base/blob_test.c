#include "base/span.h"

#include <pthread.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static unsigned releases;
static size_t released_bytes;

static void count_release(void *data, size_t bytes) {
  assert_non_null(data);
  releases++;
  released_bytes = bytes;
}

static void release_runs_once_when_the_last_reference_goes(void **state) {
  (void)state;
  static uint8_t bytes[] = "bytes";
  releases = 0;
  struct base_blob *first = base_blob_adopt(bytes, sizeof bytes, count_release);
  struct base_blob *second = base_blob_ref(first);
  base_blob_unref(&first);
  assert_null(first);
  assert_int_equal(releases, 0);
  assert_true(base_span_equal(base_blob_span(second), base_span_of(bytes, sizeof bytes)));
  base_blob_unref(&second);
  assert_int_equal(releases, 1);
  assert_int_equal(released_bytes, sizeof bytes);
  base_blob_unref(&second);  // NULL by now
  assert_int_equal(releases, 1);
}

static void copy_is_independent_of_its_source(void **state) {
  (void)state;
  char source[] = "abc";
  struct base_blob *blob = base_blob_copy(base_span_text(source));
  source[0] = 'z';
  assert_true(base_span_is(base_blob_span(blob), "abc"));
  base_blob_unref(&blob);
  blob = base_blob_copy(base_span_of(NULL, 0));
  assert_int_equal(base_blob_span(blob).bytes, 0);
  base_blob_unref(&blob);
}

static void blob_is_refused_when_the_size_is_absurd(void **state) {
  (void)state;
  assert_null(base_blob_create(SIZE_MAX));
  assert_null(base_blob_create(SIZE_MAX - sizeof(struct base_blob) / 2));
}

static void buffer_is_empty_when_its_bytes_were_taken(void **state) {
  (void)state;
  struct base_buffer buffer;
  base_buffer_init(&buffer, 100);
  assert_int_equal(base_buffer_append_text(&buffer, "payload"), BASE_OK);
  const uint8_t *data = buffer.data;
  struct base_blob *blob = base_blob_from_buffer(&buffer);
  assert_ptr_equal(blob->data, data);
  assert_int_equal(buffer.bytes, 0);
  assert_null(buffer.data);
  assert_int_equal(base_buffer_append_text(&buffer, "again"), BASE_OK);
  assert_true(base_span_is(base_blob_span(blob), "payload"));
  base_blob_unref(&blob);
  base_buffer_finish(&buffer);
}

enum { THREADS = 4, ROUNDS = 20000 };

static void *ref_and_unref(void *argument) {
  struct base_blob *own = argument;
  for (int i = 0; i < ROUNDS; i++) {
    struct base_blob *other = base_blob_ref(own);
    if (other->data[0] != 'x') return argument;
    base_blob_unref(&other);
  }
  base_blob_unref(&own);
  return NULL;
}

static void references_are_counted_when_threads_share_a_blob(void **state) {
  (void)state;
  static uint8_t bytes[] = "x";
  releases = 0;
  struct base_blob *blob = base_blob_adopt(bytes, sizeof bytes, count_release);
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++) {
    assert_int_equal(pthread_create(&threads[i], NULL, ref_and_unref, base_blob_ref(blob)), 0);
  }
  base_blob_unref(&blob);
  for (int i = 0; i < THREADS; i++) {
    void *failure;
    pthread_join(threads[i], &failure);
    assert_null(failure);
  }
  assert_int_equal(releases, 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(release_runs_once_when_the_last_reference_goes),
      cmocka_unit_test(copy_is_independent_of_its_source),
      cmocka_unit_test(blob_is_refused_when_the_size_is_absurd),
      cmocka_unit_test(buffer_is_empty_when_its_bytes_were_taken),
      cmocka_unit_test(references_are_counted_when_threads_share_a_blob),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
