// What lwIP wants to know of the compiler and the C library.
#ifndef LWIP_ARCH_CC_H
#define LWIP_ARCH_CC_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <sys/types.h>

#define LWIP_TIMEVAL_PRIVATE 0
#define LWIP_NO_UNISTD_H 0
#define LWIP_ERRNO_STDINCLUDE 1

_Noreturn void stack_assert_failed(const char *what, const char *file, int line);
#define LWIP_PLATFORM_DIAG(arguments) \
  do {                                \
    printf arguments;                 \
  } while (0)
#define LWIP_PLATFORM_ASSERT(what) stack_assert_failed(what, __FILE__, __LINE__)

#endif
