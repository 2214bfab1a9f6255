#include "imgproxy_options.h"

#include <string.h>

#include "syntax.h"

enum {
  MAX_ARGUMENTS = 8,
  MICRO = POP_IMGPROXY_UNIT,
  MAX_NUMBER = POP_IMGPROXY_MAX_SIDE,
  MAX_DPR_MICRO = 8 * MICRO,
  FULL_TURN = 360,
};

// The arguments behind an option's name; an empty one says nothing.
struct arguments {
  const char *option;  // its long name, for faults
  size_t count;
  struct base_span words[MAX_ARGUMENTS];
};

static struct base_span word(const struct arguments *arguments, size_t index) {
  return index < arguments->count ? arguments->words[index] : (struct base_span){NULL, 0};
}

static enum base_result refuse(const struct arguments *arguments, const char *allowed, struct base_fault *fault) {
  return BASE_FAIL(fault, BASE_BAD_INPUT, arguments->option, "%s must be %s", arguments->option, allowed);
}

// --- values ---

// "-12.5" in millionths; finer digits are dropped. False for what is no number or over MAX_NUMBER.
static bool parse_micro(struct base_span text, int64_t *out) {
  const bool is_negative = text.bytes > 0 && text.data[0] == '-';
  int64_t value = 0, weight = MICRO;
  size_t at = is_negative ? 1 : 0;
  const size_t first = at;
  for (; at < text.bytes && text.data[at] != '.'; at++) {
    const uint8_t digit = (uint8_t)(text.data[at] - '0');
    if (digit > 9) return false;
    value = value * 10 + digit;
    if (value > MAX_NUMBER) return false;
  }
  if (at == first && at == text.bytes) return false;
  value *= MICRO;
  if (at < text.bytes && at + 1 == text.bytes) return false;  // a point with nothing behind it
  for (at++; at < text.bytes; at++) {
    const uint8_t digit = (uint8_t)(text.data[at] - '0');
    if (digit > 9) return false;
    weight /= 10;
    value += weight * digit;
  }
  *out = is_negative ? -value : value;
  return true;
}

static bool parse_whole(struct base_span text, uint32_t last, uint32_t *out) {
  uint64_t number;
  if (!base_span_to_u64(text, &number) || number > last) return false;
  *out = (uint32_t)number;
  return true;
}

static bool parse_length(struct base_span text, struct pop_imgproxy_length *out) {
  int64_t micro;
  if (!parse_micro(text, &micro)) return false;
  const bool is_share = micro > -MICRO && micro < MICRO;
  const int64_t half = micro < 0 ? -MICRO / 2 : MICRO / 2;
  *out = (struct pop_imgproxy_length){.pixels = is_share ? 0 : (int32_t)((micro + half) / MICRO),
                                      .share = is_share ? (int32_t)micro : 0};
  return true;
}

static enum base_result take_flag(const struct arguments *arguments, size_t index, bool *out,
                                  struct base_fault *fault) {
  const struct base_span text = word(arguments, index);
  if (text.bytes == 0) return BASE_OK;
  const bool is_on = base_span_is(text, "1") || base_span_is(text, "t") || base_span_is(text, "true");
  if (!is_on && !base_span_is(text, "0") && !base_span_is(text, "f") && !base_span_is(text, "false")) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, arguments->option, "a switch of %s must be 1, t, true, 0, f or false",
                     arguments->option);
  }
  *out = is_on;
  return BASE_OK;
}

static enum base_result take_side(const struct arguments *arguments, size_t index, uint32_t *out,
                                  struct base_fault *fault) {
  const struct base_span text = word(arguments, index);
  if (text.bytes == 0 || parse_whole(text, MAX_NUMBER, out)) return BASE_OK;
  return BASE_FAIL(fault, BASE_BAD_INPUT, arguments->option, "a side in %s must be a whole number from 0 to %d",
                   arguments->option, MAX_NUMBER);
}

static enum base_result take_type(const struct arguments *arguments, size_t index, enum pop_imgproxy_type *out,
                                  struct base_fault *fault) {
  static const char *const names[] = {[POP_IMGPROXY_FIT] = "fit",
                                      [POP_IMGPROXY_FILL] = "fill",
                                      [POP_IMGPROXY_FILL_DOWN] = "fill-down",
                                      [POP_IMGPROXY_FORCE] = "force",
                                      [POP_IMGPROXY_AUTO] = "auto"};
  const struct base_span text = word(arguments, index);
  if (text.bytes == 0) return BASE_OK;
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (!base_span_is(text, names[i])) continue;
    *out = (enum pop_imgproxy_type)i;
    return BASE_OK;
  }
  return BASE_FAIL(fault, BASE_BAD_INPUT, arguments->option,
                   "the type in %s must be fit, fill, fill-down, force or auto", arguments->option);
}

// --- gravity ---

static bool parse_focus(const struct arguments *arguments, size_t from, struct pop_imgproxy_gravity *out) {
  int64_t x, y;
  if (!parse_micro(word(arguments, from), &x) || !parse_micro(word(arguments, from + 1), &y)) return false;
  if (x < 0 || x > MICRO || y < 0 || y > MICRO) return false;
  out->is_focus = true;
  out->focus_x = (uint16_t)((x * RECIPE_FOCUS_UNIT + MICRO / 2) / MICRO);
  out->focus_y = (uint16_t)((y * RECIPE_FOCUS_UNIT + MICRO / 2) / MICRO);
  return true;
}

static bool parse_offset(struct base_span text, struct pop_imgproxy_length *out) {
  return text.bytes == 0 || parse_length(text, out);
}

// "type:x:y" from that argument on to the last one.
static enum base_result take_gravity(const struct arguments *arguments, size_t from, struct pop_imgproxy_gravity *out,
                                     struct base_fault *fault) {
  static const struct {
    const char *name;
    int8_t x, y;
  } points[] = {
      {"ce", 0, 0},     {"no", 0, -1},  {"so", 0, 1},    {"ea", 1, 0}, {"we", -1, 0}, {"noea", 1, -1},
      {"nowe", -1, -1}, {"soea", 1, 1}, {"sowe", -1, 1}, {"sm", 0, 0},  // nothing looks for what is interesting: the
                                                                        // middle
  };
  const struct base_span name = word(arguments, from);
  struct pop_imgproxy_gravity gravity = {.is_given = true};
  if (name.bytes == 0) return BASE_OK;
  if (base_span_is(name, "fp") && parse_focus(arguments, from + 1, &gravity)) {
    *out = gravity;
    return BASE_OK;
  }
  for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
    if (!base_span_is(name, points[i].name)) continue;
    gravity.x = points[i].x;
    gravity.y = points[i].y;
    if (!parse_offset(word(arguments, from + 1), &gravity.offset_x) ||
        !parse_offset(word(arguments, from + 2), &gravity.offset_y)) {
      break;
    }
    *out = gravity;
    return BASE_OK;
  }
  return BASE_FAIL(fault, BASE_BAD_INPUT, arguments->option,
                   "the gravity in %s must be ce, no, so, ea, we, noea, nowe, soea or sowe with offsets, fp:x:y with "
                   "numbers from 0 to 1, or sm",
                   arguments->option);
}

// --- options ---

static enum base_result read_width(const struct arguments *arguments, struct pop_address *out,
                                   struct base_fault *fault) {
  return take_side(arguments, 0, &out->wish.imgproxy.width, fault);
}

static enum base_result read_height(const struct arguments *arguments, struct pop_address *out,
                                    struct base_fault *fault) {
  return take_side(arguments, 0, &out->wish.imgproxy.height, fault);
}

static enum base_result read_type(const struct arguments *arguments, struct pop_address *out,
                                  struct base_fault *fault) {
  return take_type(arguments, 0, &out->wish.imgproxy.type, fault);
}

static enum base_result read_enlarge(const struct arguments *arguments, struct pop_address *out,
                                     struct base_fault *fault) {
  return take_flag(arguments, 0, &out->wish.imgproxy.may_enlarge, fault);
}

// "extend:gravity", from that argument on.
static enum base_result take_extend(const struct arguments *arguments, size_t from, struct pop_imgproxy *wish,
                                    struct base_fault *fault) {
  const enum base_result result = take_flag(arguments, from, &wish->extends, fault);
  return result == BASE_OK ? take_gravity(arguments, from + 1, &wish->extend_gravity, fault) : result;
}

static enum base_result read_extend(const struct arguments *arguments, struct pop_address *out,
                                    struct base_fault *fault) {
  return take_extend(arguments, 0, &out->wish.imgproxy, fault);
}

// "width:height:enlarge:extend", from that argument on.
static enum base_result take_size(const struct arguments *arguments, size_t from, struct pop_imgproxy *wish,
                                  struct base_fault *fault) {
  enum base_result result = take_side(arguments, from, &wish->width, fault);
  if (result == BASE_OK) result = take_side(arguments, from + 1, &wish->height, fault);
  if (result == BASE_OK) result = take_flag(arguments, from + 2, &wish->may_enlarge, fault);
  return result == BASE_OK ? take_extend(arguments, from + 3, wish, fault) : result;
}

static enum base_result read_size(const struct arguments *arguments, struct pop_address *out,
                                  struct base_fault *fault) {
  return take_size(arguments, 0, &out->wish.imgproxy, fault);
}

static enum base_result read_resize(const struct arguments *arguments, struct pop_address *out,
                                    struct base_fault *fault) {
  const enum base_result result = take_type(arguments, 0, &out->wish.imgproxy.type, fault);
  return result == BASE_OK ? take_size(arguments, 1, &out->wish.imgproxy, fault) : result;
}

static enum base_result read_gravity(const struct arguments *arguments, struct pop_address *out,
                                     struct base_fault *fault) {
  return take_gravity(arguments, 0, &out->wish.imgproxy.gravity, fault);
}

static enum base_result take_crop_side(const struct arguments *arguments, size_t index, struct pop_imgproxy_length *out,
                                       struct base_fault *fault) {
  const struct base_span text = word(arguments, index);
  if (text.bytes == 0) return BASE_OK;
  if (parse_length(text, out) && out->pixels >= 0 && out->share >= 0) return BASE_OK;
  return refuse(arguments, "width and height in pixels, or below 1 as a share of the picture", fault);
}

static enum base_result read_crop(const struct arguments *arguments, struct pop_address *out,
                                  struct base_fault *fault) {
  struct pop_imgproxy *wish = &out->wish.imgproxy;
  enum base_result result = take_crop_side(arguments, 0, &wish->crop_width, fault);
  if (result == BASE_OK) result = take_crop_side(arguments, 1, &wish->crop_height, fault);
  return result == BASE_OK ? take_gravity(arguments, 2, &wish->crop_gravity, fault) : result;
}

// As in CSS: what is not given follows the opposite side, or the top.
static enum base_result read_padding(const struct arguments *arguments, struct pop_address *out,
                                     struct base_fault *fault) {
  static const struct {
    uint8_t sets[4];
    uint8_t count;
  } sides[4] = {{{0, 1, 2, 3}, 4}, {{1, 3}, 2}, {{2}, 1}, {{3}, 1}};
  for (size_t i = 0; i < arguments->count; i++) {
    uint32_t pixels;
    if (arguments->words[i].bytes == 0) continue;
    if (!parse_whole(arguments->words[i], RECIPE_MAX_PAD, &pixels)) {
      return BASE_FAIL(fault, BASE_BAD_INPUT, "padding", "padding must be whole numbers from 0 to %d", RECIPE_MAX_PAD);
    }
    for (size_t j = 0; j < sides[i].count; j++) out->wish.imgproxy.pad[sides[i].sets[j]] = (uint16_t)pixels;
  }
  return BASE_OK;
}

// "rrggbb" or "rgb".
static bool parse_hex_colour(struct base_span text, uint8_t out[3]) {
  const size_t digits = text.bytes / 3;
  if (text.bytes != 3 && text.bytes != 6) return false;
  for (size_t i = 0; i < 3; i++) {
    const int high = base_hex_digit(text.data[i * digits]), low = base_hex_digit(text.data[i * digits + digits - 1]);
    if (high < 0 || low < 0) return false;
    out[i] = (uint8_t)(high << 4 | low);
  }
  return true;
}

static enum base_result read_background(const struct arguments *arguments, struct pop_address *out,
                                        struct base_fault *fault) {
  struct pop_imgproxy *wish = &out->wish.imgproxy;
  bool is_colour = arguments->count == 3;
  if (arguments->count == 1 && arguments->words[0].bytes == 0) {  // none
    wish->has_background = false;
    return BASE_OK;
  }
  if (arguments->count == 1) is_colour = parse_hex_colour(arguments->words[0], wish->background);
  for (size_t i = 0; is_colour && arguments->count == 3 && i < 3; i++) {
    uint32_t channel = 0;
    is_colour = parse_whole(arguments->words[i], UINT8_MAX, &channel);
    wish->background[i] = (uint8_t)channel;
  }
  wish->has_background = is_colour;
  return is_colour ? BASE_OK : refuse(arguments, "red:green:blue from 0 to 255 each, or hexadecimal digits", fault);
}

static enum base_result read_quality(const struct arguments *arguments, struct pop_address *out,
                                     struct base_fault *fault) {
  uint32_t quality = out->wish.imgproxy.quality;
  const struct base_span text = word(arguments, 0);
  if (text.bytes > 0 && !parse_whole(text, 100, &quality)) {
    return refuse(arguments, "a whole number from 1 to 100, or 0 for the usual one", fault);
  }
  out->wish.imgproxy.quality = (uint8_t)quality;
  return BASE_OK;
}

enum base_result pop_imgproxy_read_format(struct base_span text, enum recipe_format *out, const char *name,
                                          struct base_fault *fault) {
  static const struct {
    const char *name;
    enum recipe_format format;
  } formats[] = {{"webp", RECIPE_FORMAT_WEBP},
                 {"avif", RECIPE_FORMAT_AVIF},
                 {"jpg", RECIPE_FORMAT_JPEG},
                 {"jpeg", RECIPE_FORMAT_JPEG},
                 {"png", RECIPE_FORMAT_PNG}};
  for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
    if (!base_span_is(text, formats[i].name)) continue;
    *out = formats[i].format;
    return BASE_OK;
  }
  return BASE_FAIL(fault, BASE_BAD_INPUT, name, "the %s must be webp, avif, jpg, jpeg or png", name);
}

static enum base_result read_format(const struct arguments *arguments, struct pop_address *out,
                                    struct base_fault *fault) {
  const struct base_span text = word(arguments, 0);
  if (text.bytes == 0) return BASE_OK;
  return pop_imgproxy_read_format(text, &out->wish.imgproxy.format, "format", fault);
}

static enum base_result read_dpr(const struct arguments *arguments, struct pop_address *out, struct base_fault *fault) {
  int64_t micro;
  const struct base_span text = word(arguments, 0);
  if (text.bytes == 0) return BASE_OK;
  if (!parse_micro(text, &micro) || micro < MICRO / 1000 || micro > MAX_DPR_MICRO) {
    return refuse(arguments, "a number above 0 and up to 8", fault);
  }
  out->wish.imgproxy.dpr_milli = (uint32_t)((micro + 500) / 1000);
  return BASE_OK;
}

static enum base_result read_rotate(const struct arguments *arguments, struct pop_address *out,
                                    struct base_fault *fault) {
  static const enum image_orientation turns[] = {IMAGE_UPRIGHT, IMAGE_ROTATE_90, IMAGE_ROTATE_180, IMAGE_ROTATE_270};
  uint32_t degrees;
  const struct base_span text = word(arguments, 0);
  if (text.bytes == 0) return BASE_OK;
  if (!parse_whole(text, MAX_NUMBER, &degrees) || degrees % 90 != 0) {
    return refuse(arguments, "a multiple of 90 degrees", fault);
  }
  out->wish.imgproxy.turn = turns[degrees % FULL_TURN / 90];
  return BASE_OK;
}

static enum base_result read_auto_rotate(const struct arguments *arguments, struct pop_address *out,
                                         struct base_fault *fault) {
  bool is_on = true;
  (void)out;
  const enum base_result result = take_flag(arguments, 0, &is_on, fault);
  if (result != BASE_OK || is_on) return result;
  return BASE_FAIL(fault, BASE_BAD_INPUT, "auto_rotate",
                   "auto_rotate can not be turned off: pictures always stand "
                   "upright");
}

// Metadata never goes out, whatever is asked for.
static enum base_result read_strip_metadata(const struct arguments *arguments, struct pop_address *out,
                                            struct base_fault *fault) {
  bool is_on;
  (void)out;
  return take_flag(arguments, 0, &is_on, fault);
}

static enum base_result read_expires(const struct arguments *arguments, struct pop_address *out,
                                     struct base_fault *fault) {
  uint64_t seconds;
  const struct base_span text = word(arguments, 0);
  if (!base_span_to_u64(text, &seconds) || seconds == 0 || seconds > INT64_MAX) {
    return refuse(arguments, "a Unix time in seconds", fault);
  }
  out->expires_s = (int64_t)seconds;
  return BASE_OK;
}

static enum base_result read_cachebuster(const struct arguments *arguments, struct pop_address *out,
                                         struct base_fault *fault) {
  (void)arguments, (void)fault;
  out->wish.imgproxy.has_cachebuster = true;
  return BASE_OK;
}

static const struct option {
  const char *name, *letters, *other;  // long, short, another short one
  size_t most_arguments;
  enum base_result (*read)(const struct arguments *arguments, struct pop_address *out, struct base_fault *fault);
} grammar[] = {
    // The first two say what the next five do, one after the other (bits_of).
    {"resize", "rs", NULL, 8, read_resize},
    {"size", "s", NULL, 7, read_size},
    {"resizing_type", "rt", NULL, 1, read_type},
    {"width", "w", NULL, 1, read_width},
    {"height", "h", NULL, 1, read_height},
    {"enlarge", "el", NULL, 1, read_enlarge},
    {"extend", "ex", NULL, 4, read_extend},
    {"gravity", "g", NULL, 3, read_gravity},
    {"crop", "c", NULL, 5, read_crop},
    {"padding", "pd", NULL, 4, read_padding},
    {"background", "bg", NULL, 3, read_background},
    {"quality", "q", NULL, 1, read_quality},
    {"format", "f", "ext", 1, read_format},
    {"dpr", "dpr", NULL, 1, read_dpr},
    {"rotate", "rot", NULL, 1, read_rotate},
    {"auto_rotate", "ar", NULL, 1, read_auto_rotate},
    {"strip_metadata", "sm", NULL, 1, read_strip_metadata},
    {"expires", "exp", NULL, 1, read_expires},
    {"cachebuster", "cb", NULL, 1, read_cachebuster},
};

static const struct option *find_option(struct base_span name) {
  for (size_t i = 0; i < sizeof grammar / sizeof grammar[0]; i++) {
    const struct option *option = &grammar[i];
    if (base_span_is(name, option->name) || base_span_is(name, option->letters) ||
        (option->other && base_span_is(name, option->other))) {
      return option;
    }
  }
  return NULL;
}

// The name as it came, cut, with everything odd made visible: it goes into a log and a reply.
static enum base_result refuse_unknown(struct base_span name, struct base_fault *fault) {
  enum { MAX_SHOWN = 32 };
  char shown[MAX_SHOWN + 1];
  size_t used = 0;
  for (; used < name.bytes && used < MAX_SHOWN; used++) {
    const uint8_t c = name.data[used];
    shown[used] = c > ' ' && c < 0x7f && c != '"' && c != '\\' ? (char)c : '?';
  }
  shown[used] = '\0';
  return BASE_FAIL(fault, BASE_BAD_INPUT, shown, "there is no option \"%s\" here; see imgproxy's options in the manual",
                   shown);
}

// --- spelling ---

enum { METAS = 2, META_PARTS = 5, DPR_DECIMALS = 3, DECIMALS = 6 };

// What the arguments say, as bits: of options that say several things those that are given.
static uint32_t bits_of(const struct option *option, const struct arguments *arguments) {
  const size_t index = (size_t)(option - grammar);
  uint32_t bits = 0;
  if (index >= METAS) return UINT32_C(1) << (index - METAS);
  for (size_t i = 0; i < arguments->count; i++) {
    const size_t part = index + i < META_PARTS ? index + i : META_PARTS - 1;
    if (arguments->words[i].bytes) bits |= UINT32_C(1) << part;
  }
  return bits;
}

// True also for what is no number.
static bool is_plain_number(struct base_span text, unsigned decimals) {
  const bool is_negative = text.bytes > 0 && text.data[0] == '-';
  if (is_negative) text = base_span_slice(text, 1, text.bytes);
  for (size_t i = 0; i < text.bytes; i++) {
    if (text.data[i] != '.' && (text.data[i] < '0' || text.data[i] > '9')) return true;
  }
  if (text.bytes == 0) return true;
  return pop_syntax_is_plain_decimal(text, decimals) && !(is_negative && base_span_is(text, "0"));
}

static bool is_plain(const struct option *option, const struct arguments *arguments) {
  // The words of these are no numbers, or mean something when they are empty.
  if (option->read == read_background || option->read == read_cachebuster) return true;
  for (size_t i = 0; i < arguments->count; i++) {
    if (!is_plain_number(arguments->words[i], option->read == read_dpr ? DPR_DECIMALS : DECIMALS)) return false;
  }
  return arguments->count > 0 && arguments->words[arguments->count - 1].bytes > 0;
}

enum base_result pop_imgproxy_read_option(struct base_span text, uint32_t *given, struct pop_address *out,
                                          struct base_fault *fault) {
  struct arguments arguments = {0};
  const struct base_span name = base_span_cut(&text, ':');
  const struct option *option = find_option(name);
  if (!option) return refuse_unknown(name, fault);
  arguments.option = option->name;
  while (text.data) {
    const struct base_span next = base_span_cut(&text, ':');
    if (arguments.count == option->most_arguments) {
      return BASE_FAIL(fault, BASE_BAD_INPUT, option->name, "%s has at most %zu arguments", option->name,
                       option->most_arguments);
    }
    arguments.words[arguments.count++] = next;
  }
  const uint32_t bits = bits_of(option, &arguments);
  if (*given & bits || !is_plain(option, &arguments)) out->wish.imgproxy.has_plainer = true;
  *given |= bits;
  return option->read(&arguments, out, fault);
}
