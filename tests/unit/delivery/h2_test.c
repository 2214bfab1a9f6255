#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "h2_client.h"
#include "served.h"

enum { WINDOW = 1 << 20 };

static const struct delivery_config defaults = {.loops = 1};

struct setup {
  struct served served;
  struct h2_client *client;
};

static void begin_with(struct setup *setup, const struct delivery_config *limits, uint32_t window_bytes, bool manual) {
  served_start(&setup->served, limits);
  setup->client = h2_client_open(setup->served.port, window_bytes, manual, 0);
}

static void begin(struct setup *setup) { begin_with(setup, &defaults, WINDOW, false); }

static void end(struct setup *setup) {
  h2_client_close(&setup->client);
  served_end(&setup->served, 0);
}

static void answers_with_the_fields_of_http1_when_asked_with_prior_knowledge(void **state) {
  (void)state;
  struct setup setup;
  begin(&setup);
  const struct h2_client_stream *stream = h2_client_get(setup.client, "/text/hello", 200);
  assert_string_equal(stream->body, "hello");
  assert_string_equal(h2_client_field(stream, "content-length"), "5");
  assert_string_equal(h2_client_field(stream, "content-type"), "text/plain");
  assert_int_equal(strlen(h2_client_field(stream, "x-request-id")), 16);
  assert_int_equal(strlen(h2_client_field(stream, "date")), 29);
  assert_null(h2_client_field(stream, "connection"));
  assert_int_equal(stream->error_code, NGHTTP2_NO_ERROR);
  end(&setup);
}

static void answers_each_stream_when_a_hundred_are_open(void **state) {
  (void)state;
  struct setup setup;
  begin(&setup);
  h2_client_settle(setup.client);
  struct h2_client_stream *streams[100];
  char path[32];
  for (int i = 0; i < 100; i++) {
    (void)snprintf(path, sizeof path, "/%s/%d", i % 3 ? "later" : "text", i);
    streams[i] = h2_client_request(setup.client, "GET", path, NULL);
  }
  for (int i = 0; i < 100; i++) {
    h2_client_wait(setup.client, streams[i]);
    assert_int_equal(streams[i]->status, 200);
    assert_int_equal(atoi(streams[i]->body), i);
  }
  end(&setup);
}

static void ends_the_session_when_more_streams_are_open_than_announced(void **state) {
  (void)state;
  // GET http h /big, from the static table but for the host and the path.
  static const uint8_t head[] = {0x82, 0x86, 0x01, 0x01, 'h', 0x04, 0x04, '/', 'b', 'i', 'g'};
  struct setup setup;
  begin_with(&setup, &defaults, 0, true);
  h2_client_settle(setup.client);
  for (int i = 0; i < 100; i++) h2_client_request(setup.client, "GET", "/big", NULL);
  h2_client_settle(setup.client);
  assert_true(h2_client_raw_frame(setup.client, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM,
                                  2 * 100 + 1, head, sizeof head));
  h2_client_wait_close(setup.client);
  assert_true(setup.client->has_goaway);
  assert_int_equal(setup.client->goaway_code, NGHTTP2_PROTOCOL_ERROR);
  end(&setup);
}

static void sends_no_body_when_the_reply_has_none(void **state) {
  (void)state;
  struct setup setup;
  begin(&setup);
  struct h2_client_stream *head = h2_client_request(setup.client, "HEAD", "/text/hello", NULL);
  h2_client_wait(setup.client, head);
  assert_int_equal(head->status, 200);
  assert_string_equal(h2_client_field(head, "content-length"), "5");
  assert_int_equal(head->body_bytes, 0);
  const struct h2_client_stream *empty = h2_client_get(setup.client, "/empty", 204);
  assert_null(h2_client_field(empty, "content-length"));
  assert_int_equal(empty->body_bytes, 0);
  const struct h2_client_stream *same = h2_client_get(setup.client, "/same", 304);
  assert_null(h2_client_field(same, "content-length"));
  assert_int_equal(same->body_bytes, 0);
  end(&setup);
}

static void sends_every_byte_when_bodies_are_large_and_windows_small(void **state) {
  (void)state;
  struct setup setup;
  begin_with(&setup, &defaults, 20000, false);
  struct h2_client_stream *streams[3];
  for (int i = 0; i < 3; i++) streams[i] = h2_client_request(setup.client, "GET", "/big", NULL);
  const uint8_t *bytes = setup.served.big->data;
  uint64_t sum = h2_client_sum(H2_CLIENT_SUM_START, bytes, SERVED_BIG_BYTES);
  for (int i = 0; i < 3; i++) {
    h2_client_wait(setup.client, streams[i]);
    assert_int_equal(streams[i]->body_bytes, SERVED_BIG_BYTES);
    assert_true(streams[i]->body_sum == sum);
    assert_int_equal(streams[i]->error_code, NGHTTP2_NO_ERROR);
  }
  end(&setup);
}

static void sends_file_parts_between_memory(void **state) {
  (void)state;
  struct setup setup;
  begin(&setup);
  assert_string_equal(h2_client_get(setup.client, "/file", 200)->body, "2345-012");
  end(&setup);
}

static void resets_the_stream_alone_when_a_file_is_short(void **state) {
  (void)state;
  struct setup setup;
  begin(&setup);
  const struct h2_client_stream *cut = h2_client_get(setup.client, "/short-file", 200);
  assert_int_equal(cut->error_code, NGHTTP2_INTERNAL_ERROR);
  assert_true(cut->is_closed);
  h2_client_get(setup.client, "/text/on", 200);
  end(&setup);
}

static void answers_with_a_problem_when_nothing_is_there(void **state) {
  (void)state;
  struct setup setup;
  begin(&setup);
  const struct h2_client_stream *stream = h2_client_get(setup.client, "/nowhere", 404);
  assert_string_equal(h2_client_field(stream, "content-type"), "application/problem+json");
  assert_string_equal(h2_client_field(stream, "cache-control"), "no-store");
  assert_non_null(strstr(stream->body, "\"request_id\":"));
  end(&setup);
}

struct refusal {
  const char *what;
  const char *method;
  const char *path;
  const char *fields[8];
  int status;  // 0: the stream is reset
};

static void refuses_as_http1_does_when_a_request_breaks_a_rule(void **state) {
  (void)state;
  static char long_path[10000];
  static char long_value[17000];
  memset(long_path, 'a', sizeof long_path - 1);
  long_path[0] = '/';
  memset(long_value, 'v', sizeof long_value - 1);
  const struct refusal refusals[] = {
      {"two hosts", "GET", "/text/x", {"host", "other"}, 400},
      {"bad authority", "GET", "/text/x", {":authority", "a,b"}, 400},
      {"fragment", "GET", "/text/x#y", {NULL}, 400},
      {"absolute form", "GET", "http://h/text/x", {NULL}, 0},
      {"long path", "GET", long_path, {NULL}, 414},
      {"long field", "GET", "/text/x", {"x-long", long_value}, 431},
      {"connection field", "GET", "/text/x", {"connection", "close"}, 0},
      {"transfer-encoding", "GET", "/text/x", {"transfer-encoding", "chunked"}, 0},
      {"te", "GET", "/text/x", {"te", "gzip"}, 0},
      {"line feed in a value", "GET", "/text/x", {"x-evil", "a\nb: c"}, 0},
      {"two lengths", "GET", "/text/x", {"content-length", "1", "content-length", "2"}, 0},
      {"length of nothing", "GET", "/text/x", {"content-length", "5"}, 0},
      {"connect", "CONNECT", "/text/x", {NULL}, 0},
      {"scheme", "GET", "/text/x", {":scheme", "http"}, 0},  // twice
  };
  struct setup setup;
  begin(&setup);
  for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
    const struct refusal *refusal = &refusals[i];
    struct h2_client_stream *stream = h2_client_request(setup.client, refusal->method, refusal->path, refusal->fields);
    h2_client_wait(setup.client, stream);
    if (stream->status != refusal->status) fail_msg("%s: %d, not %d", refusal->what, stream->status, refusal->status);
    if (refusal->status == 0) assert_int_equal(stream->error_code, NGHTTP2_PROTOCOL_ERROR);
  }
  h2_client_get(setup.client, "/text/still", 200);
  end(&setup);
}

static void refuses_when_there_are_too_many_fields(void **state) {
  (void)state;
  struct setup setup;
  begin(&setup);
  const char *fields[2 * 65 + 2] = {NULL};
  for (int i = 0; i < 65; i++) {
    fields[2 * i] = "x-many";
    fields[2 * i + 1] = "v";
  }
  struct h2_client_stream *stream = h2_client_request(setup.client, "GET", "/text/x", fields);
  h2_client_wait(setup.client, stream);
  assert_int_equal(stream->status, 431);
  fields[2 * 64] = NULL;
  stream = h2_client_request(setup.client, "GET", "/text/x", fields);
  h2_client_wait(setup.client, stream);
  assert_int_equal(stream->status, 200);
  end(&setup);
}

static void answers_and_stops_the_upload_when_a_request_has_a_body(void **state) {
  (void)state;
  struct setup setup;
  begin(&setup);
  struct h2_client_stream *stream = h2_client_begin(setup.client, "POST", "/text/up");
  h2_client_wait(setup.client, stream);
  assert_int_equal(stream->status, 200);
  assert_string_equal(stream->body, "up");
  assert_int_equal(stream->error_code, NGHTTP2_NO_ERROR);
  h2_client_get(setup.client, "/text/on", 200);
  end(&setup);
}

static void cancels_the_handler_when_the_client_resets_its_stream(void **state) {
  (void)state;
  struct setup setup;
  begin(&setup);
  const struct h2_client_stream *stream = h2_client_request(setup.client, "GET", "/park", NULL);
  struct http_sink *sink = served_take_parked(&setup.served);
  assert_false(http_sink_is_cancelled(sink));
  assert_int_equal(nghttp2_submit_rst_stream(setup.client->session, 0, stream->id, NGHTTP2_CANCEL), 0);
  h2_client_flush(setup.client);  // nghttp2 would let the ping go first
  h2_client_settle(setup.client);
  assert_true(http_sink_is_cancelled(sink));
  served_answer(sink, "into the void");
  h2_client_get(setup.client, "/text/on", 200);
  end(&setup);
}

static void cancels_every_handler_when_the_client_goes(void **state) {
  (void)state;
  struct setup setup;
  begin(&setup);
  struct http_sink *sinks[3];
  for (int i = 0; i < 3; i++) h2_client_request(setup.client, "GET", "/park", NULL);
  for (int i = 0; i < 3; i++) sinks[i] = served_take_parked(&setup.served);
  h2_client_close(&setup.client);
  served_wait_metric(&setup.served, "pixpop_delivery_connections_open", 0);
  for (int i = 0; i < 3; i++) {
    assert_true(http_sink_is_cancelled(sinks[i]));
    served_answer(sinks[i], "into the void");
  }
  served_end(&setup.served, 0);
}

static void *stop(void *delivery) {
  delivery_stop(delivery, 10000);
  return NULL;
}

static void answers_what_is_open_and_says_goaway_when_stopped(void **state) {
  (void)state;
  struct setup setup;
  begin(&setup);
  struct h2_client_stream *stream = h2_client_request(setup.client, "GET", "/park", NULL);
  struct http_sink *sink = served_take_parked(&setup.served);
  pthread_t stopper;
  struct served *served = &setup.served;
  assert_int_equal(pthread_create(&stopper, NULL, stop, served->delivery), 0);
  while (!setup.client->has_goaway) h2_client_settle(setup.client);
  h2_client_settle(setup.client);  // so the server knows that the notice was heard
  assert_int_equal(setup.client->goaway_code, NGHTTP2_NO_ERROR);
  served_answer(sink, "finished");
  h2_client_wait(setup.client, stream);
  assert_string_equal(stream->body, "finished");
  h2_client_wait_close(setup.client);
  assert_int_equal(setup.client->goaway_last_id, stream->id);
  h2_client_close(&setup.client);
  assert_int_equal(pthread_join(stopper, NULL), 0);
  served_end(&setup.served, 0);
}

static void wait_readable(const struct h2_client *client) {
  struct pollfd waiting = {.fd = client->fd, .events = POLLIN};
  assert_int_equal(poll(&waiting, 1, 10000), 1);
}

// A request that nghttp2 has made, as bytes that are not sent yet.
static size_t prepare(struct h2_client *client, const char *path, uint8_t *out, size_t room) {
  const uint8_t *data;
  size_t count = 0;
  ssize_t bytes;
  client->is_mute = true;
  h2_client_request(client, "GET", path, NULL);
  while ((bytes = nghttp2_session_mem_send(client->session, &data)) > 0) {
    assert_in_range(bytes, 1, room - count);
    memcpy(out + count, data, (size_t)bytes);
    count += (size_t)bytes;
  }
  return count;
}

static void answers_a_request_that_is_on_its_way_when_stopped(void **state) {
  (void)state;
  struct setup setup;
  uint8_t request[256];
  begin(&setup);
  h2_client_settle(setup.client);
  size_t bytes = prepare(setup.client, "/text/late", request, sizeof request);
  pthread_t stopper;
  assert_int_equal(pthread_create(&stopper, NULL, stop, setup.served.delivery), 0);
  wait_readable(setup.client);  // the notice is there, and not heard yet
  assert_true(h2_client_raw(setup.client, request, bytes));
  h2_client_rest(setup.client, 50);
  assert_false(setup.client->is_closed);
  assert_string_equal(setup.client->streams[0].body, "late");
  setup.client->is_mute = false;
  h2_client_flush(setup.client);
  h2_client_wait_close(setup.client);
  assert_int_equal(setup.client->goaway_code, NGHTTP2_NO_ERROR);
  h2_client_close(&setup.client);
  assert_int_equal(pthread_join(stopper, NULL), 0);
  served_end(&setup.served, 0);
}

static void answers_a_client_that_begins_while_it_stops(void **state) {
  (void)state;
  struct setup setup;
  begin(&setup);
  struct h2_client *late = h2_client_open_bare(setup.served.port);
  h2_client_settle(setup.client);
  served_wait_metric(&setup.served, "pixpop_delivery_connections_open", 2);
  pthread_t stopper;
  assert_int_equal(pthread_create(&stopper, NULL, stop, setup.served.delivery), 0);
  while (!setup.client->has_goaway) h2_client_rest(setup.client, 1);
  assert_true(h2_client_raw(late, NGHTTP2_CLIENT_MAGIC, NGHTTP2_CLIENT_MAGIC_LEN));
  wait_readable(late);
  uint8_t request[512];
  size_t bytes = prepare(late, "/text/first", request, sizeof request);
  assert_true(bytes > NGHTTP2_CLIENT_MAGIC_LEN);
  bytes -= NGHTTP2_CLIENT_MAGIC_LEN;
  memmove(request, request + NGHTTP2_CLIENT_MAGIC_LEN, bytes);
  assert_true(h2_client_raw(late, request, bytes));
  late->is_mute = false;
  h2_client_wait(late, &late->streams[0]);
  assert_string_equal(late->streams[0].body, "first");
  h2_client_wait_close(late);
  h2_client_close(&late);
  h2_client_close(&setup.client);
  assert_int_equal(pthread_join(stopper, NULL), 0);
  served_end(&setup.served, 0);
}

static void ends_soon_although_a_client_never_answers_its_ping(void **state) {
  (void)state;
  struct setup setup;
  begin(&setup);
  h2_client_settle(setup.client);
  setup.client->is_mute = true;
  pthread_t stopper;
  assert_int_equal(pthread_create(&stopper, NULL, stop, setup.served.delivery), 0);
  h2_client_wait_close(setup.client);
  assert_true(setup.client->has_goaway);
  h2_client_close(&setup.client);
  assert_int_equal(pthread_join(stopper, NULL), 0);
  served_end(&setup.served, 0);
}

static void refuses_the_preface_when_switched_off(void **state) {
  (void)state;
  struct served served;
  served_start(&served, &(struct delivery_config){.loops = 1, .http2_off = true});
  struct h2_client *client = h2_client_open_bare(served.port);
  assert_true(h2_client_raw(client, NGHTTP2_CLIENT_MAGIC, NGHTTP2_CLIENT_MAGIC_LEN));
  char status[13] = "";
  assert_int_equal(recv(client->fd, status, sizeof status - 1, MSG_WAITALL), sizeof status - 1);
  assert_true(strcmp(status, "HTTP/1.1 400") == 0 || strcmp(status, "HTTP/1.1 505") == 0);
  h2_client_close(&client);
  served_end(&served, 0);
}

static void counts_replies_and_bytes(void **state) {
  (void)state;
  struct setup setup;
  begin(&setup);
  h2_client_get(setup.client, "/text/a", 200);
  h2_client_get(setup.client, "/same", 304);
  h2_client_get(setup.client, "/nowhere", 404);
  served_wait_metric(&setup.served, "pixpop_delivery_replies_total{class=\"2xx\"}", 1);
  served_wait_metric(&setup.served, "pixpop_delivery_replies_total{class=\"3xx\"}", 1);
  served_wait_metric(&setup.served, "pixpop_delivery_replies_total{class=\"4xx\"}", 1);
  assert_true(served_metric(&setup.served, "pixpop_delivery_sent_bytes_total") > 0);
  end(&setup);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(answers_with_the_fields_of_http1_when_asked_with_prior_knowledge),
      cmocka_unit_test(answers_each_stream_when_a_hundred_are_open),
      cmocka_unit_test(ends_the_session_when_more_streams_are_open_than_announced),
      cmocka_unit_test(sends_no_body_when_the_reply_has_none),
      cmocka_unit_test(sends_every_byte_when_bodies_are_large_and_windows_small),
      cmocka_unit_test(sends_file_parts_between_memory),
      cmocka_unit_test(resets_the_stream_alone_when_a_file_is_short),
      cmocka_unit_test(answers_with_a_problem_when_nothing_is_there),
      cmocka_unit_test(refuses_as_http1_does_when_a_request_breaks_a_rule),
      cmocka_unit_test(refuses_when_there_are_too_many_fields),
      cmocka_unit_test(answers_and_stops_the_upload_when_a_request_has_a_body),
      cmocka_unit_test(cancels_the_handler_when_the_client_resets_its_stream),
      cmocka_unit_test(cancels_every_handler_when_the_client_goes),
      cmocka_unit_test(answers_what_is_open_and_says_goaway_when_stopped),
      cmocka_unit_test(answers_a_request_that_is_on_its_way_when_stopped),
      cmocka_unit_test(answers_a_client_that_begins_while_it_stops),
      cmocka_unit_test(ends_soon_although_a_client_never_answers_its_ping),
      cmocka_unit_test(refuses_the_preface_when_switched_off),
      cmocka_unit_test(counts_replies_and_bytes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
