#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "structure.h"
#include "text_scan.h"

// What the data of real files looks like, in windows of 64 KiB (photographs, drawings, scans, noise and blank pages in
// every format, and the pictures of a Debian system; bits a byte, lowest to highest window):
//
//   JPEG 1.6-7.98   PNG 0-8.00   WebP 0-8.00   GIF 7.4-7.99   AVIF, HEIC 0-8.00   TIFF (LZW, deflate) 1.8-8.00
//   pixels as they are (BMP, TGA, PNM, TIFF): 0-7.89, the highest of them strong noise in three channels
//
// So low and high alone say nothing of compressed data: a blank page codes as one byte over and over. What coded data
// never does is read as text: bytes of all values are in it even where it repeats, while source text, scripts and
// base64 have 3 to 6.6 bits and next to nothing but printable characters. Of pixels as they are, none come near the
// 7.997 of encrypted or compressed data; the limit lies between.
enum {
  HOPS = 4,
  HOP_BYTES = INSPECT_DATA_WINDOW / HOPS,  // how far the window slides at a time
  LANES = 4,          // histograms side by side: one would wait for its own last write when a byte repeats
  MIN_WINDOW = 4096,  // less data is not measured
  // Of data that is coded in bits.
  TEXT_LOWEST = 3000,
  TEXT_HIGHEST = 6600,
  PRINTABLE_PERCENT = 95,
  // Of pixels as they are.
  PLAIN_HIGHEST = 7980,
};

struct hop {
  uint64_t offset;  // in the file, of its first byte
  uint32_t counts[256];
};

struct found_window {
  uint16_t entropy;
  uint64_t offset, bytes;
};

struct inspect_entropy {
  uint32_t lanes[LANES][256];  // of the hop that is being filled
  uint64_t hop_offset, end;    // in the file: of its first byte, and behind its last
  uint32_t hop_bytes;
  struct hop hops[HOPS];  // the full ones of the window, in a circle
  uint64_t hop_count;     // ever
  uint64_t windows, sum;
  struct found_window lowest, highest, most_printable;
  unsigned printable_percent;  // of most_printable
};

void inspect_entropy_begin(struct inspect_walk *walk) { walk->entropy = calloc(1, sizeof *walk->entropy); }

static void count(struct inspect_entropy *entropy, const uint8_t *data, size_t bytes) {
  size_t i = 0;
  for (; i + 8 <= bytes; i += 8) {
    uint64_t eight;
    memcpy(&eight, data + i, sizeof eight);
    entropy->lanes[0][eight & 255]++;
    entropy->lanes[1][eight >> 8 & 255]++;
    entropy->lanes[2][eight >> 16 & 255]++;
    entropy->lanes[3][eight >> 24 & 255]++;
    entropy->lanes[0][eight >> 32 & 255]++;
    entropy->lanes[1][eight >> 40 & 255]++;
    entropy->lanes[2][eight >> 48 & 255]++;
    entropy->lanes[3][eight >> 56]++;
  }
  for (; i < bytes; i++) entropy->lanes[0][data[i]]++;
}

static unsigned printable_percent(const uint32_t counts[256], uint32_t total) {
  uint32_t printable = counts['\t'] + counts['\n'] + counts['\r'];
  for (int i = ' '; i <= '~'; i++) printable += counts[i];
  return (unsigned)((uint64_t)printable * 100 / total);
}

// The window that ends now: the last full hops, and in place of the oldest what the next one has so far.
static void judge_window(struct inspect_entropy *entropy) {
  uint32_t counts[256] = {0}, total = 0;
  uint64_t start = entropy->hop_offset;
  const uint64_t most = entropy->hop_bytes > 0 ? HOPS - 1 : HOPS;
  const uint64_t held = base_min_u64(entropy->hop_count, most);
  for (uint64_t back = 1; back <= held; back++) {
    const struct hop *hop = &entropy->hops[(entropy->hop_count - back) % HOPS];
    for (size_t i = 0; i < 256; i++) counts[i] += hop->counts[i];
    start = hop->offset;
  }
  for (size_t i = 0; i < 256; i++) {
    for (size_t lane = 0; lane < LANES; lane++) counts[i] += entropy->lanes[lane][i];
    total += counts[i];
  }
  const struct found_window window = {inspect_entropy_of(counts, total), start,
                                      entropy->end > start ? entropy->end - start : 0};
  const unsigned printable = printable_percent(counts, total);
  const bool is_first = entropy->windows++ == 0;
  entropy->sum += window.entropy;
  if (is_first || window.entropy < entropy->lowest.entropy) entropy->lowest = window;
  if (is_first || window.entropy > entropy->highest.entropy) entropy->highest = window;
  if (window.entropy >= TEXT_LOWEST && window.entropy <= TEXT_HIGHEST && printable > entropy->printable_percent) {
    entropy->printable_percent = printable;
    entropy->most_printable = window;
  }
}

static void end_hop(struct inspect_entropy *entropy) {
  struct hop *hop = &entropy->hops[entropy->hop_count++ % HOPS];
  hop->offset = entropy->hop_offset;
  for (size_t i = 0; i < 256; i++) {
    hop->counts[i] = 0;
    for (size_t lane = 0; lane < LANES; lane++) hop->counts[i] += entropy->lanes[lane][i];
  }
  memset(entropy->lanes, 0, sizeof entropy->lanes);
  entropy->hop_bytes = 0;
  if (entropy->hop_count >= HOPS) judge_window(entropy);
}

void inspect_data(struct inspect_walk *walk, struct base_span part) {
  struct inspect_entropy *entropy = walk->entropy;
  walk->report->data_bytes += part.bytes;
  if (!entropy) return;
  const uint64_t offset = inspect_offset(walk, part);
  for (size_t at = 0; at < part.bytes;) {
    if (entropy->hop_bytes == 0) entropy->hop_offset = offset + at;
    const size_t bytes = base_min_u64(HOP_BYTES - entropy->hop_bytes, part.bytes - at);
    count(entropy, part.data + at, bytes);
    at += bytes;
    entropy->hop_bytes += (uint32_t)bytes;
    entropy->end = offset + at;
    if (entropy->hop_bytes == HOP_BYTES) end_hop(entropy);
  }
}

// Formats whose data is coded in bits and so never reads as text. (Runs of bytes, as TIFF and PSD have them, may.)
static bool is_coded_in_bits(const struct inspect_walk *walk) {
  switch ((enum image_file_format)walk->report->format) {
    case IMAGE_FILE_JPEG:
    case IMAGE_FILE_PNG:
    case IMAGE_FILE_WEBP:
    case IMAGE_FILE_GIF:
    case IMAGE_FILE_HEIC:
    case IMAGE_FILE_AVIF:
      return true;
    default:
      return false;
  }
}

static void find_in(struct inspect_walk *walk, const struct found_window *window, const char *what) {
  image_report_find(walk->report, IMAGE_RULE_DATA_ENTROPY, window->offset, window->bytes, "",
                    "a stretch of the image data reads like %s: %u.%02u bits a byte", what, window->entropy / 1000u,
                    window->entropy % 1000u / 10);
}

// More data than the picture can need: a decoder stops reading when it has its pixels, and nobody sees the rest. What
// coders make of noise, which is the worst for them, grows by a tenth at most where they can store it as it is; DCT
// coefficients can not be, and one takes up to twice a sample's bits. HEIF files have masks, maps and previews besides.
static void check_surplus(struct inspect_walk *walk) {
  enum { SLACK = 65536, FRAME_SLACK = 64, ROW_SLACK = 2 };  // heads; a PNG filter's byte a row, in up to seven passes
  const struct image_report *report = walk->report;
  const uint64_t frames = base_max_u64(report->frames, 1), frame_bytes = walk->pixel_bytes / frames;
  if (!is_coded_in_bits(walk) || walk->pixel_bytes == 0) return;
  uint64_t tenths = 11, most;
  if (report->format == IMAGE_FILE_JPEG) tenths = 30;
  if (report->format == IMAGE_FILE_HEIC || report->format == IMAGE_FILE_AVIF) tenths = 40;
  const uint64_t small = SLACK + frames * (FRAME_SLACK + ROW_SLACK * (uint64_t)report->height);
  // The picture that readers without animation show need not be one of the frames.
  const uint64_t still = frames > 1 ? frame_bytes : 0;
  if (__builtin_mul_overflow(walk->pixel_bytes, tenths, &most) || __builtin_add_overflow(most / 10, small, &most) ||
      __builtin_add_overflow(most, still, &most) || report->data_bytes <= most) {
    return;
  }
  image_report_find(walk->report, IMAGE_RULE_DATA_ENTROPY, 0, 0, "",
                    "%" PRIu64 " bytes of image data for %" PRIu64 " bytes of pixels", report->data_bytes,
                    walk->pixel_bytes);
}

void inspect_entropy_conclude(struct inspect_walk *walk) {
  struct inspect_entropy *entropy = walk->entropy;
  struct image_report *report = walk->report;
  check_surplus(walk);
  if (!entropy) return;
  const uint64_t bytes = entropy->hop_count * HOP_BYTES + entropy->hop_bytes;
  if (bytes >= MIN_WINDOW && (entropy->hop_bytes > 0 || entropy->windows == 0)) {
    judge_window(entropy);
  }
  // Elsewhere, data that is as large as the pixels is not compressed.
  const bool is_plain = report->data_bytes >= walk->pixel_bytes / 100 * 95;
  if (entropy->windows > 0) {
    report->entropy_lowest = entropy->lowest.entropy;
    report->entropy_highest = entropy->highest.entropy;
    report->entropy_mean = (uint16_t)(entropy->sum / entropy->windows);
  }
  if (is_coded_in_bits(walk) && entropy->printable_percent >= PRINTABLE_PERCENT) {
    find_in(walk, &entropy->most_printable, "text");
  }
  if (is_plain && !is_coded_in_bits(walk) && entropy->highest.entropy > PLAIN_HIGHEST) {
    find_in(walk, &entropy->highest, "encrypted data");
  }
  free(entropy);
  walk->entropy = NULL;
}
