// Who may ask for what: the ladder, signatures in all three grammars, tricks with them, expiry and the clock.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fake_clock.h"
#include "policy.h"
#include "pop/address.h"

#define ID "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"
#define PATH "/i/" ID
// The published signatures (key secret-key, salt tenant-a).
#define SIG_BARE "gUbPlnEeiQV4NjHDkqoNAHWD64GgkfFhA-HhcDy2-1A"
#define SIG_800 "qnTdXnr0d8_jBVzhcEntXVWZeiYeIvtF2pqIHnohP0E"
#define SIG_LONG "SO0KRvWv2u70ZiQ-otp8GsbCbP39STSc2LJH3ucU71k"
#define LONG "crop=10,20,300,400&dpr=2&exp=1893456000&fit=cover&fm=webp&h=600&q=80&w=800"

enum { NOW_S = 1800000000, LATER_S = 1893456000, MAX_URL = 1024 };

static struct pop_tenant tenant;
static struct base_fault fault;

static int set_up(void **state) {
  (void)state;
  tenant = (struct pop_tenant){.name = "default", .key_count = 2, .imgproxy_key_count = 1};
  assert_int_equal(recipe_sign_key_parse(base_span_text("newer:s"), &tenant.keys[0], NULL), BASE_OK);
  assert_int_equal(recipe_sign_key_parse(base_span_text("secret-key:tenant-a"), &tenant.keys[1], NULL), BASE_OK);
  assert_int_equal(recipe_sign_key_parse_hex(base_span_text("736563726574:68656c6c6f"), &tenant.imgproxy_keys[0], NULL),
                   BASE_OK);
  return 0;
}

static enum base_result check_at(const char *url, int64_t now_s, bool is_clock_trusted) {
  struct pop_address address;
  struct base_span query = base_span_text(url);
  struct http_request request = {.method = HTTP_GET};
  request.path = base_span_cut(&query, '?');
  request.query = query;
  base_fault_clear(&fault);
  const enum base_result result = pop_address_read(request.path, request.query, &address, &fault);
  return result == BASE_OK ? pop_policy_check(&tenant, &request, &address, now_s, is_clock_trusted, &fault) : result;
}

static enum base_result check(const char *url) { return check_at(url, NOW_S, true); }

static void assert_result(const char *url, enum base_result wanted) {
  const enum base_result result = check(url);
  if (result != wanted) fail_msg("%s: %s, not %s", url, base_result_name(result), base_result_name(wanted));
}

static void sign(const struct recipe_sign_key *key, const char *message, char out[RECIPE_SIGNATURE_CHARS + 1]) {
  recipe_sign(key, base_span_text(message), out);
}

// --- what goes unsigned ---

static void ladder_lets_its_widths_through(void **state) {
  (void)state;
  static const char *const open[] = {
      PATH,
      PATH "?w=160",
      PATH "?w=3840",
      PATH "?w=320&dpr=1",
      PATH "?w=320&dpr=1.5",
      PATH "?w=320&dpr=2",
      PATH "?w=320&dpr=3",
      PATH "?w=320&fm=jpeg",
      PATH "?w=320&fm=png",
      PATH "?w=320&fm=webp&dpr=2",
      PATH "?w=320&q=80",   // the usual one
      PATH "?w=240&dpr=2",  // 480 pixels
      PATH "?dpr=1&fm=webp&q=80&w=1080",
      PATH "?fm=webp",
      PATH "?dpr=2",
  };
  for (size_t i = 0; i < sizeof open / sizeof open[0]; i++) assert_result(open[i], BASE_OK);
}

static void ladder_refuses_what_makes_many_variants(void **state) {
  (void)state;
  static const char *const closed[] = {
      PATH "?w=161",
      PATH "?w=8192",
      PATH "?h=160",
      PATH "?w=160&h=160",
      PATH "?w=160&dpr=1.1",
      PATH "?dpr=0.5",
      PATH "?w=160&dpr=4",
      PATH "?w=160&q=79",
      PATH "?q=lossless",
      PATH "?w=160&fit=cover",
      PATH "?w=160&pos=top",
      PATH "?w=160&crop=0,0,10,10",
      PATH "?w=160&filter=lanczos3",
      PATH "?w=160&bg=000000",
      PATH "?w=160&rot=90",
      PATH "?w=160&flip=h",
  };
  for (size_t i = 0; i < sizeof closed / sizeof closed[0]; i++) {
    assert_result(closed[i], BASE_FORBIDDEN);
    assert_non_null(strstr(fault.text, "pixpop url --sign"));
    assert_non_null(strstr(fault.text, "160,320,400,480"));
  }
}

static void policies_differ_by_tenant(void **state) {
  (void)state;
  tenant.ladder_count = 2;
  tenant.ladder[0] = 100;
  tenant.ladder[1] = 200;
  assert_result(PATH "?w=100", BASE_OK);
  assert_result(PATH "?w=160", BASE_FORBIDDEN);
  assert_non_null(strstr(fault.text, "100,200"));
  tenant.unsigned_policy = POP_UNSIGNED_OPEN;
  assert_result(PATH "?w=161&h=7&fit=cover&q=3", BASE_OK);
  tenant.unsigned_policy = POP_UNSIGNED_NONE;
  assert_result(PATH, BASE_FORBIDDEN);
  assert_non_null(strstr(fault.text, "Nothing goes unsigned"));
  assert_result(PATH "?w=100", BASE_FORBIDDEN);
  assert_result(PATH "?sig=" SIG_BARE, BASE_OK);
}

static void refusal_is_whole_when_the_ladder_is_long(void **state) {
  (void)state;
  tenant.ladder_count = POP_MAX_LADDER;
  for (uint32_t i = 0; i < POP_MAX_LADDER; i++) tenant.ladder[i] = 8000 + i;
  static const char *const urls[] = {PATH "?w=1", "/iiif/3/" ID "/full/1,/0/default.jpg",
                                     "/imgproxy/unsafe/w:1/plain/local:///" ID};
  for (size_t i = 0; i < 3; i++) {
    assert_result(urls[i], BASE_FORBIDDEN);
    assert_true(strlen(fault.text) < BASE_FAULT_TEXT_BYTES - 1);
    assert_non_null(strstr(fault.text, ", ..."));
  }
}

// --- signatures ---

static void signed_urls_go_through_under_every_policy(void **state) {
  (void)state;
  for (int policy = POP_UNSIGNED_LADDER; policy <= POP_UNSIGNED_NONE; policy++) {
    tenant.unsigned_policy = (enum pop_unsigned)policy;
    assert_result(PATH "?sig=" SIG_BARE, BASE_OK);
    assert_result(PATH "?w=800&sig=" SIG_800, BASE_OK);
    assert_result(PATH "?" LONG "&sig=" SIG_LONG, BASE_OK);
  }
}

static void wrong_signatures_are_refused_under_every_policy(void **state) {
  (void)state;
  for (int policy = POP_UNSIGNED_LADDER; policy <= POP_UNSIGNED_NONE; policy++) {
    tenant.unsigned_policy = (enum pop_unsigned)policy;
    assert_result(PATH "?sig=" SIG_800, BASE_FORBIDDEN);
    assert_result(PATH "?w=160&sig=" SIG_800, BASE_FORBIDDEN);  // which would go without one
    assert_result(PATH "?w=800&sig=A", BASE_BAD_INPUT);
  }
  tenant.key_count = 0;
  tenant.unsigned_policy = POP_UNSIGNED_OPEN;
  assert_result(PATH "?w=800&sig=" SIG_800, BASE_FORBIDDEN);
}

// All ways to be wrong read the same, so that nobody learns which part is.
static void refusal_does_not_tell_what_is_wrong(void **state) {
  (void)state;
  char first[BASE_FAULT_TEXT_BYTES];
  assert_result(PATH "?w=801&sig=" SIG_800, BASE_FORBIDDEN);
  strcpy(first, fault.text);
  static const char *const wrong[] = {PATH "?w=800&sig=" SIG_BARE, PATH "?w=800&exp=1&sig=" SIG_800,
                                      PATH "?w=800&exp=1893456000&sig=" SIG_800};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    assert_result(wrong[i], BASE_FORBIDDEN);
    assert_string_equal(fault.text, first);
  }
  tenant.key_count = 0;
  assert_result(PATH "?w=800&sig=" SIG_800, BASE_FORBIDDEN);
  assert_string_equal(fault.text, first);
}

static void tricks_with_a_signed_url_do_not_work(void **state) {
  (void)state;
  static const struct {
    const char *url;
    enum base_result wanted;
  } tricks[] = {
      // The same URL, written differently: it means the same, so the signature holds.
      {PATH "?sig=" SIG_800 "&w=800", BASE_OK},
      {PATH "?w=%38%30%30&sig=" SIG_800, BASE_OK},
      {PATH "?%77=800&%73ig=" SIG_800, BASE_OK},
      {PATH "?q=80&w=800&h=600&fm=webp&fit=cover&exp=1893456000&dpr=2&crop=10%2c20%2C300,400&sig=" SIG_LONG, BASE_OK},
      // Another spelling of a value is another text.
      {PATH "?w=0800&sig=" SIG_800, BASE_BAD_INPUT},
      {PATH "?w=800.0&sig=" SIG_800, BASE_BAD_INPUT},
      // Options on top.
      {PATH "?w=800&fm=webp&sig=" SIG_800, BASE_FORBIDDEN},
      {PATH "?w=800&dpr=1&sig=" SIG_800, BASE_FORBIDDEN},
      {PATH "?w=800&x=1&sig=" SIG_800, BASE_BAD_INPUT},
      // Options taken away.
      {PATH "?sig=" SIG_800, BASE_FORBIDDEN},
      {PATH "?crop=10,20,300,400&dpr=2&fit=cover&fm=webp&h=600&q=80&w=800&sig=" SIG_LONG, BASE_FORBIDDEN},
      // Twice.
      {PATH "?w=800&w=800&sig=" SIG_800, BASE_BAD_INPUT},
      {PATH "?w=800&w=900&sig=" SIG_800, BASE_BAD_INPUT},
      {PATH "?w=800&sig=" SIG_800 "&sig=" SIG_800, BASE_BAD_INPUT},
      {PATH "?w=800&sig=A&sig=" SIG_800, BASE_BAD_INPUT},
      {PATH "?w=800&sig=" SIG_800 "&sig=A", BASE_BAD_INPUT},
      {PATH "?w=800&sig=" SIG_800 "&%73ig=A", BASE_BAD_INPUT},
      // Separators inside values and names, once and twice encoded.
      {PATH "?w=800%26fm=webp&sig=" SIG_800, BASE_BAD_INPUT},
      {PATH "?w%3D800&sig=" SIG_800, BASE_BAD_INPUT},
      {PATH "?w=800%00&sig=" SIG_800, BASE_BAD_INPUT},
      {PATH "?w=800+&sig=" SIG_800, BASE_BAD_INPUT},
      {PATH "?w=800%20&sig=" SIG_800, BASE_BAD_INPUT},
      {PATH "?w=%2538%2530%2530&sig=" SIG_800, BASE_BAD_INPUT},
      {PATH "?w=8%300%&sig=" SIG_800, BASE_BAD_INPUT},
      {PATH "?w=8%zz&sig=" SIG_800, BASE_BAD_INPUT},
      {PATH "?w=800;sig=" SIG_800, BASE_BAD_INPUT},
      {PATH "?&w=800&sig=" SIG_800, BASE_BAD_INPUT},
      {PATH "?w=800&&sig=" SIG_800, BASE_BAD_INPUT},
      {PATH "?w=800&sig=" SIG_800 "&", BASE_BAD_INPUT},
      {PATH "??w=800&sig=" SIG_800, BASE_BAD_INPUT},
      {PATH "?W=800&sig=" SIG_800, BASE_BAD_INPUT},
      {PATH "?w=800&SIG=" SIG_800, BASE_BAD_INPUT},
      // The signature itself.
      {PATH "?w=800&sig=" SIG_800 "=", BASE_BAD_INPUT},
      {PATH "?w=800&sig=" SIG_800 "%3D", BASE_BAD_INPUT},
      {PATH "?w=800&sig=qnTdXnr0d8_jBVzhcEntXVWZeiYeIvtF2pqIHnohP0F", BASE_FORBIDDEN},  // bits that mean nothing
      {PATH "?w=800&sig=qntdxnr0d8_jbvzhcentxvwzeiyeivtf2pqihnohp0e", BASE_FORBIDDEN},
      {PATH "?w=800&sig=qnTdXnr0d8_jBVzhcEntXVWZeiYeIvtF2pqIHnohP0", BASE_BAD_INPUT},
      // The path has one spelling.
      {"/i/%347DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU?w=800&sig=" SIG_800, BASE_NOT_FOUND},
      {"/i//" ID "?w=800&sig=" SIG_800, BASE_NOT_FOUND},
      {"/i/./" ID "?w=800&sig=" SIG_800, BASE_NOT_FOUND},
      {PATH "/?w=800&sig=" SIG_800, BASE_NOT_FOUND},
      {"/i/57DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU?w=800&sig=" SIG_800, BASE_FORBIDDEN},
      {"/i/47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFV?w=800&sig=" SIG_800, BASE_NOT_FOUND},
  };
  for (int policy = POP_UNSIGNED_LADDER; policy <= POP_UNSIGNED_NONE; policy++) {
    tenant.unsigned_policy = (enum pop_unsigned)policy;
    for (size_t i = 0; i < sizeof tricks / sizeof tricks[0]; i++) assert_result(tricks[i].url, tricks[i].wanted);
  }
}

static void empty_signature_is_no_way_around(void **state) {
  (void)state;
  for (int policy = POP_UNSIGNED_LADDER; policy <= POP_UNSIGNED_NONE; policy++) {
    tenant.unsigned_policy = (enum pop_unsigned)policy;
    const enum base_result result = check(PATH "?w=800&sig=");
    assert_true(result == BASE_FORBIDDEN || result == BASE_BAD_INPUT);
  }
}

// --- expiry ---

static void expiry_is_judged_after_the_signature(void **state) {
  (void)state;
  static const char url[] = PATH "?" LONG "&sig=" SIG_LONG;
  assert_int_equal(check_at(url, LATER_S - 1, true), BASE_OK);
  assert_int_equal(check_at(url, LATER_S, true), BASE_GONE);
  assert_int_equal(check_at(url, INT64_MAX, true), BASE_GONE);
  assert_int_equal(check_at(PATH "?" LONG "&sig=" SIG_800, LATER_S, true), BASE_FORBIDDEN);
  assert_int_equal(check_at(PATH "?" LONG, LATER_S, true), BASE_FORBIDDEN);
  tenant.unsigned_policy = POP_UNSIGNED_OPEN;
  assert_int_equal(check_at(PATH "?w=800&exp=1893456000", LATER_S - 1, true), BASE_OK);
  assert_int_equal(check_at(PATH "?w=800&exp=1893456000", LATER_S, true), BASE_GONE);
}

static void ladder_takes_no_expiry_from_strangers(void **state) {
  (void)state;
  assert_result(PATH "?w=800&exp=1893456000", BASE_FORBIDDEN);
  assert_result("/imgproxy/unsafe/w:320/exp:1893456000/plain/local:///" ID, BASE_FORBIDDEN);
}

static void nothing_that_expires_is_answered_when_the_clock_is_not_trusted(void **state) {
  (void)state;
  struct fake_clock clock;
  fake_clock_init(&clock, 1000);  // in 1970
  assert_false(base_clock_is_trusted(&clock.clock));
  assert_int_equal(check_at(PATH "?" LONG "&sig=" SIG_LONG, 1000, base_clock_is_trusted(&clock.clock)), BASE_BUSY);
  assert_int_equal(check_at(PATH "?" LONG "&sig=" SIG_BARE, 1000, base_clock_is_trusted(&clock.clock)), BASE_FORBIDDEN);
  assert_int_equal(check_at(PATH "?w=800&sig=" SIG_800, 1000, base_clock_is_trusted(&clock.clock)), BASE_OK);
  fake_clock_set_wall_s(&clock, BASE_CLOCK_EARLIEST_S - 1);
  assert_false(base_clock_is_trusted(&clock.clock));
  fake_clock_set_wall_s(&clock, BASE_CLOCK_EARLIEST_S);
  assert_true(base_clock_is_trusted(&clock.clock));
  assert_int_equal(check_at(PATH "?" LONG "&sig=" SIG_LONG, NOW_S, base_clock_is_trusted(&clock.clock)), BASE_OK);
}

// --- IIIF ---

static void iiif_goes_unsigned_on_the_ladder(void **state) {
  (void)state;
  static const struct {
    const char *rest;
    enum base_result wanted;
  } cases[] = {
      {"", BASE_OK},
      {"/info.json", BASE_OK},
      {"/full/max/0/default.jpg", BASE_OK},
      {"/full/320,/0/default.webp", BASE_OK},
      {"/full/321,/0/default.jpg", BASE_FORBIDDEN},
      {"/full/,320/0/default.jpg", BASE_FORBIDDEN},
      {"/full/320,320/0/default.jpg", BASE_FORBIDDEN},
      {"/full/!320,320/0/default.jpg", BASE_FORBIDDEN},
      {"/full/pct:50/0/default.jpg", BASE_FORBIDDEN},
      {"/full/^max/0/default.jpg", BASE_FORBIDDEN},
      {"/full/^320,/0/default.jpg", BASE_FORBIDDEN},
      {"/square/320,/0/default.jpg", BASE_FORBIDDEN},
      {"/0,0,100,100/320,/0/default.jpg", BASE_FORBIDDEN},
      {"/full/320,/90/default.jpg", BASE_FORBIDDEN},
      {"/full/320,/!0/default.jpg", BASE_FORBIDDEN},
      {"/full/320,/0/gray.jpg", BASE_FORBIDDEN},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char url[MAX_URL];
    snprintf(url, sizeof url, "/iiif/3/" ID "%s", cases[i].rest);
    assert_result(url, cases[i].wanted);
  }
  tenant.unsigned_policy = POP_UNSIGNED_NONE;
  assert_result("/iiif/3/" ID "/info.json", BASE_FORBIDDEN);
  tenant.unsigned_policy = POP_UNSIGNED_OPEN;
  assert_result("/iiif/3/" ID "/0,0,100,100/321,/90/gray.jpg", BASE_OK);
}

static void iiif_identifier_signs_every_request_for_the_picture(void **state) {
  (void)state;
  static const char *const rests[] = {"/info.json", "/0,0,100,100/321,/90/gray.jpg"};
  char for_ever[RECIPE_SIGNATURE_CHARS + 1], until[RECIPE_SIGNATURE_CHARS + 1], url[MAX_URL];
  sign(&tenant.keys[1], "/iiif/3/" ID, for_ever);
  sign(&tenant.keys[0], "/iiif/3/" ID "?exp=1893456000", until);
  for (size_t i = 0; i < 2; i++) {
    snprintf(url, sizeof url, "/iiif/3/" ID ".0.%s%s", for_ever, rests[i]);
    assert_result(url, BASE_OK);
    snprintf(url, sizeof url, "/iiif/3/" ID ".1893456000.%s%s", until, rests[i]);
    assert_result(url, BASE_OK);
    assert_int_equal(check_at(url, LATER_S, true), BASE_GONE);
    assert_int_equal(check_at(url, 1000, false), BASE_BUSY);
    snprintf(url, sizeof url, "/iiif/3/" ID ".1893456001.%s%s", until, rests[i]);
    assert_result(url, BASE_FORBIDDEN);
    snprintf(url, sizeof url, "/iiif/3/" ID ".0.%s%s", until, rests[i]);
    assert_result(url, BASE_FORBIDDEN);
    snprintf(url, sizeof url, "/iiif/3/" ID ".1.%s%s", for_ever, rests[i]);
    assert_result(url, BASE_FORBIDDEN);
    snprintf(url, sizeof url, "/iiif/3/57DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU.0.%s%s", for_ever, rests[i]);
    assert_result(url, BASE_FORBIDDEN);
  }
  tenant.unsigned_policy = POP_UNSIGNED_OPEN;
  assert_result(url, BASE_FORBIDDEN);
}

// What is signed is the identifier without escapes: they neither break a signature nor open anything.
static void iiif_identifier_is_checked_without_its_escapes(void **state) {
  (void)state;
  static const char *const rest = "/0,0,100,100/321,/90/gray.jpg";
  char good[RECIPE_SIGNATURE_CHARS + 1], of_escaped[RECIPE_SIGNATURE_CHARS + 1], url[MAX_URL];
  sign(&tenant.keys[1], "/iiif/3/" ID, good);
  sign(&tenant.keys[1], "/iiif/3/47DEQpj8HBSa%2D_TImW-5JCeuQeRkm5NMpJWZG3hSuFU", of_escaped);
  snprintf(url, sizeof url, "/iiif/3/47DEQpj8HBSa%%2D_TImW-5JCeuQeRkm5NMpJWZG3hSuFU.0.%s%s", good, rest);
  assert_result(url, BASE_OK);
  snprintf(url, sizeof url, "/iiif/3/" ID "%%2E%%30%%2e%%%02x%s%s", (unsigned)good[0], good + 1, rest);
  assert_result(url, BASE_OK);
  snprintf(url, sizeof url, "/iiif/3/47DEQpj8HBSa%%2D_TImW-5JCeuQeRkm5NMpJWZG3hSuFU.0.%s%s", of_escaped, rest);
  assert_result(url, BASE_FORBIDDEN);
  snprintf(url, sizeof url, "/iiif/3/%%357DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU.0.%s%s", good, rest);
  assert_result(url, BASE_FORBIDDEN);  // another picture
  snprintf(url, sizeof url, "/iiif/3/47DEQpj8HBSa%%2D_TImW-5JCeuQeRkm5NMpJWZG3hSuFU%s", rest);
  assert_result(url, BASE_FORBIDDEN);
}

// --- queries where the grammar has none ---

static void a_query_is_refused_where_the_grammar_has_none(void **state) {
  (void)state;
  static const struct {
    const char *query, *subject;
  } cases[] = {{"v=2", "v"},           {"cb", "cb"},         {"w=320", "w"},        {"exp=1893456000", "exp"},
               {"%76=2", "%76"},       {"=2", "query"},      {"&v=2", "query"},     {"sig=" SIG_BARE, "sig"},
               {"a\"b<c=1", "a\"b<c"}, {"\x01\xff=1", "??"}, {"v=1&unknown=2", "v"}};
  char for_ever[RECIPE_SIGNATURE_CHARS + 1], of_query[RECIPE_SIGNATURE_CHARS + 1];
  char imgproxy[RECIPE_SIGNATURE_CHARS + 1], imgproxy_of_query[RECIPE_SIGNATURE_CHARS + 1], urls[7][MAX_URL];
  const char *const rest = "/w:320/plain/local:///" ID;
  sign(&tenant.keys[1], "/iiif/3/" ID, for_ever);
  sign(&tenant.keys[1], "/iiif/3/" ID "?v=2", of_query);
  sign(&tenant.imgproxy_keys[0], "/w:320/plain/local:///" ID, imgproxy);
  sign(&tenant.imgproxy_keys[0], "/w:320/plain/local:///" ID "?v=2", imgproxy_of_query);
  snprintf(urls[0], MAX_URL, "/iiif/3/" ID "/full/max/0/default.jpg");
  snprintf(urls[1], MAX_URL, "/iiif/3/" ID "/info.json");
  snprintf(urls[2], MAX_URL, "/iiif/3/" ID);
  snprintf(urls[3], MAX_URL, "/iiif/3/" ID ".0.%s/info.json", for_ever);
  snprintf(urls[4], MAX_URL, "/iiif/3/" ID ".0.%s/info.json", of_query);
  snprintf(urls[5], MAX_URL, "/imgproxy/%s%s", imgproxy, rest);
  snprintf(urls[6], MAX_URL, "/imgproxy/%s%s", imgproxy_of_query, rest);
  tenant.unsigned_policy = POP_UNSIGNED_OPEN;
  for (size_t i = 0; i < 7; i++) {
    const bool is_of_query = i == 4 || i == 6;
    char url[2 * MAX_URL];
    assert_result(urls[i], is_of_query ? BASE_FORBIDDEN : BASE_OK);
    snprintf(url, sizeof url, "%.1000s?", urls[i]);  // nothing behind it
    assert_result(url, is_of_query ? BASE_FORBIDDEN : BASE_OK);
    for (size_t j = 0; j < sizeof cases / sizeof cases[0]; j++) {
      snprintf(url, sizeof url, "%.1000s?%s", urls[i], cases[j].query);
      assert_result(url, BASE_BAD_INPUT);
      assert_string_equal(fault.subject, cases[j].subject);
      if (i >= 5) assert_non_null(strstr(fault.text, "cachebuster"));
    }
  }
}

// --- imgproxy ---

static void imgproxy_goes_unsigned_on_the_ladder(void **state) {
  (void)state;
  static const struct {
    const char *options;
    enum base_result wanted;
  } cases[] = {
      {"", BASE_OK},
      {"w:320/", BASE_OK},
      {"rs:fit:320/dpr:2/f:webp/", BASE_OK},
      {"rs:fit:320:0:0:0/q:80/", BASE_OK},
      {"w:320/exp:1893456000/", BASE_FORBIDDEN},
      {"w:320/cb:1/", BASE_FORBIDDEN},
      {"w:321/", BASE_FORBIDDEN},
      {"h:320/", BASE_FORBIDDEN},
      {"rs:fill:320/", BASE_FORBIDDEN},
      {"w:320/el:1/", BASE_FORBIDDEN},
      {"w:320/ex:1/", BASE_FORBIDDEN},
      {"w:320/g:no/", BASE_FORBIDDEN},
      {"w:320/c:10/", BASE_FORBIDDEN},
      {"w:320/c:0:0.5/", BASE_FORBIDDEN},
      {"w:320/pd:1/", BASE_FORBIDDEN},
      {"w:320/bg:fff/", BASE_FORBIDDEN},
      {"w:320/q:79/", BASE_FORBIDDEN},
      {"w:320/dpr:1.1/", BASE_FORBIDDEN},
      {"w:320/rot:90/", BASE_FORBIDDEN},
  };
  static const char *const none[] = {"unsafe", "insecure", "_"};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char url[MAX_URL];
    snprintf(url, sizeof url, "/imgproxy/%s/%splain/local:///" ID, none[i % 3], cases[i].options);
    assert_result(url, cases[i].wanted);
  }
  tenant.unsigned_policy = POP_UNSIGNED_NONE;
  assert_result("/imgproxy/unsafe/w:320/plain/local:///" ID, BASE_FORBIDDEN);
  tenant.unsigned_policy = POP_UNSIGNED_OPEN;
  assert_result("/imgproxy/unsafe/rs:fill:321:7/plain/local:///" ID, BASE_OK);
}

static void imgproxy_signature_covers_the_rest_of_the_path(void **state) {
  (void)state;
  static const char rest[] = "/rs:fill:300:400:0/g:no/exp:1893456000/plain/local:///" ID "@png";
  char signature[RECIPE_SIGNATURE_CHARS + 1], url[MAX_URL];
  sign(&tenant.imgproxy_keys[0], rest, signature);
  snprintf(url, sizeof url, "/imgproxy/%s%s", signature, rest);
  assert_result(url, BASE_OK);
  assert_int_equal(check_at(url, LATER_S, true), BASE_GONE);
  assert_int_equal(check_at(url, 1000, false), BASE_BUSY);

  // As a proxy that merges slashes makes it.
  snprintf(url, sizeof url, "/imgproxy/%s/rs:fill:300:400:0/g:no/exp:1893456000/plain/local:/" ID "@png", signature);
  assert_result(url, BASE_OK);

  static const char *const others[] = {
      "/rs:fill:300:401:0/g:no/exp:1893456000/plain/local:/" ID "@png",
      "/rs:fill:300:401:0/g:no/exp:1893456000/plain/local:///" ID "@png",
      "/rs:fill:300:400:0/g:no/exp:1893456001/plain/local:///" ID "@png",
      "/rs:fill:300:400:0/g:no/plain/local:///" ID "@png",
      "/rs:fill:300:400:0/g:no/exp:1893456000/plain/local:///" ID "@webp",
      "/rs:fill:300:400:0/g:no/exp:1893456000/plain/local:///%347DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU@png",
      "/rs:fill:300:400:0/g:no/exp:1893456000/cb:1/plain/local:///" ID "@png",
  };
  for (int policy = POP_UNSIGNED_LADDER; policy <= POP_UNSIGNED_NONE; policy++) {
    tenant.unsigned_policy = (enum pop_unsigned)policy;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
      snprintf(url, sizeof url, "/imgproxy/%s%s", signature, others[i]);
      assert_result(url, BASE_FORBIDDEN);
    }
    snprintf(url, sizeof url, "/imgproxy/%.20s%s", signature, rest);  // cut short
    assert_result(url, BASE_FORBIDDEN);
    snprintf(url, sizeof url, "/imgproxy/Unsafe%s", rest);
    assert_result(url, BASE_FORBIDDEN);
  }
}

// A pair of one grammar opens nothing in another.
static void keys_of_the_grammars_do_not_mix(void **state) {
  (void)state;
  static const char rest[] = "/w:300/plain/local:///" ID;
  char signature[RECIPE_SIGNATURE_CHARS + 1], url[MAX_URL];
  sign(&tenant.keys[0], rest, signature);
  snprintf(url, sizeof url, "/imgproxy/%s%s", signature, rest);
  assert_result(url, BASE_FORBIDDEN);
  sign(&tenant.imgproxy_keys[0], PATH "?w=300", signature);
  snprintf(url, sizeof url, PATH "?w=300&sig=%s", signature);
  assert_result(url, BASE_FORBIDDEN);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(ladder_lets_its_widths_through, set_up),
      cmocka_unit_test_setup(ladder_refuses_what_makes_many_variants, set_up),
      cmocka_unit_test_setup(policies_differ_by_tenant, set_up),
      cmocka_unit_test_setup(refusal_is_whole_when_the_ladder_is_long, set_up),
      cmocka_unit_test_setup(signed_urls_go_through_under_every_policy, set_up),
      cmocka_unit_test_setup(wrong_signatures_are_refused_under_every_policy, set_up),
      cmocka_unit_test_setup(refusal_does_not_tell_what_is_wrong, set_up),
      cmocka_unit_test_setup(tricks_with_a_signed_url_do_not_work, set_up),
      cmocka_unit_test_setup(empty_signature_is_no_way_around, set_up),
      cmocka_unit_test_setup(expiry_is_judged_after_the_signature, set_up),
      cmocka_unit_test_setup(ladder_takes_no_expiry_from_strangers, set_up),
      cmocka_unit_test_setup(nothing_that_expires_is_answered_when_the_clock_is_not_trusted, set_up),
      cmocka_unit_test_setup(iiif_goes_unsigned_on_the_ladder, set_up),
      cmocka_unit_test_setup(iiif_identifier_signs_every_request_for_the_picture, set_up),
      cmocka_unit_test_setup(iiif_identifier_is_checked_without_its_escapes, set_up),
      cmocka_unit_test_setup(a_query_is_refused_where_the_grammar_has_none, set_up),
      cmocka_unit_test_setup(imgproxy_goes_unsigned_on_the_ladder, set_up),
      cmocka_unit_test_setup(imgproxy_signature_covers_the_rest_of_the_path, set_up),
      cmocka_unit_test_setup(keys_of_the_grammars_do_not_mix, set_up),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
