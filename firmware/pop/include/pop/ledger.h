// The ledger for the world: checkpoint, tiles, entries and proofs (c2sp.org/tlog-tiles, tlog-proof) under "/ledger/".
//
// `delivery` and `console` call the handlers. Thread-safe.
//
//   /ledger/checkpoint                    the newest signed checkpoint
//   /ledger/tile/<L>/<N>[.p/<W>]          hashes of the tree
//   /ledger/tile/entries/<N>[.p/<W>]      entries
//   /ledger/proof/<digest>[?original=<id>[&<recipe>]]
//                                         that the tenant's object with this SHA-256 (base64url) is in the ledger; as
//                                         which one says the query, for bytes that are more than one object
// Checkpoint and hashes go by the tenant's policy for what is unsigned: with POP_UNSIGNED_NONE they want a signature as
// native URLs have it, or a token. Entries and proofs want a token unless they are public; then they go as the others.
// What went to a token is private and not stored by caches. Over plain HTTP tokens are taken from this machine only.
#ifndef POP_LEDGER_H
#define POP_LEDGER_H

#include "pop/pop.h"

// Who knows the tokens. Called on the handler's thread; it must not block.
struct pop_ledger_guard {
  // By the request's Authorization: BASE_UNAUTHORIZED, BASE_RATE for who guesses too often.
  enum base_result (*check)(void *self, const struct http_request *request, struct base_fault *fault);
  void *self;
};

// For the route "/ledger/". GET, HEAD and OPTIONS; others 405.
struct http_handler pop_ledger_handler(struct pop *pop);
// The same for those who have proven who they are; their answers are private.
struct http_handler pop_ledger_trusted_handler(struct pop *pop);
// Whether entries and proofs go without a token; at first they do not.
void pop_ledger_set_public(struct pop *pop, bool is_public);
// Until there is a guard every token gets 503. Borrowed until the handlers are not called any more.
void pop_ledger_set_guard(struct pop *pop, const struct pop_ledger_guard *guard);

#endif
