// kill -9 at any moment: whatever was acknowledged is there afterwards, whole, and nothing half-made is.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fixture.h"

enum { ROUNDS = 30, MOST_DELAY_US = 60000, FIRST_BYTES = 1000, BYTES_STEP = 7919, SIZES = 12 };

static size_t bytes_of(unsigned seed) { return FIRST_BYTES + seed % SIZES * BYTES_STEP; }

// What the child says after each step that was acknowledged to it. Deletions are announced before they begin too: one
// that was under way when the child died may have happened or not.
struct message {
  enum { UPLOADED, DELETING, DELETED } what;
  unsigned seed;
};

static void say(int fd, int what, unsigned seed) {
  struct message message;
  memset(&message, 0, sizeof message);
  message.what = what;
  message.seed = seed;
  if (write(fd, &message, sizeof message) != sizeof message) _exit(3);
}

// Uploads, renders and deletes until it is killed.
static void child(const struct store_config *config, unsigned first_seed, int fd) {
  struct store *store;
  if (store_open(config, &store, NULL) != BASE_OK) _exit(2);
  for (unsigned seed = first_seed;; seed++) {
    struct store_original original;
    bool is_new;
    if (fixture_upload(store, "default", seed, bytes_of(seed), &original, &is_new) != BASE_OK) _exit(4);
    say(fd, UPLOADED, seed);
    for (unsigned i = 0; i < 3; i++) {
      if (fixture_put_variant(store, &original, 4 * seed + i, bytes_of(seed)) != BASE_OK) _exit(5);
    }
    for (unsigned shrink = 2; shrink <= 8; shrink *= 2) {
      if (fixture_put_level(store, &original.id, shrink, bytes_of(seed)) != BASE_OK) _exit(7);
    }
    if (seed % 4 != 3 || seed == first_seed) continue;
    say(fd, DELETING, seed - 1);
    const struct integrity_digest id = fixture_id(seed - 1, bytes_of(seed - 1));
    if (store_original_delete(store, "default", &id, NULL) != BASE_OK) _exit(6);
    say(fd, DELETED, seed - 1);
  }
}

enum fate { NEVER_HEARD_OF, THERE, UNCERTAIN, GONE };
enum { MOST_SEEDS = 100000 };
static uint8_t fates[MOST_SEEDS];

static unsigned hear(int fd, unsigned seeds) {
  static const uint8_t fate_of[] = {[UPLOADED] = THERE, [DELETING] = UNCERTAIN, [DELETED] = GONE};
  struct message message;
  while (read(fd, &message, sizeof message) == sizeof message) {
    assert_true(message.seed < MOST_SEEDS);
    fates[message.seed] = fate_of[message.what];
    if (message.seed >= seeds) seeds = message.seed + 1;
  }
  return seeds;
}

static unsigned run_and_kill(struct fixture *fixture, unsigned seeds, unsigned *luck) {
  int pipes[2];
  assert_int_equal(pipe(pipes), 0);
  const pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid == 0) {
    close(pipes[0]);
    child(&fixture->config, seeds + 1, pipes[1]);  // one seed is skipped: it may be half done
  }
  close(pipes[1]);
  // Mostly the clock starts when it has begun to work; now and then the store is killed while it still opens.
  struct pollfd first_word = {.fd = pipes[0], .events = POLLIN};
  if (seeds == 0 || rand_r(luck) % 5 > 0) assert_int_equal(poll(&first_word, 1, -1), 1);
  const struct timespec delay = {.tv_nsec = (long)(rand_r(luck) % MOST_DELAY_US) * 1000};
  nanosleep(&delay, NULL);
  assert_int_equal(kill(pid, SIGKILL), 0);
  int status;
  assert_int_equal(waitpid(pid, &status, 0), pid);
  if (WIFEXITED(status)) fail_msg("the child gave up by itself with %d", WEXITSTATUS(status));
  seeds = hear(pipes[0], seeds);
  close(pipes[0]);
  return seeds;
}

static size_t check_all(struct fixture *fixture, unsigned seeds) {
  size_t acknowledged = 0;
  for (unsigned seed = 0; seed < seeds; seed++) {
    const enum base_result found = fixture_find(fixture, "default", seed, bytes_of(seed));
    if (fates[seed] == THERE) {
      assert_int_equal(found, BASE_OK);
      acknowledged++;
    }
    if (fates[seed] == GONE) assert_int_equal(found, BASE_NOT_FOUND);
    if (found == BASE_OK) assert_true(fixture_bytes_match(fixture->store, seed, bytes_of(seed)));
    for (unsigned i = 0; i < 3; i++) {
      const enum base_result variant = fixture_get_variant(fixture->store, 4 * seed + i, bytes_of(seed));
      assert_true(variant == BASE_NOT_FOUND || (variant == BASE_OK && found == BASE_OK));
    }
    const struct integrity_digest id = fixture_id(seed, bytes_of(seed));
    for (unsigned shrink = 2; shrink <= 8; shrink *= 2) {
      const enum base_result level = fixture_get_level(fixture->store, &id, shrink, bytes_of(seed));
      assert_true(level == BASE_NOT_FOUND || (level == BASE_OK && found == BASE_OK));
    }
  }
  return acknowledged;
}

static void loses_nothing_acknowledged_when_killed_at_any_moment(void **state) {
  (void)state;
  struct fixture fixture;
  fixture_init(&fixture);
  unsigned seeds = 0, luck = 4711;
  size_t acknowledged = 0;
  for (int round = 0; round < ROUNDS; round++) {
    seeds = run_and_kill(&fixture, seeds, &luck);
    fixture_open(&fixture);
    assert_int_equal(fixture_count_files(&fixture, "tmp"), 0);
    acknowledged = check_all(&fixture, seeds);
    struct store_stats stats;
    assert_int_equal(store_get_stats(fixture.store, &stats, NULL), BASE_OK);
    assert_int_equal(fixture_count_files(&fixture, "originals"), 3 * stats.originals);
    assert_int_equal(fixture_count_files(&fixture, "variants"), stats.variants + stats.levels);
    fixture_close(&fixture);
  }
  print_message("%zu uploads acknowledged over %d kills\n", acknowledged, ROUNDS);
  assert_true(acknowledged >= ROUNDS / 2);
  assert_int_equal(fixture_counter(&fixture, "pixpop_store_damaged_total", ""), 0);
  fixture_finish(&fixture);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(loses_nothing_acknowledged_when_killed_at_any_moment),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
