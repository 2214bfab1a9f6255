// Responses of every framing, connections that are kept, closed and broken.
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "visit.h"

static struct visit visit;

#define OK_HELLO "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

static bool has_received(const char *text) {
  const struct base_span all = base_buffer_span(&visit.server.received);
  return memmem(all.data, all.bytes, text, strlen(text)) != NULL;
}

static void request_has_its_fields_and_the_body_is_collected(void **state) {
  (void)state;
  static const struct scripted_step steps[] = {
      {.kind = SCRIPTED_ACCEPT}, {.kind = SCRIPTED_REQUEST}, {.kind = SCRIPTED_SEND, .text = OK_HELLO}};
  VISIT_BEGIN(&visit, steps);
  const struct client_request request = {
      .method = "GET", .path = "/a?b=c%20d", .bearer = "secret", .body_fd = -1, .content_type = NULL};
  assert_int_equal(visit_send(&visit, &request), BASE_OK);
  assert_int_equal(visit.response.status, 200);
  assert_true(base_span_is(base_buffer_span(&visit.response.body), "hello"));
  assert_true(base_span_is(client_response_header(&visit.response, "content-length"), "5"));
  assert_true(scripted_server_stop(&visit.server));
  assert_true(has_received("GET /a?b=c%20d HTTP/1.1\r\nHost: 127.0.0.1:"));
  assert_true(has_received("\r\nAuthorization: Bearer secret\r\n"));
  assert_false(has_received("Content-Length"));
  scripted_server_finish(&visit.server);
  client_response_finish(&visit.response);
  client_destroy(&visit.client);
}

static void connection_is_kept_between_requests_of_every_framing(void **state) {
  (void)state;
  static const struct scripted_step steps[] = {
      {.kind = SCRIPTED_ACCEPT},
      {.kind = SCRIPTED_REQUEST},
      {.kind = SCRIPTED_SEND, .text = OK_HELLO},
      {.kind = SCRIPTED_REQUEST},
      {.kind = SCRIPTED_SEND,
       .text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1;x\r\nd\r\n0\r\n\r\n"},
      {.kind = SCRIPTED_REQUEST},
      {.kind = SCRIPTED_SEND, .text = "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"},  // to a HEAD
      {.kind = SCRIPTED_REQUEST},
      {.kind = SCRIPTED_SEND, .text = "HTTP/1.1 204 No Content\r\n\r\n"},
      {.kind = SCRIPTED_REQUEST},
      {.kind = SCRIPTED_SEND, .text = "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n"},
      {.kind = SCRIPTED_REQUEST},
      {.kind = SCRIPTED_SEND, .text = "HTTP/1.1 200 OK\r\n\r\nto the end"},
      {.kind = SCRIPTED_CLOSE}};
  VISIT_BEGIN(&visit, steps);
  visit_must(&visit, "GET", 200, "hello");
  visit_must(&visit, "GET", 200, "abcd");
  visit_must(&visit, "HEAD", 200, "");
  visit_must(&visit, "DELETE", 204, "");
  visit_must(&visit, "GET", 304, "");
  visit_must(&visit, "GET", 200, "to the end");
  visit_end(&visit);
}

static void responses_are_read_when_every_byte_comes_alone(void **state) {
  (void)state;
  static const struct scripted_step steps[] = {
      {.kind = SCRIPTED_ACCEPT},
      {.kind = SCRIPTED_REQUEST},
      {.kind = SCRIPTED_SEND_BYTEWISE, .text = "HTTP/1.1 100 Continue\r\n\r\n" OK_HELLO},
      {.kind = SCRIPTED_REQUEST},
      {.kind = SCRIPTED_SEND_BYTEWISE,
       .text = "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nnone\r\n0\r\nA: b\r\n\r\n"}};
  VISIT_BEGIN(&visit, steps);
  visit_must(&visit, "GET", 200, "hello");
  visit_must(&visit, "GET", 404, "none");
  visit_end(&visit);
}

static void interim_responses_are_skipped_within_reason(void **state) {
  (void)state;
#define EARLY "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
#define EARLY_4 EARLY EARLY EARLY EARLY
  static const struct scripted_step steps[] = {
      {.kind = SCRIPTED_ACCEPT},
      {.kind = SCRIPTED_REQUEST},
      {.kind = SCRIPTED_SEND, .text = EARLY_4 EARLY_4 EARLY_4 EARLY_4 OK_HELLO},
      {.kind = SCRIPTED_REQUEST},
      {.kind = SCRIPTED_SEND, .text = EARLY_4 EARLY_4 EARLY_4 EARLY_4 EARLY OK_HELLO},
      {.kind = SCRIPTED_ACCEPT},
      {.kind = SCRIPTED_REQUEST},
      {.kind = SCRIPTED_SEND, .text = "HTTP/1.1 101 Switching Protocols\r\n\r\n"}};
  VISIT_BEGIN(&visit, steps);
  visit_must(&visit, "GET", 200, "hello");
  assert_int_equal(client_response_header(&visit.response, "Link").bytes, 0);
  assert_int_equal(visit_ask(&visit, "GET"), BASE_BAD_INPUT);
  assert_int_equal(visit_ask(&visit, "GET"), BASE_BAD_INPUT);
  visit_end(&visit);
}

static void connection_is_opened_again_when_the_server_closed_it(void **state) {
  (void)state;
  static const struct scripted_step steps[] = {
      {.kind = SCRIPTED_ACCEPT},  {.kind = SCRIPTED_REQUEST}, {.kind = SCRIPTED_SEND, .text = OK_HELLO},
      {.kind = SCRIPTED_REQUEST}, {.kind = SCRIPTED_CLOSE},  // just when the next request has arrived
      {.kind = SCRIPTED_ACCEPT},  {.kind = SCRIPTED_REQUEST}, {.kind = SCRIPTED_SEND, .text = OK_HELLO}};
  VISIT_BEGIN(&visit, steps);
  visit_must(&visit, "GET", 200, "hello");
  visit_must(&visit, "GET", 200, "hello");
  visit_end(&visit);
}

static void connection_is_not_kept_when_it_can_not_be(void **state) {
  (void)state;
  static const struct scripted_step steps[] = {
      {.kind = SCRIPTED_ACCEPT},
      {.kind = SCRIPTED_REQUEST},
      {.kind = SCRIPTED_SEND, .text = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\na"},
      {.kind = SCRIPTED_HOLD},
      {.kind = SCRIPTED_ACCEPT},
      {.kind = SCRIPTED_REQUEST},
      {.kind = SCRIPTED_SEND, .text = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nbextra"},
      {.kind = SCRIPTED_HOLD},
      {.kind = SCRIPTED_ACCEPT},
      {.kind = SCRIPTED_REQUEST},
      {.kind = SCRIPTED_SEND, .text = "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nc"},
      {.kind = SCRIPTED_HOLD}};
  VISIT_BEGIN(&visit, steps);
  visit_must(&visit, "GET", 200, "a");
  visit_must(&visit, "GET", 200, "b");
  visit_must(&visit, "GET", 200, "c");
  visit_end(&visit);
}

static void request_is_not_repeated_when_the_connection_was_new(void **state) {
  (void)state;
  static const struct scripted_step steps[] = {
      {.kind = SCRIPTED_ACCEPT}, {.kind = SCRIPTED_REQUEST}, {.kind = SCRIPTED_CLOSE}};
  VISIT_BEGIN(&visit, steps);
  assert_int_equal(visit_ask(&visit, "GET"), BASE_IO);
  assert_string_equal(visit.fault.text, "the server closed the connection without a response");
  visit_end(&visit);
}

static void request_is_not_repeated_when_a_response_had_begun(void **state) {
  (void)state;
  static const struct scripted_step steps[] = {{.kind = SCRIPTED_ACCEPT},
                                               {.kind = SCRIPTED_REQUEST},
                                               {.kind = SCRIPTED_SEND, .text = OK_HELLO},
                                               {.kind = SCRIPTED_REQUEST},
                                               {.kind = SCRIPTED_SEND, .text = "HTTP/1.1 2"},
                                               {.kind = SCRIPTED_CLOSE}};
  VISIT_BEGIN(&visit, steps);
  visit_must(&visit, "GET", 200, "hello");
  assert_int_equal(visit_ask(&visit, "GET"), BASE_IO);
  assert_string_equal(visit.fault.text, "the server closed the connection within the head of its response");
  visit_end(&visit);
}

static void body_is_refused_when_cut_short(void **state) {
  (void)state;
  static const struct scripted_step steps[] = {
      {.kind = SCRIPTED_ACCEPT},
      {.kind = SCRIPTED_REQUEST},
      {.kind = SCRIPTED_SEND, .text = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello"},
      {.kind = SCRIPTED_CLOSE},
      {.kind = SCRIPTED_ACCEPT},
      {.kind = SCRIPTED_REQUEST},
      {.kind = SCRIPTED_SEND, .text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"},
      {.kind = SCRIPTED_CLOSE}};
  VISIT_BEGIN(&visit, steps);
  assert_int_equal(visit_ask(&visit, "GET"), BASE_IO);
  assert_string_equal(visit.fault.text, "the server closed the connection within the body");
  assert_int_equal(visit_ask(&visit, "GET"), BASE_IO);
  visit_end(&visit);
}

static void garbage_is_refused(void **state) {
  (void)state;
  static const struct scripted_step steps[] = {
      {.kind = SCRIPTED_ACCEPT},
      {.kind = SCRIPTED_REQUEST},
      {.kind = SCRIPTED_SEND, .text = "\x15\x03\x01\x00\x02\x02\x46", .bytes = 7},  // a TLS alert
      {.kind = SCRIPTED_HOLD},
      {.kind = SCRIPTED_ACCEPT},
      {.kind = SCRIPTED_REQUEST},
      {.kind = SCRIPTED_SEND, .text = "HTTP/1.1 200 OK\r\nA: \x02\r\n\r\n"},
      {.kind = SCRIPTED_HOLD},
      {.kind = SCRIPTED_ACCEPT},
      {.kind = SCRIPTED_REQUEST},
      {.kind = SCRIPTED_SEND, .text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"},
      {.kind = SCRIPTED_HOLD}};
  VISIT_BEGIN(&visit, steps);
  for (int i = 0; i < 3; i++) {
    assert_int_equal(visit_ask(&visit, "GET"), BASE_BAD_INPUT);
    assert_non_null(strstr(visit.fault.text, "is not HTTP/1.1"));
  }
  visit_end(&visit);
}

static void head_is_refused_when_too_large(void **state) {
  (void)state;
  static char huge[CLIENT_MAX_HEAD_BYTES + 1];
  memset(huge, 'a', sizeof(huge) - 1);
  memcpy(huge, "HTTP/1.1 200 OK\r\nA: ", 20);
  const struct scripted_step steps[] = {{.kind = SCRIPTED_ACCEPT},
                                        {.kind = SCRIPTED_REQUEST},
                                        {.kind = SCRIPTED_SEND, .text = huge, .bytes = CLIENT_MAX_HEAD_BYTES},
                                        {.kind = SCRIPTED_HOLD}};
  VISIT_BEGIN(&visit, steps);
  assert_int_equal(visit_ask(&visit, "GET"), BASE_HEADERS_TOO_LARGE);
  visit_end(&visit);
}

static void silence_ends_in_a_timeout(void **state) {
  (void)state;
  static const struct scripted_step steps[] = {
      {.kind = SCRIPTED_ACCEPT},  {.kind = SCRIPTED_REQUEST}, {.kind = SCRIPTED_HOLD},
      {.kind = SCRIPTED_ACCEPT},  {.kind = SCRIPTED_REQUEST}, {.kind = SCRIPTED_SEND, .text = OK_HELLO},
      {.kind = SCRIPTED_REQUEST}, {.kind = SCRIPTED_HOLD}};  // and is not repeated on a kept connection
  VISIT_BEGIN_IMPATIENT(&visit, steps);
  assert_int_equal(visit_ask(&visit, "GET"), BASE_TIMEOUT);
  assert_string_equal(visit.fault.text, "the server was silent for 150 ms");
  visit_must(&visit, "GET", 200, "hello");
  assert_int_equal(visit_ask(&visit, "GET"), BASE_TIMEOUT);
  assert_string_equal(visit.fault.text, "the server was silent for 150 ms");
  visit_end(&visit);
}

struct taken {
  size_t bytes;
  size_t refuse_from;
};

static enum base_result take(void *self, struct base_span bytes, struct base_fault *fault) {
  struct taken *taken = self;
  if (taken->bytes + bytes.bytes > taken->refuse_from) return BASE_FAIL(fault, BASE_NO_SPACE, "", "enough");
  taken->bytes += bytes.bytes;
  return BASE_OK;
}

static void body_is_streamed_when_the_status_is_a_success(void **state) {
  (void)state;
  static const struct scripted_step steps[] = {
      {.kind = SCRIPTED_ACCEPT},
      {.kind = SCRIPTED_REQUEST},
      {.kind = SCRIPTED_SEND, .text = OK_HELLO},
      {.kind = SCRIPTED_REQUEST},
      {.kind = SCRIPTED_SEND, .text = "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno"},
      {.kind = SCRIPTED_REQUEST},
      {.kind = SCRIPTED_SEND, .text = OK_HELLO},
      {.kind = SCRIPTED_HOLD}};
  struct taken taken = {.refuse_from = 5};
  const struct client_request request = {.method = "GET", .path = "/x", .body_fd = -1, .receive = take, .self = &taken};
  VISIT_BEGIN(&visit, steps);
  assert_int_equal(visit_send(&visit, &request), BASE_OK);
  assert_int_equal(taken.bytes, 5);
  assert_int_equal(visit.response.body.bytes, 0);
  assert_int_equal(visit_send(&visit, &request), BASE_OK);
  assert_int_equal(taken.bytes, 5);
  assert_true(base_span_is(base_buffer_span(&visit.response.body), "no"));
  assert_int_equal(visit_send(&visit, &request), BASE_NO_SPACE);
  assert_string_equal(visit.fault.text, "enough");
  visit_end(&visit);
}

static void requests_are_refused_when_they_would_smuggle_lines(void **state) {
  (void)state;
  static const struct client_request bad[] = {
      {.method = "GET", .path = "x", .body_fd = -1},
      {.method = "GET", .path = "/a b", .body_fd = -1},
      {.method = "GET", .path = "/a\r\nX: y", .body_fd = -1},
      {.method = "GET", .path = "/\xc3\xa9", .body_fd = -1},
      {.method = "GET /", .path = "/", .body_fd = -1},
      {.method = "", .path = "/", .body_fd = -1},
      {.method = "GET", .path = "/", .bearer = "a\r\nX: y", .body_fd = -1},
      {.method = "GET", .path = "/", .bearer = "", .body_fd = -1},
      {.method = "POST", .path = "/", .content_type = "a\nb", .body_fd = -1},
  };
  VISIT_BEGIN(&visit, ((const struct scripted_step[]){{.kind = SCRIPTED_ACCEPT}}));
  for (size_t i = 0; i < VISIT_COUNT(bad); i++) assert_int_equal(visit_send(&visit, &bad[i]), BASE_BAD_INPUT);
  assert_int_equal(visit_ask(&visit, "GET"), BASE_IO);  // the first one that connects
  visit_end(&visit);
}

static void named_host_is_found_and_a_closed_port_said(void **state) {
  (void)state;
  struct scripted_server server;
  static const struct scripted_step steps[] = {
      {.kind = SCRIPTED_ACCEPT}, {.kind = SCRIPTED_REQUEST}, {.kind = SCRIPTED_SEND, .text = OK_HELLO}};
  scripted_server_start(&server, steps, VISIT_COUNT(steps));
  char url[64];
  snprintf(url, sizeof(url), "http://localhost%s/base", strrchr(server.url, ':'));
  struct client *client;
  struct client_response response;
  struct base_fault fault = {0};
  const struct client_request request = {.method = "GET", .path = "/x", .body_fd = -1};
  assert_int_equal(client_create(&(struct client_config){.base_url = url}, &client, NULL), BASE_OK);
  assert_int_equal(client_send(client, &request, &response, NULL), BASE_OK);
  client_response_finish(&response);
  assert_true(scripted_server_stop(&server));
  assert_true(base_span_starts_with(base_buffer_span(&server.received), "GET /base/x HTTP/1.1\r\nHost: localhost:"));
  scripted_server_finish(&server);

  assert_int_equal(client_send(client, &request, &response, &fault), BASE_IO);
  assert_non_null(strstr(fault.text, "cannot connect to localhost:"));
  client_response_finish(&response);
  client_destroy(&client);
}

static void connecting_ends_in_a_timeout_when_nobody_accepts(void **state) {
  (void)state;
  // A listener whose queue is full drops further attempts.
  enum { FILLERS = 4 };
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t bytes = sizeof(address);
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  assert_int_equal(bind(listener, (struct sockaddr *)&address, bytes), 0);
  assert_int_equal(listen(listener, 0), 0);
  assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &bytes), 0);
  int fillers[FILLERS];
  for (int i = 0; i < FILLERS; i++) {
    fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    (void)!connect(fillers[i], (struct sockaddr *)&address, bytes);
  }
  char url[64];
  snprintf(url, sizeof(url), "http://127.0.0.1:%u", (unsigned)ntohs(address.sin_port));
  struct client *client;
  struct client_response response;
  struct base_fault fault = {0};
  const struct client_config config = {.base_url = url, .connect_timeout_ms = 150};
  const struct client_request request = {.method = "GET", .path = "/x", .body_fd = -1};
  assert_int_equal(client_create(&config, &client, NULL), BASE_OK);
  assert_int_equal(client_send(client, &request, &response, &fault), BASE_TIMEOUT);
  assert_non_null(strstr(fault.text, "did not answer within 150 ms"));
  client_response_finish(&response);
  client_destroy(&client);
  for (int i = 0; i < FILLERS; i++) close(fillers[i]);
  close(listener);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(request_has_its_fields_and_the_body_is_collected),
      cmocka_unit_test(connection_is_kept_between_requests_of_every_framing),
      cmocka_unit_test(responses_are_read_when_every_byte_comes_alone),
      cmocka_unit_test(interim_responses_are_skipped_within_reason),
      cmocka_unit_test(connection_is_opened_again_when_the_server_closed_it),
      cmocka_unit_test(connection_is_not_kept_when_it_can_not_be),
      cmocka_unit_test(request_is_not_repeated_when_the_connection_was_new),
      cmocka_unit_test(request_is_not_repeated_when_a_response_had_begun),
      cmocka_unit_test(body_is_refused_when_cut_short),
      cmocka_unit_test(garbage_is_refused),
      cmocka_unit_test(head_is_refused_when_too_large),
      cmocka_unit_test(silence_ends_in_a_timeout),
      cmocka_unit_test(body_is_streamed_when_the_status_is_a_success),
      cmocka_unit_test(requests_are_refused_when_they_would_smuggle_lines),
      cmocka_unit_test(named_host_is_found_and_a_closed_port_said),
      cmocka_unit_test(connecting_ends_in_a_timeout_when_nobody_accepts),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
