#include "accept.h"

#include "http/negotiate.h"

enum { MAX_ACCEPT_BYTES = 4096 };

void pop_accept_read(const struct http_request *request, struct pop_accept *out) {
  char joined[MAX_ACCEPT_BYTES];
  bool is_webp_named, ignored;
  struct base_span accept = base_span_of(NULL, 0);
  // Absent or absurdly long: no preference.
  if (http_request_joined(request, "Accept", joined, sizeof joined) == BASE_OK) accept = base_span_text(joined);
  out->webp = (int16_t)http_accept_quality(accept, "image/webp", &is_webp_named);
  out->jpeg = (int16_t)http_accept_quality(accept, "image/jpeg", &ignored);
  out->png = (int16_t)http_accept_quality(accept, "image/png", &ignored);
  if (!is_webp_named) out->webp = 0;
}

enum recipe_format pop_accept_choose(const struct pop_accept *accept, bool is_lossless, bool has_alpha) {
  const bool prefers_png = has_alpha || is_lossless;
  const int jpeg = is_lossless ? 0 : accept->jpeg;
  const enum recipe_format fallback = prefers_png ? RECIPE_FORMAT_PNG : RECIPE_FORMAT_JPEG;
  if (accept->webp > 0 && accept->webp >= jpeg && accept->webp >= accept->png) return RECIPE_FORMAT_WEBP;
  if (accept->png == jpeg) return fallback;
  return accept->png > jpeg ? RECIPE_FORMAT_PNG : RECIPE_FORMAT_JPEG;
}
