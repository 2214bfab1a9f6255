#include "http/representation.h"

#include "request_text.h"

#define SAME "Sun, 06 Nov 1994 08:49:37 GMT"
enum { MODIFIED_S = 784111777, NOW_S = 1700000000 };
static const char CONTENT[] = "0123456789abcdefghijklmnopqrstuvwxyz";
enum { CONTENT_BYTES = sizeof CONTENT - 1 };

// Stands in for SHA-256: any function of all bytes and their order will do here.
static void test_digest(struct base_span bytes, uint8_t out[BASE_DIGEST_BYTES]) {
  uint64_t state = UINT64_C(14695981039346656037);
  for (size_t i = 0; i < bytes.bytes; i++) state = (state ^ bytes.data[i]) * UINT64_C(1099511628211);
  for (size_t i = 0; i < BASE_DIGEST_BYTES; i++) {
    state = state * UINT64_C(6364136223846793005) + 1;
    out[i] = (uint8_t)(state >> 56);
  }
}

static void test_digest_pieces(const struct base_span *pieces, size_t count, uint8_t out[BASE_DIGEST_BYTES]) {
  struct base_buffer all;
  base_buffer_init(&all, 4096);
  for (size_t i = 0; i < count; i++)
    assert_int_equal(base_buffer_append(&all, pieces[i].data, pieces[i].bytes), BASE_OK);
  test_digest(base_buffer_span(&all), out);
  base_buffer_finish(&all);
}

struct fixture {
  struct base_blob *blob;
  uint8_t digest[BASE_DIGEST_BYTES];
  char etag[BASE_DIGEST_BASE64URL_CHARS + 3];
  struct http_reply reply;
};

static int set_up(void **state) {
  static struct fixture fixture;
  fixture.blob = base_blob_copy(base_span_text(CONTENT));
  if (!fixture.blob) return -1;
  test_digest(base_span_text(CONTENT), fixture.digest);
  char text[BASE_DIGEST_BASE64URL_CHARS + 1];
  base_base64url_encode(base_span_of(fixture.digest, sizeof fixture.digest), text, sizeof text);
  (void)snprintf(fixture.etag, sizeof fixture.etag, "\"%s\"", text);
  http_reply_init(&fixture.reply, 0);
  *state = &fixture;
  return 0;
}

static int tear_down(void **state) {
  struct fixture *fixture = *state;
  http_reply_finish(&fixture->reply);
  int refs = (int)atomic_load(&fixture->blob->refs);
  base_blob_unref(&fixture->blob);
  return refs == 1 ? 0 : -1;  // the reply took and gave back its own
}

static void reply_to(struct fixture *fixture, const char *method, const char *fields) {
  struct http_request request = request_of(method, fields);
  const struct http_representation representation = {.blob = fixture->blob,
                                                     .media_type = "image/webp",
                                                     .digest = fixture->digest,
                                                     .last_modified_s = MODIFIED_S,
                                                     .sha256 = test_digest_pieces};
  http_representation_reply(&request, &representation, NOW_S, &fixture->reply);
}

static struct base_span body_of(const struct http_reply *reply) {
  assert_int_equal(reply->part_count, 1);
  assert_int_equal(reply->parts[0].bytes, reply->body_bytes);
  return base_span_slice(base_blob_span(reply->parts[0].blob), reply->parts[0].offset, reply->parts[0].bytes);
}

// The whole body, which may consist of several parts.
static struct base_span joined_body(const struct http_reply *reply, char *out, size_t capacity) {
  size_t used = 0;
  for (size_t i = 0; i < reply->part_count; i++) {
    const struct http_body_part *part = &reply->parts[i];
    assert_true(part->bytes <= capacity - used);
    memcpy(out + used, part->blob->data + part->offset, part->bytes);
    used += part->bytes;
  }
  assert_int_equal(used, reply->body_bytes);
  return base_span_of(out, used);
}

static void assert_digest(const struct http_reply *reply, const char *name, struct base_span bytes) {
  uint8_t digest[BASE_DIGEST_BYTES];
  char text[BASE_DIGEST_BASE64_CHARS + 1];
  char wanted[sizeof "sha-256=::" + sizeof text];
  test_digest(bytes, digest);
  base_base64_encode(base_span_of(digest, sizeof digest), text, sizeof text);
  (void)snprintf(wanted, sizeof wanted, "sha-256=:%s:", text);
  assert_span(http_reply_get_header(reply, name), wanted);
}

static void assert_validators(const struct fixture *fixture) {
  assert_span(http_reply_get_header(&fixture->reply, "ETag"), fixture->etag);
  assert_span(http_reply_get_header(&fixture->reply, "Last-Modified"), SAME);
  assert_digest(&fixture->reply, "Repr-Digest", base_span_text(CONTENT));
}

static void sends_the_whole_with_both_digests(void **state) {
  struct fixture *fixture = *state;
  reply_to(fixture, "GET", "");
  assert_int_equal(fixture->reply.status, 200);
  assert_validators(fixture);
  assert_digest(&fixture->reply, "Content-Digest", base_span_text(CONTENT));
  assert_span(http_reply_get_header(&fixture->reply, "Content-Type"), "image/webp");
  assert_span(http_reply_get_header(&fixture->reply, "Accept-Ranges"), "bytes");
  assert_null(http_reply_get_header(&fixture->reply, "Content-Range").data);
  assert_span(body_of(&fixture->reply), CONTENT);
}

static void leaves_out_the_digests_that_are_not_wanted(void **state) {
  struct fixture *fixture = *state;
  static const struct {
    const char *value;
    bool is_sent;
  } cases[] = {
      {"sha-256=0", false},
      {"sha-512=3, sha-256=0", false},
      {"sha-256=0;q=1,sha-512=10", false},
      {"sha-256=00", false},
      {"sha-256=5, sha-256=0", false},
      {"a=\"x, y\", sha-256=0", false},
      {"sha-256=1", true},
      {"sha-256=10", true},
      {"sha-256=0, sha-256=5", true},
      {"sha-512=10", true},
      {"sha-256", true},
      {"sha-256=?0", true},
      {"sha-256=", true},
      {"SHA-256=0", true},
      {"sha-256=0,", true},
      {"sha-256=0, ,", true},
      {"sha-256=0, a=\"", true},
      {"a=\"sha-256=0\"", true},
      {"", true},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    for (int j = 0; j < 6; j++) {
      static const char *const fields[] = {"", "Range: bytes=1-2\r\n", "Range: bytes=1-2, 7-8\r\n"};
      char text[256];
      (void)snprintf(text, sizeof text, "Want-%s-Digest: %s\r\n%s", j % 2 ? "Repr" : "Content", cases[i].value,
                     fields[j / 2]);
      reply_to(fixture, "GET", text);
      const bool has_content = http_reply_get_header(&fixture->reply, "Content-Digest").data != NULL;
      const bool has_whole = http_reply_get_header(&fixture->reply, "Repr-Digest").data != NULL;
      assert_int_equal(fixture->reply.status, j / 2 ? 206 : 200);
      if (has_content != (j % 2 || cases[i].is_sent) || has_whole != (!(j % 2) || cases[i].is_sent)) {
        fail_msg("%s: content %d, whole %d", text, has_content, has_whole);
      }
      http_reply_finish(&fixture->reply);
    }
  }
  reply_to(fixture, "HEAD", "Want-Repr-Digest: sha-256=0\r\n");
  assert_null(http_reply_get_header(&fixture->reply, "Repr-Digest").data);
}

static void leaves_the_content_digest_out_when_head_sends_nothing(void **state) {
  struct fixture *fixture = *state;
  reply_to(fixture, "HEAD", "Range: bytes=0-1\r\n");
  assert_int_equal(fixture->reply.status, 200);
  assert_validators(fixture);
  assert_null(http_reply_get_header(&fixture->reply, "Content-Digest").data);
  assert_int_equal(fixture->reply.body_bytes, CONTENT_BYTES);
  assert_int_equal(fixture->reply.part_count, 0);  // nothing that a reader who does not read would keep
}

static void sends_one_range_with_the_digest_of_its_bytes(void **state) {
  struct fixture *fixture = *state;
  reply_to(fixture, "GET", "Range: bytes=10-12\r\n");
  assert_int_equal(fixture->reply.status, 206);
  assert_validators(fixture);
  assert_span(http_reply_get_header(&fixture->reply, "Content-Range"), "bytes 10-12/36");
  assert_span(http_reply_get_header(&fixture->reply, "Content-Type"), "image/webp");
  assert_span(body_of(&fixture->reply), "abc");
  assert_digest(&fixture->reply, "Content-Digest", base_span_text("abc"));
}

static void borrows_the_bytes_of_many_ranges(void **state) {
  struct fixture *fixture = *state;
  reply_to(fixture, "GET",
           "Range: bytes=0-0,2-2,4-4,6-6,8-8,10-10,12-12,14-14,16-16,18-18,20-20,22-22,24-24,26-26,28-28,30-35\r\n");
  assert_int_equal(fixture->reply.status, 206);
  assert_int_equal(fixture->reply.part_count, HTTP_MAX_BODY_PARTS);
  char body[4096];
  assert_digest(&fixture->reply, "Content-Digest", joined_body(&fixture->reply, body, sizeof body));
  for (size_t i = 1; i < fixture->reply.part_count; i += 2) {
    assert_ptr_equal(fixture->reply.parts[i].blob, fixture->blob);
    assert_int_equal(fixture->reply.parts[i].offset, i - 1);
  }
}

static void sends_several_ranges_as_multipart(void **state) {
  struct fixture *fixture = *state;
  reply_to(fixture, "GET", "Range: bytes=10-12,-1,0-0\r\n");
  assert_int_equal(fixture->reply.status, 206);
  assert_validators(fixture);
  assert_null(http_reply_get_header(&fixture->reply, "Content-Range").data);

  char boundary[64], wanted[1024];
  (void)snprintf(boundary, sizeof boundary, "pixpop-%.*s", BASE_DIGEST_BASE64URL_CHARS, fixture->etag + 1);
  (void)snprintf(wanted, sizeof wanted, "multipart/byteranges; boundary=%s", boundary);
  assert_span(http_reply_get_header(&fixture->reply, "Content-Type"), wanted);
  (void)snprintf(wanted, sizeof wanted,
                 "--%s\r\nContent-Type: image/webp\r\nContent-Range: bytes 10-12/36\r\n\r\nabc\r\n"
                 "--%s\r\nContent-Type: image/webp\r\nContent-Range: bytes 35-35/36\r\n\r\nz\r\n"
                 "--%s\r\nContent-Type: image/webp\r\nContent-Range: bytes 0-0/36\r\n\r\n0\r\n"
                 "--%s--\r\n",
                 boundary, boundary, boundary, boundary);
  char body[1024];
  assert_span(joined_body(&fixture->reply, body, sizeof body), wanted);
  assert_digest(&fixture->reply, "Content-Digest", base_span_text(wanted));
}

static void sends_the_whole_when_if_range_differs(void **state) {
  struct fixture *fixture = *state;
  reply_to(fixture, "GET", "Range: bytes=10-12\r\nIf-Range: \"other\"\r\n");
  assert_int_equal(fixture->reply.status, 200);
  assert_int_equal(fixture->reply.body_bytes, CONTENT_BYTES);
}

static void sends_no_body_when_not_modified(void **state) {
  struct fixture *fixture = *state;
  char fields[128];
  (void)snprintf(fields, sizeof fields, "Range: bytes=0-1\r\nIf-None-Match: W/%s\r\n", fixture->etag);
  reply_to(fixture, "GET", fields);
  assert_int_equal(fixture->reply.status, 304);
  assert_validators(fixture);
  assert_null(http_reply_get_header(&fixture->reply, "Content-Digest").data);
  assert_null(http_reply_get_header(&fixture->reply, "Content-Type").data);
  assert_int_equal(fixture->reply.part_count, 0);
  assert_int_equal(fixture->reply.body_bytes, 0);
}

static void answers_a_failed_precondition_with_a_problem(void **state) {
  struct fixture *fixture = *state;
  reply_to(fixture, "GET", "If-Match: \"other\"\r\nRange: bytes=99-\r\n");
  assert_int_equal(fixture->reply.status, 412);
  assert_span(http_reply_get_header(&fixture->reply, "Content-Type"), "application/problem+json");
  assert_span(http_reply_get_header(&fixture->reply, "Cache-Control"), "no-store");
}

static void tells_the_size_when_no_range_fits(void **state) {
  struct fixture *fixture = *state;
  reply_to(fixture, "GET", "Range: bytes=36-\r\n");
  assert_int_equal(fixture->reply.status, 416);
  assert_span(http_reply_get_header(&fixture->reply, "Content-Range"), "bytes */36");
  assert_span(http_reply_get_header(&fixture->reply, "Content-Type"), "application/problem+json");
  assert_null(http_reply_get_header(&fixture->reply, "ETag").data);
}

static void does_without_what_is_not_given(void **state) {
  struct fixture *fixture = *state;
  struct http_request request = request_of("GET", "Range: bytes=0-0\r\n");
  const struct http_representation representation = {
      .blob = fixture->blob, .media_type = "image/png", .digest = fixture->digest, .last_modified_s = -1};
  http_representation_reply(&request, &representation, NOW_S, &fixture->reply);
  assert_int_equal(fixture->reply.status, 206);
  assert_null(http_reply_get_header(&fixture->reply, "Last-Modified").data);
  assert_null(http_reply_get_header(&fixture->reply, "Content-Digest").data);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(sends_the_whole_with_both_digests),
      TEST(leaves_out_the_digests_that_are_not_wanted),
      TEST(leaves_the_content_digest_out_when_head_sends_nothing),
      TEST(sends_one_range_with_the_digest_of_its_bytes),
      TEST(sends_several_ranges_as_multipart),
      TEST(borrows_the_bytes_of_many_ranges),
      TEST(sends_the_whole_when_if_range_differs),
      TEST(sends_no_body_when_not_modified),
      TEST(answers_a_failed_precondition_with_a_problem),
      TEST(tells_the_size_when_no_range_fits),
      TEST(does_without_what_is_not_given),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
