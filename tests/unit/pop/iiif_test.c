// The IIIF Image API 3.0 as tables: every feature of level 2 and what comes beyond it, with the sizes and regions that
// the specification gives, what it refuses, and info.json.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "pop/address.h"

#define ID "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"
#define SIGNATURE "qnTdXnr0d8_jBVzhcEntXVWZeiYeIvtF2pqIHnohP0E"
#define BASE "/iiif/3/" ID

// The picture of the specification's examples is 300 x 200.
static const struct image_header example = {
    .format = IMAGE_FILE_JPEG, .width = 300, .height = 200, .orientation = IMAGE_UPRIGHT, .colour = IMAGE_COLOUR_RGB};

static enum base_result read_path(const char *path, struct pop_address *out, struct base_fault *fault) {
  return pop_iiif_parse(base_span_text(path), out, fault);
}

static enum base_result resolve(const char *tail, const struct image_header *header, struct recipe *out,
                                struct base_fault *fault) {
  char path[512] = BASE "/";
  struct pop_address address;
  strcat(path, tail);
  const enum base_result result = read_path(path, &address, fault);
  if (result != BASE_OK) return result;
  assert_int_equal(address.wish.iiif.kind, POP_IIIF_IMAGE);
  return pop_iiif_resolve(&address.wish.iiif, header, out, fault);
}

// The layout that comes out in the end, through pinning.
static struct image_layout layout_of(const char *tail, const struct image_header *header) {
  struct base_fault fault = {0};
  struct recipe recipe, pinned;
  struct image_layout layout = {0};
  if (resolve(tail, header, &recipe, &fault) != BASE_OK) fail_msg("%s: %s", tail, fault.text);
  assert_true(recipe_is_pinned(&recipe));
  assert_int_equal(recipe_pin(&recipe, RECIPE_FORMAT_AUTO, header, &pinned, &fault), BASE_OK);
  if (recipe_plan(&pinned, header, &layout, &fault) != BASE_OK) fail_msg("%s: %s", tail, fault.text);
  assert_int_equal(layout.width, layout.canvas_width);
  assert_int_equal(layout.height, layout.canvas_height);
  return layout;
}

static void assert_result(const char *tail, const struct image_header *header, uint32_t width, uint32_t height) {
  const struct image_layout layout = layout_of(tail, header);
  if (layout.width == width && layout.height == height) return;
  fail_msg("%s: %ux%u, not %ux%u", tail, layout.width, layout.height, width, height);
}

static void assert_refused(const char *tail, const struct image_header *header, const char *subject) {
  struct recipe recipe;
  struct base_fault fault = {0};
  if (resolve(tail, header, &recipe, &fault) != BASE_BAD_INPUT) fail_msg("not refused: %s", tail);
  if (strcmp(fault.subject, subject) != 0) fail_msg("%s: %s, not %s", tail, fault.subject, subject);
  assert_true(fault.text[0] != '\0');
}

static void gives_the_sizes_of_the_specification(void **state) {
  (void)state;
  static const struct {
    const char *tail;
    uint32_t width, height;
  } cases[] = {
      // Section 4.1
      {"full/max/0/default.jpg", 300, 200},
      {"square/max/0/default.jpg", 200, 200},
      {"125,15,120,140/max/0/default.jpg", 120, 140},
      {"pct:41.6,7.5,40,70/max/0/default.jpg", 120, 140},
      {"125,15,200,200/max/0/default.jpg", 175, 185},
      {"pct:41.6,7.5,66.6,100/max/0/default.jpg", 175, 185},
      // Section 4.2
      {"full/150,/0/default.jpg", 150, 100},
      {"full/^360,/0/default.jpg", 360, 240},
      {"full/,150/0/default.jpg", 225, 150},
      {"full/^,240/0/default.jpg", 360, 240},
      {"full/pct:50/0/default.jpg", 150, 100},
      {"full/^pct:120/0/default.jpg", 360, 240},
      {"full/225,100/0/default.jpg", 225, 100},
      {"full/^360,360/0/default.jpg", 360, 360},
      {"full/!225,100/0/default.jpg", 150, 100},
      {"full/^!360,360/0/default.jpg", 360, 240},
      // Section 4.3
      {"full/max/180/default.jpg", 300, 200},
      {"full/max/90/default.jpg", 200, 300},
      {"full/max/!0/default.jpg", 300, 200},
      {"full/max/!180/default.jpg", 300, 200},
      // The size is meant before the rotation.
      {"full/100,50/270/default.jpg", 50, 100},
      {"full/30,/!90/default.jpg", 20, 30},
      // '^' without need, sizes up to the region, boxes over it
      {"full/^150,/0/default.jpg", 150, 100},
      {"full/300,200/0/default.jpg", 300, 200},
      {"full/pct:100/0/default.jpg", 300, 200},
      {"full/!1000,1000/0/default.jpg", 300, 200},
      {"full/!1000,100/0/default.jpg", 150, 100},
      {"0,0,10,10/!1000,1000/0/default.jpg", 10, 10},
      {"0,0,10,10/^!1000,500/0/default.jpg", 500, 500},
      // Sides round to nearest.
      {"full/7,/0/default.jpg", 7, 5},
      {"full/,5/0/default.jpg", 8, 5},
      {"full/1,/0/default.jpg", 1, 1},
      {"full/pct:0.5/0/default.jpg", 2, 1},
      {"full/pct:33.333333333333336/0/default.jpg", 100, 67},
      {"full/pct:.5/0/default.jpg", 2, 1},
      {"pct:33.3333333,0,33.33333333,100/max/0/default.jpg", 100, 200},
      {"0,0,3,2/2,/0/default.jpg", 2, 1},
      // Decimal spellings that mean a whole number
      {"pct:0.0,00,100.000,100/max/90.0/default.jpg", 200, 300},
      {"full/max/360/default.jpg", 300, 200},
      {"full/max/!360.0/default.jpg", 300, 200},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    assert_result(cases[i].tail, &example, cases[i].width, cases[i].height);
  }
}

static void takes_the_region_of_the_upright_picture(void **state) {
  (void)state;
  static const struct {
    const char *region;
    uint32_t x, y, width, height;
  } cases[] = {
      {"125,15,120,140", 125, 15, 120, 140},     {"125,15,200,200", 125, 15, 175, 185},
      {"299,199,1,1", 299, 199, 1, 1},           {"0,0,4294967295,4294967295", 0, 0, 300, 200},
      {"pct:41.6,7.5,40,70", 125, 15, 120, 140}, {"pct:41.6,7.5,66.6,100", 125, 15, 175, 185},
      {"pct:0,0,999999999,100", 0, 0, 300, 200}, {"square", 50, 0, 200, 200},
  };
  struct image_header lying = example;
  lying.width = 200;
  lying.height = 300;
  lying.orientation = IMAGE_ROTATE_90;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char tail[128];
    struct recipe recipe;
    strcat(strcpy(tail, cases[i].region), "/max/0/default.png");
    for (int turned = 0; turned < 2; turned++) {
      assert_int_equal(resolve(tail, turned ? &lying : &example, &recipe, NULL), BASE_OK);
      assert_true(recipe.has_crop);
      assert_int_equal(recipe.crop_x, cases[i].x);
      assert_int_equal(recipe.crop_y, cases[i].y);
      assert_int_equal(recipe.crop_width, cases[i].width);
      assert_int_equal(recipe.crop_height, cases[i].height);
    }
  }
}

static void mirrors_before_it_rotates(void **state) {
  (void)state;
  static const struct {
    const char *rotation;
    enum image_orientation turn;
  } cases[] = {{"0", IMAGE_UPRIGHT},   {"90", IMAGE_ROTATE_90},   {"180", IMAGE_ROTATE_180}, {"270", IMAGE_ROTATE_270},
               {"!0", IMAGE_FLIP_H},   {"!90", IMAGE_TRANSVERSE}, {"!180", IMAGE_FLIP_V},    {"!270", IMAGE_TRANSPOSE},
               {"360", IMAGE_UPRIGHT}, {"!360", IMAGE_FLIP_H}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char tail[64] = "full/max/";
    struct recipe recipe;
    assert_int_equal(resolve(strcat(strcat(tail, cases[i].rotation), "/default.jpg"), &example, &recipe, NULL),
                     BASE_OK);
    assert_int_equal(recipe.turn, cases[i].turn);
  }
}

static void reads_quality_and_format(void **state) {
  (void)state;
  static const struct {
    const char *tail, *text;
  } cases[] = {
      {"full/150,/0/default.jpg", "dpr=1&fm=jpeg&q=80&w=150"},
      {"full/150,/0/color.png", "dpr=1&fm=png&q=80&w=150"},
      {"full/150,/0/gray.webp", "dpr=1&fm=webp&q=80&tone=grey&w=150"},
      {"full/150,101/0/default.webp", "dpr=1&fit=fill&fm=webp&h=101&q=80&w=150"},
      {"full/^600,/0/default.webp", "dpr=1&fit=fill&fm=webp&q=80&w=600"},
      {"full/max/0/default.webp", "dpr=1&fm=webp&q=80&w=300"},
      {"10,20,30,40/max/!90/default.webp", "crop=10,20,30,40&dpr=1&flip=h&fm=webp&q=80&rot=270&w=40"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct recipe recipe, pinned;
    char text[RECIPE_TEXT_BYTES];
    assert_int_equal(resolve(cases[i].tail, &example, &recipe, NULL), BASE_OK);
    assert_int_equal(recipe_pin(&recipe, RECIPE_FORMAT_AUTO, &example, &pinned, NULL), BASE_OK);
    recipe_text(&pinned, text);
    assert_string_equal(text, cases[i].text);
  }
}

static void decodes_segments_once_when_they_are_escaped(void **state) {
  (void)state;
  assert_result("full/%5E360,/0/default.jpg", &example, 360, 240);
  assert_result("full/%5e%21360%2C360/%210/def%61ult%2ejpg", &example, 360, 240);
  assert_result("pct%3a0%2c0%2c50%2c50/max/0/default.jpg", &example, 150, 100);
  assert_refused("full/%255E360,/0/default.jpg", &example, "size");
  assert_refused("full/max/0/default.jpg%00", &example, "format");
  assert_refused("full/max%2F0/0/default.jpg", &example, "size");
  assert_refused("full/max/0/default.jpg%", &example, "path");
  assert_refused("full/max/0/default.jp%6", &example, "path");
  assert_refused("full/%5X360,/0/default.jpg", &example, "path");
}

static void refuses_and_names_the_part_when_a_rule_is_broken(void **state) {
  (void)state;
  static const struct {
    const char *tail, *subject;
  } cases[] = {
      {"", "path"},
      {"full", "path"},
      {"full/max/0", "path"},
      {"full/max/0/default.jpg/", "path"},
      {"full/max/0/default.jpg/x", "path"},
      {"info.json/", "path"},
      {"info.xml", "path"},
      {"Full/max/0/default.jpg", "region"},
      {"/max/0/default.jpg", "region"},
      {"1,2,3/max/0/default.jpg", "region"},
      {"1,2,3,4,5/max/0/default.jpg", "region"},
      {"1,2,3,4,/max/0/default.jpg", "region"},
      {"1.5,2,3,4/max/0/default.jpg", "region"},
      {"-1,2,3,4/max/0/default.jpg", "region"},
      {"1,2,+3,4/max/0/default.jpg", "region"},
      {"1,2,3e2,4/max/0/default.jpg", "region"},
      {"1,2,3,4294967296/max/0/default.jpg", "region"},
      {"0,0,0,10/max/0/default.jpg", "region"},
      {"0,0,10,0/max/0/default.jpg", "region"},
      {"300,0,10,10/max/0/default.jpg", "region"},
      {"0,200,10,10/max/0/default.jpg", "region"},
      {"pct:1,2,3/max/0/default.jpg", "region"},
      {"pct:1,2,3,-4/max/0/default.jpg", "region"},
      {"pct:0,0,0,50/max/0/default.jpg", "region"},
      {"pct:0,0,0.1,50/max/0/default.jpg", "region"},
      {"pct:100,0,10,10/max/0/default.jpg", "region"},
      {"pct:0,0,1.,50/max/0/default.jpg", "region"},
      {"pct:0,0,.,50/max/0/default.jpg", "region"},
      {"pct:0,0,1.2.3,50/max/0/default.jpg", "region"},
      {"pct:0,0,1000000000,50/max/0/default.jpg", "region"},
      {"pct:,0,50,50/max/0/default.jpg", "region"},
      {"full/full/0/default.jpg", "size"},  // a size until 3.0
      {"full//0/default.jpg", "size"},
      {"full/,/0/default.jpg", "size"},
      {"full/100/0/default.jpg", "size"},
      {"full/0,/0/default.jpg", "size"},
      {"full/,0/0/default.jpg", "size"},
      {"full/0,100/0/default.jpg", "size"},
      {"full/!0,100/0/default.jpg", "size"},
      {"full/!100,/0/default.jpg", "size"},
      {"full/!,100/0/default.jpg", "size"},
      {"full/!^100,100/0/default.jpg", "size"},
      {"full/^^100,100/0/default.jpg", "size"},
      {"full/,^240/0/default.jpg", "size"},
      {"full/100,100,100/0/default.jpg", "size"},
      {"full/1.5,/0/default.jpg", "size"},
      {"full/pct:0/0/default.jpg", "size"},
      {"full/pct:/0/default.jpg", "size"},
      {"full/pct:-5/0/default.jpg", "size"},
      {"full/pct:0.1/0/default.jpg", "size"},
      {"full/301,/0/default.jpg", "size"},
      {"full/,201/0/default.jpg", "size"},
      {"full/301,10/0/default.jpg", "size"},
      {"full/10,201/0/default.jpg", "size"},
      {"full/pct:101/0/default.jpg", "size"},
      {"full/pct:100.1/0/default.jpg", "size"},
      {"0,0,10,10/11,/0/default.jpg", "size"},
      {"full/^8193,/0/default.jpg", "size"},
      {"full/^,8193/0/default.jpg", "size"},
      {"full/^8193,1/0/default.jpg", "size"},
      {"full/^8000,8000/0/default.jpg", "size"},
      {"full/^pct:999999999/0/default.jpg", "size"},
      {"0,0,300,1/100,/0/default.jpg", "size"},  // a third of a pixel high
      {"full/max//default.jpg", "rotation"},
      {"full/max/-90/default.jpg", "rotation"},
      {"full/max/361/default.jpg", "rotation"},
      {"full/max/360.000001/default.jpg", "rotation"},
      {"full/max/22.5/default.jpg", "rotation"},
      {"full/max/45/default.jpg", "rotation"},
      {"full/max/90!/default.jpg", "rotation"},
      {"full/max/!!0/default.jpg", "rotation"},
      {"full/max/0/grey.jpg", "quality"},
      {"full/max/0/native.jpg", "quality"},
      {"full/max/0/bitonal.jpg", "quality"},
      {"full/max/0/.jpg", "quality"},
      {"full/max/0/default", "format"},
      {"full/max/0/default.", "format"},
      {"full/max/0/default.tif", "format"},
      {"full/max/0/default.gif", "format"},
      {"full/max/0/default.jp2", "format"},
      {"full/max/0/default.pdf", "format"},
      {"full/max/0/default.jpeg", "format"},
      {"full/max/0/default.JPG", "format"},
      {"full/max/0/default.png.jpg", "format"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    assert_refused(cases[i].tail, &example, cases[i].subject);
  }
}

static void stays_within_its_limits_when_the_most_is_asked_for(void **state) {
  (void)state;
  static const struct {
    uint32_t from_width, from_height;
    const char *tail;
    uint32_t width, height;
  } cases[] = {
      {6000, 4000, "full/max/0/default.jpg", 6000, 4000},
      {12000, 3000, "full/max/0/default.jpg", 8192, 2048},
      {3000, 12000, "full/max/0/default.jpg", 2048, 8192},
      {10000, 8000, "full/max/0/default.jpg", 7071, 5656},
      {16384, 1, "full/max/0/default.jpg", 8192, 1},
      {1, 16384, "full/^max/90/default.jpg", 8192, 1},
      {300, 200, "full/^max/0/default.jpg", 7745, 5163},
      {300, 100, "full/^max/0/default.jpg", 8192, 2731},
      {1000, 1000, "full/^max/0/default.jpg", 6324, 6324},
      {10000, 8000, "full/!9000,9000/0/default.jpg", 7071, 5656},
      {10000, 8000, "0,0,9000,100/max/0/default.jpg", 8192, 91},
      {10000, 8000, "0,0,5000,8000/max/0/default.jpg", 5000, 8000},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct image_header header = example;
    header.width = cases[i].from_width;
    header.height = cases[i].from_height;
    assert_result(cases[i].tail, &header, cases[i].width, cases[i].height);
  }
}

// The implementation notes' algorithm for tiles: every tile of every scale is taken, and has the size asked for.
static void takes_every_tile_that_info_json_implies(void **state) {
  (void)state;
  static const uint32_t sides[][2] = {{3000, 2000}, {513, 511}, {1025, 3}, {1, 1}, {4097, 4096}};
  for (size_t i = 0; i < sizeof sides / sizeof sides[0]; i++) {
    struct image_header header = example;
    const uint32_t width = header.width = sides[i][0], height = header.height = sides[i][1];
    for (uint32_t s = 1; s == 1 || s * 256 < (width > height ? width : height); s *= 2) {
      for (uint32_t y = 0; y < height; y += 512 * s) {
        for (uint32_t x = 0; x < width; x += 512 * s) {
          const uint32_t w = x + 512 * s > width ? width - x : 512 * s, h = y + 512 * s > height ? height - y : 512 * s;
          const uint32_t ws = (w + s - 1) / s, hs = (h + s - 1) / s;
          char tail[128];
          (void)snprintf(tail, sizeof tail, "%u,%u,%u,%u/%u,%u/0/default.jpg", x, y, w, h, ws, hs);
          assert_result(tail, &header, ws, hs);
        }
      }
    }
  }
}

static void reads_the_identifier_when_it_is_plain_or_signed(void **state) {
  (void)state;
  struct pop_address address;
  struct integrity_digest empty;
  integrity_digest_of(base_span_of(NULL, 0), &empty);
  assert_int_equal(read_path(BASE, &address, NULL), BASE_OK);
  assert_int_equal(address.grammar, POP_IIIF);
  assert_int_equal(address.wish.iiif.kind, POP_IIIF_BASE);
  assert_true(integrity_digest_equal(&address.original, &empty));
  assert_false(address.wish.iiif.is_signed);
  assert_int_equal(address.expires_s, 0);
  assert_int_equal(read_path(BASE ".1893456000." SIGNATURE "/info.json", &address, NULL), BASE_OK);
  assert_int_equal(address.wish.iiif.kind, POP_IIIF_INFO);
  assert_true(integrity_digest_equal(&address.original, &empty));
  assert_true(address.wish.iiif.is_signed);
  assert_string_equal(address.wish.iiif.signature, SIGNATURE);
  assert_int_equal(address.expires_s, 1893456000);
  assert_int_equal(read_path(BASE ".0." SIGNATURE "/full/max/0/default.jpg", &address, NULL), BASE_OK);
  assert_int_equal(address.wish.iiif.kind, POP_IIIF_IMAGE);
  assert_true(address.wish.iiif.is_signed);
  assert_int_equal(address.expires_s, 0);
}

// RFC 3986 6.2.2.2: an unreserved character is the same with an escape.
static void reads_the_identifier_when_unreserved_characters_are_escaped(void **state) {
  (void)state;
  static const char *const paths[] = {
      "/iiif/3/47DEQpj8HBSa%2D_TImW%2D5JCeuQeRkm5NMpJWZG3hSuFU.1893456000." SIGNATURE "/info.json",
      "/iiif/3/%347DEQpj8HBSa-%5fTImW-5JCeuQeRkm5NMpJWZG3hSuF%55.1893456000." SIGNATURE "/full/max/0/default.jpg",
      BASE "%2E1893456000%2E" SIGNATURE,
      BASE "%2e%31893456000.%71nTdXnr0d8_jBVzhcEntXVWZeiYeIvtF2pqIHnohP0E/info.json",
  };
  char every[3 * sizeof ID + sizeof "/iiif/3//info.json"] = "/iiif/3/", identifier[POP_IIIF_IDENTIFIER_CHARS + 1];
  struct pop_address plain, address;
  assert_int_equal(read_path(BASE ".1893456000." SIGNATURE "/info.json", &plain, NULL), BASE_OK);
  assert_false(plain.wish.iiif.has_plainer);
  for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
    if (read_path(paths[i], &address, NULL) != BASE_OK) fail_msg("not found: %s", paths[i]);
    assert_true(address.wish.iiif.has_plainer);
    assert_true(integrity_digest_equal(&address.original, &plain.original));
    assert_int_equal(address.expires_s, plain.expires_s);
    assert_string_equal(address.wish.iiif.signature, plain.wish.iiif.signature);
    pop_iiif_identifier(&address, identifier);
    assert_string_equal(identifier, ID ".1893456000." SIGNATURE);
  }
  for (const char *c = ID; *c; c++) snprintf(every + strlen(every), 4, "%%%02hhX", (unsigned char)*c);
  strcat(every, "/info.json");
  assert_int_equal(read_path(every, &address, NULL), BASE_OK);
  pop_iiif_identifier(&address, identifier);
  assert_string_equal(identifier, ID);
}

static void finds_nothing_when_it_is_no_identifier(void **state) {
  (void)state;
  static const char *const paths[] = {"/iiif/",
                                      "/iiif/3",
                                      "/iiif/3/",
                                      "/iiif/2/" ID "/info.json",
                                      "/iiif/3//info.json",
                                      "/iiif/3/abc/info.json",
                                      "/iiif/3/a/b/full/max/0/default.jpg",
                                      "/iiif/3/[frob]/full/max/0/default.jpg",
                                      "/iiif/3/%2547DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU/info.json",
                                      "/iiif/3/47DEQpj8HBSa%252D_TImW-5JCeuQeRkm5NMpJWZG3hSuFU/info.json",
                                      "/iiif/3/47DEQpj8HBSa%2_TImW-5JCeuQeRkm5NMpJWZG3hSuFU/info.json",
                                      "/iiif/3/47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuF%5/info.json",
                                      "/iiif/3/47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU%/info.json",
                                      "/iiif/3/47DEQpj8HBSa%2B_TImW-5JCeuQeRkm5NMpJWZG3hSuFU/info.json",  // '+'
                                      "/iiif/3/47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU%00/info.json",
                                      "/iiif/3%2F" ID "/info.json",
                                      "/iiif/3/47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuF%56/info.json",  // 'V'
                                      "/iiif/3/47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFV/info.json",  // not canonical
                                      BASE "./info.json",
                                      BASE "..",
                                      BASE ".0/info.json",
                                      BASE ".0./info.json",
                                      BASE ".0.abc/info.json",
                                      BASE ".00." SIGNATURE "/info.json",
                                      BASE ".01893456000." SIGNATURE "/info.json",
                                      BASE "." SIGNATURE "/info.json",
                                      BASE "..",
                                      BASE ".-1." SIGNATURE,
                                      BASE ".0." SIGNATURE "A",
                                      BASE ".0." SIGNATURE ".",
                                      BASE "%2E0%2E" SIGNATURE "%41",
                                      BASE ".%300." SIGNATURE "/info.json",
                                      BASE ".%2D1." SIGNATURE,
                                      BASE "%2Finfo.json",
                                      BASE " /info.json"};
  for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
    struct pop_address address;
    struct base_fault fault = {0};
    if (read_path(paths[i], &address, &fault) != BASE_NOT_FOUND) fail_msg("found: %s", paths[i]);
  }
}

// info.json of an original, parsed.
static struct base_json *info_of(const struct image_header *header, const struct base_json_value **root) {
  static const uint32_t ladder[] = {160, 320, 1280, 9000};
  struct base_buffer text;
  struct base_json *json;
  base_buffer_init(&text, 4096);
  assert_int_equal(pop_iiif_info(base_span_text("https://box.example" BASE), header, ladder, 4, &text), BASE_OK);
  assert_int_equal(memcmp(text.data, "{\"@context\":", 12), 0);  // which should come first
  assert_int_equal(base_json_parse(base_buffer_span(&text), &json, NULL), BASE_OK);
  base_buffer_finish(&text);
  *root = base_json_root(json);
  return json;
}

static int64_t number_of(const struct base_json_value *object, const char *key) {
  int64_t number;
  if (!base_json_as_integer(base_json_get(object, key), &number)) fail_msg("%s is no number", key);
  return number;
}

static void assert_list(const struct base_json_value *root, const char *key, const char *first, const char *second) {
  const struct base_json_value *list = base_json_get(root, key);
  assert_int_equal(base_json_length(list), second ? 2 : 1);
  assert_string_equal(base_json_as_string(base_json_at(list, 0)), first);
  if (second) assert_string_equal(base_json_as_string(base_json_at(list, 1)), second);
}

static void info_json_has_what_the_specification_wants(void **state) {
  (void)state;
  static const struct {
    const char *key, *value;
  } texts[] = {
      {"@context", "http://iiif.io/api/image/3/context.json"},
      {"id", "https://box.example" BASE},
      {"type", "ImageService3"},
      {"protocol", "http://iiif.io/api/image"},
      {"profile", "level2"},
  };
  struct image_header header = example;
  const struct base_json_value *root;
  header.width = 2000;
  header.height = 3000;
  header.orientation = IMAGE_TRANSPOSE;
  struct base_json *json = info_of(&header, &root);
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    assert_string_equal(base_json_as_string(base_json_get(root, texts[i].key)), texts[i].value);
  }
  assert_int_equal(number_of(root, "width"), 3000);
  assert_int_equal(number_of(root, "height"), 2000);
  assert_int_equal(number_of(root, "maxWidth"), 8192);
  assert_int_equal(number_of(root, "maxHeight"), 8192);
  assert_int_equal(number_of(root, "maxArea"), 40000000);
  assert_list(root, "preferredFormats", "webp", "jpg");
  assert_list(root, "extraFormats", "webp", NULL);
  assert_list(root, "extraQualities", "color", "gray");
  const struct base_json_value *features = base_json_get(root, "extraFeatures");
  static const char *const beyond[] = {"mirroring", "profileLinkHeader", "sizeUpscaling"};
  assert_int_equal(base_json_length(features), 3);
  for (size_t i = 0; i < 3; i++) assert_string_equal(base_json_as_string(base_json_at(features, i)), beyond[i]);
  assert_null(base_json_get(root, "rights"));
  base_json_destroy(&json);
}

static void info_json_names_sizes_and_tiles_of_the_upright_picture(void **state) {
  (void)state;
  static const uint32_t sizes[][2] = {{160, 107}, {320, 213}, {1280, 853}, {3000, 2000}};
  struct image_header header = example;
  const struct base_json_value *root;
  header.width = 3000;
  header.height = 2000;
  struct base_json *json = info_of(&header, &root);
  const struct base_json_value *list = base_json_get(root, "sizes");
  assert_int_equal(base_json_length(list), 4);
  for (size_t i = 0; i < 4; i++) {
    char tail[64];
    assert_int_equal(number_of(base_json_at(list, i), "width"), sizes[i][0]);
    assert_int_equal(number_of(base_json_at(list, i), "height"), sizes[i][1]);
    (void)snprintf(tail, sizeof tail, "full/%u,%u/0/default.jpg", sizes[i][0], sizes[i][1]);
    assert_result(tail, &header, sizes[i][0], sizes[i][1]);
  }
  assert_int_equal(base_json_length(base_json_get(root, "tiles")), 1);
  const struct base_json_value *tile = base_json_at(base_json_get(root, "tiles"), 0);
  assert_int_equal(number_of(tile, "width"), 512);
  assert_int_equal(number_of(tile, "height"), 512);
  const struct base_json_value *factors = base_json_get(tile, "scaleFactors");
  assert_int_equal(base_json_length(factors), 4);
  for (size_t i = 0; i < 4; i++) {
    int64_t factor;
    assert_true(base_json_as_integer(base_json_at(factors, i), &factor));
    assert_int_equal(factor, 1 << i);
  }
  base_json_destroy(&json);
}

static void info_json_fits_the_picture_when_it_is_small_large_or_grey(void **state) {
  (void)state;
  struct image_header header = example;
  const struct base_json_value *root;
  header.width = header.height = 1;
  header.colour = IMAGE_COLOUR_GREY;
  struct base_json *json = info_of(&header, &root);
  assert_int_equal(base_json_length(base_json_get(root, "sizes")), 1);
  assert_int_equal(base_json_length(base_json_get(base_json_at(base_json_get(root, "tiles"), 0), "scaleFactors")), 1);
  assert_list(root, "extraQualities", "gray", NULL);
  base_json_destroy(&json);
  header.width = 16384;
  header.height = 6000;
  json = info_of(&header, &root);
  const struct base_json_value *sizes = base_json_get(root, "sizes");
  assert_int_equal(base_json_length(sizes), 4);
  assert_int_equal(number_of(base_json_at(sizes, 3), "width"), 8192);
  assert_int_equal(number_of(base_json_at(sizes, 3), "height"), 3000);
  assert_int_equal(number_of(root, "width"), 16384);
  base_json_destroy(&json);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(gives_the_sizes_of_the_specification),
      cmocka_unit_test(takes_the_region_of_the_upright_picture),
      cmocka_unit_test(mirrors_before_it_rotates),
      cmocka_unit_test(reads_quality_and_format),
      cmocka_unit_test(decodes_segments_once_when_they_are_escaped),
      cmocka_unit_test(refuses_and_names_the_part_when_a_rule_is_broken),
      cmocka_unit_test(stays_within_its_limits_when_the_most_is_asked_for),
      cmocka_unit_test(takes_every_tile_that_info_json_implies),
      cmocka_unit_test(reads_the_identifier_when_it_is_plain_or_signed),
      cmocka_unit_test(reads_the_identifier_when_unreserved_characters_are_escaped),
      cmocka_unit_test(finds_nothing_when_it_is_no_identifier),
      cmocka_unit_test(info_json_has_what_the_specification_wants),
      cmocka_unit_test(info_json_names_sizes_and_tiles_of_the_upright_picture),
      cmocka_unit_test(info_json_fits_the_picture_when_it_is_small_large_or_grey),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
