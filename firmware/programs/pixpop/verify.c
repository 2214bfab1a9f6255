#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "command.h"
#include "complain.h"
#include "verify_places.h"

static const char page[] =
    "pixpop verify - check every byte that a box stores against its signed ledger\n"
    "\n"
    "Usage: pixpop [OPTIONS] verify [URL] [--vkey KEY] [--state FILE]\n"
    "       pixpop verify --offline DIR [--vkey KEY] [--state FILE]\n"
    "\n"
    "Checks the signature of the ledger's checkpoint, that the ledger continues what was seen of it before, and of\n"
    "every original and variant: its bytes, the tree over its 64 KiB blocks, and that the ledger holds an entry which\n"
    "says so. What is not as it was signed is named, one line each.\n"
    "\n"
    "  URL                      a box's console (--console); all originals and variants of the token's tenant are\n"
    "                           fetched\n"
    "      --offline DIR        no box is asked: DIR is a folder made by pixpop sync, or the data folder of pixpopd\n"
    "                           (all tenants; it is only read, and pixpopd may be running)\n"
    "      --vkey KEY           the ledger's key, as the console's page shows it. Without it the key of the first\n"
    "                           run is believed and remembered, and another one is wrong from then on\n"
    "      --state FILE         where keys and last checkpoints are remembered\n"
    "                           ($XDG_STATE_HOME/pixpop/ledgers.json, ~/.local/state/pixpop/ledgers.json)\n"
    "\n"
    "Examples:\n"
    "  pixpop --token-file token verify https://box.example:8443\n"
    "  pixpop verify --offline /var/lib/pixpop --vkey pixpop-1f0c9a2b.local/ledger+5d1e77a0+AbCd...\n"
    "\n"
    "Exit status: 0 everything is proven, 1 something could not be checked (network, files, wrong usage),\n"
    "             2 something is wrong\n";

static bool is_folder(const char *path) {
  struct stat info;
  return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

// Whether `folder` has all of `inside`; out is the joined path.
static bool has_folder(const char *folder, const char *inside, char out[PATH_MAX]) {
  const int length = snprintf(out, PATH_MAX, "%s/%s", folder, inside);
  return length > 0 && length < PATH_MAX && is_folder(out);
}

static void verify_offline(const struct options *options, struct verify_report *report) {
  char path[PATH_MAX];
  if (!is_folder(options->offline)) {
    verify_report_unchecked(report, options->offline, "there is no such folder");
  } else if (has_folder(options->offline, ".pixpop", path)) {
    verify_mirror(options, options->offline, report);
  } else if (has_folder(options->offline, "store/originals", path)) {
    (void)has_folder(options->offline, "store", path);
    verify_folder(options, path, report);
  } else if (has_folder(options->offline, "originals", path)) {
    verify_folder(options, options->offline, report);
  } else {
    verify_report_unchecked(report, options->offline,
                            "this is neither a folder made by pixpop sync nor the data folder of pixpopd");
  }
}

static int run(const struct options *options) {
  struct options own = *options;
  struct verify_report report;
  if (options->offline != NULL && options->word_count > 0)
    return complain_usage("verify", "either a URL or --offline DIR, not both"), VERIFY_UNCHECKED;
  if (options->word_count > 0) own.console_url = options->words[0];
  verify_report_init(&report);
  if (options->offline != NULL)
    verify_offline(&own, &report);
  else
    verify_box(&own, &report);
  const int status = verify_report_end(&report);
  verify_report_finish(&report);
  return status;
}

const struct command command_verify = {
    "verify", "check every byte that a box stores against its signed ledger", page, NULL, 0, 1, run};
