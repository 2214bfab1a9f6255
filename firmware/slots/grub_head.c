// The FAT12 file system in which GRUB finds the blocks (layout: Microsoft's FAT specification, 2000): 512 bytes a
// sector, 4096 a cluster, and each part in 4096 bytes of its own.
#include <string.h>

#include "slots/grub.h"

enum {
  SECTOR_BYTES = 512,
  STEP_SECTORS = SLOTS_GRUB_STEP_BYTES / SECTOR_BYTES,
  ENTRY_BYTES = 32,
  FIRST_CLUSTER = 2,
  FIXED_MEDIA = 0xF8,
  ARCHIVE = 0x20,
  DATE_1980 = 1 << 5 | 1,  // 1 January
};

static void put_u16(uint8_t *out, unsigned value) {
  out[0] = (uint8_t)value;
  out[1] = (uint8_t)(value >> 8);
}

static void write_boot_sector(uint8_t *out) {
  static const uint8_t JUMP[] = {0xEB, 0xFE, 0x90};  // to itself: nothing is started from here
  memcpy(out, JUMP, sizeof(JUMP));
  memcpy(out + 3, "PIXPOP  ", 8);
  put_u16(out + 11, SECTOR_BYTES);
  out[13] = STEP_SECTORS;           // sectors a cluster
  put_u16(out + 14, STEP_SECTORS);  // reserved: this part
  out[16] = 1;                      // tables
  put_u16(out + 17, SLOTS_GRUB_STEP_BYTES / ENTRY_BYTES);
  put_u16(out + 19, SLOTS_GRUB_BYTES / SECTOR_BYTES);
  out[21] = FIXED_MEDIA;
  put_u16(out + 22, STEP_SECTORS);  // a table
  put_u16(out + 24, 32);            // sectors a track, and heads: of no meaning here, but not 0
  put_u16(out + 26, 2);
  out[36] = 0x80;
  out[38] = 0x29;  // serial number, label and type follow
  memcpy(out + 39, "PXPS", 4);
  memcpy(out + 43, "BOOTENV    FAT12   ", 19);
  put_u16(out + 510, 0xAA55);
}

// Every cluster that is used is the last one of its file: two entries of 12 bits in three bytes.
static void write_table(uint8_t *out) {
  memset(out, 0xFF, (FIRST_CLUSTER + SLOTS_GRUB_FILES) * 3 / 2);
  out[0] = FIXED_MEDIA;
}

static void write_folder(uint8_t *out) {
  static const char NAMES[SLOTS_GRUB_FILES][12] = {"STATE0     ", "STATE1     ", "TRIES0     ", "TRIES1     "};
  for (size_t i = 0; i < SLOTS_GRUB_FILES; i++, out += ENTRY_BYTES) {
    memcpy(out, NAMES[i], 11);
    out[11] = ARCHIVE;
    put_u16(out + 16, DATE_1980);
    put_u16(out + 18, DATE_1980);
    put_u16(out + 24, DATE_1980);
    put_u16(out + 26, FIRST_CLUSTER + (unsigned)i);
    put_u16(out + 28, SLOTS_GRUB_BLOCK_BYTES);
  }
}

void slots_grub_write_head(uint8_t *out) {
  memset(out, 0, SLOTS_GRUB_HEAD_BYTES);
  write_boot_sector(out);
  write_table(out + SLOTS_GRUB_STEP_BYTES);
  write_folder(out + 2 * SLOTS_GRUB_STEP_BYTES);
}
