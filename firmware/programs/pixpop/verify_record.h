// One of the store's records (store/record.h), read from its file and checked as a whole.
#ifndef PIXPOP_VERIFY_RECORD_H
#define PIXPOP_VERIFY_RECORD_H

#include "store/record.h"
#include "verify_hash.h"

struct verify_record {
  struct store_record head;              // its metadata are borrowed from `front`
  struct integrity_digest digest, root;  // of the body as it is
  struct verify_hash hash;
  uint8_t front[STORE_RECORD_HEAD_BYTES + STORE_RECORD_MAX_META];
};

// Reads all of it. BASE_CORRUPT: it fails one of its own checks; BASE_NOT_FOUND; BASE_UNSUPPORTED: of another firmware.
// `moved` as of verify_hash_file.
enum base_result verify_record_read(struct verify_record *record, const char *path,
                                    void (*moved)(void *self, uint64_t bytes), void *self,
                                    struct base_fault *fault) BASE_CHECKED;

#endif
