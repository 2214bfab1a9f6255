#include "base/arena.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { MIN_BYTES = 16384, BLOB_BYTES = 200000 };

static struct base_arena *make_arena(uint64_t capacity_bytes) {
  struct base_fault fault = {0};
  struct base_arena *arena = NULL;
  const struct base_arena_config config = {.capacity_bytes = capacity_bytes, .min_bytes = MIN_BYTES};
  if (base_arena_create(&config, &arena, &fault) != BASE_OK) fail_msg("%s", fault.text);
  return arena;
}

static uint8_t byte_at(unsigned seed, size_t i) { return (uint8_t)((i + seed) * 2654435761U >> 13); }

static struct base_blob *make_blob(size_t bytes, unsigned seed) {
  struct base_blob *blob = base_blob_create(bytes);
  assert_non_null(blob);
  for (size_t i = 0; i < bytes; i++) blob->data[i] = byte_at(seed, i);
  return blob;
}

static bool holds(const uint8_t *data, size_t bytes, unsigned seed) {
  for (size_t i = 0; i < bytes; i++) {
    if (data[i] != byte_at(seed, i)) return false;
  }
  return true;
}

static struct base_arena_stats stats_of(struct base_arena *arena) {
  struct base_arena_stats stats;
  base_arena_get_stats(arena, &stats);
  return stats;
}

// Bytes of memory behind the file of a blob.
static uint64_t file_memory(int fd) {
  struct stat status;
  assert_int_equal(fstat(fd, &status), 0);
  return (uint64_t)status.st_blocks * 512;
}

static void a_large_blob_lies_in_the_file_at_its_offset(void **state) {
  (void)state;
  struct base_arena *arena = make_arena(1 << 20);
  struct base_blob *first = base_arena_move_in(arena, make_blob(BLOB_BYTES, 1));
  struct base_blob *second = base_arena_move_in(arena, make_blob(BLOB_BYTES, 2));
  assert_true(first->fd >= 0);
  assert_int_equal(second->fd, first->fd);
  assert_true(holds(first->data, BLOB_BYTES, 1));
  assert_true(holds(second->data, BLOB_BYTES, 2));
  uint8_t from_file[BLOB_BYTES];
  assert_int_equal(pread(second->fd, from_file, BLOB_BYTES, (off_t)second->fd_offset), BLOB_BYTES);
  assert_true(holds(from_file, BLOB_BYTES, 2));
  assert_true(base_arena_cost(first) >= BLOB_BYTES);
  assert_int_equal(stats_of(arena).used_bytes, base_arena_cost(first) + base_arena_cost(second));
  base_blob_unref(&first);
  base_blob_unref(&second);
  base_arena_destroy(&arena);
  assert_null(arena);
}

static void a_blob_stays_where_it_is_when_it_is_small_or_there_is_no_arena(void **state) {
  (void)state;
  struct base_arena *arena = make_arena(1 << 20);
  struct base_blob *small = make_blob(MIN_BYTES - 1, 1);
  assert_ptr_equal(base_arena_move_in(arena, small), small);
  assert_ptr_equal(base_arena_move_in(NULL, small), small);
  assert_int_equal(small->fd, -1);
  assert_int_equal(base_arena_cost(small), MIN_BYTES - 1);
  struct base_blob *moved = base_arena_move_in(arena, make_blob(MIN_BYTES, 1));
  assert_true(moved->fd >= 0);
  assert_ptr_equal(base_arena_move_in(arena, moved), moved);
  assert_int_equal(stats_of(arena).refused, 0);
  base_blob_unref(&moved);
  base_blob_unref(&small);
  base_arena_destroy(&arena);
}

static void a_blob_stays_on_the_heap_when_the_arena_is_full(void **state) {
  (void)state;
  struct base_arena *arena = make_arena(2 * MIN_BYTES);
  struct base_blob *first = base_arena_move_in(arena, make_blob(MIN_BYTES, 1));
  struct base_blob *second = base_arena_move_in(arena, make_blob(MIN_BYTES, 2));
  struct base_blob *third = base_arena_move_in(arena, make_blob(MIN_BYTES, 3));
  struct base_blob *huge = base_arena_move_in(arena, make_blob(4 * MIN_BYTES, 4));
  assert_true(second->fd >= 0);
  assert_int_equal(third->fd, -1);
  assert_int_equal(huge->fd, -1);
  assert_true(holds(third->data, MIN_BYTES, 3));
  assert_int_equal(stats_of(arena).refused, 1);  // the huge one could never have come in
  base_blob_unref(&first);
  third = base_arena_move_in(arena, third);
  assert_true(third->fd >= 0);
  assert_true(holds(second->data, MIN_BYTES, 2));
  assert_true(holds(third->data, MIN_BYTES, 3));
  base_blob_unref(&second);
  base_blob_unref(&third);
  base_blob_unref(&huge);
  base_arena_destroy(&arena);
}

static void memory_goes_back_when_a_blob_goes(void **state) {
  (void)state;
  struct base_arena *arena = make_arena(1 << 30);
  struct base_blob *kept = base_arena_move_in(arena, make_blob(MIN_BYTES, 1));
  struct base_blob *gone = base_arena_move_in(arena, make_blob(BLOB_BYTES, 2));
  const size_t cost = base_arena_cost(gone);
  assert_int_equal(file_memory(kept->fd), base_arena_cost(kept) + cost);
  base_blob_unref(&gone);
  assert_int_equal(file_memory(kept->fd), base_arena_cost(kept));
  assert_int_equal(stats_of(arena).blobs, 1);
  base_arena_destroy(&arena);
  assert_true(holds(kept->data, MIN_BYTES, 1));  // blobs outlive the arena
  base_blob_unref(&kept);
}

static void connect_pair(int pair[2]) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t bytes = sizeof address;
  assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
  assert_int_equal(listen(listener, 1), 0);
  assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &bytes), 0);
  pair[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_int_equal(connect(pair[1], (struct sockaddr *)&address, sizeof address), 0);
  pair[0] = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  assert_true(pair[0] >= 0);
  close(listener);
}

// The kernel holds the pages that it was given, not the place in the file.
static void bytes_in_a_socket_stay_right_when_the_range_is_used_again(void **state) {
  (void)state;
  enum { ROUNDS = 8, RECEIVED_BYTES = ROUNDS * BLOB_BYTES };
  struct base_arena *arena = make_arena(BLOB_BYTES);  // room for one: every blob stands where the one before stood
  static uint8_t received[RECEIVED_BYTES];
  size_t queued[ROUNDS];
  size_t total = 0;
  int pair[2];
  connect_pair(pair);
  for (unsigned round = 0; round < ROUNDS; round++) {
    struct base_blob *blob = base_arena_move_in(arena, make_blob(BLOB_BYTES, round));
    assert_true(blob->fd >= 0);
    assert_int_equal(blob->fd_offset, 0);
    off_t offset = (off_t)blob->fd_offset;
    const ssize_t sent = sendfile(pair[0], blob->fd, &offset, blob->bytes);
    assert_true(sent > 0 || errno == EAGAIN);
    queued[round] = sent > 0 ? (size_t)sent : 0;
    total += queued[round];
    base_blob_unref(&blob);
  }
  assert_int_equal(queued[0], BLOB_BYTES);
  assert_true(queued[1] > 0);
  struct base_blob *last = base_arena_move_in(arena, make_blob(BLOB_BYTES, ROUNDS));
  assert_int_equal(last->fd_offset, 0);

  assert_int_equal(recv(pair[1], received, total, MSG_WAITALL), total);
  const uint8_t *at = received;
  for (unsigned round = 0; round < ROUNDS; round++) {
    assert_true(holds(at, queued[round], round));
    at += queued[round];
  }
  close(pair[0]);
  close(pair[1]);
  base_blob_unref(&last);
  base_arena_destroy(&arena);
}

enum { THREADS = 4, MOVES = 400, HELD = 8, SHARED_BYTES = 1 << 18 };

struct mover {
  struct base_arena *arena;
  unsigned number;
  pthread_t thread;
};

static void *move_in_and_out(void *argument) {
  const struct mover *mover = argument;
  struct base_blob *held[HELD] = {0};
  size_t seeds[HELD] = {0};
  uint32_t random = mover->number * 2654435761U + 1;
  for (unsigned i = 0; i < MOVES; i++) {
    random = random * 1664525U + 1013904223U;
    const unsigned place = random >> 29;
    if (held[place] && !holds(held[place]->data, held[place]->bytes, (unsigned)seeds[place])) return argument;
    base_blob_unref(&held[place]);
    seeds[place] = random;
    held[place] = base_arena_move_in(mover->arena, make_blob(MIN_BYTES + (random >> 8) % (3 * MIN_BYTES), random));
  }
  for (unsigned place = 0; place < HELD; place++) base_blob_unref(&held[place]);
  return NULL;
}

static void blobs_keep_their_bytes_when_threads_share_an_arena(void **state) {
  (void)state;
  struct base_arena *arena = make_arena(SHARED_BYTES);  // too small for what one thread holds, so that some stay out
  struct mover movers[THREADS];
  for (unsigned i = 0; i < THREADS; i++) {
    movers[i] = (struct mover){.arena = arena, .number = i};
    assert_int_equal(pthread_create(&movers[i].thread, NULL, move_in_and_out, &movers[i]), 0);
  }
  for (unsigned i = 0; i < THREADS; i++) {
    void *failure;
    pthread_join(movers[i].thread, &failure);
    assert_null(failure);
  }
  const struct base_arena_stats stats = stats_of(arena);
  assert_int_equal(stats.used_bytes, 0);
  assert_int_equal(stats.blobs, 0);
  assert_int_equal(stats.lost_bytes, 0);
  assert_true(stats.refused > 0);
  // Everything has grown together again.
  struct base_blob *whole = base_arena_move_in(arena, make_blob(SHARED_BYTES, 7));
  assert_true(whole->fd >= 0);
  base_blob_unref(&whole);
  base_arena_destroy(&arena);
}

static void an_arena_without_bytes_is_refused(void **state) {
  (void)state;
  struct base_fault fault = {0};
  struct base_arena *arena = NULL;
  assert_int_equal(base_arena_create(&(struct base_arena_config){0}, &arena, &fault), BASE_BAD_INPUT);
  base_arena_destroy(&arena);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_large_blob_lies_in_the_file_at_its_offset),
      cmocka_unit_test(a_blob_stays_where_it_is_when_it_is_small_or_there_is_no_arena),
      cmocka_unit_test(a_blob_stays_on_the_heap_when_the_arena_is_full),
      cmocka_unit_test(memory_goes_back_when_a_blob_goes),
      cmocka_unit_test(bytes_in_a_socket_stay_right_when_the_range_is_used_again),
      cmocka_unit_test(blobs_keep_their_bytes_when_threads_share_an_arena),
      cmocka_unit_test(an_arena_without_bytes_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
