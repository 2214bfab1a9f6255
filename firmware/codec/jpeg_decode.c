// JPEG through libjpeg-turbo: the planes as they are in the file where no colour has to be converted, RGBA8 otherwise.
#include "decoders.h"

#include <stdlib.h>
#include <string.h>

#include "metadata/exif.h"

#include "colour.h"
#include "jpeg_error.h"

enum {
  // Every scan of a progressive picture walks all of it: a small file with thousands of scans would take hours.
  MAX_SCANS = 200,
  MARKER_BYTES = 0xFFFF,
  MAX_RAW_PLANES = 3,
};

struct reader {
  struct base_span file;
  struct jpeg_trap trap;
  struct jpeg_decompress_struct info;
  struct jpeg_progress_mgr progress;
  JOCTET *profile;
  unsigned profile_bytes;
  struct colour_conversion *conversion;
  uint8_t *row;  // of CMYK, or one that nobody reads
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
  free(reader->row);
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
    if (is_exif(marker)) return metadata_exif_orientation(base_span_of(marker->data, marker->data_length));
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
  };
  return true;
}

static void create_conversion(struct reader *reader) {
  const struct jpeg_decompress_struct *info = &reader->info;
  enum colour_layout layout = COLOUR_RGBA8;
  if (colour_of(reader) == IMAGE_COLOUR_CMYK) layout = info->saw_Adobe_marker ? COLOUR_CMYK8_REV : COLOUR_CMYK8;
  reader->conversion = codec_colour_create(base_span_of(reader->profile, reader->profile_bytes), layout);
}

// How many pixels a chroma sample covers, or false for shapes that image_yuv does not know.
static bool chroma_block(const struct jpeg_decompress_struct *info, struct image_yuv *yuv) {
  const jpeg_component_info *y = &info->comp_info[0], *u = &info->comp_info[1], *v = &info->comp_info[2];
  if (y->h_samp_factor != info->max_h_samp_factor || y->v_samp_factor != info->max_v_samp_factor) return false;
  if (u->h_samp_factor != v->h_samp_factor || u->v_samp_factor != v->v_samp_factor) return false;
  const int across = y->h_samp_factor / u->h_samp_factor, down = y->v_samp_factor / u->v_samp_factor;
  if (across * u->h_samp_factor != y->h_samp_factor || down * u->v_samp_factor != y->v_samp_factor) return false;
  if ((across != 1 && across != 2 && across != 4) || (down != 1 && down != 2)) return false;
  yuv->chroma_x = (uint8_t)across;
  yuv->chroma_y = (uint8_t)down;
  return true;
}

// What the file becomes; read_header and create_conversion have been called.
static struct codec_picture picture_of(const struct reader *reader) {
  const struct jpeg_decompress_struct *info = &reader->info;
  struct codec_picture picture = {.format = IMAGE_RGBA8};
  struct image_yuv yuv = {.width = info->image_width, .height = info->image_height, .range = IMAGE_RANGE_FULL};
  yuv.is_grey = info->jpeg_color_space == JCS_GRAYSCALE && info->num_components == 1;
  yuv.chroma_x = yuv.chroma_y = 1;
  const bool is_ycc = info->jpeg_color_space == JCS_YCbCr && info->num_components == 3;
  if (info->data_precision != 8 || reader->conversion) return picture;
  if (!yuv.is_grey && !(is_ycc && chroma_block(info, &yuv))) return picture;
  return (struct codec_picture){.format = IMAGE_YUV, .yuv = yuv};
}

static bool plan_or_jump(struct reader *reader, struct codec_picture *out) {
  if (setjmp(reader->trap.jump) != 0) return false;
  read_header(reader);
  create_conversion(reader);
  *out = picture_of(reader);
  return true;
}

static void read_cmyk_row(struct reader *reader, uint8_t *rgba) {
  JSAMPROW row = reader->row;
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

static void allocate_row(struct reader *reader, size_t bytes) {
  reader->row = malloc(bytes);
  if (!reader->row) codec_jpeg_trap_fail(&reader->trap, "no memory for a row");
}

static void read_pixels(struct reader *reader, struct image *out) {
  const bool is_cmyk = colour_of(reader) == IMAGE_COLOUR_CMYK;
  reader->info.out_color_space = is_cmyk ? JCS_CMYK : JCS_EXT_RGBA;
  if (is_cmyk) allocate_row(reader, (size_t)out->width * 4);
  jpeg_start_decompress(&reader->info);
  while (reader->info.output_scanline < reader->info.output_height) {
    uint8_t *rgba = image_row(out, reader->info.output_scanline);
    if (is_cmyk) {
      read_cmyk_row(reader, rgba);
    } else {
      read_rgb_row(reader, rgba);
    }
  }
}

// libjpeg writes whole blocks of 8 x 8. What is right of the picture falls into the rows' padding, what is below it
// into a row that nobody reads.
static void read_planes(struct reader *reader, struct image *out) {
  enum { MAX_ROWS = MAX_SAMP_FACTOR * DCTSIZE };
  _Static_assert(IMAGE_ROW_ALIGNMENT % DCTSIZE == 0, "the padding takes the rest of a block");
  struct jpeg_decompress_struct *info = &reader->info;
  JSAMPROW rows[MAX_RAW_PLANES][MAX_ROWS];
  JSAMPARRAY planes[MAX_RAW_PLANES] = {rows[0], rows[1], rows[2]};
  allocate_row(reader, out->planes[IMAGE_PLANE_Y].stride_bytes);
  info->out_color_space = info->jpeg_color_space;
  info->raw_data_out = TRUE;
  jpeg_start_decompress(info);
  for (uint32_t turn = 0; info->output_scanline < info->output_height; turn++) {
    for (int i = 0; i < info->num_components; i++) {
      const uint32_t count = (uint32_t)info->comp_info[i].v_samp_factor * DCTSIZE, first = turn * count;
      for (uint32_t y = 0; y < count; y++) {
        const bool is_inside = first + y < out->planes[i].height;
        rows[i][y] = is_inside ? image_plane_row(&out->planes[i], first + y) : reader->row;
      }
    }
    jpeg_read_raw_data(info, planes, (JDIMENSION)info->max_v_samp_factor * DCTSIZE);
  }
}

static bool is_as_planned(const struct reader *reader, const struct image *out) {
  const struct codec_picture picture = picture_of(reader);
  const struct image_yuv *a = &picture.yuv, *b = &out->yuv;
  if (reader->info.image_width != out->width || reader->info.image_height != out->height) return false;
  if (picture.format != out->format) return false;
  return picture.format != IMAGE_YUV || (a->range == b->range && a->chroma_x == b->chroma_x &&
                                         a->chroma_y == b->chroma_y && a->is_grey == b->is_grey && !b->has_alpha);
}

static bool decode_or_jump(struct reader *reader, struct image *out) {
  if (setjmp(reader->trap.jump) != 0) return false;
  read_header(reader);
  create_conversion(reader);
  if (!is_as_planned(reader, out)) codec_jpeg_trap_fail(&reader->trap, "it is not what its header said");
  if (out->format == IMAGE_YUV) {
    read_planes(reader, out);
  } else {
    read_pixels(reader, out);
  }
  jpeg_finish_decompress(&reader->info);  // reads to the end marker, so that a file cut after the last row fails too
  return true;
}

static bool jpeg_matches(struct base_span file) {
  return file.bytes >= 3 && file.data[0] == 0xFF && file.data[1] == 0xD8 && file.data[2] == 0xFF;
}

static enum base_result finish(struct reader *reader, bool is_done, struct base_fault *fault) {
  enum base_result result = BASE_OK;
  if (!is_done) result = BASE_FAIL(fault, BASE_UNPROCESSABLE, "jpeg", "the JPEG is damaged: %s", reader->trap.text);
  reader_finish(reader);
  return result;
}

static enum base_result jpeg_inspect(struct base_span file, struct image_header *out, struct base_fault *fault) {
  struct reader reader;
  reader_init(&reader, file);
  return finish(&reader, inspect_or_jump(&reader, out), fault);
}

static enum base_result jpeg_plan(struct base_span file, const struct image_header *header, struct codec_picture *out,
                                  struct base_fault *fault) {
  struct reader reader;
  (void)header;
  reader_init(&reader, file);
  return finish(&reader, plan_or_jump(&reader, out), fault);
}

static enum base_result jpeg_decode(struct base_span file, const struct image_header *header, struct image *out,
                                    struct base_fault *fault) {
  struct reader reader;
  (void)header;
  reader_init(&reader, file);
  return finish(&reader, decode_or_jump(&reader, out), fault);
}

const struct codec_decoder codec_jpeg_decoder = {
    .format = IMAGE_FILE_JPEG,
    .matches = jpeg_matches,
    .inspect = jpeg_inspect,
    .plan = jpeg_plan,
    .decode = jpeg_decode,
};
