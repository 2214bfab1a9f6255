// libjpeg's errors as faults: instead of exiting the process, the library jumps back to the caller.
#ifndef CODEC_JPEG_ERROR_H
#define CODEC_JPEG_ERROR_H

#include <setjmp.h>
#include <stddef.h>
#include <stdio.h>

#include <jpeglib.h>

#include "base/result.h"

struct jpeg_trap {
  struct jpeg_error_mgr manager;  // first, so that libjpeg's pointer to it is a pointer to the trap
  jmp_buf jump;
  char text[JMSG_LENGTH_MAX];  // what libjpeg said
};

// Makes `trap` the error manager. Errors, and warnings that mean lost pixels, longjmp to trap->jump.
struct jpeg_error_mgr *codec_jpeg_trap_init(struct jpeg_trap *trap);
// Jumps with our own text.
_Noreturn void codec_jpeg_trap_fail(struct jpeg_trap *trap, const char *text);

#endif
