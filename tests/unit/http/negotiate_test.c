#include "http/negotiate.h"

#include "request_text.h"

static void gives_the_quality_of_the_most_specific_range(void **state) {
  (void)state;
  static const struct {
    const char *accept;
    int quality;
    bool is_exact;
  } cases[] = {
      {"image/webp", 1000, true},
      {"IMAGE/WebP", 1000, true},
      {"image/webp;q=0.5", 500, true},
      {"image/webp ; Q=0.123", 123, true},
      {"image/webp;q=0", 0, true},
      {"image/webp;q=1.000", 1000, true},
      {"image/webp;q=0.", 0, true},
      {"image/webp;;q=0.5;ext=1", 500, true},
      {"image/*;q=0.7", 700, false},
      {"*/*;q=0.3", 300, false},
      {"*/*;q=0.9, image/*;q=0.2", 200, false},
      {"image/webp;q=0.1, image/*, */*", 100, true},
      {"*/*, image/webp;q=0", 0, true},
      {"image/webp;q=0.2, image/webp;q=0.4", 400, true},
      {"image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8", 1000, true},
      {"image/png", 0, false},
      {"text/*", 0, false},
      {"", 0, false},
      {" , ,image/webp", 1000, true},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    bool is_exact;
    int quality = http_accept_quality(base_span_text(cases[i].accept), "image/webp", &is_exact);
    if (quality != cases[i].quality || is_exact != cases[i].is_exact) {
      fail_msg("\"%s\" gives %d, %d", cases[i].accept, quality, is_exact);
    }
  }
}

static void accepts_everything_when_the_field_is_absent(void **state) {
  (void)state;
  bool is_exact = true;
  assert_int_equal(http_accept_quality(base_span_of(NULL, 0), "image/webp", &is_exact), 1000);
  assert_false(is_exact);
}

static void ignores_malformed_elements(void **state) {
  (void)state;
  static const char *const elements[] = {"image/webp;q=1.1",
                                         "image/webp;q=-1",
                                         "image/webp;q=0.1234",
                                         "image/webp;q=",
                                         "image/webp;q",
                                         "image/webp;q=x",
                                         "image/webp;q=2",
                                         "image/webp;=1",
                                         "image/webp;q=0,5",
                                         "image",
                                         "image/",
                                         "/webp",
                                         "image/we bp",
                                         "image/webp/x",
                                         "*/webp",
                                         "image/webp;a=\"x,image/webp",
                                         "image/webp;level=1",
                                         "image/webp q=1",
                                         "image/webp;q=1x"};
  for (size_t i = 0; i < sizeof elements / sizeof *elements; i++) {
    bool is_exact;
    char accept[128];
    (void)snprintf(accept, sizeof accept, "*/*;q=0.4, %s", elements[i]);
    int quality = http_accept_quality(base_span_text(accept), "image/webp", &is_exact);
    if (strchr(elements[i], ',') && !strchr(elements[i], '"')) {  // "0,5" is quality 0 and a stray 5
      assert_int_equal(quality, 0);
    } else if (quality != 400 || is_exact) {
      fail_msg("\"%s\" counts: %d", elements[i], quality);
    }
  }
}

static void sees_no_comma_inside_quotes(void **state) {
  (void)state;
  bool is_exact;
  const char accept[] = "text/html;a=\"\\\",image/webp;q=0.1,\", image/webp;q=0.9";
  assert_int_equal(http_accept_quality(base_span_text(accept), "image/webp", &is_exact), 900);
  assert_true(is_exact);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(gives_the_quality_of_the_most_specific_range),
      cmocka_unit_test(accepts_everything_when_the_field_is_absent),
      cmocka_unit_test(ignores_malformed_elements),
      cmocka_unit_test(sees_no_comma_inside_quotes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
