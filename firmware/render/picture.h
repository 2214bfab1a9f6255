// One result on its way from source to canvas: its layout, its shrink and its resampling job.
#ifndef RENDER_PICTURE_H
#define RENDER_PICTURE_H

#include "image/geometry.h"
#include "image/image.h"
#include "recipe/recipe.h"
#include "resample/resample.h"

struct render_picture {
  struct image_layout layout;
  unsigned shrink;      // at which the source is decoded
  struct image *image;  // the result; the source itself when nothing has to be resampled
};

// Plans where the pixels come from. BASE_BAD_INPUT for formats that are not made here, and what recipe_plan says.
enum base_result render_picture_plan(struct render_picture *picture, const struct recipe *recipe,
                                     const struct image_header *header, struct base_fault *fault) BASE_CHECKED;
// Makes the canvas, padded with the background, and the job that fills it from `source`, which is the original at
// 1 / picture->shrink. *needs_job is false when the source is the result already.
enum base_result render_picture_begin(struct render_picture *picture, const struct recipe *recipe,
                                      const struct image_header *header, struct image *source, struct resample_job *job,
                                      bool *needs_job, struct base_fault *fault) BASE_CHECKED;

#endif
