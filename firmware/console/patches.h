// Patches between originals (Content-Encoding "dcz", RFC 9842), and deltas by a client's signature: made one at a time,
// so that their memory is bounded whatever is asked for at once.
#ifndef CONSOLE_PATCHES_H
#define CONSOLE_PATCHES_H

#include "store/store.h"

struct console_patches;

// NULL when memory is short.
struct console_patches *console_patches_create(struct store *store);
void console_patches_destroy(struct console_patches **patches);
// What is being made ends soon, and is not worth it.
void console_patches_stop(struct console_patches *patches);

// The patch from `old` to `new`, which the caller has found in the store: unreferenced by the caller. *out is NULL,
// with BASE_OK, when there is none that is worth it (delta/choose.h), or when the others that are being made take too
// long. The last one is kept, for a client that asks for its size first; a large one until it has been asked for once
// more. BASE_CORRUPT when one of the originals is damaged, BASE_NO_MEMORY.
enum base_result console_patches_make(struct console_patches *patches, const struct store_original *old,
                                      const struct store_original *new, struct base_blob **out,
                                      struct base_fault *fault) BASE_CHECKED;
// The delta from what `signature` (librsync) is of to `new`, in the same way: NULL when signature and delta together
// are not worth it, or when it takes longer than a few seconds. BASE_BAD_INPUT for a signature that is none.
enum base_result console_patches_make_delta(struct console_patches *patches, struct base_span signature,
                                            const struct store_original *new, struct base_blob **out,
                                            struct base_fault *fault) BASE_CHECKED;

#endif
