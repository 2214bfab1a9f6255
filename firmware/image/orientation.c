#include <stddef.h>

#include "image/geometry.h"

// An orientation as a map of stored to upright coordinates around the picture's centre: the axes change places
// first, then each upright axis may point the other way.
struct axis_map {
  bool swaps;
  bool flips_x;
  bool flips_y;
};

static const struct axis_map axis_maps[] = {
    [IMAGE_UPRIGHT] = {false, false, false},  [IMAGE_FLIP_H] = {false, true, false},
    [IMAGE_ROTATE_180] = {false, true, true}, [IMAGE_FLIP_V] = {false, false, true},
    [IMAGE_TRANSPOSE] = {true, false, false}, [IMAGE_ROTATE_90] = {true, true, false},
    [IMAGE_TRANSVERSE] = {true, true, true},  [IMAGE_ROTATE_270] = {true, false, true},
};

static struct axis_map axis_map_of(enum image_orientation orientation) {
  BASE_ASSERT(orientation >= IMAGE_UPRIGHT && orientation <= IMAGE_ROTATE_270);
  return axis_maps[orientation];
}

static enum image_orientation orientation_of(struct axis_map map) {
  for (enum image_orientation i = IMAGE_UPRIGHT; i <= IMAGE_ROTATE_270; i++) {
    const struct axis_map *known = &axis_maps[i];
    if (known->swaps == map.swaps && known->flips_x == map.flips_x && known->flips_y == map.flips_y) return i;
  }
  BASE_ASSERT(!"the table holds all eight maps");
  return IMAGE_UPRIGHT;
}

enum image_orientation image_orientation_compose(enum image_orientation first, enum image_orientation second) {
  struct axis_map a = axis_map_of(first);
  struct axis_map b = axis_map_of(second);
  // Where `second` swaps the axes, the flips of `first` move to the other axis with them.
  struct axis_map both = {
      .swaps = a.swaps != b.swaps,
      .flips_x = b.flips_x != (b.swaps ? a.flips_y : a.flips_x),
      .flips_y = b.flips_y != (b.swaps ? a.flips_x : a.flips_y),
  };
  return orientation_of(both);
}

enum image_orientation image_orientation_inverse(enum image_orientation orientation) {
  // Only the quarter turns are not their own inverse.
  if (orientation == IMAGE_ROTATE_90) return IMAGE_ROTATE_270;
  if (orientation == IMAGE_ROTATE_270) return IMAGE_ROTATE_90;
  return orientation;
}

bool image_orientation_swaps(enum image_orientation orientation) { return axis_map_of(orientation).swaps; }

struct image_rect image_rect_orient(struct image_rect rect, enum image_orientation orientation, double stored_width,
                                    double stored_height) {
  struct axis_map map = axis_map_of(orientation);
  double width = map.swaps ? stored_height : stored_width;
  double height = map.swaps ? stored_width : stored_height;
  if (map.swaps) rect = (struct image_rect){rect.y, rect.x, rect.height, rect.width};
  if (map.flips_x) rect.x = width - rect.x - rect.width;
  if (map.flips_y) rect.y = height - rect.y - rect.height;
  return rect;
}
