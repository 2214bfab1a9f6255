#include "accept.h"

#include "http/negotiate.h"

enum { MAX_ACCEPT_BYTES = 4096 };

// The quality of a format that has to be named.
static int16_t named_quality(struct base_span accept, const char *media_type) {
  bool is_named;
  const int quality = http_accept_quality(accept, media_type, &is_named);
  return (int16_t)(is_named ? quality : 0);
}

void pop_accept_read(const struct http_request *request, struct pop_accept *out) {
  char joined[MAX_ACCEPT_BYTES];
  bool ignored;
  struct base_span accept = base_span_of(NULL, 0);
  // Absent or absurdly long: no preference.
  if (http_request_joined(request, "Accept", joined, sizeof joined) == BASE_OK) accept = base_span_text(joined);
  out->avif = named_quality(accept, "image/avif");
  out->webp = named_quality(accept, "image/webp");
  out->jpeg = (int16_t)http_accept_quality(accept, "image/jpeg", &ignored);
  out->png = (int16_t)http_accept_quality(accept, "image/png", &ignored);
}

static enum recipe_format choose_smallest(const struct pop_accept *accept, bool needs_png, enum recipe_format other) {
  if (accept->webp > 0) return RECIPE_FORMAT_WEBP;
  if (accept->jpeg > 0 && !needs_png) return RECIPE_FORMAT_JPEG;
  return accept->png > 0 ? RECIPE_FORMAT_PNG : other;
}

enum recipe_format pop_accept_choose(const struct pop_accept *accept, bool is_lossless, bool has_alpha, bool is_slow) {
  const bool prefers_png = has_alpha || is_lossless;
  const int jpeg = is_lossless ? 0 : accept->jpeg;
  const enum recipe_format fallback = prefers_png ? RECIPE_FORMAT_PNG : RECIPE_FORMAT_JPEG;
  if (is_slow && (accept->webp > 0 || jpeg > 0 || accept->png > 0)) {
    return choose_smallest(accept, prefers_png, jpeg > 0 ? RECIPE_FORMAT_JPEG : RECIPE_FORMAT_PNG);
  }
  if (accept->webp > 0 && accept->webp >= jpeg && accept->webp >= accept->png) return RECIPE_FORMAT_WEBP;
  if (accept->png == jpeg) return fallback;
  return accept->png > jpeg ? RECIPE_FORMAT_PNG : RECIPE_FORMAT_JPEG;
}

bool pop_accept_takes_own(const struct pop_accept *accept, enum recipe_format own) {
  if (own == RECIPE_FORMAT_JPEG) return accept->jpeg > 0;
  if (own == RECIPE_FORMAT_PNG) return accept->png > 0;
  return own == RECIPE_FORMAT_WEBP && accept->webp > 0;
}

bool pop_accept_prefers_avif(const struct pop_accept *accept, enum recipe_format chosen, bool is_slow) {
  const int16_t quality = chosen == RECIPE_FORMAT_WEBP   ? accept->webp
                          : chosen == RECIPE_FORMAT_JPEG ? accept->jpeg
                                                         : accept->png;
  return accept->avif > 0 && (is_slow || accept->avif >= quality);
}
