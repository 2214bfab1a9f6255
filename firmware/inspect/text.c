#include <ctype.h>
#include <math.h>
#include <string.h>

#include "structure.h"
#include "text_scan.h"

enum {
  // A stretch is 4096 bytes of a text, or a shorter text as a whole. The entropy of few bytes is measured too low: n
  // random bytes read as about 8 - 255 / (2 n ln 2) bits (Miller 1955), which is 7.95 for 4096, 7.91 for 2048 and 7.82
  // for 1024. So random bytes pass the limit of 7.8 from 2048 on with room to spare, and shorter texts are not judged.
  STRETCH = 4096,
  MIN_STRETCH = 2048,
  MAX_ENTROPY = 7800,
};

// What has to stand around a pattern, so that prose is left alone.
enum {
  ANYWHERE = 0,
  WORD = 1,     // no letter, digit or underscore in front: "medieval(" is no eval(
  GLUED = 2,    // no white space behind: "JavaScript: the good parts" is a title
  TAG = 4,      // white space, '/' or '>' behind
  PLACE = 16,   // no script but XMP's word for where it was taken: IMAGE_RULE_GPS
  ARGUMENT = 8  // '$', a quote, a digit or the word null behind: "number system (metric)" is prose
};

// Things that act where they are read: by a browser, PHP, an XML parser, a shell, a logger, a database. Matched without
// regard to case; NUL bytes are passed over, so that UTF-16 reads the same.
static const struct {
  const char *text;
  uint8_t around;
} patterns[] = {
    {"<?php", ANYWHERE},
    {"<?=", ANYWHERE},
    {"<script", TAG},
    {"<iframe", TAG},
    {"<svg", TAG},
    {"<!entity", TAG},
    {"<!--#exec", ANYWHERE},
    {"<%@", ANYWHERE},
    {"javascript:", WORD | GLUED},
    {"vbscript:", WORD | GLUED},
    {"data:text/html", WORD},
    {"onerror=", WORD | GLUED},
    {"onload=", WORD | GLUED},
    {"eval(", WORD | GLUED},
    {"base64_decode(", WORD},
    {"shell_exec(", WORD},
    {"passthru(", WORD},
    {"system(", WORD | ARGUMENT},
    {"document.cookie", WORD},
    {"#!/bin/", ANYWHERE},
    {"#!/usr/", ANYWHERE},
    {"/bin/sh -", ANYWHERE},
    {"cmd.exe /", ANYWHERE},
    {"powershell -", WORD | GLUED},
    {"powershell.exe", WORD},
    {"${jndi:", ANYWHERE},
    {"union select ", WORD | ARGUMENT},
    {"union all select ", WORD},
    {"; drop table ", ANYWHERE},
    {"exif:gpslatitude", PLACE},
};
enum { PATTERN_COUNT = sizeof patterns / sizeof *patterns };
_Static_assert(PATTERN_COUNT <= 32, "one bit a pattern");

static uint8_t lower(uint8_t byte) { return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte + 32) : byte; }
static bool is_space(uint8_t byte) { return byte == ' ' || (byte >= '\t' && byte <= '\r'); }
static bool is_word(uint8_t byte) { return isalnum(byte) || byte == '_' || byte >= 0x80; }

static bool fits_behind(uint8_t around, uint8_t behind) {
  if ((around & GLUED) && is_space(behind)) return false;
  if ((around & TAG) && !is_space(behind) && behind != '>' && behind != '/') return false;
  return !(around & ARGUMENT) || isdigit(behind) || (behind != '\0' && strchr("$\"'n", behind) != NULL);
}

// Whether pattern `i` stands right before held[end], the byte behind it.
static bool stands_before(const uint8_t *held, size_t end, size_t i) {
  const char *text = patterns[i].text;
  const size_t length = strlen(text);
  if (end < length || memcmp(held + end - length, text, length) != 0) return false;
  if ((patterns[i].around & WORD) && end > length && is_word(held[end - length - 1])) return false;
  return fits_behind(patterns[i].around, held[end]);
}

// Looks for patterns whose byte behind is among held[from..bytes]; `offset` is that of held[bytes] in the text.
static void look(struct inspect_text_scan *scan, const uint8_t *held, size_t from, size_t bytes, uint64_t offset) {
  uint32_t ending[128] = {0};  // by a byte: the patterns that end with it
  for (size_t i = 0; i < PATTERN_COUNT; i++) {
    if (!((scan->found | scan->ignored) & 1u << i))
      ending[patterns[i].text[strlen(patterns[i].text) - 1] & 127] |= 1u << i;
  }
  for (size_t end = base_max_u64(from, 1); end < bytes; end++) {
    const uint8_t last = held[end - 1];
    for (uint32_t left = last < 128 ? ending[last] & ~scan->found : 0; left != 0; left &= left - 1) {
      const size_t i = (size_t)__builtin_ctz(left);
      if (!stands_before(held, end, i)) continue;
      const uint64_t back = bytes - end + strlen(patterns[i].text);
      scan->found |= 1u << i;
      scan->offsets[i] = offset > back ? offset - back : 0;
    }
  }
}

uint16_t inspect_entropy_of(const uint32_t counts[256], uint32_t total) {
  if (total == 0) return 0;
  double sum = 0;
  for (size_t i = 0; i < 256; i++) {
    if (counts[i]) sum += counts[i] * log2(counts[i]);
  }
  return (uint16_t)lround(1000 * (log2(total) - sum / total));
}

// Three bytes come about by chance in a few megabytes.
static uint32_t short_patterns(void) {
  enum { CHANCE_BYTES = 4 };
  uint32_t bits = 0;
  for (size_t i = 0; i < PATTERN_COUNT; i++) bits |= strlen(patterns[i].text) <= CHANCE_BYTES ? 1u << i : 0;
  return bits;
}

static void end_stretch(struct inspect_text_scan *scan, uint64_t end) {
  if (scan->counted_bytes >= MIN_STRETCH) {
    const uint16_t entropy = inspect_entropy_of(scan->counts, scan->counted_bytes);
    if (entropy > scan->densest) {
      scan->densest = entropy;
      scan->densest_offset = end - scan->counted_bytes;
    }
  }
  memset(scan->counts, 0, sizeof scan->counts);
  scan->counted_bytes = 0;
}

// `slice` fits behind the carry.
static void push_slice(struct inspect_text_scan *scan, struct base_span slice) {
  uint8_t held[INSPECT_TEXT_SLICE];
  size_t bytes = scan->carry_bytes;
  memcpy(held, scan->carry, bytes);
  for (size_t i = 0; i < slice.bytes; i++) {
    const uint8_t byte = slice.data[i];
    if (byte != '\0') held[bytes++] = lower(byte);
    scan->counts[byte]++;
    if (++scan->counted_bytes == STRETCH) end_stretch(scan, scan->bytes + i + 1);
  }
  scan->bytes += slice.bytes;
  look(scan, held, scan->carry_bytes, bytes, scan->bytes);
  scan->carry_bytes = (uint16_t)base_min_u64(bytes, INSPECT_TEXT_CARRY);
  memcpy(scan->carry, held + bytes - scan->carry_bytes, scan->carry_bytes);
}

void inspect_text_scan_push(struct inspect_text_scan *scan, struct base_span window) {
  const size_t step = INSPECT_TEXT_SLICE - INSPECT_TEXT_CARRY - 1;
  for (size_t at = 0; at < window.bytes; at += step) push_slice(scan, base_span_slice(window, at, step));
}

// At the text's end: what stands there, and what was found in all of it.
static void find_patterns(struct inspect_text_scan *scan, struct inspect_walk *walk, struct base_span part,
                          bool is_plain, const char *place) {
  const uint64_t offset = inspect_offset(walk, part);
  uint8_t held[INSPECT_TEXT_CARRY + 1];
  memcpy(held, scan->carry, scan->carry_bytes);
  held[scan->carry_bytes] = '\0';  // what ends the text stands behind its last pattern
  look(scan, held, scan->carry_bytes, (size_t)scan->carry_bytes + 1, scan->bytes + 1);
  for (size_t i = 0; i < PATTERN_COUNT; i++) {
    if (!(scan->found & 1u << i)) continue;
    if (patterns[i].around & PLACE) {
      image_report_find(walk->report, IMAGE_RULE_GPS, offset, part.bytes, place, "it says where the picture was taken");
      continue;
    }
    image_report_find(walk->report, IMAGE_RULE_TEXT, is_plain ? offset + scan->offsets[i] : offset,
                      is_plain ? strlen(patterns[i].text) : part.bytes, place, "a text says %s", patterns[i].text);
  }
}

void inspect_text_scan_conclude(struct inspect_text_scan *scan, struct inspect_walk *walk, struct base_span part,
                                bool is_plain, const char *place) {
  const uint64_t offset = inspect_offset(walk, part);
  find_patterns(scan, walk, part, is_plain, place);
  end_stretch(scan, scan->bytes);
  walk->report->text_bytes += scan->bytes;
  if (scan->densest > MAX_ENTROPY) {
    image_report_find(walk->report, IMAGE_RULE_TEXT_ENTROPY, is_plain ? offset + scan->densest_offset : offset,
                      is_plain ? base_min_u64(STRETCH, scan->bytes - scan->densest_offset) : part.bytes, place,
                      "a text is as dense as encrypted data: %u.%02u bits a byte", scan->densest / 1000u,
                      scan->densest % 1000u / 10);
  }
}

void inspect_unread(struct inspect_walk *walk, struct base_span part, const char *place) {
  enum { SURE_BYTES = 1024 };
  struct inspect_text_scan scan = {.ignored = part.bytes > SURE_BYTES ? short_patterns() : 0};
  if (!inspect_spend(walk, part.bytes)) return;
  inspect_text_scan_push(&scan, part);
  find_patterns(&scan, walk, part, true, place);
}

void inspect_text(struct inspect_walk *walk, struct base_span part, const char *place) {
  struct inspect_text_scan scan = {0};
  if (part.bytes > INSPECT_MAX_TEXT) {
    image_report_find(walk->report, IMAGE_RULE_CHUNK_SIZE, inspect_offset(walk, part), part.bytes, place,
                      "a text of %zu bytes; at most %d are usual", part.bytes, INSPECT_MAX_TEXT);
  }
  if (!inspect_spend(walk, part.bytes)) return;
  inspect_text_scan_push(&scan, part);
  inspect_text_scan_conclude(&scan, walk, part, true, place);
}
