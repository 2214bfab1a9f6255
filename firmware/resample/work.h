// The resampler's inside: one checked job, cut into parts that are filtered each for itself, and the two machines that
// can run it.
#ifndef RESAMPLE_WORK_H
#define RESAMPLE_WORK_H

#include "resample/resample.h"
#include "span.h"

// A plane of a YUV job, or all of an RGBA8 one.
struct resample_part {
  unsigned plane;             // enum image_plane_index, of source and target; 0 for RGBA8
  struct resample_span x, y;  // along the SOURCE's axes; flips are in their signs
  // In samples of the target's plane (after orientation).
  uint32_t target_x, target_y, target_width, target_height;
  float gain, bias;  // sample * gain + bias changes the range; 1 and 0 where it stays
};

// Made by resample_work_init; plain values, nothing to finish.
struct resample_work {
  const struct resample_job *job;
  const struct image *source;
  struct image *target;
  bool has_alpha;  // of the source
  bool is_linear;
  bool swaps;         // source columns become target rows
  bool converts;      // RGBA8 -> YUV, after filtering
  bool fills_chroma;  // from a grey source: the target's U and V become 128 over the job's rectangle
  bool fills_alpha;   // from an opaque source: the target's A becomes 255 there (RGBA8 does that by itself)
  size_t part_count;  // 1 for RGBA8 sources
  struct resample_part parts[IMAGE_MAX_PLANES];
};

// Checks the job; the errors are those of resample_run.
enum base_result resample_work_init(struct resample_work *work, const struct resample_job *job,
                                    struct base_fault *fault) BASE_CHECKED;
// Does what fills_chroma and fills_alpha say; the CPU writes to the target.
void resample_work_fill(const struct resample_work *work);

struct resample_copy;  // the device's

struct resample_source {
  atomic_uint refs;
  struct resampler *resampler;
  struct image *image;
  struct resample_copy *copy;  // NULL: none; belongs to the device's lock
};

#endif
