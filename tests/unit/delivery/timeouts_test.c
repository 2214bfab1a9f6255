#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "served.h"
#include "wire.h"

enum { SHORT_MS = 250 };

static struct served served;
static struct wire wire;
static struct wire_reply reply;

static void start(struct delivery_config limits) {
  served_start(&served, &limits);
  wire_open(&wire, served.port);
}

static void end(void) {
  wire_close(&wire);
  served_end(&served, 0);
}

static void an_idle_connection_closes_silently(void **state) {
  (void)state;
  start((struct delivery_config){.idle_timeout_ms = SHORT_MS});
  wire_get(&wire, "/text/a", &reply);
  assert_true(wire_is_closed_by_server(&wire));
  served_wait_metric(&served, "pixpop_delivery_timeouts_total{state=\"idle\"}", 1);
  end();
}

static void a_connection_that_never_sends_closes(void **state) {
  (void)state;
  start((struct delivery_config){.idle_timeout_ms = SHORT_MS});
  assert_true(wire_is_closed_by_server(&wire));
  end();
}

static void a_slow_head_gets_408_although_bytes_keep_coming(void **state) {
  (void)state;
  start((struct delivery_config){.head_timeout_ms = SHORT_MS});
  wire_send(&wire, "GET /text/a HTTP/1.1\r\nHost: h\r\nX: ");
  int sent = 0;
  while (sent < 300 && wire_is_quiet(&wire, 10)) sent += wire_try_send(&wire, "y");
  assert_in_range(sent, 2, 299);  // the reply came while the client was still sending
  wire_read(&wire, &reply, true);
  assert_int_equal(reply.status, 408);
  assert_string_equal(wire_field(&reply, "Connection"), "close");
  assert_non_null(strstr(reply.body, "\"status\":408"));
  assert_true(wire_is_closed_by_server(&wire));
  served_wait_metric(&served, "pixpop_delivery_timeouts_total{state=\"head\"}", 1);
  end();
}

static void requests_in_time_are_not_disturbed_by_the_head_limit(void **state) {
  (void)state;
  start((struct delivery_config){.head_timeout_ms = SHORT_MS});
  for (int i = 0; i < 4; i++) {
    wire_get(&wire, "/text/a", &reply);
    assert_int_equal(reply.status, 200);
    usleep(SHORT_MS * 1000 / 2);
  }
  end();
}

static void a_client_that_takes_no_byte_is_cut_off(void **state) {
  (void)state;
  served_start(&served, &(struct delivery_config){.write_timeout_ms = SHORT_MS});
  wire_open_from(&wire, served.port, "127.0.0.1", 4096);
  wire_send(&wire, "GET /big HTTP/1.1\r\nHost: h\r\n\r\n");
  served_wait_metric(&served, "pixpop_delivery_timeouts_total{state=\"write\"}", 1);
  served_wait_metric(&served, "pixpop_delivery_connections_open", 0);
  end();
}

// The server's end of the connection, which is in this process too.
static int find_far_end(void) {
  enum { FDS = 256 };
  struct sockaddr_in mine, other;
  socklen_t bytes = sizeof mine;
  assert_int_equal(getsockname(wire.fd, (struct sockaddr *)&mine, &bytes), 0);
  for (int fd = 0; fd < FDS; fd++) {
    bytes = sizeof other;
    if (fd == wire.fd || getpeername(fd, (struct sockaddr *)&other, &bytes) != 0) continue;
    if (other.sin_family == AF_INET && other.sin_port == mine.sin_port) return fd;
  }
  return -1;
}

// With small queues on both sides, so that the server sees every few sips.
static void open_thirsty(void) {
  const int queue = 4096;
  wire_open_from(&wire, served.port, "127.0.0.1", queue);
  served_wait_metric(&served, "pixpop_delivery_connections_open", 1);
  assert_int_equal(setsockopt(find_far_end(), SOL_SOCKET, SO_SNDBUF, &queue, sizeof queue), 0);
}

// So many bytes each 10 ms until the server breaks it off, or enough is read. What was read.
static size_t sip(size_t bytes, size_t enough) {
  char sips[4096];
  size_t total = 0;
  while (total < enough) {
    ssize_t got = recv(wire.fd, sips, bytes, 0);
    if (got <= 0) break;
    total += (size_t)got;
    usleep(10000);
  }
  return total;
}

static void a_client_that_sips_is_cut_off(void **state) {
  (void)state;
  enum { PACE_MS = 1000, ENOUGH = 50000 };  // some 7,000 bytes a second
  served_start(&served, &(struct delivery_config){.write_timeout_ms = PACE_MS});
  open_thirsty();
  wire_send(&wire, "GET /big HTTP/1.1\r\nHost: h\r\n\r\n");
  assert_in_range(sip(70, ENOUGH), 1, ENOUGH - 1);
  served_wait_metric(&served, "pixpop_delivery_timeouts_total{state=\"write\"}", 1);
  end();
}

static void a_slow_client_that_keeps_the_pace_is_served(void **state) {
  (void)state;
  enum { PACE_MS = 500, ENOUGH = 400000 };  // 400,000 bytes a second at most; 32,768 are asked for
  served_start(&served, &(struct delivery_config){.write_timeout_ms = PACE_MS});
  open_thirsty();
  wire_send(&wire, "GET /big HTTP/1.1\r\nHost: h\r\n\r\n");
  assert_true(sip(4096, ENOUGH) >= ENOUGH);
  assert_int_equal(served_metric(&served, "pixpop_delivery_timeouts_total{state=\"write\"}"), 0);
  end();
}

static void a_late_handler_gets_504_and_its_reply_is_dropped(void **state) {
  (void)state;
  start((struct delivery_config){.reply_timeout_ms = SHORT_MS});
  wire_send(&wire, "GET /park HTTP/1.1\r\nHost: h\r\n\r\n");
  struct http_sink *sink = served_take_parked(&served);
  wire_read(&wire, &reply, true);
  assert_int_equal(reply.status, 504);
  assert_true(wire_is_closed_by_server(&wire));
  assert_true(http_sink_is_cancelled(sink));
  served_answer(sink, "late");
  served_wait_metric(&served, "pixpop_delivery_timeouts_total{state=\"reply\"}", 1);
  end();
}

static void a_late_head_request_gets_no_body_either(void **state) {
  (void)state;
  start((struct delivery_config){.reply_timeout_ms = SHORT_MS});
  wire_send(&wire, "HEAD /park HTTP/1.1\r\nHost: h\r\n\r\n");
  struct http_sink *sink = served_take_parked(&served);
  wire_read(&wire, &reply, false);
  assert_int_equal(reply.status, 504);
  assert_true(wire_is_closed_by_server(&wire));
  served_answer(sink, "late");
  end();
}

static void a_refused_client_that_stays_is_dropped(void **state) {
  (void)state;
  start((struct delivery_config){0});
  wire_send(&wire, "nonsense\r\n\r\n");
  wire_read(&wire, &reply, true);
  assert_int_equal(reply.status, 400);
  served_wait_metric(&served, "pixpop_delivery_timeouts_total{state=\"linger\"}", 1);
  served_wait_metric(&served, "pixpop_delivery_connections_open", 0);
  end();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_idle_connection_closes_silently),
      cmocka_unit_test(a_connection_that_never_sends_closes),
      cmocka_unit_test(a_slow_head_gets_408_although_bytes_keep_coming),
      cmocka_unit_test(requests_in_time_are_not_disturbed_by_the_head_limit),
      cmocka_unit_test(a_client_that_takes_no_byte_is_cut_off),
      cmocka_unit_test(a_client_that_sips_is_cut_off),
      cmocka_unit_test(a_slow_client_that_keeps_the_pace_is_served),
      cmocka_unit_test(a_late_handler_gets_504_and_its_reply_is_dropped),
      cmocka_unit_test(a_late_head_request_gets_no_body_either),
      cmocka_unit_test(a_refused_client_that_stays_is_dropped),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
