// One JPEG picture being walked (ITU-T T.81). jpeg.c reads frame, tables and scans, jpeg_scan.c what is coded,
// jpeg_app.c the application segments, jpeg_pictures.c the index of further pictures.
#ifndef INSPECT_JPEG_H
#define INSPECT_JPEG_H

#include "photoshop.h"
#include "structure.h"

enum jpeg_marker {
  JPEG_SOF0 = 0xC0,  // baseline; SOF15 is the last, but three of the sixteen are others:
  JPEG_DHT = 0xC4,
  JPEG_JPG = 0xC8,
  JPEG_DAC = 0xCC,
  JPEG_SOF15 = 0xCF,
  JPEG_RST0 = 0xD0,
  JPEG_RST7 = 0xD7,
  JPEG_SOI = 0xD8,
  JPEG_EOI = 0xD9,
  JPEG_SOS = 0xDA,
  JPEG_DQT = 0xDB,
  JPEG_DNL = 0xDC,
  JPEG_DRI = 0xDD,
  JPEG_DHP = 0xDE,
  JPEG_EXP = 0xDF,
  JPEG_APP0 = 0xE0,
  JPEG_APP15 = 0xEF,
  JPEG_COM = 0xFE,
  JPEG_TEM = 0x01,
};

enum { JPEG_MAX_COMPONENTS = 4, JPEG_MAX_PROFILE_PARTS = 255 };

struct jpeg_component {
  uint8_t id, across, down, quantisation;  // across, down: sampling factors
};

struct jpeg_frame {
  uint8_t marker;  // JPEG_SOF0 ..; 0: none yet
  uint8_t precision;
  uint16_t width, height;  // height 0: a DNL segment says it
  uint8_t component_count;
  struct jpeg_component components[JPEG_MAX_COMPONENTS];
};

struct jpeg_scan {
  uint8_t component_count;
  uint8_t indices[JPEG_MAX_COMPONENTS];  // into the frame's components
};

struct jpeg {
  struct inspect_walk *walk;
  struct base_span file;  // of walk->file what this picture may take
  bool is_main;           // not one of those that a Multi-Picture index names
  uint64_t at;
  struct jpeg_frame frame;
  bool is_hierarchical;
  uint8_t quantisation, dc_tables, ac_tables;  // one bit a table that was defined
  uint16_t restart_interval;                   // 0: none
  uint32_t scans;
  // Application segments
  bool has_jfif, has_adobe;
  uint8_t adobe_transform;
  struct base_span exif, pictures;  // pictures: the Multi-Picture index
  uint8_t profile_count;
  struct base_span profile[JPEG_MAX_PROFILE_PARTS + 1];  // by sequence number, from 1
  struct inspect_photoshop photoshop;
  uint64_t extended_xmp_bytes, extended_xmp_seen;
};

static inline bool jpeg_is_frame(uint8_t marker) {
  return marker >= JPEG_SOF0 && marker <= JPEG_SOF15 && marker != JPEG_DHT && marker != JPEG_JPG && marker != JPEG_DAC;
}
static inline bool jpeg_is_arithmetic(uint8_t sof) { return sof >= 0xC9; }
static inline bool jpeg_is_progressive(uint8_t sof) { return (sof & 3) == 2; }
static inline bool jpeg_is_lossless(uint8_t sof) { return (sof & 3) == 3; }

struct jpeg_name {
  char text[8];  // "SOF2", "APP13"
};
struct jpeg_name inspect_jpeg_name(uint8_t marker);

// From the first coded byte: moves jpeg->at to the marker that ends the scan, or to the end. False without one.
bool inspect_jpeg_scan(struct jpeg *jpeg, const struct jpeg_scan *scan) BASE_CHECKED;
// An APPn or COM segment; `part` is what follows its length.
void inspect_jpeg_app(struct jpeg *jpeg, uint8_t marker, struct base_span part);
// When the picture has ended: what needed all of its segments (EXIF, ICC, colours).
void inspect_jpeg_app_conclude(struct jpeg *jpeg);
// Calls `visit` for every further picture that the Multi-Picture index names, in the file's order and without overlap;
// `visit` says where it ended. `end` is where the first one did; returns where the last one did.
uint64_t inspect_jpeg_pictures(struct jpeg *jpeg, uint64_t end,
                               uint64_t (*visit)(struct inspect_walk *walk, uint64_t start, uint64_t bytes));

#endif
