// A request line of pixpop-system: what is taken is one of its requests, and says so again.
#include <stdint.h>
#include <string.h>

#include "request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  struct request request;
  struct base_fault fault = {0};
  const enum base_result result = request_parse(base_span_of(data, bytes), &request, &fault);
  if (result != BASE_OK) {
    BASE_ASSERT(fault.text[0] != '\0' && fault.result == result);
    return 0;
  }
  BASE_ASSERT(request.what < REQUEST_COUNT && request_name(request.what) != NULL);
  BASE_ASSERT(!request.allows_older || request.what == REQUEST_INSTALL);
  BASE_ASSERT(!request.has_text || request.what == REQUEST_NETWORK);
  BASE_ASSERT(request.slot == SLOTS_A || request.what == REQUEST_CHOOSE);
  BASE_ASSERT(memchr(request.text, '\0', sizeof(request.text)) != NULL);
  return 0;
}
