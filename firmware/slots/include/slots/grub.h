// The slots' state as GRUB 2.06 reads and writes it: four environment blocks in files on a small partition of their
// own.
//
// The partition (name "bootenv") is a FAT12 file system for GRUB's eyes only: save_env of 2.06 cannot write through a
// block list without a file system ("sparse file not allowed"). For us it is fixed places: a head of 12 KiB (boot
// sector, table, folder) that never changes, and behind it the files STATE0, STATE1, TRIES0, TRIES1, 4096 bytes apart.
// Nobody mounts it. A file is one block of 1024 bytes as GRUB defines it ("# GRUB Environment Block\n", name=value
// lines, filled with '#'); everything that counts lies in the first 512 bytes, so that a torn write leaves the old or
// the new sector.
//
// State, two copies, which only this writes: SEQ (of at most nine digits, since GRUB's numbers have 32 bits), FIRST (A
// or B), A_MARK, B_MARK, TRIES (three digits: of A, of B, and 1 when the next boot is the rescue system's), A_VERSION,
// B_VERSION, FLOOR, CHECK (hex CRC-32 of the lines before; for us) and, last, TWIN (FIRST.A_MARK.B_MARK.TRIES.SEQ in
// one word; for GRUB, which can compare and not count). The whole copy with the highest SEQ counts. Counters, two
// copies, which GRUB writes (save_env): SEQ, TRIES, TWIN (SEQ.TRIES). They count when SEQ is the state's; of two such
// copies the lower number is the later one; without any the state's own TRIES count. So the state's write alone is what
// switches over, and counters that got lost cost or give a slot its tries of the last store. A store writes the state's
// copies one after the other with a sync between, first the one that is not the newest, and then the counters. It mends
// what GRUB could not write any more, the head too: on an empty partition it makes it all.
#ifndef SLOTS_GRUB_H
#define SLOTS_GRUB_H

#include "base/span.h"
#include "slots/slots.h"

struct slots_grub {
  int fd;  // of the partition (or a file of at least SLOTS_GRUB_BYTES), read-write; borrowed
};
enum {
  SLOTS_GRUB_BLOCK_BYTES = 1024,
  SLOTS_GRUB_STEP_BYTES = 4096,
  SLOTS_GRUB_HEAD_BYTES = 3 * SLOTS_GRUB_STEP_BYTES,
  SLOTS_GRUB_FILES = 4,
  SLOTS_GRUB_BYTES = SLOTS_GRUB_HEAD_BYTES + SLOTS_GRUB_FILES * SLOTS_GRUB_STEP_BYTES,
};

// `grub` has to live as long as what is returned. Fails in load and store with BASE_IO, BASE_CORRUPT (load: no whole
// copy, or the partition is too small) and BASE_BAD_INPUT (store: a state that is not valid).
struct slots_loader slots_grub_loader(struct slots_grub *grub);

// Holds the partition against every other program that changes it, until slots_grub_unlock or the descriptor's close.
// BASE_LOCKED: another one holds it (which, and what to do, is the caller's to say); BASE_IO: see errno.
enum base_result slots_grub_lock(const struct slots_grub *grub) BASE_CHECKED;
void slots_grub_unlock(const struct slots_grub *grub);

// The file system around the files, always the same. `out` has SLOTS_GRUB_HEAD_BYTES.
void slots_grub_write_head(uint8_t *out);
// The blocks one by one, for tests and fuzzing. `out` has SLOTS_GRUB_BLOCK_BYTES. Reading is false for a block that is
// not whole.
void slots_grub_write_state(const struct slots_state *state, uint8_t *out);
bool slots_grub_read_state(struct base_span block, struct slots_state *out) BASE_CHECKED;
void slots_grub_write_counters(const struct slots_state *state, uint8_t *out);
// Takes the tries over when the block is whole, of the state's sequence and not higher than the state's own.
bool slots_grub_read_counters(struct base_span block, struct slots_state *state);

#endif
