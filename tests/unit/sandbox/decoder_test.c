// The sandbox with the real decoder.
#include "sandbox/sandbox.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "pictures.h"
#include "sandbox/protocol.h"

static struct sandbox *make_sandbox(struct base_metrics *metrics, struct image_limits limits) {
  struct sandbox *sandbox;
  struct base_fault fault = {0};
  struct sandbox_config config = {.decoder_path = DECODER_PATH,
                                  .memory_bytes = DECODER_MEMORY_BYTES,
                                  .recycle_after = 1000,
                                  .limits = limits,
                                  .metrics = metrics};
  if (sandbox_create(&config, &sandbox, &fault) != BASE_OK) fail_msg("%s", fault.text);
  return sandbox;
}

static int open_picture(const char *name, int flags) {
  char path[512];
  snprintf(path, sizeof path, "%s/%s", PICTURES_FOLDER, name);
  int fd = open(path, flags | O_CLOEXEC);
  assert_true(fd >= 0);
  return fd;
}

static void every_picture_is_inspected_and_decoded(void **state) {
  (void)state;
  struct pictures pictures;
  pictures_read(&pictures);
  struct sandbox *sandbox = make_sandbox(NULL, IMAGE_LIMITS_DEFAULT);
  for (size_t i = 0; i < pictures.count; i++) {
    const struct picture *picture = &pictures.list[i];
    struct image_header header;
    struct image *image;
    struct base_fault fault = {0};
    int fd = open_picture(picture->name, i % 2 ? O_RDONLY : O_RDWR);
    if (sandbox_inspect(sandbox, fd, &header, &fault) != BASE_OK) fail_msg("%s: %s", picture->name, fault.text);
    picture_assert_header(picture, &header);
    if (sandbox_decode(sandbox, fd, &header, &image, &fault) != BASE_OK) fail_msg("%s: %s", picture->name, fault.text);
    picture_assert_pixels(picture, image);
    image_unref(&image);
    close(fd);
  }
  sandbox_destroy(&sandbox);
  assert_null(sandbox);
}

static void planes_arrive_in_memory_that_devices_can_import(void **state) {
  (void)state;
  static const struct {
    const char *name;
    unsigned across, down;  // 0: RGBA8
  } wanted[] = {{"rgb420.jpg", 2, 2}, {"rgb422.jpg", 2, 1}, {"rgb.jpg", 1, 1},
                {"grey.jpg", 1, 1},   {"one.jpg", 2, 2},    {"rgba8.png", 0, 0}};
  struct sandbox *sandbox = make_sandbox(NULL, IMAGE_LIMITS_DEFAULT);
  for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
    struct image_header header;
    struct image *image;
    int fd = open_picture(wanted[i].name, O_RDONLY);
    assert_int_equal(sandbox_inspect(sandbox, fd, &header, NULL), BASE_OK);
    assert_int_equal(sandbox_decode(sandbox, fd, &header, &image, NULL), BASE_OK);
    assert_int_equal(image->format, wanted[i].across ? IMAGE_YUV : IMAGE_RGBA8);
    assert_int_equal(image->yuv.chroma_x, wanted[i].across);
    assert_int_equal(image->yuv.chroma_y, wanted[i].down);
    assert_int_equal(image->has_alpha, header.has_alpha);
    assert_int_equal((uintptr_t)image->pixels % IMAGE_PAGE_BYTES, 0);
    assert_int_equal(image->bytes % IMAGE_PAGE_BYTES, 0);
    // All of it is there, and may be written to.
    for (size_t at = 0; at < image->bytes; at += IMAGE_PAGE_BYTES) image->pixels[at] ^= 1;
    image_unref(&image);
    close(fd);
  }
  sandbox_destroy(&sandbox);
}

static void assert_inspect_fails(struct sandbox *sandbox, const char *name, enum base_result result,
                                 const char *subject) {
  struct image_header header;
  struct base_fault fault = {0};
  int fd = open_picture(name, O_RDONLY);
  assert_int_equal(sandbox_inspect(sandbox, fd, &header, &fault), result);
  assert_string_equal(fault.subject, subject);
  assert_true(fault.text[0] != '\0');
  close(fd);
}

static void faults_travel_with_subject_and_text(void **state) {
  (void)state;
  struct sandbox *sandbox = make_sandbox(NULL, IMAGE_LIMITS_DEFAULT);
  assert_inspect_fails(sandbox, "text.jpg", BASE_UNSUPPORTED, "format");
  assert_inspect_fails(sandbox, "empty.png", BASE_UNSUPPORTED, "format");
  assert_inspect_fails(sandbox, "huge_header.png", BASE_UNPROCESSABLE, "max_side");
  sandbox_destroy(&sandbox);
  struct image_limits limits = IMAGE_LIMITS_DEFAULT;
  limits.max_pixels = 37 * 23 - 1;
  limits.max_file_bytes = 5000;
  sandbox = make_sandbox(NULL, limits);
  assert_inspect_fails(sandbox, "rgb8.png", BASE_UNPROCESSABLE, "max_pixels");
  assert_inspect_fails(sandbox, "bomb_idat.png", BASE_UNPROCESSABLE, "max_file_bytes");
  sandbox_destroy(&sandbox);
}

static void file_that_changed_since_inspection_is_unprocessable(void **state) {
  (void)state;
  struct sandbox *sandbox = make_sandbox(NULL, IMAGE_LIMITS_DEFAULT);
  struct image_header header;
  struct image *image;
  struct base_fault fault = {0};
  int big = open_picture("rgb8.png", O_RDONLY), small = open_picture("one.png", O_RDONLY);
  assert_int_equal(sandbox_inspect(sandbox, big, &header, NULL), BASE_OK);
  assert_int_equal(sandbox_decode(sandbox, small, &header, &image, &fault), BASE_UNPROCESSABLE);
  assert_null(image);
  assert_string_equal(fault.subject, "size");
  close(big);
  close(small);
  sandbox_destroy(&sandbox);
}

static void descriptor_that_is_no_file_is_an_error_not_a_crash(void **state) {
  (void)state;
  struct base_metrics *metrics = base_metrics_create();
  struct sandbox *sandbox = make_sandbox(metrics, IMAGE_LIMITS_DEFAULT);
  struct image_header header;
  int pipes[2];
  assert_int_equal(pipe(pipes), 0);
  assert_int_equal(sandbox_inspect(sandbox, pipes[0], &header, NULL), BASE_INTERNAL);
  assert_int_equal(sandbox_inspect(sandbox, -1, &header, NULL), BASE_IO);
  assert_int_equal(
      base_metric_get(base_metrics_counter(metrics, "pixpop_sandbox_failures_total", "cause=\"crash\"", "")), 0);
  close(pipes[0]);
  close(pipes[1]);
  sandbox_destroy(&sandbox);
  base_metrics_destroy(&metrics);
}

struct caller {
  pthread_t thread;
  struct sandbox *sandbox;
  const struct picture *picture;
};

static void *decode_again_and_again(void *argument) {
  struct caller *caller = argument;
  int fd = open_picture(caller->picture->name, O_RDONLY);
  for (int i = 0; i < 20; i++) {
    struct image_header header;
    struct image *image;
    if (sandbox_inspect(caller->sandbox, fd, &header, NULL) != BASE_OK) return caller;
    if (sandbox_decode(caller->sandbox, fd, &header, &image, NULL) != BASE_OK) return caller;
    picture_assert_pixels(caller->picture, image);
    image_unref(&image);
  }
  close(fd);
  return NULL;
}

static void many_threads_share_few_workers(void **state) {
  (void)state;
  enum { CALLERS = 8 };
  struct pictures pictures;
  struct caller callers[CALLERS];
  pictures_read(&pictures);
  struct base_metrics *metrics = base_metrics_create();
  struct sandbox *sandbox = make_sandbox(metrics, IMAGE_LIMITS_DEFAULT);
  for (size_t i = 0; i < CALLERS; i++) {
    callers[i] = (struct caller){.sandbox = sandbox, .picture = &pictures.list[i * 9]};
    assert_int_equal(pthread_create(&callers[i].thread, NULL, decode_again_and_again, &callers[i]), 0);
  }
  for (size_t i = 0; i < CALLERS; i++) {
    void *failed;
    assert_int_equal(pthread_join(callers[i].thread, &failed), 0);
    assert_null(failed);
  }
  assert_int_equal(base_metric_get(base_metrics_counter(metrics, "pixpop_sandbox_spawns_total", "", "")), 2);
  sandbox_destroy(&sandbox);
  base_metrics_destroy(&metrics);
}

// A compressed file that needs more memory than a small limit allows, but stays within the picture limits.
static void picture_too_large_for_the_workers_memory_is_unprocessable(void **state) {
  (void)state;
  if (DECODER_MEMORY_BYTES == 0) skip();
  struct sandbox *sandbox;
  struct base_fault fault = {0};
  struct sandbox_config config = {
      .decoder_path = DECODER_PATH, .memory_bytes = 256u << 20, .limits = IMAGE_LIMITS_DEFAULT, .workers = 1};
  assert_int_equal(sandbox_create(&config, &sandbox, &fault), BASE_OK);
  char header_text[64];
  int length = snprintf(header_text, sizeof header_text, "P5 8000 8000 255\n");
  int fd = memfd_create("large", MFD_CLOEXEC);
  assert_int_equal(pwrite(fd, header_text, (size_t)length, 0), length);
  assert_int_equal(ftruncate(fd, length + 8000 * 8000), 0);
  struct image_header header = {.format = IMAGE_FILE_PNM,
                                .width = 8000,
                                .height = 8000,
                                .orientation = IMAGE_UPRIGHT,
                                .colour = IMAGE_COLOUR_GREY,
                                .bits = 8};
  struct image *image;
  assert_int_equal(sandbox_decode(sandbox, fd, &header, &image, &fault), BASE_UNPROCESSABLE);
  close(fd);
  sandbox_destroy(&sandbox);
}

// The process id of a child of ours, 0 when there is none.
static int find_child(void) {
  int found = 0;
  DIR *processes = opendir("/proc");
  assert_non_null(processes);
  for (struct dirent *entry; !found && (entry = readdir(processes)) != NULL;) {
    char path[300], name[64];
    int pid, parent = 0;
    snprintf(path, sizeof path, "/proc/%s/stat", entry->d_name);
    FILE *file = fopen(path, "r");
    if (!file) continue;
    if (fscanf(file, "%d (%63[^)]) %*c %d", &pid, name, &parent) == 3 && parent == getpid()) found = pid;
    fclose(file);
  }
  closedir(processes);
  return found;
}

static void assert_proc_says(int pid, const char *file_name, const char *line_start, const char *value) {
  char path[64], line[256];
  snprintf(path, sizeof path, "/proc/%d/%s", pid, file_name);
  FILE *file = fopen(path, "r");
  assert_non_null(file);
  bool found = false;
  while (!found && fgets(line, sizeof line, file)) found = strncmp(line, line_start, strlen(line_start)) == 0;
  fclose(file);
  assert_true(found);
  char first[64];
  assert_int_equal(sscanf(line + strlen(line_start), "%63s", first), 1);
  assert_string_equal(first, value);
}

static void decoder_has_given_up_what_it_does_not_need(void **state) {
  (void)state;
  int leaked = dup(STDERR_FILENO);  // without close-on-exec
  struct sandbox *sandbox = make_sandbox(NULL, IMAGE_LIMITS_DEFAULT);
  int pid = find_child();
  assert_true(pid > 0);
  assert_proc_says(pid, "status", "NoNewPrivs:", "1");
  assert_proc_says(pid, "status", "Seccomp:", "2");  // SECCOMP_MODE_FILTER
  assert_proc_says(pid, "status", "CapEff:", "0000000000000000");
  assert_proc_says(pid, "status", "CapBnd:", "0000000000000000");
  if (geteuid() == 0) assert_proc_says(pid, "status", "Uid:", "65534");
  assert_proc_says(pid, "limits", "Max file size", DECODER_MEMORY_BYTES ? "0" : "unlimited");
  assert_proc_says(pid, "limits", "Max core file size", "0");
  assert_proc_says(pid, "limits", "Max open files", "16");
  if (DECODER_MEMORY_BYTES != 0) assert_proc_says(pid, "limits", "Max address space", "2147483648");
  char path[64];
  struct stat status;
  snprintf(path, sizeof path, "/proc/%d/fd/%d", pid, SANDBOX_SOCKET_FD);
  if (lstat(path, &status) == 0) {  // needs root: the process may not be looked into
    snprintf(path, sizeof path, "/proc/%d/fd/%d", pid, SANDBOX_SOCKET_FD + 1);
    assert_int_equal(lstat(path, &status), -1);
  }
  close(leaked);
  sandbox_destroy(&sandbox);
}

static void decoder_refuses_when_started_by_hand(void **state) {
  (void)state;
  assert_int_not_equal(system(DECODER_PATH " 0 65534 2>/dev/null"), 0);
  assert_int_not_equal(system(DECODER_PATH " 2>/dev/null"), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_picture_is_inspected_and_decoded),
      cmocka_unit_test(planes_arrive_in_memory_that_devices_can_import),
      cmocka_unit_test(faults_travel_with_subject_and_text),
      cmocka_unit_test(file_that_changed_since_inspection_is_unprocessable),
      cmocka_unit_test(descriptor_that_is_no_file_is_an_error_not_a_crash),
      cmocka_unit_test(many_threads_share_few_workers),
      cmocka_unit_test(decoder_has_given_up_what_it_does_not_need),
      cmocka_unit_test(decoder_refuses_when_started_by_hand),
      cmocka_unit_test(picture_too_large_for_the_workers_memory_is_unprocessable),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
