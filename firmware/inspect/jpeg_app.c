// Application segments and comments of a JPEG file: JFIF, EXIF, XMP, ICC, Multi-Picture, Photoshop, Adobe.
#include "jpeg.h"

#include <stdlib.h>
#include <string.h>

static void find(struct jpeg *jpeg, enum image_rule rule, struct base_span part, const char *place, const char *text) {
  image_report_find(jpeg->walk->report, rule, inspect_offset(jpeg->walk, part), part.bytes, place, "%s", text);
}

// `part` begins with `mark` (whose NULs count): cuts it off.
static bool cut_mark(struct base_span *part, const char *mark, size_t bytes) {
  if (!inspect_begins(*part, mark, bytes)) return false;
  *part = base_span_slice(*part, bytes, part->bytes);
  return true;
}
#define CUT_MARK(part, mark) cut_mark((part), (mark), sizeof(mark) - 1)

// JFIF 1.02: version, units, densities, then a thumbnail of RGB triples.
static void read_jfif(struct jpeg *jpeg, struct base_span part) {
  enum { FIELDS = 9 };
  if (part.bytes < FIELDS) {
    find(jpeg, IMAGE_RULE_STRUCTURE, part, "APP0", "the JFIF header is cut off");
    return;
  }
  size_t thumbnail = (size_t)3 * part.data[7] * part.data[8];
  if (thumbnail > 0 && jpeg->is_main) jpeg->walk->report->has_thumbnail = true;
  jpeg->has_jfif = true;
  if (part.bytes < FIELDS + thumbnail) {
    find(jpeg, IMAGE_RULE_STRUCTURE, part, "APP0", "the JFIF thumbnail is cut off");
  } else if (part.bytes > FIELDS + thumbnail) {
    inspect_hidden(jpeg->walk, inspect_offset(jpeg->walk, part) + FIELDS + thumbnail, part.bytes - FIELDS - thumbnail,
                   "APP0");
  }
}

// JFIF extension: a thumbnail that is a JPEG stream (0x10), a palette picture (0x11) or RGB (0x13).
static void read_jfif_extension(struct jpeg *jpeg, struct base_span part) {
  if (part.bytes < 1 || (part.data[0] != 0x10 && part.data[0] != 0x11 && part.data[0] != 0x13)) {
    find(jpeg, IMAGE_RULE_STRUCTURE, part, "APP0", "a JFIF extension of unknown kind");
    return;
  }
  if (part.data[0] == 0x10 && !inspect_begins(base_span_slice(part, 1, part.bytes), "\xFF\xD8", 2)) {
    find(jpeg, IMAGE_RULE_STRUCTURE, part, "APP0", "a JFIF thumbnail that is none");
  }
  if (jpeg->is_main) jpeg->walk->report->has_thumbnail = true;
}

static void read_exif(struct jpeg *jpeg, struct base_span part) {
  if (jpeg->exif.data) {
    find(jpeg, IMAGE_RULE_EXIF, part, "APP1", "a second EXIF block");
    return;
  }
  jpeg->exif = part;
}

static void read_xmp(struct jpeg *jpeg, struct base_span part) {
  if (jpeg->is_main) jpeg->walk->report->has_xmp = true;
  inspect_text(jpeg->walk, part, "XMP");
}

// XMP specification part 3, 1.1.3.1: GUID, full length, offset of this portion.
static void read_extended_xmp(struct jpeg *jpeg, struct base_span part) {
  enum { HEAD = 40 };
  if (part.bytes < HEAD) {
    find(jpeg, IMAGE_RULE_STRUCTURE, part, "XMP", "an XMP extension is cut off");
    return;
  }
  uint64_t whole = inspect_be32(part.data + 32), offset = inspect_be32(part.data + 36), bytes = part.bytes - HEAD;
  if (offset > whole || bytes > whole - offset ||
      (jpeg->extended_xmp_bytes != 0 && jpeg->extended_xmp_bytes != whole)) {
    find(jpeg, IMAGE_RULE_STRUCTURE, part, "XMP", "an XMP extension that does not fit its own length");
  }
  if (jpeg->extended_xmp_bytes == 0 && whole > INSPECT_MAX_TEXT) {
    image_report_find(jpeg->walk->report, IMAGE_RULE_CHUNK_SIZE, inspect_offset(jpeg->walk, part), part.bytes, "XMP",
                      "an XMP extension of %llu bytes", (unsigned long long)whole);
  }
  jpeg->extended_xmp_bytes = whole;
  jpeg->extended_xmp_seen += bytes;
  inspect_text(jpeg->walk, base_span_slice(part, HEAD, part.bytes), "XMP");
}

// ICC.1 annex B.4: a profile in numbered portions.
static void read_profile(struct jpeg *jpeg, struct base_span part) {
  unsigned number = part.bytes >= 2 ? part.data[0] : 0, count = part.bytes >= 2 ? part.data[1] : 0;
  if (number == 0 || number > count) {
    find(jpeg, IMAGE_RULE_PROFILE, part, "APP2", "a portion of the profile without a proper number");
    return;
  }
  if (jpeg->profile_count != 0 && jpeg->profile_count != count) {
    find(jpeg, IMAGE_RULE_PROFILE, part, "APP2", "the profile's portions disagree on how many there are");
  }
  if (jpeg->profile[number].data) {
    find(jpeg, IMAGE_RULE_PROFILE, part, "APP2", "a portion of the profile comes twice");
    return;
  }
  if (jpeg->profile_count == 0) jpeg->profile_count = (uint8_t)count;
  jpeg->profile[number] = base_span_slice(part, 2, part.bytes);
}

static void read_adobe(struct jpeg *jpeg, struct base_span part) {
  enum { FIELDS = 7 };
  if (part.bytes < FIELDS) {
    find(jpeg, IMAGE_RULE_STRUCTURE, part, "APP14", "the Adobe segment is cut off");
    return;
  }
  jpeg->has_adobe = true;
  jpeg->adobe_transform = part.data[6];
  if (jpeg->adobe_transform > 2) find(jpeg, IMAGE_RULE_COLOUR, part, "APP14", "an unknown colour transform");
}

// What cameras and programs write into APPn without a public specification of ours; nothing is read from it.
static bool is_known(uint8_t marker, struct base_span part) {
  static const struct {
    uint8_t marker;
    const char *mark;
  } known[] = {
      {0xE0, "AVI1"},
      {0xE1, "http://ns.adobe.com/"},
      {0xE2, "FPXR"},
      {0xE2, "urn:iso:std:iso:ts:21496"},
      {0xE3, "Meta"},
      {0xE3, "META"},
      {0xE3, "JPS"},
      {0xE3, "_JPSJPS_"},
      {0xE5, "RMETA"},
      {0xE6, "EPPIM"},
      {0xE6, "GoPro"},
      {0xE8, "SPIFF"},
      {0xEA, "AROT"},
      {0xEB, "JP"},  // JUMBF: C2PA and others
      {0xEB, "HDR_RI"},
      {0xEC, "Ducky"},
      {0xEC, "[picture info]"},
      {0xED, "Adobe_CM"},
  };
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    if (known[i].marker == marker && base_span_starts_with(part, known[i].mark)) return true;
  }
  return false;
}

void inspect_jpeg_app(struct jpeg *jpeg, uint8_t marker, struct base_span part) {
  struct base_span whole = part;
  if (marker == JPEG_COM) {
    inspect_text(jpeg->walk, part, "COM");
    return;
  }
  switch (marker - JPEG_APP0) {
    case 0:
      if (CUT_MARK(&part, "JFIF\0")) {
        read_jfif(jpeg, part);
        return;
      }
      if (CUT_MARK(&part, "JFXX\0")) {
        read_jfif_extension(jpeg, part);
        return;
      }
      break;
    case 1:
      if (CUT_MARK(&part, "Exif\0\0")) {
        read_exif(jpeg, whole);
        return;
      }
      if (CUT_MARK(&part, "http://ns.adobe.com/xap/1.0/\0")) {
        read_xmp(jpeg, part);
        return;
      }
      if (CUT_MARK(&part, "http://ns.adobe.com/xmp/extension/\0")) {
        read_extended_xmp(jpeg, part);
        return;
      }
      break;
    case 2:
      if (CUT_MARK(&part, "ICC_PROFILE\0")) {
        read_profile(jpeg, part);
        return;
      }
      if (CUT_MARK(&part, "MPF\0")) {
        if (jpeg->pictures.data) find(jpeg, IMAGE_RULE_STRUCTURE, part, "APP2", "a second Multi-Picture index");
        jpeg->pictures = part;
        return;
      }
      break;
    case 13:
      if (CUT_MARK(&part, "Photoshop 3.0\0")) {
        inspect_photoshop(jpeg->walk, &jpeg->photoshop, part, "APP13");
        return;
      }
      break;
    case 14:
      if (CUT_MARK(&part, "Adobe")) {
        read_adobe(jpeg, part);
        return;
      }
      break;
    default:
      break;
  }
  inspect_unread(jpeg->walk, whole, inspect_jpeg_name(marker).text);
  if (is_known(marker, whole) || whole.bytes < INSPECT_MAX_UNKNOWN) return;
  inspect_hidden(jpeg->walk, inspect_offset(jpeg->walk, whole), whole.bytes, inspect_jpeg_name(marker).text);
}

static void conclude_profile(struct jpeg *jpeg) {
  struct inspect_walk *walk = jpeg->walk;
  unsigned count = jpeg->profile_count, present = 0;
  size_t bytes = 0;
  for (unsigned i = 1; i <= count; i++) {
    present += jpeg->profile[i].data != NULL;
    bytes += jpeg->profile[i].bytes;  // at most 255 segments of 64 KiB
  }
  if (present == 0) return;
  unsigned first = 1;
  while (!jpeg->profile[first].data) first++;
  uint64_t offset = inspect_offset(walk, jpeg->profile[first]);
  if (present != count) {
    image_report_find(walk->report, IMAGE_RULE_PROFILE, offset, bytes, "APP2", "%u of the profile's %u portions",
                      present, count);
  }
  if (bytes > INSPECT_MAX_PROFILE) {
    image_report_find(walk->report, IMAGE_RULE_CHUNK_SIZE, offset, bytes, "APP2", "a profile of %zu bytes", bytes);
    return;
  }
  if (present != count || !jpeg->is_main) return;
  if (count == 1) {
    inspect_profile(walk, jpeg->profile[1], offset, "APP2");
    return;
  }
  uint8_t *whole = malloc(bytes + 1), *at = whole;
  if (!whole) {
    image_report_find(walk->report, IMAGE_RULE_PROFILE, offset, bytes, "APP2", "no memory to read it");
    return;
  }
  for (unsigned i = 1; i <= count; i++) {
    if (jpeg->profile[i].bytes > 0) memcpy(at, jpeg->profile[i].data, jpeg->profile[i].bytes);
    at += jpeg->profile[i].bytes;
  }
  inspect_profile(walk, base_span_of(whole, bytes), offset, "APP2");
  free(whole);
}

// T.81 says nothing of colours; JFIF and Adobe do: their words against the number of components.
static void conclude_colour(struct jpeg *jpeg) {
  unsigned components = jpeg->frame.component_count;
  if (components == 4) inspect_colour_says(jpeg->walk, IMAGE_SPACE_CMYK, IMAGE_SPACE_FROM_MARKER);
  const char *problem = NULL;
  if (jpeg->has_jfif && components == 4) problem = "a JFIF picture of four colours: JFIF has one or three";
  if (jpeg->has_adobe && jpeg->adobe_transform == 2 && components != 4)
    problem = "YCCK is said of other than four colours";
  if (jpeg->has_adobe && jpeg->adobe_transform == 1 && components != 3)
    problem = "YCbCr is said of other than three colours";
  if (jpeg->has_jfif && jpeg->has_adobe && jpeg->adobe_transform == 0 && components == 3) {
    problem = "JFIF says YCbCr, the Adobe segment says RGB";
  }
  if (problem) image_report_find(jpeg->walk->report, IMAGE_RULE_COLOUR, 0, 0, "APP14", "%s", problem);
}

// A further picture's EXIF block counts for its texts and its place, not for what is said of the file.
static void conclude_exif(struct jpeg *jpeg) {
  struct image_report *report = jpeg->walk->report;
  if (!jpeg->exif.data) return;
  if (jpeg->is_main) {
    inspect_exif(jpeg->walk, jpeg->exif, "APP1");
    return;
  }
  struct inspect_walk other = *jpeg->walk;  // so that its colours are its own
  struct image_report_exif facts = report->exif;
  uint32_t width = report->width, height = report->height;
  report->width = jpeg->frame.width;
  report->height = jpeg->frame.height;
  inspect_exif(&other, jpeg->exif, "APP1");
  jpeg->walk->steps = other.steps;
  jpeg->walk->is_spent = other.is_spent;
  facts.has_gps |= report->exif.has_gps;
  report->exif = facts;
  report->width = width;
  report->height = height;
}

void inspect_jpeg_app_conclude(struct jpeg *jpeg) {
  conclude_exif(jpeg);
  conclude_profile(jpeg);
  inspect_photoshop_conclude(jpeg->walk, &jpeg->photoshop, "APP13");
  if (jpeg->frame.marker && jpeg->is_main) conclude_colour(jpeg);
  if (jpeg->extended_xmp_seen != jpeg->extended_xmp_bytes) {
    image_report_find(jpeg->walk->report, IMAGE_RULE_STRUCTURE, 0, 0, "XMP", "an XMP extension is not all there");
  }
}
