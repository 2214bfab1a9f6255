// Patches: a new object as Zstandard (RFC 8878) with an old one as its dictionary, in the form that browsers know as
// Content-Encoding "dcz" (RFC 9842 section 5): 40 bytes that name the dictionary by its SHA-256, then frames.
//
// The console makes them, `pixpop sync` applies them. Thread-safe: no state but the caller's.
#ifndef DELTA_PATCH_H
#define DELTA_PATCH_H

#include "delta/stream.h"
#include "integrity/digest.h"

enum {
  DELTA_PATCH_HEAD_BYTES = 40,
  // Of the old object and of the new one: both are held in memory while a patch is made, and the old one while it is
  // applied.
  DELTA_PATCH_MAX_OBJECT_BYTES = 32 * 1024 * 1024,
};

// Whether objects of these sizes can make a patch: neither is empty or too large, and the new one fits the window that
// every reader has to grant (RFC 9842: 8 MiB, or 1.25 of the dictionary).
bool delta_patch_is_possible(uint64_t old_bytes, uint64_t new_bytes);
// Appends the patch. `old_digest` is the SHA-256 of `old`. BASE_TOO_LARGE when it does not fit out->limit (the buffer
// then holds what it held before), or for objects that are not possible; BASE_NO_MEMORY. Takes about 20 MiB beside the
// objects.
enum base_result delta_patch_make(struct base_span old, const struct integrity_digest *old_digest, struct base_span new,
                                  struct base_buffer *out, struct base_fault *fault) BASE_CHECKED;
// Writes the new object, never more than new_bytes. `patch` comes from the network: BASE_CORRUPT when it is none, is of
// another dictionary or makes another number of bytes; what was written by then is to be thrown away. BASE_NO_MEMORY;
// what `sink` says.
enum base_result delta_patch_apply(struct base_span old, const struct integrity_digest *old_digest,
                                   struct base_span patch, uint64_t new_bytes, const struct delta_sink *sink,
                                   struct base_fault *fault) BASE_CHECKED;

// Without a dictionary, for what travels as Content-Encoding "zstd" (RFC 8878): appends `bytes` packed. BASE_NO_MEMORY,
// BASE_TOO_LARGE (out->limit).
enum base_result delta_pack(struct base_span bytes, struct base_buffer *out, struct base_fault *fault) BASE_CHECKED;
// Appends what was packed, never beyond out->limit. BASE_CORRUPT, also when it is more; BASE_NO_MEMORY.
enum base_result delta_unpack(struct base_span packed, struct base_buffer *out, struct base_fault *fault) BASE_CHECKED;

#endif
