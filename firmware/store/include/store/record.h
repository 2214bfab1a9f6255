// The one object record on disk. Little-endian, self-describing, checked before it is believed.
//
//   0   magic       8 bytes: "pixpop" 0x1a 0x0a
//   8   format      u16 = 1
//   10  kind        u16: enum store_record_kind
//   12  meta_bytes  u32, at most STORE_RECORD_MAX_META
//   16  body_bytes  u64
//   24  trailer_bytes u32 (reserved for Merkle leaves; 0 in format 1)
//   28  reserved    u32 = 0
//   32  body_sha256 32 bytes
//   64  head_sha256 32 bytes: SHA-256 of bytes 0..63 and the metadata
//   96  metadata    lines "name: value\n", names in [a-z-], values without control bytes
//   ... body, trailer
// Unknown magic, format or kind is refused, not guessed.
#ifndef STORE_RECORD_H
#define STORE_RECORD_H

#include "base/span.h"
#include "integrity/digest.h"

enum { STORE_RECORD_HEAD_BYTES = 96, STORE_RECORD_MAX_META = 16384 };

enum store_record_kind {
  STORE_RECORD_ORIGINAL = 1,
  STORE_RECORD_VARIANT = 2,
  STORE_RECORD_LEVEL = 3,
  STORE_RECORD_PULLED = 4,
  STORE_RECORD_UPLOAD = 5,  // a kept upload: its body is the caller's note
};

struct store_record {
  enum store_record_kind kind;
  uint64_t body_bytes;
  struct integrity_digest body_digest;
  struct base_span meta;  // borrowed from what was parsed
};

// Appends head and metadata of a record whose body will follow.
enum base_result store_record_write_head(const struct store_record *record, struct base_buffer *out,
                                         struct base_fault *fault) BASE_CHECKED;
// Parses the front of a record file, metadata lines included. `bytes` must hold head and metadata (file start).
// *body_offset is where the body begins. The body is not checked here. `file_bytes` is the file's size, which must
// equal head + metadata + body + trailer. BASE_CORRUPT says what is wrong; BASE_UNSUPPORTED is a format or kind of
// another firmware, which must be left alone.
enum base_result store_record_read_head(struct base_span bytes, uint64_t file_bytes, struct store_record *out,
                                        uint64_t *body_offset, struct base_fault *fault) BASE_CHECKED;

// Metadata lines. Adding is BASE_BAD_INPUT for a name or value that would break the line, BASE_TOO_LARGE over the
// buffer's limit.
enum base_result store_meta_add(struct base_buffer *meta, const char *name, struct base_span value) BASE_CHECKED;
// Cuts the first line off `*rest`; false when nothing, or nothing well formed, is left. After the last line of good
// metadata `rest->bytes` is 0.
bool store_meta_next(struct base_span *rest, struct base_span *name, struct base_span *value) BASE_CHECKED;
// First value of that name; false when absent.
bool store_meta_get(struct base_span meta, const char *name, struct base_span *value) BASE_CHECKED;

#endif
