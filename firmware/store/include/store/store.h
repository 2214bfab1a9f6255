// The store: originals, variants and levels on disk, in one self-describing record format, with a derived SQLite index.
//
// `ingest` commits originals, `render` opens them and keeps levels (store/level.h), `pop` reads and writes variants,
// `console` lists. Thread-safe.
//
// Layout under the root:
//   originals/<2 chars>/<id>                 the bytes as uploaded
//   originals/<2 chars>/<id>.<tenant>.rec    sidecar record (kind original; its body is the inspection report)
//   variants/<2 chars>/<key>.rec             record with body: a variant or a level
//   partial/<name>, partial/<name>.rec       uploads that may be resumed (store/upload.h)
//   originals/<2 chars>/<id>.tree            leaf hashes of the bytes (store/tree.h)
//   ledger/                                  the signed log (store/ledger.h)
//   findings.rec                             known damage, and how far the scrubber has got
//   tmp/                                     uploads and records being written; emptied at open
//   index.sqlite                             derived; made anew from the records when missing, damaged or foreign
//   lock                                     held while open; says whether the last end was clean
// Bytes of an original and its levels are shared between tenants; each tenant has its own sidecar.
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/span.h"
#include "cache/lru.h"
#include "integrity/digest.h"
#include "store/ledger_config.h"

enum {
  STORE_MAX_TENANT = 32,  // characters: [a-z0-9-]
  STORE_MAX_NAME = 255,   // bytes of UTF-8, of an original's display name
  STORE_MAX_TAGS = 1023,  // bytes: tags joined by '\n'
  STORE_MAX_RECIPE = 255,
  STORE_MAX_MEDIA_TYPE = 63,
  STORE_MAX_BOOT_ID = 63,
  STORE_MAX_VARIANT_BYTES = 512 * 1024 * 1024,  // of a level too
};

struct store_config {
  const char *root;               // made when missing
  uint64_t variant_budget_bytes;  // disk tier, variants and levels together; default 4 GiB
  // What uploads, variants and levels have to leave: the coldest variants and levels go for it, or it is BASE_NO_SPACE.
  uint64_t min_free_bytes;  // default 64 MiB
  // /proc/sys/kernel/random/boot_id: with another one, unsynced bytes of uploads are not believed any more. At most
  // STORE_MAX_BOOT_ID characters, copied. NULL or empty: unknown, they are never believed.
  const char *boot_id;
  void (*progress)(void *self, uint64_t done);  // called while store_open reads records, so many till now; may be NULL
  void *progress_self;
  struct store_ledger_config ledger;
  const struct base_clock *clock;
  struct base_log *log;
  struct base_metrics *metrics;
};

// What is known of an original. Plain numbers and text, so that the room needs to know nothing of pictures.
struct store_original {
  struct integrity_digest id;
  char tenant[STORE_MAX_TENANT + 1];
  uint64_t bytes;
  uint32_t width, height;  // as stored
  uint8_t orientation;     // EXIF 1..8
  uint8_t bits;
  bool has_alpha, has_icc;
  char format[16];    // "jpeg"
  char colour[16];    // "rgb"
  int64_t created_s;  // commit time
  char name[STORE_MAX_NAME + 1];
  char tags[STORE_MAX_TAGS + 1];
  uint32_t alerts;  // what its inspection found and kept nevertheless
};

struct store_variant {
  struct cache_key key;
  char tenant[STORE_MAX_TENANT + 1];
  struct integrity_digest original;
  char recipe[STORE_MAX_RECIPE + 1];  // canonical text
  uint32_t render_version;            // 0: of a record that was written before it was kept
  char media_type[STORE_MAX_MEDIA_TYPE + 1];
  uint32_t width, height;
  int64_t created_s;
  struct integrity_digest digest;  // of the body
  uint64_t bytes;
};

struct store;

// Opens or makes the store, empties tmp/ and clears partial/ of what belongs to no upload. After an unclean end the
// index is brought up to date from the records; a missing, damaged or foreign index is made anew. Records of an unknown
// format are left alone and counted. BASE_CONFLICT when somebody has it open (lock file).
enum base_result store_open(const struct store_config *config, struct store **out,
                            struct base_fault *fault) BASE_CHECKED;
void store_close(struct store **store);

// --- originals ---
enum base_result store_original_find(struct store *store, const char *tenant, const struct integrity_digest *id,
                                     struct store_original *out, struct base_fault *fault) BASE_CHECKED;
// Reads the bytes once, to see that their digest is still `id`, and opens them read-only; the descriptor is the
// caller's. BASE_CORRUPT when it is not (counted and logged); BASE_NOT_FOUND.
enum base_result store_original_open(struct store *store, const struct integrity_digest *id, int *out_fd,
                                     struct base_fault *fault) BASE_CHECKED;
// What was found when it was inspected: a JSON object, as given to store_upload_commit. BASE_NOT_FOUND for one that
// came before there were reports, or is not there. Unreferenced by the caller.
enum base_result store_original_report(struct store *store, const char *tenant, const struct integrity_digest *id,
                                       struct base_blob **out, struct base_fault *fault) BASE_CHECKED;
// Newest first. `after` is the last original of the previous page, or NULL. `visit` returns false to stop.
enum base_result store_original_list(struct store *store, const char *tenant, const struct store_original *after,
                                     size_t limit, bool (*visit)(void *argument, const struct store_original *original),
                                     void *argument, struct base_fault *fault) BASE_CHECKED;
// Originals that carry the tag, by visits as above.
enum base_result store_original_list_tagged(struct store *store, const char *tenant, struct base_span tag,
                                            bool (*visit)(void *argument, const struct store_original *original),
                                            void *argument, struct base_fault *fault) BASE_CHECKED;
// Removes the tenant's sidecar and its variants; the bytes go with the last tenant. BASE_NOT_FOUND.
enum base_result store_original_delete(struct store *store, const char *tenant, const struct integrity_digest *id,
                                       struct base_fault *fault) BASE_CHECKED;

// --- variants: a bounded disk tier; any of them may vanish at any time ---
// Writes the record and evicts the coldest over the budget. Not fsynced: a torn record fails its digest and is a miss.
// `digest` must be that of `body`; `bytes` is filled in. Nothing is kept and nothing is lost on: BASE_NOT_FOUND, the
// original has been deleted meanwhile; BASE_TOO_LARGE, larger than the budget; BASE_NO_SPACE, the disk is too full.
enum base_result store_variant_put(struct store *store, const struct store_variant *variant, struct base_span body,
                                   struct base_fault *fault) BASE_CHECKED;
// Reads the record and verifies all of it, its body block by block. BASE_NOT_FOUND for a miss, also when the record was
// damaged (it is dropped and counted); BASE_NO_MEMORY and BASE_BUSY (descriptors) say nothing about it.
enum base_result store_variant_get(struct store *store, const struct cache_key *key, struct store_variant *out,
                                   struct base_blob **body, struct base_fault *fault) BASE_CHECKED;
// Whether it is in the tier; no use, nothing is read.
bool store_variant_exists(struct store *store, const struct cache_key *key);
// Variants of one original, by visits as above.
enum base_result store_variant_list(struct store *store, const char *tenant, const struct integrity_digest *original,
                                    bool (*visit)(void *argument, const struct store_variant *variant), void *argument,
                                    struct base_fault *fault) BASE_CHECKED;

// Drops one variant; BASE_NOT_FOUND when it is not there. The ledger says so durably after store_variants_settle only.
enum base_result store_variant_drop(struct store *store, const struct cache_key *key,
                                    struct base_fault *fault) BASE_CHECKED;
// All variants of an original (its levels stay), counted.
enum base_result store_variants_drop(struct store *store, const char *tenant, const struct integrity_digest *original,
                                     uint64_t *dropped, struct base_fault *fault) BASE_CHECKED;
// Waits until all drops so far are durable in the ledger, if there is one.
enum base_result store_variants_settle(struct store *store, struct base_fault *fault) BASE_CHECKED;

struct store_stats {
  uint64_t originals, original_bytes, variants, variant_bytes, levels, level_bytes;
  uint64_t variant_budget_bytes;  // of variants and levels together
  uint64_t disk_free_bytes;
};
enum base_result store_get_stats(struct store *store, struct store_stats *out, struct base_fault *fault) BASE_CHECKED;

#endif
