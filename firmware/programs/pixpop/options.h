// The command line of pixpop: options anywhere, the first other word is the command, the rest are its words.
#ifndef PIXPOP_OPTIONS_H
#define PIXPOP_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/result.h"

enum { EXIT_FINE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct options {
  const char *command;  // NULL: none given
  size_t word_count;
  char **words;  // into argv
  bool wants_help, wants_version;

  const char *console_url;
  bool is_console_named;  // by somebody, and not the default
  const char *delivery_url;
  const char *token;       // NULL: none
  const char *token_file;  // NULL: none; read when there is no token
  const char *ca_file;     // NULL: the system's
  const char *fingerprint;
  const char *output;                     // get -o, claim -o
  const char *data_folder;                // reindex --data
  const char *widths, *format, *quality;  // make --widths, --fm, --q
  const char *chunk, *parallel;           // put --chunk, --parallel
  const char *recipe, *tag;               // purge --recipe; purge and prewarm --tag
  bool no_resume, multipart, quiet;       // put; --quiet of sync, backup, restore and support too
  const char *expires, *key, *salt;       // url --expires, --key, --salt
  bool sign, iiif, imgproxy;              // url
  bool remove;                            // uploads --rm, sync --delete, certificate --remove
  const char *offline, *vkey, *state;     // verify; --vkey of sync too
  bool dry_run, no_ledger;                // sync
  const char *socket;                     // update, slots
  bool older, reboot;                     // update
  bool keep_settings, network;            // restore
  const char *set_file;                   // settings --set, certificate --set
  bool json;                              // put, uploads, show, ls, status, device, make, prewarm, sync
};

// Defaults, then the environment (PIXPOP_*), then argv, whose words are reordered in place.
enum base_result options_parse(int argc, char **argv, struct options *out, struct base_fault *fault) BASE_CHECKED;

#endif
