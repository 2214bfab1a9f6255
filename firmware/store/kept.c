// Kept uploads on disk, and why they survive.
//
// An upload is its record (partial/<name>.rec: note, synced offset, boot id) and its data file (partial/<name>). The
// record is only ever replaced: a temporary file, fsync, rename, fsync of the folder. It says what is true whatever
// happens; the data file may be longer than it says, never shorter. Order of things, and what a kill or a power cut
// leaves behind after each step:
//
//   begin    1 data file                 an orphan: it goes at the next open
//            2 record (0 synced)          an upload without bytes; nobody was told of it, its owner lets it expire. The
//                                         fsync of the folder makes the name of the data file durable too
//   write    pwrite                       kill: the page cache has the bytes, the file's size is the truth. Power cut:
//                                         the size may be anything, the record is the truth
//   sync     1 fsync of the data          as before, nobody was told
//            2 record (new offset)        the bytes are acknowledged only after this one: data before record, so the
//                                         offset is never ahead of the bytes
//   rewind   1 record, when below it      the bytes behind are not sure any more, and still there
//            2 truncate                   only now may they be written anew: a power cut can not show a mixture of old
//                                         and new below a recorded offset. (A shared file is replaced by an empty one,
//                                         and the folder synced.)
//   resume   truncate after a reboot      to the recorded offset; nothing below it is touched. When less is there than
//                                         recorded the disk is damaged, and the record comes down before anything is
//                                         written
//   commit   1 sync, digest               as before
//            2 second name for the data   a link, in tmp/: emptied at open
//            3 adopted as the original    a crash from here on leaves the upload as it was before and the original: it
//                                         is committed again, and found to be known. The file is then shared: it is
//                                         not written to (is_shared)
//   annotate 1 record (committed)         says that the bytes are not the upload's any more
//            2 data file removed          left behind by a crash, it goes at the next open
//   remove   1 record removed, folder     fsync: a removal that was acknowledged does not come undone
//            2 data file removed          left behind by a crash, it belongs to nobody and goes at the next open; the
//                                         other way round the upload would come back without its bytes
//
// The size is believed when the record was written under the same boot id: a kernel that has been up ever since has
// every byte that was written. A record keeps its boot id until the data file has been made to agree with its offset.
#include "kept.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/file.h"
#include "describe.h"
#include "inside.h"

static enum base_result read_kept(struct store *store, const char *name, struct store_kept *out,
                                  struct base_buffer *note, struct base_fault *fault) {
  const struct store_path path = store_path_partial_record(name);
  struct store_record_file file;
  enum base_result result = store_record_open(store, path.text, &file, fault);
  if (result != BASE_OK) return result;
  struct base_blob *body = NULL;
  result = store_read_kept(&file.record, out, fault);
  if (result == BASE_OK && strcmp(out->name, name) != 0) {
    result = BASE_FAIL(fault, BASE_CORRUPT, path.text, "the record is not what its name says");
  }
  if (result == BASE_OK) result = store_record_read_body(&file, path.text, STORE_MAX_NOTE, &body, fault);
  base_fd_close(&file.fd);
  if (result == BASE_OK && note) {
    result = base_buffer_append(note, body->data, body->bytes);
    if (result != BASE_OK) (void)BASE_FAIL(fault, result, "", "no memory for an upload's note");
  }
  base_blob_unref(&body);
  return result;
}

enum base_result store_kept_load(struct store *store, const char *name, struct store_kept *out,
                                 struct base_buffer *note, struct base_fault *fault) {
  struct base_fault why = {0};
  const enum base_result result = read_kept(store, name, out, note, &why);
  if (result == BASE_OK) return BASE_OK;
  if (result == BASE_NOT_FOUND) return BASE_FAIL(fault, result, "upload", "there is no such upload");
  return BASE_FAIL(fault, result, why.subject, "%s", why.text);
}

enum base_result store_kept_save(struct store *store, const struct store_kept *kept, struct base_span note,
                                 struct base_fault *fault) {
  if (note.bytes > STORE_MAX_NOTE) {
    return BASE_FAIL(fault, BASE_TOO_LARGE, "note", "an upload's note is over %d bytes", STORE_MAX_NOTE);
  }
  struct store_record record = {.kind = STORE_RECORD_UPLOAD};
  integrity_digest_of(note, &record.body_digest);
  const struct store_path path = store_path_partial_record(kept->name);
  struct store_path temporary;
  struct base_buffer meta;
  base_buffer_init(&meta, STORE_RECORD_MAX_META);
  enum base_result result = store_describe_kept(kept, &meta, fault);
  record.meta = base_buffer_span(&meta);
  if (result == BASE_OK) result = store_record_write(store, &record, note, true, &temporary, NULL, fault);
  base_buffer_finish(&meta);
  if (result != BASE_OK) return result;
  uint64_t old_bytes;
  const bool is_new = !store_file_size(store, path.text, &old_bytes);
  result = store_file_rename(store, temporary.text, path.text, fault);
  if (result != BASE_OK) {
    store_file_discard(store, temporary.text);
    return result;
  }
  if (is_new) base_metric_add(store->meters.kept, 1);
  return store_folder_sync(store, STORE_PARTIAL, fault);
}

uint64_t store_kept_bytes(struct store *store, const struct store_kept *kept) {
  const struct store_path path = store_path_partial(kept->name);
  uint64_t bytes;
  if (kept->is_committed || !store_file_size(store, path.text, &bytes)) return 0;
  const bool is_same_boot = store->boot_id[0] && strcmp(kept->boot_id, store->boot_id) == 0;
  return is_same_boot ? bytes : base_min_u64(bytes, kept->synced);
}

enum base_result store_kept_remove(struct store *store, const char *name, struct base_fault *fault) {
  const struct store_path record = store_path_partial_record(name), data = store_path_partial(name);
  uint64_t bytes;
  if (store_file_size(store, record.text, &bytes)) {
    enum base_result result = store_file_remove(store, record.text, fault);
    if (result == BASE_OK) base_metric_add(store->meters.kept, -1);
    if (result == BASE_OK) result = store_folder_sync(store, STORE_PARTIAL, fault);
    if (result != BASE_OK) return result;
  }
  return store_file_remove(store, data.text, fault);
}

void store_kept_discard(struct store *store, const char *name) {
  struct base_fault fault = {0};
  if (store_kept_remove(store, name, &fault) == BASE_OK) return;
  base_log_fault(store->config.log, BASE_LOG_WARN, STORE_ROOM, NULL, &fault);
}

// When the store is opened.

struct clearing {
  struct store *store;
  uint64_t kept, orphans, damaged, unknown;
};

static enum base_result clear_record(void *argument, const char *file_name, struct base_fault *fault) {
  struct clearing *clearing = argument;
  struct store *store = clearing->store;
  char name[STORE_UPLOAD_NAME_CHARS + 1];
  (void)fault;
  if (!store_name_is_partial_record(file_name, name)) return BASE_OK;
  struct store_kept kept;
  struct base_fault why = {0};
  const enum base_result result = store_kept_load(store, name, &kept, NULL, &why);
  if (result == BASE_OK) {
    clearing->kept++;
    if (kept.is_committed) store_file_discard(store, store_path_partial(name).text);
    return BASE_OK;
  }
  // Nobody can go on with a damaged one; one of another firmware is left alone, and so is one that could not be read.
  base_log_fault(store->config.log, BASE_LOG_WARN, STORE_ROOM, NULL, &why);
  if (result == BASE_UNSUPPORTED) clearing->unknown++;
  if (result != BASE_CORRUPT) return BASE_OK;
  clearing->damaged++;
  store_file_discard(store, store_path_partial_record(name).text);
  return BASE_OK;
}

static enum base_result clear_data(void *argument, const char *file_name, struct base_fault *fault) {
  struct clearing *clearing = argument;
  struct store *store = clearing->store;
  char name[STORE_UPLOAD_NAME_CHARS + 1];
  (void)fault;
  if (store_name_is_partial_record(file_name, name)) return BASE_OK;
  if (!store_upload_name_is_valid(file_name)) {
    base_log_write(store->config.log, BASE_LOG_WARN, STORE_ROOM, NULL, "a foreign file is left alone: %s", file_name);
    return BASE_OK;
  }
  uint64_t bytes;
  if (store_file_size(store, store_path_partial_record(file_name).text, &bytes)) return BASE_OK;
  clearing->orphans++;
  store_file_discard(store, store_path_partial(file_name).text);
  return BASE_OK;
}

enum base_result store_kept_clear(struct store *store, struct base_fault *fault) {
  struct clearing clearing = {.store = store};
  enum base_result result = store_folder_visit(store, STORE_PARTIAL, clear_record, &clearing, fault);
  if (result == BASE_OK) result = store_folder_visit(store, STORE_PARTIAL, clear_data, &clearing, fault);
  if (result != BASE_OK) return result;
  base_metric_set(store->meters.kept, (int64_t)clearing.kept);
  base_metric_add(store->meters.orphans, (int64_t)clearing.orphans);
  base_metric_add(store->meters.damaged, (int64_t)clearing.damaged);
  base_metric_add(store->meters.unknown, (int64_t)clearing.unknown);
  if (clearing.kept + clearing.orphans + clearing.damaged + clearing.unknown == 0) return BASE_OK;
  base_log_write(store->config.log, BASE_LOG_INFO, STORE_ROOM, NULL,
                 "%" PRIu64 " uploads can be resumed, %" PRIu64 " orphans removed, %" PRIu64 " damaged, %" PRIu64
                 " of unknown format",
                 clearing.kept, clearing.orphans, clearing.damaged, clearing.unknown);
  return BASE_OK;
}
