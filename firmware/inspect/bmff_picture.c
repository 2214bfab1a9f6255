// The picture that a HEIF file shows (23008-12, 6 and 7): its facts, and whether its pieces fit together.
#include <string.h>

#include "base/checked.h"
#include "bmff.h"

enum { MAX_VISITS = 1 << 16, MAX_BITS = 32 };

static const char alpha_hevc[] = "urn:mpeg:hevc:2015:auxid:1",
                  alpha_cicp[] = "urn:mpeg:mpegB:cicp:systems:auxiliary:alpha";

// The item's property of this type without the head of its box; false when it has none.
static bool find_property(const struct bmff *bmff, uint32_t item, const char *type, struct bmff_box *out) {
  if (!inspect_spend(bmff->walk, bmff->link_count)) return false;
  for (uint32_t i = 0; i < bmff->link_count; i++) {
    const struct bmff_link *link = &bmff->links[i];
    if (link->item != item || link->property > bmff->property_count) continue;
    if (bmff->properties[link->property - 1].type != BMFF_CODE(type)) continue;
    *out = bmff->properties[link->property - 1];
    return true;
  }
  return false;
}

struct size {
  uint32_t width, height;
};

// 'ispe'; zeros when the item has none.
static struct size size_of(const struct bmff *bmff, uint32_t item) {
  struct bmff_box box;
  if (!find_property(bmff, item, "ispe", &box) || box.body.bytes < 12) return (struct size){0};
  return (struct size){inspect_be32(box.body.data + 4), inspect_be32(box.body.data + 8)};
}

static bool is_derived(uint32_t type) {
  return type == BMFF_CODE("grid") || type == BMFF_CODE("iovl") || type == BMFF_CODE("iden") ||
         type == BMFF_CODE("tmap");
}

static bool is_picture(uint32_t type) { return inspect_bmff_is_coded(type) || is_derived(type); }

// Where it lies in the file, when it is in one piece.
static struct base_span data_of(const struct bmff *bmff, const struct bmff_item *item) {
  if (item->extents != 1) return base_span_of(NULL, 0);
  const struct inspect_extent *extent = &bmff->extents[item->first_extent];
  return base_span_slice(bmff->walk->file, extent->offset, extent->bytes);
}

static struct bmff_item *first_input(struct bmff *bmff, uint32_t id) {
  if (!inspect_spend(bmff->walk, bmff->reference_count)) return NULL;
  for (uint32_t i = 0; i < bmff->reference_count; i++) {
    const struct bmff_reference *reference = &bmff->references[i];
    if (reference->from == id && reference->type == BMFF_CODE("dimg")) return inspect_bmff_item(bmff, reference->to);
  }
  return NULL;
}

// The coded picture that a derived one is made of (the first of them).
static struct bmff_item *coded_item(struct bmff *bmff, struct bmff_item *item) {
  for (int depth = 0; item && is_derived(item->type) && depth < INSPECT_MAX_DEPTH; depth++) {
    item = first_input(bmff, item->id);
  }
  return item;
}

// --- derived pictures ---

static void check_cells(struct bmff *bmff, const struct bmff_item *item, unsigned rows, unsigned columns,
                        struct size size) {
  unsigned cells = 0;
  struct size cell = {0};
  bool is_even = true;
  if (!inspect_spend(bmff->walk, bmff->reference_count)) return;
  for (uint32_t i = 0; i < bmff->reference_count; i++) {
    const struct bmff_reference *reference = &bmff->references[i];
    if (reference->from != item->id || reference->type != BMFF_CODE("dimg")) continue;
    struct size next = size_of(bmff, reference->to);
    if (cells++ == 0) cell = next;
    is_even = is_even && next.width == cell.width && next.height == cell.height;
  }
  if (cells != rows * columns) {
    inspect_bmff_damaged(bmff, &bmff->iref, "grid", "item %u has %u cells, its grid %u x %u", item->id, cells, columns,
                         rows);
  } else if (!is_even) {
    inspect_bmff_damaged(bmff, &bmff->iref, "grid", "the cells of item %u differ in size", item->id);
  } else if ((uint64_t)cell.width * columns < size.width || (uint64_t)cell.height * rows < size.height) {
    inspect_bmff_damaged(bmff, &bmff->iref, "grid", "%u x %u cells of %u x %u do not fill %u x %u", columns, rows,
                         cell.width, cell.height, size.width, size.height);
  }
}

// ImageGrid (23008-12, 6.6.2.3.2) and ImageOverlay (6.6.2.2.2): the size they make must be that of 'ispe'.
static void check_derived(struct bmff *bmff, const struct bmff_item *item) {
  bool is_grid = item->type == BMFF_CODE("grid");
  if (!is_grid && item->type != BMFF_CODE("iovl")) return;
  const char *place = is_grid ? "grid" : "iovl";
  struct bmff_cursor cursor = {.rest = data_of(bmff, item)};
  inspect_bmff_take(&cursor, 1);
  unsigned bytes = inspect_bmff_take(&cursor, 1) & 1 ? 4 : 2, rows = 0, columns = 0;
  if (is_grid) {
    rows = (unsigned)inspect_bmff_take(&cursor, 1) + 1;
    columns = (unsigned)inspect_bmff_take(&cursor, 1) + 1;
  } else {
    inspect_bmff_take(&cursor, 8);  // the fill colour
  }
  struct size size = {.width = (uint32_t)inspect_bmff_take(&cursor, bytes)};
  size.height = (uint32_t)inspect_bmff_take(&cursor, bytes);
  if (cursor.is_cut) {
    inspect_bmff_damaged(bmff, &bmff->iloc, place, "item %u does not say how it is put together", item->id);
    return;
  }
  struct size said = size_of(bmff, item->id);
  if (said.width != size.width || said.height != size.height) {
    inspect_bmff_damaged(bmff, &bmff->iprp, place, "item %u says %u x %u and makes %u x %u", item->id, said.width,
                         said.height, size.width, size.height);
  }
  if (is_grid) check_cells(bmff, item, rows, columns, size);
}

// False when it is too deep or has too many ways down.
static bool check_tree(struct bmff *bmff, uint32_t id, unsigned depth, unsigned *visits) {
  if (++*visits > MAX_VISITS) return false;
  struct bmff_item *item = inspect_bmff_item(bmff, id);
  if (!item || !is_derived(item->type)) return !bmff->walk->is_spent;
  if (depth >= INSPECT_MAX_DEPTH || !inspect_spend(bmff->walk, bmff->reference_count)) return false;
  for (uint32_t i = 0; i < bmff->reference_count; i++) {
    const struct bmff_reference *reference = &bmff->references[i];
    if (reference->from != id || reference->type != BMFF_CODE("dimg")) continue;
    if (!check_tree(bmff, reference->to, depth + 1, visits)) return false;
  }
  return true;
}

static void check_all_derived(struct bmff *bmff) {
  unsigned visits = 0;
  for (uint32_t i = 0; i < bmff->item_count; i++) {
    if (!is_derived(bmff->items[i].type)) continue;
    check_derived(bmff, &bmff->items[i]);
    if (check_tree(bmff, bmff->items[i].id, 1, &visits)) continue;
    if (bmff->walk->is_spent) return;
    image_report_find(bmff->walk->report, IMAGE_RULE_NESTING, bmff->iref.offset, bmff->iref.bytes, "meta/iref",
                      "pictures made of pictures, deeper than %d or in circles", INSPECT_MAX_DEPTH);
    return;
  }
}

// --- facts ---

static bool has_reference(const struct bmff *bmff, const char *type, uint32_t from, uint32_t to) {
  if (!inspect_spend(bmff->walk, bmff->reference_count)) return false;
  for (uint32_t i = 0; i < bmff->reference_count; i++) {
    const struct bmff_reference *reference = &bmff->references[i];
    if (reference->type != BMFF_CODE(type)) continue;
    if ((from == 0 || reference->from == from) && (to == 0 || reference->to == to)) return true;
  }
  return false;
}

static bool has_alpha(const struct bmff *bmff, uint32_t id) {
  for (uint32_t i = 0; i < bmff->item_count; i++) {
    struct bmff_box box;
    if (!find_property(bmff, bmff->items[i].id, "auxC", &box) || box.body.bytes <= 4) continue;
    struct base_span kind = base_span_slice(box.body, 4, box.body.bytes);
    bool is_alpha = base_span_starts_with(kind, alpha_hevc) || base_span_starts_with(kind, alpha_cicp);
    if (is_alpha && has_reference(bmff, "auxl", bmff->items[i].id, id)) return true;
  }
  return false;
}

struct depth {
  uint8_t bits;
  bool is_grey;
};

// 'pixi' of the picture, else what the coded one's configuration says: 'hvcC' (14496-15, 8.3.3.1) or 'av1C' (AV1
// Codec ISO Media File Format Binding, 2.3.3).
static struct depth depth_of(struct bmff *bmff, uint32_t id, const struct bmff_item *coded) {
  enum { HVCC_CHROMA = 16, HVCC_DEPTH = 17 };
  struct depth depth = {.bits = 8};
  struct bmff_box box;
  if (coded && find_property(bmff, coded->id, "hvcC", &box) && box.body.bytes > HVCC_DEPTH) {
    depth.bits = (uint8_t)(8 + (box.body.data[HVCC_DEPTH] & 7));
    depth.is_grey = (box.body.data[HVCC_CHROMA] & 3) == 0;
  } else if (coded && find_property(bmff, coded->id, "av1C", &box) && box.body.bytes > 2) {
    depth.bits = !(box.body.data[2] & 0x40) ? 8 : box.body.data[2] & 0x20 ? 12 : 10;
    depth.is_grey = box.body.data[2] & 0x10;
  }
  if (find_property(bmff, id, "pixi", &box) && box.body.bytes >= 6) {
    if (box.body.data[5] < 1 || box.body.data[5] > MAX_BITS) {
      inspect_bmff_damaged(bmff, &box, "meta/pixi", "%u bits a channel", box.body.data[5]);
      return depth;
    }
    depth.bits = box.body.data[5];
    depth.is_grey = box.body.data[4] == 1;
  }
  return depth;
}

// ITU-T H.273: 1 BT.709, 9 BT.2020, 12 SMPTE EG 432; 2 says nothing. Transfer 8 is linear.
static enum image_colour_space space_of(unsigned primaries, unsigned transfer) {
  if (primaries == 2) return IMAGE_SPACE_UNKNOWN;
  if (transfer == 8) return IMAGE_SPACE_OTHER_RGB;
  if (primaries == 1) return IMAGE_SPACE_SRGB;
  if (primaries == 9) return IMAGE_SPACE_BT2020;
  return primaries == 12 ? IMAGE_SPACE_DISPLAY_P3 : IMAGE_SPACE_OTHER_RGB;
}

// Every 'colr' of an item; the profile and the numbers may both be there.
static bool read_colours(struct bmff *bmff, uint32_t id) {
  bool is_there = false;
  for (uint32_t i = 0; i < bmff->link_count; i++) {
    const struct bmff_link *link = &bmff->links[i];
    if (link->item != id || link->property > bmff->property_count) continue;
    const struct bmff_box *box = &bmff->properties[link->property - 1];
    if (box->type != BMFF_CODE("colr") || box->body.bytes < 4) continue;
    struct base_span body = base_span_slice(box->body, 4, box->body.bytes);
    if (base_span_starts_with(box->body, "nclx") && body.bytes >= 7) {
      inspect_colour_says(bmff->walk, space_of(inspect_be16(body.data), inspect_be16(body.data + 2)),
                          IMAGE_SPACE_FROM_CICP);
    } else if (base_span_starts_with(box->body, "prof") || base_span_starts_with(box->body, "rICC")) {
      inspect_profile(bmff->walk, body, inspect_offset(bmff->walk, body), "colr");
    } else {
      inspect_bmff_damaged(bmff, box, "meta/colr", "colours of an unknown kind");
    }
    is_there = true;
  }
  return is_there;
}

// Pictures that stand for themselves: no thumbnails, masks, tiles or hidden ones.
static uint64_t count_pictures(const struct bmff *bmff) {
  uint64_t pictures = 0;
  for (uint32_t i = 0; i < bmff->item_count; i++) {
    const struct bmff_item *item = &bmff->items[i];
    if (!is_picture(item->type) || item->is_hidden) continue;
    if (has_reference(bmff, "thmb", item->id, 0) || has_reference(bmff, "auxl", item->id, 0)) continue;
    if (!has_reference(bmff, "dimg", 0, item->id)) pictures++;
  }
  return pictures;
}

static void read_exif(struct bmff *bmff, const struct bmff_item *item) {
  struct base_span data = data_of(bmff, item);
  if (item->extents == 0) return;
  uint64_t skip = data.bytes >= 4 ? inspect_be32(data.data) : UINT64_MAX;
  if (skip > data.bytes - 4) {
    const struct inspect_extent *extent = &bmff->extents[item->first_extent];
    image_report_find(bmff->walk->report, IMAGE_RULE_EXIF, extent->offset, extent->bytes, "Exif",
                      "the EXIF item does not say where its block begins");
    return;
  }
  inspect_exif(bmff->walk, base_span_slice(data, 4 + (size_t)skip, data.bytes), "Exif");
}

static void read_metadata(struct bmff *bmff) {
  for (uint32_t i = 0; i < bmff->item_count; i++) {
    const struct bmff_item *item = &bmff->items[i];
    bool is_exif = item->type == BMFF_CODE("Exif");
    if (!is_exif && !item->is_xmp) continue;
    for (uint32_t j = 0; item->is_xmp && j < item->extents; j++) {
      const struct inspect_extent *extent = &bmff->extents[item->first_extent + j];
      inspect_text(bmff->walk, base_span_slice(bmff->walk->file, extent->offset, extent->bytes), "XMP");
    }
    if (item->is_xmp) bmff->walk->report->has_xmp = true;
    if (is_exif) read_exif(bmff, item);
  }
}

static struct bmff_item *primary_of(struct bmff *bmff) {
  struct bmff_item *primary = inspect_bmff_item(bmff, bmff->primary);
  if (primary && is_picture(primary->type)) return primary;
  if (!bmff->has_movie) {
    inspect_bmff_damaged(bmff, &bmff->iinf, "meta/pitm", "its primary item %u is no picture", bmff->primary);
  }
  for (uint32_t i = 0; i < bmff->item_count; i++) {
    if (is_picture(bmff->items[i].type)) return &bmff->items[i];
  }
  return NULL;
}

static void read_picture(struct bmff *bmff, struct bmff_item *primary) {
  struct inspect_walk *walk = bmff->walk;
  struct bmff_item *coded = coded_item(bmff, primary);
  struct size size = size_of(bmff, primary->id);
  struct depth depth = depth_of(bmff, primary->id, coded);
  if (size.width == 0 || size.height == 0) {
    inspect_bmff_damaged(bmff, &bmff->iprp, "meta/ispe", "it does not say how large its picture is");
  }
  if (primary->extents == 0 && !primary->is_elsewhere && !is_derived(primary->type)) {
    inspect_bmff_damaged(bmff, &bmff->iloc, "meta/iloc", "its picture has no data");
  }
  walk->report->has_alpha = has_alpha(bmff, primary->id);
  walk->report->has_thumbnail = has_reference(bmff, "thmb", 0, primary->id);
  uint8_t channels = (uint8_t)((depth.is_grey ? 1 : 3) + walk->report->has_alpha);
  inspect_picture(walk, size.width, size.height, depth.bits, channels,
                  depth.is_grey ? IMAGE_COLOUR_GREY : IMAGE_COLOUR_RGB);
  if (!read_colours(bmff, primary->id) && coded && coded != primary) read_colours(bmff, coded->id);
}

void inspect_bmff_picture(struct bmff *bmff) {
  struct bmff_item *primary = primary_of(bmff);
  if (primary) read_picture(bmff, primary);
  check_all_derived(bmff);
  read_metadata(bmff);
  inspect_frames(bmff->walk, base_max_u64(count_pictures(bmff), bmff->samples));
}
