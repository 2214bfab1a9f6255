#include "sandbox/isolation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void text_names_every_part_and_fits(void **state) {
  (void)state;
  char text[SANDBOX_ISOLATION_TEXT_BYTES];
  const struct sandbox_isolation all = {.parts = (1u << SANDBOX_ISOLATION_PARTS) - 1, .landlock_abi = 7, .uid = 65534};
  sandbox_isolation_text(&all, text);
  assert_string_equal(text,
                      "seccomp, landlock, user namespace, network and other namespaces, empty root, own user, "
                      "no capabilities");
  const struct sandbox_isolation none = {0};
  sandbox_isolation_text(&none, text);
  assert_string_equal(text, "nothing");
}

static void object_says_each_part(void **state) {
  (void)state;
  struct base_buffer text;
  struct base_json_writer json;
  const struct sandbox_isolation some = {.parts = SANDBOX_SECCOMP | SANDBOX_OWN_USER, .uid = 7};
  base_buffer_init(&text, 1000);
  base_json_begin(&json, &text);
  sandbox_isolation_write(&json, NULL, &some);
  assert_int_equal(json.result, BASE_OK);
  assert_true(base_span_is(base_buffer_span(&text),
                           "{\"seccomp\":true,\"landlock\":false,\"user_namespace\":false,\"namespaces\":false,"
                           "\"empty_root\":false,\"own_user\":true,\"no_capabilities\":false,\"landlock_abi\":0,"
                           "\"uid\":7}"));
  base_buffer_finish(&text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(text_names_every_part_and_fits),
      cmocka_unit_test(object_says_each_part),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
