#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_clock.h"
#include "served.h"
#include "wire.h"

static struct served served;
static struct wire wire;
static struct wire_reply reply;

static void start(void) {
  served_start(&served, &(struct delivery_config){.loops = 2});
  wire_open(&wire, served.port);
}

static struct http_sink *park(void) {
  wire_send(&wire, "GET /park HTTP/1.1\r\nHost: h\r\n\r\n");
  return served_take_parked(&served);
}

static void wait_cancelled(struct http_sink *sink) {
  for (int i = 0; i < 1000 && !http_sink_is_cancelled(sink); i++) usleep(5000);
  assert_true(http_sink_is_cancelled(sink));
}

static void a_pending_reply_is_cancelled_when_the_client_vanishes(void **state) {
  (void)state;
  start();
  struct http_sink *sink = park();
  assert_false(http_sink_is_cancelled(sink));
  wire_close(&wire);
  wait_cancelled(sink);
  served_wait_metric(&served, "pixpop_delivery_connections_open", 0);
  served_answer(sink, "to nobody");
  wire_open(&wire, served.port);
  wire_get(&wire, "/text/next", &reply);
  assert_string_equal(reply.body, "next");
  wire_close(&wire);
  served_end(&served, 0);
}

static void a_pending_reply_is_cancelled_when_the_client_resets(void **state) {
  (void)state;
  start();
  struct http_sink *sink = park();
  struct linger none = {.l_onoff = 1, .l_linger = 0};
  assert_int_equal(setsockopt(wire.fd, SOL_SOCKET, SO_LINGER, &none, sizeof none), 0);
  wire_close(&wire);
  wait_cancelled(sink);
  served_answer(sink, "to nobody");
  served_end(&served, 0);
}

static void a_handler_may_answer_from_any_thread_while_more_arrives(void **state) {
  (void)state;
  start();
  struct http_sink *sink = park();
  wire_send(&wire, "GET /text/second HTTP/1.1\r\nHost: h\r\n\r\n");
  assert_true(wire_is_quiet(&wire, 50));
  served_answer(sink, "first");
  wire_read(&wire, &reply, true);
  assert_string_equal(reply.body, "first");
  wire_read(&wire, &reply, true);
  assert_string_equal(reply.body, "second");
  wire_close(&wire);
  served_end(&served, 0);
}

static void clients_that_vanish_at_random_leave_nothing_behind(void **state) {
  (void)state;
  start();
  for (int i = 0; i < 300; i++) {
    struct wire other;
    wire_open(&other, served.port);
    wire_send(&other, "GET /later/x HTTP/1.1\r\nHost: h\r\n\r\nGET /later/y HTTP/1.1\r\nHost: h\r\n\r\nGET /big HT");
    if (i % 3 == 0) usleep((useconds_t)(i * 3));
    wire_close(&other);
  }
  wire_close(&wire);
  served_wait_metric(&served, "pixpop_delivery_connections_open", 0);
  served_end(&served, 0);
}

// The server's end of the wire, found among this process's descriptors.
static int server_end_of(const struct wire *client) {
  struct sockaddr_in own, peer;
  socklen_t bytes = sizeof own;
  assert_int_equal(getsockname(client->fd, (struct sockaddr *)&own, &bytes), 0);
  for (int fd = 3; fd < 1024; fd++) {
    bytes = sizeof peer;
    if (getpeername(fd, (struct sockaddr *)&peer, &bytes) == 0 && peer.sin_port == own.sin_port) return fd;
  }
  return -1;
}

// As a child has it between fork and exec. What is left of the connection in epoll would then name freed memory, which
// AddressSanitizer sees.
static void a_copy_of_a_closed_descriptor_reports_nothing(void **state) {
  (void)state;
  start();
  wire_get(&wire, "/text/a", &reply);
  const int copy = dup(server_end_of(&wire));
  assert_true(copy >= 0);
  wire_send(&wire, "GET /text/b HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  wire_read(&wire, &reply, true);
  served_wait_metric(&served, "pixpop_delivery_connections_open", 0);
  wire_send(&wire, "GET /text/c HTTP/1.1\r\nHost: h\r\n\r\n");
  wire_close(&wire);
  for (int i = 0; i < 20; i++) {
    wire_open(&wire, served.port);
    wire_get(&wire, "/text/next", &reply);
    assert_string_equal(reply.body, "next");
    wire_close(&wire);
  }
  close(copy);
  served_end(&served, 0);
}

static void stop_cancels_what_is_pending_when_there_is_no_time_to_drain(void **state) {
  (void)state;
  start();
  struct http_sink *sink = park();
  delivery_stop(served.delivery, 0);
  assert_true(wire_is_closed_by_server(&wire));
  assert_true(http_sink_is_cancelled(sink));
  served_answer(sink, "to nobody");
  wire_close(&wire);
  served_end(&served, 0);
}

static void *stop_slowly(void *argument) {
  delivery_stop(argument, 10000);
  return NULL;
}

// Until nobody listens any more: then all connections of the one loop know that it ends.
static void wait_until_stopping(uint16_t port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  for (int i = 0; i < 5000; i++) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int result = connect(fd, (struct sockaddr *)&address, sizeof address);
    const bool is_refused = result != 0 && errno == ECONNREFUSED;
    close(fd);
    if (is_refused) return;
    usleep(2000);
  }
  fail_msg("the server goes on listening");
}

static void expect_last_reply(struct wire *from, const char *path, const char *body) {
  wire_get(from, path, &reply);
  assert_string_equal(reply.body, body);
  assert_string_equal(wire_field(&reply, "Connection"), "close");
  assert_true(wire_is_closed_by_server(from));
  wire_close(from);
}

// The clock stands, so nothing but the requests ends a connection until it is moved.
static void clients_are_answered_once_more_when_the_server_stops(void **state) {
  (void)state;
  static struct wire early, silent, reading;
  struct fake_clock fake;
  fake_clock_init(&fake, 1760000000);
  served_start(&served, &(struct delivery_config){.loops = 1, .clock = &fake.clock});
  wire_open(&wire, served.port);
  wire_open(&early, served.port);
  wire_open(&silent, served.port);
  wire_get(&early, "/text/before", &reply);
  assert_null(wire_field(&reply, "Connection"));
  wire_get(&silent, "/text/before", &reply);
  wire_open_from(&reading, served.port, "127.0.0.1", 4096);
  wire_send(&reading, "GET /big HTTP/1.1\r\nHost: h\r\n\r\n");
  wire_read(&reading, &reply, false);
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, stop_slowly, served.delivery), 0);
  wait_until_stopping(served.port);
  expect_last_reply(&early, "/text/again", "again");
  expect_last_reply(&wire, "/text/first", "first");
  // Its reply began before, and promised that it may ask again.
  wire_skip(&reading, SERVED_BIG_BYTES);
  expect_last_reply(&reading, "/text/after", "after");
  assert_true(wire_is_quiet(&silent, 20));
  fake_clock_advance_us(&fake, 500000);
  assert_true(wire_is_closed_by_server(&silent));
  wire_close(&silent);
  pthread_join(thread, NULL);
  served_end(&served, 0);
}

static void a_client_that_never_asks_does_not_hold_up_the_end(void **state) {
  (void)state;
  start();
  served_wait_metric(&served, "pixpop_delivery_connections_open", 1);
  delivery_stop(served.delivery, 60000);
  assert_true(wire_is_closed_by_server(&wire));
  wire_close(&wire);
  served_end(&served, 0);
}

static void stop_waits_for_what_is_in_flight_and_closes_it(void **state) {
  (void)state;
  start();
  static struct wire idle;
  wire_open(&idle, served.port);
  wire_get(&idle, "/text/a", &reply);
  struct http_sink *sink = park();
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, stop_slowly, served.delivery), 0);
  assert_true(wire_is_closed_by_server(&idle));
  assert_true(wire_is_quiet(&wire, 50));
  assert_false(http_sink_is_cancelled(sink));
  served_answer(sink, "in time");
  wire_read(&wire, &reply, true);
  assert_string_equal(reply.body, "in time");
  assert_string_equal(wire_field(&reply, "Connection"), "close");
  pthread_join(thread, NULL);
  assert_true(wire_is_closed_by_server(&wire));
  wire_close(&idle);
  wire_close(&wire);
  served_end(&served, 0);
}

static void stop_ends_a_body_that_nobody_reads_when_its_time_is_over(void **state) {
  (void)state;
  served_start(&served, &(struct delivery_config){0});
  wire_open_from(&wire, served.port, "127.0.0.1", 4096);
  wire_send(&wire, "GET /big HTTP/1.1\r\nHost: h\r\n\r\n");
  served_wait_metric(&served, "pixpop_delivery_connections_open", 1);
  usleep(50000);
  served_end(&served, 100);
  wire_close(&wire);
}

static void stop_under_load_loses_no_completion(void **state) {
  (void)state;
  start();
  enum { CLIENTS = 16 };
  static struct wire clients[CLIENTS];
  for (int i = 0; i < CLIENTS; i++) {
    wire_open(&clients[i], served.port);
    for (int k = 0; k < 50; k++) wire_send(&clients[i], "GET /later/x HTTP/1.1\r\nHost: h\r\n\r\n");
  }
  wire_close(&wire);
  served_end(&served, 0);
  for (int i = 0; i < CLIENTS; i++) wire_close(&clients[i]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_pending_reply_is_cancelled_when_the_client_vanishes),
      cmocka_unit_test(a_pending_reply_is_cancelled_when_the_client_resets),
      cmocka_unit_test(a_handler_may_answer_from_any_thread_while_more_arrives),
      cmocka_unit_test(clients_that_vanish_at_random_leave_nothing_behind),
      cmocka_unit_test(a_copy_of_a_closed_descriptor_reports_nothing),
      cmocka_unit_test(stop_cancels_what_is_pending_when_there_is_no_time_to_drain),
      cmocka_unit_test(stop_waits_for_what_is_in_flight_and_closes_it),
      cmocka_unit_test(clients_are_answered_once_more_when_the_server_stops),
      cmocka_unit_test(a_client_that_never_asks_does_not_hold_up_the_end),
      cmocka_unit_test(stop_ends_a_body_that_nobody_reads_when_its_time_is_over),
      cmocka_unit_test(stop_under_load_loses_no_completion),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
