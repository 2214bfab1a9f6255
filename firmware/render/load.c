#include "load.h"

#include "base/file.h"
#include "codec/level.h"
#include "image/convert.h"
#include "store/level.h"

enum { BYTES_A_PIXEL = 4, ALPHA = 3, OPAQUE = 255 };

// Many files carry an alpha channel that says nothing; without it every later step has less to do.
static void drop_idle_alpha(struct image *image) {
  if (!image->has_alpha || image->format != IMAGE_RGBA8) return;
  for (uint32_t y = 0; y < image->height; y++) {
    const uint8_t *row = image_row(image, y);
    for (size_t x = 0; x < image->width; x++) {
      if (row[x * BYTES_A_PIXEL + ALPHA] != OPAQUE) return;
    }
  }
  image->has_alpha = false;
}

// The same picture with a chroma sample for every pixel.
static enum base_result spread_chroma(const struct render *render, struct image **picture, struct base_fault *fault) {
  const struct image_yuv planes = {.width = (*picture)->width,
                                   .height = (*picture)->height,
                                   .range = (*picture)->yuv.range,
                                   .chroma_x = 1,
                                   .chroma_y = 1,
                                   .has_alpha = (*picture)->has_alpha};
  struct resample_source *source = NULL;
  struct image *target;
  enum base_result result = image_create_yuv(&planes, &target);
  if (result != BASE_OK) return BASE_FAIL(fault, result, "size", "no memory for the picture's planes");
  result = resample_source_create(render->resampler, *picture, &source, fault);
  if (result == BASE_OK) {
    const struct resample_job job = {.source = source,
                                     .rect = {0, 0, planes.width, planes.height},
                                     .orientation = IMAGE_UPRIGHT,
                                     .width = planes.width,
                                     .height = planes.height,
                                     .target = target};
    result = resample_run(render->resampler, &job, 1, fault);
    resample_source_unref(&source);
  }
  if (result != BASE_OK) {
    image_unref(&target);
    return result;
  }
  image_unref(picture);
  *picture = target;
  return BASE_OK;
}

static enum base_result make_rgba(const struct render *render, struct image **picture, struct base_fault *fault) {
  const struct image_yuv *yuv = &(*picture)->yuv;
  enum base_result result = BASE_OK;
  if (!yuv->is_grey && (yuv->chroma_x > 1 || yuv->chroma_y > 1)) result = spread_chroma(render, picture, fault);
  if (result != BASE_OK) return result;
  struct image *rgba;
  result = image_convert_to_rgba(*picture, &rgba);
  if (result != BASE_OK) return BASE_FAIL(fault, result, "size", "no memory for the picture in RGB");
  image_unref(picture);
  *picture = rgba;
  return BASE_OK;
}

enum base_result render_load_prepare(const struct render *render, struct image **picture, struct base_fault *fault) {
  drop_idle_alpha(*picture);
  return render->linear_light && (*picture)->format == IMAGE_YUV ? make_rgba(render, picture, fault) : BASE_OK;
}

static enum base_result decode(struct render_load *load, struct base_fault *fault) {
  const struct render *render = load->render;
  int fd = -1;
  enum base_result result = store_original_open(render->store, &load->order->original, &fd, fault);
  if (result != BASE_OK) return BASE_FAIL(fault, result, "id", "the original could not be opened");
  const size_t span = base_trace_begin(&load->order->trace, "decode");
  result = sandbox_decode(render->sandbox, fd, &load->order->header, &load->full, fault);
  base_fd_close(&fd);
  if (result == BASE_OK) result = render_load_prepare(render, &load->full, fault);
  if (result == BASE_OK && render_has_levels(render, load->full->width, load->full->height)) {
    // All of them, also for those who come next: one sweep, little beside the decode.
    static const bool all[IMAGE_LEVELS] = {true, true, true};
    result = image_make_levels(load->full, all, load->levels);
    if (result != BASE_OK) result = BASE_FAIL(fault, result, "size", "no memory for the levels");
  }
  base_trace_end(&load->order->trace, span);
  if (result == BASE_OK) return BASE_OK;
  image_unref(&load->full);
  return BASE_FAIL(fault, result, "", "the original could not be decoded");
}

// A level from the store; NULL when it is not there, damaged, or not what such a level is like.
static struct image *read_level(struct render_load *load, unsigned level) {
  const struct render *render = load->render;
  const struct image_header *header = &load->order->header;
  const unsigned shrink = 1u << level;
  struct base_fault fault = {0};
  struct base_blob *bytes = NULL;
  struct image *image = NULL;
  const size_t span = base_trace_begin(&load->order->trace, "level");
  enum base_result result = store_level_get(render->store, &load->order->original, shrink, &bytes, &fault);
  if (result == BASE_OK) result = codec_level_decode(base_blob_span(bytes), &image, &fault);
  base_blob_unref(&bytes);
  if (result == BASE_OK && (image->width != image_shrunk_side(header->width, shrink) ||
                            image->height != image_shrunk_side(header->height, shrink))) {
    result = BASE_FAIL(&fault, BASE_CORRUPT, "level", "the level is of another size than its original");
    image_unref(&image);
  }
  if (result != BASE_OK && result != BASE_NOT_FOUND) {
    base_log_fault(render->log, BASE_LOG_WARN, RENDER_ROOM, load->order->request_id, &fault);
  }
  base_trace_end(&load->order->trace, span);
  return image;
}

static enum base_result get_image(struct render_load *load, unsigned level, struct image **out,
                                  struct base_fault *fault) {
  if (level > 0 && !load->full) {
    *out = read_level(load, level);
    if (*out) return BASE_OK;
  }
  const enum base_result result = load->full ? BASE_OK : decode(load, fault);
  if (result != BASE_OK) return result;
  *out = image_ref(level == 0 ? load->full : load->levels[level - 1]);
  return BASE_OK;
}

static enum base_result get_source(struct render_load *load, unsigned level, struct resample_source **out,
                                   struct base_fault *fault) {
  struct image *image = NULL;
  enum base_result result = get_image(load, level, &image, fault);
  if (result != BASE_OK) return result;
  result = resample_source_create(load->render->resampler, image, out, fault);
  image_unref(&image);
  return result;
}

enum base_result render_load_run(struct render_load *load, unsigned wanted,
                                 struct resample_source *sources[RENDER_LEVELS], struct base_fault *fault) {
  enum base_result result = BASE_OK;
  for (unsigned level = 0; level < RENDER_LEVELS; level++) sources[level] = NULL;
  // Largest first: when that needs a decode, the levels come with it.
  for (unsigned level = 0; level < RENDER_LEVELS && result == BASE_OK; level++) {
    if (wanted & 1u << level) result = get_source(load, level, &sources[level], fault);
  }
  if (result == BASE_OK) return BASE_OK;
  for (unsigned level = 0; level < RENDER_LEVELS; level++) resample_source_unref(&sources[level]);
  return result;
}

void render_load_finish(struct render_load *load) {
  image_unref(&load->full);
  for (unsigned i = 0; i < IMAGE_LEVELS; i++) image_unref(&load->levels[i]);
}
