#include "pop/address.h"

#include "pop/native.h"

// What follows a '?' means nothing in the grammars of IIIF and imgproxy. It is refused there, as passed over it would
// be one picture under as many URLs as anybody likes, each of them an entry of its own in the caches in front.
static enum base_result refuse_query(struct base_span query, const char *instead, struct base_fault *fault) {
  char name[BASE_FAULT_SUBJECT_BYTES];
  size_t chars = 0;
  if (query.bytes == 0) return BASE_OK;
  while (chars < sizeof name - 1 && chars < query.bytes && query.data[chars] != '=' && query.data[chars] != '&') {
    const uint8_t c = query.data[chars];
    name[chars++] = (char)(c > ' ' && c < 0x7f ? c : '?');  // it goes into a log and a reply
  }
  name[chars] = '\0';
  return BASE_FAIL(fault, BASE_BAD_INPUT, chars ? name : "query", "these URLs have no query, but there is \"?%s\": %s",
                   name, instead);
}

enum base_result pop_address_read(struct base_span path, struct base_span query, struct pop_address *out,
                                  struct base_fault *fault) {
  struct pop_address address = {.recipe = RECIPE_DEFAULT};
  enum base_result result;
  if (base_span_starts_with(path, "/i/")) {
    result = pop_native_parse(path, query, &address, fault);
    address.grammar = POP_NATIVE;
  } else if (base_span_starts_with(path, "/iiif/")) {
    result = pop_iiif_parse(path, &address, fault);
    if (result == BASE_OK) {
      result = refuse_query(query, "the IIIF Image API says everything in the path", fault);
    }
    address.grammar = POP_IIIF;
  } else if (base_span_starts_with(path, "/imgproxy/")) {
    result = pop_imgproxy_parse(path, &address, fault);
    if (result == BASE_OK) {
      result = refuse_query(query, "options stand in the path, also cachebuster for another URL of the same", fault);
    }
    address.grammar = POP_IMGPROXY;
  } else {
    result = BASE_FAIL(fault, BASE_NOT_FOUND, "path", "pictures are below /i/, /iiif/3/ and /imgproxy/");
  }
  if (result == BASE_OK) *out = address;
  return result;
}

bool pop_address_has_plainer(const struct pop_address *address) {
  switch (address->grammar) {
    case POP_IIIF:
      return address->wish.iiif.has_plainer;
    case POP_IMGPROXY:
      return address->wish.imgproxy.has_plainer;
    default:
      return false;
  }
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
