// Originals, their trees, variants, levels, kept uploads and findings as the metadata lines of their records.
#ifndef STORE_DESCRIBE_H
#define STORE_DESCRIBE_H

#include "findings.h"
#include "index.h"
#include "kept.h"
#include "store/record.h"
#include "store/store.h"
#include "store/tree.h"

// Appends the lines. BASE_BAD_INPUT when a text holds control bytes.
enum base_result store_describe_original(const struct store_original *original, struct base_buffer *meta,
                                         struct base_fault *fault) BASE_CHECKED;
enum base_result store_describe_variant(const struct store_variant *variant, struct base_buffer *meta,
                                        struct base_fault *fault) BASE_CHECKED;
enum base_result store_describe_level(const struct store_level *level, struct base_buffer *meta,
                                      struct base_fault *fault) BASE_CHECKED;
enum base_result store_describe_kept(const struct store_kept *kept, struct base_buffer *meta,
                                     struct base_fault *fault) BASE_CHECKED;
// tree->leaves are the body, and not looked at.
enum base_result store_describe_tree(const struct integrity_digest *id, const struct store_tree *tree,
                                     struct base_buffer *meta, struct base_fault *fault) BASE_CHECKED;
enum base_result store_describe_progress(const struct store_progress *progress, struct base_buffer *meta,
                                         struct base_fault *fault) BASE_CHECKED;
// The other way. BASE_CORRUPT when a line is missing or out of range; `record` must be of that kind.
enum base_result store_read_original(const struct store_record *record, struct store_original *out,
                                     struct base_fault *fault) BASE_CHECKED;
enum base_result store_read_variant(const struct store_record *record, struct store_variant *out,
                                    struct base_fault *fault) BASE_CHECKED;
enum base_result store_read_level(const struct store_record *record, struct store_level *out,
                                  struct base_fault *fault) BASE_CHECKED;
enum base_result store_read_kept(const struct store_record *record, struct store_kept *out,
                                 struct base_fault *fault) BASE_CHECKED;
// The leaves are not read.
enum base_result store_read_tree(const struct store_record *record, struct integrity_digest *id, struct store_tree *out,
                                 struct base_fault *fault) BASE_CHECKED;
enum base_result store_read_progress(const struct store_record *record, struct store_progress *out,
                                     struct base_fault *fault) BASE_CHECKED;

#endif
