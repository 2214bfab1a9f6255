#include "codec/level.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LIMIT_BYTES = 64 << 20, HEAD_BYTES = 20 };

static uint32_t noise_state = 1;
// Smooth with a little noise, as photographs are.
static uint8_t sample(uint32_t x, uint32_t y, unsigned channel) {
  noise_state = noise_state * 1664525u + 1013904223u;
  return (uint8_t)(x * 2 + y * 3 + channel * 50 + (noise_state >> 30));
}

// A picture and what lies around its samples.
static void paint(struct image *image, int around) {
  if (image->format == IMAGE_RGBA8) {
    for (uint32_t y = 0; y < image->height; y++) {
      for (uint32_t x = 0; x < image->width * 4; x++) {
        image_row(image, y)[x] = x % 4 == 3 && !image->has_alpha ? 255 : sample(x / 4, y, x % 4);
      }
    }
    return;
  }
  memset(image->pixels, around, image->bytes);
  for (unsigned i = 0; i < IMAGE_MAX_PLANES; i++) {
    const struct image_plane *plane = &image->planes[i];
    for (uint32_t y = 0; y < plane->height; y++) {
      for (uint32_t x = 0; x < plane->width; x++) image_plane_row(plane, y)[x] = sample(x, y, i);
    }
  }
}

static struct image *make_planes(const struct image_yuv *yuv, int around) {
  struct image *image;
  assert_int_equal(image_create_yuv(yuv, &image), BASE_OK);
  noise_state = 1;
  paint(image, around);
  return image;
}

static struct image *make_pixels(uint32_t width, uint32_t height, bool has_alpha) {
  struct image *image;
  assert_int_equal(image_create(width, height, has_alpha, &image), BASE_OK);
  paint(image, 0);
  return image;
}

static struct base_buffer encode(const struct image *image) {
  struct base_buffer out;
  struct base_fault fault = {0};
  base_buffer_init(&out, LIMIT_BYTES);
  if (codec_level_encode(image, &out, &fault) != BASE_OK) fail_msg("%s", fault.text);
  return out;
}

static bool is_same(const struct image *a, const struct image *b) {
  if (a->format != b->format || a->width != b->width || a->height != b->height || a->has_alpha != b->has_alpha) {
    return false;
  }
  bool same = true;
  if (a->format == IMAGE_RGBA8) {
    for (uint32_t y = 0; y < a->height && same; y++) {
      same = memcmp(image_row(a, y), image_row(b, y), (size_t)a->width * 4) == 0;
    }
    return same;
  }
  same = a->yuv.range == b->yuv.range && a->yuv.chroma_x == b->yuv.chroma_x && a->yuv.chroma_y == b->yuv.chroma_y &&
         a->yuv.is_grey == b->yuv.is_grey && a->yuv.has_alpha == b->yuv.has_alpha;
  for (unsigned i = 0; i < IMAGE_MAX_PLANES && same; i++) {
    for (uint32_t y = 0; y < a->planes[i].height && same; y++) {
      same = memcmp(image_plane_row(&a->planes[i], y), image_plane_row(&b->planes[i], y), a->planes[i].width) == 0;
    }
  }
  return same;
}

static void assert_comes_back(struct image *image) {
  struct image *back;
  struct base_fault fault = {0};
  struct base_buffer bytes = encode(image);
  if (codec_level_decode(base_buffer_span(&bytes), &back, &fault) != BASE_OK) fail_msg("%s", fault.text);
  assert_true(is_same(image, back));
  image_unref(&back);
  image_unref(&image);
  base_buffer_finish(&bytes);
}

static const struct image_yuv kinds[] = {
    {.chroma_x = 2, .chroma_y = 2},
    {.chroma_x = 2, .chroma_y = 1, .range = IMAGE_RANGE_LIMITED},
    {.chroma_x = 1, .chroma_y = 1},
    {.chroma_x = 1, .chroma_y = 2},
    {.chroma_x = 4, .chroma_y = 1},
    {.chroma_x = 1, .chroma_y = 1, .is_grey = true},
    {.chroma_x = 1, .chroma_y = 1, .is_grey = true, .has_alpha = true},
    {.chroma_x = 2, .chroma_y = 2, .has_alpha = true, .range = IMAGE_RANGE_LIMITED},
};

static void levels_of_every_kind_come_back_exactly(void **state) {
  (void)state;
  static const struct {
    uint32_t width, height;
  } sizes[] = {{1, 1}, {1, 9}, {9, 1}, {63, 65}, {64, 64}, {65, 3}, {301, 207}, {20000, 2}, {3, 5000}};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
      struct image_yuv yuv = kinds[k];
      yuv.width = sizes[i].width;
      yuv.height = sizes[i].height;
      assert_comes_back(make_planes(&yuv, 0xEE));
    }
    assert_comes_back(make_pixels(sizes[i].width, sizes[i].height, false));
    assert_comes_back(make_pixels(sizes[i].width, sizes[i].height, true));
  }
}

static void rows_with_padding_come_back_without_it(void **state) {
  (void)state;
  struct image *image;
  assert_int_equal(image_adopt(calloc(1, 100 * 20), 100 * 20, 21, 20, 100, true, NULL, &image), BASE_OK);
  paint(image, 0);
  assert_comes_back(image);
}

static void what_lies_around_the_samples_is_not_kept(void **state) {
  (void)state;
  struct image_yuv yuv = kinds[0];
  yuv.width = 37;
  yuv.height = 29;
  struct image *image = make_planes(&yuv, 0), *other = make_planes(&yuv, 0xAB);
  struct base_buffer a = encode(image), b = encode(other);
  assert_true(base_span_equal(base_buffer_span(&a), base_buffer_span(&b)));
  image_unref(&image);
  image_unref(&other);
  base_buffer_finish(&a);
  base_buffer_finish(&b);
}

static void smooth_pictures_become_smaller(void **state) {
  (void)state;
  struct image_yuv yuv = kinds[0];
  yuv.width = 900;
  yuv.height = 600;
  struct image *image = make_planes(&yuv, 0);
  struct base_buffer bytes = encode(image);
  assert_true(bytes.bytes < image->bytes / 2);
  image_unref(&image);
  base_buffer_finish(&bytes);
}

// OK only when nothing of the picture changed: a frame has a few bits that mean nothing.
static void assert_noticed(struct base_span bytes, const struct image *original) {
  struct image *back;
  struct base_fault fault = {0};
  uint8_t *exact = malloc(bytes.bytes ? bytes.bytes : 1);
  if (bytes.bytes) memcpy(exact, bytes.data, bytes.bytes);
  enum base_result result = codec_level_decode(base_span_of(exact, bytes.bytes), &back, &fault);
  if (result == BASE_OK) {
    assert_true(is_same(original, back));
  } else {
    assert_int_equal(result, BASE_CORRUPT);
    assert_string_equal(fault.subject, "level");
    assert_null(back);
  }
  image_unref(&back);
  free(exact);
}

static void every_changed_bit_is_noticed(void **state) {
  (void)state;
  struct image_yuv yuv = kinds[0];
  yuv.width = 33;
  yuv.height = 21;
  struct image *image = make_planes(&yuv, 0), *back;
  struct base_buffer bytes = encode(image);
  for (size_t i = 0; i < bytes.bytes * 8; i++) {
    bytes.data[i / 8] ^= (uint8_t)(1u << i % 8);
    assert_noticed(base_buffer_span(&bytes), image);
    // The head has no bit that means nothing.
    if (i < HEAD_BYTES * 8) assert_int_equal(codec_level_decode(base_buffer_span(&bytes), &back, NULL), BASE_CORRUPT);
    bytes.data[i / 8] ^= (uint8_t)(1u << i % 8);
  }
  image_unref(&image);
  base_buffer_finish(&bytes);
}

static void shorter_and_longer_bytes_are_corrupt(void **state) {
  (void)state;
  struct image *image = make_pixels(40, 30, true), *back;
  struct base_buffer bytes = encode(image);
  const size_t whole = bytes.bytes;
  for (size_t cut = 0; cut < whole; cut++) {
    assert_int_equal(codec_level_decode(base_span_of(bytes.data, cut), &back, NULL), BASE_CORRUPT);
    assert_null(back);
  }
  assert_int_equal(base_buffer_append(&bytes, "", 1), BASE_OK);
  assert_int_equal(codec_level_decode(base_buffer_span(&bytes), &back, NULL), BASE_CORRUPT);
  bytes.bytes = whole;
  // A second frame behind the first.
  assert_int_equal(base_buffer_reserve(&bytes, whole), BASE_OK);
  assert_int_equal(base_buffer_append(&bytes, bytes.data + HEAD_BYTES, whole - HEAD_BYTES), BASE_OK);
  assert_int_equal(codec_level_decode(base_buffer_span(&bytes), &back, NULL), BASE_CORRUPT);
  image_unref(&image);
  base_buffer_finish(&bytes);
}

static void grey_with_chroma_blocks_is_corrupt(void **state) {
  (void)state;
  const struct image_yuv yuv = {.width = 16, .height = 9, .chroma_x = 2, .chroma_y = 2, .is_grey = true};
  struct image *image = make_planes(&yuv, 0), *back;
  struct base_buffer bytes = encode(image);
  assert_int_equal(codec_level_decode(base_buffer_span(&bytes), &back, NULL), BASE_CORRUPT);
  assert_null(back);
  image_unref(&image);
  base_buffer_finish(&bytes);
}

// The head of one level before the frame of another, smaller or larger.
static void head_of_another_size_is_corrupt(void **state) {
  (void)state;
  static const struct { uint32_t width, height; } others[] = {{40, 31}, {41, 30}, {39, 30}, {1, 1}, {2000, 1500}};
  struct image *image = make_pixels(40, 30, true), *back;
  struct base_buffer bytes = encode(image);
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    struct image *other = make_pixels(others[i].width, others[i].height, true);
    struct base_buffer mixed = encode(other);
    mixed.bytes = HEAD_BYTES;
    assert_int_equal(base_buffer_append(&mixed, bytes.data + HEAD_BYTES, bytes.bytes - HEAD_BYTES), BASE_OK);
    assert_int_equal(codec_level_decode(base_buffer_span(&mixed), &back, NULL), BASE_CORRUPT);
    image_unref(&other);
    base_buffer_finish(&mixed);
  }
  image_unref(&image);
  base_buffer_finish(&bytes);
}

static void encode_appends_and_leaves_the_buffer_alone_when_it_is_full(void **state) {
  (void)state;
  struct image *image = make_pixels(300, 200, true), *back;
  struct base_buffer out;
  struct base_fault fault = {0};
  base_buffer_init(&out, 100);
  assert_int_equal(base_buffer_append(&out, "before", 6), BASE_OK);
  assert_int_equal(codec_level_encode(image, &out, &fault), BASE_TOO_LARGE);
  assert_string_equal(fault.subject, "level");
  assert_int_equal(out.bytes, 6);
  base_buffer_finish(&out);
  base_buffer_init(&out, LIMIT_BYTES);
  assert_int_equal(base_buffer_append(&out, "before", 6), BASE_OK);
  assert_int_equal(codec_level_encode(image, &out, NULL), BASE_OK);
  assert_memory_equal(out.data, "before", 6);
  assert_int_equal(codec_level_decode(base_span_slice(base_buffer_span(&out), 6, out.bytes), &back, NULL), BASE_OK);
  assert_true(is_same(image, back));
  image_unref(&back);
  image_unref(&image);
  base_buffer_finish(&out);
}

static void sides_that_no_level_has_are_refused(void **state) {
  (void)state;
  struct image *image = make_pixels((1 << 16) + 1, 1, false);
  struct base_buffer out;
  struct base_fault fault = {0};
  base_buffer_init(&out, LIMIT_BYTES);
  assert_int_equal(codec_level_encode(image, &out, &fault), BASE_TOO_LARGE);
  assert_int_equal(out.bytes, 0);
  image_unref(&image);
  base_buffer_finish(&out);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(levels_of_every_kind_come_back_exactly),
      cmocka_unit_test(rows_with_padding_come_back_without_it),
      cmocka_unit_test(what_lies_around_the_samples_is_not_kept),
      cmocka_unit_test(smooth_pictures_become_smaller),
      cmocka_unit_test(every_changed_bit_is_noticed),
      cmocka_unit_test(shorter_and_longer_bytes_are_corrupt),
      cmocka_unit_test(grey_with_chroma_blocks_is_corrupt),
      cmocka_unit_test(head_of_another_size_is_corrupt),
      cmocka_unit_test(encode_appends_and_leaves_the_buffer_alone_when_it_is_full),
      cmocka_unit_test(sides_that_no_level_has_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
