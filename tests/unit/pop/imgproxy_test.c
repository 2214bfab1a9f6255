// imgproxy's grammar as tables: what options mean for a picture of a known size, and what is refused and named.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "pop/address.h"

#define ID "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"
#define SOURCE "plain/local:///" ID
// local:///ID
#define ENCODED "bG9jYWw6Ly8vNDdERVFwajhIQlNhLV9USW1XLTVKQ2V1UWVSa201Tk1wSldaRzNoU3VGVQ"

enum { MAX_URL = 4096 };

static struct base_fault fault;

static enum base_result parse(const char *rest, struct pop_address *out) {
  char path[MAX_URL + 16];
  snprintf(path, sizeof path, "/imgproxy/_/%s", rest);
  base_fault_clear(&fault);
  return pop_imgproxy_parse(base_span_text(path), out, &fault);
}

static void must_parse(const char *rest, struct pop_address *out) {
  if (parse(rest, out) != BASE_OK) fail_msg("%s: %s", rest, fault.text);
}

// The result's size and the recipe for options and an upright picture.
static void resolve(const char *options, uint32_t width, uint32_t height, struct recipe *recipe,
                    struct image_layout *layout) {
  const struct image_header original = {
      .format = IMAGE_FILE_JPEG, .width = width, .height = height, .orientation = IMAGE_UPRIGHT};
  struct pop_address address;
  char rest[MAX_URL];
  snprintf(rest, sizeof rest, "%s/" SOURCE, options);
  must_parse(rest, &address);
  if (pop_address_resolve(&address, &original, recipe, &fault) != BASE_OK) fail_msg("%s: %s", options, fault.text);
  if (recipe_plan(recipe, &original, layout, &fault) != BASE_OK) fail_msg("%s: %s", options, fault.text);
}

static void results_have_the_size_that_imgproxy_gives(void **state) {
  (void)state;
  static const struct {
    const char *options;
    uint32_t width, height, result_width, result_height;
  } cases[] = {
      // fit
      {"w:0", 1000, 500, 1000, 500},
      {"rs:fit:300", 1000, 500, 300, 150},
      {"rs:fit:300:300", 1000, 500, 300, 150},
      {"rs:fit::100", 1000, 500, 200, 100},
      {"w:300/h:100", 1000, 500, 200, 100},
      {"s:2000:2000", 1000, 500, 1000, 500},
      {"s:2000:2000:1", 1000, 500, 2000, 1000},
      {"w:2000/el:t", 1000, 500, 2000, 1000},
      // fill
      {"rs:fill:300:300", 1000, 500, 300, 300},
      {"rs:fill:300", 1000, 500, 300, 150},
      {"rs:fill:1200:300", 1000, 500, 1000, 300},
      {"rs:fill:2000:2000", 1000, 500, 1000, 500},
      {"rs:fill:2000:2000:1", 1000, 500, 2000, 2000},
      {"rs:fill:800:2000", 1000, 500, 800, 500},
      // fill-down
      {"rs:fill-down:300:300", 1000, 500, 300, 300},
      {"rs:fill-down:2000:2000", 1000, 500, 500, 500},
      {"rs:fill-down:2000:500", 1000, 500, 1000, 250},
      {"rs:fill-down:2000:2000:1", 1000, 500, 2000, 2000},
      // force
      {"rs:force:300:300", 1000, 500, 300, 300},
      {"rs:force:300", 1000, 500, 300, 500},
      {"rs:force:2000:250", 1000, 500, 1000, 125},
      {"rs:force:2000:250:1", 1000, 500, 2000, 250},
      // auto
      {"rs:auto:300:100", 1000, 500, 300, 100},
      {"rs:auto:100:300", 1000, 500, 100, 50},
      {"rs:auto:100:300", 500, 1000, 100, 300},
      {"rt:auto/w:300", 1000, 500, 300, 150},
      // dpr
      {"rs:fit:300:300/dpr:2", 1000, 500, 600, 300},
      {"rs:fit:300:300/dpr:1.5", 1000, 500, 450, 225},
      {"rs:fit:300:300/dpr:0.5", 1000, 500, 150, 75},
      {"rs:fit:300:300/dpr:8", 1000, 500, 1000, 500},
      {"rs:fill:300:300/dpr:3", 1000, 500, 500, 500},
      {"rs:fill:300:300:1/dpr:3", 1000, 500, 900, 900},
      {"dpr:2", 1000, 500, 1000, 500},
      {"dpr:2/el:1", 1000, 500, 2000, 1000},
      {"dpr:0.5", 1000, 500, 500, 250},
      // extend
      {"rs:fit:300:300:0:1", 1000, 500, 300, 300},
      {"rs:fit:2000:2000:0:1", 1000, 500, 2000, 2000},
      {"rs:fit:2000:2000/ex:1:no", 1000, 500, 2000, 2000},
      {"rs:fit:300:0:0:1", 1000, 500, 300, 150},
      {"rs:fit:300:300:0:1/dpr:2", 1000, 500, 600, 600},
      {"rs:fill:1200:300:0:1", 1000, 500, 1200, 300},
      // padding
      {"w:300/pd:10", 1000, 500, 320, 170},
      {"w:300/pd:10:20", 1000, 500, 340, 170},
      {"w:300/pd:10:20:30", 1000, 500, 340, 190},
      {"w:300/pd:10:20:30:40", 1000, 500, 360, 190},
      {"w:300/pd::20", 1000, 500, 340, 150},
      {"w:300/pd:10/dpr:2", 1000, 500, 640, 340},
      {"rs:fit:300:300:0:1/pd:5", 1000, 500, 310, 310},
      // crop
      {"c:100:200", 1000, 500, 100, 200},
      {"c:0.5:0.5", 1000, 500, 500, 250},
      {"c:0:100", 1000, 500, 1000, 100},
      {"c:5000:5000", 1000, 500, 1000, 500},
      {"c:200:200/w:100", 1000, 500, 100, 100},
      {"c:200:200/w:400", 1000, 500, 200, 200},
      {"c:0.0001:0.0001", 1000, 500, 1, 1},
      // rotate
      {"rot:90", 1000, 500, 500, 1000},
      {"rot:450/w:250", 1000, 500, 250, 500},
      {"rot:180/w:250", 1000, 500, 250, 125},
      {"rot:270/rs:fill:100:300", 1000, 500, 100, 300},
      {"rot:90/c:100:1000", 1000, 500, 100, 1000},
      // sides past the limit of a box
      {"w:0", 12000, 300, 12000, 300},
      {"w:60000", 12000, 300, 12000, 300},
      {"h:100", 100, 12000, 1, 100},
      // later options go over earlier ones, empty arguments leave what was there
      {"w:300/w:200", 1000, 500, 200, 100},
      {"rs:fill:300:300/rs::200", 1000, 500, 200, 300},
      {"w:300/w:", 1000, 500, 300, 150},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct recipe recipe;
    struct image_layout layout;
    resolve(cases[i].options, cases[i].width, cases[i].height, &recipe, &layout);
    if (layout.canvas_width != cases[i].result_width || layout.canvas_height != cases[i].result_height)
      fail_msg("%s: %u x %u", cases[i].options, layout.canvas_width, layout.canvas_height);
  }
}

// Where cuts and crops are made: a picture of 1000 x 500, in its own pixels.
static void gravities_say_what_is_kept(void **state) {
  (void)state;
  static const struct {
    const char *options;
    double x, y, width, height;
  } cases[] = {
      {"rs:fill:500:500", 250, 0, 500, 500},
      {"rs:fill:500:500/g:we", 0, 0, 500, 500},
      {"rs:fill:500:500/g:ea", 500, 0, 500, 500},
      {"rs:fill:500:500/g:no", 250, 0, 500, 500},
      {"rs:fill:500:500/g:soea", 500, 0, 500, 500},
      {"rs:fill:1000:250/g:no", 0, 0, 1000, 250},
      {"rs:fill:1000:250/g:so", 0, 250, 1000, 250},
      {"rs:fill:1000:250/g:nowe", 0, 0, 1000, 250},
      {"rs:fill:1000:250/g:sm", 0, 125, 1000, 250},
      {"rs:fill:500:500/g:we:100:0", 100, 0, 500, 500},
      {"rs:fill:500:500/g:ea:100:0", 400, 0, 500, 500},
      {"rs:fill:500:500/g:ce:-50:0", 200, 0, 500, 500},
      {"rs:fill:500:500/g:we:0.1:0", 100, 0, 500, 500},
      {"rs:fill:500:500/g:we:9000:0", 500, 0, 500, 500},
      {"rs:fill:250:250/g:we:50:0/dpr:2", 100, 0, 500, 500},
      {"rs:fill:500:500/g:fp:0:0", 0, 0, 500, 500},
      {"rs:fill:500:500/g:fp:1:1", 500, 0, 500, 500},
      {"rs:fill:500:500/g:fp:0.3:0.5", 50, 0, 500, 500},
      {"rs:fill:500:500/g:fp:.5:.5", 250, 0, 500, 500},
      {"c:200:100", 400, 200, 200, 100},
      {"c:200:100:nowe", 0, 0, 200, 100},
      {"c:200:100:soea", 800, 400, 200, 100},
      {"c:200:100:nowe:30:40", 30, 40, 200, 100},
      {"c:200:100:soea:30:40", 770, 360, 200, 100},
      {"c:200:100:fp:0.25:0.5", 150, 200, 200, 100},
      {"c:200:100/g:we", 0, 200, 200, 100},  // the gravity of the rest
      {"c:200:100:so/g:we", 400, 400, 200, 100},
      {"c:0.2:0.2:no:0.1:0.1", 500, 50, 200, 100},
      // Gravity is meant in the turned picture: its west is the stored picture's south.
      {"rot:90/c:100:200:nowe", 0, 400, 200, 100},
      {"rot:180/c:200:100:nowe", 800, 400, 200, 100},
      {"rot:270/c:100:200:nowe", 800, 0, 200, 100},
      {"rot:90/rs:fill:500:500/g:no", 0, 0, 500, 500},
      {"rot:90/rs:fill:500:500/g:so", 500, 0, 500, 500},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct recipe recipe;
    struct image_layout layout;
    resolve(cases[i].options, 1000, 500, &recipe, &layout);
    const struct image_rect *is = &layout.source;
    if (is->x != cases[i].x || is->y != cases[i].y || is->width != cases[i].width || is->height != cases[i].height)
      fail_msg("%s: %g,%g %g x %g", cases[i].options, is->x, is->y, is->width, is->height);
  }
}

static void extension_is_placed_by_its_own_gravity(void **state) {
  (void)state;
  static const struct {
    const char *options;
    uint32_t top, right, bottom, left;
  } cases[] = {
      {"rs:fit:100:100:0:1", 25, 0, 25, 0},
      {"rs:fit:100:101:0:1", 25, 0, 26, 0},
      {"rs:fit:100:100:0:1:no", 0, 0, 50, 0},
      {"rs:fit:100:100/ex:1:so", 50, 0, 0, 0},
      {"rs:fit:100:100/ex:1:no:0:10", 10, 0, 40, 0},
      {"rs:fit:100:100/g:no/ex:1", 25, 0, 25, 0},
      {"rs:fit:1200:600:0:1:nowe", 0, 200, 100, 0},
      {"rs:fit:1200:600:0:1:soea/pd:1:2:3:4", 101, 2, 3, 204},
      {"rs:fit:100:100:0:0", 0, 0, 0, 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct recipe recipe;
    struct image_layout layout;
    resolve(cases[i].options, 1000, 500, &recipe, &layout);
    if (recipe.pad_top != cases[i].top || recipe.pad_right != cases[i].right || recipe.pad_bottom != cases[i].bottom ||
        recipe.pad_left != cases[i].left)
      fail_msg("%s: %u %u %u %u", cases[i].options, recipe.pad_top, recipe.pad_right, recipe.pad_bottom,
               recipe.pad_left);
  }
}

static void other_options_reach_the_recipe(void **state) {
  (void)state;
  struct recipe recipe;
  struct image_layout layout;
  resolve("bg:fa0/q:33/f:jpg/pd:1", 1000, 500, &recipe, &layout);
  assert_int_equal(recipe.background[0], 0xff);
  assert_int_equal(recipe.background[1], 0xaa);
  assert_int_equal(recipe.background[2], 0);
  assert_int_equal(recipe.quality, 33);
  assert_int_equal(recipe.format, RECIPE_FORMAT_JPEG);
  resolve("background:1:2:255/quality:0/ext:avif/strip_metadata:0/ar:1/cb:x", 1000, 500, &recipe, &layout);
  assert_int_equal(recipe.background[0], 1);
  assert_int_equal(recipe.background[2], 255);
  assert_int_equal(recipe.quality, 0);
  assert_int_equal(recipe.format, RECIPE_FORMAT_AVIF);
  resolve("bg:123456/bg:", 1000, 500, &recipe, &layout);
  assert_int_equal(recipe.background[0], 255);
}

// The upright picture counts, however it is stored.
static void stored_orientation_changes_nothing(void **state) {
  (void)state;
  const struct image_header upright = {
      .format = IMAGE_FILE_JPEG, .width = 500, .height = 1000, .orientation = IMAGE_UPRIGHT};
  const struct image_header lying = {
      .format = IMAGE_FILE_JPEG, .width = 1000, .height = 500, .orientation = IMAGE_ROTATE_90};
  struct pop_address address;
  struct recipe a, b;
  char text_a[RECIPE_TEXT_BYTES], text_b[RECIPE_TEXT_BYTES];
  must_parse("rot:90/c:200:100:nowe:5:6/rs:fill:50:40/g:fp:0.1:0.9/pd:3/" SOURCE, &address);
  assert_int_equal(pop_address_resolve(&address, &upright, &a, NULL), BASE_OK);
  assert_int_equal(pop_address_resolve(&address, &lying, &b, NULL), BASE_OK);
  recipe_text(&a, text_a);
  recipe_text(&b, text_b);
  assert_string_equal(text_a, text_b);
}

static void sources_are_plain_or_base64(void **state) {
  (void)state;
  static const struct {
    const char *rest;
    enum recipe_format format;
  } good[] = {
      {SOURCE, RECIPE_FORMAT_AUTO},
      {SOURCE "@webp", RECIPE_FORMAT_WEBP},
      {SOURCE "@jpg", RECIPE_FORMAT_JPEG},
      {"w:1/" SOURCE "@png", RECIPE_FORMAT_PNG},
      {"f:png/" SOURCE "@avif", RECIPE_FORMAT_AVIF},
      {"w:1/plain/local:/" ID "@png", RECIPE_FORMAT_PNG},  // as a proxy that merges slashes makes it
      {"plain/local%3A%2F%2f/" ID, RECIPE_FORMAT_AUTO},
      {"plain/%6cocal:///%347DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU", RECIPE_FORMAT_AUTO},
      {ENCODED, RECIPE_FORMAT_AUTO},
      {ENCODED "==", RECIPE_FORMAT_AUTO},
      {ENCODED ".jpeg", RECIPE_FORMAT_JPEG},
      {"w:300/bG9jYWw6Ly8vNDdERVFwajhI/QlNhLV9USW1XLTVKQ2V1UWVSa201Tk1wSldaRzNo/U3VGVQ.webp", RECIPE_FORMAT_WEBP},
  };
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
    struct pop_address address;
    char id[BASE_DIGEST_BASE64URL_CHARS + 1];
    must_parse(good[i].rest, &address);
    integrity_digest_text(&address.original, id);
    assert_string_equal(id, ID);
    assert_int_equal(address.wish.imgproxy.format, good[i].format);
    assert_int_equal(address.grammar, POP_IMGPROXY);
  }
}

static void sources_are_refused_when_they_are_no_original(void **state) {
  (void)state;
  static const char *const missing[] = {
      "plain/http://example.com/a.jpg",
      "plain/local:///",
      "plain/local:///a.jpg",
      "plain/local://" ID,
      "plain/local:////" ID,
      "plain/local:/",
      "plain/local:/%2F" ID,
      "plain/local:" ID,
      "plain/local:///" ID "/",
      "plain/local:///" ID ".jpg",
      "plain/local:///47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFV",  // bits that mean nothing
      "plain/local:///%2547DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU",
      "plain/",
      "",
      "bG9jYWw6Ly8v",
      "aHR0cDovL2V4YW1wbGUuY29tL2EuanBn",
      ENCODED "A",
      "not*base64",
      "plain",
  };
  for (size_t i = 0; i < sizeof missing / sizeof missing[0]; i++) {
    struct pop_address address;
    if (parse(missing[i], &address) != BASE_NOT_FOUND) fail_msg("%s: %s", missing[i], fault.text);
    assert_string_equal(fault.subject, "source");
  }
  static const char *const bad[] = {"plain/local:///%4", "plain/local:///%zz", SOURCE "@",     SOURCE "@gif",
                                    SOURCE "@webp@png",  ENCODED ".",          ENCODED ".svg", "enc/abc"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    struct pop_address address;
    if (parse(bad[i], &address) != BASE_BAD_INPUT) fail_msg("%s: %s", bad[i], fault.text);
  }
}

static void options_are_refused_and_named(void **state) {
  (void)state;
  static const struct {
    const char *option, *subject;
  } bad[] = {
      {"blur:3", "blur"},
      {"sharpen:3", "sharpen"},
      {"watermark:0.5", "watermark"},
      {"trim:10", "trim"},
      {"preset:sharp", "preset"},
      {"zoom:2", "zoom"},
      {"min-width:100", "min-width"},
      {"extend_ar:1", "extend_ar"},
      {"RS:fit", "RS"},
      {":1", ""},
      {"rs%3Afit:300", "rs%3Afit"},
      {"rs:crop:300", "resize"},
      {"rs:fit:-1", "resize"},
      {"rs:fit:1.5", "resize"},
      {"rs:fit:65536", "resize"},
      {"rs:fit:1:1:yes", "resize"},
      {"rs:fit:1:1:1:2", "resize"},
      {"rs:fit:1:1:1:1:xx", "resize"},
      {"rs:fit:1:1:1:1:ce:0:0:0", "resize"},
      {"s:a", "size"},
      {"w:300:1", "width"},
      {"h:1e3", "height"},
      {"rt:cover", "resizing_type"},
      {"el:2", "enlarge"},
      {"ex:1:fp:2:0", "extend"},
      {"g:obj:face", "gravity"},
      {"g:fp", "gravity"},
      {"g:fp:0.5", "gravity"},
      {"g:fp:-0.1:0.5", "gravity"},
      {"g:fp:0.5:1.1", "gravity"},
      {"g:no:x", "gravity"},
      {"g:no:1.", "gravity"},
      {"g:no:70000", "gravity"},
      {"c:-1:5", "crop"},
      {"c:5:nan", "crop"},
      {"c:1:1:xx", "crop"},
      {"pd:-1", "padding"},
      {"pd:4097", "padding"},
      {"pd:1:2:3:4:5", "padding"},
      {"bg:12345", "background"},
      {"bg:gggggg", "background"},
      {"bg:1:2", "background"},
      {"bg:1:2:256", "background"},
      {"q:101", "quality"},
      {"q:-1", "quality"},
      {"f:gif", "format"},
      {"dpr:0", "dpr"},
      {"dpr:8.1", "dpr"},
      {"dpr:-1", "dpr"},
      {"dpr:0.0001", "dpr"},
      {"rot:45", "rotate"},
      {"rot:-90", "rotate"},
      {"ar:0", "auto_rotate"},
      {"ar:x", "auto_rotate"},
      {"sm:x", "strip_metadata"},
      {"cb:1:2", "cachebuster"},
      {"exp:", "expires"},
      {"exp:0", "expires"},
      {"exp:-1", "expires"},
      {"exp:9223372036854775808", "expires"},
      {"exp:1e9", "expires"},
  };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    struct pop_address address;
    char rest[MAX_URL];
    snprintf(rest, sizeof rest, "%s/" SOURCE, bad[i].option);
    if (parse(rest, &address) != BASE_BAD_INPUT) fail_msg("%s is taken", bad[i].option);
    if (strcmp(fault.subject, bad[i].subject) != 0) fail_msg("%s: %s", bad[i].option, fault.subject);
  }
}

static void options_without_a_source_are_refused(void **state) {
  (void)state;
  struct pop_address address;
  assert_int_equal(parse("w:300", &address), BASE_BAD_INPUT);
  assert_int_equal(pop_imgproxy_parse(base_span_text("/imgproxy/"), &address, NULL), BASE_BAD_INPUT);
  assert_int_equal(pop_imgproxy_parse(base_span_text("/imgproxy/unsafe"), &address, NULL), BASE_BAD_INPUT);
  assert_int_equal(pop_imgproxy_parse(base_span_text("/imgproxy//" SOURCE), &address, NULL), BASE_BAD_INPUT);
  char path[MAX_URL] = "/imgproxy/unsafe/";
  while (strlen(path) < 2048) strcat(path, "w:1/");
  strcat(path, SOURCE);
  assert_int_equal(pop_imgproxy_parse(base_span_text(path), &address, NULL), BASE_BAD_INPUT);
}

static void sizes_are_refused_when_over_the_limits(void **state) {
  (void)state;
  static const struct {
    const char *options;
    uint32_t width, height;
  } cases[] = {
      {"w:0", 9000, 9000},
      {"rs:fill:9000:100:1", 1000, 1000},
      {"rs:force:9000:100:1", 1000, 1000},
      {"rs:fit:10000:10000:0:1", 1000, 1000},
      {"w:100/pd:4000/el:1/dpr:2", 1000, 1000},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    const struct image_header original = {
        .format = IMAGE_FILE_JPEG, .width = cases[i].width, .height = cases[i].height, .orientation = IMAGE_UPRIGHT};
    struct pop_address address;
    struct recipe recipe;
    char rest[MAX_URL];
    snprintf(rest, sizeof rest, "%s/" SOURCE, cases[i].options);
    must_parse(rest, &address);
    base_fault_clear(&fault);
    if (pop_address_resolve(&address, &original, &recipe, &fault) != BASE_UNPROCESSABLE)
      fail_msg("%s is made", cases[i].options);
    assert_string_equal(fault.subject, "size");
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(results_have_the_size_that_imgproxy_gives),
      cmocka_unit_test(gravities_say_what_is_kept),
      cmocka_unit_test(extension_is_placed_by_its_own_gravity),
      cmocka_unit_test(other_options_reach_the_recipe),
      cmocka_unit_test(stored_orientation_changes_nothing),
      cmocka_unit_test(sources_are_plain_or_base64),
      cmocka_unit_test(sources_are_refused_when_they_are_no_original),
      cmocka_unit_test(options_are_refused_and_named),
      cmocka_unit_test(options_without_a_source_are_refused),
      cmocka_unit_test(sizes_are_refused_when_over_the_limits),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
