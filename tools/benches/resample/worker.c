#include "worker.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct worker_case cases[WORKER_CASES] = {
    {.name = "1080p-4k-rgba",
     .picture = "hd-rgba",
     .from = {1920, 1080},
     .kind = WORKER_RGBA,
     .size_count = 1,
     .to = {{3840, 2160}}},
    {.name = "12mp-1200-rgb",
     .picture = "mp12-rgb",
     .from = {4000, 3000},
     .kind = WORKER_RGB,
     .size_count = 1,
     .to = {{1200, 900}}},
    {.name = "12mp-1200-yuv",
     .picture = "mp12-yuv",
     .from = {4000, 3000},
     .kind = WORKER_YUV,
     .size_count = 1,
     .to = {{1200, 900}}},
    {.name = "6mp-5-yuv",
     .picture = "mp6-yuv",
     .from = {3088, 2056},
     .kind = WORKER_YUV,
     .size_count = 5,
     .to = {{320, 213}, {640, 426}, {960, 639}, {1280, 852}, {1920, 1278}}},
};

void worker_die(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fputc('\n', stderr);
  exit(1);
}

void worker_say(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vprintf(format, arguments);
  va_end(arguments);
  putchar('\n');
}

struct worker_size worker_plane_size(const struct worker_case *one, struct worker_size whole, unsigned plane) {
  if (one->kind != WORKER_YUV || plane == 0) return whole;
  return (struct worker_size){(whole.width + 1) / 2, (whole.height + 1) / 2};
}

double worker_now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec * 1e-6;
}

static void read_picture(struct worker_case *one, const char *folder) {
  char path[512];
  snprintf(path, sizeof path, "%s/%s.raw", folder, one->picture);
  FILE *file = fopen(path, "rb");
  if (!file) worker_die("%s cannot be opened", path);
  one->channels = one->kind == WORKER_RGBA ? 4 : one->kind == WORKER_RGB ? 3 : 1;
  one->plane_count = one->kind == WORKER_YUV ? 3 : 1;
  for (unsigned plane = 0; plane < one->plane_count; plane++) {
    const struct worker_size size = worker_plane_size(one, one->from, plane);
    const size_t bytes = (size_t)size.width * size.height * one->channels;
    one->planes[plane] = malloc(bytes);
    if (!one->planes[plane]) worker_die("no memory");
    if (fread(one->planes[plane], 1, bytes, file) != bytes) worker_die("%s is too short", path);
  }
  if (fgetc(file) != EOF) worker_die("%s is too long", path);
  fclose(file);
}

static const struct worker_case *find_case(const char *name, unsigned *out_index) {
  for (unsigned i = 0; i < WORKER_CASES; i++) {
    *out_index = i;
    if (strcmp(cases[i].name, name) == 0) return &cases[i];
  }
  worker_die("there is no case '%s'", name);
}

int worker_main(int count, char **arguments, void (*prepare)(const struct worker_case *one, unsigned index),
                worker_run *run) {
  char name[64], variant[64];
  if (count != 2) worker_die("usage: %s FOLDER", arguments[0]);
  for (unsigned i = 0; i < WORKER_CASES; i++) {
    read_picture(&cases[i], arguments[1]);
    prepare(&cases[i], i);
  }
  puts("ready");
  fflush(stdout);
  while (scanf("%63s %63s", name, variant) == 2) {
    unsigned index = 0;
    const struct worker_case *one = find_case(name, &index);
    const double milliseconds = run(one, index, variant);
    if (milliseconds < 0.0) {
      puts("-");
    } else {
      printf("%.4f\n", milliseconds);
    }
    fflush(stdout);
  }
  return 0;
}
