// Our own reading of the headers of what stb_image decodes: every field is checked before stb_image sees the file.
#ifndef CODEC_STB_HEADER_H
#define CODEC_STB_HEADER_H

#include "codec/codec.h"

bool codec_gif_matches(struct base_span file);
bool codec_bmp_matches(struct base_span file);
bool codec_psd_matches(struct base_span file);
// TGA has no signature: true only when every field of its header makes sense and the file is large enough for it.
bool codec_tga_matches(struct base_span file);

enum base_result codec_gif_inspect(struct base_span file, struct image_header *out, struct base_fault *fault);
enum base_result codec_bmp_inspect(struct base_span file, struct image_header *out, struct base_fault *fault);
enum base_result codec_psd_inspect(struct base_span file, struct image_header *out, struct base_fault *fault);
enum base_result codec_tga_inspect(struct base_span file, struct image_header *out, struct base_fault *fault);

#endif
