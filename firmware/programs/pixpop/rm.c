#include <stdint.h>
#include <stdio.h>

#include "command.h"
#include "complain.h"
#include "remote.h"
#include "variant_path.h"

enum { PATH_BYTES = 128 };

static const char page[] =
    "pixpop rm - remove originals and their variants\n"
    "\n"
    "Usage: pixpop [OPTIONS] rm ID...\n"
    "\n"
    "Copies in browsers and caches live on until they expire. An id that fails is said and the others go on.\n"
    "\n"
    "Exit status: 0 all are removed, 1 at least one is not, 2 wrong usage\n";

static int remove_one(struct remote *remote, const char *id) {
  char path[PATH_BYTES];
  struct client_response response = {0};
  snprintf(path, sizeof(path), "/api/v1/originals/%s", id);
  const int status = remote_ask(remote, "DELETE", path, id, &response);
  if (status == EXIT_FINE) printf("removed %s\n", id);
  client_response_finish(&response);
  return status;
}

static int run(const struct options *options) {
  for (size_t i = 0; i < options->word_count; i++) {
    if (!variant_path_is_id(options->words[i])) return complain_usage("rm", "'%s' is not an id", options->words[i]);
  }
  struct remote remote;
  struct base_fault fault = {0};
  int status = EXIT_FINE;
  if (remote_open_console(options, &remote, &fault) != BASE_OK) {
    status = complain_fault(NULL, &fault);
  } else {
    for (size_t i = 0; i < options->word_count; i++) {
      if (remove_one(&remote, options->words[i]) != EXIT_FINE) status = EXIT_FAILED;
    }
  }
  remote_close(&remote);
  return status;
}

const struct command command_rm = {"rm", "remove originals and their variants", page, "ID", 1, SIZE_MAX, run};
