// HEVC pictures through libde265 (its only home), as a decoder that libheif calls.
#ifndef CODEC_HEVC_DECODE_H
#define CODEC_HEVC_DECODE_H

#include <stdbool.h>
#include <stdint.h>

// Registers the decoder with libheif, once a process. False without memory.
bool codec_hevc_register(void);
// The largest coded picture that this thread's decoding may meet from now on. HEIC states sizes outside of the coded
// data, which states its own: nothing larger is allocated.
void codec_hevc_expect(uint32_t max_width, uint32_t max_height);

#endif
