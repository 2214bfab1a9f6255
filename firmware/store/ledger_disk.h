// How the ledger's files are read and replaced.
#ifndef STORE_LEDGER_DISK_H
#define STORE_LEDGER_DISK_H

#include "ledger_inside.h"

struct store_path store_ledger_path(const char *name);
struct store_path store_ledger_bundle_path(uint64_t bundle);
// The bytes of a small file. BASE_NOT_FOUND; BASE_CORRUPT when it is larger than `limit`.
enum base_result store_ledger_read_file(struct store *store, const char *path, size_t limit, struct base_buffer *out,
                                        struct base_fault *fault) BASE_CHECKED;
// Replaces a file whole; the name is durable when `is_durable`, the content always.
enum base_result store_ledger_replace_file(struct store *store, const char *name, struct base_span content, mode_t mode,
                                           bool is_durable, struct base_fault *fault) BASE_CHECKED;
// The records of a durable bundle: the first `count` of them, borrowed from `bytes` (finish it). Not locked.
enum base_result store_ledger_read_bundle(struct store_ledger *ledger, uint64_t bundle, unsigned count,
                                          struct base_buffer *bytes,
                                          struct store_ledger_record records[INTEGRITY_TILE_WIDTH],
                                          struct base_fault *fault) BASE_CHECKED;
// Whether the leaves of a full bundle are the ones of the tree. What has been pruned meanwhile can not be asked.
bool store_ledger_is_in_tree(struct store_ledger *ledger, uint64_t bundle, const struct integrity_digest *leaves);
// Signs `tree` as it is and replaces the checkpoint; fills `note` and `head`.
enum base_result store_ledger_sign(struct store_ledger *ledger, bool is_durable, struct base_buffer *note,
                                   struct integrity_checkpoint *head, struct base_fault *fault) BASE_CHECKED;
// Removes bundles and returns how many bytes they had; what can not be removed is logged.
uint64_t store_ledger_remove_bundles(struct store *store, uint64_t from, uint64_t to);

#endif
