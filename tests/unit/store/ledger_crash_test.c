// A kill or a power cut at every step of what the ledger writes: what was acknowledged is in it, what is in it is
// there, and no checkpoint that was published is ever contradicted.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "crash_disk.h"
#include "ledger_fixture.h"

enum { BYTES = 700, BODY = 300, PUTS = 5, CHECKPOINTS = 32, MANY = 200, LONG_CHANCES = 20, MOST_STEPS = 2000 };

struct published {
  uint64_t size;
  struct integrity_digest root;
};

// What the child had been told when it ended; shared with it.
static struct told {
  bool is_put[PUTS], is_deleting[PUTS], is_deleted[PUTS];
  bool is_config_entered;
  struct published checkpoints[CHECKPOINTS];
  unsigned checkpoint_count;
} * told;

static void must(enum base_result result, int line) {
  if (result == BASE_OK) return;
  fprintf(stderr, "ledger_crash_test.c:%d: %s\n", line, base_result_name(result));
  _exit(1);
}
#define MUST(call) must((call), __LINE__)

static struct integrity_digest settings(void) { return fixture_id(999, 10); }

// Waits until the writer is through with what it was asked for, and fetches its checkpoint.
static void publish(struct store *store) {
  struct store_ledger_status status;
  do {
    sched_yield();
    store_ledger_get_status(store, &status);
  } while (status.signed_size < status.size);
  struct published *next = &told->checkpoints[told->checkpoint_count];
  next->size = status.signed_size;
  next->root = status.root;
  told->checkpoint_count++;
}

static void live(const struct store_config *config, const struct crash_plan *plan) {
  struct store *store;
  crash_disk_begin(plan);  // the making of the ledger is in it
  MUST(store_open(config, &store, NULL));
  ledger_wait_entered(store);
  publish(store);
  const struct integrity_digest digest = settings();
  MUST(store_ledger_note_config(store, &digest, "1.0", NULL));
  told->is_config_entered = true;
  publish(store);
  for (unsigned seed = 0; seed < PUTS; seed++) {
    struct store_original original;
    bool is_new;
    MUST(fixture_upload(store, "default", seed, BYTES, &original, &is_new));
    told->is_put[seed] = true;
    publish(store);
    for (unsigned i = 0; i < 3; i++) MUST(fixture_put_variant(store, &original, 4 * seed + i, BODY));
    if (seed % 2 == 0) continue;
    struct base_buffer proof;
    base_buffer_init(&proof, INTEGRITY_PROOF_MAX_BYTES);
    const struct store_variant last = fixture_variant(&original, 4 * seed + 2, BODY);
    MUST(store_ledger_prove(store, "default", &last.digest, NULL, &proof, NULL));
    base_buffer_finish(&proof);
    publish(store);
    const struct cache_key key = fixture_key(4 * seed);
    MUST(store_variant_drop(store, &key, NULL));
    MUST(store_variants_settle(store, NULL));
    publish(store);
    const struct integrity_digest older = fixture_id(seed - 1, BYTES);
    told->is_deleting[seed - 1] = true;
    MUST(store_original_delete(store, "default", &older, NULL));
    told->is_deleted[seed - 1] = true;
    publish(store);
  }
  store_close(&store);
  _exit(0);
}

// The compaction of a ledger that has been filled before.
static void live_compacting(const struct store_config *config, const struct crash_plan *plan) {
  struct store *store;
  struct store_config small = *config;
  small.ledger.compact_bytes = 1;
  crash_disk_begin(plan);
  MUST(store_open(&small, &store, NULL));
  ledger_wait_entered(store);
  publish(store);
  const struct integrity_digest digest = settings();
  MUST(store_ledger_note_config(store, &digest, "1.0", NULL));
  told->is_config_entered = true;
  struct store_ledger_status status;
  do {
    sched_yield();
    store_ledger_get_status(store, &status);
  } while (status.compactions == 0);
  publish(store);
  const struct store_original original = {.tenant = "default", .id = fixture_id(0, BYTES)};
  MUST(fixture_put_variant(store, &original, MANY, BODY));
  store_close(&store);
  _exit(0);
}

// Afterwards.

static const struct ledger_line *line_of(const struct ledger_view *view, enum integrity_entry_kind kind,
                                         const struct integrity_digest *object) {
  for (uint64_t i = view->size; i-- > view->first;) {
    const struct ledger_line *line = &view->lines[i - view->first];
    if (line->entry.kind == kind && integrity_digest_equal(&line->subject.object, object)) return line;
  }
  return NULL;
}

static void check_entries(struct fixture *fixture, const struct ledger_view *view) {
  const struct integrity_digest digest = settings();
  if (told->is_config_entered) assert_non_null(line_of(view, INTEGRITY_ENTRY_CONFIG, &digest));
  for (unsigned seed = 0; seed < PUTS; seed++) {
    const struct integrity_digest id = fixture_id(seed, BYTES);
    if (told->is_put[seed]) assert_non_null(line_of(view, INTEGRITY_ENTRY_PUT, &id));
    if (told->is_deleted[seed]) assert_non_null(line_of(view, INTEGRITY_ENTRY_PURGE, &id));
    const enum base_result found = fixture_find(fixture, "default", seed, BYTES);
    if (told->is_put[seed] && !told->is_deleting[seed]) assert_int_equal(found, BASE_OK);
    if (told->is_deleted[seed]) assert_int_equal(found, BASE_NOT_FOUND);
  }
}

// The log still begins with every one that somebody has seen.
static void check_published(const struct ledger_view *view) {
  for (unsigned i = 0; i < told->checkpoint_count; i++) {
    assert_true(ledger_begins_with(view, told->checkpoints[i].size, &told->checkpoints[i].root));
  }
}

static void check(struct fixture *fixture) {
  fixture_open(fixture);
  ledger_expect_match(fixture, "default");
  struct ledger_view view;
  ledger_read(fixture->root, &view);
  check_entries(fixture, &view);
  check_published(&view);
  ledger_free(&view);
  fixture_reopen(fixture);
  ledger_expect_match(fixture, "default");
}

static struct fixture empty;   // a closed store without a ledger
static struct fixture filled;  // one with a ledger that is mostly past

static void copy_file(const struct fixture *to, const char *name) {
  struct base_buffer content;
  char path[PATH_MAX];
  fixture_path(&empty, name, path);
  assert_int_equal(base_file_read(path, 1 << 20, &content, NULL), BASE_OK);
  fixture_path(to, name, path);
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  assert_int_equal(fwrite(content.data, 1, content.bytes, file), content.bytes);
  assert_int_equal(fclose(file), 0);
  base_buffer_finish(&content);
}

static void copy_all(const struct fixture *to) {
  char command[256];
  snprintf(command, sizeof command, "cp -a %s/. %s", filled.root, to->root);
  assert_int_equal(system(command), 0);
}

typedef void crash_life(const struct store_config *config, const struct crash_plan *plan);

// False when everything was over before that step.
static bool crash_at(struct crash_plan *plan, crash_life *life) {
  struct fixture before, after;
  fixture_init_in(&before, fixture_fast_folder());
  fixture_init_in(&after, fixture_fast_folder());
  if (life == live) {
    copy_file(&before, "lock");
    copy_file(&before, "index.sqlite");
  } else {
    copy_all(&before);
  }
  ledger_configure(&before, 6);
  ledger_configure(&after, 7);
  plan->root = before.root;
  plan->after = after.root;
  *told = (struct told){.checkpoint_count = 0};
  const pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid == 0) life(&before.config, plan);
  int status;
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_true(WIFEXITED(status) && (WEXITSTATUS(status) == CRASHED || WEXITSTATUS(status) == 0));
  const bool is_crashed = WEXITSTATUS(status) == CRASHED;
  check(plan->kind == CRASH_KILL || !is_crashed ? &before : &after);
  fixture_finish(&before);
  fixture_finish(&after);
  return is_crashed;
}

// A seed of 0 is another one at each step.
static void crash_at_steps(enum crash_kind kind, unsigned seed, unsigned first, unsigned stride, crash_life *life) {
  unsigned step = first;
  for (;; step += stride) {
    struct crash_plan plan = {.step = step, .kind = kind, .seed = seed ? seed : step};
    fprintf(stderr, "\rkind %d, seed %u, step %u ", kind, plan.seed, step);  // the last one told is the one that failed
    if (!crash_at(&plan, life)) break;
  }
  fprintf(stderr, "\n");
  assert_in_range(step, 30, MOST_STEPS);
}

// Each step is taken in one of three ways, all of them in the long test. What a sanitizer looks for is in any step.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { STRIDE = 24 };
#else
enum { STRIDE = 9 };
#endif

static void crash_everywhere(crash_life *life) {
  if (!getenv("PIXPOP_LONG")) {
    crash_at_steps(CRASH_KILL, 0, 1, STRIDE, life);
    crash_at_steps(CRASH_NOTHING, 0, 2, STRIDE, life);
    crash_at_steps(CRASH_CHANCE, 0, 4, STRIDE, life);
    return;
  }
  crash_at_steps(CRASH_KILL, 0, 1, 1, life);
  crash_at_steps(CRASH_NOTHING, 0, 1, 1, life);
  crash_at_steps(CRASH_ALL, 0, 1, 1, life);
  for (unsigned seed = 1; seed <= LONG_CHANCES; seed++) crash_at_steps(CRASH_CHANCE, seed, 1, 1, life);
}

static void agrees_with_the_store_after_a_crash_at_any_step(void **state) {
  (void)state;
  crash_everywhere(live);
}

static void agrees_with_the_store_after_a_crash_of_its_compaction(void **state) {
  (void)state;
  crash_everywhere(live_compacting);
}

static int setup(void **state) {
  (void)state;
  fixture_init_in(&empty, fixture_fast_folder());
  fixture_open(&empty);
  fixture_close(&empty);
  fixture_init_in(&filled, fixture_fast_folder());
  ledger_configure(&filled, 8);
  ledger_open(&filled);
  for (unsigned seed = 0; seed < 2; seed++) fixture_put(&filled, "default", seed, BYTES);
  const struct store_original original = {.tenant = "default", .id = fixture_id(0, BYTES)};
  for (unsigned i = 0; i < MANY; i++) {
    assert_int_equal(fixture_put_variant(filled.store, &original, i % 8, BODY + i), BASE_OK);
  }
  fixture_close(&filled);
  told = mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  return told == MAP_FAILED ? -1 : 0;
}

static int teardown(void **state) {
  (void)state;
  fixture_finish(&empty);
  fixture_finish(&filled);
  return munmap(told, sizeof *told);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(agrees_with_the_store_after_a_crash_at_any_step),
      cmocka_unit_test(agrees_with_the_store_after_a_crash_of_its_compaction),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
