// JPEG through libjpeg-turbo: optimised Huffman tables, progressive, 4:2:0.
#include "encoders.h"
#include "jpeg_error.h"

enum { CHUNK_BYTES = 32 * 1024 };

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

// setjmp's frame must not hold what is changed after it: the job is the caller's.
static bool compress(struct job *job) {
  struct jpeg_compress_struct *info = &job->info;
  if (setjmp(job->trap.jump) != 0) return false;
  jpeg_create_compress(info);
  info->dest = &job->destination.manager;
  info->image_width = job->image->width;
  info->image_height = job->image->height;
  info->input_components = 4;
  info->in_color_space = JCS_EXT_RGBX;
  jpeg_set_defaults(info);  // includes 4:2:0
  jpeg_set_quality(info, job->quality, TRUE);
  jpeg_simple_progression(info);
  info->optimize_coding = TRUE;
  jpeg_start_compress(info, TRUE);
  while (info->next_scanline < info->image_height) {
    JSAMPROW row = image_row(job->image, info->next_scanline);
    jpeg_write_scanlines(info, &row, 1);
  }
  jpeg_finish_compress(info);
  return true;
}

static enum base_result jpeg_encode(const struct image *image, const struct codec_encode_options *options,
                                    struct base_buffer *out, struct base_fault *fault) {
  BASE_ASSERT(!image->has_alpha);
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
