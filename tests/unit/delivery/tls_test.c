#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_clock.h"
#include "served.h"
#include "temp_folder.h"
#include "tls/tls.h"
#include "wire.h"

enum { SHORT_MS = 250, PATIENCE_S = 10, PIPELINED = 40 };

static struct served served;
static struct temp_folder folder;
static char path[128], other_path[128], live_path[128];
static char fingerprint[TLS_FINGERPRINT_CHARS + 1], other_fingerprint[TLS_FINGERPRINT_CHARS + 1];

// A client that reads as a wire does.
struct visitor {
  struct wire wire;
  struct tls_client *tls;
};

static int make_identities(void **state) {
  (void)state;
  bool is_new;
  temp_folder_make(&folder);
  temp_folder_path(&folder, "identity.pem", path, sizeof path);
  temp_folder_path(&folder, "other.pem", other_path, sizeof other_path);
  temp_folder_path(&folder, "live.pem", live_path, sizeof live_path);
  if (tls_identity_ensure(path, NULL, 0, &is_new, NULL) != BASE_OK) return -1;
  if (tls_identity_ensure(other_path, NULL, 0, &is_new, NULL) != BASE_OK) return -1;
  if (tls_identity_fingerprint(path, fingerprint, NULL) != BASE_OK) return -1;
  return tls_identity_fingerprint(other_path, other_fingerprint, NULL) == BASE_OK ? 0 : -1;
}

static int remove_identities(void **state) {
  (void)state;
  temp_folder_remove(&folder);
  return 0;
}

static void start(struct delivery_config limits) {
  if (!limits.pem_path) limits.pem_path = path;
  served_start(&served, &limits);
}

static uint16_t tls_port(void) { return delivery_tls_port(served.delivery); }

static enum base_result enter(struct visitor *visitor, int receive_bytes, const char *wanted) {
  const struct timeval patience = {.tv_sec = PATIENCE_S};
  const struct tls_client_config config = {.fingerprint = wanted};
  wire_open_from(&visitor->wire, tls_port(), "127.0.0.1", receive_bytes);
  assert_int_equal(setsockopt(visitor->wire.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
  return tls_client_create(visitor->wire.fd, &config, &visitor->tls, NULL);
}

static void leave(struct visitor *visitor) {
  tls_client_destroy(&visitor->tls);
  wire_close(&visitor->wire);
}

static void say(struct visitor *visitor, const char *text) {
  assert_int_equal(tls_client_write(visitor->tls, base_span_text(text), NULL), BASE_OK);
}

// Reads exactly what a wire would, through a buffer of the same kind: until `text` has come.
static size_t read_until(struct visitor *visitor, char *out, size_t capacity, const char *text) {
  size_t bytes = 0;
  while (!memmem(out, bytes, text, strlen(text))) {
    size_t got;
    assert_true(bytes < capacity);
    assert_int_equal(tls_client_read(visitor->tls, out + bytes, capacity - bytes, &got, NULL), BASE_OK);
    assert_true(got > 0);
    bytes += got;
  }
  return bytes;
}

static void requests_are_answered_and_known_to_be_secure(void **state) {
  (void)state;
  struct visitor visitor;
  char text[4096] = "";
  start((struct delivery_config){0});
  assert_int_equal(enter(&visitor, 0, fingerprint), BASE_OK);
  for (int i = 0; i < 3; i++) {
    say(&visitor, "GET /client HTTP/1.1\r\nHost: h\r\n\r\n");
    memset(text, 0, sizeof text);
    (void)read_until(&visitor, text, sizeof text - 1, "\r\n\r\n00000000000000000000ffff7f000001 secure");
  }
  leave(&visitor);
  served_wait_metric(&served, "pixpop_delivery_connections_open", 0);
  served_end(&served, 0);
}

static size_t count_of(const char *text, size_t bytes, const char *word) {
  size_t count = 0;
  for (const char *at = text; (at = memmem(at, bytes - (size_t)(at - text), word, strlen(word))); at++) count++;
  return count;
}

// While the first is not answered the others gather in the socket, and are then read from it at once.
static void requests_in_records_of_their_own_are_all_answered(void **state) {
  (void)state;
  static char text[65536];
  struct visitor visitor;
  start((struct delivery_config){0});
  assert_int_equal(enter(&visitor, 0, fingerprint), BASE_OK);
  say(&visitor, "GET /park HTTP/1.1\r\nHost: h\r\n\r\n");
  struct http_sink *sink = served_take_parked(&served);
  for (int i = 0; i < PIPELINED; i++) {
    say(&visitor, "GET /later/mo");
    say(&visitor, "re HTTP/1.1\r\nHost: h\r\n\r\nGET /text/again HTTP/1.1\r\nHost: h\r\n\r\n");
  }
  say(&visitor, "GET /text/enough HTTP/1.1\r\nHost: h\r\n\r\n");
  served_answer(sink, "first");
  const size_t bytes = read_until(&visitor, text, sizeof text, "\r\n\r\nenough");
  assert_int_equal(count_of(text, bytes, "HTTP/1.1 200 OK"), 2 * PIPELINED + 2);
  assert_int_equal(count_of(text, bytes, "\r\n\r\nmore"), PIPELINED);
  assert_non_null(memmem(text, bytes, "\r\n\r\nfirst", 9));
  leave(&visitor);
  served_end(&served, 0);
}

static void a_big_body_arrives_whole_when_the_client_is_slow(void **state) {
  (void)state;
  static uint8_t body[SERVED_BIG_BYTES + 1024];
  struct visitor visitor;
  start((struct delivery_config){0});
  assert_int_equal(enter(&visitor, 8192, fingerprint), BASE_OK);
  say(&visitor, "GET /big HTTP/1.1\r\nHost: h\r\n\r\n");
  usleep(50000);  // the socket fills
  size_t bytes = read_until(&visitor, (char *)body, 1024, "\r\n\r\n");
  const uint8_t *head_end = memmem(body, bytes, "\r\n\r\n", 4);
  const size_t head_bytes = (size_t)(head_end - body) + 4;
  while (bytes < head_bytes + SERVED_BIG_BYTES) {
    size_t got;
    assert_int_equal(tls_client_read(visitor.tls, body + bytes, sizeof body - bytes, &got, NULL), BASE_OK);
    assert_true(got > 0);
    bytes += got;
  }
  assert_int_equal(bytes, head_bytes + SERVED_BIG_BYTES);
  assert_memory_equal(body + head_bytes, served.big->data, SERVED_BIG_BYTES);
  // Parts of files go through memory, and the connection is still in order.
  say(&visitor, "GET /file HTTP/1.1\r\nHost: h\r\n\r\n");
  char text[4096];
  (void)read_until(&visitor, text, sizeof text, "\r\n\r\n2345-012");
  leave(&visitor);
  served_end(&served, 0);
}

static void a_reply_that_is_cut_short_does_not_end_in_order(void **state) {
  (void)state;
  struct visitor visitor;
  static char text[65536];
  start((struct delivery_config){0});
  assert_int_equal(enter(&visitor, 0, fingerprint), BASE_OK);
  say(&visitor, "GET /short-file HTTP/1.1\r\nHost: h\r\n\r\n");
  size_t got = 1;
  enum base_result result = BASE_OK;
  while (result == BASE_OK && got > 0) result = tls_client_read(visitor.tls, text, sizeof text, &got, NULL);
  assert_int_equal(result, BASE_IO);
  leave(&visitor);
  served_end(&served, 0);
}

static void the_server_says_goodbye_when_it_closes(void **state) {
  (void)state;
  struct visitor last, idle;
  char text[4096];
  start((struct delivery_config){.idle_timeout_ms = SHORT_MS});
  assert_int_equal(enter(&last, 0, fingerprint), BASE_OK);
  assert_int_equal(enter(&idle, 0, fingerprint), BASE_OK);
  say(&last, "GET /text/last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  (void)read_until(&last, text, sizeof text, "\r\n\r\nlast");
  struct visitor *visitors[] = {&last, &idle};
  for (int i = 0; i < 2; i++) {
    size_t got = 1;
    assert_int_equal(tls_client_read(visitors[i]->tls, text, sizeof text, &got, NULL), BASE_OK);
    assert_int_equal(got, 0);
    leave(visitors[i]);
  }
  served_end(&served, 0);
}

static void a_handshake_has_its_own_time(void **state) {
  (void)state;
  static struct wire silent, slow;
  start((struct delivery_config){.handshake_timeout_ms = SHORT_MS});
  wire_open(&silent, tls_port());
  wire_open(&slow, tls_port());
  const char half[] = {0x16, 0x03, 0x01, 0x01, 0x00, 0x01};
  assert_int_equal(write(slow.fd, half, sizeof half), sizeof half);
  assert_true(wire_is_closed_by_server(&silent));
  assert_true(wire_is_closed_by_server(&slow));
  served_wait_metric(&served, "pixpop_delivery_timeouts_total{state=\"handshake\"}", 2);
  wire_close(&silent);
  wire_close(&slow);
  served_end(&served, 0);
}

// A ClientHello of TLS 1.2 that our suites can answer, without a ticket.
static const uint8_t hello[] = {
    0x16, 0x03, 0x01, 0x00, 0x49,        // a record of the handshake
    0x01, 0x00, 0x00, 0x45, 0x03, 0x03,  // ClientHello, TLS 1.2
    0,    1,    2,    3,    4,    5,    6,    7,    8,    9,    10,   11,   12, 13, 14, 15,  // random
    16,   17,   18,   19,   20,   21,   22,   23,   24,   25,   26,   27,   28, 29, 30, 31,
    0x00,                                                                    // no session
    0x00, 0x02, 0xcc, 0xa9,                                                  // ECDHE_ECDSA with ChaCha20
    0x01, 0x00,                                                              // no compression
    0x00, 0x1a,                                                              // extensions
    0x00, 0x0a, 0x00, 0x04, 0x00, 0x02, 0x00, 0x17,                          // P-256
    0x00, 0x0b, 0x00, 0x02, 0x01, 0x00,                                      // uncompressed points
    0x00, 0x0d, 0x00, 0x08, 0x00, 0x06, 0x04, 0x03, 0x05, 0x03, 0x04, 0x01,  // ECDSA or RSA with SHA-2
};

// The answer to it begins with a record of the handshake.
static void expect_greeting(struct wire *wire) {
  uint8_t first;
  assert_false(wire_is_quiet(wire, PATIENCE_S * 1000));
  assert_int_equal(recv(wire->fd, &first, 1, 0), 1);
  assert_int_equal(first, hello[0]);
}

static void a_first_message_in_pieces_is_answered(void **state) {
  (void)state;
  static struct wire wire;
  start((struct delivery_config){0});
  wire_open(&wire, tls_port());
  for (size_t i = 0; i < sizeof hello; i++) {
    assert_int_equal(write(wire.fd, hello + i, 1), 1);
    if (i % 16 == 0) usleep(2000);
  }
  expect_greeting(&wire);
  wire_close(&wire);
  served_end(&served, 0);
}

static void a_client_costs_little_until_its_first_message_is_there(void **state) {
  (void)state;
  enum { CLIENTS = 100, MOST_BYTES = 2048 };
  static struct wire wires[CLIENTS];
  start((struct delivery_config){0});
  const size_t without = mallinfo2().uordblks;
  for (int i = 0; i < CLIENTS; i++) {
    wire_open(&wires[i], tls_port());
    assert_int_equal(write(wires[i].fd, hello, sizeof hello - 1), sizeof hello - 1);
  }
  served_wait_metric(&served, "pixpop_delivery_connections_open", CLIENTS);
  const size_t with = mallinfo2().uordblks;
  assert_in_range(with > without ? (with - without) / CLIENTS : 0, 0, MOST_BYTES);
  for (int i = 0; i < CLIENTS; i++) wire_close(&wires[i]);
  // Nobody waits for the rest of them.
  served_wait_metric(&served, "pixpop_delivery_connections_open", 0);
  served_end(&served, 0);
}

// The clock stands but for these steps, so that the bytes are no matter of luck.
static void single_bytes_do_not_prolong_a_handshake(void **state) {
  (void)state;
  static const uint8_t keys[] = {0x16, 0x03, 0x03, 0x00, 0x46, 0x10, 0x00, 0x00, 0x42, 0x41};  // ClientKeyExchange
  static struct wire wire;
  struct fake_clock fake;
  fake_clock_init(&fake, 1760000000);
  for (int is_greeted = 0; is_greeted < 2; is_greeted++) {
    start((struct delivery_config){.handshake_timeout_ms = 1000, .clock = &fake.clock});
    wire_open(&wire, tls_port());
    const size_t bytes = is_greeted ? sizeof hello : 1;
    assert_int_equal(write(wire.fd, hello, bytes), (ssize_t)bytes);
    if (is_greeted) expect_greeting(&wire);
    served_wait_metric(&served, "pixpop_delivery_connections_open", 1);
    for (int i = 0; i < 9; i++) {
      fake_clock_advance_us(&fake, 100000);
      assert_int_equal(write(wire.fd, is_greeted ? &keys[i] : &hello[i + 1], 1), 1);
      usleep(5000);
    }
    fake_clock_advance_us(&fake, 150000);
    served_wait_metric(&served, "pixpop_delivery_timeouts_total{state=\"handshake\"}", 1);
    served_wait_metric(&served, "pixpop_delivery_connections_open", 0);
    wire_close(&wire);
    served_end(&served, 0);
  }
}

// The clock stands, so that nobody's grace ends. A plain request's reply says that the loop has seen what came before.
static void single_bytes_make_no_room_for_more_clients(void **state) {
  (void)state;
  enum { AT_WORK = 128 };
  static struct wire wires[AT_WORK + 1], plain;
  struct wire_reply reply;
  struct fake_clock fake;
  uint8_t byte;
  fake_clock_init(&fake, 1760000000);
  start((struct delivery_config){.clock = &fake.clock, .max_connections_per_client = AT_WORK + 2});
  wire_open(&plain, served.port);
  for (int i = 0; i <= AT_WORK; i++) {
    wire_open_from(&wires[i], tls_port(), i < AT_WORK ? "127.0.0.1" : "127.0.0.2", 0);
    assert_int_equal(write(wires[i].fd, hello, sizeof hello), sizeof hello);
    if (i < AT_WORK) expect_greeting(&wires[i]);
  }
  struct wire *later = &wires[AT_WORK];
  for (int i = 0; i < 3; i++) {
    assert_int_equal(write(wires[i].fd, hello, 1), 1);
    for (int k = 0; k < 2; k++) wire_get(&plain, "/text/a", &reply);
    assert_int_equal(recv(later->fd, &byte, 1, MSG_DONTWAIT), -1);
  }
  // The one that waits is its client's only one: its share is given back before the client goes.
  wire_close(later);
  served_wait_metric(&served, "pixpop_delivery_connections_open", AT_WORK + 1);
  wire_open(later, tls_port());
  assert_int_equal(write(later->fd, hello, sizeof hello), sizeof hello);
  wire_close(&wires[3]);
  expect_greeting(later);
  for (int i = 0; i <= AT_WORK; i++) {
    if (i != 3) wire_close(&wires[i]);
  }
  wire_close(&plain);
  served_wait_metric(&served, "pixpop_delivery_connections_open", 0);
  served_end(&served, 0);
}

static void what_is_no_tls_is_closed(void **state) {
  (void)state;
  static struct wire wire;
  start((struct delivery_config){0});
  wire_open(&wire, tls_port());
  wire_send(&wire, "GET /text/a HTTP/1.1\r\nHost: h\r\n\r\n");
  char bytes[64];
  while (recv(wire.fd, bytes, sizeof bytes, 0) > 0) continue;  // an alert
  served_wait_metric(&served, "pixpop_delivery_connections_open", 0);
  wire_close(&wire);
  served_end(&served, 0);
}

static void copy_file(const char *from, const char *to) {
  char bytes[16384];
  FILE *in = fopen(from, "r"), *out = fopen(to, "w");
  assert_true(in && out);
  const size_t got = fread(bytes, 1, sizeof bytes, in);
  assert_true(got > 0 && fwrite(bytes, 1, got, out) == got);
  (void)fclose(in);
  assert_int_equal(fclose(out), 0);
}

static void a_new_certificate_is_shown_after_a_reload(void **state) {
  (void)state;
  struct visitor old, fresh;
  char text[4096];
  copy_file(path, live_path);
  start((struct delivery_config){.pem_path = live_path});
  assert_int_equal(enter(&old, 0, fingerprint), BASE_OK);
  copy_file(other_path, live_path);
  assert_int_equal(delivery_reload_certificate(served.delivery, NULL), BASE_OK);
  assert_int_equal(enter(&fresh, 0, other_fingerprint), BASE_OK);
  say(&old, "GET /text/old HTTP/1.1\r\nHost: h\r\n\r\n");
  (void)read_until(&old, text, sizeof text, "\r\n\r\nold");
  leave(&old);
  leave(&fresh);
  assert_int_equal(truncate(live_path, 7), 0);
  assert_int_equal(delivery_reload_certificate(served.delivery, NULL), BASE_CORRUPT);
  assert_int_equal(enter(&fresh, 0, other_fingerprint), BASE_OK);
  leave(&fresh);
  served_end(&served, 0);
}

static void both_doors_are_handed_over(void **state) {
  (void)state;
  static struct delivery_handover handover;
  static struct wire wire;
  struct visitor visitor;
  struct wire_reply reply;
  char text[4096];
  start((struct delivery_config){.loops = 2});
  const uint16_t port = served.port, secure_port = tls_port();
  assert_int_equal(delivery_hand_over(served.delivery, &handover, NULL), BASE_OK);
  assert_int_equal(handover.plain_count, 2);
  assert_int_equal(handover.tls_count, 2);
  served_end(&served, 0);
  wire_open(&wire, port);
  start((struct delivery_config){.loops = 1, .handover = &handover});
  assert_int_equal(served.port, port);
  assert_int_equal(tls_port(), secure_port);
  wire_get(&wire, "/text/plain", &reply);
  assert_string_equal(reply.body, "plain");
  assert_int_equal(enter(&visitor, 0, fingerprint), BASE_OK);
  say(&visitor, "GET /text/secure HTTP/1.1\r\nHost: h\r\n\r\n");
  (void)read_until(&visitor, text, sizeof text, "\r\n\r\nsecure");
  leave(&visitor);
  wire_close(&wire);
  served_end(&served, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(requests_are_answered_and_known_to_be_secure),
      cmocka_unit_test(requests_in_records_of_their_own_are_all_answered),
      cmocka_unit_test(a_big_body_arrives_whole_when_the_client_is_slow),
      cmocka_unit_test(a_reply_that_is_cut_short_does_not_end_in_order),
      cmocka_unit_test(the_server_says_goodbye_when_it_closes),
      cmocka_unit_test(a_handshake_has_its_own_time),
      cmocka_unit_test(a_first_message_in_pieces_is_answered),
      cmocka_unit_test(a_client_costs_little_until_its_first_message_is_there),
      cmocka_unit_test(single_bytes_do_not_prolong_a_handshake),
      cmocka_unit_test(single_bytes_make_no_room_for_more_clients),
      cmocka_unit_test(what_is_no_tls_is_closed),
      cmocka_unit_test(a_new_certificate_is_shown_after_a_reload),
      cmocka_unit_test(both_doors_are_handed_over),
  };
  return cmocka_run_group_tests(tests, make_identities, remove_identities);
}
