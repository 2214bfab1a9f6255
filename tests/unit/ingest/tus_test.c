#include "tus_steps.h"

static void becomes_an_original_with_its_last_byte(void **state) {
  (void)state;
  const struct id id = begin(
      &(struct ingest_tus_wishes){.length = TEXT("12"), .metadata = TEXT("filename ZHVzay5qcGc=,tags c2VhLCBzdW4=")});
  assert_int_equal(look(&id).offset, 0);
  expect_patch(&id, "0", "GOOD", 4);
  assert_int_equal(look(&id).state, INGEST_TUS_OPEN);
  expect_patch(&id, "4", " pic", 8);
  struct ingest_tus_session session;
  assert_int_equal(patch(&id, "8", "ture", NULL, &session, NULL), BASE_OK);
  assert_int_equal(session.state, INGEST_TUS_STORED);
  struct store_original original;
  assert_int_equal(store_original_find(rig.store, "default", &session.original, &original, NULL), BASE_OK);
  assert_string_equal(original.name, "dusk.jpg");
  assert_string_equal(original.tags, "sea\nsun");
  ingest_tus_session_finish(&session);
  expect_stored(&id, "GOOD picture");
  assert_int_equal(atomic_load(&rig.stored), 1);
  assert_int_equal(tus_rig_files(&rig, "partial"), 1);  // the note
  // A client whose last reply was lost may ask again, but has nothing to add.
  expect_patch(&id, "12", "", 12);
  expect_refusal(&id, "12", "!", BASE_TOO_LARGE, "Upload-Length");
  reopen();
  expect_stored(&id, "GOOD picture");
}

static void takes_bytes_with_the_creation(void **state) {
  (void)state;
  struct ingest_tus_session session;
  assert_int_equal(create(&(struct ingest_tus_wishes){.length = TEXT("8")}, "GOOD", &session, NULL), BASE_OK);
  assert_int_equal(session.offset, 4);
  struct id id;
  memcpy(id.text, session.id, sizeof id.text);
  ingest_tus_session_finish(&session);
  expect_patch(&id, "4", " one", 8);
  expect_stored(&id, "GOOD one");
  assert_int_equal(create(&(struct ingest_tus_wishes){.length = TEXT("8")}, "GOOD two", &session, NULL), BASE_OK);
  assert_int_equal(session.state, INGEST_TUS_STORED);
  ingest_tus_session_finish(&session);
}

static void belongs_to_its_tenant(void **state) {
  (void)state;
  const struct id id = begin_sized("4");
  assert_int_equal(look_result("other", &id), BASE_NOT_FOUND);
  assert_int_equal(look_result("default", &id), BASE_OK);
  struct ingest_tus_upload *upload;
  const struct ingest_tus_chunk chunk = {.offset = TEXT("0")};
  assert_int_equal(ingest_tus_resume(rig.tus, "other", base_span_text(id.text), &chunk, &upload, NULL), BASE_NOT_FOUND);
  assert_int_equal(ingest_tus_terminate(rig.tus, "other", base_span_text(id.text), NULL), BASE_NOT_FOUND);
  assert_int_equal(ingest_tus_resume(rig.tus, "default", TEXT("../../x"), &chunk, &upload, NULL), BASE_NOT_FOUND);
  assert_null(upload);
}

static void refuses_chunks_that_do_not_fit(void **state) {
  (void)state;
  const struct id id = begin_sized("8");
  expect_patch(&id, "0", "GOOD", 4);
  expect_refusal(&id, "0", "GOOD", BASE_CONFLICT, "Upload-Offset");
  expect_refusal(&id, "5", "pic", BASE_CONFLICT, "Upload-Offset");
  expect_refusal(&id, "", "pic", BASE_BAD_INPUT, "Upload-Offset");
  expect_refusal(&id, "-4", "pic", BASE_BAD_INPUT, "Upload-Offset");
  expect_refusal(&id, "4", "12345", BASE_TOO_LARGE, "Upload-Length");
  assert_int_equal(look(&id).offset, 4);
  // Without a Content-Length it shows only as the bytes come; then none of them count.
  struct ingest_tus_upload *upload = resume(&id, "4", (struct ingest_tus_chunk){0});
  struct ingest_tus_session session;
  assert_int_equal(ingest_tus_write(upload, TEXT("123"), NULL), BASE_OK);
  assert_int_equal(ingest_tus_write(upload, TEXT("45"), NULL), BASE_TOO_LARGE);
  assert_int_equal(ingest_tus_end(&upload, &session, NULL), BASE_TOO_LARGE);
  assert_int_equal(look(&id).offset, 4);
  expect_patch(&id, "4", " one", 8);
}

static void refuses_wishes_that_break_the_rules(void **state) {
  (void)state;
  static const struct {
    const char *length, *defer, *metadata, *concat, *subject;
    enum base_result result;
  } table[] = {
      {NULL, NULL, NULL, NULL, "Upload-Length", BASE_BAD_INPUT},
      {"", NULL, NULL, NULL, "Upload-Length", BASE_BAD_INPUT},
      {"-1", NULL, NULL, NULL, "Upload-Length", BASE_BAD_INPUT},
      {"4", "1", NULL, NULL, "Upload-Length", BASE_BAD_INPUT},
      {NULL, "2", NULL, NULL, "Upload-Length", BASE_BAD_INPUT},
      {"100001", NULL, NULL, NULL, "Upload-Length", BASE_TOO_LARGE},
      {"18446744073709551615", NULL, NULL, NULL, "Upload-Length", BASE_TOO_LARGE},
      {"0", NULL, NULL, NULL, "Upload-Length", BASE_UNSUPPORTED},
      {"4", NULL, "filename", "whole", "Upload-Concat", BASE_BAD_INPUT},
      {"4", NULL, "filename *", NULL, "Upload-Metadata", BASE_BAD_INPUT},
      {"4", NULL, NULL, "final;/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "Upload-Concat", BASE_BAD_INPUT},
      {NULL, NULL, NULL, "final;/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "id", BASE_NOT_FOUND},
  };
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    const struct ingest_tus_wishes wishes = {
        .length = table[i].length ? base_span_of(table[i].length, strlen(table[i].length)) : (struct base_span){0},
        .defer_length = base_span_text(table[i].defer),
        .metadata = base_span_text(table[i].metadata),
        .concat = base_span_text(table[i].concat)};
    struct ingest_tus_session session;
    struct base_fault fault = {0};
    enum base_result result = create(&wishes, NULL, &session, &fault);
    if (result != table[i].result) fail_msg("row %zu gave %s", i, base_result_name(result));
    assert_string_equal(fault.subject, table[i].subject);
  }
  assert_int_equal(tus_rig_files(&rig, "partial"), 0);
}

static void learns_its_length_later(void **state) {
  (void)state;
  const struct id id = begin(&(struct ingest_tus_wishes){.defer_length = TEXT("1")});
  assert_false(look(&id).has_length);
  expect_patch(&id, "0", "GOOD", 4);
  struct ingest_tus_session session;
  struct base_fault fault = {0};
  assert_int_equal(patch(&id, "4", "", &(struct ingest_tus_chunk){.length = TEXT("3")}, &session, &fault),
                   BASE_BAD_INPUT);
  assert_int_equal(patch(&id, "4", " o", &(struct ingest_tus_chunk){.length = TEXT("8")}, &session, NULL), BASE_OK);
  ingest_tus_session_finish(&session);
  reopen();
  assert_true(look(&id).has_length);
  assert_int_equal(look(&id).length, 8);
  assert_int_equal(patch(&id, "6", "n", &(struct ingest_tus_chunk){.length = TEXT("7")}, &session, NULL),
                   BASE_BAD_INPUT);
  expect_patch(&id, "6", "ne", 8);
  expect_stored(&id, "GOOD one");
}

static void stops_a_file_of_unknown_length_at_the_limit(void **state) {
  (void)state;
  static uint8_t bytes[TUS_RIG_MAX_FILE_BYTES];
  const struct id id = begin(&(struct ingest_tus_wishes){.defer_length = TEXT("1")});
  struct ingest_tus_upload *upload = resume(&id, "0", (struct ingest_tus_chunk){0});
  struct ingest_tus_session session;
  assert_int_equal(ingest_tus_write(upload, base_span_of(bytes, sizeof bytes), NULL), BASE_OK);
  assert_int_equal(ingest_tus_write(upload, base_span_of(bytes, 1), NULL), BASE_TOO_LARGE);
  assert_int_equal(ingest_tus_end(&upload, &session, NULL), BASE_TOO_LARGE);
  assert_int_equal(look(&id).offset, 0);
}

static void locks_out_a_second_chunk(void **state) {
  (void)state;
  const struct id id = begin_sized("8");
  struct ingest_tus_upload *upload = resume(&id, "0", (struct ingest_tus_chunk){0});
  assert_int_equal(ingest_tus_write(upload, TEXT("GOOD"), NULL), BASE_OK);
  expect_refusal(&id, "0", "GOOD", BASE_LOCKED, "id");
  assert_int_equal(ingest_tus_terminate(rig.tus, "default", base_span_text(id.text), NULL), BASE_LOCKED);
  assert_true(look(&id).is_locked);
  assert_int_equal(look(&id).offset, 0);  // what has come is not safe yet
  ingest_tus_rest(&upload);
  assert_null(upload);
  assert_false(look(&id).is_locked);
  assert_int_equal(look(&id).offset, 4);
  expect_patch(&id, "4", " one", 8);
}

// The connection of the first client broke without a word; it comes back on another.
static void takes_over_from_a_chunk_that_has_fallen_silent(void **state) {
  (void)state;
  const struct id id = begin_sized("8");
  struct ingest_tus_upload *silent = resume(&id, "0", (struct ingest_tus_chunk){0});
  assert_int_equal(ingest_tus_write(silent, TEXT("GOO"), NULL), BASE_OK);
  fake_clock_advance_us(&rig.clock, 4999999);
  expect_refusal(&id, "3", "D one", BASE_LOCKED, "id");
  fake_clock_advance_us(&rig.clock, 1);
  expect_refusal(&id, "0", "GOOD one", BASE_CONFLICT, "Upload-Offset");  // but now the offset shows
  assert_int_equal(look(&id).offset, 3);
  expect_patch(&id, "3", "D", 4);
  struct base_fault fault = {0};
  assert_int_equal(ingest_tus_write(silent, TEXT("D"), &fault), BASE_LOCKED);
  struct ingest_tus_session session;
  assert_int_equal(ingest_tus_end(&silent, &session, NULL), BASE_LOCKED);
  expect_patch(&id, "4", " one", 8);
  expect_stored(&id, "GOOD one");
}

static void forgets_a_creation_that_was_cut_off(void **state) {
  (void)state;
  struct ingest_tus_upload *upload;
  const struct ingest_tus_wishes wishes = {.length = TEXT("8"), .body_bytes = 8};
  assert_int_equal(ingest_tus_begin(rig.tus, "default", &wishes, &upload, NULL), BASE_OK);
  assert_int_equal(ingest_tus_write(upload, TEXT("GOOD"), NULL), BASE_OK);
  ingest_tus_rest(&upload);
  assert_int_equal(tus_rig_files(&rig, "partial"), 0);
}

static void drops_a_chunk_with_a_wrong_checksum(void **state) {
  (void)state;
  const struct id id = begin_sized("8");
  const struct ingest_tus_chunk checksum = {.checksum = TEXT(GOOD_SHA256)};
  struct ingest_tus_session session;
  struct base_fault fault = {0};
  assert_int_equal(patch(&id, "0", "BAAD", &checksum, &session, &fault), BASE_CHECKSUM);
  assert_string_equal(fault.subject, "Upload-Checksum");
  assert_int_equal(look(&id).offset, 0);
  assert_int_equal(
      patch(&id, "0", "GOOD", &(struct ingest_tus_chunk){.checksum = TEXT("crc32 AAAAAA==")}, &session, NULL),
      BASE_BAD_INPUT);
  assert_int_equal(patch(&id, "0", "GOOD", &checksum, &session, NULL), BASE_OK);
  assert_int_equal(session.offset, 4);
  ingest_tus_session_finish(&session);
  // Cut off, it can not be verified.
  struct ingest_tus_upload *upload = resume(&id, "4", checksum);
  assert_int_equal(ingest_tus_write(upload, TEXT(" o"), NULL), BASE_OK);
  ingest_tus_rest(&upload);
  assert_int_equal(look(&id).offset, 4);
  // A creation is nothing without its bytes.
  assert_int_equal(
      create(&(struct ingest_tus_wishes){.length = TEXT("8"), .checksum = checksum.checksum}, "BAAD", &session, NULL),
      BASE_CHECKSUM);
  assert_int_equal(tus_rig_files(&rig, "partial"), 2);
}

static void refuses_what_is_no_picture(void **state) {
  (void)state;
  static const struct {
    const char *bytes, *subject;
    enum base_result result;
  } table[] = {
      {"TORN", "", BASE_UNPROCESSABLE}, {"text", "", BASE_UNSUPPORTED}, {"HUGE", "max_side", BASE_UNPROCESSABLE}};
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    const struct id id = begin_sized("4");
    expect_refusal(&id, "0", table[i].bytes, table[i].result, table[i].subject);
    assert_int_equal(tus_rig_files(&rig, "originals"), 0);
    for (int round = 0; round < 2; round++) {
      const struct ingest_tus_session session = look(&id);
      assert_int_equal(session.state, INGEST_TUS_REFUSED);
      assert_int_equal(session.problem.result, table[i].result);
      assert_string_equal(session.problem.subject, table[i].subject);
      expect_refusal(&id, "0", table[i].bytes, BASE_GONE, table[i].subject);
      reopen();
    }
  }
  struct ingest_tus_session session;
  assert_int_equal(create(&(struct ingest_tus_wishes){.length = TEXT("4")}, "TORN", &session, NULL),
                   BASE_UNPROCESSABLE);
  assert_int_equal(atomic_load(&rig.stored), 0);
}

static void ends_when_it_is_terminated(void **state) {
  (void)state;
  const struct id id = begin_sized("8"), stored = begin_sized("4");
  expect_patch(&id, "0", "GOOD", 4);
  expect_patch(&stored, "0", "GOOD", 4);
  assert_int_equal(ingest_tus_terminate(rig.tus, "default", base_span_text(id.text), NULL), BASE_OK);
  assert_int_equal(ingest_tus_terminate(rig.tus, "default", base_span_text(stored.text), NULL), BASE_OK);
  assert_int_equal(look_result("default", &id), BASE_NOT_FOUND);
  assert_int_equal(ingest_tus_terminate(rig.tus, "default", base_span_text(id.text), NULL), BASE_NOT_FOUND);
  assert_int_equal(tus_rig_files(&rig, "partial"), 0);
  struct integrity_digest digest;
  struct store_original original;
  integrity_digest_of(TEXT("GOOD"), &digest);
  assert_int_equal(store_original_find(rig.store, "default", &digest, &original, NULL), BASE_OK);
}

// --- concatenation ---

static struct id begin_part(const char *length) {
  return begin(&(struct ingest_tus_wishes){.length = base_span_text(length), .concat = TEXT("partial")});
}

static enum base_result join(const char *urls, struct ingest_tus_session *out, struct base_fault *fault) {
  return create(&(struct ingest_tus_wishes){.concat = base_span_text(urls)}, NULL, out, fault);
}

static void joins_parts(void **state) {
  (void)state;
  const struct id first = begin_part("5"), second = begin_part("3"), empty = begin_part("0");
  expect_patch(&second, "0", "abc", 3);
  assert_int_equal(look(&second).state, INGEST_TUS_OPEN);
  char urls[512];
  snprintf(urls, sizeof urls, "final;/api/v1/uploads/%s /api/v1/uploads/%s %s /%s", first.text, second.text, empty.text,
           second.text);
  struct ingest_tus_session session;
  struct base_fault fault = {0};
  assert_int_equal(join(urls, &session, &fault), BASE_CONFLICT);
  assert_string_equal(fault.subject, "Upload-Concat");
  expect_patch(&first, "0", "GOOD ", 5);
  assert_int_equal(join(urls, &session, NULL), BASE_OK);
  assert_int_equal(session.state, INGEST_TUS_STORED);
  assert_int_equal(session.length, 11);
  assert_string_equal(session.concat, urls);
  struct id whole;
  memcpy(whole.text, session.id, sizeof whole.text);
  ingest_tus_session_finish(&session);
  expect_stored(&whole, "GOOD abcabc");
  expect_refusal(&whole, "11", "", BASE_FORBIDDEN, "Upload-Concat");
  // Once more, for a client that has not heard the answer.
  assert_int_equal(join(urls, &session, NULL), BASE_OK);
  ingest_tus_session_finish(&session);
  // The parts go long before they would have expired.
  fake_clock_advance_s(&rig.clock, 601);
  assert_int_equal(ingest_tus_sweep(rig.tus), 3);
  assert_int_equal(look_result("default", &first), BASE_NOT_FOUND);
  expect_stored(&whole, "GOOD abcabc");
}

static void joins_nothing_but_parts(void **state) {
  (void)state;
  const struct id whole = begin_sized("4"), part = begin_part("4"), long_part = begin_part("100000");
  static uint8_t bytes[TUS_RIG_MAX_FILE_BYTES];
  struct ingest_tus_upload *upload = resume(&long_part, "0", (struct ingest_tus_chunk){0});
  struct ingest_tus_session session;
  assert_int_equal(ingest_tus_write(upload, base_span_of(bytes, sizeof bytes), NULL), BASE_OK);
  assert_int_equal(ingest_tus_end(&upload, &session, NULL), BASE_OK);
  ingest_tus_session_finish(&session);
  expect_patch(&part, "0", "TORN", 4);
  expect_patch(&whole, "0", "GOOD", 4);
  char urls[256];
  struct base_fault fault = {0};
  snprintf(urls, sizeof urls, "final;%s %s", part.text, whole.text);
  assert_int_equal(join(urls, &session, &fault), BASE_BAD_INPUT);
  snprintf(urls, sizeof urls, "final;%s %s", long_part.text, part.text);
  assert_int_equal(join(urls, &session, NULL), BASE_TOO_LARGE);
  snprintf(urls, sizeof urls, "final;%s", part.text);
  assert_int_equal(join(urls, &session, NULL), BASE_UNPROCESSABLE);
  assert_int_equal(look(&part).offset, 4);  // parts stay as they are
  assert_int_equal(tus_rig_files(&rig, "partial"), 1 + 2 + 2);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(becomes_an_original_with_its_last_byte),
      TEST(takes_bytes_with_the_creation),
      TEST(belongs_to_its_tenant),
      TEST(refuses_chunks_that_do_not_fit),
      TEST(refuses_wishes_that_break_the_rules),
      TEST(learns_its_length_later),
      TEST(stops_a_file_of_unknown_length_at_the_limit),
      TEST(locks_out_a_second_chunk),
      TEST(takes_over_from_a_chunk_that_has_fallen_silent),
      TEST(forgets_a_creation_that_was_cut_off),
      TEST(drops_a_chunk_with_a_wrong_checksum),
      TEST(refuses_what_is_no_picture),
      TEST(ends_when_it_is_terminated),
      TEST(joins_parts),
      TEST(joins_nothing_but_parts),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
