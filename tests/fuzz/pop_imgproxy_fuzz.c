// imgproxy's grammar: whatever is accepted resolves for any original to a recipe that the native grammar can say too,
// and that is within the limits, or is refused.
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "pop/address.h"
#include "pop/native.h"

static const struct image_header originals[] = {
    {.format = IMAGE_FILE_JPEG, .width = 1, .height = 1, .orientation = IMAGE_UPRIGHT},
    {.format = IMAGE_FILE_JPEG, .width = 3000, .height = 2000, .orientation = IMAGE_ROTATE_90},
    {.format = IMAGE_FILE_PNG, .width = 16384, .height = 3, .orientation = IMAGE_TRANSVERSE, .has_alpha = true},
    {.format = IMAGE_FILE_PNG, .width = 16384, .height = 16384, .orientation = IMAGE_UPRIGHT},
};

static void check(const struct pop_address *address, const struct image_header *original) {
  struct recipe recipe, again;
  struct image_layout layout;
  char text[RECIPE_TEXT_BYTES], again_text[RECIPE_TEXT_BYTES];
  struct base_fault fault = {0};
  if (pop_address_resolve(address, original, &recipe, &fault) != BASE_OK) {
    BASE_ASSERT(fault.result == BASE_UNPROCESSABLE);
    return;
  }
  recipe_text(&recipe, text);
  BASE_ASSERT(pop_native_parse_options(base_span_text(text), &again, NULL) == BASE_OK);
  recipe_text(&again, again_text);
  BASE_ASSERT(strcmp(text, again_text) == 0);
  // Over the limits is the one thing that a layout may still say; a crop always lies within the picture.
  const enum base_result result = recipe_plan(&recipe, original, &layout, &fault);
  BASE_ASSERT(result == BASE_OK || result == BASE_UNPROCESSABLE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  static uint8_t path[4096] = "/imgproxy/";
  const size_t prefix = strlen("/imgproxy/");
  struct pop_address address;
  struct base_span signature, signed_part;
  struct pop_imgproxy_repair repair;
  if (bytes > sizeof path - prefix) return 0;
  memcpy(path + prefix, data, bytes);
  const struct base_span whole = base_span_of(path, prefix + bytes);
  if (pop_imgproxy_parse(whole, &address, NULL) != BASE_OK) return 0;
  BASE_ASSERT(pop_imgproxy_split(whole, &repair, &signature, &signed_part, NULL) == BASE_OK);
  const size_t restored = signed_part.data == repair.bytes ? 2 : 0;
  BASE_ASSERT(prefix + signature.bytes + signed_part.bytes == whole.bytes + restored && signed_part.data[0] == '/');
  for (size_t i = 0; i < sizeof originals / sizeof originals[0]; i++) check(&address, &originals[i]);
  (void)pop_imgproxy_is_plain(&address.wish.imgproxy);
  return 0;
}
