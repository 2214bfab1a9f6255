// How a store keeps its ledger (store/ledger.h).
#ifndef STORE_LEDGER_CONFIG_H
#define STORE_LEDGER_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store_ledger_config {
  bool is_on;
  uint32_t commit_ms;      // between writes of derive and evict entries; default 1,000
  uint64_t compact_bytes;  // a smaller log is not compacted; default 64 MiB
  // Fills `out` with bytes nobody can guess (salts, the key); NULL: getrandom.
  void (*fill_random)(void *self, uint8_t *out, size_t bytes);
  void *random_self;
};

#endif
