// PngSuite by Willem van Schaik: every file as Pillow reads it, every broken one refused.
#include "codec/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "pictures.h"
#include "reading.h"

static const struct image_limits limits = IMAGE_LIMITS_INITIALIZER;

static void every_file_equals_the_witness(void **state) {
  static struct pictures pictures;
  (void)state;
  pictures_read(&pictures);
  assert_true(pictures.count > 150);
  for (size_t i = 0; i < pictures.count; i++) {
    const struct picture *picture = &pictures.list[i];
    struct base_buffer file = picture_file(picture->name, "");
    struct image_header header;
    struct image *image;
    struct base_fault fault = {0};
    if (read_picture(base_buffer_span(&file), &limits, &header, &image, &fault) != BASE_OK) {
      fail_msg("%s: %s", picture->name, fault.text);
    }
    picture_assert_header(picture, &header);
    picture_assert_pixels(picture, image);
    image_unref(&image);
    base_buffer_finish(&file);
  }
}

static void every_broken_file_is_refused(void **state) {
  (void)state;
  char name[64];
  unsigned count = 0;
  FILE *list = fopen(PICTURES_FOLDER "/refused.txt", "r");
  assert_non_null(list);
  while (fscanf(list, "%63s", name) == 1) {
    struct base_buffer file = picture_file(name, "");
    struct image_header header;
    struct image *image;
    struct base_fault fault = {0};
    enum base_result result = read_picture(base_buffer_span(&file), &limits, &header, &image, &fault);
    if (result != BASE_UNPROCESSABLE && result != BASE_UNSUPPORTED) fail_msg("%s: %s", name, base_result_name(result));
    assert_true(fault.text[0] != '\0');
    base_buffer_finish(&file);
    count++;
  }
  fclose(list);
  assert_true(count >= 14);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_file_equals_the_witness),
      cmocka_unit_test(every_broken_file_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
