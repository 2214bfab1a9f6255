// The canonical text of a recipe. Written by hand, without printf: it is made for every request.
#include "recipe/recipe.h"

#include <string.h>

enum { MILLI = 1000, MAX_DIGITS = 10 };

// The longest text is well under RECIPE_TEXT_BYTES; running over is our bug.
struct writer {
  char *start, *at, *end;
};

static void put_char(struct writer *writer, char c) {
  BASE_ASSERT(writer->at < writer->end);
  *writer->at++ = c;
}

static void put_text(struct writer *writer, const char *text) {
  const size_t length = strlen(text);
  BASE_ASSERT((size_t)(writer->end - writer->at) >= length);
  memcpy(writer->at, text, length);
  writer->at += length;
}

static void put_number(struct writer *writer, uint32_t number) {
  char digits[MAX_DIGITS];
  size_t count = 0;
  do digits[count++] = (char)('0' + number % 10);
  while (number /= 10);
  while (count) put_char(writer, digits[--count]);
}

// value / unit with as few digits as say it exactly; unit is a power of ten.
static void put_decimal(struct writer *writer, uint32_t value, uint32_t unit) {
  put_number(writer, value / unit);
  uint32_t rest = value % unit;
  if (!rest) return;
  put_char(writer, '.');
  while (rest) {
    unit /= 10;
    put_char(writer, (char)('0' + rest / unit));
    rest %= unit;
  }
}

static void put_name(struct writer *writer, const char *name) {
  if (writer->at != writer->start) put_char(writer, '&');
  put_text(writer, name);
  put_char(writer, '=');
}

static void put_choice(struct writer *writer, const char *name, const char *value) {
  put_name(writer, name);
  put_text(writer, value);
}

static void put_background(struct writer *writer, const uint8_t background[3]) {
  static const char digits[] = "0123456789abcdef";
  if (memcmp(background, RECIPE_DEFAULT.background, 3) == 0) return;
  put_name(writer, "bg");
  for (int i = 0; i < 3; i++) {
    put_char(writer, digits[background[i] >> 4]);
    put_char(writer, digits[background[i] & 15]);
  }
}

static void put_list(struct writer *writer, const char *name, const uint32_t numbers[4]) {
  put_name(writer, name);
  for (int i = 0; i < 4; i++) {
    if (i > 0) put_char(writer, ',');
    put_number(writer, numbers[i]);
  }
}

static void put_crop(struct writer *writer, const struct recipe *recipe) {
  const uint32_t crop[] = {recipe->crop_x, recipe->crop_y, recipe->crop_width, recipe->crop_height};
  if (recipe->has_crop) put_list(writer, "crop", crop);
}

static void put_pads(struct writer *writer, const struct recipe *recipe) {
  const uint32_t pads[] = {recipe->pad_top, recipe->pad_right, recipe->pad_bottom, recipe->pad_left};
  if (pads[0] || pads[1] || pads[2] || pads[3]) put_list(writer, "pad", pads);
}

static void put_focus(struct writer *writer, const struct recipe *recipe) {
  if (recipe->focus_x == RECIPE_DEFAULT.focus_x && recipe->focus_y == RECIPE_DEFAULT.focus_y) return;
  put_name(writer, "pos");
  put_decimal(writer, recipe->focus_x, RECIPE_FOCUS_UNIT);
  put_char(writer, ',');
  put_decimal(writer, recipe->focus_y, RECIPE_FOCUS_UNIT);
}

static void put_quality(struct writer *writer, const struct recipe *recipe) {
  if (recipe->lossless) {
    put_choice(writer, "q", "lossless");
  } else if (recipe->quality) {
    put_name(writer, "q");
    put_number(writer, recipe->quality);
  }
}

static void put_side(struct writer *writer, const char *name, uint32_t side) {
  if (!side) return;
  put_name(writer, name);
  put_number(writer, side);
}

// The eight turns as rot first, then flip.
static const struct {
  const char *flip, *rot;
} turns[] = {
    [IMAGE_UPRIGHT] = {NULL, NULL},    [IMAGE_FLIP_H] = {"h", NULL},       [IMAGE_ROTATE_180] = {NULL, "180"},
    [IMAGE_FLIP_V] = {"v", NULL},      [IMAGE_TRANSPOSE] = {"h", "90"},    [IMAGE_ROTATE_90] = {NULL, "90"},
    [IMAGE_TRANSVERSE] = {"h", "270"}, [IMAGE_ROTATE_270] = {NULL, "270"},
};

void recipe_text(const struct recipe *recipe, char out[RECIPE_TEXT_BYTES]) {
  struct writer writer = {.start = out, .at = out, .end = out + RECIPE_TEXT_BYTES - 1};
  BASE_ASSERT(recipe->turn >= IMAGE_UPRIGHT && recipe->turn <= IMAGE_ROTATE_270);
  put_background(&writer, recipe->background);
  put_crop(&writer, recipe);
  if (recipe->dpr_milli) {
    put_name(&writer, "dpr");
    put_decimal(&writer, recipe->dpr_milli, MILLI);
  }
  if (recipe->filter != RECIPE_FILTER_BICUBIC) put_choice(&writer, "filter", recipe_filter_name(recipe->filter));
  if (recipe->fit != IMAGE_FIT_INSIDE) put_choice(&writer, "fit", recipe_fit_name(recipe->fit));
  if (turns[recipe->turn].flip) put_choice(&writer, "flip", turns[recipe->turn].flip);
  if (recipe->format != RECIPE_FORMAT_AUTO) {
    put_choice(&writer, "fm", recipe_format_name(recipe->format));
    if (recipe->or_own) put_text(&writer, ",own");
  }
  put_side(&writer, "h", recipe->height);
  put_pads(&writer, recipe);
  put_focus(&writer, recipe);
  put_quality(&writer, recipe);
  if (turns[recipe->turn].rot) put_choice(&writer, "rot", turns[recipe->turn].rot);
  if (recipe->grey) put_choice(&writer, "tone", "grey");
  put_side(&writer, "w", recipe->width);
  *writer.at = '\0';
}
