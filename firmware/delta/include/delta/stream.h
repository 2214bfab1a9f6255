// Where the bytes of an object come from, and where those of a new one go.
//
// Every other header of this room uses them; whoever fills one in says what `self` is.
#ifndef DELTA_STREAM_H
#define DELTA_STREAM_H

#include "base/span.h"

// An object that can be read anywhere. `read` fills `out` with all of `bytes`; they lie inside the object.
struct delta_source {
  uint64_t bytes;
  enum base_result (*read)(void *self, uint64_t offset, uint8_t *out, size_t bytes, struct base_fault *fault);
  void *self;
};

// An object that is being written, from its beginning to its end.
struct delta_sink {
  enum base_result (*write)(void *self, struct base_span bytes, struct base_fault *fault);
  void *self;
};

#endif
