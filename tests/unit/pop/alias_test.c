// The short cut for requests that came before: it finds exactly what was kept.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "alias.h"
#include "hints.h"

enum { NOW_S = 1764000000 };

static void add(struct http_request *request, const char *name, const char *value) {
  request->headers[request->header_count++] = (struct http_header){base_span_text(name), base_span_text(value)};
}

static struct http_request ask(const char *path, const char *query, const char *accept) {
  struct http_request request = {.method = HTTP_GET, .path = base_span_text(path), .query = base_span_text(query)};
  add(&request, "User-Agent", "x");
  if (accept) add(&request, "ACCEPT", accept);
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
    assert_false(pop_aliases_find(&aliases, &request, tenant, NOW_S, &key, &terms));
    const struct cache_key variant = {{(uint8_t)(i + 1)}};
    pop_aliases_keep(&aliases, &request, tenant, &variant,
                     (struct pop_terms){.is_pinned = i % 2, .open = POP_OPEN_FORMAT});
  }
  for (int i = 0; i < COUNT; i++) {
    const struct http_request request = ask(cases[i].path, cases[i].query, cases[i].accept);
    assert_true(pop_aliases_find(&aliases, &request, &tenants[cases[i].tenant], NOW_S, &key, &terms));
    assert_int_equal(key.bytes[0], i + 1);
    assert_int_equal(terms.is_pinned, i % 2 != 0);
    assert_int_equal(terms.open, POP_OPEN_FORMAT);
  }
  pop_aliases_finish(&aliases);
}

static void tells_apart_only_what_the_url_leaves_open(void **state) {
  (void)state;
  static const struct pop_tenant tenant = {.name = "a"};
  static const struct {
    unsigned open;
    const char *name, *value;
    bool is_another;
  } cases[] = {
      {POP_OPEN_FORMAT, "Accept", "image/png", true},
      {POP_OPEN_DPR, "Accept", "image/png", false},
      {POP_OPEN_DPR, "DPR", "2", true},
      {POP_OPEN_DPR, "DPR", "1.05", false},
      {POP_OPEN_SIZE, "DPR", "2", false},
      {POP_OPEN_SIZE, "Width", "400", true},
      {POP_OPEN_QUALITY, "Save-Data", "on", true},
      {POP_OPEN_FORMAT, "Save-Data", "on", false},
      {0, "Accept", "image/png", false},
      {0, "DPR", "3", false},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct pop_aliases aliases;
    struct cache_key key = {{7}};
    struct pop_terms terms;
    struct http_request plain = ask("/i/a", "w=1", NULL), other = ask("/i/a", "w=1", NULL);
    add(&plain, "dpr", "1");
    if (strcmp(cases[i].name, "DPR") != 0) add(&other, "dpr", "1");
    add(&other, cases[i].name, cases[i].value);
    assert_int_equal(pop_aliases_init(&aliases, NULL), BASE_OK);
    pop_aliases_keep(&aliases, &plain, &tenant, &key, (struct pop_terms){.open = (uint8_t)cases[i].open});
    assert_true(pop_aliases_find(&aliases, &plain, &tenant, NOW_S, &key, &terms));
    assert_int_equal(pop_aliases_find(&aliases, &other, &tenant, NOW_S, &key, &terms), !cases[i].is_another);
    pop_aliases_finish(&aliases);
  }
}

static void ends_when_the_url_expires(void **state) {
  (void)state;
  static const struct pop_tenant tenant = {.name = "a"};
  for (unsigned open = 0; open <= POP_OPEN_ALL; open++) {
    struct pop_aliases aliases;
    struct cache_key key = {{7}};
    struct pop_terms terms = {.expires_s = NOW_S + 10, .open = (uint8_t)open};
    const struct http_request request = ask("/i/a", "exp=1764000010&sig=s&w=1", "image/webp");
    assert_int_equal(pop_aliases_init(&aliases, NULL), BASE_OK);
    pop_aliases_keep(&aliases, &request, &tenant, &key, terms);
    assert_true(pop_aliases_find(&aliases, &request, &tenant, NOW_S + 9, &key, &terms));
    assert_int_equal(terms.expires_s, NOW_S + 10);
    assert_false(pop_aliases_find(&aliases, &request, &tenant, NOW_S + 10, &key, &terms));
    pop_aliases_finish(&aliases);
  }
}

static void leaves_out_what_is_long_or_ambiguous(void **state) {
  (void)state;
  static const struct pop_tenant tenant = {.name = "a"};
  static char query[600];
  struct pop_aliases aliases;
  struct pop_terms terms = {.open = POP_OPEN_FORMAT};
  struct cache_key key = {{0}};
  assert_int_equal(pop_aliases_init(&aliases, NULL), BASE_OK);
  memset(query, 'w', sizeof query - 1);
  struct http_request requests[] = {ask("/i/a", query, NULL), ask("/i/a", "", ""), ask("/i/a", "", "image/webp")};
  add(&requests[2], "accept", "image/png");
  for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
    pop_aliases_keep(&aliases, &requests[i], &tenant, &key, terms);
    assert_false(pop_aliases_find(&aliases, &requests[i], &tenant, NOW_S, &key, &terms));
  }
  pop_aliases_finish(&aliases);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(finds_each_request_s_own_variant),
      cmocka_unit_test(tells_apart_only_what_the_url_leaves_open),
      cmocka_unit_test(ends_when_the_url_expires),
      cmocka_unit_test(leaves_out_what_is_long_or_ambiguous),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
