// Numbers out of a file's bytes. The caller has checked that they are there.
#ifndef CODEC_BYTES_H
#define CODEC_BYTES_H

#include <stdint.h>

static inline uint16_t codec_le16(const uint8_t *at) { return (uint16_t)(at[0] | at[1] << 8); }
static inline uint16_t codec_be16(const uint8_t *at) { return (uint16_t)(at[0] << 8 | at[1]); }
static inline uint32_t codec_le32(const uint8_t *at) { return codec_le16(at) | (uint32_t)codec_le16(at + 2) << 16; }
static inline uint32_t codec_be32(const uint8_t *at) { return (uint32_t)codec_be16(at) << 16 | codec_be16(at + 2); }

#endif
