// What is being sent and to whom, with fake readers that hold replies: who holds much is refused and the others are
// not, and the sum has its bounds whatever they do.
#include "sending.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define KIB ((size_t)1024)
#define MIB (1024 * KIB)

enum {
  MOST = 2048,
  CROWD = 4096,
  THREADS = 4,
  ROUNDS = 20000,
  SHARED = 8,
};

_Static_assert(sizeof(struct pop_sending) <= MIB + 4 * KIB, "accounts cost the same however many clients there are");

static struct pop_sending sending;
static struct base_metrics *metrics;
static struct base_fault fault;

static void open_with(uint64_t budget_bytes) {
  static const uint64_t seeds[POP_SENDING_ROWS] = {0x0123456789abcdef, 0xfedcba9876543210};
  metrics = base_metrics_create();
  memset(&sending, 0, sizeof sending);
  pop_sending_init(&sending, budget_bytes, 0, seeds, metrics);
}

// What is above is read by all and hardly ever written; none of it shares a line with what is written by all.
_Static_assert(offsetof(struct pop_sending, small_bytes) - offsetof(struct pop_sending, refused_all) >=
                       POP_SENDING_APART_BYTES + sizeof(struct base_metric *) &&
                   offsetof(struct pop_sending, accounts) - offsetof(struct pop_sending, large_bytes) >=
                       POP_SENDING_APART_BYTES + sizeof(uint64_t),
               "lines are apart");

static int64_t sent(void) {
  pop_sending_measure(&sending);
  assert_int_equal(base_metric_get(base_metrics_gauge(metrics, "pixpop_pop_sending_bytes", "", "")),
                   pop_sending_bytes(&sending));
  return (int64_t)pop_sending_bytes(&sending);
}

static int64_t refused(const char *bound) {
  char labels[32];
  snprintf(labels, sizeof labels, "bound=\"%s\"", bound);
  return base_metric_get(base_metrics_counter(metrics, "pixpop_pop_sending_refused_total", labels, ""));
}

static void close_all(void) {
  assert_int_equal(sent(), 0);
  for (size_t row = 0; row < POP_SENDING_ROWS; row++) {
    for (size_t slot = 0; slot < POP_SENDING_SLOTS; slot++) assert_int_equal(sending.accounts[row][slot], 0);
  }
  pop_sending_finish(&sending);
  base_metrics_destroy(&metrics);
}

struct client {
  uint8_t address[HTTP_CLIENT_BYTES];
};

static struct client ipv4(uint32_t number) {
  return (struct client){
      {[10] = 0xff, [11] = 0xff, 10, (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number}};
}

static void keep_bytes(void *data, size_t bytes) { (void)data, (void)bytes; }

// Of any size, without its memory.
static struct pop_variant *make_variant(size_t bytes) {
  static uint8_t data;
  struct pop_variant *variant = calloc(1, sizeof *variant);
  assert_non_null(variant);
  atomic_init(&variant->refs, 1);
  base_buffer_init(&variant->text, 16);
  variant->blob = base_blob_adopt(&data, bytes - sizeof *variant, keep_bytes);
  assert_non_null(variant->blob);
  assert_int_equal(pop_variant_bytes(variant), bytes);
  return variant;
}

static void fill(struct http_reply *reply, struct pop_variant *variant) {
  http_reply_init(reply, 200);
  http_reply_add_blob(reply, base_blob_ref(variant->blob), 0, variant->blob->bytes);
}

// A client asks for the variant and does not read.
static enum base_result lend(struct client client, enum pop_loan loan, struct pop_variant *variant,
                             struct http_reply *reply) {
  fill(reply, variant);
  base_fault_clear(&fault);
  const enum base_result result = pop_sending_lend(&sending, client.address, loan, variant, reply, &fault);
  if (result != BASE_OK) http_reply_finish(reply);
  return result;
}

static enum base_result take(struct client client, enum pop_loan loan, size_t bytes, struct http_reply *reply) {
  struct pop_variant *variant = make_variant(bytes);
  const enum base_result result = lend(client, loan, variant, reply);
  pop_variant_unref(&variant);
  return result;
}

// As many as it gets.
static size_t take_all(struct client client, enum pop_loan loan, size_t bytes, struct http_reply *replies) {
  size_t count = 0;
  while (count < MOST && take(client, loan, bytes, &replies[count]) == BASE_OK) count++;
  return count;
}

static void finish(struct http_reply *replies, size_t count) {
  for (size_t i = 0; i < count; i++) http_reply_finish(&replies[i]);
}

static enum base_result check(struct client client) {
  base_fault_clear(&fault);
  return pop_sending_check(&sending, client.address, &fault);
}

static struct http_reply replies[MOST], others[MOST];

static void one_slow_reader_comes_to_half_and_the_others_are_served(void **state) {
  (void)state;
  static const enum pop_loan loans[] = {POP_LOAN_NEW, POP_LOAN_HIT};
  for (size_t i = 0; i < 2; i++) {
    open_with(64 * MIB);
    assert_int_equal(take_all(ipv4(1), loans[i], MIB, replies), 32);
    assert_string_equal(fault.subject, "client");
    assert_non_null(strstr(fault.text, "32.0 MiB"));
    assert_int_equal(refused("client"), 1);
    assert_int_equal(check(ipv4(1)), BASE_BUSY);
    assert_string_equal(fault.subject, "client");
    assert_int_equal(pop_sending_account(&sending, ipv4(1).address), 32 * MIB);
    // Not even the smallest, unless it is in the cache: the account may be that of a network behind one address.
    assert_int_equal(take(ipv4(1), POP_LOAN_NEW, 4 * KIB, &others[0]), BASE_BUSY);
    assert_int_equal(take(ipv4(1), POP_LOAN_HIT, 4 * KIB, &others[0]), BASE_OK);
    http_reply_finish(&others[0]);
    assert_int_equal(check(ipv4(2)), BASE_OK);
    assert_int_equal(take_all(ipv4(2), POP_LOAN_NEW, MIB, others), 16);
    finish(others, 16);
    // Having read some it may have more.
    http_reply_finish(&replies[31]);
    assert_int_equal(take(ipv4(1), loans[i], MIB, &replies[31]), BASE_OK);
    finish(replies, 32);
    assert_int_equal(check(ipv4(1)), BASE_OK);
    close_all();
  }
}

static void several_slow_readers_leave_a_share_for_who_comes(void **state) {
  (void)state;
  enum { READERS = 7 };
  size_t held[READERS] = {0}, count = 0;
  bool has_taken = true;
  open_with(64 * MIB);
  while (has_taken) {
    has_taken = false;
    for (uint32_t i = 0; i < READERS; i++) {
      if (take(ipv4(i), POP_LOAN_NEW, 256 * KIB, &replies[count]) != BASE_OK) continue;
      held[i]++;
      count++;
      has_taken = true;
    }
  }
  for (size_t i = 0; i < READERS; i++) assert_in_range(held[i] * 256 * KIB, 8 * MIB - 256 * KIB, 8 * MIB + 256 * KIB);
  const size_t newcomers = take_all(ipv4(READERS), POP_LOAN_NEW, 256 * KIB, others);
  assert_in_range(newcomers * 256 * KIB, 4 * MIB - 512 * KIB, 4 * MIB + 512 * KIB);  // half of the eighth that is left
  assert_true((uint64_t)sent() < 64 * MIB);
  finish(others, newcomers);
  finish(replies, count);
  close_all();
}

static void nobody_is_refused_while_three_quarters_are_free(void **state) {
  (void)state;
  open_with(64 * MIB);
  // One variant that very many replies of one client share, as behind a proxy: little memory, whatever its account
  // says.
  struct pop_variant *shared = make_variant(MIB);
  for (size_t i = 0; i < MOST; i++) assert_int_equal(lend(ipv4(1), POP_LOAN_HIT, shared, &replies[i]), BASE_OK);
  assert_int_equal(sent(), MIB);
  assert_int_equal(check(ipv4(1)), BASE_OK);
  assert_int_equal(take(ipv4(1), POP_LOAN_NEW, MIB, &others[0]), BASE_OK);
  http_reply_finish(&others[0]);
  finish(replies, MOST);
  pop_variant_unref(&shared);
  close_all();
}

static void any_number_of_clients_has_one_bound(void **state) {
  (void)state;
  struct http_reply *crowd = calloc(CROWD, sizeof *crowd);
  size_t count = 0, large;
  assert_non_null(crowd);
  open_with(64 * MIB);
  while (count < CROWD && take(ipv4((uint32_t)count), POP_LOAN_NEW, 200 * KIB, &crowd[count]) == BASE_OK) count++;
  large = count;
  assert_in_range(sent(), 64 * MIB, 64 * MIB + 200 * KIB);
  assert_string_equal(fault.subject, "");
  assert_non_null(strstr(fault.text, "no more than 64.0 MiB"));
  assert_int_equal(refused("all"), 1);
  // What is small goes to who holds little, a quarter more.
  while (count < CROWD && take(ipv4((uint32_t)count), POP_LOAN_NEW, 16 * KIB, &crowd[count]) == BASE_OK) count++;
  assert_int_equal((count - large) * 16 * KIB, 16 * MIB);
  assert_in_range(sent(), 80 * MIB, 80 * MIB + 200 * KIB);
  assert_int_equal(check(ipv4(CROWD)), BASE_BUSY);
  assert_string_equal(fault.subject, "");
  // The cache's own are there anyway, and may be another quarter.
  assert_int_equal(take(ipv4(CROWD), POP_LOAN_HIT, 200 * KIB, &others[0]), BASE_BUSY);
  const size_t fresh = count;
  while (count < CROWD && take(ipv4((uint32_t)count), POP_LOAN_HIT, 64 * KIB, &crowd[count]) == BASE_OK) count++;
  assert_int_equal((count - fresh) * 64 * KIB, 16 * MIB);
  assert_in_range(sent(), 96 * MIB, 96 * MIB + 200 * KIB);
  finish(crowd, count);
  free(crowd);
  close_all();
}

// Who is refused something large asks again, when it has been made and is in the cache.
static void asking_twice_from_address_after_address_leads_no_further(void **state) {
  (void)state;
  size_t count = 0;
  open_with(64 * MIB);
  for (uint32_t i = 0; i < MOST; i++) {
    struct pop_variant *variant = make_variant(MIB);
    if (lend(ipv4(i), POP_LOAN_NEW, variant, &replies[count]) == BASE_OK ||
        lend(ipv4(i), POP_LOAN_HIT, variant, &replies[count]) == BASE_OK) {
      count++;
    }
    pop_variant_unref(&variant);
  }
  assert_int_equal(sent(), 64 * MIB);
  assert_string_equal(fault.subject, "");
  finish(replies, count);
  close_all();
}

static void another_reader_of_what_is_being_sent_costs_nothing(void **state) {
  (void)state;
  static const enum pop_loan loans[] = {POP_LOAN_NEW, POP_LOAN_HIT};
  struct pop_variant *shared = make_variant(64 * MIB);
  open_with(64 * MIB);
  assert_int_equal(lend(ipv4(0), POP_LOAN_NEW, shared, &replies[0]), BASE_OK);
  for (uint32_t i = 0; i < 2; i++) {
    assert_int_equal(take(ipv4(i + 1), loans[i], MIB, &others[0]), BASE_BUSY);
    assert_int_equal(lend(ipv4(i + 1), loans[i], shared, &replies[i + 1]), BASE_OK);
    assert_int_equal(sent(), 64 * MIB);
    assert_int_equal(lend(ipv4(0), loans[i], shared, &others[0]), BASE_BUSY);  // it has its share
    assert_string_equal(fault.subject, "client");
  }
  finish(replies, 3);
  pop_variant_unref(&shared);
  close_all();
}

// Accounts count replies and the bound counts variants: very many replies of one variant are much on an account and
// little in RAM.
static void a_network_behind_one_address_has_what_is_small_and_in_the_cache(void **state) {
  (void)state;
  open_with(64 * MIB);
  struct pop_variant *shared = make_variant(17 * MIB), *icon = make_variant(4 * KIB);
  size_t count = 0;
  while (count < MOST && lend(ipv4(1), POP_LOAN_HIT, shared, &replies[count]) == BASE_OK) count++;
  assert_int_equal(sent(), 17 * MIB);
  assert_int_equal(check(ipv4(1)), BASE_BUSY);
  for (size_t i = 0; i < MOST; i++) assert_int_equal(lend(ipv4(1), POP_LOAN_HIT, icon, &others[i]), BASE_OK);
  finish(others, MOST);
  // But not at the bound.
  assert_int_equal(take(ipv4(2), POP_LOAN_NEW, 47 * MIB, &others[0]), BASE_OK);
  assert_int_equal(lend(ipv4(1), POP_LOAN_HIT, icon, &others[1]), BASE_BUSY);
  assert_int_equal(lend(ipv4(3), POP_LOAN_HIT, icon, &others[1]), BASE_OK);
  finish(others, 2);
  finish(replies, count);
  pop_variant_unref(&shared);
  pop_variant_unref(&icon);
  close_all();
}

static void a_picture_larger_than_the_bound_is_sent_and_small_ones_beside_it(void **state) {
  (void)state;
  open_with(MIB);  // of which the floor makes 32
  assert_int_equal(take(ipv4(1), POP_LOAN_NEW, 100 * MIB, &replies[0]), BASE_OK);
  assert_int_equal(take(ipv4(2), POP_LOAN_NEW, MIB, &others[0]), BASE_BUSY);
  assert_non_null(strstr(fault.text, "32.0 MiB"));
  assert_int_equal(check(ipv4(2)), BASE_OK);                               // it may be small
  assert_int_equal(take_all(ipv4(2), POP_LOAN_NEW, 32 * KIB, others), 5);  // past its allowance it is refused
  assert_string_equal(fault.subject, "client");
  assert_int_equal(take(ipv4(3), POP_LOAN_NEW, 128 * KIB, &others[5]), BASE_OK);
  finish(others, 6);
  http_reply_finish(&replies[0]);
  close_all();
}

static void the_bound_follows_the_budget_but_not_below_its_floor(void **state) {
  (void)state;
  open_with(MIB);
  assert_int_equal(take_all(ipv4(1), POP_LOAN_NEW, MIB, replies), 16);
  pop_sending_set_budget(&sending, 128 * MIB);
  assert_int_equal(take_all(ipv4(1), POP_LOAN_NEW, MIB, others), 48);
  pop_sending_set_budget(&sending, 2 * MIB);
  assert_int_equal(check(ipv4(1)), BASE_BUSY);
  finish(others, 48);
  assert_int_equal(take_all(ipv4(2), POP_LOAN_NEW, MIB, others), 8);
  finish(others, 8);
  finish(replies, 16);
  close_all();
}

static void an_ipv6_network_is_one_client(void **state) {
  (void)state;
  const struct client first = {{0x20, 0x01, 0xd, 0xb8, 0, 0, 0, 1, [15] = 1}};
  const struct client same = {{0x20, 0x01, 0xd, 0xb8, 0, 0, 0, 1, 0xff, 0xfe, [15] = 2}};
  const struct client next = {{0x20, 0x01, 0xd, 0xb8, 0, 0, 0, 2, [15] = 1}};
  open_with(64 * MIB);
  assert_int_equal(take_all(first, POP_LOAN_NEW, MIB, replies), 32);
  assert_int_equal(check(same), BASE_BUSY);
  assert_int_equal(check(next), BASE_OK);
  assert_int_equal(pop_sending_account(&sending, same.address), 32 * MIB);
  assert_int_equal(pop_sending_account(&sending, next.address), 0);
  finish(replies, 32);
  close_all();
}

static void the_unknown_have_the_bound_only_and_the_trusted_none(void **state) {
  (void)state;
  const struct client unknown = {{0}};
  open_with(64 * MIB);
  assert_int_equal(take_all(unknown, POP_LOAN_NEW, MIB, replies), 64);
  assert_string_equal(fault.subject, "");
  assert_int_equal(take(ipv4(1), POP_LOAN_TRUSTED, MIB, &others[0]), BASE_OK);
  assert_int_equal(pop_sending_account(&sending, ipv4(1).address), 0);
  assert_int_equal(sent(), 65 * MIB);
  http_reply_finish(&others[0]);
  finish(replies, 64);
  close_all();
}

static void a_reply_without_the_bytes_is_on_no_account(void **state) {
  (void)state;
  struct http_reply reply;
  struct pop_variant *variant = make_variant(MIB);
  open_with(64 * MIB);
  http_reply_init(&reply, 304);
  assert_int_equal(pop_sending_lend(&sending, ipv4(1).address, POP_LOAN_NEW, variant, &reply, &fault), BASE_OK);
  assert_null(reply.lease.end);
  http_reply_finish(&reply);
  http_reply_init(&reply, 416);
  http_reply_add_text(&reply, base_span_text("{}"));
  assert_int_equal(pop_sending_lend(&sending, ipv4(1).address, POP_LOAN_NEW, variant, &reply, &fault), BASE_OK);
  assert_null(reply.lease.end);
  http_reply_finish(&reply);
  // A part of it keeps the whole in RAM.
  http_reply_init(&reply, 206);
  http_reply_add_text(&reply, base_span_text("--boundary"));
  http_reply_add_blob(&reply, base_blob_ref(variant->blob), 10, 1);
  assert_int_equal(pop_sending_lend(&sending, ipv4(1).address, POP_LOAN_NEW, variant, &reply, &fault), BASE_OK);
  assert_int_equal(pop_sending_account(&sending, ipv4(1).address), MIB);
  http_reply_drop_body(&reply);
  assert_int_equal(pop_sending_account(&sending, ipv4(1).address), 0);
  http_reply_finish(&reply);
  pop_variant_unref(&variant);
  close_all();
}

static struct pop_variant *shared_variants[SHARED];
static atomic_uint refusals;

static void *read_quickly(void *argument) {
  const struct client client = ipv4((uint32_t)(uintptr_t)argument);
  for (uint32_t i = 0; i < ROUNDS; i++) {
    struct http_reply reply;
    struct base_fault own = {0};
    struct pop_variant *variant = shared_variants[i % SHARED];
    fill(&reply, variant);
    const enum pop_loan loan = i % 2 ? POP_LOAN_HIT : POP_LOAN_NEW;
    if (pop_sending_lend(&sending, client.address, loan, variant, &reply, &own) != BASE_OK)
      atomic_fetch_add(&refusals, 1);
    http_reply_finish(&reply);
  }
  return NULL;
}

static void nothing_is_left_on_any_account_after_a_storm(void **state) {
  (void)state;
  pthread_t threads[THREADS];
  open_with(64 * MIB);
  for (size_t i = 0; i < SHARED; i++) shared_variants[i] = make_variant((i % 2 ? 64 : 8192) * KIB);
  for (uintptr_t i = 0; i < THREADS; i++) {
    assert_int_equal(pthread_create(&threads[i], NULL, read_quickly, (void *)(i / 2)), 0);
  }
  for (size_t i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  for (size_t i = 0; i < SHARED; i++) {
    assert_int_equal(shared_variants[i]->refs, 1);
    assert_int_equal(shared_variants[i]->readers, 0);
    pop_variant_unref(&shared_variants[i]);
  }
  close_all();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(one_slow_reader_comes_to_half_and_the_others_are_served),
      cmocka_unit_test(several_slow_readers_leave_a_share_for_who_comes),
      cmocka_unit_test(nobody_is_refused_while_three_quarters_are_free),
      cmocka_unit_test(any_number_of_clients_has_one_bound),
      cmocka_unit_test(asking_twice_from_address_after_address_leads_no_further),
      cmocka_unit_test(another_reader_of_what_is_being_sent_costs_nothing),
      cmocka_unit_test(a_network_behind_one_address_has_what_is_small_and_in_the_cache),
      cmocka_unit_test(a_picture_larger_than_the_bound_is_sent_and_small_ones_beside_it),
      cmocka_unit_test(the_bound_follows_the_budget_but_not_below_its_floor),
      cmocka_unit_test(an_ipv6_network_is_one_client),
      cmocka_unit_test(the_unknown_have_the_bound_only_and_the_trusted_none),
      cmocka_unit_test(a_reply_without_the_bytes_is_on_no_account),
      cmocka_unit_test(nothing_is_left_on_any_account_after_a_storm),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
