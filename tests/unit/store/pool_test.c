// Many uploads at once: few descriptors, little memory, all threads.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <dirent.h>
#include <malloc.h>
#include <pthread.h>
#include <unistd.h>

#include "kept_fixture.h"

enum { UPLOADS = 1000, BYTES = 600, PIECE = 200, POOL = 64, THREADS = 8, EACH = 20, ROUNDS = 6 };

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { IS_HEAP_OURS = 0, MOST_UPLOAD_BYTES = 0 };
#else
enum { IS_HEAP_OURS = 1, MOST_UPLOAD_BYTES = 768 };
#endif

static size_t open_descriptors(void) {
  size_t count = 0;
  DIR *listing = opendir("/proc/self/fd");
  assert_non_null(listing);
  while (readdir(listing)) count++;
  closedir(listing);
  return count;
}

static struct store_upload *begin(struct store *store, unsigned number) {
  struct store_upload *upload = NULL;
  char name[KEPT_NAME];
  kept_name(number, name);
  // Every other one is anonymous.
  const enum base_result result =
      number % 2 ? store_upload_begin(store, UINT64_MAX, &upload, NULL)
                 : store_upload_begin_kept(store, name, base_span_text("note"), UINT64_MAX, &upload, NULL);
  assert_int_equal(result, BASE_OK);
  return upload;
}

static void hold_few_descriptors_and_little_memory_when_there_are_many(void **state) {
  struct fixture *fixture = *state;
  static struct store_upload *uploads[UPLOADS];
  const size_t descriptors = open_descriptors();
  const size_t heap = mallinfo2().uordblks;
  for (unsigned i = 0; i < UPLOADS; i++) uploads[i] = begin(fixture->store, i);
  if (IS_HEAP_OURS) assert_in_range((mallinfo2().uordblks - heap) / UPLOADS, 1, MOST_UPLOAD_BYTES);
  for (size_t from = 0; from < BYTES; from += PIECE) {
    for (unsigned i = 0; i < UPLOADS; i++) {
      kept_write(uploads[i], i, from, from + PIECE);
      if (i % 50 == 0) assert_in_range(open_descriptors(), 1, descriptors + POOL);
    }
  }
  for (unsigned i = 0; i < UPLOADS; i++) {
    assert_true(kept_matches(uploads[i], i));
    if (i % 10 == 0) {
      kept_commit(fixture->store, uploads[i], i, BYTES, true);
    } else {
      store_upload_abort(&uploads[i]);
    }
  }
  assert_in_range(open_descriptors(), 1, descriptors);
}

struct worker {
  struct fixture *fixture;
  unsigned first;
};

// Asserts of cmocka belong to the main thread.
static void must(bool is_true, int line) {
  if (is_true) return;
  fprintf(stderr, "pool_test.c:%d\n", line);
  abort();
}
#define MUST(what) must((what), __LINE__)

static void *work(void *argument) {
  const struct worker *worker = argument;
  struct store *store = worker->fixture->store;
  struct store_upload *uploads[EACH];
  uint8_t data[BYTES];
  for (unsigned i = 0; i < EACH; i++) {
    char name[KEPT_NAME];
    kept_name(worker->first + i, name);
    MUST(store_upload_begin_kept(store, name, base_span_text("note"), BYTES, &uploads[i], NULL) == BASE_OK);
  }
  for (unsigned round = 0; round < ROUNDS; round++) {
    for (unsigned i = 0; i < EACH; i++) {
      const size_t from = BYTES / ROUNDS * round;
      fixture_bytes(worker->first + i, sizeof data, data);
      MUST(store_upload_write(uploads[i], base_span_of(data + from, BYTES / ROUNDS), NULL) == BASE_OK);
      if ((i + round) % 3) continue;
      char name[KEPT_NAME];
      uint64_t bytes;
      kept_name(worker->first + i, name);
      MUST(store_upload_rest(&uploads[i], NULL) == BASE_OK);
      MUST(store_upload_peek(store, name, NULL, &bytes, NULL) == BASE_OK && bytes == from + BYTES / ROUNDS);
      MUST(store_upload_resume(store, name, 0, NULL, &uploads[i], NULL) == BASE_OK);
    }
  }
  for (unsigned i = 0; i < EACH; i++) {
    struct store_original original = {.tenant = "default"};
    bool is_new;
    MUST(store_upload_commit(&uploads[i], &original, base_span_text("{}"), &is_new, NULL) == BASE_OK && is_new);
    char name[KEPT_NAME];
    kept_name(worker->first + i, name);
    MUST(store_upload_annotate(store, name, base_span_text("done"), NULL) == BASE_OK);
  }
  return NULL;
}

static void share_the_pool_when_all_threads_write(void **state) {
  struct fixture *fixture = *state;
  pthread_t threads[THREADS];
  struct worker workers[THREADS];
  for (unsigned i = 0; i < THREADS; i++) {
    workers[i] = (struct worker){fixture, 10000 + i * EACH};
    assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
  }
  for (unsigned i = 0; i < THREADS; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
  for (unsigned i = 0; i < THREADS * EACH; i++) assert_true(fixture_bytes_match(fixture->store, 10000 + i, BYTES));
  assert_int_equal(fixture_count_files(fixture, "partial"), THREADS * EACH);
}

static int setup(void **state) {
  static struct fixture fixture;
  fixture_init_in(&fixture, fixture_fast_folder());
  fixture_open(&fixture);
  *state = &fixture;
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(hold_few_descriptors_and_little_memory_when_there_are_many, setup,
                                      fixture_teardown),
      cmocka_unit_test_setup_teardown(share_the_pool_when_all_threads_write, setup, fixture_teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
