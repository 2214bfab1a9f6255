// Tar archives (POSIX.1-1988 ustar) of plain files: written to a sink and read as they arrive, in constant memory.
//
// Used for backups and support bundles, which `tar` and every desktop can open. What is read comes from outside, so the
// reader takes only what is needed: regular files with plain names (folders are skipped); no links, no devices, no
// extended headers. That is some hundred lines; a library would bring dozens of formats and filters within reach of
// whoever can upload. One thread at a time.
#ifndef ARCHIVE_TAR_H
#define ARCHIVE_TAR_H

#include "base/span.h"

enum {
  ARCHIVE_BLOCK_BYTES = 512,
  ARCHIVE_MAX_NAME = 100,  // [A-Za-z0-9._-] in segments of a relative path, none of them "." or ".."
};
#define ARCHIVE_MAX_FILE_BYTES ((UINT64_C(1) << 33) - 1)  // eleven octal digits

struct archive_entry {
  char name[ARCHIVE_MAX_NAME + 1];
  uint64_t bytes;
  int64_t modified_s;  // Unix seconds
};

bool archive_name_is_valid(const char *name);

// Writer.
struct archive_sink {
  enum base_result (*write)(void *self, struct base_span bytes, struct base_fault *fault);
  void *self;
};
struct archive_writer {
  struct archive_sink sink;
  uint64_t left;     // of the file that is being written
  uint64_t padding;  // behind it
};

void archive_writer_init(struct archive_writer *writer, const struct archive_sink *sink);
// A file follows; the one before must be complete. BASE_BAD_INPUT for a name or a time that has no place in a header,
// BASE_TOO_LARGE, and what the sink returns.
enum base_result archive_writer_begin(struct archive_writer *writer, const struct archive_entry *entry,
                                      struct base_fault *fault) BASE_CHECKED;
// Its bytes; never more than were announced.
enum base_result archive_writer_write(struct archive_writer *writer, struct base_span bytes,
                                      struct base_fault *fault) BASE_CHECKED;
// Both for a file that is in memory.
enum base_result archive_writer_file(struct archive_writer *writer, const char *name, int64_t modified_s,
                                     struct base_span content, struct base_fault *fault) BASE_CHECKED;
// The archive's end, by which a reader knows that nothing is missing.
enum base_result archive_writer_end(struct archive_writer *writer, struct base_fault *fault) BASE_CHECKED;

// Reader. What an event returns other than BASE_OK ends the reading.
struct archive_events {
  enum base_result (*begin)(void *self, const struct archive_entry *entry, struct base_fault *fault);
  enum base_result (*data)(void *self, struct base_span bytes, struct base_fault *fault);  // never empty
  enum base_result (*end)(void *self, struct base_fault *fault);
  void *self;
};
struct archive_reader {
  struct archive_events events;
  uint8_t block[ARCHIVE_BLOCK_BYTES];
  size_t block_bytes;
  uint64_t left;    // of the file that is being read
  size_t padding;   // behind it
  unsigned zeroes;  // blocks of zeroes so far; two are the end
};

void archive_reader_init(struct archive_reader *reader, const struct archive_events *events);
// The next bytes, in pieces of any size. BASE_BAD_INPUT: this is no tar archive, or is damaged; BASE_UNSUPPORTED: it
// has something else than plain files; then nothing more may be pushed.
enum base_result archive_reader_push(struct archive_reader *reader, struct base_span bytes,
                                     struct base_fault *fault) BASE_CHECKED;
// No more come. BASE_BAD_INPUT when the archive is cut off.
enum base_result archive_reader_end(const struct archive_reader *reader, struct base_fault *fault) BASE_CHECKED;

#endif
