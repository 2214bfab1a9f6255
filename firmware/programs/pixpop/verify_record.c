#include "verify_record.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/file.h"

static enum base_result check_trailer(const struct store_record *head, int fd, uint64_t offset,
                                      struct base_fault *fault) {
  if (head->trailer_bytes == 0) return BASE_OK;
  uint8_t *trailer = malloc(head->trailer_bytes);
  if (trailer == NULL) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for a record's leaves");
  enum base_result result = base_fd_pread_all(fd, trailer, head->trailer_bytes, (off_t)offset, fault);
  if (result == BASE_OK) result = store_record_check_trailer(head, base_span_of(trailer, head->trailer_bytes), fault);
  free(trailer);
  return result;
}

static enum base_result read_all(struct verify_record *record, int fd, void (*moved)(void *self, uint64_t bytes),
                                 void *self, struct base_fault *fault) {
  struct stat info;
  uint64_t body_offset;
  if (fstat(fd, &info) != 0) return BASE_FAIL_ERRNO(fault, "", "the record can not be examined");
  if (!S_ISREG(info.st_mode)) return BASE_FAIL(fault, BASE_CORRUPT, "", "it is no file");
  const size_t bytes = (size_t)base_min_u64((uint64_t)info.st_size, sizeof(record->front));
  enum base_result result = base_fd_pread_all(fd, record->front, bytes, 0, fault);
  if (result == BASE_OK)
    result = store_record_read_head(base_span_of(record->front, bytes), (uint64_t)info.st_size, &record->head,
                                    &body_offset, fault);
  if (result != BASE_OK) return result;
  const struct store_record *head = &record->head;
  result = check_trailer(head, fd, body_offset + head->body_bytes, fault);
  if (result == BASE_OK)
    result = verify_hash_file(&record->hash, fd, body_offset, head->body_bytes, moved, self, fault);
  if (result != BASE_OK) return result;
  verify_hash_end(&record->hash, &record->digest, &record->root);
  if (!integrity_digest_equal(&record->digest, &head->body_digest))
    return BASE_FAIL(fault, BASE_CORRUPT, "", "its bytes have changed: they fail the digest in its record");
  if (head->format > 1 && !integrity_digest_equal(&record->root, &head->root))
    return BASE_FAIL(fault, BASE_CORRUPT, "", "the tree over its blocks is not the one in its record");
  return BASE_OK;
}

enum base_result verify_record_read(struct verify_record *record, const char *path,
                                    void (*moved)(void *self, uint64_t bytes), void *self, struct base_fault *fault) {
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return BASE_FAIL_ERRNO(fault, "", "it can not be opened");
  const enum base_result result = read_all(record, fd, moved, self, fault);
  base_fd_close(&fd);
  return result;
}
