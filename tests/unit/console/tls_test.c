#include "console_rig.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct console_rig rig;

enum { HANDSHAKE_MS = 1000, SILENT_CLIENTS = 4, MOST_CPU_MS = 300 };

static int open_rig(void **state) {
  *state = &rig;
  console_rig_open(&rig, &(struct console_rig_config){.has_tls = true, .handshake_timeout_ms = HANDSHAKE_MS});
  return 0;
}

static uint64_t cpu_ms(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
         (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
}

// Runs a command with $PORT, $PEM and $TOKEN set; returns its exit status and what it printed.
static int run(const char *command, char *out, size_t capacity) {
  char all[2048];
  snprintf(all, sizeof all, "PORT=%u; PEM=%s; TOKEN=%s; %s", rig.port, rig.pem_path, rig.token, command);
  FILE *pipe = popen(all, "r");
  assert_non_null(pipe);
  size_t got = fread(out, 1, capacity - 1, pipe);
  out[got] = '\0';
  return pclose(pipe);
}

static void drops_silent_clients_at_the_deadline_without_using_cpu(void **state) {
  (void)state;
  int fds[SILENT_CLIENTS];
  uint64_t cpu_before_ms = cpu_ms();
  uint64_t before_ms = base_clock_ms(base_clock_system());
  for (int i = 0; i < SILENT_CLIENTS; i++) fds[i] = console_rig_connect(&rig);
  for (int i = 0; i < SILENT_CLIENTS; i++) {
    char byte;
    // The end of the stream, not the client's own time-out.
    assert_true(recv(fds[i], &byte, 1, 0) >= 0 || errno == ECONNRESET);
    close(fds[i]);
  }
  assert_in_range(base_clock_ms(base_clock_system()) - before_ms, HANDSHAKE_MS, HANDSHAKE_MS + 4000);
  assert_in_range(cpu_ms() - cpu_before_ms, 0, MOST_CPU_MS);
}

static void speaks_tls_1_2_with_a_certificate_that_verifies(void **state) {
  (void)state;
  char out[1024];
  assert_int_equal(run("curl -sS --cacert $PEM https://127.0.0.1:$PORT/healthz 2>&1", out, sizeof out), 0);
  assert_string_equal(out, "ok\n");
}

static void refuses_older_versions(void **state) {
  (void)state;
  static const char *const versions[] = {"-tls1", "-tls1_1"};
  for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
    char command[256], out[8192];
    snprintf(command, sizeof command,
             "openssl s_client -connect 127.0.0.1:$PORT %s -cipher ALL:@SECLEVEL=0 </dev/null 2>&1", versions[i]);
    (void)run(command, out, sizeof out);
    if (!strstr(out, "Cipher is (NONE)")) fail_msg("%s", out);
  }
  char out[8192];
  (void)run("openssl s_client -connect 127.0.0.1:$PORT -tls1_2 </dev/null 2>&1", out, sizeof out);
  if (!strstr(out, "Protocol  : TLSv1.2") || !strstr(out, "ECDHE-ECDSA")) fail_msg("%s", out);
}

static void refuses_suites_without_forward_secrecy_or_aead(void **state) {
  (void)state;
  static const char *const suites[] = {"ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES128-SHA256"};
  for (size_t i = 0; i < sizeof suites / sizeof *suites; i++) {
    char command[256], out[8192];
    snprintf(command, sizeof command,
             "openssl s_client -connect 127.0.0.1:$PORT -tls1_2 -cipher %s:@SECLEVEL=0 </dev/null 2>&1", suites[i]);
    (void)run(command, out, sizeof out);
    if (!strstr(out, "Cipher is (NONE)")) fail_msg("%s", out);
  }
}

static void takes_an_upload_and_gives_it_in_the_list(void **state) {
  (void)state;
  char out[4096];
  assert_int_equal(run("head -c 300000 /dev/zero | tr '\\0' x | sed 's/^xxxx/GOOD/' | "
                       "curl -sS --cacert $PEM -H \"Authorization: Bearer $TOKEN\" -F 'image=@-;filename=a.jpg' "
                       "https://127.0.0.1:$PORT/api/v1/originals 2>&1",
                       out, sizeof out),
                   0);
  assert_non_null(strstr(out, "\"bytes\":300000"));
  assert_int_equal(run("curl -sS --cacert $PEM -H \"Authorization: Bearer $TOKEN\" "
                       "https://127.0.0.1:$PORT/api/v1/originals 2>&1",
                       out, sizeof out),
                   0);
  assert_non_null(strstr(out, "\"name\":\"a.jpg\""));
}

static void marks_its_cookie_secure(void **state) {
  (void)state;
  char out[4096];
  assert_int_equal(run("curl -sS -i --cacert $PEM --json \"{\\\"token\\\":\\\"$TOKEN\\\"}\" "
                       "https://127.0.0.1:$PORT/api/v1/session 2>&1",
                       out, sizeof out),
                   0);
  assert_non_null(strstr(out, "Set-Cookie: __Host-pixpop_session="));
  assert_non_null(strstr(out, "; Secure"));
}

static void takes_up_a_session_again(void **state) {
  (void)state;
  char out[8192];
  (void)run(
      "S=$(mktemp); for i in out in; do openssl s_client -connect 127.0.0.1:$PORT -tls1_2 -sess_$i $S </dev/null "
      "2>&1; done; rm $S",
      out, sizeof out);
  const char *first = strstr(out, "New, TLSv1.2"), *second = strstr(out, "Reused, TLSv1.2");
  if (!first || !second || first > second) fail_msg("%s", out);
}

static void shakes_hands_with_many_at_once(void **state) {
  (void)state;
  char out[4096];
  assert_int_equal(run("for i in 1 2 3 4 5 6 7 8 9 10 11 12; do "
                       "curl -sS --cacert $PEM https://127.0.0.1:$PORT/healthz 2>&1 & done; wait",
                       out, sizeof out),
                   0);
  size_t count = 0;
  for (const char *at = out; (at = strstr(at, "ok\n")) != NULL; at += 3) count++;
  assert_int_equal(count, 12);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_rig, console_rig_tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(drops_silent_clients_at_the_deadline_without_using_cpu),
      TEST(speaks_tls_1_2_with_a_certificate_that_verifies),
      TEST(refuses_older_versions),
      TEST(refuses_suites_without_forward_secrecy_or_aead),
      TEST(takes_an_upload_and_gives_it_in_the_list),
      TEST(marks_its_cookie_secure),
      TEST(takes_up_a_session_again),
      TEST(shakes_hands_with_many_at_once),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
