// The native grammar: whatever URL is accepted, its recipe's canonical text is accepted too and gives the same text,
// and pinning the recipe for some original gives a text that pins to itself.
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "pop/native.h"

#define ID "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"

// The input is a query; one that begins with '/' is a path behind "/i" up to the first '?'.
static enum base_result parse(struct base_span input, struct pop_address *out) {
  static uint8_t path[4096] = "/i";
  if (input.bytes == 0 || input.data[0] != '/') {
    return pop_native_parse(base_span_text("/i/" ID), input, out, NULL);
  }
  const struct base_span front = base_span_cut(&input, '?');
  if (front.bytes > sizeof path - 2) return BASE_TOO_LARGE;
  memcpy(path + 2, front.data, front.bytes);
  return pop_native_parse(base_span_of(path, front.bytes + 2), input, out, NULL);
}

static void check_pinning(const struct recipe *recipe) {
  const struct image_header original = {
      .format = IMAGE_FILE_PNG, .width = 3000, .height = 2000, .orientation = IMAGE_ROTATE_90, .has_alpha = true};
  struct recipe pinned, again;
  char text[RECIPE_TEXT_BYTES], again_text[RECIPE_TEXT_BYTES];
  if (recipe_pin(recipe, RECIPE_FORMAT_WEBP, &original, &pinned, NULL) != BASE_OK) return;
  BASE_ASSERT(recipe_is_pinned(&pinned));
  BASE_ASSERT(recipe_pin(&pinned, RECIPE_FORMAT_AUTO, &original, &again, NULL) == BASE_OK);
  recipe_text(&pinned, text);
  recipe_text(&again, again_text);
  BASE_ASSERT(strcmp(text, again_text) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  struct pop_address address, again;
  char text[RECIPE_TEXT_BYTES], again_text[RECIPE_TEXT_BYTES];
  if (parse(base_span_of(data, bytes), &address) != BASE_OK) return 0;
  recipe_text(&address.recipe, text);
  BASE_ASSERT(parse(base_span_text(text), &again) == BASE_OK);
  recipe_text(&again.recipe, again_text);
  BASE_ASSERT(strcmp(text, again_text) == 0);
  check_pinning(&address.recipe);
  return 0;
}
