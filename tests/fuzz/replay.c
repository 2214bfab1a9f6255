// replay FOLDER: runs a fuzz target over its seeds, without libFuzzer, so that every build with AddressSanitizer does.
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
__attribute__((weak)) int LLVMFuzzerInitialize(int *count, char ***arguments);

static void run(const char *path) {
  struct stat info;
  FILE *file = fopen(path, "rb");
  if (!file || fstat(fileno(file), &info) != 0) {
    perror(path);
    exit(1);
  }
  const size_t bytes = (size_t)info.st_size;
  uint8_t *data = malloc(bytes > 0 ? bytes : 1);  // exactly so many: reading beyond is seen
  if (!data || fread(data, 1, bytes, file) != bytes) {
    perror(path);
    exit(1);
  }
  (void)fclose(file);
  fprintf(stderr, "\r%s ", path);  // the last one told is the one that failed
  (void)LLVMFuzzerTestOneInput(data, bytes);
  free(data);
}

int main(int count, char **arguments) {
  struct dirent **names = NULL;
  const int found = count == 2 ? scandir(arguments[1], &names, NULL, alphasort) : -1;
  int seeds = 0;
  if (LLVMFuzzerInitialize) (void)LLVMFuzzerInitialize(&count, &arguments);
  for (int i = 0; i < found; i++) {
    char path[4096];
    if (names[i]->d_name[0] != '.') {
      (void)snprintf(path, sizeof path, "%s/%s", arguments[1], names[i]->d_name);
      run(path);
      seeds++;
    }
    free(names[i]);
  }
  free(names);
  fprintf(stderr, "\n%d seeds\n", seeds);
  return seeds > 0 ? 0 : 1;
}
