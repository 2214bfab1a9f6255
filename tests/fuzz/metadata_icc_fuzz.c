// ICC profiles: the header and the tag table.
#include <string.h>

#include "metadata/icc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  const struct base_span profile = base_span_of(data, bytes);
  struct base_span pieces[METADATA_ICC_ID_PIECES], stated;
  struct metadata_icc icc;
  metadata_icc_read(profile, &icc);
  BASE_ASSERT(memchr(icc.problem, '\0', sizeof icc.problem) && memchr(icc.description, '\0', sizeof icc.description));
  BASE_ASSERT(icc.problem[0] != '\0' || bytes >= 132);
  if (metadata_icc_id(profile, pieces, &stated)) {
    size_t sum = 0;
    for (int i = 0; i < METADATA_ICC_ID_PIECES; i++) sum += pieces[i].bytes;
    BASE_ASSERT(sum <= bytes && sum >= 128);
    BASE_ASSERT(stated.bytes == 0 || stated.bytes == METADATA_ICC_ID_BYTES);
  }
  return 0;
}
