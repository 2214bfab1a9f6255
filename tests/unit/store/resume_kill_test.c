// kill -9 at any moment while several uploads are written, left and gone on with: no acknowledged byte is missing, and
// nothing is left that belongs to no upload.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kept_fixture.h"

enum { ROUNDS = 12, LONG_ROUNDS = 200, THREADS = 4, MOST_DELAY_US = 250000, LUCK = 20260 };
enum { MOST_NUMBERS = 100000, LEAST_BYTES = 30000, BYTES_STEP = 1237, SIZES = 97, CHUNK = 9000 };

static const char boot[] = "one boot";

static size_t bytes_of(unsigned number) { return LEAST_BYTES + number % SIZES * BYTES_STEP; }

// What the child has been told. Before what may or may not happen when it dies, it says so.
enum what { SYNCED, COMMITTING, COMMITTED, ENDED, REMOVING, REMOVED };
struct message {
  enum what what;
  unsigned number;
  uint64_t bytes;
};

static struct worker {
  struct store *store;
  int fd;
  unsigned first;
} workers[THREADS];

static void must(bool is_true, int line) {
  if (is_true) return;
  fprintf(stderr, "resume_kill_test.c:%d\n", line);
  _exit(1);
}
#define MUST(what) must((what), __LINE__)

static void say(const struct worker *worker, enum what what, unsigned number, uint64_t bytes) {
  struct message message;
  memset(&message, 0, sizeof message);
  message.what = what;
  message.number = number;
  message.bytes = bytes;
  MUST(write(worker->fd, &message, sizeof message) == sizeof message);
}

static void write_chunk(struct store_upload *upload, unsigned number, size_t to) {
  static _Thread_local uint8_t data[LEAST_BYTES + SIZES * BYTES_STEP];
  const size_t from = (size_t)store_upload_bytes(upload);
  fixture_bytes(number, to, data);
  MUST(store_upload_write(upload, base_span_of(data + from, to - from), NULL) == BASE_OK);
}

static void live_one(const struct worker *worker, unsigned number) {
  struct store *store = worker->store;
  struct store_upload *upload;
  char name[KEPT_NAME];
  kept_name(number, name);
  MUST(store_upload_begin_kept(store, name, base_span_text("note"), bytes_of(number), &upload, NULL) == BASE_OK);
  say(worker, SYNCED, number, 0);
  for (size_t to = CHUNK; to < bytes_of(number) + CHUNK; to += CHUNK) {
    write_chunk(upload, number, to < bytes_of(number) ? to : bytes_of(number));
    const uint64_t bytes = store_upload_bytes(upload);
    if (to / CHUNK % 2) {
      MUST(store_upload_rest(&upload, NULL) == BASE_OK);
      say(worker, SYNCED, number, bytes);
      MUST(store_upload_resume(store, name, 0, NULL, &upload, NULL) == BASE_OK);
    } else {
      MUST(store_upload_set_note(upload, base_span_text("note"), NULL) == BASE_OK);
      say(worker, SYNCED, number, bytes);
    }
  }
  if (number % 3 == 0) {
    say(worker, REMOVING, number, 0);
    store_upload_abort(&upload);
    say(worker, REMOVED, number, 0);
    return;
  }
  struct store_original original = {.tenant = "default"};
  bool is_new;
  say(worker, COMMITTING, number, 0);
  MUST(store_upload_commit(&upload, &original, base_span_text("{}"), &is_new, NULL) == BASE_OK && is_new);
  say(worker, COMMITTED, number, 0);
  MUST(store_upload_annotate(store, name, base_span_text("stored"), NULL) == BASE_OK);
  say(worker, ENDED, number, 0);
}

static void *work(void *argument) {
  const struct worker *worker = argument;
  for (unsigned number = worker->first;; number += THREADS) live_one(worker, number);
  return NULL;
}

static void child(const struct store_config *config, unsigned first, int fd) {
  struct store *store;
  MUST(store_open(config, &store, NULL) == BASE_OK);
  pthread_t threads[THREADS];
  for (unsigned i = 0; i < THREADS; i++) {
    workers[i] = (struct worker){store, fd, first + i};
    MUST(pthread_create(&threads[i], NULL, work, &workers[i]) == 0);
  }
  pause();
}

static struct fate {
  bool is_known;
  enum what last;
  uint64_t bytes;
} fates[MOST_NUMBERS];

static unsigned hear(int fd, unsigned count) {
  struct message message;
  while (read(fd, &message, sizeof message) == sizeof message) {
    assert_true(message.number < MOST_NUMBERS);
    struct fate *fate = &fates[message.number];
    fate->is_known = true;
    fate->last = message.what;
    if (message.what == SYNCED) fate->bytes = message.bytes;
    if (message.number >= count) count = message.number + 1;
  }
  return count;
}

static unsigned run_and_kill(struct fixture *fixture, unsigned count, unsigned *luck) {
  int pipes[2];
  assert_int_equal(pipe(pipes), 0);
  const pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid == 0) {
    close(pipes[0]);
    child(&fixture->config, count + THREADS, pipes[1]);  // the last ones are passed over: they may be half done
  }
  close(pipes[1]);
  struct pollfd first_word = {.fd = pipes[0], .events = POLLIN};
  if (count == 0 || rand_r(luck) % 5 > 0) assert_int_equal(poll(&first_word, 1, -1), 1);
  const struct timespec delay = {.tv_nsec = (long)(rand_r(luck) % MOST_DELAY_US) * 1000};
  nanosleep(&delay, NULL);
  assert_int_equal(kill(pid, SIGKILL), 0);
  int status;
  assert_int_equal(waitpid(pid, &status, 0), pid);
  if (WIFEXITED(status)) fail_msg("the child gave up by itself with %d", WEXITSTATUS(status));
  count = hear(pipes[0], count);
  close(pipes[0]);
  return count;
}

// Goes on with it to the end, as its client would.
static void finish(struct fixture *fixture, unsigned number) {
  struct store_upload *upload;
  char name[KEPT_NAME];
  kept_name(number, name);
  assert_int_equal(store_upload_resume(fixture->store, name, UINT64_MAX, NULL, &upload, NULL), BASE_OK);
  assert_in_range(store_upload_bytes(upload), fates[number].bytes, bytes_of(number));
  assert_true(kept_matches(upload, number));
  if (store_upload_bytes(upload) < bytes_of(number)) {
    kept_write(upload, number, (size_t)store_upload_bytes(upload), bytes_of(number));
  }
  const bool is_there = fixture_find(fixture, "default", number, bytes_of(number)) == BASE_OK;
  kept_commit(fixture->store, upload, number, bytes_of(number), !is_there);
  assert_int_equal(store_upload_annotate(fixture->store, name, base_span_text("stored"), NULL), BASE_OK);
}

static void check_one(struct fixture *fixture, unsigned number) {
  const struct fate *fate = &fates[number];
  char note[STORE_MAX_NOTE + 1];
  uint64_t bytes;
  const enum base_result found = kept_peek(fixture->store, number, note, &bytes);
  if (fate->last == REMOVED) assert_int_equal(found, BASE_NOT_FOUND);
  if (fate->last == REMOVED || (fate->last == REMOVING && found == BASE_NOT_FOUND)) return;
  assert_int_equal(found, BASE_OK);
  if (fate->last == ENDED) assert_string_equal(note, "stored");
  if (fate->last >= COMMITTED && fate->last <= ENDED) {
    assert_int_equal(fixture_find(fixture, "default", number, bytes_of(number)), BASE_OK);
  }
  if (strcmp(note, "stored") != 0) finish(fixture, number);
  assert_true(fixture_bytes_match(fixture->store, number, bytes_of(number)));
}

static size_t acknowledged, unfinished;

static void check_all(struct fixture *fixture, unsigned from, unsigned count) {
  for (unsigned number = from; number < count; number++) {
    if (!fates[number].is_known) continue;
    acknowledged++;
    if (fates[number].last != ENDED && fates[number].last != REMOVED) unfinished++;
    check_one(fixture, number);
  }
}

static bool remove_one(void *argument, const char *name) {
  struct fixture *fixture = argument;
  assert_int_equal(store_upload_remove(fixture->store, name, NULL), BASE_OK);
  return true;
}

static void loses_no_acknowledged_byte_when_killed_at_any_moment(void **state) {
  (void)state;
  struct fixture fixture;
  fixture_init(&fixture);
  fixture.config.boot_id = boot;
  const int rounds = getenv("PIXPOP_LONG") ? LONG_ROUNDS : ROUNDS;
  unsigned count = 0, luck = LUCK;
  print_message("seed %u\n", luck);
  for (int round = 0; round < rounds; round++) {
    const unsigned before = count;
    count = run_and_kill(&fixture, count, &luck);
    fixture_open(&fixture);
    assert_int_equal(fixture_count_files(&fixture, "tmp"), 0);
    check_all(&fixture, before, count);
    struct store_stats stats;
    assert_int_equal(store_get_stats(fixture.store, &stats, NULL), BASE_OK);
    assert_int_equal(fixture_count_files(&fixture, "originals"), 3 * stats.originals);
    // Those that nobody was told of are there too; without them and the rest nothing stays.
    assert_int_equal(store_upload_visit(fixture.store, remove_one, &fixture, NULL), BASE_OK);
    assert_int_equal(fixture_count_files(&fixture, "partial"), 0);
    fixture_close(&fixture);
  }
  print_message("%zu uploads over %d kills, %zu of them unfinished\n", acknowledged, rounds, unfinished);
  assert_true(unfinished >= (size_t)rounds);
  assert_int_equal(fixture_counter(&fixture, "pixpop_store_damaged_total", ""), 0);
  fixture_finish(&fixture);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(loses_no_acknowledged_byte_when_killed_at_any_moment),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
