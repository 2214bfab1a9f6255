// Kept uploads: begun, left, gone on with, committed; and what they refuse.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"
#include "kept_fixture.h"

enum { BYTES = 300000, SEED = 77 };

static const char boot[] = "11111111-aaaa", other_boot[] = "22222222-bbbb";

static int setup(void **state) {
  static struct fixture fixture;
  fixture_init(&fixture);
  fixture.config.boot_id = boot;
  fixture_open(&fixture);
  *state = &fixture;
  return 0;
}

static struct store_upload *begin(struct fixture *fixture, unsigned number, const char *note) {
  struct store_upload *upload;
  char name[KEPT_NAME];
  kept_name(number, name);
  assert_int_equal(store_upload_begin_kept(fixture->store, name, base_span_text(note), UINT64_MAX, &upload, NULL),
                   BASE_OK);
  return upload;
}

static enum base_result resume(struct fixture *fixture, unsigned number, struct store_upload **out) {
  char name[KEPT_NAME];
  kept_name(number, name);
  return store_upload_resume(fixture->store, name, UINT64_MAX, NULL, out, NULL);
}

static struct store_upload *must_resume(struct fixture *fixture, unsigned number) {
  struct store_upload *upload;
  assert_int_equal(resume(fixture, number, &upload), BASE_OK);
  return upload;
}

static void rest(struct store_upload *upload) {
  assert_int_equal(store_upload_rest(&upload, NULL), BASE_OK);
  assert_null(upload);
}

static enum base_result annotate(struct fixture *fixture, unsigned number, const char *note) {
  char name[KEPT_NAME];
  kept_name(number, name);
  return store_upload_annotate(fixture->store, name, base_span_text(note), NULL);
}

static enum base_result remove_kept(struct fixture *fixture, unsigned number) {
  char name[KEPT_NAME];
  kept_name(number, name);
  return store_upload_remove(fixture->store, name, NULL);
}

static void goes_on_where_it_was_when_resumed(void **state) {
  struct fixture *fixture = *state;
  struct store_upload *upload = begin(fixture, 1, "whose");
  assert_int_equal(store_upload_bytes(upload), 0);
  kept_write(upload, SEED, 0, 100000);
  rest(upload);
  kept_expect(fixture->store, 1, "whose", 100000);
  upload = must_resume(fixture, 1);
  assert_int_equal(store_upload_bytes(upload), 100000);
  kept_write(upload, SEED, 100000, 200000);
  rest(upload);
  fixture_reopen(fixture);
  kept_expect(fixture->store, 1, "whose", 200000);
  upload = must_resume(fixture, 1);
  kept_write(upload, SEED, 200000, BYTES);
  assert_true(kept_matches(upload, SEED));
  kept_commit(fixture->store, upload, SEED, BYTES, true);
  assert_int_equal(annotate(fixture, 1, "done"), BASE_OK);
  kept_expect(fixture->store, 1, "done", 0);
  assert_int_equal(fixture_count_files(fixture, "partial"), 1);
  assert_int_equal(fixture_count_files(fixture, "tmp"), 0);
  assert_int_equal(resume(fixture, 1, &upload), BASE_CONFLICT);
  assert_null(upload);
  fixture_reopen(fixture);
  kept_expect(fixture->store, 1, "done", 0);
  assert_int_equal(remove_kept(fixture, 1), BASE_OK);
  assert_int_equal(fixture_count_files(fixture, "partial"), 0);
  assert_true(fixture_bytes_match(fixture->store, SEED, BYTES));
}

static void is_used_by_one_at_a_time(void **state) {
  struct fixture *fixture = *state;
  struct store_upload *upload = begin(fixture, 1, "first"), *second = NULL;
  char name[KEPT_NAME];
  kept_name(1, name);
  kept_write(upload, SEED, 0, 1000);
  kept_expect(fixture->store, 1, "first", 1000);
  assert_int_equal(store_upload_begin_kept(fixture->store, name, base_span_text("x"), 0, &second, NULL), BASE_CONFLICT);
  assert_int_equal(resume(fixture, 1, &second), BASE_CONFLICT);
  assert_int_equal(annotate(fixture, 1, "x"), BASE_CONFLICT);
  assert_int_equal(remove_kept(fixture, 1), BASE_CONFLICT);
  assert_null(second);
  rest(upload);
  assert_int_equal(store_upload_begin_kept(fixture->store, name, base_span_text("x"), 0, &second, NULL), BASE_CONFLICT);
  assert_int_equal(annotate(fixture, 1, "second"), BASE_OK);
  kept_expect(fixture->store, 1, "second", 1000);
  assert_int_equal(remove_kept(fixture, 1), BASE_OK);
  assert_int_equal(remove_kept(fixture, 1), BASE_OK);
  assert_int_equal(annotate(fixture, 1, "x"), BASE_NOT_FOUND);
  assert_int_equal(resume(fixture, 1, &second), BASE_NOT_FOUND);
  assert_int_equal(kept_peek(fixture->store, 1, NULL, NULL), BASE_NOT_FOUND);
  assert_int_equal(fixture_count_files(fixture, "partial"), 0);
}

static void refuses_names_that_are_none(void **state) {
  struct fixture *fixture = *state;
  static const char *const wrong[] = {"",
                                      "..",
                                      "../../../../../../../../../../../tmp/escape",
                                      "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                                      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                                      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                                      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.rec",
                                      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=",
                                      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n"};
  const struct base_span note = base_span_text("note");
  struct store_upload *upload = NULL, *whole = begin(fixture, 1, "whole");
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    const char *name = wrong[i];
    uint64_t bytes;
    assert_int_equal(store_upload_begin_kept(fixture->store, name, note, 0, &upload, NULL), BASE_BAD_INPUT);
    assert_int_equal(store_upload_resume(fixture->store, name, 0, NULL, &upload, NULL), BASE_BAD_INPUT);
    assert_int_equal(store_upload_peek(fixture->store, name, NULL, &bytes, NULL), BASE_BAD_INPUT);
    assert_int_equal(store_upload_annotate(fixture->store, name, note, NULL), BASE_BAD_INPUT);
    assert_int_equal(store_upload_remove(fixture->store, name, NULL), BASE_BAD_INPUT);
    assert_int_equal(store_upload_append(whole, &name, 1, NULL), BASE_BAD_INPUT);
    assert_null(upload);
  }
  store_upload_abort(&whole);
  assert_int_equal(fixture_count_files(fixture, "partial"), 0);
}

static void has_the_digest_of_what_stayed_when_rewound(void **state) {
  struct fixture *fixture = *state;
  struct store_upload *upload = begin(fixture, 1, "note");
  kept_write(upload, SEED, 0, 50000);
  assert_int_equal(store_upload_sync(upload, NULL), BASE_OK);
  kept_write(upload, SEED + 1, 50000, 90000);  // a chunk that was not what its checksum said
  assert_int_equal(store_upload_rewind(upload, 50000, NULL), BASE_OK);
  assert_int_equal(store_upload_rewind(upload, 50001, NULL), BASE_BAD_INPUT);
  kept_write(upload, SEED + 1, 50000, 60000);
  rest(upload);
  upload = must_resume(fixture, 1);
  assert_int_equal(store_upload_rewind(upload, 20000, NULL), BASE_OK);  // below what was synced
  kept_expect(fixture->store, 1, "note", 20000);
  kept_write(upload, SEED, 20000, 20001);
  assert_int_equal(store_upload_rewind(upload, 20000, NULL), BASE_OK);
  kept_write(upload, SEED, 20000, BYTES);
  kept_commit(fixture->store, upload, SEED, BYTES, true);
  struct store_upload *anonymous;
  assert_int_equal(store_upload_begin(fixture->store, UINT64_MAX, &anonymous, NULL), BASE_OK);
  kept_write(anonymous, SEED + 2, 0, 5000);
  assert_int_equal(store_upload_rewind(anonymous, 0, NULL), BASE_OK);
  kept_write(anonymous, SEED + 3, 0, 7000);
  kept_commit(fixture->store, anonymous, SEED + 3, 7000, true);
}

static void replaces_its_note_when_told(void **state) {
  struct fixture *fixture = *state;
  static char longest[STORE_MAX_NOTE + 2];
  memset(longest, 'n', STORE_MAX_NOTE + 1);
  longest[10] = '\n';
  struct store_upload *upload = begin(fixture, 1, "");
  kept_expect(fixture->store, 1, "", 0);
  kept_write(upload, SEED, 0, 10);
  assert_int_equal(store_upload_set_note(upload, base_span_text("two"), NULL), BASE_OK);
  kept_expect(fixture->store, 1, "two", 10);
  assert_int_equal(store_upload_set_note(upload, base_span_text(longest), NULL), BASE_TOO_LARGE);
  longest[STORE_MAX_NOTE] = '\0';
  assert_int_equal(store_upload_set_note(upload, base_span_text(longest), NULL), BASE_OK);
  kept_write(upload, SEED, 10, 20);
  rest(upload);
  fixture_reopen(fixture);
  kept_expect(fixture->store, 1, longest, 20);
}

static void appends_other_uploads_in_order(void **state) {
  struct fixture *fixture = *state;
  enum { CUT = 123457 };
  struct store_upload *part = begin(fixture, 1, "part");
  kept_write(part, SEED, 0, CUT);
  rest(part);
  part = begin(fixture, 2, "part");
  static uint8_t data[BYTES];
  fixture_bytes(SEED, sizeof data, data);
  assert_int_equal(store_upload_write(part, base_span_of(data + CUT, BYTES - CUT), NULL), BASE_OK);
  struct store_upload *whole = begin(fixture, 3, "whole");
  char names[3][KEPT_NAME];
  for (unsigned i = 0; i < 3; i++) kept_name(1 + 5 * (i == 2) + (i == 1), names[i]);
  const char *const parts[] = {names[0], names[1], names[2]};
  assert_int_equal(store_upload_append(whole, parts, 2, NULL), BASE_CONFLICT);  // the second is open
  rest(part);
  assert_int_equal(store_upload_append(whole, parts + 2, 1, NULL), BASE_NOT_FOUND);
  assert_int_equal(store_upload_rewind(whole, 0, NULL), BASE_OK);
  assert_int_equal(store_upload_append(whole, parts, 2, NULL), BASE_OK);
  assert_int_equal(store_upload_bytes(whole), BYTES);
  const char *itself[] = {names[0]};
  kept_name(3, names[0]);
  assert_int_equal(store_upload_append(whole, itself, 1, NULL), BASE_CONFLICT);
  kept_commit(fixture->store, whole, SEED, BYTES, true);
  assert_int_equal(annotate(fixture, 3, "stored"), BASE_OK);
  kept_expect(fixture->store, 1, "part", CUT);
  kept_expect(fixture->store, 2, "part", BYTES - CUT);
}

static void rests_when_its_commit_fails(void **state) {
  struct fixture *fixture = *state;
  static char large[STORE_MAX_REPORT + 1];
  struct store_upload *upload = begin(fixture, 1, "note");
  kept_write(upload, SEED, 0, BYTES);
  struct store_original original = {.tenant = "NO"};
  bool is_new = true;
  const struct base_span none = base_span_of(NULL, 0);
  assert_int_equal(store_upload_commit(&upload, &original, none, &is_new, NULL), BASE_BAD_INPUT);
  assert_null(upload);
  original = (struct store_original){.tenant = "default", .name = "a\nb"};
  upload = must_resume(fixture, 1);
  assert_int_equal(store_upload_commit(&upload, &original, none, &is_new, NULL), BASE_BAD_INPUT);
  upload = must_resume(fixture, 1);
  assert_int_equal(store_upload_commit(&upload, &original, base_span_of(large, sizeof large), &is_new, NULL),
                   BASE_TOO_LARGE);
  assert_false(is_new);
  assert_int_equal(fixture_count_files(fixture, "originals"), 0);
  assert_int_equal(fixture_count_files(fixture, "tmp"), 0);
  kept_expect(fixture->store, 1, "note", BYTES);
  kept_commit(fixture->store, must_resume(fixture, 1), SEED, BYTES, true);
}

static void ends_at_once_when_it_is_aborted(void **state) {
  struct fixture *fixture = *state;
  struct store_upload *upload = begin(fixture, 1, "note");
  kept_write(upload, SEED, 0, BYTES);
  assert_int_equal(fixture_gauge(fixture, "pixpop_store_kept_uploads"), 1);
  store_upload_abort(&upload);
  assert_null(upload);
  store_upload_abort(&upload);
  assert_int_equal(fixture_count_files(fixture, "partial"), 0);
  assert_int_equal(fixture_gauge(fixture, "pixpop_store_kept_uploads"), 0);
  upload = begin(fixture, 1, "again");
  store_upload_abort(&upload);
}

// What happens in a child stays unfinished: it ends like kill -9.
static void in_child(struct fixture *fixture, void (*act)(struct fixture *fixture)) {
  fixture_close(fixture);
  const pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid == 0) {
    fixture_open(fixture);
    act(fixture);
    _exit(0);
  }
  int status;
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void write_half_synced(struct fixture *fixture) {
  struct store_upload *upload = begin(fixture, 1, "note");
  kept_write(upload, SEED, 0, 40000);
  assert_int_equal(store_upload_sync(upload, NULL), BASE_OK);
  kept_write(upload, SEED, 40000, 70000);
}

static void finish_upload(struct fixture *fixture, uint64_t expected_bytes) {
  kept_expect(fixture->store, 1, "note", expected_bytes);
  struct store_upload *upload = must_resume(fixture, 1);
  assert_int_equal(store_upload_bytes(upload), expected_bytes);
  assert_true(kept_matches(upload, SEED));
  kept_write(upload, SEED, expected_bytes, BYTES);
  kept_commit(fixture->store, upload, SEED, BYTES, true);
}

static void has_every_byte_when_only_the_process_was_killed(void **state) {
  struct fixture *fixture = *state;
  in_child(fixture, write_half_synced);
  fixture_open(fixture);
  finish_upload(fixture, 70000);
}

static void has_what_was_synced_when_the_kernel_was_restarted(void **state) {
  struct fixture *fixture = *state;
  in_child(fixture, write_half_synced);
  fixture->config.boot_id = other_boot;
  fixture_open(fixture);
  assert_int_equal(annotate(fixture, 1, "note"), BASE_OK);  // does not make the old bytes ones of this boot
  finish_upload(fixture, 40000);
}

static void has_what_was_synced_when_the_boot_is_unknown(void **state) {
  struct fixture *fixture = *state;
  fixture->config.boot_id = NULL;
  in_child(fixture, write_half_synced);
  fixture_open(fixture);
  finish_upload(fixture, 40000);
}

static void commit_in_child(struct fixture *fixture) {
  struct store_upload *upload = begin(fixture, 1, "note");
  kept_write(upload, SEED, 0, BYTES);
  kept_commit(fixture->store, upload, SEED, BYTES, true);
}

static void can_be_committed_again_when_killed_before_its_note_told(void **state) {
  struct fixture *fixture = *state;
  in_child(fixture, commit_in_child);
  fixture->config.boot_id = other_boot;
  fixture_open(fixture);
  kept_expect(fixture->store, 1, "note", BYTES);
  struct store_upload *upload = must_resume(fixture, 1);
  // Its bytes are the original's too: nobody may write to them.
  assert_int_equal(store_upload_write(upload, base_span_text("x"), NULL), BASE_CONFLICT);
  assert_int_equal(store_upload_rewind(upload, 1, NULL), BASE_CONFLICT);
  kept_commit(fixture->store, upload, SEED, BYTES, false);
  assert_int_equal(annotate(fixture, 1, "done"), BASE_OK);
  assert_int_equal(fixture_count_files(fixture, "partial"), 1);
  assert_int_equal(fixture_count_files(fixture, "tmp"), 0);
  assert_int_equal(fixture_count_files(fixture, "originals"), 3);
}

// As a backup that is made of links has it.
static void is_not_cut_when_its_file_has_another_name(void **state) {
  struct fixture *fixture = *state;
  in_child(fixture, write_half_synced);
  char path[PATH_MAX], other[PATH_MAX + 8];
  struct stat before, after;
  kept_path(fixture, 1, "", path);
  snprintf(other, sizeof other, "%s.link", path);
  assert_int_equal(link(path, other), 0);
  assert_int_equal(stat(other, &before), 0);
  fixture->config.boot_id = other_boot;
  fixture_open(fixture);
  struct store_upload *upload;
  assert_int_equal(resume(fixture, 1, &upload), BASE_CONFLICT);
  assert_int_equal(stat(other, &after), 0);
  assert_int_equal(after.st_size, before.st_size);
  assert_int_equal(unlink(other), 0);
  rest(must_resume(fixture, 1));
}

static void leaves_the_original_alone_when_rewound_after_a_killed_commit(void **state) {
  struct fixture *fixture = *state;
  in_child(fixture, commit_in_child);
  fixture_open(fixture);
  struct store_upload *upload = must_resume(fixture, 1);
  assert_int_equal(store_upload_rewind(upload, 0, NULL), BASE_OK);
  kept_write(upload, SEED + 1, 0, 1000);
  rest(upload);
  assert_true(fixture_bytes_match(fixture->store, SEED, BYTES));
  kept_expect(fixture->store, 1, "note", 1000);
}

static void write_file(struct fixture *fixture, const char *relative, const char *text) {
  char path[PATH_MAX];
  fixture_path(fixture, relative, path);
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  assert_true(fputs(text, file) >= 0);
  assert_int_equal(fclose(file), 0);
}

static void clears_away_what_belongs_to_no_upload(void **state) {
  struct fixture *fixture = *state;
  char name[KEPT_NAME], relative[PATH_MAX], path[PATH_MAX];
  for (unsigned i = 1; i <= 4; i++) {
    struct store_upload *upload = begin(fixture, i, "note");
    kept_write(upload, SEED, 0, 1000);
    rest(upload);
  }
  kept_path(fixture, 1, ".rec", path);
  fixture_flip_bit(path, 120);  // damaged
  struct store_upload *upload;
  assert_int_equal(resume(fixture, 1, &upload), BASE_CORRUPT);
  kept_path(fixture, 2, ".rec", path);
  fixture_flip_bit(path, -1);  // its note
  assert_int_equal(kept_peek(fixture->store, 2, NULL, NULL), BASE_CORRUPT);
  kept_path(fixture, 3, ".rec", path);
  fixture_flip_bit(path, 8);  // of another firmware
  fixture_close(fixture);
  kept_name(9, name);
  snprintf(relative, sizeof relative, "partial/%s", name);
  write_file(fixture, relative, "bytes without a record");
  kept_name(10, name);
  snprintf(relative, sizeof relative, "partial/%s.rec", name);
  write_file(fixture, relative, "pixp");
  write_file(fixture, "partial/somebody's", "left alone");
  fixture_open(fixture);
  assert_int_equal(fixture_count_files(fixture, "partial"), 2 + 2 + 1);
  kept_path(fixture, 3, "", path);
  assert_true(fixture_exists(path));
  assert_int_equal(resume(fixture, 3, &upload), BASE_UNSUPPORTED);
  kept_expect(fixture->store, 4, "note", 1000);
  assert_int_equal(fixture_counter(fixture, "pixpop_store_damaged_total", ""), 3);
  assert_int_equal(fixture_counter(fixture, "pixpop_store_unknown_total", ""), 1);
  assert_int_equal(fixture_counter(fixture, "pixpop_store_orphans_total", ""), 3);  // two of damaged records
  assert_int_equal(fixture_gauge(fixture, "pixpop_store_kept_uploads"), 1);
}

static void comes_down_when_bytes_are_missing(void **state) {
  struct fixture *fixture = *state;
  char path[PATH_MAX];
  in_child(fixture, write_half_synced);
  kept_path(fixture, 1, "", path);
  assert_int_equal(truncate(path, 30000), 0);
  fixture->config.boot_id = other_boot;
  fixture_open(fixture);
  struct store_upload *upload = must_resume(fixture, 1);
  assert_int_equal(store_upload_bytes(upload), 30000);
  assert_int_equal(fixture_counter(fixture, "pixpop_store_damaged_total", ""), 1);
  kept_write(upload, SEED, 30000, 35000);
  rest(upload);
  assert_int_equal(unlink(path), 0);  // all of them
  fixture_reopen(fixture);
  finish_upload(fixture, 0);
}

static unsigned visited, visit_limit;

static bool count_visit(void *argument, const char *name) {
  struct fixture *fixture = argument;
  uint64_t bytes;
  assert_int_equal(store_upload_peek(fixture->store, name, NULL, &bytes, NULL), BASE_OK);
  assert_int_equal(store_upload_remove(fixture->store, name, NULL), BASE_OK);
  return ++visited < visit_limit;
}

static void visits_every_upload(void **state) {
  struct fixture *fixture = *state;
  enum { COUNT = 50 };
  for (unsigned i = 0; i < COUNT; i++) rest(begin(fixture, i, "note"));
  visited = 0;
  visit_limit = 5;
  assert_int_equal(store_upload_visit(fixture->store, count_visit, fixture, NULL), BASE_OK);
  assert_int_equal(visited, 5);
  visit_limit = UINT32_MAX;
  assert_int_equal(store_upload_visit(fixture->store, count_visit, fixture, NULL), BASE_OK);
  assert_int_equal(visited, COUNT);
}

static void holds_room_only_while_it_is_open(void **state) {
  struct fixture *fixture = *state;
  struct store_stats stats;
  assert_int_equal(store_get_stats(fixture->store, &stats, NULL), BASE_OK);
  const uint64_t most = stats.disk_free_bytes / 10 * 6;
  char name[KEPT_NAME], second_name[KEPT_NAME];
  kept_name(1, name);
  kept_name(2, second_name);
  struct store_upload *first, *second;
  const struct base_span note = base_span_text("note");
  assert_int_equal(store_upload_begin_kept(fixture->store, name, note, most, &first, NULL), BASE_OK);
  assert_int_equal(store_upload_begin_kept(fixture->store, second_name, note, most, &second, NULL), BASE_NO_SPACE);
  assert_null(second);
  assert_int_equal(fixture_count_files(fixture, "partial"), 2);
  kept_write(first, SEED, 0, 1000);
  rest(first);
  assert_int_equal(store_upload_begin_kept(fixture->store, second_name, note, most, &second, NULL), BASE_OK);
  assert_int_equal(store_upload_resume(fixture->store, name, most, NULL, &first, NULL), BASE_NO_SPACE);
  store_upload_abort(&second);
  assert_int_equal(store_upload_resume(fixture->store, name, most, NULL, &first, NULL), BASE_OK);
  store_upload_abort(&first);
}

// A real disk that really fills up: a small tmpfs, where mounting is allowed.
static void keeps_what_fitted_when_the_disk_is_full(void **state) {
  struct fixture *fixture = *state;
  enum { PIECE = 100000, MOST = 8 << 20 };
  fixture_close(fixture);
  if (mount("tmpfs", fixture->root, "tmpfs", 0, "size=8m") != 0) skip();
  fixture->config.min_free_bytes = 1 << 20;
  fixture_open(fixture);
  struct store_original other;
  bool is_new;
  assert_int_equal(fixture_upload(fixture->store, "default", 1, 3 << 20, &other, &is_new), BASE_OK);
  struct store_upload *upload = begin(fixture, 1, "note");
  uint8_t *data = malloc(MOST);
  assert_non_null(data);
  fixture_bytes(SEED, MOST, data);
  enum base_result result;
  uint64_t at;
  do {
    at = store_upload_bytes(upload);
    assert_true(at + PIECE <= MOST);
    result = store_upload_write(upload, base_span_of(data + at, PIECE), NULL);
  } while (result == BASE_OK);
  assert_int_equal(result, BASE_NO_SPACE);
  at = store_upload_bytes(upload);
  assert_true(at > 1 << 20);
  rest(upload);
  kept_expect(fixture->store, 1, "note", at);
  fixture_reopen(fixture);
  upload = must_resume(fixture, 1);
  assert_int_equal(store_upload_write(upload, base_span_of(data + at, 2 << 20), NULL), BASE_NO_SPACE);
  assert_int_equal(store_upload_bytes(upload), at);
  assert_int_equal(store_original_delete(fixture->store, "default", &other.id, NULL), BASE_OK);
  assert_int_equal(store_upload_write(upload, base_span_of(data + at, 2 << 20), NULL), BASE_OK);
  kept_commit(fixture->store, upload, SEED, (size_t)at + (2 << 20), true);
  free(data);
  fixture_close(fixture);
  assert_int_equal(umount(fixture->root), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(goes_on_where_it_was_when_resumed),
      TEST(is_used_by_one_at_a_time),
      TEST(refuses_names_that_are_none),
      TEST(has_the_digest_of_what_stayed_when_rewound),
      TEST(replaces_its_note_when_told),
      TEST(appends_other_uploads_in_order),
      TEST(rests_when_its_commit_fails),
      TEST(ends_at_once_when_it_is_aborted),
      TEST(has_every_byte_when_only_the_process_was_killed),
      TEST(has_what_was_synced_when_the_kernel_was_restarted),
      TEST(has_what_was_synced_when_the_boot_is_unknown),
      TEST(can_be_committed_again_when_killed_before_its_note_told),
      TEST(is_not_cut_when_its_file_has_another_name),
      TEST(leaves_the_original_alone_when_rewound_after_a_killed_commit),
      TEST(clears_away_what_belongs_to_no_upload),
      TEST(comes_down_when_bytes_are_missing),
      TEST(visits_every_upload),
      TEST(holds_room_only_while_it_is_open),
      TEST(keeps_what_fitted_when_the_disk_is_full),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
