#include "tls/guard.h"

#include "temp_folder.h"
#include "tls/tls.h"
#include "tls_peer.h"

#include <mbedtls/ssl.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { TIMEOUT_MS = 700, MOST_CPU_MS = 200 };

static struct temp_folder folder;
static char path[128];

static int make_identity(void **state) {
  (void)state;
  signal(SIGPIPE, SIG_IGN);
  temp_folder_make(&folder);
  temp_folder_path(&folder, "identity.pem", path, sizeof path);
  bool is_new;
  return tls_identity_ensure(path, NULL, 0, base_clock_system(), &is_new, NULL) == BASE_OK ? 0 : -1;
}

static int remove_identity(void **state) {
  (void)state;
  temp_folder_remove(&folder);
  return 0;
}

static uint64_t cpu_ms(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
         (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
}

// Runs a handshake against a client that does what `act` says; checks deadline and CPU time.
static void expect_timeout(void (*act)(int fd)) {
  struct tls_peer peer;
  int fd = tls_peer_pair(&peer);
  tls_guard_set_handshake_timeout_ms(TIMEOUT_MS);
  uint64_t cpu_before_ms = cpu_ms();
  uint64_t before_ms = base_clock_ms(base_clock_system());
  tls_peer_start(&peer, path);
  act(fd);
  tls_peer_join(&peer);
  uint64_t took_ms = base_clock_ms(base_clock_system()) - before_ms;
  assert_int_equal(peer.handshake_code, MBEDTLS_ERR_SSL_TIMEOUT);
  assert_in_range(took_ms, TIMEOUT_MS, TIMEOUT_MS + 3000);
  assert_in_range(cpu_ms() - cpu_before_ms, 0, MOST_CPU_MS);
  close(fd);
}

static void stay_silent(int fd) { (void)fd; }

static void send_half_a_record(int fd) {
  static const unsigned char half[] = {0x16, 0x03, 0x01, 0x01, 0x00, 0x01};
  assert_int_equal(write(fd, half, sizeof half), sizeof half);
}

// One byte of a record each time: progress must not move the deadline.
static void send_drop_by_drop(int fd) {
  static const unsigned char head[] = {0x16, 0x03, 0x01, 0x02, 0x00};
  for (size_t i = 0; i < 12; i++) {
    if (write(fd, i < sizeof head ? &head[i] : (const unsigned char *)"", 1) != 1) return;
    usleep(100 * 1000);
  }
}

static void drops_a_silent_client_at_the_deadline_without_using_cpu(void **state) {
  (void)state;
  expect_timeout(stay_silent);
}

static void drops_a_client_that_stops_within_a_record(void **state) {
  (void)state;
  expect_timeout(send_half_a_record);
}

static void drops_a_client_that_sends_drop_by_drop(void **state) {
  (void)state;
  expect_timeout(send_drop_by_drop);
}

static void ends_at_once_when_the_client_goes_away(void **state) {
  (void)state;
  struct tls_peer peer;
  int fd = tls_peer_pair(&peer);
  tls_guard_set_handshake_timeout_ms(30000);
  uint64_t before_ms = base_clock_ms(base_clock_system());
  tls_peer_start(&peer, path);
  close(fd);
  tls_peer_join(&peer);
  assert_int_not_equal(peer.handshake_code, 0);
  assert_in_range(base_clock_ms(base_clock_system()) - before_ms, 0, 10000);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(drops_a_silent_client_at_the_deadline_without_using_cpu),
      cmocka_unit_test(drops_a_client_that_stops_within_a_record),
      cmocka_unit_test(drops_a_client_that_sends_drop_by_drop),
      cmocka_unit_test(ends_at_once_when_the_client_goes_away),
  };
  return cmocka_run_group_tests(tests, make_identity, remove_identity);
}
