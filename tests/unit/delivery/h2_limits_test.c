#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "h2_client.h"
#include "served.h"

enum { WINDOW = 1 << 20, SHORT_MS = 250, TRIES = 100000, RESETS = 500 };

static const char floods_of_resets[] = "pixpop_delivery_http2_floods_total{of=\"resets\"}";
static const char floods_of_frames[] = "pixpop_delivery_http2_floods_total{of=\"frames\"}";

static struct served served;
static struct h2_client *client;

static void start(struct delivery_config limits) {
  served_start(&served, &limits);
  client = h2_client_open(served.port, WINDOW, false, 0);
}

static void end(void) {
  h2_client_close(&client);
  served_end(&served, 0);
}

static void says_goaway_when_idle_for_too_long(void **state) {
  (void)state;
  start((struct delivery_config){.idle_timeout_ms = SHORT_MS});
  h2_client_get(client, "/text/a", 200);
  h2_client_wait_close(client);
  assert_true(client->has_goaway);
  assert_int_equal(client->goaway_code, NGHTTP2_NO_ERROR);
  served_wait_metric(&served, "pixpop_delivery_timeouts_total{state=\"idle\"}", 1);
  end();
}

static void pings_do_not_keep_an_idle_connection(void **state) {
  (void)state;
  start((struct delivery_config){.idle_timeout_ms = SHORT_MS});
  int pings = 0;
  while (!client->is_closed && pings < TRIES) {
    pings++;
    assert_int_equal(nghttp2_submit_ping(client->session, NGHTTP2_FLAG_NONE, NULL), 0);
    h2_client_flush(client);
    h2_client_rest(client, 10);
  }
  assert_true(client->is_closed);
  served_wait_metric(&served, "pixpop_delivery_timeouts_total{state=\"idle\"}", 1);
  end();
}

static void closes_when_the_head_arrives_too_slowly(void **state) {
  (void)state;
  start((struct delivery_config){.head_timeout_ms = SHORT_MS});
  h2_client_settle(client);
  // ":method: GET" without END_HEADERS, and never more.
  assert_true(h2_client_raw_frame(client, NGHTTP2_HEADERS, 0, 1, "\x82", 1));
  h2_client_wait_close(client);
  assert_true(client->has_goaway);
  served_wait_metric(&served, "pixpop_delivery_timeouts_total{state=\"head\"}", 1);
  end();
}

static void finishes_what_it_sends_when_a_head_breaks_off(void **state) {
  (void)state;
  const int on = 1, off = 0;
  served_start(&served, &(struct delivery_config){.head_timeout_ms = SHORT_MS});
  client = h2_client_open(served.port, SERVED_BIG_BYTES, false, 4096);
  assert_int_equal(nghttp2_session_set_local_window_size(client->session, 0, 0, 1 << 30), 0);
  h2_client_settle(client);
  struct h2_client_stream *parked = h2_client_request(client, "GET", "/park", NULL);
  struct http_sink *sink = served_take_parked(&served);
  // In one segment, because the server reads nothing while it is held up.
  assert_int_equal(setsockopt(client->fd, IPPROTO_TCP, TCP_CORK, &on, sizeof on), 0);
  struct h2_client_stream *big = h2_client_request(client, "GET", "/big", NULL);
  assert_true(h2_client_raw_frame(client, NGHTTP2_HEADERS, 0, big->id + 2, "\x82", 1));
  assert_int_equal(setsockopt(client->fd, IPPROTO_TCP, TCP_CORK, &off, sizeof off), 0);
  served_wait_metric(&served, "pixpop_delivery_timeouts_total{state=\"head\"}", 1);
  client->is_mute = true;  // nothing may come between the parts of a head
  h2_client_wait(client, big);
  assert_int_equal(big->body_bytes, SERVED_BIG_BYTES);
  served_answer(sink, "whole");
  h2_client_wait_close(client);
  assert_string_equal(parked->body, "whole");
  assert_true(client->has_goaway);
  assert_int_equal(client->goaway_last_id, big->id);
  end();
}

static void closes_when_the_settings_never_come(void **state) {
  (void)state;
  served_start(&served, &(struct delivery_config){.head_timeout_ms = SHORT_MS});
  client = h2_client_open_bare(served.port);
  assert_true(h2_client_raw(client, NGHTTP2_CLIENT_MAGIC, NGHTTP2_CLIENT_MAGIC_LEN));
  h2_client_wait_close(client);
  served_wait_metric(&served, "pixpop_delivery_timeouts_total{state=\"head\"}", 1);
  end();
}

static void answers_504_when_the_handler_is_late(void **state) {
  (void)state;
  start((struct delivery_config){.reply_timeout_ms = SHORT_MS});
  const struct h2_client_stream *stream = h2_client_get(client, "/park", 504);
  assert_non_null(strstr(stream->body, "\"status\":504"));
  struct http_sink *sink = served_take_parked(&served);
  assert_true(http_sink_is_cancelled(sink));
  served_answer(sink, "too late");
  h2_client_get(client, "/text/on", 200);
  served_wait_metric(&served, "pixpop_delivery_timeouts_total{state=\"reply\"}", 1);
  end();
}

static void late_handlers_get_504_each_in_their_time(void **state) {
  (void)state;
  start((struct delivery_config){.reply_timeout_ms = SHORT_MS});
  struct h2_client_stream *first = h2_client_request(client, "GET", "/park", NULL);
  struct http_sink *early = served_take_parked(&served);
  h2_client_rest(client, SHORT_MS / 2);
  struct h2_client_stream *second = h2_client_request(client, "GET", "/park", NULL);
  struct http_sink *late = served_take_parked(&served);
  served_answer(early, "early");
  h2_client_wait(client, first);
  assert_int_equal(first->status, 200);
  h2_client_wait(client, second);
  assert_int_equal(second->status, 504);
  served_answer(late, "late");
  served_wait_metric(&served, "pixpop_delivery_timeouts_total{state=\"reply\"}", 1);
  end();
}

static void resets_the_stream_when_its_window_stays_closed(void **state) {
  (void)state;
  served_start(&served, &(struct delivery_config){.write_timeout_ms = SHORT_MS});
  client = h2_client_open(served.port, 0, true, 0);
  struct h2_client_stream *stream = h2_client_request(client, "GET", "/big", NULL);
  h2_client_wait(client, stream);
  assert_int_equal(stream->status, 200);
  assert_int_equal(stream->body_bytes, 0);
  assert_int_equal(stream->error_code, NGHTTP2_CANCEL);
  h2_client_get(client, "/empty", 204);
  served_wait_metric(&served, "pixpop_delivery_timeouts_total{state=\"write\"}", 1);
  end();
}

static void resets_the_stream_when_its_window_opens_byte_by_byte(void **state) {
  (void)state;
  enum { UPDATES = 200 };
  served_start(&served, &(struct delivery_config){.write_timeout_ms = SHORT_MS});
  client = h2_client_open(served.port, 0, true, 0);
  struct h2_client_stream *stream = h2_client_request(client, "GET", "/big", NULL);
  for (int i = 0; i < UPDATES && !stream->is_closed; i++) {
    assert_int_equal(nghttp2_submit_window_update(client->session, NGHTTP2_FLAG_NONE, stream->id, 1), 0);
    h2_client_flush(client);
    h2_client_rest(client, 10);
  }
  assert_true(stream->is_closed);
  assert_int_equal(stream->error_code, NGHTTP2_CANCEL);
  assert_in_range(stream->body_bytes, 1, UPDATES - 1);
  h2_client_get(client, "/empty", 204);
  served_wait_metric(&served, "pixpop_delivery_timeouts_total{state=\"write\"}", 1);
  end();
}

static void aborts_when_the_client_reads_nothing(void **state) {
  (void)state;
  served_start(&served, &(struct delivery_config){.write_timeout_ms = SHORT_MS});
  client = h2_client_open(served.port, SERVED_BIG_BYTES, false, 4096);
  assert_int_equal(nghttp2_session_set_local_window_size(client->session, 0, 0, 1 << 30), 0);
  for (int i = 0; i < 4; i++) h2_client_request(client, "GET", "/big", NULL);
  served_wait_metric(&served, "pixpop_delivery_timeouts_total{state=\"write\"}", 1);
  served_wait_metric(&served, "pixpop_delivery_connections_open", 0);
  end();
}

static void is_cut_off(const char *series) {
  served_wait_metric(&served, series, 1);
  h2_client_wait_close(client);
  served_wait_metric(&served, "pixpop_delivery_connections_open", 0);
}

static void is_told_to_calm_down(void) {
  assert_true(client->has_goaway);
  assert_int_equal(client->goaway_code, NGHTTP2_ENHANCE_YOUR_CALM);
}

// CVE-2023-44487: HEADERS and RST_STREAM, over and over.
static void cuts_off_when_requests_are_reset_rapidly(void **state) {
  (void)state;
  served_start(&served, &(struct delivery_config){.loops = 1});
  client = h2_client_open(served.port, 0, true, 0);  // nothing is sent, so every reset comes too early
  for (int i = 0; i < RESETS && !client->has_goaway; i++) {
    const struct h2_client_stream *stream = h2_client_request(client, "GET", "/big", NULL);
    assert_int_equal(nghttp2_submit_rst_stream(client->session, 0, stream->id, NGHTTP2_CANCEL), 0);
    h2_client_flush(client);
    h2_client_rest(client, 0);
  }
  is_cut_off(floods_of_resets);
  is_told_to_calm_down();
  end();
}

// The same, but the server is made to do the resetting, by windows that overflow (CVE-2025-8671).
static void cuts_off_when_it_is_made_to_reset_rapidly(void **state) {
  (void)state;
  served_start(&served, &(struct delivery_config){.loops = 1});
  client = h2_client_open(served.port, 1, true, 0);
  for (int i = 0; i < RESETS && !client->has_goaway; i++) {
    struct h2_client_stream *stream = h2_client_request(client, "GET", "/big", NULL);
    if (h2_client_raw_frame(client, NGHTTP2_WINDOW_UPDATE, 0, stream->id, "\x7f\xff\xff\xff", 4)) {
      h2_client_wait(client, stream);
    }
  }
  is_cut_off(floods_of_resets);
  is_told_to_calm_down();
  end();
}

// Requests over the limit of streams, which the client does not acknowledge.
static void cuts_off_when_refused_requests_flood(void **state) {
  (void)state;
  enum { STREAMS = 100, REFUSED = 20000 };
  // GET http h /big, from the static table but for the host and the path.
  static const uint8_t head[] = {0x82, 0x86, 0x01, 0x01, 'h', 0x04, 0x04, '/', 'b', 'i', 'g'};
  const uint8_t flags = NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM;
  served_start(&served, &(struct delivery_config){.loops = 1});
  client = h2_client_open_bare(served.port);
  assert_true(h2_client_raw(client, NGHTTP2_CLIENT_MAGIC, NGHTTP2_CLIENT_MAGIC_LEN));
  assert_true(h2_client_raw_frame(client, NGHTTP2_SETTINGS, 0, 0, NULL, 0));
  int sent = 0;
  while (sent < STREAMS + REFUSED &&
         h2_client_raw_frame(client, NGHTTP2_HEADERS, flags, 2 * sent + 1, head, sizeof head)) {
    sent++;
  }
  served_wait_metric(&served, floods_of_resets, 1);
  served_wait_metric(&served, "pixpop_delivery_connections_open", 0);
  end();
}

static void resets_within_reason_are_fine(void **state) {
  (void)state;
  start((struct delivery_config){.loops = 1});
  for (int i = 0; i < 200; i++) {
    const struct h2_client_stream *stream = h2_client_request(client, "GET", "/big", NULL);
    assert_int_equal(nghttp2_submit_rst_stream(client->session, 0, stream->id, NGHTTP2_CANCEL), 0);
    h2_client_flush(client);
  }
  h2_client_get(client, "/text/on", 200);
  end();
}

static void flood(uint8_t type, uint8_t flags, int32_t stream_id, const void *payload, size_t bytes) {
  bool is_open = true;
  for (int i = 0; is_open && i < TRIES; i++) {
    is_open = h2_client_raw_frame(client, type, flags, stream_id, payload, bytes);
    if (is_open && i % 16 == 0) h2_client_rest(client, 0);
    is_open = is_open && !client->is_closed;
  }
  assert_false(is_open);
}

static void cuts_off_when_pings_flood(void **state) {
  (void)state;
  start((struct delivery_config){.loops = 1});
  flood(NGHTTP2_PING, 0, 0, "12345678", 8);
  is_cut_off(floods_of_frames);
  is_told_to_calm_down();
  end();
}

static void cuts_off_when_settings_flood(void **state) {
  (void)state;
  start((struct delivery_config){.loops = 1});
  client->is_mute = true;  // it did not ask for the acknowledgements
  flood(NGHTTP2_SETTINGS, 0, 0, NULL, 0);
  is_cut_off(floods_of_frames);
  end();
}

static void cuts_off_when_empty_data_floods(void **state) {
  (void)state;
  start((struct delivery_config){.loops = 1});
  h2_client_begin(client, "POST", "/park");
  struct http_sink *sink = served_take_parked(&served);
  flood(NGHTTP2_DATA, 0, 1, NULL, 0);
  is_cut_off(floods_of_frames);
  is_told_to_calm_down();
  assert_true(http_sink_is_cancelled(sink));
  served_answer(sink, "nobody");
  end();
}

static void cuts_off_when_window_updates_flood(void **state) {
  (void)state;
  start((struct delivery_config){.loops = 1});
  flood(NGHTTP2_WINDOW_UPDATE, 0, 0, "\0\0\0\1", 4);
  is_cut_off(floods_of_frames);
  is_told_to_calm_down();
  end();
}

static void cuts_off_when_a_head_never_ends(void **state) {
  (void)state;
  start((struct delivery_config){.loops = 1});
  h2_client_settle(client);
  assert_true(h2_client_raw_frame(client, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_STREAM, 1, "\x82", 1));
  flood(NGHTTP2_CONTINUATION, 0, 1, "\x86", 1);
  h2_client_wait_close(client);
  served_wait_metric(&served, "pixpop_delivery_connections_open", 0);
  end();
}

// One byte of HPACK stands for kilobytes of fields.
static void answers_431_or_resets_when_a_head_is_a_bomb(void **state) {
  (void)state;
  enum { FIELDS = 110, VALUE_BYTES = 2900 };
  static char value[VALUE_BYTES + 1];
  const char *fields[2 * FIELDS + 1] = {NULL};
  start((struct delivery_config){.loops = 1});
  memset(value, 'v', VALUE_BYTES);
  for (int i = 0; i < FIELDS; i++) {
    fields[2 * i] = "x-bomb";
    fields[2 * i + 1] = value;
  }
  struct h2_client_stream *stream = h2_client_request(client, "GET", "/text/x", fields);
  h2_client_wait(client, stream);
  assert_int_equal(stream->status, 0);
  assert_true(stream->is_closed);
  fields[2 * (FIELDS / 2)] = NULL;
  stream = h2_client_request(client, "GET", "/text/x", fields);
  h2_client_wait(client, stream);
  assert_int_equal(stream->status, 431);
  h2_client_get(client, "/text/on", 200);
  end();
}

static void closes_when_what_follows_the_preface_is_no_http2(void **state) {
  (void)state;
  served_start(&served, &(struct delivery_config){.loops = 1});
  client = h2_client_open_bare(served.port);
  assert_true(h2_client_raw(client, NGHTTP2_CLIENT_MAGIC, NGHTTP2_CLIENT_MAGIC_LEN));
  assert_true(h2_client_raw(client, "GET / HTTP/1.1\r\nHost: h\r\n\r\n", 27));
  h2_client_wait_close(client);
  assert_true(client->has_goaway);
  end();
}

static void a_preface_may_come_in_single_bytes(void **state) {
  (void)state;
  served_start(&served, &(struct delivery_config){.loops = 1});
  client = h2_client_open_bare(served.port);
  for (size_t i = 0; i < NGHTTP2_CLIENT_MAGIC_LEN; i++) {
    assert_true(h2_client_raw(client, NGHTTP2_CLIENT_MAGIC + i, 1));
    h2_client_rest(client, 2);
  }
  h2_client_skip_preface(client);
  h2_client_get(client, "/text/slowly", 200);
  end();
}

static void clients_that_vanish_at_random_leave_nothing_behind(void **state) {
  (void)state;
  enum { ROUNDS = 200 };
  served_start(&served, &(struct delivery_config){.loops = 2});
  for (int i = 0; i < ROUNDS; i++) {
    client = h2_client_open(served.port, i % 3 ? WINDOW : 100, i % 2, 0);
    for (int stream = 0; stream < i % 7; stream++) {
      h2_client_request(client, "GET", stream % 2 ? "/later/x" : "/big", NULL);
    }
    if (i % 4 == 0) h2_client_rest(client, 1);
    h2_client_close(&client);
  }
  served_wait_metric(&served, "pixpop_delivery_connections_open", 0);
  served_end(&served, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(says_goaway_when_idle_for_too_long),
      cmocka_unit_test(pings_do_not_keep_an_idle_connection),
      cmocka_unit_test(closes_when_the_head_arrives_too_slowly),
      cmocka_unit_test(finishes_what_it_sends_when_a_head_breaks_off),
      cmocka_unit_test(closes_when_the_settings_never_come),
      cmocka_unit_test(answers_504_when_the_handler_is_late),
      cmocka_unit_test(late_handlers_get_504_each_in_their_time),
      cmocka_unit_test(resets_the_stream_when_its_window_stays_closed),
      cmocka_unit_test(resets_the_stream_when_its_window_opens_byte_by_byte),
      cmocka_unit_test(aborts_when_the_client_reads_nothing),
      cmocka_unit_test(cuts_off_when_requests_are_reset_rapidly),
      cmocka_unit_test(cuts_off_when_it_is_made_to_reset_rapidly),
      cmocka_unit_test(cuts_off_when_refused_requests_flood),
      cmocka_unit_test(resets_within_reason_are_fine),
      cmocka_unit_test(cuts_off_when_pings_flood),
      cmocka_unit_test(cuts_off_when_settings_flood),
      cmocka_unit_test(cuts_off_when_empty_data_floods),
      cmocka_unit_test(cuts_off_when_window_updates_flood),
      cmocka_unit_test(cuts_off_when_a_head_never_ends),
      cmocka_unit_test(answers_431_or_resets_when_a_head_is_a_bomb),
      cmocka_unit_test(closes_when_what_follows_the_preface_is_no_http2),
      cmocka_unit_test(a_preface_may_come_in_single_bytes),
      cmocka_unit_test(clients_that_vanish_at_random_leave_nothing_behind),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
