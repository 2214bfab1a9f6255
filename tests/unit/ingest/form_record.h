// Writes down what the multipart parser tells, as one text: "[name|file name|media type]data;".
#ifndef TESTS_FORM_RECORD_H
#define TESTS_FORM_RECORD_H

#include "ingest/multipart.h"

struct form_record {
  struct base_buffer text;  // the events
  enum base_result result;  // of the first call that failed, else of the end
  struct base_fault fault;
};

// Parses `body` pushed in pieces of `piece` bytes (0: whole). Finish the record's text.
void form_record_parse(struct form_record *record, const char *content_type, struct base_span body, size_t piece);
void form_record_finish(struct form_record *record);

#endif
