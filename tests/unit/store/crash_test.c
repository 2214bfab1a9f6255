// A kill or a power cut at every step of what happens to uploads: nothing acknowledged is lost, nothing is made up.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <ftw.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "crash_disk.h"
#include "kept_fixture.h"

enum {
  MAIN = 1,    // the upload that lives through everything
  GONE = 2,    // the one that is given up
  PART = 3,    // a part of a concatenation
  WHOLE = 4,   // the concatenation
  SEED = 5,    // what MAIN is in the end
  WRONG = 6,   // what a chunk of it was at first
  PARTS = 7,   // what PART and WHOLE are
  ALONE = 50,  // an anonymous upload
  MAIN_BYTES = 20000,
  WRONG_FROM = 9000,
  WRONG_TO = 12000,
  PART_BYTES = 4000,
  ALONE_BYTES = 3000,
  LONG_CHANCES = 20,
};

static const char boot[] = "before", next_boot[] = "after";
static const char *const notes[] = {"first note", "second note", "stored"};

// What the child had been told when it ended; shared with it. `least` bytes of MAIN are sure.
static struct told {
  bool main_begun, main_committed, main_ended, gone_begun, gone_given_up, gone_removed;
  bool part_there, whole_there, whole_given_up, whole_removed, alone_there;
  uint64_t least;
  unsigned note, next_note;
} * told;

static void must(enum base_result result, int line) {
  if (result == BASE_OK) return;
  fprintf(stderr, "crash_test.c:%d: %s\n", line, base_result_name(result));
  _exit(1);
}
#define MUST(call) must((call), __LINE__)

static enum base_result put(struct store_upload *upload, unsigned seed, size_t from, size_t to) {
  static uint8_t data[MAIN_BYTES];
  fixture_bytes(seed, to, data);
  return store_upload_write(upload, base_span_of(data + from, to - from), NULL);
}

static struct store_upload *begin(struct store *store, unsigned number, const char *note) {
  struct store_upload *upload;
  char name[KEPT_NAME];
  kept_name(number, name);
  MUST(store_upload_begin_kept(store, name, base_span_text(note), UINT64_MAX, &upload, NULL));
  return upload;
}

static enum base_result resume(struct store *store, unsigned number, struct store_upload **out) {
  char name[KEPT_NAME];
  kept_name(number, name);
  return store_upload_resume(store, name, UINT64_MAX, NULL, out, NULL);
}

static enum base_result annotate(struct store *store, unsigned number, const char *note) {
  char name[KEPT_NAME];
  kept_name(number, name);
  return store_upload_annotate(store, name, base_span_text(note), NULL);
}

static void live_main_to_the_last_chunk(struct store *store) {
  struct store_upload *upload = begin(store, MAIN, notes[0]);
  told->main_begun = true;
  MUST(put(upload, SEED, 0, 5000));
  MUST(store_upload_sync(upload, NULL));
  told->least = 5000;
  MUST(put(upload, SEED, 5000, WRONG_FROM));
  told->next_note = 1;
  MUST(store_upload_set_note(upload, base_span_text(notes[1]), NULL));
  told->note = 1;
  told->least = WRONG_FROM;
  MUST(put(upload, WRONG, WRONG_FROM, WRONG_TO));
  MUST(store_upload_sync(upload, NULL));
  told->least = WRONG_FROM;  // it is about to be taken back
  MUST(store_upload_rewind(upload, WRONG_FROM, NULL));
  MUST(put(upload, SEED, WRONG_FROM, 15000));
  MUST(store_upload_sync(upload, NULL));
  told->least = 15000;
  MUST(store_upload_rest(&upload, NULL));
  MUST(resume(store, MAIN, &upload));
  MUST(put(upload, SEED, 15000, MAIN_BYTES));
  MUST(store_upload_rest(&upload, NULL));
  told->least = MAIN_BYTES;
}

static void live_others(struct store *store) {
  struct store_upload *upload = begin(store, PART, "part");
  MUST(put(upload, PARTS, 0, PART_BYTES));
  MUST(store_upload_rest(&upload, NULL));
  told->part_there = true;
  upload = begin(store, WHOLE, "whole");
  char name[KEPT_NAME];
  kept_name(PART, name);
  const char *const parts[] = {name};
  MUST(store_upload_append(upload, parts, 1, NULL));
  MUST(store_upload_rest(&upload, NULL));
  told->whole_there = true;
  upload = begin(store, GONE, "gone");
  MUST(put(upload, PARTS, 0, 1000));
  MUST(store_upload_sync(upload, NULL));
  told->gone_begun = true;
  told->gone_given_up = true;
  store_upload_abort(&upload);
  told->gone_removed = true;
}

static void live(const struct store_config *config, const struct crash_plan *plan) {
  struct store *store;
  MUST(store_open(config, &store, NULL));
  crash_disk_begin(plan);
  live_main_to_the_last_chunk(store);
  live_others(store);
  struct store_upload *upload;
  struct store_original original = {.tenant = "default", .format = "jpeg"};
  bool is_new;
  MUST(resume(store, MAIN, &upload));
  MUST(store_upload_commit(&upload, &original, base_span_text("{\"a\": 1}"), &is_new, NULL));
  told->main_committed = true;
  told->next_note = 2;
  MUST(annotate(store, MAIN, notes[2]));
  told->note = 2;
  told->main_ended = true;
  MUST(fixture_upload(store, "default", ALONE, ALONE_BYTES, &original, &is_new));
  told->alone_there = true;
  char name[KEPT_NAME];
  kept_name(WHOLE, name);
  told->whole_given_up = true;
  MUST(store_upload_remove(store, name, NULL));
  told->whole_removed = true;
  _exit(0);
}

// Afterwards.

static bool is_prefix(const struct store_upload *upload) {
  static uint8_t found[MAIN_BYTES + 1], right[MAIN_BYTES], wrong[MAIN_BYTES];
  const size_t bytes = (size_t)store_upload_bytes(upload);
  int fd;
  assert_int_equal(store_upload_open_bytes(upload, &fd, NULL), BASE_OK);
  assert_int_equal(pread(fd, found, sizeof found, 0), bytes);
  close(fd);
  fixture_bytes(SEED, sizeof right, right);
  fixture_bytes(WRONG, sizeof wrong, wrong);
  memcpy(wrong, right, WRONG_FROM);
  return memcmp(found, right, bytes) == 0 || (bytes <= WRONG_TO && memcmp(found, wrong, bytes) == 0);
}

// The upload goes on from what it says it has, and becomes the original that it was to be.
static void finish_main(struct fixture *fixture, uint64_t bytes) {
  struct store_upload *upload;
  assert_int_equal(resume(fixture->store, MAIN, &upload), BASE_OK);
  assert_int_equal(store_upload_bytes(upload), bytes);
  assert_true(is_prefix(upload));
  if (bytes > WRONG_FROM && bytes < MAIN_BYTES) {
    assert_int_equal(store_upload_rewind(upload, WRONG_FROM, NULL), BASE_OK);
  }
  kept_write(upload, SEED, (size_t)store_upload_bytes(upload), MAIN_BYTES);
  struct store_original original = {.tenant = "default", .format = "jpeg"};
  bool is_new;
  assert_int_equal(store_upload_commit(&upload, &original, base_span_text("{\"a\": 1}"), &is_new, NULL), BASE_OK);
  if (told->main_committed) assert_false(is_new);
  assert_int_equal(annotate(fixture->store, MAIN, notes[2]), BASE_OK);
}

static void check_main(struct fixture *fixture) {
  char note[STORE_MAX_NOTE + 1];
  uint64_t bytes;
  const enum base_result result = kept_peek(fixture->store, MAIN, note, &bytes);
  if (!told->main_begun && result == BASE_NOT_FOUND) return;
  assert_int_equal(result, BASE_OK);
  if (strcmp(note, notes[told->note]) != 0) assert_string_equal(note, notes[told->next_note]);
  const struct integrity_digest id = fixture_id(SEED, MAIN_BYTES);
  struct base_blob *report = NULL;
  if (told->main_committed) {
    assert_int_equal(store_original_report(fixture->store, "default", &id, &report, NULL), BASE_OK);
    assert_true(base_span_is(base_blob_span(report), "{\"a\": 1}"));
    base_blob_unref(&report);
  }
  if (told->main_ended) assert_string_equal(note, notes[2]);
  if (strcmp(note, notes[2]) == 0) {
    assert_int_equal(bytes, 0);
  } else {
    assert_in_range(bytes, told->least, MAIN_BYTES);
    finish_main(fixture, bytes);
  }
  assert_true(fixture_bytes_match(fixture->store, SEED, MAIN_BYTES));
  kept_expect(fixture->store, MAIN, notes[2], 0);
}

static void check_other(struct fixture *fixture, unsigned number, bool is_there, bool may_be_gone, bool is_gone) {
  uint64_t bytes;
  const enum base_result result = kept_peek(fixture->store, number, NULL, &bytes);
  if (is_gone) assert_int_equal(result, BASE_NOT_FOUND);
  if (!is_there || may_be_gone) return;
  assert_int_equal(result, BASE_OK);
  assert_int_equal(bytes, number == GONE ? 1000 : PART_BYTES);
  struct store_upload *upload;
  assert_int_equal(resume(fixture->store, number, &upload), BASE_OK);
  assert_true(kept_matches(upload, PARTS));
  assert_int_equal(store_upload_rest(&upload, NULL), BASE_OK);
}

static size_t records, others, trees;

static int count_one(const char *path, const struct stat *info, int type, struct FTW *where) {
  (void)info;
  (void)where;
  if (type != FTW_F) return 0;
  const size_t length = strlen(path);
  if (length > 4 && strcmp(path + length - 4, ".rec") == 0) {
    records++;
  } else if (length > 5 && strcmp(path + length - 5, ".tree") == 0) {
    trees++;
  } else {
    others++;
  }
  return 0;
}

static void check_nothing_is_left_over(struct fixture *fixture) {
  char path[PATH_MAX];
  assert_int_equal(fixture_count_files(fixture, "tmp"), 0);
  records = others = trees = 0;
  fixture_path(fixture, "originals", path);
  assert_int_equal(nftw(path, count_one, 16, FTW_PHYS), 0);
  assert_int_equal(records, others);
  assert_true(trees <= others);  // one that was lost is made again
  records = others = 0;
  fixture_path(fixture, "partial", path);
  assert_int_equal(nftw(path, count_one, 16, FTW_PHYS), 0);
  assert_true(others <= records);
}

static void check(struct fixture *fixture) {
  fixture_open(fixture);
  check_nothing_is_left_over(fixture);
  check_other(fixture, PART, told->part_there, false, false);
  check_other(fixture, WHOLE, told->whole_there, told->whole_given_up, told->whole_removed);
  check_other(fixture, GONE, told->gone_begun, told->gone_given_up, told->gone_removed);
  check_main(fixture);
  const enum base_result alone = fixture_find(fixture, "default", ALONE, ALONE_BYTES);
  if (told->alone_there) assert_int_equal(alone, BASE_OK);
  if (alone == BASE_OK) assert_true(fixture_bytes_match(fixture->store, ALONE, ALONE_BYTES));
  check_nothing_is_left_over(fixture);
  assert_int_equal(fixture_counter(fixture, "pixpop_store_damaged_total", ""), 0);
}

// A closed store without anything: making one anew takes longer than all that happens in a step.
static struct fixture empty;

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

// False when everything was over before that step.
static bool crash_at(struct crash_plan *plan) {
  struct fixture before, after;
  fixture_init_in(&before, fixture_fast_folder());
  fixture_init_in(&after, fixture_fast_folder());
  copy_file(&before, "lock");
  copy_file(&before, "index.sqlite");
  before.config.boot_id = boot;
  after.config.boot_id = next_boot;
  plan->root = before.root;
  plan->after = after.root;
  *told = (struct told){0};
  const pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid == 0) live(&before.config, plan);
  int status;
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_true(WIFEXITED(status) && (WEXITSTATUS(status) == CRASHED || WEXITSTATUS(status) == 0));
  const bool is_crashed = WEXITSTATUS(status) == CRASHED;
  if (is_crashed) check(plan->kind == CRASH_KILL ? &before : &after);
  fixture_finish(&before);
  fixture_finish(&after);
  return is_crashed;
}

// A seed of 0 is another one at each step.
static void crash_at_steps(enum crash_kind kind, unsigned seed, unsigned first, unsigned stride) {
  unsigned step = first;
  for (;; step += stride) {
    struct crash_plan plan = {.step = step, .kind = kind, .seed = seed ? seed : step};
    fprintf(stderr, "\rkind %d, seed %u, step %u ", kind, plan.seed, step);  // the last one told is the one that failed
    if (!crash_at(&plan)) break;
  }
  fprintf(stderr, "\n");
  assert_in_range(step, 80, 500);
}

// Each step is taken in one of three ways, all of them in the long test. What a sanitizer looks for is in any step.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { STRIDE = 12 };
#else
enum { STRIDE = 3 };
#endif

static void loses_nothing_when_killed_at_any_step(void **state) {
  (void)state;
  crash_at_steps(CRASH_KILL, 0, 1, getenv("PIXPOP_LONG") ? 1 : STRIDE);
}

static void loses_nothing_when_power_fails_at_any_step(void **state) {
  (void)state;
  if (!getenv("PIXPOP_LONG")) {
    crash_at_steps(CRASH_NOTHING, 0, 2, STRIDE);
    crash_at_steps(CRASH_CHANCE, 0, 3, STRIDE);
    return;
  }
  crash_at_steps(CRASH_NOTHING, 0, 1, 1);
  crash_at_steps(CRASH_ALL, 0, 1, 1);
  for (unsigned seed = 1; seed <= LONG_CHANCES; seed++) crash_at_steps(CRASH_CHANCE, seed, 1, 1);
}

static int setup(void **state) {
  (void)state;
  fixture_init_in(&empty, fixture_fast_folder());
  fixture_open(&empty);
  fixture_close(&empty);
  told = mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  return told == MAP_FAILED ? -1 : 0;
}

static int teardown(void **state) {
  (void)state;
  fixture_finish(&empty);
  return munmap(told, sizeof *told);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(loses_nothing_when_killed_at_any_step),
      cmocka_unit_test(loses_nothing_when_power_fails_at_any_step),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
