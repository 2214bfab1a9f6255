// Many at once: one render for one variant, bounded queues, clients that go away, originals that are deleted meanwhile.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rig.h"

enum { CROWD = 50, STORM_THREADS = 8, STORM_REQUESTS = 200, STORM_VARIANTS = 10, STORM_FORGET_EVERY = 64 };

#define PINNED "?dpr=1&fm=webp&q=80&w=400"

static int setup(void **state) {
  static struct rig rig;
  rig_open(&rig, &(struct rig_config){0});
  *state = &rig;
  return 0;
}

static int teardown(void **state) {
  rig_close(*state);
  return 0;
}

// Brings the original's facts into RAM, so that later requests join their flights inside handle().
static void warm_up(struct rig *rig) {
  struct rig_client client;
  assert_int_equal(rig_get(rig, &client, "?w=1", ""), 200);
  rig_client_finish(&client);
}

struct crowd_member {
  struct rig *rig;
  struct rig_client client;
  const char *query;
  pthread_t thread;
};

static void *ask(void *argument) {
  struct crowd_member *member = argument;
  rig_send(member->rig, &member->client, "GET", member->query, "");
  return NULL;
}

static bool status_has(const struct rig_client *client, const char *word) {
  const struct base_span status = http_reply_get_header(&client->reply, "Cache-Status");
  return memmem(status.data, status.bytes, word, strlen(word)) != NULL;
}

static void renders_once_when_fifty_threads_ask_for_one_variant(void **state) {
  struct rig *rig = *state;
  struct crowd_member *crowd = calloc(CROWD, sizeof *crowd);
  unsigned collapsed = 0, stored = 0;
  assert_non_null(crowd);
  warm_up(rig);
  rig_set(rig, &rig->renderer.is_closed, true);
  for (int i = 0; i < CROWD; i++) {
    crowd[i] = (struct crowd_member){.rig = rig, .query = PINNED};
    assert_int_equal(pthread_create(&crowd[i].thread, NULL, ask, &crowd[i]), 0);
  }
  for (int i = 0; i < CROWD; i++) pthread_join(crowd[i].thread, NULL);
  for (int i = 0; i < CROWD; i++) assert_false(rig_has_reply(&crowd[i].client));
  rig_set(rig, &rig->renderer.is_closed, false);
  for (int i = 0; i < CROWD; i++) {
    assert_int_equal(rig_receive(&crowd[i].client), 200);
    stored += status_has(&crowd[i].client, "fwd=miss; stored");
    collapsed += status_has(&crowd[i].client, "; collapsed");
    rig_client_finish(&crowd[i].client);
  }
  assert_int_equal(rig_count(rig, &rig->renderer.submitted), 2);  // one was the warm-up's
  assert_int_equal(stored, CROWD);
  assert_int_equal(collapsed, CROWD - 1);
  assert_int_equal(rig_requests(rig, "coalesced"), CROWD - 1);
  free(crowd);
}

// Clients that each ask for a few variants over and over, with nothing warm.
struct storm_member {
  struct rig *rig;
  unsigned number, failures;
  pthread_t thread;
};

static void *storm(void *argument) {
  struct storm_member *member = argument;
  for (unsigned i = 0; i < STORM_REQUESTS; i++) {
    struct rig_client client;
    char query[64];
    snprintf(query, sizeof query, "?fm=webp&w=%u", 1 + (i + member->number) % STORM_VARIANTS);
    if (rig_get(member->rig, &client, query, "") != 200) member->failures++;
    rig_client_finish(&client);
    if (i % STORM_FORGET_EVERY == 0) pop_forget(member->rig->pop, "default", &member->rig->original);
  }
  return NULL;
}

static void answers_everyone_when_many_ask_and_forget_at_random(void **state) {
  struct rig *rig = *state;
  struct storm_member members[STORM_THREADS];
  for (unsigned i = 0; i < STORM_THREADS; i++) {
    members[i] = (struct storm_member){.rig = rig, .number = i};
    assert_int_equal(pthread_create(&members[i].thread, NULL, storm, &members[i]), 0);
  }
  for (unsigned i = 0; i < STORM_THREADS; i++) {
    pthread_join(members[i].thread, NULL);
    assert_int_equal(members[i].failures, 0);
  }
  // Forgetting empties RAM, and keeps no variant that was under way: after each every variant is made once more at
  // most.
  const unsigned forgets = STORM_THREADS * (STORM_REQUESTS / STORM_FORGET_EVERY + 1);
  assert_in_range(rig_count(rig, &rig->renderer.submitted), STORM_VARIANTS, STORM_VARIANTS * (1 + forgets));
}

static void says_busy_when_the_renderer_is_and_recovers(void **state) {
  struct rig *rig = *state;
  struct rig_client client;
  rig_set(rig, &rig->renderer.is_busy, true);
  assert_int_equal(rig_get(rig, &client, PINNED, ""), 503);
  rig_assert_field(&client, "Cache-Control", "no-store");
  assert_non_null(http_reply_get_header(&client.reply, "Retry-After").data);
  rig_client_finish(&client);
  rig_set(rig, &rig->renderer.is_busy, false);
  assert_int_equal(rig_get(rig, &client, PINNED, ""), 200);
  rig_client_finish(&client);
}

static void says_busy_when_the_disk_queue_is_full(void **state) {
  (void)state;
  static struct rig rig;
  struct rig_client running, waiting, refused;
  rig_open(&rig, &(struct rig_config){.io_threads = 1, .io_queue_limit = 1});
  warm_up(&rig);
  rig_set(&rig, &rig.renderer.is_submit_closed, true);
  rig_send(&rig, &running, "GET", "?w=2", "");
  rig_wait_for(&rig, &rig.renderer.submitting, 2);  // it holds the only I/O thread
  rig_send(&rig, &waiting, "GET", "?w=3", "");
  assert_int_equal(rig_get(&rig, &refused, "?w=4", ""), 503);
  assert_non_null(http_reply_get_header(&refused.reply, "Retry-After").data);
  rig_client_finish(&refused);
  rig_send_path(&rig, &refused, "GET", "/i/47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU", "");
  assert_int_equal(rig_receive(&refused), 503);
  rig_client_finish(&refused);
  // What is in RAM is still served.
  assert_int_equal(rig_get(&rig, &refused, "?w=1", ""), 200);
  rig_client_finish(&refused);
  rig_set(&rig, &rig.renderer.is_submit_closed, false);
  assert_int_equal(rig_receive(&running), 200);
  assert_int_equal(rig_receive(&waiting), 200);
  rig_client_finish(&running);
  rig_client_finish(&waiting);
  rig_close(&rig);
}

static void goes_on_when_only_some_clients_vanish(void **state) {
  struct rig *rig = *state;
  struct rig_client gone, there;
  warm_up(rig);
  rig_set(rig, &rig->renderer.is_closed, true);
  rig_send(rig, &gone, "GET", PINNED, "");
  rig_send(rig, &there, "GET", PINNED, "");
  atomic_store(&gone.is_gone, true);
  rig_set(rig, &rig->renderer.is_closed, false);
  assert_int_equal(rig_receive(&there), 200);
  (void)rig_receive(&gone);
  rig_client_finish(&gone);
  rig_client_finish(&there);
}

static void cancels_when_all_clients_vanished_and_starts_anew_for_the_next(void **state) {
  struct rig *rig = *state;
  struct rig_client gone[2], next;
  warm_up(rig);
  // The first order asks while its clients are gone, then waits; meanwhile somebody else comes.
  rig_set(rig, &rig->renderer.is_submit_closed, true);
  rig_set(rig, &rig->renderer.is_asked, true);
  rig_set(rig, &rig->renderer.is_closed, true);
  rig_send(rig, &gone[0], "GET", PINNED, "");
  rig_send(rig, &gone[1], "GET", PINNED, "");
  rig_wait_for(rig, &rig->renderer.submitting, 2);
  atomic_store(&gone[0].is_gone, true);
  atomic_store(&gone[1].is_gone, true);
  rig_set(rig, &rig->renderer.is_submit_closed, false);
  rig_wait_for(rig, &rig->renderer.cancelled, 1);
  rig_send(rig, &next, "GET", PINNED, "");
  rig_wait_for(rig, &rig->renderer.submitted, 3);
  assert_false(rig_has_reply(&gone[0]));
  rig_set(rig, &rig->renderer.is_closed, false);
  assert_int_equal(rig_receive(&next), 200);
  assert_true(status_has(&next, "stored"));
  assert_false(status_has(&next, "collapsed"));
  for (int i = 0; i < 2; i++) {
    assert_true(rig_receive(&gone[i]) >= 400);
    rig_client_finish(&gone[i]);
  }
  rig_client_finish(&next);
}

static void keeps_nothing_when_the_original_is_deleted_meanwhile(void **state) {
  struct rig *rig = *state;
  struct rig_client client;
  struct cache_stats stats;
  warm_up(rig);
  rig_set(rig, &rig->renderer.is_closed, true);
  rig_send(rig, &client, "GET", PINNED, "");
  rig_wait_for(rig, &rig->renderer.submitted, 2);
  assert_int_equal(store_original_delete(rig->store, "default", &rig->original, NULL), BASE_OK);
  pop_forget(rig->pop, "default", &rig->original);
  rig_set(rig, &rig->renderer.is_closed, false);
  assert_int_equal(rig_receive(&client), 404);
  rig_client_finish(&client);
  pop_get_ram_stats(rig->pop, &stats);
  assert_int_equal(stats.entries, 0);
  assert_int_equal(rig_get(rig, &client, "?w=1", ""), 404);
  rig_client_finish(&client);
  assert_int_equal(rig_get(rig, &client, PINNED, ""), 404);
  rig_client_finish(&client);
}

static void keeps_nothing_when_the_original_comes_back_meanwhile(void **state) {
  struct rig *rig = *state;
  struct rig_client client;
  warm_up(rig);
  rig_set(rig, &rig->renderer.is_closed, true);
  rig_send(rig, &client, "GET", PINNED, "");
  rig_wait_for(rig, &rig->renderer.submitted, 2);
  assert_int_equal(store_original_delete(rig->store, "default", &rig->original, NULL), BASE_OK);
  pop_forget(rig->pop, "default", &rig->original);
  rig_upload(rig, "default", "original", false);
  rig_set(rig, &rig->renderer.is_closed, false);
  assert_int_equal(rig_receive(&client), 200);
  rig_client_finish(&client);
  assert_int_equal(rig_get(rig, &client, PINNED, ""), 200);
  rig_assert_field(&client, "Cache-Status", "pixpop; fwd=miss; stored");
  rig_client_finish(&client);
}

static void forgets_the_original_when_another_tenant_still_has_its_bytes(void **state) {
  struct rig *rig = *state;
  struct rig_client client;
  warm_up(rig);
  rig_upload(rig, "museum", "original", false);
  // Deleted in the store, but nobody told the pop: the renderer still finds the bytes.
  assert_int_equal(store_original_delete(rig->store, "default", &rig->original, NULL), BASE_OK);
  assert_int_equal(rig_get(rig, &client, PINNED, ""), 404);
  rig_client_finish(&client);
  assert_int_equal(rig_get(rig, &client, PINNED, ""), 404);
  rig_client_finish(&client);
  assert_int_equal(rig_count(rig, &rig->renderer.submitted), 2);  // the second was refused without a render
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(renders_once_when_fifty_threads_ask_for_one_variant, setup, teardown),
      cmocka_unit_test_setup_teardown(answers_everyone_when_many_ask_and_forget_at_random, setup, teardown),
      cmocka_unit_test_setup_teardown(says_busy_when_the_renderer_is_and_recovers, setup, teardown),
      cmocka_unit_test(says_busy_when_the_disk_queue_is_full),
      cmocka_unit_test_setup_teardown(goes_on_when_only_some_clients_vanish, setup, teardown),
      cmocka_unit_test_setup_teardown(cancels_when_all_clients_vanished_and_starts_anew_for_the_next, setup, teardown),
      cmocka_unit_test_setup_teardown(keeps_nothing_when_the_original_is_deleted_meanwhile, setup, teardown),
      cmocka_unit_test_setup_teardown(keeps_nothing_when_the_original_comes_back_meanwhile, setup, teardown),
      cmocka_unit_test_setup_teardown(forgets_the_original_when_another_tenant_still_has_its_bytes, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
