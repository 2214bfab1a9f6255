// sandbox_overhead DECODER ROUNDS FILE...: what the sandbox adds to a decode. Each file is decoded ROUNDS times in this
// process and ROUNDS times by a warm worker of the sandbox, in turns; prints one line of JSON a file, with medians.
//
// Both decode into fresh shared memory (memfd), which the resampler needs to take a picture over without copying it.
// heap_ms is the same in this process into memory of the heap, which is used again and again and so costs no page
// faults.
#define _GNU_SOURCE
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "codec/codec.h"
#include "sandbox/sandbox.h"

enum { MAX_ROUNDS = 10000 };

struct subject {
  const char *path;
  int fd;
  struct image_header header;
};

static double now_ms(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

static void give_up(const char *path, const struct base_fault *fault) {
  fprintf(stderr, "sandbox_overhead: %s: %s\n", path, fault->text);
  exit(1);
}

static void unmap(void *pixels, size_t bytes) { munmap(pixels, bytes); }

static enum base_result create_shared(const struct image_header *header, const struct codec_picture *picture,
                                      struct image **out) {
  size_t bytes = (size_t)header->width * header->height * 4;
  if (picture->format == IMAGE_YUV && image_yuv_bytes(&picture->yuv, &bytes) != BASE_OK) return BASE_TOO_LARGE;
  const int fd = memfd_create("pixels", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0 || ftruncate(fd, (off_t)bytes) != 0) return BASE_IO;
  void *pixels = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (pixels == MAP_FAILED) return BASE_IO;
  return picture->format == IMAGE_YUV ? image_adopt_yuv(pixels, bytes, &picture->yuv, unmap, out)
                                      : image_adopt(pixels, bytes, header->width, header->height, header->width * 4,
                                                    header->has_alpha, unmap, out);
}

static enum base_result create_on_heap(const struct image_header *header, const struct codec_picture *picture,
                                       struct image **out) {
  return picture->format == IMAGE_YUV ? image_create_yuv(&picture->yuv, out)
                                      : image_create(header->width, header->height, header->has_alpha, out);
}

// The decoder's own steps, without a process around them.
static enum base_result decode_here(const struct subject *subject, bool is_shared, struct base_fault *fault) {
  struct stat status;
  struct codec_picture picture = {0};
  const struct codec_decoder *decoder;
  const struct image_limits limits = IMAGE_LIMITS_DEFAULT;
  struct image_header header;
  struct image *image = NULL;
  if (fstat(subject->fd, &status) != 0) return BASE_IO;
  void *bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, subject->fd, 0);
  if (bytes == MAP_FAILED) return BASE_IO;
  const struct base_span file = base_span_of(bytes, (size_t)status.st_size);
  enum base_result result = codec_inspect(file, &limits, &decoder, &header, fault);
  if (result == BASE_OK) result = decoder->plan(file, &header, &picture, fault);
  if (result == BASE_OK) result = (is_shared ? create_shared : create_on_heap)(&header, &picture, &image);
  if (result == BASE_OK) result = decoder->decode(file, &header, image, fault);
  image_unref(&image);
  munmap(bytes, (size_t)status.st_size);
  return result;
}

static int by_value(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median(double *values, size_t count) {
  qsort(values, count, sizeof *values, by_value);
  return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

static double time_here(const struct subject *subject, bool is_shared) {
  struct base_fault fault = {0};
  const double begin = now_ms();
  if (decode_here(subject, is_shared, &fault) != BASE_OK) give_up(subject->path, &fault);
  return now_ms() - begin;
}

static double time_there(struct sandbox *sandbox, const struct subject *subject) {
  struct base_fault fault = {0};
  struct image *image;
  const double begin = now_ms();
  if (sandbox_decode(sandbox, subject->fd, &subject->header, &image, &fault) != BASE_OK) {
    give_up(subject->path, &fault);
  }
  image_unref(&image);
  return now_ms() - begin;
}

static void measure(struct sandbox *sandbox, const struct subject *subject, size_t rounds) {
  static double here[MAX_ROUNDS], heap[MAX_ROUNDS], there[MAX_ROUNDS], more[MAX_ROUNDS];
  // One round more, first and not counted, warms all of them.
  for (size_t i = 0; i <= rounds; i++) {
    const size_t at = i == 0 ? 0 : i - 1;
    heap[at] = time_here(subject, false);
    here[at] = time_here(subject, true);
    there[at] = time_there(sandbox, subject);
    more[at] = there[at] - here[at];
  }
  const char *slash = strrchr(subject->path, '/');
  printf(
      "{\"row\": \"sandbox/%s\", \"in_process_ms\": %.3f, \"sandbox_ms\": %.3f, \"overhead_ms\": %.3f, "
      "\"heap_ms\": %.3f}\n",
      slash ? slash + 1 : subject->path, median(here, rounds), median(there, rounds), median(more, rounds),
      median(heap, rounds));
  fflush(stdout);
}

int main(int argc, char **argv) {
  const unsigned long rounds = argc > 3 ? strtoul(argv[2], NULL, 10) : 0;
  if (rounds < 1 || rounds > MAX_ROUNDS) {
    fputs("usage: sandbox_overhead DECODER ROUNDS FILE...\n", stderr);
    return 2;
  }
  // As the decoder does: or its heap alone would stay warm.
  mallopt(M_ARENA_MAX, 1);
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 64 << 20);
  struct sandbox *sandbox;
  struct base_fault fault = {0};
  const struct sandbox_config config = {.decoder_path = argv[1],
                                        .workers = 1,
                                        .memory_bytes = SANDBOX_MEMORY_BYTES,
                                        .require_isolation = true,
                                        .limits = IMAGE_LIMITS_DEFAULT};
  if (sandbox_create(&config, &sandbox, &fault) != BASE_OK) give_up(argv[1], &fault);
  for (int i = 3; i < argc; i++) {
    struct subject subject = {.path = argv[i], .fd = open(argv[i], O_RDONLY | O_CLOEXEC)};
    if (sandbox_inspect(sandbox, subject.fd, &subject.header, &fault) != BASE_OK) give_up(argv[i], &fault);
    measure(sandbox, &subject, rounds);
    close(subject.fd);
  }
  sandbox_destroy(&sandbox);
  return 0;
}
