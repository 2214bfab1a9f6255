// One part of a work as rows of floats: what both of the CPU's filters read from and write to.
//
// Samples are 0..255; in linear light colour is 0..1. Colour of pictures with alpha is premultiplied.
#ifndef RESAMPLE_CPU_ROWS_H
#define RESAMPLE_CPU_ROWS_H

#include "work.h"

enum { RESAMPLE_CPU_CHANNELS = 4 };

struct resample_light;

// Outputs are counted in the order of the source here, along both axes; flips and turns happen in the store.
struct resample_rows {
  const struct resample_part *part;
  unsigned channels;  // 1: a plane; 3: RGB; 4: RGB and alpha
  bool swaps;
  const uint8_t *source;  // the first sample that may be read
  size_t source_stride_bytes;
  uint8_t *target;  // the part's corner
  size_t target_stride_bytes;
  size_t sample_bytes;  // of source and target: 1 or 4
  uint8_t *stage;       // finished samples that wait to be turned; NULL: they go straight to the target
  size_t stage_stride_bytes;
  struct resample_light *light;  // NULL: not in linear light
};

// `target` is the work's, or an RGBA8 picture of the job's size that stands in for it.
enum base_result resample_rows_init(struct resample_rows *rows, const struct resample_work *work,
                                    const struct resample_part *part, struct image *target,
                                    struct base_fault *fault) BASE_CHECKED;
void resample_rows_finish(struct resample_rows *rows);
// Columns left .. right-1 of row `y`, counted from the span's first samples, to the same places of the lines.
void resample_rows_read(const struct resample_rows *rows, uint32_t y, uint32_t left, uint32_t right,
                        float *const lines[RESAMPLE_CPU_CHANNELS]);
// Outputs left .. right-1 of output row `y`. Rows come in ascending order; a range of columns may be finished before
// the next one begins.
void resample_rows_write(const struct resample_rows *rows, uint32_t y, uint32_t left, uint32_t right,
                         const float *const lines[RESAMPLE_CPU_CHANNELS]);

#endif
