#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
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
  served_start(&served, &(struct delivery_config){0});
  return 0;
}

static int end(void **state) {
  (void)state;
  served_end(&served, 2000);
  return 0;
}

static void file_and_memory_parts_arrive_in_order(void **state) {
  (void)state;
  wire_open(&wire, served.port);
  for (int i = 0; i < 3; i++) {
    wire_get(&wire, "/file", &reply);
    assert_int_equal(reply.status, 200);
    assert_string_equal(wire_field(&reply, "Content-Length"), "8");
    assert_string_equal(reply.body, "2345-012");
  }
  wire_close(&wire);
}

static void the_connection_breaks_when_a_file_is_shorter_than_promised(void **state) {
  (void)state;
  wire_open(&wire, served.port);
  wire_send(&wire, "GET /short-file HTTP/1.1\r\nHost: h\r\n\r\n");
  char bytes[1024];
  ssize_t got;
  size_t total = 0;
  while ((got = recv(wire.fd, bytes, sizeof bytes, 0)) > 0) total += (size_t)got;
  assert_true(total < 400);  // a head and at most the ten bytes that exist
  wire_close(&wire);
}

// Reads the 8 MiB body of /big and compares it.
static void read_big(int pause_every_bytes) {
  wire_send(&wire, "GET /big HTTP/1.1\r\nHost: h\r\n\r\n");
  static uint8_t received[SERVED_BIG_BYTES + 8192];
  size_t total = 0;
  size_t head_bytes = 0;
  size_t next_pause = 0;
  while (head_bytes == 0 || total < head_bytes + SERVED_BIG_BYTES) {
    ssize_t got = recv(wire.fd, received + total, sizeof received - total, 0);
    assert_true(got > 0);
    total += (size_t)got;
    const uint8_t *end_of_head = head_bytes ? NULL : memmem(received, total, "\r\n\r\n", 4);
    if (end_of_head) head_bytes = (size_t)(end_of_head - received) + 4;
    if (pause_every_bytes > 0 && total >= next_pause) {
      next_pause += (size_t)pause_every_bytes;
      usleep(2000);
    }
  }
  assert_int_equal(total, head_bytes + SERVED_BIG_BYTES);
  assert_memory_equal(received + head_bytes, served.big->data, SERVED_BIG_BYTES);
}

static void a_big_body_arrives_whole_and_the_connection_goes_on(void **state) {
  (void)state;
  wire_open(&wire, served.port);
  read_big(0);
  read_big(0);
  wire_get(&wire, "/text/after", &reply);
  assert_string_equal(reply.body, "after");
  wire_close(&wire);
}

static void a_slow_reader_gets_everything(void **state) {
  (void)state;
  wire_open_from(&wire, served.port, "127.0.0.1", 8192);
  read_big(100000);
  wire_close(&wire);
}

static void others_are_served_while_one_client_does_not_read(void **state) {
  (void)state;
  static struct wire stuck;
  wire_open_from(&stuck, served.port, "127.0.0.1", 4096);
  wire_send(&stuck, "GET /big HTTP/1.1\r\nHost: h\r\n\r\n");
  wire_open(&wire, served.port);
  for (int i = 0; i < 20; i++) {
    wire_get(&wire, "/later/x", &reply);
    assert_string_equal(reply.body, "x");
  }
  wire_close(&wire);
  wire_close(&stuck);  // with most of the body unsent: the blob must come back, as the teardown checks
  served_wait_metric(&served, "pixpop_delivery_connections_open", 0);
}

static void a_pipelined_request_waits_behind_a_big_body(void **state) {
  (void)state;
  wire_open(&wire, served.port);
  wire_send(&wire, "GET /big HTTP/1.1\r\nHost: h\r\n\r\nGET /text/after HTTP/1.1\r\nHost: h\r\n\r\n");
  usleep(50000);
  size_t left = 0;
  char bytes[65536];
  ssize_t got = recv(wire.fd, bytes, 1024, 0);
  assert_true(got > 0);
  const char *body = memmem(bytes, (size_t)got, "\r\n\r\n", 4);
  assert_non_null(body);
  left = SERVED_BIG_BYTES - ((size_t)got - (size_t)(body + 4 - bytes));
  while (left > 0) {
    got = recv(wire.fd, bytes, left < sizeof bytes ? left : sizeof bytes, 0);
    assert_true(got > 0);
    left -= (size_t)got;
  }
  wire_read(&wire, &reply, true);
  assert_string_equal(reply.body, "after");
  wire_close(&wire);
}

#define SERVED_TEST(test) cmocka_unit_test_setup_teardown(test, start, end)

int main(void) {
  const struct CMUnitTest tests[] = {
      SERVED_TEST(file_and_memory_parts_arrive_in_order),
      SERVED_TEST(the_connection_breaks_when_a_file_is_shorter_than_promised),
      SERVED_TEST(a_big_body_arrives_whole_and_the_connection_goes_on),
      SERVED_TEST(a_slow_reader_gets_everything),
      SERVED_TEST(others_are_served_while_one_client_does_not_read),
      SERVED_TEST(a_pipelined_request_waits_behind_a_big_body),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
