// An update bundle: one signed file that brings a slot's two partitions.
//
//   0    8   "pxupdate"
//   8    4   format u32 = 1
//   12   4   manifest bytes u32, at most UPDATE_MAX_MANIFEST
//   16   4   signatures u32, 1 to UPDATE_MAX_SIGNATURES
//   20   .   manifest: text, one "name value" a line, each ended by '\n', in this order:
//              board qemu-x86_64       (must be the box's own)
//              version 1.2.0           (slots/slots.h)
//              floor 1.0.0             (once this version is good, nothing lower is installed; "-": none; never above
//                                       the version)
//              created 1790000000      (Unix seconds)
//              boot 33554432 <sha256>  (bytes, at least 1, and SHA-256, base64url, of the boot partition's image)
//              root 104857600 <sha256>
//   .    .   signatures, each: key id (8 bytes: the first of SHA-256 of the public key's SubjectPublicKeyInfo), length
//            u16, ECDSA P-256 signature (DER) over SHA-256 of everything before the first signature
//   .    .   the images, in the manifest's order, without padding
// Big-endian. A box trusts the keys in a folder of PEM files that its own slot brings: an update signed by the old and
// the new key is how keys are rotated (board/README.md).
#ifndef UPDATE_BUNDLE_H
#define UPDATE_BUNDLE_H

#include "base/span.h"
#include "integrity/digest.h"
#include "slots/board.h"
#include "slots/slots.h"

enum {
  UPDATE_MAX_MANIFEST = 4096,
  UPDATE_MAX_SIGNATURES = 4,
  UPDATE_MAX_SIGNATURE = 80,  // DER of two P-256 numbers, with room to spare
  UPDATE_KEY_ID_BYTES = 8,
  UPDATE_MAX_BOARD = SLOTS_MAX_BOARD,
  UPDATE_MAX_KEYS = 8,
  UPDATE_MAX_KEY_NAME = 63,  // of a key's file
  UPDATE_HEAD_BYTES = 20,
};
#define UPDATE_MAX_IMAGE_BYTES (UINT64_C(1) << 31)

enum update_part { UPDATE_BOOT, UPDATE_ROOT, UPDATE_PARTS };

struct update_manifest {
  char board[UPDATE_MAX_BOARD + 1];
  char version[SLOTS_MAX_VERSION + 1];
  char floor[SLOTS_MAX_VERSION + 1];  // empty: none
  int64_t created_s;
  struct {
    uint64_t bytes;
    struct integrity_digest digest;
  } parts[UPDATE_PARTS];
};

// Strict: what is written is what is read. BASE_BAD_INPUT, BASE_TOO_LARGE.
enum base_result update_manifest_write(const struct update_manifest *manifest, struct base_buffer *out,
                                       struct base_fault *fault) BASE_CHECKED;
enum base_result update_manifest_parse(struct base_span text, struct update_manifest *out,
                                       struct base_fault *fault) BASE_CHECKED;

// Public keys that are trusted: every *.pem of a folder, in the order of the files' names. BASE_NOT_FOUND when there is
// none, BASE_BAD_INPUT for one that is no P-256 key, BASE_TOO_LARGE for more than UPDATE_MAX_KEYS.
struct update_keys;
enum base_result update_keys_load(const char *folder, struct update_keys **out, struct base_fault *fault) BASE_CHECKED;
void update_keys_destroy(struct update_keys **keys);
size_t update_keys_count(const struct update_keys *keys);
const uint8_t *update_keys_id(const struct update_keys *keys, size_t index);  // UPDATE_KEY_ID_BYTES
const char *update_keys_name(const struct update_keys *keys, size_t index);   // of its file

// Reads a bundle's head as it arrives. Constant memory: what is before the images, at most some 5 KB.
struct update_head {
  struct base_buffer bytes;
  size_t wanted;  // of them, as far as is known
};
void update_head_init(struct update_head *head);
void update_head_finish(struct update_head *head);
// Takes bytes from the front of *in. *is_whole: the manifest is checked against the keys and parsed; what is left in
// *in are the images. BASE_FORBIDDEN: no right signature by a key that is trusted; BASE_BAD_INPUT: no bundle;
// BASE_UNSUPPORTED: another format.
enum base_result update_head_take(struct update_head *head, const struct update_keys *keys, struct base_span *in,
                                  struct update_manifest *out, bool *is_whole, struct base_fault *fault) BASE_CHECKED;
// The same without looking at the signatures: what somebody claims, to be shown and never to be acted upon.
enum base_result update_head_look(struct update_head *head, struct base_span *in, struct update_manifest *out,
                                  bool *is_whole, struct base_fault *fault) BASE_CHECKED;
// Of a whole head: what each of its signatures is worth by these keys (NULL: no key is known). Returns how many.
enum update_worth { UPDATE_KEY_UNKNOWN, UPDATE_SIGNATURE_WRONG, UPDATE_SIGNATURE_RIGHT };
struct update_signature {
  uint8_t key_id[UPDATE_KEY_ID_BYTES];  // that it says made it
  enum update_worth worth;
  const char *key_name;  // borrowed from the keys; NULL: not among them
};
size_t update_head_signatures(const struct update_head *head, const struct update_keys *keys,
                              struct update_signature out[UPDATE_MAX_SIGNATURES]);

// The tool's side. Signs with the private keys (PEM files, P-256, without a passphrase, offline) and writes the whole
// bundle to `fd`; the images' sizes and digests are read from the files. Deterministic signatures (RFC 6979): equal
// input, equal bytes.
struct update_recipe {
  const char *board, *version, *floor;  // floor NULL or "": none
  int64_t created_s;
  const char *images[UPDATE_PARTS];  // paths
  const char *const *key_paths;      // at most UPDATE_MAX_SIGNATURES
  size_t key_count;
};
// BASE_CORRUPT: an image changed while it was read.
enum base_result update_bundle_write(const struct update_recipe *recipe, int fd, struct base_fault *fault) BASE_CHECKED;

#endif
