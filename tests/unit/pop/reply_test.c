// What replies look like: fields, validators, digests, ranges, methods, errors.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "rig.h"

#define PINNED "?dpr=1&fm=webp&q=80&w=400"
#define NETWORK_FIELDS "Save-Data, ECT, Sec-CH-ECT, RTT, Sec-CH-RTT, Downlink, Sec-CH-Downlink"
#define DPR_FIELDS "DPR, Sec-CH-DPR, User-Agent"
#define SIZE_FIELDS "Width, Sec-CH-Width, Viewport-Width, Sec-CH-Viewport-Width"
#define OPEN_FIELDS "Accept, " DPR_FIELDS ", " NETWORK_FIELDS
#define IMMUTABLE "public, immutable, max-age=31536000"

static int setup(void **state) {
  static struct rig rig;
  rig_open(&rig, &(struct rig_config){0});
  *state = &rig;
  return 0;
}

static int teardown(void **state) {
  rig_close(*state);
  return 0;
}

static void assert_digest_field(const struct rig_client *client, const char *name, struct base_span bytes) {
  struct integrity_digest digest;
  char text[BASE_DIGEST_BASE64_CHARS + 1], field[BASE_DIGEST_BASE64_CHARS + 16];
  integrity_digest_of(bytes, &digest);
  base_base64_encode(base_span_of(digest.bytes, sizeof digest.bytes), text, sizeof text);
  snprintf(field, sizeof field, "sha-256=:%s:", text);
  rig_assert_field(client, name, field);
}

static struct base_span body_of(const struct rig_client *client) {
  const struct http_body_part *part = &client->reply.parts[0];
  assert_int_equal(client->reply.part_count, 1);
  return base_span_of(part->blob->data + part->offset, (size_t)part->bytes);
}

// All fields of a 200 that do not depend on where it came from.
static void assert_variant_fields(const struct rig_client *client) {
  struct integrity_digest digest;
  char etag[BASE_DIGEST_BASE64URL_CHARS + 1], quoted[BASE_DIGEST_BASE64URL_CHARS + 3];
  integrity_digest_of(body_of(client), &digest);
  integrity_digest_text(&digest, etag);
  snprintf(quoted, sizeof quoted, "\"%s\"", etag);
  rig_assert_field(client, "ETag", quoted);
  rig_assert_field(client, "Content-Type", "image/webp");
  rig_assert_field(client, "Last-Modified", "Mon, 24 Nov 2025 16:00:00 GMT");
  rig_assert_field(client, "Accept-Ranges", "bytes");
  rig_assert_field(client, "X-Content-Type-Options", "nosniff");
  rig_assert_field(client, "Access-Control-Allow-Origin", "*");
  assert_digest_field(client, "Content-Digest", body_of(client));
  assert_digest_field(client, "Repr-Digest", body_of(client));
  assert_int_equal(client->reply.body_bytes, body_of(client).bytes);
}

static void carries_every_field_from_render_ram_and_disk(void **state) {
  struct rig *rig = *state;
  static const char *const statuses[] = {"pixpop; fwd=miss; stored", "pixpop; hit", "pixpop; hit; detail=disk"};
  for (int i = 0; i < 3; i++) {
    struct rig_client client;
    if (i == 2) rig_restart(rig);
    assert_int_equal(rig_get(rig, &client, PINNED, ""), 200);
    assert_variant_fields(&client);
    rig_assert_field(&client, "Cache-Status", statuses[i]);
    rig_assert_field(&client, "Cache-Control", IMMUTABLE);
    rig_assert_field(&client, "Content-Location", NULL);
    rig_assert_field(&client, "Vary", NULL);
    rig_assert_body_has(&client, "a picture made by dpr=1&fm=webp&q=80&w=400");
    const bool has_timing = http_reply_get_header(&client.reply, "Server-Timing").data != NULL;
    assert_int_equal(has_timing, i == 0);
    rig_client_finish(&client);
  }
  assert_int_equal(rig_requests(rig, "render"), 1);
  assert_int_equal(rig_requests(rig, "ram"), 1);
  assert_int_equal(rig_requests(rig, "disk"), 1);
  assert_int_equal(rig_requests(rig, "error"), 0);
}

static void lives_an_hour_with_the_pinned_url_when_the_url_is_open(void **state) {
  struct rig *rig = *state;
  static const struct {
    const char *query, *fields, *location, *vary;
  } cases[] = {
      {"?w=400", "Accept: image/webp\r\n", PINNED, OPEN_FIELDS},
      {"?w=400", "", "?dpr=1&fm=jpeg&q=80&w=400", OPEN_FIELDS},
      {"?w=400&fm=webp", "", PINNED, DPR_FIELDS ", " NETWORK_FIELDS},
      {"?w=400&fm=webp&q=80", "", PINNED, DPR_FIELDS},
      {"", "Accept: image/png\r\n", "?dpr=1&fm=png&q=80&w=3000",
       "Accept, " DPR_FIELDS ", " SIZE_FIELDS ", " NETWORK_FIELDS},
      {"?fm=auto&w=400&dpr=1&q=80", "Accept: */*\r\n", "?dpr=1&fm=jpeg&q=80&w=400", "Accept"},
  };
  for (size_t i = 0; i < 2 * sizeof cases / sizeof cases[0]; i++) {  // each from render or disk, then from RAM
    struct rig_client client, pinned;
    char location[512];
    const size_t at = i / 2;
    assert_int_equal(rig_get(rig, &client, cases[at].query, cases[at].fields), 200);
    snprintf(location, sizeof location, "/i/%s%s", rig->id, cases[at].location);
    rig_assert_field(&client, "Content-Location", location);
    rig_assert_field(&client, "Cache-Control", "max-age=3600");
    rig_assert_field(&client, "Vary", cases[at].vary);
    // The pinned URL gives the same bytes, from RAM now.
    rig_send_path(rig, &pinned, "GET", location, "");
    assert_int_equal(rig_receive(&pinned), 200);
    rig_assert_field(&pinned, "Cache-Status", "pixpop; hit");
    rig_assert_field(&pinned, "Cache-Control", IMMUTABLE);
    assert_true(base_span_equal(body_of(&client), body_of(&pinned)));
    rig_client_finish(&pinned);
    rig_client_finish(&client);
  }
}

static void answers_conditions_and_ranges_the_same_from_render_and_ram(void **state) {
  struct rig *rig = *state;
  struct rig_client client;
  char condition[128];
  assert_int_equal(rig_get(rig, &client, PINNED, ""), 200);
  const struct base_span etag = http_reply_get_header(&client.reply, "ETag");
  snprintf(condition, sizeof condition, "If-None-Match: %.*s\r\n", (int)etag.bytes, (const char *)etag.data);
  rig_client_finish(&client);
  for (int i = 0; i < 2; i++) {
    if (i == 1) {  // nothing is left but the original: the request travels through the renderer
      assert_int_equal(store_original_delete(rig->store, "default", &rig->original, NULL), BASE_OK);
      pop_forget(rig->pop, "default", &rig->original);
      rig_upload(rig, "default", "original", false);
    }
    assert_int_equal(rig_get(rig, &client, PINNED, condition), 304);
    rig_assert_field(&client, "Cache-Control", IMMUTABLE);
    rig_assert_field(&client, "Content-Digest", NULL);
    assert_non_null(http_reply_get_header(&client.reply, "Repr-Digest").data);
    rig_assert_field(&client, "Cache-Status", i ? "pixpop; fwd=miss; stored" : "pixpop; hit");
    assert_int_equal(client.reply.body_bytes, 0);
    rig_client_finish(&client);
  }
  assert_int_equal(rig_get(rig, &client, PINNED, "Range: bytes=2-8\r\n"), 206);
  assert_digest_field(&client, "Content-Digest", base_span_text("picture"));
  rig_assert_body_has(&client, "picture");
  rig_assert_field(&client, "Cache-Status", "pixpop; hit");
  rig_client_finish(&client);
  assert_int_equal(rig_get(rig, &client, PINNED, "range: bytes=0-0,2-2\r\n"), 206);
  assert_true(base_span_starts_with(http_reply_get_header(&client.reply, "Content-Type"), "multipart/byteranges"));
  rig_client_finish(&client);
  assert_int_equal(rig_get(rig, &client, PINNED, "Range: bytes=5000-\r\n"), 416);
  rig_assert_field(&client, "Cache-Control", "no-store");
  rig_assert_field(&client, "Access-Control-Allow-Origin", "*");
  rig_client_finish(&client);
  assert_int_equal(rig_get(rig, &client, PINNED, "If-Match: \"other\"\r\n"), 412);
  rig_assert_field(&client, "Cache-Control", "no-store");
  rig_client_finish(&client);
}

static void answers_head_like_get_without_content_digest(void **state) {
  struct rig *rig = *state;
  for (int i = 0; i < 2; i++) {
    struct rig_client client;
    rig_send(rig, &client, "HEAD", "?w=400", "Accept: image/webp\r\n");
    assert_int_equal(rig_receive(&client), 200);
    rig_assert_field(&client, "Content-Digest", NULL);
    assert_non_null(http_reply_get_header(&client.reply, "Repr-Digest").data);
    rig_assert_field(&client, "Vary", OPEN_FIELDS);
    rig_assert_field(&client, "Cache-Status", i ? "pixpop; hit" : "pixpop; fwd=miss; stored");
    assert_true(client.reply.body_bytes > 0);  // for Content-Length; the server sends no body
    rig_client_finish(&client);
  }
}

static void tells_what_is_allowed_when_the_method_is_another(void **state) {
  struct rig *rig = *state;
  struct rig_client client;
  rig_send(rig, &client, "OPTIONS", "?anything", "Origin: https://shop.example\r\n");
  assert_int_equal(rig_receive(&client), 204);
  rig_assert_field(&client, "Allow", "GET, HEAD, OPTIONS");
  rig_assert_field(&client, "Access-Control-Allow-Methods", "GET, HEAD, OPTIONS");
  rig_assert_field(&client, "Access-Control-Allow-Origin", "*");
  rig_assert_field(&client, "Access-Control-Allow-Headers",
                   "Range, If-Match, If-Modified-Since, If-None-Match, If-Range, If-Unmodified-Since, "
                   "Want-Content-Digest, Want-Repr-Digest");
  rig_client_finish(&client);
  static const char *const methods[] = {"POST", "PUT", "DELETE", "PATCH"};
  for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
    rig_send(rig, &client, methods[i], "", "Content-Length: 0\r\n");
    assert_int_equal(rig_receive(&client), 405);
    rig_assert_field(&client, "Allow", "GET, HEAD, OPTIONS");
    rig_assert_field(&client, "Cache-Control", "no-store");
    rig_client_finish(&client);
  }
}

static void names_what_is_wrong_when_a_request_is_bad(void **state) {
  struct rig *rig = *state;
  static const struct {
    const char *query;
    int status;
    const char *text;
  } cases[] = {
      {"?w=0", 400, "\"subject\":\"w\""},     {"?width=5", 400, "\"subject\":\"width\""},
      {"?w=1&w=2", 400, "\"subject\":\"w\""}, {"?crop=3000,0,1,1", 400, "\"subject\":\"crop\""},
      {"?w=8192&dpr=4", 422, "16383"},        {"?fm=jpeg&q=lossless", 400, "\"subject\":\"q\""},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct rig_client client;
    assert_int_equal(rig_get(rig, &client, cases[i].query, ""), cases[i].status);
    rig_assert_field(&client, "Content-Type", "application/problem+json");
    rig_assert_field(&client, "Cache-Control", "no-store");
    rig_assert_field(&client, "Access-Control-Allow-Origin", "*");
    rig_assert_body_has(&client, cases[i].text);
    rig_assert_body_has(&client, "\"request_id\":\"0123456789abcdef\"");
    rig_client_finish(&client);
  }
  assert_int_equal(rig_count(rig, &rig->renderer.submitted), 0);
  assert_int_equal(rig_requests(rig, "error"), (int)(sizeof cases / sizeof cases[0]));
}

static void serves_from_ram_alone_when_the_disk_is_full(void **state) {
  struct rig *rig = *state;
  rig_restart_full(rig);
  for (int i = 0; i < 2; i++) {
    struct rig_client client;
    assert_int_equal(rig_get(rig, &client, PINNED, ""), 200);
    rig_assert_field(&client, "Cache-Status", i ? "pixpop; hit" : "pixpop; fwd=miss");
    rig_client_finish(&client);
  }
}

static void finds_nothing_when_the_original_is_unknown(void **state) {
  struct rig *rig = *state;
  struct rig_client client;
  rig_send_path(rig, &client, "GET", "/i/47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU?w=1", "");
  assert_int_equal(rig_receive(&client), 404);
  rig_assert_field(&client, "Cache-Control", "no-store");
  rig_client_finish(&client);
}

static void passes_the_fault_on_when_the_renderer_fails(void **state) {
  struct rig *rig = *state;
  struct rig_client client;
  rig->renderer.fault = BASE_UNPROCESSABLE;
  assert_int_equal(rig_get(rig, &client, PINNED, ""), 422);
  rig_assert_body_has(&client, "the fake renderer failed");
  rig_client_finish(&client);
}

// Requests that were seen before are answered by a short cut: it must tell apart what the long way tells apart.
static void tells_repeated_requests_apart_by_accept_and_query(void **state) {
  struct rig *rig = *state;
  static const struct {
    const char *query, *fields, *type, *life, *vary;
  } cases[] = {
      {"?w=400", "Accept: image/webp\r\n", "image/webp", "max-age=3600", OPEN_FIELDS},
      {"?w=400", "Accept: image/png\r\n", "image/png", "max-age=3600", OPEN_FIELDS},
      {"?w=400", "Accept: */*\r\n", "image/jpeg", "max-age=3600", OPEN_FIELDS},
      {"?w=400", "", "image/jpeg", "max-age=3600", OPEN_FIELDS},
      {"?w=400", "Accept:\r\n", "image/jpeg", "max-age=3600", OPEN_FIELDS},
      {"?w=400", "Accept: image/png\r\nAccept: image/webp\r\n", "image/webp", "max-age=3600", OPEN_FIELDS},
      {PINNED, "Accept: image/png\r\n", "image/webp", IMMUTABLE, NULL},
      {"?w=400&fm=webp", "Accept: image/png\r\n", "image/webp", "max-age=3600", DPR_FIELDS ", " NETWORK_FIELDS},
  };
  enum { COUNT = sizeof cases / sizeof cases[0], ROUNDS = 4 };
  for (size_t i = 0; i < COUNT * ROUNDS; i++) {
    const size_t at = i % COUNT;
    struct rig_client client;
    assert_int_equal(rig_get(rig, &client, cases[at].query, cases[at].fields), 200);
    rig_assert_field(&client, "Content-Type", cases[at].type);
    rig_assert_field(&client, "Cache-Control", cases[at].life);
    rig_assert_field(&client, "Vary", cases[at].vary);
    rig_client_finish(&client);
  }
  assert_int_equal(rig_count(rig, &rig->renderer.submitted), 3);
  assert_int_equal(store_original_delete(rig->store, "default", &rig->original, NULL), BASE_OK);
  pop_forget(rig->pop, "default", &rig->original);
  for (size_t i = 0; i < COUNT; i++) {
    struct rig_client client;
    assert_int_equal(rig_get(rig, &client, cases[i].query, cases[i].fields), 404);
    rig_client_finish(&client);
  }
  assert_int_equal(rig_count(rig, &rig->renderer.submitted), 3);  // nothing is tried for a forgotten original
}

// In the other grammars: however often it is asked for, it has no alias.
static void is_for_no_cache_when_there_is_a_plainer_url(void **state) {
  struct rig *rig = *state;
  static const struct {
    const char *front, *tails[2];  // before and behind the id
  } paths[] = {
      {"/iiif/3/", {"/full/64,/0/default.jpg", "/full/%364,/0/default.jpg"}},
      {"/iiif/3/", {"/full/%5E64,/0/default.jpg", "/full/%5E64,/0.0/default.jpg"}},
      {"/imgproxy/unsafe/w:64/f:png/plain/local:///", {"", "@png"}},
  };
  for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
    for (int has_plainer = 0; has_plainer < 2; has_plainer++) {
      for (int again = 0; again < 3; again++) {
        char path[256];
        struct rig_client client;
        (void)snprintf(path, sizeof path, "%s%s%s", paths[i].front, rig->id, paths[i].tails[has_plainer]);
        rig_send_path(rig, &client, "GET", path, "");
        assert_int_equal(rig_receive(&client), 200);
        rig_assert_field(&client, "Cache-Control", has_plainer ? "no-store" : "public, immutable, max-age=31536000");
        rig_client_finish(&client);
      }
    }
  }
}

static void separates_tenants_by_host(void **state) {
  (void)state;
  static struct rig rig;
  static const struct pop_tenant tenants[] = {{.name = "museum",
                                               .host_count = 2,
                                               .hosts = {"museum.local", "art.local"},
                                               .hints_off = true,
                                               .unsigned_policy = POP_UNSIGNED_OPEN},
                                              {.name = "default", .unsigned_policy = POP_UNSIGNED_OPEN}};
  struct rig_client client;
  rig_open(&rig, &(struct rig_config){.tenants = tenants, .tenant_count = 2});
  assert_string_equal(pop_tenant_name(rig.pop, base_span_text("ART.local")), "museum");
  assert_string_equal(pop_tenant_name(rig.pop, base_span_text("shop.local")), "default");
  for (int i = 0; i < 3; i++) {
    assert_int_equal(rig_get(&rig, &client, "?w=5", ""), 200);
    rig_client_finish(&client);
  }
  // The same URL at the other tenant's host: not its original.
  assert_int_equal(rig_get(&rig, &client, "?w=5", "Host: museum.local\r\n"), 404);
  rig_client_finish(&client);
  rig_upload(&rig, "museum", "original", false);
  assert_int_equal(rig_get(&rig, &client, "?w=5", "Host: Museum.Local:8080\r\n"), 200);
  rig_assert_field(&client, "Cache-Status", "pixpop; fwd=miss; stored");
  // Without hints every URL is pinned, but the format still depends on Accept.
  rig_assert_field(&client, "Cache-Control", IMMUTABLE);
  rig_assert_field(&client, "Content-Location", NULL);
  rig_assert_field(&client, "Vary", "Accept");
  rig_client_finish(&client);
  assert_int_equal(pop_reconfigure(rig.pop, NULL, 0, 1 << 20, NULL), BASE_OK);
  assert_string_equal(pop_tenant_name(rig.pop, base_span_text("art.local")), "default");
  rig_close(&rig);
}

static void keeps_its_tenants_when_new_ones_are_wrong(void **state) {
  (void)state;
  static struct rig rig;
  static const struct pop_tenant good[] = {{.name = "museum", .host_count = 1, .hosts = {"art.local"}}};
  static const struct pop_tenant bad[][2] = {
      {{.name = "Museum"}, {.name = "shop"}},
      {{.name = ""}, {.name = "shop"}},
      {{.name = "shop"}, {.name = "shop"}},
      {{.name = "a", .host_count = 1, .hosts = {"x.local"}}, {.name = "b", .host_count = 1, .hosts = {"X.local"}}},
  };
  rig_open(&rig, &(struct rig_config){.tenants = good, .tenant_count = 1});
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    struct base_fault fault = {0};
    assert_int_equal(pop_reconfigure(rig.pop, bad[i], 2, 1 << 20, &fault), BASE_BAD_INPUT);
    assert_string_equal(pop_tenant_name(rig.pop, base_span_text("art.local")), "museum");
  }
  rig_close(&rig);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(carries_every_field_from_render_ram_and_disk, setup, teardown),
      cmocka_unit_test_setup_teardown(lives_an_hour_with_the_pinned_url_when_the_url_is_open, setup, teardown),
      cmocka_unit_test_setup_teardown(answers_conditions_and_ranges_the_same_from_render_and_ram, setup, teardown),
      cmocka_unit_test_setup_teardown(answers_head_like_get_without_content_digest, setup, teardown),
      cmocka_unit_test_setup_teardown(tells_what_is_allowed_when_the_method_is_another, setup, teardown),
      cmocka_unit_test_setup_teardown(names_what_is_wrong_when_a_request_is_bad, setup, teardown),
      cmocka_unit_test_setup_teardown(serves_from_ram_alone_when_the_disk_is_full, setup, teardown),
      cmocka_unit_test_setup_teardown(finds_nothing_when_the_original_is_unknown, setup, teardown),
      cmocka_unit_test_setup_teardown(passes_the_fault_on_when_the_renderer_fails, setup, teardown),
      cmocka_unit_test_setup_teardown(tells_repeated_requests_apart_by_accept_and_query, setup, teardown),
      cmocka_unit_test_setup_teardown(is_for_no_cache_when_there_is_a_plainer_url, setup, teardown),
      cmocka_unit_test(separates_tenants_by_host),
      cmocka_unit_test(keeps_its_tenants_when_new_ones_are_wrong),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
