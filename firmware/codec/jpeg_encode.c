// JPEG through libjpeg-turbo: optimised Huffman tables, progressive, 4:2:0.
#include "encoders.h"

#include <string.h>

#include "base/checked.h"
#include "jpeg_error.h"

enum {
  CHUNK_BYTES = 32 * 1024,
  // Of 4:2:0: what one call takes of Y, and of U and V each.
  LUMA_ROWS = 2 * DCTSIZE,
  CHROMA_ROWS = DCTSIZE,
};

// Writes straight into the caller's buffer: libjpeg always owns the CHUNK_BYTES after its end.
struct buffer_destination {
  struct jpeg_destination_mgr manager;  // first, so that libjpeg's pointer to it is a pointer to this
  struct base_buffer *out;
  enum base_result result;
};

static void open_chunk(j_compress_ptr info) {
  struct buffer_destination *destination = (struct buffer_destination *)info->dest;
  destination->result = base_buffer_reserve(destination->out, CHUNK_BYTES);
  if (destination->result != BASE_OK) {
    codec_jpeg_trap_fail((struct jpeg_trap *)info->err, "the JPEG file does not fit into its buffer");
  }
  destination->manager.next_output_byte = destination->out->data + destination->out->bytes;
  destination->manager.free_in_buffer = CHUNK_BYTES;
}

static boolean flush_chunk(j_compress_ptr info) {
  struct buffer_destination *destination = (struct buffer_destination *)info->dest;
  // libjpeg asks for this only when the whole chunk is full, whatever free_in_buffer says.
  destination->out->bytes += CHUNK_BYTES;
  open_chunk(info);
  return TRUE;
}

static void close_chunk(j_compress_ptr info) {
  struct buffer_destination *destination = (struct buffer_destination *)info->dest;
  destination->out->bytes += CHUNK_BYTES - destination->manager.free_in_buffer;
}

struct job {
  const struct image *image;
  int quality;
  struct jpeg_trap trap;
  struct buffer_destination destination;
  struct jpeg_compress_struct info;
};

static void write_pixels(struct job *job) {
  struct jpeg_compress_struct *info = &job->info;
  jpeg_start_compress(info, TRUE);
  while (info->next_scanline < info->image_height) {
    JSAMPROW row = image_row(job->image, info->next_scanline);
    jpeg_write_scanlines(info, &row, 1);
  }
}

// Rows `first` .. first + count - 1 of a plane. libjpeg reads whole blocks: the last column and the last row are
// repeated to their end, in `*spare`, which moves behind what was used of it.
static void plan_rows(const struct image_plane *plane, uint32_t first, uint32_t count, uint8_t **spare, JSAMPROW *out) {
  const size_t width = base_round_up(plane->width, DCTSIZE);
  for (uint32_t i = 0; i < count; i++) {
    if (first + i >= plane->height) {
      out[i] = out[i - 1];
      continue;
    }
    out[i] = image_plane_row(plane, first + i);
    if (width == plane->width) continue;
    memcpy(*spare, out[i], plane->width);
    memset(*spare + plane->width, out[i][plane->width - 1], width - plane->width);
    out[i] = *spare;
    *spare += width;
  }
}

static void write_planes(struct job *job) {
  struct jpeg_compress_struct *info = &job->info;
  const struct image_plane *planes = job->image->planes;
  JSAMPROW y[LUMA_ROWS], u[CHROMA_ROWS], v[CHROMA_ROWS];
  JSAMPARRAY data[] = {y, u, v};
  const size_t luma_bytes = base_round_up(planes[IMAGE_PLANE_Y].width, DCTSIZE);
  const size_t chroma_bytes = base_round_up(planes[IMAGE_PLANE_U].width, DCTSIZE);
  jpeg_start_compress(info, TRUE);
  // Freed with everything else that is libjpeg's.
  uint8_t *memory =
      info->mem->alloc_large((j_common_ptr)info, JPOOL_IMAGE, LUMA_ROWS * luma_bytes + 2 * CHROMA_ROWS * chroma_bytes);
  for (uint32_t turn = 0; info->next_scanline < info->image_height; turn++) {
    uint8_t *spare = memory;
    plan_rows(&planes[IMAGE_PLANE_Y], turn * LUMA_ROWS, LUMA_ROWS, &spare, y);
    plan_rows(&planes[IMAGE_PLANE_U], turn * CHROMA_ROWS, CHROMA_ROWS, &spare, u);
    plan_rows(&planes[IMAGE_PLANE_V], turn * CHROMA_ROWS, CHROMA_ROWS, &spare, v);
    jpeg_write_raw_data(info, data, LUMA_ROWS);
  }
}

// setjmp's frame must not hold what is changed after it: the job is the caller's.
static bool compress(struct job *job) {
  struct jpeg_compress_struct *info = &job->info;
  const bool has_planes = job->image->format == IMAGE_YUV;
  if (setjmp(job->trap.jump) != 0) return false;
  jpeg_create_compress(info);
  info->dest = &job->destination.manager;
  info->image_width = job->image->width;
  info->image_height = job->image->height;
  info->input_components = has_planes ? 3 : 4;
  info->in_color_space = has_planes ? JCS_YCbCr : JCS_EXT_RGBX;
  jpeg_set_defaults(info);  // includes 4:2:0
  jpeg_set_quality(info, job->quality, TRUE);
  jpeg_simple_progression(info);
  info->optimize_coding = TRUE;
  info->raw_data_in = has_planes;
  if (has_planes) {
    write_planes(job);
  } else {
    write_pixels(job);
  }
  jpeg_finish_compress(info);
  return true;
}

static enum base_result jpeg_encode(const struct image *image, const struct codec_encode_options *options,
                                    struct base_buffer *out, struct base_fault *fault) {
  BASE_ASSERT(!image->has_alpha);
  BASE_ASSERT(image->format == IMAGE_RGBA8 || codec_is_420(image, IMAGE_RANGE_FULL));
  if (options->lossless) return BASE_FAIL(fault, BASE_BAD_INPUT, "q", "jpeg has no lossless mode");
  enum base_result result = codec_check_quality(options, fault);
  if (result == BASE_OK) result = codec_check_side(&codec_jpeg_encoder, image, fault);
  if (result != BASE_OK) return result;

  size_t before = out->bytes;
  struct job job = {.image = image, .quality = options->quality};
  job.destination.out = out;
  job.destination.manager.init_destination = open_chunk;
  job.destination.manager.empty_output_buffer = flush_chunk;
  job.destination.manager.term_destination = close_chunk;
  job.info.err = codec_jpeg_trap_init(&job.trap);
  if (!compress(&job)) {
    out->bytes = before;
    result = job.destination.result != BASE_OK ? job.destination.result : BASE_NO_MEMORY;
    result =
        BASE_FAIL(fault, result, "jpeg", "encoding %u x %u as JPEG: %s", image->width, image->height, job.trap.text);
  }
  jpeg_destroy_compress(&job.info);
  return result;
}

const struct codec_encoder codec_jpeg_encoder = {
    .output = CODEC_JPEG,
    .name = "jpeg",
    .media_type = "image/jpeg",
    .keeps_alpha = false,
    .has_lossless = false,
    .max_side = JPEG_MAX_DIMENSION,
    .encode = jpeg_encode,
};
