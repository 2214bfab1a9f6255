// The IIIF Image API 3.0, level 2 (https://iiif.io/api/image/3.0/):
//
//   /iiif/3/{identifier}/info.json
//   /iiif/3/{identifier}/{region}/{size}/{rotation}/{quality}.{format}
//   /iiif/3/{identifier}                      303 to info.json
//
// The identifier is an original's id, or "{id}.{exp}.{sig}": sig signs "/iiif/3/{id}" (with "?exp={exp}" unless exp is
// 0) as recipe/signature.h says, and opens every request for that picture, since viewers can not sign tile by tile.
//
// Segments behind the identifier are percent-decoded once, since browsers write '^' as %5E. In the identifier only
// unreserved characters are (RFC 3986 6.2.2.2: "%2D" is "-"), again once, before anything else looks at it: it is the
// decoded one that is signed, found and given by info.json.
//
// Nothing keeps what came for a URL that could be written more plainly, as every picture would have many: neither this
// server by its URL nor a cache in front (Cache-Control: no-store). Such have an escape of an unreserved character or
// in lower case, one character both with and without an escape, or a decimal with needless zeros, with
// no digit before its point or with more than six behind it ("0.0", "050", ".5", "33.3333333"). %5E, %2C, %3A and %21
// are as good as what they stand for.
//
// A query is refused (pop_address_read): the API has none (and leaves what to do with one to servers), no signature
// covers it, and each would be another entry in the caches in front. Beyond level 2 there are mirroring, sizes with '^'
// and WebP.
#ifndef POP_IIIF_H
#define POP_IIIF_H

#include "base/span.h"
#include "base/text.h"
#include "image/header.h"
#include "integrity/digest.h"
#include "recipe/recipe.h"
#include "recipe/signature.h"

enum pop_iiif_kind { POP_IIIF_BASE, POP_IIIF_INFO, POP_IIIF_IMAGE };
enum pop_iiif_region { POP_IIIF_FULL, POP_IIIF_SQUARE, POP_IIIF_PIXELS, POP_IIIF_PERCENT };
enum pop_iiif_size { POP_IIIF_MAX, POP_IIIF_WIDTH, POP_IIIF_HEIGHT, POP_IIIF_SCALE, POP_IIIF_EXACT, POP_IIIF_WITHIN };

enum {
  // maxWidth, maxHeight and maxArea: no larger results are made.
  POP_IIIF_MAX_SIDE = IMAGE_MAX_BOX_SIDE,
  POP_IIIF_MAX_AREA = IMAGE_MAX_RESULT_PIXELS,
};
// An id, an expiry of ten digits, a signature and two dots.
enum { POP_IIIF_IDENTIFIER_CHARS = BASE_DIGEST_BASE64URL_CHARS + RECIPE_SIGNATURE_CHARS + 12 };
enum { POP_IIIF_UNIT = 1000000 };  // percents are kept in millionths of a whole percent: "33.3" is 33,300,000

struct pop_iiif {
  enum pop_iiif_kind kind;
  bool has_plainer;  // there is a plainer URL of the same
  bool is_signed;
  char signature[RECIPE_SIGNATURE_CHARS + 1];
  enum pop_iiif_region region;
  uint64_t region_at[4];  // x, y, w, h in pixels, or of POP_IIIF_UNIT percents
  enum pop_iiif_size size;
  bool may_enlarge;             // "^"
  uint32_t width, height;       // WIDTH, HEIGHT, EXACT, WITHIN
  uint64_t scale;               // SCALE
  bool is_mirrored;             // "!"
  enum image_orientation turn;  // 0, 90, 180, 270
  bool is_grey;
  enum recipe_format format;
};

// A Link header for images and info.json.
#define POP_IIIF_PROFILE_LINK "<http://iiif.io/api/image/3/level2.json>;rel=\"profile\""

struct pop_address;
// `path` begins with "/iiif/". BASE_NOT_FOUND for another version and for what is no identifier, BASE_BAD_INPUT naming
// the part ("region", "size", "rotation", "quality", "format", "path"); what is valid but not made here (rotation by
// 22.5, bitonal, tif) is BASE_BAD_INPUT too, as the API says.
enum base_result pop_iiif_parse(struct base_span path, struct pop_address *out, struct base_fault *fault) BASE_CHECKED;
// The identifier without escapes: "{id}" or "{id}.{exp}.{sig}".
void pop_iiif_identifier(const struct pop_address *address, char out[POP_IIIF_IDENTIFIER_CHARS + 1]);
// The recipe that gives exactly the picture that the API describes; everything in it is explicit, so that no hint
// touches it. Coordinates are those of the upright original. Sides round to nearest. BASE_BAD_INPUT for a region
// outside the picture, sizes of no pixel, over the limits of info.json, or over the region without "^".
enum base_result pop_iiif_resolve(const struct pop_iiif *wish, const struct image_header *original, struct recipe *out,
                                  struct base_fault *fault) BASE_CHECKED;
// Appends info.json for an original; `base_url` is "https://host/iiif/3/{identifier}", `sizes` are the widths (the
// tenant's ladder) that are named as good ones where the original is large enough.
enum base_result pop_iiif_info(struct base_span base_url, const struct image_header *original, const uint32_t *sizes,
                               size_t size_count, struct base_buffer *out) BASE_CHECKED;

#endif
