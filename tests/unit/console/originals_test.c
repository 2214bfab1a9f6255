#include "console_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct console_rig rig;
static struct console_answer answer;

static int open_rig(void **state) {
  *state = &rig;
  console_rig_open(&rig, &(struct console_rig_config){0});
  return 0;
}

static void ask(const char *method, const char *target) {
  console_rig_ask_as_owner(&rig, method, target, "", NULL, &answer);
}

// Stores a picture made of the text and gives its id.
static void store(const char *text, char id[BASE_DIGEST_BASE64URL_CHARS + 1]) {
  console_rig_ask_as_owner(&rig, "POST", "/api/v1/originals", "", text, &answer);
  assert_int_equal(answer.status, 201);
  snprintf(id, BASE_DIGEST_BASE64URL_CHARS + 1, "%s", console_answer_member(&answer, "id"));
}

static size_t count_of(const char *word) {
  size_t count = 0;
  for (const char *at = answer.body; (at = strstr(at, word)) != NULL; at++) count++;
  return count;
}

static void lists_nothing_when_there_is_nothing(void **state) {
  (void)state;
  ask("GET", "/api/v1/originals");
  assert_string_equal(answer.body, "{\"items\":[],\"next\":null}");
}

static void lists_page_by_page_without_gaps_or_repeats(void **state) {
  (void)state;
  enum { COUNT = 7 };
  char ids[COUNT][BASE_DIGEST_BASE64URL_CHARS + 1];
  bool seen[COUNT] = {false};
  for (int i = 0; i < COUNT; i++) {
    char text[32];
    snprintf(text, sizeof text, "GOOD %d", i);
    store(text, ids[i]);
  }
  char target[8192] = "/api/v1/originals?limit=3";
  int pages = 0;
  for (; target[0] != '\0' && pages < 10; pages++) {
    ask("GET", target);
    assert_int_equal(answer.status, 200);
    assert_in_range(count_of("\"id\":"), 1, 3);
    for (int i = 0; i < COUNT; i++) {
      char member[64];
      snprintf(member, sizeof member, "\"id\":\"%.43s\"", ids[i]);
      bool is_here = count_of(member) > 0;
      assert_false(is_here && seen[i]);
      seen[i] |= is_here;
    }
    const char *next = console_answer_member(&answer, "next");
    target[0] = '\0';
    if (next[0]) snprintf(target, sizeof target, "/api/v1/originals?limit=3&after=%s", next);
  }
  assert_int_equal(pages, 3);
  for (int i = 0; i < COUNT; i++) assert_true(seen[i]);
}

static void refuses_wrong_options_of_the_list(void **state) {
  (void)state;
  static const char *const queries[] = {"limit=0",   "limit=1001", "limit=x",        "after=x",
                                        "after=1.x", "page=2",     "limit=1&limit=2"};
  for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
    char target[512];
    snprintf(target, sizeof target, "/api/v1/originals?%s", queries[i]);
    ask("GET", target);
    if (answer.status != 400) fail_msg("%s: %s", queries[i], answer.text);
  }
}

static void shows_an_original_with_its_variants(void **state) {
  (void)state;
  char id[BASE_DIGEST_BASE64URL_CHARS + 1], target[256];
  store("GOOD", id);
  snprintf(target, sizeof target, "/api/v1/originals/%s", id);
  ask("GET", target);
  assert_int_equal(answer.status, 200);
  assert_non_null(strstr(answer.body, "\"variants\":[]}"));

  char variant[256];
  snprintf(variant, sizeof variant, "/i/%s?w=20&fm=webp", id);
  ask("GET", variant);
  if (answer.status != 200) fail_msg("%s", answer.text);
  assert_string_equal(answer.body, "a variant");
  // The disk keeps it a moment after the reply.
  for (int i = 0; i < 100; i++) {
    ask("GET", target);
    if (strstr(answer.body, "\"media_type\":\"image/webp\"")) break;
    usleep(20 * 1000);
  }
  assert_non_null(strstr(answer.body, "\"media_type\":\"image/webp\",\"width\":1,\"height\":1,\"bytes\":9"));
}

static void deletes_an_original_once(void **state) {
  (void)state;
  char id[BASE_DIGEST_BASE64URL_CHARS + 1], target[256], variant[256];
  store("GOOD", id);
  snprintf(target, sizeof target, "/api/v1/originals/%s", id);
  snprintf(variant, sizeof variant, "/i/%s?w=20&fm=webp", id);
  ask("GET", variant);
  assert_int_equal(answer.status, 200);
  ask("DELETE", target);
  assert_int_equal(answer.status, 204);
  assert_string_equal(answer.body, "");
  ask("GET", target);
  assert_int_equal(answer.status, 404);
  ask("GET", variant);
  assert_int_equal(answer.status, 404);
  ask("DELETE", target);
  assert_int_equal(answer.status, 404);
}

static void knows_no_original_by_a_malformed_id(void **state) {
  (void)state;
  static const char *const ids[] = {"", "x", "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFV", "%34", "../status"};
  for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
    char target[128];
    snprintf(target, sizeof target, "/api/v1/originals/%s", ids[i]);
    ask("GET", target);
    if (answer.status != 404) fail_msg("%s: %s", target, answer.text);
  }
}

static void tells_its_status_and_metrics(void **state) {
  (void)state;
  char id[BASE_DIGEST_BASE64URL_CHARS + 1];
  store("GOOD", id);
  ask("GET", "/api/v1/status");
  assert_int_equal(answer.status, 200);
  assert_string_equal(console_answer_member(&answer, "version"), PIXPOP_VERSION);
  assert_string_equal(console_answer_member(&answer, "device"), "a fake device");
  assert_non_null(strstr(answer.body, "\"originals\":1,\"original_bytes\":4"));
  ask("GET", "/metrics");
  assert_int_equal(answer.status, 200);
  assert_non_null(strstr(console_answer_field(&answer, "Content-Type"), "version=0.0.4"));
  assert_non_null(strstr(answer.body, "pixpop_ingest_uploads_total{result=\"stored\"} 1"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_rig, console_rig_tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(lists_nothing_when_there_is_nothing),
      TEST(lists_page_by_page_without_gaps_or_repeats),
      TEST(refuses_wrong_options_of_the_list),
      TEST(shows_an_original_with_its_variants),
      TEST(deletes_an_original_once),
      TEST(knows_no_original_by_a_malformed_id),
      TEST(tells_its_status_and_metrics),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
