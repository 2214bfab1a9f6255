// ICC profiles, as they lie there or deflated.
#include <string.h>

#define ZLIB_CONST  // next_in is only read
#include <zlib.h>

#include "integrity/md5.h"
#include "metadata/icc.h"
#include "structure.h"

enum { INFLATE_WINDOW = 16384 };

struct known_primaries {
  enum image_colour_space space;
  double xyz[9];  // red, green, blue as adapted to D50
};

static const struct known_primaries known[] = {
    {IMAGE_SPACE_SRGB, {0.43607, 0.22249, 0.01392, 0.38515, 0.71687, 0.09708, 0.14307, 0.06061, 0.71410}},
    {IMAGE_SPACE_ADOBE_RGB, {0.60974, 0.31111, 0.01947, 0.20528, 0.62567, 0.06087, 0.14919, 0.06322, 0.74457}},
    {IMAGE_SPACE_DISPLAY_P3, {0.51512, 0.24120, -0.00105, 0.29198, 0.69225, 0.04189, 0.15710, 0.06657, 0.78407}},
    {IMAGE_SPACE_PROPHOTO, {0.79767, 0.28804, 0, 0.13519, 0.71188, 0, 0.03134, 0.00009, 0.82491}},
    {IMAGE_SPACE_BT2020, {0.67348, 0.27904, -0.00194, 0.16566, 0.67534, 0.02998, 0.12505, 0.04561, 0.79686}},
};

static enum image_colour_space space_of_primaries(const double xyz[9]) {
  const double tolerance = 0.006;  // profiles differ in how they adapted; the closest two spaces are 0.06 apart
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    bool is_near = true;
    for (int c = 0; c < 9; c++) {
      double difference = xyz[c] - known[i].xyz[c];
      is_near = is_near && difference < tolerance && difference > -tolerance;
    }
    if (is_near) return known[i].space;
  }
  return IMAGE_SPACE_OTHER_RGB;
}

static enum image_colour_space space_of_name(const char *name) {
  static const struct {
    const char *part;
    enum image_colour_space space;
  } names[] = {{"sRGB", IMAGE_SPACE_SRGB},         {"Adobe RGB", IMAGE_SPACE_ADOBE_RGB}, {"P3", IMAGE_SPACE_DISPLAY_P3},
               {"ProPhoto", IMAGE_SPACE_PROPHOTO}, {"ROMM", IMAGE_SPACE_PROPHOTO},       {"2020", IMAGE_SPACE_BT2020}};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (strstr(name, names[i].part)) return names[i].space;
  }
  return IMAGE_SPACE_OTHER_RGB;
}

static enum image_colour_space space_of(const struct metadata_icc *icc) {
  if (strcmp(icc->data_space, "GRAY") == 0) return IMAGE_SPACE_GREY;
  if (strcmp(icc->data_space, "CMYK") == 0) return IMAGE_SPACE_CMYK;
  if (strcmp(icc->data_space, "Lab ") == 0) return IMAGE_SPACE_LAB;
  if (strcmp(icc->data_space, "RGB ") != 0) return IMAGE_SPACE_UNKNOWN;
  return icc->has_primaries ? space_of_primaries(icc->primaries) : space_of_name(icc->description);
}

// The classes that may stand for a picture's own colours (ICC.1:2022 annex B).
static bool is_embeddable(const char *profile_class) {
  return strcmp(profile_class, "scnr") == 0 || strcmp(profile_class, "mntr") == 0 ||
         strcmp(profile_class, "prtr") == 0 || strcmp(profile_class, "spac") == 0;
}

static void copy_facts(const struct metadata_icc *icc, struct image_report_icc *facts) {
  *facts = (struct image_report_icc){.is_present = true,
                                     .is_valid = icc->problem[0] == '\0',
                                     .version_major = icc->version_major,
                                     .version_minor = icc->version_minor,
                                     .bytes = icc->bytes};
  _Static_assert(
      sizeof facts->description == sizeof icc->description && sizeof facts->data_space == sizeof icc->data_space,
      "texts of a profile are those of a report");
  memcpy(facts->profile_class, icc->profile_class, sizeof facts->profile_class);
  memcpy(facts->data_space, icc->data_space, sizeof facts->data_space);
  memcpy(facts->connection_space, icc->connection_space, sizeof facts->connection_space);
  memcpy(facts->description, icc->description, sizeof facts->description);
}

static void check_id(struct inspect_walk *walk, struct base_span profile, uint64_t offset, const char *place,
                     uint8_t md5[INTEGRITY_MD5_BYTES]) {
  struct base_span pieces[METADATA_ICC_ID_PIECES], stated;
  if (!metadata_icc_id(profile, pieces, &stated)) return;
  integrity_md5_pieces(pieces, METADATA_ICC_ID_PIECES, md5);
  if (stated.bytes == 0) return;
  walk->report->checksums++;
  if (base_span_equal(stated, base_span_of(md5, INTEGRITY_MD5_BYTES))) return;
  walk->report->bad_checksums++;
  image_report_find(walk->report, IMAGE_RULE_CHECKSUM, offset, profile.bytes, place,
                    "the ICC profile's ID is not its MD5");
}

void inspect_profile(struct inspect_walk *walk, struct base_span profile, uint64_t offset, const char *place) {
  struct image_report *report = walk->report;
  if (profile.bytes > INSPECT_MAX_PROFILE) {
    image_report_find(report, IMAGE_RULE_CHUNK_SIZE, offset, profile.bytes, place,
                      "an ICC profile of %zu bytes; at most %d are read", profile.bytes, INSPECT_MAX_PROFILE);
    return;
  }
  struct metadata_icc icc;
  struct image_report_icc facts;
  if (!inspect_spend(walk, profile.bytes)) return;
  metadata_icc_read(profile, &icc);
  copy_facts(&icc, &facts);
  check_id(walk, profile, offset, place, facts.md5);
  if (facts.is_valid && !is_embeddable(icc.profile_class)) {
    facts.is_valid = false;
    image_report_find(report, IMAGE_RULE_PROFILE, offset, profile.bytes, place,
                      "a profile of class \"%s\" is none of a picture", icc.profile_class);
  } else if (!facts.is_valid) {
    image_report_find(report, IMAGE_RULE_PROFILE, offset, profile.bytes, place, "the ICC profile is damaged: %s",
                      icc.problem);
  }
  if (facts.is_valid) inspect_colour_says(walk, space_of(&icc), IMAGE_SPACE_FROM_ICC);
  if (!report->icc.is_present) report->icc = facts;
}

// Inflates all of `part` into `out`, whose limit bounds it. Z_STREAM_END when it is whole, Z_BUF_ERROR when it is cut,
// Z_MEM_ERROR when it is too large or memory is short.
static int inflate_part(struct base_span part, struct base_buffer *out) {
  z_stream stream = {.next_in = part.data, .avail_in = (uInt)part.bytes};
  if (inflateInit(&stream) != Z_OK) return Z_MEM_ERROR;
  int status = Z_OK;
  while (status == Z_OK) {
    if (base_buffer_reserve(out, INFLATE_WINDOW) != BASE_OK) {
      status = Z_MEM_ERROR;
      break;
    }
    stream.next_out = out->data + out->bytes;
    stream.avail_out = INFLATE_WINDOW;
    status = inflate(&stream, Z_NO_FLUSH);
    out->bytes += INFLATE_WINDOW - stream.avail_out;
  }
  inflateEnd(&stream);
  return status;
}

void inspect_profile_deflated(struct inspect_walk *walk, struct base_span part, const char *place) {
  uint64_t offset = inspect_offset(walk, part);
  if (part.bytes > INSPECT_MAX_PROFILE) {  // deflate never makes data much longer
    inspect_profile(walk, part, offset, place);
    return;
  }
  struct base_buffer profile;
  base_buffer_init(&profile, INSPECT_MAX_PROFILE + INFLATE_WINDOW);
  int status = inflate_part(part, &profile);
  if (status == Z_STREAM_END) {
    inspect_profile(walk, base_buffer_span(&profile), offset, place);
  } else if (status == Z_MEM_ERROR) {
    image_report_find(walk->report, IMAGE_RULE_CHUNK_SIZE, offset, part.bytes, place,
                      "an ICC profile that inflates to more than %d bytes", INSPECT_MAX_PROFILE);
  } else {
    image_report_find(walk->report, IMAGE_RULE_PROFILE, offset, part.bytes, place,
                      "the ICC profile's deflate stream is broken");
  }
  base_buffer_finish(&profile);
}
