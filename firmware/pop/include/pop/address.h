// What a URL asks for, whatever grammar it is written in. Each grammar has its own file; all of them are strict.
//
// A URL is read in two steps, because some grammars depend on the original's size: read (syntax only, no disk) and
// resolve (once the original's header is known), which gives a recipe like any other.
#ifndef POP_ADDRESS_H
#define POP_ADDRESS_H

#include "image/header.h"
#include "integrity/digest.h"
#include "pop/iiif.h"
#include "pop/imgproxy.h"
#include "recipe/recipe.h"

enum pop_grammar { POP_NATIVE, POP_IIIF, POP_IMGPROXY };

struct pop_address {
  enum pop_grammar grammar;
  struct integrity_digest original;
  struct recipe recipe;  // native: what is wanted
  union {
    struct pop_iiif iiif;
    struct pop_imgproxy imgproxy;
  } wish;             // of the other grammars
  int64_t expires_s;  // Unix seconds; 0: never
};

// The grammar by the path: "/i/", "/iiif/", "/imgproxy/". Faults are those of the grammar's own function; and
// BASE_BAD_INPUT, with its first name as subject, for a query where the grammar has none.
enum base_result pop_address_read(struct base_span path, struct base_span query, struct pop_address *out,
                                  struct base_fault *fault) BASE_CHECKED;
// True when the same can be asked for with a plainer URL, so that this one is for no cache.
bool pop_address_has_plainer(const struct pop_address *address);
// The recipe for an original. Pure. BASE_BAD_INPUT and BASE_UNPROCESSABLE name what can not be followed.
enum base_result pop_address_resolve(const struct pop_address *address, const struct image_header *original,
                                     struct recipe *out, struct base_fault *fault) BASE_CHECKED;

#endif
