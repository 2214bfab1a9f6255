// Reading IIIF URLs: syntax only. What a wish means for an original is in iiif_resolve.c.
#include "pop/iiif.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "pop/address.h"
#include "syntax.h"

enum { MAX_SEGMENT = 128, MAX_WHOLE_DIGITS = 9, DECIMALS = 6, DEGREES = 360 };

// One decoded segment of the path.
struct segment {
  uint8_t bytes[MAX_SEGMENT];
  struct base_span text;
};

struct name {
  const char *text;
  int value;
};

static const struct name *find_name(struct base_span text, const struct name *names) {
  for (; names->text; names++) {
    if (base_span_is(text, names->text)) return names;
  }
  return NULL;
}

static enum base_result decode(struct base_span raw, struct segment *out, struct pop_syntax_spelling *spelling,
                               struct base_fault *fault) {
  size_t used = 0, length;
  for (; raw.bytes > 0; raw = base_span_slice(raw, length, raw.bytes)) {
    if (used == MAX_SEGMENT) {
      return BASE_FAIL(fault, BASE_BAD_INPUT, "path", "a part of the path is over %d characters", MAX_SEGMENT);
    }
    if (!pop_syntax_decode(raw, spelling, &out->bytes[used++], &length)) {
      return BASE_FAIL(fault, BASE_BAD_INPUT, "path", "the path has a '%%' without two hexadecimal digits");
    }
  }
  out->text = base_span_of(out->bytes, used);
  return BASE_OK;
}

// True when `text` began with `mark`, which is dropped then.
static bool take(struct base_span *text, const char *mark) {
  if (!base_span_starts_with(*text, mark)) return false;
  *text = base_span_slice(*text, strlen(mark), text->bytes);
  return true;
}

// "12", "12.5" or ".5" in millionths, rounded; leading and trailing zeros are allowed, as the API has it, but noted.
static bool parse_decimal(struct base_span text, uint64_t *out, bool *has_plainer) {
  uint64_t number = 0;
  if (!pop_syntax_is_plain_decimal(text, DECIMALS)) *has_plainer = true;
  const struct base_span whole = base_span_cut(&text, '.');
  if (whole.bytes > MAX_WHOLE_DIGITS || (whole.bytes == 0 && !text.data) || (text.data && text.bytes == 0))
    return false;
  for (size_t i = 0; i < whole.bytes; i++) {
    if (whole.data[i] < '0' || whole.data[i] > '9') return false;
    number = number * 10 + (uint64_t)(whole.data[i] - '0');
  }
  for (size_t i = 0; i < DECIMALS || i < text.bytes; i++) {
    const uint8_t c = i < text.bytes ? text.data[i] : '0';
    if (c < '0' || c > '9') return false;
    if (i < DECIMALS) number = number * 10 + (uint64_t)(c - '0');
    if (i == DECIMALS && c >= '5') number++;
  }
  *out = number;
  return true;
}

static bool parse_side(struct base_span text, uint32_t *out) {
  uint64_t side;
  if (!pop_syntax_whole(text, 0, UINT32_MAX, &side)) return false;
  *out = (uint32_t)side;
  return true;
}

static enum base_result parse_region(struct base_span text, struct pop_iiif *out, struct base_fault *fault) {
  static const struct name names[] = {{"full", POP_IIIF_FULL}, {"square", POP_IIIF_SQUARE}, {NULL, 0}};
  const struct name *name = find_name(text, names);
  if (name) {
    out->region = (enum pop_iiif_region)name->value;
    return BASE_OK;
  }
  out->region = take(&text, "pct:") ? POP_IIIF_PERCENT : POP_IIIF_PIXELS;
  bool is_valid = true;
  for (int i = 0; i < 4 && is_valid; i++) {
    const struct base_span number = base_span_cut(&text, ',');
    is_valid = out->region == POP_IIIF_PERCENT ? parse_decimal(number, &out->region_at[i], &out->has_plainer)
                                               : pop_syntax_whole(number, 0, UINT32_MAX, &out->region_at[i]);
  }
  if (is_valid && !text.data) return BASE_OK;
  return BASE_FAIL(fault, BASE_BAD_INPUT, "region",
                   "region must be full, square, x,y,w,h in whole pixels or pct:x,y,w,h in percent");
}

// "w,", ",h", "w,h"
static bool parse_sides(struct base_span text, struct pop_iiif *out) {
  const struct base_span width = base_span_cut(&text, ',');
  const struct base_span height = text;
  if (!height.data || (width.bytes == 0 && height.bytes == 0)) return false;
  if (width.bytes && !parse_side(width, &out->width)) return false;
  if (height.bytes && !parse_side(height, &out->height)) return false;
  out->size = !height.bytes ? POP_IIIF_WIDTH : !width.bytes ? POP_IIIF_HEIGHT : POP_IIIF_EXACT;
  return true;
}

static enum base_result parse_size(struct base_span text, struct pop_iiif *out, struct base_fault *fault) {
  bool is_valid;
  out->may_enlarge = take(&text, "^");
  if (base_span_is(text, "max")) {
    out->size = POP_IIIF_MAX;
    is_valid = true;
  } else if (take(&text, "pct:")) {
    out->size = POP_IIIF_SCALE;
    is_valid = parse_decimal(text, &out->scale, &out->has_plainer);
  } else if (take(&text, "!")) {
    is_valid = parse_sides(text, out) && out->size == POP_IIIF_EXACT;
    out->size = POP_IIIF_WITHIN;
  } else {
    is_valid = parse_sides(text, out);
  }
  if (is_valid) return BASE_OK;
  return BASE_FAIL(fault, BASE_BAD_INPUT, "size",
                   "size must be max, w, or ,h or w,h or !w,h in whole pixels or pct:n, "
                   "with ^ in front to allow enlarging");
}

static enum base_result parse_rotation(struct base_span text, struct pop_iiif *out, struct base_fault *fault) {
  static const enum image_orientation turns[] = {IMAGE_UPRIGHT, IMAGE_ROTATE_90, IMAGE_ROTATE_180, IMAGE_ROTATE_270,
                                                 IMAGE_UPRIGHT};
  const uint64_t quarter = (uint64_t)DEGREES / 4 * POP_IIIF_UNIT;
  uint64_t angle;
  out->is_mirrored = take(&text, "!");
  if (!parse_decimal(text, &angle, &out->has_plainer) || angle > 4 * quarter) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "rotation",
                     "rotation must be degrees from 0 to 360, with ! in front to mirror");
  }
  if (angle % quarter != 0) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "rotation", "pictures are rotated by 0, 90, 180 or 270 degrees only");
  }
  out->turn = turns[angle / quarter];
  return BASE_OK;
}

static enum base_result parse_quality(struct base_span text, struct pop_iiif *out, struct base_fault *fault) {
  static const struct name names[] = {{"default", false}, {"color", false}, {"gray", true}, {NULL, 0}};
  const struct name *name = find_name(text, names);
  if (!name) return BASE_FAIL(fault, BASE_BAD_INPUT, "quality", "quality must be default, color or gray");
  out->is_grey = name->value;
  return BASE_OK;
}

static enum base_result parse_format(struct base_span text, struct pop_iiif *out, struct base_fault *fault) {
  static const struct name names[] = {
      {"jpg", RECIPE_FORMAT_JPEG}, {"png", RECIPE_FORMAT_PNG}, {"webp", RECIPE_FORMAT_WEBP}, {NULL, 0}};
  const struct name *name = find_name(text, names);
  if (!name) return BASE_FAIL(fault, BASE_BAD_INPUT, "format", "format must be jpg, png or webp");
  out->format = (enum recipe_format)name->value;
  return BASE_OK;
}

static enum base_result parse_file(struct base_span text, struct pop_iiif *out, struct base_fault *fault) {
  const struct base_span quality = base_span_cut(&text, '.');
  const enum base_result result = parse_quality(quality, out, fault);
  return result == BASE_OK ? parse_format(text, out, fault) : result;
}

// False for escapes of what is not unreserved, and for what is longer than any identifier.
static bool decode_unreserved(struct base_span raw, struct segment *out, bool *has_escapes) {
  size_t used = 0, length;
  struct pop_syntax_spelling spelling = {0};
  for (; raw.bytes > 0; raw = base_span_slice(raw, length, raw.bytes)) {
    if (used == MAX_SEGMENT || !pop_syntax_decode(raw, &spelling, &out->bytes[used], &length)) return false;
    if (length > 1 && !pop_syntax_is_unreserved(out->bytes[used])) return false;
    used++;
  }
  *has_escapes = spelling.is_odd;
  out->text = base_span_of(out->bytes, used);
  return true;
}

// "{id}" or "{id}.{exp}.{sig}"
static bool parse_identifier(struct base_span raw, struct pop_address *out) {
  struct segment decoded;
  struct pop_iiif *wish = &out->wish.iiif;
  if (!decode_unreserved(raw, &decoded, &wish->has_plainer)) return false;
  struct base_span text = decoded.text;
  if (!integrity_digest_parse(base_span_cut(&text, '.'), &out->original)) return false;
  if (!text.data) return true;
  const struct base_span expiry = base_span_cut(&text, '.');
  if (!base_span_is(expiry, "0") && !pop_syntax_expiry(expiry, &out->expires_s)) return false;
  wish->is_signed = pop_syntax_is_signature(text);
  return wish->is_signed && base_span_copy(text, wish->signature, sizeof wish->signature);
}

static enum base_result parse_image(struct base_span rest, struct pop_iiif *out, struct base_fault *fault) {
  static enum base_result (*const parsers[])(struct base_span, struct pop_iiif *, struct base_fault *) = {
      parse_region, parse_size, parse_rotation, parse_file};
  enum { SEGMENTS = sizeof parsers / sizeof parsers[0] };
  struct segment segments[SEGMENTS];
  struct pop_syntax_spelling spelling = {0};
  for (size_t i = 0; i < SEGMENTS; i++) {
    if (!rest.data) goto misshapen;
    const enum base_result result = decode(base_span_cut(&rest, '/'), &segments[i], &spelling, fault);
    if (result != BASE_OK) return result;
  }
  if (rest.data) goto misshapen;
  if (pop_syntax_has_plainer(&spelling)) out->has_plainer = true;
  for (size_t i = 0; i < SEGMENTS; i++) {
    const enum base_result result = parsers[i](segments[i].text, out, fault);
    if (result != BASE_OK) return result;
  }
  return BASE_OK;

misshapen:
  return BASE_FAIL(fault, BASE_BAD_INPUT, "path",
                   "behind the identifier come /info.json or /{region}/{size}/{rotation}/{quality}.{format}");
}

enum base_result pop_iiif_parse(struct base_span path, struct pop_address *out, struct base_fault *fault) {
  struct pop_address address = {.grammar = POP_IIIF, .recipe = RECIPE_DEFAULT};
  struct pop_iiif *wish = &address.wish.iiif;
  enum base_result result = BASE_OK;
  wish->turn = IMAGE_UPRIGHT;
  if (!take(&path, "/iiif/3/")) {
    return BASE_FAIL(fault, BASE_NOT_FOUND, "path", "pictures are below /iiif/3/, as the IIIF Image API 3.0 has them");
  }
  if (!parse_identifier(base_span_cut(&path, '/'), &address)) {
    return BASE_FAIL(fault, BASE_NOT_FOUND, "identifier",
                     "an identifier is an original's id, %d characters of base64url, or {id}.{exp}.{sig}",
                     BASE_DIGEST_BASE64URL_CHARS);
  }
  if (!path.data) {
    wish->kind = POP_IIIF_BASE;
  } else if (base_span_is(path, "info.json")) {
    wish->kind = POP_IIIF_INFO;
  } else {
    wish->kind = POP_IIIF_IMAGE;
    result = parse_image(path, wish, fault);
  }
  if (result == BASE_OK) *out = address;
  return result;
}

void pop_iiif_identifier(const struct pop_address *address, char out[POP_IIIF_IDENTIFIER_CHARS + 1]) {
  const struct pop_iiif *wish = &address->wish.iiif;
  integrity_digest_text(&address->original, out);
  if (!wish->is_signed) return;
  (void)snprintf(out + BASE_DIGEST_BASE64URL_CHARS, POP_IIIF_IDENTIFIER_CHARS + 1 - BASE_DIGEST_BASE64URL_CHARS,
                 ".%" PRId64 ".%s", address->expires_s, wish->signature);
}
