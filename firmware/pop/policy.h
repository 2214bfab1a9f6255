// Who may ask for what: signatures, expiry, and what a tenant lets through unsigned.
#ifndef POP_POLICY_H
#define POP_POLICY_H

#include "http/message.h"
#include "pop/address.h"
#include "pop/pop.h"

// For a URL that was read as `address`. In this order: BASE_FORBIDDEN for a bad signature, or for a missing one where
// the tenant's policy wants it (the text says how to sign and what goes unsigned); BASE_GONE for a past expiry;
// BASE_BUSY when there is an expiry and the clock is not trusted.
// A signature that is there is checked under every policy: a wrong one is never ignored.
enum base_result pop_policy_check(const struct pop_tenant *tenant, const struct http_request *request,
                                  const struct pop_address *address, int64_t now_s, bool is_clock_trusted,
                                  struct base_fault *fault) BASE_CHECKED;
// What a URL that is no picture's ("/ledger/...") brings along.
struct pop_pass {
  bool is_signed;
  int64_t expires_s;  // 0: never
};
// Reads and checks the query of such a URL, which may hold `exp` and `sig`: signed as a native URL is. BASE_BAD_INPUT
// for anything else, unless the URL takes more (the caller reads it; it is signed too); faults as above for a wrong
// signature and for `exp`. A missing signature is no fault here.
enum base_result pop_policy_read_pass(const struct pop_tenant *tenant, const struct http_request *request,
                                      bool takes_more, int64_t now_s, bool is_clock_trusted, struct pop_pass *out,
                                      struct base_fault *fault) BASE_CHECKED;
// Whether an unsigned native URL of this recipe goes.
bool pop_policy_lets(const struct pop_tenant *tenant, const struct recipe *recipe);

#endif
