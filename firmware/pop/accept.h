// What fm=auto comes to: the choice of a format by Accept (RFC 9110 section 12.5.1).
#ifndef POP_ACCEPT_H
#define POP_ACCEPT_H

#include <stdint.h>

#include "http/message.h"
#include "recipe/recipe.h"

// Qualities 0..1000 of what we can send. Those of WebP and AVIF are 0 unless they were named: clients that send only
// wildcards do so without knowing them.
struct pop_accept {
  int16_t avif, webp, jpeg, png;
};

void pop_accept_read(const struct http_request *request, struct pop_accept *out);
// The format with the highest quality, but AVIF, which is never there at once; among equals WebP, then PNG for an
// original with alpha or else JPEG. Never JPEG for a lossless wish. When nothing is acceptable, PNG or JPEG by alpha,
// as RFC 9110 12.4.1 allows. With `is_slow` every format that is acceptable at all counts the same, in the order WebP,
// JPEG (not for alpha), PNG.
enum recipe_format pop_accept_choose(const struct pop_accept *accept, bool is_lossless, bool has_alpha, bool is_slow);
// False when the client does not take the file that the original is, so that it can not be the answer (or_own).
bool pop_accept_takes_own(const struct pop_accept *accept, enum recipe_format own);
// True when the client would take AVIF rather than `chosen`.
bool pop_accept_prefers_avif(const struct pop_accept *accept, enum recipe_format chosen, bool is_slow);

#endif
