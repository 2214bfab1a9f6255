// Giving up what a decoder does not need, before the first byte of a picture is read.
#ifndef DECODER_CONFINE_H
#define DECODER_CONFINE_H

#include <stdbool.h>
#include <stdint.h>

// `memory_bytes`: address space limit, 0 for none. False when something could not be given up; errno says why.
bool confine(uint64_t memory_bytes);

#endif
