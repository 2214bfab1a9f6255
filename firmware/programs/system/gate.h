// What follows from the health of a slot: it is good, or the box goes back to the other one.
#ifndef SYSTEM_GATE_H
#define SYSTEM_GATE_H

#include "system.h"

struct gate {
  unsigned looks;              // good ones in a row
  bool is_over;                // its time has run out: from here on it can only still be passed
  struct base_fault obstacle;  // why the box did not go back to the other slot
};

// Marks the running slot good and lets updates in. False (with a fault) when the boot loader's memory cannot be
// written: try again.
bool gate_pass(struct system *system, struct base_fault *fault);
// Once --gate has passed without that: a slot on trial is marked bad and the box restarted when the other one can boot;
// all else is only said. `text`: what is wrong.
void gate_judge(struct system *system, struct gate *gate, const char *text);

#endif
