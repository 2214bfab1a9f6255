#include <inttypes.h>
#include <stdio.h>

#include "archive_fetch.h"
#include "command.h"
#include "remote.h"
#include "terminal.h"

static const char page[] =
    "pixpop backup - fetch a backup of the box: settings and originals\n"
    "\n"
    "Usage: pixpop [OPTIONS] backup [FILE]\n"
    "\n"
    "Writes a tar archive, which tar and every desktop can open: each original byte for byte as it was uploaded, with its\n"
    "name, tags and time beside it, of all tenants; the configuration file; the lists of what is prewarmed. The box goes\n"
    "on meanwhile. FILE (pixpop-backup-DATE.tar in this folder) appears when all of it has come; - is stdout.\n"
    "\n"
    "An appliance's network settings are in it too; restore puts them back with --network. What is not in it: variants,\n"
    "which the box makes again; its token, certificate and ledger, which are each box's own. An original that is damaged\n"
    "on the box is left out, and said.\n"
    "\n"
    "The configuration has the keys that sign the tenants' URLs, so that those stay valid: keep the file where nobody\n"
    "else can read it. Only its owner may read it when it is made.\n"
    "\n"
    "Examples:\n"
    "  pixpop --token-file token backup\n"
    "  pixpop --token-file token backup - | ssh vault 'cat > box.tar'\n"
    "  pixpop --token-file new-token --console https://new-box:8443 restore pixpop-backup-2026-11-23.tar\n"
    "\n"
    "Exit status: 0 all of it has come, 1 failed or something had to be left out, 2 wrong usage\n";

static int say_omitted(const struct base_json_value *end) {
  const int64_t count = remote_integer_of(end, "omitted_count");
  const struct base_json_value *omitted = base_json_get(end, "omitted");
  if (count == 0) return EXIT_FINE;
  fprintf(stderr, "pixpop: %" PRId64 " %s damaged on the box and not in the backup; upload %s again:\n", count,
          count == 1 ? "original is" : "originals are", count == 1 ? "it" : "them");
  for (size_t i = 0; i < base_json_length(omitted); i++) {
    char clean[64];
    const char *id = base_json_as_string(base_json_at(omitted, i));
    fprintf(stderr, "pixpop:   %s\n", id != NULL ? terminal_clean(id, clean, sizeof(clean)) : "-");
  }
  return EXIT_FAILED;
}

static int run(const struct options *options) {
  char name[ARCHIVE_FETCH_NAME_CHARS], size[TERMINAL_SIZE_CHARS];
  const char *output = options->word_count > 0 ? options->words[0] : archive_fetch_name("backup", name);
  struct archive_fetch fetch = {
      .options = options, .path = "/api/v1/backup", .output = output, .wanted = "backup-end.json"};
  int status = archive_fetch_run(&fetch);
  if (status == EXIT_FINE && fetch.found == NULL) {
    fputs("pixpop: the backup is not whole: backup-end.json is missing\n", stderr);
    status = EXIT_FAILED;
  } else if (status == EXIT_FINE) {
    const struct base_json_value *end = base_json_root(fetch.found);
    const int64_t originals = remote_integer_of(end, "originals");
    if (!options->quiet)
      fprintf(stderr, "%s: %" PRId64 " %s, %s\n", output, originals, originals == 1 ? "original" : "originals",
              terminal_size(fetch.bytes, size));
    status = say_omitted(end);
  }
  archive_fetch_finish(&fetch);
  return status;
}

const struct command command_backup = {"backup", "fetch a backup: settings and originals", page, NULL, 0, 1, run};
