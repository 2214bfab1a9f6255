#include "access.h"

#include "fake_clock.h"
#include "temp_folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct temp_folder folder;
static struct fake_clock fake;
static char path[128], token[BASE_TOKEN_CHARS + 1];
static struct access rescue;
static const uint8_t here[HTTP_CLIENT_BYTES] = {1}, there[HTTP_CLIENT_BYTES] = {2};

static int begin(void **state) {
  (void)state;
  temp_folder_make(&folder);
  temp_folder_path(&folder, "code", path, sizeof path);
  fake_clock_init(&fake, 1764000000);
  return access_init(&rescue, path, &fake.clock, NULL) == BASE_OK ? 0 : -1;
}

static int end(void **state) {
  (void)state;
  temp_folder_remove(&folder);
  return 0;
}

static enum base_result open_with(const char *code, const uint8_t *client) {
  return access_open(&rescue, base_span_text(code), client, token, NULL);
}

static void the_code_outlives_a_crash_and_is_made_anew_when_it_is_damaged(void **state) {
  (void)state;
  char first[BASE_CODE_CHARS + 1];
  memcpy(first, rescue.code, sizeof first);
  assert_int_equal(access_init(&rescue, path, &fake.clock, NULL), BASE_OK);
  assert_string_equal(rescue.code, first);
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  fputs("K7QX", file);
  fclose(file);
  assert_int_equal(access_init(&rescue, path, &fake.clock, NULL), BASE_OK);
  assert_true(base_code_is_valid(base_span_text(rescue.code)));
  assert_string_not_equal(rescue.code, first);
}

static void the_code_opens_a_session_as_people_type_it(void **state) {
  (void)state;
  char text[BASE_CODE_TEXT + 1], longer[BASE_CODE_TEXT + 2];
  base_code_write(rescue.code, text);
  assert_int_equal(open_with(text, here), BASE_OK);
  assert_int_equal(strlen(token), BASE_TOKEN_CHARS);
  assert_true(access_knows(&rescue, here));
  assert_false(access_knows(&rescue, there));
  snprintf(longer, sizeof longer, "%s0", text);
  assert_int_equal(open_with(longer, here), BASE_UNAUTHORIZED);
  assert_int_equal(open_with("", here), BASE_UNAUTHORIZED);
  text[BASE_CODE_TEXT - 1] = '\0';
  assert_int_equal(open_with(text, here), BASE_UNAUTHORIZED);
}

static void a_guesser_waits_and_the_right_code_ends_that_for_others_only(void **state) {
  (void)state;
  for (int i = 0; i < ACCESS_GUESSES; i++) assert_int_equal(open_with("wrong", here), BASE_UNAUTHORIZED);
  assert_int_equal(open_with(rescue.code, here), BASE_RATE);
  assert_int_equal(open_with(rescue.code, there), BASE_OK);
  assert_int_equal(open_with(rescue.code, here), BASE_RATE);
  fake_clock_advance_s(&fake, ACCESS_GUESS_EVERY_S);
  assert_int_equal(open_with("wrong", here), BASE_UNAUTHORIZED);
  assert_int_equal(open_with(rescue.code, here), BASE_RATE);
  fake_clock_advance_s(&fake, ACCESS_GUESS_EVERY_S);
  assert_int_equal(open_with(rescue.code, here), BASE_OK);
}

static void a_session_that_nobody_uses_ends(void **state) {
  (void)state;
  assert_int_equal(open_with(rescue.code, here), BASE_OK);
  fake_clock_advance_s(&fake, ACCESS_SESSION_IDLE_S + 1);
  assert_false(access_knows(&rescue, here));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(the_code_outlives_a_crash_and_is_made_anew_when_it_is_damaged),
      TEST(the_code_opens_a_session_as_people_type_it),
      TEST(a_guesser_waits_and_the_right_code_ends_that_for_others_only),
      TEST(a_session_that_nobody_uses_ends),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
