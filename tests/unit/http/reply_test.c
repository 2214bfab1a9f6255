#include "request_text.h"

#include <fcntl.h>
#include <unistd.h>

static void gives_back_the_headers_that_were_set(void **state) {
  (void)state;
  struct http_reply reply;
  http_reply_init(&reply, 200);
  http_reply_header(&reply, "ETag", "\"%d\"", 7);
  http_reply_header_span(&reply, "X-Empty", base_span_text(""));
  http_reply_header_span(&reply, "Vary", base_span_text("Accept"));
  assert_span(http_reply_get_header(&reply, "etag"), "\"7\"");
  assert_non_null(http_reply_get_header(&reply, "X-Empty").data);
  assert_int_equal(http_reply_get_header(&reply, "X-Empty").bytes, 0);
  assert_null(http_reply_get_header(&reply, "Age").data);
  http_reply_remove_header(&reply, "ETAG");
  assert_null(http_reply_get_header(&reply, "ETag").data);
  assert_span(http_reply_get_header(&reply, "Vary"), "Accept");
  assert_int_equal(reply.header_count, 2);
  assert_int_equal(reply.status, 200);
  http_reply_finish(&reply);
}

static void keeps_a_value_whole_when_it_is_long(void **state) {
  (void)state;
  char value[5000];
  struct http_reply reply;
  http_reply_init(&reply, 200);
  for (size_t bytes = 126; bytes < 131; bytes++) {  // around the size that is tried first
    memset(value, 'v', bytes);
    value[bytes] = '\0';
    http_reply_header(&reply, "X", "%s", value);
    assert_span(http_reply_get_header(&reply, "X"), value);
    http_reply_remove_header(&reply, "X");
  }
  memset(value, 'w', sizeof value - 1);
  value[sizeof value - 1] = '\0';
  http_reply_header(&reply, "X", "%s", value);
  assert_span(http_reply_get_header(&reply, "X"), value);
  http_reply_finish(&reply);
}

static void becomes_500_when_headers_are_too_many(void **state) {
  (void)state;
  struct http_reply reply;
  http_reply_init(&reply, 200);
  for (int i = 0; i < HTTP_MAX_REPLY_HEADERS; i++) http_reply_header(&reply, "X", "%d", i);
  assert_int_equal(reply.status, 200);
  http_reply_header(&reply, "Y", "1");
  assert_int_equal(reply.status, 500);
  reply.status = 200;
  http_reply_header_span(&reply, "Y", base_span_text("1"));
  assert_int_equal(reply.status, 500);
  assert_int_equal(reply.header_count, HTTP_MAX_REPLY_HEADERS);
  assert_null(http_reply_get_header(&reply, "Y").data);
  http_reply_finish(&reply);
}

static int released;
static void count_release(void *data, size_t bytes) {
  (void)data;
  (void)bytes;
  released++;
}

static void owns_its_parts_until_it_drops_them(void **state) {
  (void)state;
  static uint8_t bytes[10];
  released = 0;
  int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  assert_true(fd >= 0);
  struct http_file *file = http_file_create(fd);
  assert_non_null(file);
  struct base_blob *blob = base_blob_adopt(bytes, sizeof bytes, count_release);
  assert_non_null(blob);

  struct http_reply reply;
  http_reply_init(&reply, 200);
  http_reply_add_blob(&reply, base_blob_ref(blob), 2, 8);
  http_reply_add_blob(&reply, base_blob_ref(blob), 10, 0);
  http_reply_add_file(&reply, http_file_ref(file), 5, 100);
  http_reply_add_file(&reply, http_file_ref(file), 5, 0);
  http_reply_add_text(&reply, base_span_text("text"));
  assert_int_equal(reply.part_count, 3);
  assert_int_equal(reply.body_bytes, 8 + 100 + 4);
  base_blob_unref(&blob);
  http_file_unref(&file);
  assert_null(file);
  assert_int_equal(released, 0);
  assert_true(fcntl(fd, F_GETFD) >= 0);

  http_reply_drop_body(&reply);
  assert_int_equal(released, 1);
  assert_int_equal(fcntl(fd, F_GETFD), -1);
  assert_int_equal(reply.body_bytes, 0);
  assert_int_equal(reply.part_count, 0);
  http_reply_finish(&reply);
  http_reply_finish(&reply);
}

static void end_lease(const struct http_lease *lease) { ++*(int *)lease->lender; }

static void keeps_the_length_alone_for_head(void **state) {
  (void)state;
  int ended = 0;
  struct http_reply reply;
  http_reply_init(&reply, 200);
  http_reply_add_text(&reply, base_span_text("text"));
  reply.lease = (struct http_lease){.end = end_lease, .lender = &ended};
  http_reply_keep_length(&reply);
  assert_int_equal(reply.part_count, 0);
  assert_int_equal(reply.body_bytes, 4);
  assert_int_equal(ended, 1);
  http_reply_keep_length(&reply);
  assert_int_equal(reply.body_bytes, 4);
  http_reply_finish(&reply);
  assert_int_equal(ended, 1);
}

static void names_the_statuses(void **state) {
  (void)state;
  assert_string_equal(http_status_text(206), "Partial Content");
  assert_string_equal(http_status_text(422), "Unprocessable Content");
  assert_string_equal(http_status_text(299), "Unknown");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(gives_back_the_headers_that_were_set),  cmocka_unit_test(keeps_a_value_whole_when_it_is_long),
      cmocka_unit_test(becomes_500_when_headers_are_too_many), cmocka_unit_test(owns_its_parts_until_it_drops_them),
      cmocka_unit_test(keeps_the_length_alone_for_head),       cmocka_unit_test(names_the_statuses),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
