// A program that only encodes and reads its own levels, as pixpopd does. CMake's test looks at what the linker put into
// it.
#include <stdio.h>

#include "codec/codec.h"
#include "codec/level.h"

int main(void) {
  for (int output = 0; output < CODEC_OUTPUT_COUNT; output++) puts(codec_encoder_for((enum codec_output)output)->name);
  struct image *level;
  return codec_level_decode((struct base_span){0}, &level, NULL) == BASE_CORRUPT ? 0 : 1;
}
