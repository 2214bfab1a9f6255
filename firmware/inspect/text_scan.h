// Looking through a text that arrives in windows: patterns across their borders, and how dense each stretch is.
//
// All that one text takes, whatever its size: this struct, a slice of it in lower case, and for an inflated text the
// window that zlib fills. Together at most INSPECT_TEXT_WINDOW; zlib's own state is its own.
#ifndef INSPECT_TEXT_SCAN_H
#define INSPECT_TEXT_SCAN_H

#include "base/checked.h"
#include "walk.h"

enum {
  INSPECT_TEXT_CARRY = 32,      // bytes that a pattern needs from before: the longest one and the byte in front of it
  INSPECT_TEXT_SLICE = 512,     // looked through at a time, with the carry
  INSPECT_TEXT_INFLATED = 2048  // what zlib fills at a time
};

// One text. Zeroed is ready.
struct inspect_text_scan {
  uint64_t bytes;           // of the text so far
  uint64_t offsets[32];     // in the text, of the patterns found
  uint64_t densest_offset;  // in the text
  uint32_t found;           // bit i: pattern i was found
  uint32_t ignored;         // bit i: pattern i is not looked for
  uint32_t counts[256];     // of the stretch that is being counted
  uint32_t counted_bytes;   // in it
  uint16_t densest;         // 1/1000 bit a byte; 0: no stretch was long enough
  uint16_t carry_bytes;
  uint8_t carry[INSPECT_TEXT_CARRY];  // the end of the text so far, in lower case
};
_Static_assert(sizeof(struct inspect_text_scan) + INSPECT_TEXT_SLICE + INSPECT_TEXT_INFLATED <= INSPECT_TEXT_WINDOW,
               "a text is held in one window");

void inspect_text_scan_push(struct inspect_text_scan *scan, struct base_span window);
// Adds what was found and counts text_bytes. `part` lies in the file; `is_plain`: so does the text, as it is, and a
// pattern's own place can be told.
void inspect_text_scan_conclude(struct inspect_text_scan *scan, struct inspect_walk *walk, struct base_span part,
                                bool is_plain, const char *place);
// Entropy of a histogram of `total` bytes in 1/1000 bit a byte (Shannon 1948, section 6).
uint16_t inspect_entropy_of(const uint32_t counts[256], uint32_t total);

#endif
