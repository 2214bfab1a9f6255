#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "fetching.h"

enum { COPY_BYTES = 64 * 1024, PASSES = 2 };

// --- what has been made of the new file ---

static void report(struct fetching *fetching) {
  struct sync *sync = fetching->sync;
  sync->done_bytes += fetching->hash->bytes - fetching->reported;  // less after a restart
  fetching->reported = fetching->hash->bytes;
  progress_show(&sync->progress, sync->done_bytes, sync->total_bytes);
}

enum base_result fetching_write(void *self, struct base_span bytes, struct base_fault *fault) {
  struct fetching *fetching = self;
  if (bytes.bytes > fetching->original->bytes - fetching->hash->bytes)
    return BASE_FAIL(fault, BASE_CORRUPT, "", "the box sends more bytes than the original has");
  const enum base_result result = base_fd_write_all(fetching->fd, bytes, fault);
  if (result != BASE_OK) return result;
  verify_hash_add(fetching->hash, bytes);
  report(fetching);
  return BASE_OK;
}

static enum base_result restart(struct fetching *fetching, struct base_fault *fault) {
  verify_hash_begin(fetching->hash);
  report(fetching);
  if (ftruncate(fetching->fd, 0) == 0 && lseek(fetching->fd, 0, SEEK_SET) == 0) return BASE_OK;
  return BASE_FAIL_ERRNO(fault, "partial", "cannot begin the file anew");
}

// What an earlier run left of it; how that was come by shows in the digest of the whole.
static enum base_result resume(struct fetching *fetching, struct base_fault *fault) {
  struct stat info;
  uint8_t *bytes = malloc(COPY_BYTES);
  ssize_t got = -1;
  verify_hash_begin(fetching->hash);
  if (bytes != NULL && fstat(fetching->fd, &info) == 0 && (uint64_t)info.st_size <= fetching->original->bytes) {
    while ((got = read(fetching->fd, bytes, COPY_BYTES)) > 0)
      verify_hash_add(fetching->hash, base_span_of(bytes, (size_t)got));
  }
  free(bytes);
  if (got < 0) return restart(fetching, fault);
  report(fetching);
  return BASE_OK;
}

// --- whole ---

// Behind what is there already.
static enum base_result receive_rest(void *self, struct base_span bytes, struct base_fault *fault) {
  struct fetching *fetching = self;
  if (fetching->asked_from > 0 && fetching->response->status == 200) {
    fetching->asked_from = 0;  // it sends all of it
    const enum base_result result = restart(fetching, fault);
    if (result != BASE_OK) return result;
  }
  return fetching_write(fetching, bytes, fault);
}

static enum base_result ask_rest(struct fetching *fetching, struct base_fault *fault) {
  char path[SYNC_PATH_BYTES], range[64];
  struct client_response response = {0};
  const struct client_field fields[] = {{"Range", range}};
  fetching_path(fetching, "content", path);
  fetching->response = &response;
  fetching->asked_from = fetching->hash->bytes;
  snprintf(range, sizeof(range), "bytes=%llu-", (unsigned long long)fetching->asked_from);
  struct client_request request = {.method = "GET",
                                   .path = path,
                                   .fields = fields,
                                   .field_count = fetching->asked_from > 0 ? 1 : 0,
                                   .receive = receive_rest,
                                   .self = fetching};
  const enum base_result result = sync_ask(fetching->sync, &request, &response, fault);
  client_response_finish(&response);
  return result;
}

// A connection that breaks costs nothing but what was on its way. One that brought nothing has been tried again
// already.
static enum base_result fetch_rest(struct fetching *fetching, struct base_fault *fault) {
  for (;;) {
    const uint64_t before = fetching->hash->bytes;
    struct base_fault found = {0};
    if (before == fetching->original->bytes) return BASE_OK;
    const enum base_result result = ask_rest(fetching, &found);
    if (result == BASE_OK) return BASE_OK;
    if (!sync_is_passing(result) || fetching->hash->bytes <= before)
      return BASE_FAIL(fault, result, found.subject, "%s", found.text);
    remote_pause_before(0);
  }
}

// --- by the way that was chosen ---

static bool is_right(struct fetching *fetching, struct integrity_digest *out_root) {
  struct integrity_digest digest;
  const uint64_t bytes = fetching->hash->bytes;
  verify_hash_end(fetching->hash, &digest, out_root);
  return bytes == fetching->original->bytes && integrity_digest_equal(&digest, &fetching->original->id) &&
         (fetching->root == NULL || integrity_digest_equal(out_root, fetching->root));
}

// Whether another way may help: this one was not understood, not what it seemed, or is not there any more.
static bool is_way_at_fault(enum base_result result) {
  return result == BASE_CORRUPT || result == BASE_TOO_LARGE || result == BASE_IO || result == BASE_BAD_INPUT ||
         result == BASE_NOT_FOUND || result == BASE_UNPROCESSABLE;
}

static enum base_result make(struct fetching *fetching, struct integrity_digest *out_root, struct base_fault *fault) {
  enum base_result result = BASE_OK;
  if (fetching->way != DELTA_FULL) {
    struct base_fault found = {0};
    result = restart(fetching, fault);
    if (result == BASE_OK) result = fetching_apply(fetching, &found);
    if (result == BASE_OK && is_right(fetching, out_root)) return BASE_OK;
    if (result != BASE_OK && !is_way_at_fault(result)) return BASE_FAIL(fault, result, found.subject, "%s", found.text);
    fetching->way = DELTA_FULL;
    result = restart(fetching, fault);
  }
  // What an earlier run left may be at fault: then once more from the beginning.
  for (int i = 0; i < PASSES && result == BASE_OK; i++) {
    const bool is_from_beginning = fetching->hash->bytes == 0;
    result = fetch_rest(fetching, fault);
    if (result == BASE_OK && is_right(fetching, out_root)) return BASE_OK;
    if (result != BASE_OK && result != BASE_CORRUPT) return result;
    if (is_from_beginning) break;
    base_fault_clear(fault);
    result = restart(fetching, fault);
  }
  (void)restart(fetching, NULL);  // nothing of it is worth keeping
  base_fault_clear(fault);
  return BASE_FAIL(fault, BASE_CORRUPT, "", "what the box sends is not the original of this id; it is not kept");
}

// Gives a file a name that nothing has: EEXIST.
static int name_anew(int folder, const char *from, const char *to) {
  if (renameat2(folder, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) return 0;
  if (errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP) return -1;
  // Not every file system knows that; nor has every one links.
  if (linkat(folder, from, AT_FDCWD, to, 0) == 0) return unlinkat(folder, from, 0);
  if (errno != EPERM && errno != ENOSYS && errno != EOPNOTSUPP) return -1;
  int fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd < 0) return -1;
  base_fd_close(&fd);
  return renameat(folder, from, AT_FDCWD, to);
}

static enum base_result put(struct fetching *fetching, const struct sync_place *place, bool *is_taken,
                            struct base_fault *fault) {
  char path[PATH_MAX];
  const int folder = fetching->sync->partial_fd;
  const enum base_result result = sync_path(fetching->sync, false, place->file, path, fault);
  if (result != BASE_OK) return result;
  if (fsync(fetching->fd) != 0) return BASE_FAIL_ERRNO(fault, "file", "cannot write the file");
  *is_taken = !sync_is_as_seen(fetching->sync, place);
  if (!*is_taken) {
    if ((place->is_there ? renameat(folder, fetching->id, AT_FDCWD, path) : name_anew(folder, fetching->id, path)) == 0)
      return BASE_OK;
    *is_taken = !place->is_there && errno == EEXIST;
  }
  if (!*is_taken) return BASE_FAIL_ERRNO(fault, "file", "cannot put the file in its place");
  return BASE_FAIL(fault, BASE_CONFLICT, "file",
                   "the file that has its name was made or changed while it was fetched, and is left alone");
}

static enum base_result open_partial(struct fetching *fetching, struct base_fault *fault) {
  enum { HOW = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY };
  const int folder = fetching->sync->partial_fd;
  struct stat info;
  if (fstatat(folder, fetching->id, &info, AT_SYMLINK_NOFOLLOW) == 0) {
    if (!S_ISREG(info.st_mode))
      return BASE_FAIL(fault, BASE_CONFLICT, "partial", "'.pixpop/partial/%s' in the mirror is no regular file",
                       fetching->id);
    // It has its place already, from a run that was ended just then: what is there is not to be written to.
    if (info.st_nlink > 1) (void)unlinkat(folder, fetching->id, 0);
  }
  fetching->fd = openat(folder, fetching->id, HOW, 0666);
  if (fetching->fd < 0 || fstat(fetching->fd, &info) != 0)
    return BASE_FAIL_ERRNO(fault, "partial", "cannot make a file in the mirror");
  if (!S_ISREG(info.st_mode) || info.st_nlink != 1)
    return BASE_FAIL(fault, BASE_CONFLICT, "partial", "others write into the mirror's .pixpop/partial");
  return resume(fetching, fault);
}

enum base_result sync_fetch(struct sync *sync, const struct sync_original *original, const char *base,
                            const struct sync_place *place, const struct integrity_digest *root,
                            struct integrity_digest *out_root, struct sync_fetched *out, struct base_fault *fault) {
  bool is_taken = false;
  const uint64_t wire_before = sync->sent_bytes + sync->received_bytes;
  struct fetching *fetching = calloc(1, sizeof(*fetching));
  struct verify_hash *hash = malloc(sizeof(*hash));
  if (fetching == NULL || hash == NULL) {
    free(fetching);
    free(hash);
    *out = (struct sync_fetched){0};
    return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory to fetch an original");
  }
  *fetching =
      (struct fetching){.sync = sync, .original = original, .root = root, .hash = hash, .fd = -1, .base_fd = -1};
  integrity_digest_text(&original->id, fetching->id);
  enum base_result result = open_partial(fetching, fault);
  if (result == BASE_OK && base != NULL) result = fetching_choose(fetching, base, fault);
  if (result == BASE_OK) result = make(fetching, out_root, fault);
  if (result == BASE_OK) result = put(fetching, place, &is_taken, fault);
  if (result == BASE_CORRUPT) (void)unlinkat(sync->partial_fd, fetching->id, 0);
  if (is_taken) sync->done_bytes -= fetching->reported;  // it is counted again
  *out = (struct sync_fetched){fetching->way, sync->sent_bytes + sync->received_bytes - wire_before, is_taken};
  base_fd_close(&fetching->fd);
  fetching_finish(fetching);
  free(hash);
  free(fetching);
  return result;
}
