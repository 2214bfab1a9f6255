// A file's way through its decoder: inspect, plan, decode.
#ifndef READING_H
#define READING_H

#include "codec/codec.h"

// The memory is filled with something first, so that what a decoder leaves out is seen. Errors are the decoder's.
static inline enum base_result read_picture(struct base_span file, const struct image_limits *limits,
                                            struct image_header *header, struct image **out, struct base_fault *fault) {
  const struct codec_decoder *decoder;
  struct codec_picture picture;
  *out = NULL;
  enum base_result result = codec_inspect(file, limits, &decoder, header, fault);
  if (result == BASE_OK) result = decoder->plan(file, header, &picture, fault);
  if (result != BASE_OK) return result;
  enum base_result created = picture.format == IMAGE_YUV
                                 ? image_create_yuv(&picture.yuv, out)
                                 : image_create(header->width, header->height, header->has_alpha, out);
  assert_int_equal(created, BASE_OK);
  assert_int_equal((*out)->width, header->width);
  assert_int_equal((*out)->height, header->height);
  memset((*out)->pixels, 0xA5, (*out)->bytes);
  result = decoder->decode(file, header, *out, fault);
  if (result != BASE_OK) image_unref(out);
  return result;
}

#endif
