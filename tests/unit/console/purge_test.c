// POST /api/v1/purge, and /api/v1/prewarm: what they do to a real store, and what they refuse.
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "console_rig.h"

static struct console_rig rig;
static struct console_answer answer;
static char id[BASE_DIGEST_BASE64URL_CHARS + 1];

static int open_rig(void **state) {
  *state = &rig;
  console_rig_open(&rig, &(struct console_rig_config){0});
  console_rig_upload(&rig, "GOOD", &answer, id);
  return 0;
}

static void ask(const char *method, const char *target, const char *body) {
  console_rig_ask_as_owner(&rig, method, target, body ? "Content-Type: application/json\r\n" : "", body, &answer);
}

static void expect(int status, const char *text) {
  if (answer.status != status || !strstr(answer.body, text)) fail_msg("not %d with %s: %s", status, text, answer.text);
}

static void make_variants(void) {
  char target[128];
  snprintf(target, sizeof target, "/api/v1/originals/%s/variants", id);
  ask("POST", target, "{\"recipes\":[\"w=10&fm=webp\",\"w=20&fm=webp\",\"w=10&fm=jpeg\"]}");
  assert_int_equal(answer.status, 200);
}

// Sends `body` with the id in the place of every '@'.
static void purge(const char *body) {
  char text[512] = "";
  struct base_span rest = base_span_text(body);
  while (rest.data) {
    const bool has_id = memchr(rest.data, '@', rest.bytes) != NULL;
    const struct base_span part = base_span_cut(&rest, '@');
    strncat(text, (const char *)part.data, part.bytes);
    if (has_id) strcat(text, id);
  }
  ask("POST", "/api/v1/purge", text);
}

static void drops_what_was_named_and_counts_it(void **state) {
  (void)state;
  make_variants();
  purge("{\"id\":\"@\",\"recipe\":\"w=20&fm=webp\"}");
  expect(200, "{\"dropped\":1,\"originals\":1}");
  purge("{\"id\":\"@\",\"recipe\":\"w=10\"}");
  expect(200, "{\"dropped\":2,\"originals\":1}");
  make_variants();
  purge("{\"id\":\"@\"}");
  expect(200, "{\"dropped\":3,\"originals\":1}");
  purge("{\"tag\":\"nobody has it\"}");
  expect(200, "{\"dropped\":0,\"originals\":0}");
}

static void refuses_a_purge_that_is_not_clear(void **state) {
  (void)state;
  static const struct {
    const char *body;
    int status;
    const char *text;
  } cases[] = {
      {"", 400, "\"subject\":\"body\""},
      {"[]", 400, "a JSON object"},
      {"{\"recipe\":\"w=1\"}", 400, "id and recipe, or tag"},
      {"{\"id\":\"@\",\"tag\":\"a\"}", 400, "id and recipe, or tag"},
      {"{\"id\":\"@\",\"all\":true}", 400, "only id, recipe and tag"},
      {"{\"id\":\"@\",\"id\":\"@\"}", 400, "repeated"},
      {"{\"id\":7}", 400, "id is a string"},
      {"{\"id\":\"x\"}", 400, "\"subject\":\"id\""},
      {"{\"id\":\"@\",\"recipe\":\"w=0\"}", 400, "\"subject\":\"w\""},
      {"{\"tag\":\"\"}", 400, "\"subject\":\"tag\""},
      {"{\"id\":\"47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU\"}", 404, "\"subject\":\"id\""},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    purge(cases[i].body);
    expect(cases[i].status, cases[i].text);
  }
  console_rig_ask_as_owner(&rig, "POST", "/api/v1/purge", "Content-Type: text/plain\r\n", "{}", &answer);
  assert_int_equal(answer.status, 415);
  console_rig_ask(&rig, "POST", "/api/v1/purge", "", "{}", &answer);
  assert_int_equal(answer.status, 401);
}

static void lists_changes_and_runs_what_is_prewarmed(void **state) {
  (void)state;
  ask("GET", "/api/v1/prewarm", NULL);
  expect(200, "{\"recipes\":[],\"max_recipes\":64,\"queued\":0,\"run\":null}");
  ask("POST", "/api/v1/prewarm/run", NULL);
  expect(400, "\"subject\":\"recipes\"");
  ask("PUT", "/api/v1/prewarm", "{\"recipes\":[\"w=10&fm=webp\",\"w=30&fm=webp\"]}");
  expect(200, "{\"recipes\":[\"w=10&fm=webp\",\"w=30&fm=webp\"]");
  ask("PUT", "/api/v1/prewarm", "{\"recipes\":[\"w=10\",\"h=0\"]}");
  expect(400, "\"subject\":\"recipes[1].h\"");
  ask("PUT", "/api/v1/prewarm", "{}");
  expect(400, "recipes is a list of strings");
  ask("POST", "/api/v1/prewarm/run", "{\"tag\":\"a\",\"tag\":\"b\"}");
  expect(400, "repeated");
  ask("POST", "/api/v1/prewarm/run", NULL);
  expect(202, "\"is_running\":true,\"tag\":null");
  for (int i = 0; i < 2000 && !strstr(answer.body, "\"is_running\":false"); i++) {
    usleep(5000);
    ask("GET", "/api/v1/prewarm", NULL);
  }
  expect(200, "\"originals\":1,\"done\":1,");
  purge("{\"id\":\"@\"}");
  expect(200, "{\"dropped\":2,\"originals\":1}");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(drops_what_was_named_and_counts_it, open_rig, console_rig_tear_down),
      cmocka_unit_test_setup_teardown(refuses_a_purge_that_is_not_clear, open_rig, console_rig_tear_down),
      cmocka_unit_test_setup_teardown(lists_changes_and_runs_what_is_prewarmed, open_rig, console_rig_tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
