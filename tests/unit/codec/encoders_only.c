// A program that only encodes, as pixpopd does. CMake's test looks at what the linker put into it.
#include <stdio.h>

#include "codec/codec.h"

int main(void) {
  for (int output = 0; output < CODEC_OUTPUT_COUNT; output++) puts(codec_encoder_for((enum codec_output)output)->name);
  return 0;
}
