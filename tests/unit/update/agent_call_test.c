// The asking side of the system program's protocol, against a scripted other side.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "temp_folder.h"
#include "update/agent.h"

enum { WAIT_MS = 20000, BODY_BYTES = 3 << 20 };

// Takes one caller: reads its line, then `body_bytes` of the body (or all of it), answers, and closes.
struct other_side {
  const char *answer;
  size_t piece;       // of the answer, a write; 0: all at once
  size_t body_bytes;  // SIZE_MAX: to its end
  bool stays;         // silent, until `go`
  int listener, go[2];
  pthread_t thread;
  char line[UPDATE_AGENT_MAX_LINE + 1];
  size_t got_bytes;
};

static struct temp_folder folder;
static char path[128];

static void read_line(struct other_side *side, int fd) {
  for (size_t i = 0; i < UPDATE_AGENT_MAX_LINE; i++) {
    if (read(fd, &side->line[i], 1) != 1) return;
    if (side->line[i] == '\n') {
      side->line[i] = '\0';
      return;
    }
  }
}

static void read_body(struct other_side *side, int fd) {
  static char bytes[1 << 16];
  while (side->got_bytes < side->body_bytes) {
    const ssize_t got = read(fd, bytes, sizeof(bytes));
    if (got <= 0) return;
    side->got_bytes += (size_t)got;
  }
}

static void *play(void *self) {
  struct other_side *side = self;
  char byte;
  const int fd = accept(side->listener, NULL, NULL);
  read_line(side, fd);
  read_body(side, fd);
  const size_t length = strlen(side->answer), piece = side->piece > 0 ? side->piece : length;
  for (size_t at = 0; at < length; at += piece) {
    const size_t bytes = length - at < piece ? length - at : piece;
    if (send(fd, side->answer + at, bytes, MSG_NOSIGNAL) != (ssize_t)bytes) break;
  }
  if (side->stays && read(side->go[0], &byte, 1) < 0) abort();
  close(fd);
  return NULL;
}

static void begin(struct other_side *side) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strcpy(address.sun_path, temp_folder_path(&folder, "agent.sock", path, sizeof(path)));
  unlink(path);
  side->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_int_equal(bind(side->listener, (const struct sockaddr *)&address, sizeof(address)), 0);
  assert_int_equal(listen(side->listener, 1), 0);
  assert_int_equal(pipe(side->go), 0);
  assert_int_equal(pthread_create(&side->thread, NULL, play, side), 0);
}

static void end(struct other_side *side) {
  close(side->go[1]);
  pthread_join(side->thread, NULL);
  close(side->go[0]);
  close(side->listener);
}

// Asks for the status, reads up to the outcome; *lines: how many there were.
static enum base_result ask(struct other_side *side, int *lines, struct base_fault *fault) {
  struct update_call *call = NULL;
  bool is_last = false;
  enum base_result result;
  *lines = 0;
  begin(side);
  assert_int_equal(update_call_begin(path, "{\"do\":\"status\"}", &call, fault), BASE_OK);
  do {
    struct base_json *json = NULL;
    result = update_call_read(call, WAIT_MS, &json, &is_last, fault);
    if (json != NULL) ++*lines;
    base_json_destroy(&json);
  } while (result == BASE_OK && !is_last);
  update_call_destroy(&call);
  end(side);
  return result;
}

static void finds_nobody(void **state) {
  (void)state;
  struct update_call *call = NULL;
  struct base_fault fault = {0};
  assert_int_equal(update_call_begin("/nowhere/system.sock", "{}", &call, &fault), BASE_NOT_FOUND);
  assert_null(call);
  assert_non_null(strstr(fault.text, "no appliance"));
  struct other_side gone = {.answer = ""};
  begin(&gone);
  pthread_cancel(gone.thread);
  end(&gone);
  assert_int_equal(update_call_begin(path, "{}", &call, NULL), BASE_NOT_FOUND);
  char inside[160];
  snprintf(inside, sizeof(inside), "%s/inside", path);  // below what is no folder
  assert_int_equal(update_call_begin(inside, "{}", &call, NULL), BASE_NOT_FOUND);
}

static void refuses_what_is_too_long(void **state) {
  (void)state;
  static char line[UPDATE_AGENT_MAX_LINE + 1], long_path[300];
  struct update_call *call = NULL;
  memset(line, 'a', sizeof(line) - 1);
  assert_int_equal(update_call_begin("/nowhere", line, &call, NULL), BASE_TOO_LARGE);
  memset(long_path, '/', sizeof(long_path) - 1);
  assert_int_equal(update_call_begin(long_path, "{}", &call, NULL), BASE_BAD_INPUT);
  assert_null(call);
}

static void reads_lines_however_they_come(void **state) {
  (void)state;
  static const char answer[] =
      "{\"phase\":\"writing\",\"done\":1,\"total\":2}\n{\"phase\":\"writing\",\"done\":2,\"total\":2}\n"
      "{\"result\":\"ok\",\"version\":\"1.2.0\"}\n";
  const size_t pieces[] = {0, 1, 2, 50};
  for (size_t i = 0; i < sizeof(pieces) / sizeof(*pieces); i++) {
    struct other_side side = {.answer = answer, .piece = pieces[i]};
    struct base_fault fault = {0};
    int lines;
    if (ask(&side, &lines, &fault) != BASE_OK) fail_msg("%s", fault.text);
    assert_int_equal(lines, 3);
    assert_string_equal(side.line, "{\"do\":\"status\"}");
  }
}

static void gives_the_last_line_as_it_came(void **state) {
  (void)state;
  struct other_side side = {.answer = "{\"x\":1}\n{ \"result\" : \"ok\" }\n"};
  struct update_call *call = NULL;
  struct base_json *json = NULL;
  bool is_last;
  begin(&side);
  assert_int_equal(update_call_begin(path, "{}", &call, NULL), BASE_OK);
  assert_int_equal(update_call_read(call, WAIT_MS, &json, &is_last, NULL), BASE_OK);
  assert_false(is_last);
  assert_true(base_span_is(update_call_line(call), "{\"x\":1}"));
  base_json_destroy(&json);
  assert_int_equal(update_call_read(call, WAIT_MS, &json, &is_last, NULL), BASE_OK);
  assert_true(is_last);
  assert_true(base_span_is(update_call_line(call), "{ \"result\" : \"ok\" }"));
  base_json_destroy(&json);
  update_call_destroy(&call);
  end(&side);
}

static void passes_on_what_went_wrong(void **state) {
  (void)state;
  static const struct {
    const char *answer;
    enum base_result result;
    const char *text, *subject;
    int lines;
  } cases[] = {
      {"{\"result\":\"conflict\",\"text\":\"too old\",\"subject\":\"older\"}\n", BASE_CONFLICT, "too old", "older", 1},
      {"{\"phase\":\"writing\"}\n{\"result\":\"checksum-mismatch\",\"text\":\"damaged\"}\n", BASE_CHECKSUM, "damaged",
       "", 2},
      {"{\"result\":\"locked\"}\n", BASE_LOCKED, "locked", "", 1},
      {"{\"result\":\"no such word\",\"text\":\"what\"}\n", BASE_INTERNAL, "what", "", 1},
      {"", BASE_IO, "without an answer", "socket", 0},
      {"{\"result\":\"ok\"}", BASE_IO, "without an answer", "socket", 0},  // no end of the line
      {"{\"phase\":\"writing\"}\n", BASE_IO, "without an answer", "socket", 1},
      {"nonsense\n", BASE_BAD_INPUT, "", "", 0},
      {"\n", BASE_BAD_INPUT, "", "", 0},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    struct other_side side = {.answer = cases[i].answer};
    struct base_fault fault = {0};
    int lines;
    const enum base_result result = ask(&side, &lines, &fault);
    if (result != cases[i].result) fail_msg("%s: %s", cases[i].answer, base_result_name(result));
    assert_int_equal(lines, cases[i].lines);
    assert_non_null(strstr(fault.text, cases[i].text));
    if (cases[i].text[0] != '\0') assert_string_equal(fault.subject, cases[i].subject);
  }
}

static void gives_up_a_line_without_end(void **state) {
  (void)state;
  static char answer[4 * UPDATE_AGENT_MAX_LINE + 1];
  memset(answer, ' ', sizeof(answer) - 1);
  struct other_side side = {.answer = answer};
  int lines;
  assert_int_equal(ask(&side, &lines, NULL), BASE_TOO_LARGE);
  assert_int_equal(lines, 0);
}

static void gives_up_when_the_other_side_is_silent(void **state) {
  (void)state;
  struct other_side side = {.answer = "{\"result\":", .stays = true};
  struct update_call *call = NULL;
  struct base_json *json = NULL;
  bool is_last;
  begin(&side);
  assert_int_equal(update_call_begin(path, "{}", &call, NULL), BASE_OK);
  assert_int_equal(update_call_read(call, 0, &json, &is_last, NULL), BASE_TIMEOUT);
  assert_int_equal(update_call_read(call, 20, &json, &is_last, NULL), BASE_TIMEOUT);
  assert_null(json);
  update_call_destroy(&call);
  end(&side);
}

static enum base_result send_body(struct update_call *call, size_t bytes) {
  static uint8_t piece[1 << 16];
  for (size_t sent = 0; sent < bytes; sent += sizeof(piece)) {
    const enum base_result result = update_call_write(call, base_span_of(piece, sizeof(piece)), NULL);
    if (result != BASE_OK) return result;
  }
  return BASE_OK;
}

static void carries_a_body(void **state) {
  (void)state;
  struct other_side side = {.answer = "{\"result\":\"ok\"}\n", .body_bytes = SIZE_MAX};
  struct update_call *call = NULL;
  struct base_json *json = NULL;
  bool is_last;
  begin(&side);
  assert_int_equal(update_call_begin(path, "{\"do\":\"install\"}", &call, NULL), BASE_OK);
  assert_int_equal(send_body(call, BODY_BYTES), BASE_OK);
  assert_int_equal(update_call_end_body(call, NULL), BASE_OK);
  assert_int_equal(update_call_read(call, WAIT_MS, &json, &is_last, NULL), BASE_OK);
  assert_true(is_last);
  base_json_destroy(&json);
  update_call_destroy(&call);
  end(&side);
  assert_int_equal(side.got_bytes, BODY_BYTES);
}

// What is refused is refused early, while the body still comes; SIGPIPE would end the test.
static void reads_why_when_the_body_is_not_wanted(void **state) {
  (void)state;
  struct other_side side = {.answer = "{\"result\":\"forbidden\",\"text\":\"wrong key\"}\n", .body_bytes = 1000};
  struct update_call *call = NULL;
  struct base_json *json = NULL;
  struct base_fault fault = {0};
  bool is_last;
  begin(&side);
  assert_int_equal(update_call_begin(path, "{\"do\":\"install\"}", &call, NULL), BASE_OK);
  assert_int_equal(send_body(call, SIZE_MAX / 2), BASE_CANCELLED);
  assert_int_equal(update_call_end_body(call, NULL), BASE_OK);
  assert_int_equal(update_call_read(call, WAIT_MS, &json, &is_last, &fault), BASE_FORBIDDEN);
  assert_true(is_last);
  assert_string_equal(fault.text, "wrong key");
  base_json_destroy(&json);
  update_call_destroy(&call);
  end(&side);
}

static void knows_every_result_by_its_name(void **state) {
  (void)state;
  for (int result = 0; result < BASE_RESULT_COUNT; result++)
    assert_int_equal(update_result_of(base_result_name((enum base_result)result)), result);
  assert_int_equal(update_result_of("nothing"), BASE_INTERNAL);
  assert_int_equal(update_result_of(""), BASE_INTERNAL);
}

static int set_up(void **state) {
  (void)state;
  temp_folder_make(&folder);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  temp_folder_remove(&folder);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(finds_nobody),
      cmocka_unit_test(refuses_what_is_too_long),
      cmocka_unit_test(reads_lines_however_they_come),
      cmocka_unit_test(gives_the_last_line_as_it_came),
      cmocka_unit_test(passes_on_what_went_wrong),
      cmocka_unit_test(gives_up_a_line_without_end),
      cmocka_unit_test(gives_up_when_the_other_side_is_silent),
      cmocka_unit_test(carries_a_body),
      cmocka_unit_test(reads_why_when_the_body_is_not_wanted),
      cmocka_unit_test(knows_every_result_by_its_name),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
