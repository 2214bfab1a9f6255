#include "gate_clients.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct sockaddr_storage address_of(const char *text) {
  struct sockaddr_storage address = {0};
  struct sockaddr_in *v4 = (struct sockaddr_in *)&address;
  struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address;
  if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
  } else {
    assert_int_equal(inet_pton(AF_INET6, text, &v6->sin6_addr), 1);
    v6->sin6_family = AF_INET6;
  }
  return address;
}

static struct gate_client *enter(struct gate_clients *clients, const char *text) {
  const struct sockaddr_storage address = address_of(text);
  return console_gate_clients_enter(clients, &address);
}

static void counts_each_client_up_to_the_limit(void **state) {
  (void)state;
  struct gate_clients *clients = console_gate_clients_create(2, 100);
  struct gate_client *first = enter(clients, "192.0.2.1"), *second = enter(clients, "192.0.2.1");
  assert_non_null(first);
  assert_ptr_equal(first, second);
  assert_null(enter(clients, "192.0.2.1"));
  struct gate_client *other = enter(clients, "192.0.2.2");
  assert_non_null(other);
  console_gate_clients_leave(clients, &second);
  assert_null(second);
  second = enter(clients, "192.0.2.1");
  assert_non_null(second);
  console_gate_clients_leave(clients, &first);
  console_gate_clients_leave(clients, &second);
  console_gate_clients_leave(clients, &other);
  console_gate_clients_leave(clients, &other);  // has left already
  console_gate_clients_destroy(&clients);
}

static void knows_who_is_the_same_client(void **state) {
  (void)state;
  static const struct {
    const char *first, *second;
    bool are_same;
  } table[] = {{"192.0.2.1", "::ffff:192.0.2.1", true},
               {"2001:db8::1", "2001:db8::ffff:1", true},
               {"2001:db8::1", "2001:db8:0:1::1", false},
               {"::ffff:192.0.2.1", "::ffff:192.0.2.2", false},
               {"127.0.0.1", "::1", false}};
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    struct gate_clients *clients = console_gate_clients_create(10, 1);
    struct gate_client *first = enter(clients, table[i].first), *second = enter(clients, table[i].second);
    assert_int_equal(first == second, table[i].are_same);
    console_gate_clients_leave(clients, &first);
    console_gate_clients_leave(clients, &second);
    console_gate_clients_destroy(&clients);
  }
}

static void keeps_many_apart_in_few_buckets(void **state) {
  (void)state;
  enum { CLIENTS = 1000 };
  static struct gate_client *entered[CLIENTS];
  struct gate_clients *clients = console_gate_clients_create(1, 1);
  for (uint32_t i = 0; i < CLIENTS; i++) {
    struct sockaddr_storage address = address_of("10.0.0.0");
    ((struct sockaddr_in *)&address)->sin_addr.s_addr = htonl(0x0a000000 + i);
    entered[i] = console_gate_clients_enter(clients, &address);
    assert_non_null(entered[i]);
    assert_null(console_gate_clients_enter(clients, &address));
  }
  for (size_t i = 0; i < CLIENTS; i++) console_gate_clients_leave(clients, &entered[(i * 7) % CLIENTS]);
  console_gate_clients_destroy(&clients);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(counts_each_client_up_to_the_limit),
      cmocka_unit_test(knows_who_is_the_same_client),
      cmocka_unit_test(keeps_many_apart_in_few_buckets),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
