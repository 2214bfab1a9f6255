// A tar archive that the box makes while it is fetched: kept only when all of it has come.
#ifndef PIXPOP_ARCHIVE_FETCH_H
#define PIXPOP_ARCHIVE_FETCH_H

#include "base/json.h"
#include "options.h"

struct archive_fetch {
  // Set by the caller, the rest zero.
  const struct options *options;
  const char *path;    // on the console
  const char *output;  // a file, which only its owner may read; "-": stdout
  const char *wanted;  // name of a JSON file in the archive that the caller wants to see; NULL: none

  struct base_json *found;  // the wanted one; destroyed by archive_fetch_finish; NULL: it was not there
  uint64_t bytes;
};

// An exit status; failures have been said. With a bar on a terminal.
int archive_fetch_run(struct archive_fetch *fetch);
void archive_fetch_finish(struct archive_fetch *fetch);
// "pixpop-KIND-2026-11-23.tar" for when nobody names a file.
enum { ARCHIVE_FETCH_NAME_CHARS = 64 };
const char *archive_fetch_name(const char *kind, char out[ARCHIVE_FETCH_NAME_CHARS]);

#endif
