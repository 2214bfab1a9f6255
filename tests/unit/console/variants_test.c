// POST /api/v1/originals/{id}/variants: lines as they come, and what is refused.
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

#include "base/json.h"

static struct console_rig rig;
static struct console_answer answer;
static char id[BASE_DIGEST_BASE64URL_CHARS + 1];

static int open_rig(void **state) {
  *state = &rig;
  console_rig_open(&rig, &(struct console_rig_config){0});
  console_rig_upload(&rig, "GOOD", &answer, id);
  return 0;
}

#define AS_JSON "Content-Type: application/json\r\n"
#define THREE "{\"recipes\":[\"w=10&fm=webp\",\"w=20\",\"w=30&fm=auto&q=70\"]}"

// Takes the body out of its chunks. False when the last one is missing.
static bool join_chunks(void) {
  char *from = answer.body, *to = answer.body;
  for (;;) {
    char *end;
    const unsigned long bytes = strtoul(from, &end, 16);
    if (end == from || strncmp(end, "\r\n", 2) != 0) break;
    if (bytes == 0) {
      *to = '\0';
      return true;
    }
    memmove(to, end + 2, bytes);
    to += bytes;
    from = end + 2 + bytes + 2;
  }
  *to = '\0';
  return false;
}

static void post_as(const char *fields, const char *body) {
  char target[128];
  snprintf(target, sizeof target, "/api/v1/originals/%s/variants", id);
  console_rig_ask_as_owner(&rig, "POST", target, fields, body, &answer);
}

static void post(const char *body) { post_as(AS_JSON, body); }

static size_t count_of(const char *word) {
  size_t count = 0;
  for (const char *at = answer.body; (at = strstr(at, word)) != NULL; at++) count++;
  return count;
}

static void expect_problem(int status, const char *subject) {
  if (answer.status != status) fail_msg("status %d instead of %d: %s", answer.status, status, answer.text);
  assert_string_equal(console_answer_field(&answer, "Content-Type"), "application/problem+json");
  assert_string_equal(console_answer_member(&answer, "subject"), subject);
}

static void sends_a_line_for_each_variant_and_one_with_the_counts(void **state) {
  (void)state;
  post(THREE);
  if (answer.status != 200) fail_msg("%s", answer.text);
  assert_string_equal(console_answer_field(&answer, "Content-Type"), "application/x-ndjson");
  assert_string_equal(console_answer_field(&answer, "Transfer-Encoding"), "chunked");
  assert_string_equal(console_answer_field(&answer, "Content-Length"), "");
  assert_string_equal(console_answer_field(&answer, "Cache-Control"), "no-store");
  assert_string_equal(console_answer_field(&answer, "X-Content-Type-Options"), "nosniff");
  assert_true(join_chunks());
  assert_int_equal(count_of("\n"), 4);
  assert_int_equal(count_of("\"source\":\"made\""), 3);
  char *last = strstr(answer.body, "{\"done\":3,\"failed\":0,\"ms\":");
  assert_non_null(last);
  assert_string_equal(strchr(last, '\n'), "\n");

  char *line = strstr(answer.body, "{\"index\":2,");
  assert_non_null(line);
  struct base_json *json;
  assert_int_equal(base_json_parse(base_span_of(line, strcspn(line, "\n")), &json, NULL), BASE_OK);
  const struct base_json_value *root = base_json_root(json);
  char url[256];
  snprintf(url, sizeof url, "http://127.0.0.1:8080/i/%s?dpr=1&fm=webp&q=70&w=30", id);
  assert_string_equal(base_json_as_string(base_json_get(root, "recipe")), "dpr=1&fm=webp&q=70&w=30");
  assert_string_equal(base_json_as_string(base_json_get(root, "url")), url);
  assert_string_equal(base_json_as_string(base_json_get(root, "media_type")), "image/webp");
  assert_string_equal(base_json_as_string(base_json_get(root, "digest")),
                      "sha-256=:RYS6iLMVQO3d6RhAHv1Pkd935xiCcnu7Ov1LcEQC7Ek=:");
  int64_t bytes = 0;
  assert_true(base_json_as_integer(base_json_get(root, "bytes"), &bytes));
  assert_int_equal(bytes, strlen("a variant"));
  base_json_destroy(&json);

  post(THREE);
  assert_true(join_chunks());
  assert_int_equal(count_of("\"source\":\"ram\""), 3);
}

static void sends_the_first_line_while_the_others_are_being_made(void **state) {
  (void)state;
  char head[512], first[4096];
  size_t bytes = 0;
  console_rig_set(&rig, &rig.holds_midway, true);
  const int length = snprintf(head, sizeof head,
                              "POST /api/v1/originals/%s/variants HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
                              "Authorization: Bearer %s\r\n" AS_JSON "Content-Length: %zu\r\n\r\n%s",
                              id, rig.token, strlen(THREE), THREE);
  const int fd = console_rig_connect(&rig);
  console_rig_send(fd, head, (size_t)length);
  do {
    const ssize_t got = recv(fd, first + bytes, sizeof first - 1 - bytes, 0);
    assert_true(got > 0);
    bytes += (size_t)got;
    first[bytes] = '\0';
  } while (!strstr(first, "}\n"));
  assert_non_null(strstr(first, "{\"index\":0,"));
  assert_null(strstr(first, "{\"index\":1,"));
  console_rig_set(&rig, &rig.holds_midway, false);
  console_rig_receive(fd, &answer);
  assert_non_null(strstr(answer.text, "{\"index\":2,"));
  assert_non_null(strstr(answer.text, "\r\n0\r\n\r\n"));
}

static void answers_with_one_object_when_plain_json_is_liked_better(void **state) {
  (void)state;
  post_as(AS_JSON "Accept: application/json\r\n", "{\"recipes\":[\"w=10\",\"w=10&fm=png\",\"w=20\"]}");
  assert_int_equal(answer.status, 200);
  assert_string_equal(console_answer_field(&answer, "Content-Type"), "application/json");
  struct base_json *json;
  assert_int_equal(base_json_parse(base_span_text(answer.body), &json, NULL), BASE_OK);
  const struct base_json_value *list = base_json_get(base_json_root(json), "variants");
  int64_t done = 0, failed = 0, index = 0, status = 0;
  assert_int_equal(base_json_length(list), 3);
  assert_true(base_json_as_integer(base_json_get(base_json_root(json), "done"), &done));
  assert_true(base_json_as_integer(base_json_get(base_json_root(json), "failed"), &failed));
  assert_int_equal(done, 2);
  assert_int_equal(failed, 1);
  for (size_t i = 0; i < 3; i++) {
    const struct base_json_value *item = base_json_at(list, i), *error = base_json_get(item, "error");
    assert_true(base_json_as_integer(base_json_get(item, "index"), &index));
    assert_true((error != NULL) == (index == 1));
    if (!error) continue;
    assert_true(base_json_as_integer(base_json_get(error, "status"), &status));
    assert_int_equal(status, 422);
    assert_string_equal(base_json_as_string(base_json_get(error, "type")), "urn:pixpop:problem:unprocessable");
    assert_string_equal(base_json_as_string(base_json_get(error, "detail")), "the fake renderer makes no PNG");
  }
  base_json_destroy(&json);
  post_as(AS_JSON "Accept: application/json;q=0.5, application/x-ndjson\r\n", THREE);
  assert_string_equal(console_answer_field(&answer, "Content-Type"), "application/x-ndjson");
  post_as(AS_JSON "Accept: */*\r\n", THREE);
  assert_string_equal(console_answer_field(&answer, "Content-Type"), "application/x-ndjson");
}

static void takes_widths_with_a_common_recipe(void **state) {
  (void)state;
  post("{\"widths\":[10,20],\"recipe\":\"fm=jpeg&q=50\"}");
  assert_int_equal(answer.status, 200);
  assert_int_equal(count_of("\"recipe\":\"dpr=1&fm=jpeg&q=50&w=10\""), 1);
  assert_int_equal(count_of("\"recipe\":\"dpr=1&fm=jpeg&q=50&w=20\""), 1);
  post("{\"widths\":[30]}");
  assert_int_equal(count_of("\"recipe\":\"dpr=1&fm=webp&q=80&w=30\""), 1);
}

static void reports_repeats_under_each_index(void **state) {
  (void)state;
  post("{\"recipes\":[\"w=10\",\"fm=webp&w=10\"]}");
  assert_true(join_chunks());
  assert_int_equal(count_of("\"recipe\":\"dpr=1&fm=webp&q=80&w=10\""), 2);
  assert_int_equal(count_of("{\"done\":2,\"failed\":0,"), 1);
}

static void refuses_bodies_that_are_no_list_of_recipes(void **state) {
  (void)state;
  static const struct {
    const char *body;
    const char *subject;  // NULL: whatever the query's parser calls it
  } table[] = {
      {"[]", "recipes"},
      {"{}", "recipes"},
      {"{\"recipes\":[]}", "recipes"},
      {"{\"recipes\":\"w=10\"}", "recipes"},
      {"{\"recipes\":[\"w=10\",7]}", "recipes"},
      {"{\"recipes\":[\"w=10\"],\"widths\":[10]}", "recipes"},
      {"{\"recipes\":[\"w=10\"],\"recipe\":\"q=1\"}", "recipes"},
      {"{\"widths\":[]}", "widths"},
      {"{\"widths\":[\"10\"]}", "widths"},
      {"{\"widths\":[10.5]}", "widths"},
      {"{\"widths\":[10],\"recipe\":7}", "recipe"},
      {"{\"widths\":[10,0]}", "recipes[1].w"},
      {"{\"widths\":[10],\"recipe\":\"w=20\"}", "recipes[0].w"},
      {"{\"recipes\":[\"w=10\",\"w=10&zoom=2\"]}", "recipes[1].zoom"},
      {"{\"recipes\":[\"w=10\",\"w=10&w=20\"]}", "recipes[1].w"},
      {"{\"recipes\":[\"?w=10\"]}", NULL},
      {"{\"recipes\":[\"w=10\",\"q=lossless&fm=jpeg\"]}", "recipes[1].q"},
      {"{\"recipes\":[\"w=10\",\"crop=900,0,5,5\"]}", "recipes[1].crop"},
      {"{\"recipes\":[\"w=10\"", "json"},
  };
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    post(table[i].body);
    if (answer.status != 400) fail_msg("%s: %s", table[i].body, answer.text);
    if (table[i].subject) expect_problem(400, table[i].subject);
  }
  console_rig_ask_as_owner(&rig, "GET", "/metrics", "", NULL, &answer);
  assert_non_null(strstr(answer.body, "pixpop_pop_batch_variants_total{result=\"render\"} 0"));
}

static void names_its_limits(void **state) {
  (void)state;
  static char body[80 * 1024];
  size_t bytes = (size_t)snprintf(body, sizeof body, "{\"widths\":[1");
  for (int i = 2; i <= 64; i++) bytes += (size_t)snprintf(body + bytes, sizeof body - bytes, ",%d", i);
  snprintf(body + bytes, sizeof body - bytes, "]}");
  post(body);
  assert_int_equal(answer.status, 200);
  assert_true(join_chunks());
  assert_int_equal(count_of("{\"done\":64,\"failed\":0,"), 1);
  snprintf(body + bytes, sizeof body - bytes, ",65]}");
  post(body);
  expect_problem(400, "widths");
  assert_non_null(strstr(answer.body, "1..64"));
  memset(body, ' ', 64 * 1024);
  snprintf(body + 64 * 1024, 16, "{}");
  post(body);
  expect_problem(413, "content-length");
  post_as("Content-Type: text/plain\r\n", THREE);
  expect_problem(415, "Content-Type");
}

static void knows_no_other_originals(void **state) {
  (void)state;
  static const char *const ids[] = {"47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU", "x", "", "%34"};
  for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
    snprintf(id, sizeof id, "%s", ids[i]);
    post(THREE);
    expect_problem(404, "id");
  }
}

static void says_busy_before_the_first_byte_when_nothing_can_be_made(void **state) {
  (void)state;
  console_rig_set(&rig, &rig.is_busy, true);
  post(THREE);
  expect_problem(503, "");
  assert_string_not_equal(console_answer_field(&answer, "Retry-After"), "");
  post_as(AS_JSON "Accept: application/json\r\n", THREE);
  expect_problem(503, "");
  console_rig_set(&rig, &rig.is_busy, false);
  post("{\"recipes\":[\"w=20\"]}");
  assert_int_equal(answer.status, 200);
  console_rig_set(&rig, &rig.is_busy, true);
  post(THREE);
  assert_int_equal(answer.status, 200);
  assert_true(join_chunks());
  assert_int_equal(count_of("\"source\":\"ram\""), 1);
  assert_int_equal(count_of("\"status\":503"), 2);
  assert_int_equal(count_of("{\"done\":1,\"failed\":2,"), 1);
}

static void gives_the_batch_up_when_its_client_leaves(void **state) {
  (void)state;
  char head[512];
  console_rig_set(&rig, &rig.holds_midway, true);
  const int length =
      snprintf(head, sizeof head,
               "POST /api/v1/originals/%s/variants HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\n" AS_JSON
               "Content-Length: %zu\r\n\r\n%s",
               id, rig.token, strlen(THREE), THREE);
  const int fd = console_rig_connect(&rig);
  console_rig_send(fd, head, (size_t)length);
  char byte;
  assert_int_equal(recv(fd, &byte, 1, 0), 1);  // the first is made, the others wait
  close(fd);
  for (int i = 0; i < 1000; i++) {
    pthread_mutex_lock(&rig.lock);
    const unsigned cancelled = rig.cancelled;
    pthread_mutex_unlock(&rig.lock);
    if (cancelled == 2) return;
    usleep(10 * 1000);
  }
  fail_msg("the others still wait");
}

static void keeps_the_connection_when_the_stream_has_ended(void **state) {
  (void)state;
  char text[1024];
  const int length =
      snprintf(text, sizeof text,
               "POST /api/v1/originals/%s/variants HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\n" AS_JSON
               "Content-Length: %zu\r\n\r\n%s"
               "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
               id, rig.token, strlen(THREE), THREE);
  const int fd = console_rig_connect(&rig);
  console_rig_send(fd, text, (size_t)length);
  console_rig_receive(fd, &answer);
  assert_int_equal(answer.status, 200);
  assert_string_equal(console_answer_field(&answer, "Connection"), "keep-alive");
  const char *second = strstr(answer.body, "\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n");
  assert_non_null(second);
  assert_non_null(strstr(second, "\r\n\r\nok\n"));
}

static void ends_with_the_connection_for_http_1_0(void **state) {
  (void)state;
  char text[1024];
  const int length = snprintf(text, sizeof text,
                              "POST /api/v1/originals/%s/variants HTTP/1.0\r\nAuthorization: Bearer %s\r\n" AS_JSON
                              "Content-Length: %zu\r\n\r\n%s",
                              id, rig.token, strlen(THREE), THREE);
  const int fd = console_rig_connect(&rig);
  console_rig_send(fd, text, (size_t)length);
  console_rig_receive(fd, &answer);
  assert_int_equal(answer.status, 200);
  assert_string_equal(console_answer_field(&answer, "Transfer-Encoding"), "");
  assert_string_equal(console_answer_field(&answer, "Connection"), "close");
  assert_memory_equal(answer.body, "{\"index\":", 9);
  assert_int_equal(count_of("\n"), 4);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_rig, console_rig_tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(sends_a_line_for_each_variant_and_one_with_the_counts),
      TEST(sends_the_first_line_while_the_others_are_being_made),
      TEST(answers_with_one_object_when_plain_json_is_liked_better),
      TEST(takes_widths_with_a_common_recipe),
      TEST(reports_repeats_under_each_index),
      TEST(refuses_bodies_that_are_no_list_of_recipes),
      TEST(names_its_limits),
      TEST(knows_no_other_originals),
      TEST(says_busy_before_the_first_byte_when_nothing_can_be_made),
      TEST(gives_the_batch_up_when_its_client_leaves),
      TEST(keeps_the_connection_when_the_stream_has_ended),
      TEST(ends_with_the_connection_for_http_1_0),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
