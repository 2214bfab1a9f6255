#include "reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct sandbox_reply sound_reply(void) {
  struct sandbox_reply reply;
  memset(&reply, 0, sizeof reply);
  reply.magic = SANDBOX_PROTOCOL_MAGIC;
  reply.version = SANDBOX_PROTOCOL_VERSION;
  reply.operation = SANDBOX_INSPECT;
  reply.header = (struct image_header){
      .format = IMAGE_FILE_JPEG, .width = 3, .height = 2, .orientation = IMAGE_ROTATE_90, .bits = 8, .has_alpha = true};
  return reply;
}

static bool is_sound(struct sandbox_reply reply) {
  return sandbox_reply_is_sound(&reply, sizeof reply, SANDBOX_INSPECT);
}

static void sound_reply_is_accepted(void **state) {
  (void)state;
  assert_true(is_sound(sound_reply()));
}

static void reply_of_another_length_or_kind_is_refused(void **state) {
  (void)state;
  struct sandbox_reply reply = sound_reply();
  assert_false(sandbox_reply_is_sound(&reply, sizeof reply - 1, SANDBOX_INSPECT));
  assert_false(sandbox_reply_is_sound(&reply, sizeof reply + 1, SANDBOX_INSPECT));
  assert_false(sandbox_reply_is_sound(&reply, sizeof reply, SANDBOX_DECODE));
  reply.magic++;
  assert_false(is_sound(reply));
  reply = sound_reply();
  reply.version++;
  assert_false(is_sound(reply));
}

static void fields_out_of_range_are_refused(void **state) {
  (void)state;
  struct sandbox_reply reply = sound_reply();
  reply.header.format = IMAGE_FILE_UNKNOWN;
  assert_false(is_sound(reply));
  reply.header.format = IMAGE_FILE_FORMAT_COUNT;
  assert_false(is_sound(reply));
  for (int orientation = -1; orientation <= 9; orientation++) {
    reply = sound_reply();
    reply.header.orientation = (enum image_orientation)orientation;
    assert_int_equal(is_sound(reply), orientation >= 1 && orientation <= 8);
  }
  reply = sound_reply();
  reply.header.colour = (enum image_colour)4;
  assert_false(is_sound(reply));
  reply = sound_reply();
  reply.header.bits = 17;
  assert_false(is_sound(reply));
}

static void bool_that_is_neither_0_nor_1_is_refused(void **state) {
  (void)state;
  static const size_t offsets[] = {offsetof(struct sandbox_reply, header.has_alpha),
                                   offsetof(struct sandbox_reply, header.has_icc)};
  for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
    struct sandbox_reply reply = sound_reply();
    memset((char *)&reply + offsets[i], 2, 1);
    assert_false(sandbox_reply_is_sound(&reply, sizeof reply, SANDBOX_INSPECT));
  }
}

static bool is_picture_sound(struct sandbox_picture picture, bool has_alpha) {
  struct sandbox_reply reply = sound_reply();
  reply.operation = SANDBOX_DECODE;
  reply.header.has_alpha = has_alpha;
  reply.picture = picture;
  return sandbox_reply_is_sound(&reply, sizeof reply, SANDBOX_DECODE);
}

static void pictures_of_every_kind_are_accepted(void **state) {
  (void)state;
  assert_true(is_picture_sound((struct sandbox_picture){.format = IMAGE_RGBA8}, false));
  assert_true(is_picture_sound((struct sandbox_picture){.format = IMAGE_RGBA8}, true));
  for (unsigned across = 0; across <= 255; across++) {
    for (unsigned down = 0; down <= 255; down++) {
      struct sandbox_picture picture = {.format = IMAGE_YUV, .chroma_x = (uint8_t)across, .chroma_y = (uint8_t)down};
      bool is_block = (across == 1 || across == 2 || across == 4) && (down == 1 || down == 2);
      assert_int_equal(is_picture_sound(picture, false), is_block);
      picture.range = IMAGE_RANGE_LIMITED;
      assert_int_equal(is_picture_sound(picture, false), is_block);
      picture.is_grey = 1;
      assert_int_equal(is_picture_sound(picture, false), across == 1 && down == 1);
    }
  }
}

static void pictures_that_make_no_sense_are_refused(void **state) {
  (void)state;
  const struct sandbox_picture planes = {.format = IMAGE_YUV, .chroma_x = 2, .chroma_y = 2};
  assert_true(is_picture_sound(planes, false));
  assert_false(is_picture_sound(planes, true));
  for (unsigned value = 0; value <= 255; value++) {
    struct sandbox_picture picture = planes;
    picture.format = (uint8_t)value;
    assert_int_equal(is_picture_sound(picture, false), value == IMAGE_YUV);
    picture = planes;
    picture.range = (uint8_t)value;
    assert_int_equal(is_picture_sound(picture, false), value == IMAGE_RANGE_FULL || value == IMAGE_RANGE_LIMITED);
    picture = (struct sandbox_picture){.format = IMAGE_YUV, .chroma_x = 1, .chroma_y = 1, .is_grey = (uint8_t)value};
    assert_int_equal(is_picture_sound(picture, false), value <= 1);
  }
  // RGBA8 with what only planes have.
  for (size_t at = 1; at < sizeof planes; at++) {
    struct sandbox_picture picture = {.format = IMAGE_RGBA8};
    ((uint8_t *)&picture)[at] = 1;
    assert_false(is_picture_sound(picture, false));
  }
}

static void only_results_that_a_decoder_can_know_are_accepted(void **state) {
  (void)state;
  for (uint32_t result = 0; result <= BASE_RESULT_COUNT; result++) {
    struct sandbox_reply reply = sound_reply();
    reply.result = result;
    bool can_know = result == BASE_OK || result == BASE_UNSUPPORTED || result == BASE_UNPROCESSABLE ||
                    result == BASE_NO_MEMORY || result == BASE_IO || result == BASE_INTERNAL;
    assert_int_equal(is_sound(reply), can_know);
  }
}

static void texts_are_terminated_and_made_printable(void **state) {
  (void)state;
  struct sandbox_reply reply = sound_reply();
  reply.result = BASE_UNPROCESSABLE;
  memset(reply.text, '\n', sizeof reply.text);
  memset(reply.subject, 'a', sizeof reply.subject);
  assert_true(sandbox_reply_is_sound(&reply, sizeof reply, SANDBOX_INSPECT));
  assert_int_equal(strlen(reply.text), sizeof reply.text - 1);
  assert_int_equal(strspn(reply.text, "?"), sizeof reply.text - 1);
  assert_int_equal(strlen(reply.subject), sizeof reply.subject - 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sound_reply_is_accepted),
      cmocka_unit_test(reply_of_another_length_or_kind_is_refused),
      cmocka_unit_test(fields_out_of_range_are_refused),
      cmocka_unit_test(bool_that_is_neither_0_nor_1_is_refused),
      cmocka_unit_test(pictures_of_every_kind_are_accepted),
      cmocka_unit_test(pictures_that_make_no_sense_are_refused),
      cmocka_unit_test(only_results_that_a_decoder_can_know_are_accepted),
      cmocka_unit_test(texts_are_terminated_and_made_printable),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
