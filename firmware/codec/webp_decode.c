// WebP through libwebp and its demultiplexer. Of an animation the first frame is taken, on its canvas.
#include "decoders.h"

#include <string.h>

#include "metadata/exif.h"

#include <webp/decode.h>
#include <webp/demux.h>

#include "colour.h"

// The demultiplexer with its first frame. Everything in it borrows from the file.
struct reader {
  WebPDemuxer *demuxer;
  WebPIterator frame;
  uint32_t width, height;  // canvas
  bool has_alpha;
};

static enum base_result damaged(struct base_fault *fault, const char *text) {
  return BASE_FAIL(fault, BASE_UNPROCESSABLE, "webp", "the WebP is damaged: %s", text);
}

static bool covers_canvas(const struct reader *reader) {
  return reader->frame.x_offset == 0 && reader->frame.y_offset == 0 && (uint32_t)reader->frame.width == reader->width &&
         (uint32_t)reader->frame.height == reader->height;
}

static bool frame_lies_on_canvas(const struct reader *reader) {
  const WebPIterator *frame = &reader->frame;
  if (frame->x_offset < 0 || frame->y_offset < 0 || frame->width <= 0 || frame->height <= 0) return false;
  return (uint64_t)frame->x_offset + (uint64_t)frame->width <= reader->width &&
         (uint64_t)frame->y_offset + (uint64_t)frame->height <= reader->height;
}

static enum base_result reader_open(struct reader *reader, struct base_span file, struct base_fault *fault) {
  WebPData data = {.bytes = file.data, .size = file.bytes};
  WebPBitstreamFeatures features;
  *reader = (struct reader){.demuxer = WebPDemux(&data)};
  if (!reader->demuxer) return damaged(fault, "its chunks end early or contradict each other");
  reader->width = WebPDemuxGetI(reader->demuxer, WEBP_FF_CANVAS_WIDTH);
  reader->height = WebPDemuxGetI(reader->demuxer, WEBP_FF_CANVAS_HEIGHT);
  if (!WebPDemuxGetFrame(reader->demuxer, 1, &reader->frame)) return damaged(fault, "it has no frame");
  if (!reader->frame.complete) return damaged(fault, "its first frame ends early");
  if (WebPGetFeatures(reader->frame.fragment.bytes, reader->frame.fragment.size, &features) != VP8_STATUS_OK ||
      features.width != reader->frame.width || features.height != reader->frame.height ||
      !frame_lies_on_canvas(reader)) {
    return damaged(fault, "its first frame does not match its header");
  }
  reader->has_alpha = reader->frame.has_alpha || features.has_alpha || !covers_canvas(reader);
  return BASE_OK;
}

static void reader_close(struct reader *reader) {
  WebPDemuxReleaseIterator(&reader->frame);
  WebPDemuxDelete(reader->demuxer);
}

// The first chunk of a kind ("EXIF", "ICCP"); empty when there is none.
static struct base_span first_chunk(const struct reader *reader, const char *name) {
  WebPChunkIterator chunk;
  struct base_span found = {0};
  if (WebPDemuxGetChunk(reader->demuxer, name, 1, &chunk)) found = base_span_of(chunk.chunk.bytes, chunk.chunk.size);
  WebPDemuxReleaseChunkIterator(&chunk);
  return found;
}

static enum base_result decode_frame(const struct reader *reader, struct image *out, struct base_fault *fault) {
  WebPDecoderConfig config;
  if (!WebPInitDecoderConfig(&config)) {
    return BASE_FAIL(fault, BASE_INTERNAL, "webp", "libwebp has another version than its headers");
  }
  size_t offset = (size_t)reader->frame.y_offset * out->stride_bytes + (size_t)reader->frame.x_offset * 4;
  config.output.colorspace = MODE_RGBA;
  config.output.is_external_memory = 1;
  config.output.u.RGBA.rgba = out->pixels + offset;
  config.output.u.RGBA.stride = (int)out->stride_bytes;
  config.output.u.RGBA.size = out->bytes - offset;
  VP8StatusCode status = WebPDecode(reader->frame.fragment.bytes, reader->frame.fragment.size, &config);
  WebPFreeDecBuffer(&config.output);
  if (status == VP8_STATUS_OK) return BASE_OK;
  if (status == VP8_STATUS_OUT_OF_MEMORY)
    return BASE_FAIL(fault, BASE_NO_MEMORY, "webp", "no memory to decode the WebP");
  return damaged(fault, status == VP8_STATUS_NOT_ENOUGH_DATA ? "its data ends early" : "its data can not be decoded");
}

static void finish_rows(const struct reader *reader, struct image *out) {
  struct colour_conversion *conversion = codec_colour_create(first_chunk(reader, "ICCP"), COLOUR_RGBA8);
  for (uint32_t y = 0; y < out->height; y++) {
    uint8_t *row = image_row(out, y);
    if (conversion) codec_colour_row(conversion, row, row, out->width);
    // A lossless bit stream may carry alpha values although it declares none.
    if (!reader->has_alpha) codec_make_row_opaque(row, out->width);
  }
  codec_colour_destroy(&conversion);
}

static bool webp_matches(struct base_span file) {
  return file.bytes >= 16 && memcmp(file.data, "RIFF", 4) == 0 && memcmp(file.data + 8, "WEBPVP8", 7) == 0;
}

static enum base_result webp_inspect(struct base_span file, struct image_header *out, struct base_fault *fault) {
  struct reader reader;
  enum base_result result = reader_open(&reader, file, fault);
  if (result == BASE_OK) {
    *out = (struct image_header){
        .format = IMAGE_FILE_WEBP,
        .width = reader.width,
        .height = reader.height,
        .orientation = metadata_exif_orientation(first_chunk(&reader, "EXIF")),
        .colour = IMAGE_COLOUR_RGB,
        .bits = 8,
        .has_alpha = reader.has_alpha,
        .has_icc = first_chunk(&reader, "ICCP").bytes > 0,
    };
  }
  reader_close(&reader);
  return result;
}

static enum base_result webp_decode(struct base_span file, const struct image_header *header, struct image *out,
                                    struct base_fault *fault) {
  struct reader reader;
  (void)header;
  enum base_result result = reader_open(&reader, file, fault);
  if (result == BASE_OK && (reader.width != out->width || reader.height != out->height)) {
    result = damaged(fault, "it has another size than its header said");
  }
  if (result == BASE_OK && !covers_canvas(&reader)) memset(out->pixels, 0, (size_t)out->stride_bytes * out->height);
  if (result == BASE_OK) result = decode_frame(&reader, out, fault);
  if (result == BASE_OK) finish_rows(&reader, out);
  reader_close(&reader);
  return result;
}

const struct codec_decoder codec_webp_decoder = {
    .format = IMAGE_FILE_WEBP,
    .matches = webp_matches,
    .inspect = webp_inspect,
    .plan = codec_plan_rgba,
    .decode = webp_decode,
};
