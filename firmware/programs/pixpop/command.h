// One command of pixpop; each lives in a file of its own.
#ifndef PIXPOP_COMMAND_H
#define PIXPOP_COMMAND_H

#include <stddef.h>

#include "options.h"

struct command {
  const char *name;
  const char *summary;
  const char *page;     // what `pixpop NAME --help` prints
  const char *operand;  // what min_words counts: "ID"; NULL when there are none
  size_t min_words, max_words;
  // An exit status; failures have been said on stderr.
  int (*run)(const struct options *options);
};

extern const struct command command_put, command_uploads, command_show, command_make, command_get, command_url,
    command_ls, command_rm, command_purge, command_prewarm, command_status, command_device, command_reindex,
    command_sync, command_verify, command_bundle, command_update, command_slots, command_claim, command_backup,
    command_restore, command_settings, command_certificate, command_support;

#endif
