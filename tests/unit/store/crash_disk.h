// A disk that loses its power: what is on it afterwards, at the worst.
//
// The calls by which the store changes files (openat, pwrite, ftruncate, fsync, renameat, linkat, unlinkat) are wrapped
// by the linker. Each is a step, and before the chosen one the process ends. What a power cut would have left is then
// in another folder: of a file, what was there at its last fsync; of a folder, the names that were in it at its last
// fsync. Anything newer may be there too, name by name and file by file, as chance decides: the new bytes, zeros in
// their place, or a part of them. SQLite is not wrapped, so the index is lost.
#ifndef TESTS_STORE_CRASH_DISK_H
#define TESTS_STORE_CRASH_DISK_H

#include <stdbool.h>

enum crash_kind {
  CRASH_KILL,     // the process only: the folder is as it is
  CRASH_NOTHING,  // power: nothing is there but what was synced
  CRASH_ALL,      // power: all of it is there
  CRASH_CHANCE,   // power: see above
};

struct crash_plan {
  unsigned step;  // counted from 1
  enum crash_kind kind;
  unsigned seed;
  const char *root;   // of the store, which is closed
  const char *after;  // an empty folder, filled when power is cut
};

enum { CRASHED = 40 };  // how the process exits

// From here on steps are counted. All that is there is on the disk.
void crash_disk_begin(const struct crash_plan *plan);

#endif
