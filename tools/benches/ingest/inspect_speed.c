// inspect_speed MILLISECONDS FILE...: how fast the inspection reads each file, and beside it our SHA-256 of the same
// bytes; both over the mapped file, at least MILLISECONDS each, in turns. Prints one line of JSON a file.
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "inspect/inspect.h"
#include "integrity/digest.h"

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static struct base_span map(const char *path) {
  struct stat info;
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || fstat(fd, &info) != 0) return base_span_of(NULL, 0);
  void *bytes = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
  close(fd);
  return bytes == MAP_FAILED ? base_span_of(NULL, 0) : base_span_of(bytes, (size_t)info.st_size);
}

static void measure(const char *path, struct base_span file, double least_s) {
  static struct image_report report;
  const struct image_limits limits = IMAGE_LIMITS_DEFAULT;
  struct integrity_digest digest;
  struct base_fault fault = {0};
  double inspect_s = 0, hash_s = 0;
  unsigned rounds = 0;
  for (; inspect_s < least_s || hash_s < least_s; rounds++) {
    const double begin = now();
    if (inspect_file(file, &limits, &report, &fault) != BASE_OK) {
      fprintf(stderr, "inspect_speed: %s: %s\n", path, fault.text);
      exit(1);
    }
    const double middle = now();
    integrity_digest_of(file, &digest);
    inspect_s += middle - begin;
    hash_s += now() - middle;
  }
  const double bytes = (double)file.bytes * rounds;
  printf("{\"file\": \"%s\", \"bytes\": %zu, \"inspect_mb_s\": %.3f, \"sha256_mb_s\": %.3f, \"findings\": %u}\n", path,
         file.bytes, bytes / inspect_s / 1e6, bytes / hash_s / 1e6, report.finding_count);
}

int main(int argc, char **argv) {
  if (argc < 3) {
    fputs("usage: inspect_speed MILLISECONDS FILE...\n", stderr);
    return 2;
  }
  for (int i = 2; i < argc; i++) {
    const struct base_span file = map(argv[i]);
    if (file.data == NULL) {
      fprintf(stderr, "inspect_speed: cannot map %s\n", argv[i]);
      return 1;
    }
    measure(argv[i], file, atof(argv[1]) / 1000);
    munmap((void *)(uintptr_t)file.data, file.bytes);
  }
  return 0;
}
