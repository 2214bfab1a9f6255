// The values of tus header fields: Upload-Concat and Upload-Checksum; Upload-Metadata is in ingest/tus.h.
#ifndef INGEST_TUS_VALUES_H
#define INGEST_TUS_VALUES_H

#include "ingest/tus.h"
#include "integrity/sha1.h"

enum { INGEST_TUS_MAX_PARTS = 64 };

struct ingest_tus_concat {
  enum ingest_tus_kind kind;
  size_t count;  // of a final one
  char parts[INGEST_TUS_MAX_PARTS][INGEST_TUS_ID_CHARS + 1];
};
// BASE_BAD_INPUT ("Upload-Concat").
enum base_result ingest_tus_concat_parse(struct base_span value, struct ingest_tus_concat *out,
                                         struct base_fault *fault) BASE_CHECKED;
// Whether the text can be the id of a session.
bool ingest_tus_is_id(struct base_span text) BASE_CHECKED;

// A checksum to be met. Of none, `bytes` is 0 and everything meets it.
struct ingest_tus_checksum {
  size_t bytes;
  uint8_t expected[BASE_DIGEST_BYTES];
  union {
    struct integrity_hash sha256;
    struct integrity_sha1 sha1;
  };
};
// BASE_BAD_INPUT ("Upload-Checksum") for another algorithm or a malformed value. An absent value means none.
enum base_result ingest_tus_checksum_begin(struct base_span value, struct ingest_tus_checksum *out,
                                           struct base_fault *fault) BASE_CHECKED;
void ingest_tus_checksum_update(struct ingest_tus_checksum *checksum, struct base_span bytes);
bool ingest_tus_checksum_is_met(struct ingest_tus_checksum *checksum) BASE_CHECKED;

#endif
