// What the image says of itself: its board, its version and the floor that comes with it.
#ifndef SYSTEM_BOARD_H
#define SYSTEM_BOARD_H

#include "slots/slots.h"
#include "update/bundle.h"

struct board {
  char name[UPDATE_MAX_BOARD + 1];
  char version[SLOTS_MAX_VERSION + 1];
  char floor[SLOTS_MAX_VERSION + 1];  // empty: none
};

// Lines "name value"; others than these three are skipped. BASE_BAD_INPUT when one is missing or wrong.
enum base_result board_read(const char *path, struct board *out, struct base_fault *fault) BASE_CHECKED;
// The slot of a name, or, for NULL, of the kernel's arguments.
enum base_result board_find_slot(const char *name, enum slots_id *out, struct base_fault *fault) BASE_CHECKED;

#endif
