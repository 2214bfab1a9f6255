// A temporary folder of a test's own. Aborts when the machine cannot give one.
#ifndef TESTS_TEMP_FOLDER_H
#define TESTS_TEMP_FOLDER_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct temp_folder {
  char path[64];
};

static inline void temp_folder_must(int is_fine, const char *what) {
  if (is_fine) return;
  perror(what);
  abort();
}

static inline void temp_folder_make(struct temp_folder *folder) {
  strcpy(folder->path, "/tmp/pixpop-test-XXXXXX");
  temp_folder_must(mkdtemp(folder->path) != NULL, "mkdtemp");
}

// "<folder>/<name>" into `out`, which is returned.
static inline char *temp_folder_path(const struct temp_folder *folder, const char *name, char *out, size_t capacity) {
  const int length = snprintf(out, capacity, "%s/%s", folder->path, name);
  temp_folder_must(length > 0 && (size_t)length < capacity, "temp_folder_path");
  return out;
}

static inline int temp_folder_remove_one(const char *path, const struct stat *info, int type, struct FTW *place) {
  (void)info, (void)type, (void)place;
  return remove(path);
}

// Removes the folder with all that is in it.
static inline void temp_folder_remove(struct temp_folder *folder) {
  enum { OPEN_FOLDERS = 16 };
  temp_folder_must(nftw(folder->path, temp_folder_remove_one, OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS) == 0, folder->path);
  folder->path[0] = '\0';
}

#endif
