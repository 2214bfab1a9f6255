// What fm=auto comes to: the choice of a format by Accept (RFC 9110 section 12.5.1).
#ifndef POP_ACCEPT_H
#define POP_ACCEPT_H

#include <stdint.h>

#include "http/message.h"
#include "recipe/recipe.h"

// Qualities 0..1000 of what we can send. WebP's is 0 unless it was named: clients that send only wildcards do so
// without knowing WebP.
struct pop_accept {
  int16_t webp, jpeg, png;
};

void pop_accept_read(const struct http_request *request, struct pop_accept *out);
// The format with the highest quality; among equals WebP, then PNG for an original with alpha or else JPEG. Never JPEG
// for a lossless wish. When nothing is acceptable, PNG or JPEG by alpha, as RFC 9110 12.4.1 allows.
enum recipe_format pop_accept_choose(const struct pop_accept *accept, bool is_lossless, bool has_alpha);

#endif
