// 64-bit numbers in the ledger's own files: big-endian.
#ifndef STORE_LEDGER_NUMBER_H
#define STORE_LEDGER_NUMBER_H

#include <stddef.h>
#include <stdint.h>

enum { STORE_LEDGER_NUMBER_BYTES = 8 };

static inline void store_ledger_number_put(uint8_t out[STORE_LEDGER_NUMBER_BYTES], uint64_t number) {
  for (size_t i = 0; i < STORE_LEDGER_NUMBER_BYTES; i++)
    out[i] = (uint8_t)(number >> 8 * (STORE_LEDGER_NUMBER_BYTES - 1 - i));
}

static inline uint64_t store_ledger_number_at(const uint8_t *bytes) {
  uint64_t number = 0;
  for (size_t i = 0; i < STORE_LEDGER_NUMBER_BYTES; i++) number = number << 8 | bytes[i];
  return number;
}

#endif
