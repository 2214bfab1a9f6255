// Installing a bundle into the slot that does not run, as it streams in, in constant memory.
//
// Order: the whole head is checked (signature, board, version, floor, sizes against the partitions) before anything is
// touched; the target slot is marked bad; images are written, hashed and synced; both are read back from the disk and
// hashed again; only then is the slot marked untried, with all tries, and first. A crash, a cut or a wrong byte
// anywhere before leaves the running slot as it is.
//
// Memory: about a MiB from the heap, at begin, and the head's few KB. One thread at a time; whoever else changes the
// slots' state has to wait until the install is destroyed.
#ifndef UPDATE_INSTALL_H
#define UPDATE_INSTALL_H

#include "update/bundle.h"

enum update_phase { UPDATE_READING_HEAD, UPDATE_WRITING, UPDATE_CHECKING, UPDATE_DONE, UPDATE_FAILED };

struct update_progress {
  enum update_phase phase;
  uint64_t done, total;  // bytes of the phase
  enum slots_id target;
  struct update_manifest manifest;  // once it is known
};

const char *update_phase_name(enum update_phase phase);  // "reading", "writing", "checking", "done", "failed"

// Everything in it is borrowed until the install is destroyed.
struct update_config {
  const struct slots_loader *loader;
  const struct update_keys *keys;
  const char *board;
  enum slots_id target;               // never the running one
  bool is_forced;                     // rescue: the other slot may be bad too
  bool allows_older;                  // somebody asked for it by name; never below the floor
  const char *floor;                  // of what installs; counts when it is above the boot loader's; may be NULL or ""
  const char *running_version;        // a lower one is refused without allows_older; NULL: not compared
  const char *devices[UPDATE_PARTS];  // the target's partitions, or files of their size
  void (*note)(void *self, const struct update_progress *progress);  // at least every MiB; may be NULL
  void *self;
};

struct update_install;

enum base_result update_install_begin(const struct update_config *config, struct update_install **out,
                                      struct base_fault *fault) BASE_CHECKED;
// Bytes of the bundle, as many at a time as there are; waits for the disk. BASE_FORBIDDEN: signature; BASE_CONFLICT:
// wrong board, older than what runs, below the floor, or the other slot can not be booted; BASE_TOO_LARGE for the
// partition; BASE_CHECKSUM: an image is not what the manifest says; BASE_BAD_INPUT: no bundle, or bytes behind its end;
// BASE_NO_SPACE, BASE_IO: the disk. After a failure only get_progress and destroy may follow.
enum base_result update_install_write(struct update_install *install, struct base_span bytes,
                                      struct base_fault *fault) BASE_CHECKED;
// No more bytes come. BASE_BAD_INPUT: the bundle is cut off.
enum base_result update_install_end(struct update_install *install, struct base_fault *fault) BASE_CHECKED;
// After the end: reads a piece (at most a MiB) of the partitions back; with the last one (*is_done) switches over. For
// a program whose one thread has other things to do. BASE_CORRUPT: the disk does not give back what was written.
enum base_result update_install_check(struct update_install *install, bool *is_done,
                                      struct base_fault *fault) BASE_CHECKED;
// The end and all of the checking in one.
enum base_result update_install_finish(struct update_install *install, struct base_fault *fault) BASE_CHECKED;
void update_install_get_progress(const struct update_install *install, struct update_progress *out);
// Without a finish that worked the target slot stays bad.
void update_install_destroy(struct update_install **install);

#endif
