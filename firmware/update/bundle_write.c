#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "signer.h"

enum { COPY_BYTES = 256 * 1024, FORMAT = 1 };

struct writing {
  struct update_manifest manifest;
  int images[UPDATE_PARTS];
  uint8_t *block;  // COPY_BYTES
  struct base_fault *fault;
};

// Reads an image to its end, at most one byte more than is allowed; into `out_fd` too, if that is not -1.
static enum base_result read_image(struct writing *writing, const char *path, int fd, int out_fd, uint64_t *bytes,
                                   struct integrity_digest *digest) {
  struct integrity_hash hash;
  integrity_hash_init(&hash);
  *bytes = 0;
  if (lseek(fd, 0, SEEK_SET) != 0) return BASE_FAIL_ERRNO(writing->fault, "image", "cannot read %.200s", path);
  for (;;) {
    const ssize_t got = read(fd, writing->block, COPY_BYTES);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return BASE_FAIL_ERRNO(writing->fault, "image", "cannot read %.200s", path);
    if (got == 0) break;
    const struct base_span span = base_span_of(writing->block, (size_t)got);
    *bytes += span.bytes;
    if (*bytes > UPDATE_MAX_IMAGE_BYTES)
      return BASE_FAIL(writing->fault, BASE_TOO_LARGE, "image", "%.200s is larger than an image may be", path);
    integrity_hash_update(&hash, span);
    const enum base_result result = out_fd >= 0 ? base_fd_write_all(out_fd, span, writing->fault) : BASE_OK;
    if (result != BASE_OK) return result;
  }
  integrity_hash_finish(&hash, digest);
  return BASE_OK;
}

static enum base_result open_image(const char *path, int *out, struct base_fault *fault) {
  struct stat info;
  *out = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a FIFO must not hang
  if (*out < 0 || fstat(*out, &info) != 0) return BASE_FAIL_ERRNO(fault, "image", "cannot open %.200s", path);
  if (!S_ISREG(info.st_mode)) return BASE_FAIL(fault, BASE_BAD_INPUT, "image", "%.200s is not a regular file", path);
  return BASE_OK;
}

static enum base_result set_text(const char *text, const char *name, char *out, size_t capacity,
                                 struct base_fault *fault) {
  if (base_span_copy(base_span_text(text), out, capacity)) return BASE_OK;
  return BASE_FAIL(fault, BASE_BAD_INPUT, name, "the %s is longer than %zu characters", name, capacity - 1);
}

static enum base_result fill_manifest(struct writing *writing, const struct update_recipe *recipe) {
  struct update_manifest *manifest = &writing->manifest;
  struct base_fault *fault = writing->fault;
  manifest->created_s = recipe->created_s;
  enum base_result result = set_text(recipe->board, "board", manifest->board, sizeof(manifest->board), fault);
  if (result == BASE_OK)
    result = set_text(recipe->version, "version", manifest->version, sizeof(manifest->version), fault);
  const char *floor = recipe->floor != NULL ? recipe->floor : "";
  if (result == BASE_OK) result = set_text(floor, "floor", manifest->floor, sizeof(manifest->floor), fault);
  for (int part = 0; part < UPDATE_PARTS && result == BASE_OK; part++) {
    result = open_image(recipe->images[part], &writing->images[part], fault);
    if (result == BASE_OK)
      result = read_image(writing, recipe->images[part], writing->images[part], -1, &manifest->parts[part].bytes,
                          &manifest->parts[part].digest);
  }
  return result;
}

static void put_be32(uint8_t *out, size_t value) {
  for (int i = 0; i < 4; i++) out[i] = (uint8_t)(value >> 8 * (3 - i));
}

static enum base_result append_start(const struct base_buffer *text, size_t key_count, struct base_buffer *out) {
  uint8_t start[UPDATE_HEAD_BYTES];
  memcpy(start, "pxupdate", 8);
  put_be32(start + 8, FORMAT);
  put_be32(start + 12, text->bytes);
  put_be32(start + 16, key_count);
  enum base_result result = base_buffer_append(out, start, sizeof(start));
  return result == BASE_OK ? base_buffer_append(out, text->data, text->bytes) : result;
}

static enum base_result write_head(const struct writing *writing, const struct update_recipe *recipe, int fd) {
  enum { MAX_BYTES = 8192 };
  struct base_buffer text, head;
  struct integrity_digest digest;
  base_buffer_init(&text, UPDATE_MAX_MANIFEST);
  base_buffer_init(&head, MAX_BYTES);
  enum base_result result = update_manifest_write(&writing->manifest, &text, writing->fault);
  if (result == BASE_OK) {
    result = append_start(&text, recipe->key_count, &head);
    if (result != BASE_OK) result = BASE_FAIL(writing->fault, result, "manifest", "no memory for the head");
  }
  if (result == BASE_OK) integrity_digest_of(base_buffer_span(&head), &digest);
  for (size_t i = 0; i < recipe->key_count && result == BASE_OK; i++)
    result = update_sign(recipe->key_paths[i], &digest, &head, writing->fault);
  if (result == BASE_OK) result = base_fd_write_all(fd, base_buffer_span(&head), writing->fault);
  base_buffer_finish(&text);
  base_buffer_finish(&head);
  return result;
}

static enum base_result write_image(struct writing *writing, const char *path, enum update_part part, int fd) {
  uint64_t bytes;
  struct integrity_digest digest;
  const enum base_result result = read_image(writing, path, writing->images[part], fd, &bytes, &digest);
  if (result != BASE_OK) return result;
  if (bytes != writing->manifest.parts[part].bytes ||
      !integrity_digest_equal(&digest, &writing->manifest.parts[part].digest))
    return BASE_FAIL(writing->fault, BASE_CORRUPT, "image", "%.200s changed while it was read", path);
  return BASE_OK;
}

enum base_result update_bundle_write(const struct update_recipe *recipe, int fd, struct base_fault *fault) {
  if (recipe->key_count == 0 || recipe->key_count > UPDATE_MAX_SIGNATURES)
    return BASE_FAIL(fault, BASE_BAD_INPUT, "key", "a bundle is signed with 1 to %d keys", UPDATE_MAX_SIGNATURES);
  struct writing writing = {.images = {-1, -1}, .block = malloc(COPY_BYTES), .fault = fault};
  if (writing.block == NULL) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory to copy images");
  enum base_result result = fill_manifest(&writing, recipe);
  if (result == BASE_OK) result = write_head(&writing, recipe, fd);
  for (int part = 0; part < UPDATE_PARTS && result == BASE_OK; part++)
    result = write_image(&writing, recipe->images[part], (enum update_part)part, fd);
  for (int part = 0; part < UPDATE_PARTS; part++) base_fd_close(&writing.images[part]);
  free(writing.block);
  return result;
}
