// The native grammar as tables: what it takes and means, what it refuses and names; and that canonical text comes back.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pop/native.h"

#define ID "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"
#define PATH "/i/" ID

static enum base_result parse(const char *query, struct pop_address *out, struct base_fault *fault) {
  return pop_native_parse(base_span_text(PATH), base_span_text(query), out, fault);
}

static void takes_what_the_table_allows(void **state) {
  (void)state;
  // The canonical text shows what was understood.
  static const struct {
    const char *query, *text;
  } cases[] = {
      {"", ""},
      {"w=1", "w=1"},
      {"w=8192&h=8192", "h=8192&w=8192"},
      {"%77=%34%30%30", "w=400"},
      {"dpr=0.5", "dpr=0.5"},
      {"dpr=4.000", "dpr=4"},
      {"dpr=1.333", "dpr=1.333"},
      {"q=1", "q=1"},
      {"q=100", "q=100"},
      {"q=lossless", "q=lossless"},
      {"q=lossless&fm=webp", "fm=webp&q=lossless"},
      {"q=lossless&fm=png", "fm=png&q=lossless"},
      {"fm=auto", ""},
      {"fm=jpeg", "fm=jpeg"},
      {"fm=avif", "fm=avif"},
      {"fm=webp,own", "fm=webp,own"},
      {"pad=0,0,0,0", ""},
      {"pad=1,2,3,4096&bg=000000", "bg=000000&pad=1,2,3,4096"},
      {"tone=grey", "tone=grey"},
      {"exp=1893456000&w=5&sig=qnTdXnr0d8_jBVzhcEntXVWZeiYeIvtF2pqIHnohP0E", "w=5"},
      {"fit=inside", ""},
      {"fit=cover", "fit=cover"},
      {"fit=contain", "fit=contain"},
      {"fit=fill", "fit=fill"},
      {"fit=outside", "fit=outside"},
      {"filter=bicubic", ""},
      {"filter=mitchell", "filter=mitchell"},
      {"filter=lanczos3", "filter=lanczos3"},
      {"bg=FFFFFF", ""},
      {"bg=0aBcDe", "bg=0abcde"},
      {"pos=center", ""},
      {"pos=0.5,0.5000", ""},
      {"pos=top", "pos=0.5,0"},
      {"pos=bottom", "pos=0.5,1"},
      {"pos=left", "pos=0,0.5"},
      {"pos=right", "pos=1,0.5"},
      {"pos=top-left", "pos=0,0"},
      {"pos=top-right", "pos=1,0"},
      {"pos=bottom-left", "pos=0,1"},
      {"pos=bottom-right", "pos=1,1"},
      {"pos=0.3333,1.0", "pos=0.3333,1"},
      {"pos=0.3333%2C1.0", "pos=0.3333,1"},
      {"crop=0,0,1,1", "crop=0,0,1,1"},
      {"crop=10,20,65535,400", "crop=10,20,65535,400"},
      {"rot=90", "rot=90"},
      {"rot=180&flip=v", "flip=h"},
      {"flip=v&rot=90", "flip=h&rot=270"},
      {"flip=h", "flip=h"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct pop_address address;
    struct base_fault fault = {0};
    char text[RECIPE_TEXT_BYTES];
    if (parse(cases[i].query, &address, &fault) != BASE_OK) fail_msg("%s: %s", cases[i].query, fault.text);
    recipe_text(&address.recipe, text);
    assert_string_equal(text, cases[i].text);
  }
}

static void refuses_and_names_the_option_when_a_rule_is_broken(void **state) {
  (void)state;
  static const struct {
    const char *query, *subject;
  } cases[] = {
      {"w=0", "w"},
      {"w=8193", "w"},
      {"w=99999", "w"},
      {"w=%2B5", "w"},
      {"w=+5", "w"},
      {"w=05", "w"},
      {"w=", "w"},
      {"w=5.0", "w"},
      {"w=-1", "w"},
      {"h=0", "h"},
      {"h=1e3", "h"},
      {"w=18446744073709551617", "w"},
      {"dpr=0.49", "dpr"},
      {"dpr=0.499", "dpr"},
      {"dpr=4.001", "dpr"},
      {"dpr=1.0000", "dpr"},
      {"dpr=01", "dpr"},
      {"dpr=.5", "dpr"},
      {"dpr=1.", "dpr"},
      {"dpr=1,5", "dpr"},
      {"dpr=", "dpr"},
      {"dpr=10", "dpr"},
      {"dpr=1.5.", "dpr"},
      {"q=0", "q"},
      {"q=101", "q"},
      {"q=Lossless", "q"},
      {"q=080", "q"},
      {"q=lossless&fm=jpeg", "q"},
      {"fm=jpeg&q=lossless", "q"},
      {"fm=jpg", "fm"},
      {"fm=auto,own", "fm"},
      {"fm=webp,", "fm"},
      {"fm=webp,own,own", "fm"},
      {"fm=,own", "fm"},
      {"fm=", "fm"},
      {"fit=bogus", "fit"},
      {"fit=Cover", "fit"},
      {"filter=box", "filter"},
      {"bg=fff", "bg"},
      {"bg=gggggg", "bg"},
      {"bg=ffffff0", "bg"},
      {"bg=", "bg"},
      {"pos=middle", "pos"},
      {"pos=0.5", "pos"},
      {"pos=0.5,", "pos"},
      {"pos=,0.5", "pos"},
      {"pos=1.1,0", "pos"},
      {"pos=0,1.0001", "pos"},
      {"pos=0,0.00001", "pos"},
      {"pos=0,0,0", "pos"},
      {"pos=2,0", "pos"},
      {"crop=1,2,3", "crop"},
      {"crop=1,2,3,4,5", "crop"},
      {"crop=1,2,3,4,", "crop"},
      {"crop=0,0,0,1", "crop"},
      {"crop=0,0,1,0", "crop"},
      {"crop=-1,0,1,1", "crop"},
      {"crop=01,0,1,1", "crop"},
      {"crop=65536,0,1,1", "crop"},
      {"crop=", "crop"},
      {"rot=0", "rot"},
      {"rot=45", "rot"},
      {"rot=360", "rot"},
      {"flip=hv", "flip"},
      {"flip=", "flip"},
      {"pad=1,2,3", "pad"},
      {"pad=1,2,3,4,5", "pad"},
      {"pad=4097,0,0,0", "pad"},
      {"pad=0,-1,0,0", "pad"},
      {"pad=", "pad"},
      {"tone=gray", "tone"},
      {"tone=", "tone"},
      {"sig=", "sig"},
      {"sig=abc", "sig"},
      {"sig=qnTdXnr0d8_jBVzhcEntXVWZeiYeIvtF2pqIHnohP0E0", "sig"},
      {"sig=qnTdXnr0d8.jBVzhcEntXVWZeiYeIvtF2pqIHnohP0E", "sig"},
      {"sig=qnTdXnr0d8_jBVzhcEntXVWZeiYeIvtF2pqIHnohP0E&sig=qnTdXnr0d8_jBVzhcEntXVWZeiYeIvtF2pqIHnohP0E", "sig"},
      {"exp=", "exp"},
      {"exp=0", "exp"},
      {"exp=01893456000", "exp"},
      {"exp=18934560000", "exp"},
      {"exp=-1", "exp"},
      {"exp=1.5", "exp"},
      {"w=1&w=1", "w"},
      {"w=1&h=1&%77=2", "w"},
      {"width=100", "width"},
      {"w=1&x=1", "x"},
      {"blur=5", "blur"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct pop_address address;
    struct base_fault fault = {0};
    if (parse(cases[i].query, &address, &fault) != BASE_BAD_INPUT) fail_msg("taken: %s", cases[i].query);
    assert_string_equal(fault.subject, cases[i].subject);
    assert_true(fault.text[0] != '\0');
  }
}

static void reads_the_expiry_when_there_is_one(void **state) {
  (void)state;
  struct pop_address address;
  assert_int_equal(parse("w=1", &address, NULL), BASE_OK);
  assert_int_equal(address.grammar, POP_NATIVE);
  assert_int_equal(address.expires_s, 0);
  assert_int_equal(parse("exp=1893456000&w=1", &address, NULL), BASE_OK);
  assert_int_equal(address.expires_s, 1893456000);
  assert_int_equal(parse("exp=9999999999", &address, NULL), BASE_OK);
  assert_true(address.expires_s == INT64_C(9999999999));
}

static void takes_no_signature_and_expiry_when_there_is_no_path(void **state) {
  (void)state;
  struct recipe recipe;
  struct base_fault fault = {0};
  assert_int_equal(pop_native_parse_options(base_span_text("w=1"), &recipe, &fault), BASE_OK);
  assert_int_equal(pop_native_parse_options(base_span_text("w=1&exp=1893456000"), &recipe, &fault), BASE_BAD_INPUT);
  assert_string_equal(fault.subject, "exp");
  base_fault_clear(&fault);
  const char *with_signature = "sig=qnTdXnr0d8_jBVzhcEntXVWZeiYeIvtF2pqIHnohP0E";
  assert_int_equal(pop_native_parse_options(base_span_text(with_signature), &recipe, &fault), BASE_BAD_INPUT);
  assert_string_equal(fault.subject, "sig");
}

static void finds_nothing_when_the_id_is_not_canonical(void **state) {
  (void)state;
  static const char *const paths[] = {
      "/i/",
      "/i/abc",
      PATH "A",
      PATH "/",
      "/i/47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFV",
      "/i/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU",
      "/i/%347DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU",
  };
  for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
    struct pop_address address;
    struct base_fault fault = {0};
    assert_int_equal(pop_native_parse(base_span_text(paths[i]), base_span_of(NULL, 0), &address, &fault),
                     BASE_NOT_FOUND);
  }
}

static void reads_the_id_when_it_is_canonical(void **state) {
  (void)state;
  struct pop_address address;
  struct integrity_digest empty;
  integrity_digest_of(base_span_of(NULL, 0), &empty);
  assert_int_equal(pop_native_parse(base_span_text(PATH), base_span_of(NULL, 0), &address, NULL), BASE_OK);
  assert_true(integrity_digest_equal(&address.original, &empty));
}

// A repeatable sweep; rand() would do, but its sequence is not ours.
static uint32_t draw(uint64_t *seed, uint32_t below) {
  *seed = *seed * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(*seed >> 33) % below;
}

static struct recipe draw_recipe(uint64_t *seed) {
  struct recipe recipe = RECIPE_DEFAULT;
  recipe.width = draw(seed, 2) ? draw(seed, IMAGE_MAX_BOX_SIDE + 1) : 0;
  recipe.height = draw(seed, 2) ? draw(seed, IMAGE_MAX_BOX_SIDE + 1) : 0;
  if (draw(seed, 2)) {
    recipe.dpr_milli = RECIPE_DPR_MIN_MILLI + draw(seed, RECIPE_DPR_MAX_MILLI - RECIPE_DPR_MIN_MILLI + 1);
  }
  recipe.fit = (enum image_fit)draw(seed, IMAGE_FIT_OUTSIDE + 1);
  recipe.focus_x = (uint16_t)draw(seed, RECIPE_FOCUS_UNIT + 1);
  recipe.focus_y = (uint16_t)draw(seed, RECIPE_FOCUS_UNIT + 1);
  recipe.has_crop = draw(seed, 2);
  if (recipe.has_crop) {
    recipe.crop_x = draw(seed, 65536);
    recipe.crop_y = draw(seed, 65536);
    recipe.crop_width = 1 + draw(seed, 65535);
    recipe.crop_height = 1 + draw(seed, 65535);
  }
  recipe.turn = (enum image_orientation)(IMAGE_UPRIGHT + draw(seed, 8));
  recipe.format = (enum recipe_format)draw(seed, RECIPE_FORMAT_PNG + 1);
  recipe.lossless = recipe.format != RECIPE_FORMAT_JPEG && draw(seed, 3) == 0;
  if (!recipe.lossless) recipe.quality = (uint8_t)draw(seed, 101);
  recipe.filter = (enum recipe_filter)draw(seed, RECIPE_FILTER_LANCZOS3 + 1);
  for (int i = 0; i < 3; i++) recipe.background[i] = (uint8_t)draw(seed, 256);
  recipe.or_own = recipe.format != RECIPE_FORMAT_AUTO && draw(seed, 4) == 0;
  recipe.grey = draw(seed, 2);
  if (draw(seed, 2)) {
    recipe.pad_top = (uint16_t)draw(seed, RECIPE_MAX_PAD + 1);
    recipe.pad_right = (uint16_t)draw(seed, RECIPE_MAX_PAD + 1);
    recipe.pad_bottom = (uint16_t)draw(seed, RECIPE_MAX_PAD + 1);
    recipe.pad_left = (uint16_t)draw(seed, RECIPE_MAX_PAD + 1);
  }
  return recipe;
}

static void assert_same(const struct recipe *a, const struct recipe *b) {
  assert_int_equal(a->width, b->width);
  assert_int_equal(a->height, b->height);
  assert_int_equal(a->dpr_milli, b->dpr_milli);
  assert_int_equal(a->fit, b->fit);
  assert_int_equal(a->focus_x, b->focus_x);
  assert_int_equal(a->focus_y, b->focus_y);
  assert_int_equal(a->has_crop, b->has_crop);
  assert_int_equal(a->crop_x, b->crop_x);
  assert_int_equal(a->crop_y, b->crop_y);
  assert_int_equal(a->crop_width, b->crop_width);
  assert_int_equal(a->crop_height, b->crop_height);
  assert_int_equal(a->turn, b->turn);
  assert_int_equal(a->format, b->format);
  assert_int_equal(a->quality, b->quality);
  assert_int_equal(a->lossless, b->lossless);
  assert_int_equal(a->filter, b->filter);
  assert_memory_equal(a->background, b->background, sizeof a->background);
  assert_int_equal(a->or_own, b->or_own);
  assert_int_equal(a->grey, b->grey);
  assert_int_equal(a->pad_top, b->pad_top);
  assert_int_equal(a->pad_right, b->pad_right);
  assert_int_equal(a->pad_bottom, b->pad_bottom);
  assert_int_equal(a->pad_left, b->pad_left);
}

static void gives_the_same_recipe_when_its_text_is_parsed(void **state) {
  (void)state;
  uint64_t seed = 2026;
  for (int i = 0; i < 20000; i++) {
    const struct recipe recipe = draw_recipe(&seed);
    struct pop_address address;
    struct base_fault fault = {0};
    char text[RECIPE_TEXT_BYTES];
    recipe_text(&recipe, text);
    if (parse(text, &address, &fault) != BASE_OK) fail_msg("%s: %s", text, fault.text);
    assert_same(&address.recipe, &recipe);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(takes_what_the_table_allows),
      cmocka_unit_test(refuses_and_names_the_option_when_a_rule_is_broken),
      cmocka_unit_test(reads_the_expiry_when_there_is_one),
      cmocka_unit_test(takes_no_signature_and_expiry_when_there_is_no_path),
      cmocka_unit_test(finds_nothing_when_the_id_is_not_canonical),
      cmocka_unit_test(reads_the_id_when_it_is_canonical),
      cmocka_unit_test(gives_the_same_recipe_when_its_text_is_parsed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
