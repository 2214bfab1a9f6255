// URLs as a tenant publishes them: signed with its first key.
#ifndef POP_SIGN_H
#define POP_SIGN_H

#include "base/span.h"
#include "pop/address.h"
#include "pop/pop.h"

// How a URL of a tenant stands with its policy.
struct pop_signing {
  bool has_key;          // the tenant has a key to sign with
  bool needs_signature;  // unsigned it is refused; for IIIF: requests for parts of the picture are
};

// Appends the path to `out`, signed when the tenant has a key:
//   POP_NATIVE  "/i/{id}?{options}" with exp (unless expires_s is 0) and sig; the options are a native query without
//               either (else BASE_BAD_INPUT)
//   POP_IIIF    "/iiif/3/{id}" or "/iiif/3/{id}.{exp}.{sig}"; no options
// BASE_NOT_FOUND: no such tenant. BASE_CONFLICT: an expiry without a key; unsigned it would hold nobody.
// BASE_BAD_INPUT for POP_IMGPROXY, whose users sign by themselves.
enum base_result pop_sign_url(struct pop *pop, const char *tenant, enum pop_grammar grammar,
                              const struct integrity_digest *original, struct base_span options, int64_t expires_s,
                              struct pop_signing *signing, struct base_buffer *out,
                              struct base_fault *fault) BASE_CHECKED;

#endif
