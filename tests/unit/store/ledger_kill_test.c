// kill -9 at any moment of a busy store whose ledger is compacted all the time: afterwards the ledger says what is
// there, what was acknowledged is in it, and it still begins with every checkpoint that was seen.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ledger_fixture.h"

enum {
  ROUNDS = 12,
  LONG_ROUNDS = 200,
  MOST_DELAY_US = 150000,
  BYTES = 900,
  BODY = 6000,
  COMPACT = 60 * 1024,
  SEEN = 4096,
  THREADS = 2,
};

// What the child has been told, by seed; shared with it.
enum fate { NEVER_HEARD_OF, THERE, DELETING, GONE };
enum { MOST_SEEDS = 1 << 20 };
static struct told {
  atomic_uint seeds;
  atomic_uint seen_count;
  struct {
    uint64_t size;
    struct integrity_digest root;
  } seen[SEEN];
  uint8_t fates[MOST_SEEDS];
} * told;

// A checkpoint counts as seen when it is complete here.
static void look(struct store *store) {
  struct store_ledger_status status;
  store_ledger_get_status(store, &status);
  if (status.state != STORE_LEDGER_RUNNING) {
    fprintf(stderr, "the child's ledger is halted: %s\n", status.reason);
    _exit(6);
  }
  const unsigned at = atomic_load(&told->seen_count);
  told->seen[at % SEEN].size = status.signed_size;
  told->seen[at % SEEN].root = status.root;
  atomic_store(&told->seen_count, at + 1);
}

static void *work(void *argument) {
  struct store *store = argument;
  for (;;) {
    const unsigned seed = atomic_fetch_add(&told->seeds, 1);
    struct store_original original;
    bool is_new;
    if (seed >= MOST_SEEDS || fixture_upload(store, "default", seed, BYTES, &original, &is_new) != BASE_OK) _exit(3);
    told->fates[seed] = THERE;
    for (unsigned i = 0; i < 20; i++) {
      if (fixture_put_variant(store, &original, 32 * seed + i, BODY) != BASE_OK) _exit(4);
    }
    if (seed % 4 == 0) continue;
    told->fates[seed] = DELETING;
    if (store_original_delete(store, "default", &original.id, NULL) != BASE_OK) _exit(5);
    told->fates[seed] = GONE;
  }
  return NULL;
}

static void child(const struct store_config *config) {
  struct store *store;
  pthread_t thread;
  if (store_open(config, &store, NULL) != BASE_OK) _exit(2);
  for (int i = 0; i < THREADS; i++) {
    if (pthread_create(&thread, NULL, work, store) != 0) _exit(7);
  }
  for (;;) {
    look(store);
    sched_yield();
  }
}

static void run_and_kill(struct fixture *fixture, unsigned *luck) {
  const unsigned seeds = atomic_load(&told->seeds);
  const pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid == 0) child(&fixture->config);
  // Mostly the clock starts when it has begun to work; now and then it is killed while it still opens.
  const bool may_be_early = rand_r(luck) % 4 == 0;
  while (!may_be_early && atomic_load(&told->seeds) < seeds + THREADS + 1 && waitpid(pid, NULL, WNOHANG) == 0) {
    sched_yield();
  }
  const struct timespec delay = {.tv_nsec = (long)(rand_r(luck) % MOST_DELAY_US) * 1000};
  nanosleep(&delay, NULL);
  assert_int_equal(kill(pid, SIGKILL), 0);
  int status;
  assert_int_equal(waitpid(pid, &status, 0), pid);
  if (WIFEXITED(status)) fail_msg("the child gave up by itself with %d", WEXITSTATUS(status));
}

static void check_acknowledged(struct fixture *fixture, const struct ledger_view *view) {
  for (unsigned seed = 0; seed < atomic_load(&told->seeds); seed++) {
    const enum base_result found = fixture_find(fixture, "default", seed, BYTES);
    if (told->fates[seed] == THERE) assert_int_equal(found, BASE_OK);
    if (told->fates[seed] == GONE) assert_int_equal(found, BASE_NOT_FOUND);
  }
  // The last one is being written when the child dies.
  const unsigned count = atomic_load(&told->seen_count);
  for (unsigned i = count > SEEN - 1 ? count - SEEN + 1 : 0; i < count; i++) {
    assert_true(ledger_begins_with(view, told->seen[i % SEEN].size, &told->seen[i % SEEN].root));
  }
}

static void agrees_with_the_store_when_killed_at_any_moment(void **state) {
  (void)state;
  struct fixture fixture;
  unsigned luck = 4242;
  uint64_t compacted = 0;
  fixture_init_in(&fixture, fixture_fast_folder());
  fixture.config.variant_budget_bytes = 200 * 1024;
  for (int round = 0; round < (getenv("PIXPOP_LONG") ? LONG_ROUNDS : ROUNDS); round++) {
    ledger_configure(&fixture, 1000 + (unsigned)round);
    fixture.config.ledger.compact_bytes = COMPACT;
    fixture.config.ledger.commit_ms = 1;
    run_and_kill(&fixture, &luck);
    fixture.config.ledger.compact_bytes = UINT64_MAX / 2;  // nothing goes while its files are read
    fixture_open(&fixture);
    ledger_expect_match(&fixture, "default");
    struct ledger_view view;
    ledger_read(fixture.root, &view);
    check_acknowledged(&fixture, &view);
    compacted = view.first;
    ledger_free(&view);
    fixture_close(&fixture);
  }
  print_message("%u uploads, %llu entries pruned\n", atomic_load(&told->seeds), (unsigned long long)compacted);
  assert_true(compacted > 0);
  fixture_finish(&fixture);
}

int main(void) {
  told = mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (told == MAP_FAILED) return 1;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(agrees_with_the_store_when_killed_at_any_moment),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
