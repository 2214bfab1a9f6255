#include "console_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct console_rig rig;
static struct console_answer answer;

#define FORM "Content-Type: multipart/form-data; boundary=XX\r\n"
#define IMAGE(file) "--XX\r\nContent-Disposition: form-data; name=\"image\"; filename=\"" file "\"\r\n\r\n"
#define METADATA "--XX\r\nContent-Disposition: form-data; name=\"metadata\"\r\n\r\n"
#define END "\r\n--XX--\r\n"

static int open_rig(void **state) {
  *state = &rig;
  console_rig_open(&rig, &(struct console_rig_config){.request_timeout_ms = 1500});
  return 0;
}

static void post(const char *target, const char *fields, const char *body) {
  console_rig_ask_as_owner(&rig, "POST", target, fields, body, &answer);
}

static void expect_problem(int status, const char *subject) {
  if (answer.status != status) fail_msg("status %d: %s", answer.status, answer.text);
  assert_string_equal(console_answer_field(&answer, "Content-Type"), "application/problem+json");
  assert_string_equal(console_answer_member(&answer, "subject"), subject);
}

static uint64_t stored(void) {
  struct store_stats stats;
  assert_int_equal(store_get_stats(rig.store, &stats, NULL), BASE_OK);
  return stats.originals;
}

static void stores_a_raw_body(void **state) {
  (void)state;
  post("/api/v1/originals?name=a%20b.jpg", "Content-Type: image/jpeg\r\n", "GOOD picture");
  assert_int_equal(answer.status, 201);
  // openssl dgst -sha256 -binary of "GOOD picture" in base64url
  struct integrity_digest digest;
  char id[BASE_DIGEST_BASE64URL_CHARS + 1], url[128];
  integrity_digest_of(base_span_text("GOOD picture"), &digest);
  integrity_digest_text(&digest, id);
  snprintf(url, sizeof url, "http://127.0.0.1:8080/i/%s", id);
  assert_string_equal(console_answer_member(&answer, "id"), id);
  assert_string_equal(console_answer_member(&answer, "url"), url);
  assert_string_equal(console_answer_member(&answer, "name"), "a b.jpg");
  assert_string_equal(console_answer_member(&answer, "format"), "jpeg");
  assert_non_null(strstr(answer.body, "\"bytes\":12,\"width\":40,\"height\":30"));
  assert_non_null(strstr(answer.body, "\"orientation\":6"));
  assert_int_equal(stored(), 1);
}

static void stores_every_file_of_a_form(void **state) {
  (void)state;
  post("/api/v1/originals", FORM,
       METADATA "{\"tags\":[\"sea\",\"sun\"]}\r\n" IMAGE("one.jpg") "GOOD one\r\n" IMAGE("two.jpg") "GOOD two" END);
  assert_int_equal(answer.status, 201);
  assert_non_null(strstr(answer.body, "\"name\":\"one.jpg\",\"tags\":[\"sea\",\"sun\"]"));
  assert_non_null(strstr(answer.body, "\"name\":\"two.jpg\",\"tags\":[\"sea\",\"sun\"]"));
  assert_int_equal(stored(), 2);
}

static void stores_a_file_once_when_it_comes_twice(void **state) {
  (void)state;
  post("/api/v1/originals", "", "GOOD");
  assert_int_equal(answer.status, 201);
  post("/api/v1/originals", "", "GOOD");
  assert_int_equal(answer.status, 201);
  assert_int_equal(stored(), 1);
}

static void says_which_file_failed_and_keeps_the_earlier_ones(void **state) {
  (void)state;
  post("/api/v1/originals", FORM,
       IMAGE("one.jpg") "GOOD one\r\n" IMAGE("torn.jpg") "TORN\r\n" IMAGE("three.jpg") "GOOD three" END);
  assert_int_equal(answer.status, 422);
  assert_string_equal(console_answer_member(&answer, "file"), "torn.jpg");
  struct integrity_digest digest;
  char id[BASE_DIGEST_BASE64URL_CHARS + 1], members[128];
  integrity_digest_of(base_span_text("GOOD one"), &digest);
  integrity_digest_text(&digest, id);
  snprintf(members, sizeof members, "\"stored\":[\"%s\"]}", id);
  assert_non_null(strstr(answer.body, members));
  assert_int_equal(stored(), 1);
}

static void refuses_forms_that_are_wrong(void **state) {
  (void)state;
  post("/api/v1/originals", "Content-Type: multipart/form-data\r\n", IMAGE("a") "GOOD" END);
  expect_problem(400, "boundary");
  post("/api/v1/originals", FORM, METADATA "{}" END);
  expect_problem(400, "image");
  post("/api/v1/originals", FORM, "--XX--\r\n");
  expect_problem(400, "image");
  post("/api/v1/originals", FORM, IMAGE("a") "GOOD");
  expect_problem(400, "boundary");
  post("/api/v1/originals", FORM, METADATA "{\"title\":1}" END);
  expect_problem(400, "metadata");
  post("/api/v1/originals", FORM, METADATA "{}\r\n" IMAGE("a") "GOOD\r\n" METADATA "{}" END);
  expect_problem(400, "metadata");
  post("/api/v1/originals", FORM, "--XX\r\nContent-Disposition: form-data; name=\"other\"\r\n\r\nx" END);
  expect_problem(400, "other");
  post("/api/v1/originals", FORM, IMAGE("\xff.jpg") "GOOD" END);
  expect_problem(400, "name");
  assert_int_equal(stored(), 0);  // a form is judged whole
}

static void takes_the_metadata_anywhere_in_the_form(void **state) {
  (void)state;
  post("/api/v1/originals", FORM,
       IMAGE("one.jpg") "GOOD one\r\n" METADATA
                        "{\"name\":\"Dusk\",\"tags\":[\"sea\"]}\r\n" IMAGE("\xff.jpg") "GOOD two" END);
  assert_int_equal(answer.status, 201);
  assert_non_null(strstr(answer.body, "\"name\":\"Dusk\",\"tags\":[\"sea\"]"));
  assert_null(strstr(answer.body, "one.jpg"));
  assert_int_equal(stored(), 2);
}

static void refuses_files_that_are_no_pictures(void **state) {
  (void)state;
  post("/api/v1/originals", "", "a text");
  expect_problem(415, "");
  post("/api/v1/originals", "", "");
  expect_problem(415, "");
  post("/api/v1/originals", "", "TORN");
  expect_problem(422, "");
  post("/api/v1/originals", "", "HUGE");
  expect_problem(422, "max_side");
  post("/api/v1/originals", "Content-Type: text/plain\r\n", "GOOD");
  expect_problem(415, "Content-Type");
  post("/api/v1/originals?title=x", "", "GOOD");
  expect_problem(400, "query");
  assert_int_equal(stored(), 0);
}

static void refuses_an_upload_without_a_length(void **state) {
  (void)state;
  post("/api/v1/originals", "", NULL);
  expect_problem(411, "content-length");
}

// Sends head and the first bytes of a body; returns the socket.
static int begin_upload(const char *fields, const char *body) {
  char head[1024];
  int bytes =
      snprintf(head, sizeof head,
               "POST /api/v1/originals HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer %s\r\n"
               "%s\r\n%s",
               rig.token, fields, body);
  int fd = console_rig_connect(&rig);
  console_rig_send(fd, head, (size_t)bytes);
  return fd;
}

static void refuses_a_large_upload_before_it_comes(void **state) {
  (void)state;
  int fd = begin_upload("Content-Length: 1048577\r\nExpect: 100-continue\r\n", "");
  console_rig_receive(fd, &answer);
  expect_problem(413, "max_file_bytes");
  assert_null(strstr(answer.text, "100 Continue"));
}

static void stops_a_chunked_upload_at_the_limit(void **state) {
  (void)state;
  int fd = begin_upload("Transfer-Encoding: chunked\r\n", "");
  static char chunk[8 + 65536 + 2];
  memcpy(chunk, "010000\r\n", 8);
  memset(chunk + 8, 'x', 65536);
  memcpy(chunk + 8 + 65536, "\r\n", 2);
  for (int i = 0; i < 20; i++) console_rig_send(fd, chunk, sizeof chunk);
  console_rig_send(fd, "0\r\n\r\n", 5);
  console_rig_receive(fd, &answer);
  expect_problem(413, "max_file_bytes");
}

static void takes_a_chunked_upload(void **state) {
  (void)state;
  int fd = begin_upload("Transfer-Encoding: chunked\r\n", "4\r\nGOOD\r\n6\r\n chunk\r\n0\r\n\r\n");
  console_rig_receive(fd, &answer);
  assert_int_equal(answer.status, 201);
  assert_non_null(strstr(answer.body, "\"bytes\":10"));
}

static void asks_a_waiting_client_to_go_on(void **state) {
  (void)state;
  int fd = begin_upload("Content-Length: 4\r\nExpect: 100-continue\r\n", "");
  char interim[64] = {0};
  assert_true(recv(fd, interim, sizeof interim - 1, 0) > 0);
  assert_string_equal(interim, "HTTP/1.1 100 Continue\r\n\r\n");
  console_rig_send(fd, "GOOD", 4);
  console_rig_receive(fd, &answer);
  assert_int_equal(answer.status, 201);
}

// Files waiting in the store's folder for uploads.
static int temporary_files(void) {
  char command[256];
  snprintf(command, sizeof command, "ls %s/store/tmp | wc -l", rig.folder.path);
  FILE *pipe = popen(command, "r");
  int count = -1;
  assert_non_null(pipe);
  assert_int_equal(fscanf(pipe, "%d", &count), 1);
  pclose(pipe);
  return count;
}

static void leaves_nothing_of_a_client_that_vanishes(void **state) {
  (void)state;
  int fd = begin_upload("Content-Length: 1000\r\n", "GOOD and then");
  usleep(100 * 1000);
  close(fd);
  for (int i = 0; i < 100 && temporary_files() != 0; i++) usleep(50 * 1000);
  assert_int_equal(temporary_files(), 0);
  assert_int_equal(stored(), 0);
}

static void gives_up_on_a_client_that_falls_silent(void **state) {
  (void)state;
  int fd = begin_upload("Content-Length: 1000\r\n", "GOOD and then");
  console_rig_receive(fd, &answer);
  expect_problem(408, "content-length");
  assert_int_equal(temporary_files(), 0);
}

static void gives_up_on_a_chunked_upload_that_falls_silent(void **state) {
  (void)state;
  int fd = begin_upload("Transfer-Encoding: chunked\r\n", "9\r\nGOOD");
  console_rig_receive(fd, &answer);
  expect_problem(408, "");
  assert_int_equal(temporary_files(), 0);
}

static void refuses_chunks_that_break_the_rules(void **state) {
  (void)state;
  static const char *const bodies[] = {"zz\r\nGOOD\r\n0\r\n\r\n",
                                       "4\r\nGOOD and more\r\n0\r\n\r\n",
                                       "4\r\nGOOD\r\n-1\r\n",
                                       "4\r\nGOOD\r\n7fffffffffffffff\r\nx",
                                       "4\r\nGOOD\r\n8000000000000000\r\n",
                                       "ffffffffffffffffffff\r\nGOOD"};
  for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
    int fd = begin_upload("Transfer-Encoding: chunked\r\n", bodies[i]);
    shutdown(fd, SHUT_WR);
    console_rig_receive(fd, &answer);
    expect_problem(400, "transfer-encoding");
    assert_int_equal(temporary_files(), 0);
  }
  assert_int_equal(stored(), 0);
}

// Its trailers are not taken for the next request.
static void answers_the_request_behind_a_chunked_upload(void **state) {
  (void)state;
  char text[1024];
  int bytes = snprintf(text, sizeof text,
                       "POST /api/v1/originals HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n"
                       "Transfer-Encoding: chunked\r\n\r\n4\r\nGOOD\r\n0\r\nX: y\r\n\r\n"
                       "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
                       rig.token);
  int fd = console_rig_connect(&rig);
  console_rig_send(fd, text, (size_t)bytes);
  console_rig_receive(fd, &answer);
  assert_int_equal(answer.status, 201);
  const char *second = strstr(answer.body, "HTTP/1.1 ");
  assert_non_null(second);
  assert_int_equal(strncmp(second, "HTTP/1.1 200 ", 13), 0);
}

static void refuses_a_form_that_could_never_be_kept(void **state) {
  (void)state;
  static const struct {
    const char *length;
    int status;
  } table[] = {{"1100000000000", 413}, {"9223372036854775807", 413}};
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    char fields[256];
    snprintf(fields, sizeof fields,
             "Content-Type: multipart/form-data; boundary=b\r\nExpect: 100-continue\r\nContent-Length: %s\r\n",
             table[i].length);
    int fd = begin_upload(fields, "");
    console_rig_receive(fd, &answer);
    expect_problem(table[i].status, "max_file_bytes");
    assert_null(strstr(answer.text, "100 Continue"));
  }
}

static void takes_a_file_of_exactly_the_limit(void **state) {
  (void)state;
  enum { BYTES = RIG_MAX_FILE_BYTES };
  char *body = malloc(BYTES + 1);
  assert_non_null(body);
  memset(body, 'x', BYTES);
  memcpy(body, "GOOD", 4);
  body[BYTES] = '\0';
  post("/api/v1/originals", "", body);
  free(body);
  assert_int_equal(answer.status, 201);
  assert_non_null(strstr(answer.body, "\"bytes\":1048576"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_rig, console_rig_tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(stores_a_raw_body),
      TEST(stores_every_file_of_a_form),
      TEST(takes_the_metadata_anywhere_in_the_form),
      TEST(stores_a_file_once_when_it_comes_twice),
      TEST(says_which_file_failed_and_keeps_the_earlier_ones),
      TEST(refuses_forms_that_are_wrong),
      TEST(refuses_files_that_are_no_pictures),
      TEST(refuses_an_upload_without_a_length),
      TEST(refuses_a_large_upload_before_it_comes),
      TEST(stops_a_chunked_upload_at_the_limit),
      TEST(takes_a_chunked_upload),
      TEST(asks_a_waiting_client_to_go_on),
      TEST(leaves_nothing_of_a_client_that_vanishes),
      TEST(gives_up_on_a_client_that_falls_silent),
      TEST(gives_up_on_a_chunked_upload_that_falls_silent),
      TEST(refuses_chunks_that_break_the_rules),
      TEST(answers_the_request_behind_a_chunked_upload),
      TEST(refuses_a_form_that_could_never_be_kept),
      TEST(takes_a_file_of_exactly_the_limit),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
