// The sandbox with a decoder that has been taken over: what it tries is refused or ends it, and costs one request.
#include "sandbox/sandbox.h"

#include <errno.h>
#include <grp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
  struct base_metrics *metrics;
  struct sandbox *sandbox;
};

// One worker, which changes hands only where the test says so.
static struct fixture make_fixture(const char *decoder_path, struct sandbox_config config) {
  struct fixture fixture = {.metrics = base_metrics_create()};
  struct base_fault fault = {0};
  config.decoder_path = decoder_path;
  config.workers = 1;
  config.limits = IMAGE_LIMITS_DEFAULT;
  config.metrics = fixture.metrics;
  if (sandbox_create(&config, &fixture.sandbox, &fault) != BASE_OK) fail_msg("%s: %s", fault.subject, fault.text);
  return fixture;
}

static struct fixture make_confined(void) {
  return make_fixture(COMPROMISED_DECODER_PATH, (struct sandbox_config){.require_isolation = true});
}

static void fixture_finish(struct fixture *fixture) {
  sandbox_destroy(&fixture->sandbox);
  base_metrics_destroy(&fixture->metrics);
}

static int64_t spawns_of(const struct fixture *fixture) {
  return base_metric_get(base_metrics_counter(fixture->metrics, "pixpop_sandbox_spawns_total", "", ""));
}

static int64_t failures_of(const struct fixture *fixture, const char *cause) {
  char label[64];
  snprintf(label, sizeof label, "cause=\"%s\"", cause);
  return base_metric_get(base_metrics_counter(fixture->metrics, "pixpop_sandbox_failures_total", label, ""));
}

static int file_with(const char *word) {
  int fd = memfd_create("deed", MFD_CLOEXEC);
  assert_true(fd >= 0);
  assert_int_equal(dprintf(fd, "%s\n", word), strlen(word) + 1);
  return fd;
}

static enum base_result inspect(struct fixture *fixture, const char *word, struct base_fault *fault) {
  struct image_header header;
  int fd = file_with(word);
  enum base_result result = sandbox_inspect(fixture->sandbox, fd, &header, fault);
  close(fd);
  return result;
}

static enum base_result report(struct fixture *fixture, const char *word, struct base_fault *fault) {
  struct image_report out;
  int fd = file_with(word);
  enum base_result result = sandbox_report(fixture->sandbox, fd, &out, fault);
  close(fd);
  return result;
}

// error: it is told no; NULL: it does not survive the attempt.
static const struct {
  const char *word, *error;
} deeds[] = {
    {"open-to-read", "EACCES"},
    {"open-to-write", NULL},
    {"open-own-memory", NULL},
    {"open-proc", "EACCES"},
    {"open-folder", "EACCES"},
    {"openat2", NULL},
    {"stat", "EACCES"},
    {"memfd_create", NULL},
    {"unlink", NULL},
    {"socket-internet", NULL},
    {"socket-local", NULL},
    {"connect", NULL},
    {"connect-own-socket", NULL},
    {"send-descriptor", NULL},
    {"execve", NULL},
    {"execveat", NULL},
    {"ptrace", NULL},
    {"ptrace-other", NULL},
    {"fork", NULL},
    {"clone-space", NULL},
    {"clone3", "ENOSYS"},
    {"kill-all", NULL},
    {"kill-first", NULL},
    {"tgkill-other", NULL},
    {"process_vm_readv", NULL},
    {"mount", NULL},
    {"unshare", NULL},
    {"setns", NULL},
    {"chroot", NULL},
    {"setresuid", NULL},
    {"prlimit", NULL},
    {"ignore-limit", "EACCES"},
    {"prctl-seccomp", "EACCES"},
    {"seccomp", NULL},
    {"mmap-exec", NULL},
    {"mprotect-exec", NULL},
    {"io_uring", NULL},
    {"bpf", NULL},
    {"perf_event_open", NULL},
    {"userfaultfd", NULL},
    {"keyctl", NULL},
    {"ftruncate", NULL},
    {"ioctl", "ENOTTY"},
    {"call-of-32-bits", NULL},
};

// Sanitizers change their own limits and names, so those two calls are open to them.
static bool is_for_sanitizers(const char *word) {
  return DECODER_MEMORY_BYTES == 0 && (strcmp(word, "prlimit") == 0 || strcmp(word, "prctl-seccomp") == 0);
}

static void every_deed_is_denied(void **state) {
  (void)state;
  struct fixture fixture = make_confined();
  int64_t ended = 0;
  for (size_t i = 0; i < sizeof deeds / sizeof *deeds; i++) {
    if (is_for_sanitizers(deeds[i].word)) continue;
    struct base_fault fault = {0};
    char expected[128] = "the picture made its decoder do what it may not";
    if (deeds[i].error) snprintf(expected, sizeof expected, "%s: %s", deeds[i].word, deeds[i].error);
    enum base_result result = inspect(&fixture, deeds[i].word, &fault);
    print_message("  %-20s %s\n", deeds[i].word, deeds[i].error ? deeds[i].error : "ended");
    if (result != BASE_UNPROCESSABLE) fail_msg("%s: it worked", deeds[i].word);
    if (strcmp(fault.text, expected) != 0) fail_msg("%s: %s", deeds[i].word, fault.text);
    assert_string_equal(fault.subject, deeds[i].error ? "denied" : "decoder");
    ended += !deeds[i].error;
    assert_int_equal(failures_of(&fixture, "seccomp"), ended);
  }
  assert_int_equal(inspect(&fixture, "thread", NULL), BASE_OK);
  assert_int_equal(spawns_of(&fixture), ended + 1);
  assert_int_equal(failures_of(&fixture, "crash"), 0);
  fixture_finish(&fixture);
}

static void threads_are_allowed(void **state) {
  (void)state;
  struct fixture fixture = make_confined();
  struct base_fault fault = {0};
  if (inspect(&fixture, "thread", &fault) != BASE_OK) fail_msg("%s", fault.text);
  assert_int_equal(spawns_of(&fixture), 1);
  fixture_finish(&fixture);
}

// Without the list of system calls the rest must hold alone: what namespaces, Landlock and the user keep out.
static void what_stands_behind_the_list_holds_alone(void **state) {
  (void)state;
  static const struct {
    const char *word;
    uint32_t needs;  // any of these
  } without[] = {
      {"open-to-read", SANDBOX_LANDLOCK | SANDBOX_EMPTY_ROOT},
      {"open-to-write", SANDBOX_LANDLOCK | SANDBOX_EMPTY_ROOT},
      {"open-proc", SANDBOX_LANDLOCK | SANDBOX_EMPTY_ROOT},
      {"open-folder", SANDBOX_LANDLOCK},
      {"stat", SANDBOX_EMPTY_ROOT},
      {"connect", SANDBOX_LANDLOCK | SANDBOX_NAMESPACES},
      {"execve", SANDBOX_LANDLOCK | SANDBOX_EMPTY_ROOT},
      {"ptrace-other", SANDBOX_LANDLOCK | SANDBOX_OWN_USER},
      {"kill-first", SANDBOX_LANDLOCK | SANDBOX_OWN_USER},
      {"tgkill-other", SANDBOX_LANDLOCK | SANDBOX_OWN_USER},
      {"process_vm_readv", SANDBOX_LANDLOCK | SANDBOX_OWN_USER},
      {"mount", SANDBOX_NO_CAPABILITIES},
      {"chroot", SANDBOX_NO_CAPABILITIES},
      {"setresuid", SANDBOX_USER_NAMESPACE | SANDBOX_OWN_USER},
  };
  struct fixture fixture = make_fixture(UNFILTERED_DECODER_PATH, (struct sandbox_config){0});
  const struct sandbox_isolation isolation = sandbox_get_isolation(fixture.sandbox);
  char text[SANDBOX_ISOLATION_TEXT_BYTES];
  sandbox_isolation_text(&isolation, text);
  print_message("  reached here: %s (user %u)\n", text, isolation.uid);
  assert_int_equal(isolation.parts & SANDBOX_SECCOMP, 0);
  for (size_t i = 0; i < sizeof without / sizeof *without; i++) {
    struct base_fault fault = {0};
    if (!(isolation.parts & without[i].needs)) continue;
    enum base_result result = inspect(&fixture, without[i].word, &fault);
    print_message("  %s\n", fault.text);
    if (result != BASE_UNPROCESSABLE || strcmp(fault.subject, "denied") != 0)
      fail_msg("%s: it worked", without[i].word);
  }
  fixture_finish(&fixture);
}

static void decoder_without_seccomp_is_refused_when_it_is_required(void **state) {
  (void)state;
  struct sandbox *sandbox;
  struct base_fault fault = {0};
  const struct sandbox_config config = {
      .decoder_path = UNFILTERED_DECODER_PATH, .require_isolation = true, .limits = IMAGE_LIMITS_DEFAULT};
  assert_int_equal(sandbox_create(&config, &sandbox, &fault), BASE_IO);
  assert_string_equal(fault.subject, "decoder.require_isolation");
  assert_null(sandbox);
}

static void failures_are_counted_by_cause(void **state) {
  (void)state;
  struct fixture fixture =
      make_fixture(COMPROMISED_DECODER_PATH,
                   (struct sandbox_config){.timeout_ms = 2000, .memory_bytes = DECODER_MEMORY_BYTES ? 512u << 20 : 0});
  static const struct {
    const char *word, *subject, *cause;
  } cases[] = {
      {"crash", "decoder", "crash"},       {"abort", "decoder", "crash"},           {"leave", "decoder", "crash"},
      {"loop", "timeout", "timeout"},      {"open-to-write", "decoder", "seccomp"}, {"memory", "memory", "memory"},
      {"lie-rule", "decoder", "protocol"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    if (strcmp(cases[i].word, "memory") == 0 && DECODER_MEMORY_BYTES == 0) continue;
    struct base_fault fault = {0};
    const int64_t before = failures_of(&fixture, cases[i].cause);
    assert_int_equal(report(&fixture, cases[i].word, &fault), BASE_UNPROCESSABLE);
    assert_string_equal(fault.subject, cases[i].subject);
    assert_int_equal(failures_of(&fixture, cases[i].cause), before + 1);
    assert_int_equal(report(&fixture, "memory-is-fine-again", NULL), BASE_UNSUPPORTED);
  }
  fixture_finish(&fixture);
}

static void reports_that_lie_cost_the_worker(void **state) {
  (void)state;
  static const char *const lies[] = {"lie-rule", "lie-count", "lie-text", "lie-line", "lie-format", "lie-flag"};
  enum { LIES = sizeof lies / sizeof *lies };
  struct fixture fixture = make_confined();
  for (size_t i = 0; i < LIES; i++) {
    struct base_fault fault = {0};
    assert_int_equal(report(&fixture, lies[i], &fault), BASE_UNPROCESSABLE);
    assert_string_equal(fault.subject, "decoder");
    assert_int_equal(failures_of(&fixture, "protocol"), i + 1);
  }
  assert_int_equal(report(&fixture, "thread", NULL), BASE_OK);
  assert_int_equal(spawns_of(&fixture), LIES + 1);
  fixture_finish(&fixture);
}

// It speaks while nobody has asked; when that is heard, it is replaced.
static void worker_that_says_more_than_it_was_asked_is_replaced(void **state) {
  (void)state;
  struct fixture fixture = make_confined();
  for (int i = 0; i < 1000 && spawns_of(&fixture) < 2; i++) {
    assert_int_equal(report(&fixture, "babble", NULL), BASE_OK);
  }
  assert_true(spawns_of(&fixture) >= 2);
  fixture_finish(&fixture);
}

// The size is the validated one whatever the worker goes on to do with the bytes.
static void pixels_may_change_but_not_their_size(void **state) {
  (void)state;
  struct fixture fixture = make_confined();
  struct image *image;
  struct base_fault fault = {0};
  struct image_header header = {.format = IMAGE_FILE_PNG,
                                .width = 4,
                                .height = 4,
                                .orientation = IMAGE_UPRIGHT,
                                .colour = IMAGE_COLOUR_RGB,
                                .bits = 8};
  int fd = file_with("pixels-later");
  enum base_result result = sandbox_decode(fixture.sandbox, fd, &header, &image, &fault);
  if (result != BASE_OK) fail_msg("%s", fault.text);
  close(fd);
  const uint8_t first = *(volatile uint8_t *)image->pixels;
  bool has_changed = false;
  for (unsigned long i = 0; i < 1000000000 && !has_changed; i++) {
    has_changed = *(volatile uint8_t *)image->pixels != first;
  }
  assert_true(has_changed);
  assert_int_equal(image->width, 4);
  assert_int_equal(image->height, 4);
  assert_int_equal(inspect(&fixture, "ftruncate", NULL), BASE_UNPROCESSABLE);
  for (size_t i = 0; i < image->bytes; i++) image->pixels[i] = 1;
  image_unref(&image);
  fixture_finish(&fixture);
}

// With the signal of its limit blocked and threads that go on after the answer: seen by the next look at idle workers.
static void worker_that_computes_while_idle_is_ended(void **state) {
  (void)state;
  struct fixture fixture = make_confined();
  assert_int_equal(report(&fixture, "thread", NULL), BASE_OK);
  sleep(2);  // an honest one is let live; that looks come by is what is tested
  assert_int_equal(spawns_of(&fixture), 1);
  assert_int_equal(report(&fixture, "burn", NULL), BASE_OK);
  for (int i = 0; i < 600 && spawns_of(&fixture) < 2; i++) usleep(50000);
  assert_int_equal(spawns_of(&fixture), 2);
  assert_int_equal(base_metric_get(base_metrics_counter(fixture.metrics, "pixpop_sandbox_restless_total", "", "")), 1);
  assert_int_equal(report(&fixture, "thread", NULL), BASE_OK);
  fixture_finish(&fixture);
}

static void workers_are_replaced_after_their_share(void **state) {
  (void)state;
  struct fixture fixture = make_fixture(COMPROMISED_DECODER_PATH, (struct sandbox_config){.recycle_after = 3});
  for (int i = 0; i < 7; i++) assert_int_equal(inspect(&fixture, "thread", NULL), BASE_OK);
  assert_true(spawns_of(&fixture) >= 3);
  assert_int_equal(failures_of(&fixture, "crash"), 0);
  fixture_finish(&fixture);
}

enum { NOT_REACHABLE = 77 };

// The same as somebody, as the box runs on most machines: no root to give up.
static void unprivileged_box_confines_its_decoders_as_well(void **state) {
  (void)state;
  if (geteuid() != 0) skip();
  fflush(NULL);
  const pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    // Built where only root may go: nothing to be started.
    if (setgroups(0, NULL) != 0 || setresgid(12345, 12345, 12345) != 0 || setresuid(12345, 12345, 12345) != 0) _exit(9);
    if (access(COMPROMISED_DECODER_PATH, X_OK) != 0) _exit(NOT_REACHABLE);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_deed_is_denied),
        cmocka_unit_test(threads_are_allowed),
        cmocka_unit_test(worker_that_computes_while_idle_is_ended),
        cmocka_unit_test(what_stands_behind_the_list_holds_alone),
    };
    _exit(cmocka_run_group_tests_name("unprivileged", tests, NULL, NULL));
  }
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFEXITED(status));
  if (WEXITSTATUS(status) == NOT_REACHABLE) skip();
  assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_deed_is_denied),
      cmocka_unit_test(threads_are_allowed),
      cmocka_unit_test(what_stands_behind_the_list_holds_alone),
      cmocka_unit_test(decoder_without_seccomp_is_refused_when_it_is_required),
      cmocka_unit_test(failures_are_counted_by_cause),
      cmocka_unit_test(reports_that_lie_cost_the_worker),
      cmocka_unit_test(worker_that_says_more_than_it_was_asked_is_replaced),
      cmocka_unit_test(pixels_may_change_but_not_their_size),
      cmocka_unit_test(worker_that_computes_while_idle_is_ended),
      cmocka_unit_test(workers_are_replaced_after_their_share),
      cmocka_unit_test(unprivileged_box_confines_its_decoders_as_well),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
