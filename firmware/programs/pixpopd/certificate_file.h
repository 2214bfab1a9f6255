// The file of delivery's certificate: replaced and shown as one, put aside when it is damaged.
//
// For certificate.c. No state; one caller at a time.
#ifndef PIXPOPD_CERTIFICATE_FILE_H
#define PIXPOPD_CERTIFICATE_FILE_H

#include <stdbool.h>

#include "base/log.h"

enum {
  CERTIFICATE_FILE_MODE = 0600,       // it holds the key
  CERTIFICATE_ASIDE_BYTES = 512 + 16  // of the name of what was put aside
};

struct certificate_change {
  enum base_result (*write)(void *self, struct base_fault *fault);  // in the place of the old one, durably
  enum base_result (*show)(void *self, struct base_fault *fault);   // what is there then
  void *self;
};
// Writes and shows. After a failure of either the file is as it was; what keeps it from that is logged. BASE_NO_MEMORY
// and BASE_IO, beside their faults, when the old one can not be kept meanwhile.
enum base_result certificate_file_change(const char *path, const struct certificate_change *change,
                                         struct base_log *log, struct base_fault *fault) BASE_CHECKED;
// True for what is there and no file: a folder, a FIFO.
bool certificate_file_is_odd(const char *path);
// Renames it to PATH.damaged, or PATH.damaged.2 to .9 when there is one: what was put aside first may be the operator's
// own. After a failure, BASE_CONFLICT when there are nine, it stays where it is.
enum base_result certificate_file_put_aside(const char *path, char out[CERTIFICATE_ASIDE_BYTES],
                                            struct base_fault *fault) BASE_CHECKED;
// Removes what was put aside: it may hold keys.
void certificate_file_forget_aside(const char *path);
// Removes what a crash has left of a write, which holds a key.
void certificate_file_clean(const char *path);

#endif
