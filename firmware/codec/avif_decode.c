// AVIF through libavif and dav1d. Of an animation the first frame is taken.
#include "coded.h"

#include <string.h>

#include "base/checked.h"
#include "decoders.h"

// Frames of an animation whose places are read; only the first one is decoded.
enum { MAX_FRAMES = 1 << 16 };
// A tile of a grid may be larger than the picture that is cut from it, but not much.
enum { MAX_TILE_PIXELS = 2048 * 2048 };

// The file's boxes as read; the image's planes come later.
struct reader {
  avifDecoder *decoder;
  struct coded_rect crop;
  enum image_orientation orientation;
};

static enum base_result failed(const struct reader *reader, avifResult result, struct base_fault *fault) {
  const char *detail = reader->decoder->diag.error;
  switch (result) {
    case AVIF_RESULT_OUT_OF_MEMORY:
      return BASE_FAIL(fault, BASE_NO_MEMORY, "avif", "no memory to decode the AVIF");
    case AVIF_RESULT_NO_CODEC_AVAILABLE:
    case AVIF_RESULT_UNSUPPORTED_DEPTH:
    case AVIF_RESULT_NOT_IMPLEMENTED:
    case AVIF_RESULT_NO_AV1_ITEMS_FOUND:
      return BASE_FAIL(fault, BASE_UNSUPPORTED, "avif", "this kind of AVIF is not read: %s",
                       avifResultToString(result));
    default:
      return BASE_FAIL(fault, BASE_UNPROCESSABLE, "avif", "the AVIF is damaged: %s%s%s", avifResultToString(result),
                       detail[0] ? ": " : "", detail);
  }
}

// The properties apply in the order clap, irot, imir (ISO/IEC 23000-22, 7.3.6.7). EXIF's orientation is not looked at:
// in this container it is information only (ISO/IEC 23008-12, A.2.2).
static enum base_result read_transformations(struct reader *reader, struct base_fault *fault) {
  const avifImage *image = reader->decoder->image;
  const avifCleanApertureBox *clap = &image->clap;
  reader->crop = (struct coded_rect){.width = image->width, .height = image->height};
  reader->orientation = IMAGE_UPRIGHT;
  if (image->transformFlags & AVIF_TRANSFORM_CLAP) {
    const int32_t values[8] = {(int32_t)clap->widthN,   (int32_t)clap->widthD,    (int32_t)clap->heightN,
                               (int32_t)clap->heightD,  (int32_t)clap->horizOffN, (int32_t)clap->horizOffD,
                               (int32_t)clap->vertOffN, (int32_t)clap->vertOffD};
    if (!codec_coded_crop(values, image->width, image->height, &reader->crop)) {
      return BASE_FAIL(fault, BASE_UNPROCESSABLE, "avif", "the AVIF is damaged: its crop lies outside of its picture");
    }
  }
  if (image->transformFlags & AVIF_TRANSFORM_IROT) reader->orientation = codec_coded_rotation(image->irot.angle * 90);
  if (image->transformFlags & AVIF_TRANSFORM_IMIR) {
    reader->orientation = image_orientation_compose(reader->orientation, codec_coded_mirror(image->imir.mode == 1));
  }
  return BASE_OK;
}

static enum base_result reader_open(struct reader *reader, struct base_span file, struct base_fault *fault) {
  *reader = (struct reader){.decoder = avifDecoderCreate()};
  avifDecoder *decoder = reader->decoder;
  if (!decoder) return BASE_FAIL(fault, BASE_NO_MEMORY, "avif", "no memory to decode the AVIF");
  decoder->codecChoice = AVIF_CODEC_CHOICE_DAV1D;
  decoder->maxThreads = 1;
  decoder->ignoreExif = decoder->ignoreXMP = AVIF_TRUE;
  decoder->imageCountLimit = MAX_FRAMES;
  // Crops are checked here, and files of older encoders lack `pixi`.
  decoder->strictFlags = AVIF_STRICT_ENABLED & ~(AVIF_STRICT_CLAP_VALID | AVIF_STRICT_PIXI_REQUIRED);
  avifResult result = avifDecoderSetIOMemory(decoder, file.data, file.bytes);
  if (result == AVIF_RESULT_OK) result = avifDecoderParse(decoder);
  return result == AVIF_RESULT_OK ? read_transformations(reader, fault) : failed(reader, result, fault);
}

static void reader_close(struct reader *reader) {
  if (reader->decoder) avifDecoderDestroy(reader->decoder);
}

static bool avif_matches(struct base_span file) {
  const avifROData data = {.data = file.data, .size = file.bytes};
  return file.bytes >= 12 && memcmp(file.data + 4, "ftyp", 4) == 0 && avifPeekCompatibleFileType(&data);
}

static enum base_result avif_inspect(struct base_span file, struct image_header *out, struct base_fault *fault) {
  struct reader reader;
  enum base_result result = reader_open(&reader, file, fault);
  if (result == BASE_OK) {
    const avifImage *image = reader.decoder->image;
    *out = (struct image_header){
        .format = IMAGE_FILE_AVIF,
        .width = reader.crop.width,
        .height = reader.crop.height,
        .coded_width = image->width,
        .coded_height = image->height,
        .orientation = reader.orientation,
        .colour = codec_coded_colour(image),
        .bits = (uint8_t)image->depth,
        .has_alpha = reader.decoder->alphaPresent,
        .has_icc = image->icc.size > 0,
    };
  }
  reader_close(&reader);
  return result;
}

static enum base_result avif_plan(struct base_span file, const struct image_header *header, struct codec_picture *out,
                                  struct base_fault *fault) {
  struct reader reader;
  enum base_result result = reader_open(&reader, file, fault);
  if (result == BASE_OK) *out = codec_coded_plan(reader.decoder->image, &reader.crop, header->has_alpha);
  reader_close(&reader);
  return result;
}

// The coded picture may say something else than the boxes around it.
static bool is_as_planned(const struct reader *reader, const struct image *out) {
  const avifImage *image = reader->decoder->image;
  const struct codec_picture picture = codec_coded_plan(image, &reader->crop, out->has_alpha);
  const struct image_yuv *a = &picture.yuv, *b = &out->yuv;
  if (out->width != reader->crop.width || out->height != reader->crop.height) return false;
  if ((image->alphaPlane != NULL) != (out->format == IMAGE_RGBA8 && out->has_alpha)) return false;
  if (out->format == IMAGE_RGBA8) return true;
  return picture.format == IMAGE_YUV && a->range == b->range && a->chroma_x == b->chroma_x &&
         a->chroma_y == b->chroma_y && a->is_grey == b->is_grey;
}

static enum base_result decode_frame(struct reader *reader, struct image *out, struct base_fault *fault) {
  avifDecoder *decoder = reader->decoder;
  const avifImage *image = decoder->image;
  const uint32_t width = image->width, height = image->height;
  const uint64_t pixels = base_max_u64((uint64_t)width * height, MAX_TILE_PIXELS);
  if (pixels < decoder->imageSizeLimit) decoder->imageSizeLimit = (uint32_t)pixels;
  avifResult result = avifDecoderNextImage(decoder);
  if (result != AVIF_RESULT_OK) return failed(reader, result, fault);
  if (decoder->image->width != width || decoder->image->height != height || !is_as_planned(reader, out)) {
    return BASE_FAIL(fault, BASE_UNPROCESSABLE, "avif", "the AVIF is damaged: it is not what its header said");
  }
  return codec_coded_deliver(decoder->image, &reader->crop, out, "avif", fault);
}

static enum base_result avif_decode(struct base_span file, const struct image_header *header, struct image *out,
                                    struct base_fault *fault) {
  struct reader reader;
  (void)header;
  enum base_result result = reader_open(&reader, file, fault);
  if (result == BASE_OK) result = decode_frame(&reader, out, fault);
  reader_close(&reader);
  return result;
}

const struct codec_decoder codec_avif_decoder = {
    .format = IMAGE_FILE_AVIF,
    .matches = avif_matches,
    .inspect = avif_inspect,
    .plan = avif_plan,
    .decode = avif_decode,
};
