#include "tiff_file.h"

#include <stdio.h>
#include <string.h>

enum {
  // What libtiff may allocate at once: a strip that a compression decodes whole.
  MAX_LIBRARY_BYTES = 256 << 20,
  MAX_SAMPLES = 32,
};

static tmsize_t read_bytes(thandle_t self, void *out, tmsize_t bytes) {
  struct tiff_file *file = self;
  const size_t left = file->position < file->file.bytes ? file->file.bytes - file->position : 0;
  const size_t count = (size_t)bytes < left ? (size_t)bytes : left;
  if (bytes <= 0) return 0;
  memcpy(out, file->file.data + file->position, count);
  file->position += count;
  return (tmsize_t)count;
}

static tmsize_t write_nothing(thandle_t self, void *data, tmsize_t bytes) {
  (void)self, (void)data, (void)bytes;
  return -1;
}

static toff_t seek(thandle_t self, toff_t offset, int whence) {
  struct tiff_file *file = self;
  const uint64_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? file->position : file->file.bytes;
  uint64_t position;
  // Relative offsets come as negative numbers cast to unsigned ones: they wrap on purpose.
  if (whence == SEEK_SET) {
    position = offset;
  } else {
    position = base + offset;
  }
  file->position = position > file->file.bytes ? file->file.bytes : (size_t)position;
  return position;
}

static int close_nothing(thandle_t self) {
  (void)self;
  return 0;
}

static toff_t size_of(thandle_t self) { return ((struct tiff_file *)self)->file.bytes; }

static int map_file(thandle_t self, void **base, toff_t *bytes) {
  struct tiff_file *file = self;
  *base = (void *)(uintptr_t)file->file.data;
  *bytes = file->file.bytes;
  return 1;
}

static void unmap_nothing(thandle_t self, void *base, toff_t bytes) { (void)self, (void)base, (void)bytes; }

static void keep_text(struct tiff_file *file, const char *format, va_list arguments) BASE_PRINTF(2, 0);
static void keep_text(struct tiff_file *file, const char *format, va_list arguments) {
  if (file->error[0] != '\0') return;
  vsnprintf(file->error, sizeof file->error, format, arguments);
  const size_t length = strlen(file->error);
  if (length > 0 && file->error[length - 1] == '.') file->error[length - 1] = '\0';
}

static int on_error(TIFF *tiff, void *self, const char *module, const char *format, va_list arguments)
    BASE_PRINTF(4, 0);
static int on_error(TIFF *tiff, void *self, const char *module, const char *format, va_list arguments) {
  (void)tiff, (void)module;
  keep_text(self, format, arguments);
  return 1;
}

// Fax and JPEG paint over what is missing and warn; what a directory entry points to may be missing too (a profile).
static int on_warning(TIFF *tiff, void *self, const char *module, const char *format, va_list arguments)
    BASE_PRINTF(4, 0);
static int on_warning(TIFF *tiff, void *self, const char *module, const char *format, va_list arguments) {
  char text[200];
  va_list again;
  (void)tiff, (void)module;
  va_copy(again, arguments);
  vsnprintf(text, sizeof text, format, again);
  va_end(again);
  if (strcasestr(text, "premature") || strcasestr(text, "corrupt") || strcasestr(text, "IO error")) {
    keep_text(self, format, arguments);
  }
  return 1;
}

enum base_result codec_tiff_damaged(const struct tiff_file *file, const char *otherwise, struct base_fault *fault) {
  return BASE_FAIL(fault, BASE_UNPROCESSABLE, "tiff", "the TIFF is damaged: %s",
                   file->error[0] ? file->error : otherwise);
}

static enum base_result unsupported(struct base_fault *fault, const char *what) {
  return BASE_FAIL(fault, BASE_UNSUPPORTED, "tiff", "this kind of TIFF is not read: %s", what);
}

static uint16_t field16(TIFF *tiff, uint32_t tag) {
  uint16_t value = 0;
  return TIFFGetFieldDefaulted(tiff, tag, &value) ? value : 0;
}

static enum base_result read_kind(struct tiff_file *file, struct base_fault *fault) {
  uint16_t photometric;
  TIFF *tiff = file->tiff;
  if (!TIFFGetField(tiff, TIFFTAG_PHOTOMETRIC, &photometric)) {
    return codec_tiff_damaged(file, "it does not say what its samples mean", fault);
  }
  const bool is_jpeg = field16(tiff, TIFFTAG_COMPRESSION) == COMPRESSION_JPEG;
  switch (photometric) {
    case PHOTOMETRIC_MINISWHITE:
    case PHOTOMETRIC_MINISBLACK:
      file->kind = TIFF_KIND_GREY;
      file->is_inverted = photometric == PHOTOMETRIC_MINISWHITE;
      file->colour_samples = 1;
      return BASE_OK;
    case PHOTOMETRIC_PALETTE:
      file->kind = TIFF_KIND_PALETTE;
      file->colour_samples = 1;
      if (file->bits > 8) return unsupported(fault, "a palette of more than 8 bits");
      if (TIFFGetField(tiff, TIFFTAG_COLORMAP, &file->palette[0], &file->palette[1], &file->palette[2])) return BASE_OK;
      return codec_tiff_damaged(file, "it has no palette", fault);
    case PHOTOMETRIC_RGB:
      file->kind = TIFF_KIND_RGB;
      file->colour_samples = 3;
      return BASE_OK;
    case PHOTOMETRIC_SEPARATED:
      file->kind = TIFF_KIND_CMYK;
      file->colour_samples = 4;
      if (field16(tiff, TIFFTAG_INKSET) == INKSET_CMYK) return BASE_OK;
      return unsupported(fault, "inks that are not CMYK");
    case PHOTOMETRIC_YCBCR:
      file->colour_samples = 3;
      file->kind = is_jpeg ? TIFF_KIND_RGB : TIFF_KIND_LIBRARY;
      // The library converts colours where it decodes, which a plane of its own gives it no chance to.
      if (is_jpeg && file->is_separate) return unsupported(fault, "JPEG of YCbCr in separate planes");
      if (is_jpeg) TIFFSetField(tiff, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
      return BASE_OK;
    case PHOTOMETRIC_CIELAB:
      file->colour_samples = 3;
      file->kind = TIFF_KIND_LIBRARY;
      return BASE_OK;
    case PHOTOMETRIC_CFA:
      return unsupported(fault, "a camera's raw data");
    default:
      return unsupported(fault, "its colour model");
  }
}

static enum base_result read_samples(struct tiff_file *file, struct base_fault *fault) {
  uint16_t extra_count = 0, *extra = NULL;
  TIFF *tiff = file->tiff;
  const uint16_t format = field16(tiff, TIFFTAG_SAMPLEFORMAT);
  file->bits = field16(tiff, TIFFTAG_BITSPERSAMPLE);
  file->samples = field16(tiff, TIFFTAG_SAMPLESPERPIXEL);
  file->is_separate = field16(tiff, TIFFTAG_PLANARCONFIG) == PLANARCONFIG_SEPARATE;
  if (format == SAMPLEFORMAT_IEEEFP) return unsupported(fault, "samples of floating point");
  if (format != SAMPLEFORMAT_UINT && format != SAMPLEFORMAT_VOID)
    return unsupported(fault, "signed or complex samples");
  if (file->bits == 0 || (file->bits > 16 && file->bits != 32))
    return unsupported(fault, "its number of bits a sample");
  enum base_result result = read_kind(file, fault);
  if (result != BASE_OK) return result;
  if (file->samples < file->colour_samples) return codec_tiff_damaged(file, "it has fewer samples than colours", fault);
  if (file->samples > MAX_SAMPLES) return unsupported(fault, "so many samples a pixel");
  if (file->kind == TIFF_KIND_LIBRARY && (file->bits != 8 || file->samples != 3)) {
    return unsupported(fault, "YCbCr or L*a*b* that is not 3 samples of 8 bits");
  }
  file->alpha = -1;
  TIFFGetFieldDefaulted(tiff, TIFFTAG_EXTRASAMPLES, &extra_count, &extra);
  for (int i = 0; i < extra_count && file->kind != TIFF_KIND_CMYK && file->alpha < 0; i++) {
    const int index = file->colour_samples + i;
    if (index >= file->samples || (extra[i] != EXTRASAMPLE_ASSOCALPHA && extra[i] != EXTRASAMPLE_UNASSALPHA)) continue;
    file->alpha = index;
    file->is_associated = extra[i] == EXTRASAMPLE_ASSOCALPHA;
  }
  return BASE_OK;
}

static enum base_result read_layout(struct tiff_file *file, struct base_fault *fault) {
  TIFF *tiff = file->tiff;
  file->is_tiled = TIFFIsTiled(tiff);
  if (!file->is_tiled) {
    TIFFGetFieldDefaulted(tiff, TIFFTAG_ROWSPERSTRIP, &file->strip_rows);
    if (file->strip_rows == 0) return codec_tiff_damaged(file, "its strips have no rows", fault);
    if (file->strip_rows > file->height) file->strip_rows = file->height;
    return BASE_OK;
  }
  TIFFGetField(tiff, TIFFTAG_TILEWIDTH, &file->tile_width);
  TIFFGetField(tiff, TIFFTAG_TILELENGTH, &file->tile_height);
  if (file->tile_width == 0 || file->tile_height == 0) return codec_tiff_damaged(file, "its tiles have no size", fault);
  return BASE_OK;
}

static enum base_result read_directory(struct tiff_file *file, struct base_fault *fault) {
  TIFF *tiff = file->tiff;
  uint32_t bytes = 0, version_bytes = 0;
  void *profile = NULL, *version = NULL;
  if (!TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &file->width) ||
      !TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &file->height)) {
    return codec_tiff_damaged(file, "it does not say how large it is", fault);
  }
  if (TIFFGetField(tiff, TIFFTAG_DNGVERSION, &version_bytes, &version)) {
    return unsupported(fault, "a camera's raw data (DNG)");
  }
  if (!TIFFIsCODECConfigured(field16(tiff, TIFFTAG_COMPRESSION))) return unsupported(fault, "its compression");
  enum base_result result = read_samples(file, fault);
  if (result == BASE_OK) result = read_layout(file, fault);
  const uint16_t orientation = field16(tiff, TIFFTAG_ORIENTATION);
  file->orientation = orientation >= IMAGE_UPRIGHT && orientation <= IMAGE_ROTATE_270
                          ? (enum image_orientation)orientation
                          : IMAGE_UPRIGHT;
  if (TIFFGetField(tiff, TIFFTAG_ICCPROFILE, &bytes, &profile)) file->profile = base_span_of(profile, bytes);
  return result;
}

enum base_result codec_tiff_open(struct tiff_file *out, struct base_span bytes, struct base_fault *fault) {
  *out = (struct tiff_file){.file = bytes, .alpha = -1};
  TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
  if (!options) return BASE_FAIL(fault, BASE_NO_MEMORY, "tiff", "no memory to decode the TIFF");
  TIFFOpenOptionsSetMaxSingleMemAlloc(options, MAX_LIBRARY_BYTES);
  TIFFOpenOptionsSetErrorHandlerExtR(options, on_error, out);
  TIFFOpenOptionsSetWarningHandlerExtR(options, on_warning, out);
  out->tiff = TIFFClientOpenExt("memory", "r", out, read_bytes, write_nothing, seek, close_nothing, size_of, map_file,
                                unmap_nothing, options);
  TIFFOpenOptionsFree(options);
  if (!out->tiff) return codec_tiff_damaged(out, "its directory can not be read", fault);
  enum base_result result = read_directory(out, fault);
  return result == BASE_OK && out->error[0] ? codec_tiff_damaged(out, "", fault) : result;
}

void codec_tiff_finish(struct tiff_file *file) {
  if (file->tiff) TIFFClose(file->tiff);
  file->tiff = NULL;
}
