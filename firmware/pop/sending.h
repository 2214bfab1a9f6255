// What is being sent, and to whom. A variant stays in RAM while somebody reads it, however slowly, so all that are
// being sent have a bound, and whoever holds much of it is refused before the others are.
//
// The bound is the budget of RAM's cache, but never less than a floor. A client may hold as much as is left of it
// (dynamic thresholds with alpha = 1: Choudhury and Hahne, IEEE/ACM ToN 6(2), 1998): one slow reader comes to half of
// the bound, n of them to n/(n+1), and something is left for who holds less. Nobody is refused for a share while three
// quarters are free, or while it holds POP_SENDING_ALLOWANCE_BYTES at the most; nor, below the bound, a small variant
// that is in the cache, as an account may be that of a whole network behind one address.
//
// At the bound nothing new is brought into RAM, and nothing in the cache gets its first reader, as readers keep it
// there when the cache has long let go of it. Small variants go on: new ones for clients within the allowance until a
// quarter of the bound are small ones, those in the cache until half of it are. Another reader of what is being sent
// costs nothing. So the most that is being sent is the bound and a half and, for each thread that answers just then,
// one variant of any size; the cache has never less than a quarter of its budget besides (held.h). That is all that RAM
// is asked for, but for what is just being made and what the trusted read.
//
// An account is the bytes of all variants in replies that a client (crowd.h) has not read yet; two replies of one
// variant count twice, and a range as the whole that it keeps in RAM. It is the lesser of two counters that two hashes
// of the client choose, so that accounts cost the same memory however many clients there are, and no lock: two clients
// are only taken for one when both hashes meet.
#ifndef POP_SENDING_H
#define POP_SENDING_H

#include <stdatomic.h>

#include "base/metrics.h"
#include "http/message.h"
#include "variant.h"

enum {
  POP_SENDING_ROWS = 2,
  POP_SENDING_SLOTS = 65536,
  POP_SENDING_APART_BYTES = 64,              // a line of the processor's caches
  POP_SENDING_ALLOWANCE_BYTES = 128 * 1024,  // of a client; also the largest variant that is a small one
};
#define POP_SENDING_LEAST_BYTES (UINT64_C(32) << 20)

struct pop_sending {
  uint64_t seeds[POP_SENDING_ROWS];  // of the hashes, so that nobody outside can choose collisions
  uint64_t least_bytes;
  atomic_uint_fast64_t bound_bytes;
  struct base_metric *sent, *refused_client, *refused_all;
  // Every request reads what is above: no line of it has what is below, wherever all this lies.
  uint8_t apart[POP_SENDING_APART_BYTES];
  atomic_uint_fast64_t small_bytes, large_bytes;  // of variants that are being sent, each counted once
  uint8_t apart_too[POP_SENDING_APART_BYTES];
  atomic_uint_fast64_t accounts[POP_SENDING_ROWS][POP_SENDING_SLOTS];
  uint8_t apart_from_what_follows[POP_SENDING_APART_BYTES];
};

// How a variant came to a reply.
enum pop_loan {
  POP_LOAN_HIT,      // it was in RAM's cache
  POP_LOAN_NEW,      // it was brought into RAM for this
  POP_LOAN_TRUSTED,  // either, for one who is never refused
};

// In memory that is zero. `least_bytes` is the floor of the bound; 0: POP_SENDING_LEAST_BYTES. `seeds` are random.
void pop_sending_init(struct pop_sending *sending, uint64_t budget_bytes, uint64_t least_bytes,
                      const uint64_t seeds[POP_SENDING_ROWS], struct base_metrics *metrics);
// Every reply must have been finished.
void pop_sending_finish(struct pop_sending *sending);
// What is being sent: of each variant once.
uint64_t pop_sending_bytes(const struct pop_sending *sending);
// Brings the gauge up to date, which nobody pays for while sending.
void pop_sending_measure(struct pop_sending *sending);
void pop_sending_set_budget(struct pop_sending *sending, uint64_t budget_bytes);
// Whether something new may be brought into RAM for a client (http_request.client; NULL: for whom is not looked at).
// BASE_BUSY, with the subject "client" when others may.
enum base_result pop_sending_check(struct pop_sending *sending, const uint8_t client[HTTP_CLIENT_BYTES],
                                   struct base_fault *fault) BASE_CHECKED;
// Puts a reply that has bytes of the variant on the client's account until they are dropped (http_reply.lease); others
// are left alone. BASE_BUSY as above: the reply must not be sent.
enum base_result pop_sending_lend(struct pop_sending *sending, const uint8_t client[HTTP_CLIENT_BYTES],
                                  enum pop_loan loan, struct pop_variant *variant, struct http_reply *reply,
                                  struct base_fault *fault) BASE_CHECKED;
// What is on a client's account, or a little more.
uint64_t pop_sending_account(const struct pop_sending *sending, const uint8_t client[HTTP_CLIENT_BYTES]);

#endif
