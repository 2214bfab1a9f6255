#include "base/json.h"

#include <math.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { LIMIT = 4096 };

static struct base_buffer out;
static struct base_json_writer writer;

static int begin(void **state) {
  (void)state;
  base_buffer_init(&out, LIMIT);
  base_json_begin(&writer, &out);
  return 0;
}

static int finish(void **state) {
  (void)state;
  base_buffer_finish(&out);
  return 0;
}

static void assert_written(const char *text) {
  assert_int_equal(writer.result, BASE_OK);
  assert_int_equal(out.bytes, strlen(text));
  assert_memory_equal(out.data, text, out.bytes);
}

static void commas_stand_only_between_values(void **state) {
  (void)state;
  base_json_object(&writer, NULL);
  base_json_integer(&writer, "a", INT64_MIN);
  base_json_array(&writer, "list");
  base_json_array(&writer, NULL);
  base_json_array_end(&writer);
  base_json_object(&writer, NULL);
  base_json_object_end(&writer);
  base_json_bool(&writer, NULL, true);
  base_json_string(&writer, NULL, NULL);
  base_json_array_end(&writer);
  base_json_bool(&writer, "b", false);
  base_json_object_end(&writer);
  assert_written("{\"a\":-9223372036854775808,\"list\":[[],{},true,null],\"b\":false}");
}

static void text_is_escaped_when_it_has_special_characters(void **state) {
  (void)state;
  base_json_object(&writer, NULL);
  base_json_text(&writer, "k\"", base_span_of("a\"b\\c\n\t\0\x7f/", 10));
  base_json_object_end(&writer);
  assert_written("{\"k\\\"\":\"a\\\"b\\\\c\\n\\u0009\\u0000\\u007f/\"}");
}

static void utf8_is_kept_and_other_bytes_are_replaced(void **state) {
  (void)state;
  base_json_array(&writer, NULL);
  base_json_string(&writer, NULL, "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
  base_json_string(&writer, NULL, "\xff");
  base_json_string(&writer, NULL, "\xc0\xaf");          // overlong
  base_json_string(&writer, NULL, "\xe0\x80\xaf");      // overlong
  base_json_string(&writer, NULL, "\xed\xa0\x80");      // surrogate
  base_json_string(&writer, NULL, "\xf4\x90\x80\x80");  // above U+10FFFF
  base_json_string(&writer, NULL, "a\xe2\x82");         // cut short
  base_json_array_end(&writer);
#define R "\xef\xbf\xbd"
  assert_written("[\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\",\"" R "\",\"" R R "\",\"" R R R "\",\"" R R R
                 "\",\"" R R R R "\",\"a" R R "\"]");
#undef R
}

static void numbers_read_back_as_themselves(void **state) {
  (void)state;
  base_json_array(&writer, NULL);
  base_json_number(&writer, NULL, 0.1);
  base_json_number(&writer, NULL, 1.0 / 3.0);
  base_json_number(&writer, NULL, -2);
  base_json_number(&writer, NULL, (double)INFINITY);
  base_json_number(&writer, NULL, (double)NAN);
  base_json_array_end(&writer);
  assert_written("[0.1,0.33333333333333331,-2,null,null]");
}

static void first_error_sticks_when_the_buffer_is_full(void **state) {
  (void)state;
  out.limit = 8;
  base_json_object(&writer, NULL);
  base_json_string(&writer, "key", "a long value");
  assert_int_equal(writer.result, BASE_TOO_LARGE);
  const size_t bytes = out.bytes;
  base_json_object_end(&writer);  // would fit, but must not be written
  assert_int_equal(out.bytes, bytes);
  assert_int_equal(writer.result, BASE_TOO_LARGE);
}

static void raw_json_stands_where_a_value_stands(void **state) {
  (void)state;
  base_json_object(&writer, NULL);
  base_json_raw(&writer, "a", base_span_text("{\"b\":[1,null]}"));
  base_json_integer(&writer, "c", 2);
  base_json_object_end(&writer);
  assert_written("{\"a\":{\"b\":[1,null]},\"c\":2}");
}

#define WRITING(test) cmocka_unit_test_setup_teardown(test, begin, finish)

int main(void) {
  const struct CMUnitTest tests[] = {
      WRITING(commas_stand_only_between_values),           WRITING(text_is_escaped_when_it_has_special_characters),
      WRITING(utf8_is_kept_and_other_bytes_are_replaced),  WRITING(numbers_read_back_as_themselves),
      WRITING(first_error_sticks_when_the_buffer_is_full), WRITING(raw_json_stands_where_a_value_stands),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
