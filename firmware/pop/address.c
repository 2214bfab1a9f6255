#include "pop/address.h"

#include "pop/native.h"

// What follows a '?' means nothing in the grammars of IIIF and imgproxy, and is passed over there.
enum base_result pop_address_read(struct base_span path, struct base_span query, struct pop_address *out,
                                  struct base_fault *fault) {
  struct pop_address address = {.recipe = RECIPE_DEFAULT};
  enum base_result result;
  if (base_span_starts_with(path, "/i/")) {
    result = pop_native_parse(path, query, &address, fault);
    address.grammar = POP_NATIVE;
  } else if (base_span_starts_with(path, "/iiif/")) {
    result = pop_iiif_parse(path, &address, fault);
    address.grammar = POP_IIIF;
  } else if (base_span_starts_with(path, "/imgproxy/")) {
    result = pop_imgproxy_parse(path, &address, fault);
    address.grammar = POP_IMGPROXY;
  } else {
    result = BASE_FAIL(fault, BASE_NOT_FOUND, "path", "pictures are below /i/, /iiif/3/ and /imgproxy/");
  }
  if (result == BASE_OK) *out = address;
  return result;
}

enum base_result pop_address_resolve(const struct pop_address *address, const struct image_header *original,
                                     struct recipe *out, struct base_fault *fault) {
  switch (address->grammar) {
    case POP_IIIF:
      return pop_iiif_resolve(&address->wish.iiif, original, out, fault);
    case POP_IMGPROXY:
      return pop_imgproxy_resolve(&address->wish.imgproxy, original, out, fault);
    default:
      *out = address->recipe;
      return BASE_OK;
  }
}
