#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "remote.h"
#include "terminal.h"

enum { MAX_KERNELS = 8, MAX_NAME_CHARS = 256, CASE_COLUMNS = 18, TIME_COLUMNS = 11 };

static const char page[] =
    "pixpop device - show what resamples pictures on the box, and how fast\n"
    "\n"
    "Usage: pixpop [OPTIONS] device [--json]\n"
    "\n"
    "Prints the Vulkan device (or that the CPU does the work, and why), a table of kernels and their times,\n"
    "the ways pictures take to the device and back, its memory, and how often it was lost.\n"
    "\n"
    "A time is the median of a few runs of one case (a picture size and kind); '*' marks the kernel that\n"
    "is used for pictures like it, '-' what was not measured: a kernel does not take every case, and one\n"
    "that is far behind is given up early. Times are measured at the box's first start and remembered by\n"
    "device and driver in <data>/gpu-cache: remove calibration-*.json there and start the box again to\n"
    "measure anew.\n"
    "\n"
    "With --json: the box's own answer; times are in microseconds.\n"
    "\n"
    "Examples:\n"
    "  pixpop --token-file token device\n"
    "  pixpop --token-file token device --json | jq .calibration.cases\n"
    "\n"
    "Exit status: 0 done, 1 failed, 2 wrong usage\n";

static const char *text_of(const struct base_json_value *object, const char *key, char clean[MAX_NAME_CHARS]) {
  const char *text = base_json_as_string(base_json_get(object, key));
  return text != NULL ? terminal_clean(text, clean, MAX_NAME_CHARS) : "-";
}

static uint64_t number_of(const struct base_json_value *object, const char *key) {
  int64_t value = 0;
  return base_json_as_integer(base_json_get(object, key), &value) && value > 0 ? (uint64_t)value : 0;
}

static bool is_text(const struct base_json_value *object, const char *key, const char *expected) {
  const char *text = base_json_as_string(base_json_get(object, key));
  return text != NULL && strcmp(text, expected) == 0;
}

static void print_device(const struct base_json_value *root) {
  char first[MAX_NAME_CHARS], second[MAX_NAME_CHARS];
  const struct base_json_value *device = base_json_get(root, "device");
  printf("%-12s %s: %s\n", "resampler", text_of(root, "mode", first), text_of(root, "reason", second));
  if (base_json_is_object(device)) {
    printf("%-12s %s, %s\n", "device", text_of(device, "name", first), text_of(device, "type", second));
    printf("%-12s %s\n", "driver", text_of(device, "driver", first));
  } else if (is_text(root, "state", "opening")) {
    printf("%-12s being opened: %s\n", "device",
           is_text(root, "mode", "vulkan") ? "new pictures wait for it" : "the CPU does the work meanwhile");
  } else {
    printf("%-12s none: the CPU does the work\n", "device");
  }
  if (is_text(root, "state", "lost")) printf("%-12s lost: the CPU stands in until it is back\n", "state");
}

// The kernels that appear in any case, as the columns of the table.
static size_t find_kernels(const struct base_json_value *cases, const char *names[MAX_KERNELS]) {
  size_t count = 0;
  for (size_t i = 0; i < base_json_length(cases); i++) {
    const struct base_json_value *kernels = base_json_get(base_json_at(cases, i), "kernels");
    for (size_t k = 0; k < base_json_length(kernels) && count < MAX_KERNELS; k++) {
      const char *name = base_json_as_string(base_json_get(base_json_at(kernels, k), "kernel"));
      size_t at = 0;
      while (name != NULL && at < count && strcmp(names[at], name) != 0) at++;
      if (name != NULL && at == count) names[count++] = name;
    }
  }
  return count;
}

static void print_time(const struct base_json_value *one, const char *kernel) {
  const struct base_json_value *kernels = base_json_get(one, "kernels");
  const char mark = is_text(one, "choice", kernel) ? '*' : ' ';
  for (size_t k = 0; k < base_json_length(kernels); k++) {
    const struct base_json_value *entry = base_json_at(kernels, k);
    if (!is_text(entry, "kernel", kernel)) continue;
    printf("%*.2f ms%c", TIME_COLUMNS - 3, (double)number_of(entry, "microseconds") / 1000, mark);
    return;
  }
  printf("%*s%c", TIME_COLUMNS, "-", mark);
}

static void print_table(const struct base_json_value *calibration) {
  const char *kernels[MAX_KERNELS];
  char clean[MAX_NAME_CHARS];
  const struct base_json_value *cases = base_json_get(calibration, "cases");
  const size_t kernel_count = find_kernels(cases, kernels);
  if (kernel_count == 0) return;
  putchar('\n');
  terminal_print_padded("CASE", CASE_COLUMNS);
  for (size_t k = 0; k < kernel_count; k++)
    printf("%*s ", TIME_COLUMNS, terminal_clean(kernels[k], clean, sizeof(clean)));
  putchar('\n');
  for (size_t i = 0; i < base_json_length(cases); i++) {
    const struct base_json_value *one = base_json_at(cases, i);
    terminal_print_padded(text_of(one, "name", clean), CASE_COLUMNS);
    for (size_t k = 0; k < kernel_count; k++) print_time(one, kernels[k]);
    putchar('\n');
  }
  printf("* is used; %s\n\n", base_json_is_true(base_json_get(calibration, "remembered"))
                                  ? "measured at an earlier start"
                                  : "measured at this start");
}

static void print_rest(const struct base_json_value *root) {
  char first[MAX_NAME_CHARS], second[MAX_NAME_CHARS], size[TERMINAL_SIZE_CHARS], budget[TERMINAL_SIZE_CHARS];
  const struct base_json_value *paths = base_json_get(root, "paths"), *memory = base_json_get(root, "memory");
  printf("%-12s sources %s, results %s\n", "paths", text_of(paths, "source", first), text_of(paths, "result", second));
  printf("%-12s %s of %s\n", "memory", terminal_size(number_of(memory, "bytes"), size),
         terminal_size(number_of(memory, "budget_bytes"), budget));
  printf("%-12s %" PRIu64 ", recovered %" PRIu64 "\n", "losses", number_of(root, "losses"),
         number_of(root, "recoveries"));
}

static void print_all(const struct base_json_value *root) {
  print_device(root);
  print_table(base_json_get(root, "calibration"));
  print_rest(root);
}

static int run(const struct options *options) { return remote_show(options, "/api/v1/device", print_all); }

const struct command command_device = {"device", "show what resamples pictures, and how fast", page, NULL, 0, 0, run};
