#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "served.h"
#include "wire.h"

static struct served served;
static struct wire wire;
static struct wire_reply reply;

static int start(void **state) {
  (void)state;
  served_start(&served, &(struct delivery_config){.loops = 2});
  wire_open(&wire, served.port);
  return 0;
}

static int end(void **state) {
  (void)state;
  if (wire.fd >= 0) wire_close(&wire);
  served_end(&served, 2000);
  return 0;
}

static void a_connection_is_kept_when_the_client_does_not_close(void **state) {
  (void)state;
  for (int i = 0; i < 100; i++) {
    char path[32];
    (void)snprintf(path, sizeof path, "/text/%d", i);
    wire_get(&wire, path, &reply);
    assert_int_equal(reply.status, 200);
    assert_string_equal(reply.body, path + strlen("/text/"));
    assert_null(wire_field(&reply, "Connection"));
    assert_null(wire_field(&reply, "Server"));
  }
  assert_true(wire_is_quiet(&wire, 20));
  served_wait_metric(&served, "pixpop_delivery_replies_total{class=\"2xx\"}", 100);
  assert_int_equal(served_metric(&served, "pixpop_delivery_connections_total"), 1);
}

static void every_reply_has_date_and_its_own_id(void **state) {
  (void)state;
  wire_get(&wire, "/text/a", &reply);
  assert_int_equal(strlen(wire_field(&reply, "Date")), 29);
  char first_id[64];
  (void)snprintf(first_id, sizeof first_id, "%s", wire_field(&reply, "X-Request-Id"));
  assert_int_equal(strlen(first_id), HTTP_REQUEST_ID_CHARS);
  wire_get(&wire, "/text/a", &reply);
  assert_string_not_equal(wire_field(&reply, "X-Request-Id"), first_id);
}

static void the_connection_closes_when_the_client_asks(void **state) {
  (void)state;
  wire_send(&wire, "GET /text/a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  wire_read(&wire, &reply, true);
  assert_string_equal(reply.body, "a");
  assert_string_equal(wire_field(&reply, "Connection"), "close");
  assert_true(wire_is_closed_by_server(&wire));
}

static void http_10_closes_unless_keep_alive_is_asked_for(void **state) {
  (void)state;
  wire_send(&wire, "GET /text/a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  wire_read(&wire, &reply, true);
  assert_string_equal(wire_field(&reply, "Connection"), "keep-alive");
  wire_send(&wire, "GET /text/b HTTP/1.0\r\n\r\n");
  wire_read(&wire, &reply, true);
  assert_string_equal(wire_field(&reply, "Connection"), "close");
  assert_true(wire_is_closed_by_server(&wire));
}

static void a_half_closed_client_is_answered_when_the_handler_is_immediate(void **state) {
  (void)state;
  wire_send(&wire, "GET /text/a HTTP/1.1\r\nHost: h\r\n\r\nGET /text/b HTTP/1.1\r\nHost: h\r\n\r\n");
  assert_int_equal(shutdown(wire.fd, SHUT_WR), 0);
  wire_read(&wire, &reply, true);
  assert_string_equal(reply.body, "a");
  wire_read(&wire, &reply, true);
  assert_string_equal(reply.body, "b");
  assert_true(wire_is_closed_by_server(&wire));
}

static void pipelined_requests_are_answered_in_order_when_threads_complete_them(void **state) {
  (void)state;
  enum { COUNT = 200 };
  static char requests[COUNT * 64];
  requests[0] = '\0';
  for (int i = 0; i < COUNT; i++) {
    char one[64];
    (void)snprintf(one, sizeof one, "GET /%s/%d HTTP/1.1\r\nHost: h\r\n\r\n", i % 3 ? "later" : "text", i);
    strcat(requests, one);
  }
  wire_send(&wire, requests);
  for (int i = 0; i < COUNT; i++) {
    wire_read(&wire, &reply, true);
    assert_int_equal(reply.status, 200);
    assert_int_equal(atoi(reply.body), i);
  }
  assert_true(wire_is_quiet(&wire, 20));
}

static void requests_beyond_one_turn_are_all_answered(void **state) {
  (void)state;
  enum { COUNT = 400 };  // more than a turn serves, in one segment
  static char requests[COUNT * 40];
  requests[0] = '\0';
  for (int i = 0; i < COUNT; i++) strcat(requests, "GET /text/x HTTP/1.1\r\nHost: h\r\n\r\n");
  wire_send(&wire, requests);
  for (int i = 0; i < COUNT; i++) {
    wire_read(&wire, &reply, true);
    assert_string_equal(reply.body, "x");
  }
}

static void a_head_is_understood_when_it_comes_byte_by_byte(void **state) {
  (void)state;
  const char *request = "GET /text/slow HTTP/1.1\r\nHost: example.org\r\nAccept: image/webp\r\n\r\nGET /text/n";
  for (const char *at = request; *at; at++) {
    wire_send(&wire, (char[]){*at, '\0'});
    usleep(300);
  }
  wire_read(&wire, &reply, true);
  assert_string_equal(reply.body, "slow");
  wire_send(&wire, "ext HTTP/1.1\r\nHost: h\r\n\r\n");
  wire_read(&wire, &reply, true);
  assert_string_equal(reply.body, "next");
}

static void head_gets_the_length_and_no_body(void **state) {
  (void)state;
  wire_send(&wire, "HEAD /text/hello HTTP/1.1\r\nHost: h\r\n\r\nGET /text/after HTTP/1.1\r\nHost: h\r\n\r\n");
  wire_read(&wire, &reply, false);
  assert_int_equal(reply.status, 200);
  assert_string_equal(wire_field(&reply, "Content-Length"), "5");
  wire_read(&wire, &reply, true);
  assert_string_equal(reply.body, "after");
}

static void statuses_without_content_have_no_length(void **state) {
  (void)state;
  wire_get(&wire, "/empty", &reply);
  assert_int_equal(reply.status, 204);
  assert_null(wire_field(&reply, "Content-Length"));
  wire_get(&wire, "/same", &reply);
  assert_int_equal(reply.status, 304);
  assert_null(wire_field(&reply, "Content-Length"));
  wire_get(&wire, "/text/on", &reply);
  assert_string_equal(reply.body, "on");
}

static void an_unknown_path_is_a_problem_and_the_connection_stays(void **state) {
  (void)state;
  wire_get(&wire, "/nowhere", &reply);
  assert_int_equal(reply.status, 404);
  assert_string_equal(wire_field(&reply, "Content-Type"), "application/problem+json");
  assert_string_equal(wire_field(&reply, "Cache-Control"), "no-store");
  assert_non_null(strstr(reply.body, wire_field(&reply, "X-Request-Id")));
  wire_get(&wire, "/text/on", &reply);
  assert_int_equal(reply.status, 200);
}

static void a_body_is_not_read_and_the_connection_closes_after_the_reply(void **state) {
  (void)state;
  static char body[200001];
  memset(body, 'b', sizeof body - 1);
  wire_send(&wire, "POST /text/a HTTP/1.1\r\nHost: h\r\nContent-Length: 200000\r\n\r\n");
  (void)wire_try_send(&wire, body);
  wire_read(&wire, &reply, true);
  assert_string_equal(reply.body, "a");
  assert_string_equal(wire_field(&reply, "Connection"), "close");
  assert_true(wire_is_closed_by_server(&wire));
}

static void a_pipelined_chunked_body_is_not_taken_for_a_request(void **state) {
  (void)state;
  wire_send(&wire,
            "POST /text/a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
            "21\r\nGET /text/smuggled HTTP/1.1\r\n\r\n\r\n0\r\n\r\n");
  wire_read(&wire, &reply, true);
  assert_string_equal(reply.body, "a");
  assert_true(wire_is_closed_by_server(&wire));
}

static void expect_refusal(const char *request, int status) {
  struct wire other;
  wire_open(&other, served.port);
  (void)wire_try_send(&other, request);
  wire_read(&other, &reply, true);
  assert_int_equal(reply.status, status);
  assert_string_equal(wire_field(&reply, "Connection"), "close");
  assert_string_equal(wire_field(&reply, "Content-Type"), "application/problem+json");
  assert_true(wire_is_closed_by_server(&other));
  wire_close(&other);
}

static void broken_requests_are_refused_with_their_status(void **state) {
  (void)state;
  expect_refusal("GET /text/a HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n", 400);
  expect_refusal("GET /text/a HTTP/1.1\r\n\r\n", 400);
  expect_refusal("POST /text/a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc", 400);
  expect_refusal("POST /text/a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501);
  expect_refusal("GET /text/a HTTP/2.0\r\nHost: h\r\n\r\n", 505);
  expect_refusal("\x16\x03\x01\x02", 400);
}

static void huge_heads_are_refused_and_the_reply_arrives(void **state) {
  (void)state;
  static char huge[100000];
  int bytes = snprintf(huge, sizeof huge, "GET /text/a HTTP/1.1\r\nHost: h\r\nX-Long: ");
  memset(huge + bytes, 'v', sizeof huge - 1 - (size_t)bytes);
  expect_refusal(huge, 431);
  bytes = snprintf(huge, sizeof huge, "GET /");
  memset(huge + bytes, 'v', sizeof huge - 1 - (size_t)bytes);
  expect_refusal(huge, 414);
}

static void a_bad_pipelined_request_does_not_spoil_the_one_before(void **state) {
  (void)state;
  wire_send(&wire, "GET /later/good HTTP/1.1\r\nHost: h\r\n\r\nbad\r\n\r\n");
  wire_read(&wire, &reply, true);
  assert_string_equal(reply.body, "good");
  wire_read(&wire, &reply, true);
  assert_int_equal(reply.status, 400);
  assert_true(wire_is_closed_by_server(&wire));
}

static void a_handler_knows_the_clients_address(void **state) {
  (void)state;
  static struct wire from;
  wire_open_from(&from, served.port, "127.0.0.7", 0);
  wire_get(&from, "/client", &reply);
  assert_string_equal(reply.body, "00000000000000000000ffff7f000007 plain");
  wire_close(&from);
}

#define SERVED_TEST(test) cmocka_unit_test_setup_teardown(test, start, end)

int main(void) {
  const struct CMUnitTest tests[] = {
      SERVED_TEST(a_connection_is_kept_when_the_client_does_not_close),
      SERVED_TEST(every_reply_has_date_and_its_own_id),
      SERVED_TEST(the_connection_closes_when_the_client_asks),
      SERVED_TEST(http_10_closes_unless_keep_alive_is_asked_for),
      SERVED_TEST(a_half_closed_client_is_answered_when_the_handler_is_immediate),
      SERVED_TEST(pipelined_requests_are_answered_in_order_when_threads_complete_them),
      SERVED_TEST(requests_beyond_one_turn_are_all_answered),
      SERVED_TEST(a_head_is_understood_when_it_comes_byte_by_byte),
      SERVED_TEST(head_gets_the_length_and_no_body),
      SERVED_TEST(statuses_without_content_have_no_length),
      SERVED_TEST(an_unknown_path_is_a_problem_and_the_connection_stays),
      SERVED_TEST(a_body_is_not_read_and_the_connection_closes_after_the_reply),
      SERVED_TEST(a_pipelined_chunked_body_is_not_taken_for_a_request),
      SERVED_TEST(broken_requests_are_refused_with_their_status),
      SERVED_TEST(huge_heads_are_refused_and_the_reply_arrives),
      SERVED_TEST(a_bad_pipelined_request_does_not_spoil_the_one_before),
      SERVED_TEST(a_handler_knows_the_clients_address),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
