// Request bodies: from memory and files, with progress, and servers that answer before they have read them.
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "visit.h"

enum { BIG_BYTES = 8 << 20 };

static struct visit visit;
static uint8_t *big;
static int big_fd;

#define TOO_LARGE "HTTP/1.1 413 Content Too Large\r\nContent-Length: 4\r\n\r\nbig!"
#define CREATED "HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok"

static int make_big(void **state) {
  (void)state;
  big_fd = memfd_create("big", MFD_CLOEXEC);
  if (big_fd < 0 || ftruncate(big_fd, BIG_BYTES) != 0) return -1;
  big = mmap(NULL, BIG_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, big_fd, 0);
  if (big == MAP_FAILED) return -1;
  for (size_t i = 0; i < BIG_BYTES; i++) big[i] = (uint8_t)(i * 31 + (i >> 8));
  return 0;
}

static int drop_big(void **state) {
  (void)state;
  munmap(big, BIG_BYTES);
  close(big_fd);
  return 0;
}

struct seen {
  uint64_t calls, done, total;
  bool is_monotone;
};

static void see(void *self, uint64_t done, uint64_t total) {
  struct seen *seen = self;
  seen->is_monotone = (seen->calls == 0 || seen->is_monotone) && done > seen->done && done <= total;
  seen->calls++;
  seen->done = done;
  seen->total = total;
}

static struct client_request upload_of_file(struct seen *seen) {
  return (struct client_request){.method = "POST",
                                 .path = "/up",
                                 .content_type = "application/octet-stream",
                                 .body_fd = big_fd,
                                 .body_fd_bytes = BIG_BYTES,
                                 .progress = seen != NULL ? see : NULL,
                                 .self = seen};
}

static void file_arrives_whole_with_progress(void **state) {
  (void)state;
  static const struct scripted_step steps[] = {
      {.kind = SCRIPTED_ACCEPT}, {.kind = SCRIPTED_REQUEST}, {.kind = SCRIPTED_SEND, .text = CREATED}};
  VISIT_BEGIN(&visit, steps);
  struct seen seen = {0};
  const struct client_request request = upload_of_file(&seen);
  assert_int_equal(visit_send(&visit, &request), BASE_OK);
  assert_int_equal(visit.response.status, 201);
  assert_true(seen.is_monotone);
  assert_int_equal(seen.done, BIG_BYTES);
  assert_int_equal(seen.total, BIG_BYTES);
  assert_true(seen.calls >= 64);
  assert_true(scripted_server_stop(&visit.server));
  const struct base_span all = base_buffer_span(&visit.server.received);
  assert_true(all.bytes > BIG_BYTES);
  assert_memory_equal(all.data + all.bytes - BIG_BYTES, big, BIG_BYTES);
  scripted_server_finish(&visit.server);
  client_response_finish(&visit.response);
  client_destroy(&visit.client);
}

static void body_in_memory_is_repeated_when_the_kept_connection_was_closed(void **state) {
  (void)state;
  static const struct scripted_step steps[] = {{.kind = SCRIPTED_ACCEPT},
                                               {.kind = SCRIPTED_REQUEST},
                                               {.kind = SCRIPTED_SEND, .text = CREATED},
                                               {.kind = SCRIPTED_CLOSE},
                                               {.kind = SCRIPTED_ACCEPT},
                                               {.kind = SCRIPTED_REQUEST},
                                               {.kind = SCRIPTED_SEND, .text = CREATED}};
  VISIT_BEGIN(&visit, steps);
  const struct client_request request = {
      .method = "POST", .path = "/up", .body = base_span_text("some bytes"), .body_fd = -1};
  assert_int_equal(visit_send(&visit, &request), BASE_OK);
  assert_int_equal(visit_send(&visit, &request), BASE_OK);
  assert_int_equal(visit.response.status, 201);
  visit_end(&visit);
}

static void early_error_is_read_when_the_server_stops_reading(void **state) {
  (void)state;
  static const struct scripted_step steps[] = {{.kind = SCRIPTED_ACCEPT},
                                               {.kind = SCRIPTED_READ, .bytes = 1000},
                                               {.kind = SCRIPTED_SEND, .text = TOO_LARGE},
                                               {.kind = SCRIPTED_HOLD},
                                               {.kind = SCRIPTED_ACCEPT},  // the old connection is of no use
                                               {.kind = SCRIPTED_REQUEST},
                                               {.kind = SCRIPTED_SEND, .text = CREATED}};
  VISIT_BEGIN(&visit, steps);
  struct seen seen = {0};
  const struct client_request request = upload_of_file(&seen);
  assert_int_equal(visit_send(&visit, &request), BASE_OK);
  assert_int_equal(visit.response.status, 413);
  assert_true(base_span_is(base_buffer_span(&visit.response.body), "big!"));
  assert_true(seen.done < BIG_BYTES);
  visit_must(&visit, "POST", 201, "ok");
  visit_end(&visit);
}

static void early_error_is_read_when_the_server_resets_the_connection(void **state) {
  (void)state;
  static const struct scripted_step steps[] = {{.kind = SCRIPTED_ACCEPT},
                                               {.kind = SCRIPTED_READ, .bytes = 1000},
                                               {.kind = SCRIPTED_SEND, .text = TOO_LARGE},
                                               {.kind = SCRIPTED_CLOSE}};  // unread bytes: a reset
  for (int i = 0; i < 50; i++) {
    VISIT_BEGIN(&visit, steps);
    const struct client_request request = upload_of_file(NULL);
    if (visit_send(&visit, &request) != BASE_OK) fail_msg("round %d: %s", i, visit.fault.text);
    assert_int_equal(visit.response.status, 413);
    visit_end(&visit);
  }
}

static void upload_goes_on_when_the_early_response_is_interim(void **state) {
  (void)state;
  static const struct scripted_step steps[] = {
      {.kind = SCRIPTED_ACCEPT},
      {.kind = SCRIPTED_SEND_BYTEWISE, .text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"},
      {.kind = SCRIPTED_REQUEST},
      {.kind = SCRIPTED_SEND, .text = CREATED}};
  VISIT_BEGIN(&visit, steps);
  struct seen seen = {0};
  const struct client_request request = upload_of_file(&seen);
  assert_int_equal(visit_send(&visit, &request), BASE_OK);
  assert_int_equal(visit.response.status, 201);
  assert_int_equal(seen.done, BIG_BYTES);
  visit_end(&visit);
}

static void broken_upload_is_said_when_there_is_no_response(void **state) {
  (void)state;
  static const struct scripted_step steps[] = {
      {.kind = SCRIPTED_ACCEPT}, {.kind = SCRIPTED_READ, .bytes = 1000}, {.kind = SCRIPTED_CLOSE}};
  VISIT_BEGIN(&visit, steps);
  const struct client_request request = upload_of_file(NULL);
  assert_int_equal(visit_send(&visit, &request), BASE_IO);
  assert_string_equal(visit.fault.subject, "connection");
  visit_end(&visit);
}

static void upload_ends_in_a_timeout_when_nobody_reads(void **state) {
  (void)state;
  static const struct scripted_step steps[] = {{.kind = SCRIPTED_ACCEPT}, {.kind = SCRIPTED_HOLD}};
  VISIT_BEGIN_IMPATIENT(&visit, steps);
  const struct client_request request = upload_of_file(NULL);
  assert_int_equal(visit_send(&visit, &request), BASE_TIMEOUT);
  visit_end(&visit);
}

static void upload_fails_when_the_file_is_shorter_than_said(void **state) {
  (void)state;
  static const struct scripted_step steps[] = {{.kind = SCRIPTED_ACCEPT}, {.kind = SCRIPTED_READ, .bytes = BIG_BYTES}};
  VISIT_BEGIN(&visit, steps);
  struct client_request request = upload_of_file(NULL);
  request.body_fd_bytes = BIG_BYTES + 1;
  assert_int_equal(visit_send(&visit, &request), BASE_CORRUPT);
  visit_end(&visit);
}

static void pieces_of_a_body_arrive_one_behind_the_other(void **state) {
  (void)state;
  static const struct scripted_step steps[] = {
      {.kind = SCRIPTED_ACCEPT}, {.kind = SCRIPTED_REQUEST}, {.kind = SCRIPTED_SEND, .text = CREATED}};
  VISIT_BEGIN(&visit, steps);
  struct seen seen = {0};
  const struct client_request request = {.method = "POST",
                                         .path = "/up",
                                         .body = base_span_text("<before>"),
                                         .body_fd = big_fd,
                                         .body_fd_offset = 1000,
                                         .body_fd_bytes = 200000,
                                         .body_end = base_span_text("<after>"),
                                         .progress = see,
                                         .self = &seen};
  assert_int_equal(visit_send(&visit, &request), BASE_OK);
  assert_true(seen.is_monotone);
  assert_int_equal(seen.done, 8 + 200000 + 7);
  assert_int_equal(seen.total, seen.done);
  assert_true(scripted_server_stop(&visit.server));
  const struct base_span all = base_buffer_span(&visit.server.received);
  const uint8_t *body = all.data + all.bytes - seen.total;
  assert_memory_equal(body - 4, "\r\n\r\n<before>", 12);
  assert_memory_equal(body + 8, big + 1000, 200000);
  assert_memory_equal(body + 8 + 200000, "<after>", 7);
  scripted_server_finish(&visit.server);
  client_response_finish(&visit.response);
  client_destroy(&visit.client);
}

static void fields_are_sent_and_checked(void **state) {
  (void)state;
  static const struct scripted_step steps[] = {
      {.kind = SCRIPTED_ACCEPT}, {.kind = SCRIPTED_REQUEST}, {.kind = SCRIPTED_SEND, .text = CREATED}};
  static const struct client_field good[] = {{"Tus-Resumable", "1.0.0"}, {"Upload-Metadata", "filename YS5qcGc="}};
  static const struct client_field bad[] = {
      {"X-A", "b\r\nX-C: d"},          {"X A", "b"}, {"", "b"}, {"X:", "b"}, {"content-length", "3"},
      {"Transfer-Encoding", "chunked"}};
  VISIT_BEGIN(&visit, steps);
  struct client_request request = {.method = "PATCH", .path = "/up", .fields = good, .field_count = 2, .body_fd = -1};
  assert_int_equal(visit_send(&visit, &request), BASE_OK);
  request.field_count = 1;
  for (size_t i = 0; i < VISIT_COUNT(bad); i++) {
    request.fields = &bad[i];
    assert_int_equal(visit_send(&visit, &request), BASE_BAD_INPUT);
    assert_string_equal(visit.fault.subject, "field");
  }
  assert_true(scripted_server_stop(&visit.server));
  static const char expected[] = "\r\nTus-Resumable: 1.0.0\r\nUpload-Metadata: filename YS5qcGc=\r\n";
  const struct base_span all = base_buffer_span(&visit.server.received);
  assert_memory_equal(all.data, "PATCH /up HTTP/1.1\r\n", 20);
  assert_non_null(memmem(all.data, all.bytes, expected, sizeof(expected) - 1));
  scripted_server_finish(&visit.server);
  client_response_finish(&visit.response);
  client_destroy(&visit.client);
}

static void request_that_is_sent_once_is_not_repeated_when_the_kept_connection_was_closed(void **state) {
  (void)state;
  static const struct scripted_step steps[] = {{.kind = SCRIPTED_ACCEPT},
                                               {.kind = SCRIPTED_REQUEST},
                                               {.kind = SCRIPTED_SEND, .text = CREATED},
                                               {.kind = SCRIPTED_READ, .bytes = 100},
                                               {.kind = SCRIPTED_CLOSE}};
  VISIT_BEGIN(&visit, steps);
  struct client_request request = {
      .method = "PATCH", .path = "/up", .body = base_span_text("some bytes"), .body_fd = -1};
  assert_int_equal(visit_send(&visit, &request), BASE_OK);
  request = upload_of_file(NULL);
  request.is_once = true;
  assert_int_equal(visit_send(&visit, &request), BASE_IO);
  visit_end(&visit);
}

static void upload_ends_in_a_timeout_when_its_time_is_up(void **state) {
  (void)state;
  static const struct scripted_step steps[] = {{.kind = SCRIPTED_ACCEPT}, {.kind = SCRIPTED_HOLD}};
  VISIT_BEGIN(&visit, steps);
  struct client_request request = upload_of_file(NULL);
  request.send_timeout_ms = 100;
  assert_int_equal(visit_send(&visit, &request), BASE_TIMEOUT);
  visit_end(&visit);
}

static void location_is_turned_into_a_path_of_the_origin(void **state) {
  (void)state;
  static const struct {
    const char *base, *location, *path;
  } cases[] = {
      {"http://box", "/api/v1/uploads/a", "/api/v1/uploads/a"},
      {"http://box", "http://box/up/a?b=c", "/up/a?b=c"},
      {"https://box:8443", "http://elsewhere:1/up/a", "/up/a"},
      {"http://box/pre", "/pre/up/a", "/up/a"},
      {"http://box/pre", "https://box/pre/up", "/up"},
      {"http://box/pre", "/up/a", NULL},
      {"http://box/pre", "/prefix/a", NULL},
      {"http://box", "//elsewhere/a", NULL},
      {"http://box", "up/a", NULL},
      {"http://box", "http://box", NULL},
      {"http://box", "", NULL},
      {"http://box", "/0123456789012345678901234567890123456789", NULL},
  };
  for (size_t i = 0; i < VISIT_COUNT(cases); i++) {
    struct client *client = NULL;
    char path[32];
    const struct client_config config = {.base_url = cases[i].base};
    assert_int_equal(client_create(&config, &client, NULL), BASE_OK);
    const enum base_result result =
        client_location_path(client, base_span_text(cases[i].location), path, sizeof(path), NULL);
    assert_int_equal(result, cases[i].path != NULL ? BASE_OK : BASE_BAD_INPUT);
    if (cases[i].path != NULL) assert_string_equal(path, cases[i].path);
    client_destroy(&client);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(file_arrives_whole_with_progress),
      cmocka_unit_test(body_in_memory_is_repeated_when_the_kept_connection_was_closed),
      cmocka_unit_test(early_error_is_read_when_the_server_stops_reading),
      cmocka_unit_test(early_error_is_read_when_the_server_resets_the_connection),
      cmocka_unit_test(upload_goes_on_when_the_early_response_is_interim),
      cmocka_unit_test(broken_upload_is_said_when_there_is_no_response),
      cmocka_unit_test(upload_ends_in_a_timeout_when_nobody_reads),
      cmocka_unit_test(upload_fails_when_the_file_is_shorter_than_said),
      cmocka_unit_test(pieces_of_a_body_arrive_one_behind_the_other),
      cmocka_unit_test(fields_are_sent_and_checked),
      cmocka_unit_test(request_that_is_sent_once_is_not_repeated_when_the_kept_connection_was_closed),
      cmocka_unit_test(upload_ends_in_a_timeout_when_its_time_is_up),
      cmocka_unit_test(location_is_turned_into_a_path_of_the_origin),
  };
  return cmocka_run_group_tests(tests, make_big, drop_big);
}
