// What the workers of `tools/bench resample` share: pictures, cases, and how they are told what to run.
//
// A worker has its pictures in memory before the first run. It reads lines "CASE VARIANT", runs that once, and answers
// with the milliseconds it took (and "-" where it does not take the case).
#ifndef BENCH_RESAMPLE_WORKER_H
#define BENCH_RESAMPLE_WORKER_H

#include <stddef.h>
#include <stdint.h>

enum { WORKER_MAX_SIZES = 5, WORKER_MAX_PLANES = 4, WORKER_CASES = 4 };

enum worker_kind { WORKER_RGBA, WORKER_RGB, WORKER_YUV };  // YUV: 4:2:0, full range

struct worker_size {
  unsigned width, height;
};

struct worker_case {
  const char *name;
  const char *picture;  // file name in the folder of pictures, without its ending
  struct worker_size from;
  enum worker_kind kind;
  unsigned size_count;
  struct worker_size to[WORKER_MAX_SIZES];
  // Read from the files: RGBA or RGB pixels, or planes. Rows are packed.
  unsigned channels;     // bytes a pixel; 1 for planes
  unsigned plane_count;  // 1, or 3 for YUV
  uint8_t *planes[WORKER_MAX_PLANES];
};

#ifdef __cplusplus
extern "C" {
#endif

// Of plane `plane`: chroma has half the sides, rounded up.
struct worker_size worker_plane_size(const struct worker_case *one, struct worker_size whole, unsigned plane);
double worker_now_ms(void);
// Ends the program with a message.
void worker_die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

// A line about the worker itself, before it is ready.
void worker_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

// Runs one case once; milliseconds, or below 0 where the variant does not take it.
typedef double worker_run(const struct worker_case *one, unsigned index, const char *variant);
// Reads the pictures, calls prepare for each case, then answers.
int worker_main(int count, char **arguments, void (*prepare)(const struct worker_case *one, unsigned index),
                worker_run *run);

#ifdef __cplusplus
}
#endif

#endif
