// What an image says of itself, in the file /etc/pixpop/board of its root and of its initramfs: board, version, and the
// floor that comes with it.
#ifndef SLOTS_BOARD_H
#define SLOTS_BOARD_H

#include "slots/slots.h"

enum { SLOTS_MAX_BOARD = 31 };

struct slots_board {
  char name[SLOTS_MAX_BOARD + 1];
  char version[SLOTS_MAX_VERSION + 1];
  char floor[SLOTS_MAX_VERSION + 1];  // empty: none
};

// Lines "board NAME", "version V", "floor V" ("-": none; may be missing); others are skipped. BASE_NOT_FOUND without a
// file; BASE_BAD_INPUT when a line is missing, wrong or there twice: what is not understood is never taken for none.
enum base_result slots_board_read(const char *path, struct slots_board *out, struct base_fault *fault) BASE_CHECKED;

#endif
