// What is remembered of unfinished uploads, so that a later run can go on with them: one small file an upload, below
// $XDG_STATE_HOME/pixpop (or ~/.local/state/pixpop).
//
// A file is written whole or not at all, and each upload has its own: programs that run at once do not disturb each
// other. What is remembered is only a hint; the box knows what it has.
#ifndef PIXPOP_RESUME_H
#define PIXPOP_RESUME_H

#include <limits.h>
#include <sys/stat.h>

#include "base/span.h"

enum { RESUME_MAX_PATH = 512 };  // bytes of an upload's path on the box, with the terminator

// One file on its way to one box. A file that has changed is another one.
struct resume_key {
  const char *box;  // the console's URL; borrowed
  char file[PATH_MAX];
  uint64_t bytes;
  char modified[32];             // "seconds.nanoseconds"
  char remembered_in[PATH_MAX];  // empty: nowhere
};

// BASE_IO and others when the file has no absolute path. Without a place for state nothing will be remembered.
enum base_result resume_key_make(const char *box, const char *file, const struct stat *info, struct resume_key *out,
                                 struct base_fault *fault) BASE_CHECKED;
// The upload's path on the box; false when nothing is remembered.
bool resume_find(const struct resume_key *key, char out[RESUME_MAX_PATH]);
// Durable when it returns. BASE_NOT_FOUND when there is no place for state.
enum base_result resume_remember(const struct resume_key *key, const char *upload,
                                 struct base_fault *fault) BASE_CHECKED;
// Unless another upload is remembered by now.
void resume_forget(const struct resume_key *key, const char *upload);
// Forgets whatever file was on its way as `upload`.
void resume_forget_upload(const char *box, const char *upload);
// Removes what is so old that no box has kept its upload.
void resume_sweep(void);

#endif
