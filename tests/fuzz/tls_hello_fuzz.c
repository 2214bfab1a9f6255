// The first bytes of a TLS connection. What was called partial stays a beginning of the same message with every byte
// that follows; a ticket lies within the input.
#include "hello.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  struct base_span ticket, again;
  enum tls_hello hello = tls_hello_parse(base_span_of(data, bytes), &ticket);
  BASE_ASSERT(hello == TLS_HELLO_PARTIAL || hello == TLS_HELLO_WHOLE);
  BASE_ASSERT(hello == TLS_HELLO_WHOLE || ticket.bytes == 0);
  if (ticket.bytes > 0) BASE_ASSERT(ticket.data > data && ticket.data + ticket.bytes <= data + bytes);

  // From memory that ends where the bytes do.
  uint8_t *copy = malloc(bytes > 0 ? bytes : 1);
  if (!copy) return 0;
  if (bytes > 0) memcpy(copy, data, bytes);
  bool was_whole = false;
  for (size_t i = 0; i <= bytes; i += 1 + bytes / 64) {
    bool is_whole = tls_hello_parse(base_span_of(copy, i), &again) == TLS_HELLO_WHOLE;
    BASE_ASSERT(is_whole || !was_whole);
    was_whole = is_whole;
  }
  free(copy);
  return 0;
}
