// One client that floods the box with misses: it is told to come back, and the others get their pictures.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "rig.h"

enum { LIMIT = 4, FLOOD = 24 };

static const uint8_t flooder[16] = {[10] = 0xff, [11] = 0xff, 10, 0, 0, 7};
static const uint8_t neighbour[16] = {[10] = 0xff, [11] = 0xff, 10, 0, 0, 8};

static int setup(void **state) {
  static struct rig rig;
  rig_open(&rig, &(struct rig_config){.renders_per_client = LIMIT});
  *state = &rig;
  return 0;
}

static int teardown(void **state) {
  rig_close(*state);
  return 0;
}

static void send_as(struct rig *rig, struct rig_client *client, const uint8_t whom[16], unsigned width) {
  char query[64];
  memcpy(rig->client, whom, sizeof rig->client);
  snprintf(query, sizeof query, "?w=%u&dpr=1&fm=webp&q=80", width);
  rig_send(rig, client, "GET", query, "");
}

static void finish(struct rig_client *client, int status) {
  assert_int_equal(rig_receive(client), status);
  if (status == 503) {
    assert_non_null(http_reply_get_header(&client->reply, "Retry-After").data);
    rig_assert_field(client, "Cache-Control", "no-store");
    rig_assert_body_has(client, "\"subject\":\"client\"");
  }
  rig_client_finish(client);
}

// The flood: as many as are allowed wait, the rest was refused at once.
static void flood(struct rig *rig, struct rig_client clients[FLOOD], const uint8_t whom[16]) {
  for (unsigned i = 0; i < FLOOD; i++) {
    send_as(rig, &clients[i], whom, 100 + i);
    // One after the other, so that it is the first ones who are in.
    if (i < LIMIT) rig_wait_for(rig, &rig->renderer.submitted, i + 1);
  }
  for (unsigned i = LIMIT; i < FLOOD; i++) finish(&clients[i], 503);
}

static void others_are_served_while_one_client_floods(void **state) {
  struct rig *rig = *state;
  struct rig_client clients[FLOOD], other;
  rig_set(rig, &rig->renderer.is_closed, true);
  flood(rig, clients, flooder);
  assert_int_equal(rig_count(rig, &rig->renderer.submitted), LIMIT);
  // The neighbour's order is taken, also for a picture that the flooder was refused.
  send_as(rig, &other, neighbour, 100 + LIMIT);
  rig_wait_for(rig, &rig->renderer.submitted, LIMIT + 1);
  rig_set(rig, &rig->renderer.is_closed, false);
  finish(&other, 200);
  for (unsigned i = 0; i < LIMIT; i++) finish(&clients[i], 200);
  // What was paid for is given back: the same client may go on, and what is in RAM or on disk costs nothing.
  for (unsigned i = 0; i < FLOOD; i++) {
    send_as(rig, &clients[0], flooder, 100 + i);
    finish(&clients[0], 200);
  }
}

static void memory_is_served_to_the_one_who_floods(void **state) {
  struct rig *rig = *state;
  struct rig_client clients[FLOOD], hit;
  send_as(rig, &hit, flooder, 99);
  finish(&hit, 200);
  rig_set(rig, &rig->renderer.is_closed, true);
  for (unsigned i = 0; i < LIMIT; i++) {
    send_as(rig, &clients[i], flooder, 200 + i);
    rig_wait_for(rig, &rig->renderer.submitted, i + 2);
  }
  send_as(rig, &hit, flooder, 99);
  assert_true(rig_has_reply(&hit));
  finish(&hit, 200);
  rig_set(rig, &rig->renderer.is_closed, false);
  for (unsigned i = 0; i < LIMIT; i++) finish(&clients[i], 200);
}

static void a_client_that_waits_with_the_flooder_pays_for_both(void **state) {
  struct rig *rig = *state;
  struct rig_client clients[FLOOD], first, second;
  rig_set(rig, &rig->renderer.is_closed, true);
  flood(rig, clients, flooder);
  // The neighbour begins it; the flooder joins what is under way and pays nothing.
  send_as(rig, &first, neighbour, 500);
  rig_wait_for(rig, &rig->renderer.submitted, LIMIT + 1);
  send_as(rig, &second, flooder, 500);
  rig_set(rig, &rig->renderer.is_closed, false);
  finish(&first, 200);
  finish(&second, 200);
  for (unsigned i = 0; i < LIMIT; i++) finish(&clients[i], 200);
}

static void a_network_of_ipv6_is_one_client(void **state) {
  struct rig *rig = *state;
  struct rig_client clients[LIMIT + 2];
  rig_set(rig, &rig->renderer.is_closed, true);
  for (unsigned i = 0; i < LIMIT + 1; i++) {
    const uint8_t address[16] = {0x20, 0x01, 0x0d, 0xb8, [7] = 1, [15] = (uint8_t)i};
    send_as(rig, &clients[i], address, 100 + i);
    if (i < LIMIT) rig_wait_for(rig, &rig->renderer.submitted, i + 1);
  }
  finish(&clients[LIMIT], 503);
  const uint8_t next_network[16] = {0x20, 0x01, 0x0d, 0xb8, [7] = 2};
  send_as(rig, &clients[LIMIT + 1], next_network, 300);
  rig_wait_for(rig, &rig->renderer.submitted, LIMIT + 1);
  rig_set(rig, &rig->renderer.is_closed, false);
  for (unsigned i = 0; i < LIMIT + 2; i++) {
    if (i != LIMIT) finish(&clients[i], 200);
  }
}

static void nobody_is_limited_when_the_server_does_not_say_who_asks(void **state) {
  struct rig *rig = *state;
  static const uint8_t nobody[16];
  struct rig_client clients[FLOOD];
  rig_set(rig, &rig->renderer.is_closed, true);
  for (unsigned i = 0; i < FLOOD; i++) send_as(rig, &clients[i], nobody, 100 + i);
  rig_wait_for(rig, &rig->renderer.submitted, FLOOD);
  rig_set(rig, &rig->renderer.is_closed, false);
  for (unsigned i = 0; i < FLOOD; i++) finish(&clients[i], 200);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(others_are_served_while_one_client_floods, setup, teardown),
      cmocka_unit_test_setup_teardown(memory_is_served_to_the_one_who_floods, setup, teardown),
      cmocka_unit_test_setup_teardown(a_client_that_waits_with_the_flooder_pays_for_both, setup, teardown),
      cmocka_unit_test_setup_teardown(a_network_of_ipv6_is_one_client, setup, teardown),
      cmocka_unit_test_setup_teardown(nobody_is_limited_when_the_server_does_not_say_who_asks, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
