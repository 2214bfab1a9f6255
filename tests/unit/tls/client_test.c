#include "temp_folder.h"
#include "tls/tls.h"
#include "tls_peer.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct temp_folder folder;
static char path[128];
static char fingerprint[TLS_FINGERPRINT_CHARS + 1];

static int make_identity(void **state) {
  (void)state;
  signal(SIGPIPE, SIG_IGN);
  temp_folder_make(&folder);
  temp_folder_path(&folder, "identity.pem", path, sizeof path);
  const char *names[] = {"box.example"};
  bool is_new;
  if (tls_identity_ensure(path, names, 1, &is_new, NULL) != BASE_OK) return -1;
  return tls_identity_fingerprint(path, fingerprint, NULL) == BASE_OK ? 0 : -1;
}

static int remove_identity(void **state) {
  (void)state;
  temp_folder_remove(&folder);
  return 0;
}

// Connects with `config`; on success sends something and expects it back.
static enum base_result connect_and_echo(const struct tls_client_config *config, struct base_fault *fault) {
  enum { BYTES = 50000 };
  static uint8_t sent[BYTES], received[BYTES];
  struct tls_peer peer;
  int fd = tls_peer_pair(&peer);
  tls_peer_start(&peer, path);
  struct tls_client *client = NULL;
  enum base_result result = tls_client_create(fd, config, &client, fault);
  if (result == BASE_OK) {
    for (size_t i = 0; i < BYTES; i++) sent[i] = (uint8_t)(i * 31);
    assert_int_equal(tls_client_write(client, base_span_of(sent, BYTES), fault), BASE_OK);
    for (size_t total = 0, got; total < BYTES; total += got) {
      assert_int_equal(tls_client_read(client, received + total, BYTES - total, &got, fault), BASE_OK);
      assert_int_not_equal(got, 0);
    }
    assert_memory_equal(sent, received, BYTES);
  } else {
    assert_null(client);
  }
  tls_client_destroy(&client);
  close(fd);
  tls_peer_join(&peer);
  return result;
}

static void accepts_a_certificate_that_is_trusted_by_file(void **state) {
  (void)state;
  struct base_fault fault = {0};
  const struct tls_client_config config = {.server_name = "box.example", .ca_file = path};
  if (connect_and_echo(&config, &fault) != BASE_OK) fail_msg("%s", fault.text);
}

static void accepts_a_certificate_by_its_fingerprint(void **state) {
  (void)state;
  struct base_fault fault = {0};
  const struct tls_client_config config = {.server_name = "another.example", .fingerprint = fingerprint};
  if (connect_and_echo(&config, &fault) != BASE_OK) fail_msg("%s", fault.text);
}

static void refuses_another_fingerprint(void **state) {
  (void)state;
  char other[sizeof fingerprint];
  memcpy(other, fingerprint, sizeof other);
  other[0] = other[0] == '0' ? '1' : '0';
  struct base_fault fault = {0};
  const struct tls_client_config config = {.server_name = "box.example", .fingerprint = other};
  assert_int_equal(connect_and_echo(&config, &fault), BASE_FORBIDDEN);
  assert_non_null(strstr(fault.text, fingerprint));
}

static void refuses_a_name_the_certificate_does_not_have(void **state) {
  (void)state;
  struct base_fault fault = {0};
  const struct tls_client_config config = {.server_name = "evil.example", .ca_file = path};
  assert_int_equal(connect_and_echo(&config, &fault), BASE_FORBIDDEN);
  assert_non_null(strstr(fault.text, fingerprint));
}

static void refuses_a_self_signed_certificate_nobody_vouched_for(void **state) {
  (void)state;
  struct base_fault fault = {0};
  const struct tls_client_config config = {.server_name = "box.example"};
  assert_int_equal(connect_and_echo(&config, &fault), BASE_FORBIDDEN);
}

static void refuses_to_check_a_certificate_against_no_name(void **state) {
  (void)state;
  struct tls_client *client;
  const struct tls_client_config config = {.ca_file = path};
  assert_int_equal(tls_client_create(-1, &config, &client, NULL), BASE_BAD_INPUT);
}

static void times_out_when_the_server_is_silent(void **state) {
  (void)state;
  int fds[2];
  assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
  const struct timeval timeout = {.tv_usec = 200 * 1000};
  assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout), 0);
  struct tls_client *client;
  const struct tls_client_config config = {.server_name = "box.example", .ca_file = path};
  assert_int_equal(tls_client_create(fds[0], &config, &client, NULL), BASE_TIMEOUT);
  close(fds[0]);
  close(fds[1]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(accepts_a_certificate_that_is_trusted_by_file),
      cmocka_unit_test(accepts_a_certificate_by_its_fingerprint),
      cmocka_unit_test(refuses_another_fingerprint),
      cmocka_unit_test(refuses_a_name_the_certificate_does_not_have),
      cmocka_unit_test(refuses_a_self_signed_certificate_nobody_vouched_for),
      cmocka_unit_test(refuses_to_check_a_certificate_against_no_name),
      cmocka_unit_test(times_out_when_the_server_is_silent),
  };
  return cmocka_run_group_tests(tests, make_identity, remove_identity);
}
