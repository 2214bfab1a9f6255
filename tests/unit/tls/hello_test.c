#include "hello.h"

#include "temp_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/pem.h>
#include <mbedtls/ssl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mbed.h"
#include "tls/certificate.h"

static struct temp_folder folder;
static char path[128];
static mbedtls_entropy_context entropy;
static mbedtls_ctr_drbg_context generator;
static mbedtls_ssl_config config;

static int set_up(void **state) {
  (void)state;
  bool is_new;
  temp_folder_make(&folder);
  temp_folder_path(&folder, "identity.pem", path, sizeof path);
  if (tls_identity_ensure(path, NULL, 0, &is_new, NULL) != BASE_OK) return -1;
  mbedtls_entropy_init(&entropy);
  mbedtls_ctr_drbg_init(&generator);
  mbedtls_ssl_config_init(&config);
  if (mbedtls_ctr_drbg_seed(&generator, mbedtls_entropy_func, &entropy, NULL, 0) != 0) return -1;
  mbedtls_ssl_conf_rng(&config, mbedtls_ctr_drbg_random, &generator);
  if (mbedtls_ssl_config_defaults(&config, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM, 0) != 0) return -1;
  mbedtls_ssl_conf_authmode(&config, MBEDTLS_SSL_VERIFY_NONE);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  mbedtls_ssl_config_free(&config);
  mbedtls_ctr_drbg_free(&generator);
  mbedtls_entropy_free(&entropy);
  temp_folder_remove(&folder);
  return 0;
}

// A client of mbedTLS's own at one end of a socket pair, whose other end is a server's.
struct caller {
  int fd, server_fd;
  mbedtls_ssl_context ssl;
};

static int send_bytes(void *self, const unsigned char *data, size_t bytes) {
  const ssize_t sent = send(((struct caller *)self)->fd, data, bytes, MSG_NOSIGNAL);
  return sent >= 0 ? (int)sent : MBEDTLS_ERR_NET_SEND_FAILED;
}

static int receive_bytes(void *self, unsigned char *out, size_t bytes) {
  const ssize_t got = recv(((struct caller *)self)->fd, out, bytes, 0);
  if (got < 0 && errno == EAGAIN) return MBEDTLS_ERR_SSL_WANT_READ;
  return got >= 0 ? (int)got : MBEDTLS_ERR_NET_RECV_FAILED;
}

static void call(struct caller *caller, const mbedtls_ssl_session *session) {
  int fds[2];
  assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
  *caller = (struct caller){.fd = fds[0], .server_fd = fds[1]};
  mbedtls_ssl_init(&caller->ssl);
  assert_int_equal(mbedtls_ssl_setup(&caller->ssl, &config), 0);
  mbedtls_ssl_set_bio(&caller->ssl, caller, send_bytes, receive_bytes, NULL);
  if (session) assert_int_equal(mbedtls_ssl_set_session(&caller->ssl, session), 0);
  assert_int_equal(mbedtls_ssl_handshake(&caller->ssl), MBEDTLS_ERR_SSL_WANT_READ);
}

static void hang_up(struct caller *caller) {
  mbedtls_ssl_free(&caller->ssl);
  close(caller->fd);
  close(caller->server_fd);
}

static void shake_hands(struct caller *caller, struct tls_stream *stream) {
  int client = MBEDTLS_ERR_SSL_WANT_READ;
  enum tls_status server = TLS_WANT_READ;
  for (int i = 0; i < 10 && (client != 0 || server != TLS_OK); i++) {
    if (server != TLS_OK) server = tls_stream_handshake(stream, NULL);
    if (i == 0) assert_true(tls_stream_has_greeted(stream));
    if (client != 0) client = mbedtls_ssl_handshake(&caller->ssl);
  }
  assert_int_equal(client, 0);
  assert_int_equal(server, TLS_OK);
}

static size_t peek(const struct caller *caller, uint8_t out[TLS_HELLO_BYTES]) {
  const ssize_t got = recv(caller->server_fd, out, TLS_HELLO_BYTES, MSG_PEEK);
  assert_true(got > 0);
  return (size_t)got;
}

// A handshake that is told apart from the next one, which resumes it.
static void meet(struct tls_server *server, mbedtls_ssl_session *session) {
  static uint8_t hello[TLS_HELLO_BYTES];
  struct caller caller;
  call(&caller, NULL);
  const size_t bytes = peek(&caller, hello);
  assert_int_equal(tls_server_look(server, base_span_of(hello, bytes)), TLS_HELLO_WHOLE);
  struct tls_stream *stream = tls_stream_create(server, caller.server_fd, NULL);
  assert_non_null(stream);
  assert_false(tls_stream_has_greeted(stream));
  shake_hands(&caller, stream);
  assert_int_equal(mbedtls_ssl_get_session(&caller.ssl, session), 0);
  tls_stream_destroy(&stream);
  hang_up(&caller);
}

static void a_ticket_of_ours_is_known_before_the_handshake(void **state) {
  (void)state;
  static uint8_t hello[TLS_HELLO_BYTES];
  struct tls_server *server, *other;
  struct caller caller;
  mbedtls_ssl_session session;
  mbedtls_ssl_session_init(&session);
  assert_int_equal(tls_server_create(path, &server, NULL), BASE_OK);
  assert_int_equal(tls_server_create(path, &other, NULL), BASE_OK);
  meet(server, &session);
  call(&caller, &session);
  const size_t bytes = peek(&caller, hello);
  for (size_t i = 0; i < bytes; i++) {
    assert_int_equal(tls_server_look(server, base_span_of(hello, i)), TLS_HELLO_PARTIAL);
  }
  // Looking changes nothing.
  for (int i = 0; i < 2; i++) {
    assert_int_equal(tls_server_look(server, base_span_of(hello, bytes)), TLS_HELLO_RESUMES);
  }
  // The tickets of a server before a restart are nobody's.
  assert_int_equal(tls_server_look(other, base_span_of(hello, bytes)), TLS_HELLO_WHOLE);
  struct base_span ticket;
  assert_int_equal(tls_hello_parse(base_span_of(hello, bytes), &ticket), TLS_HELLO_WHOLE);
  assert_true(ticket.bytes > 0 && ticket.data > hello && ticket.data + ticket.bytes <= hello + bytes);
  for (size_t i = 0; i < ticket.bytes; i++) {
    uint8_t *byte = hello + (ticket.data - hello) + i;
    *byte ^= 1;
    assert_int_equal(tls_server_look(server, base_span_of(hello, bytes)), TLS_HELLO_WHOLE);
    *byte ^= 1;
  }
  struct tls_stream *stream = tls_stream_create(server, caller.server_fd, NULL);
  assert_non_null(stream);
  shake_hands(&caller, stream);
  tls_stream_destroy(&stream);
  hang_up(&caller);
  mbedtls_ssl_session_free(&session);
  tls_server_destroy(&server);
  tls_server_destroy(&other);
}

// Who resumes sees no certificate, hence goes by the one of before.
static void tickets_end_with_the_certificate_that_they_came_from(void **state) {
  (void)state;
  static uint8_t hello[TLS_HELLO_BYTES];
  struct tls_server *server;
  struct caller caller;
  mbedtls_ssl_session session;
  mbedtls_ssl_session_init(&session);
  assert_int_equal(tls_server_create(path, &server, NULL), BASE_OK);
  meet(server, &session);
  call(&caller, &session);
  const struct base_span bytes = base_span_of(hello, peek(&caller, hello));
  struct tls_stream *stream = tls_stream_create(server, caller.server_fd, NULL);
  assert_non_null(stream);
  assert_int_equal(tls_server_reload(server, NULL), BASE_OK);
  assert_int_equal(tls_server_look(server, bytes), TLS_HELLO_RESUMES);  // the file is the same
  assert_int_equal(tls_identity_renew(path, NULL, 0, NULL), BASE_OK);
  assert_int_equal(tls_server_look(server, bytes), TLS_HELLO_RESUMES);  // and not read yet
  assert_int_equal(tls_server_reload(server, NULL), BASE_OK);
  assert_int_equal(tls_server_look(server, bytes), TLS_HELLO_WHOLE);
  shake_hands(&caller, stream);  // what has begun is ended as it was
  tls_stream_destroy(&stream);
  hang_up(&caller);
  meet(server, &session);
  mbedtls_ssl_session_free(&session);
  tls_server_destroy(&server);
}

static void what_is_no_hello_does_not_wait_for_more(void **state) {
  (void)state;
  static const struct {
    const char *bytes;
    size_t count;
    enum tls_hello hello;
  } cases[] = {
      {"", 0, TLS_HELLO_PARTIAL},
      {"\x16", 1, TLS_HELLO_PARTIAL},
      {"\x16\x03\x01\x00\x02\x01", 6, TLS_HELLO_PARTIAL},
      {"\x16\x03\x01\x00\x00", 5, TLS_HELLO_WHOLE},
      {"\x16\x03\x01\x00\x01\x01", 6, TLS_HELLO_WHOLE},
      {"\x16\x03\x01\xff\xff", 5, TLS_HELLO_WHOLE},  // longer than any record
      {"G", 1, TLS_HELLO_WHOLE},
      {"\x15\x03\x01\x00\x02\x01\x00", 7, TLS_HELLO_WHOLE},
      {"\x80\x2e", 2, TLS_HELLO_WHOLE},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct base_span ticket;
    const struct base_span bytes = base_span_of(cases[i].bytes, cases[i].count);
    assert_int_equal(tls_hello_parse(bytes, &ticket), cases[i].hello);
    assert_int_equal(ticket.bytes, 0);
  }
}

static void lack_of_memory_is_told_from_both_parts_of_a_code(void **state) {
  (void)state;
  static const int lacks[] = {MBEDTLS_ERR_PEM_ALLOC_FAILED, MBEDTLS_ERR_PK_ALLOC_FAILED, MBEDTLS_ERR_X509_ALLOC_FAILED,
                              MBEDTLS_ERR_PK_KEY_INVALID_FORMAT + MBEDTLS_ERR_MPI_ALLOC_FAILED,
                              MBEDTLS_ERR_X509_INVALID_EXTENSIONS + MBEDTLS_ERR_ASN1_ALLOC_FAILED};
  static const int others[] = {0, 1, MBEDTLS_ERR_PK_KEY_INVALID_FORMAT, MBEDTLS_ERR_X509_INVALID_EXTENSIONS};
  for (size_t i = 0; i < sizeof lacks / sizeof *lacks; i++) {
    assert_int_equal(tls_result_of(lacks[i], BASE_CORRUPT), BASE_NO_MEMORY);
  }
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    assert_int_equal(tls_result_of(others[i], BASE_CORRUPT), BASE_CORRUPT);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_ticket_of_ours_is_known_before_the_handshake),
      cmocka_unit_test(tickets_end_with_the_certificate_that_they_came_from),
      cmocka_unit_test(what_is_no_hello_does_not_wait_for_more),
      cmocka_unit_test(lack_of_memory_is_told_from_both_parts_of_a_code),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
