// The sandbox with decoders that do harm.
#include "sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
  struct base_metrics *metrics;
  struct sandbox *sandbox;
};

static struct fixture make_fixture(unsigned workers, uint32_t timeout_ms, uint32_t wait_ms) {
  struct fixture fixture = {.metrics = base_metrics_create()};
  struct base_fault fault = {0};
  struct sandbox_config config = {.decoder_path = HOSTILE_DECODER_PATH,
                                  .workers = workers,
                                  .timeout_ms = timeout_ms,
                                  .wait_ms = wait_ms,
                                  .limits = IMAGE_LIMITS_DEFAULT,
                                  .metrics = fixture.metrics};
  if (sandbox_create(&config, &fixture.sandbox, &fault) != BASE_OK) fail_msg("%s", fault.text);
  return fixture;
}

static void fixture_finish(struct fixture *fixture) {
  sandbox_destroy(&fixture->sandbox);
  base_metrics_destroy(&fixture->metrics);
}

static int64_t count_of(const struct fixture *fixture, const char *what) {
  char name[64];
  snprintf(name, sizeof name, "pixpop_sandbox_%s_total", what);
  return base_metric_get(base_metrics_counter(fixture->metrics, name, "", ""));
}

static int64_t failures_of(const struct fixture *fixture, const char *cause) {
  char label[64];
  snprintf(label, sizeof label, "cause=\"%s\"", cause);
  return base_metric_get(base_metrics_counter(fixture->metrics, "pixpop_sandbox_failures_total", label, ""));
}

// A file whose first byte tells the hostile decoder what to do.
static int file_with(char deed) {
  int fd = memfd_create("deed", MFD_CLOEXEC);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, &deed, 1), 1);
  return fd;
}

static enum base_result inspect(struct fixture *fixture, char deed, struct base_fault *fault) {
  struct image_header header;
  int fd = file_with(deed);
  enum base_result result = sandbox_inspect(fixture->sandbox, fd, &header, fault);
  close(fd);
  return result;
}

static enum base_result decode_as(struct fixture *fixture, char deed, bool has_alpha, struct image **out,
                                  struct base_fault *fault) {
  struct image_header header = {.format = IMAGE_FILE_PNG,
                                .width = 4,
                                .height = 4,
                                .orientation = IMAGE_UPRIGHT,
                                .colour = IMAGE_COLOUR_RGB,
                                .bits = 8,
                                .has_alpha = has_alpha};
  int fd = file_with(deed);
  enum base_result result = sandbox_decode(fixture->sandbox, fd, &header, out, fault);
  assert_int_equal(*out != NULL, result == BASE_OK);
  close(fd);
  return result;
}

static enum base_result decode(struct fixture *fixture, char deed, struct base_fault *fault) {
  struct image *image;
  enum base_result result = decode_as(fixture, deed, false, &image, fault);
  image_unref(&image);
  return result;
}

static void worker_that_fails_costs_one_request_and_is_replaced(void **state) {
  (void)state;
  struct fixture fixture = make_fixture(1, 10000, 10000);
  static const char deeds[] = "cesmuo";
  for (size_t i = 0; deeds[i]; i++) {
    struct base_fault fault = {0};
    assert_int_equal(inspect(&fixture, deeds[i], &fault), BASE_UNPROCESSABLE);
    assert_string_equal(fault.subject, "decoder");
    assert_int_equal(decode(&fixture, deeds[i], NULL), BASE_UNPROCESSABLE);
    assert_int_equal(inspect(&fixture, '.', NULL), BASE_OK);
    assert_int_equal(decode(&fixture, '.', NULL), BASE_OK);
  }
  assert_int_equal(failures_of(&fixture, "crash"), 4);
  assert_int_equal(failures_of(&fixture, "protocol"), 8);
  assert_int_equal(failures_of(&fixture, "timeout"), 0);
  assert_int_equal(count_of(&fixture, "spawns"), 13);
  fixture_finish(&fixture);
}

static void worker_that_was_killed_from_outside_is_tried_once_more(void **state) {
  (void)state;
  struct fixture fixture = make_fixture(1, 10000, 10000);
  struct base_fault fault = {0};
  assert_int_equal(inspect(&fixture, 'f', NULL), BASE_OK);
  assert_int_equal(failures_of(&fixture, "killed"), 1);
  assert_int_equal(decode(&fixture, 'f', NULL), BASE_OK);
  assert_int_equal(failures_of(&fixture, "killed"), 2);
  // Twice, and the kernel may be short of memory still: come again.
  assert_int_equal(inspect(&fixture, 'x', &fault), BASE_BUSY);
  assert_string_equal(fault.subject, "decoder");
  assert_int_equal(failures_of(&fixture, "killed"), 4);
  assert_int_equal(inspect(&fixture, '.', NULL), BASE_OK);
  assert_int_equal(count_of(&fixture, "spawns"), 5);
  fixture_finish(&fixture);
}

static void worker_that_hangs_is_killed_at_the_time_out(void **state) {
  (void)state;
  struct fixture fixture = make_fixture(1, 1000, 10000);
  struct base_fault fault = {0};
  assert_int_equal(inspect(&fixture, 'l', &fault), BASE_UNPROCESSABLE);
  assert_string_equal(fault.subject, "timeout");
  assert_non_null(strstr(fault.text, "1000 ms"));
  assert_int_equal(inspect(&fixture, '.', NULL), BASE_OK);
  assert_int_equal(failures_of(&fixture, "timeout"), 1);
  assert_int_equal(failures_of(&fixture, "crash"), 0);
  fixture_finish(&fixture);
}

static void worker_that_got_no_processor_time_is_not_the_pictures_fault(void **state) {
  (void)state;
  struct fixture fixture = make_fixture(1, 300, 10000);
  struct base_fault fault = {0};
  assert_int_equal(inspect(&fixture, 'h', &fault), BASE_BUSY);
  assert_string_equal(fault.subject, "timeout");
  assert_int_equal(failures_of(&fixture, "starved"), 1);
  assert_int_equal(failures_of(&fixture, "timeout"), 0);
  assert_int_equal(inspect(&fixture, '.', NULL), BASE_OK);
  fixture_finish(&fixture);
}

static void worker_that_calls_it_the_servers_fault_is_not_believed(void **state) {
  (void)state;
  struct fixture fixture = make_fixture(1, 10000, 10000);
  assert_int_equal(inspect(&fixture, 'i', NULL), BASE_UNPROCESSABLE);
  assert_int_equal(decode(&fixture, 'I', NULL), BASE_UNPROCESSABLE);
  assert_int_equal(failures_of(&fixture, "error"), 2);
  fixture_finish(&fixture);
}

static void worker_that_died_while_idle_costs_nobody(void **state) {
  (void)state;
  struct fixture fixture = make_fixture(1, 10000, 10000);
  for (int i = 0; i < 5; i++) {
    assert_int_equal(inspect(&fixture, 'd', NULL), BASE_OK);
    usleep(50000);  // its death takes a moment; it is what is tested
  }
  assert_int_equal(inspect(&fixture, '.', NULL), BASE_OK);
  assert_int_equal(failures_of(&fixture, "crash"), 0);
  assert_int_equal(count_of(&fixture, "spawns"), 6);
  fixture_finish(&fixture);
}

static void header_over_the_limits_is_refused_whatever_the_worker_says(void **state) {
  (void)state;
  struct fixture fixture = make_fixture(1, 10000, 10000);
  struct base_fault fault = {0};
  assert_int_equal(inspect(&fixture, 'w', &fault), BASE_UNPROCESSABLE);
  assert_string_equal(fault.subject, "max_side");
  fixture_finish(&fixture);
}

static void picture_that_makes_no_sense_costs_the_worker(void **state) {
  (void)state;
  struct fixture fixture = make_fixture(1, 10000, 10000);
  static const char deeds[] = "k039rg";
  for (size_t i = 0; deeds[i]; i++) {
    struct base_fault fault = {0};
    assert_int_equal(decode(&fixture, deeds[i], &fault), BASE_UNPROCESSABLE);
    assert_string_equal(fault.subject, "decoder");
    assert_int_equal(decode(&fixture, '.', NULL), BASE_OK);
  }
  assert_int_equal(failures_of(&fixture, "protocol"), sizeof deeds - 1);
  fixture_finish(&fixture);
}

// 4 x 4 pixels of three planes with rows of 64 bytes take more than RGBA8 would: the memory holds them all the same.
static void planes_fit_where_they_take_more_than_pixels(void **state) {
  (void)state;
  struct fixture fixture = make_fixture(1, 10000, 10000);
  struct image *image;
  assert_int_equal(decode_as(&fixture, 'y', false, &image, NULL), BASE_OK);
  assert_int_equal(image->format, IMAGE_YUV);
  for (size_t i = 0; i < image->bytes; i++) image->pixels[i] = 1;
  image_unref(&image);
  fixture_finish(&fixture);
}

static void planes_of_a_file_with_alpha_are_refused(void **state) {
  (void)state;
  struct fixture fixture = make_fixture(1, 10000, 10000);
  struct image *image;
  struct base_fault fault = {0};
  assert_int_equal(decode_as(&fixture, 'y', true, &image, &fault), BASE_UNPROCESSABLE);
  assert_string_equal(fault.subject, "size");
  fixture_finish(&fixture);
}

static void memory_shortage_in_a_worker_is_the_pictures_fault(void **state) {
  (void)state;
  struct fixture fixture = make_fixture(1, 10000, 10000);
  struct base_fault fault = {0};
  assert_int_equal(inspect(&fixture, 'n', &fault), BASE_UNPROCESSABLE);
  assert_int_equal(failures_of(&fixture, "memory"), 1);
  assert_int_equal(strspn(fault.text, "?"), strlen(fault.text));
  assert_int_equal(failures_of(&fixture, "crash"), 0);
  fixture_finish(&fixture);
}

struct caller {
  pthread_t thread;
  struct fixture *fixture;
  enum base_result result;
  char deed;
};

static void *call(void *argument) {
  struct caller *caller = argument;
  caller->result = inspect(caller->fixture, caller->deed, NULL);
  return NULL;
}

static void callers_get_busy_when_no_worker_becomes_free_in_time(void **state) {
  (void)state;
  struct fixture fixture = make_fixture(1, 3000, 100);
  struct caller hanging = {.fixture = &fixture, .deed = 'h'};
  assert_int_equal(pthread_create(&hanging.thread, NULL, call, &hanging), 0);
  enum base_result result;
  // Until the other thread has the worker, ours may still get it.
  for (int i = 0; i < 20 && (result = inspect(&fixture, '.', NULL)) == BASE_OK; i++) usleep(10000);
  assert_int_equal(result, BASE_BUSY);
  assert_int_equal(pthread_join(hanging.thread, NULL), 0);
  assert_int_equal(hanging.result, BASE_BUSY);
  fixture_finish(&fixture);
}

static void threads_that_crash_workers_do_not_disturb_the_others(void **state) {
  (void)state;
  enum { CALLERS = 12 };
  struct fixture fixture = make_fixture(2, 10000, 10000);
  struct caller callers[CALLERS];
  for (int round = 0; round < 5; round++) {
    for (int i = 0; i < CALLERS; i++) {
      callers[i] = (struct caller){.fixture = &fixture, .deed = i % 3 ? '.' : 'c'};
      assert_int_equal(pthread_create(&callers[i].thread, NULL, call, &callers[i]), 0);
    }
    for (int i = 0; i < CALLERS; i++) {
      assert_int_equal(pthread_join(callers[i].thread, NULL), 0);
      assert_int_equal(callers[i].result, i % 3 ? BASE_OK : BASE_UNPROCESSABLE);
    }
  }
  assert_int_equal(failures_of(&fixture, "crash"), 20);
  fixture_finish(&fixture);
}

static void assert_can_not_start(const char *path, enum base_result result) {
  struct sandbox *sandbox;
  struct base_fault fault = {0};
  struct sandbox_config config = {.decoder_path = path, .timeout_ms = 5000, .limits = IMAGE_LIMITS_DEFAULT};
  assert_int_equal(sandbox_create(&config, &sandbox, &fault), result);
  assert_null(sandbox);
  assert_non_null(strstr(fault.text, path));
}

static void create_fails_when_the_decoder_is_missing_or_another_program(void **state) {
  (void)state;
  assert_can_not_start("/nonexistent/decoder", BASE_NOT_FOUND);
  assert_can_not_start("/bin/true", BASE_IO);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(worker_that_fails_costs_one_request_and_is_replaced),
      cmocka_unit_test(worker_that_was_killed_from_outside_is_tried_once_more),
      cmocka_unit_test(worker_that_hangs_is_killed_at_the_time_out),
      cmocka_unit_test(worker_that_got_no_processor_time_is_not_the_pictures_fault),
      cmocka_unit_test(worker_that_calls_it_the_servers_fault_is_not_believed),
      cmocka_unit_test(worker_that_died_while_idle_costs_nobody),
      cmocka_unit_test(header_over_the_limits_is_refused_whatever_the_worker_says),
      cmocka_unit_test(picture_that_makes_no_sense_costs_the_worker),
      cmocka_unit_test(planes_fit_where_they_take_more_than_pixels),
      cmocka_unit_test(planes_of_a_file_with_alpha_are_refused),
      cmocka_unit_test(memory_shortage_in_a_worker_is_the_pictures_fault),
      cmocka_unit_test(callers_get_busy_when_no_worker_becomes_free_in_time),
      cmocka_unit_test(threads_that_crash_workers_do_not_disturb_the_others),
      cmocka_unit_test(create_fails_when_the_decoder_is_missing_or_another_program),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
