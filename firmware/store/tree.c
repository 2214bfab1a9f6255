#include "store/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "inside.h"
#include "tree_file.h"

enum { READ_BYTES = 256 * 1024 };

// Damage.

static enum base_result note_damage(struct store *store, const struct integrity_digest *id,
                                    const struct base_fault *cause, struct base_fault *fault) {
  const struct store_path path = store_path_original(id);
  struct base_fault damage = {0};
  base_metric_add(store->meters.damaged_originals, 1);
  (void)store_findings_note(store, id, STORE_FINDING_BYTES);
  const enum base_result result = BASE_FAIL(&damage, BASE_CORRUPT, path.text, "%s", cause->text);
  base_log_fault(store->config.log, BASE_LOG_ERROR, STORE_ROOM, NULL, &damage);
  return BASE_FAIL(fault, result, "original", "%s", cause->text);
}

// The same result with the caller's fault; damage is noted on the way.
static enum base_result pass_on(struct store *store, const struct integrity_digest *id, enum base_result result,
                                const struct base_fault *cause, struct base_fault *fault) {
  if (result == BASE_OK) return BASE_OK;
  if (result == BASE_CORRUPT) return note_damage(store, id, cause, fault);
  return BASE_FAIL(fault, result, cause->subject, "%s", cause->text);
}

// Whole reads.

static enum base_result open_bytes(struct store *store, const struct integrity_digest *id, int *out_fd,
                                   struct base_fault *fault) {
  const struct store_path path = store_path_original(id);
  *out_fd = openat(store->root_fd, path.text, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (*out_fd >= 0) return BASE_OK;
  if (errno == ENOENT) return BASE_FAIL(fault, BASE_NOT_FOUND, "id", "there is no such original");
  return BASE_FAIL_ERRNO(fault, path.text, "cannot open the original");
}

// The name is the digest. A disk that can not read them says the same as other bytes do. `leaves` may be NULL.
static enum base_result check_bytes(int fd, const struct integrity_digest *id, struct store_leaves *leaves,
                                    struct base_fault *fault) {
  uint8_t *buffer = malloc(READ_BYTES);
  if (!buffer) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory to check an original");
  struct integrity_hash hash;
  struct integrity_digest digest;
  integrity_hash_init(&hash);
  ssize_t got;
  off_t at = 0;
  while ((got = pread(fd, buffer, READ_BYTES, at)) != 0) {
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) break;
    integrity_hash_update(&hash, base_span_of(buffer, (size_t)got));
    if (leaves && leaves->bytes == (uint64_t)at) store_leaves_add(leaves, base_span_of(buffer, (size_t)got));
    at += got;
  }
  integrity_hash_finish(&hash, &digest);
  free(buffer);
  if (got == 0 && integrity_digest_equal(&digest, id)) {
    if (!leaves) return BASE_OK;
    if (leaves->bytes == (uint64_t)at) return store_leaves_finish(leaves, fault);
    return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for leaf hashes");
  }
  return BASE_FAIL(fault, BASE_CORRUPT, "original", "the original's bytes are not what they were: %s",
                   got < 0 ? "the disk can not read them" : "they fail its digest; uploading it again heals it");
}

// Reads everything, makes the tree on the way and keeps it.
static enum base_result make_tree(struct store *store, const struct integrity_digest *id, int fd,
                                  struct store_leaves *leaves, struct base_fault *fault) {
  struct base_fault cause = {0};
  const enum base_result result = check_bytes(fd, id, leaves, &cause);
  if (result != BASE_OK) return pass_on(store, id, result, &cause, fault);
  store_tree_keep(store, id, leaves);
  return BASE_OK;
}

static enum base_result check_original(struct store *store, const struct integrity_digest *id, int fd,
                                       struct base_fault *fault) {
  const struct store_path tree = store_path_tree(id);
  uint64_t bytes;
  struct base_fault cause = {0};
  if (store_file_size(store, tree.text, &bytes)) {
    return pass_on(store, id, check_bytes(fd, id, NULL, &cause), &cause, fault);
  }
  struct store_leaves leaves;
  store_leaves_init(&leaves);
  const enum base_result result = make_tree(store, id, fd, &leaves, fault);
  store_leaves_release(&leaves);
  return result;
}

enum base_result store_original_open(struct store *store, const struct integrity_digest *id, int *out_fd,
                                     struct base_fault *fault) {
  int fd;
  enum base_result result = open_bytes(store, id, &fd, fault);
  if (result != BASE_OK) return result;
  result = check_original(store, id, fd, fault);
  if (result != BASE_OK) {
    base_fd_close(&fd);
    return result;
  }
  store_findings_clear(store, id, STORE_FINDING_BYTES);
  *out_fd = fd;
  return BASE_OK;
}

// Trees.

static enum base_result remake(struct store *store, const struct integrity_digest *id, int fd, struct store_tree *out,
                               struct base_fault *fault) {
  struct store_leaves leaves;
  store_leaves_init(&leaves);
  enum base_result result = make_tree(store, id, fd, &leaves, fault);
  if (result == BASE_OK) {
    *out = (struct store_tree){leaves.bytes, leaves.root, base_blob_copy(base_buffer_span(&leaves.list))};
    if (!out->leaves) result = BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for leaf hashes");
  }
  store_leaves_release(&leaves);
  return result;
}

// A file of another length than its tree says is damage, whichever of its blocks are asked for.
static enum base_result check_length(int fd, uint64_t bytes, struct base_fault *fault) {
  struct stat info;
  if (fstat(fd, &info) != 0) return BASE_FAIL_ERRNO(fault, "original", "cannot examine the original");
  if ((uint64_t)info.st_size == bytes) return BASE_OK;
  return BASE_FAIL(fault, BASE_CORRUPT, "original",
                   "the original's bytes are not what they were: their length is wrong");
}

enum base_result store_original_tree(struct store *store, const struct integrity_digest *id, struct store_tree *out,
                                     struct base_fault *fault) {
  *out = (struct store_tree){0};
  struct base_fault cause = {0};
  int fd;
  enum base_result result = open_bytes(store, id, &fd, fault);
  if (result != BASE_OK) return result;
  result = store_tree_load(store, id, out, &cause);
  if (result == BASE_OK) {
    struct base_fault damage = {0};
    result = pass_on(store, id, check_length(fd, out->bytes, &damage), &damage, fault);
    if (result != BASE_OK) base_blob_unref(&out->leaves);
  } else if (result == BASE_NO_MEMORY || result == BASE_BUSY) {  // nothing is known of the record
    result = BASE_FAIL(fault, result, cause.subject, "%s", cause.text);
  } else {
    if (result != BASE_NOT_FOUND) base_log_fault(store->config.log, BASE_LOG_WARN, STORE_ROOM, NULL, &cause);
    if (result == BASE_CORRUPT) base_metric_add(store->meters.damaged, 1);
    result = remake(store, id, fd, out, fault);
  }
  base_fd_close(&fd);
  return result;
}

// Parts.

static enum base_result check_block(const struct store_tree *tree, uint64_t index, struct base_span block,
                                    struct base_fault *fault) {
  struct integrity_digest leaf;
  integrity_merkle_leaf(block, &leaf);
  if (memcmp(leaf.bytes, tree->leaves->data + index * sizeof leaf.bytes, sizeof leaf.bytes) == 0) return BASE_OK;
  return BASE_FAIL(
      fault, BASE_CORRUPT, "original",
      "the original's bytes are not what they were: block %llu fails its leaf; uploading it again heals it",
      (unsigned long long)index);
}

// A block at a time, into the caller's memory where all of it is wanted and through `scratch` where a part is.
static enum base_result read_blocks(int fd, const struct store_tree *tree, uint64_t offset, uint8_t *out, size_t bytes,
                                    uint8_t *scratch, struct base_fault *fault) {
  enum base_result result = BASE_OK;
  while (bytes > 0 && result == BASE_OK) {
    const uint64_t index = offset / INTEGRITY_BLOCK_BYTES, start = index * INTEGRITY_BLOCK_BYTES;
    const uint64_t rest = tree->bytes - start;
    const size_t block_bytes = rest < INTEGRITY_BLOCK_BYTES ? (size_t)rest : INTEGRITY_BLOCK_BYTES;
    const size_t skipped = (size_t)(offset - start), left = block_bytes - skipped;
    const size_t wanted = bytes < left ? bytes : left;
    uint8_t *block = wanted == block_bytes ? out : scratch;
    if (base_fd_pread_all(fd, block, block_bytes, (off_t)start, NULL) != BASE_OK) {
      return BASE_FAIL(fault, BASE_CORRUPT, "original",
                       "the original's bytes are not what they were: the disk can not read them");
    }
    result = check_block(tree, index, base_span_of(block, block_bytes), fault);
    if (result == BASE_OK && block == scratch) memcpy(out, scratch + skipped, wanted);
    out += wanted;
    offset += wanted;
    bytes -= wanted;
  }
  return result;
}

enum base_result store_original_read(struct store *store, const struct integrity_digest *id,
                                     const struct store_tree *tree, uint64_t offset, uint8_t *out, size_t bytes,
                                     struct base_fault *fault) {
  if (offset > tree->bytes || bytes > tree->bytes - offset) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "range", "the original is shorter than what was asked for");
  }
  int fd;
  enum base_result result = open_bytes(store, id, &fd, fault);
  if (result != BASE_OK) return result;
  uint8_t *scratch = malloc(INTEGRITY_BLOCK_BYTES);
  struct base_fault cause = {0};
  result = scratch ? check_length(fd, tree->bytes, &cause) : BASE_FAIL(&cause, BASE_NO_MEMORY, "", "no memory to read");
  if (result == BASE_OK) result = read_blocks(fd, tree, offset, out, bytes, scratch, &cause);
  free(scratch);
  base_fd_close(&fd);
  return pass_on(store, id, result, &cause, fault);
}
