// JPEG through libjpeg-turbo.
#include "decoders.h"

#include <stdlib.h>
#include <string.h>

#include "colour.h"
#include "jpeg_error.h"
#include "metadata.h"

enum {
  // Every scan of a progressive picture walks all of it: a small file with thousands of scans would take hours.
  MAX_SCANS = 200,
  MARKER_BYTES = 0xFFFF,
};

struct reader {
  struct base_span file;
  struct jpeg_trap trap;
  struct jpeg_decompress_struct info;
  struct jpeg_progress_mgr progress;
  JOCTET *profile;
  unsigned profile_bytes;
  struct colour_conversion *conversion;
  uint8_t *cmyk_row;
};

static void stop_when_too_many_scans(j_common_ptr info) {
  if (((j_decompress_ptr)info)->input_scan_number > MAX_SCANS) {
    codec_jpeg_trap_fail((struct jpeg_trap *)info->err, "too many scans");
  }
}

static void reader_init(struct reader *reader, struct base_span file) {
  *reader = (struct reader){.file = file};
  reader->info.err = codec_jpeg_trap_init(&reader->trap);
  reader->progress.progress_monitor = stop_when_too_many_scans;
}

static void reader_finish(struct reader *reader) {
  jpeg_destroy_decompress(&reader->info);
  codec_colour_destroy(&reader->conversion);
  free(reader->profile);
  free(reader->cmyk_row);
}

// Jumps on failure, like everything below that calls libjpeg.
static void read_header(struct reader *reader) {
  struct jpeg_decompress_struct *info = &reader->info;
  jpeg_create_decompress(info);
  info->progress = &reader->progress;
  jpeg_mem_src(info, reader->file.data, reader->file.bytes);
  jpeg_save_markers(info, JPEG_APP0 + 1, MARKER_BYTES);
  jpeg_save_markers(info, JPEG_APP0 + 2, MARKER_BYTES);
  jpeg_read_header(info, TRUE);
  if (!jpeg_read_icc_profile(info, &reader->profile, &reader->profile_bytes)) reader->profile = NULL;
}

static bool is_exif(const struct jpeg_marker_struct *marker) {
  return marker->marker == JPEG_APP0 + 1 && marker->data_length > 6 && memcmp(marker->data, "Exif\0", 6) == 0;
}

static enum image_orientation orientation_of(const struct jpeg_decompress_struct *info) {
  for (jpeg_saved_marker_ptr marker = info->marker_list; marker; marker = marker->next) {
    if (is_exif(marker)) return codec_exif_orientation(base_span_of(marker->data, marker->data_length));
  }
  return IMAGE_UPRIGHT;
}

static enum image_colour colour_of(struct reader *reader) {
  switch (reader->info.jpeg_color_space) {
    case JCS_GRAYSCALE:
      return IMAGE_COLOUR_GREY;
    case JCS_YCbCr:
    case JCS_RGB:
      return IMAGE_COLOUR_RGB;
    case JCS_CMYK:
    case JCS_YCCK:
      return IMAGE_COLOUR_CMYK;
    default:
      codec_jpeg_trap_fail(&reader->trap, "unknown number of colour components");
  }
}

static bool inspect_or_jump(struct reader *reader, struct image_header *out) {
  if (setjmp(reader->trap.jump) != 0) return false;
  read_header(reader);
  *out = (struct image_header){
      .format = IMAGE_FILE_JPEG,
      .width = reader->info.image_width,
      .height = reader->info.image_height,
      .orientation = orientation_of(&reader->info),
      .colour = colour_of(reader),
      .bits = (uint8_t)reader->info.data_precision,
      .has_icc = reader->profile != NULL,
      .can_shrink = true,
  };
  return true;
}

static void start(struct reader *reader, const struct image_header *header, unsigned shrink, const struct image *out) {
  struct jpeg_decompress_struct *info = &reader->info;
  read_header(reader);
  bool is_cmyk = colour_of(reader) == IMAGE_COLOUR_CMYK;
  info->scale_num = 1;
  info->scale_denom = shrink;
  info->out_color_space = is_cmyk ? JCS_CMYK : JCS_EXT_RGBA;
  jpeg_start_decompress(info);
  if (info->image_width != header->width || info->image_height != header->height || info->output_width != out->width ||
      info->output_height != out->height) {
    codec_jpeg_trap_fail(&reader->trap, "the picture has another size than its header said");
  }
  enum colour_layout layout = !is_cmyk ? COLOUR_RGBA8 : info->saw_Adobe_marker ? COLOUR_CMYK8_REV : COLOUR_CMYK8;
  reader->conversion = codec_colour_create(base_span_of(reader->profile, reader->profile_bytes), layout);
  if (!is_cmyk) return;
  reader->cmyk_row = malloc((size_t)out->width * 4);
  if (!reader->cmyk_row) codec_jpeg_trap_fail(&reader->trap, "no memory for a row");
}

static void read_cmyk_row(struct reader *reader, uint8_t *rgba) {
  JSAMPROW row = reader->cmyk_row;
  uint32_t width = reader->info.output_width;
  jpeg_read_scanlines(&reader->info, &row, 1);
  if (reader->conversion) {
    codec_colour_row(reader->conversion, row, rgba, width);
    codec_make_row_opaque(rgba, width);
  } else {
    codec_cmyk_row(row, reader->info.saw_Adobe_marker, rgba, width);
  }
}

static void read_rgb_row(struct reader *reader, uint8_t *rgba) {
  JSAMPROW row = rgba;
  jpeg_read_scanlines(&reader->info, &row, 1);
  if (reader->conversion) codec_colour_row(reader->conversion, rgba, rgba, reader->info.output_width);
}

static bool decode_or_jump(struct reader *reader, const struct image_header *header, unsigned shrink,
                           struct image *out) {
  if (setjmp(reader->trap.jump) != 0) return false;
  start(reader, header, shrink, out);
  while (reader->info.output_scanline < reader->info.output_height) {
    uint8_t *rgba = image_row(out, reader->info.output_scanline);
    if (reader->cmyk_row) {
      read_cmyk_row(reader, rgba);
    } else {
      read_rgb_row(reader, rgba);
    }
  }
  jpeg_finish_decompress(&reader->info);  // reads to the end marker, so that a file cut after the last row fails too
  return true;
}

static bool jpeg_matches(struct base_span file) {
  return file.bytes >= 3 && file.data[0] == 0xFF && file.data[1] == 0xD8 && file.data[2] == 0xFF;
}

static enum base_result jpeg_inspect(struct base_span file, struct image_header *out, struct base_fault *fault) {
  struct reader reader;
  enum base_result result = BASE_OK;
  reader_init(&reader, file);
  if (!inspect_or_jump(&reader, out)) {
    result = BASE_FAIL(fault, BASE_UNPROCESSABLE, "jpeg", "the JPEG is damaged: %s", reader.trap.text);
  }
  reader_finish(&reader);
  return result;
}

static enum base_result jpeg_decode(struct base_span file, const struct image_header *header, unsigned shrink,
                                    struct image *out, struct base_fault *fault) {
  struct reader reader;
  enum base_result result = BASE_OK;
  reader_init(&reader, file);
  if (!decode_or_jump(&reader, header, shrink, out)) {
    result = BASE_FAIL(fault, BASE_UNPROCESSABLE, "jpeg", "the JPEG is damaged: %s", reader.trap.text);
  }
  reader_finish(&reader);
  return result;
}

const struct codec_decoder codec_jpeg_decoder = {
    .format = IMAGE_FILE_JPEG,
    .matches = jpeg_matches,
    .inspect = jpeg_inspect,
    .decode = jpeg_decode,
};
