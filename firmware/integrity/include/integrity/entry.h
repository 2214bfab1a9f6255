// Entries of the ledger: what the box stored, derived, evicted and purged, and when its settings changed.
//
// What is published of an entry hides what it is about: it holds SHA-256(salt || subject) only, since an id is the only
// secret of an unsigned URL. Whoever is shown subject and salt (a proof carries both) can check them against the entry.
//
//   0   version     u8 = 1
//   1   kind        u8: enum integrity_entry_kind
//   2   time        u64: seconds since 1970 when it happened
//   10  refers      u64: index of the entry this one is about (derive: the original's put; evict and purge: the put or
//                   derive that ends with it); all ones for none
//   18  renews      u64: index of the entry that said the same first and may have been pruned since; all ones for none
//   26  commitment  32 bytes: SHA-256(salt || subject)
// Big-endian; its leaf in the tree is SHA-256(0x00 || these 58 bytes).
//
// A subject is text, one "name value" a line, '\n' at each end, in this order:
//   put:     "pixpop put", tenant, original (id), bytes, root (of its block tree, base64url)
//   derive:  "pixpop derive", tenant, original, recipe, render (version), variant (digest), bytes, root
//   evict, purge: "pixpop evict" or "pixpop purge", tenant, object (digest of the bytes)
//     (tenant "-" and a digest of zeros: the entry that it refers to could not be read any more)
//   config:  "pixpop config", settings (digest of their text without secrets), version (of the firmware)
#ifndef INTEGRITY_ENTRY_H
#define INTEGRITY_ENTRY_H

#include "integrity/digest.h"

enum {
  INTEGRITY_ENTRY_BYTES = 58,
  INTEGRITY_SALT_BYTES = 16,
  INTEGRITY_SUBJECT_MAX_BYTES = 1024,
  INTEGRITY_SUBJECT_MAX_TENANT = 32,
  INTEGRITY_SUBJECT_MAX_RECIPE = 255,
  INTEGRITY_SUBJECT_MAX_VERSION = 63,
};
#define INTEGRITY_ENTRY_NONE UINT64_MAX
#define INTEGRITY_SUBJECT_UNKNOWN_TENANT "-"

enum integrity_entry_kind {
  INTEGRITY_ENTRY_PUT = 1,
  INTEGRITY_ENTRY_DERIVE = 2,
  INTEGRITY_ENTRY_EVICT = 3,
  INTEGRITY_ENTRY_PURGE = 4,
  INTEGRITY_ENTRY_CONFIG = 5,
};

struct integrity_entry {
  enum integrity_entry_kind kind;
  uint64_t time_s;
  uint64_t refers, renews;
  struct integrity_digest commitment;
};

void integrity_entry_write(const struct integrity_entry *entry, uint8_t out[INTEGRITY_ENTRY_BYTES]);
// BASE_CORRUPT; BASE_UNSUPPORTED for another version or kind.
enum base_result integrity_entry_parse(struct base_span bytes, struct integrity_entry *out,
                                       struct base_fault *fault) BASE_CHECKED;
void integrity_entry_leaf(const uint8_t bytes[INTEGRITY_ENTRY_BYTES], struct integrity_digest *out);

// What an entry is about. `object` is the digest of the bytes: the id of an original (put), a variant's digest
// (derive), either (evict, purge), the settings' (config).
struct integrity_subject {
  enum integrity_entry_kind kind;
  char tenant[INTEGRITY_SUBJECT_MAX_TENANT + 1];
  struct integrity_digest object;
  struct integrity_digest original;                 // derive
  struct integrity_digest root;                     // put, derive
  uint64_t bytes;                                   // put, derive
  uint32_t render_version;                          // derive
  char recipe[INTEGRITY_SUBJECT_MAX_RECIPE + 1];    // derive
  char version[INTEGRITY_SUBJECT_MAX_VERSION + 1];  // config
};

// BASE_BAD_INPUT for a text with a control byte or a wrong tenant.
enum base_result integrity_subject_write(const struct integrity_subject *subject, struct base_buffer *out,
                                         struct base_fault *fault) BASE_CHECKED;
// Strict: what is written is what is read. BASE_CORRUPT.
enum base_result integrity_subject_parse(struct base_span text, struct integrity_subject *out,
                                         struct base_fault *fault) BASE_CHECKED;
void integrity_commit(const uint8_t salt[INTEGRITY_SALT_BYTES], struct base_span subject, struct integrity_digest *out);

#endif
