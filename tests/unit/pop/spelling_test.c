// Which spelling of a URL is the plain one: each of the others would be an entry of its own in every cache.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "pop/address.h"

#define ID "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"
#define SOURCE "plain/local:///" ID
// local:///ID
#define ENCODED "bG9jYWw6Ly8vNDdERVFwajhIQlNhLV9USW1XLTVKQ2V1UWVSa201Tk1wSldaRzNoU3VGVQ"

static void is_known_of_iiif_urls(void **state) {
  (void)state;
  static const struct {
    const char *tail;
    bool has_plainer;
  } cases[] = {
      {"full/3320,/0/default.jpg", false},
      {"full/^!3320,200/0/default.jpg", false},
      {"full/%5E%21360%2C360/%210/default.jpg", false},
      {"full/%5E360,/0/default.jpg", false},
      {"pct%3A0%2C0%2C50%2C50.5/max/0/default.jpg", false},
      {"pct:0,0.25,33.333333,50/pct:12.5/!90/gray.png", false},
      {"%66%75ll/%3320,/0/d%65fault%2Ejpg", true},
      {"full/3320,/%30/default.jpg", true},
      {"full/3320,/0/default%2Ejpg", true},
      {"full/%5e360,/0/default.jpg", true},
      {"pct:0,0,50%2C50/max/0/default.jpg", true},
      {"0,0,50,50/20%2C/0/default.jpg", true},
      {"full/max/0.0/default.jpg", true},
      {"full/max/00/default.jpg", true},
      {"full/max/!090/default.jpg", true},
      {"full/pct:050/0/default.jpg", true},
      {"full/pct:33.3333333/0/default.jpg", true},
      {"pct:.5,0,50,50/max/0/default.jpg", true},
      {"pct:0,0,50.50,50/max/0/default.jpg", true},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct pop_address address;
    char path[256];
    snprintf(path, sizeof path, "/iiif/3/" ID "/%s", cases[i].tail);
    assert_int_equal(pop_iiif_parse(base_span_text(path), &address, NULL), BASE_OK);
    if (pop_address_has_plainer(&address) != cases[i].has_plainer) fail_msg("%s: %d", path, !cases[i].has_plainer);
  }
}

static void is_known_of_imgproxy_urls_that_nobody_signed(void **state) {
  (void)state;
  static const struct {
    const char *rest;
    bool has_plainer;
  } cases[] = {
      {"w:320/" SOURCE, false},
      {"rs:fit:320:0:0/dpr:1.5/q:80/" SOURCE "@webp", false},
      {"rs:fit/w:320/h:200/" SOURCE, false},
      {"rs::320/rt:fill/" SOURCE, false},
      {"bg:000000/cb:007/exp:1893456000/g:fp:0.5:0.25/c:0.5:0.25/" SOURCE, false},
      {"bg:/w:320/" SOURCE, false},
      {"w:320/plain/local%3A%2F%2F%2F" ID, false},
      {"w:320/plain/local:/" ID, false},
      {"w:320/" ENCODED ".png", false},
      {"w:320/bG9jYWw6Ly8vNDdE/RVFwajhIQlNhLV9USW1XLTVKQ2V1UWVSa201Tk1wSldaRzNoU3VGVQ", true},
      {"w:320/" ENCODED "=", true},
      {"w:1/w:320/" SOURCE, true},
      {"w:1/width:320/" SOURCE, true},
      {"rs:fit:1/w:320/" SOURCE, true},
      {"w:1/s:320/" SOURCE, true},
      {"w:320/f:png/" SOURCE "@webp", true},
      {"w:0320/" SOURCE, true},
      {"dpr:1.50/w:320/" SOURCE, true},
      {"dpr:1.5001/w:320/" SOURCE, true},
      {"w:/w:320/" SOURCE, true},
      {"rs:fit:320::::/" SOURCE, true},
      {"w:320/plain/loc%61l:///" ID, true},
      {"w:320/plain/local%3a///" ID, true},
      {"w:320/plain/local:%2F//" ID, true},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct pop_address address;
    char path[256];
    struct base_fault fault = {0};
    snprintf(path, sizeof path, "/imgproxy/unsafe/%s", cases[i].rest);
    const enum base_result result = pop_imgproxy_parse(base_span_text(path), &address, &fault);
    if (result != BASE_OK) fail_msg("%s: %s", path, fault.text);
    if (pop_address_has_plainer(&address) != cases[i].has_plainer) fail_msg("%s: %d", path, !cases[i].has_plainer);
    // Who signed it chose it.
    snprintf(path, sizeof path, "/imgproxy/signature/%s", cases[i].rest);
    assert_int_equal(pop_imgproxy_parse(base_span_text(path), &address, &fault), BASE_OK);
    assert_false(pop_address_has_plainer(&address));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(is_known_of_iiif_urls),
      cmocka_unit_test(is_known_of_imgproxy_urls_that_nobody_signed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
