#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "served.h"
#include "wire.h"

static struct served served;
static struct wire_reply reply;

static void connections_over_the_limit_get_503_until_one_leaves(void **state) {
  (void)state;
  static struct wire wires[3];
  served_start(&served, &(struct delivery_config){.max_connections = 2});
  for (int i = 0; i < 2; i++) {
    wire_open(&wires[i], served.port);
    wire_get(&wires[i], "/text/in", &reply);
    assert_int_equal(reply.status, 200);
  }
  wire_open(&wires[2], served.port);
  wire_send(&wires[2], "GET /text/a HTTP/1.1\r\nHost: h\r\n\r\n");
  wire_read(&wires[2], &reply, true);
  assert_int_equal(reply.status, 503);
  assert_non_null(wire_field(&reply, "Retry-After"));
  assert_true(wire_is_closed_by_server(&wires[2]));
  wire_close(&wires[2]);
  assert_int_equal(served_metric(&served, "pixpop_delivery_connections_refused_total{limit=\"total\"}"), 1);

  wire_close(&wires[0]);
  served_wait_metric(&served, "pixpop_delivery_connections_open", 1);
  wire_open(&wires[0], served.port);
  wire_get(&wires[0], "/text/again", &reply);
  assert_string_equal(reply.body, "again");
  wire_close(&wires[0]);
  wire_close(&wires[1]);
  served_end(&served, 0);
}

static void one_client_cannot_take_the_connections_of_others(void **state) {
  (void)state;
  static struct wire wires[3];
  served_start(&served, &(struct delivery_config){.loops = 2, .max_connections_per_client = 1});
  wire_open(&wires[0], served.port);
  wire_get(&wires[0], "/text/first", &reply);
  wire_open(&wires[1], served.port);
  wire_read(&wires[1], &reply, true);
  assert_int_equal(reply.status, 503);
  wire_open_from(&wires[2], served.port, "127.0.0.2", 0);
  wire_get(&wires[2], "/text/other", &reply);
  assert_string_equal(reply.body, "other");
  assert_int_equal(served_metric(&served, "pixpop_delivery_connections_refused_total{limit=\"client\"}"), 1);
  for (int i = 0; i < 3; i++) wire_close(&wires[i]);
  served_end(&served, 0);
}

static void health_is_answered_over_the_limits(void **state) {
  (void)state;
  static struct wire wires[2];
  served_start(&served, &(struct delivery_config){.max_connections = 1, .vital_path = "/text/health"});
  wire_open(&wires[0], served.port);
  wire_get(&wires[0], "/text/in", &reply);
  for (int i = 0; i < 3; i++) {
    wire_open(&wires[1], served.port);
    wire_get(&wires[1], i == 1 ? "/text/healthy" : "/text/health", &reply);
    assert_int_equal(reply.status, i == 1 ? 503 : 200);
    assert_string_equal(wire_field(&reply, "Connection"), "close");
    assert_true(wire_is_closed_by_server(&wires[1]));
    wire_close(&wires[1]);
  }
  // It arrives in two pieces.
  wire_open(&wires[1], served.port);
  wire_send(&wires[1], "GET /text/health HT");
  assert_true(wire_is_quiet(&wires[1], 50));
  wire_send(&wires[1], "TP/1.1\r\nHost: h\r\n\r\n");
  wire_read(&wires[1], &reply, true);
  assert_string_equal(reply.body, "health");
  wire_close(&wires[1]);
  wire_close(&wires[0]);
  served_end(&served, 0);
}

static void silent_clients_over_the_limit_do_not_keep_health_checks_out(void **state) {
  (void)state;
  enum { SILENT = 80 };  // more than are told at once
  static struct wire in, silent[SILENT], health;
  served_start(&served, &(struct delivery_config){.max_connections = 1, .vital_path = "/text/health"});
  wire_open(&in, served.port);
  wire_get(&in, "/text/in", &reply);
  for (int i = 0; i < SILENT; i++) wire_open(&silent[i], served.port);
  wire_open(&health, served.port);
  wire_get(&health, "/text/health", &reply);
  assert_int_equal(reply.status, 200);
  wire_read(&silent[0], &reply, true);  // made room
  assert_int_equal(reply.status, 503);
  wire_read(&silent[SILENT - 1], &reply, true);  // had its second
  assert_int_equal(reply.status, 503);
  for (int i = 0; i < SILENT; i++) wire_close(&silent[i]);
  wire_close(&health);
  wire_close(&in);
  served_end(&served, 0);
}

static double thread_seconds(void) {
  struct timespec used;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

static void accepting_pauses_without_spinning_when_descriptors_run_out(void **state) {
  (void)state;
  static struct wire wire;
  served_start(&served, &(struct delivery_config){0});
  wire_open(&wire, served.port);
  wire_get(&wire, "/text/in", &reply);

  struct rlimit before;
  assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
  struct wire waiting;
  waiting.fd = -1;
  int spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
  assert_true(spare >= 0);
  close(spare);
  // One more descriptor for the client's side, none for the server's.
  struct rlimit tight = {.rlim_cur = (rlim_t)spare + 1, .rlim_max = before.rlim_max};
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
  wire_open(&waiting, served.port);
  wire_send(&waiting, "GET /text/waited HTTP/1.1\r\nHost: h\r\n\r\n");
  double start_s = thread_seconds();
  bool was_quiet = wire_is_quiet(&waiting, 400);
  double used_s = thread_seconds() - start_s;
  wire_get(&wire, "/text/served", &reply);  // the connections that are in do not suffer
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);

  assert_true(was_quiet);
  assert_true(used_s < 0.2);
  wire_read(&waiting, &reply, true);
  assert_string_equal(reply.body, "waited");
  wire_close(&waiting);
  wire_close(&wire);
  served_end(&served, 0);
}

static void start_raises_the_soft_limit_of_descriptors(void **state) {
  (void)state;
  struct rlimit before, after;
  assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
  if (before.rlim_max < 1024) skip();
  struct rlimit low = {.rlim_cur = 128, .rlim_max = before.rlim_max};
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
  served_start(&served, &(struct delivery_config){.loops = 1, .max_connections = 512});
  assert_int_equal(getrlimit(RLIMIT_NOFILE, &after), 0);
  served_end(&served, 0);
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
  assert_true(after.rlim_cur > 512);
}

static void start_fails_with_a_conflict_when_the_port_is_in_use(void **state) {
  (void)state;
  served_start(&served, &(struct delivery_config){.loops = 2});
  struct delivery *second = NULL;
  struct base_fault fault = {0};
  struct delivery_config config = {.port = served.port, .loops = 2};
  assert_int_equal(delivery_start(&config, &second, &fault), BASE_CONFLICT);
  assert_null(second);
  assert_non_null(strstr(fault.text, "127.0.0.1"));
  served_end(&served, 0);
}

static void a_port_is_free_again_after_stop(void **state) {
  (void)state;
  static struct wire wire;
  served_start(&served, &(struct delivery_config){.loops = 2});
  uint16_t port = served.port;
  wire_open(&wire, port);
  wire_get(&wire, "/text/a", &reply);
  served_end(&served, 0);  // the server closes first, so its side is in TIME_WAIT
  wire_close(&wire);
  served_start(&served, &(struct delivery_config){.port = port, .loops = 2});
  assert_int_equal(served.port, port);
  served_end(&served, 0);
}

static void start_refuses_an_address_that_is_not_numeric(void **state) {
  (void)state;
  struct delivery *delivery = NULL;
  struct base_fault fault = {0};
  struct delivery_config config = {.address = "localhost"};
  assert_int_equal(delivery_start(&config, &delivery, &fault), BASE_BAD_INPUT);
  assert_string_equal(fault.subject, "address");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(connections_over_the_limit_get_503_until_one_leaves),
      cmocka_unit_test(one_client_cannot_take_the_connections_of_others),
      cmocka_unit_test(health_is_answered_over_the_limits),
      cmocka_unit_test(silent_clients_over_the_limit_do_not_keep_health_checks_out),
      cmocka_unit_test(accepting_pauses_without_spinning_when_descriptors_run_out),
      cmocka_unit_test(start_raises_the_soft_limit_of_descriptors),
      cmocka_unit_test(start_fails_with_a_conflict_when_the_port_is_in_use),
      cmocka_unit_test(a_port_is_free_again_after_stop),
      cmocka_unit_test(start_refuses_an_address_that_is_not_numeric),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
