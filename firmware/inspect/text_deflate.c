#include <zlib.h>

#include "structure.h"
#include "text_scan.h"

// Text rarely shrinks to less than a twentieth, the padding of an XMP packet to a fiftieth; deflate can do 1032.
enum { MAX_RATIO = 250, RATIO_FROM_BYTES = 65536 };

// Says why inflating stopped before the stream's end.
static void complain(struct inspect_walk *walk, const z_stream *stream, int result, struct base_span part,
                     const char *place) {
  const uint64_t offset = inspect_offset(walk, part);
  if (result != Z_OK && result != Z_BUF_ERROR) {
    image_report_find(walk->report, IMAGE_RULE_STRUCTURE, offset, part.bytes, place, "a compressed text is damaged");
  } else if (stream->total_out > INSPECT_MAX_TEXT) {
    image_report_find(walk->report, IMAGE_RULE_CHUNK_SIZE, offset, part.bytes, place,
                      "a compressed text inflates to more than %d bytes", INSPECT_MAX_TEXT);
  } else if (stream->avail_in == 0) {
    image_report_find(walk->report, IMAGE_RULE_STRUCTURE, offset, part.bytes, place,
                      "a compressed text ends in the middle");
  }
}

void inspect_text_deflated(struct inspect_walk *walk, struct base_span part, const char *place) {
  uint8_t window[INSPECT_TEXT_INFLATED];
  struct inspect_text_scan scan = {0};
  // A larger part can only be longer than the text that is looked at.
  z_stream stream = {.next_in = (z_const Bytef *)(uintptr_t)part.data,
                     .avail_in = (uInt)base_min_u64(part.bytes, 2 * INSPECT_MAX_TEXT)};
  if (inflateInit(&stream) != Z_OK) return;
  bool is_bomb = false;
  int result = Z_OK;
  while (result == Z_OK && stream.total_out <= INSPECT_MAX_TEXT && !is_bomb && inspect_spend(walk, sizeof window)) {
    stream.next_out = window;
    stream.avail_out = sizeof window;
    result = inflate(&stream, Z_NO_FLUSH);
    inspect_text_scan_push(&scan, base_span_of(window, sizeof window - stream.avail_out));
    is_bomb = stream.total_out >= RATIO_FROM_BYTES && stream.total_out / MAX_RATIO > stream.total_in;
  }
  if (is_bomb) {
    image_report_find(walk->report, IMAGE_RULE_EXPANSION, inspect_offset(walk, part), part.bytes, place,
                      "a compressed text inflates more than %d times", MAX_RATIO);
  } else if (result != Z_STREAM_END && !walk->is_spent) {
    complain(walk, &stream, result, part, place);
  } else if (result == Z_STREAM_END && stream.avail_in > 0) {
    inspect_hidden(walk, inspect_offset(walk, part) + stream.total_in, part.bytes - stream.total_in, place);
  }
  inflateEnd(&stream);
  inspect_text_scan_conclude(&scan, walk, part, false, place);
}
