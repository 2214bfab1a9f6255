// The table of tenants: keys of one that was replaced are gone, but not while somebody looks at them.
#include "tenant.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { READERS = 3, ROUNDS = 500 };

static struct pop_tenants tenants;

static struct pop_tenant museum(const char *key) {
  struct pop_tenant tenant = {.name = "museum", .key_count = 1, .imgproxy_key_count = 1};
  assert_int_equal(recipe_sign_key_parse(base_span_text(key), &tenant.keys[0], NULL), BASE_OK);
  assert_int_equal(recipe_sign_key_parse_hex(base_span_text("736563726574:68656c6c6f"), &tenant.imgproxy_keys[0], NULL),
                   BASE_OK);
  return tenant;
}

static void open_with(const char *key) {
  const struct pop_tenant tenant = museum(key);
  assert_int_equal(pop_tenants_init(&tenants, &tenant, 1, NULL), BASE_OK);
}

static void replace_with(const char *key) {
  const struct pop_tenant tenant = museum(key);
  assert_int_equal(pop_tenants_replace(&tenants, &tenant, 1, NULL), BASE_OK);
}

static void a_tenant_that_was_replaced_stays_without_its_keys(void **state) {
  (void)state;
  static const struct recipe_sign_key none;
  open_with("first-secret:salt");
  const struct pop_tenant *first = pop_tenants_find_name(&tenants, "museum");
  assert_memory_equal(first->keys[0].key, "first-secret", strlen("first-secret"));
  replace_with("second-secret:salt");
  assert_string_equal(first->name, "museum");
  assert_memory_equal(&first->keys[0], &none, sizeof none);
  assert_memory_equal(&first->imgproxy_keys[0], &none, sizeof none);
  const struct pop_tenant *second = pop_tenants_find_name(&tenants, "museum");
  assert_memory_equal(second->keys[0].key, "second-secret", strlen("second-secret"));
  // A table that is refused takes nothing away.
  const struct pop_tenant bad = {.name = "Not a name"};
  assert_int_equal(pop_tenants_replace(&tenants, &bad, 1, NULL), BASE_BAD_INPUT);
  assert_memory_equal(second->keys[0].key, "second-secret", strlen("second-secret"));
  pop_tenants_finish(&tenants);
}

// --- hosts ---

static const char *tenant_of(const char *host) { return pop_tenants_find(&tenants, base_span_text(host))->name; }

static void a_host_is_found_in_every_spelling(void **state) {
  (void)state;
  const struct pop_tenant items[] = {
      {.name = "shop", .host_count = 2, .hosts = {"Shop.test", "img.shop.test."}},
      {.name = "lab", .host_count = 3, .hosts = {"[2001:DB8:0::1]", "fe80::1", "192.0.2.7"}},
  };
  static const struct {
    const char *host, *tenant;
  } cases[] = {
      {"shop.test", "shop"},
      {"SHOP.TEST", "shop"},
      {"shop.test.", "shop"},
      {"sHoP.tEsT.", "shop"},
      {"img.shop.test", "shop"},
      {"IMG.shop.test.", "shop"},
      {"[2001:db8::1]", "lab"},
      {"[2001:0DB8:0000:0000:0000:0000:0000:0001]", "lab"},
      {"[2001:db8::0.0.0.1]", "lab"},
      {"[FE80:0::1]", "lab"},
      {"192.0.2.7", "lab"},
      {"192.0.2.7.", "lab"},
      // These are others.
      {"", "default"},
      {".", "default"},
      {"..", "default"},
      {"shop.test..", "default"},
      {".shop.test", "default"},
      {"shop.tes", "default"},
      {"x.shop.test", "default"},
      {"[2001:db8::2]", "default"},
      {"[2001:db8::1].", "default"},
      {"[2001:db8::1::]", "default"},
      {"[::]", "default"},
      {"[]", "default"},
      {"[192.0.2.7]", "default"},
  };
  assert_int_equal(pop_tenants_init(&tenants, items, 2, NULL), BASE_OK);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    const char *found = tenant_of(cases[i].host);
    if (strcmp(found, cases[i].tenant) != 0) fail_msg("%s: %s, not %s", cases[i].host, found, cases[i].tenant);
  }
  pop_tenants_finish(&tenants);
}

static void two_tenants_can_not_have_one_host_in_two_spellings(void **state) {
  (void)state;
  static const char *const spellings[][2] = {
      {"shop.test", "SHOP.test."}, {"[::1]", "0:0:0:0:0:0:0:1"}, {"shop.test.", "shop.test."}, {"::1", "[::0001]"}};
  for (size_t i = 0; i < sizeof spellings / sizeof spellings[0]; i++) {
    struct pop_tenant items[] = {{.name = "a", .host_count = 1}, {.name = "b", .host_count = 1}};
    struct base_fault fault = {0};
    strcpy(items[0].hosts[0], spellings[i][0]);
    strcpy(items[1].hosts[0], spellings[i][1]);
    assert_int_equal(pop_tenants_init(&tenants, items, 2, &fault), BASE_BAD_INPUT);
    assert_non_null(strstr(fault.text, "belongs to a and to b"));
    pop_tenants_finish(&tenants);
  }
}

static atomic_bool has_ended;
static atomic_uint looks, without_key;

static void *look(void *unused) {
  (void)unused;
  while (!atomic_load(&has_ended)) {
    pop_tenants_hold_keys(&tenants);
    const struct pop_tenant *tenant = pop_tenants_find_name(&tenants, "museum");
    if (memcmp(tenant->keys[0].key, "a-secret", strlen("a-secret")) != 0) atomic_fetch_add(&without_key, 1);
    pop_tenants_release_keys(&tenants);
    atomic_fetch_add(&looks, 1);
  }
  return NULL;
}

static void keys_stay_while_somebody_looks_at_them(void **state) {
  (void)state;
  pthread_t readers[READERS];
  open_with("a-secret:salt");
  for (int i = 0; i < READERS; i++) assert_int_equal(pthread_create(&readers[i], NULL, look, NULL), 0);
  while (atomic_load(&looks) < READERS) sched_yield();
  for (int i = 0; i < ROUNDS; i++) replace_with("a-secret:salt");
  atomic_store(&has_ended, true);
  for (int i = 0; i < READERS; i++) pthread_join(readers[i], NULL);
  assert_int_equal(atomic_load(&without_key), 0);
  pop_tenants_finish(&tenants);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_tenant_that_was_replaced_stays_without_its_keys),
      cmocka_unit_test(keys_stay_while_somebody_looks_at_them),
      cmocka_unit_test(a_host_is_found_in_every_spelling),
      cmocka_unit_test(two_tenants_can_not_have_one_host_in_two_spellings),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
