// What lwIP asks of the machine: time, randomness, and what to do about its own bugs (lwip/lwipopts.h).
#ifndef RESCUE_STACK_H
#define RESCUE_STACK_H

#include <stdint.h>

// Before anything else of lwIP.
void stack_init(void);
uint32_t stack_random(void);
_Noreturn void stack_assert_failed(const char *what, const char *file, int line);

#endif
