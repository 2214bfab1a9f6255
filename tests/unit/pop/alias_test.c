// The short cut for requests that came before: it finds exactly what was kept.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "alias.h"

static struct http_request ask(const char *path, const char *query, const char *accept) {
  struct http_request request = {.method = HTTP_GET, .path = base_span_text(path), .query = base_span_text(query)};
  request.headers[request.header_count++] = (struct http_header){base_span_text("User-Agent"), base_span_text("x")};
  if (accept) {
    request.headers[request.header_count++] = (struct http_header){base_span_text("ACCEPT"), base_span_text(accept)};
  }
  return request;
}

static void finds_each_request_s_own_variant(void **state) {
  (void)state;
  static const struct pop_tenant tenants[2] = {{.name = "a"}, {.name = "b"}};
  static const struct {
    const char *path, *query, *accept;
    int tenant;
  } cases[] = {
      {"/i/a", "w=1", NULL, 0},        {"/i/a", "w=1", NULL, 1},  {"/i/a", "w=1", "image/webp", 0},
      {"/i/a", "w=1", "image/png", 0}, {"/i/a", "w=10", NULL, 0}, {"/i/aw", "=1", NULL, 0},
      {"/i/b", "w=1", NULL, 0},        {"/i/a", "", NULL, 0},     {"/i/a", "w=1image/", "webp", 0},
  };
  enum { COUNT = sizeof cases / sizeof cases[0] };
  struct pop_aliases aliases;
  struct cache_key key;
  struct pop_terms terms;
  assert_int_equal(pop_aliases_init(&aliases, NULL), BASE_OK);
  for (int i = 0; i < COUNT; i++) {
    const struct http_request request = ask(cases[i].path, cases[i].query, cases[i].accept);
    const struct pop_tenant *tenant = &tenants[cases[i].tenant];
    assert_false(pop_aliases_find(&aliases, &request, tenant, &key, &terms));
    const struct cache_key variant = {{(uint8_t)(i + 1)}};
    pop_aliases_keep(&aliases, &request, tenant, &variant, (struct pop_terms){.is_pinned = i % 2, .varies = i % 3});
  }
  for (int i = 0; i < COUNT; i++) {
    const struct http_request request = ask(cases[i].path, cases[i].query, cases[i].accept);
    assert_true(pop_aliases_find(&aliases, &request, &tenants[cases[i].tenant], &key, &terms));
    assert_int_equal(key.bytes[0], i + 1);
    assert_int_equal(terms.is_pinned, i % 2 != 0);
    assert_int_equal(terms.varies, i % 3 != 0);
  }
  pop_aliases_finish(&aliases);
}

static void leaves_out_what_is_long_or_ambiguous(void **state) {
  (void)state;
  static const struct pop_tenant tenant = {.name = "a"};
  static char query[600];
  struct pop_aliases aliases;
  struct pop_terms terms = {0};
  struct cache_key key = {{0}};
  assert_int_equal(pop_aliases_init(&aliases, NULL), BASE_OK);
  memset(query, 'w', sizeof query - 1);
  struct http_request requests[] = {ask("/i/a", query, NULL), ask("/i/a", "", ""), ask("/i/a", "", "image/webp")};
  requests[2].headers[requests[2].header_count++] =
      (struct http_header){base_span_text("accept"), base_span_text("image/png")};
  for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
    pop_aliases_keep(&aliases, &requests[i], &tenant, &key, terms);
    assert_false(pop_aliases_find(&aliases, &requests[i], &tenant, &key, &terms));
  }
  pop_aliases_finish(&aliases);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(finds_each_request_s_own_variant),
      cmocka_unit_test(leaves_out_what_is_long_or_ambiguous),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
