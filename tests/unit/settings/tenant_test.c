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
  must_refuse("[tenant a]\nhints = maybe\n", "box.ini:2", "a tenant has 'hints = on'");
  must_refuse("[tenant a]\nhosts = x,,y\n", "box.ini:2", "an empty");
  must_refuse("[tenant a]\nhosts =\n", "box.ini:2", "an empty");
}

static void counts_are_bounded(void **state) {
  (void)state;
  must_parse("[tenant a]\nhosts = 1,2,3,4,5,6,7,8\n", &settings);
  assert_int_equal(settings.tenants[0].host_count, SETTINGS_MAX_HOSTS);
  must_refuse("[tenant a]\nhosts = 1,2,3,4,5,6,7,8,9\n", "box.ini:2", "more than 8 hosts");

  char text[SETTINGS_MAX_TENANTS * 32] = "";
  for (int i = 0; i < SETTINGS_MAX_TENANTS; i++) snprintf(text + strlen(text), 32, "[tenant t%d]\n", i);
  must_parse(text, &settings);
  assert_int_equal(settings.tenant_count, SETTINGS_MAX_TENANTS);
  strcat(text, "[tenant more]\n");
  must_refuse(text, "box.ini:33", "more than 32 tenants");
}

static void policies_ladders_and_salts_are_taken(void **state) {
  (void)state;
  must_parse(
      "[tenant a]\nunsigned = none\nladder = 100, 200,8192\nsalt = s-1\n"
      "[tenant default]\nunsigned = open\n"
      "[tenant b]\n",
      &settings);
  assert_string_equal(settings.tenants[0].unsigned_policy, "none");
  assert_int_equal(settings.tenants[0].ladder_count, 3);
  assert_int_equal(settings.tenants[0].ladder[0], 100);
  assert_int_equal(settings.tenants[0].ladder[2], 8192);
  assert_string_equal(settings.tenants[0].salt, "s-1");
  assert_string_equal(settings.tenants[1].unsigned_policy, "open");
  assert_string_equal(settings.tenants[2].unsigned_policy, "");  // as delivery.unsigned
  assert_int_equal(settings.tenants[2].ladder_count, 0);
}

static void policies_ladders_and_salts_are_refused_when_malformed(void **state) {
  (void)state;
  static const char *const ladders[] = {"", "a", "100,100", "200,100", "0", "8193", "100,,200", "100,", "-1", "1.5"};
  for (size_t i = 0; i < sizeof(ladders) / sizeof(*ladders); i++) {
    char text[64];
    snprintf(text, sizeof(text), "[tenant a]\nladder = %s\n", ladders[i]);
    must_refuse(text, "box.ini:2", "ascending widths");
    snprintf(text, sizeof(text), "[delivery]\nladder = %s\n", ladders[i]);
    must_refuse(text, "box.ini:2", "");
  }
  char text[512] = "[tenant a]\nladder = 1";
  for (int i = 2; i <= SETTINGS_MAX_LADDER; i++) snprintf(text + strlen(text), 16, ",%d", i);
  must_parse(text, &settings);
  strcat(text, ",33");
  must_refuse(text, "box.ini:2", "at most 32 widths");
  must_refuse("[tenant a]\nunsigned = maybe\n", "box.ini:2", "one of: ladder open none");
  must_refuse("[tenant a]\nunsigned =\n", "box.ini:2", "one of: ladder open none");
  must_refuse("[tenant a]\nunsigned = open\nunsigned = open\n", "box.ini:3", "'unsigned' is there twice");
  must_refuse("[tenant a]\nsalt =\n", "box.ini:2", "1..32 characters");
  must_refuse("[tenant a]\nsalt = a b\n", "box.ini:2", "without spaces");
  must_refuse("[tenant a]\nsalt = 123456789012345678901234567890123\n", "box.ini:2", "1..32 characters");
}

static void sign_keys_are_taken_in_their_order(void **state) {
  (void)state;
  must_parse(
      "[tenant a]\nsign_keys = new:s1   hex:00ff:hex:0a old:s3 oldest:\n"
      "imgproxy_keys = 736563726574:68656c6c6f 00:\n",
      &settings);
  const struct settings_tenant *tenant = &settings.tenants[0];
  assert_int_equal(tenant->key_count, 4);
  assert_memory_equal(tenant->keys[0].key, "new", 3);
  assert_memory_equal(tenant->keys[0].salt, "s1", 2);
  assert_int_equal(tenant->keys[1].key_bytes, 2);
  assert_int_equal(tenant->keys[3].salt_bytes, 0);
  assert_int_equal(tenant->imgproxy_key_count, 2);
  assert_memory_equal(tenant->imgproxy_keys[0].key, "secret", 6);
  assert_memory_equal(tenant->imgproxy_keys[0].salt, "hello", 5);
}

static void sign_keys_are_refused_without_quoting_them(void **state) {
  (void)state;
  static const char *const bad[] = {"sign_keys =",
                                    "sign_keys = hunter2",
                                    "sign_keys = a:b hunter2",
                                    "sign_keys = hunter2:a/b",
                                    "sign_keys = hex:hunter2:a",
                                    "sign_keys = hunter2:b a:b a:b a:b a:b",
                                    "imgproxy_keys = hunter2:00",
                                    "imgproxy_keys = 00:hunter2",
                                    "imgproxy_keys = hex:00:00"};
  for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
    char text[128];
    struct base_fault fault = {0};
    snprintf(text, sizeof(text), "[tenant a]\n%s\n", bad[i]);
    assert_int_equal(settings_parse(base_span_text(text), "box.ini", &settings, &fault), BASE_BAD_INPUT);
    assert_string_equal(fault.subject, "box.ini:2");
    assert_null(strstr(fault.text, "hunter2"));
  }
  must_refuse("[tenant a]\nsign_keys = a:b a:b a:b a:b a:b\n", "box.ini:2", "at most 4 pairs");
  must_refuse("[tenant a]\nsign_keys = a:b c\n", "box.ini:2", "'sign_keys', pair 2");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(tenants_have_hosts_and_hints),
      cmocka_unit_test(names_are_refused_when_outside_the_alphabet),
      cmocka_unit_test(tenants_and_their_keys_are_refused_when_repeated),
      cmocka_unit_test(hosts_are_refused_when_another_tenant_has_them),
      cmocka_unit_test(keys_are_refused_when_a_tenant_does_not_have_them),
      cmocka_unit_test(counts_are_bounded),
      cmocka_unit_test(policies_ladders_and_salts_are_taken),
      cmocka_unit_test(policies_ladders_and_salts_are_refused_when_malformed),
      cmocka_unit_test(sign_keys_are_taken_in_their_order),
      cmocka_unit_test(sign_keys_are_refused_without_quoting_them),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
