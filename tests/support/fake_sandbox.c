// A sandbox without processes, linked in place of the real one: a file that begins with "GOOD" is a JPEG of 40 x 30,
// one that begins with "HUGE" says it is larger than any limit, "TORN" passes inspection and cannot be decoded, "EVIL"
// is a picture that is also a program (rule polyglot); others are unknown.

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/sandbox.h"

struct sandbox {
  struct sandbox_config config;
};

enum base_result sandbox_create(const struct sandbox_config *config, struct sandbox **out, struct base_fault *fault) {
  (void)fault;
  *out = malloc(sizeof **out);
  if (!*out) abort();
  (*out)->config = *config;
  return BASE_OK;
}

void sandbox_destroy(struct sandbox **sandbox) {
  free(*sandbox);
  *sandbox = NULL;
}

static bool begins_with(int fd, const char *word) {
  char bytes[4] = {0};
  if (pread(fd, bytes, sizeof bytes, 0) < 0) abort();
  return memcmp(bytes, word, sizeof bytes) == 0;
}

static bool is_known(int fd) {
  return begins_with(fd, "GOOD") || begins_with(fd, "TORN") || begins_with(fd, "HUGE") || begins_with(fd, "EVIL");
}

enum base_result sandbox_report(struct sandbox *sandbox, int fd, struct image_report *out, struct base_fault *fault) {
  (void)sandbox;
  if (!is_known(fd)) return BASE_FAIL(fault, BASE_UNSUPPORTED, "", "this is no picture we can read");
  memset(out, 0, sizeof *out);
  out->format = IMAGE_FILE_JPEG;
  out->colour = IMAGE_COLOUR_RGB;
  out->bits = 8;
  out->channels = 3;
  out->width = 40;
  out->height = 30;
  out->frames = 1;
  if (begins_with(fd, "EVIL")) image_report_find(out, IMAGE_RULE_POLYGLOT, 4, 0, "", "it is also a program (ELF)");
  return BASE_OK;
}

enum base_result sandbox_inspect(struct sandbox *sandbox, int fd, struct image_header *out, struct base_fault *fault) {
  (void)sandbox;
  if (!is_known(fd)) return BASE_FAIL(fault, BASE_UNSUPPORTED, "", "this is no picture we can read");
  uint32_t side = begins_with(fd, "HUGE") ? 50000 : 40;
  *out = (struct image_header){.format = IMAGE_FILE_JPEG,
                               .width = side,
                               .height = side == 40 ? 30 : side,
                               .orientation = IMAGE_ROTATE_90,
                               .colour = IMAGE_COLOUR_RGB,
                               .bits = 8};
  return BASE_OK;
}

enum base_result sandbox_decode(struct sandbox *sandbox, int fd, const struct image_header *header, struct image **out,
                                struct base_fault *fault) {
  (void)sandbox;
  *out = NULL;
  if (begins_with(fd, "TORN")) return BASE_FAIL(fault, BASE_UNPROCESSABLE, "", "the picture is damaged");
  return image_create(header->width, header->height, false, out);
}
