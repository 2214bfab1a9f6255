// A day of traffic with a clock that the test moves: lives, expiry, conditions with dates.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http/date.h"
#include "rig.h"

#define MODERN "Accept: image/avif,image/webp,*/*;q=0.8\r\n"
#define PINNED "dpr=1&fm=webp&q=80&w=400"
#define OPEN "w=400"

enum { HOUR_S = 3600, DAY_S = 24 * HOUR_S, YEAR_S = 365 * DAY_S };

static struct pop_tenant tenant;

static int setup(void **state) {
  static struct rig rig;
  tenant = (struct pop_tenant){.name = "default", .unsigned_policy = POP_UNSIGNED_OPEN, .key_count = 1};
  if (recipe_sign_key_parse(base_span_text("secret-key:salt"), &tenant.keys[0], NULL) != BASE_OK) return 1;
  rig_open(&rig, &(struct rig_config){.makes_avif = true, .tenants = &tenant, .tenant_count = 1});
  *state = &rig;
  return 0;
}

static int teardown(void **state) {
  rig_close(*state);
  return 0;
}

static int64_t now_s(struct rig *rig) { return base_clock_wall_s(&rig->clock.clock); }

// "?exp=...&options&sig=..."; the options are in the order of their names and come after "exp".
static void sign(struct rig *rig, const char *options, int64_t expires_s, char out[512]) {
  char message[400], signature[RECIPE_SIGNATURE_CHARS + 1], query[256];
  // "dpr" is before "exp" and all else of these tests behind it.
  const bool has_dpr = strncmp(options, "dpr=1&", 6) == 0;
  snprintf(query, sizeof query, "%sexp=%lld&%s", has_dpr ? "dpr=1&" : "", (long long)expires_s,
           options + (has_dpr ? 6 : 0));
  snprintf(message, sizeof message, "/i/%s?%s", rig->id, query);
  recipe_sign(&tenant.keys[0], base_span_text(message), signature);
  snprintf(out, 512, "?%s&sig=%s", query, signature);
}

// The max-age of a 200 or 304, or -1 for what must not be stored.
static int64_t life(struct rig *rig, const char *query, const char *fields, int status) {
  struct rig_client client;
  char text[128];
  assert_int_equal(rig_get(rig, &client, query, fields), status);
  const struct base_span field = http_reply_get_header(&client.reply, "Cache-Control");
  assert_true(base_span_copy(field, text, sizeof text));
  rig_client_finish(&client);
  const char *age = strstr(text, "max-age=");
  if (!age) assert_string_equal(text, "no-store");
  return age ? strtoll(age + strlen("max-age="), NULL, 10) : -1;
}

static void lives_end_with_the_url(void **state) {
  struct rig *rig = *state;
  const int64_t expires_s = RIG_WALL_S + 2 * HOUR_S;
  char pinned[512], open[512];
  sign(rig, PINNED, expires_s, pinned);
  sign(rig, OPEN, expires_s, open);
  for (int minute = 0; minute < 180; minute += 5) {
    const int64_t left_s = expires_s - now_s(rig);
    const bool is_over = left_s <= 0;
    assert_int_equal(life(rig, pinned, "", is_over ? 410 : 200), is_over ? -1 : left_s);
    assert_int_equal(life(rig, open, "", is_over ? 410 : 200), is_over ? -1 : left_s < HOUR_S ? left_s : HOUR_S);
    fake_clock_advance_s(&rig->clock, 5 * 60);
  }
  // Never `immutable` for what will be gone, and the unsigned URL of the same variant lives as ever.
  assert_int_equal(life(rig, "?" PINNED, "", 200), YEAR_S);
  struct rig_client client;
  fake_clock_set_wall_s(&rig->clock, RIG_WALL_S);
  assert_int_equal(rig_get(rig, &client, pinned, ""), 200);
  rig_assert_field(&client, "Cache-Control", "public, max-age=7200");
  rig_client_finish(&client);
}

static void expiry_is_seen_in_the_second_it_comes_also_by_the_short_cut(void **state) {
  struct rig *rig = *state;
  const int64_t expires_s = RIG_WALL_S + 100;
  char query[512];
  sign(rig, PINNED, expires_s, query);
  for (int i = 0; i < 3; i++) assert_int_equal(life(rig, query, "", 200), 100);
  fake_clock_set_wall_s(&rig->clock, expires_s - 1);
  assert_int_equal(life(rig, query, "", 200), 1);
  const int64_t hits = rig_requests(rig, "ram");
  fake_clock_set_wall_s(&rig->clock, expires_s + 1);
  assert_int_equal(life(rig, query, "", 410), -1);
  assert_int_equal(rig_requests(rig, "ram"), hits);
  // A clock that was never set says nothing of expiry; URLs without one do not mind.
  fake_clock_set_wall_s(&rig->clock, 1000);
  assert_int_equal(life(rig, query, "", 503), -1);
  assert_int_equal(life(rig, "?" PINNED, "", 200), YEAR_S);
}

static void a_wrong_signature_is_refused_although_the_right_one_is_in_memory(void **state) {
  struct rig *rig = *state;
  char query[512], wrong[512];
  sign(rig, PINNED, RIG_WALL_S + 100, query);
  for (int i = 0; i < 2; i++) assert_int_equal(life(rig, query, "", 200), 100);
  strcpy(wrong, query);
  char *first = strstr(wrong, "sig=") + 4;
  *first = *first == 'A' ? 'B' : 'A';
  for (int i = 0; i < 2; i++) assert_int_equal(life(rig, wrong, "", 403), -1);
  // The same for whoever is trusted: no signature is looked at, and none is learned for the others.
  rig->is_trusted = true;
  for (int i = 0; i < 2; i++) assert_int_equal(life(rig, wrong, "", 200), 100);
  rig->is_trusted = false;
  assert_int_equal(life(rig, wrong, "", 403), -1);
}

static void assert_life(struct rig *rig, const char *before, const char *after, const char *fields, const char *value) {
  struct rig_client client;
  char path[768];
  snprintf(path, sizeof path, "%s%s%s", before, rig->id, after);
  rig_send_path(rig, &client, "GET", path, fields);
  assert_int_equal(rig_receive(&client), 200);
  rig_assert_field(&client, "Cache-Control", value);
  rig_client_finish(&client);
}

// A shared cache that kept what was answered without a look at the signature would give it to everyone.
static void no_shared_cache_keeps_what_the_trusted_get(void **state) {
  struct rig *rig = *state;
  char query[512];
  sign(rig, PINNED, RIG_WALL_S + 100, query);
  for (int i = 0; i < 3; i++) {  // from the renderer and from RAM
    if (i == 2) rig_restart(rig);
    rig->is_trusted = true;
    assert_life(rig, "/i/", "?" PINNED, "", "private, immutable, max-age=31536000");
    assert_life(rig, "/i/", "?" PINNED, "If-Match: *\r\n", "private, immutable, max-age=31536000");
    assert_life(rig, "/i/", query, "", "private, max-age=100");
    assert_life(rig, "/i/", "?" OPEN, "", "private, max-age=3600");
    assert_life(rig, "/iiif/3/", "/info.json", "", "private, max-age=3600");
    rig->is_trusted = false;
    assert_life(rig, "/i/", "?" PINNED, "", "public, immutable, max-age=31536000");
    assert_life(rig, "/iiif/3/", "/info.json", "", "max-age=3600");
  }
}

static void a_key_that_is_withdrawn_ends_what_it_signed(void **state) {
  struct rig *rig = *state;
  char query[512];
  sign(rig, PINNED, RIG_WALL_S + 100, query);
  for (int i = 0; i < 2; i++) assert_int_equal(life(rig, query, "", 200), 100);
  struct pop_tenant next = tenant;
  assert_int_equal(recipe_sign_key_parse(base_span_text("other-key:salt"), &next.keys[0], NULL), BASE_OK);
  assert_int_equal(pop_reconfigure(rig->pop, &next, 1, 1 << 20, NULL), BASE_OK);
  assert_int_equal(life(rig, query, "", 403), -1);
  assert_int_equal(life(rig, "?" PINNED, "", 200), YEAR_S);
  next.unsigned_policy = POP_UNSIGNED_NONE;
  assert_int_equal(pop_reconfigure(rig->pop, &next, 1, 1 << 20, NULL), BASE_OK);
  assert_int_equal(life(rig, "?" PINNED, "", 403), -1);
}

static void conditions_hold_through_the_day(void **state) {
  struct rig *rig = *state;
  char field[128], etag[64], date[HTTP_DATE_CHARS + 1];
  struct rig_client client;
  assert_int_equal(rig_get(rig, &client, "?" PINNED, ""), 200);
  assert_true(base_span_copy(http_reply_get_header(&client.reply, "ETag"), etag, sizeof etag));
  rig_assert_field(&client, "Last-Modified", "Mon, 24 Nov 2025 16:00:00 GMT");
  rig_client_finish(&client);
  for (int hour = 1; hour <= 24; hour++) {
    fake_clock_advance_s(&rig->clock, HOUR_S);
    if (hour % 6 == 0) rig_restart(rig);  // from disk then
    snprintf(field, sizeof field, "If-None-Match: %s\r\n", etag);
    assert_int_equal(life(rig, "?" PINNED, field, 304), YEAR_S);
    assert_int_equal(life(rig, "?fm=webp&w=400", field, 304), HOUR_S);
    http_date_format(RIG_WALL_S, date, sizeof date);
    snprintf(field, sizeof field, "If-Modified-Since: %s\r\n", date);
    assert_int_equal(life(rig, "?" PINNED, field, 304), YEAR_S);
    http_date_format(RIG_WALL_S - 1, date, sizeof date);
    snprintf(field, sizeof field, "If-Modified-Since: %s\r\n", date);
    assert_int_equal(life(rig, "?" PINNED, field, 200), YEAR_S);
    snprintf(field, sizeof field, "If-Unmodified-Since: %s\r\n", date);
    assert_int_equal(life(rig, "?" PINNED, field, 412), -1);
    // A stale tag with a date that would match: the tag decides.
    http_date_format(now_s(rig), date, sizeof date);
    snprintf(field, sizeof field, "If-None-Match: \"old\"\r\nIf-Modified-Since: %s\r\n", date);
    assert_int_equal(life(rig, "?" PINNED, field, 200), YEAR_S);
  }
  assert_int_equal(rig_count(rig, &rig->renderer.submitted), 0);  // since the last restart
}

// A page's pictures, minute by minute: what each browser may keep is never longer than what it was told is true.
static void a_day_of_traffic_stays_fresh(void **state) {
  struct rig *rig = *state;
  static const char *const urls[] = {"?w=400", "?w=320&dpr=2", "?h=200&fm=webp", "?" PINNED};
  static const char *const fields[] = {MODERN, "Accept: image/webp\r\n", ""};
  unsigned pending = 0;
  for (int minute = 0; minute < 24 * 60; minute++) {
    const char *url = urls[minute % 4];
    const char *who = fields[minute / 4 % 3];
    const int64_t age = life(rig, url, who, 200);
    if (url == urls[3]) {
      assert_int_equal(age, YEAR_S);
    } else if (age == 60) {
      pending++;  // only until the AVIF is there
      assert_true(who == fields[0]);
      rig_wait_for(rig, &rig->renderer.rendered, rig_count(rig, &rig->renderer.submitted));
    } else {
      assert_int_equal(age, HOUR_S);
    }
    fake_clock_advance_s(&rig->clock, 60);
    if (minute == 12 * 60) rig_restart(rig);
  }
  assert_in_range(pending, 1, 2);  // one for each URL whose format is open, and none again after the restart
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(lives_end_with_the_url, setup, teardown),
      cmocka_unit_test_setup_teardown(expiry_is_seen_in_the_second_it_comes_also_by_the_short_cut, setup, teardown),
      cmocka_unit_test_setup_teardown(a_wrong_signature_is_refused_although_the_right_one_is_in_memory, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(no_shared_cache_keeps_what_the_trusted_get, setup, teardown),
      cmocka_unit_test_setup_teardown(a_key_that_is_withdrawn_ends_what_it_signed, setup, teardown),
      cmocka_unit_test_setup_teardown(conditions_hold_through_the_day, setup, teardown),
      cmocka_unit_test_setup_teardown(a_day_of_traffic_stays_fresh, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
