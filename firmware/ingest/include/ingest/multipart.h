// A streaming multipart/form-data parser (RFC 7578, RFC 2046 5.1): constant memory whatever the size of the parts.
#ifndef INGEST_MULTIPART_H
#define INGEST_MULTIPART_H

#include "base/span.h"

enum {
  INGEST_MAX_BOUNDARY = 70,  // RFC 2046
  INGEST_MAX_PART_HEAD = 4096,
  INGEST_MAX_PARTS = 500,  // what is kept of each while the others come is about half a KiB
  INGEST_MAX_PART_NAME = 64,
  INGEST_MAX_FILE_NAME = 255,
};

struct ingest_part {
  char name[INGEST_MAX_PART_NAME + 1];
  char file_name[INGEST_MAX_FILE_NAME + 1];  // last path component only; empty when not given
  char media_type[128];                      // as sent; empty when not given
};

// What the parser tells. An error returned by a callback stops the parser and is returned by push.
struct ingest_multipart_events {
  enum base_result (*part_begin)(void *self, const struct ingest_part *part, struct base_fault *fault);
  enum base_result (*part_data)(void *self, struct base_span bytes, struct base_fault *fault);
  enum base_result (*part_end)(void *self, struct base_fault *fault);
  void *self;
};

struct ingest_multipart;

// `content_type` is the request's field value. BASE_UNSUPPORTED when it is not multipart/form-data, BASE_BAD_INPUT
// ("boundary") when the boundary is missing, empty, too long or malformed.
enum base_result ingest_multipart_create(struct base_span content_type, const struct ingest_multipart_events *events,
                                         struct ingest_multipart **out, struct base_fault *fault) BASE_CHECKED;
void ingest_multipart_destroy(struct ingest_multipart **multipart);
// Feeds body bytes as they come, split anywhere.
enum base_result ingest_multipart_push(struct ingest_multipart *multipart, struct base_span bytes,
                                       struct base_fault *fault) BASE_CHECKED;
// The body has ended: BASE_BAD_INPUT when the closing boundary has not come.
enum base_result ingest_multipart_end(struct ingest_multipart *multipart, struct base_fault *fault) BASE_CHECKED;

#endif
