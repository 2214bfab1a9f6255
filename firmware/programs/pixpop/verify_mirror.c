#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "mirror.h"
#include "terminal.h"
#include "verify_crew.h"
#include "verify_hash.h"
#include "verify_log.h"
#include "verify_places.h"

enum { ABOUT_BYTES = 384 };

struct walk {
  const char *folder;
  struct verify_report *report;
  struct verify_source source;
  struct verify_log log;
  pthread_mutex_t log_lock;
  bool has_log;
  struct mirror mirror;
  atomic_size_t next;  // item
};

static enum base_result path_of(const struct walk *walk, const char *name, char out[PATH_MAX],
                                struct base_fault *fault) {
  const int length = snprintf(out, PATH_MAX, "%s/.pixpop/%s", walk->folder, name);
  if (length > 0 && length < PATH_MAX) return BASE_OK;
  return BASE_FAIL(fault, BASE_BAD_INPUT, "", "the path is too long");
}

static enum base_result read_file(const struct walk *walk, const char *name, size_t limit, struct base_buffer *out,
                                  struct base_fault *fault) {
  char path[PATH_MAX];
  base_buffer_init(out, limit);
  const enum base_result result = path_of(walk, name, path, fault);
  return result == BASE_OK ? base_file_read(path, limit, out, fault) : result;
}

// --- the ledger ---

static enum base_result read_checkpoint(void *self, struct base_buffer *out, struct base_fault *fault) {
  struct base_buffer note;
  enum base_result result = read_file(self, "checkpoint", INTEGRITY_NOTE_MAX_BYTES, &note, fault);
  if (result == BASE_OK) result = base_buffer_append(out, note.data, note.bytes);
  base_buffer_finish(&note);
  return result;
}

// The tile itself, or a wider one.
static enum base_result read_tile(void *self, const struct integrity_tile *tile,
                                  struct integrity_digest out[INTEGRITY_TILE_WIDTH], struct base_fault *fault) {
  const struct walk *walk = self;
  struct integrity_tile wider = *tile;
  const size_t bytes = tile->width * sizeof(*out);
  char path[INTEGRITY_TILE_MAX_PATH + 1], name[INTEGRITY_TILE_MAX_PATH + sizeof("tile/")];
  for (; wider.width <= INTEGRITY_TILE_WIDTH; wider.width++) {
    struct base_buffer content;
    struct base_fault cause = {0};
    integrity_tile_path(&wider, path);
    snprintf(name, sizeof(name), "tile/%s", path);
    enum base_result result = read_file(walk, name, INTEGRITY_TILE_BYTES, &content, &cause);
    if (result == BASE_OK && content.bytes >= bytes)
      memcpy(out, content.data, bytes);
    else if (result == BASE_OK)
      result = BASE_FAIL(fault, BASE_CORRUPT, "", "tile %s is too short", path);
    base_buffer_finish(&content);
    if (result == BASE_OK || result == BASE_CORRUPT) return result;
    if (result != BASE_NOT_FOUND) return BASE_FAIL(fault, result, "", "tile %s: %s", path, cause.text);
  }
  return BASE_FAIL(fault, BASE_NOT_FOUND, "", "tile %s is not in the mirror", path);
}

static void read_vkey(struct walk *walk) {
  struct base_buffer text;
  if (read_file(walk, "vkey", INTEGRITY_VKEY_MAX_CHARS + 1, &text, NULL) == BASE_OK) {
    struct base_span rest = base_buffer_span(&text);
    if (!base_span_copy(base_span_cut(&rest, '\n'), walk->source.vkey, sizeof(walk->source.vkey)))
      walk->source.vkey[0] = '\0';
  }
  base_buffer_finish(&text);
}

// --- the files ---

static void move(void *self, uint64_t bytes) { verify_report_move(self, bytes); }

static enum base_result hash_item(struct walk *walk, const struct mirror_item *item, struct verify_hash *hash,
                                  struct base_fault *fault) {
  char path[PATH_MAX];
  struct stat info;
  const int length = snprintf(path, sizeof(path), "%s/%s", walk->folder, item->file);
  if (length < 0 || length >= PATH_MAX || strchr(item->file, '/') != NULL)
    return BASE_FAIL(fault, BASE_BAD_INPUT, "", "the manifest names no file of the folder");
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0 && errno == ENOENT) return BASE_FAIL(fault, BASE_CORRUPT, "", "the file is missing");
  if (fd < 0) return BASE_FAIL_ERRNO(fault, "", "the file can not be opened");
  enum base_result result = BASE_OK;
  if (fstat(fd, &info) != 0)
    result = BASE_FAIL_ERRNO(fault, "", "the file can not be examined");
  else if (!S_ISREG(info.st_mode))
    result = BASE_FAIL(fault, BASE_CORRUPT, "", "it is no file");
  else
    result = verify_hash_file(hash, fd, 0, (uint64_t)info.st_size, move, walk->report, fault);
  base_fd_close(&fd);
  return result;
}

static void prove_item(struct walk *walk, const struct mirror_item *item, const char *about, uint64_t bytes,
                       const struct integrity_digest *root) {
  char id[BASE_DIGEST_BASE64URL_CHARS + 1], name[96];
  struct base_buffer text;
  struct base_fault fault = {0};
  struct integrity_subject subject;
  integrity_digest_text(&item->id, id);
  snprintf(name, sizeof(name), "proofs/%s.tlog-proof", id);
  const enum base_result result = read_file(walk, name, INTEGRITY_PROOF_MAX_BYTES, &text, &fault);
  if (result == BASE_NOT_FOUND) {
    verify_report_unchecked(walk->report, about, "its proof is not in the mirror");
  } else if (result != BASE_OK) {
    verify_report_fault(walk->report, about, &fault);
  } else {
    pthread_mutex_lock(&walk->log_lock);
    const bool is_proven =
        verify_log_prove(&walk->log, base_buffer_span(&text), VERIFY_ORIGINALS, &item->id, about, &subject);
    pthread_mutex_unlock(&walk->log_lock);
    if (is_proven && (subject.bytes != bytes || !integrity_digest_equal(&subject.root, root)))
      verify_report_wrong(walk->report, about, "the tree over its blocks is not the one in the ledger");
    else if (is_proven)
      verify_report_prove(walk->report, VERIFY_ORIGINALS, bytes);
  }
  base_buffer_finish(&text);
}

static void check_item(struct walk *walk, const struct mirror_item *item, struct verify_hash *hash) {
  char about[ABOUT_BYTES];
  struct integrity_digest digest, root;
  struct base_fault fault = {0};
  terminal_clean(item->file, about, sizeof(about));
  if (hash_item(walk, item, hash, &fault) != BASE_OK) {
    verify_report_fault(walk->report, about, &fault);
    return;
  }
  const uint64_t bytes = hash->bytes;
  verify_hash_end(hash, &digest, &root);
  if (!integrity_digest_equal(&digest, &item->id))
    verify_report_wrong(walk->report, about, "its bytes are not those that were mirrored");
  else if (walk->has_log)
    prove_item(walk, item, about, bytes, &root);
}

static void check_items(void *self) {
  struct walk *walk = self;
  struct verify_hash *hash = malloc(sizeof(*hash));
  if (hash == NULL) {
    verify_report_unchecked(walk->report, NULL, "no memory");
    return;
  }
  for (size_t i = atomic_fetch_add(&walk->next, 1); i < walk->mirror.count; i = atomic_fetch_add(&walk->next, 1))
    check_item(walk, &walk->mirror.items[i], hash);
  free(hash);
}

static void walk_mirror(struct walk *walk, const struct options *options) {
  uint64_t bytes = 0;
  for (size_t i = 0; i < walk->mirror.count; i++) bytes += walk->mirror.items[i].bytes;
  verify_report_expect(walk->report, bytes);
  read_vkey(walk);
  if (walk->mirror.has_ledger) {
    walk->has_log = verify_log_begin(&walk->log, options, &walk->source, walk->report);
  } else {
    verify_report_unchecked(walk->report, NULL, "the box kept no ledger: only that files have the bytes of their ids");
  }
  verify_crew_run(check_items, walk);
  if (walk->has_log) verify_log_end(&walk->log);
}

void verify_mirror(const struct options *options, const char *folder, struct verify_report *report) {
  struct walk *walk = calloc(1, sizeof(*walk));
  struct base_fault fault = {0};
  if (walk == NULL) {
    verify_report_unchecked(report, NULL, "no memory");
    return;
  }
  walk->folder = folder;
  walk->report = report;
  walk->source = (struct verify_source){
      .read_checkpoint = read_checkpoint, .tiles = {.read = read_tile, .self = walk}, .is_copy = true, .self = walk};
  atomic_init(&walk->next, 0);
  BASE_ASSERT(pthread_mutex_init(&walk->log_lock, NULL) == 0);
  if (realpath(folder, walk->source.place) == NULL)
    verify_report_unchecked(report, folder, "%s", strerror(errno));
  else if (mirror_read(folder, &walk->mirror, &fault) != BASE_OK)
    verify_report_fault(report, "manifest", &fault);
  else
    walk_mirror(walk, options);
  mirror_finish(&walk->mirror);
  pthread_mutex_destroy(&walk->log_lock);
  free(walk);
}
