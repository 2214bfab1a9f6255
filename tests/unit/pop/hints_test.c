// Hints: what fields come to, what they do to a recipe, and that no choice of them makes many variants of one URL.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hints.h"
#include "plan.h"
#include "pop/native.h"
#include "tenant.h"

static const struct pop_tenant tenant = {.name = "default", .ladder_count = 4, .ladder = {200, 400, 800, 1600}};

#define IPHONE "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15"
#define MAC "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15"
#define WINDOWS "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36"
#define PHONE "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 Chrome/130.0.0.0 Mobile Safari/537.36"
#define TABLET "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 Chrome/130.0.0.0 Safari/537.36"

static void add(struct http_request *request, const char *name, const char *value) {
  request->headers[request->header_count++] = (struct http_header){base_span_text(name), base_span_text(value)};
}

static struct pop_hints read_one(const char *name, const char *value) {
  struct http_request request = {.method = HTTP_GET};
  struct pop_hints hints;
  add(&request, name, value);
  pop_hints_read(&request, POP_OPEN_ALL, &tenant, &hints);
  return hints;
}

static void snaps_each_field_to_its_class(void **state) {
  (void)state;
  static const struct {
    const char *name, *value;
    struct pop_hints hints;
  } cases[] = {
      {"DPR", "1", {.dpr_milli = 1000}},
      {"DPR", "1.1", {.dpr_milli = 1000}},
      {"DPR", "1.101", {.dpr_milli = 1500}},
      {"dpr", "1.100000023841858", {.dpr_milli = 1000}},
      {"Sec-CH-DPR", "0.5", {.dpr_milli = 1000}},
      {"Sec-CH-DPR", "2.0", {.dpr_milli = 2000}},
      {"Sec-CH-DPR", "2.625", {.dpr_milli = 3000}},
      {"Sec-CH-DPR", "999999", {.dpr_milli = 3000}},
      {"Width", "1", {.width = 200}},
      {"Width", "200", {.width = 200}},
      {"Width", "200.1", {.width = 400}},
      {"Sec-CH-Width", "1601", {.width = 1600}},
      {"Viewport-Width", "320", {.viewport = 320}},
      {"Sec-CH-Viewport-Width", "321", {.viewport = 336}},
      {"Viewport-Width", "999999", {.viewport = 8192}},
      {"Save-Data", "on", {.network = POP_NETWORK_SLOW}},
      {"Save-Data", "?0", {0}},
      {"ECT", "4g", {0}},
      {"ECT", "3g", {.network = POP_NETWORK_MEDIUM}},
      {"Sec-CH-ECT", "\"2g\"", {.network = POP_NETWORK_SLOW}},
      {"ECT", "slow-2g", {.network = POP_NETWORK_SLOW}},
      {"ECT", "5g", {0}},
      {"RTT", "299", {0}},
      {"RTT", "300", {.network = POP_NETWORK_MEDIUM}},
      {"Sec-CH-RTT", "1000", {.network = POP_NETWORK_SLOW}},
      {"Downlink", "1.5", {0}},
      {"Downlink", "1.45", {.network = POP_NETWORK_MEDIUM}},
      {"Sec-CH-Downlink", "0.384", {.network = POP_NETWORK_SLOW}},
      {"User-Agent", IPHONE, {.dpr_milli = 3000}},
      {"User-Agent", MAC, {.dpr_milli = 2000}},
      {"User-Agent", PHONE, {.dpr_milli = 3000}},
      {"User-Agent", TABLET, {.dpr_milli = 1500}},
      {"User-Agent", WINDOWS, {0}},
      {"User-Agent", "curl/8.0 iPhone", {0}},
      {"User-Agent", "(", {0}},
      {"User-Agent", "", {0}},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    const struct pop_hints hints = read_one(cases[i].name, cases[i].value);
    if (memcmp(&hints, &cases[i].hints, sizeof hints) != 0) fail_msg("%s: %s", cases[i].name, cases[i].value);
  }
}

static void counts_malformed_and_repeated_fields_as_absent(void **state) {
  (void)state;
  static const char *const names[] = {"DPR", "Width", "Viewport-Width", "RTT", "Downlink"};
  static const char *const values[] = {"",    "-1",  "+1",  "1e3", "1.",  ".5",  " 1",    "1 ",   "0",
                                       "0.0", "1,2", "1;a", "0x2", "NaN", "1.a", "\"1\"", "1..2", "10000000"};
  for (size_t n = 0; n < 2; n++) {
    for (size_t v = 0; v < sizeof values / sizeof values[0]; v++) {
      const struct pop_hints hints = read_one(names[n], values[v]);
      const struct pop_hints none = {0};
      if (memcmp(&hints, &none, sizeof hints) != 0) fail_msg("%s: \"%s\"", names[n], values[v]);
    }
  }
  struct http_request request = {.method = HTTP_GET};
  struct pop_hints hints;
  for (size_t n = 0; n < sizeof names / sizeof names[0]; n++) {
    add(&request, names[n], "2");
    add(&request, names[n], "2");
    add(&request, names[n], "2");
  }
  pop_hints_read(&request, POP_OPEN_ALL, &tenant, &hints);
  assert_int_equal(hints.dpr_milli + hints.width + hints.viewport + hints.network, 0);
}

static void takes_the_newer_name_and_falls_back_to_the_older(void **state) {
  (void)state;
  struct http_request request = {.method = HTTP_GET};
  struct pop_hints hints;
  add(&request, "DPR", "1");
  add(&request, "Width", "100");
  add(&request, "Sec-CH-DPR", "2");
  add(&request, "Sec-CH-Width", "many");
  add(&request, "Viewport-Width", "500");
  add(&request, "User-Agent", IPHONE);
  pop_hints_read(&request, POP_OPEN_ALL, &tenant, &hints);
  assert_int_equal(hints.dpr_milli, 2000);
  assert_int_equal(hints.width, 200);
  assert_int_equal(hints.viewport, 0);  // a width says more
}

static unsigned open_of(const char *query, bool hints_off) {
  struct pop_address address = {.grammar = POP_NATIVE};
  const struct pop_tenant off = {.name = "off", .hints_off = hints_off};
  assert_int_equal(pop_native_parse_options(base_span_text(query), &address.recipe, NULL), BASE_OK);
  return pop_hints_open(&address, &off);
}

static void varies_by_the_url_alone(void **state) {
  (void)state;
  static const char network[] = "Save-Data, ECT, Sec-CH-ECT, RTT, Sec-CH-RTT, Downlink, Sec-CH-Downlink";
  assert_string_equal(pop_hints_vary(open_of("w=1&dpr=1&fm=webp&q=1", false)), "");
  assert_string_equal(pop_hints_vary(open_of("w=1&dpr=1&fm=png", false)), "");
  assert_string_equal(pop_hints_vary(open_of("w=1&dpr=1&fm=webp&q=lossless", false)), "");
  assert_string_equal(pop_hints_vary(open_of("w=1&dpr=1&q=1", false)), "Accept");
  assert_string_equal(pop_hints_vary(open_of("w=1&fm=webp&q=1", false)), "DPR, Sec-CH-DPR, User-Agent");
  assert_string_equal(pop_hints_vary(open_of("h=1&dpr=1&fm=webp", false)), network);
  assert_string_equal(pop_hints_vary(open_of("dpr=2&fm=webp&q=1", false)),
                      "Width, Sec-CH-Width, Viewport-Width, Sec-CH-Viewport-Width");
  assert_string_equal(pop_hints_vary(open_of("", true)), "Accept");
  assert_string_equal(pop_hints_vary(open_of("fm=jpeg", true)), "");
  assert_string_equal(pop_hints_critical(open_of("w=1", false)), "Sec-CH-DPR");
  assert_string_equal(pop_hints_critical(open_of("", false)), "Sec-CH-DPR, Sec-CH-Viewport-Width");
  assert_string_equal(pop_hints_critical(open_of("w=1&dpr=1", false)), "");
  // Each of the sixteen names each group or not.
  for (unsigned open = 0; open <= POP_OPEN_ALL; open++) {
    const char *vary = pop_hints_vary(open);
    assert_int_equal(strstr(vary, "Accept") != NULL, (open & POP_OPEN_FORMAT) != 0);
    assert_int_equal(strstr(vary, "Sec-CH-DPR") != NULL, (open & POP_OPEN_DPR) != 0);
    assert_int_equal(strstr(vary, "Sec-CH-Width") != NULL, (open & POP_OPEN_SIZE) != 0);
    assert_int_equal(strstr(vary, "Sec-CH-RTT") != NULL, (open & POP_OPEN_QUALITY) != 0);
  }
}

// The plan of a URL's options for hints, of an original of 3000 x 2000.
static struct pop_plan plan_of(const char *query, const struct http_request *request) {
  static struct pop_original original = {.tenant = "default",
                                         .header = {.format = IMAGE_FILE_PNG,
                                                    .width = 3000,
                                                    .height = 2000,
                                                    .orientation = IMAGE_UPRIGHT,
                                                    .colour = IMAGE_COLOUR_RGB,
                                                    .bits = 8}};
  struct pop_ask ask = {.tenant = &tenant, .address = {.grammar = POP_NATIVE}};
  struct pop_plan plan;
  struct base_fault fault = {0};
  assert_int_equal(pop_native_parse_options(base_span_text(query), &ask.address.recipe, NULL), BASE_OK);
  ask.open = pop_hints_open(&ask.address, &tenant);
  if (ask.open & POP_OPEN_FORMAT) pop_accept_read(request, &ask.accept);
  pop_hints_read(request, ask.open, &tenant, &ask.hints);
  if (pop_plan_make(&ask, &original, "", true, &plan, &fault) != BASE_OK) fail_msg("%s: %s", query, fault.text);
  return plan;
}

static void fills_in_what_the_url_leaves_open(void **state) {
  (void)state;
  static const struct {
    const char *query, *names[2], *values[2], *text;
    uint32_t content_dpr_milli;
  } cases[] = {
      {"w=400&fm=webp", {"DPR"}, {"2"}, "dpr=1&fm=webp&q=80&w=800", 2000},
      {"w=400&fm=webp", {"User-Agent"}, {IPHONE}, "dpr=1&fm=webp&q=80&w=1200", 3000},
      {"w=400&fm=webp", {"User-Agent"}, {WINDOWS}, "dpr=1&fm=webp&q=80&w=400", 0},
      {"w=400&fm=webp&dpr=1", {"DPR"}, {"2"}, "dpr=1&fm=webp&q=80&w=400", 0},
      {"w=400&fm=webp", {"ECT"}, {"3g"}, "dpr=1&fm=webp&q=70&w=400", 0},
      {"w=400&fm=webp", {"Save-Data"}, {"on"}, "dpr=1&fm=webp&q=55&w=400", 0},
      {"w=400&fm=webp&q=90", {"Save-Data"}, {"on"}, "dpr=1&fm=webp&q=90&w=400", 0},
      {"fm=webp", {"Width"}, {"500"}, "dpr=1&fm=webp&q=80&w=800", 0},
      {"fm=webp", {"Width", "DPR"}, {"500", "1.5"}, "dpr=1&fm=webp&q=80&w=800", 1500},
      {"fm=webp", {"Viewport-Width", "DPR"}, {"390", "2"}, "dpr=1&fm=webp&q=80&w=800", 2000},
      {"fm=webp", {"Viewport-Width"}, {"390"}, "dpr=1&fm=webp&q=80&w=400", 0},
      {"w=300&fm=webp", {"Width"}, {"800"}, "dpr=1&fm=webp&q=80&w=300", 0},
      {"h=200&fm=webp", {"Viewport-Width"}, {"800"}, "dpr=1&fm=webp&q=80&w=300", 0},
      // No larger than the picture is, and Content-DPR says so.
      {"w=2000&fm=webp", {"DPR"}, {"3"}, "dpr=1&fm=webp&q=80&w=3000", 1500},
      // A hint never leads over a limit.
      {"w=8000&h=4000&fit=fill&fm=webp", {"DPR"}, {"3"}, "dpr=1&fit=fill&fm=webp&h=4000&q=80&w=8000", 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct http_request request = {.method = HTTP_GET};
    char text[RECIPE_TEXT_BYTES];
    for (int f = 0; f < 2 && cases[i].names[f]; f++) add(&request, cases[i].names[f], cases[i].values[f]);
    const struct pop_plan plan = plan_of(cases[i].query, &request);
    recipe_text(&plan.course.recipe, text);
    if (strcmp(text, cases[i].text) != 0) fail_msg("%s with %s is %s", cases[i].query, cases[i].names[0], text);
    assert_int_equal(plan.terms.content_dpr_milli, cases[i].content_dpr_milli);
  }
}

// --- cardinality ---

static uint32_t seed = 20251124;

static uint32_t random_below(uint32_t bound) {
  seed = seed * 1664525 + 1013904223;
  return (uint32_t)((uint64_t)seed * bound >> 32);
}

enum { MAX_VALUE = 40, MAX_KEYS = 1024 };

static const char *random_value(char out[MAX_VALUE]) {
  static const char *const words[] = {"on", "2g", "3g", "4g", "slow-2g", "\"2g\"", "", "?1", "-", "1e9", "no"};
  switch (random_below(4)) {
    case 0:
      return words[random_below(sizeof words / sizeof words[0])];
    case 1:
      snprintf(out, MAX_VALUE, "%u", random_below(5000));
      return out;
    case 2:
      snprintf(out, MAX_VALUE, "%u.%u", random_below(8), random_below(1000000));
      return out;
    default:
      snprintf(out, MAX_VALUE, "%u", random_below(1u << 31));
      return out;
  }
}

// How many variants of one URL any fields make.
static size_t count_keys(const char *query, unsigned rounds) {
  static const char *const names[] = {
      "DPR", "Sec-CH-DPR", "Width", "Sec-CH-Width", "Viewport-Width", "Sec-CH-Viewport-Width", "Save-Data",
      "ECT", "Sec-CH-ECT", "RTT",   "Sec-CH-RTT",   "Downlink",       "Sec-CH-Downlink",       "User-Agent",
      "X-Y", "Accept"};
  static const char *const agents[] = {IPHONE, MAC, WINDOWS, PHONE, TABLET, "curl/8"};
  static const char *const accepts[] = {"image/avif,image/webp,*/*;q=0.8", "image/webp", "*/*", "image/png,*/*;q=0.1"};
  static struct cache_key keys[MAX_KEYS];
  size_t count = 0;
  for (unsigned round = 0; round < rounds; round++) {
    struct http_request request = {.method = HTTP_GET};
    char values[sizeof names / sizeof names[0]][MAX_VALUE];
    for (size_t n = 0; n < sizeof names / sizeof names[0]; n++) {
      if (random_below(3) == 0) continue;
      const char *value = random_value(values[n]);
      if (strcmp(names[n], "User-Agent") == 0) value = agents[random_below(6)];
      if (strcmp(names[n], "Accept") == 0) value = accepts[random_below(4)];
      add(&request, names[n], value);
    }
    const struct pop_plan plan = plan_of(query, &request);
    const struct pop_course *courses[] = {&plan.course, &plan.better};
    for (int c = 0; c < (plan.has_better ? 2 : 1); c++) {
      size_t at = 0;
      while (at < count && memcmp(&keys[at], &courses[c]->key, sizeof keys[at]) != 0) at++;
      if (at < count) continue;
      assert_true(count < MAX_KEYS);
      keys[count++] = courses[c]->key;
    }
  }
  return count;
}

static void makes_few_variants_of_one_url_whatever_the_fields_say(void **state) {
  (void)state;
  enum { ROUNDS = 20000, STEPS = 4, DPRS = 4, QUALITIES = 3 };
  print_message("seed %u\n", seed);
  // Formats with qualities: AVIF, WebP and JPEG in three, PNG in one.
  enum { FORMATS = 3 * QUALITIES + 1 };
  assert_int_equal(count_keys("w=300&dpr=1&fm=webp&q=80", ROUNDS), 1);
  assert_int_equal(count_keys("w=300&dpr=1&fm=webp", ROUNDS), QUALITIES);
  assert_int_equal(count_keys("w=300&fm=webp&q=80", ROUNDS), DPRS);
  // A step of the ladder, or the picture's own width when nothing says one.
  assert_int_equal(count_keys("fm=webp&q=80", ROUNDS), STEPS + 1);
  assert_in_range(count_keys("w=300", ROUNDS), DPRS * QUALITIES, DPRS * FORMATS);
  // At its own width also with the original's own file as an answer, for those who take that.
  assert_in_range(count_keys("", ROUNDS), STEPS * QUALITIES, (STEPS + 2) * FORMATS);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(snaps_each_field_to_its_class),
      cmocka_unit_test(counts_malformed_and_repeated_fields_as_absent),
      cmocka_unit_test(takes_the_newer_name_and_falls_back_to_the_older),
      cmocka_unit_test(varies_by_the_url_alone),
      cmocka_unit_test(fills_in_what_the_url_leaves_open),
      cmocka_unit_test(makes_few_variants_of_one_url_whatever_the_fields_say),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
