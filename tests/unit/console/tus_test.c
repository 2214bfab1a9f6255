#include "console_rig.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct console_rig rig;
static struct console_answer answer;

#define TUS "Tus-Resumable: 1.0.0\r\n"
#define BYTES TUS "Content-Type: application/offset+octet-stream\r\n"

static int open_rig(void **state) {
  *state = &rig;
  console_rig_open(&rig, &(struct console_rig_config){.request_timeout_ms = 1500});
  return 0;
}

static void ask(const char *method, const char *target, const char *fields, const char *body) {
  console_rig_ask_as_owner(&rig, method, target, fields, body, &answer);
}

static void expect_status(int status) {
  if (answer.status != status) fail_msg("status %d instead of %d: %s", answer.status, status, answer.text);
  assert_string_equal(console_answer_field(&answer, "Tus-Resumable"), "1.0.0");
}

static void expect_problem(int status, const char *subject) {
  expect_status(status);
  assert_string_equal(console_answer_field(&answer, "Content-Type"), "application/problem+json");
  assert_string_equal(console_answer_member(&answer, "subject"), subject);
}

static void expect_field(const char *name, const char *value) {
  assert_string_equal(console_answer_field(&answer, name), value);
}

// Makes an upload; returns its path in a static buffer.
static const char *create(const char *fields) {
  static char path[128];
  char all[512];
  snprintf(all, sizeof all, TUS "%s", fields);
  ask("POST", "/api/v1/uploads", all, "");
  expect_status(201);
  snprintf(path, sizeof path, "%s", console_answer_field(&answer, "Location"));
  return path;
}

static uint64_t stored(void) {
  struct store_stats stats;
  assert_int_equal(store_get_stats(rig.store, &stats, NULL), BASE_OK);
  return stats.originals;
}

static void says_what_it_can_do_without_a_token(void **state) {
  (void)state;
  static const char *const paths[] = {"/api/v1/uploads", "/api/v1/uploads/", "/api/v1/uploads/AAAA"};
  for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
    console_rig_ask(&rig, "OPTIONS", paths[i], "Tus-Resumable: 0.2.2\r\n", NULL, &answer);
    expect_status(204);
    expect_field("Tus-Version", "1.0.0");
    expect_field("Tus-Max-Size", "1048576");
    expect_field("Tus-Checksum-Algorithm", "sha256,sha1");
    expect_field("Tus-Extension",
                 "creation,creation-with-upload,creation-defer-length,termination,checksum,expiration,concatenation");
  }
  console_rig_ask(&rig, "POST", "/api/v1/uploads", TUS "Upload-Length: 4\r\n", "", &answer);
  expect_status(401);
}

static void stores_an_upload_in_two_chunks(void **state) {
  (void)state;
  const char *path = create("Upload-Length: 8\r\nUpload-Metadata: filename ZHVzay5qcGc=\r\n");
  expect_field("Upload-Offset", "0");
  assert_true(strlen(console_answer_field(&answer, "Upload-Expires")) == 29);
  ask("HEAD", path, TUS, NULL);
  expect_status(200);
  expect_field("Upload-Offset", "0");
  expect_field("Upload-Length", "8");
  expect_field("Upload-Metadata", "filename ZHVzay5qcGc=");
  expect_field("Cache-Control", "no-store");
  expect_field("Upload-Defer-Length", "");
  ask("PATCH", path, BYTES "Upload-Offset: 0\r\n", "GOOD");
  expect_status(204);
  expect_field("Upload-Offset", "4");
  expect_field("Pixpop-Original", "");
  ask("PATCH", path, BYTES "Upload-Offset: 4\r\n", " one");
  expect_status(204);
  expect_field("Upload-Offset", "8");
  struct integrity_digest digest;
  char id[BASE_DIGEST_BASE64URL_CHARS + 1];
  integrity_digest_of(base_span_text("GOOD one"), &digest);
  integrity_digest_text(&digest, id);
  expect_field("Pixpop-Original", id);
  ask("HEAD", path, TUS, NULL);
  expect_status(200);
  expect_field("Upload-Offset", "8");
  expect_field("Pixpop-Original", id);
  ask("GET", path, "", NULL);
  expect_status(200);
  assert_string_equal(console_answer_member(&answer, "state"), "stored");
  assert_string_equal(console_answer_member(&answer, "original"), id);
  assert_string_equal(console_answer_member(&answer, "name"), "dusk.jpg");
  ask("GET", "/api/v1/uploads", "", NULL);
  expect_status(200);
  assert_string_equal(console_answer_member(&answer, "original"), id);
  assert_int_equal(stored(), 1);
}

static void lists_uploads_in_a_state(void **state) {
  (void)state;
  (void)create("Upload-Length: 8\r\n");
  ask("POST", "/api/v1/uploads/", BYTES "Upload-Length: 4\r\n", "GOOD");
  expect_status(201);
  ask("GET", "/api/v1/uploads?state=open", "", NULL);
  expect_status(200);
  assert_non_null(strstr(answer.text, "\"open\""));
  assert_null(strstr(answer.text, "\"stored\""));
  assert_non_null(strstr(answer.text, "\"truncated\":false"));
  ask("GET", "/api/v1/uploads?state=stored", "", NULL);
  assert_non_null(strstr(answer.text, "\"stored\""));
  assert_null(strstr(answer.text, "\"open\""));
  ask("GET", "/api/v1/uploads?state=late", "", NULL);
  expect_problem(400, "state");
  ask("GET", "/api/v1/uploads?limit=4", "", NULL);
  expect_problem(400, "query");
}

static void stores_an_upload_with_its_creation(void **state) {
  (void)state;
  ask("POST", "/api/v1/uploads/", BYTES "Upload-Length: 4\r\n", "GOOD");
  expect_status(201);
  expect_field("Upload-Offset", "4");
  assert_true(strlen(console_answer_field(&answer, "Pixpop-Original")) == BASE_DIGEST_BASE64URL_CHARS);
  assert_int_equal(stored(), 1);
}

static void joins_parts(void **state) {
  (void)state;
  char first[128], fields[512];
  snprintf(first, sizeof first, "%s", create("Upload-Length: 4\r\nUpload-Concat: partial\r\n"));
  ask("PATCH", first, BYTES "Upload-Offset: 0\r\n", "GOOD");
  expect_status(204);
  ask("HEAD", first, TUS, NULL);
  expect_field("Upload-Concat", "partial");
  snprintf(fields, sizeof fields, TUS "Upload-Concat: final;%s http://localhost%s\r\n", first, first);
  ask("POST", "/api/v1/uploads", fields, "");
  expect_status(201);
  char whole[128];
  snprintf(whole, sizeof whole, "%s", console_answer_field(&answer, "Location"));
  ask("HEAD", whole, TUS, NULL);
  expect_status(200);
  expect_field("Upload-Length", "8");
  expect_field("Upload-Offset", "8");
  assert_true(strncmp(console_answer_field(&answer, "Upload-Concat"), "final;", 6) == 0);
  ask("PATCH", whole, BYTES "Upload-Offset: 8\r\n", "");
  expect_problem(403, "Upload-Concat");
  assert_int_equal(stored(), 1);
}

static void refuses_requests_that_break_the_protocol(void **state) {
  (void)state;
  char path[128];
  snprintf(path, sizeof path, "%s", create("Upload-Length: 8\r\n"));
  ask("PATCH", path, "Content-Type: application/offset+octet-stream\r\nUpload-Offset: 0\r\n", "GOOD");
  expect_problem(412, "Tus-Resumable");
  expect_field("Tus-Version", "1.0.0");
  ask("HEAD", path, "Tus-Resumable: 0.2.2\r\n", NULL);
  expect_status(412);
  ask("DELETE", path, "", NULL);
  expect_status(412);
  ask("POST", "/api/v1/uploads", "Upload-Length: 4\r\n", "");
  expect_problem(412, "Tus-Resumable");
  ask("PATCH", path, TUS "Content-Type: image/jpeg\r\nUpload-Offset: 0\r\n", "GOOD");
  expect_problem(415, "Content-Type");
  ask("POST", "/api/v1/uploads", TUS "Upload-Length: 4\r\n", "GOOD");
  expect_problem(415, "Content-Type");
  ask("PATCH", path, BYTES "Upload-Offset: 4\r\n", "GOOD");
  expect_problem(409, "Upload-Offset");
  ask("PATCH", path, BYTES, "GOOD");
  expect_problem(400, "Upload-Offset");
  ask("PATCH", path, BYTES "Upload-Offset: 0\r\n", "GOOD picture");
  expect_problem(413, "Upload-Length");
  ask("PATCH", path, BYTES "Upload-Offset: 0\r\nUpload-Checksum: md5 XrY7u+Ae7tCTyyK7j1rNww==\r\n", "GOOD");
  expect_problem(400, "Upload-Checksum");
  ask("PATCH", path, BYTES "Upload-Offset: 0\r\nUpload-Checksum: sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=\r\n", "GOOD");
  expect_problem(460, "Upload-Checksum");
  ask("POST", "/api/v1/uploads", TUS "Upload-Length: 1048577\r\n", "");
  expect_problem(413, "Upload-Length");
  ask("POST", "/api/v1/uploads", TUS "Upload-Length: 0\r\n", "");
  expect_problem(415, "Upload-Length");
  ask("POST", "/api/v1/uploads", TUS "Upload-Defer-Length: 2\r\n", "");
  expect_problem(400, "Upload-Length");
  ask("POST", path, TUS "Upload-Length: 4\r\n", "");
  expect_status(405);
  ask("PUT", "/api/v1/uploads", TUS, "");
  expect_status(405);
  ask("HEAD", "/api/v1/uploads/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", TUS, NULL);
  expect_status(404);
  expect_field("Upload-Offset", "");
  ask("HEAD", path, TUS, NULL);
  expect_field("Upload-Offset", "0");
}

static void tells_why_a_picture_was_refused(void **state) {
  (void)state;
  const char *path = create("Upload-Length: 4\r\n");
  ask("PATCH", path, BYTES "Upload-Offset: 0\r\n", "HUGE");
  expect_problem(422, "max_side");
  ask("PATCH", path, BYTES "Upload-Offset: 0\r\n", "HUGE");
  expect_problem(410, "max_side");
  ask("HEAD", path, TUS, NULL);
  expect_status(410);
  ask("GET", path, "", NULL);
  expect_status(200);
  assert_string_equal(console_answer_member(&answer, "state"), "refused");
  assert_string_equal(console_answer_member(&answer, "subject"), "max_side");
  assert_int_equal(stored(), 0);
}

static void ends_an_upload(void **state) {
  (void)state;
  const char *path = create("Upload-Length: 4\r\n");
  ask("DELETE", path, TUS, NULL);
  expect_status(204);
  ask("HEAD", path, TUS, NULL);
  expect_status(404);
}

static void takes_a_post_for_what_its_override_says(void **state) {
  (void)state;
  const char *path = create("Upload-Length: 8\r\n");
  ask("POST", path, BYTES "X-HTTP-Method-Override: PATCH\r\nUpload-Offset: 0\r\n", "GOOD");
  expect_status(204);
  expect_field("Upload-Offset", "4");
  ask("POST", path, TUS "X-HTTP-Method-Override: TRACE\r\n", "");
  expect_problem(501, "X-HTTP-Method-Override");
  ask("GET", path, TUS "X-HTTP-Method-Override: DELETE\r\n", NULL);
  expect_problem(400, "X-HTTP-Method-Override");
  ask("POST", path, TUS "X-HTTP-Method-Override: DELETE\r\n", "");
  expect_status(204);
  ask("HEAD", path, TUS, NULL);
  expect_status(404);
}

// Sends a PATCH of 8 bytes, and four of them.
static int begin_patch(const char *path) {
  char head[1024];
  int bytes = snprintf(head, sizeof head,
                       "PATCH %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n" BYTES
                       "Upload-Offset: 0\r\nContent-Length: 8\r\n\r\nGOOD",
                       path, rig.token);
  int fd = console_rig_connect(&rig);
  console_rig_send(fd, head, (size_t)bytes);
  return fd;
}

static void await_offset(const char *path, const char *offset) {
  for (int i = 0; i < 400; i++) {
    ask("HEAD", path, TUS, NULL);
    expect_status(200);
    if (strcmp(console_answer_field(&answer, "Upload-Offset"), offset) == 0) return;
    usleep(10 * 1000);
  }
  fail_msg("the offset stays at %s", console_answer_field(&answer, "Upload-Offset"));
}

static void locks_an_upload_while_bytes_come_and_keeps_what_came(void **state) {
  (void)state;
  char path[128];
  snprintf(path, sizeof path, "%s", create("Upload-Length: 8\r\n"));
  int fd = begin_patch(path);
  for (int i = 0; i < 400; i++) {
    ask("GET", path, "", NULL);
    if (strstr(answer.body, "\"is_locked\":true")) break;
    usleep(10 * 1000);
  }
  ask("PATCH", path, BYTES "Upload-Offset: 0\r\n", "GOOD");
  expect_problem(423, "id");
  ask("DELETE", path, TUS, NULL);
  expect_problem(423, "id");
  ask("HEAD", path, TUS, NULL);
  expect_status(200);
  close(fd);
  await_offset(path, "4");
  ask("PATCH", path, BYTES "Upload-Offset: 4\r\n", " one");
  expect_status(204);
  assert_int_equal(stored(), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_rig, console_rig_tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(says_what_it_can_do_without_a_token),
      TEST(stores_an_upload_in_two_chunks),
      TEST(lists_uploads_in_a_state),
      TEST(stores_an_upload_with_its_creation),
      TEST(joins_parts),
      TEST(refuses_requests_that_break_the_protocol),
      TEST(tells_why_a_picture_was_refused),
      TEST(ends_an_upload),
      TEST(takes_a_post_for_what_its_override_says),
      TEST(locks_an_upload_while_bytes_come_and_keeps_what_came),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
