#include "stack.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "lwip/init.h"
#include "lwip/sys.h"

unsigned char stack_entropy[32];

void stack_init(void) {
  base_random_bytes(stack_entropy, sizeof stack_entropy);
  lwip_init();
}

u32_t sys_now(void) { return (u32_t)base_clock_ms(base_clock_system()); }

uint32_t stack_random(void) {
  uint32_t value;
  base_random_bytes(&value, sizeof value);
  return value;
}

void stack_assert_failed(const char *what, const char *file, int line) {
  fprintf(stderr, "pixpop-rescue: lwIP: %s (%s:%d)\n", what, file, line);
  abort();
}
