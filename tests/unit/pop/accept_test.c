// fm=auto: which format an Accept field comes to.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "accept.h"

static struct pop_accept read_accept(const char *accept) {
  struct http_request request = {.method = HTTP_GET};
  struct pop_accept read;
  if (accept) {
    request.header_count = 1;
    request.headers[0] = (struct http_header){base_span_text("accept"), base_span_text(accept)};
  }
  pop_accept_read(&request, &read);
  return read;
}

static enum recipe_format choose(const char *text, bool is_lossless, bool has_alpha) {
  const struct pop_accept accept = read_accept(text);
  return pop_accept_choose(&accept, is_lossless, has_alpha, false);
}

static enum recipe_format choose_when_slow(const char *text, bool is_lossless, bool has_alpha) {
  const struct pop_accept accept = read_accept(text);
  return pop_accept_choose(&accept, is_lossless, has_alpha, true);
}

static void sends_webp_when_it_is_named(void **state) {
  (void)state;
  static const char chromium[] = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8";
  assert_int_equal(choose(chromium, false, false), RECIPE_FORMAT_WEBP);
  assert_int_equal(choose(chromium, false, true), RECIPE_FORMAT_WEBP);
  assert_int_equal(choose(chromium, true, false), RECIPE_FORMAT_WEBP);
}

static void sends_jpeg_or_png_when_only_wildcards_came(void **state) {
  (void)state;
  static const char *const wide[] = {NULL, "*/*", "image/*", "image/*;q=0.5", "image/png,image/*;q=0.8,*/*;q=0.5"};
  for (size_t i = 0; i < 4; i++) {
    assert_int_equal(choose(wide[i], false, false), RECIPE_FORMAT_JPEG);
    assert_int_equal(choose(wide[i], false, true), RECIPE_FORMAT_PNG);
    assert_int_equal(choose(wide[i], true, false), RECIPE_FORMAT_PNG);
  }
  assert_int_equal(choose(wide[4], false, false), RECIPE_FORMAT_PNG);
}

static void respects_qualities_when_they_differ(void **state) {
  (void)state;
  assert_int_equal(choose("image/webp;q=0, */*", false, false), RECIPE_FORMAT_JPEG);
  assert_int_equal(choose("image/webp;q=0.1, image/jpeg", false, false), RECIPE_FORMAT_JPEG);
  assert_int_equal(choose("image/jpeg;q=0, */*", false, false), RECIPE_FORMAT_PNG);
  assert_int_equal(choose("image/png;q=0, */*", false, true), RECIPE_FORMAT_JPEG);
  assert_int_equal(choose("image/webp;q=0.2, text/html", false, false), RECIPE_FORMAT_WEBP);
}

static void sends_the_fallback_when_nothing_is_acceptable(void **state) {
  (void)state;
  assert_int_equal(choose("text/html", false, false), RECIPE_FORMAT_JPEG);
  assert_int_equal(choose("text/html", false, true), RECIPE_FORMAT_PNG);
  assert_int_equal(choose("image/jpeg", true, false), RECIPE_FORMAT_PNG);
  assert_int_equal(choose("*/*;q=0", false, false), RECIPE_FORMAT_JPEG);
}

static void sends_the_smallest_that_is_taken_at_all_on_a_slow_network(void **state) {
  (void)state;
  static const char mixed[] = "image/png, image/jpeg;q=0.8, image/webp;q=0.1";
  assert_int_equal(choose(mixed, false, false), RECIPE_FORMAT_PNG);
  assert_int_equal(choose_when_slow(mixed, false, false), RECIPE_FORMAT_WEBP);
  assert_int_equal(choose_when_slow("image/png, image/jpeg;q=0.8", false, false), RECIPE_FORMAT_JPEG);
  assert_int_equal(choose_when_slow("image/png, image/jpeg;q=0.8", false, true), RECIPE_FORMAT_PNG);
  assert_int_equal(choose_when_slow("image/png;q=0, */*", false, true), RECIPE_FORMAT_JPEG);
  assert_int_equal(choose_when_slow("image/webp;q=0, image/png", false, false), RECIPE_FORMAT_PNG);
  assert_int_equal(choose_when_slow("image/jpeg", true, false), RECIPE_FORMAT_PNG);
  assert_int_equal(choose_when_slow("text/html", false, false), RECIPE_FORMAT_JPEG);
  assert_int_equal(choose_when_slow(NULL, false, false), RECIPE_FORMAT_JPEG);
}

static void prefers_avif_only_when_it_is_named_and_not_liked_less(void **state) {
  (void)state;
  static const struct {
    const char *accept;
    bool prefers, prefers_when_slow;
  } cases[] = {
      {"image/avif,image/webp,*/*;q=0.8", true, true},
      {"image/webp,*/*", false, false},
      {"image/*", false, false},
      {"image/avif;q=0, image/webp", false, false},
      {"image/avif;q=0.5, image/webp", false, true},
      {"image/avif", true, true},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    const struct pop_accept accept = read_accept(cases[i].accept);
    const enum recipe_format chosen = pop_accept_choose(&accept, false, false, false);
    assert_int_equal(pop_accept_prefers_avif(&accept, chosen, false), cases[i].prefers);
    assert_int_equal(pop_accept_prefers_avif(&accept, chosen, true), cases[i].prefers_when_slow);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sends_webp_when_it_is_named),
      cmocka_unit_test(sends_jpeg_or_png_when_only_wildcards_came),
      cmocka_unit_test(respects_qualities_when_they_differ),
      cmocka_unit_test(sends_the_fallback_when_nothing_is_acceptable),
      cmocka_unit_test(sends_the_smallest_that_is_taken_at_all_on_a_slow_network),
      cmocka_unit_test(prefers_avif_only_when_it_is_named_and_not_liked_less),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
