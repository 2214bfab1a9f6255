#include "recipe/recipe.h"

// Each part ends in a byte that can not occur in it, or has a fixed length: no two inputs give the same bytes.
void recipe_key(const struct recipe *pinned, const char *tenant, const char *salt,
                const struct integrity_digest *original, const char *profile, struct integrity_digest *out) {
  static const char domain[] = "pixpop variant";
  const uint8_t version[4] = {RECIPE_RENDER_VERSION & 0xff, RECIPE_RENDER_VERSION >> 8 & 0xff,
                              RECIPE_RENDER_VERSION >> 16 & 0xff, RECIPE_RENDER_VERSION >> 24 & 0xff};
  static const uint8_t separator = 0;
  char text[RECIPE_TEXT_BYTES];
  struct integrity_hash hash;
  recipe_text(pinned, text);
  integrity_hash_init(&hash);
  integrity_hash_update(&hash, base_span_of(domain, sizeof domain));  // with its terminator
  integrity_hash_update(&hash, base_span_of(version, sizeof version));
  integrity_hash_update(&hash, base_span_text(tenant));
  integrity_hash_update(&hash, base_span_of(&separator, 1));
  integrity_hash_update(&hash, base_span_text(salt));
  integrity_hash_update(&hash, base_span_of(&separator, 1));
  integrity_hash_update(&hash, base_span_text(profile));
  integrity_hash_update(&hash, base_span_of(&separator, 1));
  integrity_hash_update(&hash, base_span_of(original->bytes, sizeof original->bytes));
  integrity_hash_update(&hash, base_span_text(text));
  integrity_hash_finish(&hash, out);
}
