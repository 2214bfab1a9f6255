#include <stdio.h>

#include "archive_fetch.h"
#include "command.h"
#include "terminal.h"

static const char page[] =
    "pixpop support - fetch what somebody who helps wants to see\n"
    "\n"
    "Usage: pixpop [OPTIONS] support [FILE]\n"
    "\n"
    "Writes a tar archive of a few MB at most: status, metrics, device, what the scrubber and the ledger have found, the\n"
    "settings, the ends of the logs, and of an appliance its slots. FILE (pixpop-support-DATE.tar in this folder) appears\n"
    "when all of it has come; - is stdout.\n"
    "\n"
    "There are no pictures in it, no token and no keys: of settings that are secret it says how many there are, and lines\n"
    "of logs that look as if they told a secret are left out. It does tell addresses of clients and ids of originals.\n"
    "\n"
    "Example:\n"
    "  pixpop --token-file token support && tar -tf pixpop-support-*.tar\n"
    "\n"
    "Exit status: 0 all of it has come, 1 failed, 2 wrong usage\n";

static int run(const struct options *options) {
  char name[ARCHIVE_FETCH_NAME_CHARS], size[TERMINAL_SIZE_CHARS];
  const char *output = options->word_count > 0 ? options->words[0] : archive_fetch_name("support", name);
  struct archive_fetch fetch = {.options = options, .path = "/api/v1/support", .output = output};
  const int status = archive_fetch_run(&fetch);
  if (status == EXIT_FINE && !options->quiet) fprintf(stderr, "%s: %s\n", output, terminal_size(fetch.bytes, size));
  archive_fetch_finish(&fetch);
  return status;
}

const struct command command_support = {"support", "fetch a bundle for whoever helps", page, NULL, 0, 1, run};
