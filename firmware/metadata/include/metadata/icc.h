// What the header and the tag table of an ICC profile say (ICC.1:2022 7.2, 7.3). Reads nothing of its curves.
#ifndef METADATA_ICC_H
#define METADATA_ICC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

enum { METADATA_ICC_TEXT = 64, METADATA_ICC_ID_BYTES = 16, METADATA_ICC_ID_PIECES = 7 };

// Texts are UTF-8 without control characters.
struct metadata_icc {
  uint32_t bytes;
  uint8_t version_major, version_minor;
  char profile_class[5], data_space[5], connection_space[5];  // four characters each: "mntr", "RGB ", "XYZ "
  char description[METADATA_ICC_TEXT + 1];
  bool has_primaries;
  double primaries[9];  // XYZ of red, green and blue, as adapted to D50
  char problem[96];     // why it is not valid, one sentence without a full stop; empty when it is
};
// Checks: size field, signature "acsp", version, class, colour spaces, tag table inside the profile, required tags.
// Facts are set as far as they can be read.
void metadata_icc_read(struct base_span profile, struct metadata_icc *out);
// The pieces whose MD5 is the profile's ID (ICC.1:2022 7.2.18), and the ID that its header states (empty: none). False
// when the profile has no whole header.
bool metadata_icc_id(struct base_span profile, struct base_span pieces[METADATA_ICC_ID_PIECES],
                     struct base_span *stated) BASE_CHECKED;

#endif
