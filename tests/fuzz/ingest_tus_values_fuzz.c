// The values of tus header fields. The first byte says which; a value that is accepted must keep its promises.
#include <stdlib.h>
#include <string.h>

#include "ingest/tus.h"
#include "tus_values.h"

static void fuzz_metadata(struct base_span value) {
  struct ingest_metadata metadata;
  if (ingest_tus_metadata_parse(value, &metadata, NULL) != BASE_OK) return;
  if (value.bytes > INGEST_TUS_MAX_METADATA) abort();
  // It goes into a JSON note and a header field as it is.
  for (size_t i = 0; i < value.bytes; i++) {
    const uint8_t c = value.data[i];
    if ((c < ' ' && c != '\t') || c >= 0x7f || c == '"' || c == '\\') abort();
  }
  if (strpbrk(metadata.name, "/\\\r\n\t")) abort();
  if (strlen(metadata.tags) > STORE_MAX_TAGS) abort();
}

static void fuzz_concat(struct base_span value) {
  static struct ingest_tus_concat concat;
  if (ingest_tus_concat_parse(value, &concat, NULL) != BASE_OK) return;
  if (concat.kind != INGEST_TUS_FINAL) return;
  if (concat.count == 0 || concat.count > INGEST_TUS_MAX_PARTS || value.bytes > INGEST_TUS_MAX_CONCAT) abort();
  for (size_t i = 0; i < concat.count; i++) {
    if (!ingest_tus_is_id(base_span_text(concat.parts[i]))) abort();
  }
}

static void fuzz_checksum(struct base_span value) {
  struct ingest_tus_checksum checksum;
  if (ingest_tus_checksum_begin(value, &checksum, NULL) != BASE_OK) return;
  ingest_tus_checksum_update(&checksum, base_span_text("GOOD"));
  // None of the seeds has the digest of these bytes but one.
  (void)!ingest_tus_checksum_is_met(&checksum);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  if (bytes < 1) return 0;
  const struct base_span value = base_span_of(data + 1, bytes - 1);
  if (data[0] % 3 == 0) fuzz_metadata(value);
  if (data[0] % 3 == 1) fuzz_concat(value);
  if (data[0] % 3 == 2) fuzz_checksum(value);
  return 0;
}
