// To be preloaded into a program: the machine is called what the file that PIXPOP_TEST_HOST_NAME names holds.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Without <unistd.h>, whose own may be an inline function.
__attribute__((visibility("default"))) int gethostname(char *name, size_t capacity);

int gethostname(char *name, size_t capacity) {
  const char *path = getenv("PIXPOP_TEST_HOST_NAME");
  FILE *file = path ? fopen(path, "re") : NULL;
  if (!file) return -1;
  memset(name, 0, capacity);
  const size_t count = fread(name, 1, capacity - 1, file);
  (void)fclose(file);
  return count > 0 ? 0 : -1;
}
