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
                                   offsetof(struct sandbox_reply, header.has_icc),
                                   offsetof(struct sandbox_reply, header.can_shrink)};
  for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
    struct sandbox_reply reply = sound_reply();
    memset((char *)&reply + offsets[i], 2, 1);
    assert_false(sandbox_reply_is_sound(&reply, sizeof reply, SANDBOX_INSPECT));
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
      cmocka_unit_test(only_results_that_a_decoder_can_know_are_accepted),
      cmocka_unit_test(texts_are_terminated_and_made_printable),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
