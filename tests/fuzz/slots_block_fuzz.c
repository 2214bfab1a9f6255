// The blocks of the boot environment, as a damaged or hostile disk may hold them.
//
// The input is one block as a state and as counters; and once more as a state whose CHECK is made right, so that what
// lies behind it is reached.
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "slots/grub.h"

enum { DIGITS = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static uint32_t crc32_of(const uint8_t *data, size_t bytes) {
  uint32_t crc = UINT32_MAX;
  while (bytes-- > 0) {
    crc ^= *data++;
    for (int i = 0; i < 8; i++) crc = (crc & 1) ? crc >> 1 ^ 0xEDB88320U : crc >> 1;
  }
  return ~crc;
}

// A state that is believed is valid, and is the same when it is written and read again.
static void check_state(const uint8_t *block) {
  struct slots_state state, again;
  uint8_t written[SLOTS_GRUB_BLOCK_BYTES], twice[SLOTS_GRUB_BLOCK_BYTES];
  if (!slots_grub_read_state(base_span_of(block, SLOTS_GRUB_BLOCK_BYTES), &state)) return;
  BASE_ASSERT(slots_is_valid(&state));
  slots_grub_write_state(&state, written);
  BASE_ASSERT(slots_grub_read_state(base_span_of(written, sizeof(written)), &again));
  slots_grub_write_state(&again, twice);
  BASE_ASSERT(memcmp(written, twice, sizeof(twice)) == 0);
}

// Counters take tries away and touch nothing else.
static void check_counters(const uint8_t *block) {
  struct slots_state full = {.sequence = 42, .first = SLOTS_B, .wants_rescue = true};
  full.slots[SLOTS_A].tries = full.slots[SLOTS_B].tries = SLOTS_TRIES;
  full.slots[SLOTS_A].mark = full.slots[SLOTS_B].mark = SLOTS_GOOD;
  struct slots_state state = full;
  bool is_taken = slots_grub_read_counters(base_span_of(block, SLOTS_GRUB_BLOCK_BYTES), &state);
  BASE_ASSERT(slots_is_valid(&state) && state.sequence == 42 && state.first == SLOTS_B);
  BASE_ASSERT(is_taken || memcmp(&state, &full, sizeof(full)) == 0);
}

static void repair(uint8_t *block) {
  uint8_t *check = memmem(block, SLOTS_GRUB_BLOCK_BYTES, "CHECK=", 6);
  if (check == NULL || block + SLOTS_GRUB_BLOCK_BYTES - check < 6 + DIGITS + 1) return;
  char digits[DIGITS + 1];
  snprintf(digits, sizeof(digits), "%08x", (unsigned)crc32_of(block, (size_t)(check - block)));
  memcpy(check + 6, digits, DIGITS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  uint8_t block[SLOTS_GRUB_BLOCK_BYTES];
  struct slots_state state;
  BASE_ASSERT(bytes == sizeof(block) || !slots_grub_read_state(base_span_of(data, bytes), &state));
  memset(block, '#', sizeof(block));
  memcpy(block, data, bytes < sizeof(block) ? bytes : sizeof(block));
  check_state(block);
  check_counters(block);
  repair(block);
  check_state(block);
  return 0;
}
