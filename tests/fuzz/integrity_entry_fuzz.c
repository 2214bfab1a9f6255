// Entries of the ledger and their subjects, as somebody's box or disk may give them.
#include "integrity/entry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  const struct base_span input = base_span_of(data, bytes);
  struct integrity_entry entry;
  struct base_fault fault = {0};
  enum base_result result = integrity_entry_parse(input, &entry, &fault);
  BASE_ASSERT(fault.result == result);
  if (result == BASE_OK) {
    uint8_t again[INTEGRITY_ENTRY_BYTES];
    integrity_entry_write(&entry, again);
    BASE_ASSERT(base_span_equal(base_span_of(again, sizeof again), input));
  }
  struct integrity_subject subject;
  base_fault_clear(&fault);
  result = integrity_subject_parse(input, &subject, &fault);
  BASE_ASSERT(fault.result == result);
  if (result == BASE_OK) {  // it has this one spelling
    struct base_buffer again;
    base_buffer_init(&again, INTEGRITY_SUBJECT_MAX_BYTES);
    BASE_ASSERT(integrity_subject_write(&subject, &again, NULL) == BASE_OK);
    BASE_ASSERT(base_span_equal(base_buffer_span(&again), input));
    base_buffer_finish(&again);
  }
  return 0;
}
