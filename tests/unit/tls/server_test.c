#include "tls/server.h"

#include "temp_folder.h"
#include "tls/tls.h"
#include "tls_peer.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { BYTES = 3 << 20, MOST_STREAM_BYTES = 44 * 1024 };

static struct temp_folder folder;
static struct tls_lane *lane;  // what streams are made with; NULL in the first run
static char path[128], other_path[128];
static char fingerprint[TLS_FINGERPRINT_CHARS + 1], other_fingerprint[TLS_FINGERPRINT_CHARS + 1];

static int make_identities(void **state) {
  (void)state;
  bool is_new;
  signal(SIGPIPE, SIG_IGN);
  temp_folder_make(&folder);
  temp_folder_path(&folder, "identity.pem", path, sizeof path);
  temp_folder_path(&folder, "other.pem", other_path, sizeof other_path);
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

// A stream over one end of a socket pair; the other end is the client's.
struct line {
  struct tls_server *server;
  struct tls_stream *stream;
  int fd, client_fd;
};

static void open_line(struct line *line, struct tls_server *server) {
  int fds[2];
  assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
  assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
  *line = (struct line){.server = server, .fd = fds[0], .client_fd = fds[1]};
  line->stream = tls_stream_create(server, line->fd, lane);
  assert_non_null(line->stream);
}

// The bytes in two pieces, where the stream takes pieces.
static enum tls_status write_some(const struct line *line, const uint8_t *data, size_t bytes, size_t *written) {
  if (!lane) return tls_stream_write(line->stream, base_span_of(data, bytes), written, NULL);
  const size_t cut = bytes / 3;
  const struct iovec pieces[] = {{(void *)(uintptr_t)data, cut}, {(void *)(uintptr_t)(data + cut), bytes - cut}};
  return tls_stream_write_pieces(line->stream, cut > 0 ? pieces : pieces + 1, cut > 0 ? 2 : 1, written, NULL);
}

static void close_line(struct line *line) {
  tls_stream_destroy(&line->stream);
  close(line->fd);
  close(line->client_fd);
}

// A client in a thread of its own, as clients block.
struct visitor {
  int fd;
  const char *fingerprint;
  enum base_result connected;
  uint64_t sum;
  size_t received;
  bool is_orderly, says_goodbye;
  sem_t may_read;
  pthread_t thread;
};

static void *visit(void *argument) {
  struct visitor *visitor = argument;
  struct tls_client *client;
  const struct tls_client_config config = {.fingerprint = visitor->fingerprint};
  visitor->connected = tls_client_create(visitor->fd, &config, &client, NULL);
  if (visitor->connected != BASE_OK) return NULL;
  while (sem_wait(&visitor->may_read) != 0) continue;
  for (;;) {
    uint8_t bytes[10000];
    size_t got;
    visitor->is_orderly = tls_client_read(client, bytes, sizeof bytes, &got, NULL) == BASE_OK;
    if (!visitor->is_orderly || got == 0) break;
    for (size_t i = 0; i < got; i++) visitor->sum += (uint64_t)bytes[i] * (++visitor->received);
  }
  if (visitor->says_goodbye) tls_client_destroy(&client);
  return NULL;
}

static void begin_visit_that_reads(bool at_once, struct visitor *visitor, const struct line *line, const char *wanted) {
  *visitor = (struct visitor){.fd = line->client_fd, .fingerprint = wanted, .says_goodbye = true};
  assert_int_equal(sem_init(&visitor->may_read, 0, at_once ? 1 : 0), 0);
  assert_int_equal(pthread_create(&visitor->thread, NULL, visit, visitor), 0);
}

static void begin_visit(struct visitor *visitor, const struct line *line, const char *wanted) {
  begin_visit_that_reads(true, visitor, line, wanted);
}

// For as long as it takes: how long a busy machine lets the client wait is no matter of this test.
static void wait_for(const struct line *line, enum tls_status status) {
  if (status != TLS_WANT_READ && status != TLS_WANT_WRITE) fail_msg("status %d, errno %d", status, errno);
  struct pollfd ready = {.fd = line->fd, .events = status == TLS_WANT_READ ? POLLIN : POLLOUT};
  assert_int_equal(poll(&ready, 1, -1), 1);
}

static void shake_hands(const struct line *line) {
  enum tls_status status;
  while ((status = tls_stream_handshake(line->stream, NULL)) != TLS_OK) wait_for(line, status);
}

static void never_waits_for_a_silent_client(void **state) {
  (void)state;
  struct tls_server *server;
  struct line line;
  assert_int_equal(tls_server_create(path, &server, NULL), BASE_OK);
  open_line(&line, server);
  assert_int_equal(tls_stream_handshake(line.stream, NULL), TLS_WANT_READ);
  static const unsigned char half[] = {0x16, 0x03, 0x01, 0x01, 0x00, 0x01};
  assert_int_equal(write(line.client_fd, half, sizeof half), sizeof half);
  assert_int_equal(tls_stream_handshake(line.stream, NULL), TLS_WANT_READ);
  shutdown(line.client_fd, SHUT_WR);
  struct base_fault fault = {0};
  assert_int_equal(tls_stream_handshake(line.stream, &fault), TLS_FAILED);
  assert_int_not_equal(fault.result, BASE_OK);
  close_line(&line);
  tls_server_destroy(&server);
}

static void refuses_what_is_no_tls(void **state) {
  (void)state;
  struct tls_server *server;
  struct line line;
  assert_int_equal(tls_server_create(path, &server, NULL), BASE_OK);
  open_line(&line, server);
  assert_int_equal(write(line.client_fd, "GET / HTTP/1.1\r\n\r\n", 18), 18);
  assert_int_equal(tls_stream_handshake(line.stream, NULL), TLS_FAILED);
  close_line(&line);
  tls_server_destroy(&server);
}

// The bytes of a write that was put off come again with more behind them, as from a buffer that grows.
static void writes_everything_once_when_the_socket_is_full(void **state) {
  (void)state;
  static uint8_t sent[BYTES];
  uint64_t sum = 0;
  struct tls_server *server;
  struct line line;
  struct visitor visitor;
  size_t put_off = 0;
  bool was_full = false;
  for (size_t i = 0; i < BYTES; i++) sent[i] = (uint8_t)(i * 31 + i / 251);
  for (size_t i = 0; i < BYTES; i++) sum += (uint64_t)sent[i] * (i + 1);
  assert_int_equal(tls_server_create(path, &server, NULL), BASE_OK);
  open_line(&line, server);
  begin_visit_that_reads(false, &visitor, &line, fingerprint);
  shake_hands(&line);
  for (size_t at = 0, more = 1; at < BYTES; more = more * 7 % 50000 + 1) {
    size_t written;
    const size_t step = at + more + put_off < BYTES ? more + put_off : BYTES - at;
    const enum tls_status status = write_some(&line, sent + at, step, &written);
    at += written;
    put_off = status == TLS_OK ? 0 : step;
    if (status == TLS_OK) continue;
    // Only now the client begins to read, so that the socket was full at least once.
    if (!was_full) assert_int_equal(sem_post(&visitor.may_read), 0);
    was_full = true;
    wait_for(&line, status);
  }
  enum tls_status closed;
  while ((closed = tls_stream_close(line.stream)) != TLS_OK) wait_for(&line, closed);
  shutdown(line.fd, SHUT_WR);
  pthread_join(visitor.thread, NULL);
  assert_true(was_full);
  assert_int_equal(visitor.connected, BASE_OK);
  assert_true(visitor.is_orderly);
  assert_int_equal(visitor.received, BYTES);
  assert_int_equal(visitor.sum, sum);
  close_line(&line);
  tls_server_destroy(&server);
}

static void tells_an_end_from_a_cut(void **state) {
  (void)state;
  for (int is_cut = 0; is_cut < 2; is_cut++) {
    struct tls_server *server;
    struct line line;
    struct visitor visitor;
    assert_int_equal(tls_server_create(path, &server, NULL), BASE_OK);
    open_line(&line, server);
    begin_visit(&visitor, &line, fingerprint);
    shake_hands(&line);
    uint8_t byte;
    size_t got;
    assert_int_equal(tls_stream_read(line.stream, &byte, 1, &got, NULL), TLS_WANT_READ);
    if (is_cut) {
      shutdown(line.client_fd, SHUT_RDWR);
    } else {
      tls_stream_close(line.stream);  // the client answers with its own goodbye
    }
    pthread_join(visitor.thread, NULL);
    assert_int_equal(tls_stream_read(line.stream, &byte, 1, &got, NULL), is_cut ? TLS_FAILED : TLS_END);
    assert_int_equal(got, 0);
    close_line(&line);
    tls_server_destroy(&server);
  }
}

static void copy_file(const char *from, const char *to) {
  char bytes[16384];
  int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  ssize_t got = read(in, bytes, sizeof bytes);
  assert_true(got > 0 && write(out, bytes, (size_t)got) == got);
  close(in);
  close(out);
}

static enum base_result meet(struct tls_server *server, const char *wanted, struct line *line,
                             struct visitor *visitor) {
  open_line(line, server);
  begin_visit(visitor, line, wanted);
  enum tls_status status;
  while ((status = tls_stream_handshake(line->stream, NULL)) == TLS_WANT_READ || status == TLS_WANT_WRITE) {
    wait_for(line, status);
  }
  return status == TLS_OK ? BASE_OK : BASE_IO;
}

static void part(struct line *line, struct visitor *visitor) {
  tls_stream_close(line->stream);
  shutdown(line->fd, SHUT_WR);
  pthread_join(visitor->thread, NULL);
  close_line(line);
}

static void shows_a_new_certificate_after_a_reload(void **state) {
  (void)state;
  char live_path[128];
  struct tls_server *server;
  struct line old, fresh, later;
  struct visitor old_visitor, fresh_visitor, later_visitor;
  temp_folder_path(&folder, "live.pem", live_path, sizeof live_path);
  copy_file(path, live_path);
  assert_int_equal(tls_server_create(live_path, &server, NULL), BASE_OK);
  assert_int_equal(meet(server, fingerprint, &old, &old_visitor), BASE_OK);

  copy_file(other_path, live_path);
  assert_int_equal(tls_server_reload(server, NULL), BASE_OK);
  assert_int_equal(meet(server, other_fingerprint, &fresh, &fresh_visitor), BASE_OK);
  size_t written;
  assert_int_equal(write_some(&old, (const uint8_t *)"still here", 10, &written), TLS_OK);

  assert_int_equal(truncate(live_path, 10), 0);
  assert_int_equal(tls_server_reload(server, NULL), BASE_CORRUPT);
  assert_int_equal(meet(server, other_fingerprint, &later, &later_visitor), BASE_OK);
  part(&old, &old_visitor);
  part(&fresh, &fresh_visitor);
  part(&later, &later_visitor);
  assert_int_equal(old_visitor.received, strlen("still here"));
  assert_int_equal(fresh_visitor.connected, BASE_OK);
  assert_int_equal(later_visitor.connected, BASE_OK);
  tls_server_destroy(&server);
}

static void refuses_a_file_without_key_or_certificate(void **state) {
  (void)state;
  char bad_path[128];
  struct tls_server *server;
  temp_folder_path(&folder, "bad.pem", bad_path, sizeof bad_path);
  assert_int_equal(tls_server_create(bad_path, &server, NULL), BASE_NOT_FOUND);
  assert_null(server);
  copy_file("/proc/self/cmdline", bad_path);
  assert_int_equal(tls_server_create(bad_path, &server, NULL), BASE_CORRUPT);
  assert_null(server);
}

static void takes_little_memory_while_it_waits(void **state) {
  (void)state;
  enum { LINES = 32 };
  static struct line lines[LINES];
  static struct visitor visitors[LINES];
  struct tls_server *server;
  assert_int_equal(tls_server_create(path, &server, NULL), BASE_OK);
  // The clients' threads and memory are there before and after.
  for (int i = 0; i < LINES; i++) assert_int_equal(meet(server, fingerprint, &lines[i], &visitors[i]), BASE_OK);
  const size_t with = mallinfo2().uordblks;
  for (int i = 0; i < LINES; i++) tls_stream_destroy(&lines[i].stream);
  const size_t without = mallinfo2().uordblks;
  assert_in_range((with - without) / LINES, 0, MOST_STREAM_BYTES);
  for (int i = 0; i < LINES; i++) {
    shutdown(lines[i].fd, SHUT_RDWR);
    pthread_join(visitors[i].thread, NULL);
    close_line(&lines[i]);
  }
  tls_server_destroy(&server);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(never_waits_for_a_silent_client),
      cmocka_unit_test(refuses_what_is_no_tls),
      cmocka_unit_test(writes_everything_once_when_the_socket_is_full),
      cmocka_unit_test(tells_an_end_from_a_cut),
      cmocka_unit_test(shows_a_new_certificate_after_a_reload),
      cmocka_unit_test(refuses_a_file_without_key_or_certificate),
      cmocka_unit_test(takes_little_memory_while_it_waits),
  };
  const int failed = cmocka_run_group_tests_name("without a lane", tests, make_identities, remove_identities);
  lane = tls_lane_create();
  const int failed_too = cmocka_run_group_tests_name("with a lane", tests, make_identities, remove_identities);
  tls_lane_destroy(&lane);
  return failed + failed_too;
}
