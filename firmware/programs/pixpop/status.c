#include <inttypes.h>
#include <stdio.h>

#include "command.h"
#include "remote.h"
#include "terminal.h"

static const char page[] =
    "pixpop status - show how the box is doing\n"
    "\n"
    "Usage: pixpop [OPTIONS] status [--json]\n"
    "\n"
    "Prints version, uptime, the device that resamples, and what the store and the cache in memory hold.\n"
    "With --json: the box's own answer.\n"
    "\n"
    "Exit status: 0 done, 1 failed, 2 wrong usage\n";

static uint64_t number_of(const struct base_json_value *object, const char *key) {
  int64_t value = 0;
  return base_json_as_integer(base_json_get(object, key), &value) && value > 0 ? (uint64_t)value : 0;
}

static void print_text(const char *label, const struct base_json_value *object, const char *key) {
  char clean[256];
  const char *text = base_json_as_string(base_json_get(object, key));
  printf("%-12s %s\n", label, text != NULL ? terminal_clean(text, clean, sizeof(clean)) : "-");
}

static void print_status(const struct base_json_value *status) {
  const struct base_json_value *store = base_json_get(status, "store");
  const struct base_json_value *ram = base_json_get(status, "ram");
  char time[TERMINAL_TIME_CHARS], size[TERMINAL_SIZE_CHARS], budget[TERMINAL_SIZE_CHARS];
  print_text("version", status, "version");
  printf("%-12s %s\n", "uptime", terminal_duration(number_of(status, "uptime_s"), time));
  print_text("device", status, "device");
  print_text("delivery", status, "delivery_url");
  printf("%-12s %" PRIu64 ", %s\n", "originals", number_of(store, "originals"),
         terminal_size(number_of(store, "original_bytes"), size));
  printf("%-12s %" PRIu64 ", %s of %s\n", "on disk", number_of(store, "variants"),
         terminal_size(number_of(store, "variant_bytes"), size),
         terminal_size(number_of(store, "variant_budget_bytes"), budget));
  printf("%-12s %s\n", "disk free", terminal_size(number_of(store, "disk_free_bytes"), size));
  const uint64_t hits = number_of(ram, "hits"), misses = number_of(ram, "misses");
  printf("%-12s %" PRIu64 ", %s\n", "in memory", number_of(ram, "variants"),
         terminal_size(number_of(ram, "bytes"), size));
  const double asked = (double)hits + (double)misses;
  printf("%-12s %" PRIu64 " hits, %" PRIu64 " misses (%.1f%%), %" PRIu64 " evictions\n", "lookups", hits, misses,
         asked > 0 ? (double)hits * 100 / asked : 0, number_of(ram, "evictions"));
}

static int run(const struct options *options) { return remote_show(options, "/api/v1/status", print_status); }

const struct command command_status = {"status", "show how the box is doing", page, NULL, 0, 0, run};
