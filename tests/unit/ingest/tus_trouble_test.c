// Sessions of a box in trouble: checks that cannot be made, notes that cannot be written, kills at the wrong moment.
// The linker puts what is below between tus and its neighbours (--wrap).
#include <stdlib.h>

#include "tus_steps.h"

static struct {
  enum base_result check;  // what a check ends with; BASE_OK: what it really does
  int checks;
  bool fails_last_notes;         // those that tell of an end
  void (*while_checking)(void);  // NULL: nothing
  void (*before_peek)(void);     // once
} trouble;

static int open_troubled(void **state) {
  memset(&trouble, 0, sizeof trouble);
  return open_rig(state);
}

enum base_result __real_ingest_adopt(struct ingest *ingest, const char *tenant, struct store_upload **file,
                                     const struct ingest_metadata *metadata, struct store_original *out, bool *is_new,
                                     struct base_fault *fault);
enum base_result __wrap_ingest_adopt(struct ingest *ingest, const char *tenant, struct store_upload **file,
                                     const struct ingest_metadata *metadata, struct store_original *out, bool *is_new,
                                     struct base_fault *fault);
enum base_result __wrap_ingest_adopt(struct ingest *ingest, const char *tenant, struct store_upload **file,
                                     const struct ingest_metadata *metadata, struct store_original *out, bool *is_new,
                                     struct base_fault *fault) {
  trouble.checks++;
  if (trouble.while_checking) trouble.while_checking();
  if (trouble.check == BASE_OK) return __real_ingest_adopt(ingest, tenant, file, metadata, out, is_new, fault);
  assert_int_equal(store_upload_rest(file, NULL), BASE_OK);
  return BASE_FAIL(fault, trouble.check, "", "the box is in trouble");
}

static bool fails(struct base_span note) {
  if (!trouble.fails_last_notes) return false;
  static const char stored[] = "\"stored\"", refused[] = "\"refused\"";
  return memmem(note.data, note.bytes, stored, sizeof stored - 1) ||
         memmem(note.data, note.bytes, refused, sizeof refused - 1);
}

enum base_result __real_store_upload_annotate(struct store *store, const char *name, struct base_span note,
                                              struct base_fault *fault);
enum base_result __wrap_store_upload_annotate(struct store *store, const char *name, struct base_span note,
                                              struct base_fault *fault);
enum base_result __wrap_store_upload_annotate(struct store *store, const char *name, struct base_span note,
                                              struct base_fault *fault) {
  if (fails(note)) return BASE_FAIL(fault, BASE_NO_SPACE, "", "the disk is full");
  return __real_store_upload_annotate(store, name, note, fault);
}

enum base_result __real_store_upload_set_note(struct store_upload *upload, struct base_span note,
                                              struct base_fault *fault);
enum base_result __wrap_store_upload_set_note(struct store_upload *upload, struct base_span note,
                                              struct base_fault *fault);
enum base_result __wrap_store_upload_set_note(struct store_upload *upload, struct base_span note,
                                              struct base_fault *fault) {
  if (fails(note)) return BASE_FAIL(fault, BASE_NO_SPACE, "", "the disk is full");
  return __real_store_upload_set_note(upload, note, fault);
}

enum base_result __real_store_upload_peek(struct store *store, const char *name, struct base_buffer *note,
                                          uint64_t *bytes, struct base_fault *fault);
enum base_result __wrap_store_upload_peek(struct store *store, const char *name, struct base_buffer *note,
                                          uint64_t *bytes, struct base_fault *fault);
enum base_result __wrap_store_upload_peek(struct store *store, const char *name, struct base_buffer *note,
                                          uint64_t *bytes, struct base_fault *fault) {
  void (*before)(void) = trouble.before_peek;
  trouble.before_peek = NULL;
  if (before) before();
  return __real_store_upload_peek(store, name, note, bytes, fault);
}

// --- checks that cannot be made ---

static void tries_again_later_when_the_box_is_to_blame(void **state) {
  (void)state;
  const struct id id = begin_sized("4");
  trouble.check = BASE_BUSY;
  expect_refusal(&id, "0", "GOOD", BASE_BUSY, NULL);
  assert_int_equal(look_result("default", &id), BASE_BUSY);  // at once: put off
  expect_refusal(&id, "4", "", BASE_BUSY, "id");
  assert_int_equal(trouble.checks, 1);
  fake_clock_advance_s(&rig.clock, 1);
  assert_int_equal(look_result("default", &id), BASE_BUSY);
  assert_int_equal(trouble.checks, 2);
  fake_clock_advance_s(&rig.clock, 1);
  assert_int_equal(ingest_tus_sweep(rig.tus), 0);
  assert_int_equal(trouble.checks, 2);
  fake_clock_advance_s(&rig.clock, 1);
  trouble.check = BASE_OK;
  expect_patch(&id, "4", "", 4);
  assert_int_equal(trouble.checks, 3);
  expect_stored(&id, "GOOD");
}

static void expires_when_it_can_never_be_checked(void **state) {
  (void)state;
  static const enum base_result table[] = {BASE_IO, BASE_INTERNAL, BASE_NO_SPACE, BASE_CONFLICT, BASE_BUSY};
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    trouble.checks = 0;
    trouble.check = table[i];
    const struct id id = begin_sized("4");
    expect_refusal(&id, "0", "GOOD", table[i], NULL);
    size_t removed = 0;
    for (int s = 0; s < TUS_RIG_EXPIRE_S; s++) {
      fake_clock_advance_s(&rig.clock, 1);
      removed += ingest_tus_sweep(rig.tus);
    }
    assert_int_equal(removed, 1);
    assert_int_equal(look_result("default", &id), BASE_NOT_FOUND);
    assert_int_equal(trouble.checks, 10);  // 1 s, 2 s, 4 s ... apart
  }
  assert_int_equal(tus_rig_files(&rig, "partial"), 0);
}

static struct id checked;
static int looks;

static void look_while_checking(void) {
  struct ingest_tus_session session;
  struct base_fault fault = {0};
  looks++;
  assert_int_equal(ingest_tus_look(rig.tus, "default", base_span_text(checked.text), &session, &fault), BASE_LOCKED);
  assert_non_null(strstr(fault.text, "is being checked"));
}

static void says_that_it_is_being_checked(void **state) {
  (void)state;
  checked = begin_sized("4");
  looks = 0;
  trouble.while_checking = look_while_checking;
  expect_patch(&checked, "0", "GOOD", 4);
  assert_int_equal(looks, 1);
}

// --- notes that cannot be written ---

static void is_stored_though_its_note_cannot_tell(void **state) {
  (void)state;
  const struct id id = begin_sized("4");
  trouble.fails_last_notes = true;
  expect_patch(&id, "0", "GOOD", 4);
  expect_stored(&id, "GOOD");
  expect_refusal(&id, "0", "GOOD", BASE_CONFLICT, "Upload-Offset");
  struct ingest_tus_upload *upload = resume(&id, "4", (struct ingest_tus_chunk){0});
  struct ingest_tus_session session;
  assert_int_not_equal(ingest_tus_write(upload, TEXT("x"), NULL), BASE_OK);
  assert_int_not_equal(ingest_tus_end(&upload, &session, NULL), BASE_OK);
  expect_patch(&id, "4", "", 4);
  assert_int_equal(ingest_tus_sweep(rig.tus), 0);
  expect_stored(&id, "GOOD");
  trouble.fails_last_notes = false;
  assert_int_equal(ingest_tus_sweep(rig.tus), 0);
  assert_int_equal(trouble.checks, 1);
  reopen();
  expect_stored(&id, "GOOD");
  assert_int_equal(trouble.checks, 1);
}

static void is_refused_though_its_note_cannot_tell(void **state) {
  (void)state;
  const struct id id = begin_sized("4");
  trouble.fails_last_notes = true;
  expect_refusal(&id, "0", "HUGE", BASE_UNPROCESSABLE, "max_side");
  for (int round = 0; round < 3; round++) {
    const struct ingest_tus_session session = look(&id);
    assert_int_equal(session.state, INGEST_TUS_REFUSED);
    assert_int_equal(session.offset, 0);
    assert_int_equal(session.problem.result, BASE_UNPROCESSABLE);
    assert_string_equal(session.problem.subject, "max_side");
    expect_refusal(&id, "4", "", BASE_GONE, "max_side");
    expect_refusal(&id, "0", "HUGE", BASE_GONE, "max_side");
    if (round == 1) trouble.fails_last_notes = false;
    assert_int_equal(ingest_tus_sweep(rig.tus), 0);
  }
  reopen();
  assert_int_equal(look(&id).state, INGEST_TUS_REFUSED);
  assert_int_equal(trouble.checks, 1);
}

// --- kills ---

static void write_half(struct tus_rig *of, const char *id, struct ingest_tus_chunk chunk) {
  struct ingest_tus_upload *upload;
  chunk.offset = TEXT("4");
  chunk.body_bytes = UINT64_MAX;
  if (ingest_tus_resume(of->tus, "default", base_span_text(id), &chunk, &upload, NULL) != BASE_OK) return;
  (void)!ingest_tus_write(upload, TEXT(" o"), NULL);
}

static void write_plainly_and_die(struct tus_rig *of, void *id) { write_half(of, id, (struct ingest_tus_chunk){0}); }

static void write_with_checksum_and_die(struct tus_rig *of, void *id) {
  write_half(of, id, (struct ingest_tus_chunk){.checksum = TEXT(GOOD_SHA256)});
}

static struct id begin_and_crash(void (*work)(struct tus_rig *of, void *id)) {
  struct id id = begin_sized("8");
  expect_patch(&id, "0", "GOOD", 4);
  tus_rig_close(&rig);
  tus_rig_crash(&rig, work, &id);
  tus_rig_open(&rig);
  return id;
}

static void counts_plain_chunks_after_a_killed_one_with_a_checksum(void **state) {
  (void)state;
  const struct id id = begin_and_crash(write_with_checksum_and_die);
  assert_int_equal(look(&id).offset, 4);
  expect_patch(&id, "4", " o", 6);
  assert_int_equal(look(&id).offset, 6);
  reopen();
  assert_int_equal(look(&id).offset, 6);
  expect_patch(&id, "6", "n", 7);
  assert_int_equal(look(&id).offset, 7);
  expect_patch(&id, "7", "e", 8);
  expect_stored(&id, "GOOD one");
}

static void tells_of_no_bytes_that_a_power_cut_takes_back(void **state) {
  (void)state;
  const struct id id = begin_and_crash(write_plainly_and_die);
  const uint64_t told = look(&id).offset;
  assert_int_equal(told, 6);
  tus_rig_close(&rig);
  rig.boot_id = "another boot";
  tus_rig_open(&rig);
  assert_int_equal(look(&id).offset, told);
}

static void create_and_die(struct tus_rig *of, void *argument) {
  (void)argument;
  const struct ingest_tus_wishes wishes = {.length = TEXT("8"), .body_bytes = 8};
  struct ingest_tus_upload *upload;
  if (ingest_tus_begin(of->tus, "default", &wishes, &upload, NULL) != BASE_OK) return;
  (void)!ingest_tus_write(upload, TEXT("GOOD"), NULL);
}

static void forgets_a_creation_that_was_killed(void **state) {
  (void)state;
  struct ingest_tus_session session;
  assert_int_equal(create(&(struct ingest_tus_wishes){.length = TEXT("8")}, "GOOD", &session, NULL), BASE_OK);
  struct id told;
  memcpy(told.text, session.id, sizeof told.text);
  ingest_tus_session_finish(&session);
  tus_rig_close(&rig);
  tus_rig_crash(&rig, create_and_die, NULL);
  assert_int_equal(tus_rig_files(&rig, "partial"), 4);
  tus_rig_open(&rig);
  assert_int_equal(tus_rig_files(&rig, "partial"), 2);
  assert_int_equal(look(&told).offset, 4);
}

// --- looks that meet a chunk ---

static struct id met;
static struct ingest_tus_upload *meeting;

static void begin_to_write(void) {
  meeting = resume(&met, "0", (struct ingest_tus_chunk){0});
  assert_int_equal(ingest_tus_write(meeting, TEXT("GOOD"), NULL), BASE_OK);
}

static void tells_of_no_bytes_of_a_chunk_that_began_meanwhile(void **state) {
  (void)state;
  met = begin_sized("8");
  trouble.before_peek = begin_to_write;
  const struct ingest_tus_session session = look(&met);
  assert_non_null(meeting);
  assert_int_equal(session.offset, 0);
  assert_true(session.is_locked);
  ingest_tus_rest(&meeting);
  assert_int_equal(look(&met).offset, 4);
}

#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_troubled, close_rig)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(tries_again_later_when_the_box_is_to_blame),
      TEST(expires_when_it_can_never_be_checked),
      TEST(says_that_it_is_being_checked),
      TEST(is_stored_though_its_note_cannot_tell),
      TEST(is_refused_though_its_note_cannot_tell),
      TEST(counts_plain_chunks_after_a_killed_one_with_a_checksum),
      TEST(tells_of_no_bytes_that_a_power_cut_takes_back),
      TEST(forgets_a_creation_that_was_killed),
      TEST(tells_of_no_bytes_of_a_chunk_that_began_meanwhile),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
