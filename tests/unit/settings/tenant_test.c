#include <stdio.h>

#include "settings_text.h"

static struct settings settings;

static void tenants_have_hosts_and_hints(void **state) {
  (void)state;
  must_parse(
      "[tenant shop]\nhosts = img.shop.example , shop.example\nhints = off\n"
      "[cache]\nram = 2M\n"
      "[tenant  blog-2 ]\nhosts=blog.example\n",
      &settings);
  assert_int_equal(settings.tenant_count, 2);
  assert_string_equal(settings.tenants[0].name, "shop");
  assert_int_equal(settings.tenants[0].host_count, 2);
  assert_string_equal(settings.tenants[0].hosts[0], "img.shop.example");
  assert_string_equal(settings.tenants[0].hosts[1], "shop.example");
  assert_false(settings.tenants[0].hints);
  assert_string_equal(settings.tenants[1].name, "blog-2");
  assert_string_equal(settings.tenants[1].hosts[0], "blog.example");
  assert_true(settings.tenants[1].hints);
  assert_int_equal(settings.cache_ram_bytes, 2 << 20);
}

static void names_are_refused_when_outside_the_alphabet(void **state) {
  (void)state;
  static const char *const bad[] = {"Shop",        "a b", "a/b", "..",
                                    "caf\xc3\xa9", "a_b", "",    "a123456789012345678901234567890123"};
  for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
    char text[64];
    snprintf(text, sizeof(text), "[tenant %s]\n", bad[i]);
    struct base_fault fault = {0};
    assert_int_equal(settings_parse(base_span_text(text), "box.ini", &settings, &fault), BASE_BAD_INPUT);
    assert_string_equal(fault.subject, "box.ini:1");
  }
  must_parse("[tenant a1234567890123456789012345678901]\n", &settings);  // 32 characters
  assert_int_equal(strlen(settings.tenants[0].name), SETTINGS_MAX_TENANT_NAME);
}

static void tenants_and_their_keys_are_refused_when_repeated(void **state) {
  (void)state;
  must_refuse("[tenant a]\n[tenant b]\n[tenant a]\n", "box.ini:3", "'a' is there twice");
  must_refuse("[tenant a]\nhosts = x\nhosts = y\n", "box.ini:3", "'hosts' is there twice");
  must_refuse("[tenant a]\nhints = on\nhints = on\n", "box.ini:3", "'hints' is there twice");
}

static void hosts_are_refused_when_another_tenant_has_them(void **state) {
  (void)state;
  must_refuse("[tenant a]\nhosts = x.example\n[tenant b]\nhosts = y, X.example\n", "box.ini:4",
              "'a' has the host 'X.example' already");
  must_refuse("[tenant a]\nhosts = x, x\n", "box.ini:2", "'a' has the host 'x' already");
}

static void keys_are_refused_when_a_tenant_does_not_have_them(void **state) {
  (void)state;
  must_refuse("[tenant a]\nlevel = info\n", "box.ini:2", "a tenant has");
  must_refuse("[tenant a]\nhints = maybe\n", "box.ini:2", "a tenant has");
  must_refuse("[tenant a]\nhosts = x,,y\n", "box.ini:2", "an empty");
  must_refuse("[tenant a]\nhosts =\n", "box.ini:2", "an empty");
}

static void counts_are_bounded(void **state) {
  (void)state;
  must_parse("[tenant a]\nhosts = 1,2,3,4,5,6,7,8\n", &settings);
  assert_int_equal(settings.tenants[0].host_count, SETTINGS_MAX_HOSTS);
  must_refuse("[tenant a]\nhosts = 1,2,3,4,5,6,7,8,9\n", "box.ini:2", "more than 8 hosts");

  char text[SETTINGS_MAX_TENANTS * 16 + 32] = "";
  for (int i = 0; i < SETTINGS_MAX_TENANTS; i++) snprintf(text + strlen(text), 16, "[tenant t%d]\n", i);
  must_parse(text, &settings);
  assert_int_equal(settings.tenant_count, SETTINGS_MAX_TENANTS);
  strcat(text, "[tenant more]\n");
  must_refuse(text, "box.ini:33", "more than 32 tenants");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(tenants_have_hosts_and_hints),
      cmocka_unit_test(names_are_refused_when_outside_the_alphabet),
      cmocka_unit_test(tenants_and_their_keys_are_refused_when_repeated),
      cmocka_unit_test(hosts_are_refused_when_another_tenant_has_them),
      cmocka_unit_test(keys_are_refused_when_a_tenant_does_not_have_them),
      cmocka_unit_test(counts_are_bounded),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
