// What is checked of EXIF facts, whether they come from a block (exif.c) or from a TIFF file's own directories.
#ifndef INSPECT_EXIF_H
#define INSPECT_EXIF_H

#include "metadata/exif.h"
#include "structure.h"

// Fills report->exif from `exif`, says what it says of the colours, and checks it against the picture, whose size is
// known. `part` lies in the file.
void inspect_exif_facts(struct inspect_walk *walk, const struct metadata_exif *exif, struct base_span part,
                        const char *place);

#endif
