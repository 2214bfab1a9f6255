// Media data of a HEIF file: whether items reach all of it and nothing else.
#include "base/checked.h"
#include "bmff.h"

enum { MOVIE_SLACK = 4096 };  // samples are aligned, and chunks may have gaps

static bool lies_in(const struct inspect_extent *extent, uint64_t offset, uint64_t bytes) {
  return extent->offset >= offset && extent->offset + extent->bytes <= offset + bytes;
}

// Extents lie in one of the regions or in 'idat'.
static void check_places(struct bmff *bmff) {
  for (uint32_t i = 0; i < bmff->extent_count; i++) {
    const struct inspect_extent *extent = &bmff->extents[i];
    const struct base_span idat = bmff->idat.body;
    bool is_inside = bmff->idat.type && lies_in(extent, inspect_offset(bmff->walk, idat), idat.bytes);
    for (uint32_t r = 0; r < bmff->region_count && !is_inside; r++) {
      is_inside = lies_in(extent, bmff->regions[r].offset, bmff->regions[r].bytes);
    }
    if (is_inside) continue;
    image_report_find(bmff->walk->report, IMAGE_RULE_STRUCTURE, extent->offset, extent->bytes, "meta/iloc",
                      "an item's data lies outside of the media data");
  }
}

static void hide(void *argument, uint64_t begin, uint64_t end) {
  struct bmff *bmff = argument;
  if (!bmff->is_partial) inspect_hidden(bmff->walk, begin, end - begin, "mdat");
}

// Of a file with tracks: the samples are counted, so that only more bytes than they have can be hidden.
static void take_samples(void *argument, uint64_t begin, uint64_t end) {
  struct bmff *bmff = argument;
  uint64_t bytes = end - begin, taken = base_min_u64(bytes, bmff->sample_bytes);
  inspect_data(bmff->walk, base_span_slice(bmff->walk->file, begin, taken));
  bmff->sample_bytes -= taken;
  if (bytes - taken > MOVIE_SLACK && bmff->samples > 0) hide(bmff, begin + taken, end);
}

void inspect_bmff_cover(struct bmff *bmff) {
  struct inspect_walk *walk = bmff->walk;
  check_places(bmff);
  inspect_cover_sort(bmff->extents, bmff->extent_count);  // the items have been read
  inspect_cover_overlaps(walk, bmff->extents, bmff->extent_count, "meta/iloc");
  for (uint32_t i = 0; i < bmff->region_count; i++) {
    const struct inspect_extent *region = &bmff->regions[i];
    inspect_cover_sweep(walk, bmff->extents, bmff->extent_count, region->offset, region->offset + region->bytes,
                        bmff->has_movie ? take_samples : hide, bmff);
  }
  if (bmff->idat.type) {
    uint64_t offset = inspect_offset(walk, bmff->idat.body);
    inspect_cover_sweep(walk, bmff->extents, bmff->extent_count, offset, offset + bmff->idat.body.bytes, hide, bmff);
  }
}
