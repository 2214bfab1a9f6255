#include "image/header.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

struct format_names {
  const char *name;
  const char *media_type;
};

static const struct format_names formats[IMAGE_FILE_FORMAT_COUNT] = {
    [IMAGE_FILE_UNKNOWN] = {"unknown", "application/octet-stream"},
    [IMAGE_FILE_JPEG] = {"jpeg", "image/jpeg"},
    [IMAGE_FILE_PNG] = {"png", "image/png"},
    [IMAGE_FILE_WEBP] = {"webp", "image/webp"},
    [IMAGE_FILE_GIF] = {"gif", "image/gif"},
    [IMAGE_FILE_BMP] = {"bmp", "image/bmp"},
    [IMAGE_FILE_TGA] = {"tga", "image/x-tga"},
    [IMAGE_FILE_PSD] = {"psd", "image/vnd.adobe.photoshop"},
    [IMAGE_FILE_PNM] = {"pnm", "image/x-portable-anymap"},
    [IMAGE_FILE_TIFF] = {"tiff", "image/tiff"},
    [IMAGE_FILE_HEIC] = {"heic", "image/heic"},
    [IMAGE_FILE_AVIF] = {"avif", "image/avif"},
};

static const struct format_names *names_of(enum image_file_format format) {
  BASE_ASSERT((unsigned)format < IMAGE_FILE_FORMAT_COUNT);
  return &formats[format];
}

const char *image_file_format_name(enum image_file_format format) { return names_of(format)->name; }
const char *image_file_format_media_type(enum image_file_format format) { return names_of(format)->media_type; }

enum image_file_format image_file_format_parse(const char *name) {
  if (!name) return IMAGE_FILE_UNKNOWN;
  for (int i = 0; i < IMAGE_FILE_FORMAT_COUNT; i++) {
    if (strcmp(formats[i].name, name) == 0) return (enum image_file_format)i;
  }
  return IMAGE_FILE_UNKNOWN;
}

const char *image_colour_name(enum image_colour colour) {
  switch (colour) {
    case IMAGE_COLOUR_GREY:
      return "grey";
    case IMAGE_COLOUR_RGB:
      return "rgb";
    case IMAGE_COLOUR_CMYK:
      return "cmyk";
    case IMAGE_COLOUR_PALETTE:
      return "palette";
  }
  BASE_ASSERT(!"a known colour");
  return NULL;
}

static enum base_result check_size(const char *what, uint32_t width, uint32_t height, const struct image_limits *limits,
                                   struct base_fault *fault) {
  if (width > limits->max_side || height > limits->max_side) {
    return BASE_FAIL(fault, BASE_UNPROCESSABLE, "max_side",
                     "%s is %" PRIu32 " x %" PRIu32 "; at most %" PRIu32 " pixels a side are accepted (max_side)", what,
                     width, height, limits->max_side);
  }
  if ((uint64_t)width * height > limits->max_pixels) {
    return BASE_FAIL(fault, BASE_UNPROCESSABLE, "max_pixels",
                     "%s is %" PRIu32 " x %" PRIu32 "; at most %" PRIu64 " pixels are accepted (max_pixels)", what,
                     width, height, limits->max_pixels);
  }
  return BASE_OK;
}

enum base_result image_header_check(const struct image_header *header, const struct image_limits *limits,
                                    struct base_fault *fault) {
  if (header->width == 0 || header->height == 0) {
    return BASE_FAIL(fault, BASE_UNPROCESSABLE, "min_side",
                     "the picture is %" PRIu32 " x %" PRIu32 ": it has no pixels", header->width, header->height);
  }
  enum base_result result = check_size("the picture", header->width, header->height, limits, fault);
  if (result != BASE_OK) return result;
  return check_size("the picture before its crop", header->coded_width, header->coded_height, limits, fault);
}
