// Checked reading of a file's structure, for the walkers.
#ifndef INSPECT_STRUCTURE_H
#define INSPECT_STRUCTURE_H

#include "base/checked.h"
#include "walk.h"

// Larger parts of a kind that we do not know are suspicious: IMAGE_RULE_HIDDEN.
enum { INSPECT_MAX_UNKNOWN = 16384 };

// Numbers out of a file's bytes. The caller has checked that they are there.
static inline uint16_t inspect_le16(const uint8_t *at) { return (uint16_t)(at[0] | at[1] << 8); }
static inline uint16_t inspect_be16(const uint8_t *at) { return (uint16_t)(at[0] << 8 | at[1]); }
static inline uint32_t inspect_le24(const uint8_t *at) { return inspect_le16(at) | (uint32_t)at[2] << 16; }
static inline uint32_t inspect_le32(const uint8_t *at) {
  return inspect_le16(at) | (uint32_t)inspect_le16(at + 2) << 16;
}
static inline uint32_t inspect_be32(const uint8_t *at) {
  return (uint32_t)inspect_be16(at) << 16 | inspect_be16(at + 2);
}
static inline uint64_t inspect_le64(const uint8_t *at) {
  return inspect_le32(at) | (uint64_t)inspect_le32(at + 4) << 32;
}
static inline uint64_t inspect_be64(const uint8_t *at) {
  return (uint64_t)inspect_be32(at) << 32 | inspect_be32(at + 4);
}

// Whether `bytes` from `offset` lie inside `whole`.
static inline bool inspect_has(struct base_span whole, uint64_t offset, uint64_t bytes) {
  return offset <= whole.bytes && bytes <= whole.bytes - offset;
}
// Where a part of the file begins.
static inline uint64_t inspect_offset(const struct inspect_walk *walk, struct base_span part) {
  return (uint64_t)(part.data - walk->file.data);
}
// Whether `part` begins with these bytes, which may have zeros among them.
bool inspect_begins(struct base_span part, const char *bytes, size_t count);
bool inspect_is_zeros(struct base_span part);
// A four-character code as text for a finding's place: what can not be printed becomes '?'.
struct inspect_code {
  char text[5];
};
struct inspect_code inspect_code_of(const uint8_t *at);

// Counts a part; false (with a finding) when there are more than INSPECT_MAX_PARTS: the walk ends there.
bool inspect_next_part(struct inspect_walk *walk, uint64_t offset) BASE_CHECKED;
// Sets size, bits, channels and colour.
void inspect_picture(struct inspect_walk *walk, uint32_t width, uint32_t height, uint8_t bits, uint8_t channels,
                     enum image_colour colour);
// Sets frames (at least 1) and, from what inspect_picture was given, pixel_bytes: for the walker's end.
void inspect_frames(struct inspect_walk *walk, uint64_t frames);

#endif
