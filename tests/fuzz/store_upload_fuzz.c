// The record of a kept upload, as it may be found on a damaged or hostile disk: what is believed of it is true.
//
// The input is tried as it is, and again with right digests, so that the checks behind them are reached.
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/record.h"
#include "store/upload.h"

enum { META_BYTES_AT = 12, BODY_BYTES_AT = 16, BODY_DIGEST_AT = 32, HEAD_DIGEST_AT = 64, DATA_BYTES = 100 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static const char name[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
static char root[64], record_path[160], data_path[160];
static struct store *store;

static void remove_folder(const char *folder) {
  char path[256];
  snprintf(path, sizeof path, "%s%s%s", root, folder[0] ? "/" : "", folder);
  DIR *listing = opendir(path);
  const struct dirent *item;
  while (listing && (item = readdir(listing))) unlinkat(dirfd(listing), item->d_name, 0);
  if (listing) closedir(listing);
  rmdir(path);
}

static void close_store(void) {
  static const char *const folders[] = {"originals", "variants", "partial", "tmp", ""};
  store_close(&store);
  for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) remove_folder(folders[i]);
}

static void open_store(void) {
  snprintf(root, sizeof root, "%s/pixpop-fuzz-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
  BASE_ASSERT(mkdtemp(root));
  snprintf(record_path, sizeof record_path, "%s/partial/%s.rec", root, name);
  snprintf(data_path, sizeof data_path, "%s/partial/%s", root, name);
  const struct store_config config = {.root = root, .variant_budget_bytes = 1 << 20, .boot_id = "b"};
  BASE_ASSERT(store_open(&config, &store, NULL) == BASE_OK);
  atexit(close_store);
}

static void write_file(const char *path, const uint8_t *data, size_t bytes) {
  const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  BASE_ASSERT(fd >= 0 && write(fd, data, bytes) == (ssize_t)bytes && close(fd) == 0);
}

static void check_use(struct base_span record) {
  static const uint8_t content[DATA_BYTES];
  struct base_buffer note, again;
  struct base_fault fault = {0};
  uint64_t bytes = 0, left = 0;
  write_file(record_path, record.data, record.bytes);
  write_file(data_path, content, sizeof content);
  base_buffer_init(&note, STORE_MAX_NOTE);
  base_buffer_init(&again, STORE_MAX_NOTE);
  const enum base_result result = store_upload_peek(store, name, &note, &bytes, &fault);
  BASE_ASSERT(fault.result == result);
  BASE_ASSERT(result == BASE_OK || result == BASE_CORRUPT || result == BASE_UNSUPPORTED);
  if (result == BASE_OK) {
    BASE_ASSERT(bytes <= DATA_BYTES && note.bytes <= STORE_MAX_NOTE);
    struct store_upload *upload;
    const enum base_result resumed = store_upload_resume(store, name, 0, &again, &upload, NULL);
    BASE_ASSERT(resumed == BASE_OK || (resumed == BASE_CONFLICT && bytes == 0));
    if (resumed == BASE_OK) {
      BASE_ASSERT(store_upload_bytes(upload) == bytes);
      BASE_ASSERT(store_upload_write(upload, base_span_text("more"), NULL) == BASE_OK);
      BASE_ASSERT(store_upload_rest(&upload, NULL) == BASE_OK);
      again.bytes = 0;
      BASE_ASSERT(store_upload_peek(store, name, &again, &left, NULL) == BASE_OK && left == bytes + 4);
      BASE_ASSERT(base_span_equal(base_buffer_span(&note), base_buffer_span(&again)));
    }
    BASE_ASSERT(store_upload_annotate(store, name, base_buffer_span(&note), NULL) == BASE_OK);
  }
  BASE_ASSERT(store_upload_remove(store, name, NULL) == BASE_OK);
  base_buffer_finish(&note);
  base_buffer_finish(&again);
}

static void repair(uint8_t *record, size_t bytes) {
  const size_t meta_bytes = record[META_BYTES_AT] | (size_t)record[META_BYTES_AT + 1] << 8;
  if (meta_bytes > bytes - STORE_RECORD_HEAD_BYTES) return;
  const size_t front_bytes = STORE_RECORD_HEAD_BYTES + meta_bytes;
  struct integrity_hash hash;
  struct integrity_digest digest;
  for (size_t i = 0; i < 8; i++) record[BODY_BYTES_AT + i] = (uint8_t)((uint64_t)(bytes - front_bytes) >> (8 * i));
  integrity_digest_of(base_span_of(record + front_bytes, bytes - front_bytes), &digest);
  memcpy(record + BODY_DIGEST_AT, digest.bytes, sizeof digest.bytes);
  integrity_hash_init(&hash);
  integrity_hash_update(&hash, base_span_of(record, HEAD_DIGEST_AT));
  integrity_hash_update(&hash, base_span_of(record + STORE_RECORD_HEAD_BYTES, meta_bytes));
  integrity_hash_finish(&hash, &digest);
  memcpy(record + HEAD_DIGEST_AT, digest.bytes, sizeof digest.bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  if (!store) open_store();
  check_use(base_span_of(data, bytes));
  if (bytes < STORE_RECORD_HEAD_BYTES) return 0;
  uint8_t *repaired = malloc(bytes);
  if (!repaired) return 0;
  memcpy(repaired, data, bytes);
  repair(repaired, bytes);
  check_use(base_span_of(repaired, bytes));
  free(repaired);
  return 0;
}
