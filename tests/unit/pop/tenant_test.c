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
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
