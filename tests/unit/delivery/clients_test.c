#include "clients.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static struct sockaddr_storage v4(const char *text) {
  struct sockaddr_storage address = {0};
  struct sockaddr_in *in = (struct sockaddr_in *)&address;
  in->sin_family = AF_INET;
  assert_int_equal(inet_pton(AF_INET, text, &in->sin_addr), 1);
  return address;
}

static struct sockaddr_storage v6(const char *text) {
  struct sockaddr_storage address = {0};
  struct sockaddr_in6 *in = (struct sockaddr_in6 *)&address;
  in->sin6_family = AF_INET6;
  assert_int_equal(inet_pton(AF_INET6, text, &in->sin6_addr), 1);
  return address;
}

// With a limit of one: does `second` count as the same client as `first`?
static bool is_same_client(struct sockaddr_storage first, struct sockaddr_storage second) {
  struct clients *clients = delivery_clients_create(1, 16, 2);
  assert_non_null(clients);
  struct client *one = delivery_clients_enter(clients, &first);
  assert_non_null(one);
  struct client *two = delivery_clients_enter(clients, &second);
  bool is_same = two == NULL;
  delivery_clients_leave(clients, &two);
  delivery_clients_leave(clients, &one);
  delivery_clients_destroy(&clients);
  assert_null(clients);
  return is_same;
}

static void a_client_is_refused_when_it_has_its_limit(void **state) {
  (void)state;
  struct clients *clients = delivery_clients_create(2, 16, 2);
  struct sockaddr_storage address = v4("192.0.2.1");
  struct client *first = delivery_clients_enter(clients, &address);
  struct client *second = delivery_clients_enter(clients, &address);
  assert_non_null(first);
  assert_ptr_equal(first, second);
  assert_null(delivery_clients_enter(clients, &address));
  delivery_clients_leave(clients, &second);
  assert_null(second);
  second = delivery_clients_enter(clients, &address);
  assert_non_null(second);
  delivery_clients_leave(clients, &first);
  delivery_clients_leave(clients, &second);
  delivery_clients_destroy(&clients);
}

static void clients_are_told_apart_by_address(void **state) {
  (void)state;
  assert_true(is_same_client(v4("192.0.2.1"), v4("192.0.2.1")));
  assert_false(is_same_client(v4("192.0.2.1"), v4("192.0.2.2")));
  assert_true(is_same_client(v6("2001:db8:1:2::1"), v6("2001:db8:1:2:ffff::9")));
  assert_false(is_same_client(v6("2001:db8:1:2::1"), v6("2001:db8:1:3::1")));
  assert_true(is_same_client(v4("192.0.2.1"), v6("::ffff:192.0.2.1")));
  assert_false(is_same_client(v6("::1"), v4("0.0.0.0")));
}

static void many_clients_share_few_buckets(void **state) {
  (void)state;
  enum { COUNT = 500 };
  struct clients *clients = delivery_clients_create(1, 4, 2);
  struct client *entered[COUNT];
  for (int round = 0; round < 2; round++) {
    for (int i = 0; i < COUNT; i++) {
      char text[32];
      (void)snprintf(text, sizeof text, "10.0.%d.%d", i / 250, i % 250);
      struct sockaddr_storage address = v4(text);
      entered[i] = delivery_clients_enter(clients, &address);
      assert_non_null(entered[i]);
      assert_null(delivery_clients_enter(clients, &address));
    }
    for (int i = 0; i < COUNT; i++) delivery_clients_leave(clients, &entered[(i * 7) % COUNT]);
  }
  delivery_clients_destroy(&clients);
}

static void a_client_has_one_share_of_each_loop(void **state) {
  (void)state;
  struct clients *clients = delivery_clients_create(2, 16, 2);
  struct sockaddr_storage here = v4("192.0.2.1"), there = v4("192.0.2.2");
  struct client *first = delivery_clients_enter(clients, &here), *second = delivery_clients_enter(clients, &here);
  struct client *other = delivery_clients_enter(clients, &there);
  assert_ptr_equal(delivery_clients_share(first, 1), delivery_clients_share(second, 1));
  assert_ptr_not_equal(delivery_clients_share(first, 0), delivery_clients_share(first, 1));
  assert_ptr_not_equal(delivery_clients_share(first, 1), delivery_clients_share(other, 1));
  assert_int_equal(delivery_clients_share(other, 1)->waiting, 0);
  delivery_clients_leave(clients, &first);
  delivery_clients_leave(clients, &second);
  delivery_clients_leave(clients, &other);
  delivery_clients_destroy(&clients);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_client_is_refused_when_it_has_its_limit),
      cmocka_unit_test(clients_are_told_apart_by_address),
      cmocka_unit_test(many_clients_share_few_buckets),
      cmocka_unit_test(a_client_has_one_share_of_each_loop),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
