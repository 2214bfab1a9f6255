// What a walker gets and says while it goes through a file's structure; what the scans behind it need.
//
// A walker (one file a format) finds the parts of a file and hands each to the functions below; the scans (text,
// entropy, polyglot) know nothing of formats. Working memory of one inspection: this struct and the scans' windows.
#ifndef INSPECT_WALK_H
#define INSPECT_WALK_H

#include "inspect/inspect.h"

enum {
  INSPECT_MAX_DEPTH = 16,         // of nested boxes and directories
  INSPECT_MAX_PARTS = 1000000,    // chunks, segments, boxes, entries of one file
  INSPECT_MAX_TEXT = 1 << 20,     // bytes of one text chunk, inflated; a larger one is IMAGE_RULE_CHUNK_SIZE
  INSPECT_MAX_PROFILE = 4 << 20,  // bytes of an ICC profile
  INSPECT_TEXT_WINDOW = 4096,     // bytes of a text chunk that are held at a time
  INSPECT_DATA_WINDOW = 65536,    // the sliding window over image data
  INSPECT_FREE_STEPS = 1 << 26,   // inspect_spend: what a file may cost however short it is, well below a second
};

struct inspect_entropy;  // entropy.c
struct inspect_walk {
  struct base_span file;
  const struct image_limits *limits;
  struct image_report *report;
  struct inspect_entropy *entropy;  // of the image data so far; one sliding window through all pieces
  uint64_t pixel_bytes;             // what it would decode to: width * height * channels * bytes a channel * frames
  uint64_t known_end;  // the walker does not know where the picture ends, but that it reaches this far; 0: it knows
  uint64_t steps;      // of work, inspect_spend
  bool is_spent;
  uint8_t colour_said[IMAGE_SPACE_SOURCE_COUNT];  // colour.c: what each source said, enum image_colour_space
};

// One walker a format. `matches` looks at the first bytes. `walk` sets format, size, bits, channels, colour, frames and
// the counts, and calls the functions below. It returns where the picture ends: what lies behind is trailing.
struct inspect_walker {
  enum image_file_format format;
  bool (*matches)(struct base_span file);
  uint64_t (*walk)(struct inspect_walk *walk);
};
extern const struct inspect_walker inspect_jpeg, inspect_png, inspect_webp, inspect_gif, inspect_bmp;  // one file each
extern const struct inspect_walker inspect_tiff, inspect_heic, inspect_avif;  // tiff.c; bmff.c has the last two
extern const struct inspect_walker inspect_psd, inspect_pnm, inspect_tga;     // plain.c
// walkers.c: the walker whose `matches` says yes, or NULL.
const struct inspect_walker *inspect_walker_for(struct base_span file);
// walkers.c: what content without a walker plainly is ("a PDF"), or NULL.
const char *inspect_content_name(struct base_span file);

// --- what walkers hand over; `part` lies in walk->file unless said otherwise, `place` names it in findings ---

// structure.c: takes `steps` (a byte looked at, a comparison) off what one file may cost: a few times its own length
// and INSPECT_FREE_STEPS. Parts may be shared and refer to each other: whatever a file can make happen again and again
// asks here first. False, the first time with a finding, when the work must not be done.
bool inspect_spend(struct inspect_walk *walk, uint64_t steps) BASE_CHECKED;
// text.c: a text (tEXt, iTXt, XMP, COM, EXIF texts ...): patterns and entropy. Counts text_bytes.
void inspect_text(struct inspect_walk *walk, struct base_span part, const char *place);
// text.c: a part of a kind that we do not know, or that nothing here reads: patterns alone, for it may well be dense.
void inspect_unread(struct inspect_walk *walk, struct base_span part, const char *place);
// text_deflate.c: as inspect_text, of a zlib stream (zTXt, compressed iTXt), inflated through windows of
// INSPECT_TEXT_WINDOW; stops at INSPECT_MAX_TEXT. A broken stream is IMAGE_RULE_STRUCTURE.
void inspect_text_deflated(struct inspect_walk *walk, struct base_span part, const char *place);
// entropy.c: a piece of compressed (or plain) image data. Counts data_bytes. begin comes before the walk (walk->entropy
// stays NULL when memory is short, and nothing is measured then); conclude fills report->entropy_*, adds what is found
// and frees.
void inspect_entropy_begin(struct inspect_walk *walk);
void inspect_entropy_conclude(struct inspect_walk *walk);
void inspect_data(struct inspect_walk *walk, struct base_span part);
// exif.c: an EXIF block, with or without "Exif\0\0". Fills report->exif, hands its texts to inspect_text, checks
// orientation and the size it claims (against report->width and height: call it when they are known), reports GPS.
void inspect_exif(struct inspect_walk *walk, struct base_span part, const char *place);
// profile.c: an ICC profile. `profile` may be a buffer of the walker's (JPEG puts it together from segments, PNG
// inflates it); offset is that of its part. Fills report->icc; of several profiles the first.
void inspect_profile(struct inspect_walk *walk, struct base_span profile, uint64_t offset, const char *place);
// profile.c: a zlib stream with a profile (iCCP).
void inspect_profile_deflated(struct inspect_walk *walk, struct base_span part, const char *place);
// structure.c: bytes between parts that no part owns. Zeros are padding, not hidden data: they are not counted.
void inspect_hidden(struct inspect_walk *walk, uint64_t offset, uint64_t bytes, const char *place);
// colour.c: what a part other than ICC says of the colours, as space and source; the strongest source wins, and
// contradictions become IMAGE_RULE_COLOUR when the file has been walked (inspect_colour_conclude).
void inspect_colour_says(struct inspect_walk *walk, enum image_colour_space space, enum image_space_source source);
void inspect_colour_conclude(struct inspect_walk *walk);
// structure.c: what lies behind `end`, which the walker returned: trailing_bytes and IMAGE_RULE_TRAILING. Zeros alone
// are padding: counted, no finding.
void inspect_trailing(struct inspect_walk *walk, uint64_t end);
// bombs.c, polyglot.c: when the file has been walked. `end` as above; polyglot looks at what is in front of it and
// behind, but leaves IMAGE_RULE_TRAILING to inspect_trailing.
void inspect_bombs(struct inspect_walk *walk);
void inspect_polyglot(struct inspect_walk *walk, uint64_t end);

#endif
