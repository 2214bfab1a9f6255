// One result on its way from source to canvas: its layout, the level it is made from, its resampling job.
#ifndef RENDER_PICTURE_H
#define RENDER_PICTURE_H

#include "recipe/recipe.h"
#include "state.h"

struct render_picture {
  struct image_layout layout;
  unsigned level;       // 0: the full-size original
  struct image *image;  // the result; the source itself when nothing has to be resampled
};

// Plans where the pixels come from. BASE_BAD_INPUT for formats that are not made here, and what recipe_plan says.
enum base_result render_picture_plan(const struct render *render, struct render_picture *picture,
                                     const struct recipe *recipe, const struct image_header *header,
                                     struct base_fault *fault) BASE_CHECKED;
// Makes the picture that the encoder likes best, padded with the background, and the job that fills it from `source`,
// which is the original at picture->level. *needs_job is false when the source is the result already.
//
//   lossy WebP                  YUV 4:2:0, limited range, with alpha if the source has it
//   lossy AVIF                  YUV 4:2:0, full range, with alpha if the source has it
//   JPEG of an opaque source    YUV 4:2:0, full range
//   everything else, odd pads   RGBA8; from planes through YUV 4:4:4, which render_picture_end converts
enum base_result render_picture_begin(const struct render *render, struct render_picture *picture,
                                      const struct recipe *recipe, struct resample_source *source,
                                      struct resample_job *job, bool *needs_job, struct base_fault *fault) BASE_CHECKED;
// Once the job is done: what is left to do before the picture is encoded. Grey drops the colours of everything, the
// background too.
enum base_result render_picture_end(const struct render *render, struct render_picture *picture,
                                    const struct recipe *recipe, struct base_fault *fault) BASE_CHECKED;
// Composes an RGBA8 picture over the recipe's background, in memory of its own.
enum base_result render_picture_flatten(struct image **image, const struct recipe *recipe,
                                        struct base_fault *fault) BASE_CHECKED;

#endif
