// One client that floods the box with misses: it waits for its turn, in its own line, and the others get their
// pictures.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rig.h"

enum {
  LIMIT = 4,
  MOST = LIMIT * 5,  // of a client: with the renderer and waiting
  FLOOD = MOST + 4,
  PAGE = 100,
  PAGE_LIMIT = 20,  // so that a page is all that a client may have
  MOST_WAITING = 1024,
  STORM_THREADS = 6,
  STORM_REQUESTS = 60,
};

static const uint8_t flooder[16] = {[10] = 0xff, [11] = 0xff, 10, 0, 0, 7};
static const uint8_t neighbour[16] = {[10] = 0xff, [11] = 0xff, 10, 0, 0, 8};
static const uint8_t nobody[16];

static int open_rig(void **state, const struct rig_config *config) {
  static struct rig rig;
  rig_open(&rig, config);
  *state = &rig;
  return 0;
}

// One I/O thread does one thing after the other (see settle); the storm has more.
static int setup(void **state) {
  return open_rig(state, &(struct rig_config){.renders_per_client = LIMIT, .io_threads = 1});
}

static int setup_for_pages(void **state) {
  return open_rig(state, &(struct rig_config){.renders_per_client = PAGE_LIMIT, .io_threads = 1});
}

static int setup_for_storm(void **state) {
  return open_rig(state, &(struct rig_config){.renders_per_client = PAGE_LIMIT, .io_threads = 4});
}

static int setup_for_one(void **state) {
  return open_rig(state, &(struct rig_config){.renders_per_client = 1, .io_threads = 1, .makes_avif = true});
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
  }
  rig_client_finish(client);
}

static void finish_all(struct rig_client *clients, unsigned count, int status) {
  for (unsigned i = 0; i < count; i++) finish(&clients[i], status);
}

// Waits until the I/O thread has done all it was given: a flight counts as waiting before that thread lets go of it.
static void settle(struct rig *rig) {
  struct rig_client unknown;
  memcpy(rig->client, nobody, sizeof nobody);
  rig_send_path(rig, &unknown, "GET", "/i/47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU", "");
  finish(&unknown, 404);
}

// Sends one after the other: the first `limit` are with the renderer, the others wait in this order.
static void fill(struct rig *rig, struct rig_client *clients, const uint8_t whom[16], unsigned count, unsigned limit) {
  const unsigned before = rig_count(rig, &rig->renderer.submitted);
  for (unsigned i = 0; i < count; i++) {
    send_as(rig, &clients[i], whom, 100 + i);
    if (i < limit) {
      rig_wait_for(rig, &rig->renderer.submitted, before + i + 1);
    } else {
      rig_wait_for_waiting(rig, i + 1 - limit);
    }
  }
  settle(rig);
  assert_int_equal(rig_count(rig, &rig->renderer.submitted), before + (count < limit ? count : limit));
}

static void others_are_served_while_one_client_floods(void **state) {
  struct rig *rig = *state;
  struct rig_client clients[FLOOD], same, other;
  rig_set(rig, &rig->renderer.is_closed, true);
  fill(rig, clients, flooder, MOST, LIMIT);
  for (unsigned i = MOST; i < FLOOD; i++) {
    send_as(rig, &clients[i], flooder, 100 + i);
    assert_int_equal(rig_receive(&clients[i]), 503);
    rig_assert_body_has(&clients[i], "\"subject\":\"client\"");
    finish(&clients[i], 503);
  }
  // The neighbour's order is taken at once, and also the one for the picture that is the flooder's last.
  send_as(rig, &same, neighbour, 100 + MOST - 1);
  rig_wait_for(rig, &rig->renderer.submitted, LIMIT + 1);
  rig_wait_for_waiting(rig, MOST - LIMIT - 1);
  send_as(rig, &other, neighbour, 900);
  rig_wait_for(rig, &rig->renderer.submitted, LIMIT + 2);
  rig_set(rig, &rig->renderer.is_closed, false);
  finish(&same, 200);
  finish(&other, 200);
  finish_all(clients, MOST, 200);
  assert_int_equal(rig_count(rig, &rig->renderer.submitted), MOST + 1);
  assert_int_equal(rig_waiting(rig), 0);
  // The same client may go on, and what is in RAM or on disk costs nothing.
  for (unsigned i = 0; i < FLOOD; i++) {
    send_as(rig, &clients[0], flooder, 100 + i);
    finish(&clients[0], 200);
  }
}

static void a_page_is_answered_in_order_and_a_neighbour_meanwhile(void **state) {
  struct rig *rig = *state;
  struct rig_client page[PAGE], other;
  rig_set(rig, &rig->renderer.is_closed, true);
  fill(rig, page, flooder, PAGE, PAGE_LIMIT);
  send_as(rig, &other, neighbour, 900);
  rig_wait_for(rig, &rig->renderer.submitted, PAGE_LIMIT + 1);
  for (unsigned i = 0; i < PAGE_LIMIT; i++) {
    assert_false(rig_has_reply(&page[i]));
    rig_let_pass(rig, 1);
    finish(&page[i], 200);
  }
  rig_let_pass(rig, 1);
  finish(&other, 200);
  assert_int_equal(rig_waiting(rig), PAGE - 2 * PAGE_LIMIT);
  for (unsigned i = PAGE_LIMIT; i < PAGE; i++) {
    assert_false(rig_has_reply(&page[i]));
    rig_let_pass(rig, 1);
    finish(&page[i], 200);
  }
  assert_int_equal(rig_count(rig, &rig->renderer.submitted), PAGE + 1);
}

static void lines_take_turns_when_the_renderer_is_full(void **state) {
  struct rig *rig = *state;
  struct rig_client page[PAGE], others[3];
  rig->renderer.max_orders = 2;
  rig_set(rig, &rig->renderer.is_closed, true);
  // One is being made, two wait at the renderer, the others in pop.
  for (unsigned i = 0; i < PAGE / 2; i++) {
    send_as(rig, &page[i], i % 2 ? nobody : flooder, 100 + i);
    if (i < 3) {
      rig_wait_for(rig, &rig->renderer.submitted, i + 1);
    } else {
      rig_wait_for_waiting(rig, i - 2);
    }
    if (i == 0) rig_wait_for(rig, &rig->renderer.taken, 1);
  }
  for (unsigned i = 0; i < 3; i++) {
    send_as(rig, &others[i], neighbour, 900 + i);
    rig_wait_for_waiting(rig, PAGE / 2 - 2 + i);
  }
  settle(rig);
  // Three lines: the neighbour's first is among the first three that come after those at the renderer.
  rig_let_pass(rig, 6);
  finish(&others[0], 200);
  rig_let_pass(rig, 6);
  finish(&others[1], 200);
  finish(&others[2], 200);
  assert_true(rig_count(rig, &rig->renderer.rendered) <= 12);
  rig_set(rig, &rig->renderer.is_closed, false);
  finish_all(page, PAGE / 2, 200);
}

static void a_full_renderer_is_waited_for_while_it_has_something_to_do(void **state) {
  struct rig *rig = *state;
  struct rig_client clients[4];
  rig_set(rig, &rig->renderer.is_closed, true);
  send_as(rig, &clients[0], nobody, 100);
  rig_wait_for(rig, &rig->renderer.submitted, 1);
  rig_set(rig, &rig->renderer.is_busy, true);
  send_as(rig, &clients[1], nobody, 101);
  send_as(rig, &clients[2], flooder, 102);
  rig_wait_for_waiting(rig, 2);
  settle(rig);
  assert_false(rig_has_reply(&clients[1]));
  rig_set(rig, &rig->renderer.is_busy, false);
  rig_set(rig, &rig->renderer.is_closed, false);
  finish_all(clients, 3, 200);
  // But nobody would wake those who wait for one that has nothing to do and still refuses.
  rig_set(rig, &rig->renderer.is_closed, true);
  send_as(rig, &clients[0], nobody, 200);
  rig_wait_for(rig, &rig->renderer.submitted, 4);
  rig_set(rig, &rig->renderer.is_busy, true);
  for (unsigned i = 1; i < 4; i++) send_as(rig, &clients[i], i % 2 ? nobody : flooder, 200 + i);
  rig_wait_for_waiting(rig, 3);
  settle(rig);
  rig_set(rig, &rig->renderer.is_closed, false);
  finish(&clients[0], 200);
  finish_all(clients + 1, 3, 503);
  assert_int_equal(rig_waiting(rig), 0);
}

static void a_batch_that_ends_makes_way_for_those_who_wait(void **state) {
  struct rig *rig = *state;
  static const char *const recipes[] = {"w=640&dpr=1&fm=webp&q=80", NULL};
  struct base_fault fault = {0};
  struct rig_client client;
  struct rig_batch batch;
  rig_set(rig, &rig->renderer.is_closed, true);
  assert_int_equal(rig_batch_begin(rig, &batch, recipes, &fault), BASE_OK);
  rig_wait_for(rig, &rig->renderer.submitted, 1);
  rig_set(rig, &rig->renderer.is_busy, true);
  send_as(rig, &client, flooder, 100);
  rig_wait_for_waiting(rig, 1);
  settle(rig);
  rig_set(rig, &rig->renderer.is_busy, false);
  rig_set(rig, &rig->renderer.is_closed, false);
  finish(&client, 200);
  rig_batch_finish(&batch, 1);
}

static void who_hangs_up_while_waiting_is_not_rendered_for(void **state) {
  struct rig *rig = *state;
  struct rig_client clients[MOST];
  rig_set(rig, &rig->renderer.is_closed, true);
  fill(rig, clients, flooder, MOST, LIMIT);
  for (unsigned i = LIMIT; i < MOST; i += 2) atomic_store(&clients[i].is_gone, true);
  rig_set(rig, &rig->renderer.is_closed, false);
  for (unsigned i = 0; i < MOST; i++) {
    if (atomic_load(&clients[i].is_gone)) {
      assert_true(rig_receive(&clients[i]) >= 400);
      rig_client_finish(&clients[i]);
    } else {
      finish(&clients[i], 200);
    }
  }
  assert_int_equal(rig_count(rig, &rig->renderer.submitted), MOST - (MOST - LIMIT) / 2);
}

static void who_hangs_up_while_waiting_makes_room_at_once(void **state) {
  struct rig *rig = *state;
  struct rig_client clients[MOST], next[3];
  rig_set(rig, &rig->renderer.is_closed, true);
  fill(rig, clients, flooder, MOST, LIMIT);
  for (unsigned i = LIMIT + 1; i < LIMIT + 3; i++) atomic_store(&clients[i].is_gone, true);
  send_as(rig, &next[0], flooder, 900);
  for (unsigned i = LIMIT + 1; i < LIMIT + 3; i++) {
    assert_true(rig_receive(&clients[i]) >= 400);
    rig_client_finish(&clients[i]);
  }
  rig_wait_for_waiting(rig, MOST - LIMIT - 1);
  send_as(rig, &next[1], flooder, 901);
  rig_wait_for_waiting(rig, MOST - LIMIT);
  send_as(rig, &next[2], flooder, 902);
  finish(&next[2], 503);
  settle(rig);
  // The order is what it was.
  for (unsigned i = 0; i < MOST; i++) {
    if (i == LIMIT + 1 || i == LIMIT + 2) continue;
    assert_false(rig_has_reply(&clients[i]));
    rig_let_pass(rig, 1);
    finish(&clients[i], 200);
  }
  rig_let_pass(rig, 2);
  finish(&next[0], 200);
  finish(&next[1], 200);
}

static void all_lines_together_are_bounded_and_emptied_at_the_end(void **state) {
  struct rig *rig = *state;
  struct rig_client *clients = calloc(MOST_WAITING + 2, sizeof *clients);
  struct rig_client *refused = &clients[MOST_WAITING + 1];
  assert_non_null(clients);
  rig_set(rig, &rig->renderer.is_closed, true);
  send_as(rig, &clients[0], nobody, 1);
  rig_wait_for(rig, &rig->renderer.submitted, 1);
  rig_set(rig, &rig->renderer.is_busy, true);
  for (unsigned i = 1; i <= MOST_WAITING; i++) send_as(rig, &clients[i], nobody, 1 + i);
  rig_wait_for_waiting(rig, MOST_WAITING);
  send_as(rig, refused, neighbour, 2000);
  assert_int_equal(rig_receive(refused), 503);
  rig_assert_body_has(refused, "too many pictures wait");
  finish(refused, 503);
  // Everything that waits is answered when the pop is drained, what is with the renderer when that has made it.
  pop_drain(rig->pop);
  assert_false(rig_has_reply(&clients[0]));
  assert_int_equal(rig_waiting(rig), 0);
  for (unsigned i = 1; i <= MOST_WAITING; i++) {
    assert_true(rig_has_reply(&clients[i]));
    finish(&clients[i], 503);
  }
  rig_set(rig, &rig->renderer.is_closed, false);
  finish(&clients[0], 200);
  free(clients);
}

static void what_waits_comes_before_the_background(void **state) {
  struct rig *rig = *state;
  struct rig_client clients[3];
  memcpy(rig->client, flooder, sizeof flooder);
  rig_set(rig, &rig->renderer.is_closed, true);
  for (unsigned i = 0; i < 3; i++) {
    char query[64];
    snprintf(query, sizeof query, "?w=%u&dpr=1&q=80", 100 + i);
    rig_send(rig, &clients[i], "GET", query, "Accept: image/avif,image/webp\r\n");
    if (i == 0) rig_wait_for(rig, &rig->renderer.submitted, 1);
    rig_wait_for_waiting(rig, i);
  }
  settle(rig);
  // The rig's renderer knows no background: it takes orders as they come.
  rig_let_pass(rig, 1);
  finish(&clients[0], 200);
  rig_wait_for(rig, &rig->renderer.submitted, 3);  // the second picture, then the first's AVIF
  assert_int_equal(rig_count(rig, &rig->renderer.background), 1);
  rig_let_pass(rig, 1);
  finish(&clients[1], 200);
  rig_set(rig, &rig->renderer.is_closed, false);
  finish(&clients[2], 200);
}

static void memory_is_served_to_the_one_who_floods(void **state) {
  struct rig *rig = *state;
  struct rig_client clients[MOST], hit;
  send_as(rig, &hit, flooder, 99);
  finish(&hit, 200);
  rig_set(rig, &rig->renderer.is_closed, true);
  fill(rig, clients, flooder, MOST, LIMIT);
  send_as(rig, &hit, flooder, 99);
  assert_true(rig_has_reply(&hit));
  finish(&hit, 200);
  rig_set(rig, &rig->renderer.is_closed, false);
  finish_all(clients, MOST, 200);
}

static void a_client_that_waits_with_the_flooder_pays_for_both(void **state) {
  struct rig *rig = *state;
  struct rig_client clients[MOST], first, second;
  rig_set(rig, &rig->renderer.is_closed, true);
  fill(rig, clients, flooder, MOST, LIMIT);
  // The neighbour begins it; the flooder joins what is under way and pays nothing.
  send_as(rig, &first, neighbour, 500);
  rig_wait_for(rig, &rig->renderer.submitted, LIMIT + 1);
  send_as(rig, &second, flooder, 500);
  rig_set(rig, &rig->renderer.is_closed, false);
  finish(&first, 200);
  finish(&second, 200);
  finish_all(clients, MOST, 200);
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
  rig_wait_for_waiting(rig, 1);
  const uint8_t next_network[16] = {0x20, 0x01, 0x0d, 0xb8, [7] = 2};
  send_as(rig, &clients[LIMIT + 1], next_network, 300);
  rig_wait_for(rig, &rig->renderer.submitted, LIMIT + 1);
  assert_int_equal(rig_waiting(rig), 1);
  rig_set(rig, &rig->renderer.is_closed, false);
  finish_all(clients, LIMIT + 2, 200);
}

static void nobody_is_limited_when_the_server_does_not_say_who_asks(void **state) {
  struct rig *rig = *state;
  struct rig_client clients[FLOOD];
  rig_set(rig, &rig->renderer.is_closed, true);
  for (unsigned i = 0; i < FLOOD; i++) send_as(rig, &clients[i], nobody, 100 + i);
  rig_wait_for(rig, &rig->renderer.submitted, FLOOD);
  rig_set(rig, &rig->renderer.is_closed, false);
  finish_all(clients, FLOOD, 200);
}

// Some clients from several threads each, with a renderer that is full most of the time; some hang up.
struct storm_member {
  struct rig view;  // only what sending needs
  unsigned number, failures;
  pthread_t thread;
  struct rig_client clients[STORM_REQUESTS];
};

static void *storm(void *argument) {
  struct storm_member *member = argument;
  for (unsigned i = 0; i < STORM_REQUESTS; i++) {
    char query[64];
    snprintf(query, sizeof query, "?w=%u&dpr=1&fm=webp&q=80", 1 + (member->number * 40 + i) % 200);
    rig_send(&member->view, &member->clients[i], "GET", query, "");
    if (i % 7 == 3) atomic_store(&member->clients[i].is_gone, true);
  }
  for (unsigned i = 0; i < STORM_REQUESTS; i++) {
    const int status = rig_receive(&member->clients[i]);
    if (status != 200 && i % 7 != 3) member->failures++;
    rig_client_finish(&member->clients[i]);
  }
  return NULL;
}

static void everybody_is_answered_when_many_wait_from_many_threads(void **state) {
  struct rig *rig = *state;
  struct storm_member *members = calloc(STORM_THREADS, sizeof *members);
  assert_non_null(members);
  rig->renderer.max_orders = 3;
  for (unsigned i = 0; i < STORM_THREADS; i++) {
    struct storm_member *member = &members[i];
    member->number = i;
    member->view.pop = rig->pop;
    memcpy(member->view.id, rig->id, sizeof rig->id);
    memcpy(member->view.client, i % 2 ? flooder : neighbour, sizeof rig->client);
    if (i >= 4) memcpy(member->view.client, nobody, sizeof nobody);
    // Two of a client have more than it may: they must not ask for it at once.
    if (i < 2 || i >= 4) assert_int_equal(pthread_create(&member->thread, NULL, storm, member), 0);
  }
  for (unsigned i = 0; i < STORM_THREADS; i++) {
    if (i >= 2 && i < 4) assert_int_equal(pthread_create(&members[i].thread, NULL, storm, &members[i]), 0);
    pthread_join(members[i].thread, NULL);
    assert_int_equal(members[i].failures, 0);
  }
  assert_int_equal(rig_waiting(rig), 0);
  free(members);
}

int main(void) {
#define TEST(name, with) cmocka_unit_test_setup_teardown(name, with, teardown)
  const struct CMUnitTest tests[] = {
      TEST(others_are_served_while_one_client_floods, setup),
      TEST(a_page_is_answered_in_order_and_a_neighbour_meanwhile, setup_for_pages),
      TEST(lines_take_turns_when_the_renderer_is_full, setup_for_pages),
      TEST(a_full_renderer_is_waited_for_while_it_has_something_to_do, setup),
      TEST(a_batch_that_ends_makes_way_for_those_who_wait, setup),
      TEST(who_hangs_up_while_waiting_is_not_rendered_for, setup),
      TEST(who_hangs_up_while_waiting_makes_room_at_once, setup),
      TEST(all_lines_together_are_bounded_and_emptied_at_the_end, setup),
      TEST(what_waits_comes_before_the_background, setup_for_one),
      TEST(memory_is_served_to_the_one_who_floods, setup),
      TEST(a_client_that_waits_with_the_flooder_pays_for_both, setup),
      TEST(a_network_of_ipv6_is_one_client, setup),
      TEST(nobody_is_limited_when_the_server_does_not_say_who_asks, setup),
      TEST(everybody_is_answered_when_many_wait_from_many_threads, setup_for_storm),
  };
#undef TEST
  return cmocka_run_group_tests(tests, NULL, NULL);
}
