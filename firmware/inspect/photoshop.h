// Photoshop image resources (Adobe Photoshop file formats specification, "Image Resource Blocks"): in APP13 segments
// of JPEG files and in PSD files.
#ifndef INSPECT_PHOTOSHOP_H
#define INSPECT_PHOTOSHOP_H

#include "structure.h"

// What one piece leaves to the next: in JPEG files a resource may go on in the following segment.
struct inspect_photoshop {
  uint64_t left;      // bytes of the last resource that are still to come
  bool is_lost;       // a resource's head was cut: the pieces behind it can not be followed
  uint64_t resource;  // offset of the last resource
  struct base_span exif, profile;
};

// Walks the resources in `part` and hands on the texts in them.
void inspect_photoshop(struct inspect_walk *walk, struct inspect_photoshop *state, struct base_span part,
                       const char *place);
// After the last piece: a resource that never ended is a finding; EXIF block and profile are handed on, unless the
// report has some already.
void inspect_photoshop_conclude(struct inspect_walk *walk, const struct inspect_photoshop *state, const char *place);

#endif
