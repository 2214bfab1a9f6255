// JPEG files made segment by segment in `file`.
#ifndef MADE_JPEG_H
#define MADE_JPEG_H

#include "made_file.h"

static struct made_file file;

static inline void put_segment(uint8_t marker, const void *data, size_t bytes) {
  put8(&file, 0xFF);
  put8(&file, marker);
  put_be16(&file, (unsigned)(bytes + 2));
  put(&file, data, bytes);
}
#define SEGMENT(marker, bytes) put_segment((marker), (bytes), sizeof(bytes) - 1)

static inline void put_quantisation(void) {
  uint8_t table[65] = {0};
  memset(table + 1, 16, 64);
  put_segment(0xDB, table, sizeof table);
}

// Tables 0 for DC and AC: one code of one bit, one of two.
static inline void put_huffman(void) {
  static const uint8_t lengths[16] = {1, 1};
  uint8_t table[2 * 19];
  for (int i = 0; i < 2; i++) {
    table[19 * i] = (uint8_t)(i << 4);
    memcpy(table + 19 * i + 1, lengths, 16);
    table[19 * i + 17] = 0;
    table[19 * i + 18] = 1;
  }
  put_segment(0xC4, table, sizeof table);
}

static inline void put_frame(uint8_t marker, unsigned width, unsigned height, unsigned components) {
  uint8_t head[18] = {
      8, (uint8_t)(height >> 8), (uint8_t)height, (uint8_t)(width >> 8), (uint8_t)width, (uint8_t)components};
  for (unsigned i = 0; i < components; i++) memcpy(head + 6 + 3 * i, (uint8_t[]){(uint8_t)(i + 1), 0x11, 0}, 3);
  put_segment(marker, head, 6 + 3 * components);
}

static inline void put_scan_head(unsigned components, unsigned last) {
  uint8_t head[12] = {(uint8_t)components};
  for (unsigned i = 0; i < components; i++) head[1 + 2 * i] = (uint8_t)(i + 1);
  head[2 + 2 * components] = (uint8_t)last;
  put_segment(0xDA, head, 4 + 2 * components);
}

static inline void begin(void) {
  file.bytes = 0;
  put(&file, "\xFF\xD8", 2);
}

static inline void put_jfif(void) { SEGMENT(0xE0, "JFIF\0\1\2\0\0\1\0\1\0\0"); }

static inline void put_rest(unsigned components) {
  put_quantisation();
  put_frame(0xC0, 16, 8, components);
  put_huffman();
  put_scan_head(components, 63);
  put(&file, "\x12\xFF\x00\x34", 4);
  put(&file, "\xFF\xD9", 2);
}

// Where the segment with this marker begins.
static inline size_t find(uint8_t marker) {
  for (size_t at = 2; at + 4 <= file.bytes; at += 2 + (size_t)(file.data[at + 2] << 8 | file.data[at + 3])) {
    if (file.data[at + 1] == marker) return at;
  }
  fail_msg("no segment 0x%02X", marker);
  return 0;
}

static inline void remove_segment(uint8_t marker) {
  size_t at = find(marker);
  splice(&file, at, 2 + (size_t)(file.data[at + 2] << 8 | file.data[at + 3]), NULL, 0);
}

static inline void make(unsigned components) {
  begin();
  put_jfif();
  put_rest(components);
}

static inline void expect_structure(const char *place, const char *text) {
  expect_only(&file, IMAGE_RULE_STRUCTURE, place, text);
}

// A good file with one more segment in front of its quantisation table.
static inline void make_with(unsigned components, uint8_t marker, const char *data, size_t bytes) {
  begin();
  put_segment(marker, data, bytes);
  put_rest(components);
}
#define MAKE_WITH(components, marker, bytes) make_with((components), (marker), (bytes), sizeof(bytes) - 1)

#endif
