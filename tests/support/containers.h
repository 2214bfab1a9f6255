// The files that make_containers.py wrote. Every failure fails the test.
//
// Include after <cmocka.h>. CONTAINERS_FOLDER comes from CMake; the fixture `containers` fills it.
#ifndef CONTAINERS_H
#define CONTAINERS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

enum { CONTAINER_MAX_BYTES = 1 << 20 };

// The whole file; finish it.
static inline struct base_buffer container_file(const char *name) {
  char path[512];
  struct base_buffer buffer;
  snprintf(path, sizeof path, "%s/%s", CONTAINERS_FOLDER, name);
  if (base_file_read(path, CONTAINER_MAX_BYTES, &buffer, NULL) != BASE_OK) fail_msg("%s can not be read", path);
  return buffer;
}

#endif
