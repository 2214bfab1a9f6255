// A picture's file without what it says about its making, its pixels untouched: what an original is delivered as when
// nothing makes it smaller.
//
// The file comes from anywhere. It is walked once, nothing is decoded, and nothing is allocated but the result.
#ifndef METADATA_STRIP_H
#define METADATA_STRIP_H

#include "base/span.h"

// Each appends the new file to `out`, which is as before on failure. What stands behind the picture's end is dropped.
// BASE_UNPROCESSABLE for a file that is damaged or breaks its format's rules; BASE_UNSUPPORTED for kinds that are not
// still pictures as every browser shows them; BASE_TOO_LARGE when it does not fit (at once, not when all is read) and
// BASE_NO_MEMORY from the buffer.
//
// JPEG (ITU-T T.81): keeps tables, frames, scans, JFIF without its thumbnail, ICC profiles (APP2) and Adobe's colour
// transform (APP14). Baseline and progressive Huffman coding of 8 bits with 1 or 3 components.
enum base_result metadata_strip_jpeg(struct base_span file, struct base_buffer *out,
                                     struct base_fault *fault) BASE_CHECKED;
// PNG (W3C, third edition): keeps critical chunks, transparency and what says how the colours are meant. Of an
// animation the picture is left that viewers without animations show.
enum base_result metadata_strip_png(struct base_span file, struct base_buffer *out,
                                    struct base_fault *fault) BASE_CHECKED;
// WebP (RFC 9649): keeps the picture, its alpha and its ICC profile. No animations.
enum base_result metadata_strip_webp(struct base_span file, struct base_buffer *out,
                                     struct base_fault *fault) BASE_CHECKED;

#endif
