#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "remote.h"
#include "terminal.h"

static const char page[] =
    "pixpop status - show how the box is doing\n"
    "\n"
    "Usage: pixpop [OPTIONS] status [--json]\n"
    "\n"
    "Prints version, uptime, the device that resamples, what the store and the cache in memory hold, the certificate of\n"
    "the delivery side, the ledger with its key, and when the bytes on the disk were last checked, with the originals\n"
    "that are damaged.\n"
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

static void print_ledger(const struct base_json_value *ledger) {
  const char *state = base_json_as_string(base_json_get(ledger, "state"));
  char time[TERMINAL_TIME_CHARS], size[TERMINAL_SIZE_CHARS], clean[256];
  if (state == NULL || strcmp(state, "off") == 0) {
    printf("%-12s off\n", "ledger");
    return;
  }
  const uint64_t entries = number_of(ledger, "size"), signed_s = number_of(ledger, "signed_s");
  printf("%-12s %s, %" PRIu64 " %s, %s", "ledger", terminal_clean(state, clean, sizeof(clean)), entries,
         entries == 1 ? "entry" : "entries", terminal_size(number_of(ledger, "disk_bytes"), size));
  if (signed_s > 0) printf(", signed on %s", terminal_time((int64_t)signed_s, time));
  putchar('\n');
  const char *reason = base_json_as_string(base_json_get(ledger, "reason"));
  if (reason != NULL && reason[0] != '\0') print_text("", ledger, "reason");
  print_text("key", ledger, "vkey");
}

static void print_damaged(const struct base_json_value *scrub) {
  const struct base_json_value *damaged = base_json_get(scrub, "damaged");
  const uint64_t count = number_of(scrub, "damaged_count");
  const size_t named = base_json_length(damaged);
  if (count == 0) return;
  printf("%-12s %" PRIu64 " %s: upload the same %s again\n", "DAMAGED", count, count == 1 ? "original" : "originals",
         count == 1 ? "file" : "files");
  for (size_t i = 0; i < named; i++) {
    char time[TERMINAL_TIME_CHARS], clean[64];
    const struct base_json_value *one = base_json_at(damaged, i);
    const char *id = base_json_as_string(base_json_get(one, "id"));
    printf("%-12s %s, found on %s\n", "", id != NULL ? terminal_clean(id, clean, sizeof(clean)) : "-",
           terminal_time((int64_t)number_of(one, "found_s"), time));
  }
  if (count > named) printf("%-12s and %" PRIu64 " more\n", "", count - named);
}

static void print_scrub(const struct base_json_value *scrub) {
  char time[TERMINAL_TIME_CHARS], size[TERMINAL_SIZE_CHARS];
  const bool is_on = base_json_is_true(base_json_get(scrub, "on"));
  const bool is_walking = base_json_is_true(base_json_get(scrub, "is_walking"));
  const uint64_t last_s = number_of(scrub, "last_round_s");
  printf("%-12s ", "checked");
  if (!is_on) printf("only what is read (scrub.on is off)");
  if (is_walking) {
    printf("%" PRIu64 " of about %" PRIu64 " objects, %s; ", number_of(scrub, "round_objects"),
           number_of(scrub, "total_objects"), terminal_size(number_of(scrub, "round_bytes"), size));
  }
  if (is_on && last_s > 0) printf("everything on %s", terminal_time((int64_t)last_s, time));
  if (is_on && last_s == 0) printf("not everything yet");
  putchar('\n');
  print_damaged(scrub);
}

// Of the delivery side; nothing without TLS.
static void print_certificate(const struct base_json_value *certificate) {
  const struct base_json_value *warnings = base_json_get(certificate, "warnings");
  char time[TERMINAL_TIME_CHARS], clean[512];
  if (!base_json_is_object(certificate)) return;
  print_text("certificate", certificate, "source");
  if (strcmp(remote_text_of(certificate, "source"), "self-made") != 0) {
    printf("%-12s valid until %s\n", "", terminal_time(remote_integer_of(certificate, "not_after_s"), time));
  }
  for (size_t i = 0; i < base_json_length(warnings); i++) {
    const char *warning = base_json_as_string(base_json_at(warnings, i));
    printf("%-12s WARNING: %s\n", "", warning != NULL ? terminal_clean(warning, clean, sizeof(clean)) : "-");
  }
}

static void print_all(const struct base_json_value *status) {
  print_status(status);
  print_certificate(base_json_get(status, "certificate"));
  print_ledger(base_json_get(status, "ledger"));
  print_scrub(base_json_get(status, "scrub"));
}

static int run(const struct options *options) { return remote_show(options, "/api/v1/status", print_all); }

const struct command command_status = {"status", "show how the box is doing", page, NULL, 0, 0, run};
