// The head of one part of a form: its Content-Disposition and Content-Type (RFC 7578 4.2 to 4.4).
#ifndef INGEST_PART_HEAD_H
#define INGEST_PART_HEAD_H

#include "ingest/multipart.h"

// `head` is the lines of the part's head, each with its CRLF, without the empty line. BASE_BAD_INPUT, or
// BASE_UNSUPPORTED for a Content-Transfer-Encoding that changes the bytes.
enum base_result ingest_part_head_parse(struct base_span head, struct ingest_part *out,
                                        struct base_fault *fault) BASE_CHECKED;

#endif
