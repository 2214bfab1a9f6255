#include "sending.h"

#include <stdio.h>
#include <string.h>

#include "crowd.h"

enum {
  CALM_PART = 4,       // this part of the bound is nobody's share
  NEW_SMALL_PART = 4,  // as much of the bound is for small variants that come into RAM when it is reached
  HIT_SMALL_PART = 2,  // the same with those that are there
};
#define KIB 1024.0
#define MIB (1024.0 * 1024.0)

struct account {
  bool is_known;
  uint32_t slots[POP_SENDING_ROWS];
};

static uint64_t bound_for(const struct pop_sending *sending, uint64_t budget_bytes) {
  return budget_bytes < sending->least_bytes ? sending->least_bytes : budget_bytes;
}

void pop_sending_init(struct pop_sending *sending, uint64_t budget_bytes, uint64_t least_bytes,
                      const uint64_t seeds[POP_SENDING_ROWS], struct base_metrics *metrics) {
  memcpy(sending->seeds, seeds, sizeof sending->seeds);
  sending->least_bytes = least_bytes ? least_bytes : POP_SENDING_LEAST_BYTES;
  atomic_init(&sending->bound_bytes, bound_for(sending, budget_bytes));
  sending->sent = base_metrics_gauge(metrics, "pixpop_pop_sending_bytes", "",
                                     "Variants that are being sent, whether they are in RAM's cache or not");
  static const char refused[] = "Requests that were refused since too much is being sent to slow readers";
  sending->refused_client =
      base_metrics_counter(metrics, "pixpop_pop_sending_refused_total", "bound=\"client\"", refused);
  sending->refused_all = base_metrics_counter(metrics, "pixpop_pop_sending_refused_total", "bound=\"all\"", refused);
}

void pop_sending_finish(struct pop_sending *sending) {
  BASE_ASSERT(atomic_load(&sending->small_bytes) == 0 && atomic_load(&sending->large_bytes) == 0);
}

void pop_sending_set_budget(struct pop_sending *sending, uint64_t budget_bytes) {
  atomic_store(&sending->bound_bytes, bound_for(sending, budget_bytes));
}

// --- accounts ---

// The finalizer of splitmix64.
static uint64_t mix(uint64_t word) {
  word = (word ^ word >> 30) * 0xbf58476d1ce4e5b9u;
  word = (word ^ word >> 27) * 0x94d049bb133111ebu;
  return word ^ word >> 31;
}

static struct account account_of(const struct pop_sending *sending, const uint8_t *client) {
  struct account account = {0};
  uint8_t key[POP_CLIENT_BYTES];
  uint64_t halves[2];
  if (!client || !pop_crowd_read_client(client, key)) return account;
  account.is_known = true;
  memcpy(halves, key, sizeof halves);
  for (size_t row = 0; row < POP_SENDING_ROWS; row++) {
    const uint64_t hash = mix(mix(halves[0] ^ sending->seeds[row]) + halves[1] + sending->seeds[row]);
    account.slots[row] = (uint32_t)(hash % POP_SENDING_SLOTS);
  }
  return account;
}

static uint64_t bytes_on(const struct pop_sending *sending, struct account account) {
  uint64_t least = UINT64_MAX;
  if (!account.is_known) return 0;
  for (size_t row = 0; row < POP_SENDING_ROWS; row++) {
    const uint64_t bytes = atomic_load_explicit(&sending->accounts[row][account.slots[row]], memory_order_relaxed);
    if (bytes < least) least = bytes;
  }
  return least;
}

uint64_t pop_sending_account(const struct pop_sending *sending, const uint8_t client[HTTP_CLIENT_BYTES]) {
  return bytes_on(sending, account_of(sending, client));
}

// --- refusing ---

// "120 KiB", "1.5 MiB"
static const char *write_bytes(uint64_t bytes, char out[32]) {
  const bool is_small = bytes < (1 << 20);
  (void)snprintf(out, 32, is_small ? "%.0f KiB" : "%.1f MiB", (double)bytes / (is_small ? KIB : MIB));
  return out;
}

uint64_t pop_sending_bytes(const struct pop_sending *sending) {
  return atomic_load_explicit(&sending->small_bytes, memory_order_relaxed) +
         atomic_load_explicit(&sending->large_bytes, memory_order_relaxed);
}

void pop_sending_measure(struct pop_sending *sending) {
  base_metric_set(sending->sent, (int64_t)pop_sending_bytes(sending));
}

static uint64_t bound_of(const struct pop_sending *sending) {
  return atomic_load_explicit(&sending->bound_bytes, memory_order_relaxed);
}

static enum base_result check_share(const struct pop_sending *sending, uint64_t held_bytes, struct base_fault *fault) {
  char text[32];
  const uint64_t bound = bound_of(sending), sent = pop_sending_bytes(sending);
  if (held_bytes <= POP_SENDING_ALLOWANCE_BYTES || sent <= bound / CALM_PART) return BASE_OK;
  if (sent < bound && held_bytes < bound - sent) return BASE_OK;
  base_metric_add(sending->refused_client, 1);
  return BASE_FAIL(fault, BASE_BUSY, "client",
                   "this client has %s of pictures that it asked for still to read, and that is its share of what the "
                   "server keeps for slow readers now; read them, or try again in a moment",
                   write_bytes(held_bytes, text));
}

// `small_part`: what is wanted may be a small variant, for which there is this part of the bound in any case; 0: not.
static enum base_result check_bound(const struct pop_sending *sending, unsigned small_part, struct base_fault *fault) {
  char text[32];
  const uint64_t bound = bound_of(sending), sent = pop_sending_bytes(sending);
  if (sent < bound) return BASE_OK;
  if (small_part && atomic_load_explicit(&sending->small_bytes, memory_order_relaxed) < bound / small_part) {
    return BASE_OK;
  }
  base_metric_add(sending->refused_all, 1);
  return BASE_FAIL(fault, BASE_BUSY, "",
                   "%s of pictures are being sent to clients that read slowly, and the server keeps no more than %s "
                   "for them; try again in a moment",
                   write_bytes(sent, text), write_bytes(bound, (char[32]){0}));
}

static unsigned new_small_part(uint64_t held_bytes) {
  return held_bytes <= POP_SENDING_ALLOWANCE_BYTES ? NEW_SMALL_PART : 0;
}

enum base_result pop_sending_check(struct pop_sending *sending, const uint8_t client[HTTP_CLIENT_BYTES],
                                   struct base_fault *fault) {
  const uint64_t held_bytes = bytes_on(sending, account_of(sending, client));
  const enum base_result result = check_share(sending, held_bytes, fault);
  return result == BASE_OK ? check_bound(sending, new_small_part(held_bytes), fault) : result;
}

// --- lending ---

static bool is_small(uint64_t bytes) { return bytes <= POP_SENDING_ALLOWANCE_BYTES; }

static void count(struct pop_sending *sending, struct account account, uint64_t bytes, bool adds) {
  if (!account.is_known) return;
  for (size_t row = 0; row < POP_SENDING_ROWS; row++) {
    atomic_uint_fast64_t *counter = &sending->accounts[row][account.slots[row]];
    atomic_fetch_add_explicit(counter, adds ? bytes : -bytes, memory_order_relaxed);
  }
}

static void count_variant(struct pop_sending *sending, uint64_t bytes, bool adds) {
  atomic_uint_fast64_t *counter = is_small(bytes) ? &sending->small_bytes : &sending->large_bytes;
  atomic_fetch_add_explicit(counter, adds ? bytes : -bytes, memory_order_relaxed);
}

// An account as one number; 0 is that of nobody.
static uint64_t pack(struct account account) {
  return account.is_known ? 1 + (uint64_t)account.slots[0] * POP_SENDING_SLOTS + account.slots[1] : 0;
}

static struct account unpack(uint64_t number) {
  if (number == 0) return (struct account){0};
  return (struct account){
      .is_known = true,
      .slots = {(uint32_t)((number - 1) / POP_SENDING_SLOTS), (uint32_t)((number - 1) % POP_SENDING_SLOTS)}};
}

static void end(const struct http_lease *lease) {
  struct pop_sending *sending = lease->lender;
  struct pop_variant *variant = lease->loan;
  count(sending, unpack(lease->account), lease->bytes, false);
  if (atomic_fetch_sub_explicit(&variant->readers, 1, memory_order_acq_rel) == 1) {
    count_variant(sending, lease->bytes, false);
  }
  pop_variant_unref(&variant);
}

static bool has_bytes_of(const struct http_reply *reply, const struct pop_variant *variant) {
  for (size_t i = 0; i < reply->part_count; i++) {
    if (reply->parts[i].blob == variant->blob) return true;
  }
  return false;
}

static enum base_result check_loan(const struct pop_sending *sending, enum pop_loan loan,
                                   const struct pop_variant *variant, uint64_t held_bytes, struct base_fault *fault) {
  const bool is_small_one = is_small(pop_variant_bytes(variant)), is_hit = loan == POP_LOAN_HIT;
  if (!is_small_one || !is_hit || pop_sending_bytes(sending) >= bound_of(sending)) {
    const enum base_result result = check_share(sending, held_bytes, fault);
    if (result != BASE_OK) return result;
  }
  if (atomic_load_explicit(&variant->readers, memory_order_relaxed) > 0) return BASE_OK;  // it is in RAM, and stays
  const unsigned small_part = is_hit ? HIT_SMALL_PART : new_small_part(held_bytes);
  return check_bound(sending, is_small_one ? small_part : 0, fault);
}

enum base_result pop_sending_lend(struct pop_sending *sending, const uint8_t client[HTTP_CLIENT_BYTES],
                                  enum pop_loan loan, struct pop_variant *variant, struct http_reply *reply,
                                  struct base_fault *fault) {
  if (!has_bytes_of(reply, variant)) return BASE_OK;
  const uint64_t bytes = pop_variant_bytes(variant);
  const struct account account = account_of(sending, loan == POP_LOAN_TRUSTED ? NULL : client);
  if (loan != POP_LOAN_TRUSTED) {
    const enum base_result result = check_loan(sending, loan, variant, bytes_on(sending, account), fault);
    if (result != BASE_OK) return result;
  }
  count(sending, account, bytes, true);
  if (atomic_fetch_add_explicit(&variant->readers, 1, memory_order_acq_rel) == 0) count_variant(sending, bytes, true);
  reply->lease = (struct http_lease){
      .end = end, .lender = sending, .loan = pop_variant_ref(variant), .account = pack(account), .bytes = bytes};
  return BASE_OK;
}
