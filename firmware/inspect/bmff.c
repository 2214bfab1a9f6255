// HEIC and AVIF: the boxes of the file.
#include "bmff.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEAD_BYTES = 8, LARGE_HEAD_BYTES = 16, UUID_BYTES = 16, MAX_BRANDS = 64 };

static const uint8_t xmp_uuid[UUID_BYTES] = {0xbe, 0x7a, 0xcf, 0xcb, 0x97, 0xa9, 0x42, 0xe8,
                                             0x9c, 0x71, 0x99, 0x94, 0x91, 0xe3, 0xaf, 0xac};

uint64_t inspect_bmff_take(struct bmff_cursor *cursor, unsigned bytes) {
  if (cursor->rest.bytes < bytes) {
    cursor->is_cut = true;
    cursor->rest = base_span_of(NULL, 0);
    return 0;
  }
  uint64_t value = 0;
  for (unsigned i = 0; i < bytes; i++) value = value << 8 | cursor->rest.data[i];
  cursor->rest = base_span_slice(cursor->rest, bytes, cursor->rest.bytes);
  return value;
}

void inspect_bmff_damaged(struct bmff *bmff, const struct bmff_box *box, const char *place, const char *format, ...) {
  enum { WORDED = 64 };  // a file can have millions of them: the rest is only counted
  char text[IMAGE_FINDING_TEXT + 1] = "";
  if (bmff->walk->report->rule_counts[IMAGE_RULE_STRUCTURE] < WORDED) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
  }
  image_report_find(bmff->walk->report, IMAGE_RULE_STRUCTURE, box->offset, box->bytes, place, "%s", text);
}

void inspect_bmff_too_many(struct bmff *bmff, const struct bmff_box *box, const char *place, int limit) {
  bmff->is_partial = true;
  image_report_find(bmff->walk->report, IMAGE_RULE_FRAMES, box->offset, box->bytes, place,
                    "more than %d entries; the rest was not looked at", limit);
}

// Reads a head (14496-12, 4.2). False when there is no whole one, or its size can not be; `bytes` is 0 for a box that
// goes on to the end of the file.
static bool read_head(struct base_span rest, struct bmff_box *out, size_t *head_bytes) {
  if (rest.bytes < HEAD_BYTES) return false;
  out->bytes = inspect_be32(rest.data);
  out->type = inspect_be32(rest.data + 4);
  *head_bytes = HEAD_BYTES;
  if (out->bytes == 1) {
    if (rest.bytes < LARGE_HEAD_BYTES) return false;
    out->bytes = inspect_be64(rest.data + HEAD_BYTES);
    *head_bytes = LARGE_HEAD_BYTES;
    if (out->bytes < LARGE_HEAD_BYTES) return false;
  }
  return out->bytes == 0 || out->bytes >= *head_bytes;
}

bool inspect_bmff_next(struct bmff *bmff, struct base_span *rest, struct bmff_box *out, const char *place) {
  struct inspect_walk *walk = bmff->walk;
  if (rest->bytes == 0) return false;
  size_t head_bytes;
  memset(out, 0, sizeof *out);
  out->offset = inspect_offset(walk, *rest);
  if (!inspect_next_part(walk, out->offset)) return false;
  if (!read_head(*rest, out, &head_bytes) || out->bytes == 0 || out->bytes > rest->bytes) {
    image_report_find(walk->report, IMAGE_RULE_STRUCTURE, out->offset, rest->bytes, place,
                      "a box that does not fit into the %zu bytes that are left", rest->bytes);
    return false;
  }
  out->body = base_span_slice(*rest, head_bytes, (size_t)out->bytes - head_bytes);
  *rest = base_span_slice(*rest, (size_t)out->bytes, rest->bytes);
  return true;
}

bool inspect_bmff_full(struct bmff *bmff, struct bmff_box *box, uint8_t *version, uint32_t *flags, const char *place) {
  if (box->body.bytes < 4) {
    inspect_bmff_damaged(bmff, box, place, "a box without version and flags");
    return false;
  }
  *version = box->body.data[0];
  *flags = inspect_be32(box->body.data) & 0xffffff;
  box->body = base_span_slice(box->body, 4, box->body.bytes);
  return true;
}

// --- brands ---

struct brands {
  bool is_file, is_heic, is_avif, is_heif;
};

static struct brands read_brands(struct base_span file) {
  static const char *const heic[] = {"heic", "heix", "heim", "heis", "hevc", "hevx", "hevm", "hevs"};
  struct brands brands = {0};
  struct bmff_box box;
  size_t head_bytes;
  if (!read_head(file, &box, &head_bytes) || box.type != BMFF_CODE("ftyp")) return brands;
  struct base_span body = base_span_slice(file, head_bytes, (size_t)(box.bytes - head_bytes));
  brands.is_file = body.bytes >= 8;
  for (size_t at = 0; at + 4 <= body.bytes && at < (size_t)4 * MAX_BRANDS; at += 4) {
    if (at == 4) continue;  // the minor version
    uint32_t brand = inspect_be32(body.data + at);
    for (size_t i = 0; i < sizeof heic / sizeof heic[0]; i++) {
      if (brand == BMFF_CODE(heic[i])) brands.is_heic = true;
    }
    if (brand == BMFF_CODE("avif") || brand == BMFF_CODE("avis")) brands.is_avif = true;
    if (brand == BMFF_CODE("mif1") || brand == BMFF_CODE("msf1")) brands.is_heif = true;
    if (at == 0 && (brands.is_heic || brands.is_avif)) break;  // the major brand decides
  }
  return brands;
}

static bool matches_avif(struct base_span file) { return read_brands(file).is_avif; }

// Files that only say that they are HEIF have HEVC in them, or something that no decoder of ours reads.
static bool matches_heic(struct base_span file) {
  struct brands brands = read_brands(file);
  return !brands.is_avif && (brands.is_heic || brands.is_heif);
}

// --- image sequences: counted, not followed ---

static void read_sample_sizes(struct bmff *bmff, struct bmff_box *box) {
  uint8_t version;
  uint32_t flags;
  if (!inspect_bmff_full(bmff, box, &version, &flags, "moov/stsz")) return;
  struct bmff_cursor cursor = {.rest = box->body};
  uint64_t size = inspect_bmff_take(&cursor, 4), count = inspect_bmff_take(&cursor, 4);
  if (cursor.is_cut || (size == 0 && count > cursor.rest.bytes / 4)) {
    inspect_bmff_damaged(bmff, box, "moov/stsz", "the list of sample sizes is cut off");
    return;
  }
  if (count > bmff->samples) bmff->samples = (uint32_t)count;
  if (size > 0) bmff->sample_bytes += size * count;
  for (uint64_t i = 0; size == 0 && i < count; i++) bmff->sample_bytes += inspect_bmff_take(&cursor, 4);
}

static bool is_container(uint32_t type) {
  static const char *const types[] = {"moov", "trak", "mdia", "minf", "stbl", "edts", "dinf", "udta", "mvex", "moof"};
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
    if (type == BMFF_CODE(types[i])) return true;
  }
  return false;
}

static void walk_movie(struct bmff *bmff, struct base_span rest, unsigned depth) {
  struct bmff_box box;
  while (inspect_bmff_next(bmff, &rest, &box, "moov")) {
    if (box.type == BMFF_CODE("stsz")) read_sample_sizes(bmff, &box);
    if (!is_container(box.type)) continue;
    if (depth + 1 >= INSPECT_MAX_DEPTH) {
      image_report_find(bmff->walk->report, IMAGE_RULE_NESTING, box.offset, box.bytes, "moov",
                        "boxes nested deeper than %d", INSPECT_MAX_DEPTH);
      return;
    }
    walk_movie(bmff, box.body, depth + 1);
  }
}

// --- items ---

static void read_handler(struct bmff *bmff, struct bmff_box *box) {
  if (box->body.bytes < 12) {
    inspect_bmff_damaged(bmff, box, "meta/hdlr", "the handler is cut off");
  } else if (inspect_be32(box->body.data + 8) != BMFF_CODE("pict")) {
    inspect_bmff_damaged(bmff, box, "meta/hdlr", "the handler is \"%s\", not \"pict\"",
                         inspect_code_of(box->body.data + 8).text);
  }
}

static void read_primary(struct bmff *bmff, struct bmff_box *box) {
  uint8_t version;
  uint32_t flags;
  if (!inspect_bmff_full(bmff, box, &version, &flags, "meta/pitm")) return;
  struct bmff_cursor cursor = {.rest = box->body};
  bmff->primary = (uint32_t)inspect_bmff_take(&cursor, version == 0 ? 2 : 4);
  if (cursor.is_cut || bmff->primary == 0) inspect_bmff_damaged(bmff, box, "meta/pitm", "it names no primary item");
}

// The boxes refer to each other in any order, so they are noted here and read afterwards.
static void read_meta(struct bmff *bmff, struct bmff_box *meta) {
  uint8_t version;
  uint32_t flags;
  if (bmff->has_meta) {
    inspect_bmff_damaged(bmff, meta, "meta", "a second list of items");
    return;
  }
  bmff->has_meta = true;
  if (!inspect_bmff_full(bmff, meta, &version, &flags, "meta")) return;
  const struct {
    uint32_t type;
    struct bmff_box *box;
  } places[] = {{BMFF_CODE("idat"), &bmff->idat},
                {BMFF_CODE("iinf"), &bmff->iinf},
                {BMFF_CODE("iloc"), &bmff->iloc},
                {BMFF_CODE("iref"), &bmff->iref},
                {BMFF_CODE("iprp"), &bmff->iprp}};
  struct base_span rest = meta->body;
  struct bmff_box box;
  while (inspect_bmff_next(bmff, &rest, &box, "meta")) {
    if (box.type == BMFF_CODE("hdlr")) read_handler(bmff, &box);
    if (box.type == BMFF_CODE("pitm")) read_primary(bmff, &box);
    if (box.type == BMFF_CODE("free") || box.type == BMFF_CODE("skip")) {
      inspect_hidden(bmff->walk, inspect_offset(bmff->walk, box.body), box.body.bytes, "meta/free");
    }
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
      if (box.type != places[i].type) continue;
      if (places[i].box->type) inspect_bmff_damaged(bmff, &box, "meta", "a box that may be there once comes again");
      if (!places[i].box->type) *places[i].box = box;
    }
  }
}

// --- the file ---

static void add_region(struct bmff *bmff, const struct bmff_box *box) {
  if (bmff->region_count == BMFF_MAX_REGIONS) {
    inspect_bmff_too_many(bmff, box, "mdat", BMFF_MAX_REGIONS);
    return;
  }
  bmff->regions[bmff->region_count++] =
      (struct inspect_extent){.offset = inspect_offset(bmff->walk, box->body), .bytes = box->body.bytes};
}

static void read_uuid(struct bmff *bmff, const struct bmff_box *box) {
  struct base_span body = box->body;
  if (body.bytes < UUID_BYTES) {
    inspect_bmff_damaged(bmff, box, "uuid", "a box without its UUID");
  } else if (memcmp(body.data, xmp_uuid, UUID_BYTES) == 0) {
    bmff->walk->report->has_xmp = true;
    inspect_text(bmff->walk, base_span_slice(body, UUID_BYTES, body.bytes), "uuid/XMP");
  } else if (body.bytes > INSPECT_MAX_UNKNOWN) {
    inspect_hidden(bmff->walk, inspect_offset(bmff->walk, body), body.bytes, "uuid");
  }
}

// Boxes that stand at the top without being pictures: Samsung's and Google's motion photos, C2PA, indices.
static bool is_known_at_top(uint32_t type) {
  static const char *const types[] = {"ftyp", "meta", "mdat", "moov", "free", "skip", "uuid", "wide", "styp",
                                      "mpvd", "sefd", "jumb", "sidx", "moof", "mfra", "pdin", "etyp", "udta"};
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
    if (type == BMFF_CODE(types[i])) return true;
  }
  return false;
}

static void read_top_box(struct bmff *bmff, struct bmff_box *box) {
  struct inspect_walk *walk = bmff->walk;
  if (box->type == BMFF_CODE("meta")) {
    read_meta(bmff, box);
  } else if (box->type == BMFF_CODE("mdat")) {
    add_region(bmff, box);
  } else if (box->type == BMFF_CODE("moov") || box->type == BMFF_CODE("moof")) {
    bmff->has_movie = true;
    walk_movie(bmff, box->body, 1);
  } else if (box->type == BMFF_CODE("uuid")) {
    read_uuid(bmff, box);
  } else if (box->type == BMFF_CODE("free") || box->type == BMFF_CODE("skip")) {
    inspect_hidden(walk, inspect_offset(walk, box->body), box->body.bytes, "free");
  } else if (!is_known_at_top(box->type) && box->body.bytes > INSPECT_MAX_UNKNOWN) {
    inspect_hidden(walk, box->offset, box->bytes, inspect_code_of(walk->file.data + box->offset + 4).text);
  }
}

// Returns where the boxes end. What has neither a known type nor a possible size is no box, but something appended.
static uint64_t walk_top(struct bmff *bmff) {
  struct inspect_walk *walk = bmff->walk;
  struct base_span rest = walk->file;
  while (rest.bytes > 0) {
    struct bmff_box box = {.offset = inspect_offset(walk, rest)};
    size_t head_bytes = 0;
    bool is_head = read_head(rest, &box, &head_bytes);
    bool is_known = is_head && is_known_at_top(box.type);
    if (!is_head || (!is_known && (box.bytes == 0 || box.bytes > rest.bytes))) return box.offset;
    if (!inspect_next_part(walk, box.offset)) return walk->file.bytes;
    if (box.bytes > rest.bytes) {
      inspect_bmff_damaged(bmff, &box, inspect_code_of(rest.data + 4).text, "it is cut off: %zu of its bytes are there",
                           rest.bytes);
    }
    if (box.bytes == 0 || box.bytes > rest.bytes) box.bytes = rest.bytes;
    box.body = base_span_slice(rest, head_bytes, (size_t)box.bytes - head_bytes);
    rest = base_span_slice(rest, (size_t)box.bytes, rest.bytes);
    read_top_box(bmff, &box);
  }
  return walk->file.bytes;
}

static uint64_t walk_file(struct inspect_walk *walk, enum image_file_format format) {
  walk->report->format = (uint8_t)format;
  struct bmff *bmff = calloc(1, sizeof *bmff);
  if (!bmff) {
    image_report_find(walk->report, IMAGE_RULE_STRUCTURE, 0, 0, "", "no memory to look at its boxes");
    return walk->file.bytes;
  }
  bmff->walk = walk;
  uint64_t end = walk_top(bmff);
  if (bmff->has_meta) {
    inspect_bmff_items(bmff);
    inspect_bmff_picture(bmff);
    inspect_bmff_cover(bmff);
  } else if (!bmff->has_movie) {
    image_report_find(walk->report, IMAGE_RULE_STRUCTURE, 0, 0, "meta", "it has no list of items");
  }
  free(bmff);
  return end;
}

static uint64_t walk_heic(struct inspect_walk *walk) { return walk_file(walk, IMAGE_FILE_HEIC); }
static uint64_t walk_avif(struct inspect_walk *walk) { return walk_file(walk, IMAGE_FILE_AVIF); }

const struct inspect_walker inspect_heic = {.format = IMAGE_FILE_HEIC, .matches = matches_heic, .walk = walk_heic};
const struct inspect_walker inspect_avif = {.format = IMAGE_FILE_AVIF, .matches = matches_avif, .walk = walk_avif};
