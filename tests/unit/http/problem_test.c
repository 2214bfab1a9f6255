#include "http/problem.h"

#include "base/json.h"
#include "request_text.h"

// The body of a problem as a parsed tree.
static struct base_json *body_of(const struct http_reply *reply) {
  assert_int_equal(reply->part_count, 1);
  struct base_json *json = NULL;
  assert_int_equal(base_json_parse(base_blob_span(reply->parts[0].blob), &json, NULL), BASE_OK);
  return json;
}

static const char *member(const struct base_json *json, const char *key) {
  return base_json_as_string(base_json_get(base_json_root(json), key));
}

static void names_what_is_wrong_when_the_input_is(void **state) {
  (void)state;
  struct base_fault fault = {0};
  (void)BASE_FAIL(&fault, BASE_BAD_INPUT, "w", "w must be \"1..%d\"", 8192);
  struct http_reply reply;
  http_problem_reply(&reply, &fault, "0123456789abcdef");
  assert_int_equal(reply.status, 400);
  assert_span(http_reply_get_header(&reply, "Content-Type"), "application/problem+json");
  assert_span(http_reply_get_header(&reply, "Cache-Control"), "no-store");
  assert_span(http_reply_get_header(&reply, "X-Content-Type-Options"), "nosniff");
  assert_null(http_reply_get_header(&reply, "Retry-After").data);

  struct base_json *json = body_of(&reply);
  int64_t status;
  assert_string_equal(member(json, "type"), "urn:pixpop:problem:bad-input");
  assert_string_equal(member(json, "title"), "Bad request");
  assert_string_equal(member(json, "detail"), "w must be \"1..8192\"");
  assert_string_equal(member(json, "subject"), "w");
  assert_string_equal(member(json, "request_id"), "0123456789abcdef");
  assert_true(base_json_as_integer(base_json_get(base_json_root(json), "status"), &status));
  assert_int_equal(status, 400);
  base_json_destroy(&json);
  http_reply_finish(&reply);
}

static void leaves_out_what_is_not_known(void **state) {
  (void)state;
  struct base_fault fault = {0};
  (void)BASE_FAIL(&fault, BASE_NOT_FOUND, "", "There is no such original");
  struct http_reply reply;
  http_problem_reply(&reply, &fault, NULL);
  struct base_json *json = body_of(&reply);
  assert_null(member(json, "subject"));
  assert_null(member(json, "request_id"));
  base_json_destroy(&json);
  http_reply_finish(&reply);
}

static void hides_paths_when_the_failure_is_ours(void **state) {
  (void)state;
  static const enum base_result ours[] = {BASE_IO,     BASE_CORRUPT,  BASE_INTERNAL,
                                          BASE_DEVICE, BASE_NO_SPACE, BASE_NO_MEMORY};
  for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
    struct base_fault fault = {0};
    (void)BASE_FAIL(&fault, ours[i], "/var/secret", "cannot open /var/secret");
    struct http_reply reply;
    http_problem_reply(&reply, &fault, "id");
    assert_true(reply.status >= 500);
    struct base_span body = base_blob_span(reply.parts[0].blob);
    assert_null(memmem(body.data, body.bytes, "secret", strlen("secret")));
    struct base_json *json = body_of(&reply);
    assert_true(strlen(member(json, "detail")) > 0);
    base_json_destroy(&json);
    http_reply_finish(&reply);
  }
}

static void gives_every_result_a_status_with_a_name(void **state) {
  (void)state;
  for (int result = BASE_OK + 1; result < BASE_RESULT_COUNT; result++) {
    int status = http_status_of((enum base_result)result);
    assert_true(status >= 400 && status < 600);
    assert_string_not_equal(http_status_text(status), "Unknown");
  }
  assert_int_equal(http_status_of(BASE_OK), 200);
  assert_int_equal(http_status_of(BASE_BUSY), 503);
  assert_int_equal(http_status_of(BASE_SLOW_CLIENT), 408);
  assert_int_equal(http_status_of(BASE_NO_SPACE), 507);
  assert_int_equal(http_status_of(BASE_RANGE), 416);
  assert_int_equal(http_status_of(BASE_UNPROCESSABLE), 422);
  assert_int_equal(http_status_of((enum base_result) - 1), 500);
  assert_int_equal(http_status_of(BASE_RESULT_COUNT), 500);
}

static int status_for(enum base_result result, const char *subject, struct http_reply *reply) {
  struct base_fault fault = {0};
  (void)BASE_FAIL(&fault, result, subject, "why");
  http_problem_reply(reply, &fault, NULL);
  return reply->status;
}

static void adds_the_fields_that_a_status_requires(void **state) {
  (void)state;
  struct http_reply reply;
  assert_int_equal(status_for(BASE_BUSY, "", &reply), 503);
  assert_span(http_reply_get_header(&reply, "Retry-After"), "1");
  http_reply_finish(&reply);
  assert_int_equal(status_for(BASE_RATE, "", &reply), 429);
  assert_span(http_reply_get_header(&reply, "Retry-After"), "60");
  http_reply_finish(&reply);
  assert_int_equal(status_for(BASE_UNAUTHORIZED, "", &reply), 401);
  assert_span(http_reply_get_header(&reply, "WWW-Authenticate"), "Bearer realm=\"pixpop\"");
  http_reply_finish(&reply);
  assert_int_equal(status_for(BASE_HEADERS_TOO_LARGE, "request-line", &reply), 414);
  http_reply_finish(&reply);
  assert_int_equal(status_for(BASE_HEADERS_TOO_LARGE, "headers", &reply), 431);
  http_reply_finish(&reply);
}

static void is_an_internal_error_when_nothing_was_recorded(void **state) {
  (void)state;
  struct base_fault fault = {0};
  struct http_reply reply;
  http_problem_reply(&reply, &fault, NULL);
  assert_int_equal(reply.status, 500);
  http_reply_finish(&reply);
}

struct counting_sink {
  struct http_sink sink;
  int completed;
  int status;
};

static void count_completion(struct http_sink *sink, struct http_reply *reply) {
  struct counting_sink *counting = (struct counting_sink *)(void *)sink;
  counting->completed++;
  counting->status = reply->status;
  http_reply_finish(reply);
}

static void completes_the_sink_once(void **state) {
  (void)state;
  struct counting_sink counting = {.sink = {.complete = count_completion}};
  struct base_fault fault = {0};
  (void)BASE_FAIL(&fault, BASE_GONE, "exp", "The URL has expired");
  http_problem_send(&counting.sink, &fault, "id");
  assert_int_equal(counting.completed, 1);
  assert_int_equal(counting.status, 410);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(names_what_is_wrong_when_the_input_is),
      cmocka_unit_test(leaves_out_what_is_not_known),
      cmocka_unit_test(hides_paths_when_the_failure_is_ours),
      cmocka_unit_test(gives_every_result_a_status_with_a_name),
      cmocka_unit_test(adds_the_fields_that_a_status_requires),
      cmocka_unit_test(is_an_internal_error_when_nothing_was_recorded),
      cmocka_unit_test(completes_the_sink_once),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
