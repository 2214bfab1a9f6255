// A long start is life: after a power cut pixpopd reads all of its store before it answers, which takes a slow disk
// with many pictures longer than any patience.
#ifndef SYSTEM_STARTING_H
#define SYSTEM_STARTING_H

#include "system.h"

// The longest start that is believed in.
enum { STARTING_MAX_MS = 6 * 60 * 60 * 1000 };

// From when the time counts that pixpopd is given: the start of this program, or, until --health has been answered for
// the first time, the last time that --starting-file had become longer than it ever was. Only a regular file of
// pixpopd's user counts, and nothing of it but its length: it is neither opened nor followed. From any thread.
uint64_t starting_since(struct system *system, uint64_t now_ms);

#endif
