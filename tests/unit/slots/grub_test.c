// The blocks and the partition, whole, torn at every byte, damaged in every bit.
#include "slots/grub.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { BLOCK = SLOTS_GRUB_BLOCK_BYTES, SECTOR = 512, STATE0 = 0, STATE1, TRIES0, TRIES1 };

// Power cuts: of the write number `cut_write` (from 0) only `cut_bytes` come through, and nothing after it.
static int cut_write = -1, writes;
static size_t cut_bytes;
static bool is_off;

ssize_t __real_pwrite(int fd, const void *data, size_t bytes, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *data, size_t bytes, off_t offset);
int __real_fsync(int fd);
int __wrap_fsync(int fd);

ssize_t __wrap_pwrite(int fd, const void *data, size_t bytes, off_t offset) {
  if (!is_off && writes++ != cut_write) return __real_pwrite(fd, data, bytes, offset);
  if (!is_off && cut_bytes > 0) {
    assert_int_equal(__real_pwrite(fd, data, cut_bytes < bytes ? cut_bytes : bytes, offset),
                     cut_bytes < bytes ? cut_bytes : bytes);
  }
  is_off = true;
  errno = EIO;
  return -1;
}

int __wrap_fsync(int fd) {
  if (!is_off) return __real_fsync(fd);
  errno = EIO;
  return -1;
}

static void current_is_back(void) {
  is_off = false;
  cut_write = -1;
  writes = 0;
}

struct disk {
  struct slots_grub grub;
  struct slots_loader loader;
};

static void disk_init(struct disk *disk) {
  disk->grub.fd = memfd_create("bootenv", MFD_CLOEXEC);
  assert_true(disk->grub.fd >= 0);
  assert_int_equal(ftruncate(disk->grub.fd, SLOTS_GRUB_BYTES), 0);
  disk->loader = slots_grub_loader(&disk->grub);
  current_is_back();
}

static void disk_finish(struct disk *disk) { close(disk->grub.fd); }

static off_t place_of(int block) { return SLOTS_GRUB_HEAD_BYTES + (off_t)block * SLOTS_GRUB_STEP_BYTES; }

static void get(const struct disk *disk, int block, uint8_t *out) {
  assert_int_equal(pread(disk->grub.fd, out, BLOCK, place_of(block)), BLOCK);
}

static void put(const struct disk *disk, int block, const uint8_t *bytes) {
  assert_int_equal(__real_pwrite(disk->grub.fd, bytes, BLOCK, place_of(block)), BLOCK);
}

static void must_store(const struct disk *disk, const struct slots_state *state) {
  struct base_fault fault = {0};
  if (disk->loader.store(disk->loader.self, state, &fault) != BASE_OK) fail_msg("%s", fault.text);
}

static void must_load(const struct disk *disk, struct slots_state *out) {
  struct base_fault fault = {0};
  if (disk->loader.load(disk->loader.self, out, &fault) != BASE_OK) fail_msg("%s", fault.text);
}

static bool is_same(const struct slots_state *a, const struct slots_state *b) {
  bool is_equal = a->sequence == b->sequence && a->first == b->first && a->wants_rescue == b->wants_rescue &&
                  strcmp(a->floor, b->floor) == 0;
  for (size_t i = 0; i < SLOTS_COUNT; i++) {
    is_equal = is_equal && a->slots[i].mark == b->slots[i].mark && a->slots[i].tries == b->slots[i].tries &&
               strcmp(a->slots[i].version, b->slots[i].version) == 0;
  }
  return is_equal;
}

static const struct slots_state OLD = {
    .sequence = 41, .first = SLOTS_A, .floor = "1.0", .slots = {{SLOTS_GOOD, 3, "1.1.0"}, {SLOTS_UNTRIED, 2, "1.0.9"}}};
static const struct slots_state NEW = {
    .sequence = 42, .first = SLOTS_B, .floor = "1.1.12", .slots = {{SLOTS_BAD, 0, ""}, {SLOTS_GOOD, 3, "1.2.0-rc1"}}};

static uint32_t crc32_of(const uint8_t *data, size_t bytes) {
  uint32_t crc = UINT32_MAX;
  while (bytes-- > 0) {
    crc ^= *data++;
    for (int i = 0; i < 8; i++) crc = (crc & 1) ? crc >> 1 ^ 0xEDB88320U : crc >> 1;
  }
  return ~crc;
}

// A block of these lines; "%C" stands for the CRC-32 of what is before its line.
static void block_of(const char *lines, uint8_t *out) {
  memset(out, '#', BLOCK);
  char text[SECTOR], *mark;
  snprintf(text, sizeof text, "# GRUB Environment Block\n%s", lines);
  if ((mark = strstr(text, "%C"))) {
    char rest[SECTOR];
    strcpy(rest, mark + 2);
    sprintf(mark, "%08x", (unsigned)crc32_of((const uint8_t *)text, (size_t)(mark - text) - strlen("CHECK=")));
    strcat(text, rest);
  }
  memcpy(out, text, strlen(text));
}

#define LINES_BEFORE_CHECK \
  "SEQ=42\nFIRST=B\nA_MARK=bad\nB_MARK=good\nTRIES=030\nA_VERSION=\nB_VERSION=1.2.0-rc1\nFLOOR=1.1.12\n"

static void a_block_is_written_as_described(void **state) {
  (void)state;
  uint8_t block[BLOCK], expected[BLOCK];
  slots_grub_write_state(&NEW, block);
  block_of(LINES_BEFORE_CHECK "CHECK=%C\nTWIN=B.bad.good.030.42\n", expected);
  assert_memory_equal(block, expected, BLOCK);
  slots_grub_write_counters(&NEW, block);
  block_of("SEQ=42\nTRIES=030\nTWIN=42.030\n", expected);
  assert_memory_equal(block, expected, BLOCK);
}

static void names_of_a_later_version_are_passed_over(void **state) {
  (void)state;
  uint8_t block[BLOCK];
  struct slots_state read;
  block_of("LATER=x=y\n" LINES_BEFORE_CHECK "WORD\nCHECK=%C\nTWIN=B.bad.good.030.42\n", block);
  assert_true(slots_grub_read_state(base_span_of(block, BLOCK), &read));
  assert_true(is_same(&read, &NEW));
}

static void a_state_that_is_checked_but_wrong_is_no_state(void **state) {
  (void)state;
  static const char *const REFUSED[] = {
      "SEQ=0\nFIRST=B\nA_MARK=bad\nB_MARK=good\nTRIES=030\nA_VERSION=\nB_VERSION=\nFLOOR=\nCHECK=%C\n"
      "TWIN=B.bad.good.030.0\n",
      "SEQ=042\nFIRST=B\nA_MARK=bad\nB_MARK=good\nTRIES=030\nA_VERSION=\nB_VERSION=\nFLOOR=\nCHECK=%C\n"
      "TWIN=B.bad.good.030.042\n",
      "SEQ=1000000000\nFIRST=B\nA_MARK=bad\nB_MARK=good\nTRIES=030\nA_VERSION=\nB_VERSION=\nFLOOR=\nCHECK=%C\n"
      "TWIN=B.bad.good.030.1000000000\n",
      "SEQ=42\nFIRST=C\nA_MARK=bad\nB_MARK=good\nTRIES=030\nA_VERSION=\nB_VERSION=\nFLOOR=\nCHECK=%C\n"
      "TWIN=C.bad.good.030.42\n",
      "SEQ=42\nFIRST=B\nA_MARK=best\nB_MARK=good\nTRIES=030\nA_VERSION=\nB_VERSION=\nFLOOR=\nCHECK=%C\n"
      "TWIN=B.best.good.030.42\n",
      "SEQ=42\nFIRST=B\nA_MARK=bad\nB_MARK=good\nTRIES=040\nA_VERSION=\nB_VERSION=\nFLOOR=\nCHECK=%C\n"
      "TWIN=B.bad.good.040.42\n",
      "SEQ=42\nFIRST=B\nA_MARK=bad\nB_MARK=good\nTRIES=032\nA_VERSION=\nB_VERSION=\nFLOOR=\nCHECK=%C\n"
      "TWIN=B.bad.good.032.42\n",
      "SEQ=42\nFIRST=B\nA_MARK=bad\nB_MARK=good\nTRIES=03\nA_VERSION=\nB_VERSION=\nFLOOR=\nCHECK=%C\n"
      "TWIN=B.bad.good.03.42\n",
      "SEQ=42\nFIRST=B\nA_MARK=bad\nB_MARK=good\nTRIES=030\nA_VERSION=x\nB_VERSION=\nFLOOR=\nCHECK=%C\n"
      "TWIN=B.bad.good.030.42\n",
      "SEQ=42\nFIRST=B\nA_MARK=bad\nB_MARK=good\nTRIES=030\nA_VERSION=\nB_VERSION=\nFLOOR=1.\nCHECK=%C\n"
      "TWIN=B.bad.good.030.42\n",
      "SEQ=42\nFIRST=B\nA_MARK=bad\nB_MARK=good\nTRIES=030\nA_VERSION=\nB_VERSION=\nCHECK=%C\n"
      "TWIN=B.bad.good.030.42\n",
      LINES_BEFORE_CHECK "CHECK=%C\nTWIN=B.bad.good.030.41\n",
      LINES_BEFORE_CHECK "CHECK=%C\n",
      LINES_BEFORE_CHECK "TWIN=B.bad.good.030.42\n",
      LINES_BEFORE_CHECK "CHECK=00000000\nTWIN=B.bad.good.030.42\n",
      LINES_BEFORE_CHECK "CHECK=%C\nTWIN=B.bad.good.030.42\nMORE=1\n",
      "",
  };
  for (size_t i = 0; i < sizeof(REFUSED) / sizeof(*REFUSED); i++) {
    uint8_t block[BLOCK];
    struct slots_state read;
    block_of(REFUSED[i], block);
    if (slots_grub_read_state(base_span_of(block, BLOCK), &read)) fail_msg("row %zu was read:\n%s", i, REFUSED[i]);
  }
}

// The longest of everything.
static struct slots_state longest(void) {
  struct slots_state state = {.sequence = SLOTS_MAX_SEQUENCE, .first = SLOTS_B, .wants_rescue = true};
  for (size_t i = 0; i < SLOTS_COUNT; i++) {
    state.slots[i] = (struct slots_slot){SLOTS_UNTRIED, SLOTS_TRIES, "99999.99999.99999-abcdefghijkl"};
  }
  strcpy(state.floor, "99999.99999.99999-abcdefghijkl");
  return state;
}

static void the_longest_state_stands_in_the_first_sector(void **state) {
  (void)state;
  struct slots_state one = longest(), read;
  uint8_t block[BLOCK];
  slots_grub_write_state(&one, block);
  memset(block + SECTOR, 0, BLOCK - SECTOR);
  assert_true(slots_grub_read_state(base_span_of(block, BLOCK), &read));
  assert_true(is_same(&read, &one));
}

static void blocks_of_other_sizes_are_none(void **state) {
  (void)state;
  uint8_t block[BLOCK + 1];
  struct slots_state read;
  slots_grub_write_state(&NEW, block);
  block[BLOCK] = '#';
  for (size_t bytes = 0; bytes <= BLOCK + 1; bytes++) {
    assert_int_equal(slots_grub_read_state(base_span_of(block, bytes), &read), bytes == BLOCK);
  }
}

static void every_turned_bit_is_seen(void **state) {
  (void)state;
  uint8_t block[BLOCK];
  struct slots_state read;
  slots_grub_write_state(&NEW, block);
  for (size_t bit = 0; bit < (size_t)BLOCK * 8; bit++) {
    block[bit / 8] ^= (uint8_t)(1U << bit % 8);
    bool is_read = slots_grub_read_state(base_span_of(block, BLOCK), &read);
    if (is_read != (bit >= (size_t)SECTOR * 8)) fail_msg("bit %zu of byte %zu", bit % 8, bit / 8);
    block[bit / 8] ^= (uint8_t)(1U << bit % 8);
  }
}

static void a_torn_state_block_is_the_old_the_new_or_none(void **state) {
  (void)state;
  struct slots_state pairs[][2] = {{OLD, NEW}, {NEW, OLD}, {longest(), OLD}, {OLD, longest()}};
  for (size_t pair = 0; pair < sizeof(pairs) / sizeof(*pairs); pair++) {
    uint8_t before[BLOCK], after[BLOCK], torn[BLOCK];
    slots_grub_write_state(&pairs[pair][0], before);
    slots_grub_write_state(&pairs[pair][1], after);
    int read_count = 0;
    for (size_t cut = 0; cut <= BLOCK; cut++) {
      struct slots_state read;
      memcpy(torn, after, cut);
      memcpy(torn + cut, before + cut, BLOCK - cut);
      if (!slots_grub_read_state(base_span_of(torn, BLOCK), &read)) continue;
      read_count++;
      if (!is_same(&read, &pairs[pair][0])) assert_true(is_same(&read, &pairs[pair][1]));
    }
    assert_true(read_count >= SECTOR);  // at least all of the cuts in the second sector
  }
}

static void counters_count_when_they_belong_to_the_state(void **state) {
  (void)state;
  static const struct {
    const char *lines;
    bool is_taken;
    unsigned a, b;
    bool wants_rescue;
  } ROWS[] = {
      {"SEQ=41\nTRIES=320\nTWIN=41.320\n", true, 3, 2, false},
      {"SEQ=41\nTRIES=220\nTWIN=41.220\n", true, 2, 2, false},
      {"SEQ=41\nTRIES=000\nTWIN=41.000\n", true, 0, 0, false},
      {"TWIN=41.310\nOTHER=1\nTRIES=310\nSEQ=41\n", true, 3, 1, false},  // GRUB may order them as it likes
      {"SEQ=41\nTRIES=330\nTWIN=41.330\n", false, 3, 2, false},          // more than the state gives
      {"SEQ=41\nTRIES=321\nTWIN=41.321\n", false, 3, 2, false},
      {"SEQ=40\nTRIES=220\nTWIN=40.220\n", false, 3, 2, false},
      {"SEQ=42\nTRIES=220\nTWIN=42.220\n", false, 3, 2, false},
      {"SEQ=041\nTRIES=220\nTWIN=041.220\n", false, 3, 2, false},
      {"SEQ=41\nTRIES=220\nTWIN=41.320\n", false, 3, 2, false},
      {"SEQ=41\nTRIES=22\nTWIN=41.22\n", false, 3, 2, false},
      {"SEQ=41\nTRIES=2200\nTWIN=41.2200\n", false, 3, 2, false},
      {"SEQ=41\nTRIES=2a0\nTWIN=41.2a0\n", false, 3, 2, false},
      {"SEQ=41\nTRIES=140\nTWIN=41.140\n", false, 3, 2, false},
      {"SEQ=41\nTRIES=220\n", false, 3, 2, false},
      {"TRIES=220\nTWIN=41.220\n", false, 3, 2, false},
      {"SEQ=41\nTWIN=41.220\n", false, 3, 2, false},
      {"", false, 3, 2, false},
  };
  for (size_t i = 0; i < sizeof(ROWS) / sizeof(*ROWS); i++) {
    uint8_t block[BLOCK];
    struct slots_state read = OLD, expected = OLD;
    block_of(ROWS[i].lines, block);
    expected.slots[SLOTS_A].tries = ROWS[i].a;
    expected.slots[SLOTS_B].tries = ROWS[i].b;
    expected.wants_rescue = ROWS[i].wants_rescue;
    if (slots_grub_read_counters(base_span_of(block, BLOCK), &read) != ROWS[i].is_taken) fail_msg("row %zu", i);
    assert_true(is_same(&read, &expected));
  }
}

static void a_torn_counter_is_the_old_the_new_or_none(void **state) {
  (void)state;
  uint8_t before[BLOCK], after[BLOCK], torn[BLOCK];
  struct slots_state counted = OLD;
  slots_grub_write_counters(&OLD, before);
  counted.slots[SLOTS_A].tries = 2;
  slots_grub_write_counters(&counted, after);
  for (size_t cut = 0; cut <= BLOCK; cut++) {
    struct slots_state read = OLD;
    memcpy(torn, after, cut);
    memcpy(torn + cut, before + cut, BLOCK - cut);
    bool is_taken = slots_grub_read_counters(base_span_of(torn, BLOCK), &read);
    assert_true(is_same(&read, is_taken && !is_same(&read, &OLD) ? &counted : &OLD));
  }
}

static void what_was_stored_is_loaded(void **state) {
  (void)state;
  struct disk disk;
  struct slots_state read, all[] = {OLD, NEW, longest()};
  disk_init(&disk);
  for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
    must_store(&disk, &all[i]);
    must_load(&disk, &read);
    assert_true(is_same(&read, &all[i]));
  }
  disk_finish(&disk);
}

// GRUB has counted since the last store: the lower of the two copies is the later one, whichever that is.
static void the_lower_counter_of_two_counts(void **state) {
  (void)state;
  struct disk disk;
  disk_init(&disk);
  must_store(&disk, &OLD);
  for (int older = TRIES0; older <= TRIES1; older++) {
    uint8_t block[BLOCK];
    struct slots_state counted = OLD, read;
    counted.slots[SLOTS_A].tries = 2;
    slots_grub_write_counters(&counted, block);
    put(&disk, older, block);
    counted.slots[SLOTS_A].tries = 1;
    slots_grub_write_counters(&counted, block);
    put(&disk, older == TRIES0 ? TRIES1 : TRIES0, block);
    must_load(&disk, &read);
    assert_true(is_same(&read, &counted));
    memset(block, 0xff, BLOCK);
    put(&disk, TRIES0, block);
    put(&disk, TRIES1, block);
    must_load(&disk, &read);
    assert_true(is_same(&read, &OLD));
  }
  disk_finish(&disk);
}

// Cuts the current at every byte of every write of a store over a disk where GRUB has counted: the old or the new.
static void a_store_that_is_cut_off_leaves_the_old_or_the_new(void **state) {
  (void)state;
  struct disk disk;
  disk_init(&disk);
  struct slots_state counted = OLD;
  counted.slots[SLOTS_A].tries = 1;
  for (int newest = STATE0; newest <= STATE1; newest++) {
    int kept = 0, switched = 0, write_count = 1;
    for (int write = 0; write < write_count; write++) {
      for (size_t cut = 0; cut <= BLOCK; cut++) {
        uint8_t block[BLOCK];
        struct slots_state read, older = OLD;
        must_store(&disk, &OLD);
        older.sequence--;
        slots_grub_write_state(&older, block);
        put(&disk, newest == STATE0 ? STATE1 : STATE0, block);
        slots_grub_write_counters(&counted, block);
        put(&disk, TRIES0, block);
        writes = 0;
        cut_write = write;
        cut_bytes = cut;
        assert_int_equal(disk.loader.store(disk.loader.self, &NEW, NULL), BASE_IO);
        current_is_back();
        must_load(&disk, &read);
        bool is_new = is_same(&read, &NEW);
        if (!is_new && !is_same(&read, &counted)) fail_msg("write %d cut at %zu: neither", write, cut);
        if (write > 0) assert_true(is_new);
        kept += !is_new;
        switched += is_new;
        must_store(&disk, &NEW);
        must_load(&disk, &read);
        assert_true(is_same(&read, &NEW));
      }
      writes = 0;
      must_store(&disk, &NEW);
      write_count = writes > 4 ? 4 : writes;
    }
    assert_int_equal(write_count, 4);
    assert_true(kept > 0 && switched > 0);
  }
  disk_finish(&disk);
}

static void one_copy_is_enough_and_is_mended(void **state) {
  (void)state;
  struct disk disk;
  uint8_t nothing[BLOCK] = {0}, block[BLOCK];
  struct slots_state read;
  disk_init(&disk);
  for (int lost = STATE0; lost <= STATE1; lost++) {
    must_store(&disk, &OLD);
    put(&disk, lost, nothing);
    must_load(&disk, &read);
    assert_true(is_same(&read, &OLD));
    must_store(&disk, &NEW);
    get(&disk, lost, block);
    assert_true(slots_grub_read_state(base_span_of(block, BLOCK), &read));
    assert_true(is_same(&read, &NEW));
  }
  disk_finish(&disk);
}

static void the_copy_with_the_highest_sequence_counts(void **state) {
  (void)state;
  struct disk disk;
  uint8_t old[BLOCK], new[BLOCK];
  struct slots_state read;
  slots_grub_write_state(&OLD, old);
  slots_grub_write_state(&NEW, new);
  disk_init(&disk);
  for (int newest = STATE0; newest <= STATE1; newest++) {
    put(&disk, newest, new);
    put(&disk, newest == STATE0 ? STATE1 : STATE0, old);
    must_load(&disk, &read);
    assert_true(is_same(&read, &NEW));
  }
  disk_finish(&disk);
}

static void both_copies_lost_are_corrupt_until_a_reset(void **state) {
  (void)state;
  struct disk disk;
  uint8_t block[BLOCK] = {0};
  struct slots_state read, made;
  struct base_fault fault = {0};
  disk_init(&disk);
  assert_int_equal(disk.loader.load(disk.loader.self, &read, &fault), BASE_CORRUPT);
  assert_string_equal(fault.text, "neither copy of the slots' state is whole");
  assert_int_equal(slots_choose(&disk.loader, SLOTS_A, NULL), BASE_CORRUPT);
  // Counters of the lost state that by chance have the new one's sequence are forgotten, whenever the current goes.
  slots_reset(&made, SLOTS_GOOD);
  struct slots_state drained = made;
  drained.slots[SLOTS_A].tries = drained.slots[SLOTS_B].tries = 0;
  for (int write = 0; write < 7; write++) {
    memset(block, 0, BLOCK);
    put(&disk, STATE0, block);
    put(&disk, STATE1, block);
    slots_grub_write_counters(&drained, block);
    put(&disk, TRIES0, block);
    put(&disk, TRIES1, block);
    current_is_back();
    cut_write = write;
    cut_bytes = BLOCK;
    (void)!disk.loader.store(disk.loader.self, &made, NULL);
    current_is_back();
    if (disk.loader.load(disk.loader.self, &read, NULL) == BASE_OK) assert_true(is_same(&read, &made));
  }
  must_store(&disk, &made);
  must_load(&disk, &read);
  assert_true(is_same(&read, &made));
  disk_finish(&disk);
}

static void the_head_is_made_and_mended(void **state) {
  (void)state;
  struct disk disk;
  uint8_t wanted[SLOTS_GRUB_HEAD_BYTES], there[SLOTS_GRUB_HEAD_BYTES];
  disk_init(&disk);
  slots_grub_write_head(wanted);
  for (size_t at = 0; at < sizeof wanted; at += 509) {
    must_store(&disk, &OLD);
    assert_int_equal(pread(disk.grub.fd, there, sizeof there, 0), sizeof there);
    assert_memory_equal(there, wanted, sizeof wanted);
    there[at] ^= 0x40;
    assert_int_equal(__real_pwrite(disk.grub.fd, there, sizeof there, 0), sizeof there);
  }
  // Four files of one block each, 4096 bytes apart, in a FAT12 as its boot sector describes it.
  assert_memory_equal(wanted + 54, "FAT12   ", 8);
  assert_int_equal(wanted[510] | wanted[511] << 8, 0xAA55);
  assert_memory_equal(wanted + 2 * SLOTS_GRUB_STEP_BYTES + 3 * 32, "TRIES1     ", 11);
  disk_finish(&disk);
}

static void only_what_differs_of_the_head_is_written(void **state) {
  (void)state;
  struct disk disk;
  disk_init(&disk);
  must_store(&disk, &OLD);
  writes = 0;
  must_store(&disk, &NEW);
  assert_int_equal(writes, SLOTS_GRUB_FILES);
  disk_finish(&disk);
}

static void partitions_that_cannot_be_used_say_so(void **state) {
  (void)state;
  struct disk disk;
  struct slots_state read;
  disk_init(&disk);
  struct slots_state wrong = OLD;
  wrong.slots[SLOTS_A].tries = SLOTS_TRIES + 1;
  assert_int_equal(disk.loader.store(disk.loader.self, &wrong, NULL), BASE_BAD_INPUT);
  assert_int_equal(ftruncate(disk.grub.fd, SLOTS_GRUB_BYTES - SLOTS_GRUB_STEP_BYTES), 0);
  assert_int_equal(disk.loader.store(disk.loader.self, &OLD, NULL), BASE_CORRUPT);
  assert_int_equal(ftruncate(disk.grub.fd, 100), 0);
  assert_int_equal(disk.loader.load(disk.loader.self, &read, NULL), BASE_CORRUPT);
  disk_finish(&disk);
  disk.grub.fd = -1;
  assert_int_equal(disk.loader.load(disk.loader.self, &read, NULL), BASE_IO);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_block_is_written_as_described),
      cmocka_unit_test(names_of_a_later_version_are_passed_over),
      cmocka_unit_test(a_state_that_is_checked_but_wrong_is_no_state),
      cmocka_unit_test(the_longest_state_stands_in_the_first_sector),
      cmocka_unit_test(blocks_of_other_sizes_are_none),
      cmocka_unit_test(every_turned_bit_is_seen),
      cmocka_unit_test(a_torn_state_block_is_the_old_the_new_or_none),
      cmocka_unit_test(counters_count_when_they_belong_to_the_state),
      cmocka_unit_test(a_torn_counter_is_the_old_the_new_or_none),
      cmocka_unit_test(what_was_stored_is_loaded),
      cmocka_unit_test(the_lower_counter_of_two_counts),
      cmocka_unit_test(a_store_that_is_cut_off_leaves_the_old_or_the_new),
      cmocka_unit_test(one_copy_is_enough_and_is_mended),
      cmocka_unit_test(the_copy_with_the_highest_sequence_counts),
      cmocka_unit_test(both_copies_lost_are_corrupt_until_a_reset),
      cmocka_unit_test(the_head_is_made_and_mended),
      cmocka_unit_test(only_what_differs_of_the_head_is_written),
      cmocka_unit_test(partitions_that_cannot_be_used_say_so),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
