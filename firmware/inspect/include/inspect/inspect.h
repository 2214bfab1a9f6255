// Inspection without decoding: what a file is and what is wrong with it, from its structure alone.
//
// Runs inside the decoder over a mapped file; nothing is copied, memory is bounded whatever the file says. Used by the
// program `decoder`; reports go to `ingest` by way of `sandbox`.
#ifndef INSPECT_INSPECT_H
#define INSPECT_INSPECT_H

#include "image/limits.h"
#include "image/report.h"

// Walks `file` and fills `out`. Formats with a walker: JPEG, PNG, WebP, GIF, BMP, TIFF, HEIC, AVIF; others we decode
// (TGA, PSD, PNM) get format, size and the scans that need no structure. A damaged file is not a failure: it has
// findings, and the facts up to the damage. BASE_UNSUPPORTED for content of no known format, naming what it is when
// that is plain (PDF, ZIP, HTML ...).
enum base_result inspect_file(struct base_span file, const struct image_limits *limits, struct image_report *out,
                              struct base_fault *fault) BASE_CHECKED;

#endif
