// compare: reads lines "REFERENCE.ppm PICTURE.webp" from standard input, writes a line "SSIM PSNR" for each: SSIM of
// luma, PSNR of R, G and B in dB; or "-" when the sizes differ.

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <webp/decode.h>

#include "ssim.h"

struct picture {
  int width, height;
  uint8_t *rgb;
};

static uint8_t *read_file(const char *path, size_t *out_bytes) {
  FILE *file = fopen(path, "rb");
  if (!file || fseek(file, 0, SEEK_END) != 0) {
    fprintf(stderr, "compare: %s: %s\n", path, strerror(errno));
    exit(1);
  }
  *out_bytes = (size_t)ftell(file);
  rewind(file);
  uint8_t *bytes = calloc(*out_bytes + 1, 1);
  if (fread(bytes, 1, *out_bytes, file) != *out_bytes) exit(1);
  fclose(file);
  return bytes;
}

static struct picture read_ppm(const char *path) {
  size_t bytes;
  int start = 0;
  struct picture picture = {0};
  uint8_t *file = read_file(path, &bytes);
  if (sscanf((const char *)file, "P6 %d %d 255%n", &picture.width, &picture.height, &start) != 2) exit(1);
  const size_t pixels = (size_t)picture.width * (size_t)picture.height * 3;
  picture.rgb = malloc(pixels);
  memcpy(picture.rgb, file + start + 1, pixels);
  free(file);
  return picture;
}

static struct picture read_webp(const char *path) {
  size_t bytes;
  struct picture picture = {0};
  uint8_t *file = read_file(path, &bytes);
  picture.rgb = WebPDecodeRGB(file, bytes, &picture.width, &picture.height);
  free(file);
  return picture;
}

static double luma_ssim(const struct picture *a, const struct picture *b) {
  const uint32_t width = (uint32_t)a->width, height = (uint32_t)a->height;
  uint8_t *luma_a = ssim_luma(a->rgb, 3, (size_t)width * 3, width, height);
  uint8_t *luma_b = ssim_luma(b->rgb, 3, (size_t)width * 3, width, height);
  const struct ssim_plane planes[2] = {{luma_a, 1, width}, {luma_b, 1, width}};
  const double ssim = ssim_of(&planes[0], &planes[1], width, height);
  free(luma_a);
  free(luma_b);
  return ssim;
}

static double colour_psnr(const struct picture *a, const struct picture *b) {
  const size_t count = (size_t)a->width * (size_t)a->height * 3;
  double squares = 0.0;
  for (size_t i = 0; i < count; i++) {
    const double difference = (double)a->rgb[i] - b->rgb[i];
    squares += difference * difference;
  }
  return 10.0 * log10(255.0 * 255.0 * (double)count / squares);
}

int main(void) {
  char reference[4096], path[4096];
  while (scanf("%4095s %4095s", reference, path) == 2) {
    struct picture a = read_ppm(reference), b = read_webp(path);
    if (!b.rgb || a.width != b.width || a.height != b.height) {
      printf("-\n");
    } else {
      printf("%.6f %.3f\n", luma_ssim(&a, &b), colour_psnr(&a, &b));
    }
    fflush(stdout);
    free(a.rgb);
    WebPFree(b.rgb);
  }
  return 0;
}
