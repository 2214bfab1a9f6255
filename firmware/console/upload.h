// An upload to /api/v1/originals while its body comes: a form with any number of pictures, or one picture.
#ifndef CONSOLE_UPLOAD_H
#define CONSOLE_UPLOAD_H

#include "ingest/multipart.h"
#include "intake.h"

struct console_upload_file {
  struct ingest_upload *received;
  char *name;  // as sent; not checked yet
};

struct console_upload {
  struct console_intake intake;
  struct console *console;
  const char *tenant;
  struct ingest_multipart *form;  // NULL: the body is the picture
  enum { CONSOLE_NO_PART, CONSOLE_METADATA_PART, CONSOLE_IMAGE_PART } part;
  bool has_metadata;
  struct base_buffer metadata;  // JSON; checked
  size_t file_count, file_capacity;
  struct console_upload_file *files;  // in the order of the form
  struct base_fault failure;          // of a write
};

// The body has come whole. BASE_BAD_INPUT when the form lacks its end, or a picture.
enum base_result console_upload_end(struct console_upload *upload, struct base_fault *fault) BASE_CHECKED;

#endif
