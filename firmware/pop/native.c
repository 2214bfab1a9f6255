#include "pop/native.h"

#include <string.h>

#include "http/query.h"
#include "syntax.h"

enum {
  MAX_CROP_SIDE = 65535,  // beyond any original's side; what lies outside one is refused when it is known
  DPR_DECIMALS = 3,
  FOCUS_DECIMALS = 4,
};

// What the options said; rot and flip are composed when both are known.
struct options {
  struct recipe recipe;
  enum image_orientation rot, flip;
  bool has_path;  // only a URL can be signed
  int64_t expires_s;
};

struct choice {
  const char *name;
  int value;
};

static bool parse_whole(struct base_span text, uint32_t first, uint32_t last, uint32_t *out) {
  uint64_t number;
  if (!pop_syntax_whole(text, first, last, &number)) return false;
  *out = (uint32_t)number;
  return true;
}

// Four of them with commas between, the first two from first_place, the others from first_side.
static bool parse_four(struct base_span text, uint32_t first_place, uint32_t first_side, uint32_t last,
                       uint32_t out[4]) {
  for (int i = 0; i < 4; i++) {
    if (!parse_whole(base_span_cut(&text, ','), i < 2 ? first_place : first_side, last, &out[i])) return false;
  }
  return !text.data;  // no fifth
}

// "D" or "D.D": one digit before the point, 1..decimals behind it. The value in units of 10^-decimals.
static bool parse_decimal(struct base_span text, unsigned decimals, uint32_t *out) {
  if (text.bytes == 0 || text.bytes == 2 || text.bytes > decimals + 2u) return false;
  if (text.bytes > 2 && text.data[1] != '.') return false;
  uint32_t number = 0;
  unsigned digits_due = decimals + 1;
  for (size_t i = 0; i < text.bytes; i++) {
    if (i == 1) continue;
    const uint8_t digit = (uint8_t)(text.data[i] - '0');
    if (digit > 9) return false;
    number = number * 10 + digit;
    digits_due--;
  }
  while (digits_due--) number *= 10;
  *out = number;
  return true;
}

static bool parse_choice(struct base_span text, const struct choice choices[], int *out) {
  for (; choices->name; choices++) {
    if (!base_span_is(text, choices->name)) continue;
    *out = choices->value;
    return true;
  }
  return false;
}

static enum base_result refuse(struct base_fault *fault, const char *name, const char *allowed) {
  return BASE_FAIL(fault, BASE_BAD_INPUT, name, "%s must be %s", name, allowed);
}

static enum base_result parse_side(struct base_span value, const char *name, uint32_t *out, struct base_fault *fault) {
  if (parse_whole(value, 1, IMAGE_MAX_BOX_SIDE, out)) return BASE_OK;
  return BASE_FAIL(fault, BASE_BAD_INPUT, name, "%s must be a whole number from 1 to %d", name, IMAGE_MAX_BOX_SIDE);
}

static enum base_result parse_w(struct base_span value, struct options *out, struct base_fault *fault) {
  return parse_side(value, "w", &out->recipe.width, fault);
}

static enum base_result parse_h(struct base_span value, struct options *out, struct base_fault *fault) {
  return parse_side(value, "h", &out->recipe.height, fault);
}

static enum base_result parse_dpr(struct base_span value, struct options *out, struct base_fault *fault) {
  uint32_t milli;
  if (!parse_decimal(value, DPR_DECIMALS, &milli) || milli < RECIPE_DPR_MIN_MILLI || milli > RECIPE_DPR_MAX_MILLI) {
    return refuse(fault, "dpr", "a number from 0.5 to 4 with at most three decimals");
  }
  out->recipe.dpr_milli = milli;
  return BASE_OK;
}

static enum base_result parse_fit(struct base_span value, struct options *out, struct base_fault *fault) {
  static const struct choice fits[] = {{"inside", IMAGE_FIT_INSIDE},   {"cover", IMAGE_FIT_COVER},
                                       {"contain", IMAGE_FIT_CONTAIN}, {"fill", IMAGE_FIT_FILL},
                                       {"outside", IMAGE_FIT_OUTSIDE}, {NULL, 0}};
  int fit;
  if (!parse_choice(value, fits, &fit)) return refuse(fault, "fit", "inside, cover, contain, fill or outside");
  out->recipe.fit = (enum image_fit)fit;
  return BASE_OK;
}

static bool parse_focus_pair(struct base_span value, uint32_t *x, uint32_t *y) {
  const struct base_span first = base_span_cut(&value, ',');
  return parse_decimal(first, FOCUS_DECIMALS, x) && parse_decimal(value, FOCUS_DECIMALS, y) &&
         *x <= RECIPE_FOCUS_UNIT && *y <= RECIPE_FOCUS_UNIT;
}

static enum base_result parse_pos(struct base_span value, struct options *out, struct base_fault *fault) {
  enum { LOW = 0, MIDDLE = RECIPE_FOCUS_UNIT / 2, HIGH = RECIPE_FOCUS_UNIT };
  static const struct {
    const char *name;
    uint16_t x, y;
  } places[] = {
      {"center", MIDDLE, MIDDLE}, {"top", MIDDLE, LOW},       {"bottom", MIDDLE, HIGH},
      {"left", LOW, MIDDLE},      {"right", HIGH, MIDDLE},    {"top-left", LOW, LOW},
      {"top-right", HIGH, LOW},   {"bottom-left", LOW, HIGH}, {"bottom-right", HIGH, HIGH},
  };
  uint32_t x, y;
  for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
    if (!base_span_is(value, places[i].name)) continue;
    out->recipe.focus_x = places[i].x;
    out->recipe.focus_y = places[i].y;
    return BASE_OK;
  }
  if (!parse_focus_pair(value, &x, &y)) {
    return refuse(fault, "pos",
                  "center, top, bottom, left, right, top-left, top-right, bottom-left, bottom-right or x,y from 0 to 1 "
                  "with at most four decimals");
  }
  out->recipe.focus_x = (uint16_t)x;
  out->recipe.focus_y = (uint16_t)y;
  return BASE_OK;
}

static enum base_result parse_crop(struct base_span value, struct options *out, struct base_fault *fault) {
  uint32_t numbers[4];
  if (!parse_four(value, 0, 1, MAX_CROP_SIDE, numbers)) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "crop",
                     "crop must be x,y,width,height in whole pixels, at most %d each, width and height at least 1",
                     MAX_CROP_SIDE);
  }
  out->recipe.has_crop = true;
  out->recipe.crop_x = numbers[0];
  out->recipe.crop_y = numbers[1];
  out->recipe.crop_width = numbers[2];
  out->recipe.crop_height = numbers[3];
  return BASE_OK;
}

static enum base_result parse_pad(struct base_span value, struct options *out, struct base_fault *fault) {
  uint32_t numbers[4];
  if (!parse_four(value, 0, 0, RECIPE_MAX_PAD, numbers)) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "pad",
                     "pad must be top,right,bottom,left in whole CSS pixels, at most %d each", RECIPE_MAX_PAD);
  }
  out->recipe.pad_top = (uint16_t)numbers[0];
  out->recipe.pad_right = (uint16_t)numbers[1];
  out->recipe.pad_bottom = (uint16_t)numbers[2];
  out->recipe.pad_left = (uint16_t)numbers[3];
  return BASE_OK;
}

static enum base_result parse_fm(struct base_span value, struct options *out, struct base_fault *fault) {
  static const struct choice formats[] = {{"auto", RECIPE_FORMAT_AUTO}, {"webp", RECIPE_FORMAT_WEBP},
                                          {"avif", RECIPE_FORMAT_AVIF}, {"jpeg", RECIPE_FORMAT_JPEG},
                                          {"png", RECIPE_FORMAT_PNG},   {NULL, 0}};
  int format;
  struct base_span own = value;
  const struct base_span name = base_span_cut(&own, ',');
  const bool is_known =
      parse_choice(name, formats, &format) && (!own.data || (base_span_is(own, "own") && format != RECIPE_FORMAT_AUTO));
  if (!is_known)
    return refuse(fault, "fm", "auto, webp, avif, jpeg or png (with \",own\": or the original's own file)");
  out->recipe.format = (enum recipe_format)format;
  out->recipe.or_own = own.data != NULL;
  return BASE_OK;
}

static enum base_result parse_q(struct base_span value, struct options *out, struct base_fault *fault) {
  uint32_t quality;
  if (base_span_is(value, "lossless")) {
    out->recipe.lossless = true;
    return BASE_OK;
  }
  if (!parse_whole(value, 1, 100, &quality)) return refuse(fault, "q", "a whole number from 1 to 100, or lossless");
  out->recipe.quality = (uint8_t)quality;
  return BASE_OK;
}

static enum base_result parse_filter(struct base_span value, struct options *out, struct base_fault *fault) {
  static const struct choice filters[] = {{"bicubic", RECIPE_FILTER_BICUBIC},
                                          {"mitchell", RECIPE_FILTER_MITCHELL},
                                          {"lanczos3", RECIPE_FILTER_LANCZOS3},
                                          {NULL, 0}};
  int filter;
  if (!parse_choice(value, filters, &filter)) return refuse(fault, "filter", "bicubic, mitchell or lanczos3");
  out->recipe.filter = (enum recipe_filter)filter;
  return BASE_OK;
}

static enum base_result parse_bg(struct base_span value, struct options *out, struct base_fault *fault) {
  bool is_hex = value.bytes == 6;
  for (size_t i = 0; is_hex && i < value.bytes; i++) {
    const int digit = base_hex_digit(value.data[i]);
    is_hex = digit >= 0;
    if (is_hex) out->recipe.background[i / 2] = (uint8_t)(out->recipe.background[i / 2] << 4 | digit);
  }
  return is_hex ? BASE_OK : refuse(fault, "bg", "six hexadecimal digits, rrggbb");
}

static enum base_result parse_rot(struct base_span value, struct options *out, struct base_fault *fault) {
  static const struct choice turns[] = {
      {"90", IMAGE_ROTATE_90}, {"180", IMAGE_ROTATE_180}, {"270", IMAGE_ROTATE_270}, {NULL, 0}};
  int turn;
  if (!parse_choice(value, turns, &turn)) return refuse(fault, "rot", "90, 180 or 270");
  out->rot = (enum image_orientation)turn;
  return BASE_OK;
}

static enum base_result parse_flip(struct base_span value, struct options *out, struct base_fault *fault) {
  static const struct choice flips[] = {{"h", IMAGE_FLIP_H}, {"v", IMAGE_FLIP_V}, {NULL, 0}};
  int flip;
  if (!parse_choice(value, flips, &flip)) return refuse(fault, "flip", "h or v");
  out->flip = (enum image_orientation)flip;
  return BASE_OK;
}

static enum base_result parse_tone(struct base_span value, struct options *out, struct base_fault *fault) {
  if (!base_span_is(value, "grey")) return refuse(fault, "tone", "grey");
  out->recipe.grey = true;
  return BASE_OK;
}

static enum base_result refuse_without_path(const char *name, struct base_fault *fault) {
  return BASE_FAIL(fault, BASE_BAD_INPUT, name, "%s belongs to a URL, not to a recipe", name);
}

static enum base_result parse_sig(struct base_span value, struct options *out, struct base_fault *fault) {
  if (!out->has_path) return refuse_without_path("sig", fault);
  if (pop_syntax_is_signature(value)) return BASE_OK;
  return BASE_FAIL(fault, BASE_BAD_INPUT, "sig", "sig must be a signature: %d characters of base64url",
                   RECIPE_SIGNATURE_CHARS);
}

static enum base_result parse_exp(struct base_span value, struct options *out, struct base_fault *fault) {
  if (!out->has_path) return refuse_without_path("exp", fault);
  if (pop_syntax_expiry(value, &out->expires_s)) return BASE_OK;
  return refuse(fault, "exp", "Unix seconds, 1 to 10 digits");
}

static const struct option {
  const char *name;
  enum base_result (*parse)(struct base_span value, struct options *out, struct base_fault *fault);
} grammar[] = {
    {"bg", parse_bg},         {"crop", parse_crop}, {"dpr", parse_dpr},   {"exp", parse_exp},
    {"filter", parse_filter}, {"fit", parse_fit},   {"flip", parse_flip}, {"fm", parse_fm},
    {"h", parse_h},           {"pad", parse_pad},   {"pos", parse_pos},   {"q", parse_q},
    {"rot", parse_rot},       {"sig", parse_sig},   {"tone", parse_tone}, {"w", parse_w},
};
enum { OPTION_COUNT = sizeof grammar / sizeof grammar[0] };

// Index of the option, or OPTION_COUNT.
static size_t find_option(struct base_span name) {
  size_t i = 0;
  while (i < OPTION_COUNT && !base_span_is(name, grammar[i].name)) i++;
  return i;
}

static enum base_result refuse_unknown(struct base_span name, struct base_fault *fault) {
  char text[BASE_FAULT_SUBJECT_BYTES];
  const struct base_span shown = base_span_slice(name, 0, sizeof text - 1);
  if (!base_span_copy(shown, text, sizeof text)) text[0] = '\0';
  return BASE_FAIL(fault, BASE_BAD_INPUT, text, "there is no option \"%s\"", text);
}

static enum base_result parse_options(const struct http_query *query, struct options *out, struct base_fault *fault) {
  bool is_given[OPTION_COUNT] = {false};
  for (size_t i = 0; i < query->count; i++) {
    const size_t option = find_option(query->pairs[i].name);
    if (option == OPTION_COUNT) return refuse_unknown(query->pairs[i].name, fault);
    const char *name = grammar[option].name;
    if (is_given[option]) return BASE_FAIL(fault, BASE_BAD_INPUT, name, "%s is given more than once", name);
    is_given[option] = true;
    const enum base_result result = grammar[option].parse(query->pairs[i].value, out, fault);
    if (result != BASE_OK) return result;
  }
  if (out->recipe.lossless && out->recipe.format == RECIPE_FORMAT_JPEG) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "q", "q=lossless is not possible with fm=jpeg");
  }
  return BASE_OK;
}

static enum base_result parse_id(struct base_span path, struct integrity_digest *out, struct base_fault *fault) {
  static const char prefix[] = "/i/";
  BASE_ASSERT(base_span_starts_with(path, prefix));
  const struct base_span id = base_span_slice(path, sizeof prefix - 1, path.bytes);
  if (integrity_digest_parse(id, out)) return BASE_OK;
  return BASE_FAIL(fault, BASE_NOT_FOUND, "id", "an original's id is %d characters of base64url after /i/",
                   BASE_DIGEST_BASE64URL_CHARS);
}

static enum base_result parse_query(struct base_span query, bool has_path, struct recipe *out, int64_t *expires_s,
                                    struct base_fault *fault) {
  struct http_query pairs;
  struct options options = {
      .recipe = RECIPE_DEFAULT, .rot = IMAGE_UPRIGHT, .flip = IMAGE_UPRIGHT, .has_path = has_path};
  enum base_result result = http_query_parse(query, &pairs, fault);
  if (result == BASE_OK) result = parse_options(&pairs, &options, fault);
  if (result != BASE_OK) return result;
  options.recipe.turn = image_orientation_compose(options.rot, options.flip);
  *out = options.recipe;
  *expires_s = options.expires_s;
  return BASE_OK;
}

enum base_result pop_native_parse_options(struct base_span query, struct recipe *out, struct base_fault *fault) {
  int64_t expires_s;
  return parse_query(query, false, out, &expires_s, fault);
}

enum base_result pop_native_parse(struct base_span path, struct base_span query, struct pop_address *out,
                                  struct base_fault *fault) {
  struct pop_address address = {.grammar = POP_NATIVE};
  enum base_result result = parse_id(path, &address.original, fault);
  if (result == BASE_OK) result = parse_query(query, true, &address.recipe, &address.expires_s, fault);
  if (result == BASE_OK) *out = address;
  return result;
}
