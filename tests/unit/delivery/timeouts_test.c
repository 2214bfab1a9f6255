#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
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
      cmocka_unit_test(a_late_handler_gets_504_and_its_reply_is_dropped),
      cmocka_unit_test(a_late_head_request_gets_no_body_either),
      cmocka_unit_test(a_refused_client_that_stays_is_dropped),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
