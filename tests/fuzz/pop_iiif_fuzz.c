// The IIIF grammar: whatever path is accepted, its wish resolves for pictures of every shape to a recipe that a URL can
// say, whose result has the size and stays within the limits that info.json names; pinning it changes nothing. And
// info.json of the picture is JSON.
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/json.h"
#include "pop/address.h"
#include "pop/native.h"

static const struct image_header originals[] = {
    {.format = IMAGE_FILE_JPEG,
     .width = 3000,
     .height = 2000,
     .orientation = IMAGE_UPRIGHT,
     .colour = IMAGE_COLOUR_RGB},
    {.format = IMAGE_FILE_PNG, .width = 201, .height = 997, .orientation = IMAGE_TRANSVERSE, .has_alpha = true},
    {.format = IMAGE_FILE_JPEG, .width = 16384, .height = 1, .orientation = IMAGE_ROTATE_90},
    {.format = IMAGE_FILE_JPEG, .width = 1, .height = 1, .orientation = IMAGE_UPRIGHT},
    {.format = IMAGE_FILE_TIFF, .width = 60000, .height = 50000, .orientation = IMAGE_FLIP_V},
};

static void check_recipe(const struct recipe *recipe, const struct image_header *original) {
  struct recipe pinned, again;
  struct image_layout layout;
  char text[RECIPE_TEXT_BYTES], again_text[RECIPE_TEXT_BYTES];
  BASE_ASSERT(recipe_is_pinned(recipe));
  BASE_ASSERT(recipe_plan(recipe, original, &layout, NULL) == BASE_OK);
  BASE_ASSERT(layout.width == recipe->width && layout.height == recipe->height);
  BASE_ASSERT(layout.width <= POP_IIIF_MAX_SIDE && layout.height <= POP_IIIF_MAX_SIDE);
  BASE_ASSERT((uint64_t)layout.width * layout.height <= POP_IIIF_MAX_AREA);
  BASE_ASSERT(recipe_pin(recipe, RECIPE_FORMAT_AUTO, original, &pinned, NULL) == BASE_OK);
  struct image_layout pinned_layout;
  BASE_ASSERT(recipe_plan(&pinned, original, &pinned_layout, NULL) == BASE_OK);
  BASE_ASSERT(layout.width == pinned_layout.width && layout.height == pinned_layout.height);
  BASE_ASSERT(memcmp(&layout.source, &pinned_layout.source, sizeof layout.source) == 0);
  recipe_text(&pinned, text);
  BASE_ASSERT(pop_native_parse_options(base_span_text(text), &again, NULL) == BASE_OK);
  recipe_text(&again, again_text);
  BASE_ASSERT(strcmp(text, again_text) == 0);
}

static void check_info(struct base_span identifier, const struct image_header *original) {
  static const uint32_t widths[] = {160, 640, 3840};
  struct base_buffer text;
  struct base_json *json;
  base_buffer_init(&text, 1 << 16);
  if (pop_iiif_info(identifier, original, widths, sizeof widths / sizeof widths[0], &text) == BASE_OK) {
    BASE_ASSERT(base_json_parse(base_buffer_span(&text), &json, NULL) == BASE_OK);
    base_json_destroy(&json);
  }
  base_buffer_finish(&text);
}

// Without its escapes the identifier says the same.
static void check_identifier(const struct pop_address *address) {
  char path[sizeof "/iiif/3/" + POP_IIIF_IDENTIFIER_CHARS] = "/iiif/3/";
  struct pop_address plain;
  pop_iiif_identifier(address, path + strlen(path));
  BASE_ASSERT(pop_iiif_parse(base_span_text(path), &plain, NULL) == BASE_OK);
  BASE_ASSERT(!plain.wish.iiif.has_plainer && plain.wish.iiif.is_signed == address->wish.iiif.is_signed);
  BASE_ASSERT(integrity_digest_equal(&plain.original, &address->original) && plain.expires_s == address->expires_s);
  BASE_ASSERT(strcmp(plain.wish.iiif.signature, address->wish.iiif.signature) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
// The input is what comes behind "/iiif/".
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  static uint8_t path[4096] = "/iiif/";
  const size_t front = strlen("/iiif/");
  struct pop_address address;
  if (bytes > sizeof path - front) return 0;
  if (bytes) memcpy(path + front, data, bytes);
  if (pop_iiif_parse(base_span_of(path, bytes + front), &address, NULL) != BASE_OK) return 0;
  check_identifier(&address);
  for (size_t i = 0; i < sizeof originals / sizeof originals[0]; i++) {
    struct recipe recipe;
    if (address.wish.iiif.kind == POP_IIIF_INFO) check_info(base_span_of(path, bytes + front), &originals[i]);
    if (address.wish.iiif.kind != POP_IIIF_IMAGE) continue;
    if (pop_iiif_resolve(&address.wish.iiif, &originals[i], &recipe, NULL) == BASE_OK) {
      check_recipe(&recipe, &originals[i]);
    }
  }
  return 0;
}
