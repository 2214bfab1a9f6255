// What a request comes to, once its original is known: the variant that answers it, perhaps a better one that may be
// there or could be made, and the terms of the answer.
#ifndef POP_PLAN_H
#define POP_PLAN_H

#include "accept.h"
#include "course.h"
#include "hints.h"
#include "pop/address.h"
#include "variant.h"

// What a request asks for.
struct pop_ask {
  const struct pop_tenant *tenant;
  struct pop_address address;
  bool is_trusted;  // nothing was asked of the URL: the answer is for nobody else
  unsigned open;    // bits of enum pop_open
  struct pop_accept accept;
  struct pop_hints hints;
};

struct pop_plan {
  struct pop_course course;
  bool has_better;
  struct pop_course better;  // the same as AVIF, for clients that take it with fm=auto
  struct pop_terms terms;
};

// Pure. Fails as pop_address_resolve and recipe_pin do. `makes_avif` allows a better variant.
enum base_result pop_plan_make(const struct pop_ask *ask, struct pop_original *original, const char *profile,
                               bool makes_avif, struct pop_plan *out, struct base_fault *fault) BASE_CHECKED;

#endif
