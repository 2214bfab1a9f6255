#include "photoshop.h"

enum {  // resource ids
  CAPTION = 0x0404,
  OLD_THUMBNAIL = 0x0409,
  THUMBNAIL = 0x040C,
  PROFILE = 0x040F,
  EXIF = 0x0422,
  XMP = 0x0424,
};
enum { SIGNATURE_BYTES = 4, ID_BYTES = 2, SIZE_BYTES = 4 };

static void read_resource(struct inspect_walk *walk, struct inspect_photoshop *state, unsigned id,
                          struct base_span part) {
  switch (id) {
    case CAPTION:  // IPTC
      inspect_text(walk, part, "IPTC");
      return;
    case XMP:
      walk->report->has_xmp = true;
      inspect_text(walk, part, "XMP");
      return;
    case EXIF:
      state->exif = part;
      return;
    case PROFILE:
      state->profile = part;
      return;
    case THUMBNAIL:
    case OLD_THUMBNAIL:
      walk->report->has_thumbnail = true;
      return;
    default:
      return;
  }
}

static bool has_signature(struct base_span part) {
  static const char *const signatures[] = {"8BIM", "8BPS", "MeSa", "PHUT", "AgHg", "DCSR"};
  for (size_t i = 0; i < sizeof signatures / sizeof *signatures; i++) {
    if (base_span_starts_with(part, signatures[i])) return true;
  }
  return false;
}

// Bytes from a resource's start to its data; 0 when the head does not lie in `part`. A Pascal string names it, padded
// to an even length together with its count.
static size_t head_bytes(struct base_span part) {
  size_t name = SIGNATURE_BYTES + ID_BYTES;
  if (part.bytes <= name) return 0;
  size_t size = name + ((size_t)part.data[name] + 2) / 2 * 2;
  return inspect_has(part, size, SIZE_BYTES) ? size + SIZE_BYTES : 0;
}

void inspect_photoshop(struct inspect_walk *walk, struct inspect_photoshop *state, struct base_span part,
                       const char *place) {
  if (state->is_lost) return;
  uint64_t skipped = base_min_u64(state->left, part.bytes);
  state->left -= skipped;
  part = base_span_slice(part, skipped, part.bytes);
  while (part.bytes > 0) {
    state->resource = inspect_offset(walk, part);
    if (part.bytes < SIGNATURE_BYTES && inspect_is_zeros(part)) return;
    size_t head = head_bytes(part);
    if (part.bytes >= SIGNATURE_BYTES && !has_signature(part)) {
      image_report_find(walk->report, IMAGE_RULE_STRUCTURE, state->resource, part.bytes, place,
                        "a Photoshop resource without its signature");
      state->is_lost = true;
      return;
    }
    if (head == 0) {
      state->left = 1;
      state->is_lost = true;
      return;
    }
    if (!inspect_next_part(walk, state->resource)) return;
    uint64_t bytes = inspect_be32(part.data + head - SIZE_BYTES), padded = bytes + (bytes & 1);
    struct base_span data = base_span_slice(part, head, bytes);
    if (data.bytes == bytes) read_resource(walk, state, inspect_be16(part.data + SIGNATURE_BYTES), data);
    part = base_span_slice(part, head, part.bytes);
    skipped = base_min_u64(padded, part.bytes);
    state->left = bytes > skipped ? padded - skipped : 0;  // the last one's padding may be missing
    part = base_span_slice(part, skipped, part.bytes);
  }
}

void inspect_photoshop_conclude(struct inspect_walk *walk, const struct inspect_photoshop *state, const char *place) {
  if (state->exif.data && !walk->report->exif.is_present) inspect_exif(walk, state->exif, "8BIM");
  if (state->profile.data && !walk->report->icc.is_present) {
    inspect_profile(walk, state->profile, inspect_offset(walk, state->profile), "8BIM");
  }
  if (state->left == 0) return;
  image_report_find(walk->report, IMAGE_RULE_STRUCTURE, state->resource, 0, place, "a Photoshop resource is cut off");
}
