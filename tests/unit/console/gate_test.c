// What the gate bears: clients that wait by the hundred, that send slowly, do not read, vanish, or come in too large
// numbers.
#include "console_rig.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
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

enum {
  WAITING = 200,
  MOST_HEAP_A_CLIENT = 16 * 1024,
  BODY_BYTES = 3000,
  TIMEOUT_MS = 1500,
  CONNECTIONS = WAITING + 50,
};

static struct console_rig rig;
static struct console_answer answer;

static int open_rig(void **state) {
  *state = &rig;
  // As few threads as there may be: 1 counts as 2, or no upload would ever get its turn.
  console_rig_open(&rig, &(struct console_rig_config){.threads = 4,
                                                      .gate_threads = 1,
                                                      .max_connections = CONNECTIONS,
                                                      .max_connections_per_client = CONNECTIONS + 100,
                                                      .request_timeout_ms = TIMEOUT_MS,
                                                      .body_min_rate = 100});
  return 0;
}

static int open_patient_rig(void **state) {
  *state = &rig;
  console_rig_open(&rig, &(struct console_rig_config){.threads = 4,
                                                      .gate_threads = 2,
                                                      .max_connections = CONNECTIONS,
                                                      .max_connections_per_client = CONNECTIONS + 100,
                                                      .request_timeout_ms = 60000});
  return 0;
}

static uint64_t now_ms(void) { return base_clock_ms(base_clock_system()); }

// Each upload is a picture of its own.
static void body_of(int number, char out[BODY_BYTES + 1]) {
  memset(out, 'x', BODY_BYTES);
  out[BODY_BYTES] = '\0';
  const int bytes = snprintf(out, BODY_BYTES, "GOOD %d", number);
  out[bytes] = ' ';
}

static int begin_upload(const char *fields) {
  char head[512];
  const int bytes = snprintf(head, sizeof head,
                             "POST /api/v1/originals HTTP/1.1\r\nHost: a\r\nConnection: close\r\n%s"
                             "Authorization: Bearer %s\r\nContent-Type: image/jpeg\r\n\r\n",
                             fields, rig.token);
  int fd = console_rig_connect(&rig);
  console_rig_send(fd, head, (size_t)bytes);
  return fd;
}

static void wait_for_status(const char *member) {
  for (int i = 0; i < 1000; i++) {
    console_rig_ask_as_owner(&rig, "GET", "/api/v1/status", "", NULL, &answer);
    if (strstr(answer.body, member)) return;
    usleep(10 * 1000);
  }
  fail_msg("no %s in %s", member, answer.body);
}

static long metric(const char *series) {
  console_rig_ask_as_owner(&rig, "GET", "/metrics", "", NULL, &answer);
  const char *at = strstr(answer.body, series);
  return at ? strtol(at + strlen(series), NULL, 10) : -1;
}

static void expect_health(void) {
  const uint64_t before_ms = now_ms();
  console_rig_ask(&rig, "GET", "/healthz", "", NULL, &answer);
  assert_string_equal(answer.body, "ok\n");
  assert_in_range(now_ms() - before_ms, 0, 3000);
}

static size_t open_descriptors(void) {
  size_t count = 0;
  DIR *folder = opendir("/proc/self/fd");
  while (readdir(folder)) count++;
  closedir(folder);
  return count;
}

static void waiting_uploads_cost_neither_threads_nor_memory_nor_files(void **state) {
  (void)state;
  static int fds[WAITING];
  char body[BODY_BYTES + 1], member[64], fields[64];
  expect_health();
  (void)snprintf(fields, sizeof fields, "Content-Length: %d\r\n", BODY_BYTES);
  const size_t heap_before = mallinfo2().uordblks, files_before = open_descriptors();
  for (int i = 0; i < WAITING; i++) {
    fds[i] = begin_upload(fields);
    body_of(i, body);
    console_rig_send(fds[i], body, BODY_BYTES / 2);
  }
  (void)snprintf(member, sizeof member, "\"uploads_receiving\":%d", WAITING);
  wait_for_status(member);
  const size_t heap = mallinfo2().uordblks - heap_before, files = open_descriptors() - files_before;
  assert_in_range(heap / WAITING, 0, MOST_HEAP_A_CLIENT);
  // Both ends of each connection are in this process; the store's pool is bounded.
  assert_in_range(files, 2 * WAITING, 2 * WAITING + 100);
  expect_health();
  for (int i = WAITING - 1; i >= 0; i--) {
    body_of(i, body);
    console_rig_send(fds[i], body + BODY_BYTES / 2, BODY_BYTES - BODY_BYTES / 2);
  }
  for (int i = 0; i < WAITING; i++) {
    console_rig_receive(fds[i], &answer);
    if (answer.status != 201) fail_msg("upload %d: %s", i, answer.text);
  }
}

// From an address of its own, as seen by the gate: 127.0.0.1 is the box itself.
static int connect_as(unsigned client) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + client)};
  const struct sockaddr_in to = {
      .sin_family = AF_INET, .sin_port = htons(rig.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  assert_true(fd >= 0);
  assert_int_equal(bind(fd, (const struct sockaddr *)&from, sizeof from), 0);
  assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof to), 0);
  return fd;
}

// Many addresses with idle connections: what feeds the watchdog asks /healthz by 127.0.0.1, and is let in.
static void keeps_places_for_the_box_itself(void **state) {
  (void)state;
  enum { STRANGERS = CONNECTIONS + 50, CLIENTS = 10, KEPT = 16 };
  static int fds[STRANGERS];
  size_t open = 0;
  for (unsigned i = 0; i < STRANGERS; i++) fds[i] = connect_as(i % CLIENTS);
  expect_health();
  expect_health();
  for (unsigned i = 0; i < STRANGERS; i++) {
    char byte;
    open += recv(fds[i], &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN;
    close(fds[i]);
  }
  assert_int_equal(open, CONNECTIONS - KEPT);
}

static void gives_up_on_uploads_that_drip(void **state) {
  (void)state;
  int fd = begin_upload("Content-Length: 100000\r\n");
  const uint64_t before_ms = now_ms();
  char reply[16] = "";
  console_rig_send(fd, "GOOD", 4);
  while (now_ms() - before_ms < 15000 && recv(fd, reply, sizeof reply - 1, MSG_DONTWAIT | MSG_PEEK) <= 0) {
    console_rig_send(fd, "x", 1);
    usleep(100 * 1000);
  }
  console_rig_receive(fd, &answer);
  assert_int_equal(answer.status, 408);
  assert_int_equal(metric("pixpop_console_timeouts_total{of=\"rate\"} "), 1);
}

static void gives_up_on_heads_that_drip(void **state) {
  (void)state;
  int fd = console_rig_connect(&rig);
  const uint64_t before_ms = now_ms();
  console_rig_send(fd, "GET /healthz HTTP/1.1\r\nX: ", 26);
  char byte;
  ssize_t got;
  while ((got = recv(fd, &byte, 1, MSG_DONTWAIT)) < 0 && errno == EAGAIN && now_ms() - before_ms < 15000) {
    console_rig_send(fd, "y", 1);
    usleep(100 * 1000);
  }
  assert_true(got == 0 || (got < 0 && errno == ECONNRESET));
  close(fd);
  assert_int_equal(metric("pixpop_console_timeouts_total{of=\"head\"} "), 1);
}

static void gives_up_on_clients_that_do_not_read(void **state) {
  (void)state;
  static const char request[] = "GET /assets/large-0d4e5f.bin HTTP/1.1\r\nHost: a\r\n\r\n";
  int fd = console_rig_connect(&rig);
  const int small = 4096;
  assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
  assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
  const uint64_t before_ms = now_ms();
  // Asks for more than all buffers on the way take, until it is cut off.
  for (size_t at = 0; now_ms() - before_ms < 60000;) {
    const ssize_t sent = send(fd, request + at, sizeof request - 1 - at, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) break;
    if (sent < 0) usleep(10 * 1000);
    if (sent > 0) at = (at + (size_t)sent) % (sizeof request - 1);
  }
  assert_int_equal(metric("pixpop_console_timeouts_total{of=\"reply\"} "), 1);
  close(fd);
  expect_health();
}

static void forgets_clients_that_vanish(void **state) {
  (void)state;
  static const char *const beginnings[] = {"", "GET /", "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
                                           "POST /api/v1/session HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n1"};
  for (size_t i = 0; i < 40; i++) {
    int fd;
    if (i % 5 == 4) {
      fd = begin_upload("Content-Length: 1000\r\n");
      console_rig_send(fd, "GOOD", 4);
    } else {
      fd = console_rig_connect(&rig);
      console_rig_send(fd, beginnings[i % 5], strlen(beginnings[i % 5]));
    }
    usleep((useconds_t)(i % 7) * 1000);
    const struct linger reset = {.l_onoff = (int)(i % 2)};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(fd);
  }
  wait_for_status("\"connections\":1,\"uploads_receiving\":0");
}

static void turns_away_who_comes_when_it_is_full(void **state) {
  (void)state;
  static int fds[CONNECTIONS];
  for (int i = 0; i < CONNECTIONS; i++) fds[i] = console_rig_connect(&rig);
  const uint64_t before_ms = now_ms();
  console_rig_ask(&rig, "GET", "/healthz", "", NULL, &answer);
  assert_int_equal(answer.status, 0);
  assert_in_range(now_ms() - before_ms, 0, 1000);
  for (int i = 0; i < CONNECTIONS; i++) close(fds[i]);
  for (int i = 0; i < 200 && answer.status == 0; i++) {
    usleep(20 * 1000);
    console_rig_ask(&rig, "GET", "/healthz", "", NULL, &answer);
  }
  assert_int_equal(answer.status, 200);
  assert_in_range(metric("pixpop_console_refused_connections_total{limit=\"total\"} "), 1, 1000);
}

static uint64_t cpu_ms(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
         (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
}

static void waits_for_descriptors_without_using_cpu(void **state) {
  (void)state;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(rig.port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  expect_health();
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct rlimit limit;
  assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
  const struct rlimit none = {.rlim_cur = (rlim_t)fd, .rlim_max = limit.rlim_max};
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
  assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
  const uint64_t before_ms = cpu_ms();
  usleep(1000 * 1000);
  const uint64_t spent_ms = cpu_ms() - before_ms;
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
  assert_in_range(spent_ms, 0, 300);
  static const char request[] = "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
  console_rig_send(fd, request, sizeof request - 1);
  console_rig_receive(fd, &answer);
  assert_int_equal(answer.status, 200);
}

// A body that nobody wants is not read for ever, and the client sees the refusal all the same.
static void tells_a_refused_client_that_goes_on_sending(void **state) {
  (void)state;
  static char bytes[1 << 20];
  static const char head[] =
      "POST /api/v1/originals HTTP/1.1\r\nHost: a\r\nContent-Type: image/jpeg\r\nContent-Length: 8000000\r\n\r\n";
  int fd = console_rig_connect(&rig);
  console_rig_send(fd, head, sizeof head - 1);
  for (int i = 0; i < 6; i++) console_rig_send(fd, bytes, sizeof bytes);
  console_rig_receive(fd, &answer);
  assert_int_equal(answer.status, 401);
  assert_string_equal(console_answer_field(&answer, "Connection"), "close");
}

static void refuses_large_bodies_where_small_ones_are_wanted(void **state) {
  (void)state;
  static const char *const lengths[] = {"Content-Length: 65537\r\n", "Transfer-Encoding: chunked\r\n"};
  static char chunk[70000];
  const int bytes = snprintf(chunk, sizeof chunk, "%x\r\n", 66000);
  for (size_t i = 0; i < 2; i++) {
    char head[256];
    const int head_bytes =
        snprintf(head, sizeof head,
                 "POST /api/v1/session HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n%s\r\n", lengths[i]);
    int fd = console_rig_connect(&rig);
    console_rig_send(fd, head, (size_t)head_bytes);
    if (i == 1) console_rig_send(fd, chunk, (size_t)bytes + 66000);
    console_rig_receive(fd, &answer);
    assert_int_equal(answer.status, 413);
  }
}

// De-chunked on the way.
static void takes_a_chunked_log_in(void **state) {
  (void)state;
  char request[512], json[128];
  const int json_bytes = snprintf(json, sizeof json, "{\"token\":\"%s\"}", rig.token);
  const int bytes = snprintf(request, sizeof request,
                             "POST /api/v1/session HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: 100-continue\r\n"
                             "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
  int fd = console_rig_connect(&rig);
  console_rig_send(fd, request, (size_t)bytes);
  char interim[64] = "";
  assert_int_equal(recv(fd, interim, sizeof "HTTP/1.1 100 Continue\r\n\r\n" - 1, MSG_WAITALL), 25);
  assert_string_equal(interim, "HTTP/1.1 100 Continue\r\n\r\n");
  for (int i = 0; i < json_bytes; i++) {
    char chunk[16];
    console_rig_send(fd, chunk, (size_t)snprintf(chunk, sizeof chunk, "1\r\n%c\r\n", json[i]));
  }
  console_rig_send(fd, "0\r\n\r\n", 5);
  console_rig_receive(fd, &answer);
  assert_int_equal(answer.status, 201);
}

static void stops_in_time_with_uploads_on_their_way(void **state) {
  (void)state;
  int fds[10];
  for (int i = 0; i < 10; i++) fds[i] = begin_upload("Content-Length: 1000\r\n");
  for (int i = 0; i < 10; i++) console_rig_send(fds[i], "GOOD", 4);
  wait_for_status("\"uploads_receiving\":10");
  const uint64_t before_ms = now_ms();
  console_stop(&rig.console);
  assert_in_range(now_ms() - before_ms, 9000, 15000);
  for (int i = 0; i < 10; i++) {
    console_rig_receive(fds[i], &answer);
    assert_int_equal(answer.status, 0);
  }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_rig, console_rig_tear_down)
#define PATIENT_TEST(name) cmocka_unit_test_setup_teardown(name, open_patient_rig, console_rig_tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      PATIENT_TEST(waiting_uploads_cost_neither_threads_nor_memory_nor_files),
      TEST(gives_up_on_uploads_that_drip),
      TEST(gives_up_on_heads_that_drip),
      TEST(gives_up_on_clients_that_do_not_read),
      PATIENT_TEST(forgets_clients_that_vanish),
      PATIENT_TEST(turns_away_who_comes_when_it_is_full),
      PATIENT_TEST(keeps_places_for_the_box_itself),
      PATIENT_TEST(waits_for_descriptors_without_using_cpu),
      TEST(tells_a_refused_client_that_goes_on_sending),
      TEST(refuses_large_bodies_where_small_ones_are_wanted),
      TEST(takes_a_chunked_log_in),
      PATIENT_TEST(stops_in_time_with_uploads_on_their_way),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
