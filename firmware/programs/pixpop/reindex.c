#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "command.h"
#include "complain.h"
#include "store/reindex.h"
#include "store/store.h"

static const char page[] =
    "pixpop reindex - rebuild the index of a stopped box\n"
    "\n"
    "Usage: pixpop reindex --data DIR\n"
    "\n"
    "DIR is the data folder of pixpopd (pixpop.data); the store lies in DIR/store. Originals and variants on disk are\n"
    "the truth; the index is only derived from them, and this makes it anew. pixpopd must not run meanwhile.\n"
    "\n"
    "Exit status: 0 done, 1 failed (also when the box is running), 2 wrong usage\n";

enum { RECORDS_BETWEEN_SHOWS = 100 };

// `argument` says whether stderr is a terminal.
static void show(void *argument, uint64_t done) {
  const bool *is_terminal = argument;
  if (*is_terminal && done % RECORDS_BETWEEN_SHOWS == 0) fprintf(stderr, "\r\x1b[K%" PRIu64 " records", done);
}

static enum base_result find_store(const char *data_folder, char *out, size_t capacity, struct base_fault *fault) {
  struct stat info;
  const int length = snprintf(out, capacity, "%s/store", data_folder);
  if (length < 0 || (size_t)length >= capacity) return BASE_FAIL(fault, BASE_BAD_INPUT, "data", "the path is too long");
  // Opening a store makes it: a mistyped folder must not become an empty one.
  if (stat(out, &info) != 0) return BASE_FAIL_ERRNO(fault, "data", "there is no store in '%.200s'", data_folder);
  if (!S_ISDIR(info.st_mode)) return BASE_FAIL(fault, BASE_IO, "data", "'%.200s' is not a folder", out);
  return BASE_OK;
}

static int run(const struct options *options) {
  if (options->data_folder == NULL) return complain_usage("reindex", "--data DIR is missing");
  char root[PATH_MAX];
  struct base_fault fault = {0};
  bool is_terminal = isatty(STDERR_FILENO) == 1;
  struct store_reindex_report report = {0};
  enum base_result result = find_store(options->data_folder, root, sizeof(root), &fault);
  if (result != BASE_OK) return complain_fault(NULL, &fault);

  struct base_log *log = base_log_create(&(struct base_log_config){.fd = STDERR_FILENO, .level = BASE_LOG_WARN});
  // No budget here: what is over it is for pixpopd to evict.
  const struct store_config config = {
      .root = root, .variant_budget_bytes = INT64_MAX, .clock = base_clock_system(), .log = log};
  result = store_reindex(&config, show, &is_terminal, &report, &fault);
  if (is_terminal) fputs("\r\x1b[K", stderr);
  base_log_destroy(&log);
  if (result != BASE_OK) return complain_fault(root, &fault), EXIT_FAILED;
  printf("%" PRIu64 " originals, %" PRIu64 " variants and %" PRIu64 " levels are in the index\n", report.originals,
         report.variants, report.levels);
  printf("%" PRIu64 " damaged records, %" PRIu64 " of an unknown format, %" PRIu64 " orphans removed\n", report.damaged,
         report.unknown, report.orphans);
  return EXIT_FINE;
}

const struct command command_reindex = {"reindex", "rebuild the index of a stopped box", page, NULL, 0, 0, run};
