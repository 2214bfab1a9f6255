// The one object record on disk. Little-endian, self-describing, checked before it is believed.
//
//   0   magic       8 bytes: "pixpop" 0x1a 0x0a
//   8   format      u16 = 2
//   10  kind        u16: enum store_record_kind
//   12  meta_bytes  u32, at most STORE_RECORD_MAX_META
//   16  body_bytes  u64
//   24  trailer_bytes u32: 32 for each block of the body
//   28  reserved    u32 = 0
//   32  body_sha256 32 bytes
//   64  root        32 bytes: of the Merkle tree over the trailer
//   96  head_sha256 32 bytes: SHA-256 of bytes 0..95 and the metadata
//   128 metadata    lines "name: value\n", names in [a-z-], values without control bytes
//   ... body
//   ... trailer     a leaf hash (integrity/merkle.h) for every 64 KiB block of the body
//
// head_sha256 vouches for the root, the root for the leaves, each leaf for its block, so a body is read and believed
// block by block. body_sha256 was taken from the same bytes and is vouched for by head_sha256 too: it need not be
// computed again. Format 1 has neither root nor trailer: its head_sha256 lies at 64 and covers bytes 0..63, its
// metadata begin at 96, and its body is believed by body_sha256. It is read, not written.
// Unknown magic, format or kind is refused, not guessed.
#ifndef STORE_RECORD_H
#define STORE_RECORD_H

#include "base/span.h"
#include "integrity/merkle.h"

enum {
  STORE_RECORD_HEAD_BYTES = 128,
  STORE_RECORD_OLD_HEAD_BYTES = 96,  // of format 1
  STORE_RECORD_MAX_META = 16384,
};

enum store_record_kind {
  STORE_RECORD_ORIGINAL = 1,
  STORE_RECORD_VARIANT = 2,
  STORE_RECORD_LEVEL = 3,
  STORE_RECORD_PULLED = 4,
  STORE_RECORD_UPLOAD = 5,    // a kept upload: its body is the caller's note
  STORE_RECORD_TREE = 6,      // leaf hashes of an original: its body (store/tree.h)
  STORE_RECORD_FINDINGS = 7,  // what is known of damage
};

struct store_record {
  enum store_record_kind kind;
  uint64_t body_bytes;
  struct integrity_digest body_digest;
  struct integrity_digest root;  // of the leaves; not in format 1
  struct base_span meta;         // borrowed from what was parsed
  unsigned format;               // 1 or 2, as it was read
  size_t trailer_bytes;
};

// Sets body_bytes, root and trailer_bytes, and appends the trailer.
enum base_result store_record_seal(struct store_record *record, struct base_span body, struct base_buffer *trailer,
                                   struct base_fault *fault) BASE_CHECKED;
// Appends head and metadata of a sealed record; body and trailer will follow. The format is always the newest.
enum base_result store_record_write_head(const struct store_record *record, struct base_buffer *out,
                                         struct base_fault *fault) BASE_CHECKED;
// Parses the front of a record file, metadata lines included. `bytes` must hold head and metadata (file start).
// *body_offset is where the body begins. The body is not checked here. `file_bytes` is the file's size, which must
// equal head + metadata + body + trailer. BASE_CORRUPT says what is wrong; BASE_UNSUPPORTED is a format or kind of
// another firmware, which must be left alone.
enum base_result store_record_read_head(struct base_span bytes, uint64_t file_bytes, struct store_record *out,
                                        uint64_t *body_offset, struct base_fault *fault) BASE_CHECKED;
// Whether the trailer holds the leaves that the head vouches for. BASE_CORRUPT.
enum base_result store_record_check_trailer(const struct store_record *record, struct base_span trailer,
                                            struct base_fault *fault) BASE_CHECKED;
// Whether `block` is the body's block `index`, by a checked trailer. BASE_CORRUPT.
enum base_result store_record_check_block(struct base_span trailer, uint64_t index, struct base_span block,
                                          struct base_fault *fault) BASE_CHECKED;

// Metadata lines. Adding is BASE_BAD_INPUT for a name or value that would break the line, BASE_TOO_LARGE over the
// buffer's limit.
enum base_result store_meta_add(struct base_buffer *meta, const char *name, struct base_span value) BASE_CHECKED;
// Cuts the first line off `*rest`; false when nothing, or nothing well formed, is left. After the last line of good
// metadata `rest->bytes` is 0.
bool store_meta_next(struct base_span *rest, struct base_span *name, struct base_span *value) BASE_CHECKED;
// First value of that name; false when absent.
bool store_meta_get(struct base_span meta, const char *name, struct base_span *value) BASE_CHECKED;

#endif
