// Records as firmware wrote them before there were leaves: format 1.
#ifndef TESTS_STORE_OLD_RECORD_H
#define TESTS_STORE_OLD_RECORD_H

#include "store/record.h"

// Head and metadata of a record of format 1.
void old_record_head(unsigned kind, struct base_span meta, struct base_span body, struct base_buffer *out);
// A whole file.
void old_record_write(const char *path, unsigned kind, struct base_span meta, struct base_span body);
// Makes the file, a record of today's format, one of format 1 with the same content.
void old_record_convert(const char *path);

#endif
