#include "cpu.h"

#include "cpu_filter.h"
#include "image/convert.h"

static enum base_result run_part(const struct resample_work *work, const struct resample_part *part,
                                 struct image *target, struct base_fault *fault) {
  struct resample_rows rows;
  bool is_done = false;
  enum base_result result = resample_rows_init(&rows, work, part, target, fault);
  if (result != BASE_OK) return result;
  if (resample_zimg_takes(part)) result = resample_zimg_run(&rows, &is_done, fault);
  if (result == BASE_OK && !is_done) result = resample_plain_run(&rows, fault);
  resample_rows_finish(&rows);
  return result;
}

// A picture of the job's size whose planes are the job's place in the target.
static void view_place(const struct resample_job *job, struct image *out) {
  const struct image *target = job->target;
  *out = (struct image){.format = IMAGE_YUV,
                        .width = job->width,
                        .height = job->height,
                        .has_alpha = target->has_alpha,
                        .yuv = target->yuv};
  out->yuv.width = job->width;
  out->yuv.height = job->height;
  for (unsigned i = 0; i < IMAGE_MAX_PLANES; i++) {
    const bool is_chroma = i == IMAGE_PLANE_U || i == IMAGE_PLANE_V;
    const uint32_t block_x = is_chroma ? target->yuv.chroma_x : 1, block_y = is_chroma ? target->yuv.chroma_y : 1;
    if (!target->planes[i].samples) continue;
    out->planes[i] = (struct image_plane){
        .samples = image_plane_row(&target->planes[i], job->y / block_y) + job->x / block_x,
        .width = (job->width + block_x - 1) / block_x,
        .height = (job->height + block_y - 1) / block_y,
        .stride_bytes = target->planes[i].stride_bytes,
    };
  }
}

// RGBA8 to planes: filtered to RGBA8 first.
static enum base_result run_converting(const struct resample_work *work, struct base_fault *fault) {
  const struct resample_job *job = work->job;
  struct image *filtered, place;
  enum base_result result = image_create(job->width, job->height, work->has_alpha, &filtered);
  if (result != BASE_OK) return BASE_FAIL(fault, result, "", "no memory for a filtered picture");
  result = run_part(work, &work->parts[0], filtered, fault);
  if (result == BASE_OK) {
    view_place(job, &place);
    image_convert_to_yuv(filtered, 0, 0, job->width, job->height, &place);
  }
  image_unref(&filtered);
  return result;
}

enum base_result resample_cpu_run(const struct resample_work *work, struct base_fault *fault) {
  if (work->converts) return run_converting(work, fault);
  for (size_t i = 0; i < work->part_count; i++) {
    const enum base_result result = run_part(work, &work->parts[i], work->target, fault);
    if (result != BASE_OK) return result;
  }
  resample_work_fill(work);
  return BASE_OK;
}
