#include "tree_file.h"

#include "base/file.h"
#include "describe.h"
#include "inside.h"

static enum base_result believe(struct store_record_file *file, const struct integrity_digest *id, const char *path,
                                struct store_tree *out, struct base_fault *fault) {
  struct integrity_digest named, root;
  enum base_result result = store_read_tree(&file->record, &named, out, fault);
  if (result != BASE_OK) return result;
  const uint64_t leaf_bytes = integrity_block_count(out->bytes) * sizeof root.bytes;
  if (!integrity_digest_equal(&named, id) || file->record.body_bytes != leaf_bytes) {
    return BASE_FAIL(fault, BASE_CORRUPT, path, "the record is not what its name says");
  }
  result = store_record_read_body(file, path, leaf_bytes, &out->leaves, fault);
  if (result != BASE_OK) return result;
  store_leaves_root(base_blob_span(out->leaves), &root);
  if (integrity_digest_equal(&root, &out->root)) return BASE_OK;
  base_blob_unref(&out->leaves);
  return BASE_FAIL(fault, BASE_CORRUPT, path, "the leaf hashes fail their root");
}

enum base_result store_tree_load(struct store *store, const struct integrity_digest *id, struct store_tree *out,
                                 struct base_fault *fault) {
  const struct store_path path = store_path_tree(id);
  struct store_record_file file;
  *out = (struct store_tree){0};
  enum base_result result = store_record_open(store, path.text, &file, fault);
  if (result != BASE_OK) return result;
  result = believe(&file, id, path.text, out, fault);
  base_fd_close(&file.fd);
  return result;
}

static enum base_result place(struct store *store, const struct integrity_digest *id, const struct store_leaves *leaves,
                              struct base_fault *fault) {
  const struct store_path path = store_path_tree(id);
  const struct store_tree tree = {.bytes = leaves->bytes, .root = leaves->root};
  const struct base_span body = base_buffer_span(&leaves->list);
  struct store_record record = {.kind = STORE_RECORD_TREE};
  struct store_path temporary;
  struct base_buffer meta;
  struct store_record_file old;
  enum base_result result = store_record_open(store, path.text, &old, NULL);
  if (result == BASE_OK) base_fd_close(&old.fd);
  if (result == BASE_UNSUPPORTED) return BASE_OK;

  base_buffer_init(&meta, STORE_RECORD_MAX_META);
  integrity_digest_of(body, &record.body_digest);
  result = store_describe_tree(id, &tree, &meta, fault);
  record.meta = base_buffer_span(&meta);
  if (result == BASE_OK) result = store_record_write(store, &record, body, false, &temporary, NULL, fault);
  base_buffer_finish(&meta);
  if (result != BASE_OK) return result;
  result = store_file_rename(store, temporary.text, path.text, fault);
  if (result != BASE_OK) store_file_discard(store, temporary.text);
  return result;
}

void store_tree_place(struct store *store, const struct integrity_digest *id, const struct store_leaves *leaves) {
  struct base_fault fault = {0};
  if (place(store, id, leaves, &fault) == BASE_OK) return;
  base_log_fault(store->config.log, BASE_LOG_WARN, STORE_ROOM, NULL, &fault);
}

void store_tree_keep(struct store *store, const struct integrity_digest *id, const struct store_leaves *leaves) {
  const struct store_path path = store_path_original(id);
  pthread_mutex_t *lock = store_original_lock(store, id);
  uint64_t bytes;
  pthread_mutex_lock(lock);
  if (store_file_size(store, path.text, &bytes) && bytes == leaves->bytes) store_tree_place(store, id, leaves);
  pthread_mutex_unlock(lock);
}
