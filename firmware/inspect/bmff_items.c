// Items of a HEIF file (14496-12, 8.11): what they are, where they lie, what belongs to them.
#include <string.h>

#include "bmff.h"

bool inspect_bmff_is_coded(uint32_t type) {
  static const char *const types[] = {"hvc1", "hev1", "av01", "jpeg", "j2k1", "avc1", "vvc1", "unci"};
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
    if (type == BMFF_CODE(types[i])) return true;
  }
  return false;
}

struct bmff_item *inspect_bmff_item(struct bmff *bmff, uint32_t id) {
  if (!inspect_spend(bmff->walk, bmff->item_count)) return NULL;
  for (uint32_t i = 0; i < bmff->item_count; i++) {
    if (bmff->items[i].id == id) return &bmff->items[i];
  }
  return NULL;
}

// Takes a terminated text; what is left when it does not end.
static struct base_span take_text(struct bmff_cursor *cursor) {
  size_t bytes = cursor->rest.bytes ? strnlen((const char *)cursor->rest.data, cursor->rest.bytes) : 0;
  struct base_span text = base_span_slice(cursor->rest, 0, bytes);
  cursor->rest = base_span_slice(cursor->rest, bytes < cursor->rest.bytes ? bytes + 1 : bytes, cursor->rest.bytes);
  return text;
}

static void read_entry(struct bmff *bmff, struct bmff_box *box) {
  uint8_t version;
  uint32_t flags;
  if (box->type != BMFF_CODE("infe") || !inspect_bmff_full(bmff, box, &version, &flags, "meta/iinf")) return;
  if (version < 2 || version > 3) {
    inspect_bmff_damaged(bmff, box, "meta/iinf", "an entry of version %u", version);
    return;
  }
  struct bmff_cursor cursor = {.rest = box->body};
  struct bmff_item item = {.id = (uint32_t)inspect_bmff_take(&cursor, version == 2 ? 2 : 4), .is_hidden = flags & 1};
  inspect_bmff_take(&cursor, 2);  // protection
  item.type = (uint32_t)inspect_bmff_take(&cursor, 4);
  if (cursor.is_cut) {
    inspect_bmff_damaged(bmff, box, "meta/iinf", "an entry that is cut off");
    return;
  }
  if (bmff->item_count == BMFF_MAX_ITEMS) {
    if (!bmff->is_partial) inspect_bmff_too_many(bmff, box, "meta/iinf", BMFF_MAX_ITEMS);
    return;
  }
  struct base_span name = take_text(&cursor);
  if (name.bytes > 0) inspect_text(bmff->walk, name, "meta/iinf");
  if (item.type == BMFF_CODE("mime")) item.is_xmp = base_span_is(take_text(&cursor), "application/rdf+xml");
  if (inspect_bmff_item(bmff, item.id)) {
    inspect_bmff_damaged(bmff, box, "meta/iinf", "item %u is there twice", item.id);
  } else {
    bmff->items[bmff->item_count++] = item;
  }
}

static void read_entries(struct bmff *bmff) {
  struct bmff_box *iinf = &bmff->iinf, box;
  uint8_t version;
  uint32_t flags, seen = 0;
  if (!iinf->type) {
    image_report_find(bmff->walk->report, IMAGE_RULE_STRUCTURE, 0, 0, "meta/iinf",
                      "it does not say what its items are");
    return;
  }
  if (!inspect_bmff_full(bmff, iinf, &version, &flags, "meta/iinf")) return;
  struct bmff_cursor cursor = {.rest = iinf->body};
  uint64_t count = inspect_bmff_take(&cursor, version == 0 ? 2 : 4);
  for (; inspect_bmff_next(bmff, &cursor.rest, &box, "meta/iinf"); seen++) read_entry(bmff, &box);
  if (seen != count) {
    inspect_bmff_damaged(bmff, iinf, "meta/iinf", "%u entries, said to be %llu", seen, (unsigned long long)count);
  }
}

// --- where they lie ---

struct location {
  unsigned offset_bytes, length_bytes, base_bytes, index_bytes, version;
};

enum { IN_FILE = 0, IN_IDAT = 1, IN_ITEM = 2 };

// The extent as a place in the file; false with a finding when it lies outside.
static bool place_extent(struct bmff *bmff, uint32_t id, unsigned method, struct inspect_extent *extent) {
  uint64_t start = 0, bytes = bmff->walk->file.bytes;
  if (method == IN_IDAT) {
    if (!bmff->idat.type) {
      inspect_bmff_damaged(bmff, &bmff->iloc, "meta/iloc", "item %u lies in a box that is not there", id);
      return false;
    }
    start = inspect_offset(bmff->walk, bmff->idat.body);
    bytes = bmff->idat.body.bytes;
  }
  if (extent->offset > bytes || extent->bytes > bytes - extent->offset) {
    inspect_bmff_damaged(bmff, &bmff->iloc, "meta/iloc", "item %u lies outside: %llu bytes from %llu", id,
                         (unsigned long long)extent->bytes, (unsigned long long)extent->offset);
    return false;
  }
  if (extent->bytes == 0) extent->bytes = bytes - extent->offset;  // all that there is (8.11.3.3)
  extent->offset += start;
  return true;
}

static void read_extents(struct bmff *bmff, const struct location *location, struct bmff_cursor *cursor, uint32_t id,
                         unsigned method, uint64_t base, uint64_t count) {
  struct bmff_item *item = inspect_bmff_item(bmff, id);
  if (!item) inspect_bmff_damaged(bmff, &bmff->iloc, "meta/iloc", "item %u has a place but no entry", id);
  if (item && item->extents) {
    inspect_bmff_damaged(bmff, &bmff->iloc, "meta/iloc", "item %u has two places", id);
    item = NULL;
  }
  if (item) item->first_extent = bmff->extent_count;
  if (item && method == IN_ITEM) item->is_elsewhere = true;
  for (uint64_t i = 0; i < count && !cursor->is_cut; i++) {
    inspect_bmff_take(cursor, location->version > 0 ? location->index_bytes : 0);
    struct inspect_extent extent = {.offset = inspect_bmff_take(cursor, location->offset_bytes)};
    extent.bytes = inspect_bmff_take(cursor, location->length_bytes);
    if (cursor->is_cut || !item || method == IN_ITEM) continue;
    if (__builtin_add_overflow(extent.offset, base, &extent.offset)) extent.offset = UINT64_MAX;
    if (!place_extent(bmff, id, method, &extent)) continue;
    if (bmff->extent_count == BMFF_MAX_EXTENTS) {
      if (!bmff->is_partial) inspect_bmff_too_many(bmff, &bmff->iloc, "meta/iloc", BMFF_MAX_EXTENTS);
      continue;
    }
    extent.is_data = inspect_bmff_is_coded(item->type);
    bmff->extents[bmff->extent_count++] = extent;
    item->extents++;
  }
}

static bool is_size_of_number(unsigned bytes) { return bytes == 0 || bytes == 4 || bytes == 8; }

static bool read_location(struct bmff *bmff, struct location *location, struct bmff_cursor *cursor) {
  uint8_t version;
  uint32_t flags;
  if (!inspect_bmff_full(bmff, &bmff->iloc, &version, &flags, "meta/iloc")) return false;
  *cursor = (struct bmff_cursor){.rest = bmff->iloc.body};
  unsigned sizes = (unsigned)inspect_bmff_take(cursor, 2);
  *location = (struct location){.offset_bytes = sizes >> 12,
                                .length_bytes = sizes >> 8 & 15,
                                .base_bytes = sizes >> 4 & 15,
                                .index_bytes = version > 0 ? sizes & 15 : 0,
                                .version = version};
  if (version <= 2 && is_size_of_number(location->offset_bytes) && is_size_of_number(location->length_bytes) &&
      is_size_of_number(location->base_bytes) && is_size_of_number(location->index_bytes)) {
    return true;
  }
  inspect_bmff_damaged(bmff, &bmff->iloc, "meta/iloc", "places in a form that is not defined");
  return false;
}

static void read_locations(struct bmff *bmff) {
  struct location location;
  struct bmff_cursor cursor;
  if (!bmff->iloc.type || !read_location(bmff, &location, &cursor)) return;
  unsigned id_bytes = location.version < 2 ? 2 : 4;
  uint64_t count = inspect_bmff_take(&cursor, id_bytes);
  for (uint64_t i = 0; i < count && !cursor.is_cut; i++) {
    if (i == BMFF_MAX_ITEMS) {
      inspect_bmff_too_many(bmff, &bmff->iloc, "meta/iloc", BMFF_MAX_ITEMS);
      return;
    }
    if (!inspect_next_part(bmff->walk, bmff->iloc.offset)) return;
    uint32_t id = (uint32_t)inspect_bmff_take(&cursor, id_bytes);
    unsigned method = location.version > 0 ? (unsigned)inspect_bmff_take(&cursor, 2) & 15 : IN_FILE;
    uint64_t source = inspect_bmff_take(&cursor, 2), base = inspect_bmff_take(&cursor, location.base_bytes);
    uint64_t extents = inspect_bmff_take(&cursor, 2);
    if (cursor.is_cut) break;
    if (source != 0) inspect_bmff_damaged(bmff, &bmff->iloc, "meta/iloc", "item %u lies in another file", id);
    if (method > IN_ITEM) {
      inspect_bmff_damaged(bmff, &bmff->iloc, "meta/iloc", "item %u is placed in an unknown way", id);
    }
    bool is_here = source == 0 && method <= IN_ITEM;
    read_extents(bmff, &location, &cursor, id, is_here ? method : IN_ITEM, base, extents);
  }
  if (cursor.is_cut) inspect_bmff_damaged(bmff, &bmff->iloc, "meta/iloc", "the places are cut off");
}

// --- what belongs to them ---

static void read_reference(struct bmff *bmff, struct bmff_box *box, unsigned id_bytes) {
  struct bmff_cursor cursor = {.rest = box->body};
  struct bmff_reference reference = {.type = box->type, .from = (uint32_t)inspect_bmff_take(&cursor, id_bytes)};
  uint64_t count = inspect_bmff_take(&cursor, 2);
  for (uint64_t i = 0; i < count; i++) {
    reference.to = (uint32_t)inspect_bmff_take(&cursor, id_bytes);
    if (cursor.is_cut) break;
    if (bmff->reference_count == BMFF_MAX_REFERENCES) {
      if (!bmff->is_partial) inspect_bmff_too_many(bmff, box, "meta/iref", BMFF_MAX_REFERENCES);
      return;
    }
    bmff->references[bmff->reference_count++] = reference;
    if (!inspect_bmff_item(bmff, reference.to)) {
      inspect_bmff_damaged(bmff, box, "meta/iref", "item %u refers to %u, which is not there", reference.from,
                           reference.to);
    }
  }
  if (cursor.is_cut) inspect_bmff_damaged(bmff, box, "meta/iref", "a list of references is cut off");
}

static void read_references(struct bmff *bmff) {
  struct bmff_box box;
  uint8_t version;
  uint32_t flags;
  if (!bmff->iref.type || !inspect_bmff_full(bmff, &bmff->iref, &version, &flags, "meta/iref")) return;
  struct base_span rest = bmff->iref.body;
  while (inspect_bmff_next(bmff, &rest, &box, "meta/iref")) read_reference(bmff, &box, version == 0 ? 2 : 4);
}

static void read_links(struct bmff *bmff, struct bmff_box *box) {
  uint8_t version;
  uint32_t flags;
  if (!inspect_bmff_full(bmff, box, &version, &flags, "meta/ipma")) return;
  struct bmff_cursor cursor = {.rest = box->body};
  uint64_t items = inspect_bmff_take(&cursor, 4);
  for (uint64_t i = 0; i < items && !cursor.is_cut; i++) {
    struct bmff_link link = {.item = (uint32_t)inspect_bmff_take(&cursor, version < 1 ? 2 : 4)};
    uint64_t count = inspect_bmff_take(&cursor, 1);
    for (uint64_t j = 0; j < count && !cursor.is_cut; j++) {
      link.property =
          flags & 1 ? (uint32_t)inspect_bmff_take(&cursor, 2) & 0x7fff : (uint32_t)inspect_bmff_take(&cursor, 1) & 0x7f;
      if (cursor.is_cut || link.property == 0) continue;
      if (link.property > bmff->property_count && !bmff->is_partial) {
        inspect_bmff_damaged(bmff, box, "meta/ipma", "item %u has property %u of %u", link.item, link.property,
                             bmff->property_count);
        continue;
      }
      if (bmff->link_count == BMFF_MAX_LINKS) {
        if (!bmff->is_partial) inspect_bmff_too_many(bmff, box, "meta/ipma", BMFF_MAX_LINKS);
        return;
      }
      bmff->links[bmff->link_count++] = link;
    }
  }
  if (cursor.is_cut) inspect_bmff_damaged(bmff, box, "meta/ipma", "the list of properties is cut off");
}

static void read_properties(struct bmff *bmff, const struct bmff_box *ipco) {
  struct base_span rest = ipco->body;
  struct bmff_box box;
  while (inspect_bmff_next(bmff, &rest, &box, "meta/ipco")) {
    if (bmff->property_count == BMFF_MAX_PROPERTIES) {
      inspect_bmff_too_many(bmff, &box, "meta/ipco", BMFF_MAX_PROPERTIES);
      return;
    }
    bmff->properties[bmff->property_count++] = box;
    if (box.type == BMFF_CODE("free") || box.type == BMFF_CODE("skip")) {
      inspect_hidden(bmff->walk, inspect_offset(bmff->walk, box.body), box.body.bytes, "meta/ipco");
    }
  }
}

static void read_item_properties(struct bmff *bmff) {
  if (!bmff->iprp.type) return;
  struct base_span rest = bmff->iprp.body;
  struct bmff_box box;
  while (inspect_bmff_next(bmff, &rest, &box, "meta/iprp")) {
    if (box.type == BMFF_CODE("ipco")) read_properties(bmff, &box);
    if (box.type == BMFF_CODE("ipma")) read_links(bmff, &box);
  }
}

void inspect_bmff_items(struct bmff *bmff) {
  read_entries(bmff);
  read_locations(bmff);
  read_references(bmff);
  read_item_properties(bmff);
}
