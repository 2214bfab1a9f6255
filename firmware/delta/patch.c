// Zstandard is used in this file alone of the room.
#include "delta/patch.h"

#include <stdlib.h>
#include <string.h>

#include <zstd.h>

#include "base/checked.h"

enum {
  MAGIC_BYTES = 8,
  LEVEL = 6,
  WINDOW_ALWAYS = 8 * 1024 * 1024,  // that a reader has to grant, however small the dictionary
  MAX_WINDOW_LOG = 27,
  STEP_BYTES = 128 * 1024,
};

// Reads as a skippable frame of 32 bytes to whoever knows Zstandard alone.
static const uint8_t magic[MAGIC_BYTES] = {0x5e, 0x2a, 0x4d, 0x18, 0x20, 0, 0, 0};

static uint64_t window_of(uint64_t old_bytes) { return base_max_u64(WINDOW_ALWAYS, old_bytes + old_bytes / 4); }

bool delta_patch_is_possible(uint64_t old_bytes, uint64_t new_bytes) {
  return old_bytes > 0 && new_bytes > 0 && old_bytes <= DELTA_PATCH_MAX_OBJECT_BYTES &&
         new_bytes <= DELTA_PATCH_MAX_OBJECT_BYTES && new_bytes <= window_of(old_bytes);
}

static int log2_above(uint64_t bytes) {
  int log = 10;
  while ((UINT64_C(1) << log) < bytes) log++;
  return log;
}

// The window holds the whole new object, so that all of the dictionary stays in reach up to its end; the frame then
// says its own size as its window.
static bool prepare(ZSTD_CCtx *context, struct base_span old, struct base_span new) {
  const struct {
    ZSTD_cParameter name;
    int value;
  } parameters[] = {{ZSTD_c_compressionLevel, LEVEL},
                    {ZSTD_c_windowLog, log2_above(new.bytes)},
                    {ZSTD_c_enableLongDistanceMatching, 1},
                    {ZSTD_c_contentSizeFlag, 1},
                    {ZSTD_c_checksumFlag, 0}};  // the result's SHA-256 is checked anyway
  for (size_t i = 0; i < sizeof parameters / sizeof *parameters; i++) {
    if (ZSTD_isError(ZSTD_CCtx_setParameter(context, parameters[i].name, parameters[i].value))) return false;
  }
  return !ZSTD_isError(ZSTD_CCtx_refPrefix(context, old.data, old.bytes));
}

static enum base_result append_head(const struct integrity_digest *old_digest, struct base_buffer *out) {
  const enum base_result result = base_buffer_append(out, magic, MAGIC_BYTES);
  return result == BASE_OK ? base_buffer_append(out, old_digest->bytes, sizeof old_digest->bytes) : result;
}

// All of the input is there from the first call on, so that the frame's head tells its size.
static enum base_result compress(ZSTD_CCtx *context, struct base_span new, struct base_buffer *out) {
  ZSTD_inBuffer in = {new.data, new.bytes, 0};
  size_t left = 1;
  while (left > 0) {
    const size_t room = base_min_u64(STEP_BYTES, out->limit - out->bytes);
    const enum base_result result = room > 0 ? base_buffer_reserve(out, room) : BASE_TOO_LARGE;
    if (result != BASE_OK) return result;
    ZSTD_outBuffer step = {out->data + out->bytes, room, 0};
    left = ZSTD_compressStream2(context, &step, &in, ZSTD_e_end);
    if (ZSTD_isError(left)) return BASE_NO_MEMORY;
    out->bytes += step.pos;
  }
  return BASE_OK;
}

enum base_result delta_patch_make(struct base_span old, const struct integrity_digest *old_digest, struct base_span new,
                                  struct base_buffer *out, struct base_fault *fault) {
  const size_t before = out->bytes;
  if (!delta_patch_is_possible(old.bytes, new.bytes)) {
    return BASE_FAIL(fault, BASE_TOO_LARGE, "patch", "no patch is made from %zu to %zu bytes", old.bytes, new.bytes);
  }
  ZSTD_CCtx *context = ZSTD_createCCtx();
  enum base_result result = context && prepare(context, old, new) ? BASE_OK : BASE_NO_MEMORY;
  if (result == BASE_OK && !ZSTD_isError(ZSTD_CCtx_setPledgedSrcSize(context, new.bytes))) {
    result = append_head(old_digest, out);
  }
  if (result == BASE_OK) result = compress(context, new, out);
  ZSTD_freeCCtx(context);
  if (result == BASE_OK) return BASE_OK;
  out->bytes = before;
  return BASE_FAIL(fault, result, "patch",
                   result == BASE_TOO_LARGE ? "the patch is not worth it" : "no memory for a patch");
}

static enum base_result damaged(struct base_fault *fault, const char *text) {
  return BASE_FAIL(fault, BASE_CORRUPT, "patch", "the patch is damaged: %s", text);
}

struct unpacking {
  ZSTD_DCtx *context;
  uint8_t *step;
  uint64_t left;  // that may still be written
  const struct delta_sink *sink;
};

static enum base_result decompress(struct unpacking *unpacking, struct base_span frames, struct base_fault *fault) {
  ZSTD_inBuffer in = {frames.data, frames.bytes, 0};
  size_t hint = 1;
  // A full step may leave more to come although all input was taken.
  for (bool is_full = false; in.pos < in.size || is_full;) {
    ZSTD_outBuffer out = {unpacking->step, STEP_BYTES, 0};
    hint = ZSTD_decompressStream(unpacking->context, &out, &in);
    if (ZSTD_isError(hint)) return damaged(fault, ZSTD_getErrorName(hint));
    if (out.pos > unpacking->left) return damaged(fault, "it makes more bytes than the object has");
    is_full = out.pos == out.size;
    unpacking->left -= out.pos;
    const enum base_result result =
        out.pos > 0 ? unpacking->sink->write(unpacking->sink->self, base_span_of(unpacking->step, out.pos), fault)
                    : BASE_OK;
    if (result != BASE_OK) return result;
    if (hint == 0 && in.pos < in.size) return damaged(fault, "something follows its frame");
    if (hint == 0) break;
  }
  if (hint != 0) return damaged(fault, "it ends early");
  return unpacking->left == 0 ? BASE_OK : damaged(fault, "it makes fewer bytes than the object has");
}

enum base_result delta_patch_apply(struct base_span old, const struct integrity_digest *old_digest,
                                   struct base_span patch, uint64_t new_bytes, const struct delta_sink *sink,
                                   struct base_fault *fault) {
  if (patch.bytes < DELTA_PATCH_HEAD_BYTES || memcmp(patch.data, magic, MAGIC_BYTES) != 0) {
    return damaged(fault, "it does not begin as one");
  }
  if (memcmp(patch.data + MAGIC_BYTES, old_digest->bytes, sizeof old_digest->bytes) != 0) {
    return damaged(fault, "it is of another dictionary");
  }
  if (!delta_patch_is_possible(old.bytes, new_bytes)) return damaged(fault, "there is none of such sizes");
  const struct base_span frames = base_span_slice(patch, DELTA_PATCH_HEAD_BYTES, patch.bytes);
  struct unpacking unpacking = {ZSTD_createDCtx(), malloc(STEP_BYTES), new_bytes, sink};
  enum base_result result = BASE_NO_MEMORY;
  const int window_log = (int)base_min_u64((uint64_t)log2_above(window_of(old.bytes)), MAX_WINDOW_LOG);
  if (unpacking.context && unpacking.step &&
      !ZSTD_isError(ZSTD_DCtx_setParameter(unpacking.context, ZSTD_d_windowLogMax, window_log)) &&
      !ZSTD_isError(ZSTD_DCtx_refPrefix(unpacking.context, old.data, old.bytes))) {
    result = decompress(&unpacking, frames, fault);
  }
  ZSTD_freeDCtx(unpacking.context);
  free(unpacking.step);
  return result == BASE_NO_MEMORY ? BASE_FAIL(fault, result, "patch", "no memory to apply a patch") : result;
}

enum base_result delta_pack(struct base_span bytes, struct base_buffer *out, struct base_fault *fault) {
  const size_t before = out->bytes;
  ZSTD_CCtx *context = ZSTD_createCCtx();
  enum base_result result = context && !ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, LEVEL))
                                ? BASE_OK
                                : BASE_NO_MEMORY;
  if (result == BASE_OK) result = compress(context, bytes, out);
  ZSTD_freeCCtx(context);
  if (result == BASE_OK) return BASE_OK;
  out->bytes = before;
  return BASE_FAIL(fault, result, "zstd", "no room to pack %zu bytes", bytes.bytes);
}

enum base_result delta_unpack(struct base_span packed, struct base_buffer *out, struct base_fault *fault) {
  ZSTD_DCtx *context = ZSTD_createDCtx();
  ZSTD_inBuffer in = {packed.data, packed.bytes, 0};
  enum base_result result =
      context && !ZSTD_isError(ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, MAX_WINDOW_LOG)) ? BASE_OK
                                                                                                     : BASE_NO_MEMORY;
  size_t hint = 1;
  for (bool is_full = false; result == BASE_OK && hint != 0 && (in.pos < in.size || is_full);) {
    const size_t room = base_min_u64(STEP_BYTES, out->limit - out->bytes);
    result = base_buffer_reserve(out, room);
    if (result != BASE_OK) break;
    ZSTD_outBuffer step = {out->data + out->bytes, room, 0};
    const size_t taken = in.pos;
    hint = ZSTD_decompressStream(context, &step, &in);
    out->bytes += step.pos;
    is_full = step.pos == step.size;
    if (ZSTD_isError(hint) || (hint != 0 && step.pos == 0 && in.pos == taken)) result = BASE_CORRUPT;
  }
  if (result == BASE_OK && (hint != 0 || in.pos != in.size)) result = BASE_CORRUPT;
  ZSTD_freeDCtx(context);
  return result == BASE_OK ? BASE_OK : BASE_FAIL(fault, result, "zstd", "what is packed is damaged or too large");
}
