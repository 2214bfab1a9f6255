#include "tus_steps.h"

#include <pthread.h>
#include <stdlib.h>

static void expires_when_nobody_goes_on_with_it(void **state) {
  (void)state;
  const struct id idle = begin_sized("8"), used = begin_sized("8");
  assert_int_equal(look(&idle).expires_s, TUS_RIG_NOW_S + TUS_RIG_EXPIRE_S);
  fake_clock_advance_s(&rig.clock, 600);
  expect_patch(&used, "0", "GOOD", 4);
  assert_int_equal(look(&used).expires_s, TUS_RIG_NOW_S + 600 + TUS_RIG_EXPIRE_S);
  fake_clock_advance_s(&rig.clock, 400);
  assert_int_equal(look_result("default", &idle), BASE_GONE);
  expect_refusal(&idle, "0", "GOOD", BASE_GONE, "id");
  reopen();
  assert_int_equal(look_result("default", &idle), BASE_GONE);
  assert_int_equal(ingest_tus_sweep(rig.tus), 1);
  assert_int_equal(ingest_tus_sweep(rig.tus), 0);
  assert_int_equal(look_result("default", &idle), BASE_NOT_FOUND);
  expect_patch(&used, "4", " one", 8);
}

static void does_not_expire_while_bytes_come(void **state) {
  (void)state;
  const struct id id = begin_sized("8");
  struct ingest_tus_upload *upload = resume(&id, "0", (struct ingest_tus_chunk){0});
  fake_clock_advance_s(&rig.clock, 2 * TUS_RIG_EXPIRE_S);
  assert_int_equal(ingest_tus_sweep(rig.tus), 0);
  assert_int_equal(ingest_tus_write(upload, TEXT("GOOD"), NULL), BASE_OK);
  ingest_tus_rest(&upload);
  assert_int_equal(look(&id).offset, 4);
}

static void bounds_the_number_of_sessions(void **state) {
  (void)state;
  tus_rig_close(&rig);
  rig.max_sessions = 3;
  rig.max_sessions_per_tenant = 2;
  tus_rig_open(&rig);
  const struct id first = begin_sized("4");
  (void)begin_sized("4");
  struct ingest_tus_session session;
  struct base_fault fault = {0};
  const struct ingest_tus_wishes wishes = {.length = TEXT("4")};
  assert_int_equal(create(&wishes, NULL, &session, &fault), BASE_BUSY);
  assert_string_equal(fault.subject, "max_sessions_per_tenant");
  expect_patch(&first, "0", "GOOD", 4);
  (void)begin_sized("4");  // the finished one gives way
  assert_int_equal(look_result("default", &first), BASE_NOT_FOUND);
  struct ingest_tus_upload *upload;
  assert_int_equal(ingest_tus_begin(rig.tus, "other", &wishes, &upload, NULL), BASE_OK);
  struct ingest_tus_upload *too_many;
  base_fault_clear(&fault);
  assert_int_equal(ingest_tus_begin(rig.tus, "other", &wishes, &too_many, &fault), BASE_BUSY);
  assert_string_equal(fault.subject, "max_sessions");
  ingest_tus_rest(&upload);
}

static bool count_one(void *argument, const struct ingest_tus_session *session) {
  assert_string_equal(session->tenant, "default");
  return ++*(int *)argument < 2;
}

static void lists_the_sessions_of_a_tenant(void **state) {
  (void)state;
  int count = 0;
  assert_int_equal(ingest_tus_list(rig.tus, "default", NULL, count_one, &count, NULL), BASE_OK);
  assert_int_equal(count, 0);
  for (int i = 0; i < 3; i++) (void)begin_sized("4");
  assert_int_equal(ingest_tus_list(rig.tus, "other", NULL, count_one, &count, NULL), BASE_OK);
  assert_int_equal(count, 0);
  assert_int_equal(ingest_tus_list(rig.tus, "default", NULL, count_one, &count, NULL), BASE_OK);
  assert_int_equal(count, 2);
}

static bool note_state(void *argument, const struct ingest_tus_session *session) {
  char *states = argument;
  states[strlen(states)] = ingest_tus_state_name(session->state)[0];
  return true;
}

static void lists_the_unfinished_ones_first(void **state) {
  (void)state;
  for (int i = 0; i < 8; i++) {
    const struct id id = begin_sized("4");
    if (i % 2 == 0) expect_patch(&id, "0", "GOOD", 4);
  }
  char states[10] = "", open[10] = "", stored[10] = "";
  const enum ingest_tus_state is_open = INGEST_TUS_OPEN, is_stored = INGEST_TUS_STORED;
  assert_int_equal(ingest_tus_list(rig.tus, "default", NULL, note_state, states, NULL), BASE_OK);
  assert_string_equal(states, "oooossss");
  assert_int_equal(ingest_tus_list(rig.tus, "default", &is_open, note_state, open, NULL), BASE_OK);
  assert_string_equal(open, "oooo");
  assert_int_equal(ingest_tus_list(rig.tus, "default", &is_stored, note_state, stored, NULL), BASE_OK);
  assert_string_equal(stored, "ssss");
}

// --- crashes ---

static void write_and_die(struct tus_rig *of, void *argument) {
  (void)of;
  struct ingest_tus_upload *upload = resume(argument, "4", (struct ingest_tus_chunk){0});
  (void)!ingest_tus_write(upload, TEXT(" one"), NULL);
}

static void write_with_checksum_and_die(struct tus_rig *of, void *argument) {
  (void)of;
  const struct ingest_tus_chunk chunk = {.checksum = TEXT(GOOD_SHA256)};
  struct ingest_tus_upload *upload = resume(argument, "4", chunk);
  (void)!ingest_tus_write(upload, TEXT(" o"), NULL);
}

static struct id begin_half(void) {
  const struct id id = begin_sized("8");
  expect_patch(&id, "0", "GOOD", 4);
  tus_rig_close(&rig);
  return id;
}

static void is_checked_when_asked_for_after_a_crash(void **state) {
  (void)state;
  struct id id = begin_half();
  tus_rig_crash(&rig, write_and_die, &id);
  tus_rig_open(&rig);
  expect_stored(&id, "GOOD one");  // offset and length agree, but only because it is stored
  assert_int_equal(atomic_load(&rig.stored), 1);
}

static void is_checked_by_the_first_sweep_after_a_crash(void **state) {
  (void)state;
  struct id id = begin_half();
  tus_rig_crash(&rig, write_and_die, &id);
  tus_rig_open(&rig);
  assert_int_equal(ingest_tus_sweep(rig.tus), 0);
  assert_int_equal(atomic_load(&rig.stored), 1);
  expect_stored(&id, "GOOD one");
}

static void does_not_count_unverified_bytes_after_a_crash(void **state) {
  (void)state;
  struct id id = begin_half();
  tus_rig_crash(&rig, write_with_checksum_and_die, &id);
  tus_rig_open(&rig);
  assert_int_equal(look(&id).offset, 4);
  expect_patch(&id, "4", " one", 8);
  expect_stored(&id, "GOOD one");
}

// --- threads ---

enum { THREADS = 4, ROUNDS = 25 };

// Each byte that was written counts, whoever ended its chunk: the clock runs so fast that chunks give way.
static void *append_one_by_one(void *argument) {
  const struct id *id = argument;
  unsigned *written = calloc(1, sizeof *written);
  for (int i = 0; i < ROUNDS; i++) {
    struct ingest_tus_session session;
    struct ingest_tus_upload *upload;
    char offset[24];
    const struct base_span name = base_span_text(id->text);
    fake_clock_advance_us(&rig.clock, 2000000);
    if (ingest_tus_look(rig.tus, "default", name, &session, NULL) != BASE_OK) continue;
    snprintf(offset, sizeof offset, "%u", (unsigned)session.offset);
    ingest_tus_session_finish(&session);
    const struct ingest_tus_chunk chunk = {.offset = base_span_text(offset), .body_bytes = 1};
    (void)ingest_tus_sweep(rig.tus);
    if (ingest_tus_resume(rig.tus, "default", name, &chunk, &upload, NULL) != BASE_OK) continue;
    *written += ingest_tus_write(upload, TEXT("x"), NULL) == BASE_OK;
    if (i % 5 == 0) {
      ingest_tus_rest(&upload);
    } else if (ingest_tus_end(&upload, &session, NULL) == BASE_OK) {
      ingest_tus_session_finish(&session);
    }
  }
  return written;
}

static void takes_one_chunk_at_a_time(void **state) {
  (void)state;
  struct id id = begin_sized("1000");
  pthread_t threads[THREADS];
  unsigned total = 0;
  for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&threads[i], NULL, append_one_by_one, &id), 0);
  for (int i = 0; i < THREADS; i++) {
    void *written;
    pthread_join(threads[i], &written);
    total += *(unsigned *)written;
    free(written);
  }
  assert_true(total > 0);
  assert_int_equal(look(&id).offset, total);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(expires_when_nobody_goes_on_with_it),
      TEST(does_not_expire_while_bytes_come),
      TEST(bounds_the_number_of_sessions),
      TEST(lists_the_sessions_of_a_tenant),
      TEST(lists_the_unfinished_ones_first),
      TEST(is_checked_when_asked_for_after_a_crash),
      TEST(is_checked_by_the_first_sweep_after_a_crash),
      TEST(does_not_count_unverified_bytes_after_a_crash),
      TEST(takes_one_chunk_at_a_time),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
