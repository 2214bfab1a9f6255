#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "served.h"
#include "wire.h"

enum { CLIENTS = 24 };

static struct served served;
static struct delivery_handover handover;
static struct wire_reply reply;

static void hand_over(void) {
  struct base_fault fault = {0};
  assert_int_equal(delivery_hand_over(served.delivery, &handover, &fault), BASE_OK);
}

static void nobody_is_refused_between_two_servers(void **state) {
  (void)state;
  static const unsigned loops[] = {3, 1, 4};
  static struct wire wires[CLIENTS];
  served_start(&served, &(struct delivery_config){.loops = 2});
  const uint16_t port = served.port;
  for (size_t round = 0; round < sizeof loops / sizeof *loops; round++) {
    hand_over();
    served_end(&served, 1000);
    for (int i = 0; i < CLIENTS; i++) {
      wire_open(&wires[i], port);
      wire_send(&wires[i], "GET /text/waited HTTP/1.1\r\nHost: h\r\n\r\n");
    }
    served_start(&served, &(struct delivery_config){.loops = loops[round], .port = port, .handover = &handover});
    assert_int_equal(served.port, port);
    for (int i = 0; i < CLIENTS; i++) {
      wire_read(&wires[i], &reply, true);
      assert_string_equal(reply.body, "waited");
      wire_close(&wires[i]);
    }
  }
  // None of them was lost: as many as there ever were, whatever the number of loops.
  hand_over();
  assert_int_equal(handover.plain_count, 4);
  for (unsigned i = 0; i < handover.plain_count; i++) {
    assert_true(fcntl(handover.plain[i], F_GETFD) & FD_CLOEXEC);
    close(handover.plain[i]);
  }
  served_end(&served, 0);
}

static void what_was_accepted_is_answered_by_the_old_server(void **state) {
  (void)state;
  static struct wire wire;
  served_start(&served, &(struct delivery_config){0});
  const uint16_t port = served.port;
  wire_open(&wire, port);
  wire_send(&wire, "GET /text/a HTTP/1.1\r\nHo");
  served_wait_metric(&served, "pixpop_delivery_connections_open", 1);
  hand_over();
  wire_send(&wire, "st: h\r\n\r\n");
  served_end(&served, 5000);
  wire_read(&wire, &reply, true);
  assert_string_equal(reply.body, "a");
  wire_close(&wire);
  // Events of a listener that lives on elsewhere must not reach the loop that has ended.
  wire_open(&wire, port);
  served_start(&served, &(struct delivery_config){.port = port, .handover = &handover});
  wire_get(&wire, "/text/b", &reply);
  assert_string_equal(reply.body, "b");
  wire_close(&wire);
  served_end(&served, 0);
}

static bool is_open(int fd) { return fcntl(fd, F_GETFD) >= 0; }

static void listeners_of_another_address_or_kind_are_closed(void **state) {
  (void)state;
  served_start(&served, &(struct delivery_config){.loops = 2});
  const uint16_t port = served.port;
  hand_over();
  assert_int_equal(handover.plain_count, 2);
  served_end(&served, 0);
  const int first = handover.plain[0];
  const int pipe_or_so = open("/dev/null", O_RDONLY | O_CLOEXEC);
  handover.plain[1] = (close(handover.plain[1]), pipe_or_so);
  handover.tls[handover.tls_count++] = dup(first);
  struct delivery *elsewhere = NULL;
  struct base_fault fault = {0};
  const struct delivery_config config = {.address = "127.0.0.2", .loops = 1, .handover = &handover};
  assert_int_equal(delivery_start(&config, &elsewhere, &fault), BASE_OK);
  // The old port is free: a server can claim it alone.
  struct delivery *again = NULL;
  const struct delivery_config claim = {.port = port, .loops = 1};
  assert_int_equal(delivery_start(&claim, &again, &fault), BASE_OK);
  delivery_stop(elsewhere, 0);
  delivery_stop(again, 0);
  delivery_destroy(&elsewhere);
  delivery_destroy(&again);
}

static void a_start_that_fails_closes_them_too(void **state) {
  (void)state;
  served_start(&served, &(struct delivery_config){.loops = 2});
  hand_over();
  served_end(&served, 0);
  struct delivery *delivery = NULL;
  struct base_fault fault = {0};
  const struct delivery_config config = {.pem_path = "/nonexistent.pem", .handover = &handover};
  assert_int_equal(delivery_start(&config, &delivery, &fault), BASE_NOT_FOUND);
  for (unsigned i = 0; i < handover.plain_count; i++) assert_false(is_open(handover.plain[i]));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(nobody_is_refused_between_two_servers),
      cmocka_unit_test(what_was_accepted_is_answered_by_the_old_server),
      cmocka_unit_test(listeners_of_another_address_or_kind_are_closed),
      cmocka_unit_test(a_start_that_fails_closes_them_too),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
