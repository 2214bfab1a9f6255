// What clients of tus do, step by step, to the one rig of a test program.
#ifndef TESTS_TUS_STEPS_H
#define TESTS_TUS_STEPS_H

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tus_rig.h"

#define TEXT(literal) base_span_text(literal)
// sha256 of "GOOD" by openssl
#define GOOD_SHA256 "sha256 J48U6WzGdInlwNbOvsiicY+xWOxlb9Qf7X7NAxzUcrI="

static struct tus_rig rig;

static inline int open_rig(void **state) {
  (void)state;
  tus_rig_make(&rig);
  tus_rig_open(&rig);
  return 0;
}

static inline int close_rig(void **state) {
  (void)state;
  tus_rig_close(&rig);
  tus_rig_remove(&rig);
  return 0;
}

static inline void reopen(void) {
  tus_rig_close(&rig);
  tus_rig_open(&rig);
}

// A session's id, kept while the session comes and goes.
struct id {
  char text[INGEST_TUS_ID_CHARS + 1];
};

static inline enum base_result create(const struct ingest_tus_wishes *wishes, const char *body,
                                      struct ingest_tus_session *out, struct base_fault *fault) {
  struct ingest_tus_wishes all = *wishes;
  struct ingest_tus_upload *upload;
  all.body_bytes = body ? strlen(body) : 0;
  enum base_result result = ingest_tus_begin(rig.tus, "default", &all, &upload, fault);
  if (result == BASE_OK && body) result = ingest_tus_write(upload, base_span_text(body), fault);
  if (upload) result = ingest_tus_end(&upload, out, fault);
  assert_null(upload);
  return result;
}

static inline struct id begin(const struct ingest_tus_wishes *wishes) {
  struct ingest_tus_session session;
  struct base_fault fault = {0};
  struct id id;
  if (create(wishes, NULL, &session, &fault) != BASE_OK) fail_msg("%s", fault.text);
  memcpy(id.text, session.id, sizeof id.text);
  ingest_tus_session_finish(&session);
  return id;
}

static inline struct id begin_sized(const char *length) {
  return begin(&(struct ingest_tus_wishes){.length = base_span_text(length)});
}

static inline struct ingest_tus_upload *resume(const struct id *id, const char *offset, struct ingest_tus_chunk chunk) {
  struct ingest_tus_upload *upload;
  struct base_fault fault = {0};
  chunk.offset = base_span_text(offset);
  if (!chunk.body_bytes) chunk.body_bytes = UINT64_MAX;
  enum base_result result = ingest_tus_resume(rig.tus, "default", base_span_text(id->text), &chunk, &upload, &fault);
  if (result != BASE_OK) fail_msg("%s", fault.text);
  return upload;
}

static inline enum base_result patch(const struct id *id, const char *offset, const char *bytes,
                                     const struct ingest_tus_chunk *more, struct ingest_tus_session *out,
                                     struct base_fault *fault) {
  struct ingest_tus_chunk chunk = more ? *more : (struct ingest_tus_chunk){0};
  struct ingest_tus_upload *upload;
  chunk.offset = base_span_text(offset);
  chunk.body_bytes = strlen(bytes);
  enum base_result result = ingest_tus_resume(rig.tus, "default", base_span_text(id->text), &chunk, &upload, fault);
  if (result != BASE_OK) return result;
  const enum base_result written = ingest_tus_write(upload, base_span_text(bytes), fault);
  result = ingest_tus_end(&upload, out, fault);
  if (written != BASE_OK) assert_int_equal(result, written);
  return result;
}

static inline void expect_patch(const struct id *id, const char *offset, const char *bytes, uint64_t new_offset) {
  struct ingest_tus_session session;
  struct base_fault fault = {0};
  if (patch(id, offset, bytes, NULL, &session, &fault) != BASE_OK) fail_msg("%s", fault.text);
  assert_int_equal(session.offset, new_offset);
  ingest_tus_session_finish(&session);
}

static inline void expect_refusal(const struct id *id, const char *offset, const char *bytes, enum base_result expected,
                                  const char *subject) {
  struct ingest_tus_session session;
  struct base_fault fault = {0};
  assert_int_equal(patch(id, offset, bytes, NULL, &session, &fault), expected);
  assert_int_equal(fault.result, expected);
  if (subject) assert_string_equal(fault.subject, subject);
}

// What a HEAD would say; the caller has no more use for its texts.
static inline struct ingest_tus_session look(const struct id *id) {
  struct ingest_tus_session session;
  struct base_fault fault = {0};
  enum base_result result = ingest_tus_look(rig.tus, "default", base_span_text(id->text), &session, &fault);
  if (result != BASE_OK) fail_msg("%s", fault.text);
  ingest_tus_session_finish(&session);
  return session;
}

static inline enum base_result look_result(const char *tenant, const struct id *id) {
  struct ingest_tus_session session;
  enum base_result result = ingest_tus_look(rig.tus, tenant, base_span_text(id->text), &session, NULL);
  if (result == BASE_OK) ingest_tus_session_finish(&session);
  return result;
}

static inline void expect_stored(const struct id *id, const char *bytes) {
  const struct ingest_tus_session session = look(id);
  struct integrity_digest digest;
  struct store_original original;
  assert_int_equal(session.state, INGEST_TUS_STORED);
  assert_int_equal(session.offset, strlen(bytes));
  integrity_digest_of(base_span_text(bytes), &digest);
  assert_true(integrity_digest_equal(&session.original, &digest));
  assert_int_equal(store_original_find(rig.store, "default", &digest, &original, NULL), BASE_OK);
  assert_int_equal(original.bytes, strlen(bytes));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)

#endif
